"""Runs of the slow domain for a test to disturb: started, watched, and compared with an undisturbed run."""

from __future__ import annotations

import subprocess
from pathlib import Path

from typer.testing import CliRunner

from t2t_dist.cli.main import app
from t2t_dist.cluster.launch import run
from t2t_dist.config.loading import load_config
from t2t_dist.core.errors import InputError
from t2t_dist.storage.ledger import read_state
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.support.patience import until
from tests.support.runs import command, duplicates, environment, unnamed_shards
from tests.support.s3_server import KEYS

#: More than a worker or two have in hand at once: with one worker some are always left.
ITEMS = 24
SETTINGS = {"domain": "tests.support.slow_domain:SlowRetail", "trajectories": ITEMS, "scale": 0.2, "seed": 7}
ONE = {"cluster.workers": 1}


def arguments(out: Path | str, **changes: object) -> list[object]:
    """``t2t generate`` into ``out``: with one worker here, on a cluster with as many as there is room for."""
    settings = {**SETTINGS, **({} if "cluster.address" in changes else ONE), **changes}
    return ["generate", *(f"--set={name}={value}" for name, value in settings.items()), "--out", out]


def started(
    out: Path | str, *, session: bool = False, env: dict[str, str] | None = None, **changes: object
) -> subprocess.Popen[str]:
    """Run it in the background; ``session``: in a process group of its own."""
    return subprocess.Popen(
        command(*arguments(out, **changes)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment() | (env or {}),
        start_new_session=session,
    )


def until_said(process: subprocess.Popen[str], text: str) -> None:
    """Read its stderr up to the line that holds ``text``."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        if text in line:
            return
        lines.append(line)
    raise AssertionError(f"it ended without a word of '{text}': {''.join(lines)}")


def ended(process: subprocess.Popen[str], code: int, whose: str = "") -> str:
    """The rest of its stderr, once it has ended as it should, without a traceback.

    ``whose``: only those count that go through such a path, where Ray's own processes are disturbed, too.
    """
    assert process.stderr is not None
    stderr = "" if process.stderr.closed else process.stderr.read()
    assert process.wait() == code, stderr
    assert not any(whose in trace for trace in stderr.split("Traceback (most recent call last)")[1:]), stderr
    assert not any(key in stderr for key in KEYS.values())
    return stderr


def resume(out: Path | str) -> None:
    """Finish a run from this process, on the Ray of the fixture ``local_ray``."""
    run("generate", load_config(None, {**SETTINGS, **ONE}), str(out))


def output_of(what: str, out: Path | str, *options: str) -> str:
    """What a command says of a run."""
    done = CliRunner().invoke(app, [what, str(out), *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def items_done(out: Path | str) -> int:
    """Items in the ledger."""
    return len(read_state(open_storage(out)).items)


def until_items(out: Path | str, count: int) -> int:
    """Items in the ledger, as soon as there are that many."""

    def opened() -> Storage | None:
        try:
            return open_storage(out)
        except InputError:
            return None

    def done() -> int | None:
        found = len(read_state(storage).items)
        return found if found >= count else None

    storage = until(opened, f"a run in {out}")
    return until(done, f"{count} items in {out}")


def until_committed(out: Path | str, count: int = 1) -> int:
    """Items in the ledger, as soon as there are that many; by then the brake holds the others."""
    done = until_items(out, count)
    assert done < ITEMS, "the brake does not hold"
    return done


def digests(out: Path | str) -> dict[str, int]:
    """Digests of the rows of a finished run; each row must be there once."""
    state = RunReader(open_storage(out), SCHEMAS).state
    assert len(state.items) == ITEMS
    assert duplicates(out) == dict.fromkeys(SCHEMAS, 0)
    assert unnamed_shards(out) == []
    return {table: state.digests[table] for table in ("trajectories", "tasks", "episodes")}
