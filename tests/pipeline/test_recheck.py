"""verify and regrade from stored data alone: nothing changes, and forgeries are found."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Task
from t2t_dist.pipeline.recheck import damaged_tables, regrade, reverify
from t2t_dist.storage.source_run import Source
from tests.support.finished_run import LIBRARY, Row, played, rows_of, write_run
from tests.support.made import Made


def run(folder: Path, rows: list[Row], **settings: Any) -> Source:
    write_run(folder, rows, **settings)
    return Source(str(folder))


def tasks_of(made: Made, count: int = 24) -> list[Task]:
    return [task.model_copy(deep=True) for task in made.tasks[:count]]


# -- verify ------------------------------------------------------------------------------------------------------------
def test_the_same_verdicts(desk: Made, tmp_path: Path) -> None:
    tasks = tasks_of(desk)
    rows = [*rows_of(tasks), *(played(desk, task) for task in tasks if task.verdict == "verified")]
    verdicts, changed = reverify(run(tmp_path / "run", rows))
    assert changed == []
    assert verdicts == {
        "verified": sum(t.verdict == "verified" for t in tasks),
        "rejected": sum(t.verdict == "rejected" for t in tasks),
    }


def test_another_difficulty_is_a_change_and_so_is_none_unless_the_run_is_older(desk: Made, tmp_path: Path) -> None:
    tasks = [task.model_copy(deep=True) for task in tasks_of(desk) if task.verdict == "verified"][:3]
    assert tasks[0].difficulty is not None
    tasks[0].difficulty.depth += 4
    tasks[1].difficulty = None
    _, changed = reverify(run(tmp_path / "run", rows_of(tasks)))
    found = [(change.item, change.stored.split()[:2], "depth 1" in change.now) for change in changed]
    assert sorted(found) == sorted(
        [(tasks[0].task_id, ["level", "1,"], True), (tasks[1].task_id, ["no", "difficulty"], True)]
    )
    older = Source(str(tmp_path / "run"))
    older.manifest.schema_version = 5
    assert [change.item for change in reverify(older)[1]] == [tasks[0].task_id]


def test_the_reference_agents_stored_episodes_count(desk: Made, tmp_path: Path) -> None:
    tasks = [t for t in tasks_of(desk) if t.verdict == "verified"][:3]
    tasks[1].verdict, tasks[1].reasons = "rejected", ["unsolved"]
    rows = [*rows_of(tasks), played(desk, tasks[0]), played(desk, tasks[1], well=False)]
    rows.append(played(desk, tasks[2], agent="scripted:hasty", well=False))  # not the reference
    assert reverify(run(tmp_path / "run", rows)) == ({"verified": 2, "rejected": 1}, [])


def test_what_was_forged_shows(desk: Made, tmp_path: Path) -> None:
    tasks = tasks_of(desk)
    general = next(t for t in tasks if t.intent == "general" and t.verdict == "verified")
    general.grader.final = "0" * 32
    # No task of these is rejected with gold. This one is as good as one: what the customer gives up is what they get.
    same = next(t for t in tasks if t.intent == "changing" and t.verdict == "verified")
    proof = same.certificate
    assert proof is not None
    proof.first_call = next(call for call in same.grader.gold if call.kind == "write" and call.goal == proof.goal)
    _, changed = reverify(run(tmp_path / "run", rows_of(tasks)))
    found = {difference.item: (difference.stored, difference.now) for difference in changed}
    assert set(found) == {general.task_id, same.task_id}
    assert found[general.task_id][0] == "verified"
    assert found[general.task_id][1].startswith("rejected, final_differs ")
    assert found[same.task_id][0] == "verified"
    assert found[same.task_id][1].startswith("rejected, no_change ")


def test_a_run_on_another_database_keeps_no_verdict(desk: Made, tmp_path: Path) -> None:
    tasks = [task for task in tasks_of(desk) if task.verdict == "verified"]
    verdicts, changed = reverify(run(tmp_path / "run", rows_of(tasks), domain_seed=5))
    assert verdicts == {"rejected": len(tasks)}
    assert {difference.now.split()[1] for difference in changed} == {"other_database"}


def test_duplicates_and_contamination_are_found_again(desk: Made, tmp_path: Path) -> None:
    first = desk.one("general")
    twin = first.model_copy(update={"task_id": "twin", "index": first.index + 1}, deep=True)
    twin.verdict, twin.reasons = "rejected", ["duplicate"]
    assert reverify(run(tmp_path / "a", rows_of([twin, first])))[1] == []
    contaminated = run(tmp_path / "b", rows_of([first]), **{"verify.reference_tasks": [str(tmp_path / "a")]})
    assert [d.now.split()[1] for d in reverify(contaminated)[1]] == ["contaminated"]


# -- regrade -----------------------------------------------------------------------------------------------------------
def test_the_same_rewards(desk: Made, tmp_path: Path) -> None:
    tasks = [task for task in tasks_of(desk) if task.verdict == "verified"]
    rows = [*rows_of(tasks), *(played(desk, t, well=n % 2 == 0, trial=n) for n, t in enumerate(tasks))]
    assert regrade(run(tmp_path / "run", rows)) == (len(tasks), [])


@pytest.mark.parametrize("what", ["reward", "parts", "process", "detail", "final"])
def test_a_forged_grade_shows(desk: Made, tmp_path: Path, what: str) -> None:
    task = desk.one("general")
    table, row = played(desk, task)
    forged = {
        "reward": 0.0,
        "parts": {**row["parts"], "db": 0.0},
        "process": {**row["process"], "own_data_only": False},
        "detail": '{"db":"?"}',
        "final": "0" * 32,
    }
    source = run(tmp_path / "run", [*rows_of([task]), (table, {**row, what: forged[what]})])
    count, changed = regrade(source)
    assert (count, [difference.item for difference in changed]) == (1, [row["episode_id"]])
    assert changed[0].now.startswith("reward 1 (ended 1, db 1, ")


def test_an_evaluations_tasks_are_those_of_its_source(desk: Made, tmp_path: Path) -> None:
    task = desk.one("changing")
    run(tmp_path / "tasks", rows_of([task]))
    source = run(tmp_path / "eval", [played(desk, task)], kind="evaluate", source=str(tmp_path / "tasks"))
    assert regrade(source) == (1, [])
    lost = run(tmp_path / "lost", [played(desk, task)], kind="evaluate")
    with pytest.raises(InputError, match="does not say where its tasks come from"):
        regrade(lost)
    run(tmp_path / "others", rows_of([desk.one("general")]))
    other = run(tmp_path / "other", [played(desk, task)], kind="evaluate", source=str(tmp_path / "others"))
    with pytest.raises(InputError, match=f"has no task {task.task_id} of episode ep-"):
        regrade(other)


# -- damage ------------------------------------------------------------------------------------------------------------
def test_rows_that_are_not_those_committed_show(desk: Made, tmp_path: Path) -> None:
    tasks = tasks_of(desk, 8)
    source = run(tmp_path / "run", [*rows_of(tasks), played(desk, desk.one("general"))])
    assert list(damaged_tables(source)) == []
    source.reader.state.digests["episodes"] ^= 1
    assert list(damaged_tables(source)) == ["episodes"]
    assert source.manifest.config.domain == LIBRARY


@pytest.mark.parametrize("seed", range(30))
def test_altered_bytes_are_reported_whatever_they_are(desk: Made, tmp_path: Path, seed: int) -> None:
    """As damage, or as a shard that can't be read; a byte that nothing is made of changes nothing."""
    tasks = tasks_of(desk)
    source = run(tmp_path / "run", rows_of(tasks))
    (shard,) = (tmp_path / "run" / "tasks").glob("*.arrow")
    data, rng = bytearray(shard.read_bytes()), random.Random(seed)
    start = rng.randrange(len(data) - 64)
    for place in range(start, start + rng.choice([1, 8, 64])):
        data[place] ^= rng.randrange(1, 256)
    shard.write_bytes(bytes(data))
    message, damaged, found = "", list[str](), list[str]()
    try:
        damaged = list(damaged_tables(source))
        found = [task.task_id for task in source.tasks()]
    except InputError as error:
        message = str(error)
    assert "\n" not in message
    assert message or damaged == ["tasks"] or sorted(found) == sorted(task.task_id for task in tasks)
