"""Admission limiter of one engine: how many requests it may have at once, learned from its own metrics.

A pure state machine: no clock (time comes with each reading), no I/O, no chance.

Too few requests leave the GPU idle; too many fill its KV cache, and then it preempts half-done requests and computes
them again. The optimum depends on the GPU, the model and the current length of the conversations, so the limiter never
stops searching: up in small steps, down in large ones (AIMD). Each reading leads to one of four moves:

===== ===================================== =============================================================
grow  kv below 0.6                          by a tenth, if the limit is in use and the engine has no queue
hold  kv from 0.6 to 0.9, or none of these  nothing
shrink kv above 0.9, or a request rejected  to nine tenths
cut   a request preempted                   to seven tenths
===== ===================================== =============================================================

The band
    Between growing and shrinking lies a wide band without moves; otherwise the limit would follow every fluctuation. Up
    to 0.8 there is room, but the running requests need it: each holds more with every token, so an engine that new
    requests fill to 0.8 is over-full when they are old. From 0.8 to 0.9 there is no room to give away and no need to
    take any back: requests that end make room. The two parts differ in one thing: up to 0.8, a lowered limit may return
    almost to its old value; above 0.8 nothing grows, whatever the reason.

No step overshoots
    A step up is capped so that kv, in proportion, would be at most 0.8 after it. So if an engine's kv is proportional
    to its running requests, no step up leads to a step down: the limit comes to rest.

The level of trouble
    The limit at which it was last lowered is remembered. Up to nine tenths of that level the limit recovers fast: a
    tenth per reading, also inside the band, so that a preemption costs a few readings (RECOVERY_POLLS) and not a new
    search. From there to just below the level it grows by a hundredth every ten readings. The level itself is tried
    again only when it is forgotten, after 120 readings without trouble: by then the conversations have changed. So an
    engine that shows its limit only by trouble has trouble at most twice in 120 readings: once after large steps, once
    after small ones.

Waiting for effect
    A lowered limit takes effect only when requests end. The next reading still describes the time before, and so do
    those that follow while there are more requests than the limit: for up to 10 readings nothing is lowered for the
    same reason. If that was not enough, it is lowered again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

GROW_BELOW = 0.6
"""KV use. SHRINK_ABOVE is 1.5 times as much: more than the chance difference of two polls, and more than the step from
2 requests to 3."""

GROW_TO = 0.8
"""KV use that a step up may lead to, in proportion to the running requests; end of the band's lower part."""

RETURN_TO = 0.85
"""The same during recovery. At 0.9 of a level that had a kv of 0.9, kv is 0.81."""

SHRINK_ABOVE = 0.9
"""KV use. vLLM preempts at 1.0, and a batch of long prompts takes the last tenth within one poll."""

GROW_STEP = 0.1
"""Of the limit, at least 1: it doubles in about 8 readings. A new request shows its full size in kv some turns later,
so a faster climb would overshoot."""

SHRINK_TO = 0.9
"""Of the load, at kv above SHRINK_ABOVE or a rejection: nothing is lost yet."""

CUT_TO = 0.7
"""Of the load, at a preemption: work is lost until the cache has room again."""

USED = 0.9
"""Of the limit: with fewer requests than this the limit is not what keeps kv low, and raising it is a guess."""

WAITING_SHARE = 0.1
"""Of the running requests, at least 1: with more than this waiting the engine is full by its own measure (maximum batch
size, cache). More requests would wait in its queue, where no other engine can take them."""

NEAR = 0.9
"""Of the level of trouble, rounded down: up to here recovery is fast."""

NEAR_STEP = 0.01
"""Of the limit, at least 1: the step size from there to the level."""

NEAR_POLLS = 10
"""Readings between two such steps: some turns of a conversation, so that the effect of each is visible."""

FORGET_POLLS = 120
"""Readings without trouble after which the level is forgotten: 4 minutes at one every 2 s, in which many conversations
have ended. On an engine that shows its limit only by trouble, this is how often it is tried: a cut and its recovery
cost about 1 % of the throughput of that time."""

SETTLE_POLLS = 10
"""Readings to wait for a lowered limit to take effect, while there are more requests than it: at one every 2 s, most
running requests have ended by then."""

RECOVERY_POLLS = 6
"""Readings after a preemption until the limit is back at nine tenths (rounded down), if the engine can take it: one to
wait for the effect, at most five to climb."""

REFUSED_SECONDS = 10.0
"""503s within this time after the limit was lowered carry no new information: a full queue refuses everyone, and stays
full until some requests have ended."""


class Move(StrEnum):
    GROW = "grow"
    HOLD = "hold"
    SHRINK = "shrink"
    CUT = "cut"


class LoadReading(NamedTuple):
    """A reading of an engine's load. For a server without metrics, ``running`` is what its clients have in flight."""

    at: float  # seconds, of the clock of Admission.refused
    kv_use: float | None  # 0..1; None (or NaN) if the server does not report it
    running: int
    waiting: int
    preemptions: int  # total since it started
    rejections: int  # total since it started: 503s


