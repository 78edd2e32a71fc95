"""A real Ray of several nodes on this machine: a head without CPUs, and raylets that have some."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from ray.cluster_utils import Cluster

RAY = Path(sys.executable).parent / "ray"
STORE_BYTES = 80 << 20


class Nodes:
    """The cluster; ``address`` is what ``cluster.address`` takes."""

    def __init__(self, *cpus: int) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        head = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.address: str = self._cluster.address
        self.nodes = [self.add(count) for count in cpus]

    def add(self, cpus: int) -> Any:
        """One more node, ready when this returns."""
        return self._cluster.add_node(num_cpus=cpus, object_store_memory=STORE_BYTES)

    def kill(self, node: Any) -> None:
        """SIGKILL of a node's raylet, as when its machine fails; its workers end with it."""
        self._cluster.remove_node(node, allow_graceful=False)

    def kill_head(self) -> None:
        """SIGKILL of the head's GCS and raylet."""
        for name in ("gcs_server", "raylet"):
            for process in self._cluster.head_node.all_processes[name]:
                process.process.kill()
                process.process.wait()

    def drain(self, node: Any, seconds: int) -> None:
        """Tell Ray that a node will be gone soon, as a cloud's notice of preemption does."""
        reason = ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "a test"]
        end = ["--deadline-remaining-seconds", str(seconds)]
        done = subprocess.run(
            [RAY, "drain-node", "--address", self.address, "--node-id", node.node_id, *reason, *end],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self) -> None:
        self._cluster.shutdown()


def workers_on(node: Any) -> list[psutil.Process]:
    """Processes of RolloutActors under a node's raylet."""
    raylet = node.all_processes["raylet"][0].process.pid
    found = []
    for child in psutil.Process(raylet).children(recursive=True):
        try:
            if any("RolloutActor" in part for part in child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found
