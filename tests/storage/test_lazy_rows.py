"""Rows of a run as objects that are read when asked for."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.storage import lazy_rows as stored
from t2t_dist.storage.shard import Shard
from t2t_dist.storage.source_run import Source
from tests.support.finished_run import rows_of, write_run
from tests.support.made import Made
from tests.support.patience import PATIENCE_S


@pytest.fixture
def run(desk: Made, tmp_path: Path) -> Path:
    write_run(tmp_path / "run", rows_of([*reversed(desk.tasks)]))
    return tmp_path / "run"


def test_they_are_the_objects_in_any_order_and_from_any_thread(run: Path, desk: Made) -> None:
    tasks, wanted = Source(str(run)).verified_tasks(), desk.verified()
    numbers = [*range(len(wanted))] * 3
    random.Random(7).shuffle(numbers)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(tasks.__getitem__, numbers)) == [wanted[number] for number in numbers]
    assert tasks[-1] == wanted[-1]
    assert list(tasks[2:9:3]) == wanted[2:9:3]
    with pytest.raises(IndexError):
        tasks[len(wanted)]


def test_only_so_many_are_kept(run: Path, desk: Made) -> None:
    tasks = Source(str(run)).verified_tasks()
    assert len(tasks) > stored._OBJECTS
    assert tasks.cached(0) is None
    first = tasks[0]
    assert tasks.cached(0) is tasks[0] is first
    for number in range(len(tasks)):
        tasks[number]
    assert tasks[0] is first, "what somebody uses is there once"
    again = first.model_copy()
    del first
    for number in range(1, len(tasks)):
        tasks[number]
    gc.collect()
    assert sum(tasks.cached(number) is not None for number in range(len(tasks))) == stored._OBJECTS
    assert tasks.cached(0) is None
    assert tasks[0] == again


async def test_a_loop_is_not_held_up_by_a_slow_read(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = Source(str(run)).verified_tasks()
    near, far, reading, stuck = tasks[0], len(tasks) - 1, Shard.batch, threading.Event()

    def batch(self: Shard, *arguments: Any) -> pa.RecordBatch:
        assert stuck.wait(PATIENCE_S)
        return reading(self, *arguments)

    monkeypatch.setattr(Shard, "batch", batch)
    monkeypatch.setattr(stored, "_BATCHES", 0)
    tasks._batches._kept.clear()
    slow = asyncio.create_task(asyncio.to_thread(lambda: tasks[far]))
    await asyncio.sleep(0.1)
    assert tasks.cached(0) is near
    assert tasks.cached(far) is None
    assert not slow.done()
    stuck.set()
    assert (await slow).verdict == "verified"


def test_a_store_out_of_reach_is_asked_again_and_an_absent_shard_is_not(
    run: Path, desk: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = Source(str(run)).verified_tasks()
    reading, failures = Shard.batch, [OSError("connection reset"), OSError("connection reset")]

    def batch(self: Shard, *arguments: Any) -> pa.RecordBatch:
        if failures:
            raise InputError("out of reach") from failures.pop()
        return reading(self, *arguments)

    monkeypatch.setattr(Shard, "batch", batch)
    assert tasks[0] == desk.verified()[0]
    failures += [OSError("connection reset")] * 3
    other = Source(str(run)).verified_tasks()
    with pytest.raises(InputError, match="out of reach"):
        other[0]
    monkeypatch.undo()
    for path in (run / "tasks").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"tasks/part-.*missing; .*rows of table tasks are lost with it; restore"):
        other[0]


def test_altered_bytes_are_reported_before_they_are_followed(run: Path) -> None:
    (path,) = (run / "tasks").iterdir()
    whole, chance = path.read_bytes(), random.Random(3)
    messages: list[str] = []
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(40):
            data[chance.randrange(8, len(data))] = chance.randrange(256)
        path.write_bytes(data)
        try:
            for task in Source(str(run)).verified_tasks():
                assert task.verdict == "verified"
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > 20
    assert not [line for line in messages if "\n" in line]
