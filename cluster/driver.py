"""The driver: connects to Ray, starts workers and carries out the scheduler's decisions until every item is done.

The driver sees item numbers, shard names and counters; rows and transcripts stay in the workers.
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
from t2t_dist.models.openai import api_key_of
from t2t_dist.pipeline.budget import spent, yields
from t2t_dist.pipeline.feedback import feedback_weights
from t2t_dist.storage.ledger import WALL_SECONDS, Commit, Ledger, LedgerState
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.row_digest import row_digest
from t2t_dist.storage.rows import SCHEMAS, VOLATILE, VOLATILE_NESTED
from t2t_dist.storage.run_lock import BEAT_S, RunLock
from t2t_dist.storage.status import StackRequests, StatusFile
from t2t_dist.storage.writer import ShardWriter, clean

from .connect import address_of, connected
from .engines.fleet import Fleet
from .metrics.exporter import served
from .metrics.snapshot import Metrics
from .scheduling.first_items import FirstItems
from .scheduling.leases import StaleLease
from .scheduling.placement import Wish
from .scheduling.scheduler import Counts, Scheduler
from .scheduling.slots import SlotShares
from .signals import signals
from .workers import Crew, RayGone, cause_of

#: Items leased to a worker, as a multiple of its slots: some wait there, so that a slot never waits for the driver.
_AHEAD = 1.5
#: Items leased to a worker when no item waits for a model: more would only make all of them finish late.
_IN_HAND = 8
#: Seconds that workers have to flush their finished items after the second signal.
_CANCEL_S = 30.0
#: A worker on a draining node flushes when this many seconds are left.
_LEAVE_S = 10.0


class Stopped(Exception):
    """Raised when a run is stopped before its end. What is committed is kept; the same command resumes the run."""


@dataclass
class Progress:
    """Figures for a status line; counts include those of earlier sessions of the run.

    ``lag_ms``: 99th percentile of the delay of the workers' event loops. ``waiting_for``: what the run waits for before
    it can begin, empty afterwards. ``yields``: see :func:`t2t_dist.pipeline.budget.yields`. ``metrics``: the address
    they are served at, empty if they are not.
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
    """The result of a finished run: its ledger's state, and figures of its last session (see :class:`Progress`).

    ``wall_s``: seconds of this session, up to its last commit; the sum over all sessions is in the ledger.
    """

    run_id: str
    state: LedgerState
    wall_s: float
    resumed: bool
    lag_ms: float = 0.0
    rss_mb: dict[str, float] = field(default_factory=dict)
    engines: list[dict[str, Any]] = field(default_factory=list)
    ended: str = ""
    """Which budget ended it before its last item; empty if every item is done."""


Notify = Callable[[Progress], None]


