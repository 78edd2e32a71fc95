"""Runs on a Ray of several nodes: spread over them, and whatever becomes of them, the same rows."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.faults.cluster import Nodes, until, workers_on
from tests.support.runs import duplicates, start, t2t, t2t_json, unnamed_shards, wait_for_commits

pytestmark = pytest.mark.timeout(400)

ITEMS = 120


def job(out: Path, nodes: Nodes | None, **changes: object) -> list[object]:
    """A run of a slow domain, some twenty seconds long on four workers."""
    settings: dict[str, object] = {"domain": "tests.support.slow_domain:SlowRetail", "trajectories": ITEMS}
    settings |= {"scale": 0.2, "seed": 7, "until": "convert", **changes}
    if nodes is not None:
        settings["cluster.address"] = nodes.address
    return ["generate", *(f"--set={name}={value}" for name, value in settings.items()), "--out", out]


def items_done(out: Path) -> int:
    return len(RunReader(open_storage(out), SCHEMAS).state.items)


def status(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "status.json").read_text())
    return found


def nodes_at_work(out: Path) -> set[str]:
    try:
        return {worker["node"] for worker in status(out)["workers"].values()}
    except (FileNotFoundError, KeyError):
        return set()


def episodes_done(out: Path) -> int:
    """So far, by the run's status."""
    try:
        return int(status(out)["counts"].get("episodes.rollout", 0))
    except (FileNotFoundError, KeyError, json.JSONDecodeError):
        return 0


def end_of(driver: subprocess.Popen[str]) -> dict[str, Any]:
    """The summary of a run that has to end well."""
    stdout, stderr = driver.communicate(timeout=300)
    assert driver.returncode == 0, stderr
    summary: dict[str, Any] = json.loads(stdout.splitlines()[-1])
    return summary


