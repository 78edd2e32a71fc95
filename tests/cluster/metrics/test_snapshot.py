"""A run's figures: from what workers report, through snapshots, to the series that Prometheus reads."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from t2t_dist.actors.rollout import Report, Written
from t2t_dist.cluster.engines.health import State
from t2t_dist.cluster.engines.reading import EngineReading
from t2t_dist.cluster.metrics.exporter import _Collected
from t2t_dist.cluster.metrics.snapshot import COMMIT_BOUNDS, EVERY_S, Metrics
from t2t_dist.cluster.scheduling.scheduler import Scheduler
from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import FailureClass
from t2t_dist.models.chat import Reply, Usage
from t2t_dist.models.metering import Calls
from t2t_dist.storage.ledger import LedgerState, ShardInfo

Labels = frozenset[tuple[str, str]]


class Run:
    """A driver's part: a real scheduler, a ledger's state, and clocks that stand still."""

    def __init__(self, items: int = 100, **settings: Any) -> None:
        config: Config = load_config(None, {"agents": ["pool:mine"], "pools": {"mine": {"model": "m"}}} | settings)
        self.now, self.state, self.counts = 1000.0, LedgerState(last=3), dict[str, int]()
        self.scheduler = Scheduler(items)
        self.engines: list[EngineReading] = []
        self.metrics = Metrics("run-1", "generate", config, self.state, clock=self.clock, wall=lambda: self.now + 5e8)
        self.metrics.address = "http://127.0.0.1:1"

    def clock(self) -> float:
        return self.now

    def readings(self) -> list[EngineReading]:
        return self.engines

    def join(self, *names: str) -> None:
        for name in names:
            self.scheduler.worker_joined(name, 100)

    def hears(self, name: str, finished: int = 0, written: int = 0, **what: Any) -> None:
        """A worker reports; what it has written is in the ledger."""
        if finished:
            leased = [lease.item for lease in self.scheduler.lease(name, self.now, finished)]
            self.scheduler.finished(name, leased, self.now)
        fields: dict[str, Any] = dict.fromkeys(Report._fields) | {"lags": {}, "rss_mb": 0.0, "calls": {}} | what
        shards = [Written([], list(range(written)), {}, {})] if written else []
        self.metrics.heard(name, Report(**fields | {"finished": list(range(finished)), "written": shards}))

    def update(self, state: str = "running", wanted: int = 0) -> None:
        self.metrics.update(state, self.scheduler, self, self.counts, wanted=wanted)

    def series(self) -> dict[tuple[str, Labels], float]:
        """What a scrape reads."""
        registry = CollectorRegistry()
        registry.register(_Collected(self.metrics))
        found = {}
        for family in text_string_to_metric_families(generate_latest(registry).decode()):
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in found, f"{key} stands there twice"
                found[key] = sample.value
        return found

    def value(self, name: str, **labels: str) -> float:
        return self.series()[f"t2t_{name}", frozenset(labels.items())]

    def all_of(self, name: str) -> dict[tuple[str, ...], float]:
        """The series of a name by the values of their labels, sorted by label."""
        return {tuple(v for _, v in sorted(key[1])): n for key, n in self.series().items() if key[0] == f"t2t_{name}"}


def engine(name: str = "mine#0", **changes: Any) -> EngineReading:
    base = EngineReading(
        engine=name,
        pool="mine",
        url="http://127.0.0.1:7/v1",
        state=State.HEALTHY,
        up=True,
        restarts=0,
        limit=32,
        least=1,
        trouble=None,
        moves={"grow": 2, "shrink": 0, "cut": 0},
        held=3,
        gpus=0,
        counts={
            "running": 3.0,
            "waiting": 1.0,
            "kv_use": 0.25,
            "preemptions": 0.0,
            "rejections": 0.0,
            "prefix_queries": 200.0,
            "prefix_hits": 150.0,
            "prompt_tokens": 900.0,
            "generation_tokens": 70.0,
        },
    )
    return base._replace(**changes)


def calls(times: int) -> Calls:
    found = Calls()
    for _ in range(times):
        found.answered(Reply(usage=Usage(10, 4, 3), t_model=0.3, t_queue=0.0))
    return found


# -- work --------------------------------------------------------------------------------------------------------------
def test_items_tasks_episodes_and_failures_are_counted_by_their_labels() -> None:
    run = Run()
    run.counts = {
        "trajectories": 9,
        "tasks.general": 4,
        "tasks_rejected.ambiguous": 2,
        "rejected.guessable": 2,
        "episodes.rollout": 4,
        "failures.engine_timeout": 1,
    }
    run.join("w1")
    run.hears("w1", finished=7, counts=run.counts)
    run.update(wanted=2)
    assert run.value("items", state="uncommitted") == 7
    assert run.value("items", state="waiting") == 93
    assert run.value("items_finished_total") == 7
    assert run.value("trajectories_total") == 9
    assert run.value("tasks_total", intent="general", verdict="verified") == 4
    assert run.value("tasks_total", intent="ambiguous", verdict="rejected") == 2
    assert run.value("rejections_total", reason="guessable") == 2
    assert run.value("episodes_total", stage="rollout") == 4
    assert run.value("failures_total", **{"class": "engine_timeout"}) == 1
    assert (run.value("workers_alive"), run.value("workers_wanted")) == (1, 2)


def test_what_can_be_listed_is_there_at_0_before_it_happens() -> None:
    run = Run()
    run.engines = [engine()]
    run.update()
    assert set(run.all_of("failures_total")) == {(each.value,) for each in FailureClass}
    assert set(run.all_of("failures_total").values()) == {0.0}
    assert len(run.all_of("tasks_total")) == 8
    assert run.all_of("tokens_total") == dict.fromkeys([(k, "mine") for k in ("prompt", "cached", "completion")], 0.0)
    assert run.value("model_call_seconds_count", pool="mine") == 0
    assert run.value("commit_lag_seconds_count") == 0
    assert run.all_of("engine_admission_moves_total") == {
        ("mine#0", "cut", "mine"): 0.0,
        ("mine#0", "grow", "mine"): 2.0,
        ("mine#0", "shrink", "mine"): 0.0,
    }


def test_nothing_grows_with_the_number_of_episodes() -> None:
    def names(episodes: int) -> set[tuple[str, Labels]]:
        run = Run(episodes)
        run.join("w1", "w2")
        run.engines = [engine(), engine("mine#1")]
        for at in range(episodes // 10):
            run.now += 0.5
            run.counts = {"tasks.general": at, "episodes.rollout": 10 * at, "failures.deadline": at}
            name = f"w{1 + at % 2}"
            run.hears(name, finished=10, lags={at % 400: 1}, calls={"mine": calls(1)})
            run.scheduler.committed(name, list(range(10 * at, 10 * at + 10)))
            run.hears(name, written=10)
            run.update()
        return set(run.series())

    assert names(5000) == names(50)


# -- workers -----------------------------------------------------------------------------------------------------------
def test_calls_and_lags_of_all_workers_are_merged() -> None:
    run = Run()
    run.join("w1", "w2")
    run.hears("w1", calls={"mine": calls(2)}, lags={0: 10, 3: 2}, rss_mb=100.0)
    run.hears("w2", calls={"mine": calls(1)}, lags={300: 1}, rss_mb=150.0)
    run.update()
    assert run.all_of("tokens_total") == {("prompt", "mine"): 18, ("cached", "mine"): 12, ("completion", "mine"): 9}
    assert run.value("model_calls_total", pool="mine", outcome="ok") == 3
    assert run.value("model_call_seconds_bucket", pool="mine", le="0.25") == 0
    assert run.value("model_call_seconds_bucket", pool="mine", le="0.5") == 3
    assert run.value("model_call_seconds_sum", pool="mine") == pytest.approx(0.9)
    assert run.value("loop_lag_seconds_bucket", le="0.001") == 10
    assert run.value("loop_lag_seconds_bucket", le="0.25") == 12
    assert run.value("loop_lag_seconds_count") == 13
    assert run.value("loop_lag_seconds_sum") == pytest.approx(0.306)
    assert run.value("workers_rss_bytes") == 250 << 20
    assert run.value("worker_rss_max_bytes") == 150 << 20


def test_fields_left_out_of_answers_are_counted_by_name() -> None:
    run = Run()
    run.join("w1")
    made = calls(1)
    made.dropped["usage"] = 3
    run.hears("w1", calls={"mine": made})
    run.update()
    assert run.value("answer_fields_dropped_total", pool="mine", field="usage") == 3


def test_the_lease_age_is_that_of_the_live_worker_that_was_silent_longest() -> None:
    run = Run(**{"cluster.lease_s": 45.0})
    run.join("w1", "w2", "w3")
    for name in ("w1", "w2", "w3"):
        run.hears(name)
        run.now += 10
    run.update()
    assert run.value("lease_age_seconds") == 30
    run.scheduler.worker_lost("w1", run.now)
    run.now += 2
    run.update()
    assert run.value("lease_age_seconds") == 22
    assert (run.value("workers_alive"), run.value("workers_lost_total")) == (2, 1)
    assert run.value("lease_limit_seconds") == 45


# -- commits -----------------------------------------------------------------------------------------------------------
def test_commit_lag_is_from_a_finished_item_to_its_commit() -> None:
    run = Run()
    run.join("w1")
    run.hears("w1", finished=3)
    run.now += 4
    run.hears("w1", finished=2)
    run.now += 4
    run.hears("w1", written=4)  # three of 8 s ago, one of 4 s ago
    run.update()
    assert run.value("commit_lag_seconds_count") == 4
    assert run.value("commit_lag_seconds_sum") == 3 * 8 + 4
    assert run.value("commit_lag_seconds_bucket", le="5.0") == 1
    assert run.value("uncommitted_age_seconds") == 4
    run.hears("w1", written=1)
    run.now += 60
    run.update()
    assert run.value("uncommitted_age_seconds") == 0, "all is in"


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30))
@settings(deadline=None)
def test_no_item_is_committed_more_often_than_it_was_finished(steps: list[tuple[int, int]]) -> None:
    run = Run(1000)
    run.join("w1")
    finished = written = 0
    for more, cut in steps:
        finished += more
        cut = min(cut, finished - written)
        written += cut
        run.hears("w1", finished=more, written=cut)
        run.now += 1
    run.update()
    seen = run.metrics.snapshot
    assert sum(seen.commit_lag.counts) == written
    assert (seen.uncommitted_age > 0) == (finished > written)
    assert seen.commit_lag.bounds == COMMIT_BOUNDS


def test_commits_and_their_rows_are_counted() -> None:
    run = Run()
    run.metrics.committed([ShardInfo("tasks", "a", 10, 1000)])
    run.update()
    begun = run.value("last_commit_timestamp_seconds")
    assert (run.value("committed_rows_total", table="tasks"), run.value("commits_total")) == (10, 3)
    run.now += 100
    run.update()
    assert run.value("last_commit_timestamp_seconds") == begun, "nothing new"
    run.metrics.committed([ShardInfo("tasks", "b", 5, 500), ShardInfo("failures", "c", 1, 9)])
    run.state.last = 4
    run.now += 1
    run.update()
    assert run.value("last_commit_timestamp_seconds") == begun + 101
    assert run.all_of("committed_rows_total") == {
        ("trajectories",): 0,
        ("tasks",): 15,
        ("episodes",): 0,
        ("failures",): 1,
    }
    assert run.value("committed_bytes_total", table="tasks") == 1500


# -- engines -----------------------------------------------------------------------------------------------------------
def test_the_state_of_each_engine_is_one_of_all_states() -> None:
    run = Run()
    run.engines = [engine(), engine("mine#1", state=State.DEAD, up=False, restarts=2)]
    run.update()
    states = run.all_of("engine_state")
    assert {key for key, n in states.items() if n} == {("mine#0", "mine", "healthy"), ("mine#1", "mine", "dead")}
    assert len(states) == 2 * len(State)
    assert run.value("engine_restarts_total", pool="mine", engine="mine#1") == 2


def test_an_engine_that_is_down_has_no_load_but_its_counters() -> None:
    run = Run()
    run.engines = [engine(), engine("mine#1", state=State.DEAD, up=False)]
    run.update()
    for name in ("kv_cache_usage_ratio", "requests_running", "requests_waiting"):
        assert set(run.all_of(f"engine_{name}")) == {("mine#0", "mine")}
    assert set(run.all_of("engine_prefix_cache_hits_total")) == {("mine#0", "mine"), ("mine#1", "mine")}


def test_engines_without_metrics_or_a_cache_s_use_have_no_such_series() -> None:
    run = Run()
    run.engines = [engine("mine@0", counts={}), engine("mine@1", counts={"running": 1.0, "kv_use": float("nan")})]
    run.update()
    assert run.all_of("engine_kv_cache_usage_ratio") == {}
    assert run.all_of("engine_requests_running") == {("mine@1", "mine"): 1}
    assert set(run.all_of("engine_requests_held").values()) == {3}


def test_the_least_limit_is_one_request_a_worker() -> None:
    run = Run()
    run.join(*(f"w{n}" for n in range(4)))
    run.engines = [engine(limit=4, trouble=8), engine("mine#1", least=16)]
    run.update()
    assert run.all_of("engine_admission_minimum") == {("mine#0", "mine"): 4, ("mine#1", "mine"): 16}
    assert run.all_of("engine_admission_trouble") == {("mine#0", "mine"): 8}


def test_gpu_seconds_of_a_pool_add_up() -> None:
    run = Run()
    run.engines = [engine(gpus=2), engine("mine#1", gpus=1), engine("cpu#0", pool="cpu")]
    run.update()
    run.now += 10
    run.update()
    assert run.all_of("gpu_seconds_total") == {("mine",): 30, ("cpu",): 0}


# -- snapshots ---------------------------------------------------------------------------------------------------------
def test_a_snapshot_a_second_and_one_at_the_end() -> None:
    run = Run()
    run.update()
    first = run.metrics.snapshot
    run.now += EVERY_S / 2
    run.update()
    assert run.metrics.snapshot is first
    run.update("failed")
    assert (run.metrics.snapshot.state, run.metrics.snapshot.over) == ("failed", True)
    states = ("starting", "running", "finished", "stopped", "failed")
    assert run.all_of("run_state") == {(state,): state == "failed" for state in states}


def test_a_snapshot_does_not_change_when_the_run_goes_on() -> None:
    run = Run()
    run.join("w1")
    run.hears("w1", finished=1, calls={"mine": calls(1)}, lags={1: 1})
    run.update()
    seen = run.metrics.snapshot
    kept = dataclasses.asdict(seen)
    run.now += 5
    run.counts["trajectories"] = 5
    run.hears("w1", finished=2, written=1, calls={"mine": calls(3)}, lags={9: 2}, rss_mb=9.0)
    run.update()
    assert run.metrics.snapshot is not seen
    assert dataclasses.asdict(seen) == kept


def test_what_is_not_served_is_not_measured() -> None:
    run = Run()
    run.metrics.address = ""
    run.join("w1")
    run.hears("w1", finished=5, calls={"mine": calls(1)})
    run.update()
    assert run.metrics.snapshot.state == "starting"
    assert run.metrics.snapshot.finished == 0


def test_a_snapshot_builds_no_series() -> None:
    """A thousand engines are 25,000 series: they are made for a scrape, in the thread that answers it."""
    run = Run()
    run.engines = [engine(f"mine#{n}") for n in range(100)]
    run.update()
    assert all(seen is given for seen, given in zip(run.metrics.snapshot.engines, run.engines, strict=True))
    assert len(run.series()) > 2000


def test_the_identity_of_the_run_is_shown() -> None:
    run = Run()
    run.update()
    assert run.value("run_info", run_id="run-1", kind="generate", domain="retail") == 1
    assert len(run.all_of("build_info")) == 1
    assert run.value("run_start_timestamp_seconds") == 1000 + 5e8
