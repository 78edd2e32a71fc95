"""SIGTERM and SIGINT, as a driver takes them."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Signals to stop that come within so many seconds are one.
_ONE_SIGNAL_S = 0.3


@contextmanager
def signals(stopping: list[str]) -> Iterator[None]:
    """SIGTERM and SIGINT drain the run, a second one cancels it; a third is the default again.

    Who ends a whole tree of processes (`ray job stop` does) sends one to us and one to the command above, which passes
    it on: what comes at once is one signal.
    """
    previous: dict[signal.Signals, Any] = {}
    last = -math.inf

    def stop(number: int, frame: object) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _ONE_SIGNAL_S:
            return
        last = now
        stopping.append(signal.Signals(number).name)
        if len(stopping) > 1:
            for again, handler in previous.items():
                signal.signal(again, handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        previous[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
