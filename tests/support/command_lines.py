"""Processes that may end at any moment: their command lines, and those below them."""

from __future__ import annotations

from collections import defaultdict

import psutil


def command_of(process: psutil.Process) -> list[str]:
    """The process's command line; empty once it is gone."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def below(pid: int) -> list[psutil.Process]:
    """All processes below one, by their parents alone: psutil's own ``children`` also compares times of birth, which it
    works out from the system's clock."""
    children: defaultdict[int, list[psutil.Process]] = defaultdict(list)
    for process in psutil.process_iter(["ppid"]):
        children[process.info["ppid"]].append(process)
    found: list[psutil.Process] = []
    left = [pid]
    while left:
        found += children[(owner := left.pop())]
        left += [process.pid for process in children[owner]]
    return found
