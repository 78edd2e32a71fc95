"""Objects of the ledger as bytes: their names, their envelope with a checksum, and what is wrong with one.

Every object is msgpack ``[MAGIC, version, kind, number, checksum, body]``, with a checksum (blake2b, 16 bytes) of the
other fields. This envelope never changes, so an older t2t can name a newer version instead of reporting damage. The
version is that of the body, and each kind has its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]

from t2t_dist.core.errors import InputError, StoreUnavailable

from .objects.base import Storage, Sums

#: The version written of each kind; all up to it can be read. Checkpoints of version 1 also held all shards. Only what
#: was written by version 2 of commits and version 3 of checkpoints may take commits back. Shards in commits up to
#: version 2, and in indexes of version 1, have no checksums.
VERSIONS = {"commit": 3, "checkpoint": 3, "index": 2}
MAGIC = "t2t-ledger"
FOLDER = "ledger/"
_NAME = re.compile(r"ledger/(checkpoint-|index-)?(\d{12})\.mp")


class ShardInfo(NamedTuple):
    """The ledger's entry of a finished shard."""

    table: str
    file: str
    rows: int
    bytes: int
    #: Checksums of its blocks (``objects/blocks.py``); empty in shards written before there were any.
    sums: Sums = b""


class BadObject(Exception):
    """An object can't be read, or its bytes are not those that were written."""


class NoObject(BadObject):
    """The object does not exist."""


class Names:
    """The numbers of the objects in the ledger's folder, ascending; files with other names are ignored."""

    def __init__(self, storage: Storage) -> None:
        self.commits: list[int] = []
        self.checkpoints: list[int] = []
        self.indexes: list[int] = []
        kinds = {None: self.commits, "checkpoint-": self.checkpoints, "index-": self.indexes}
        for name in storage.names(FOLDER):
            if match := _NAME.fullmatch(name):
                kinds[match[1]].append(int(match[2]))


def object_name(kind: str, number: int) -> str:
    """The name of an object in its store."""
    return f"{FOLDER}{'' if kind == 'commit' else kind + '-'}{number:012d}.mp"


def put_together(kind: str, number: int, body: Mapping[str, Any]) -> bytes:
    """The bytes of an object."""
    version, packed = VERSIONS[kind], bytes(msgpack.packb(body))
    found: bytes = msgpack.packb([MAGIC, version, kind, number, _checksum(version, kind, number, packed), packed])
    return found


def _checksum(version: int, kind: str, number: int, packed: bytes) -> bytes:
    head = f"{MAGIC}/{version}/{kind}/{number}/".encode()
    return hashlib.blake2b(head + packed, digest_size=16).digest()


def body_of(storage: Storage, kind: str, number: int) -> dict[str, Any]:
    """The body of an object; raises BadObject, or InputError for a version this t2t does not know."""
    where = storage.describe(object_name(kind, number))
    try:
        data = storage.read(object_name(kind, number))
    except StoreUnavailable:
        raise
    except InputError as error:  # a pipe, no permission, a bad sector ...
        raise BadObject(str(error)) from None
    if data is None:
        raise NoObject(f"{where}: gone while the ledger was read")
    try:
        magic, version, its_kind, its_number, checksum, packed = msgpack.unpackb(data)
        whole = magic == MAGIC and checksum == _checksum(version, its_kind, its_number, packed)
    except (ValueError, TypeError, msgpack.UnpackException):
        whole = False
    if not whole:
        raise BadObject(f"{where}: truncated or damaged ({len(data)} bytes)")
    if version > VERSIONS.get(its_kind, 0):
        raise InputError(
            f"{where}: written in format {version} of a {kind}, this t2t reads up to {VERSIONS[kind]}; use a newer t2t"
        )
    if (its_kind, its_number) != (kind, number):
        raise BadObject(f"{where}: holds {its_kind} {its_number}")
    body: dict[str, Any] = msgpack.unpackb(packed, strict_map_key=False)
    return body


def shards_in(body: Mapping[str, Any]) -> list[ShardInfo]:
    """The shards that a commit or an index names."""
    return [ShardInfo(*fields) for fields in body["shards"]]


def as_gaps(numbers: Iterable[int]) -> list[int]:
    """Ascending numbers as ranges, alternating gap and length: small numbers, one to three bytes each in msgpack."""
    flat: list[int] = []
    end = 0
    for number in numbers:
        if number == end and flat:
            flat[-1] += 1
        else:
            flat += (number - end, 1)
        end = number + 1
    return flat


def ranges_of(gaps: Sequence[int]) -> Iterable[tuple[int, int]]:
    """The half-open ranges of what :func:`as_gaps` gave."""
    end = 0
    for gap, length in zip(gaps[::2], gaps[1::2], strict=True):
        start = end + gap
        end = start + length
        yield start, end
