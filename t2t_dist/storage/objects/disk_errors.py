"""Disk errors as messages that a person can act on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from t2t_dist.core.errors import InputError, StoreUnavailable

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space, then run the same command",
    errno.EDQUOT: "the disk quota is used up; free some space, then run the same command",
    errno.EROFS: "the file system is read-only; choose another directory",
    errno.EACCES: "permission denied; choose another directory or change its permissions",
    errno.EPERM: "permission denied; choose another directory or change its permissions",
    errno.ENOTDIR: "a part of this path is a file, not a directory; choose another directory",
    errno.EEXIST: "a file stands where a directory should be; choose another run directory",
    errno.EISDIR: "this is a directory where a file should be; remove it, or choose another run directory",
    errno.EIO: "the disk could not read or write it; try again, or restore it from a copy",
    errno.ELOOP: "a link that leads to itself; restore the file from a copy",
    errno.ENOENT: "no such file or directory; was the run directory moved or deleted meanwhile?",
}


#: Errors that only need free space: the run can be resumed.
_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Context that turns an OSError on ``path`` into one line: what is wrong and what to do."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
        kind = StoreUnavailable if error.errno in _FULL else InputError
        raise kind(f"{path}: {reason}") from error
