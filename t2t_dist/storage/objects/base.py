"""Interface of stores: a run directory as a few primitives that object stores also have.

Everything that a run keeps goes through :class:`Storage`: whole objects with ``/``-separated names, put once or
replaced as a whole, and shards that get their name only when they are complete. Nothing is changed in place, so a
reader (or a process killed at any moment) sees an object as a whole or not at all. No module outside this package
opens, renames or lists files of a run.

A directory is :class:`~t2t_dist.storage.objects.local.LocalStorage`, ``s3://`` is
:class:`~t2t_dist.storage.objects.s3.S3Storage`, and any other URI that pyarrow opens is
:class:`~t2t_dist.storage.objects.arrow.ArrowStorage`.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.fs

#: Folder of unfinished objects, so that no listing and no reader's glob ever finds one.
TEMPORARY = "tmp"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")


Sums = bytes  # a field of Written has the other name


class Written(NamedTuple):
    """A shard that has its name: its size in bytes, and the checksums of its blocks (``blocks.py``)."""

    bytes: int
    sums: Sums


class Storage(ABC):
    """The objects of one run directory.

    Every method raises InputError when the store refuses, and its subclass StoreUnavailable when the store is full or
    was out of reach for too long.
    """

    root: str

    @property
    @abstractmethod
    def filesystem(self) -> pyarrow.fs.FileSystem:
        """The same names as a pyarrow filesystem, for readers such as pyarrow.dataset."""

    @property
    @abstractmethod
    def logs(self) -> str:
        """A directory on this machine for the logs of the run's engines."""

    @abstractmethod
    def describe(self, name: str) -> str:
        """The full address of ``name``, for messages; for the empty name, the address that ``open_storage`` takes."""

    @abstractmethod
    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write a new object durably; False, and nothing is changed, when ``name`` exists already.

        Of any number of processes that put the same name, exactly one gets True.
        """

    @abstractmethod
    def replace(self, name: str, data: bytes, *, wait: bool = True) -> None:
        """Write an object durably, replacing any old one; readers see the old or the new.

        Without ``wait`` it is tried only once, for objects that are not worth waiting for.
        """

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """The whole object, or None when it is absent."""

    @abstractmethod
    def size(self, name: str) -> int | None:
        """Bytes of the object, or None when it is absent."""

    @abstractmethod
    def names(self, prefix: str = "") -> list[str]:
        """Names of all finished objects that begin with ``prefix``, sorted. Never includes unfinished ones."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove an object; an absent one is no error."""

    @abstractmethod
    def clear_temporary(self) -> None:
        """Remove unfinished objects of killed writers. Only for the driver of the run, before its workers start."""

    @abstractmethod
    def open_shard(self, name: str) -> ShardFile:
        """A new file to stream into; it gets its ``name`` only when it is committed."""


class ShardFile(ABC):
    """A shard being written: bytes go to ``sink``, then exactly one of :meth:`commit` and :meth:`discard` is called."""

    sink: Any

    @contextmanager
    @abstractmethod
    def explained(self) -> Iterator[None]:
        """Context for writes to ``sink``: turns a full disk into an InputError that names the shard."""

    @abstractmethod
    def commit(self) -> Written:
        """Close the shard, make it durable, give it its name."""

    @abstractmethod
    def discard(self) -> None:
        """Drop what was written."""


def is_uri(root: str | Path) -> bool:
    """Whether an address is a URI, not a path."""
    return isinstance(root, str) and _SCHEME.match(root) is not None


def resolved(root: str) -> str:
    """The address independent of the working directory: a path made absolute, a URI unchanged."""
    return root if is_uri(root) else os.path.realpath(root)
