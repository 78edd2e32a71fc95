"""Runs on this machine's own Ray, and whatever is killed or hangs: the same rows, and a word on what is stuck."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.support.runs import duplicates, start, t2t, t2t_json, unnamed_shards, wait_for_commits, workers_of

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

SLOW = {"domain": "tests.support.slow_domain:SlowRetail", "trajectories": 40}


def arguments(out: Path, **changes: object) -> list[object]:
    """The command line of a run on a domain slow enough to be hit in the middle."""
    settings = {"scale": 0.2, "seed": 7, **SLOW, "cluster.workers": 2, **changes}
    return [
        "generate",
        *(part for name, value in settings.items() for part in ("--set", f"{name}={value}")),
        "--out",
        out,
    ]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of an undisturbed run of the slow domain."""
    digests: dict[str, str] = t2t_json(*arguments(tmp_path_factory.mktemp("runs") / "calm"))["digest"]
    return digests


def items_done(out: Path) -> int:
    return len(RunReader(open_storage(out), SCHEMAS).state.items)


def test_sigkill_of_the_driver_loses_nothing_committed(calm: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "killed"
    driver = start(*arguments(out))
    wait_for_commits(out, 1)
    workers = workers_of(driver)
    assert workers
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    before = RunReader(open_storage(out), SCHEMAS).state
    assert 0 < len(before.items) < 40, "the driver was not killed in the middle"
    summary = t2t_json(*arguments(out))
    after = RunReader(open_storage(out), SCHEMAS).state
    assert {s.file for s in before.shards["tasks"]} <= {s.file for s in after.shards["tasks"]}
    assert summary["digest"] == calm
    assert duplicates(out) == dict.fromkeys(SCHEMAS, 0)
    assert unnamed_shards(out) == []
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == [], "a worker outlived its driver"


def test_sigkill_of_a_worker_changes_nothing(calm: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "one-killed"
    driver = start(*arguments(out), "--json")
    wait_for_commits(out, 1)
    assert 0 < items_done(out) < 40
    workers_of(driver)[0].kill()
    stdout, stderr = driver.communicate(timeout=200)
    assert driver.returncode == 0, stderr
    summary = json.loads(stdout)
    assert summary["failures"] == {}
    assert summary["digest"] == calm
    assert duplicates(out) == dict.fromkeys(SCHEMAS, 0)


def test_sigterm_drains_and_the_same_command_goes_on(calm: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "drained"
    driver = start(*arguments(out, **{"cluster.workers": 1}))  # with more, all could be in hand when the signal comes
    wait_for_commits(out, 1)
    driver.send_signal(signal.SIGTERM)
    _, stderr = driver.communicate(timeout=60)
    assert driver.returncode == 75, stderr
    assert 0 < items_done(out) < 40
    assert unnamed_shards(out) == []
    summary = t2t_json(*arguments(out))
    assert summary["digest"] == calm
    assert duplicates(out) == dict.fromkeys(SCHEMAS, 0)


def test_a_second_sigterm_gives_up_what_runs_and_still_commits(tmp_path: Path) -> None:
    out = tmp_path / "cancelled"
    driver = start(*arguments(out, domain="tests.support.slow_domain:Sleepy", **{"cluster.workers": 1}))
    wait_for_commits(out, 1)
    driver.send_signal(signal.SIGTERM)
    time.sleep(3.0)
    before = items_done(out)
    assert driver.poll() is None, "the first drains, and what runs never ends here"
    driver.send_signal(signal.SIGTERM)
    _, stderr = driver.communicate(timeout=60)
    assert driver.returncode == 75, stderr
    assert 0 < before <= items_done(out) < 40
    assert unnamed_shards(out) == []


def test_a_signal_to_the_whole_group_drains_as_well(calm: dict[str, str], tmp_path: Path) -> None:
    """Batch systems and `timeout` signal every process there is; Ray's own would die before the driver has drained."""
    out = tmp_path / "grouped"
    driver = start(*arguments(out, **{"cluster.workers": 1}), session=True)
    wait_for_commits(out, 1)
    os.killpg(driver.pid, signal.SIGTERM)
    _, stderr = driver.communicate(timeout=60)
    assert driver.returncode == 75, stderr
    assert unnamed_shards(out) == []
    assert t2t_json(*arguments(out))["digest"] == calm


def test_an_item_that_kills_every_worker_is_set_aside(tmp_path: Path) -> None:
    out = tmp_path / "poisoned"
    deadly = {"domain": "tests.support.slow_domain:Killer", "trajectories": 12, "until": "convert"}
    summary = t2t_json(*arguments(out, **deadly))
    assert summary["failures"] == {"poisoned": 1}
    assert summary["trajectories"] == 11
    rows = list(RunReader(open_storage(out), SCHEMAS).rows("failures"))
    assert rows[0]["failure"] == "poisoned"
    assert "lost its worker" in rows[0]["message"]


def test_status_tells_the_slowest_episodes_and_where_they_stand(tmp_path: Path) -> None:
    out = tmp_path / "stuck"
    driver = start(*arguments(out, domain="tests.support.slow_domain:Sleepy"))
    try:
        wait_for_commits(out, 1)
        deadline = time.monotonic() + 60
        while not (found := t2t_json("status", out))["slowest"] and time.monotonic() < deadline:
            time.sleep(0.5)
        slowest = found["slowest"][0]
        assert slowest["agent"] == "scripted:oracle"
        assert slowest["age_s"] > 0
        assert set(slowest["split_s"]) == {"queue", "model", "user", "tool", "waiting"}
        assert found["yields"]["accepted_per_1000_episodes"] > 0
        told = t2t("status", out, "--stacks")
        assert told.returncode == 0, told.stderr
        assert "alive longest" in told.stdout
        assert "execute_async" in told.stdout, told.stdout  # the call that never comes back
        assert f"episode {slowest['episode']}" in told.stdout
    finally:
        driver.kill()
        driver.communicate()


def test_an_item_that_meets_a_defect_is_set_aside(tmp_path: Path) -> None:
    out = tmp_path / "broken"
    broken = {"domain": "tests.support.slow_domain:Broken", "trajectories": 12, "until": "convert"}
    summary = t2t_json(*arguments(out, **broken))
    assert summary["failures"] == {"defect": 1}
    assert summary["trajectories"] == 11
    (row,) = RunReader(open_storage(out), SCHEMAS).rows("failures")
    assert "was set aside: RuntimeError: deliberately broken, in profile (slow_domain.py:" in row["message"]
    assert "\n" not in row["message"]
    # The same command finds nothing left to do.
    assert t2t_json(*arguments(out, **broken))["digest"] == summary["digest"]


def test_a_run_in_which_everything_is_broken_ends(tmp_path: Path) -> None:
    hopeless = {"domain": "tests.support.slow_domain:Hopeless", "until": "convert", "cluster.workers": 1}
    done = t2t(*arguments(tmp_path / "hopeless", **hopeless))
    assert done.returncode == 2
    assert "3 items in a row broke, the last one so: RuntimeError: deliberately broken" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    done = t2t(*arguments(tmp_path / "stillborn", domain="tests.support.slow_domain:Stillborn"))
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert "Stillborn' broke: RuntimeError: deliberately broken, in profile (slow_domain.py:" in said
    assert "t2t check-domain" in said
    assert "Traceback" not in done.stderr
