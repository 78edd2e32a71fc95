"""Command lines of processes that may end at any moment."""

from __future__ import annotations

import psutil


def command_of(process: psutil.Process) -> list[str]:
    """The process's command line; empty once it is gone."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
