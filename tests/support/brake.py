"""The brake of runs on ``slow_domain:SlowRetail``: it holds their episodes until a test lets them go.

A test can then act while a run is known to be in the middle, at any speed of the machine: some items are committed, the
others can't finish. The brake is a folder that the variable ``T2T_TEST_BRAKE`` names; workers of every Ray that was
started since inherit the variable.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "T2T_TEST_BRAKE"


class Brake:
    """The test's hand on the brake in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self, after: int = 4) -> None:
        """Hold the episodes of every item but the first ``after``."""
        new = self._folder / "new"
        new.write_text(str(after))
        new.replace(self._folder / "after")

    def release(self) -> None:
        """Let every episode go on."""
        for file in self._folder.iterdir():
            file.unlink()

    def release_process(self, pid: int) -> None:
        """Let the episodes of one worker process go on."""
        (self._folder / str(pid)).touch()


def held(item: int) -> bool:
    """Whether this process has to hold the episodes of an item."""
    folder = os.environ.get(VARIABLE)
    if folder is None:
        return False
    try:
        after = int(Path(folder, "after").read_text())
    except FileNotFoundError:
        return False
    return item >= after and not Path(folder, str(os.getpid())).exists()
