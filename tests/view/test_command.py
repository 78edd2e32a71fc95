"""``t2t view`` as it is started: one line of JSON, a page, a clean end; bad input is one line and exit 2."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest
import typer

from t2t_dist.cli.runs import view
from tests.support.patience import PATIENCE_S
from tests.support.runs import command, environment
from tests.support.viewed import small_run


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_its_address_serves_and_ends_when_told(tmp_path: Path, stop: signal.Signals) -> None:
    small_run(tmp_path / "run", tasks=8)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts its background jobs
    process = subprocess.Popen(
        command("view", tmp_path / "run", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    try:
        said = json.loads(process.stdout.readline())
        assert said["pid"] == process.pid
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with opener.open(said["url"]) as answer:
            assert "run" in answer.read().decode()
    finally:
        process.send_signal(stop)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out, err) == (0, "", "")


def test_what_is_no_run_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        view([str(tmp_path)], port=0)
    assert ended.value.exit_code == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "this is not a run directory (it has no run.json); give the --out of an earlier run" in line
