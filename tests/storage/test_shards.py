"""Shards and their readers: bounded, exact, readable by others, and clear about what is lost."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.ipc
import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.storage import migrations
from t2t_dist.storage.ledger import Commit, Ledger, RunState, ShardInfo, read_state
from t2t_dist.storage.ledger_repair import drop_commits
from t2t_dist.storage.migrations import SCHEMA_VERSION
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.objects.opening import create_storage, open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.writer import ShardWriter, clean
from tests.support.paths import ROOT

CALL = pa.struct([("id", pa.string()), ("arguments", pa.string())])
TURN = pa.struct(
    [("role", pa.string()), ("content", pa.string()), ("calls", pa.list_(CALL)), ("t_model", pa.float64())]
)
EPISODES = pa.schema([("item", pa.int64()), ("reward", pa.float64()), ("turns", pa.list_(TURN))])
SCHEMAS = {"episodes": EPISODES, "failures": pa.schema([("item", pa.int64()), ("why", pa.string())])}


def episode(item: int) -> dict[str, Any]:
    call = {"id": "c1", "arguments": json.dumps({"order": item})}
    return {
        "item": item,
        "reward": 1.0,
        "turns": [
            {"role": "user", "content": f"Where is order {item}?", "calls": None, "t_model": None},
            {"role": "assistant", "content": "", "calls": [call], "t_model": 0.25},
        ],
    }


def filled(directory: Path, commits: int = 3, rows: int = 5) -> tuple[Storage, list[ShardInfo]]:
    """A run of ``commits`` shards with ``rows`` episodes each."""
    storage, shards = create_storage(directory), list[ShardInfo]()
    ledger, writer = Ledger(storage), ShardWriter(storage, SCHEMAS, "w0")
    for number in range(commits):
        items = range(number * rows, number * rows + rows)
        writer.add("episodes", [episode(item) for item in items])
        finished = writer.flush()
        ledger.append(Commit(shards=finished, items=items))
        shards += finished
    return storage, shards


def test_rows_come_back_as_they_went_in(tmp_path: Path) -> None:
    storage, shards = filled(tmp_path)
    reader = RunReader(storage, SCHEMAS)
    assert list(reader.rows("episodes")) == [episode(item) for item in range(15)]
    assert [(shard.table, shard.rows, shard.bytes) for shard in shards] == [
        ("episodes", 5, os.stat(tmp_path / shard.file).st_size) for shard in shards
    ]
    assert reader.state.rows("episodes") == 15
    some = list(reader.rows("episodes", columns=["item"], filter=pc.field("item") >= 12))
    assert some == [{"item": 12}, {"item": 13}, {"item": 14}]
    assert reader.table("episodes").num_rows == 15
    assert list(reader.rows("failures")) == []
    assert reader.table("failures").schema.names == ["item", "why"]
    with pytest.raises(pa.ArrowInvalid, match="nothing"):
        list(reader.rows("episodes", filter=pc.field("nothing") == 1))


def test_one_cut_has_a_shard_for_each_table_with_rows(tmp_path: Path) -> None:
    writer = ShardWriter(create_storage(tmp_path), SCHEMAS, "w0")
    assert writer.flush() == []
    writer.add("failures", [{"item": 1, "why": "late"}])
    writer.add("episodes", [episode(2)])
    assert sorted((shard.table, shard.rows) for shard in writer.flush()) == [("episodes", 1), ("failures", 1)]
    assert writer.flush() == []


def test_bad_rows_are_refused_when_they_are_added(tmp_path: Path) -> None:
    storage = create_storage(tmp_path)
    writer = ShardWriter(storage, SCHEMAS, "w0")
    with pytest.raises(ValueError, match="table episodes has no column rewrad"):
        writer.add("episodes", [{"item": 1, "rewrad": 1.0}])
    writer.add("episodes", [{"item": "one"}])
    with pytest.raises(ValueError, match="table episodes: a row does not fit"):
        writer.flush()
    assert os.listdir(tmp_path / "tmp") == []
    writer.add("episodes", [episode(1)])
    assert [shard.rows for shard in writer.flush()] == [1]
    with pytest.raises(ValueError, match="worker name"):
        ShardWriter(storage, SCHEMAS, "../w0")
    with pytest.raises(ValueError, match="table t: a map"):
        ShardWriter(storage, {"t": pa.schema([("m", pa.list_(pa.map_(pa.string(), pa.int8())))])}, "w0")


def test_half_a_surrogate_pair_does_not_stop_the_run(tmp_path: Path) -> None:
    storage = create_storage(tmp_path)
    writer, ledger = ShardWriter(storage, SCHEMAS, "w0"), Ledger(storage)
    turns = [{"role": "user", "content": "a\ud83db"}, {"role": "user", "content": "\ud83d\ude00"}]
    writer.add("episodes", [episode(1), {"item": 2, "turns": turns}])
    ledger.append(Commit(shards=writer.flush()))
    rows = list(RunReader(storage).rows("episodes"))
    assert rows[0] == episode(1)
    assert [turn["content"] for turn in rows[1]["turns"]] == ["a\ufffdb", "\N{GRINNING FACE}"]


def test_rolls_by_age_at_doubling_intervals(tmp_path: Path) -> None:
    now = 100.0
    writer = ShardWriter(create_storage(tmp_path), SCHEMAS, "w0", clock=lambda: now)
    intervals = []
    for _ in range(8):
        assert not writer.due(now + 1e6)  # nothing to roll
        writer.flush()  # and an empty flush does not lengthen the interval
        writer.add("episodes", [episode(1)])
        start = now
        while not writer.due(now):
            now += 0.5
            writer.add("episodes", [episode(1)])
        intervals.append(now - start)
        writer.flush()
    assert intervals == [2, 4, 8, 16, 32, 60, 60, 60]


def test_rolls_by_size_with_little_in_memory(tmp_path: Path) -> None:
    writer = ShardWriter(create_storage(tmp_path), SCHEMAS, "w0", max_bytes=4 << 20)
    chance, added = random.Random(1), 0
    while not writer.due(0.0):
        # Random text does not compress below half, so 4 MiB of file are at most 8 MiB of rows.
        writer.add("episodes", [{"item": added, "turns": [{"content": chance.randbytes(20_000).hex()}]}])
        added += 1
        # Nobody spills here; the writer does, before two batches of 4 MiB have come together.
        assert len(writer._open._pending["episodes"]) <= 2 * (4 << 20) // 40_000
    (shard,) = writer.flush()
    assert shard.rows == added
    assert 4 << 20 <= shard.bytes < 10 << 20
    with pa.OSFile(str(tmp_path / shard.file)) as file:
        batches = pa.ipc.open_file(file)
        assert batches.num_record_batches > 1
        assert max(batches.get_batch(i).nbytes for i in range(batches.num_record_batches)) < 5 << 20


def test_rows_added_while_a_cut_closes_go_to_the_next(tmp_path: Path) -> None:
    """An event loop adds, a thread spills and closes: each cut holds exactly the rows added before it."""
    storage = create_storage(tmp_path)
    writer, added, closed = ShardWriter(storage, SCHEMAS, "w0"), 0, list[tuple[int, list[ShardInfo]]]()
    threads = []
    for _ in range(12):
        for _ in range(50):
            if writer.add("episodes", [episode(added)]):
                threads.append(threading.Thread(target=writer.spill))
                threads[-1].start()
            added += 1
        cut = writer.cut()
        threads.append(threading.Thread(target=lambda cut=cut, upto=added: closed.append((upto, cut.close()))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    for upto, shards in closed:
        assert [shard.rows for shard in shards] == [50]
        items = ds.dataset(str(tmp_path / shards[0].file), format="ipc").to_table()["item"].to_pylist()
        assert sorted(items) == list(range(upto - 50, upto))
    assert len(closed) == 12


def damaged(storage: Storage, shard: ShardInfo, how: str) -> None:
    data = storage.read(shard.file)
    assert data is not None
    if how == "missing":
        storage.delete(shard.file)
    elif how == "truncated":
        storage.replace(shard.file, data[:-100])
    elif how == "zeroed":
        storage.replace(shard.file, bytes(len(data)))
    elif how == "middle":  # the record batches, between the schema at the front and the footer at the back
        third = len(data) // 3
        storage.replace(shard.file, data[:third] + b"\xff" * third + data[2 * third :])


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("missing", "missing"),
        ("truncated", "bytes long instead of"),
        ("zeroed", "are not those that were written"),
        ("middle", "are not those that were written"),
    ],
)
def test_lost_shard(tmp_path: Path, how: str, what: str) -> None:
    storage, shards = filled(tmp_path, rows=200)
    damaged(storage, shards[1], how)
    with pytest.raises(InputError) as raised:
        list(RunReader(storage).rows("episodes"))
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(f"{tmp_path}/{shards[1].file}: ")
    assert what in message
    assert message.endswith(
        "; 200 rows of table episodes are lost with it; restore the file from a copy; or `t2t verify "
        f"{tmp_path} --files --repair` drops it, and then the command that made the run makes its items again"
    )
    # The advice works: the other rows are intact, the lost items are run again.
    drop_commits(storage, [2], "damaged")
    state = read_state(storage)
    clean(storage, state)
    assert [row["item"] for row in RunReader(storage).rows("episodes")] == [*range(200), *range(400, 600)]
    assert list(state.items.missing(600)) == list(range(200, 400))


def rewritten(storage: Storage, table: pa.Table, file: str = "episodes/part-x.arrow") -> None:
    """A run whose one shard is this table."""
    with pa.BufferOutputStream() as sink:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        data = sink.getvalue().to_pybytes()
    storage.replace(file, data)
    Ledger(storage).append(Commit(shards=[ShardInfo("episodes", file, len(table), len(data))]))


@pytest.mark.parametrize("version", [str(SCHEMA_VERSION + 1), "0", "-1", "soon", None])
def test_other_schema_version(tmp_path: Path, version: str | None) -> None:
    storage = create_storage(tmp_path)
    metadata = None if version is None else {"t2t_schema_version": version}
    rewritten(storage, pa.table({"item": [1]}).replace_schema_metadata(metadata))
    message = rf"schema version {version or '.none.'}, this t2t reads versions 1 to {SCHEMA_VERSION}"
    for use in (lambda reader: list(reader.rows("episodes")), lambda reader: reader.table("episodes")):
        with pytest.raises(InputError, match=message):
            use(RunReader(storage))


def test_same_version_with_other_columns(tmp_path: Path) -> None:
    storage, _ = filled(tmp_path)
    rewritten(storage, pa.table({"item": [1]}).replace_schema_metadata({"t2t_schema_version": str(SCHEMA_VERSION)}))
    message = rf"part-x\.arrow: other columns than .*, though both are of schema version {SCHEMA_VERSION}"
    with pytest.raises(InputError, match=message):
        RunReader(storage).table("episodes")


def test_older_versions_are_lifted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What releasing two more versions will take: two functions, each from one version to the next."""
    storage, _ = filled(tmp_path)
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", SCHEMA_VERSION + 2)
    monkeypatch.setitem(migrations.MIGRATIONS, SCHEMA_VERSION, lambda name, table: table.drop_columns(["turns"]))
    monkeypatch.setitem(
        migrations.MIGRATIONS,
        SCHEMA_VERSION + 1,
        lambda name, table: table.append_column("table", pa.array([name] * len(table))),
    )
    rows = [{"item": item, "reward": 1.0, "table": "episodes"} for item in range(15)]
    assert list(RunReader(storage).rows("episodes")) == rows
    assert RunReader(storage).table("episodes").to_pylist() == rows
    schema = pa.schema([("item", pa.int64()), ("reward", pa.float64()), ("table", pa.string())])
    writer = ShardWriter(storage, {"episodes": schema}, "w1")
    writer.add("episodes", [{"item": 15, "reward": 1.0, "table": "new"}])
    Ledger(storage).append(Commit(shards=writer.flush()))
    rows.append({"item": 15, "reward": 1.0, "table": "new"})
    assert list(RunReader(storage).rows("episodes", filter=pc.field("table") == "new")) == rows[-1:]
    assert RunReader(storage).table("episodes").sort_by("item").to_pylist() == rows


