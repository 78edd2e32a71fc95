"""Guard process between us and a server: it ends when we do, and then kills everything that the server started.

``python process_guard.py PARENT FOLDER COMMAND...`` passes stdin and stdout to the command, writes its own process id
to ``FOLDER/pid`` and removes the folder at the end. On Linux the kernel signals it when we die, for whatever reason,
and it inherits orphans of the server; elsewhere a server notices our end by its stdin only. It imports none of our
modules.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

_PDEATHSIG, _CHILD_SUBREAPER = 1, 36
_ENDS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _begin() -> None:
    """Runs in the server before its program: it dies with the guard, and its signals are unblocked."""
    _prctl(_PDEATHSIG, int(signal.SIGKILL))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _children() -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue  # it has ended
        if int(parent) == os.getpid() and state != "Z":
            found.append(int(stat.parent.name))
    return found


def _end_all() -> None:
    """Kill the server and its descendants: we inherit the children of each that dies."""
    while children := _children():
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for child in children:
            try:
                os.waitpid(child, 0)
            except ChildProcessError:
                pass


def main() -> int:
    parent, folder, *command = sys.argv[1:]
    _prctl(_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != int(parent):
        return 1
    # Ray kills the children of a worker too, with SIGKILL: that only hits the outer process, and the inner one, which
    # is signalled then, still cleans up.
    outer = os.getpid()
    inner = os.fork()
    if inner == 0:
        return _guard(outer, folder, command)
    for stream in (0, 1, 2):
        os.close(stream)
    return os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]) & 255


def _guard(parent: int, folder: str, command: list[str]) -> int:
    """Start the server, wait until it or its owner ends, and clean up."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    _prctl(_PDEATHSIG, int(signal.SIGTERM))
    _prctl(_CHILD_SUBREAPER, 1)
    (Path(folder) / "pid").write_text(str(os.getpid()))
    code = 1
    try:
        server = subprocess.Popen(command, preexec_fn=_begin)
        # A changed parent: our owner died before the kernel was asked to signal that.
        while os.getppid() == parent and server.poll() is None:
            if signal.sigwait(_ENDS) != signal.SIGCHLD:
                server.kill()
                break
        code = server.poll() or 0
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
    _end_all()
    # Last of all: our owner takes the server for alive as long as the streams are open.
    shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
