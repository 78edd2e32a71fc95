"""A disk that fills up in the middle of a run: one clear message, nothing committed is lost, and it can go on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.support.stores import digests, ended, started, until_committed

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


def test_a_full_disk_ends_the_run_resumable(small_disk: Path, calm: dict[str, int]) -> None:
    out, filler = str(small_disk / "run"), small_disk / "filler"
    driver = started(out)
    done = until_committed(out)
    fill = subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True, text=True, check=False)
    assert "No space left" in fill.stderr
    stderr = ended(driver, 75)
    assert stderr.count("the disk is full; free some space, then run the same command") == 1
    assert done <= len(RunReader(open_storage(out), SCHEMAS).state.items) < 24
    assert "the disk is full" in ended(started(out), 75)
    filler.unlink()
    ended(started(out), 0)
    assert digests(out) == calm
    assert list((small_disk / "run" / "tmp").iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(tmp_path)], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
