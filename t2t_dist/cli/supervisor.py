"""A run's driver in a process group of its own, under a small process that outlives it.

Whoever ends a program often signals its whole group: a batch system, ``timeout``, a terminal. Ray's own processes are
in that group and would die at once, before the driver had drained. And when a cluster's head dies, Ray ends the driver
without a word. So the command waits here, passes signals on to the driver alone, and says what became of it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def supervised(body: Callable[[], int]) -> int | None:
    """Run ``body`` in a child, and return what it returns; ``None`` if something ended the child before it could.

    To be called while this process has one thread. An exception of ``body`` is printed as Python does and gives 1.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        _begin(parent)
        code = _code_of(body)
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(told, bytes([code & 255]))
        os._exit(code)

    os.close(told)

    def pass_on(number: int, frame: object) -> None:
        try:
            os.kill(child, number)
        except ProcessLookupError:
            pass

    before = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        os.waitpid(child, 0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    # Not read before its end: what the child started may hold the pipe open for longer, and its word is in it by now.
    os.set_blocking(heard, False)
    try:
        word = os.read(heard, 1)
    except BlockingIOError:
        word = b""
    os.close(heard)
    return word[0] if word else None


def _begin(parent: int) -> None:
    """In the child: a group of its own, and an end with its parent whatever becomes of that."""
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def _code_of(body: Callable[[], int]) -> int:
    try:
        return body()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
