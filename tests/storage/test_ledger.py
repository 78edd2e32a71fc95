"""The ledger: replay equals a plain model, checkpoints never matter, and damage is reported exactly."""

import pickle
import tempfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.core.errors import InputError, RunBusy
from t2t_dist.storage import ledger as ledger_module
from t2t_dist.storage.item_set import ItemSet
from t2t_dist.storage.ledger import (
    Commit,
    Ledger,
    LedgerState,
    RunState,
    ShardInfo,
    advance,
    read_state,
    shards_of,
)
from t2t_dist.storage.ledger_objects import VERSIONS, put_together
from t2t_dist.storage.ledger_repair import drop_commits, entries
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.objects.opening import create_storage, open_storage

#: Commit 1 as version 1 of the format wrote it, so that a change of the format can't go unnoticed.
GOLDEN_V1 = bytes.fromhex(
    "96aa7432742d6c656467657201a6636f6d6d697401c410ac53c704bfea098dd20231bd1bc7a648c49e85a673686172647391"
    "94a8657069736f646573d920657069736f6465732f706172742d77302d3030303030312d61612e6172726f7704cd04d2a569"
    "74656d739400030401a8636f756e7465727382a6746f6b656e730ca77365636f6e6473cb3fe0000000000000a76469676573"
    "747381a8657069736f646573c41080000000000000000000000000000001a56e6f74657381a26279a86120706572736f6e"
)


def shard(number: int, table: str = "episodes") -> ShardInfo:
    return ShardInfo(table, f"{table}/part-w-{number:06d}-x.arrow", number, 1000 + number)


tables = st.sampled_from(["tasks", "episodes"])
commits = st.builds(
    Commit,
    shards=st.lists(st.builds(shard, st.integers(0, 10**6), tables), max_size=3),
    items=st.sets(st.integers(0, 60), max_size=6),
    counters=st.dictionaries(st.sampled_from("abc"), st.integers(-5, 10**9) | st.floats(-1e6, 1e6), max_size=3),
    digests=st.dictionaries(tables, st.integers(0, 2**128 - 1), max_size=2),
    notes=st.dictionaries(st.text(max_size=3), st.none() | st.text(max_size=3) | st.integers(0, 9), max_size=2),
)


class Model:
    """The law of replay, written as plainly as can be."""

    def __init__(self) -> None:
        self.state = RunState()
        self.done: set[int] = set()

    def append(self, commit: Commit) -> None:
        self.done |= set(commit.items)
        for one in commit.shards:
            self.state.shards.setdefault(one.table, []).append(one)
        for name, value in commit.counters.items():
            self.state.counters[name] = self.state.counters.get(name, 0) + value
        for table, digest in commit.digests.items():
            self.state.digests[table] = (self.state.digests.get(table, 0) + digest) % 2**128
        self.state.items = ItemSet.of(self.done)
        self.state.last += 1


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(commits, st.booleans()), max_size=12), st.integers(1, 4), st.data())
def test_replay_is_the_model_with_any_checkpoints(
    steps: list[tuple[Commit, bool]], spacing: int, order: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(ledger_module, "CHECKPOINT_EVERY", spacing)
        storage, model = create_storage(directory), Model()
        ledger = Ledger(storage)
        for commit, reopen in steps:
            if set(commit.items) & model.done:
                with pytest.raises(ValueError, match="done already"):
                    ledger.append(commit)
            else:
                model.append(commit)
                assert ledger.append(commit) == model.state.last
            if reopen:
                ledger = Ledger(storage)
            assert ledger.state == sums(model.state)
        checkpoints = [name for name in storage.names() if "checkpoint" in name]
        indexes = [name for name in storage.names() if "index" in name]
        assert len(checkpoints) <= 2
        assert bool(checkpoints) == bool(indexes) == (model.state.last >= spacing)
        assert read_state(storage) == model.state
        # They are only caches: the state is the same without some of them, in any order, and without any.
        for name in order.draw(st.permutations([*checkpoints, *indexes])):
            storage.delete(name)
            assert read_state(storage) == model.state
            assert Ledger(storage).state == sums(model.state)
            assert sorted(shards_of(storage, sums(model.state))) == sorted(chain(*model.state.shards.values()))


def sums(state: RunState) -> LedgerState:
    """What a driver keeps of it."""
    return LedgerState(state.last, state.items, state.counters, state.digests)


def test_what_a_driver_remembers_does_not_grow_with_the_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "CHECKPOINT_EVERY", 4)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    storage = create_storage(tmp_path)
    ledger = Ledger(storage)
    sizes = []
    for number in range(400):
        ledger.append(Commit(shards=[shard(number)], items=range(64 * number, 64 * number + 64), counters={"a": 1}))
        if number in (103, 399):
            sizes.append(len(pickle.dumps((ledger.state, ledger._shards, ledger._checkpoints))))
    assert sizes[1] <= sizes[0] + 16  # a few digits more
    assert [shard.file for shard in shards_of(storage, ledger.state)] == [shard(number).file for number in range(400)]
    reopened = Ledger(storage)
    assert reopened.state == ledger.state
    assert len(pickle.dumps(reopened._shards)) < 2000