class Driver:
    """One session of one run: an event loop over Ray calls."""

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
        self.items_before = len(ledger.state.items)
        self.left = work.size() - self.items_before
        self.busy = config.asks_models()
        self.asked: dict[Any, tuple[str, bool]] = {}  # by call: the worker, and whether it was asked to flush
        self.last_beat = self.last_note = 0.0
        self.counts: Counter[str] = Counter({k: int(v) for k, v in ledger.state.counters.items()})
        self.lags: Counter[int] = Counter()
        self.rss_mb: dict[str, float] = {}
        self.held: dict[str, dict[str, Held]] = {}
        self.slowest: dict[str, list[dict[str, Any]]] = {}
        self.sent: dict[str, int] = {}  # by worker: version of the engines' view that it has
        self.shares = SlotShares(config.cluster.concurrency)
        self.signals: list[str] = []
        self.cancelled_at: float | None = None
        self.fleet: Fleet | None = None
        self.begun = False
        self.ended = ""
        self.first_items = FirstItems(config.limits.stop_if_first_fail)
        self.timed_until = started  # time, and that of GPUs, is in the ledger up to this moment
        self.status = StatusFile(storage, work.run_id)
        self.stack_requests = StackRequests(storage)
        self.metrics = Metrics(work.run_id, kind, config, ledger.state)

    def run(self) -> Result:
        self.ledger.fence(f"{os.uname().nodename}:{os.getpid()}")
        clean(self.storage, self.ledger.state)
        cluster = self.config.cluster
        self.scheduler = Scheduler(self.work.size(), self.ledger.state.items, lease_seconds=cluster.lease_s)
        end, why, failing = "failed", "", ""
        wish = self._wish()
        serving = served(cluster.metrics, self.metrics)
        # Twice: a signal while Ray starts is kept for the loop, and Ray puts its own handler of SIGTERM in place.
        at_first, then = signals(self.signals), signals(self.signals)
        with serving, at_first, connected(cluster.address, wish.least) as local, then:
            self.crew = Crew(self._make, wish, 0.0 if local else cluster.worker_cpus, cluster.wait_s)
            try:
                self._start_engines(local)
                self._loop()
                finished = self.scheduler.done or self.ended
                end, why = ("finished", self.ended) if finished else ("stopped", self.scheduler.stopped or "")
                failing = self.ledger.state.stopped
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
        if end == "stopped" and (self.signals or not failing):
            raise Stopped(why)
        return Result(
            self.work.run_id,
            self.ledger.state,
            self.timed_until - self.started,
            self.resumed,
            late(self.lags),
            self.rss_mb,
            engines,
            self.ended,
        )

    def _wish(self) -> Wish:
        """How many workers to run; never more than there are items."""
        wanted = self.config.cluster.workers
        if wanted is not None:
            least, most = wanted.min, wanted.max
        elif address_of(self.config.cluster.address) is None:
            least = most = os.cpu_count() or 1
        else:
            return Wish(1, None)
        return Wish(max(1, min(least, self.left)), max(1, min(most, self.left)))

    def _make(self, name: str, options: dict[str, Any]) -> Any:
        """A worker's actor. It opens its work before it gets items."""
        args = (self.kind, self.config, self.out, name, os.getcwd())
        return RolloutActor.options(**options).remote(*args)  # type: ignore[attr-defined]

    # -- engines -----------------------------------------------------------------------------------------------------
    def _start_engines(self, local: bool) -> None:
        """Start the engines of the run's models; they load while the workers start."""
        pools = self.config.used_pools()
        if pools:
            self.fleet = Fleet(pools, self.storage.logs, local=local, api_key_of=api_key_of)
            self.fleet.start()

    # -- workers -----------------------------------------------------------------------------------------------------
    def _ahead(self, slots: int) -> int:
        """Items per worker: enough to keep its slots full, a few if no item waits for a model, none without slots."""
        return math.ceil(slots * _AHEAD) if self.busy else _IN_HAND * (slots > 0)

    def _joined(self, name: str) -> None:
        self.shares.joined(name)
        self.scheduler.worker_joined(name, self._ahead(self.config.cluster.concurrency))

    def _lost(self, name: str, ended: bool = False) -> None:
        """A worker is lost. Unless its process has ``ended``, it is ended now, and its slots come back once it has; on
        another node, a lease later."""
        self._gone(name, ended)
        self.scheduler.worker_lost(name, time.monotonic())

    def _left(self, name: str) -> None:
        """Graceful departure: unfinished items are requeued and no attempt is charged."""
        self._gone(name, name in self.scheduler.workers and not self.scheduler.load(name).unfinished)
        self.scheduler.worker_left(name)

    def _gone(self, name: str, nothing_runs: bool) -> None:
        self.crew.lost(name)
        self._forget(name)
        self.shares.gone(name, None if nothing_runs else time.monotonic() + self.config.cluster.lease_s)

    def _forget(self, name: str) -> None:
        for known in (self.held, self.slowest, self.sent, self.rss_mb):
            known.pop(name, None)

    def _may_leave(self, name: str, flushed: bool) -> bool:
        """Whether a leaving worker, or any worker after the second signal, has nothing left to commit."""
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
        """Send a worker its next orders and ask for a report."""
        now, scheduler, leaves = time.monotonic(), self.scheduler, name in self.crew.leaving
        if leaves:
            self.shares.leaving(name)
        slots = self.shares.order(name, now, self.crew.expected)
        going = leaves or self.cancelled_at is not None
        want = 0 if going else max(0, self._ahead(slots) - scheduler.load(name).unfinished)
        items = [(lease.item, lease.attempt) for lease in scheduler.lease(name, now, want)]
        flush = scheduler.flush_due(name) or self.cancelled_at is not None or self._hurried(name)
        wanted = feedback_weights(self.counts) if self.config.feedback else None
        orders = Orders(items, flush, slots, self._view(name), self.stack_requests.pending, wanted)
        self.asked[self.crew.actors[name].exchange.remote(orders)] = name, flush

    def _view(self, name: str) -> FleetView | None:
        """The engines for a worker, if they changed since its last orders."""
        if self.fleet is None:
            return None
        view = self.fleet.view(list(self.crew.actors).index(name), len(self.crew.actors))
        before, self.sent[name] = self.sent.get(name, 0), view.version
        return view if view.version != before else None

    def _record_poisoned(self) -> None:
        """Commit a failure for each poisoned item; the driver writes these few rows itself."""
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
        self._commit(Commit(shards=writer.flush(), items=items, counters=counts, digests=digests, failed=True))
        self.counts.update(counts)
        self._count_results(0, {"poisoned": len(items)})

    def _count_results(self, succeeded: int, failed: Mapping[str, int]) -> None:
        """Stop the run if its first items have all failed alike: going on would only give a dataset of failures."""
        why = self.first_items.finished(succeeded, failed)
        if why and self.scheduler.stopped is None and self.scheduler.counts().waiting:
            self._commit(Commit(stopped=why))
            self.scheduler.stop(why)

    def _commit(self, commit: Commit) -> None:
        self.ledger.append(commit)
        self.metrics.committed(commit.shards)

    def _loop(self) -> None:
        while not self.scheduler.done:
            now = time.monotonic()
            self._handle_signals(now)
            if self.scheduler.stopped is None and (why := self._spent(now)):
                self.ended = why
                self.scheduler.stop(why)
            if self.scheduler.stopped is not None and self.scheduler.idle:
                break
            self.crew.step()
            if not self.begun and self.crew.actors and (self.fleet is None or self.fleet.ready()):
                self.begun = True  # not checked again: workers wait for engines by themselves
            if self.begun:
                self._ask_idle()
            self._wait()
            for name in self.scheduler.expire(now):
                self._lost(name)
            for name in self.crew.ended():
                self.shares.ended(name)
            self._record_poisoned()
            self._housekeeping(now)
        self._commit(Commit(counters=self._seconds(), notes={"ended": self.ended or self._why_stopped()}))
        if self.notify:
            self.notify(self._progress())

    def _why_stopped(self) -> str:
        return self.scheduler.stopped or "every item is done"

    def _handle_signals(self, now: float) -> None:
        """The first signal drains: running items finish. The second cancels them; finished ones are committed."""
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
        """Wait for an event, one second at most, and handle it."""
        of_crew, of_engines = self.crew.references(), self.fleet.references() if self.fleet else []
        references = [*self.asked, *of_crew, *of_engines]
        if references:
            done, _ = ray.wait(references, num_returns=1, timeout=1.0)
        else:
            done = []
            time.sleep(0.2)
        for reference in done:
            if reference in self.asked:
                self._handle_report(*self.asked.pop(reference), reference)
            elif reference in of_crew:
                name = self.crew.handle(reference)
                if name is not None:
                    self._joined(name)
            elif self.fleet is not None:
                self.fleet.handle(reference)
        if self.fleet is not None:
            self.fleet.set_held(self.held.values())
            self.fleet.tick()

    def _spent(self, now: float) -> str:
        """Which budget is used up, or ``""``. Running items still finish, so the budget may be exceeded."""
        return spent(self.config.budget, self.counts, now - self.started)

    def _seconds(self) -> dict[str, float]:
        """Time since the last commit, and that of GPUs, as counters for the ledger."""
        gpu_seconds, before = self._gpu_seconds_due(), self.timed_until
        self.timed_until = time.monotonic()
        found = {WALL_SECONDS: self.timed_until - before}
        return found | {"gpu_seconds": round(gpu_seconds, 3)} if gpu_seconds else found

    def _gpu_seconds_due(self) -> float:
        return (self.fleet.gpus() if self.fleet else 0) * (time.monotonic() - self.timed_until)

    def _housekeeping(self, now: float) -> None:
        """Lock, status file, metrics and status line, each when it is due."""
        if now - self.last_beat > BEAT_S:
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
            commits=self.ledger.state.last,
            elapsed_s=progress.elapsed_s,
            items=progress.items._asdict(),
            items_before=self.items_before,
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

    def _handle_report(self, name: str, flushed: bool, reference: Any) -> None:
        """Commit what a worker wrote, take in its figures, and send it the next orders."""
        try:
            report: Report = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise cause_of(error) from None
        except ray.exceptions.RayError as error:
            self._lost(name, ended=isinstance(error, ray.exceptions.ActorDiedError))
            return
        now = time.monotonic()
        if name not in self.scheduler.workers or name not in self.crew.actors:
            return
        self.shares.reported(name, report.running)
        try:
            self.scheduler.finished(name, report.finished, now)  # also a sign of life
            for written in report.written:
                self.scheduler.check(name, written.items)
                self._commit(
                    Commit(
                        shards=written.shards,
                        items=written.items,
                        counters={**written.counters, **self._seconds()},
                        digests=written.digests,
                        notes={"worker": name},
                        failed=written.failed,
                    )
                )
                self.scheduler.committed(name, written.items)
        except StaleLease:
            return
        self._count_results(report.succeeded, report.failed)
        self.metrics.heard(name, report)
        self.counts.update(report.counts)
        self.lags.update(report.lags)
        self.rss_mb[name] = report.rss_mb
        self.held[name] = report.held
        self.slowest[name] = report.slowest
        self.stack_requests.answer(name, report.stacks, len(self.crew.actors))
        if self.fleet is not None:
            self.fleet.record_results(report.held)
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
    """The delay in ms that ``share`` of the samples do not exceed; ``lags`` counts samples by delay."""
    left = math.ceil(share * sum(lags.values()))
    for delay in sorted(lags):
        left -= lags[delay]
        if left <= 0:
            return float(delay)
    return 0.0
