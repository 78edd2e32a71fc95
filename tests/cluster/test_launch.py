"""Runs on a real Ray: the same rows at any width. What is done to disturbed ones is in tests/faults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from t2t_dist.cluster.launch import Result, run
from t2t_dist.config.difficulty import level_for
from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError, RunBusy
from t2t_dist.core.schema import INTENTS
from t2t_dist.evaluation.summary import summarise
from t2t_dist.storage.objects.opening import create_storage, open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from t2t_dist.storage.run_lock import RunLock
from t2t_dist.storage.source_run import Source
from t2t_dist.storage.status import read_status
from tests.support.runs import duplicates, here, unnamed_shards

pytestmark = pytest.mark.ray

TRAJECTORIES = 40


def small(**changes: object) -> Config:
    return load_config(None, {"trajectories": TRAJECTORIES, "seed": 7, "scale": 0.2, **changes})


def digests(result: Result) -> dict[str, int]:
    return {table: result.state.digests[table] for table in ("trajectories", "tasks", "episodes")}


@pytest.fixture(scope="module")
def undisturbed(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    return out, run("generate", small(**{"cluster.workers": 1}), str(out))


def test_the_main_job(undisturbed: tuple[Path, Result]) -> None:
    out, result = undisturbed
    summary = summarise("generate", open_storage(out), result.run_id, 1, str(out), result.wall_s)
    assert summary["trajectories"] == TRAJECTORIES
    assert all(summary["tasks"][intent] > 5 for intent in INTENTS), summary["tasks"]
    assert summary["pass"] == {intent: {"pass^1": 1.0} for intent in INTENTS}
    assert summary["episodes"] == sum(summary["tasks"].values()) + summary["rejected"].get("unsolved", 0)
    assert summary["failures"] == {}
    assert "unsolved" not in summary["rejected"]
    assert duplicates(out) == dict.fromkeys(SCHEMAS, 0)
    assert unnamed_shards(out) == []


def test_three_workers_make_the_same_rows(undisturbed: tuple[Path, Result], tmp_path: Path) -> None:
    wide = run("generate", small(**{"cluster.workers": 3}), str(tmp_path / "wide"))
    assert wide.run_id == undisturbed[1].run_id
    assert digests(wide) == digests(undisturbed[1])


def test_a_finished_run_is_only_summed_up(undisturbed: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch) -> None:
    out, result = undisturbed
    monkeypatch.setattr("t2t_dist.cluster.launch.Driver", None)  # nothing is started
    again = run("generate", small(), str(out))
    assert again.resumed
    assert digests(again) == digests(result)


def test_another_config_is_refused_by_name(undisturbed: tuple[Path, Result]) -> None:
    with pytest.raises(InputError, match=r"seed \(7 there, 8 now\)"):
        run("generate", small(seed=8), str(undisturbed[0]))


def test_a_second_driver_is_refused(undisturbed: tuple[Path, Result], tmp_path: Path) -> None:
    out = tmp_path / "busy"
    with RunLock(create_storage(out)), pytest.raises(RunBusy, match=str(os.getpid())):
        run("generate", small(), str(out))


# -- budgets, trials, exploration --------------------------------------------------------------------------------------
def test_a_budget_ends_a_run_in_order_and_a_larger_one_resumes_it(
    undisturbed: tuple[Path, Result], tmp_path: Path
) -> None:
    out = tmp_path / "budget"
    first = run("generate", small(**{"budget.accepted": 20, "cluster.workers": 1}), str(out))
    assert first.ended == "the budget of 20 verified tasks is used up"
    verified = sum(count for name, count in first.state.counters.items() if name.startswith("tasks."))
    assert 20 <= verified < 120
    status = read_status(open_storage(out))
    assert status is not None
    assert status["why"] == first.ended
    again = run("generate", small(**{"budget.accepted": 20}), str(out))
    assert again.ended == first.ended
    assert again.state.last == first.state.last, "nothing was done"
    whole = run("generate", small(**{"budget.accepted": 10_000}), str(out))
    assert whole.ended == ""
    assert digests(whole) == digests(undisturbed[1])


def test_adaptive_trials_are_the_same_at_any_width(undisturbed: tuple[Path, Result], tmp_path: Path) -> None:
    settings: dict[str, object] = {"source": str(undisturbed[0]), "trials": "adaptive", "limit": 12}
    settings |= {"agents": ["scripted:oracle", "scripted:hasty"], "verify.reference_trials": 0}
    narrow = run("evaluate", small(**settings, **{"cluster.workers": 1}), str(tmp_path / "1"))
    wide = run("evaluate", small(**settings, **{"cluster.workers": 3}), str(tmp_path / "3"))
    assert narrow.state.digests == wide.state.digests
    assert narrow.state.counters["episodes.rollout"] == 12 * 2 * 4, "scripts do the same each time: four are enough"


def test_the_level_of_a_trajectory_is_that_of_its_seed_at_any_width(local_ray: None, tmp_path: Path) -> None:
    mixed = {"difficulty": "1=0.5,4=0.5", "until": "convert", "trajectories": 16}
    narrow = run("generate", small(**mixed, **{"cluster.workers": 1}), str(tmp_path / "1"))
    wide = run("generate", small(**mixed, **{"cluster.workers": 3}), str(tmp_path / "3"))
    assert narrow.state.digests == wide.state.digests
    source = Source(str(tmp_path / "1"))
    drawn = {one.trajectory_id: level_for(mixed["difficulty"], one.seed) for one in source.trajectories()}
    assert set(drawn.values()) == {1, 4}
    described = [task for task in source.verified_tasks() if task.grader.requests]
    assert {drawn[task.trajectory_id] for task in described} == {4}
    # What is converted later takes the levels that were explored.
    done = here("convert", tmp_path / "1", "--out", tmp_path / "again", "--workers", 1)
    assert done.returncode == 0
    again = {task.task_id: task.difficulty for task in Source(str(tmp_path / "again")).verified_tasks()}
    assert again == {task.task_id: task.difficulty for task in source.verified_tasks()}


def test_feedback_counts_what_was_kept_of_each_write(local_ray: None, tmp_path: Path) -> None:
    settings = {"feedback": True, "verify.band": [1.0, 1.0], "verify.reference": "scripted:silent", "trajectories": 40}
    settings["cluster.workers"] = 1
    result = run("generate", small(**settings), str(tmp_path / "fed"))
    made = sum(n for name, n in result.state.counters.items() if name.startswith("band.made."))
    kept = sum(n for name, n in result.state.counters.items() if name.startswith("band.kept."))
    assert made > 40
    assert kept < made, "the silent agent solves no task that needs a write"


def test_time_is_not_part_of_the_rows(undisturbed: tuple[Path, Result]) -> None:
    out, result = undisturbed
    reader = RunReader(open_storage(out), SCHEMAS)
    row = next(iter(reader.rows("episodes")))
    assert row["started"] > 0
    assert row["duration"] > 0
    assert result.state.digests["episodes"] != 0
