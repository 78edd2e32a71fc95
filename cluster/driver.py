"""The driver: starts Ray and the workers, and carries out what the scheduler decides, until every item is committed.

The driver sees item numbers, shard names and counters; rows and transcripts stay with the workers.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
import ray.exceptions

from t2t_dist.actors.rollout import Orders, Report, RolloutActor
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.models.fleet_view import FleetView, Held
from t2t_dist.models.openai import key_of
from t2t_dist.pipeline.budget import spent, yields
from t2t_dist.pipeline.feedback import feedback_weights
from t2t_dist.storage.ledger import Commit, Ledger, LedgerState
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.row_digest import row_digest
from t2t_dist.storage.rows import SCHEMAS, VOLATILE, VOLATILE_NESTED
from t2t_dist.storage.run_lock import RunLock
from t2t_dist.storage.status import StackRequests, StatusFile
from t2t_dist.storage.writer import ShardWriter, clean

from .connect import address_of, connected
from .engines.fleet import Fleet
from .metrics.exporter import served
from .metrics.snapshot import Metrics
from .scheduling.leases import StaleLease
from .scheduling.placement import Wish
from .scheduling.scheduler import Counts, Scheduler
from .signals import signals
from .workers import Crew, RayGone, cause_of

#: Seconds between two beats of the run's lock.
_BEAT_S = 5.0
#: Work kept ready at a worker beyond what it has alive, so that it never waits for the driver.
_AHEAD = 1.5
#: The same where no item waits for anything: more would only make all of them finish late.
_IN_HAND = 8
#: The second signal: workers have so long to write what they have finished.
_CANCEL_S = 30.0
#: A worker on a node that goes writes what it has finished when so many seconds are left.
_LEAVE_S = 10.0


class Stopped(Exception):
    """The run was stopped before its end; everything committed stays, the same command goes on with it."""


@dataclass
class Progress:
    """What a status line shows; counts are of this session and of what the run held before it.

    ``lag_ms``: the event loops of the workers were late by no more than this in 99 of 100 samples. ``waiting_for``:
    what the run waits for before it can begin, empty once it has. ``yields``: see :func:`t2t_dist.pipeline.budget.yields`.
    ``metrics``: their address, empty if not served.
    """

    items: Counts
    counts: Counter[str]
    lag_ms: float
    rss_mb: dict[str, float]
    elapsed_s: float
    waiting_for: str = ""
    yields: dict[str, float] = field(default_factory=dict)
    metrics: str = ""


@dataclass
class Result:
    """A finished run: its ledger's state, and figures of the session that finished it (see :class:`Progress`)."""

    run_id: str
    state: LedgerState
    wall_s: float
    resumed: bool
    lag_ms: float = 0.0
    rss_mb: dict[str, float] = field(default_factory=dict)
    engines: list[dict[str, Any]] = field(default_factory=list)
    ended: str = ""
    """Why it ended before its last item, as the budget has it; empty where it came to its end."""


Notify = Callable[[Progress], None]


