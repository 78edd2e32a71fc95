"""What one engine is fit for: may it get a new conversation, may it get any request, when may it be started again.

A pure state machine: no clock (time is passed in, in seconds of any monotonic clock), no I/O, no chance. It judges by
what others report; its owner does what it answers.

Its moves: *ready* (it answers and lists the model), *answered* and *failed* (a poll or a call did or did not get an
answer), *served* and *unserved* (a call was or was not, whatever polls say), *exited* (its process is gone, or a server
that is not ours is given up for now), *restarting* (its owner asks to start it again), and *tick*, which finds the one
that takes too long to start or answers nothing but polls::

    STARTING --ready--> HEALTHY <-----> SUSPECT     failures in a row: suspect, then dead; an answer: healthy
        |                  |               |
        | too late         | exited        | failures, exited
        v                  v               v
       DEAD --restarting--> RESTARTING --ready--> HEALTHY        too late or exited: dead again
        |
        +-- restart after restart led to nothing --> GIVEN_UP    final

**DEAD never becomes HEALTHY**, whatever is heard of it. A dead engine's cache is gone, the requests it had in flight
are gone and were perhaps sent elsewhere already, its address may belong to another by now. An answer that arrives late
was given before all that: taking it as a sign of life would put conversations on a process that is being ended. So a
dead engine comes back only through RESTARTING and *ready*; until then it is sent nothing but the question whether it is
ready.

The same holds for words about an earlier process of a restarted engine: calls it left hanging time out minutes later,
dozens at once, and must not take the new process down with them. Who reports says which process it is about (``of``).

A server that is not ours (``restartable=False``, an external URL) can't be started again by us and may come back at any
time: it is never GIVEN_UP. Its owner asks it again at the times a restart would be due.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import NamedTuple

CALL_SECONDS = 60.0
"""A server may answer polls while its engine hangs or breaks at every request. Calls that led to nothing make it
suspect like polls do, but no answered poll takes that back, only an answered call; and when none is answered for this
long, it is dead. Long enough for some answers of an engine that is merely slow; short beside the deadline that each
call on it would cost."""

SUSPECT_AFTER = 2
"""Failures in a row that stop new conversations. One is any hiccup; being suspect costs nearly nothing (those that are
on it stay), so it need not be certain."""

DEAD_AFTER = 6
"""Failures in a row, counted from the first, that declare it dead. That costs its whole cache and minutes to start it
again, and an engine may well be deaf for some seconds, while it compiles or reads in a hundred long prompts. With a
poll every 2 s this is 12 s of refused connections, or 40 s of polls that time out after 5 s. A process known to be gone
need not wait for it (*exited*)."""

FAILURE_SECONDS = 0.5
"""Failures closer than this to the last one counted are the same one. A hundred calls break when one connection pool or
one switch does, and would else be a hundred failures in a row. Shorter than any sensible poll interval."""

HEALTHY_SECONDS = 300.0
"""From *ready* to an answer this much later: the restart was worth its while, and the next death is the first in a row
again. Long beside a crash at the first requests or at the first full cache; as long as a large model takes to start, so
that one that always dies later than this still works more than it starts. Being suspect in between does not count
against it: it served."""

MAX_RESTARTS = 5
"""Restarts in a row without such a stretch. A wrong flag or a card that is out of memory fails every time: five starts
of some minutes each are lost on it, while a node that comes back within a few minutes is waited for."""

RESTART_SECONDS = 2.0
"""From the first death in a row to its restart; doubled with each one more. Long enough for the port and the card's
memory to be free again."""

RESTART_SECONDS_MOST = 60.0
"""The longest such wait: also how soon an external server that is back is noticed."""

TIMELINE_LENGTH = 100
"""Transitions kept, the latest. An engine has a handful in a good run; one that flaps shows its pattern in these."""


class State(StrEnum):
    STARTING = "starting"  # for the first time, or an external one not yet heard of
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
"""Every transition there is."""


class Transition(NamedTuple):
    """From ``at`` (seconds) on the engine was in ``state``."""

    at: float
    state: State
    why: str


class Health:
    """The health of one engine. Every event costs O(1).

    *ready*, *answered*, *failed* and *exited* take ``of``: the value of :attr:`restarts` when the call was sent or the
    process started. What an earlier process did is dropped. Left out, it is taken to be about the present one.

    :param now: when it began to start.
    :param start_seconds: how long it may take to be ready, at first and after each restart.
    :param restartable: ours to start again. False for an external URL.
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
        """How often it was started again, in all: the number of the present process."""
        self._start_seconds = start_seconds
        self._restartable = restartable
        self._max_restarts = max_restarts
        self._clock = now
        self._state = State.STARTING
        self._since = now  # when it came to this state
        self._ready_at = now  # of the present process; meaningless before
        self._failures = 0  # in a row
        self._failed_at: float | None = None  # the last one counted
        self._calls = 0  # that led to nothing, since one was answered
        self._call_at = 0.0  # the last one counted
        self._unserved_since = 0.0  # when they became too many; meaningless before
        self._in_a_row = 0  # restarts, or questions to an external one, since a healthy stretch
        self._restart_at: float | None = None
        self._timeline: deque[Transition] = deque([Transition(now, State.STARTING, "begun")], TIMELINE_LENGTH)

    # ---------------------------------------------------------------------------------------------------- what is known

    @property
    def state(self) -> State:
        return self._state

    @property
    def takes_new(self) -> bool:
        """May a new conversation be put on it?"""
        return self._state is State.HEALTHY

    @property
    def takes_any(self) -> bool:
        """May it be sent a request at all, of a conversation that is on it?"""
        return self._state in (State.HEALTHY, State.SUSPECT)

    @property
    def restart_at(self) -> float | None:
        """When the next restart may begin, or an external one be asked again; None while none is to come."""
        return self._restart_at

    @property
    def timeline(self) -> list[Transition]:
        """The latest transitions, oldest first."""
        return list(self._timeline)

    # ------------------------------------------------------------------------------------------------------- the events

    def ready(self, now: float, *, of: int | None = None) -> None:
        """It answers, and lists the model. Ends a start; of a running engine it is an answer like any other.

        A dead engine of ours stays dead: this was the process that is gone. A dead external one is back, by way of
        RESTARTING, if the time had come to ask it again; sooner is not believed, it may be an answer that was late.
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
        """A poll or a call got an answer, whichever: also an error that the engine itself wrote. Says nothing of one
        that is starting, where something may answer before the model is loaded, or of one that is dead."""
        if self._outdated(now, of) or not self.takes_any:
            return
        self._failures = 0
        self._failed_at = None
        if self._clock - self._ready_at >= HEALTHY_SECONDS:
            self._in_a_row = 0
        if self._state is State.SUSPECT and self._calls < SUSPECT_AFTER:
            self._go(State.HEALTHY, "answered again")

    def served(self, now: float, *, of: int | None = None) -> None:
        """A call got its answer: more than a poll's, it shows that the engine behind the server works."""
        if self._outdated(now, of):
            return
        self._calls = 0
        self.answered(now)

    def unserved(self, now: float, why: str, *, of: int | None = None) -> None:
        """A call reached it and led to nothing: no answer in time, or an error of the server's own."""
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

        Says nothing of one that is starting: it refuses until it has loaded the model. An external one that was asked
        again is asked later the next time.
        """
        if self._outdated(now, of):
            return
        if self.takes_any:
            self._count(why)
        elif not self._restartable and self._state is State.RESTARTING:
            self._die(why)
        elif not self._restartable and self._restart_at is not None and self._restart_at <= self._clock:
            self._in_a_row += 1  # asked, and still dead: later the next time; no transition, or they fill the timeline
            self._schedule()

    def exited(self, now: float, why: str, *, of: int | None = None) -> None:
        """Its process is known to be gone; of an external one: its owner takes it for unreachable."""
        if self._outdated(now, of) or self._state in (State.DEAD, State.GIVEN_UP):
            return
        self._die(why)

    def restarting(self, now: float) -> bool:
        """May its owner start it again (or ask an external one again), which then counts as begun? False, and nothing
        changes, if it is not dead, is given up, or if :attr:`restart_at` has not come.

        A process declared dead for its silence may still run: its owner ends it first.
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
        """Time passes: one that has been starting for too long is dead. To be called every second or so."""
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
            self._go(State.GIVEN_UP, f"{self._in_a_row} restarts in a row led to nothing")
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
        """Take note of the time. Is this about an earlier process?"""
        self._advance(now)
        return of is not None and of != self.restarts

    def _advance(self, now: float) -> None:
        if now > self._clock:
            self._clock = now
