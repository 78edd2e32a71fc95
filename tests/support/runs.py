"""The command line: in its own process, as a user starts it, or in this one, where the process is not the point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer
from typer.testing import CliRunner

from t2t_dist.cli import bench, main
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE_S


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "t2t_dist.cli", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def t2t(*arguments: object, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run to the end; ``variables`` are set in its environment."""
    environ = environment() | variables
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, cwd=cwd, env=environ, timeout=PATIENCE_S, check=False
    )


def t2t_json(*arguments: object) -> dict[str, Any]:
    """Run with --json; the object on the last line of stdout, which must be the only one."""
    return _object(t2t(*arguments, "--json"))


@cache
def _built(app: typer.Typer) -> Any:
    """The commands of the app: building them takes longer than most of them do."""
    return typer.main.get_command(app)


def here(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run to the end in this process: nothing is imported again, and a run uses the Ray of ``local_ray``."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (main, bench):
            patch.setattr(module, "supervised", lambda body: body())  # a process with threads is not forked
        patch.setattr("typer.testing._get_command", _built)
        if cwd is not None:
            patch.chdir(cwd)
        done = CliRunner().invoke(main.app, [*map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def here_json(*arguments: object) -> dict[str, Any]:
    """:func:`here`, with --json; the object, which must be all of stdout."""
    return _object(here(*arguments, "--json"))


def _object(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout
    found: dict[str, Any] = json.loads(lines[0])
    return found


def start(*arguments: object, session: bool = False) -> subprocess.Popen[str]:
    """Run in the background; ``session``: in a process group of its own."""
    return subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=session,
    )


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The Ray worker processes that host this driver's RolloutActors."""
    return rollout_workers(psutil.Process(process.pid))


def rollout_workers(process: psutil.Process) -> list[psutil.Process]:
    """Those among the descendants of a process."""
    found = []
    for child in process.children(recursive=True):
        try:
            if any("RolloutActor" in part for part in child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def duplicates(out: Path | str) -> dict[str, int]:
    """Rows that stand more than once, by table."""
    reader = RunReader(open_storage(out), SCHEMAS)
    keys = {"trajectories": "trajectory_id", "tasks": "task_id", "episodes": "episode_id", "failures": "episode_id"}
    found = {}
    for table, key in keys.items():
        counts = Counter(row[key] for row in reader.rows(table, columns=[key]))
        found[table] = sum(count - 1 for count in counts.values())
    return found


def unnamed_shards(out: Path | str) -> list[str]:
    """Shards in the store that the ledger does not name."""
    storage = open_storage(out)
    named = {shard.file for shards in RunReader(storage, SCHEMAS).state.shards.values() for shard in shards}
    return [name for name in storage.names() if name.endswith(".arrow") and name not in named]
