"""What the tests of disturbed runs share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.brake import VARIABLE, Brake
from tests.support.slow_runs import digests, resume


@pytest.fixture(scope="session", autouse=True)
def brake_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Named in the environment before any Ray starts, whose workers have to know it."""
    folder = tmp_path_factory.mktemp("brake")
    os.environ[VARIABLE] = str(folder)
    yield folder
    del os.environ[VARIABLE]


@pytest.fixture
def brake(brake_folder: Path) -> Iterator[Brake]:
    """The brake of slow runs, holding."""
    found = Brake(brake_folder)
    found.hold()
    yield found
    found.release()


@pytest.fixture(scope="session")
def calm(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Digests of an undisturbed run on a local disk."""
    out = tmp_path_factory.mktemp("runs") / "calm"
    resume(out)
    return digests(out)


@pytest.fixture(autouse=True)
def no_driver_is_left() -> Iterator[None]:
    yield
    left = []
    for process in psutil.Process().children():
        try:
            if "t2t_dist.cli" in process.cmdline():
                process.kill()
                left.append(process)
        except psutil.Error:
            continue
    assert left == [], "the test left a driver behind"