def test_clean_removes_what_the_ledger_does_not_name(tmp_path: Path) -> None:
    storage, shards = filled(tmp_path)
    writer = ShardWriter(storage, SCHEMAS, "w1")
    writer.add("failures", [{"item": 9, "why": "x"}])
    (orphan,) = writer.flush()
    writer.add("episodes", [episode(1)])
    writer.spill()
    others = ["config.yaml", "notes/part-of-mine.txt", "episodes/readme.md", "exports/a/part-1.arrow"]
    for name in others:
        storage.replace(name, b"mine")
    assert len(os.listdir(tmp_path / "tmp")) == 1
    assert clean(storage, read_state(storage)) == [orphan.file]
    assert os.listdir(tmp_path / "tmp") == []
    kept = [name for name in storage.names() if not name.startswith("ledger/")]
    assert kept == sorted(others + [shard.file for shard in shards])
    with pytest.raises(InputError, match="no such file"):
        writer.flush()  # a worker of the dead driver that lives on can't finish its shard


WRITER = """
import itertools, sys, time
from tests.storage.test_shards import SCHEMAS, episode
from t2t_dist.storage.ledger import Commit, Ledger
from t2t_dist.storage.objects.opening import create_storage, open_storage
from t2t_dist.storage.writer import ShardWriter, clean

storage = create_storage(sys.argv[1])
ledger = Ledger(storage)
ledger.fence("test")
clean(storage, ledger.state)
writer, items = ShardWriter(storage, SCHEMAS, "w0", first_roll_s=0.01, last_roll_s=0.02), []
print("ready", flush=True)
for item in itertools.count():
    if item in ledger.state.items:
        continue
    if writer.add("episodes", [episode(item)] * 3):
        writer.spill()
    items.append(item)
    if writer.due(time.monotonic()):
        ledger.append(Commit(shards=writer.flush(), items=items))
        print(items[-1], flush=True)
        items = []
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """SIGKILL, again and again on the same run: what was acknowledged is there, and every item once."""
    chance, acknowledged = random.Random(), -1
    for _ in range(6):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.02, 0.3))
            process.kill()
            acknowledged = max([acknowledged, *(int(line) for line in process.stdout if line.endswith("\n"))])
        reader = RunReader(open_storage(tmp_path))
        assert set(range(acknowledged + 1)) <= set(reader.state.items)
        rows = Counter(row["item"] for row in reader.rows("episodes"))
        assert rows == dict.fromkeys(reader.state.items, 3)
    storage = open_storage(tmp_path)
    clean(storage, reader.state)
    assert acknowledged >= 0
    assert set(storage.names("episodes/")) == {shard.file for shard in reader.state.shards["episodes"]}
    files = [str(tmp_path / name) for name in storage.names("episodes/")]
    assert ds.dataset(files, format="ipc").count_rows() == 3 * len(reader.state.items)


def test_opens_with_pyarrow_dataset(tmp_path: Path) -> None:
    filled(tmp_path)
    table = ds.dataset(str(tmp_path / "episodes"), format="ipc").to_table(filter=pc.field("item") == 7)
    assert table.to_pylist() == [episode(7)]


def test_opens_with_hugging_face_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    filled(tmp_path / "run")
    loaded = datasets.load_dataset(
        "arrow", data_files=str(tmp_path / "run" / "episodes" / "*.arrow"), cache_dir=str(tmp_path / "cache")
    )
    assert sorted(loaded["train"], key=lambda row: row["item"]) == [episode(item) for item in range(15)]


def test_opens_with_duckdb(tmp_path: Path) -> None:
    storage, _ = filled(tmp_path)
    connection = duckdb.connect()
    connection.register("episodes", RunReader(storage).table("episodes"))
    query = "select item, turns[2].calls[1].arguments, len(turns) from episodes where item > 12 order by item"
    assert connection.sql(query).fetchall() == [(13, '{"order": 13}', 2), (14, '{"order": 14}', 2)]


def test_empty_state_has_no_rows(tmp_path: Path) -> None:
    reader = RunReader(create_storage(tmp_path))
    assert reader.state == RunState()
    assert reader.table("episodes").num_rows == 0
