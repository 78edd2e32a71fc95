"""The lock of a run: one owner, known to be dead or alive without comparing clocks."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.core.errors import RunBusy
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.objects.local import LocalStorage
from t2t_dist.storage.objects.opening import create_storage
from t2t_dist.storage.run_lock import RunLock
from tests.support.paths import ROOT

HOLDER = """
import sys, time
from t2t_dist.storage.run_lock import RunLock
from t2t_dist.storage.objects.opening import create_storage, open_storage
from t2t_dist.storage.objects.local import LocalStorage
lock = RunLock(create_storage(sys.argv[1]), command="t2t generate --seed 7")
lock.acquire()
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return create_storage(tmp_path)


def last(storage: Storage) -> str:
    return storage.names("lock/")[-1]


def edit(storage: Storage, **changes: Any) -> None:
    """Change what the newest lock object says."""
    owner = json.loads(storage.read(last(storage)) or b"")
    storage.replace(last(storage), json.dumps(owner | changes).encode())


def quick(storage: Storage) -> RunLock:
    return RunLock(storage, stale_s=0.3, poll_s=0.02)


def test_one_owner_at_a_time(storage: Storage) -> None:
    with RunLock(storage, command="t2t generate") as lock:
        lock.beat()
        with pytest.raises(RunBusy, match=r"in use by process \d+ on .+ since 20.+ \(t2t generate\); wait for it"):
            RunLock(storage).acquire()
        lock.beat()
    with RunLock(storage) as lock:
        lock.beat()
    assert len(storage.names("lock/")) == 1


def test_owner_is_killed(storage: Storage) -> None:
    command = [sys.executable, "-c", HOLDER, storage.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunBusy, match=rf"process {process.pid} on .* \(t2t generate --seed 7\)"):
            RunLock(storage).acquire()
        process.kill()
        while storage.names("lock/") == ["lock/000000000001.json"]:  # until the kill has arrived; a zombie is dead too
            try:
                RunLock(storage, stale_s=600).acquire()
            except RunBusy:
                time.sleep(0.01)
    assert last(storage) == "lock/000000000002.json"


def test_process_number_was_given_away_again(storage: Storage) -> None:
    first = RunLock(storage)
    first.acquire()
    edit(storage, started=1.0)
    RunLock(storage, stale_s=600).acquire()
    with pytest.raises(RunBusy, match=r"no longer holds the run, process \d+ on .* took it over"):
        first.beat()
    first.release()  # does not take it from the new owner
    with pytest.raises(RunBusy, match="in use by"):
        RunLock(storage).acquire()


@pytest.mark.parametrize(
    "make_silent",
    [lambda storage: edit(storage, machine="elsewhere"), lambda storage: storage.replace(last(storage), b'{"host')],
    ids=["another machine", "unreadable"],
)
def test_silent_owner_that_nobody_can_ask_for(storage: Storage, make_silent: Callable[[Storage], None]) -> None:
    first, lines = RunLock(storage), list[str]()
    first.acquire()
    make_silent(storage)
    start = time.monotonic()
    RunLock(storage, stale_s=0.3, poll_s=0.02, notify=lines.append).acquire()
    assert time.monotonic() - start >= 0.3
    assert len(lines) == 1
    assert "watching it for up to 0 s" in lines[0]
    with pytest.raises(RunBusy, match="no longer holds"):
        first.beat()


def test_beating_owner_on_another_machine(storage: Storage) -> None:
    RunLock(storage).acquire()
    edit(storage, machine="elsewhere", host="node7")
    stop = threading.Event()

    def beat() -> None:
        beats = 0
        while not stop.wait(0.05):
            beats += 1
            edit(storage, beats=beats)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(RunBusy, match=r"on node7"):
            RunLock(storage, stale_s=30, poll_s=0.02).acquire()
    finally:
        stop.set()
        thread.join()


def test_owner_elsewhere_releases_while_it_is_watched(storage: Storage) -> None:
    RunLock(storage).acquire()
    edit(storage, machine="elsewhere")
    timer = threading.Timer(0.1, lambda: edit(storage, released=True))
    timer.start()
    RunLock(storage, stale_s=600, poll_s=0.02).acquire()
    timer.join()
    assert len(storage.names("lock/")) == 1


def test_one_of_many_contenders_takes_over(storage: Storage) -> None:
    RunLock(storage).acquire()
    edit(storage, machine="elsewhere")
    start, won, busy = threading.Barrier(8), list[RunLock](), list[str]()

    def contend() -> None:
        lock = quick(storage)
        start.wait()
        try:
            lock.acquire()
            won.append(lock)
        except RunBusy as error:
            busy.append(str(error))

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(busy)) == (1, 7)
    won[0].beat()


def test_slow_contender_withdraws(storage: Storage) -> None:
    """It decided on an owner who was replaced twice meanwhile, and whose successor's object is deleted already."""
    RunLock(storage).acquire()
    edit(storage, released=True)

    class Slow(LocalStorage):
        behind = True

        def names(self, prefix: str = "") -> list[str]:
            if not self.behind:
                return super().names(prefix)
            self.behind = False
            before = super().names(prefix)
            for _ in range(2):
                RunLock(storage).acquire()
                edit(storage, released=True)
            return before

    class SlowRead(Slow):
        def read(self, name: str) -> bytes | None:
            return super().read(name) or released

    released = storage.read(last(storage)) or b""
    with pytest.raises(RunBusy, match="in use by"):
        RunLock(SlowRead(storage.root)).acquire()
    assert storage.names("lock/") == ["lock/000000000003.json"]
