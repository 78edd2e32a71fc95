"""The figures of a run's driver: one snapshot per second, which :mod:`.series` converts into series.

The driver's loop writes, and the exporter reads from another thread: a snapshot is immutable, and each one replaces the
one before. Its size depends on workers, engines and pools, not on episodes.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from t2t_dist.config.model_names import parse_model
from t2t_dist.config.settings import Config
from t2t_dist.core.identity import code_version
from t2t_dist.models.metering import Calls, Histogram
from t2t_dist.storage.ledger import LedgerState, ShardInfo

from ..engines.reading import EngineReading
from ..scheduling.scheduler import Counts, Scheduler

if TYPE_CHECKING:
    from t2t_dist.actors.rollout import Report

#: Seconds between two snapshots; Prometheus asks every few seconds.
EVERY_S = 1.0
#: Buckets of the event loops' delay, seconds: samples are whole milliseconds; 0.1 s is what a person notices.
LAG_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Buckets of the time from a finished item to its commit, seconds: a shard is written after a minute at the latest.
COMMIT_BOUNDS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)


class Engines(Protocol):
    """Protocol of a fleet, as far as it is needed here."""

    def readings(self) -> list[EngineReading]: ...


class Identity(NamedTuple):
    """The identity of a run; ``version``: of the code."""

    run_id: str
    kind: str
    domain: str
    version: str


@dataclass(frozen=True)
class Snapshot:
    """A record of a run at one moment. Times are seconds since 1970, ages seconds, memory bytes.

    ``state``: starting, running, finished, stopped or failed. ``counts``: the run's counters by name. ``finished``:
    items that workers finished in this session. ``rss``: memory of the live workers. ``lease_age``: longest time since
    a worker's last report. ``uncommitted_age``: age of the oldest finished row that is not in the ledger.
    ``commit_lag``: from a finished item to its commit. ``calls``: model calls by pool.
    """

    run: Identity
    state: str
    at: float
    began: float
    items: Counts
    counts: Mapping[str, int]
    finished: int = 0
    workers: int = 0
    wanted: int = 0
    rss: tuple[int, ...] = ()
    lease_age: float = 0.0
    lease_limit: float = 0.0
    uncommitted_age: float = 0.0
    commit_lag: Histogram = field(default_factory=lambda: Histogram(COMMIT_BOUNDS))
    commits: int = 0
    last_commit: float = 0.0
    rows: Mapping[str, int] = field(default_factory=dict)
    bytes: Mapping[str, int] = field(default_factory=dict)
    lag: Histogram = field(default_factory=lambda: Histogram(LAG_BOUNDS))
    calls: Mapping[str, Calls] = field(default_factory=dict)
    engines: tuple[EngineReading, ...] = ()
    gpu_seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether it is the last snapshot."""
        return self.state not in ("starting", "running")


@dataclass
class _Worker:
    """What is known about a live worker. ``open``: (time, number) of finished items that are not committed yet, oldest
    first; at most as many entries as the scheduler's window has items."""

    heard: float
    rss: int = 0
    open: deque[tuple[float, int]] = field(default_factory=deque)


