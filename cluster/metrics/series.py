"""Converter of a snapshot into Prometheus series. Pure: equal snapshots, equal series.

Every label has a fixed or configured set of values (states, classes, pools, engines, tables). Series that are known
beforehand start at 0: Prometheus sees no increase in a series that begins with its first event.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from t2t_dist.core.errors import FailureClass
from t2t_dist.core.schema import INTENTS
from t2t_dist.models.metering import OUTCOMES, TOKEN_KINDS, Histogram

from ..engines.admission import Move
from ..engines.health import State
from ..engines.reading import EngineReading
from .snapshot import Snapshot

RUN_STATES = ("starting", "running", "finished", "stopped", "failed")
_STAGES = ("verify", "rollout")
_MOVES = tuple(move.value for move in Move if move is not Move.HOLD)
#: Counters of engines, by the names of ``engines/poller.py``: series, help.
_ENGINE_COUNTERS = {
    "preemptions": ("preemptions", "Unfinished requests that were preempted from the KV cache"),
    "rejections": ("rejections", "Requests that were refused with 503"),
    "prefix_queries": ("prefix_cache_queries", "Prompt tokens that were looked up in the prefix cache"),
    "prefix_hits": ("prefix_cache_hits", "Prompt tokens that were found in the prefix cache"),
    "prompt_tokens": ("prompt_tokens", "Prompt tokens"),
    "generation_tokens": ("generation_tokens", "Generated tokens"),
}
_OF_ENGINE = ("pool", "engine")
Samples = Iterable[tuple[Sequence[str], float]]


def families(seen: Snapshot) -> Iterator[Metric]:
    """All families of series of a snapshot."""
    yield from _run(seen)
    yield from _work(seen)
    yield from _workers(seen)
    yield from _commits(seen)
    yield from _calls(seen)
    yield from _engines(seen.engines, seen.workers)
    pools = {reading.pool: 0.0 for reading in seen.engines} | dict(seen.gpu_seconds)
    yield _counter("gpu_seconds", "GPU-seconds that engines hosted by the run have held", ["pool"], _by_one(pools))


def _run(seen: Snapshot) -> Iterator[Metric]:
    build = {"version": seen.run.version, "python": platform.python_version()}
    yield InfoMetricFamily("t2t_build", "Versions of the driver's software", value=build)
    run = {"run_id": seen.run.run_id, "kind": seen.run.kind, "domain": seen.run.domain}
    yield InfoMetricFamily("t2t_run", "Identity of the run", value=run)
    states = [((state,), float(state == seen.state)) for state in RUN_STATES]
    yield _gauge("run_state", "1 for the state that the run is in", ["state"], states)
    yield _gauge("run_start_timestamp_seconds", "Start of this session of the run", value=seen.began)
    yield _gauge("driver_step_timestamp_seconds", "Last iteration of the driver's loop", value=seen.at)


def _work(seen: Snapshot) -> Iterator[Metric]:
    items, counts = seen.items, seen.counts
    of = {name: getattr(items, name) for name in ("waiting", "unfinished", "uncommitted", "done", "poisoned")}
    text = "Items by state: unfinished (at a worker), uncommitted (finished, not in the ledger), done (in the ledger)"
    yield _gauge("items", text, ["state"], _by_one(of))
    yield _counter("items_finished", "Items that workers finished in this session", value=seen.finished)
    yield _counter(
        "items_requeued", "Number of times an item was requeued because its worker was lost", value=items.requeued
    )
    trajectories = counts.get("trajectories", 0)
    yield _counter("trajectories", "Trajectories, kept or not", value=trajectories)
    verified, rejected = _counted(counts, "tasks.", INTENTS), _counted(counts, "tasks_rejected.", INTENTS)
    tasks = [((intent, "verified"), n) for intent, n in verified.items()]
    tasks += [((intent, "rejected"), n) for intent, n in rejected.items()]
    yield _counter("tasks", "Tasks by intent and verdict", ["intent", "verdict"], tasks)
    reasons = _by_one(_counted(counts, "rejected."))
    yield _counter("rejections", "Tasks and trajectories that were rejected, by reason", ["reason"], reasons)
    stages = _by_one(_counted(counts, "episodes.", _STAGES))
    yield _counter("episodes", "Graded episodes; those of the reference agent have the stage verify", ["stage"], stages)
    classes = [failure.value for failure in FailureClass]
    failures = _by_one(_counted(counts, "failures.", classes))
    yield _counter("failures", "Episodes and items that ended without a result, by class", ["class"], failures)


def _workers(seen: Snapshot) -> Iterator[Metric]:
    yield _gauge("workers_alive", "Workers that take items", value=seen.workers)
    yield _gauge("workers_wanted", "Workers that the run wants", value=seen.wanted)
    yield _counter("workers_lost", "Workers that died or fell silent", value=seen.items.workers_lost)
    yield _gauge("workers_rss_bytes", "Total memory of the live workers", value=sum(seen.rss))
    yield _gauge("worker_rss_max_bytes", "Memory of the largest live worker", value=max(seen.rss, default=0))
    text = "Time since the last report of the worker that is silent longest; its leases expire at the limit"
    yield _gauge("lease_age_seconds", text, value=seen.lease_age)
    yield _gauge("lease_limit_seconds", "How long a worker may be silent", value=seen.lease_limit)
    yield _histogram("loop_lag_seconds", "Delay of the workers' event loops, sampled", [], [((), seen.lag)])


def _commits(seen: Snapshot) -> Iterator[Metric]:
    yield _counter("commits", "Entries of the run's ledger", value=seen.commits)
    text = "Last commit of this session; its start if there was none"
    yield _gauge("last_commit_timestamp_seconds", text, value=seen.last_commit)
    tables = ("trajectories", "tasks", "episodes", "failures")
    rows, size = dict.fromkeys(tables, 0) | dict(seen.rows), dict.fromkeys(tables, 0) | dict(seen.bytes)
    yield _counter("committed_rows", "Rows that this session committed", ["table"], _by_one(rows))
    yield _counter("committed_bytes", "Bytes of their shards", ["table"], _by_one(size))
    yield _histogram("commit_lag_seconds", "From a finished item to its commit", [], [((), seen.commit_lag)])
    text = "Age of the oldest finished item that is not in the ledger: the loss of its worker would repeat it"
    yield _gauge("uncommitted_age_seconds", text, value=seen.uncommitted_age)


def _calls(seen: Snapshot) -> Iterator[Metric]:
    calls = seen.calls
    tokens = [((pool, kind), of.tokens[kind]) for pool, of in calls.items() for kind in TOKEN_KINDS]
    text = "Tokens of answered calls: prompt (without cached ones), cached (from the prefix cache), completion"
    yield _counter("tokens", text, ["pool", "kind"], tokens)
    outcomes = [((pool, o), of.ended[o]) for pool, of in calls.items() for o in dict.fromkeys([*OUTCOMES, *of.ended])]
    yield _counter("model_calls", "Model calls by outcome, retries included", ["pool", "outcome"], outcomes)
    dropped = [((pool, field), n) for pool, of in calls.items() for field, n in of.dropped.items()]
    text = "Fields of answers that were left out, having a wrong type or a value out of range"
    yield _counter("answer_fields_dropped", text, ["pool", "field"], dropped)
    took = [((pool,), of.took) for pool, of in calls.items()]
    yield _histogram("model_call_seconds", "Duration of the answered request of a call", ["pool"], took)
    waited = [((pool,), of.waited) for pool, of in calls.items()]
    text = "Time before that request was sent: waiting for room, retries"
    yield _histogram("model_wait_seconds", text, ["pool"], waited)


def _engines(engines: Sequence[EngineReading], workers: int) -> Iterator[Metric]:
    def of(engine: EngineReading, *more: str) -> tuple[str, ...]:
        return (engine.pool, engine.engine, *more)

    states = [(of(each, state.value), float(each.state is state)) for each in engines for state in State]
    yield _gauge("engine_state", "1 for the state that an engine is in", [*_OF_ENGINE, "state"], states)
    restarts = [(of(each), each.restarts) for each in engines]
    yield _counter("engine_restarts", "Restarts of an engine", _OF_ENGINE, restarts)
    limits = [(of(each), each.limit) for each in engines]
    yield _gauge("engine_admission_limit", "Requests that an engine may have at once", _OF_ENGINE, limits)
    least = [(of(each), max(each.least, workers)) for each in engines]
    text = "Lower bound of the limit; each worker may always send one request"
    yield _gauge("engine_admission_minimum", text, _OF_ENGINE, least)
    trouble = [(of(each), each.trouble) for each in engines if each.trouble is not None]
    text = "Limit at which the engine last was in trouble; absent if it was not, or long ago"
    yield _gauge("engine_admission_trouble", text, _OF_ENGINE, trouble)
    moves = [(of(each, move), each.moves.get(move, 0)) for each in engines for move in _MOVES]
    yield _counter("engine_admission_moves", "Changes of the admission limit", [*_OF_ENGINE, "move"], moves)
    gpus = [(of(each), each.gpus) for each in engines]
    yield _gauge("engine_gpus", "GPUs that an engine holds", _OF_ENGINE, gpus)
    held = [(of(each), each.held) for each in engines]
    yield _gauge("engine_requests_held", "Requests that workers have at an engine", _OF_ENGINE, held)
    # The last figures of an engine that is down would look like current ones.
    up = [each for each in engines if each.up]
    for name in ("running", "waiting"):
        requests = [(of(each), each.counts[name]) for each in up if name in each.counts]
        yield _gauge(f"engine_requests_{name}", f"Requests {name}, by its own count", _OF_ENGINE, requests)
    use = [(of(each), each.counts["kv_use"]) for each in up if "kv_use" in each.counts]
    use = [(labels, share) for labels, share in use if share == share]  # NaN: it does not report it
    yield _gauge("engine_kv_cache_usage_ratio", "Share of the KV cache in use, 0 to 1", _OF_ENGINE, use)
    for name, (series, text) in _ENGINE_COUNTERS.items():
        counted = [(of(each), each.counts[name]) for each in engines if name in each.counts]
        yield _counter(f"engine_{series}", text, _OF_ENGINE, counted)


# -- families ----------------------------------------------------------------------------------------------------------
def _gauge(
    name: str, text: str, labels: Sequence[str] = (), samples: Samples = (), value: float | None = None
) -> Metric:
    family = GaugeMetricFamily(f"t2t_{name}", text, labels=labels)
    return _filled(family, samples if value is None else [((), value)])


def _counter(
    name: str, text: str, labels: Sequence[str] = (), samples: Samples = (), value: float | None = None
) -> Metric:
    family = CounterMetricFamily(f"t2t_{name}", text, labels=labels)
    return _filled(family, samples if value is None else [((), value)])


def _filled(family: Any, samples: Samples) -> Metric:
    for labels, value in samples:
        family.add_metric(labels, value)
    found: Metric = family
    return found


def _histogram(
    name: str, text: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], Histogram]]
) -> Metric:
    family = HistogramMetricFamily(f"t2t_{name}", text, labels=labels)
    for values, histogram in samples:
        buckets, below = [], 0
        for bound, count in zip([*histogram.bounds, float("inf")], histogram.counts, strict=True):
            below += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), below))
        family.add_metric(values, buckets, histogram.total)
    return family


def _by_one(counts: Mapping[str, float]) -> Samples:
    return [((name,), n) for name, n in counts.items()]


def _counted(counts: Mapping[str, int], prefix: str, known: Iterable[str] = ()) -> dict[str, int]:
    """The counters with a prefix, by the rest of their name; ``known`` ones also if they are missing."""
    found = dict.fromkeys(known, 0)
    return found | {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)}
