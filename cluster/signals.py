"""Signal handlers of the driver: SIGTERM, SIGINT and, when its terminal is closed, SIGHUP."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Signals within this many seconds count as one.
_ONE_SIGNAL_S = 0.3


#: Signals that end a run in order; see :func:`heard`.
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: Signals that came before :func:`signals` listened.
_early: list[str] = []


def interrupt() -> None:
    """Let these signals end the start of a run as KeyboardInterrupt. If some library swallows it, :func:`signals`
    takes the signal over."""

    def stop(number: int, frame: object) -> None:
        _early.append(signal.Signals(number).name)
        raise KeyboardInterrupt

    for number in heard():
        signal.signal(number, stop)


def heard() -> list[signal.Signals]:
    """The signals that end a run: not SIGHUP where it is ignored, as ``nohup`` has it."""
    return [n for n in _ENDING if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]


@contextmanager
def signals(stopping: list[str]) -> Iterator[None]:
    """Context manager that appends the names of received signals to ``stopping``.

    The first one drains the run, the second cancels it; after that the previous handlers are back.
    Signals that arrive together count as one: `ray job stop`, for example, signals both us and our parent, which
    forwards its own.
    """
    previous: dict[signal.Signals, Any] = {}
    last = -math.inf
    stopping += _early[:1]
    _early.clear()

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

    for number in heard():
        previous[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