def test_second_driver_is_refused(tmp_path: Path) -> None:
    storage = create_storage(tmp_path)
    first, second = Ledger(storage), Ledger(storage)
    assert second.fence("the new driver") == 1
    with pytest.raises(RunBusy, match="another driver has written this commit"):
        first.append(Commit(items=[1]))
    assert first.state == LedgerState()
    assert read_state(storage) == RunState(last=1)


def test_what_cannot_be_stored_changes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(create_storage(tmp_path))
    for bad in (Commit(items=[-1]), Commit(notes={"a": object()}), Commit(notes={"a": 2**64})):
        with pytest.raises((ValueError, TypeError, OverflowError)):
            ledger.append(bad)
    assert ledger.state == LedgerState()
    assert read_state(open_storage(tmp_path)) == RunState()


def filled(directory: Path, count: int = 6) -> tuple[Storage, Ledger]:
    storage = create_storage(directory)
    ledger = Ledger(storage)
    for number in range(1, count + 1):
        ledger.append(Commit(shards=[shard(number)], items=[10 * number], notes={"n": number}))
    return storage, ledger


def commit_name(number: int) -> str:
    return f"ledger/{number:012d}.mp"


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[:-1],
    "half": lambda data: data[: len(data) // 2],
    "longer": lambda data: data + b"\0",
    "flipped bit": lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
    "zeroed": lambda data: bytes(len(data)),
    "other file": lambda data: b"hello, this is no ledger object",
    "not a list": lambda data: msgpack.packb({"a": 1}),
    "other list": lambda data: msgpack.packb(["t2t-ledger", "1", None, [], 3, 4]),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_damaged_commit(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    storage, _ = filled(tmp_path)
    good = storage.read(commit_name(4))
    assert good is not None
    storage.replace(commit_name(4), damage(good))
    with pytest.raises(InputError) as raised:
        Ledger(storage)
    assert str(raised.value) == (
        f"{tmp_path}/{commit_name(4)}: truncated or damaged ({len(damage(good))} bytes): commit 4 is lost, and with it "
        "which shards and items it named; restore it from a copy; or `t2t verify "
        f"{tmp_path} --files --repair` drops it, and then the command that made the run makes its items again"
    )
    # The advice works.
    drop_commits(storage, [4], "damaged")
    ledger = Ledger(storage)
    assert (ledger.state.last, list(ledger.state.items)) == (6, [10, 20, 30, 50, 60])
    assert ledger.append(Commit(items=[40])) == 7


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as directory:
        storage, _ = filled(Path(directory), 1)
        good = storage.read(commit_name(1))
        assert good is not None
        where = data.draw(st.integers(0, len(good) - 1))
        byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != good[where]))
        storage.replace(commit_name(1), good[:where] + bytes([byte]) + good[where + 1 :])
        with pytest.raises(InputError, match="truncated or damaged"):
            Ledger(storage)


def test_swapped_commits(tmp_path: Path) -> None:
    storage, _ = filled(tmp_path)
    storage.replace(commit_name(3), storage.read(commit_name(5)) or b"")
    with pytest.raises(InputError, match=r"0003\.mp: holds commit 5: commit 3 is lost"):
        Ledger(storage)


def test_missing_commit(tmp_path: Path) -> None:
    storage, _ = filled(tmp_path)
    storage.delete(commit_name(2))
    storage.delete(commit_name(3))
    with pytest.raises(InputError, match=r"0002\.mp: missing.*commit 2 is lost.*verify .* --files --repair"):
        Ledger(storage)


def test_unknown_files_are_ignored(tmp_path: Path) -> None:
    storage, ledger = filled(tmp_path)
    for name in ("ledger/README", "ledger/0.mp", "ledger/old/000000000001.mp", "ledger/000000000004.mp~"):
        storage.replace(name, b"?")
    assert Ledger(storage).state == ledger.state


def sealed_as(version: int, kind: str, number: int, body: dict[str, Any]) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VERSIONS, kind, version)
        return put_together(kind, number, body)


