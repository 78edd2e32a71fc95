"""Summaries of runs, read from their ledgers and shards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from t2t_dist.core.schema import Task
from t2t_dist.evaluation.results_table import ALL, ResultsTable
from t2t_dist.evaluation.stats import Trials
from t2t_dist.evaluation.summary import counted, passes, summarise
from t2t_dist.storage.ledger import WALL_SECONDS, Commit, Ledger
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.support.finished_run import failed, played, rows_of, write_run
from tests.support.made import Made
from tests.support.runs import here

ORACLE, HASTY = "scripted:oracle", "scripted:hasty"


@pytest.fixture
def tasks(desk: Made) -> list[Task]:
    """Two general tasks and a changing one."""
    return [*desk.verified("general")[:2], desk.one("changing")]


def test_counters_by_name_largest_first() -> None:
    counters: dict[str, int | float] = {
        "rejected.b": 2,
        "rejected.a": 2,
        "rejected.c": 5,
        "rejectedness.x": 9,
        "tasks.a": 1,
    }
    assert list(counted(counters, "rejected").items()) == [("c", 5), ("a", 2), ("b", 2)]
    assert counted(counters, "failures") == {}


def test_trials_and_passes(desk: Made, tasks: list[Task], tmp_path: Path) -> None:
    one, two, three = tasks
    rows = [
        *(played(desk, one, trial=n, well=n != 1) for n in range(3)),
        *(played(desk, two, trial=n) for n in range(2)),
        failed(two, trial=2),
        played(desk, one, agent=HASTY, well=False),
        failed(three, agent=HASTY),
    ]
    table, row = played(desk, three)
    rows.append((table, {**row, "stage": "verify"}))  # the reference agent's, not a result
    reader = RunReader(write_run(tmp_path / "run", rows), SCHEMAS)
    results = ResultsTable.read(reader.batches)
    assert results.trials(ORACLE, "general") == {Trials(2, 2, 1): 1, Trials(3, 2, 0): 1}
    assert results.trials(HASTY, "general") == {Trials(1, 0, 0): 1}
    assert results.trials(HASTY, "changing") == {Trials(0, 0, 1): 1}
    assert not results.trials(ORACLE, "changing")
    assert results.trials(HASTY) == {Trials(1, 0, 0): 1, Trials(0, 0, 1): 1}
    found = passes(results, 2)
    assert list(found[ORACLE]) == ["general", ALL]
    assert list(found) == [HASTY, ORACLE]
    first, second = found[ORACLE]["general"]
    assert (first.k, second.k) == (1, 2)
    assert first.value == pytest.approx((2 / 3 + 1) / 2)
    assert second.value == pytest.approx((1 / 3 + 1) / 2)
    assert first.if_failures_miss == pytest.approx(2 / 3)
    assert first.if_failures_pass == pytest.approx((2 / 3 + 1) / 2)


def test_the_object_that_is_printed(desk: Made, tasks: list[Task], tmp_path: Path) -> None:
    rejected = next(task for task in desk.tasks if task.verdict == "rejected")
    rows = rows_of([*desk.trajectories[:4], *tasks, rejected])
    rows += [played(desk, task) for task in tasks[:2]] + [failed(tasks[2])]
    storage = write_run(tmp_path / "run", rows)
    found = summarise("generate", storage, "run-1", 1, "out", 1.234)
    assert json.loads(json.dumps(found)) == found
    assert {name: found[name] for name in ("run_id", "kind", "out", "wall_s", "trajectories", "episodes")} == {
        "run_id": "run-1",
        "kind": "generate",
        "out": "out",
        "wall_s": 1.23,
        "trajectories": 4,
        "episodes": 2,
    }
    assert found["tasks"] == {"general": 2, "ambiguous": 0, "changing": 1, "infeasible": 0}
    assert found["rejected"] == {rejected.reasons[0]: 1}
    assert found["failures"] == {"engine_timeout": 1}
    assert found["pass"] == {"general": {"pass^1": 1.0}, "changing": {"pass^1": None}}
    low, high, *bounds = found["agents"][ORACLE]["interval"]["general"]["pass^1"]
    assert (high, bounds) == (1.0, [1.0, 1.0])
    assert 0.2 < low < 0.7  # two tasks are two tasks
    assert found["agents"][ORACLE]["all"]["tasks"] == 2
    assert found["agents"][ORACLE]["interval"]["changing"] == {"pass^1": [None, None, 0.0, 1.0]}
    assert found["agents"][ORACLE]["tasks"] == {"general": 2, "changing": 0}
    assert {len(digest) for digest in found["digest"].values()} == {32}


def test_the_time_of_a_command_and_of_all_sessions(tmp_path: Path) -> None:
    storage = write_run(tmp_path / "run", [])
    ledger = Ledger(storage)
    for seconds in (20.25, 3.5):
        ledger.append(Commit(counters={WALL_SECONDS: seconds}))
    read, made = (summarise("generate", storage, "run-1", 1, "out", wall_s) for wall_s in (None, 3.5))
    assert (read["wall_s"], read["run_s"]) == (23.75, 23.75)
    assert (made["wall_s"], made["run_s"]) == (3.5, 23.75)


def test_digests_do_not_depend_on_the_order_of_rows(desk: Made, tasks: list[Task], tmp_path: Path) -> None:
    rows = [*rows_of(desk.tasks[:6]), *(played(desk, task) for task in tasks)]
    one = summarise("generate", write_run(tmp_path / "a", rows), "run-1", 1, "", 0)
    two = summarise("generate", write_run(tmp_path / "b", reversed(rows)), "run-1", 1, "", 0)
    less = summarise("generate", write_run(tmp_path / "c", rows[1:]), "run-1", 1, "", 0)
    assert one["digest"] == two["digest"]
    assert one["digest"]["tasks"] != less["digest"]["tasks"]
    assert one["digest"]["episodes"] == less["digest"]["episodes"]


def test_with_several_agents_there_is_no_pass_of_the_run(desk: Made, tasks: list[Task], tmp_path: Path) -> None:
    both = write_run(tmp_path / "a", [played(desk, tasks[0]), played(desk, tasks[0], agent=HASTY)])
    assert "pass" not in summarise("evaluate", both, "run-1", 1, "", 0)
    none = write_run(tmp_path / "b", rows_of(tasks))
    assert summarise("generate", none, "run-1", 1, "", 0)["pass"] == {}


def test_fields_left_out_of_answers_are_in_the_object_and_on_the_terminal(tmp_path: Path) -> None:
    storage = write_run(tmp_path / "run", [])
    assert "dropped" not in summarise("generate", storage, "run-1", 1, "", 0)
    Ledger(storage).append(Commit(counters={"dropped.usage": 3, "dropped.model": 7}))
    found = summarise("generate", storage, "run-1", 1, "", 0)
    assert list(found["dropped"].items()) == [("model", 7), ("usage", 3)]
    shown = here("report", tmp_path / "run", "--no-html").stdout
    assert "left out of answers (wrong type, or out of range): model 7, usage 3" in shown
