"""Runs on a Ray of several nodes: spread over them, with the same rows whatever happens to the nodes.

One cluster serves all tests, and its head is killed by the last. It has two nodes with room for one worker each; the
third of a test is there to fail or to leave.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.cluster.launch import run
from t2t_dist.config.loading import load_config
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.faults.cluster import Nodes, workers_on
from tests.support.brake import Brake
from tests.support.patience import until
from tests.support.runs import start, unnamed_shards
from tests.support.slow_runs import (
    ITEMS,
    digests,
    ended,
    items_done,
    resume,
    started,
    until_committed,
    until_items,
)

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def nodes(brake_folder: Path) -> Iterator[Nodes]:
    found = Nodes(1, 1)
    yield found
    found.stop()


def on(nodes: Nodes, **more: object) -> dict[str, object]:
    return {"cluster.address": nodes.address, **more}


def status(out: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((out / "status.json").read_text())
    except FileNotFoundError:
        return {"workers": {}, "items": {"workers_lost": 0}}
    return found


def nodes_at_work(out: Path) -> set[str]:
    return {worker["node"] for worker in status(out)["workers"].values()}


def lost(out: Path) -> int:
    """Workers lost so far."""
    return int(status(out)["items"]["workers_lost"])


def whole(out: Path, driver: subprocess.Popen[str], calm: dict[str, int]) -> None:
    """The run ends well: every row is there once, and they are the same as without a disturbance."""
    ended(driver, 0)
    assert digests(out) == calm
    assert not list(RunReader(open_storage(out), SCHEMAS).rows("failures"))


def test_workers_are_spread_and_join_as_nodes_appear(
    nodes: Nodes, calm: dict[str, int], brake: Brake, tmp_path: Path
) -> None:
    out = tmp_path / "spread"
    driver = started(out, **on(nodes))
    until(lambda: nodes_at_work(out) == {node.node_id for node in nodes.nodes}, "a worker on each node")
    assert [len(workers_on(node)) for node in nodes.nodes] == [1, 1]
    extra = nodes.add(1)
    try:
        until(lambda: extra.node_id in nodes_at_work(out), "a worker on the new node")
        brake.release()
        whole(out, driver, calm)
        until(lambda: not any(map(workers_on, [*nodes.nodes, extra])), "the end of the workers", 60)
    finally:
        nodes.kill(extra)


def test_a_node_is_killed_and_a_worker_hangs(nodes: Nodes, calm: dict[str, int], brake: Brake, tmp_path: Path) -> None:
    """Nothing changes: their items go to other workers, at once and when the leases end."""
    out = tmp_path / "killed"
    extra = nodes.add(1)
    driver = started(out, **on(nodes, **{"cluster.lease_s": 10}))
    until_committed(out)
    until(lambda: extra.node_id in nodes_at_work(out), "work on the node that is to be killed")
    nodes.kill(extra)
    until(lambda: lost(out) == 1, "the loss of its worker")
    (hung,) = workers_on(nodes.nodes[0])
    hung.suspend()
    until(lambda: lost(out) == 2, "the loss of the worker that hangs")
    until(lambda: not hung.is_running(), "its end", 60)
    assert items_done(out) < ITEMS
    brake.release()
    whole(out, driver, calm)


def test_a_node_that_drains_gives_its_work_back(
    nodes: Nodes, calm: dict[str, int], brake: Brake, tmp_path: Path
) -> None:
    out = tmp_path / "drained"
    extra = nodes.add(1)
    driver = started(out, **on(nodes))
    until(lambda: extra.node_id in nodes_at_work(out), "work on the node that will drain")
    (leaving,) = workers_on(extra)
    nodes.drain(extra, 180)
    brake.release_process(leaving.pid)  # it finishes what it has, and is given nothing more
    until(lambda: not leaving.is_running(), "the worker's leave", 150)
    assert items_done(out) < ITEMS
    brake.release()
    whole(out, driver, calm)
    nodes.kill(extra)
    assert lost(out) == 0


def test_sigkill_of_the_driver_leaves_no_worker(
    nodes: Nodes, calm: dict[str, int], brake: Brake, tmp_path: Path
) -> None:
    out = tmp_path / "no-driver"
    driver = started(out, **on(nodes))
    until_committed(out)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    until(lambda: not any(map(workers_on, nodes.nodes)), "the end of the workers", 60)
    assert 0 < items_done(out) < ITEMS
    brake.release()
    resume(out)
    assert digests(out) == calm


def played(out: str) -> list[tuple[object, ...]]:
    """Every episode and how it ended."""
    columns = ["task_id", "trial", "seed", "reward", "termination"]
    rows = RunReader(open_storage(out), SCHEMAS).rows("episodes", columns=columns)
    return [tuple(row[column] for column in columns) for row in rows]


# 10,000 episodes are half a minute of two idle cores.
def test_sigkill_of_a_node_in_ten_thousand_episodes(nodes: Nodes, local_ray: None, tmp_path: Path) -> None:
    """No episode is lost, none is there twice, and they end as they do where only some are run, undisturbed."""
    tasks, out = str(tmp_path / "tasks"), str(tmp_path / "run")
    library = {"domain": "tests.support.library_domain:Library"}
    made = run("generate", load_config(None, {**library, "trajectories": 40, "until": "convert"}), tasks)
    count = int(sum(number for name, number in made.state.counters.items() if name.startswith("tasks.")))
    trials = -(-10_000 // count)
    few = {**library, "source": tasks, "trials": 2, "verify.reference_trials": 0}
    run("evaluate", load_config(None, few), str(tmp_path / "few"))
    extra = nodes.add(1)
    on_nodes = ["--set", f"cluster.address={nodes.address}"]
    driver = start("evaluate", tasks, "--trials", trials, *on_nodes, "--out", out, "--json")
    until_items(out, 1_000)
    assert workers_on(extra), "no worker on the node that is to be killed"
    nodes.kill(extra)
    assert items_done(out) < count * trials
    stdout, stderr = driver.communicate()
    assert driver.returncode == 0, stderr
    summary = json.loads(stdout.splitlines()[-1])
    assert summary["failures"] == {}
    assert summary["episodes"] == count * trials >= 10_000
    rows = list(RunReader(open_storage(out), SCHEMAS).rows("episodes", columns=["episode_id", "task_id", "trial"]))
    assert len(rows) == len({row["episode_id"] for row in rows}) == summary["episodes"]
    assert len({(row["task_id"], row["trial"]) for row in rows}) == summary["episodes"]
    undisturbed = played(str(tmp_path / "few"))
    assert len(undisturbed) == 2 * count
    assert set(undisturbed) == {row for row in played(out) if row[1] in (0, 1)}
    assert lost(Path(out)) >= 1
    assert unnamed_shards(out) == []


def test_a_cluster_without_room_is_reported_in_one_line(nodes: Nodes, tmp_path: Path) -> None:
    few = {"cluster.worker_cpus": 64, "cluster.wait_s": 3}
    stderr = ended(started(tmp_path / "wide", **on(nodes, **few)), 2)
    (line,) = [line for line in stderr.splitlines() if "error:" in line]
    assert "no node had room for a worker of 64 CPUs" in line
    assert "cluster.worker_cpus" in line


def test_a_run_whose_head_is_killed_can_be_resumed_elsewhere(
    nodes: Nodes, calm: dict[str, int], brake: Brake, tmp_path: Path
) -> None:
    """Ray gives a head a minute to come back before it ends the driver; here less."""
    out = tmp_path / "headless"
    driver = started(out, env={"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}, **on(nodes))
    until_committed(out)
    nodes.kill_head()
    stderr = ended(driver, 75)
    assert "the same command resumes it" in " ".join(stderr.split())
    assert 0 < items_done(out) < ITEMS
    brake.release()
    resume(out)
    assert digests(out) == calm
