"""The paired figure: what is counted, what is left out, and that twins do not get between the intents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from t2t_dist.core.identity import episode_id, twin_id
from t2t_dist.core.schema import Task
from t2t_dist.evaluation.results_table import ResultsTable
from t2t_dist.evaluation.summary import summarise
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.support.finished_run import Row, played, write_run
from tests.support.made import Made

ORACLE, GUESSER = "scripted:oracle", "scripted:guesser"


@pytest.fixture
def tasks(desk: Made) -> list[Task]:
    """Four general tasks, whose ids are those of generated ones."""
    return desk.verified("general")[:4]


def episodes(desk: Made, task: Task, agent: str, well: tuple[bool | None, bool | None], trial: int = 0) -> list[Row]:
    """An episode on a task and one on its twin, each passed or not; ``None``: there is none."""
    found = []
    for passed, name in zip(well, (task.task_id, twin_id(task.trajectory_id, task.intent)), strict=True):
        if passed is not None:
            table, row = played(desk, task, agent=agent, trial=trial, well=passed)
            found.append(
                (table, row | {"task_id": name, "episode_id": episode_id("run-1", "rollout", name + agent, trial)})
            )
    return found


def results(folder: Path, rows: list[Row]) -> ResultsTable:
    return ResultsTable.read(RunReader(write_run(folder, rows), SCHEMAS).batches)


def test_pairs_of_one_trial_are_counted(desk: Made, tasks: list[Task], tmp_path: Path) -> None:
    one, two, three, four = tasks
    rows = [
        *episodes(desk, one, ORACLE, (True, True)),
        *episodes(desk, one, ORACLE, (True, False), trial=1),
        *episodes(desk, two, ORACLE, (True, True)),
        *episodes(desk, three, ORACLE, (False, False)),
        *episodes(desk, four, ORACLE, (True, None)),  # a task without a twin, as far as anybody can say: no pair
        *episodes(desk, one, GUESSER, (True, False)),
        *episodes(desk, two, GUESSER, (None, True)),  # the other one has no result
    ]
    guesser, oracle = results(tmp_path / "run", rows).pairs
    assert results(tmp_path / "backwards", rows[::-1]).pairs == [guesser, oracle]
    assert (oracle.agent, oracle.pairs, oracle.counts, oracle.left_out) == (
        ORACLE,
        4,
        {"none": 1, "one": 1, "both": 2},
        0,
    )
    assert (guesser.agent, guesser.pairs, guesser.counts, guesser.left_out) == (
        GUESSER,
        1,
        {"none": 0, "one": 1, "both": 0},
        1,
    )
    share = oracle.shares["both"]
    assert share.value == 0.5
    assert 0.05 < share.low < 0.3 < 0.7 < share.high < 0.95
    found: dict[str, Any] = summarise("evaluate", write_run(tmp_path / "again", rows), "run-1", 1, "", 0)["pairs"]
    assert found[GUESSER] == {
        "pairs": 1,
        "none": 0,
        "one": 1,
        "both": 0,
        "share": found[GUESSER]["share"],
        "left_out": 1,
    }


def test_an_undecided_episode_is_no_result_of_a_pair(desk: Made, tasks: list[Task], tmp_path: Path) -> None:
    rows = episodes(desk, tasks[0], ORACLE, (True, True))
    rows[1] = (rows[1][0], rows[1][1] | {"reward": 0.0, "reward_high": 1.0})
    (paired,) = results(tmp_path / "run", rows).pairs
    assert (paired.pairs, paired.left_out, paired.shares) == (0, 1, {})


def test_a_run_without_twins_has_no_such_figure(desk: Made, tasks: list[Task], tmp_path: Path) -> None:
    rows = [played(desk, task) for task in tasks]
    assert not results(tmp_path / "run", rows).pairs
    assert "pairs" not in summarise("evaluate", write_run(tmp_path / "again", rows), "run-1", 1, "", 0)


def test_intents_are_compared_without_twins(desk: Made, tmp_path: Path) -> None:
    changing = desk.one("changing")
    general = next(task for task in desk.verified("general") if task.trajectory_id == changing.trajectory_id)
    rows = [*episodes(desk, changing, ORACLE, (True, False)), *episodes(desk, general, ORACLE, (True, False))]
    for number, order in enumerate((rows, rows[::-1])):
        found = results(tmp_path / f"run-{number}", order).between_intents(1, ORACLE, "changing", "general")
        assert (found.value, found.n) == (0.0, 1)
