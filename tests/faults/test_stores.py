"""Runs on S3, on a store that goes away, under a clock that jumps: nothing is lost or duplicated."""

from __future__ import annotations

import json
import os
import signal
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
from tests.support.brake import Brake
from tests.support.patience import until
from tests.support.runs import environment
from tests.support.s3_server import KEYS, S3Server
from tests.support.slow_runs import (
    ITEMS,
    digests,
    ended,
    items_done,
    output_of,
    started,
    until_committed,
    until_said,
)

pytestmark = pytest.mark.ray


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with s3_server.running() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


def test_a_run_on_s3_outlives_the_store_and_its_driver(
    s3: S3Server, calm: dict[str, int], brake: Brake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where the report of a run on S3 is written
    out = "s3://runs/e2e"
    # The store is away for too long: the run ends, and can be resumed.
    driver = started(out, env={"T2T_STORE_PATIENCE_S": "5"})
    done = until_committed(out)
    s3.down()
    stderr = ended(driver, 75)
    s3.up()
    assert "the store could not be reached for" in stderr
    assert "run the same command once it can" in stderr
    assert done <= items_done(out) < ITEMS

    # It is killed in the middle.
    brake.hold(10)
    driver = started(out)
    until_committed(out, 10)
    with pytest.raises(RunBusy, match="in use by process"):  # a second driver
        RunLock(open_storage(out)).acquire()
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    before = RunReader(open_storage(out), SCHEMAS).state
    assert len(before.items) < ITEMS

    # The store is away for a while: it is waited for.
    brake.hold(14)
    driver = started(out)
    until_committed(out, 14)
    s3.down()
    until_said(driver, f"{out} can't be reached")
    assert driver.poll() is None
    s3.up()
    brake.release()
    assert f"{out} is back after" in ended(driver, 0)

    after = RunReader(open_storage(out), SCHEMAS).state
    assert {shard.file for shard in before.shards["tasks"]} <= {shard.file for shard in after.shards["tasks"]}
    assert digests(out) == calm
    assert f'"trajectories":{ITEMS}' in output_of("report", out, "--json")
    assert '"changed":0' in output_of("verify", out, "--json")
    assert '"changed":0' in output_of("regrade", out, "--json")
    assert '"state":"finished"' in output_of("status", out, "--json")
    output_of("show", out, "-n", "1")
    storage = open_storage(out)
    for name in storage.names():
        data = storage.read(name) or b""
        assert not any(key.encode() in data for key in KEYS.values()), f"{name} holds a key"


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


def test_a_clock_that_jumps_breaks_nothing(tmp_path: Path, calm: dict[str, int], brake: Brake) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(JUMPING)
    path = os.pathsep.join([str(tmp_path / "site"), environment()["PYTHONPATH"]])
    out = tmp_path / "run"
    driver = started(out, env={"PYTHONPATH": path})
    until_committed(out)
    seen = set()

    def jumped() -> bool:
        ahead = json.loads((out / "status.json").read_text())["at"] - time.time()
        seen.add(0 if abs(ahead) < 80_000 else 1 if ahead > 0 else -1)
        return {1, -1} <= seen

    until(jumped, "a driver whose clock is ahead, and then behind")
    brake.release()
    # The clock jumps in Ray's processes as well, and what its own threads say to that is not ours.
    stderr = ended(driver, 0, whose="/t2t_dist/")
    assert "lost" not in stderr
    assert digests(out) == calm
    assert '"state":"finished"' in output_of("status", out, "--json")
