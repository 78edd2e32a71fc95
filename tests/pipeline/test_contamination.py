"""What a run's tasks share with those of other runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.environments.registry import load
from t2t_dist.pipeline.contamination import overlaps
from t2t_dist.storage.source_run import Source
from t2t_dist.synthesis.verify import action_key
from tests.support.finished_run import rows_of, write_run
from tests.support.made import make
from tests.support.runs import here, here_json

SCALE = 0.1


def made_run(folder: Path, domain: str, first: int, count: int) -> Path:
    """A finished run on a split: tasks of some explorations, starting with number ``first``."""
    made = make(load(domain, 0, SCALE), first + count)
    kept = made.trajectories[-count:]
    ids = {trajectory.trajectory_id for trajectory in kept}
    tasks = [task for task in made.tasks if task.trajectory_id in ids]
    for item in [*kept, *tasks]:
        item.domain = domain
    write_run(folder, rows_of(kept) + rows_of(tasks), domain=domain, scale=SCALE)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run a split."""
    folder = tmp_path_factory.mktemp("splits")
    return {split: made_run(folder / split, f"retail:{split}", 0, 30) for split in ("train", "test")}


def test_splits_share_nothing(runs: dict[str, Path]) -> None:
    summary = here_json("verify", runs["train"], "--against", runs["test"])
    (found,) = summary["against"]
    assert (found["same_actions"], found["same_entities"], found["entities"]) == ([], [], [])
    assert found["reference_tasks"] > 40
    assert summary["changed"] == 0


def test_a_run_shares_everything_with_itself(runs: dict[str, Path]) -> None:
    done = here("verify", runs["train"], "--against", runs["test"], "--against", runs["train"], "--json")
    assert done.returncode == 1, done.stderr
    other, itself = json.loads(done.stdout)["against"]
    assert (len(other["same_actions"]), other["shared_entities"]) == (0, 0)
    assert len(itself["same_actions"]) == len(itself["same_entities"]) == itself["reference_tasks"]
    assert itself["shared_entities"] > 30


def test_what_is_shared_is_named(runs: dict[str, Path], tmp_path: Path) -> None:
    """Later explorations on the same split meet some of the same customers again."""
    out = made_run(tmp_path / "again", "retail:train", 45, 12)
    train = Source(str(runs["train"])).verified_tasks()
    (found,) = overlaps(Source(str(out)), [Source(str(runs["train"]))])
    tasks = {task.task_id: task for task in Source(str(out)).verified_tasks()}
    known = {f"retail/customer/{task.customer}" for task in train}
    assert set(found.same_entities) >= {
        task_id for task_id, task in tasks.items() if f"retail/customer/{task.customer}" in known
    }
    assert found.same_entities
    assert known & set(found.entities)
    keys: set[Any] = {action_key(task) for task in train}
    assert {task_id for task_id, task in tasks.items() if action_key(task) in keys} == set(found.same_actions)


def test_the_split_is_no_part_of_what_a_task_does(runs: dict[str, Path]) -> None:
    """A reference run of any split counts, and so does one of none."""
    task = Source(str(runs["train"])).verified_tasks(1)[0]
    assert task.domain == "retail:train"
    assert action_key(task.model_copy(update={"domain": "retail"})) == action_key(task)
