"""Something else where a command expects a file: one line at once, never a wait. It is a named pipe here, which hangs
whoever opens it; tests/environments/test_files.py has the other kinds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.models.recorded import RecordedChat, Recorder
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.run_lock import RunLock
from t2t_dist.storage.status import StatusFile
from tests.support.finished_run import played, rows_of, write_run
from tests.support.made import Made
from tests.support.runs import here

PIPE = "this is a named pipe, not a file"


def refusal(*arguments: object, cwd: Path | None = None, code: int = 2) -> str:
    done = here(*arguments, cwd=cwd)
    assert done.returncode == code, (done.stdout, done.stderr)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert code != 2 or len(lines) == 1, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, desk: Made) -> Path:
    run = tmp_path_factory.mktemp("odd") / "run"
    tasks = desk.verified()[:3]
    storage = write_run(run, [*rows_of(desk.trajectories), *rows_of(tasks), *(played(desk, task) for task in tasks)])
    StatusFile(storage, "run-1").write(
        "finished",
        commits=1,
        items={"done": 1, "total": 1, "poisoned": 0},
        counts={},
        elapsed_s=1.0,
        workers={},
        engines=[],
    )
    with RunLock(storage):
        pass
    return run


READING = {
    "run.json": ("report", "verify", "regrade", "show", "export"),
    "status.json": ("status",),
    "ledger": ("report", "verify", "regrade", "show", "export"),
    "episodes": ("regrade",),
    "tasks": ("verify", "show"),
    "lock": (),
}


@pytest.mark.parametrize("name", READING)
def test_of_a_run(name: str, whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    path = run / name
    (path,) = [path] if path.is_file() else list(path.iterdir())
    path.unlink()
    os.mkfifo(path)
    flags = {"report": ["--no-html"], "export": ["-f", "sft", "--out", tmp_path / "out"]}
    for command in READING[name]:
        said = refusal(command, run, *flags.get(command, []))
        assert path.name in said
        assert (PIPE in said) == (path.suffix != ".arrow"), said  # a shard has not the size that the ledger has for it
    said = refusal("verify", run, "--files", code=1)
    assert path.name in said
    if name == "lock":
        with pytest.raises(InputError, match=PIPE), RunLock(open_storage(str(run))):
            pass


def test_of_links_that_lead_to_themselves(whole: Path, tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for arguments in (
        ("evaluate", whole, "--out", tmp_path / "e", "--markdown", loop),
        ("view", loop),
        ("export", loop, whole, "-f", "sft", "--out", tmp_path / "out"),
    ):
        assert "loop" in refusal(*arguments)


def test_that_a_command_is_given(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, out = tmp_path / "pipe.yaml", tmp_path / "out"
    os.mkfifo(pipe)
    requirements = tmp_path / "requirements.txt"
    os.mkfifo(requirements)
    assert PIPE in refusal("generate", "--config", pipe, "--out", out)
    assert PIPE in refusal("import", "tau2", pipe, "--out", out)
    assert "not a run directory" in refusal("report", pipe)
    assert "this is a file, not a directory" in refusal("generate", "--out", pipe)
    for option in ("--junit", "--markdown"):
        assert f"{option} {pipe}: {PIPE}" in refusal("evaluate", whole, "--out", out, option, pipe)
    assert PIPE in refusal("report", whole, "--html", pipe)
    assert "pipe.yaml" in refusal("report", whole, "--no-html", "--files", pipe)
    assert "pipe.yaml" in refusal("export", whole, "-f", "sft", "--out", pipe)
    assert "pipe.yaml" in refusal("export", whole, "-f", "sft", "--out", pipe / "below")
    assert "pipe.yaml" in refusal("export", whole, "-f", "tau2", "--out", pipe)
    assert "pipe.yaml" in refusal("check-domain", f"mcp:{pipe}")
    config = tmp_path / "run.yaml"
    config.write_text("seed: 1\n")
    job = ("submit", config, "--address", "http://127.0.0.1:9", "--out", out, "--no-package")
    assert PIPE in refusal(*job, "--pip", requirements)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(pipe))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    assert PIPE in refusal(*job)
    assert not out.exists()


def test_of_a_domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("policy.md", "language.yaml"):
        package = f"piped_{Path(name).stem}"
        here("new-domain", package, cwd=tmp_path)
        path = tmp_path / package / name
        path.unlink()
        os.mkfifo(path)
        said = refusal("check-domain", f"{package}.domain:{package.title().replace('_', '')}")
        assert f"{name}: {PIPE}" in said


def test_of_recorded_answers(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match=PIPE):
        RecordedChat(tmp_path / "pipe")
    with pytest.raises(InputError, match=PIPE):
        Recorder(RecordedChat(tmp_path / "empty"), tmp_path / "pipe")
