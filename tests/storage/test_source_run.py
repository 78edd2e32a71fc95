"""A finished run as the source of another."""

from __future__ import annotations

from pathlib import Path

import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import INTENTS, Intent
from t2t_dist.storage.source_run import Source
from tests.support.finished_run import rows_of, write_run
from tests.support.made import Made


@pytest.fixture
def source(desk: Made, tmp_path: Path) -> Source:
    """The desk's trajectories and tasks, last ones first, and one trajectory that was not kept."""
    lost = desk.trajectories[0].model_copy(update={"verdict": "no_effect", "trajectory_id": "lost"})
    write_run(tmp_path / "run", rows_of([*reversed(desk.trajectories), lost, *reversed(desk.tasks)]))
    return Source(str(tmp_path / "run"))


def test_kept_trajectories_come_in_their_order(source: Source, desk: Made) -> None:
    assert list(source.trajectories()) == desk.trajectories
    assert list(source.trajectories(3)) == desk.trajectories[:3]


def test_customers_have_their_trajectories_in_the_order_they_come(source: Source, desk: Made) -> None:
    for limit in (None, 3):
        groups: dict[str, list[str]] = {}
        for trajectory in desk.trajectories[:limit]:
            groups.setdefault(trajectory.customer, []).append(trajectory.trajectory_id)
        rows, customers = source.customers(limit)
        found = [(name, [rows[number].trajectory_id for number in numbers]) for name, numbers in customers]
        assert found == list(groups.items())


def test_all_tasks_come_back_rejected_ones_too(source: Source, desk: Made) -> None:
    found = {task.task_id: task for task in source.tasks()}
    assert found == {task.task_id: task for task in desk.tasks}


def test_verified_tasks_come_in_their_order(source: Source, desk: Made) -> None:
    assert list(source.verified_tasks()) == desk.verified()
    assert list(source.verified_tasks(intents=["changing"])) == desk.verified("changing")
    assert list(source.verified_tasks(10**6)) == desk.verified()


@pytest.mark.parametrize("limit", [1, 4, 7, 50])
def test_a_limit_takes_as_many_of_each_intent(source: Source, desk: Made, limit: int) -> None:
    found = list(source.verified_tasks(limit))
    assert len(found) == limit
    counts = {intent: [task for task in found if task.intent == intent] for intent in INTENTS}
    assert max(map(len, counts.values())) - min(map(len, counts.values())) <= 1
    for intent, tasks in counts.items():
        assert tasks == desk.verified(intent)[: len(tasks)]


def test_a_limit_takes_more_of_the_others_where_an_intent_runs_out(source: Source, desk: Made) -> None:
    wanted: list[Intent] = ["general", "ambiguous"]
    few = len(desk.verified("ambiguous"))
    found = list(source.verified_tasks(2 * few + 4, wanted))
    assert [t for t in found if t.intent == "ambiguous"] == desk.verified("ambiguous")
    others = desk.verified("general")
    assert [t for t in found if t.intent == "general"] == others[: few + 4]
    assert len(others) >= few


def test_the_digest_of_a_table_is_its_content(source: Source, desk: Made, tmp_path: Path) -> None:
    write_run(tmp_path / "same", rows_of([*desk.tasks]))
    write_run(tmp_path / "less", rows_of([*desk.tasks[1:]]))
    same, less = Source(str(tmp_path / "same")), Source(str(tmp_path / "less"))
    assert source.digest("tasks") == same.digest("tasks") != less.digest("tasks")
    assert same.digest("episodes") == "0" * 32


def test_what_is_no_run_and_what_can_not_be_read(tmp_path: Path, desk: Made) -> None:
    with pytest.raises(InputError, match="no such run directory"):
        Source(str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="this is not a run directory"):
        Source(str(tmp_path / "empty"))
    table, row = rows_of([desk.tasks[0]])[0]
    write_run(tmp_path / "run", [(table, {**row, "intent": "charming"})])
    source = Source(str(tmp_path / "run"))
    with pytest.raises(InputError, match=r"task task-\w+ can't be read: .*intent") as raised:
        list(source.tasks())
    assert "\n" not in str(raised.value)
