"""The index says what the rows say, as shards come in, and does without those it can't read."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.storage import migrations
from t2t_dist.storage.ledger import read_state
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from t2t_dist.storage.shard import Shard
from t2t_dist.view.index import EPISODE_COLUMNS, MISSED, MOST_VALUES, NO_RESULT, PASSED, Facet, episode_index
from t2t_dist.view.runs import Runs, ViewedRun
from tests.support.finished_run import played, write_run
from tests.support.viewed import commit_more, library, new_episode, small_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("view") / "small"
    small_run(folder)
    made = library()
    for trial in (7, 8):  # more shards than one
        commit_more(folder, [new_episode(made, task, trial) for task in made.verified()[:5]])
    return folder


@pytest.fixture
def run(folder: Path) -> ViewedRun:
    return opened(folder)


def opened(folder: Path) -> ViewedRun:
    run = ViewedRun(str(folder), "small")
    while not run.complete:
        run.refresh()
    return run


def stored(folder: Path) -> list[dict[str, object]]:
    reader = RunReader(open_storage(folder), SCHEMAS)
    rows = [row | {"result": PASSED if row["reward"] >= 1 else MISSED} for row in reader.rows("episodes")]
    return rows + [row | {"result": NO_RESULT, "termination": None} for row in reader.rows("failures")]


def test_every_row_is_found_and_read_whole(run: ViewedRun, folder: Path) -> None:
    rows = stored(folder)
    assert run.episodes.rows == len(rows) > 40
    for row in rows:
        place = run.episodes.find("episode_id", str(row["episode_id"]))
        assert place is not None
        assert run.episodes.string("task_id", place) == row["task_id"]
        assert run.episodes.value("agent", place) == row["agent"]
        whole = run.episodes.read(place)
        assert all(whole[name] == row[name] for name in whole)
    assert run.episodes.find("episode_id", "ep-none") is None


def test_filters_and_counts_are_those_of_the_rows(run: ViewedRun, folder: Path) -> None:
    rows, count = stored(folder), run.episodes.rows
    values = {name: sorted({str(row[name]) for row in rows}) for name in ("result", "intent", "agent")}
    for result, intent, agent in itertools.product(*values.values()):
        chosen = {"result": result, "intent": intent, "agent": agent}
        wanted = [r for r in rows if all(r[name] == value for name, value in chosen.items())]
        mask = run.episodes.select(chosen, count)
        assert sorted(run.episodes.string("episode_id", int(row)) for row in np.flatnonzero(mask)) == sorted(
            str(row["episode_id"]) for row in wanted
        )
        others = [r for r in rows if r["intent"] == intent and r["agent"] == agent]
        free = run.episodes.select(chosen, count, leave_out="result")
        assert run.episodes.counts("result", free) == Counter(str(row["result"]) for row in others)
    assert not run.episodes.select({"agent": "nobody"}, count).any()


def test_only_narrow_columns_are_read(folder: Path) -> None:
    storage = open_storage(folder)
    shard = Shard(storage, read_state(storage).shards["episodes"][0])
    assert set(shard.columns(EPISODE_COLUMNS).schema.names) <= set(EPISODE_COLUMNS)
    assert "turns" not in EPISODE_COLUMNS


def test_some_rows_of_a_shard_in_the_order_asked_for(folder: Path) -> None:
    storage = open_storage(folder)
    shard = Shard(storage, read_state(storage).shards["episodes"][0])
    whole = shard.columns(["episode_id"])["episode_id"].to_pylist()
    chosen = [len(whole) - 1, 0, len(whole) // 2]
    assert [row["episode_id"] for row in shard.rows(chosen, ["episode_id"])] == [whole[number] for number in chosen]


def test_rows_that_are_committed_meanwhile_come_in(tmp_path: Path) -> None:
    small_run(tmp_path / "live", tasks=8)
    run, made = opened(tmp_path / "live"), library()
    before, version = run.episodes.rows, run.version
    assert run.refresh() is False
    assert run.version == version
    commit_more(tmp_path / "live", [new_episode(made, made.verified()[0], 5)])
    assert run.refresh() is True
    assert run.episodes.rows == before + 1
    assert run.version != version


def test_a_facet_has_its_bound() -> None:
    facet = Facet()
    facet.add(pa.array([f"agent {number}" for number in range(MOST_VALUES + 50)]))
    facet.add(pa.array(["agent 3", None]))
    assert len(facet.values) == MOST_VALUES + 1
    assert facet.codes(MOST_VALUES + 51)[-1] == 3


# -- what can't be read ------------------------------------------------------------------------------------------------
def shards(folder: Path, table: str = "episodes") -> list[Path]:
    return [folder / info.file for info in read_state(open_storage(folder)).shards[table]]


@pytest.mark.parametrize("harm", ["missing", "truncated", "not a shard"])
def test_a_shard_that_is_harmed_costs_its_own_rows_only(tmp_path: Path, harm: str) -> None:
    small_run(tmp_path / "run", tasks=8)
    made = library()
    commit_more(tmp_path / "run", [new_episode(made, task, 5) for task in made.verified()[:3]])
    whole = opened(tmp_path / "run").episodes.rows
    path = shards(tmp_path / "run")[1]
    data = path.read_bytes()
    if harm == "missing":
        path.unlink()
    elif harm == "truncated":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.write_bytes(b"\xff" * len(data))
    run = opened(tmp_path / "run")
    assert run.episodes.rows == whole - 3
    assert run.lost_rows == 3
    (problem,) = (problem for problem in run.problems if path.name in problem)
    assert "its 3 rows of episodes can't be shown" in problem
    assert "\n" not in problem


def test_rows_of_a_newer_schema_version_are_named(tmp_path: Path) -> None:
    small_run(tmp_path / "run", tasks=8)
    (path,) = shards(tmp_path / "run")
    newer = migrations.SCHEMA_VERSION + 1
    with pa.ipc.open_file(path.read_bytes()) as reader:
        table = reader.read_all().replace_schema_metadata({migrations.VERSION_KEY: b"%d" % newer})
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    storage = open_storage(tmp_path / "run")
    info = read_state(storage).shards["episodes"][0]._replace(bytes=path.stat().st_size, sums=b"")
    with pytest.raises(InputError, match=f"schema version {newer}, this t2t reads versions 1 to"):
        Shard(storage, info).columns(EPISODE_COLUMNS)


def test_rows_of_an_older_version_are_lifted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lift(table: str, rows: pa.Table) -> pa.Table:
        return rows.set_column(rows.schema.get_field_index("agent"), "agent", pa.array(["lifted"] * len(rows)))

    monkeypatch.setitem(migrations.MIGRATIONS, migrations.SCHEMA_VERSION, lift)
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", migrations.SCHEMA_VERSION + 1)
    storage = open_storage(folder)
    shard, index = Shard(storage, read_state(storage).shards["episodes"][0]), episode_index()
    index.add(shard, EPISODE_COLUMNS)
    assert index.facets["agent"].values == ["lifted"]
    last = index.rows - 1
    assert index.read(last)["agent"] == "lifted"
    assert index.read(last)["episode_id"] == index.string("episode_id", last)


def test_a_shard_that_fails_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    small_run(tmp_path / "run", tasks=8)
    storage = open_storage(tmp_path / "run")
    good = read_state(storage).shards["episodes"][0]
    index = episode_index()
    index.add(Shard(storage, good), EPISODE_COLUMNS)
    before = index.rows
    with pytest.raises(InputError):
        index.add(Shard(storage, good._replace(rows=good.rows + 1)), EPISODE_COLUMNS)
    index.add(Shard(storage, good), EPISODE_COLUMNS)
    assert index.rows == 2 * before
    assert index.string("episode_id", before) == index.string("episode_id", 0)
    assert len(index.facets["agent"].codes(index.rows)) == len(index.text("task_id", index.rows)) == index.rows


# -- runs --------------------------------------------------------------------------------------------------------------
def test_a_directory_that_is_no_run_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in ("empty", "nothing"):
        with pytest.raises(InputError, match="run directory"):
            Runs([str(tmp_path / path)])


def test_a_damaged_commit_hides_what_comes_after_it_and_no_more(tmp_path: Path) -> None:
    small_run(tmp_path / "run", tasks=8)
    before = opened(tmp_path / "run").episodes.rows
    made = library()
    for trial in (5, 6):
        commit_more(tmp_path / "run", [new_episode(made, made.verified()[0], trial)])
    (tmp_path / "run" / "ledger" / "000000000002.mp").write_bytes(b"\x00")
    run = opened(tmp_path / "run")
    run.refresh()
    assert run.episodes.rows == before
    assert any("000000000002.mp" in problem and "damaged" in problem for problem in run.problems)
    assert len(run.problems) == 1


def test_runs_of_one_name_have_names_of_their_own_and_one_run_is_opened_once(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent).mkdir()
        small_run(tmp_path / parent / "run", tasks=4)
    runs = Runs([str(tmp_path / "a/run"), str(tmp_path / "b/run"), str(tmp_path / "a/../a/run")])
    assert [run.name for run in runs.shown] == ["run", "run-2"]


def test_an_evaluation_shows_the_tasks_of_its_source(tmp_path: Path) -> None:
    small_run(tmp_path / "tasks", tasks=8)
    made = library()
    task = next(task for task in made.tasks[:8] if task.verdict == "verified")
    write_run(tmp_path / "eval", [played(made, task)], kind="evaluate", source=str(tmp_path / "tasks"))
    runs = Runs([str(tmp_path / "eval")])
    while not all(run.complete for run in runs):
        runs.refresh()
    (run,) = runs.shown
    assert runs.tasks_of(run).name == "tasks"
    found = runs.task(run, task.task_id)
    assert found is not None
    assert found.user == task.user
    assert runs.problems(run) == []


def test_an_evaluation_without_its_source_says_so(tmp_path: Path) -> None:
    made = library()
    write_run(tmp_path / "eval", [played(made, made.verified()[0])], kind="evaluate", source=str(tmp_path / "gone"))
    runs = Runs([str(tmp_path / "eval")])
    runs.refresh()
    (run,) = runs.shown
    assert run.episodes.rows == 1
    (problem,) = runs.problems(run)
    assert "its tasks come from a run that can't be opened" in problem
