"""The driver's own process: how its end is reported, and who gets the signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.support.patience import PATIENCE_S
from tests.support.runs import environment

DRIVER = """
import os, signal, sys, time
from t2t_dist.cli.supervisor import run_has_begun, supervised

def body():
    {body}

print(supervised(body), flush=True)
"""


def under(body: str, **options: object) -> subprocess.Popen[str]:
    code = DRIVER.format(body=body.replace("\n", "\n    "))
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        **options,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("return 0", "0"),
        ("return 75", "75"),
        ("raise ValueError('broken')", "1"),
        ("os._exit(1)", "None"),  # as Ray ends a driver whose head is gone
        ("os.kill(os.getpid(), signal.SIGKILL)", "None"),
        ("os.abort()", "None"),
    ],
)
def test_how_the_drivers_end_is_reported(body: str, outcome: str) -> None:
    stdout, stderr = under(body).communicate(timeout=PATIENCE_S)
    assert stdout.strip() == outcome
    assert ("broken" in stderr) == ("broken" in body)


@pytest.mark.parametrize(
    ("body", "outcome", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGINT)", 75, "interrupted before the run began; the same command starts it"),
        ("run_has_begun()\nos.kill(os.getpid(), signal.SIGTERM)", 75, "after the run's end; the same command prints"),
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit())\nos.kill(os.getpid(), signal.SIGTERM)", 75, "before"),
    ],
)
def test_an_interrupt_says_what_it_interrupted(body: str, outcome: int, said: str) -> None:
    stdout, stderr = under(f"{body}\ntime.sleep({PATIENCE_S})").communicate(timeout=PATIENCE_S)
    (line,) = stderr.splitlines()
    assert (int(stdout), line.startswith("stopped: interrupted "), said in line) == (outcome, True, True), stderr


def test_a_signal_after_the_drivers_end_changes_nothing() -> None:
    code = DRIVER.format(body="return 3").replace(
        "print(supervised(body), flush=True)",
        "code = supervised(body)\nfor number in (2, 15, 1):\n    os.kill(os.getpid(), number)\nprint(code)",
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


def test_a_signal_to_the_whole_group_reaches_the_driver_once_and_its_children_not() -> None:
    body = """
import subprocess
child = subprocess.Popen(["sleep", "60"])
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
print("ready", flush=True)
end = time.monotonic() + 2
while time.monotonic() < end:
    time.sleep(0.05)
alive = child.poll() is None
child.kill()
print(len(heard), alive, flush=True)
return 0"""
    driver = under(body, start_new_session=True)
    assert driver.stdout is not None
    assert driver.stdout.readline().strip() == "ready"
    os.killpg(driver.pid, signal.SIGTERM)
    stdout, stderr = driver.communicate(timeout=PATIENCE_S)
    assert stdout.split() == ["1", "True", "0"], stderr


def test_the_driver_ends_with_the_command() -> None:
    command = under("print('ready', flush=True)\ntime.sleep(600)")
    assert command.stdout is not None
    command.stdout.readline()
    drivers = psutil.Process(command.pid).children()
    assert len(drivers) == 1
    command.kill()
    command.communicate()
    end = time.monotonic() + 10
    while drivers[0].is_running() and time.monotonic() < end:
        time.sleep(0.05)
    assert not drivers[0].is_running()