@pytest.mark.parametrize("kind", ["commit", "checkpoint"])
def test_newer_version(tmp_path: Path, kind: str) -> None:
    storage, _ = filled(tmp_path)
    name = commit_name(7) if kind == "commit" else "ledger/checkpoint-000000000007.mp"
    storage.replace(name, sealed_as(9, kind, 7, {"all": "different"}))
    with pytest.raises(InputError, match=f"in format 9 of a {kind}, this t2t reads up to 3; use a newer t2t"):
        Ledger(storage)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_damaged_checkpoints_cost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(ledger_module, "CHECKPOINT_EVERY", 2)
    storage, ledger = filled(tmp_path, 7)
    last = [name for name in storage.names() if "checkpoint" in name]
    assert last == ["ledger/checkpoint-000000000004.mp", "ledger/checkpoint-000000000006.mp"]
    # Without the first commits the state can only come from the older checkpoint: falling back goes there first.
    kept = {number: storage.read(commit_name(number)) or b"" for number in (1, 2)}
    for number in kept:
        storage.delete(commit_name(number))
    storage.replace(last[1], damage(storage.read(last[1]) or b""))
    assert sums(read_state(storage)) == ledger.state
    for number, data in kept.items():
        storage.replace(commit_name(number), data)
    storage.replace(last[0], damage(storage.read(last[0]) or b""))
    reopened = Ledger(storage)
    assert reopened.state == ledger.state
    reopened.append(Commit(items=[1]))
    assert sums(read_state(storage)) == reopened.state


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_damaged_indexes_cost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(ledger_module, "CHECKPOINT_EVERY", 2)
    storage, ledger = filled(tmp_path, 7)
    whole = read_state(storage)
    name = "ledger/index-000000000004.mp"
    storage.replace(name, damage(storage.read(name) or b""))
    assert read_state(storage) == whole
    ledger = Ledger(storage)
    for number in range(8, 12):
        ledger.append(Commit(shards=[shard(number)], items=[10 * number]))
    assert [each.file for each in read_state(storage).shards["episodes"]] == [shard(n).file for n in range(1, 12)]


def test_a_checkpoint_of_version_1_is_read(tmp_path: Path) -> None:
    storage, _ = filled(tmp_path, 3)
    whole = read_state(storage)
    body = {
        "shards": [tuple(each) for each in whole.shards["episodes"]],
        "items": [10, 1, 9, 1, 9, 1],
        "counters": {},
        "digests": {},
    }
    storage.replace("ledger/checkpoint-000000000003.mp", sealed_as(1, "checkpoint", 3, body))
    assert read_state(storage) == whole
    assert list(Ledger(storage).state.items) == [10, 20, 30]


