"""The command that is printed at the end of a run works on that run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from t2t_dist.cli.main import next_step
from t2t_dist.core.schema import INTENTS
from t2t_dist.storage.ledger import Commit, Ledger, read_state
from t2t_dist.storage.objects.base import Storage
from tests.support.finished_run import LIBRARY, failed, played, rows_of, write_run
from tests.support.made import Made
from tests.support.runs import here

pytestmark = pytest.mark.ray


def works(storage: Storage, out: Path) -> str:
    """The command's name and options, after it has been run."""
    _, command = next_step(read_state(storage), str(out))
    program, *arguments = shlex.split(command)
    assert program == "t2t"
    done = here(*arguments)
    assert done.returncode == 0, done.stderr
    return " ".join(argument for argument in arguments if argument != str(out))


def test_each_kind_of_run(desk: Made, tmp_path: Path) -> None:
    one, *others = [desk.one(intent) for intent in INTENTS]
    rejected = next(task for task in desk.tasks if task.verdict == "rejected")
    made = [*rows_of([*desk.trajectories[:1], one, *others]), played(desk, one)]
    run = tmp_path / "a run"
    assert works(write_run(run, made), run) == "show -n 2"
    assert works(write_run(tmp_path / "eval", [played(desk, one)], kind="evaluate", source=str(run)), tmp_path / "eval")
    lost = write_run(tmp_path / "lost", [failed(one)], kind="evaluate", source=str(run))
    assert works(lost, tmp_path / "lost") == "report"
    none = write_run(tmp_path / "none", rows_of([*desk.trajectories[:1], rejected]))
    Ledger(none).append(Commit(counters={f"tasks_rejected.{rejected.intent}": 1}))
    assert works(none, tmp_path / "none") == "show --rejected -n 2"
    assert works(write_run(tmp_path / "empty", []), tmp_path / "empty") == "report"


def test_what_explore_prints_makes_tasks(local_ray: None, tmp_path: Path) -> None:
    out = tmp_path / "explored"
    done = here("explore", "--domain", LIBRARY, "-n", 12, "--workers", 1, "--out", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = re.search(r"Make tasks of it: t2t (convert \S+)", done.stderr)
    assert found is not None, done.stderr
    assert here(*shlex.split(found[1]), "--workers", 1, cwd=tmp_path).returncode == 0
