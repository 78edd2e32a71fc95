"""Damage that changes bytes without changing sizes: noticed before anything is made of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.core.errors import InputError
from t2t_dist.storage.file_check import check_files, repair
from t2t_dist.storage.ledger import Commit, Ledger, ShardInfo, read_state
from t2t_dist.storage.manifest import read_manifest
from t2t_dist.storage.objects import blocks
from t2t_dist.storage.objects.blocks import BLOCK, AlteredBytes, CheckedFile
from t2t_dist.storage.objects.opening import create_storage, open_storage
from t2t_dist.storage.partial_run import PartialRun
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.run_lock import RunLock
from t2t_dist.storage.sealed_json import AlteredContent, sealed, unsealed
from t2t_dist.storage.source_run import Source
from t2t_dist.storage.status import StatusFile, read_status
from t2t_dist.storage.writer import ShardWriter
from t2t_dist.view.runs import ViewedRun
from tests.support.finished_run import played, rows_of, write_run
from tests.support.made import Made

ROWS = pa.schema([("number", pa.int64()), ("text", pa.string()), ("more", pa.string())])


def sums_of(data: bytes) -> bytes:
    return b"".join(crc32(data[at : at + BLOCK]).to_bytes(4) for at in range(0, len(data), BLOCK))


def flipped(path: Path, byte: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)


# -- blocks ------------------------------------------------------------------------------------------------------------
@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(1, 16))
def test_sums_do_not_depend_on_the_pieces(pieces: list[bytes], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", size)
        sums, data = blocks.BlockSums(), b"".join(pieces)
        for piece in pieces:
            sums.add(piece)
        assert sums.all() == b"".join(crc32(data[at : at + size]).to_bytes(4) for at in range(0, len(data), size))


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_checked_file_gives_the_bytes_or_refuses_their_block(data: bytes, draw: st.DataObject) -> None:
    size = draw.draw(st.integers(1, 40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", size)
        sums = blocks.BlockSums()
        sums.add(data)
        spoilt = draw.draw(st.none() | st.integers(0, len(data) - 1))
        on_disk = bytearray(data)
        if spoilt is not None:
            on_disk[spoilt] ^= 0x10
        file = CheckedFile(pa.BufferReader(bytes(on_disk)), len(data), sums.all())
        for _ in range(6):
            start, count = draw.draw(st.integers(0, len(data))), draw.draw(st.integers(0, 80))
            end = min(start + count, len(data))
            file.seek(start)
            touched = end > start and spoilt is not None and start // size <= spoilt // size <= (end - 1) // size
            if touched:
                with pytest.raises(AlteredBytes, match="not those that were written"):
                    file.read(count)
            else:
                assert file.read(count) == data[start:end]


# -- shards ------------------------------------------------------------------------------------------------------------
def written(folder: Path, count: int = 3000) -> ShardInfo:
    storage, chance = create_storage(folder), random.Random(1)
    writer = ShardWriter(storage, {"rows": ROWS}, "w0")
    writer.add("rows", [{"number": n, "text": chance.randbytes(40).hex(), "more": "x"} for n in range(count)])
    (info,) = writer.flush()
    Ledger(storage).append(Commit(shards=[info], items=[0]))
    return info


def test_every_flipped_bit_of_a_shard_is_noticed(tmp_path: Path) -> None:
    info = written(tmp_path)
    path, chance = tmp_path / info.file, random.Random(2)
    whole = path.read_bytes()
    assert info.sums == sums_of(whole)
    assert len(whole) > 2 * BLOCK
    assert not check_files(open_storage(tmp_path)).unchecked
    numbers = list(range(3000))
    for _ in range(60):
        flipped(path, chance.randrange(len(whole)), chance.randrange(8))
        with pytest.raises(InputError, match="3000 rows of table rows are lost with it"):
            list(RunReader(open_storage(tmp_path)).rows("rows"))
        try:  # a few columns: what they are in is checked, and only that
            rows = list(RunReader(open_storage(tmp_path)).rows("rows", columns=["number"]))
        except InputError:
            rows = []
        assert not rows or [row["number"] for row in rows] == numbers
        damaged = check_files(open_storage(tmp_path)).damaged
        assert [(damage.file, damage.rows, damage.commit) for damage in damaged[1:]] == [(info.file, 3000, 1)]
        path.write_bytes(whole)


def test_shards_of_an_older_t2t_are_read_and_said_to_be_unchecked(tmp_path: Path, desk: Made) -> None:
    task = desk.one("general")
    write_run(tmp_path / "old", [*rows_of([task]), played(desk, task)])
    storage = open_storage(tmp_path / "old")
    shards = [info._replace(sums=b"") for shards in read_state(storage).shards.values() for info in shards]
    for name in storage.names("ledger/"):
        storage.delete(name)
    Ledger(storage).append(Commit(shards=shards, items=[0]))
    reading = PartialRun(str(tmp_path / "old"))
    assert list(reading.batches("episodes"))
    assert reading.notes == []
    (note,) = reading.unchecked
    assert note.startswith("2 of its 2 shards have no checksums")
    found = check_files(storage)
    assert (found.unchecked, found.damaged) == (2, [])
    Source(str(tmp_path / "old"))


# -- the ledger's end --------------------------------------------------------------------------------------------------
def test_last_commits_that_are_gone_are_missed(tmp_path: Path, desk: Made) -> None:
    task = desk.one("general")
    storage = write_run(tmp_path / "run", [*rows_of([task]), played(desk, task)])
    Ledger(storage).append(Commit(items=[7]))
    StatusFile(storage, "run-1").write("finished", commits=2)
    assert RunReader(storage).state.last == 2
    storage.delete("ledger/000000000002.mp")
    with pytest.raises(InputError, match=r"ends at commit 1, but status\.json knows of 2: the last 1 are missing"):
        Source(str(tmp_path / "run"))
    reading = PartialRun(str(tmp_path / "run"))
    assert "the last 1 are missing" in reading.notes[0]
    (damage,) = check_files(storage).damaged
    assert "the last 1 are missing" in damage.what
    repair(storage, check_files(storage), print)
    assert check_files(storage).damaged == []
    status = read_status(storage)
    assert status is not None
    assert (status["state"], status["commits"]) == ("stopped", 1)


def test_status_and_last_commits_that_are_gone_together_are_missed(tmp_path: Path, desk: Made) -> None:
    storage = write_run(tmp_path / "run", rows_of([desk.one("general")]))
    Ledger(storage).append(Commit(items=[7]))
    Ledger(storage).append(Commit(notes={"ended": "every item is done"}))
    viewed = ViewedRun(str(tmp_path / "run"), "run")
    viewed.refresh()
    assert viewed.problems == PartialRun(str(tmp_path / "run")).notes == check_files(storage).damaged == []
    storage.delete("ledger/000000000003.mp")
    viewed = ViewedRun(str(tmp_path / "run"), "run")
    viewed.refresh()
    (damage,) = check_files(storage).damaged
    for said in (PartialRun(str(tmp_path / "run")).notes[0], viewed.problems[0], damage.what):
        assert "the run was not finished, or its last commits are missing" in said
    repair(storage, check_files(storage), print)
    assert check_files(storage).damaged == []


@pytest.mark.parametrize("name", ["status.json", "run.json"])
def test_a_file_of_another_run_is_said_to_be(name: str, tmp_path: Path, desk: Made) -> None:
    storage = write_run(tmp_path / "run", rows_of([desk.one("general")]))
    StatusFile(storage, "run-1").write("finished", commits=1)
    other = create_storage(tmp_path / "other")
    StatusFile(other, "run-2").write("finished", commits=1)
    other.replace("run.json", read_manifest(storage).model_copy(update={"run_id": "run-2"}).model_dump_json().encode())
    storage.replace(name, other.read(name) or b"")
    viewed = ViewedRun(str(tmp_path / "run"), "run")
    viewed.refresh()
    for said in (PartialRun(str(tmp_path / "run")).notes[0], viewed.problems[0], check_files(storage).damaged[0].what):
        assert "one of the two files comes from elsewhere" in said
    storage.delete("status.json")
    assert [damage.file for damage in check_files(storage).damaged] == ["run.json"] * (name == "run.json")


def test_a_status_that_is_altered_is_said_to_be(tmp_path: Path, desk: Made) -> None:
    storage = write_run(tmp_path / "run", rows_of([desk.one("general")]))
    StatusFile(storage, "run-1").write("stopped", items={"done": 3, "total": 9})
    path = tmp_path / "run" / "status.json"
    path.write_text(path.read_text().replace('"stopped"', '"finished"'))
    viewed = ViewedRun(str(tmp_path / "run"), "run")
    viewed.refresh()
    for said in (PartialRun(str(tmp_path / "run")).notes[0], viewed.problems[0]):
        assert "status.json can't be read" in said
    StatusFile(storage, "run-1").write("finished")
    viewed.refresh()
    assert viewed.problems == PartialRun(str(tmp_path / "run")).notes == []


# -- JSON --------------------------------------------------------------------------------------------------------------
@given(st.data())
@settings(max_examples=200)
def test_a_flipped_bit_in_json_is_noticed_or_changes_nothing(draw: st.DataObject) -> None:
    content = {"seed": 7, "share": 0.25, "name": "retail", "config": {"agents": ["a", "b"], "none": None, "on": True}}
    data = bytearray(sealed(content))
    data[draw.draw(st.integers(0, len(data) - 1))] ^= 1 << draw.draw(st.integers(0, 7))
    try:
        found: Any = unsealed(orjson.loads(bytes(data)))
    except (AlteredContent, orjson.JSONDecodeError):
        return
    assert found == content


def test_an_altered_manifest_is_refused(tmp_path: Path, desk: Made) -> None:
    storage = write_run(tmp_path / "run", rows_of([desk.one("general")]))
    path = tmp_path / "run" / "run.json"
    text = path.read_text()
    path.write_text(text.replace('"domain_seed": 0', '"domain_seed": 1'))
    with pytest.raises(InputError, match=r"run\.json: altered: .* remove its checksum"):
        read_manifest(storage)
    assert "altered" in check_files(storage).damaged[0].what
    with pytest.raises(InputError, match="can't be repaired"):
        repair(storage, check_files(storage), print)
    path.write_text(text)
    assert check_files(storage).damaged == []


# -- all files ---------------------------------------------------------------------------------------------------------
def test_repair_drops_what_is_damaged_and_keeps_the_rest(tmp_path: Path, desk: Made) -> None:
    tasks = desk.verified()[:3]
    storage = write_run(tmp_path / "run", rows_of(tasks[:1]))
    writer = ShardWriter(storage, {"episodes": ROWS}, "w1")
    for number in (1, 2):
        writer.add("episodes", [{"number": number}])
        Ledger(storage).append(Commit(shards=writer.flush(), items=[number], notes={"ended": ""}))
    with RunLock(storage):
        pass
    ends = sorted((tmp_path / "run" / "episodes").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    flipped(ends[0], 100)
    (tmp_path / "run" / "episodes" / "part-w9-000001-aa.arrow").write_bytes(b"nobody names this")
    found = check_files(storage)
    assert [(Path(damage.file).name, damage.rows, damage.commit) for damage in found.damaged] == [(ends[0].name, 1, 2)]
    assert found.unnamed == ["episodes/part-w9-000001-aa.arrow"]
    assert repair(storage, found, print).rows == 1
    assert check_files(storage).damaged == []
    assert [row["number"] for row in RunReader(storage).rows("episodes")] == [2]
    assert list(read_state(storage).items) == [0, 2]


def test_a_flipped_bit_in_any_file_is_no_traceback(desk: Made, tmp_path: Path) -> None:
    run, chance = tmp_path / "run", random.Random(5)
    storage = write_run(run, rows_of(desk.verified()[:2]))
    StatusFile(storage, "run-1").write("finished", commits=1, items={"done": 1, "total": 1})
    with RunLock(storage):
        pass
    files = [path for path in sorted(run.rglob("*")) if path.is_file()]
    read = refused = 0
    for _ in range(100):
        path = chance.choice(files)
        whole = path.read_bytes()
        flipped(path, chance.randrange(len(whole)), chance.randrange(8))
        found = check_files(storage)
        assert {damage.file for damage in found.damaged} <= {str(path.relative_to(run))}
        try:
            read += len(Source(str(run)).tasks())
        except InputError:
            assert found.damaged
            refused += 1
        path.write_bytes(whole)
    assert read >= 40
    assert refused >= 20
