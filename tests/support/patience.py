"""How a test waits for what has to come, and how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds. Everything comes within it on a machine thirty times as busy as usual; only what hangs does not.
PATIENCE_S = 800.0


def until(holds: Callable[[], T | None], what: str, seconds: float = PATIENCE_S) -> T:
    """What ``holds`` gives, once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds:g} s: {what}")
