"""Cost of a program and all its descendants: CPU seconds and resident memory, by what each process is for."""

from __future__ import annotations

import time
from typing import NamedTuple

import psutil

#: A process of Ray's is identified by the program it runs, or else by the first of these words in its command line.
_PROGRAMS = {"raylet": "raylet", "gcs_server": "gcs"}
_ROLES = {
    "Agent": "agents",
    "ray::": "workers",
    "default_worker.py": "workers",
    "dashboard": "agents",
    "monitor.py": "agents",
    "agent": "agents",
}


class Sample(NamedTuple):
    """A moment: ``at`` in seconds (monotonic); CPU seconds and resident bytes of each live process."""

    at: float
    cpu: dict[int, float]
    rss: dict[int, int]


class Tree:
    """The processes under one of ours. Those that have ended keep the CPU that was last seen of them."""

    def __init__(self, pid: int) -> None:
        self.root = psutil.Process(pid)
        self.roles: dict[int, str] = {}
        self._seen: dict[int, float] = {}

    def sample(self) -> Sample:
        """Where every process stands now; empty once the root has ended."""
        at, rss = time.monotonic(), dict[int, int]()
        try:
            processes = [self.root, *self.root.children(recursive=True)]
        except psutil.Error:
            processes = []
        for process in processes:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    self._seen[process.pid] = times.user + times.system
                    rss[process.pid] = process.memory_info().rss
                    if self.roles.get(process.pid, "other") == "other":  # Ray's processes name themselves a little late
                        self.roles[process.pid] = self._role(process)
            except psutil.Error:
                continue
        return Sample(at, dict(self._seen), rss)

    def _role(self, process: psutil.Process) -> str:
        if process.pid == self.root.pid or process.cmdline() == self.root.cmdline():
            return "driver"  # the command, and its child that does the work
        if role := _PROGRAMS.get(process.name()):
            return role
        command = " ".join(process.cmdline())
        return next((role for word, role in _ROLES.items() if word in command), "other")

    def cpu(self, first: Sample, last: Sample) -> dict[str, float]:
        """CPU seconds spent between two samples, by role."""
        spent: dict[str, float] = {}
        for pid, seconds in last.cpu.items():
            role = self.roles.get(pid, "other")
            spent[role] = spent.get(role, 0.0) + seconds - first.cpu.get(pid, 0.0)
        return spent

    def rss(self, sample: Sample, role: str) -> int:
        """Resident bytes of the processes of a role."""
        return sum(size for pid, size in sample.rss.items() if self.roles.get(pid) == role)
