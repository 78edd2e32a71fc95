"""One run directory as a handful of primitives that an object store has too.

Everything a run keeps goes through :class:`Storage`: whole objects under ``/``-separated names, put once or replaced as
a whole, and shards that take their name only when they are complete. Nothing is ever changed in place, so a reader (or
a process killed at any moment) sees an object whole or not at all. No other module of the library opens, renames or
lists files of a run.

A directory is :class:`~t2t_dist.storage.objects.local.LocalStorage`, ``s3://`` is
:class:`~t2t_dist.storage.objects.s3.S3Storage`, and any other URI that pyarrow opens is
:class:`~t2t_dist.storage.objects.remote.ArrowStorage`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.fs

#: Unfinished objects live here, apart from the finished ones: no listing and no reader's glob ever meets one.
TEMPORARY = "tmp"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")


class Storage(ABC):
    """The objects of one run directory. Every method raises InputError when the store refuses; StoreUnavailable, which
    is one, when it is full or was out of reach for too long."""

    root: str

    @property
    @abstractmethod
    def filesystem(self) -> pyarrow.fs.FileSystem:
        """The same names as a pyarrow filesystem, for readers such as pyarrow.dataset."""

    @property
    @abstractmethod
    def logs(self) -> str:
        """A directory of this machine for logs of the run's servers."""

    @abstractmethod
    def describe(self, name: str) -> str:
        """The full address of ``name``, for messages; of the empty name, what ``open_storage`` takes."""

    @abstractmethod
    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write a durable new object; False, with nothing changed, when ``name`` exists already.

        Of any number of processes that put the same name, exactly one gets True.
        """

    @abstractmethod
    def replace(self, name: str, data: bytes, *, wait: bool = True) -> None:
        """Write a durable object, in place of the old one if there is one; readers see the old or the new.

        Without ``wait`` it is tried once, for what is not worth waiting for.
        """

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """The whole object, or None when it is absent."""

    @abstractmethod
    def size(self, name: str) -> int | None:
        """Bytes of the object, or None when it is absent."""

    @abstractmethod
    def names(self, prefix: str = "") -> list[str]:
        """Names of all finished objects that begin with ``prefix``, sorted. Unfinished ones are never among them."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove an object; an absent one is no error."""

    @abstractmethod
    def clear_temporary(self) -> None:
        """Remove what killed writers left unfinished. Only for the one driver of the run, before its workers start."""

    @abstractmethod
    def open_shard(self, name: str) -> ShardFile:
        """A new file to stream into; it takes its ``name`` only when it is committed."""


class ShardFile(ABC):
    """A shard being written. ``sink`` takes the bytes; then exactly one of :meth:`commit` and :meth:`discard`."""

    sink: Any

    @contextmanager
    @abstractmethod
    def explained(self) -> Iterator[None]:
        """Around writes to ``sink``: a full disk becomes InputError, which names the shard."""

    @abstractmethod
    def commit(self) -> int:
        """Close, make durable, give the final name. Returns the size in bytes."""

    @abstractmethod
    def discard(self) -> None:
        """Drop what was written."""


def is_uri(root: str | Path) -> bool:
    """Whether it is the address of a store and no path."""
    return isinstance(root, str) and _SCHEME.match(root) is not None


def resolved(root: str) -> str:
    """The same from any directory: a path made absolute, a URI as it is."""
    return root if is_uri(root) else str(Path(root).resolve())
