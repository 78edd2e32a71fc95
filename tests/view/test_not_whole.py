"""Runs in progress, damaged, newer or empty: what can be shown is shown, and what can't is reported."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from t2t_dist.storage.ledger import Commit, Ledger
from t2t_dist.storage.migrations import SCHEMA_VERSION
from t2t_dist.storage.rows import SCHEMAS
from t2t_dist.storage.writer import ShardWriter, clean
from t2t_dist.view.query import address
from t2t_dist.view.runs import ViewedRun
from tests.support.finished_run import failed, played, rows_of, write_run
from tests.support.made import Made
from tests.support.view_client import viewing, words
from tests.support.viewed import GOOD, commit_more, library, new_episode, small_run


@pytest.fixture(autouse=True, scope="module")
def made() -> Made:
    """Made before the loops of the tests run: it has one of its own."""
    return library()


async def test_a_run_that_is_being_written_shows_what_there_is_and_then_more(tmp_path: Path) -> None:
    small_run(tmp_path / "live", tasks=8)
    status = {"run_id": "run-1", "state": "running", "why": "", "at": 4e9, "items": {"done": 3, "total": 9}}
    (tmp_path / "live" / "status.json").write_text(json.dumps(status))
    async with viewing(tmp_path / "live", known=False) as client:
        await client.get(f"/?token={client.token}")
        for _ in range(200):
            page = await client.read("/run/live/episodes")
            if "Still reading" not in page:
                break
            await asyncio.sleep(0.02)
        before = json.loads((await client.get("/live?run=live"))[1])
        assert before["live"]
        assert "running 3 of 9 items" in await client.read("/run/live")
        made = library()
        commit_more(tmp_path / "live", [new_episode(made, made.verified()[0], 6)])
        for _ in range(400):
            now = json.loads((await client.get("/live?run=live"))[1])
            if now["version"] != before["version"] and "#7" in await client.read("/run/live/episodes?order=newest"):
                break
            await asyncio.sleep(0.02)
        else:
            raise AssertionError("the new episode never came")


def test_what_a_resumed_run_took_back_is_shown_no_more(tmp_path: Path) -> None:
    made = library()
    task = made.verified()[0]
    storage = write_run(tmp_path / "run", rows_of([task]))
    writer, ledger = ShardWriter(storage, SCHEMAS, "w1"), Ledger(storage)
    table, row = failed(task)
    writer.add(table, [row])
    ledger.append(Commit(shards=writer.flush(), items=[7], failed=True))
    run = ViewedRun(str(tmp_path / "run"), "run")
    run.refresh(60)
    assert (run.tasks.rows, run.episodes.rows) == (1, 1)
    ledger.take_back(lambda name: True)
    clean(storage, ledger.state)
    table, row = played(made, task)
    writer.add(table, [row])
    ledger.append(Commit(shards=writer.flush(), items=[7], notes={"ended": ""}))
    run.refresh(60)
    assert (run.tasks.rows, run.episodes.rows, run.problems) == (1, 1, [])
    assert run.episodes.read(0)["episode_id"] == row["episode_id"]
    assert "reward" in run.episodes.read(0)


async def test_a_run_with_nothing_in_it_yet(tmp_path: Path) -> None:
    write_run(tmp_path / "empty", [])
    (tmp_path / "empty" / "ledger" / "000000000001.mp").unlink()
    async with viewing(tmp_path / "empty") as client:
        assert "No episodes" in await client.read("/")
        assert "No episodes were rolled out" in await client.read("/run/empty")
        assert "There are no tasks in this run" in await client.read("/run/empty/tasks")
        assert "There are no episodes in this run" in await client.read("/run/empty/episodes?q=x")


async def test_a_missing_shard_hides_its_rows_and_no_others(tmp_path: Path) -> None:
    small_run(tmp_path / "run", tasks=8)
    made = library()
    commit_more(tmp_path / "run", [new_episode(made, made.verified()[0], 6)])
    names = sorted((tmp_path / "run" / "episodes").iterdir(), key=lambda path: path.stat().st_size)
    names[0].unlink()
    async with viewing(tmp_path / "run") as client:
        for path in ("/", "/run/run", "/run/run/episodes", "/run/run/tasks"):
            page = await client.read(path)
            assert f"{names[0].name}: missing; its 1 rows of episodes can't be shown" in page
        assert GOOD in await client.read("/run/run/episodes")


async def test_a_shard_lost_after_it_was_indexed_is_said_on_the_page(tmp_path: Path) -> None:
    small_run(tmp_path / "run", tasks=8)
    task = library().verified()[0]
    async with viewing(tmp_path / "run") as client:
        row = played(library(), task)[1]
        for path in (tmp_path / "run" / "episodes").iterdir():
            path.unlink()
        status, text, _ = await client.get(address("run", "run", "episode", row["episode_id"]))
        assert status == 404
        assert "can't be shown" in words(text)
        assert "episode" in await client.read("/run/run/episodes")
        assert "could not be read" in await client.read("/run/run/episodes?q=hello")


async def test_a_run_of_a_newer_version_shows_what_it_is(tmp_path: Path) -> None:
    small_run(tmp_path / "newer", tasks=8)
    path = tmp_path / "newer" / "run.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"schema_version": SCHEMA_VERSION + 1, "new": {"thing": 1}}))
    async with viewing(tmp_path / "newer") as client:
        page = await client.read("/run/newer")
        assert f"rows of schema version {SCHEMA_VERSION + 1}, this t2t reads version" in page
        assert "run-1" in page
        task = library().verified()[0]
        row = played(library(), task)[1]
        page = await client.read(address("run", "newer", "episode", row["episode_id"]))
        assert "its domain is not known" in page
        assert task.user.goals[0].request in page


async def test_a_manifest_that_is_no_json(tmp_path: Path) -> None:
    small_run(tmp_path / "odd", tasks=8)
    (tmp_path / "odd" / "run.json").write_text("[1, 2")
    async with viewing(tmp_path / "odd") as client:
        assert "run.json can't be read" in await client.read("/")
        assert GOOD in await client.read("/run/odd/episodes")


async def test_an_own_domain_that_is_not_here_leaves_the_conversation(tmp_path: Path) -> None:
    made = library()
    task = made.one("ambiguous")
    write_run(tmp_path / "own", [*rows_of([task]), played(made, task)])
    path = tmp_path / "own" / "run.json"
    manifest = json.loads(path.read_text().replace("tests.support.library_domain:Library", "nobodys.domain:Desk"))
    del manifest["checksum"]
    path.write_text(json.dumps(manifest))
    async with viewing(tmp_path / "own") as client:
        page = await client.read(address("run", "own", "task", task.task_id))
        assert "nobodys" in page
        assert "calls satisfy the opening request" in page
        row = played(made, task)[1]
        page = await client.read(address("run", "own", "episode", row["episode_id"]))
        assert "nobodys" in page
        assert "Gold beside actual" in page