class Admission:
    """The admission limiter of one engine: holds and adapts :attr:`limit`.

    :param start: the limit before the first reading.
    :param least: lower bound of the limit, at least 1.
    :param most: upper bound.
    """

    def __init__(self, start: int, least: int, most: int) -> None:
        if not 1 <= least <= start <= most:
            raise ValueError(f"1 <= least <= start <= most, not least {least}, start {start}, most {most}")
        self.least = least
        """Lower bound of the limit."""
        self.moves = dict.fromkeys((Move.GROW, Move.SHRINK, Move.CUT), 0)
        """Number of changes of the limit, by kind."""
        self._limit = start
        self._most = most
        self._last: LoadReading | None = None
        self._trouble: int | None = None  # the limit at which it was last lowered
        self._quiet = 0  # readings since
        self._settle = 0  # readings left to wait for the effect of that
        self._lowered_at: float | None = None

    @property
    def limit(self) -> int:
        """Requests the engine may have at once."""
        return self._limit

    @property
    def trouble(self) -> int | None:
        """The level of trouble; ``None`` if there was none, or it is forgotten."""
        return self._trouble

    def read(self, reading: LoadReading) -> Move:
        """Handle a reading, every second or two. Returns the move; a reading not later than the last one is dropped.

        A counter that fell means that the engine was restarted: it counts from there. The limit and the level of
        trouble stay, since it is the same model on the same GPU.
        """
        last = self._last
        if last is not None and reading.at <= last.at:
            return Move.HOLD
        self._last = reading
        load = reading.running + reading.waiting
        if self._settling(load):
            return Move.HOLD
        if last is not None:
            load = max(load, last.running + last.waiting)  # requests preempted or rejected since may have ended by now
            if reading.preemptions > last.preemptions:
                return self._lower(reading.at, load, CUT_TO, Move.CUT)
            if reading.rejections > last.rejections:
                return self._lower(reading.at, load, SHRINK_TO, Move.SHRINK)
        if reading.kv_use is not None and reading.kv_use > SHRINK_ABOVE:
            return self._lower(reading.at, reading.running + reading.waiting, SHRINK_TO, Move.SHRINK)
        self._quiet += 1
        if self._quiet >= FORGET_POLLS:
            self._trouble = None
        return self._grow(reading)

    def refused(self, now: float) -> Move:
        """Handle a 503 that a client got at time ``now`` (seconds): shrink, once per burst."""
        if self._lowered_at is not None and now - self._lowered_at < REFUSED_SECONDS:
            return Move.HOLD
        return self._lower(now, self._limit, SHRINK_TO, Move.SHRINK)

    # ----------------------------------------------------------------------------------------------------------- inside

    def _settling(self, load: int) -> bool:
        """Whether this reading still describes the time before the limit was lowered."""
        if not self._settle:
            return False
        self._settle = self._settle - 1 if load > self._limit else 0
        return True

    def _lower(self, now: float, load: int, share: float, move: Move) -> Move:
        """Lower the limit to a share of it, or of the load if that is less: an unused limit has no effect."""
        level = max(self.least, min(self._limit, load))
        self._trouble = level
        self._quiet = 0
        lowered = max(self.least, min(level - 1, int(level * share)))
        if lowered == self._limit:
            return Move.HOLD
        self._limit = lowered
        self._lowered_at = now
        self._settle = SETTLE_POLLS
        self.moves[move] += 1
        return move

    def _grow(self, reading: LoadReading) -> Move:
        kv, running = reading.kv_use, reading.running
        used = running + reading.waiting >= USED * self._limit
        if not used or reading.waiting > max(1.0, WAITING_SHARE * running):
            return Move.HOLD
        limit = self._limit
        to, below, lead_to = limit + max(1, int(limit * GROW_STEP)), GROW_BELOW, GROW_TO
        if self._trouble is not None:
            near = int(self._trouble * NEAR)
            if limit < near:
                to, below, lead_to = min(to, near), GROW_TO, RETURN_TO
            elif self._quiet % NEAR_POLLS == 0:
                to = min(limit + max(1, int(limit * NEAR_STEP)), self._trouble - 1)
            else:
                return Move.HOLD
        if kv is not None and kv >= below:
            return Move.HOLD
        if kv is not None and to * kv > running * lead_to:
            to = int(running * lead_to / kv)
        to = min(to, self._most)
        if to <= limit:
            return Move.HOLD
        self._limit = to
        self.moves[Move.GROW] += 1
        return Move.GROW


def share(limit: int, workers: int, turn: int = 0) -> list[int]:
    """Split an engine's limit over its workers, as evenly as possible; none of them knows what the others send.

    The sum is the limit, but each worker gets at least 1, since its conversations on that engine would stop otherwise.
    So the smallest effective limit of an engine is the number of its workers.

    :param turn: which workers get the remainder; such as the engine's number, so that it differs from engine to engine.
    """
    if workers < 1:
        raise ValueError(f"a limit of {limit} can't be split over {workers} workers")
    return [share_of(limit, workers, worker, turn) for worker in range(workers)]


def share_of(limit: int, workers: int, worker: int, turn: int = 0) -> int:
    """One worker's part of :func:`share`, at O(1): each of many workers gets its shares of thousands of engines."""
    if limit < 1 or workers < 1:
        raise ValueError(f"a limit of {limit} can't be split over {workers} workers")
    each, odd = divmod(limit, workers)
    return max(1, each + ((worker - turn) % workers < odd))
