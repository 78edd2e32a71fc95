"""Standard output and standard error that may go away while a command prints: a closed pipe, a full device, a terminal
that was closed.

What can't be written to stdout ends the command: silently with 141 (as a program that SIGPIPE ends) where the reader
has left, as ``head`` does; otherwise with one line and exit 2. What can't be written to stderr is dropped: nobody reads
it, and a run is not to end for that.
"""

from __future__ import annotations

import errno
import io
import os
import sys

TYPE_CHECKING = False  # nothing is loaded before the search path is in order

if TYPE_CHECKING:
    from typing import Any

CLOSED_PIPE, BAD_INPUT = 141, 2


class _Stream(io.FileIO):
    """A standard stream; after the first error it leads nowhere, so that its end meets no second one."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if self.fileno() == 1:
                _end(error)
            return len(data)


def _end(error: OSError) -> None:
    if error.errno == errno.EPIPE:
        raise SystemExit(CLOSED_PIPE)
    sys.stderr.write(f"error: the output can't be written: {error.strerror}; send it elsewhere\n")
    raise SystemExit(BAD_INPUT)


def guard() -> None:
    """Put such streams in place of ``sys.stdout`` and ``sys.stderr``, and none of those that the shell has closed."""
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        old = getattr(sys, name)
        if old is None:  # closed, as with >&-
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for as long as the process lives
            continue
        raw = _Stream(descriptor, "w", closefd=False)
        buffered = {"line_buffering": old.line_buffering, "write_through": old.write_through}
        stream = io.TextIOWrapper(io.BufferedWriter(raw), old.encoding, old.errors, **buffered)
        setattr(sys, name, stream)
