"""A disk that fills up in the middle of a run: one clear message, nothing committed is lost, and it can be resumed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.brake import Brake
from tests.support.slow_runs import ITEMS, digests, ended, items_done, resume, started, until_committed

pytestmark = pytest.mark.ray


def test_a_full_disk_ends_the_run_resumable(small_disk: Path, calm: dict[str, int], brake: Brake) -> None:
    out, filler = small_disk / "run", small_disk / "filler"
    driver = started(out)
    done = until_committed(out)
    fill = subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True, text=True, check=False)
    assert "No space left" in fill.stderr
    brake.release()
    assert ended(driver, 75).count("the disk is full; free some space, then run the same command") == 1
    assert done <= items_done(out) < ITEMS
    assert "the disk is full" in ended(started(out), 75)
    filler.unlink()
    resume(out)
    assert digests(out) == calm
    assert list((out / "tmp").iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(tmp_path)], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
