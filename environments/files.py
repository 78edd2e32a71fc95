"""Files that a person or a domain names: opened without ever waiting, regular ones only, of a bounded size.

A named pipe blocks whoever opens it, a device has no end, and a directory fails only when it is read. Here each of them
is an OSError whose ``strerror`` is the reason, so that callers word it as they word a missing file.
"""

from __future__ import annotations

import errno
import os
import stat

#: Most bytes of a file that a person writes: settings, a policy, the words of a domain.
WRITTEN_BY_HAND = 4 << 20
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def is_utf8(text: str) -> bool:
    """Whether a name can be printed, stored and sent: one that is not UTF-8 has half characters in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class NotAFile(OSError):
    """What stands at a path is no regular file, or a file larger than what is read of its kind."""

    def __init__(self, path: str | os.PathLike[str], why: str, number: int = errno.EINVAL) -> None:
        super().__init__(number, why, os.fspath(path))

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def open_file(path: str | os.PathLike[str], flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file; ``flags`` as for ``os.open``. Raises OSError."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ENOENT and os.path.islink(path):
            raise NotAFile(path, "this is a link that leads nowhere, not a file") from None
        if error.errno in (errno.ENXIO, errno.ENODEV, errno.EISDIR):  # a socket, a pipe that nobody reads, a directory
            raise _refused(path, os.stat(path).st_mode) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _refused(path, mode)
    return descriptor


def read_file(path: str | os.PathLike[str], most: int | None = None) -> bytes:
    """All bytes of a regular file of at most ``most`` bytes. Raises OSError."""
    with open(open_file(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise NotAFile(path, f"this file is too large: {size:,} bytes, and {most:,} are read at most", errno.EFBIG)
        return file.read()


def read_text(path: str | os.PathLike[str], most: int | None = WRITTEN_BY_HAND) -> str:
    """The text of a regular file in UTF-8, with its line ends as ``\\n``. Raises OSError, UnicodeDecodeError."""
    return read_file(path, most).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a regular file, replacing what it holds. Raises OSError."""
    with open(open_file(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
        file.write(data)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raises OSError: no file can be written here. Leaves what is there as it is."""
    new = not os.path.lexists(path)
    os.close(open_file(path, os.O_WRONLY | os.O_CREAT))
    if new:
        os.unlink(path)


def _refused(path: str | os.PathLike[str], mode: int) -> NotAFile:
    kind = next((words for is_kind, words in _KINDS if is_kind(mode)), "no regular file")
    return NotAFile(path, f"this is {kind}, not a file")
