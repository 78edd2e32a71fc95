"""How many requests one engine may have at once, found out from its own metrics.

A pure state machine: no clock (time comes with each reading), no I/O, no chance.

Too few at once leaves the card idle; too many fill its KV cache, and then it throws half-done requests out and computes
them again. Where the middle lies depends on the card, the model and how long the conversations are just now, so it is
sought all the time: up in small steps, down in large ones (AIMD). Each reading is one of four moves:

===== ===================================== ================================================================
grow  kv below 0.6                          by a tenth, if the limit is really used and the engine has no queue
hold  kv from 0.6 to 0.9, or none of these  nothing
shrink kv above 0.9, or a request rejected  to nine tenths
cut   a request preempted                   to seven tenths
===== ===================================== ================================================================

The band
    Between growing and shrinking lies a wide band where nothing moves, or every fluctuation would. Up to 0.8 there is
    room, but it is what the running requests grow into: each holds more with every token, so an engine filled to 0.8 by
    new requests is over-full when they are old. From 0.8 to 0.9 there is none to give, and no need to take any: the
    requests that end make room. Where the two differ: up to 0.8, a limit that was lowered may return to nearly where it
    was; above, nothing grows, whatever the reason.

No step overshoots
    Growing is capped by what kv would be then, in proportion: at most 0.8. So on an engine whose kv follows the number
    running, no step up leads to a step down: the limit comes to rest and stays.

The level of trouble
    The limit at which it was last lowered is remembered. Up to nine tenths of it the way back is fast: a tenth a
    reading, also inside the band, so that one preemption costs a few readings (RECOVERY_POLLS) and not a new search.
    From there up to just below it the steps are a hundredth each ten readings. The level itself is taken again only
    when it is forgotten, after 120 readings without trouble: conversations have changed by then. So an engine that
    shows its limit by nothing but trouble is in trouble twice in so many readings, no more: once found by large steps,
    once by small ones.

Waiting for effect
    A limit that was lowered takes effect only when requests end. The next reading is about the time before, and so are
    those that follow while there are more requests than the limit: nothing is lowered again for the same reason, up to
    10 readings. After that it was not enough.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

GROW_BELOW = 0.6
"""KV use. Up to SHRINK_ABOVE this leaves a factor of 1.5: more than one poll differs from the next by chance, and more
than an engine jumps by one request from 2 to 3."""

GROW_TO = 0.8
"""KV use that growing may lead to, in proportion to what runs; the lower half of the band ends here."""

RETURN_TO = 0.85
"""The same on the way back to a level known from before. At 0.9 of a level that was at 0.9 it is 0.81."""

SHRINK_ABOVE = 0.9
"""KV use. vLLM preempts at 1.0, and a batch of long prompts takes the last tenth within one poll."""

GROW_STEP = 0.1
"""Of the limit, at least 1: doubles in about 8 readings. A new request shows its full size in kv only some turns later,
so a faster climb would be over the top before it sees it."""

SHRINK_TO = 0.9
"""Of the load, at kv above SHRINK_ABOVE or a rejection: nothing is lost yet."""

CUT_TO = 0.7
"""Of the load, at a preemption: work is being lost, and until the cache has room it goes on."""

USED = 0.9
"""Of the limit: with fewer requests than this it was not the limit that held kv down, and a higher one is a guess."""

WAITING_SHARE = 0.1
"""Of the running, at least 1: with more than this waiting the engine is full by its own measure (its largest batch, its
cache), and what else it gets would only wait in its queue instead of where another engine could take it."""

NEAR = 0.9
"""Of the level of trouble, rounded down: up to here the way back is fast."""

NEAR_STEP = 0.01
"""Of the limit, at least 1: a step between there and the level."""

NEAR_POLLS = 10
"""Readings from one such step to the next: some turns of a conversation, so that each shows what it does."""

FORGET_POLLS = 120
"""Readings without trouble after which the level is forgotten: 4 minutes at one every 2 s, in which many conversations
have ended. On an engine that shows its limit by trouble only, this is how often it is tried: a cut and its recovery
cost about 1 % of the throughput of so many readings."""

SETTLE_POLLS = 10
"""Readings that a lowered limit is given to take effect while there are still more requests than it: at one every 2 s,
most answers that were under way have ended."""

RECOVERY_POLLS = 6
"""Readings after the one that showed a preemption, within which the limit is at nine tenths of what it was (rounded
down), on an engine that bears it: one to wait for the effect, five to climb at most."""

REFUSED_SECONDS = 10.0
"""503s that clients get within this of the last time the limit was lowered tell nothing new: a full queue refuses all
who come, and until some answers have ended it stays full."""


class Move(StrEnum):
    GROW = "grow"
    HOLD = "hold"
    SHRINK = "shrink"
    CUT = "cut"


class Reading(NamedTuple):
    """The metrics of an engine. For a server without any, ``running`` may be what its clients have there."""

    at: float  # seconds, of the clock of Admission.refused
    kv_use: float | None  # 0..1; None (or NaN) where the server does not say
    running: int
    waiting: int
    preemptions: int  # total since it started
    rejections: int  # total since it started: 503s


class Admission:
    """The limit of one engine.

    :param start: the limit before the first reading.
    :param least: what the limit never falls below, at least 1.
    :param most: what it never rises above.
    """

    def __init__(self, start: int, least: int, most: int) -> None:
        if not 1 <= least <= start <= most:
            raise ValueError(f"1 <= least <= start <= most, not least {least}, start {start}, most {most}")
        self.least = least
        """What the limit never falls below."""
        self.moves = dict.fromkeys((Move.GROW, Move.SHRINK, Move.CUT), 0)
        """How often the limit was changed so."""
        self._limit = start
        self._most = most
        self._last: Reading | None = None
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
        """The level of trouble; ``None`` where there was none, or it is forgotten."""
        return self._trouble

    def read(self, reading: Reading) -> Move:
        """The engine's metrics, every second or two. Returns what came of it; one not later than the last is dropped.

        A counter that fell belongs to an engine that was started again: it is counted from where it is now. The limit
        and the level of trouble stay: it is the same model on the same card.
        """
        last = self._last
        if last is not None and reading.at <= last.at:
            return Move.HOLD
        self._last = reading
        load = reading.running + reading.waiting
        if self._settling(load):
            return Move.HOLD
        if last is not None:
            load = max(load, last.running + last.waiting)  # what was preempted or rejected since may have ended by now
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
        """A client got a 503, seconds ``now``: shrink, once for all that come at about the same time."""
        if self._lowered_at is not None and now - self._lowered_at < REFUSED_SECONDS:
            return Move.HOLD
        return self._lower(now, self._limit, SHRINK_TO, Move.SHRINK)

    # ----------------------------------------------------------------------------------------------------------- inside

    def _settling(self, load: int) -> bool:
        """Is this reading still about the time before the limit was lowered?"""
        if not self._settle:
            return False
        self._settle = self._settle - 1 if load > self._limit else 0
        return True

    def _lower(self, now: float, load: int, share: float, move: Move) -> Move:
        """To a share of the load, where that is less than the limit: a limit that is not used does not bite."""
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

    def _grow(self, reading: Reading) -> Move:
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
    """Split an engine's limit over its workers, none of which knows what the others send: as evenly as it goes.

    The sum is the limit. But each gets at least 1, or its conversations on that engine would stand still: with fewer
    requests than workers the sum is the number of workers, and the engine may get that many. So an engine's smallest
    limit is in effect the number of workers that use it.

    :param turn: who gets the odd ones; the engine's number, say, so that it is not the same worker on every engine.
    """
    if workers < 1:
        raise ValueError(f"a limit of {limit} can't be split over {workers} workers")
    return [share_of(limit, workers, worker, turn) for worker in range(workers)]


def share_of(limit: int, workers: int, worker: int, turn: int = 0) -> int:
    """One worker's part of :func:`share`: thousands of engines are told to each of many workers, again and again."""
    if limit < 1 or workers < 1:
        raise ValueError(f"a limit of {limit} can't be split over {workers} workers")
    each, odd = divmod(limit, workers)
    return max(1, each + ((worker - turn) % workers < odd))
