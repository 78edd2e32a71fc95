"""RolloutActor: a worker process that hosts worlds, simulated users and conversations, and writes its own shards.

The driver and a worker communicate through one long-polled call, :meth:`RolloutActor.exchange`: new items go in;
finished items and written shards come out. Rows and transcripts never pass through it.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NamedTuple

import psutil
import ray

from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError, defect_line
from t2t_dist.environments.search_path import search_last
from t2t_dist.models.fleet_view import FleetView, Held
from t2t_dist.models.metering import Calls
from t2t_dist.pipeline.item_rows import ItemRows
from t2t_dist.pipeline.workload import Workload
from t2t_dist.pipeline.workloads import open_workload
from t2t_dist.storage.have_results import failed_by, last_stage, results
from t2t_dist.storage.ledger import ShardInfo
from t2t_dist.storage.manifest import read_manifest
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.row_digest import row_digest
from t2t_dist.storage.rows import SCHEMAS, VOLATILE, VOLATILE_NESTED
from t2t_dist.storage.writer import Cut, ShardWriter

from .parent import end_with_parent

#: A report waits this long to gather more results, in seconds; ten Ray calls per second cost nothing.
_GATHER_S = 0.05
#: A report is sent after this long even if nothing happened, in seconds: it is the worker's heartbeat.
_POLL_S = 1.0
#: The event loop's delay is sampled this often, in seconds: a stall of 0.1 s can't fall between two samples.
_LAG_EVERY_S = 0.05
#: New objects between two garbage collections. Hundreds of conversations create the default's 700 in a moment, and next
#: to nothing is garbage: collecting took a tenth of the CPU, and full collections stalled the loop.
_GC_EVERY = 10_000
#: Oldest live episodes named in each report, and items whose stacks are given on request.
_SLOWEST, _STACKS = 3, 20
#: Consecutive items broken by a defect that end the run: before any item succeeded, and later. A single one becomes a
#: failure and the run continues; where all break, continuing would only give a dataset of failures.
_BROKEN_AT_FIRST, _BROKEN_IN_A_ROW = 3, 20


@dataclass
class Written:
    """Shards that are durable under their final names, and what they hold; to be committed by the driver.

    ``failed``: no item in them has a result, and some failed.
    """

    shards: list[ShardInfo]
    items: list[int]
    counters: dict[str, int]
    digests: dict[str, int]
    failed: bool = False


class Orders(NamedTuple):
    """The driver's orders to a worker.

    ``items``: (number, attempt) of each item to start; ``flush``: write the rows so far now; ``slots``: episodes at
    once from now on (``None``: unchanged); ``fleet``: a new view of the engines; ``stacks``: report where the live
    items are; ``feedback_weights``: feedback weights of the writes, for explorations from now on.
    """

    items: Sequence[tuple[int, int]] = ()
    flush: bool = False
    slots: int | None = None
    fleet: FleetView | None = None
    stacks: bool = False
    feedback_weights: dict[str, float] | None = None


class Report(NamedTuple):
    """A worker's report: what happened since the last exchange.

    ``lags``: by milliseconds (rounded up), how often the event loop was that late; ``rss_mb``: memory now; ``held``:
    per engine, this worker's requests there and how those since the last report ended; ``slowest``: the oldest live
    episodes; ``stacks``: where the oldest items are, if that was ordered; ``calls``: counts of model calls, by pool;
    ``running``: episodes that hold a slot now; ``succeeded``: how many of the finished items have a result;
    ``failed``: of those that have none, how many failed, by what they failed by.
    """

    finished: list[int]
    written: list[Written]
    alive: int
    lags: dict[int, int]
    rss_mb: float
    counts: dict[str, int]
    held: dict[str, Held]
    slowest: list[dict[str, Any]]
    stacks: list[str] | None
    calls: dict[str, Calls]
    running: int
    succeeded: int
    failed: dict[str, int]


@dataclass
class _Batch:
    """The items whose rows are in the open shards."""

    items: list[int] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)
    digests: dict[str, int] = field(default_factory=dict)
    failed: bool = False


class Worker:
    """The worker itself, without Ray."""

    def __init__(self, work: Workload, storage: Storage, name: str, stage: str) -> None:
        """``stage``: the last one of the run, whose rows are its results."""
        self.work, self.stage = work, stage
        self.writer = ShardWriter(storage, SCHEMAS, name)
        self._batch = _Batch()
        self._finished: list[int] = []
        self._counts: Counter[str] = Counter()
        self._written: list[Written] = []
        self._running: dict[int, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._error: BaseException | None = None
        self._broken, self._patience = 0, _BROKEN_AT_FIRST
        self._ever_succeeded, self._succeeded, self._failed = False, 0, Counter[str]()
        self._lags: Counter[int] = Counter()
        self._calls: dict[str, Calls] = {}
        self._writing = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None

    async def exchange(self, orders: Orders) -> Report:
        """Carry out the orders, and report. Raises InputError where no row can be written."""
        if self._watch is None:
            self._watch = asyncio.create_task(self._measure_lag())
        if orders.fleet is not None:
            self.work.models.update(orders.fleet)
        if orders.feedback_weights is not None:
            self.work.feedback_weights = orders.feedback_weights
        if orders.slots is not None:
            self.work.slots.resize(orders.slots)
        for item, attempt in orders.items:
            self._running[item] = asyncio.create_task(self._run(item, attempt))
        if orders.flush or self.writer.due():
            await self._write()
        if not self._news.is_set():
            try:
                async with asyncio.timeout(_POLL_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            else:
                if self._running:
                    await asyncio.sleep(_GATHER_S)
        self._news.clear()
        if self._error is not None:
            raise self._error
        self._count_calls()
        calls, self._calls = self._calls, {}
        finished, self._finished = self._finished, []
        written, self._written = self._written, []
        lags, self._lags = self._lags, Counter()
        counts, self._counts = self._counts, Counter()
        succeeded, self._succeeded = self._succeeded, 0
        failed, self._failed = self._failed, Counter()
        rss_mb = psutil.Process().memory_info().rss / (1 << 20)
        return Report(
            finished,
            written,
            len(self._running),
            dict(lags),
            rss_mb,
            dict(counts),
            self.work.models.held(),
            self.work.runner.slowest(_SLOWEST),
            self._stacks() if orders.stacks else None,
            calls,
            self.work.slots.running,
            succeeded,
            dict(failed),
        )

    def _count_calls(self) -> None:
        """Add the model calls since the last call of this; tokens count whatever the result of their episode."""
        for pool, calls in self.work.models.meter.take().items():
            new = Counter({f"tokens.{kind}": count for kind, count in calls.tokens.items()})
            new.update({f"dropped.{field}": count for field, count in calls.dropped.items()})
            self._batch.counters.update(new)
            self._counts.update(new)
            if pool in self._calls:
                self._calls[pool].merge(calls)
            else:
                self._calls[pool] = calls

    def _stacks(self) -> list[str]:
        """The stacks of the oldest episodes and items, outermost call first."""
        tasks = [*self.work.runner.alive(_STACKS), *((f"item {item}", task) for item, task in self._running.items())]
        found = []
        for name, task in tasks[:_STACKS]:
            frames = traceback.format_list(traceback.StackSummary.extract(_frames(task)))
            found.append(f"{name}\n{''.join(frames)}")
        return found

    async def _run(self, item: int, attempt: int) -> None:
        try:
            try:
                rows = await self.work.run(item, attempt)
                self._broken, self._patience = 0, _BROKEN_IN_A_ROW
            except InputError:
                raise
            except Exception as error:
                rows = self._without(item, attempt, error)
            self._take(item, rows)
        except InputError as error:
            self._stop(error)
        except Exception as error:
            self._stop(InputError(f"the rows of item {item} can't be stored: {defect_line(error)}"))
        finally:
            self._running.pop(item, None)

    def _without(self, item: int, attempt: int, error: Exception) -> ItemRows:
        """The rows of an item broken by a defect (ours, or a domain's outside of its tools): it must neither end the
        run nor vanish. Raises InputError if the items before it broke too."""
        traceback.print_exception(error)  # into the worker's log
        self._broken += 1
        if self._broken >= self._patience:
            raise InputError(f"{self._broken} items in a row broke, the last one so: {defect_line(error)}")
        return self.work.given_up(item, attempt, defect_line(error))

    def _stop(self, error: BaseException) -> None:
        self._error = self._error or error
        self._news.set()

    def _take(self, item: int, rows: ItemRows) -> None:
        """Put rows, item, counts and digests into the open batch in one step, so that a cut holds whole items only."""
        self._count_result(rows)
        spill = False
        for table, found in rows.rows.items():
            spill |= self.writer.add(table, found)
            total = sum(row_digest(row, VOLATILE, VOLATILE_NESTED) for row in found)
            self._batch.digests[table] = (self._batch.digests.get(table, 0) + total) % (1 << 128)
        self._batch.items.append(item)
        self._batch.counters.update(rows.counts)
        self._counts.update(rows.counts)
        self._finished.append(item)
        self._news.set()
        if spill:
            asyncio.get_running_loop().create_task(self._spill())

    def _count_result(self, rows: ItemRows) -> None:
        """Failures before the first item that succeeds get shards of their own: where everything fails, a resumed run
        tries these items again."""
        why = failed_by(self.stage, rows.counts)
        if why:
            self._failed[why] += 1
            self._batch.failed |= not self._ever_succeeded
        elif results(self.stage, rows.counts):
            self._succeeded, self._ever_succeeded = self._succeeded + 1, True
            if self._batch.failed:
                asyncio.get_running_loop().create_task(self._close(*self._cut()))

    async def _spill(self) -> None:
        try:
            async with self._writing:
                await asyncio.to_thread(self.writer.spill)
        except Exception as error:
            self._stop(error)

    async def _write(self) -> None:
        if self._batch.items:
            await self._close(*self._cut())

    def _cut(self) -> tuple[Cut, _Batch]:
        self._count_calls()
        cut, batch, self._batch = self.writer.cut(), self._batch, _Batch()
        return cut, batch

    async def _close(self, cut: Cut, batch: _Batch) -> None:
        try:
            async with self._writing:
                shards = await asyncio.to_thread(cut.close)
        except Exception as error:
            return self._stop(error)
        self._written.append(Written(shards, batch.items, dict(batch.counters), batch.digests, batch.failed))
        self._news.set()

    async def _measure_lag(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_LAG_EVERY_S)
            self._lags[max(0, math.ceil(1e3 * (time.perf_counter() - before - _LAG_EVERY_S)))] += 1

    async def close(self) -> None:
        """Cancel the running items; rows that were not written are dropped."""
        running = list(self._running.values())
        for task in (*running, *([self._watch] if self._watch else [])):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.work.close()


def _frames(task: asyncio.Task[Any]) -> Iterator[tuple[FrameType, int]]:
    """The frames of a suspended coroutine and of all it awaits; ``task.get_stack`` ends at its first await."""
    waits: Any = task.get_coro()
    while waits is not None:
        frame = getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None)
        if frame is not None:
            yield frame, frame.f_lineno
        waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)


@ray.remote(max_restarts=0, max_task_retries=0, num_cpus=0)
class RolloutActor:
    """A :class:`Worker` as a Ray actor. Ray never restarts it: the scheduler alone decides what runs again."""

    def __init__(self, kind: str, config: Config, out: str, name: str, path: str) -> None:
        self.args = kind, config, out, name
        self.worker: Worker | None = None
        search_last(path)  # a custom domain is imported from the driver's directory

    async def ready(self) -> int:
        """Open the work (database, source run, models). Returns the process's id. Raises InputError if that fails."""
        kind, config, out, name = self.args
        end_with_parent()
        # No slot before the driver's first orders: the other workers may have them all.
        work, storage = open_workload(kind, config, 0), open_storage(out, patient=True)
        _check_same(storage, work.run_id)
        self.worker = Worker(work, storage, name, last_stage(kind, config.until))
        gc.collect()
        gc.freeze()  # database, tools and tasks stay: no collection needs to visit them again
        gc.set_threshold(_GC_EVERY, 10, 10)
        return os.getpid()

    async def exchange(self, orders: Orders) -> Report:
        """See :meth:`Worker.exchange`."""
        assert self.worker is not None
        return await self.worker.exchange(orders)

    async def close(self) -> None:
        if self.worker is not None:
            await self.worker.close()


def _check_same(storage: Storage, run_id: str) -> None:
    """Check that a worker, perhaps on another node, sees the driver's run directory and has the same code.

    Raises:
        InputError: it does not.
    """
    where = f"on node {os.uname().nodename}"
    there = read_manifest(storage).run_id
    if there != run_id:
        raise InputError(
            f"{storage.root} {where} holds run {there}, this is run {run_id}: nodes must share the run directory (a"
            " shared file system, or s3://...) and have the same t2t-dist and source run"
        )