def test_a_run_of_version_2_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commits and checkpoints know nothing of sessions, and nothing can be taken back."""
    storage = create_storage(tmp_path)
    commit = {"shards": [tuple(shard(1))], "items": [0, 2], "counters": {"a": 1}, "digests": {}, "notes": {}}
    sums_of_it = {"whole": 0, "items": {0: (3).to_bytes(128)}, "counters": {"a": 1}, "digests": {}}
    storage.replace(commit_name(1), sealed_as(1, "commit", 1, commit))
    for known in (False, True):
        if known:
            storage.replace("ledger/checkpoint-000000000001.mp", sealed_as(2, "checkpoint", 1, sums_of_it))
        state = read_state(storage)
        assert (list(state.items), state.counters, state.shards) == ([0, 1], {"a": 1}, {"episodes": [shard(1)]})
        assert (state.failed, state.stopped, state.gone) == ([], "", set())


@given(st.sets(st.integers(1, 9)), st.integers(1, 4))
@settings(deadline=None, max_examples=30)
def test_dropped_commits_leave_the_others(dropped: set[int], spacing: int) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(ledger_module, "CHECKPOINT_EVERY", spacing)
        storage, _ = filled(Path(directory), 9)
        drop_commits(storage, sorted(dropped), "damaged")
        left = [number for number in range(1, 10) if number not in dropped]
        state = read_state(storage)
        assert [each.file for each in state.shards.get("episodes", [])] == [shard(number).file for number in left]
        assert list(state.items) == [10 * number for number in left]
        ledger = Ledger(storage)
        for number in sorted(dropped):
            ledger.append(Commit(shards=[shard(number)], items=[10 * number]))
        assert list(read_state(storage).items) == [10 * number for number in range(1, 10)]
        assert not [entry for entry in entries(storage) if entry.problem]


def test_reads_version_1_for_ever(tmp_path: Path) -> None:
    storage = create_storage(tmp_path)
    storage.replace(commit_name(1), GOLDEN_V1)
    assert read_state(storage) == RunState(
        last=1,
        items=ItemSet.of([0, 1, 2, 7]),
        shards={"episodes": [ShardInfo("episodes", "episodes/part-w0-000001-aa.arrow", 4, 1234)]},
        counters={"tokens": 12, "seconds": 0.5},
        digests={"episodes": 2**127 + 1},
    )


# -- taking back -------------------------------------------------------------------------------------------------------
def row_counter(name: str) -> bool:
    return name == "failures"


@pytest.mark.parametrize("spacing", [1, 2, 100])
def test_failures_of_the_last_session_are_taken_back(
    spacing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "CHECKPOINT_EVERY", spacing)
    storage = create_storage(tmp_path)
    ledger, followed = Ledger(storage), read_state(storage)
    ledger.fence("first")
    ledger.append(Commit([shard(1)], [0], failed=True))
    ledger.fence("second")
    ledger.append(Commit([shard(2)], [1, 2], {"failures": 2, "tokens": 7}, {"episodes": 5}, failed=True))
    ledger.append(Commit([shard(3)], [3], {"episodes": 1}, {"episodes": 11}))
    ledger.append(Commit([shard(4), shard(5, "tasks")], [4], {"failures": 1}, {"tasks": 1}, failed=True))
    ledger.append(Commit(stopped="all of it fails"))
    for state in (ledger.state, Ledger(storage).state, read_state(storage)):
        assert (state.failed, state.stopped) == ([4, 6], "all of it fails")
    advance(storage, followed)

    assert Ledger(storage).take_back(row_counter) == 3
    assert advance(storage, followed)
    for name in [*storage.names("ledger/checkpoint"), *storage.names("ledger/index"), None]:
        state = read_state(storage)
        assert state == followed
        assert list(state.items) == [0, 3]
        assert state.counters == {"failures": 0, "tokens": 7, "episodes": 1}
        assert state.digests == {"episodes": 11, "tasks": 0}
        assert [each.file for each in state.shards["episodes"]] == [shard(1).file, shard(3).file]
        assert not state.shards.get("tasks")
        assert (state.failed, state.stopped) == ([], "")
        assert list(shards_of(storage, Ledger(storage).state)) == [shard(1), shard(3)]
        if name is not None:
            storage.delete(name)
    again = Ledger(storage)
    again.append(Commit([shard(6)], [1, 2, 4]))
    assert list(read_state(storage).items) == [0, 1, 2, 3, 4]


# -- following a run ---------------------------------------------------------------------------------------------------
@given(st.lists(commits, max_size=6), st.data())
@settings(max_examples=40, deadline=None)
def test_who_follows_sees_what_who_reads_anew_sees(given: list[Commit], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage = create_storage(Path(folder, "run"))
        ledger, followed, done = Ledger(storage), read_state(storage), set[int]()
        for commit in given:
            fresh = set(commit.items) - done
            done |= fresh
            ledger.append(Commit(commit.shards, fresh, commit.counters, commit.digests))
            if data.draw(st.booleans()):
                assert advance(storage, followed)
                assert followed == read_state(storage)
        advance(storage, followed)
        assert followed == read_state(storage)
        assert not advance(storage, followed)


def test_who_follows_stops_at_a_damaged_commit(tmp_path: Path) -> None:
    storage = create_storage(tmp_path / "run")
    ledger, followed = Ledger(storage), RunState()
    for number in range(3):
        ledger.append(Commit(items=[number]))
    (tmp_path / "run" / "ledger" / "000000000002.mp").write_bytes(b"")
    with pytest.raises(InputError, match="commit 2 is lost"):
        advance(storage, followed)
    assert followed.last == 1


@pytest.mark.parametrize("count", [2**63, 2**64 - 1, 2**70, 1e30])
def test_a_sum_that_does_not_fit_stays_at_the_largest_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: float
) -> None:
    monkeypatch.setattr(ledger_module, "CHECKPOINT_EVERY", 3)
    ledger = Ledger(create_storage(str(tmp_path)))
    for _ in range(3):
        ledger.append(Commit(counters={"tokens.prompt": count, "items": 1}))
    assert ledger.state.counters == {"tokens.prompt": 2**63 - 1, "items": 3}
    assert Ledger(create_storage(str(tmp_path))).state.counters == ledger.state.counters
    assert read_state(open_storage(str(tmp_path))).counters == ledger.state.counters
