"""Health of one engine: whether it gets new conversations, whether it gets requests, when it may be restarted.

A pure state machine: no clock (time is passed in, in seconds of any monotonic clock), no I/O, no chance. It judges by
what is reported to it; its owner acts on the answers.

Its events: *ready* (the engine answers and lists the model), *answered* and *failed* (a poll or a call did or did not
get an answer), *served* and *unserved* (a call did or did not get a result, whatever polls say), *exited* (its process
is gone, or a third-party server is unreachable), *restarting* (its owner asks to restart it), and *tick*, which finds
an engine that takes too long to start, or answers polls only::

    STARTING --ready--> HEALTHY <-----> SUSPECT     failures in a row: suspect, then dead; an answer: healthy
        |                  |               |
        | too late         | exited        | failures, exited
        v                  v               v
       DEAD --restarting--> RESTARTING --ready--> HEALTHY        too late or exited: dead again
        |
        +-- too many restarts in a row --> GIVEN_UP    final

**DEAD never becomes HEALTHY**, whatever is reported. The cache of a dead engine is gone, its requests may have been
sent to another one already, and its address may belong to another process by now. A late answer was given before all
that: if it counted as a sign of life, conversations would be put on a process that is being stopped. So a dead engine
comes back only through RESTARTING and *ready*; until then it gets nothing but polls.

For the same reason, reports about an earlier process of a restarted engine are dropped: its hung calls time out
minutes later, dozens at once, and must not count against the new process. Reports name the process (``of``).

A third-party server (``restartable=False``, an external URL) can't be restarted by us and may come back at any time: it
is never GIVEN_UP. Its owner polls it again when a restart would be due.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import NamedTuple

CALL_SECONDS = 60.0
"""A server may answer polls while its engine hangs or fails at every request. Unserved calls make it suspect as failed
polls do, but only a served call clears that, not a poll; without one for this long, it is dead. Long enough for a slow
engine to serve some calls, short compared with the deadline that each call on it would run into."""

SUSPECT_AFTER = 2
"""Failures in a row that stop new conversations. One failure may be a hiccup; being suspect costs almost nothing
(current conversations stay), so it need not be certain."""

DEAD_AFTER = 6
"""Failures in a row, counted from the first, that declare it dead. That costs its whole cache and minutes for a
restart, and an engine may not answer for some seconds while it compiles or prefills a hundred long prompts. With a poll
every 2 s this is 12 s of refused connections, or 40 s of polls that time out after 5 s. A process known to be gone does
not have to wait for it (*exited*)."""

FAILURE_SECONDS = 0.5
"""Failures closer than this to the last one counted are the same one: when a connection pool or a switch breaks, a
hundred calls fail at once. Shorter than any sensible poll interval."""

HEALTHY_SECONDS = 300.0
"""An answer this long after *ready* means that the restart was worth it: the next death counts as the first in a row.
Long compared with a crash at the first requests or at the first full cache; as long as a large model takes to start, so
that an engine that always dies later than this still works longer than it starts. Having been suspect meanwhile does
not matter: it served."""

MAX_RESTARTS = 5
"""Restarts in a row without such a healthy stretch, after which it is given up. A wrong flag or a GPU without memory
fails every time and costs five starts of some minutes; a node that comes back within minutes is waited for."""

RESTART_SECONDS = 2.0
"""Delay from the first death in a row to its restart; doubled with each further one. Long enough for the port and the
GPU memory to be free again."""

RESTART_SECONDS_MOST = 60.0
"""Upper bound of that delay; also how soon a third-party server that is back is noticed."""

TIMELINE_LENGTH = 100
"""Latest transitions kept. An engine has a handful in a good run; one that flaps shows its pattern in these."""


class State(StrEnum):
    """The health of an engine."""

    STARTING = "starting"  # for the first time, or third-party and not polled successfully yet
    HEALTHY = "healthy"
    SUSPECT = "suspect"
    DEAD = "dead"
    RESTARTING = "restarting"
    GIVEN_UP = "given_up"


LEADS_TO: dict[State, frozenset[State]] = {
    State.STARTING: frozenset({State.HEALTHY, State.DEAD}),
    State.HEALTHY: frozenset({State.SUSPECT, State.DEAD}),
    State.SUSPECT: frozenset({State.HEALTHY, State.DEAD}),
    State.DEAD: frozenset({State.RESTARTING, State.GIVEN_UP}),
    State.RESTARTING: frozenset({State.HEALTHY, State.DEAD}),
    State.GIVEN_UP: frozenset(),
}
"""All allowed transitions."""


class Transition(NamedTuple):
    """An entry of the timeline: the engine was in ``state`` from ``at`` (seconds) on."""

    at: float
    state: State
    why: str


class Health:
    """The health state machine of one engine. Every event costs O(1).

    Events take ``of``: the value of :attr:`restarts` when the call was sent or the process started; the current one by
    default. Events of an earlier process are dropped.

    :param now: when it began to start.
    :param start_seconds: deadline to be ready, for the first start and each restart.
    :param restartable: whether we can restart it; False for an external URL.
    :param max_restarts: restarts in a row, without a healthy stretch, after which it is given up.
    """

    def __init__(
        self, now: float, start_seconds: float, *, restartable: bool = True, max_restarts: int = MAX_RESTARTS
    ) -> None:
        if start_seconds <= 0:
            raise ValueError(f"an engine needs longer than {start_seconds} s to start")
        if max_restarts < 0:
            raise ValueError(f"max_restarts is at least 0, not {max_restarts}")
        self.restarts = 0
        """Number of restarts so far; identifies the current process."""
        self._start_seconds = start_seconds
        self._restartable = restartable
        self._max_restarts = max_restarts
        self._clock = now
        self._state = State.STARTING
        self._since = now  # when it entered this state
        self._ready_at = now  # of the current process; meaningless before
        self._failures = 0  # in a row
        self._failed_at: float | None = None  # the last one counted
        self._calls = 0  # unserved, since the last served one
        self._call_at = 0.0  # the last one counted
        self._unserved_since = 0.0  # when they became too many; meaningless before
        self._in_a_row = 0  # restarts, or polls of a dead third-party server, since a healthy stretch
        self._restart_at: float | None = None
        self._timeline: deque[Transition] = deque([Transition(now, State.STARTING, "begun")], TIMELINE_LENGTH)

    # ---------------------------------------------------------------------------------------------------------- queries

    @property
    def state(self) -> State:
        return self._state

    @property
    def takes_new(self) -> bool:
        """Whether it gets new conversations."""
        return self._state is State.HEALTHY

    @property
    def takes_any(self) -> bool:
        """Whether it gets requests at all, of conversations that are on it."""
        return self._state in (State.HEALTHY, State.SUSPECT)

    @property
    def restart_at(self) -> float | None:
        """When the next restart, or the next poll of a dead third-party server, is due; None if none is."""
        return self._restart_at

    @property
    def timeline(self) -> list[Transition]:
        """The latest transitions, oldest first."""
        return list(self._timeline)

    # ----------------------------------------------------------------------------------------------------------- events

    def ready(self, now: float, *, of: int | None = None) -> None:
        """It answers, and lists the model. Ends a start; for a running engine it is the same as *answered*.

        A dead hosted engine stays dead: this came from the process that is gone. A dead third-party server is back, by
        way of RESTARTING, if the next poll was due; before that it may be a late answer and is ignored.
        """
        if self._outdated(now, of):
            return
        if not self._restartable and self._state is State.DEAD:
            self.restarting(now)
        if self._state in (State.STARTING, State.RESTARTING):
            self._ready_at = self._clock
            self._go(State.HEALTHY, "ready")
        else:
            self.answered(now)

    def answered(self, now: float, *, of: int | None = None) -> None:
        """A poll or a call got any answer, even an error written by the engine itself. Ignored while it starts, when
        something may answer before the model is loaded, and when it is dead."""
        if self._outdated(now, of) or not self.takes_any:
            return
        self._failures = 0
        self._failed_at = None
        if self._clock - self._ready_at >= HEALTHY_SECONDS:
            self._in_a_row = 0
        if self._state is State.SUSPECT and self._calls < SUSPECT_AFTER:
            self._go(State.HEALTHY, "answered again")

    def served(self, now: float, *, of: int | None = None) -> None:
        """A call got its result. Unlike a poll, this shows that the engine behind the server works."""
        if self._outdated(now, of):
            return
        self._calls = 0
        self.answered(now)

    def unserved(self, now: float, why: str, *, of: int | None = None) -> None:
        """A call reached it and got no result: no answer in time, or an internal error of the server."""
        if self._outdated(now, of) or not self.takes_any:
            return
        if self._calls and self._clock - self._call_at < FAILURE_SECONDS:
            return
        self._calls += 1
        self._call_at = self._clock
        if self._calls == SUSPECT_AFTER:
            self._unserved_since = self._clock
            if self._state is State.HEALTHY:
                self._go(State.SUSPECT, why)

    def failed(self, now: float, why: str, *, of: int | None = None) -> None:
        """A poll or a call got no answer: refused, reset, timed out.

        Ignored while it starts: it refuses connections until the model is loaded. After each failed poll, a dead
        third-party server is polled later the next time.
        """
        if self._outdated(now, of):
            return
        if self.takes_any:
            self._count(why)
        elif not self._restartable and self._state is State.RESTARTING:
            self._die(why)
        elif not self._restartable and self._restart_at is not None and self._restart_at <= self._clock:
            self._in_a_row += 1  # still dead; no transition: they would fill the timeline
            self._schedule()

    def exited(self, now: float, why: str, *, of: int | None = None) -> None:
        """Its process is known to be gone, or a third-party server is unreachable."""
        if self._outdated(now, of) or self._state in (State.DEAD, State.GIVEN_UP):
            return
        self._die(why)

    def restarting(self, now: float) -> bool:
        """Begin a restart (or retry a third-party server) if one is due. Returns False, and changes nothing, if it is
        not dead, is given up, or :attr:`restart_at` is in the future.

        A process declared dead because it did not answer may still run: its owner stops it first.
        """
        self._advance(now)
        if self._restart_at is None or self._restart_at > self._clock:
            return False
        self.restarts += 1
        self._in_a_row += 1
        self._restart_at = None
        self._go(State.RESTARTING, f"restart {self.restarts}")
        return True

    def tick(self, now: float) -> None:
        """Declare it dead if it takes too long to start, or serves no call. To be called every second or so."""
        self._advance(now)
        starts = self._state in (State.STARTING, State.RESTARTING)
        if starts and self._clock - self._since >= self._start_seconds:
            self._die(f"not ready within {self._start_seconds:g} s")
        elif self.takes_any and self._calls >= SUSPECT_AFTER and self._clock - self._unserved_since >= CALL_SECONDS:
            self._die(f"it answers polls, but no call for {CALL_SECONDS:g} s")

    # ----------------------------------------------------------------------------------------------------------- inside

    def _count(self, why: str) -> None:
        if self._failed_at is not None and self._clock - self._failed_at < FAILURE_SECONDS:
            return
        self._failed_at = self._clock
        self._failures += 1
        if self._failures >= DEAD_AFTER:
            self._die(f"{self._failures} failures in a row: {why}")
        elif self._failures == SUSPECT_AFTER and self._state is State.HEALTHY:
            self._go(State.SUSPECT, why)

    def _die(self, why: str) -> None:
        self._failures = self._calls = 0
        self._failed_at = None
        self._go(State.DEAD, why)
        if self._restartable and self._in_a_row >= self._max_restarts:
            self._go(State.GIVEN_UP, f"{self._in_a_row} restarts in a row failed")
        else:
            self._schedule()

    def _schedule(self) -> None:
        delay = RESTART_SECONDS
        for _ in range(self._in_a_row):
            delay *= 2
            if delay >= RESTART_SECONDS_MOST:
                break
        self._restart_at = self._clock + min(delay, RESTART_SECONDS_MOST)

    def _go(self, state: State, why: str) -> None:
        if state not in LEADS_TO[self._state]:
            raise AssertionError(f"an engine that is {self._state} never becomes {state}")
        self._state = state
        self._since = self._clock
        self._timeline.append(Transition(self._clock, state, why))

    def _outdated(self, now: float, of: int | None) -> bool:
        """Advance the clock. Returns whether the event is about an earlier process."""
        self._advance(now)
        return of is not None and of != self.restarts

    def _advance(self, now: float) -> None:
        if now > self._clock:
            self._clock = now
