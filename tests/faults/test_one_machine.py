"""Runs on this machine's own Ray: whatever is killed or hangs, the rows are the same, and what hangs is reported."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import psutil
import pytest

from t2t_dist.cluster.launch import Result, run
from t2t_dist.config.loading import load_config
from t2t_dist.core.errors import InputError
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.support.brake import Brake
from tests.support.patience import PATIENCE_S, until
from tests.support.runs import t2t, t2t_json, unnamed_shards, workers_of
from tests.support.slow_runs import (
    ITEMS,
    SETTINGS,
    arguments,
    digests,
    ended,
    items_done,
    output_of,
    resume,
    started,
    until_committed,
)

pytestmark = pytest.mark.ray


# -- signals and kills, each on a Ray of the run's own -----------------------------------------------------------------
def test_sigkill_of_a_worker_and_then_of_the_driver(calm: dict[str, int], brake: Brake, tmp_path: Path) -> None:
    """Another worker takes over; what is committed outlives the driver, and no worker does."""
    out = tmp_path / "killed"
    driver = started(out)
    until_committed(out)
    (killed,) = workers_of(driver)
    killed.kill()
    (worker,) = until(lambda: [p for p in workers_of(driver) if p.pid != killed.pid], "another worker")
    brake.hold(8)
    until_committed(out, 8)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    before = RunReader(open_storage(out), SCHEMAS).state
    assert len(before.items) < ITEMS
    _, alive = psutil.wait_procs([worker], timeout=PATIENCE_S)
    assert alive == [], "a worker outlived its driver"
    brake.release()
    summary = t2t_json(*arguments(out))
    assert summary["failures"] == {}
    assert digests(out) == calm
    after = RunReader(open_storage(out), SCHEMAS).state
    assert {shard.file for shard in before.shards["tasks"]} <= {shard.file for shard in after.shards["tasks"]}


@pytest.mark.parametrize(
    ("number", "whole_group"), [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGHUP, True)]
)
def test_a_signal_drains_and_the_same_command_resumes(
    number: int, whole_group: bool, calm: dict[str, int], brake: Brake, tmp_path: Path
) -> None:
    """Batch systems and `timeout` signal every process there is, and so does a terminal that is closed, which takes no
    more output either; Ray's own would die before the driver has drained."""
    out = tmp_path / "drained"
    driver = started(out, session=whole_group)
    done = until_committed(out)
    if number == signal.SIGHUP:
        assert driver.stderr is not None
        driver.stderr.close()
    (os.killpg if whole_group else os.kill)(driver.pid, number)
    brake.release()
    ended(driver, 75)
    assert done < items_done(out) < ITEMS, "what was in hand is finished, and nothing else is begun"
    assert unnamed_shards(out) == []
    resume(out)
    assert digests(out) == calm


def test_what_hangs_is_reported_and_given_up_at_the_second_sigterm(brake: Brake, tmp_path: Path) -> None:
    out = tmp_path / "stuck"
    driver = started(out)
    until_committed(out)
    found = until(
        lambda: s if (s := json.loads(output_of("status", out, "--json")))["slowest"] else None, "a slow episode"
    )
    slowest = found["slowest"][0]
    assert slowest["agent"] == "scripted:oracle"
    assert slowest["age_s"] > 0
    assert set(slowest["split_s"]) == {"queue", "model", "user", "tool", "waiting"}
    assert found["yields"]["accepted_per_1000_episodes"] > 0
    shown = output_of("status", out, "--stacks")
    assert "alive longest" in shown
    assert "execute_async" in shown, shown  # the call that does not come back
    assert f"episode {slowest['episode']}" in shown

    driver.send_signal(signal.SIGTERM)
    time.sleep(2)  # what comes at once is one signal
    before = items_done(out)
    assert driver.poll() is None, "the first drains, and what runs never ends here"
    driver.send_signal(signal.SIGTERM)
    ended(driver, 75)
    assert 0 < before <= items_done(out) < ITEMS
    assert unnamed_shards(out) == []


# -- items that are broken, on a Ray that is there ---------------------------------------------------------------------
def disposed(domain: str, out: Path) -> Result:
    """A run on a domain that has a disposition."""
    few = {**SETTINGS, "domain": f"tests.support.slow_domain:{domain}", "trajectories": 12, "until": "convert"}
    return run("generate", load_config(None, {**few, "cluster.workers": 1}), str(out))


def failure(out: Path) -> dict[str, object]:
    """The only one; the other items gave their rows."""
    reader = RunReader(open_storage(out), SCHEMAS)
    assert len(list(reader.rows("trajectories", columns=["index"]))) == 11
    (row,) = reader.rows("failures")
    return row


def test_an_item_that_kills_every_worker_is_set_aside(local_ray: None, tmp_path: Path) -> None:
    disposed("Killer", tmp_path / "poisoned")
    row = failure(tmp_path / "poisoned")
    assert row["failure"] == "poisoned"
    assert "lost its worker" in str(row["message"])


def test_an_item_that_meets_a_defect_is_set_aside(local_ray: None, tmp_path: Path) -> None:
    result = disposed("Broken", tmp_path / "broken")
    row = failure(tmp_path / "broken")
    assert row["failure"] == "defect"
    message = str(row["message"])
    assert "was set aside: RuntimeError: deliberately broken, in profile (slow_domain.py:" in message
    assert "\n" not in message
    # The same run finds nothing left to do.
    assert disposed("Broken", tmp_path / "broken").state.digests == result.state.digests


def test_a_run_in_which_everything_is_broken_ends(local_ray: None, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 items in a row broke, the last one so: RuntimeError: deliberately broken"):
        disposed("Hopeless", tmp_path / "hopeless")
    done = t2t(*arguments(tmp_path / "stillborn", domain="tests.support.slow_domain:Stillborn"))
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert re.search(r"Stillborn': \S*slow_domain.py:\d+: RuntimeError: deliberately broken", said)
    assert "t2t check-domain" in said
    assert "Traceback" not in done.stderr
