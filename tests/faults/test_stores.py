"""Runs on S3, on a store that goes away or fills up, under a clock that jumps: nothing is lost, nothing is twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from t2t_dist.core.errors import RunBusy
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from t2t_dist.storage.run_lock import RunLock
from tests.support import s3_server
from tests.support.runs import environment
from tests.support.s3_server import KEYS, S3Server
from tests.support.stores import digests, ended, started, told, until_committed

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server.running() as server:
        yield server


@pytest.fixture
def s3(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    return server


def test_a_run_on_s3_is_killed_resumed_and_read(s3: S3Server, calm: dict[str, int]) -> None:
    out = "s3://runs/e2e"
    driver = started(out)
    assert until_committed(out) < 24
    with pytest.raises(RunBusy, match="in use by process"):  # a second driver
        RunLock(open_storage(out)).acquire()
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    before = RunReader(open_storage(out), SCHEMAS).state
    assert 0 < len(before.items) < 24, "the driver was not killed in the middle"
    ended(started(out), 0)
    after = RunReader(open_storage(out), SCHEMAS).state
    assert {shard.file for shard in before.shards["tasks"]} <= {shard.file for shard in after.shards["tasks"]}
    assert digests(out) == calm
    storage = open_storage(out)
    named = {shard.file for shards in after.shards.values() for shard in shards}
    assert {name for name in storage.names() if name.endswith(".arrow")} == named
    assert '"trajectories":24' in told("report", out)
    assert '"changed":0' in told("verify", out)
    assert '"changed":0' in told("regrade", out)
    assert '"state":"finished"' in told("status", out)
    told("show", out, "-n", "1")
    for name in storage.names():
        data = storage.read(name) or b""
        assert not any(key.encode() in data for key in KEYS.values()), f"{name} holds a key"


def test_a_store_away_for_30_seconds_is_waited_for(s3: S3Server, calm: dict[str, int]) -> None:
    out = "s3://runs/away"
    driver = started(out)
    assert until_committed(out) < 24
    s3.down()
    time.sleep(30)
    assert driver.poll() is None
    s3.up()
    stderr = ended(driver, 0)
    assert f"{out} can't be reached" in stderr
    assert f"{out} is back after" in stderr
    assert digests(out) == calm


def test_a_store_away_for_too_long_ends_the_run_resumable(s3: S3Server, calm: dict[str, int]) -> None:
    out = "s3://runs/gone"
    driver = started(out, T2T_STORE_PATIENCE_S="10")
    done = until_committed(out)
    s3.down()
    stderr = ended(driver, 75)
    s3.up()
    assert "the store could not be reached for" in stderr
    assert "run the same command once it can" in stderr
    assert done <= len(RunReader(open_storage(out), SCHEMAS).state.items) < 24
    ended(started(out), 0)
    assert digests(out) == calm


#: Loaded by every Python process of the run, Ray's too: from 3 s after its start on, the wall clock jumps by a day to
#: and fro, every second.
JUMPING = """
import time
real, began = time.time, time.monotonic()
def jumping():
    passed = time.monotonic() - began
    return real() + (0 if passed < 3 else 86400 if int(passed) % 2 else -86400)
time.time = jumping
time.time_ns = lambda: int(jumping() * 1e9)
"""


def test_a_clock_that_jumps_breaks_nothing(tmp_path: Path, calm: dict[str, int]) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(JUMPING)
    path = os.pathsep.join([str(tmp_path / "site"), environment()["PYTHONPATH"]])
    probe = "import time; a = time.time(); time.sleep(4); print(abs(time.time() - a) > 80000)"
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env=environment() | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n", "the clock does not jump"
    out = str(tmp_path / "run")
    stderr = ended(started(out, PYTHONPATH=path), 0)
    assert "lost" not in stderr
    assert digests(out) == calm
    assert '"state":"finished"' in told("status", out)
