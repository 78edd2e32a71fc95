"""Repair of a ledger: what caches hold is restored, what goes together is dropped together, wherever it is killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.storage import ledger as ledger_module
from t2t_dist.storage.file_check import check_files, repair
from t2t_dist.storage.ledger import Commit, Ledger, RunState, read_state
from t2t_dist.storage.ledger_repair import entries
from t2t_dist.storage.manifest import read_manifest
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.objects.local import LocalStorage
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.run_lock import RunLock
from t2t_dist.storage.status import StatusFile, read_status
from t2t_dist.storage.writer import ShardWriter, clean
from tests.support.finished_run import rows_of, write_run
from tests.support.made import Made

ROWS = pa.schema([("number", pa.int64())])
#: Commits between two checkpoints: none in so short a run, or some.
SPACINGS = (100, 3)


def took_failures_back(folder: Path, made: Made) -> Storage:
    """Commits: 1 tasks, 2 and 3 failures, 4 takes them back, 5 item 2 again, 6 a failure that stays, 7 the end."""
    storage = write_run(folder, rows_of(made.verified()[:1]))
    writer = ShardWriter(storage, {"episodes": ROWS}, "w1")

    def commit(number: int, failed: bool) -> None:
        writer.add("episodes", [{"number": number}])
        counters = {"failures.x" if failed else "episodes.rollout": 1}
        Ledger(storage).append(Commit(writer.flush(), [number], counters, {"episodes": number}, failed=failed))

    commit(1, failed=True)
    commit(2, failed=True)
    assert Ledger(storage).take_back(lambda name: True) == 2
    clean(storage, Ledger(storage).state)
    commit(2, failed=False)
    commit(3, failed=True)
    Ledger(storage).append(Commit(notes={"ended": "every item is done"}))
    StatusFile(storage, "run-1").write("finished", commits=7)
    with RunLock(storage):
        pass
    assert check_files(storage).damaged == []
    return storage


def name_of(number: int) -> str:
    return f"ledger/{number:012d}.mp"


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def damaged(run: Path, *commits: int, shards: tuple[int, ...] = (), missing: int = 0) -> None:
    """Damage these commits, the shards of those, and remove one."""
    of = {number: [info.file for info in infos] for number, infos in shards_by_commit(run).items()}
    for number in commits:
        flipped(run / name_of(number))
    for file in (file for number in shards for file in of[number]):
        flipped(run / file)
    if missing:
        (run / name_of(missing)).unlink()


def shards_by_commit(run: Path) -> dict[int, Any]:
    return {entry.number: entry.shards for entry in entries(open_storage(run)) if entry.kind == "commit"}


DAMAGE: dict[str, Callable[[Path], None]] = {
    **{f"commit {number}": lambda run, number=number: damaged(run, number) for number in range(1, 8)},  # type: ignore[misc]
    "both failures": lambda run: damaged(run, 2, 3),
    "a failure and what takes it back": lambda run: damaged(run, 2, 4),
    "all of a group": lambda run: damaged(run, 2, 3, 4),
    "early and late": lambda run: damaged(run, 1, 6),
    "a shard": lambda run: damaged(run, shards=(5,)),
    "a commit and its shard": lambda run: damaged(run, 5, shards=(5,)),
    "a failure and a shard": lambda run: damaged(run, 3, shards=(1, 5)),
    "what takes back, and the end": lambda run: damaged(run, 4, missing=7),
    "a commit that is gone": lambda run: damaged(run, missing=3),
    "a status": lambda run: damaged(run, 4) or flipped(run / "status.json"),
}


class Killed(BaseException):
    """The repair's process is gone."""


def repaired(storage: Storage, steps: int | None = None) -> bool:
    """Repair; True if it was killed after this many writes."""
    done = count()

    def until_killed(write: Any) -> Any:
        def written(*arguments: Any, **options: Any) -> Any:
            if steps is not None and next(done) >= steps:
                raise Killed
            return write(*arguments, **options)

        return written

    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "delete", "put_if_absent"):
            patch.setattr(LocalStorage, name, until_killed(getattr(LocalStorage, name)))
        try:
            repair(storage, check_files(storage), print)
        except Killed:
            shutil.rmtree(Path(storage.root, "lock"))  # of a process that is gone
            return True
    return False


def seen(storage: Storage) -> tuple[Any, ...]:
    """All that a reader sees; items are done once, and nothing is counted negative."""
    reader = RunReader(storage)
    rows = [row["number"] for row in reader.rows("episodes")]
    state: RunState = reader.state
    assert len(set(rows)) == len(rows)
    assert set(rows) <= set(state.items)
    assert min(state.counters.values(), default=0) >= 0
    assert state.counters.get("failures.x", 0) + state.counters.get("episodes.rollout", 0) == len(rows)
    assert state.digests.get("episodes", 0) == sum(rows)
    return state.last, list(state.items), state.counters, state.digests, rows, state.failed


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_repair_that_is_killed_at_any_step_is_completed_by_the_next(
    kind: str, spacing: int, tmp_path: Path, desk: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "CHECKPOINT_EVERY", spacing)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    whole = seen(took_failures_back(tmp_path / "run", desk))
    DAMAGE[kind](tmp_path / "run")
    once = open_storage(shutil.copytree(tmp_path / "run", tmp_path / "once"))
    assert not repaired(once)
    right = seen(once)
    assert check_files(once).damaged == []
    if right != whole:  # something was dropped: nobody takes the run for a finished one
        assert (read_status(once) or {})["state"] == "stopped"
    for steps in count():
        folder = shutil.copytree(tmp_path / "run", tmp_path / f"killed-{steps}")
        killed = repaired(open_storage(folder), steps)
        run = open_storage(folder)
        try:
            seen(run)
        except InputError:
            pass  # a reader that refuses is right as well
        assert not repaired(run)
        assert seen(run) == right, steps
        assert check_files(run).damaged == [], steps
        if not killed:
            break
    assert steps >= 3


@pytest.mark.parametrize("number", range(1, 8))
def test_a_commit_that_caches_cover_costs_nothing(
    number: int, tmp_path: Path, desk: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "CHECKPOINT_EVERY", 7)
    storage = took_failures_back(tmp_path / "run", desk)
    whole = read_state(storage)
    flipped(tmp_path / "run" / name_of(number))
    (damage,) = check_files(storage).damaged
    assert "a repair restores it" in damage.what
    plan = repair(storage, check_files(storage), print)
    assert (plan.rows, plan.dropped, len(plan.restored)) == (0, [], 1)
    assert check_files(storage).damaged == []
    for folder in ("checkpoint-", "index-"):
        storage.delete(f"ledger/{folder}000000000007.mp")
    assert read_state(storage) == whole


def test_what_would_not_be_made_again_is_not_dropped_unasked(tmp_path: Path, desk: Made) -> None:
    storage = took_failures_back(tmp_path / "run", desk)
    manifest = read_manifest(storage)
    manifest.code = "0.0.9+older"
    storage.replace("run.json", manifest.model_dump_json().encode())
    DAMAGE["a shard"](tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.*") if path.parent.name != "lock"}
    with pytest.raises(InputError, match=r"made by other code \(0\.0\.9\+older; .*nothing was dropped.*--for-good"):
        repair(storage, check_files(storage), print)
    assert before == {path: path.read_bytes() for path in before}
    assert repair(storage, check_files(storage), print, for_good=True).rows == 1
    assert (read_status(storage) or {})["why"] == "a repair dropped 1 rows for good"