def whole(out: Path, summary: dict[str, Any], digests: dict[str, str]) -> None:
    """Every row once, and the same ones as without a disturbance."""
    assert summary["failures"] == {}
    assert summary["digest"] == digests
    assert duplicates(out) == dict.fromkeys(SCHEMAS, 0)
    assert unnamed_shards(out) == []


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the run on one machine, undisturbed."""
    digests: dict[str, str] = t2t_json(*job(tmp_path_factory.mktemp("runs") / "calm", None))["digest"]
    return digests


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    found = Nodes(2, 2)
    yield found
    found.stop()


def test_workers_are_spread_and_the_rows_are_those_of_one_machine(
    nodes: Nodes, calm: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "spread"
    driver = start(*job(out, nodes), "--json")
    until(lambda: len(workers_on(nodes.nodes[0])) == len(workers_on(nodes.nodes[1])) == 2, "two workers on each node")
    whole(out, end_of(driver), calm)
    assert nodes_at_work(out) <= {node.node_id for node in nodes.nodes}
    until(lambda: not any(map(workers_on, nodes.nodes)), "the end of the workers", 20)


def test_sigkill_of_a_node_changes_nothing(nodes: Nodes, calm: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "killed"
    extra = nodes.add(2)
    driver = start(*job(out, nodes), "--json")
    wait_for_commits(out, 1)
    assert workers_on(extra), "no worker on the node that is to be killed"
    nodes.kill(extra)
    assert items_done(out) < ITEMS
    whole(out, end_of(driver), calm)
    assert status(out)["items"]["workers_lost"] >= 1


def test_sigkill_of_a_node_in_ten_thousand_episodes(nodes: Nodes, tmp_path: Path) -> None:
    """No episode is lost, and none is there twice."""
    domain = ["--domain", "tests.support.library_domain:Library"]
    made = t2t_json("generate", *domain, "--trajectories", 40, "--until", "convert", "--out", tmp_path / "tasks")
    tasks = sum(made["tasks"].values())
    trials = -(-10_000 // tasks)
    flags = ["evaluate", tmp_path / "tasks", "--trials", trials, "--set", f"cluster.address={nodes.address}"]
    undisturbed = end_of(start(*flags, "--out", tmp_path / "calm", "--json"))
    extra, out = nodes.add(2), tmp_path / "run"
    driver = start(*flags, "--out", out, "--json")
    until(lambda: episodes_done(out) >= 2_000, "2,000 episodes")
    assert workers_on(extra), "no worker on the node that is to be killed"
    nodes.kill(extra)
    assert episodes_done(out) < 9_000
    summary = end_of(driver)
    assert summary["failures"] == {}
    assert summary["digest"] == undisturbed["digest"]
    assert summary["episodes"] == tasks * trials >= 10_000
    rows = list(RunReader(open_storage(out), SCHEMAS).rows("episodes", columns=["episode_id", "task_id", "trial"]))
    assert len(rows) == len({row["episode_id"] for row in rows}) == tasks * trials
    assert len({(row["task_id"], row["trial"]) for row in rows}) == tasks * trials
    assert status(out)["items"]["workers_lost"] >= 1
    assert unnamed_shards(out) == []


def test_workers_join_as_nodes_appear(nodes: Nodes, calm: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "grown"
    driver = start(*job(out, nodes), "--json")
    wait_for_commits(out, 1)
    extra = nodes.add(1)
    try:
        until(lambda: extra.node_id in nodes_at_work(out), "a worker on the new node")
        whole(out, end_of(driver), calm)
    finally:
        nodes.kill(extra)


def test_a_node_that_drains_gives_its_work_back(nodes: Nodes, calm: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "drained"
    extra = nodes.add(2)
    driver = start(*job(out, nodes), "--json")
    # As early as there is something to be given back: leaving takes a while, and the run has to outlast it.
    until(lambda: extra.node_id in nodes_at_work(out), "work on the node that will drain")
    leaving = workers_on(extra)
    assert leaving
    nodes.drain(extra, 60)
    until(lambda: not any(process.is_running() for process in leaving), "the workers' leave", 40)
    assert items_done(out) < ITEMS
    summary = end_of(driver)
    nodes.kill(extra)
    whole(out, summary, calm)
    assert status(out)["items"]["workers_lost"] == 0


def test_a_worker_that_hangs_loses_its_leases(nodes: Nodes, calm: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "hung"
    driver = start(*job(out, nodes, **{"cluster.lease_s": 8}), "--json")
    wait_for_commits(out, 1)
    hung = workers_on(nodes.nodes[0])[0]
    hung.suspend()
    whole(out, end_of(driver), calm)
    assert status(out)["items"]["workers_lost"] >= 1
    until(lambda: not hung.is_running(), "the end of the worker that hung", 30)


def test_sigkill_of_the_driver_leaves_no_worker(nodes: Nodes, calm: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "no-driver"
    driver = start(*job(out, nodes))
    wait_for_commits(out, 1)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    assert 0 < items_done(out) < ITEMS
    until(lambda: not any(map(workers_on, nodes.nodes)), "the end of the workers", 30)
    whole(out, t2t_json(*job(out, nodes)), calm)


def test_a_cluster_without_room_is_told_in_one_line(nodes: Nodes, tmp_path: Path) -> None:
    few = {"cluster.worker_cpus": 64, "cluster.wait_s": 3}
    done = t2t(*job(tmp_path / "wide", nodes, **few))
    assert done.returncode == 2
    told = [line for line in done.stderr.splitlines() if "error:" in line]
    assert len(told) == 1
    assert "no node had room for a worker of 64 CPUs" in told[0]
    assert "cluster.worker_cpus" in told[0]


def test_sigkill_of_the_head_can_be_gone_on_with_elsewhere(calm: dict[str, str], tmp_path: Path) -> None:
    """Ray gives a head a minute to come back before it ends the driver."""
    out = tmp_path / "headless"
    first = Nodes(2)
    try:
        driver = start(*job(out, first))
        wait_for_commits(out, 1)
        first.kill_head()
        _, stderr = driver.communicate(timeout=150)
    finally:
        first.stop()
    assert driver.returncode == 75, stderr
    assert "the same command resumes it" in " ".join(stderr.split())
    assert 0 < items_done(out) < ITEMS
    whole(out, t2t_json(*job(out, None)), calm)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:9", "no Ray answers at cluster.address 127.0.0.1:9"),
        ("ray://127.0.0.1:10001", "t2t submit"),
        ("http://127.0.0.1:8265", "t2t submit"),
    ],
)
def test_an_address_that_is_none(address: str, told: str, tmp_path: Path) -> None:
    done = t2t(*job(tmp_path / "nowhere", None, **{"cluster.address": address}))
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())
