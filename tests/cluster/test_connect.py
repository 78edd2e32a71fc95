"""A Ray that does not come up at once, or not at all."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray

from t2t_dist.cluster.connect import connected
from t2t_dist.core.errors import InputError


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Processes that attempts at starting Ray left behind, each failed as Ray's do."""
    left: list[subprocess.Popen[bytes]] = []

    def init(**settings: Any) -> None:
        left.append(subprocess.Popen(["sleep", "600"]))
        if len(left) < enough:
            raise Exception("The current node timed out during startup.\nThe GCS has become overloaded.")

    enough = 3
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return left


def test_a_ray_that_is_slow_to_start_is_started_again(starts: list[subprocess.Popen[bytes]]) -> None:
    with connected(None) as local:
        assert local
        assert [psutil.pid_exists(each.pid) for each in starts] == [False, False, True], "half a Ray is still there"
    starts[-1].kill()
    starts[-1].wait()


def test_one_that_never_starts_is_reported_in_one_line(
    starts: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("t2t_dist.cluster.connect._STARTS", 2)
    with pytest.raises(InputError, match="Ray did not start on this machine in 2 attempts") as error, connected(None):
        pass
    assert "\n" not in str(error.value)
    assert "overloaded" in str(error.value)
    assert not [process for process in psutil.Process().children() if process.pid in {each.pid for each in starts}]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:9", "no Ray answers at cluster.address 127.0.0.1:9"),
        ("ray://127.0.0.1:10001", "t2t submit"),
        ("http://127.0.0.1:8265", "t2t submit"),
    ],
)
def test_an_invalid_address(address: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(InputError, match=message) as error, connected(address):
        pass
    assert "\n" not in str(error.value)


def test_a_folder_whose_name_is_too_long_for_sockets(
    monkeypatch: pytest.MonkeyPatch, starts: list[subprocess.Popen[bytes]]
) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/tmp/" + "x" * 60)
    refused = pytest.raises(InputError, match=r"Ray can't start with its files in /tmp/x+: .* set TMPDIR")
    with refused as error, connected(None):
        pass
    assert not starts
    most = int(str(error.value).split("at most ")[1].split()[0])
    monkeypatch.setenv("TMPDIR", "/tmp/" + "x" * (most - 5))
    with connected(None):
        assert len(starts) == 3
    starts[-1].kill()
    starts[-1].wait()


def test_a_home_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, starts: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")
    for home, given in ((tmp_path, False), (Path("/proc/none"), True), (Path("/dev/null"), True)):
        monkeypatch.setenv("RAY_AUTH_TOKEN", "")
        monkeypatch.setenv("HOME", str(home))
        with connected(None):
            assert bool(os.environ["RAY_AUTH_TOKEN"]) == given
        starts.pop().kill()


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**settings: Any) -> None:
        raise PermissionError(13, "Permission denied", "/closed/ray")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refused)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    refused = pytest.raises(InputError, match=r"Permission denied.*set TMPDIR to a folder that can be written")
    with refused, connected(None):
        pass
