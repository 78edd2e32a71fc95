"""Copies of the MCP domains in ``mcp_worlds`` here and of docs/mcp.md, described otherwise where a test wants it."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from t2t_dist.environments.adapters.mcp.domain import McpDomain
from t2t_dist.environments.adapters.mcp.domain import domain as adapted
from t2t_dist.environments.base import Domain
from tests.support.command_lines import command_of
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE_S

WORLDS = ROOT / "tests/support/mcp_worlds"
#: Where tests/support/mcp.sh installs third-party servers, as docs/mcp.md does.
SQLITE_ENV = ROOT / ".mcp/python"
_BINS = {"mcp-server-sqlite": SQLITE_ENV / "bin", "mcp-server-filesystem": ROOT / ".mcp/node_modules/.bin"}


def with_server(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a third-party server on the PATH. Where it is not installed the test is skipped by the server's name; with
    ``EVERY_TEST`` set, as ``.ci/run`` has it, it fails."""
    monkeypatch.setenv("PATH", f"{_BINS[program]}{os.pathsep}{os.environ['PATH']}")
    if shutil.which(program):
        return
    message = f"the MCP server {program} is not here: tests/support/mcp.sh"
    if os.environ.get("EVERY_TEST"):
        pytest.fail(message)
    pytest.skip(message)


def described(folder: Path, world: str = "notes", **changes: Any) -> Path:
    """A copy of a world's files; keys of its YAML file replaced, ``server__env`` for one of ``server``. Its file."""
    home = folder / world
    if world == "library":
        _of_the_page(home)
    else:
        shutil.copytree(WORLDS / world, home)
    content = yaml.safe_load((home / "server.yaml").read_text())
    for name, value in changes.items():
        part, _, key = name.rpartition("__")
        place = content[part] if part else content
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value
    (home / "server.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return home / "server.yaml"


def _of_the_page(home: Path) -> None:
    """The example of docs/mcp.md, as it stands there."""
    page = (ROOT / "docs/mcp.md").read_text("utf-8")
    yaml_, policy, sql = (re.search(rf"```{kind}\n(.*?)```", page, re.S) for kind in ("yaml", "markdown", "sql"))
    assert yaml_
    assert policy
    assert sql
    (home / "template").mkdir(parents=True)
    (home / "server-env").symlink_to(SQLITE_ENV)
    (home / "server.yaml").write_text(yaml_[1])
    (home / "policy.md").write_text(policy[1])
    database = sqlite3.connect(home / "template/library.db")
    database.executescript(sql[1])
    database.close()


def made(folder: Path, world: str = "notes", **changes: Any) -> McpDomain:
    """The domain of :func:`described`."""
    found: Domain = adapted(str(described(folder, world, **changes)))()
    assert isinstance(found, McpDomain)
    return found


def guards(home: Path, owner: psutil.Process | None = None) -> list[psutil.Process]:
    """The guards of servers whose files lie in ``home``, of a process, this one by default."""
    found = []
    for child in (owner or psutil.Process()).children():
        line = command_of(child)
        if any("process_guard" in part for part in line) and any(str(home) in part for part in line):
            found.append(child)
    return found


def processes(home: Path, owner: psutil.Process | None = None) -> list[psutil.Process]:
    """All that runs for servers whose files lie in ``home``: guards, and what they have started."""
    found = []
    for guard in guards(home, owner):
        try:
            found += [guard, *guard.children(recursive=True)]
        except psutil.Error:
            continue
    return found


def folder_of(guard: psutil.Process) -> Path:
    """The folder of the world whose guard this is: ``python -I -S process_guard.py PARENT FOLDER COMMAND...``."""
    return Path(guard.cmdline()[5])


def gone(every: list[psutil.Process], seconds: float = PATIENCE_S) -> bool:
    """Whether all of them end within a time."""
    return not psutil.wait_procs(every, seconds)[1]
