"""Guard process of a server: runs one command, and no process of it outlives its owner. Linux; started by path.

    python -P guard.py OWNER_PID GRACE_SECONDS COMMAND [ARGUMENT ...]

It stands between an actor and its server, because neither can do this job. A killed actor runs no code, and a
parent-death signal reaches only the direct child, while a killed server leaves processes behind that hold the GPU. The
guard adopts every orphan below it (as a subreaper), and kills every process below it when

- the owner is gone, for whatever reason (checked twice per second);
- the command has ended by itself (its remaining processes are of no use, and would block a restart);
- it gets SIGTERM: the command gets SIGTERM too, and first has GRACE_SECONDS to end in order.

``environments/adapters/mcp/process_guard.py`` is the same idea on other terms: it needs no packages and not only Linux,
passes stdin and stdout through, kills without grace, and needs an owner thread that lives as long as the process.

It prints the command's pid on stdout, passes its own stderr to the command as stdout and stderr, and exits with the
command's code, or 128 + N where signal N ended it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

import psutil

#: Of <sys/prctl.h>.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
#: How often the owner is checked, in seconds.
_CHECK_S = 0.5
#: Seconds for SIGKILL to work. A process that survives it hangs in the kernel (a dead GPU driver or disk).
_KILL_S = 10.0
#: Taken by sigtimedwait instead of handlers, so that none is lost between a check and a wait.
_WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def main(owner: int, grace: float, command: list[str]) -> int:
    """Run the command until its end, the owner's end or a signal; the exit code.

    It takes two processes. Ray kills an actor together with its children and its process group: that is only the first
    one, a relay of signals and the exit code. The second is in neither, and is the guard.
    """
    signal.signal(signal.SIGCHLD, lambda *_: None)  # ignored by default, and an ignored signal can't be waited for
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    relay, group = os.getpid(), os.getpgrp()
    guard = os.fork()
    if guard == 0:
        os.setpgid(0, 0)
        return _guard(relay, grace, command, group)
    os.close(1)
    code = None
    while code is None and os.getppid() == owner:
        if _asked_to_stop(_CHECK_S):
            os.kill(guard, signal.SIGTERM)
        code = _reap(guard)
    return 0 if code is None else code  # without an owner nobody reads it


def _guard(owner: int, grace: float, command: list[str], group: int) -> int:
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child = _start(command, group)
    print(child, flush=True)
    os.close(1)  # a reader of our stdout must not wait for the command's end
    code = None
    while code is None and os.getppid() == owner:
        if _asked_to_stop(_CHECK_S):
            os.kill(child, signal.SIGTERM)
            deadline = time.monotonic() + grace
            while code is None and os.getppid() == owner and (left := deadline - time.monotonic()) > 0:
                if _asked_to_stop(min(left, _CHECK_S)):
                    break  # a second signal: kill at once
                code = _reap(child)
            break
        code = _reap(child)
    # SIGKILL until nothing is left: a dying process may just have started another.
    deadline = time.monotonic() + _KILL_S
    while (left_over := psutil.Process().children(recursive=True)) and time.monotonic() < deadline:
        for process in left_over:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        time.sleep(0.02)
        ended = _reap(child)
        code = ended if code is None else code
    return 128 + signal.SIGKILL if code is None else code


def _start(command: list[str], group: int) -> int:
    """Start the command as a child in a process group, with its output on our stderr; its pid."""
    child = os.fork()
    if child:
        return child
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
    # If the guard itself is killed, the command dies with it. This is safe here: the kernel sends the signal when the
    # parent's thread ends, and the guard has only one.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.setpgid(0, group)
    except OSError:
        pass  # the owner's group is gone, and soon the command will be
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _asked_to_stop(seconds: float) -> bool:
    """Wait for a signal; whether it asks to stop."""
    received = signal.sigtimedwait(_WATCHED, seconds)
    return received is not None and received.si_signo != signal.SIGCHLD


def _reap(child: int) -> int | None:
    """Collect the ended processes below us, adopted orphans too; the child's exit code if it was among them."""
    code = None
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
    except ChildProcessError:
        pass  # none is left
    return code if code is None or code >= 0 else 128 - code


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
