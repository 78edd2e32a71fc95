"""The commonest messages of what went wrong in a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from t2t_dist.evaluation.problems import problems_of
from t2t_dist.evaluation.results_table import ResultsTable
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.support.finished_run import Row, failed, played, rows_of, write_run
from tests.support.made import Made


def found(folder: Path, rows: list[Row]) -> dict[str, Any]:
    reader = RunReader(write_run(folder, rows), SCHEMAS)
    return problems_of("generate", "rollout", reader.state, reader.batches)


def saying(row: Row, message: str) -> Row:
    return row[0], {**row[1], "message": message}


def test_messages_that_differ_in_numbers_are_one(desk: Made, tmp_path: Path) -> None:
    task, rejected = desk.one("general"), next(task for task in desk.tasks if task.verdict == "rejected")
    messages = ["no answer (3 attempts, 1.5 s)", "refused by e7f3", "no answer (4 attempts, 22.0 s)", "refused by e8a1"]
    rows = [saying(failed(task, trial=n), message) for n, message in enumerate([*messages, "no answer (1 x)"])]
    problems = found(tmp_path / "lost", [*rows, *rows_of([rejected])])
    assert problems["no_result"] == "no rollout has a result"
    assert [(one["count"], one["message"]) for one in problems["messages"]] == [
        (2, "no answer (3 attempts, 1.5 s)"),
        (2, "refused by e7f3"),
        (1, "no answer (1 x)"),
    ]
    with_results = found(tmp_path / "some", [*rows[:1], played(desk, task), *rows_of([rejected])])
    assert with_results == {"messages": [{"what": "engine_timeout", "count": 1, "message": messages[0]}]}


def test_an_agent_without_result_is_named_where_others_have_some(desk: Made, tmp_path: Path) -> None:
    one, other = desk.verified("general")[:2]
    lost = [saying(failed(task, agent="lost"), f"refused {n}") for n, task in enumerate((one, other))]
    well = [played(desk, one, agent="well"), failed(other, agent="well")]
    reader = RunReader(write_run(tmp_path / "run", [*lost, *well]), SCHEMAS)
    table = ResultsTable.read(reader.batches)
    problems = problems_of("evaluate", "rollout", reader.state, reader.batches, table)
    message = {"what": "engine_timeout", "count": 2, "message": "refused 0"}
    assert problems["agents_without_result"] == {"lost": {"failed": 2, **message}}
    assert "no_result" not in problems


def test_where_nothing_failed_it_is_why_tasks_were_rejected(desk: Made, tmp_path: Path) -> None:
    task, rejected = desk.one("general"), next(task for task in desk.tasks if task.verdict == "rejected")
    (message,) = found(tmp_path / "none", rows_of([rejected]))["messages"]
    assert (message["what"], message["count"]) == (rejected.reasons[0], 1)
    assert found(tmp_path / "well", [played(desk, task), *rows_of([rejected])]) == {}
