"""Who holds which item, and until when.

A pure state machine: no clock (time is passed in, in seconds of any monotonic clock), no I/O, no chance.

Its moves: a worker *joins*; items are *granted* to it; it reports some *finished* (the row is in its open shard, which
its death would take along); they are *released* once the ledger has them; a heartbeat *renews*; silence *lapses*; and a
worker that lapsed, died or left is *dropped*, with everything it still held.

All leases of a worker stand and fall together, since what renews one renews all: so there is one deadline a worker, and
renewing 512 leases costs what renewing one does. Every deadline is "now + the same term" and time does not run
backwards, so the worker renewed last is also the one that lapses last: an ordered dict is the whole queue.

The one judge of a lapse is :meth:`LeaseTable.lapsed`. Until it has spoken, a late heartbeat still counts: nobody else
has been given the items. After :meth:`LeaseTable.drop`, nothing the worker says counts: :class:`StaleLease`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

LEASE_SECONDS = 60.0
"""How long a worker may be silent. Ray reports a dead process within a second or so; this is the second net, for one
that hangs or is cut off. A worker sends a heartbeat every few seconds, but writing a large shard or importing a library
can hold its loop for ten or more, and taking a live worker for dead repeats all that it holds."""

AWAY_FRACTION = 0.5
"""Of the term: a driver that did not look for longer than this was itself away (suspended, stuck in a slow write). The
heartbeats of that time are still in its inbox, so it judges nobody and gives everybody a new term."""


class Lease(NamedTuple):
    """Leave to run ``item``. ``attempt`` counts from 1; ``expires`` (seconds) moves on with every heartbeat."""

    item: int
    attempt: int
    expires: float


class StaleLease(Exception):
    """The worker does not hold the item, or is not known (any more): what it reports is refused, and it should end."""


class Load(NamedTuple):
    """Items a worker holds: still running, and finished but not yet in the ledger."""

    unfinished: int
    uncommitted: int


class Holding:
    """What one worker holds. Dicts serve as sets that keep the order of granting, so that requeuing is repeatable."""

    __slots__ = ("finished", "unfinished")

    def __init__(self) -> None:
        self.unfinished: dict[int, None] = {}
        self.finished: dict[int, None] = {}


class LeaseTable:
    """The leases of all live workers. Each operation costs O(1) an item; memory is what is held.

    :param term: seconds from a sign of life to the lapse.
    """

    def __init__(self, term: float = LEASE_SECONDS) -> None:
        if term <= 0:
            raise ValueError(f"a lease lasts longer than 0 s, not {term}")
        self.term = term
        self.unfinished = 0
        self.uncommitted = 0
        self._holdings: dict[str, Holding] = {}
        self._deadlines: OrderedDict[str, float] = OrderedDict()  # only of workers that hold something; soonest first
        self._clock = float("-inf")
        self._looked: float | None = None

    def __contains__(self, worker: object) -> bool:
        return worker in self._holdings

    def join(self, worker: str) -> None:
        """A worker that holds nothing yet."""
        if worker in self._holdings:
            raise ValueError(f"worker {worker!r} is here already")
        self._holdings[worker] = Holding()

    def load(self, worker: str) -> Load:
        """:raises StaleLease: the worker is not known (any more)."""
        holding = self._of(worker)
        return Load(len(holding.unfinished), len(holding.finished))

    def holding(self, worker: str) -> Holding:
        """What the worker holds, to be read only.

        :raises StaleLease: the worker is not known (any more).
        """
        return self._of(worker)

    def grant(self, worker: str, items: Sequence[int], now: float) -> float:
        """Lease ``items``, held by nobody, to ``worker``. Returns when its leases lapse.

        Not a sign of life: a worker that holds leases already keeps its deadline, or handing work to one that hangs
        would keep it alive.

        :raises StaleLease: the worker is not known (any more).
        """
        unfinished = self._of(worker).unfinished
        if now > self._clock:
            self._clock = now
        deadline = self._deadlines.get(worker)
        if deadline is None:
            deadline = self._clock + self.term
            if not items:
                return deadline
            self._deadlines[worker] = deadline
        for item in items:
            unfinished[item] = None
        self.unfinished += len(items)
        return deadline

    def check(self, worker: str, items: Sequence[int]) -> Holding:
        """Does the worker hold every one of ``items``?

        :raises StaleLease: the worker is not known (any more), or one of the items is not held by it.
        """
        holding = self._of(worker)
        unfinished, finished = holding.unfinished, holding.finished
        for item in items:
            if item not in finished and item not in unfinished:
                raise StaleLease(f"worker {worker!r} does not hold item {item}")
        return holding

    def finish(self, worker: str, items: Sequence[int], now: float) -> None:
        """The rows of ``items`` are in the worker's open shard: all of them or, if one is stale, none. Also a sign of
        life. Saying it twice changes nothing.

        :raises StaleLease: as :meth:`check`.
        """
        if items:
            holding = self.check(worker, items)
            unfinished, finished = holding.unfinished, holding.finished
            for item in items:
                if item in unfinished:
                    del unfinished[item]
                    finished[item] = None
                    self.unfinished -= 1
                    self.uncommitted += 1
        self.renew(worker, now)

    def release(self, worker: str, items: Sequence[int]) -> int:
        """``items`` are in the ledger, and with that finished even if nobody said so. Returns how many that is.

        :raises StaleLease: as :meth:`check`; then none is released.
        """
        holding = self.check(worker, items)
        unfinished, finished = holding.unfinished, holding.finished
        uncommitted = running = 0
        for item in items:
            if item in finished:
                del finished[item]
                uncommitted += 1
            elif item in unfinished:
                del unfinished[item]
                running += 1
        self.uncommitted -= uncommitted
        self.unfinished -= running
        if not unfinished and not finished:
            self._deadlines.pop(worker, None)
        return uncommitted + running

    def renew(self, worker: str, now: float) -> float:
        """A sign of life: all leases of the worker get a new term. Returns when they lapse.

        :raises StaleLease: the worker is not known (any more).
        """
        if worker not in self._holdings:
            self._of(worker)
        if now > self._clock:
            self._clock = now
        deadline = self._clock + self.term
        if worker in self._deadlines:
            self._deadlines[worker] = deadline
            self._deadlines.move_to_end(worker)
        return deadline

    def lapsed(self, now: float) -> list[str]:
        """Workers that hold something and were silent for the term, longest silent first. To be called every second or
        so: after a pause of more than half a term nobody is judged (see AWAY_FRACTION)."""
        self._advance(now)
        away = self._looked is not None and self._clock - self._looked > self.term * AWAY_FRACTION
        self._looked = self._clock
        if away:
            for worker in self._deadlines:
                self._deadlines[worker] = self._clock + self.term
            return []
        lapsed = []
        for worker, deadline in self._deadlines.items():
            if deadline > self._clock:
                break
            lapsed.append(worker)
        return lapsed

    def drop(self, worker: str) -> Holding:
        """The worker is gone; what it held goes back to the caller.

        :raises StaleLease: the worker is not known (any more).
        """
        holding = self._of(worker)
        del self._holdings[worker]
        self._deadlines.pop(worker, None)
        self.unfinished -= len(holding.unfinished)
        self.uncommitted -= len(holding.finished)
        return holding

    def _of(self, worker: str) -> Holding:
        try:
            return self._holdings[worker]
        except KeyError:
            raise StaleLease(f"worker {worker!r} is not known, or was declared lost") from None

    def _advance(self, now: float) -> None:
        if now > self._clock:
            self._clock = now
