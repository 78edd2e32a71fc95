"""Runs of a slow domain whose store is disturbed: started, watched, and held against an undisturbed one."""

from __future__ import annotations

import subprocess
import time

from typer.testing import CliRunner

from t2t_dist.cli.main import app
from t2t_dist.core.errors import InputError
from t2t_dist.storage.ledger import read_state
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.support.runs import command, duplicates, environment
from tests.support.s3_server import KEYS

SETTINGS = {
    "domain": "tests.support.slow_domain:SlowRetail",
    "trajectories": 24,
    "scale": 0.2,
    "seed": 7,
    "cluster.workers": 1,
}


def started(out: str, **env: str) -> subprocess.Popen[str]:
    """``t2t generate`` into ``out``."""
    settings = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    return subprocess.Popen(
        command("generate", *settings, "--out", out),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment() | env,
    )


def ended(process: subprocess.Popen[str], code: int) -> str:
    """Its stderr, once it has ended as it should."""
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    assert not any(key in stderr for key in KEYS.values())
    return stderr


def told(what: str, out: str, *arguments: str) -> str:
    """What a command says of a run."""
    done = CliRunner().invoke(app, [what, out, *arguments, *([] if what == "show" else ["--json"])])
    assert done.exit_code == 0, done.output
    return done.output


def until_committed(out: str, seconds: float = 180.0) -> int:
    """Items in the ledger, as soon as there are any."""
    deadline, storage = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            storage = storage or open_storage(out)
        except InputError:  # not there yet
            time.sleep(0.5)
            continue
        if done := len(read_state(storage).items):
            return done
        time.sleep(0.2)
    raise AssertionError(f"{out}: nothing was committed within {seconds} s")


def digests(out: str) -> dict[str, int]:
    state = RunReader(open_storage(out), SCHEMAS).state
    assert len(state.items) == 24
    assert duplicates(out) == dict.fromkeys(SCHEMAS, 0)
    return {table: state.digests[table] for table in ("trajectories", "tasks", "episodes")}
