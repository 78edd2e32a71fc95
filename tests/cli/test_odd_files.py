"""Something else where a command expects a file: one line at once, never a wait. It is a named pipe here, which hangs
whoever opens it; tests/environments/test_files.py has the other kinds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.models.recorded import RecordedChat, Recorder
from t2t_dist.storage.ledger import Commit, Ledger
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


#: What refuses a run in which something else stands here; what checks one exits 1 if it has found damage.
READING = {
    "run.json": ("report", "verify", "regrade", "show", "export"),
    "status.json": ("status",),
    "ledger": ("report", "verify 1", "regrade 1", "show", "export"),
    "episodes": ("regrade 1",),
    "tasks": ("verify 1", "show"),
    "lock": (),
}


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def link_to_nothing(path: Path) -> None:
    path.symlink_to(path.parent / "nothing")


def unreadable(path: Path) -> None:
    """A file whose reading fails, whoever reads it."""
    path.symlink_to("/proc/self/mem")


#: Makes something else, what is said of it.
ELSE: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (os.mkfifo, PIPE),
    "folder": (os.mkdir, "this is a directory, not a file"),
    "loop": (link_to_itself, "a link that leads to itself"),
    "nothing": (link_to_nothing, "this is a link that leads nowhere, not a file"),
    "unreadable": (unreadable, "the disk could not read or write it"),
}


@pytest.mark.parametrize("kind", ELSE)
@pytest.mark.parametrize("name", READING)
def test_of_a_run(name: str, kind: str, whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    path = run / name
    (path,) = [path] if path.is_file() else list(path.iterdir())
    path.unlink()
    make, what = ELSE[kind]
    make(path)
    flags = {"report": ["--no-html"], "export": ["-f", "sft", "--out", tmp_path / "out"]}
    for command, _, code in (line.partition(" ") for line in READING[name]):
        said = refusal(command, run, *flags.get(command, []), code=int(code or 2))
        assert path.name in said
        # A shard has not the size that the ledger has for it.
        assert what in said or path.suffix == ".arrow" or kind == "nothing", said
    said = refusal("verify", run, "--files", code=1)
    assert path.name in said
    assert "files checked, 1 damaged" in said or name == "run.json"
    if name == "lock":
        with pytest.raises(InputError, match=f"{what}.*remove it"), RunLock(open_storage(str(run))):
            pass


@pytest.mark.parametrize("kind", ["pipe", "folder", "loop", "nothing"])
def test_in_place_of_what_a_driver_writes_next(kind: str, whole: Path, tmp_path: Path) -> None:
    storage = open_storage(str(shutil.copytree(whole, tmp_path / "run")))
    make, what = ELSE[kind]
    ledger = Ledger(storage)
    make(tmp_path / "run" / "ledger" / "000000000002.mp")
    with pytest.raises(InputError, match=what):
        ledger.append(Commit())


@pytest.mark.parametrize("name", ["ledger", "lock", "episodes", "tasks"])
def test_a_file_in_place_of_a_folder(name: str, whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(run / name)
    (run / name).touch()
    assert name in refusal("verify", run, "--files", code=1)
    if name == "ledger":
        for command in ("report", "show", "verify"):
            assert "a part of this path is a file" in refusal(command, run)


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
