"""Options become settings: every command's, without Ray, as ``--print-config`` shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from t2t_dist.cli.main import app
from tests.support.finished_run import rows_of, write_run
from tests.support.made import Made
from tests.support.runs import here

MODELS = ["--writer", "template", "--judge", "openai:j@http://127.0.0.1:9/v1"]
SPREAD = ["--seed", "5", "--workers", "2", "--concurrency", "9"]


@pytest.fixture
def run(tmp_path: Path) -> str:
    write_run(tmp_path / "run", [], domain="airline", domain_seed=4)
    return str(tmp_path / "run")


def resolved(*arguments: str) -> dict[str, Any]:
    """The settings that a command would run with."""
    done = CliRunner().invoke(app, [*arguments, "--print-config"])
    assert done.exit_code == 0, done.output
    settings: dict[str, Any] = yaml.safe_load(done.output)
    return settings


def test_generate() -> None:
    settings = resolved("generate", "-n", "7", *SPREAD, *MODELS, "--intent", "changing", "--trials", "2")
    assert (settings["trajectories"], settings["seed"], settings["trials"]) == (7, 5, 2)
    assert (settings["intents"], settings["judges"]) == (["changing"], ["openai:j@http://127.0.0.1:9/v1"])
    assert (settings["cluster"]["workers"], settings["cluster"]["concurrency"]) == ({"min": 2, "max": 2}, 9)


def test_explore() -> None:
    settings = resolved("explore", "-n", "7", *SPREAD, "--domain", "airline")
    assert (settings["trajectories"], settings["domain"], settings["until"]) == (7, "airline", "explore")


def test_convert(run: str) -> None:
    settings = resolved("convert", run, "-n", "3", *SPREAD, *MODELS, "--until", "rollout", "--user", "scripted")
    assert (settings["source"], settings["domain"], settings["domain_seed"]) == (run, "airline", 4)
    assert (settings["limit"], settings["seed"], settings["until"]) == (3, 5, "rollout")
    assert settings["cluster"]["concurrency"] == 9


@pytest.mark.parametrize("command", ["evaluate", "rollout"])
def test_evaluate(command: str, run: str) -> None:
    settings = resolved(command, run, "--limit", "3", *SPREAD, "--tool-faults", "retry=0.3,late=0.1")
    assert (settings["source"], settings["domain"], settings["limit"]) == (run, "airline", 3)
    assert (settings["faults"]["retry"], settings["faults"]["late"]) == (0.3, 0.1)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--as", "tau2"], "needs one of tau2's worlds"),
        (["--set", "cluster.address=127.0.0.1:1"], "no Ray answers"),
        (["--agent", "openai:m@http://127.0.0.1:9/v1"], "can't be reached"),
        (["--fail-under", "x"], "--fail-under x"),
    ],
)
def test_a_refused_command_leaves_nothing_behind(
    options: list[str], why: str, tmp_path: Path, desk: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    write_run(tmp_path / "run", rows_of(desk.verified()[:2]))
    done = here("evaluate", tmp_path / "run", *options, "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
