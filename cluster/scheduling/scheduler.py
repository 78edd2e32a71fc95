"""Scheduler: which item goes to which worker next, and what happens to it when the worker dies.

A pure state machine: no Ray, no clock (time is passed in), no I/O, no chance. The driver reports events and acts on the
answers. Items are the numbers 0..n-1. A worker's name is never reused: a restarted worker gets a new one.

The states of an item::

    waiting --lease--> unfinished --finished--> uncommitted --committed--> done
       ^                   |                        |
       +------ worker lost, left or silent ---------+         unfinished in its third loss --> poisoned

*lease* hands out items: requeued ones first, then fresh ones in order. *finished* reports that a row is in the worker's
open shard, *committed* that it is in the ledger: only then is the item done. *renew* is the heartbeat, *expire* finds
silent workers. *worker_lost* requeues everything that the worker held; its later reports are refused (StaleLease).
*poisoned* returns the items to record as failures. *stop* ends leasing; items in flight drain.

Before it appends to the ledger the driver calls *check*, and calls *committed* in the same step, so that no worker can
be declared lost in between: a row of a requeued item is never committed, and no row is committed twice.

Blame
    An item that was unfinished when its worker died may have killed it: it is blamed. A finished item did not, and
    earlier blame is cleared. Three blames poison an item. But most blamed items merely ran beside a killer, or on a
    machine that failed; so with every blame an item is leased in smaller company. For a worker of 100 slots:

    ====== =====================================================================================
    blamed leased
    ====== =====================================================================================
    never  with up to 99 others
    once   at most 10 such items per worker; the other 90 slots hold items that were never blamed
    twice  alone: the worker runs nothing else from its start to its end
    ====== =====================================================================================

    So an item gets its last blame with nothing else running: *no item is ever poisoned because of another one*,
    however many killers there are. The price is small. After a machine failure no worker is idle: the blamed items
    return among the others. A killer costs three workers, and makes at most 10 items run alone. At most half of the
    workers run items alone (*cells*), so that the others continue.

The scheduler stops by itself when many workers in a row are lost without any progress: no item explains that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

from .leases import LEASE_SECONDS, Lease, LeaseTable, Load

MAX_ATTEMPTS = 3
"""Blames that poison an item. With two, a first loss, which proves little, would send every item of that worker to run
alone; with more, each killer costs one more worker: seconds to start another, and all its unwritten rows."""

WINDOW = 4096
"""Items that a worker may hold, unfinished and uncommitted together: what its death repeats, and what the scheduler
keeps in memory for it. With rows of 10 to 50 KB that is 40 to 200 MB, about one shard."""

FLUSH_SHARE = 0.5
"""Of the window: with this many uncommitted items the worker should flush. At 1.0 it would be idle while it writes the
shard; a much lower value makes many small shards."""

FRUITLESS_LOSSES = 20
"""Workers lost in a row, with nothing committed or poisoned in between, that stop the run; plus two per worker at the
largest number of workers so far, since one machine takes many at once. Simulated runs in which one item in ten kills
see up to 12 in a row. More than this is caused by the machines, the code or the disk: continuing would blame items for
it, or never end if workers die while they flush."""


class Done(Protocol):
    """Protocol of the set of items that are in the ledger already (an ``ItemSet``)."""

    def __len__(self) -> int: ...

    def missing(self, below: int, /) -> Iterator[int]:
        """The items below ``below`` that are not in it, each once, ascending."""
        ...


class Poisoned(NamedTuple):
    """An item that will not be leased again, and the number of its attempts."""

    item: int
    attempts: int


class Counts(NamedTuple):
    """Numbers of items by state, for the status line: ``total`` is the sum of the next five."""

    total: int
    done: int
    poisoned: int
    waiting: int
    unfinished: int
    uncommitted: int
    requeued: int  # how often an item was requeued
    workers_lost: int


class _Past(NamedTuple):
    """The history of an item that was requeued at least once."""

    attempt: int
    blamed: int


_NEW = _Past(attempt=1, blamed=0)


@dataclass(slots=True)
class _Seat:
    """A live worker. ``blamed[b]``: number of its unfinished items that were blamed b times; ``company[b]``: upper
    bound for those that were blamed b times or more."""

    slots: int
    company: tuple[int, ...]
    blamed: list[int]


class Scheduler:
    """Leases ``n`` items to workers until each is done or poisoned.

    Every event costs O(1) per item, amortised; memory is O(items in flight or requeued), whatever ``n`` is.

    :param n: the items are 0..n-1.
    :param done: items that are in the ledger already; read lazily.
    :param window: items that a worker may hold, unfinished and uncommitted together.
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
            raise ValueError(f"max_attempts has to be at least 2, not {max_attempts}: the first loss proves nothing")
        if done is not None and len(done) > n:
            raise ValueError(f"{len(done)} items are done, of {n}")
        self.stopped: str | None = None
        """Why leasing ended; None while it continues."""
        self.last_loss: float | None = None
        """When a worker was last lost, seconds."""
        self._n = n
        self._done = 0 if done is None else len(done)
        self._fresh: Iterator[int] = iter(range(n)) if done is None else done.missing(n)
        self._window = window
        self._max_attempts = max_attempts
        self._table = LeaseTable(lease_seconds)
        self._seats: dict[str, _Seat] = {}
        self._gone: set[str] = set()  # names are not reused: a late report of the first would count as the second's
        self._lost: list[deque[int]] = [deque() for _ in range(max_attempts)]  # requeued items, by number of blames
        self._past: dict[int, _Past] = {}
        self._cells: set[str] = set()  # workers that run an item alone, or finish their items to do so
        self._poisoned: list[Poisoned] = []  # not returned by poisoned() yet
        self._poisoned_count = 0
        self._requeued = 0
        self._workers_lost = 0
        self._fruitless = 0  # workers lost since the last item was committed or poisoned
        self._most_workers = 0

    # ---------------------------------------------------------------------------------------------------------- workers

    def worker_joined(self, worker: str, slots: int) -> None:
        """Add a worker that takes up to ``slots`` unfinished items at a time.

        :raises ValueError: the name was used before, or ``slots`` is less than 1.
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
        """The worker died, or is declared dead: its unfinished items are blamed. Returns the requeued items; call
        :meth:`lease` again for idle workers. Ignores an unknown or lost worker.
        """
        if worker not in self._seats:
            return []
        self.last_loss = now
        self._workers_lost += 1
        self._fruitless += 1
        back = self._take_back(worker, blame=1)
        if self._fruitless >= FRUITLESS_LOSSES + 2 * self._most_workers:
            self.stop(f"{self._fruitless} workers in a row were lost without any progress; the workers' logs say why")
        return back

    def worker_left(self, worker: str) -> list[int]:
        """Graceful departure (scaled down, preempted with notice): items are requeued without blame."""
        return self._take_back(worker, blame=0) if worker in self._seats else []

    def renew(self, worker: str, now: float) -> float:
        """The worker's heartbeat. Returns when its leases expire.

        :raises StaleLease: the worker was declared lost; it should end.
        """
        return self._table.renew(worker, now)

    def expire(self, now: float) -> list[str]:
        """Declare workers lost that were silent for too long; the caller ends them. Call it every second or so; the
        first call after a pause of more than half a lease returns nobody, since the driver itself was stuck.
        """
        lapsed = self._table.lapsed(now)
        for worker in lapsed:
            self.worker_lost(worker, now)
        return lapsed

    # ------------------------------------------------------------------------------------------------------------ items

    def lease(self, worker: str, now: float, want: int) -> list[Lease]:
        """Up to ``want`` items for ``worker``; fewer or none if its slots or its window are full, if it has to finish
        its items before it runs one alone, or if none is waiting.

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
        """The rows of ``items`` are in the worker's open shard. Idempotent; also a heartbeat.

        :raises StaleLease: the worker does not hold one of them; then none counts as finished.
        """
        self._table.finish(worker, items, now)
        if self._past:
            self._clear(worker, items)

    def check(self, worker: str, items: Sequence[int]) -> None:
        """Check that rows of ``items`` from ``worker`` may go into the ledger. Call it in the same step as the append.

        :raises StaleLease: the worker does not hold one of them.
        """
        self._table.check(worker, items)

    def committed(self, worker: str, items: Sequence[int]) -> None:
        """``items`` are in the ledger: done, whether or not :meth:`finished` was called for them.

        :raises StaleLease: the worker does not hold one of them; then none counts as done.
        """
        released = self._table.release(worker, items)
        self._done += released
        self._fruitless = 0 if released else self._fruitless
        if self._past:
            self._clear(worker, items)
            for item in items:
                self._past.pop(item, None)

    def poisoned(self) -> list[Poisoned]:
        """The items poisoned since the last call, to be recorded as failures; each is returned once."""
        poisoned, self._poisoned = self._poisoned, []
        return poisoned

    def stop(self, reason: str) -> None:
        """End leasing. Items in flight drain: they may still finish and commit. The first reason is kept."""
        self.stopped = self.stopped or reason

    # ---------------------------------------------------------------------------------------------------------- queries

    def load(self, worker: str) -> Load:
        """The number of items that the worker holds.

        :raises StaleLease: the worker was declared lost.
        """
        return self._table.load(worker)

    def flush_due(self, worker: str) -> bool:
        """Whether the worker should flush: half of its window is uncommitted, or it has rows and nothing to run (call
        it after :meth:`lease`). Without this a worker could wait for room forever, and the run for its rows.

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
        """Whether nothing is in flight: after :meth:`stop`, the drain is complete."""
        return self.in_flight == 0

    @property
    def done(self) -> bool:
        """Whether every item is in the ledger, or was returned by :meth:`poisoned`."""
        return self._done + self._poisoned_count == self._n and not self._poisoned

    def counts(self) -> Counts:
        """Numbers of items by state, for the status line."""
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
        """Whether this worker has to run one item alone, now or as soon as it has finished the others."""
        if seat.blamed[-1]:
            return True
        waiting = len(self._lost[-1])
        if not waiting:
            self._cells.discard(worker)
        # An empty worker can start at once; of busy ones, no more become cells than there are items to run alone.
        elif len(self._cells) < max(1, len(self._seats) // 2) and (unfinished == 0 or len(self._cells) < waiting):
            self._cells.add(worker)
        return worker in self._cells

    def _next(self, seat: _Seat, room: int) -> list[int]:
        """Up to ``room`` waiting items, those with most blames first, within the bounds of company; then fresh ones."""
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
        """``items`` finished on ``worker``: clear their blame."""
        seat = self._seats[worker]
        for item in items:
            past = self._past.get(item)
            if past is not None and past.blamed:
                seat.blamed[past.blamed] -= 1
                self._past[item] = past._replace(blamed=0)

    def _take_back(self, worker: str, blame: int) -> list[int]:
        """Requeue the items of a worker, except those that this blame poisons."""
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
