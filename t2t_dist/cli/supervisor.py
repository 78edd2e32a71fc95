"""A supervisor that runs the driver in its own process group and outlives it.

A batch system, ``timeout`` or a terminal often signals a whole process group. Ray's processes are in it and would die
at once, before the driver has drained. And when a cluster's head dies, Ray ends the driver silently. So the command
waits here, forwards signals to the driver alone, and reports how it ended.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

from t2t_dist.cluster.signals import heard, interrupt

from .common import RESUMABLE
from .streams import BAD_INPUT, CLOSED_PIPE

_PR_SET_PDEATHSIG = 1
_begun = False


def supervised(body: Callable[[], int]) -> int | None:
    """Run ``body`` in a child process, and return its exit code; ``None`` if the child was ended before it returned.

    To be called while this process has one thread. An exception of ``body`` is printed as Python prints it and gives 1;
    an interrupt that it does not handle, before the run has begun or after it has ended, is one line and gives 75.
    From then on signals change nothing: the result stands.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _begin(parent)

        def printed() -> int:
            code = body()
            sys.stdout.flush()
            return code

        code = _code_of(printed)
        sys.stderr.flush()
        os.write(writer, bytes([code & 255]))
        os._exit(code)

    os.close(writer)

    running = True

    def forward(number: int, frame: object) -> None:
        try:
            if running:
                os.kill(child, number)
        except ProcessLookupError:
            pass

    for number in heard():
        signal.signal(number, forward)
    os.waitpid(child, 0)
    running = False
    # Read only now: processes that the child started may hold the pipe open longer, and its exit code is in it already.
    os.set_blocking(reader, False)
    try:
        answer = os.read(reader, 1)
    except BlockingIOError:
        answer = b""
    os.close(reader)
    return answer[0] if answer else None


def _begin(parent: int) -> None:
    """In the child: a process group of its own, which ends when the parent ends, however that happens."""
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)
    interrupt()


def run_has_begun() -> None:
    """In the child: from now on the driver takes the signals; one that it leaves comes after the run's end."""
    global _begun
    _begun = True


def _code_of(body: Callable[[], int]) -> int:
    try:
        try:
            return body()
        finally:
            for number in heard():
                signal.signal(number, signal.SIG_IGN)
    except (KeyboardInterrupt, SystemExit) as end:  # Ray turns SIGTERM into the latter
        if isinstance(end, SystemExit) and end.code in (CLOSED_PIPE, BAD_INPUT):
            return int(end.code)  # what can't be written, after the run
        when, then = ("after the run's end", "prints its results") if _begun else ("before the run began", "starts it")
        sys.stderr.write(f"stopped: interrupted {when}; the same command {then}\n")
        return RESUMABLE
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
