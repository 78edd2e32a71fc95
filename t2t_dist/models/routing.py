"""Router: decides which engine gets the next request of a conversation.

A pure state machine: no clock, no I/O; its random numbers come from a small generator with its own seed.

Its inputs: *set_engines*: which engines may be used; *route*: a request of a key (``"episode/seat"``) needs an engine;
*done*: how a request ended; *forget*: a conversation is over.

Sticky
    A conversation stays where its first request went, because its prefix is cached there: elsewhere all of it would be
    computed again. Hashing keys to engines would do that without a table, but ignores load, and any correction for load
    then moves nearly every conversation: cache hits fall from 98 % to 5 %. So a key is pinned, and moved for only four
    reasons, each counted:

    ============= =====================================================================================
    unhealthy     its engine may no longer be used
    failed        its last request there got no answer: the second try goes elsewhere
    refused_twice the engine answered 503 to it twice in a row: once is a full queue, twice is a lasting one
    overloaded    its engine holds more than 1.5 x the median + 4 outstanding requests
    ============= =====================================================================================

    Except for the first, it stays if there is no (better) engine to move to.

Placed
    On the less loaded of two engines drawn at random: nearly as even as the least loaded of all, needs no search, and
    many routers that know only their own requests don't all choose the same idle engine.

    Load is the number of outstanding requests, then of pinned keys. Conversations last long, so pins seem to be the
    load to come, and outstanding requests a noisy sample of it. But pins don't show how fast an engine is. In a
    simulation (each conversation a loop of request and tool) equal engines gave the same latency by either measure;
    where half of them ran at 0.4 of the speed, latency was 7 to 30 % higher by pins, and in between by the sum. Pins
    give slow engines their full share; outstanding requests pile up there and so keep others away. Pins decide where
    requests do not: when nothing has run yet, or every conversation is in a tool call.

Cost
    O(1) per call, except for the median. It is read from a sorted list of the engines' outstanding requests. A call
    changes one entry by one; at the right end of a run of equal values, the change keeps the list sorted. So it takes
    one bisection (ten comparisons for 1,000 engines). The list is sorted again only when the engines change.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

OVERLOAD_FACTOR = 1.5
"""Times the median. Two random choices keep the fullest engine within about this of the median, so beyond it something
is wrong with the engine: moving sooner would throw caches away because of noise."""

OVERLOAD_EXTRA = 4
"""Requests beyond that: where the median is 0 or 1, a handful of requests on one engine is no overload."""

REFUSALS = 2
"""503s in a row after which a key is moved."""


class RequestOutcome(StrEnum):
    """How a request ended."""

    OK = "ok"  # an answer, which may be an error about the request itself
    REFUSED = "refused"  # 503: the engine is full
    FAILED = "failed"  # no answer


class Reason(StrEnum):
    """Why a key was moved."""

    UNHEALTHY = "unhealthy"
    FAILED = "failed"
    REFUSED_TWICE = "refused_twice"
    OVERLOADED = "overloaded"


class Choice(NamedTuple):
    """Where a request goes. ``moved``: the :class:`Reason` if the key was elsewhere before."""

    engine: str
    moved: str | None


@dataclass(slots=True)
class _Engine:
    outstanding: int = 0
    pinned: int = 0


@dataclass(slots=True)
class _Pin:
    """``refused``: 503s in a row from this engine. ``failed``: the last request here got no answer."""

    engine: str
    refused: int = 0
    failed: bool = False


class Router:
    """The router of one worker, which pins conversations to engines.

    Its memory grows with the keys not forgotten, the requests in flight and the engines. Every routed request must be
    reported by :meth:`done`, and every conversation that ended by :meth:`forget`.

    :param seed: of the placement; routers of several workers should differ in it.
    """

    def __init__(self, seed: int) -> None:
        self.moves: Counter[str] = Counter()
        """How many times a key was moved, by :class:`Reason`."""
        self._dice = _Dice(seed)
        self._engines: dict[str, _Engine] = {}  # the usable ones, and others that still have pins or requests
        self._usable: dict[str, bool] = {}
        self._open: list[str] = []  # those that take new conversations, ordered by name
        self._place: dict[str, int] = {}  # each one's index in that list
        self._counts: list[int] = []  # outstanding requests of the usable ones, ascending
        self._pins: dict[str, _Pin] = {}
        self._in_flight: dict[tuple[str, str], int] = {}  # (key, engine) -> requests

    def set_engines(self, usable: Mapping[str, bool]) -> None:
        """The engines that may be used, and whether each takes new conversations. Any other engine gets nothing: a key
        pinned to it is moved at its next request, unless the engine is back by then. O(n log n) on a change."""
        if self._usable == usable:
            return
        gone = self._usable.keys() - usable.keys()
        self._usable = dict(usable)
        for engine in self._usable:
            self._engines.setdefault(engine, _Engine())
        for engine in gone:
            self._tidy(engine)
        self._open = sorted(engine for engine, takes_new in usable.items() if takes_new)
        self._place = {engine: place for place, engine in enumerate(self._open)}
        self._counts = sorted(self._engines[engine].outstanding for engine in self._usable)

    def route(self, key: str) -> Choice | None:
        """The engine for the next request of ``key``, which then counts as outstanding there. None if no engine can
        take it: nothing is counted, and a pin stays."""
        pin = self._pins.get(key)
        moved: Reason | None = None
        if pin is None:
            engine = self._draw()
            if engine is None:
                return None
            self._pins[key] = _Pin(engine)
            self._engines[engine].pinned += 1
        else:
            engine = pin.engine
            moved, target = self._better(pin)
            if moved is not None:
                if target is None:
                    return None
                self._pins[key] = _Pin(target)
                self._engines[target].pinned += 1
                self._engines[engine].pinned -= 1
                self._tidy(engine)
                self.moves[moved] += 1
                engine = target
        self._add(engine, 1)
        flight = key, engine
        self._in_flight[flight] = self._in_flight.get(flight, 0) + 1
        return Choice(engine, moved)

    def done(self, key: str, engine: str, outcome: RequestOutcome) -> None:
        """A request of ``key`` that was routed to ``engine`` has ended. By now the engine may be gone, and the key
        forgotten or moved; a request that is not in flight, or no longer, changes nothing."""
        flight = key, engine
        requests = self._in_flight.get(flight, 0)
        if not requests:
            return
        if requests > 1:
            self._in_flight[flight] = requests - 1
        else:
            del self._in_flight[flight]
        self._add(engine, -1)
        self._tidy(engine)
        pin = self._pins.get(key)
        if pin is None or pin.engine != engine:
            return
        match outcome:
            case RequestOutcome.OK:
                pin.refused, pin.failed = 0, False
            case RequestOutcome.REFUSED:
                pin.refused, pin.failed = pin.refused + 1, False
            case RequestOutcome.FAILED:
                pin.refused, pin.failed = 0, True

    def forget(self, key: str) -> None:
        """The conversation is over. Its requests in flight count until they are done."""
        pin = self._pins.pop(key, None)
        if pin is not None:
            self._engines[pin.engine].pinned -= 1
            self._tidy(pin.engine)

    # ------------------------------------------------------------------------------------------------------------ state

    def outstanding(self, engine: str) -> int:
        """Requests routed to ``engine`` and not done, even if it is gone."""
        return self._engines[engine].outstanding if engine in self._engines else 0

    def pinned(self, engine: str) -> int:
        """Conversations pinned to ``engine``, even if it is gone."""
        return self._engines[engine].pinned if engine in self._engines else 0

    # ----------------------------------------------------------------------------------------------------------- inside

    def _better(self, pin: _Pin) -> tuple[Reason | None, str | None]:
        """Why the key must leave its engine, and for which; (None, None) if it stays. Only for an engine that takes new
        conversations: a suspect one keeps those it has, and gets no more."""
        if pin.engine not in self._usable:
            return Reason.UNHEALTHY, self._draw()
        if pin.failed or pin.refused >= REFUSALS:
            target = self._draw(other_than=pin.engine)
            if target is not None:
                return (Reason.FAILED if pin.failed else Reason.REFUSED_TWICE), target
        elif self._overloaded(pin.engine):
            target = self._draw(other_than=pin.engine)
            # The median may be that of suspect engines that get nothing: then every open engine is overloaded, and
            # moving between them would only lose caches.
            if target is not None and not self._overloaded(target):
                return Reason.OVERLOADED, target
        return None, None

    def _overloaded(self, engine: str) -> bool:
        return self._engines[engine].outstanding > OVERLOAD_FACTOR * self._median() + OVERLOAD_EXTRA

    def _median(self) -> float:
        """The median of outstanding requests over all usable engines; there is at least one."""
        middle, odd = divmod(len(self._counts), 2)
        return self._counts[middle] if odd else (self._counts[middle - 1] + self._counts[middle]) / 2

    def _draw(self, other_than: str | None = None) -> str | None:
        """The less loaded of two different open engines drawn at random; the only one, or None if there is none."""
        barred = self._place.get(other_than) if other_than is not None else None
        n = len(self._open) - (barred is not None)
        if n <= 0:
            return None
        first = second = self._dice.below(n)
        if n > 1:
            second = self._dice.below(n - 1)
            second += second >= first
        if barred is not None:
            first += first >= barred
            second += second >= barred
        one, other = self._open[first], self._open[second]
        return one if self._load(one) <= self._load(other) else other

    def _load(self, engine: str) -> tuple[int, int]:
        state = self._engines[engine]
        return state.outstanding, state.pinned

    def _add(self, engine: str, change: int) -> None:
        """Add one request (1) or remove one (-1)."""
        state = self._engines[engine]
        if engine in self._usable:
            if change > 0:
                self._counts[bisect_right(self._counts, state.outstanding) - 1] += 1
            else:
                self._counts[bisect_left(self._counts, state.outstanding)] -= 1
        state.outstanding += change

    def _tidy(self, engine: str) -> None:
        """Drop the state of an engine that is gone, once it has no pins and no requests."""
        if engine in self._usable:
            return
        state = self._engines[engine]
        if not state.outstanding and not state.pinned:
            del self._engines[engine]


class _Dice:
    """A random generator, SplitMix64 (Steele, Lea, Flood 2014): the same numbers in every version of Python."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def below(self, n: int) -> int:
        """0..n-1, uniform to within n / 2**64."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((mixed ^ (mixed >> 31)) * n) >> 64


_MASK = (1 << 64) - 1
