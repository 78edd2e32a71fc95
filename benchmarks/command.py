"""The command line as a benchmark runs it: in a process of its own, its JSON object read back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def environment() -> dict[str, str]:
    """For child processes: this tree's code, whatever is installed."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(":")}


def t2t(*arguments: str) -> subprocess.Popen[str]:
    """``t2t`` with these arguments; progress is thrown away."""
    start = [sys.executable, "-c", "from t2t_dist.cli.main import main; main()", *arguments, "--json"]
    quiet, pipe = subprocess.DEVNULL, subprocess.PIPE
    return subprocess.Popen(start, stdout=pipe, stderr=quiet, cwd=ROOT, env=environment(), text=True)


def answer_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Its JSON object, once it has ended."""
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"t2t exited with {process.returncode}: {out[-2000:]}")
    return json.loads(out.splitlines()[-1])


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Ends a run that is still going: with SIGTERM first, so that its Ray ends too."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.communicate()
