"""Table of leases: which worker holds which items, and until when.

A pure state machine: no clock (time is passed in, in seconds of any monotonic clock), no I/O, no chance.

Its events: a worker *joins*; items are *granted* to it; it reports items as *finished* (their rows are in its open
shard, which is lost if it dies); they are *released* once the ledger has them; a heartbeat *renews*; silence *lapses*;
and a worker that lapsed, died or left is *dropped*, with everything it still holds.

All leases of a worker expire together, since a heartbeat renews all of them: so there is one deadline per worker, and
renewing 512 leases costs as much as renewing one. Every deadline is "now + the same term" and time never goes back, so
the worker that was renewed last is also the last to lapse: an ordered dict is a sufficient queue.

Only :meth:`LeaseTable.lapsed` decides that a worker has lapsed. Until then a late heartbeat still counts, since nobody
else has the items. After :meth:`LeaseTable.drop`, reports of the worker are refused: :class:`StaleLease`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

LEASE_SECONDS = 60.0
"""How long a worker may be silent. Ray reports a dead process within a second or so; this is for a worker that hangs or
is cut off. A worker sends a heartbeat every few seconds, but writing a large shard or importing a library can block its
loop for ten or more, and declaring a live worker lost repeats everything it holds."""

AWAY_FRACTION = 0.5
"""Of the term: a driver that did not check for longer than this was itself stuck (suspended, a slow write). The
heartbeats of that time are still unread, so no worker lapses and all of them get a new term."""


class Lease(NamedTuple):
    """A permit to run ``item``. ``attempt`` counts from 1; ``expires`` (seconds) is extended by every heartbeat."""

    item: int
    attempt: int
    expires: float


class StaleLease(Exception):
    """Raised when a worker reports an item that it does not hold, or is unknown or dropped: it should end."""


class Load(NamedTuple):
    """Counts of the items that a worker holds: running ones, and finished ones that are not in the ledger yet."""

    unfinished: int
    uncommitted: int


class Holding:
    """The items of one worker. Dicts serve as ordered sets: requeuing happens in the order of granting, repeatably."""

    __slots__ = ("finished", "unfinished")

    def __init__(self) -> None:
        self.unfinished: dict[int, None] = {}
        self.finished: dict[int, None] = {}


class LeaseTable:
    """The leases of all live workers. Each operation costs O(1) per item; memory is O(items held).

    :param term: seconds from the last heartbeat to the lapse.
    """

    def __init__(self, term: float = LEASE_SECONDS) -> None:
        if term <= 0:
            raise ValueError(f"a lease has to last longer than 0 s, not {term}")
        self.term = term
        self.unfinished = 0
        self.uncommitted = 0
        self._holdings: dict[str, Holding] = {}
        self._deadlines: OrderedDict[str, float] = OrderedDict()  # only workers that hold items; soonest first
        self._clock = float("-inf")
        self._looked: float | None = None

    def __contains__(self, worker: object) -> bool:
        return worker in self._holdings

    def join(self, worker: str) -> None:
        """Add a worker, without items."""
        if worker in self._holdings:
            raise ValueError(f"worker {worker!r} is here already")
        self._holdings[worker] = Holding()

    def load(self, worker: str) -> Load:
        """:raises StaleLease: the worker is unknown or dropped."""
        holding = self._of(worker)
        return Load(len(holding.unfinished), len(holding.finished))

    def holding(self, worker: str) -> Holding:
        """The items that the worker holds; read-only.

        :raises StaleLease: the worker is unknown or dropped.
        """
        return self._of(worker)

    def grant(self, worker: str, items: Sequence[int], now: float) -> float:
        """Lease ``items``, which nobody holds, to ``worker``. Returns when its leases expire.

        A grant is no heartbeat: a worker that already holds leases keeps its deadline. Otherwise a worker that hangs
        would never lapse while it gets new items.

        :raises StaleLease: the worker is unknown or dropped.
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
        """Check that the worker holds all ``items``.

        :raises StaleLease: it does not, or it is unknown or dropped.
        """
        holding = self._of(worker)
        unfinished, finished = holding.unfinished, holding.finished
        for item in items:
            if item not in finished and item not in unfinished:
                raise StaleLease(f"worker {worker!r} does not hold item {item}")
        return holding

    def finish(self, worker: str, items: Sequence[int], now: float) -> None:
        """The rows of ``items`` are in the worker's open shard: all of them or, if one is stale, none. Idempotent; also
        a heartbeat.

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
        """``items`` are in the ledger, whether or not they were reported as finished. Returns their number.

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
        """A heartbeat: all leases of the worker get a new term. Returns when they expire.

        :raises StaleLease: the worker is unknown or dropped.
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
        """Workers that hold items and were silent for the term, longest silence first. Call it every second or so:
        after a pause of more than half a term it returns nobody (see AWAY_FRACTION)."""
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
        """Remove a worker. Returns the items it held.

        :raises StaleLease: the worker is unknown or dropped.
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
            raise StaleLease(f"worker {worker!r} is unknown, or was declared lost") from None

    def _advance(self, now: float) -> None:
        if now > self._clock:
            self._clock = now
