"""The first seconds of a command: what no process can work with is one line; Ctrl-C has its exit code at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from t2t_dist.cli.new_domain import write_domain
from tests.support.patience import PATIENCE_S
from tests.support.runs import command, environment, t2t
from tests.support.viewed import small_run


def line_of(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_what_is_not_utf8_is_named(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")
    assert line_of(t2t("report", odd)) == (
        "error: the argument 'caf\\udce9' is not UTF-8; names of files and folders have to be, so rename it"
    )
    (tmp_path / odd).mkdir()
    assert "the working directory" in line_of(t2t("domains", cwd=tmp_path / odd))


def test_docstrings_are_needed() -> None:
    assert "PYTHONOPTIMIZE=2" in line_of(t2t("domains", PYTHONOPTIMIZE="2"))
    assert t2t("domains", PYTHONOPTIMIZE="1").returncode == 0


def test_closed_outputs() -> None:
    """As a shell closes them: ``t2t domains >&- 2>&-``."""
    line = " ".join(command("domains"))
    assert subprocess.run(["sh", "-c", f"{line} >&- 2>&-"], env=environment(), check=False).returncode == 0


PRINTING = (("domains",), ("--help",), ("generate", "--print-config"))


@pytest.mark.parametrize("arguments", PRINTING)
def test_a_reader_that_has_left_ends_a_command_silently(arguments: tuple[str, ...]) -> None:
    """As ``head -1`` does, and with the exit code of a program that SIGPIPE ends."""
    reader, writer = os.pipe()
    os.close(reader)
    for pipes in ({"stdout": writer, "stderr": subprocess.PIPE}, {"stdout": writer, "stderr": subprocess.STDOUT}):
        done = subprocess.run(command(*arguments), env=environment(), text=True, check=False, **pipes)
        assert (done.returncode, done.stderr or "") == (141, "")
    os.close(writer)


@pytest.mark.parametrize("arguments", PRINTING)
def test_a_full_device_is_one_line(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        for errors in (subprocess.PIPE, full):
            done = subprocess.run(
                command(*arguments), stdout=full, stderr=errors, env=environment(), text=True, check=False
            )
            assert done.returncode == 2
            said = "error: the output can't be written: No space left on device; send it elsewhere\n"
            assert done.stderr in (said, None)


def test_what_nobody_hears_changes_no_exit_code() -> None:
    with open("/dev/full", "w") as full:
        for arguments, code in ((("domains",), 0), (("report", "nowhere"), 2)):
            done = subprocess.run(
                command(*arguments), stdout=subprocess.DEVNULL, stderr=full, env=environment(), check=False
            )
            assert done.returncode == code


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    script = "import os, runpy, sys; os.rmdir(os.getcwd()); sys.argv[1:] = ['domains'];" + (
        "runpy.run_module('t2t_dist.cli', run_name='__main__')"
    )
    folder = tmp_path / "gone"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert "the working directory can't be used" in line_of(done)


@pytest.mark.ray
def test_files_beside_the_work_hide_no_module(tmp_path: Path) -> None:
    """Neither Python's nor an installed package's, in the command and in its workers."""
    domain = write_domain("club", tmp_path)
    for module in ("html", "json", "random", "signal", "statistics", "types", "aiohttp", "numpy", "rich", "yaml"):
        (tmp_path / f"{module}.py").write_text("raise ImportError('a file of the user')\n")
    script = tmp_path / "bin" / "t2t"  # as pip writes it: `python -m` looks for Python's own modules here first
    script.parent.mkdir()
    script.write_text("from t2t_dist.cli.__main__ import main\nmain()\n")
    flags = ["--domain", domain, "--trajectories", "2", "--workers", "1", "--until", "explore", "--out", "run"]
    environ = {name: value for name, value in environment().items() if name != "RAY_ADDRESS"}
    line = [sys.executable, str(script), "generate", *flags]
    done = subprocess.run(line, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "module", "number", "code"),
    [
        (("generate", "--trajectories", "4"), "typer.main", signal.SIGINT, 75),
        (("generate", "--trajectories", "4"), "typer.main", signal.SIGTERM, 75),
        (("generate", "--trajectories", "4"), "typer.main", signal.SIGHUP, 75),
        (("generate", "--trajectories", "4"), "ray._raylet", signal.SIGINT, 75),
        (("report", "nowhere"), "typer.main", signal.SIGINT, 130),
    ],
)
def test_interrupted_while_it_loads(
    arguments: tuple[str, ...], module: str, number: int, code: int, tmp_path: Path
) -> None:
    """The signal comes once this module has been imported."""
    python, *rest = command(*arguments)
    process = subprocess.Popen(
        [python, "-X", "importtime", *rest],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=tmp_path,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("import time:") and line.split("|")[-1].strip() == module:
            break
    process.send_signal(number)
    said = [line for line in process.stderr.read().splitlines() if not line.startswith("import time:")]
    assert (process.wait(), "Traceback" in "".join(said)) == (code, False), said
    assert len(said) == (code == 75), said


@pytest.mark.ray
def test_interrupted_while_its_ray_starts(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("generate", "--trajectories", 4, "--out", tmp_path / "run"),
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in environment().items() if name != "RAY_ADDRESS"},
    )
    started: list[psutil.Process] = []
    while not started and process.poll() is None:
        try:
            found = psutil.Process(process.pid).children(recursive=True)
            started = [child for child in found if "gcs_server" in child.name()]
        except psutil.Error:
            continue
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    said = process.stderr.read()
    assert (process.wait(), "Traceback" in said) == (75, False), said
    assert "stopped: " in said
    psutil.wait_procs(started, timeout=PATIENCE_S)
    assert not [child for child in started if child.is_running()]


def test_a_thread_that_still_reads_ahead_changes_no_exit_code(tmp_path: Path) -> None:
    """Python, while it ends, aborts where a thread of Arrow's comes back to it."""
    small_run(tmp_path / "run")
    script = f"""
import threading, time
from t2t_dist.cli import main as commands
from t2t_dist.storage.objects.blocks import CheckedFile
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader

read = CheckedFile.read

def slow(self, *arguments):
    if threading.current_thread() is not threading.main_thread():
        time.sleep(0.3)
    return read(self, *arguments)

def command():
    global reading
    CheckedFile.read = slow
    reading = iter(RunReader(open_storage({str(tmp_path / "run")!r})).batches("episodes"))
    print(next(reading).num_rows > 0)
    raise SystemExit(3)

commands.main = command
from t2t_dist.cli.__main__ import main
main()
"""
    line = [sys.executable, "-c", script]
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "True\n", "")
