"""Runs with twins: the same rows in any order, proved and graded again from what is stored, paired in the report."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.evaluation.report.data import read_report
from t2t_dist.evaluation.report.page import page
from t2t_dist.pipeline.item_rows import ItemRows
from t2t_dist.pipeline.recheck import regrade, reverify
from t2t_dist.pipeline.workloads import Convert, Evaluate, Generate
from t2t_dist.storage.partial_run import PartialRun
from t2t_dist.storage.source_run import Source
from tests.support.finished_run import Row, write_run
from tests.support.view_client import viewing

AGENTS = ["scripted:oracle", "scripted:one_look"]
SETTINGS: dict[str, Any] = {"domain": "retail", "trajectories": 5, "difficulty": 3, "agents": AGENTS, "seed": 11}


def filled(work: Generate | Convert | Evaluate, backwards: bool = False) -> list[ItemRows]:
    async def every() -> list[ItemRows]:
        order = range(work.size())
        return [await work.run(item, 1) for item in (reversed(order) if backwards else order)]

    return asyncio.run(every())


def rows_in(done: list[ItemRows]) -> list[Row]:
    return [(table, row) for rows in done for table, held in rows.rows.items() for row in held]


def of(done: list[ItemRows], table: str) -> dict[str, Any]:
    """Rows by id, without what may differ between two equal runs."""
    key = "task_id" if table == "tasks" else "episode_id"
    left_out = {"started", "duration", "turns", "usage"}
    return {
        row[key]: {n: v for n, v in row.items() if n not in left_out} for name, row in rows_in(done) if name == table
    }


@pytest.fixture(scope="module")
def done() -> list[ItemRows]:
    return filled(Generate(Config(**SETTINGS, twins=True)))


@pytest.fixture(scope="module")
def run(done: list[ItemRows], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twins") / "run"
    write_run(folder, rows_in(done), **SETTINGS, twins=True)
    return folder


def test_rows_depend_on_no_order_and_twins_are_counted(done: list[ItemRows]) -> None:
    again = filled(Generate(Config(**SETTINGS, twins=True)), backwards=True)
    assert of(done, "tasks") == of(again, "tasks")
    assert of(done, "episodes") == of(again, "episodes")
    twins = [row for row in of(done, "tasks").values() if row["twin_of"] is not None]
    counts: Counter[str] = sum((rows.counts for rows in done), Counter())
    assert counts["twins"] == sum(row["verdict"] == "verified" for row in twins) >= 5


def test_all_is_proved_and_graded_again(run: Path) -> None:
    verdicts, changed = reverify(Source(str(run)))
    assert changed == []
    assert verdicts["verified"] > 10
    graded, changed = regrade(Source(str(run)))
    assert (graded > 20, changed) == (True, [])


def test_converting_the_trajectories_again_gives_the_same_pairs(run: Path, done: list[ItemRows]) -> None:
    settings = {**SETTINGS, "source": str(run), "until": "convert", "twins": True}
    assert of(filled(Convert(Config(**settings))), "tasks").keys() == of(done, "tasks").keys()


def test_a_forged_pair_shows(run: Path, done: list[ItemRows], tmp_path: Path) -> None:
    rows = [(table, dict(row)) for table, row in rows_in(done)]
    tasks = [row for table, row in rows if table == "tasks"]
    twins = [row for row in tasks if row["twin_of"] is not None and row["verdict"] == "verified" and row["world"]]
    orphan, moved, worded = twins[:3]
    orphan["twin_of"] = "task-0"
    moved["world"] = [{**moved["world"][0], "before": "{}"}, *moved["world"][1:]]
    worded["user"] = {**worded["user"], "persona": "brief: another person."}
    write_run(tmp_path / "forged", rows, **SETTINGS, twins=True)
    _, changed = reverify(Source(str(tmp_path / "forged")))
    found = {one.item: one.now.partition(" the")[0].split()[1] for one in changed}
    assert found == {orphan["task_id"]: "no_pair", moved["task_id"]: "world_differs", worded["task_id"]: "no_pair"}
    with pytest.raises(InputError, match=f"{moved['task_id']}: the task's world can't be set up on 'retail'"):
        regrade(Source(str(tmp_path / "forged")))


def test_the_paired_figure(run: Path, done: list[ItemRows]) -> None:
    data = read_report(PartialRun(str(run)))
    oracle, guesser = (data.summary["pairs"][agent] for agent in AGENTS)
    assert oracle["both"] == oracle["pairs"] >= 5
    assert oracle["share"]["both"][0] == 1.0
    assert guesser["both"] < oracle["both"]
    assert guesser["one"] > 0
    assert "Tasks with their twins" in page(data)


def test_an_evaluation_of_them_begins_in_their_worlds(run: Path) -> None:
    work = Evaluate(Config(domain="retail", source=str(run), agents=["scripted:oracle"]))
    rewards = [row["reward"] for row in of(filled(work), "episodes").values()]
    assert len(rewards) > 10
    assert set(rewards) == {1.0}


async def test_the_viewer_shows_them_in_their_worlds(run: Path, done: list[ItemRows]) -> None:
    twins = [
        row for row in of(done, "tasks").values() if row["twin_of"] and row["world"] and row["verdict"] == "verified"
    ]
    async with viewing(run) as client:
        for row in twins[:3]:
            place = f"/run/run/task/{row['task_id']}"
            assert f'href="/run/run/task/{row["twin_of"]}">its original<' in (await client.get(place))[1]
            assert f'{row["task_id"]}">its twin<' in (await client.get(f"/run/run/task/{row['twin_of']}"))[1]
            shown = await client.read(place)
            assert (
                f"Its own world The records in which it differs from the domain's database. {row['world'][0]['table']}"
                in shown
            )
            assert "is not the one that this task was made on" not in shown
        for episode in of(done, "episodes").values():
            if episode["task_id"] in {row["task_id"] for row in twins[:3]}:
                shown = await client.read(f"/run/run/episode/{episode['episode_id']}")
                assert "in the replay" not in shown
                assert "can't be replayed" not in shown