class Metrics:
    """Collector of the figures of one session. All but :attr:`snapshot` and :attr:`address` is for the driver's loop.

    :param state: the state of the run's ledger, which grows meanwhile.
    :param clock: seconds, monotonic.
    :param wall: seconds since 1970.
    """

    def __init__(
        self,
        run_id: str,
        kind: str,
        config: Config,
        state: LedgerState,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.address = ""
        """Where they are served, ``http://HOST:PORT``; empty if they are not, and then nothing is measured."""
        self._clock, self._wall, self._ledger = clock, wall, state
        self._began, self._last_commit = wall(), wall()
        self._commits = state.last
        self._updated = float("-inf")
        self._workers: dict[str, _Worker] = {}
        self._lag, self._commit_lag = Histogram(LAG_BOUNDS), Histogram(COMMIT_BOUNDS)
        self._finished, self._lease_s = 0, config.cluster.lease_s
        models = [parse_model(name, seat) for name, seat in config.check_models()]
        pools = [model.label for model in models if model.is_live]
        self._calls = {pool: Calls() for pool in pools}  # from the start: see series.py
        self._gpu_seconds: dict[str, float] = {}
        self._rows: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        none = Counts(0, 0, 0, 0, 0, 0, 0, 0)
        self._run = Identity(run_id, kind, config.domain, code_version())
        self.snapshot = Snapshot(self._run, "starting", wall(), self._began, items=none, counts={})
        """The latest snapshot."""

    def heard(self, name: str, report: Report) -> None:
        """Record a worker's report; the shards in it are committed."""
        if not self.address:
            return
        now = self._clock()
        worker = self._workers.setdefault(name, _Worker(now))
        worker.heard, worker.rss = now, int(report.rss_mb * (1 << 20))
        self._finished += len(report.finished)
        if report.finished:
            worker.open.append((now, len(report.finished)))
        self._committed(worker, sum(len(written.items) for written in report.written), now)
        for late_ms, times in report.lags.items():
            self._lag.add(late_ms / 1e3, times)
        for pool, calls in report.calls.items():
            self._calls.setdefault(pool, Calls()).merge(calls)

    def _committed(self, worker: _Worker, items: int, now: float) -> None:
        """Remove committed items: a worker finishes and writes in the same order, so they are the oldest."""
        while items and worker.open:
            at, count = worker.open[0]
            taken = min(items, count)
            self._commit_lag.add(now - at, taken)
            items -= taken
            if taken == count:
                worker.open.popleft()
            else:
                worker.open[0] = at, count - taken

    def update(
        self, state: str, scheduler: Scheduler, engines: Engines | None, counts: Mapping[str, int], *, wanted: int
    ) -> None:
        """Take a snapshot, at most one per second unless the run is over. Call it in every iteration of the loop.

        ``counts``: the run's counters; ``wanted``: workers that the run wants.
        """
        now = self._clock()
        if not self.address or (state == "running" and now - self._updated < EVERY_S):
            return
        readings = engines.readings() if engines is not None else []
        if self._updated > float("-inf"):
            for reading in readings:
                held = reading.gpus * (now - self._updated)
                self._gpu_seconds[reading.pool] = self._gpu_seconds.get(reading.pool, 0.0) + held
        self._updated = now
        self._read_ledger()
        live = scheduler.workers
        known = self._workers
        self._workers = {name: known.get(name) or _Worker(now) for name in live}
        oldest = min((worker.open[0][0] for worker in self._workers.values() if worker.open), default=now)
        self.snapshot = Snapshot(
            run=self._run,
            state=state,
            at=self._wall(),
            began=self._began,
            items=scheduler.counts(),
            counts=dict(counts),
            finished=self._finished,
            workers=len(live),
            wanted=wanted,
            rss=tuple(worker.rss for worker in self._workers.values()),
            lease_limit=self._lease_s,
            lease_age=max((now - worker.heard for worker in self._workers.values()), default=0.0),
            uncommitted_age=now - oldest,
            commit_lag=self._commit_lag.copy(),
            commits=self._commits,
            last_commit=self._last_commit,
            rows=dict(self._rows),
            bytes=dict(self._bytes),
            lag=self._lag.copy(),
            calls={pool: calls.copy() for pool, calls in self._calls.items()},
            engines=tuple(readings),
            gpu_seconds=dict(self._gpu_seconds),
        )

    def _read_ledger(self) -> None:
        """Notice commits since the last snapshot."""
        if self._ledger.last != self._commits:
            self._commits, self._last_commit = self._ledger.last, self._wall()

    def committed(self, shards: Iterable[ShardInfo]) -> None:
        """Record shards that this session committed."""
        for shard in shards:
            self._rows[shard.table] += shard.rows
            self._bytes[shard.table] += shard.bytes
