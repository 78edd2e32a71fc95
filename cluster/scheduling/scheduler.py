"""Which item goes to which worker next, and what becomes of it when the worker dies.

A pure state machine: no Ray, no clock (time is passed in), no I/O, no chance. The driver tells it what happened and
does what it answers. Items are the numbers 0..n-1. A worker's name is never used twice: a restarted one gets another.

An item's way::

    waiting --lease--> unfinished --finished--> uncommitted --committed--> done
       ^                   |                        |
       +------ worker lost, left or silent ---------+         unfinished in its third loss --> poisoned

*lease* hands out items: lost ones first, then fresh ones in order. *finished* says that a row is in the worker's open
shard, *committed* that it is in the ledger: only then is the item done. *renew* is the heartbeat, *expire* finds the
silent. *worker_lost* takes everything back that the worker held; what it still says then is refused (StaleLease).
*poisoned* hands out the items to be recorded as failures. *stop* ends leasing, and what is in flight runs out.

Before it appends to the ledger the driver asks *check*, and tells *committed* in the same step, with nothing between
that could declare a worker lost: so a row that was given away is never committed, and no row is committed twice.

Blame
    An item that was unfinished when its worker died may have killed it: it is blamed. One that was finished did not,
    and is cleared of what it was blamed for before. Three blames poison. But most of those blamed merely ran beside a
    killer, or on a machine that failed; so the company an item is leased in shrinks with every blame. For a worker of
    100 slots:

    ====== =====================================================================================
    blamed leased
    ====== =====================================================================================
    never  with up to 99 others
    once   at most 10 such items a worker; the other 90 slots stay filled with items never blamed
    twice  alone: the worker runs nothing else from its start to its end
    ====== =====================================================================================

    So the blame that poisons an item fell on it with nothing else running: *no item is ever poisoned for what another
    one did*, whatever their number. The price is small. A loss that was the machine's idles nobody: the blamed items
    trickle back among the others. A killer costs three workers, and makes at most 10 items run alone. Workers that run
    items alone (*cells*) are at most half of all, so that the others go on.

The machine stops by itself when worker after worker is lost and nothing is settled in between: no item explains that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

from .leases import LEASE_SECONDS, Lease, LeaseTable, Load

MAX_ATTEMPTS = 3
"""Blames that poison. Two would let the first loss, which says little, send every item on that worker to run alone;
with each one more, a killer takes one more worker along: seconds to start another, and all its unwritten rows."""

WINDOW = 4096
"""Items a worker may hold, unfinished and uncommitted together: what its death repeats, and what the scheduler keeps in
memory of it. Rows of 10 to 50 KB make 40 to 200 MB of that, about one shard."""

FLUSH_SHARE = 0.5
"""Of the window: when this much is uncommitted the worker should write its shard now. At 1.0 it would stand idle while
the shard is written; much lower makes many small shards."""

FRUITLESS_LOSSES = 20
"""Workers lost in a row, nothing committed or poisoned in between, that stop the run; on top come two for each worker
there was when there were most, since one machine's failure takes many at once. Simulated runs in which one item in ten
kills see up to 12 in a row. More than this is the machines' doing, the code's or the disk's: going on would blame items
for it, or go on for ever where workers die writing their shards."""


class Done(Protocol):
    """The items of 0..n-1 that the ledger holds already (an ``ItemSet``)."""

    def __len__(self) -> int: ...

    def missing(self, below: int, /) -> Iterator[int]:
        """The items below ``below`` that are not in it, each once, ascending."""
        ...


class Poisoned(NamedTuple):
    """An item that will not be leased again, and how many attempts it was given."""

    item: int
    attempts: int


class Counts(NamedTuple):
    """Numbers of items, for the status line: ``total`` is the sum of the next five."""

    total: int
    done: int
    poisoned: int
    waiting: int
    unfinished: int
    uncommitted: int
    requeued: int  # how often an item went back to waiting
    workers_lost: int


class _Past(NamedTuple):
    """Of an item that was taken back at least once."""

    attempt: int
    blamed: int


_NEW = _Past(attempt=1, blamed=0)


@dataclass(slots=True)
class _Seat:
    """A live worker. ``blamed[b]``: unfinished items here that were blamed b times; ``company[b]``: how many that were
    blamed b times or more may be."""

    slots: int
    company: tuple[int, ...]
    blamed: list[int]


class Scheduler:
    """Leases ``n`` items to workers until each is done or poisoned.

    Every move costs O(1) an item, amortised; memory is O(items in flight or taken back), whatever ``n`` is.

    :param n: the items are 0..n-1.
    :param done: those the ledger holds already; read as leasing goes on.
    :param window: items a worker may hold, unfinished and uncommitted together.
    :param max_attempts: blames that poison an item, at least 2.
    :param lease_seconds: how long a worker that holds items may be silent.
    """

    def __init__(
        self,
        n: int,
        done: Done | None = None,
        *,
        window: int = WINDOW,
        max_attempts: int = MAX_ATTEMPTS,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        if window < 1:
            raise ValueError(f"a window of {window} items lets nothing run")
        if max_attempts < 2:
            raise ValueError(f"max_attempts is at least 2, not {max_attempts}: the first loss proves nothing")
        if done is not None and len(done) > n:
            raise ValueError(f"{len(done)} items are done, of {n}")
        self.stopped: str | None = None
        """Why nothing is leased any more, None while leasing goes on."""
        self.last_loss: float | None = None
        """When a worker was last lost, seconds."""
        self._n = n
        self._done = 0 if done is None else len(done)
        self._fresh: Iterator[int] = iter(range(n)) if done is None else done.missing(n)
        self._window = window
        self._max_attempts = max_attempts
        self._table = LeaseTable(lease_seconds)
        self._seats: dict[str, _Seat] = {}
        self._gone: set[str] = set()  # names can't come back: a late word of the first would count as the second's
        self._lost: list[deque[int]] = [deque() for _ in range(max_attempts)]  # waiting again, by times blamed
        self._past: dict[int, _Past] = {}
        self._cells: set[str] = set()  # workers that run, or are emptied to run, an item alone
        self._poisoned: list[Poisoned] = []  # not yet handed out
        self._poisoned_count = 0
        self._requeued = 0
        self._workers_lost = 0
        self._fruitless = 0  # workers lost since an item was last settled
        self._most_workers = 0

    # ---------------------------------------------------------------------------------------------- workers come and go

    def worker_joined(self, worker: str, slots: int) -> None:
        """A worker that takes up to ``slots`` unfinished items at a time.

        :raises ValueError: the name was used before, or there is no slot.
        """
        if slots < 1:
            raise ValueError(f"worker {worker!r} has {slots} slots")
        if worker in self._gone:
            raise ValueError(f"worker {worker!r} was lost; one that starts again needs a new name")
        self._table.join(worker)
        last = self._max_attempts - 1
        company = tuple(max(1, int(slots ** ((last - blamed) / last))) for blamed in range(self._max_attempts))
        self._seats[worker] = _Seat(slots, company, [0] * self._max_attempts)
        self._most_workers = max(self._most_workers, len(self._seats))

    def worker_lost(self, worker: str, now: float) -> list[int]:
        """The worker died, or is taken for dead: its unfinished items are blamed. Returns the items that wait again;
        ask :meth:`lease` once more for every worker that had nothing to do. One not known (any more) changes nothing.
        """
        if worker not in self._seats:
            return []
        self.last_loss = now
        self._workers_lost += 1
        self._fruitless += 1
        back = self._take_back(worker, blame=1)
        if self._fruitless >= FRUITLESS_LOSSES + 2 * self._most_workers:
            self.stop(f"{self._fruitless} workers in a row were lost and nothing got done; the workers' logs say why")
        return back

    def worker_left(self, worker: str) -> list[int]:
        """The worker ended by intention (scaled down, preempted with notice). As :meth:`worker_lost`, without blame."""
        return self._take_back(worker, blame=0) if worker in self._seats else []

    def renew(self, worker: str, now: float) -> float:
        """The worker's heartbeat. Returns when its leases expire.

        :raises StaleLease: the worker was declared lost; it should end.
        """
        return self._table.renew(worker, now)

    def expire(self, now: float) -> list[str]:
        """Workers silent for too long, now declared lost as by :meth:`worker_lost`: end them. To be called every second
        or so; the first call after a pause of more than half a lease judges nobody, since the driver itself was away.
        """
        lapsed = self._table.lapsed(now)
        for worker in lapsed:
            self.worker_lost(worker, now)
        return lapsed

    # ------------------------------------------------------------------------------------------------ items go and come

    def lease(self, worker: str, now: float, want: int) -> list[Lease]:
        """Up to ``want`` items for ``worker``; fewer or none if its slots or its window are full, if it has to run
        empty before it takes an item alone, or if nothing waits.

        :raises StaleLease: the worker was declared lost; it should end.
        """
        holding = self._table.holding(worker)
        unfinished = len(holding.unfinished)
        seat = self._seats[worker]
        room = min(want, seat.slots - unfinished, self._window - unfinished - len(holding.finished))
        if room <= 0 or self.stopped is not None:
            return []
        if not (self._lost[-1] or self._cells) or not self._is_cell(worker, seat, unfinished):
            items = self._next(seat, room)
            if not items:
                return []
        elif unfinished == 0:
            items = [self._lost[-1].popleft()]
            seat.blamed[-1] += 1
        else:
            return []
        expires = self._table.grant(worker, items, now)
        past = self._past
        if not past:
            return [Lease(item, 1, expires) for item in items]
        return [Lease(item, past.get(item, _NEW).attempt, expires) for item in items]

    def finished(self, worker: str, items: Sequence[int], now: float) -> None:
        """The rows of ``items`` are in the worker's open shard. Also a sign of life. Saying it twice changes nothing.

        :raises StaleLease: the worker does not hold one of them (any more); then none is taken as finished.
        """
        self._table.finish(worker, items, now)
        if self._past:
            self._clear(worker, items)

    def check(self, worker: str, items: Sequence[int]) -> None:
        """May rows of ``items`` from ``worker`` go into the ledger? To be asked in the same step as the append.

        :raises StaleLease: no: the worker does not hold one of them (any more).
        """
        self._table.check(worker, items)

    def committed(self, worker: str, items: Sequence[int]) -> None:
        """``items`` are in the ledger: done, also if :meth:`finished` was never said of them.

        :raises StaleLease: the worker does not hold one of them (any more); then none is taken as done.
        """
        released = self._table.release(worker, items)
        self._done += released
        self._fruitless = 0 if released else self._fruitless
        if self._past:
            self._clear(worker, items)
            for item in items:
                self._past.pop(item, None)

    def poisoned(self) -> list[Poisoned]:
        """The items poisoned since the last call, each handed out once, to be recorded as failures."""
        poisoned, self._poisoned = self._poisoned, []
        return poisoned

    def stop(self, reason: str) -> None:
        """Lease nothing any more. What is in flight may still finish and commit; :attr:`idle` says when it has. The
        first reason given stays."""
        self.stopped = self.stopped or reason

    # ---------------------------------------------------------------------------------------------------- what is known

    def load(self, worker: str) -> Load:
        """What the worker holds.

        :raises StaleLease: the worker was declared lost.
        """
        return self._table.load(worker)

    def flush_due(self, worker: str) -> bool:
        """Should the worker write its shard now? When half of its window is uncommitted, or when it has rows and
        nothing to run (ask after :meth:`lease`). Without that a worker could wait for room, and the run for its rows.

        :raises StaleLease: the worker was declared lost.
        """
        holding = self._table.holding(worker)
        uncommitted = len(holding.finished)
        return uncommitted > 0 and (uncommitted >= self._window * FLUSH_SHARE or not holding.unfinished)

    @property
    def workers(self) -> list[str]:
        """The live workers, in the order they joined."""
        return list(self._seats)

    @property
    def in_flight(self) -> int:
        """Items leased and not yet in the ledger."""
        return self._table.unfinished + self._table.uncommitted

    @property
    def idle(self) -> bool:
        """Nothing is in flight: after :meth:`stop`, the drain is over."""
        return self.in_flight == 0

    @property
    def done(self) -> bool:
        """Every item is in the ledger, or poisoned and handed out by :meth:`poisoned`."""
        return self._done + self._poisoned_count == self._n and not self._poisoned

    def counts(self) -> Counts:
        """The state of all items, for the status line."""
        settled = self._done + self._poisoned_count
        return Counts(
            total=self._n,
            done=self._done,
            poisoned=self._poisoned_count,
            waiting=self._n - settled - self.in_flight,
            unfinished=self._table.unfinished,
            uncommitted=self._table.uncommitted,
            requeued=self._requeued,
            workers_lost=self._workers_lost,
        )

    # ----------------------------------------------------------------------------------------------------------- inside

    def _is_cell(self, worker: str, seat: _Seat, unfinished: int) -> bool:
        """Is this worker to run nothing but one item alone, now or as soon as it is empty?"""
        if seat.blamed[-1]:
            return True
        waiting = len(self._lost[-1])
        if not waiting:
            self._cells.discard(worker)
        # An empty worker can start at once; of the busy, no more are emptied than there are items to run alone.
        elif len(self._cells) < max(1, len(self._seats) // 2) and (unfinished == 0 or len(self._cells) < waiting):
            self._cells.add(worker)
        return worker in self._cells

    def _next(self, seat: _Seat, room: int) -> list[int]:
        """Up to ``room`` waiting items, the most blamed first, as far as their company allows; then fresh ones."""
        items: list[int] = []
        if not any(self._lost):
            return list(islice(self._fresh, room))
        for blamed in range(self._max_attempts - 2, -1, -1):
            queue = self._lost[blamed]
            if not queue:
                continue
            company = [seat.company[least] - sum(seat.blamed[least:]) for least in range(1, blamed + 1)]
            taken = [queue.popleft() for _ in range(min([len(queue), room - len(items), *company]))]
            if blamed:
                seat.blamed[blamed] += len(taken)
            items += taken
        items += islice(self._fresh, room - len(items))
        return items

    def _clear(self, worker: str, items: Sequence[int]) -> None:
        """``items`` ran to their end on ``worker``: they are not to blame."""
        seat = self._seats[worker]
        for item in items:
            past = self._past.get(item)
            if past is not None and past.blamed:
                seat.blamed[past.blamed] -= 1
                self._past[item] = past._replace(blamed=0)

    def _take_back(self, worker: str, blame: int) -> list[int]:
        """Everything the worker holds waits again, except what is poisoned with this."""
        del self._seats[worker]
        self._gone.add(worker)
        self._cells.discard(worker)
        holding = self._table.drop(worker)
        back = []
        for items, more in ((holding.unfinished, blame), (holding.finished, 0)):
            for item in items:
                attempt, blamed = self._past.pop(item, _NEW)
                blamed += more
                if blamed == self._max_attempts:
                    self._poisoned.append(Poisoned(item, attempt))
                    self._poisoned_count += 1
                    self._fruitless = 0
                    continue
                self._past[item] = _Past(attempt + 1, blamed)
                self._lost[blamed].append(item)
                back.append(item)
        self._requeued += len(back)
        return back
