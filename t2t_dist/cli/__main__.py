"""Entry point of ``t2t`` and of ``python -m t2t_dist.cli``: what has to be seen to before anything else is loaded.

The app takes a second to import, and Ctrl-C may come before that too.
"""

import atexit
import os
import sys

from t2t_dist.environments.files import is_utf8

from .streams import BAD_INPUT, guard

#: Commands that make runs: stopped at any moment, they can be started again.
_RUNS = ("generate", "explore", "convert", "evaluate", "rollout")
_INTERRUPTED, _RESUMABLE = 130, 75


def main() -> None:
    """Run the command that the arguments name, and exit."""
    code = 0
    try:
        _run()
    except SystemExit as end:
        if isinstance(end.code, str):
            raise  # a text of somebody else's, which Python prints
        code = end.code or 0
    _leave(code)


def _leave(code: int) -> None:
    """End without Python's finalization: a thread of Arrow's that then still reads ahead, or lets go of a file of ours,
    aborts the process."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run() -> None:
    guard()
    if problem := _problem():
        sys.stderr.write(f"error: {problem}\n")
        sys.exit(BAD_INPUT)
    from t2t_dist.environments.search_path import search_last

    search_last(os.getcwd())  # `python -m` puts it first, and a file there may be named like a module of Python
    makes_run = next((word for word in sys.argv[1:] if not word.startswith("-")), "") in _RUNS
    try:
        if makes_run:  # until the driver has its own handlers
            from t2t_dist.cluster.signals import interrupt

            interrupt()
        from .main import main as start

        try:
            start()
        finally:
            sys.stdout.flush()  # here, where what it can't write still decides the exit code
    except KeyboardInterrupt:
        _exit_interrupted(makes_run)
    except SystemExit as end:
        if end.code != _INTERRUPTED:
            raise
        _exit_interrupted(makes_run)


def _exit_interrupted(makes_run: bool) -> None:
    if makes_run:
        sys.stderr.write("stopped: interrupted before the run began; the same command starts it\n")
    sys.exit(_RESUMABLE if makes_run else _INTERRUPTED)


def _problem() -> str:
    """Why no command can work in this process; empty if it can."""
    if sys.flags.optimize > 1:
        return (
            "Python was started with -OO or PYTHONOPTIMIZE=2, which removes the docstrings that describe tools to"
            " models; unset it"
        )
    try:
        here = os.getcwd()
    except OSError as error:
        return f"the working directory can't be used: {error.strerror}; change to another"
    for what, text in (("the working directory", here), *(("the argument", word) for word in sys.argv[1:])):
        if not is_utf8(text):
            return f"{what} {text!a} is not UTF-8; names of files and folders have to be, so rename it"
    return ""


if __name__ == "__main__":
    main()