class Driver:
    """One session of one run."""

    def __init__(
        self,
        kind: str,
        config: Config,
        work: Any,
        storage: Storage,
        ledger: Ledger,
        lock: RunLock,
        notify: Notify | None,
        started: float,
        resumed: bool,
    ) -> None:
        self.kind, self.config, self.work, self.storage, self.ledger = kind, config, work, storage, ledger
        self.lock, self.notify, self.started, self.resumed = lock, notify, started, resumed
        self.out = storage.describe("")
        self.left = work.size() - len(ledger.state.items)
        self.busy = config.asks_models()
        self.asked: dict[Any, tuple[str, bool]] = {}  # by call: the worker, and whether it is to write
        self.last_beat = self.last_note = 0.0
        self.counts: Counter[str] = Counter({k: int(v) for k, v in ledger.state.counters.items()})
        self.lags: Counter[int] = Counter()
        self.rss_mb: dict[str, float] = {}
        self.held: dict[str, dict[str, Held]] = {}
        self.slowest: dict[str, list[dict[str, Any]]] = {}
        self.told: dict[str, tuple[int, int]] = {}
        self.signals: list[str] = []
        self.cancelled_at: float | None = None
        self.fleet: Fleet | None = None
        self.begun = False
        self.ended = ""
        self.gpu_at = started  # the ledger has the GPUs' time up to then
        self.status = StatusFile(storage, work.run_id)
        self.stack_requests = StackRequests(storage)
        self.metrics = Metrics(work.run_id, kind, config, ledger.state)

    def run(self) -> Result:
        self.ledger.fence(f"{os.uname().nodename}:{os.getpid()}")
        clean(self.storage, self.ledger.state)
        cluster = self.config.cluster
        self.scheduler = Scheduler(self.work.size(), self.ledger.state.items, lease_seconds=cluster.lease_s)
        end, why = "failed", ""
        wish = self._wish()
        serving = served(cluster.metrics, self.metrics)
        with serving, connected(cluster.address, wish.least) as local, signals(self.signals):
            self.crew = Crew(self._make, wish, 0.0 if local else cluster.worker_cpus, cluster.wait_s)
            try:
                self._start_engines(local)
                self._loop()
                finished = self.scheduler.done or self.ended
                end, why = ("finished", self.ended) if finished else ("stopped", self.scheduler.stopped or "")
            except InputError as error:
                why = str(error)
                raise
            except RayGone as gone:
                end, why = "stopped", str(gone)
            finally:
                self.crew.stop()
                self._write_status(end, why)
                self._measure(end)
                engines = self.fleet.status() if self.fleet else []
                if self.fleet is not None:
                    self.fleet.stop()
        clean(self.storage, self.ledger.state)
        wall = time.monotonic() - self.started
        if end == "stopped":
            raise Stopped(why)
        return Result(
            self.work.run_id,
            self.ledger.state,
            wall,
            self.resumed,
            late(self.lags),
            self.rss_mb,
            engines,
            self.ended,
        )

    def _wish(self) -> Wish:
        """How many workers there should be; never more than there are items."""
        wanted = self.config.cluster.workers
        if wanted is not None:
            least, most = wanted.min, wanted.max
        elif address_of(self.config.cluster.address) is None:
            least = most = os.cpu_count() or 1
        else:
            return Wish(1, None)
        return Wish(max(1, min(least, self.left)), max(1, min(most, self.left)))

    def _make(self, name: str, options: dict[str, Any]) -> Any:
        """A worker's actor. It opens its work before it is given any."""
        args = (self.kind, self.config, self.out, name, os.getcwd())
        return RolloutActor.options(**options).remote(*args)  # type: ignore[attr-defined]

    # -- engines -----------------------------------------------------------------------------------------------------
    def _start_engines(self, local: bool) -> None:
        """Place the engines that the run's models need; they load while the workers start."""
        pools = self.config.used_pools()
        if pools:
            self.fleet = Fleet(pools, self.storage.logs, local=local, key_of=key_of)
            self.fleet.start()

    # -- workers -----------------------------------------------------------------------------------------------------
    def _share(self) -> int:
        """Episodes at once for each worker."""
        workers = len(self.crew.actors) - len(self.crew.leaving)
        return max(1, math.ceil(self.config.cluster.concurrency / max(1, workers)))

    def _ahead(self, slots: int) -> int:
        """Items a worker holds: as many as keep its slots full, or, where nothing waits, just a few in hand."""
        return math.ceil(slots * _AHEAD) if self.busy else _IN_HAND

    def _joined(self, name: str) -> None:
        self.scheduler.worker_joined(name, self._ahead(self.config.cluster.concurrency))

    def _lost(self, name: str) -> None:
        self.crew.lost(name)
        self._forget(name)
        self.scheduler.worker_lost(name, time.monotonic())

    def _left(self, name: str) -> None:
        """A worker goes by intention: what it had not finished waits again, and is not blamed."""
        self.crew.lost(name)
        self._forget(name)
        self.scheduler.worker_left(name)

    def _forget(self, name: str) -> None:
        for known in (self.held, self.slowest, self.told, self.rss_mb):
            known.pop(name, None)

    def _may_leave(self, name: str, flushed: bool) -> bool:
        """Whether a worker has nothing left to do: it was to leave, or all were."""
        load = self.scheduler.load(name)
        if load.uncommitted:
            return False
        if self.cancelled_at is not None:
            return flushed
        return name in self.crew.leaving and (load.unfinished == 0 or (flushed and self._hurried(name)))

    def _hurried(self, name: str) -> bool:
        return self.crew.leaving.get(name, math.inf) - time.monotonic() < _LEAVE_S

    # -- the loop ----------------------------------------------------------------------------------------------------
    def _ask(self, name: str) -> None:
        """Give a worker what it may have now, and ask it for news."""
        now, scheduler, slots = time.monotonic(), self.scheduler, self._share()
        going = name in self.crew.leaving or self.cancelled_at is not None
        want = 0 if going else max(0, self._ahead(slots) - scheduler.load(name).unfinished)
        items = [(lease.item, lease.attempt) for lease in scheduler.lease(name, now, want)]
        flush = scheduler.flush_due(name) or self.cancelled_at is not None or self._hurried(name)
        wanted = feedback_weights(self.counts) if self.config.feedback else None
        orders = Orders(items, flush, *self._news(name, slots), self.stack_requests.pending, wanted)
        self.asked[self.crew.actors[name].exchange.remote(orders)] = name, flush

    def _news(self, name: str, slots: int) -> tuple[int, FleetView | None]:
        """What a worker may use now, as far as that is other than it was told last."""
        view = None
        if self.fleet is not None:
            view = self.fleet.view(list(self.crew.actors).index(name), len(self.crew.actors))
        version = view.version if view else 0
        old_slots, old_version = self.told.get(name, (0, 0))
        self.told[name] = slots, version
        return (slots if slots != old_slots else 0), (view if version != old_version else None)

    def _set_aside(self) -> None:
        """Record the items that lost too many workers; the driver writes these rows itself, there are few."""
        poisoned = self.scheduler.poisoned()
        if not poisoned:
            return
        writer, digests, counts = ShardWriter(self.storage, SCHEMAS, "driver"), dict[str, int](), Counter[str]()
        for item, attempts in poisoned:
            given_up = self.work.given_up(item, attempts)
            counts.update(given_up.counts)
            for table, rows in given_up.rows.items():
                writer.add(table, rows)
                total = sum(row_digest(row, VOLATILE, VOLATILE_NESTED) for row in rows)
                digests[table] = digests.get(table, 0) + total
        items = [item for item, _ in poisoned]
        self._commit(Commit(shards=writer.flush(), items=items, counters=counts, digests=digests))
        self.counts.update(counts)

    def _commit(self, commit: Commit) -> None:
        self.ledger.append(commit)
        self.metrics.committed(commit.shards)

    def _loop(self) -> None:
        while not self.scheduler.done:
            now = time.monotonic()
            self._heed_signals(now)
            if self.scheduler.stopped is None and (why := self._spent(now)):
                self.ended = why
                self.scheduler.stop(why)
            if self.scheduler.stopped is not None and self.scheduler.idle:
                break
            self.crew.step()
            if not self.begun and self.crew.actors and (self.fleet is None or self.fleet.ready()):
                self.begun = True  # later on it goes on with whatever is left: workers wait for engines by themselves
            if self.begun:
                self._ask_idle()
            self._wait()
            for name in self.scheduler.expire(now):
                self._lost(name)
            self._set_aside()
            self._keep_up(now)
        self._commit(Commit(counters=self._gpu_seconds(), notes={"ended": self.ended or self._why_stopped()}))
        if self.notify:
            self.notify(self._progress())

    def _why_stopped(self) -> str:
        return self.scheduler.stopped or "every item is done"

    def _heed_signals(self, now: float) -> None:
        """The first lets what runs come to its end; the second gives up what is not finished, and still commits."""
        if self.signals and self.scheduler.stopped is None:
            self.scheduler.stop(self.signals[0])
        if self.signals:
            self.ended = ""
        if len(self.signals) > 1 and self.cancelled_at is None:
            self.cancelled_at = now
        if self.cancelled_at is not None:
            for name in list(self.scheduler.workers):
                if name not in self.crew.actors or now - self.cancelled_at > _CANCEL_S:
                    self._left(name)

    def _ask_idle(self) -> None:
        asked = {name for name, _ in self.asked.values()}
        for name in list(self.crew.actors):
            if name not in asked:
                self._ask(name)

    def _wait(self) -> None:
        """Until something happens, a second at most."""
        of_crew, of_engines = self.crew.references(), self.fleet.references() if self.fleet else []
        references = [*self.asked, *of_crew, *of_engines]
        if references:
            done, _ = ray.wait(references, num_returns=1, timeout=1.0)
        else:
            done = []
            time.sleep(0.2)
        for reference in done:
            if reference in self.asked:
                self._hear(*self.asked.pop(reference), reference)
            elif reference in of_crew:
                name = self.crew.heard(reference)
                if name is not None:
                    self._joined(name)
            elif self.fleet is not None:
                self.fleet.hear(reference)
        if self.fleet is not None:
            self.fleet.used(self.held.values())
            self.fleet.tick()

    def _spent(self, now: float) -> str:
        """Which budget is used up, if one is. What runs still comes to its end: it may be passed by that."""
        return spent(self.config.budget, self.counts, now - self.started)

    def _gpu_seconds(self) -> dict[str, float]:
        """Time of GPUs that is to go into the ledger now, as a counter."""
        due, self.gpu_at = self._gpu_seconds_due(), time.monotonic()
        return {"gpu_seconds": round(due, 3)} if due else {}

    def _gpu_seconds_due(self) -> float:
        return (self.fleet.gpus() if self.fleet else 0) * (time.monotonic() - self.gpu_at)

    def _keep_up(self, now: float) -> None:
        """What has to be done every few seconds, whatever the run is at."""
        if now - self.last_beat > _BEAT_S:
            self.last_beat = now
            self.lock.beat()
            self._write_status("running")
        self._measure("running")
        if self.notify and now - self.last_note > 0.5:
            self.last_note = now
            self.notify(self._progress())

    def _measure(self, state: str) -> None:
        self.metrics.update(state, self.scheduler, self.fleet, self.counts, wanted=self.crew.wish.least)

    def _write_status(self, state: str, why: str = "") -> None:
        progress, engines = self._progress(), self.fleet.status() if self.fleet else []
        slowest = sorted((row for rows in self.slowest.values() for row in rows), key=lambda row: -float(row["age_s"]))
        self.status.write(
            state,
            why,
            elapsed_s=progress.elapsed_s,
            items=progress.items._asdict(),
            counts=dict(progress.counts),
            yields=progress.yields,
            workers={
                name: {"rss_mb": round(self.rss_mb.get(name, 0.0), 1), "node": self.crew.nodes.get(name, "")}
                for name in self.crew.actors
            },
            lag_ms=progress.lag_ms,
            waiting_for=progress.waiting_for,
            notes=self.crew.notes,
            slowest=slowest[:10],
            metrics=progress.metrics,
            engines=engines,
        )
        self.stack_requests.poll()

    def _hear(self, name: str, flushed: bool, reference: Any) -> None:
        try:
            report: Report = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise cause_of(error) from None
        except ray.exceptions.RayError:
            self._lost(name)
            return
        now = time.monotonic()
        if name not in self.scheduler.workers or name not in self.crew.actors:
            return
        try:
            self.scheduler.finished(name, report.finished, now)  # also a sign of life
            for written in report.written:
                self.scheduler.check(name, written.items)
                self._commit(
                    Commit(
                        shards=written.shards,
                        items=written.items,
                        counters={**written.counters, **self._gpu_seconds()},
                        digests=written.digests,
                        notes={"worker": name},
                    )
                )
                self.scheduler.committed(name, written.items)
        except StaleLease:
            return
        self.metrics.heard(name, report)
        self.counts.update(report.counts)
        self.lags.update(report.lags)
        self.rss_mb[name] = report.rss_mb
        self.held[name] = report.held
        self.slowest[name] = report.slowest
        self.stack_requests.answer(name, report.stacks, len(self.crew.actors))
        if self.fleet is not None:
            self.fleet.fared(report.held)
        if self._may_leave(name, flushed):
            self._left(name)
        else:
            self._ask(name)

    def _progress(self) -> Progress:
        elapsed = time.monotonic() - self.started
        waiting = "" if self.begun else self.crew.waiting_for() or (self.fleet.waiting_for() if self.fleet else "")
        gpu_s = float(self.ledger.state.counters.get("gpu_seconds", 0.0)) + self._gpu_seconds_due()
        found = yields(self.counts, gpu_s)
        counts, lag, at = self.scheduler.counts(), late(self.lags), self.metrics.address
        return Progress(counts, self.counts, lag, self.rss_mb, elapsed, waiting, found, at)


def late(lags: Mapping[int, int], share: float = 0.99) -> float:
    """The smallest delay, in ms, that ``share`` of the samples do not exceed; ``lags`` counts samples by delay."""
    left = math.ceil(share * sum(lags.values()))
    for delay in sorted(lags):
        left -= lags[delay]
        if left <= 0:
            return float(delay)
    return 0.0
