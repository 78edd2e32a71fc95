"""Runs one command and lets nothing of it outlive its owner. Linux; started by path, as a process of its own.

    python -P guard.py OWNER_PID GRACE_SECONDS COMMAND [ARGUMENT ...]

This small process stands between an actor and its server, because neither can do the job. A killed actor runs no code,
and a parent-death signal reaches only the direct child, while a killed server leaves processes of its own behind, which
hold the GPU. The guard adopts every orphan below it (as a subreaper), and kills all that is below it when

- the owner is gone, however it went (it is looked for twice a second);
- the command has ended by itself (what is left of it is waste, and would be in a restart's way);
- it is told to by SIGTERM: the command gets SIGTERM too, and GRACE_SECONDS to end in order first.

It prints the command's pid on stdout, hands its own stderr on as the command's output, and exits with the command's
code, or 128 + N where signal N ended it.
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
#: How often the owner is looked for, in seconds.
_LOOK_S = 0.5
#: A process that SIGKILL does not end hangs in the kernel (a dead GPU driver or disk); nobody can wait for that.
_KILL_S = 10.0
#: Taken by sigtimedwait instead of by handlers, so that none can fall between a look and a wait.
_WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def main(owner: int, grace: float, command: list[str]) -> int:
    """Run the command to its end, the owner's end or a signal; the exit code.

    Two processes do it. Ray kills an actor's children and its process group along with it, and that is no more than the
    first one: it passes signals and the exit code on. The second is in neither, and is who guards.
    """
    signal.signal(signal.SIGCHLD, lambda *_: None)  # ignored by default, and what is ignored can't be waited for
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    relay, group = os.getpid(), os.getpgrp()
    guard = os.fork()
    if guard == 0:
        os.setpgid(0, 0)
        return _guard(relay, grace, command, group)
    os.close(1)
    code = None
    while code is None and os.getppid() == owner:
        if _told(_LOOK_S):
            os.kill(guard, signal.SIGTERM)
        code = _reap(guard)
    return 0 if code is None else code  # without an owner nobody hears it


def _guard(owner: int, grace: float, command: list[str], group: int) -> int:
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child = _start(command, group)
    print(child, flush=True)
    os.close(1)  # whoever reads our stdout to its end must not wait for the command's
    code = None
    while code is None and os.getppid() == owner:
        if _told(_LOOK_S):
            os.kill(child, signal.SIGTERM)
            deadline = time.monotonic() + grace
            while code is None and os.getppid() == owner and (left := deadline - time.monotonic()) > 0:
                if _told(min(left, _LOOK_S)):
                    break  # told twice: at once
                code = _reap(child)
            break
        code = _reap(child)
    # SIGKILL until nothing is left: what dies may just have started something.
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
    """The command as a child in a process group, its output to our stderr; its pid."""
    child = os.fork()
    if child:
        return child
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
    # If the guard itself is killed, the command goes with it. Safe here: the guard has one thread, and it is a thread's
    # death that the kernel means by a parent's.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.setpgid(0, group)
    except OSError:
        pass  # the owner's group is gone, and so is the command in a moment
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _told(seconds: float) -> bool:
    """Wait for a signal; whether it is one that says stop."""
    found = signal.sigtimedwait(_WATCHED, seconds)
    return found is not None and found.si_signo != signal.SIGCHLD


def _reap(child: int) -> int | None:
    """Collect whatever has ended below us, adopted orphans too; the child's exit code if it was among them."""
    code = None
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
    except ChildProcessError:
        pass  # nobody is left
    return code if code is None or code >= 0 else 128 - code


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
