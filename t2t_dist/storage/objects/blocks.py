"""Checksums of a shard, block by block: made as it is written, compared as it is read.

A shard of n bytes has one checksum (CRC-32, 4 bytes, big-endian) per :data:`BLOCK` bytes; the last may be shorter.
They are in the ledger. A reader of a few columns or rows checks the blocks that these are in, and no others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any
from zlib import crc32

import pyarrow as pa

from .base import Written

#: Bytes per checksum; part of the ledger's format.
BLOCK = 64 << 10
#: Bytes that are collected before they are summed and written: Arrow writes a batch in hundreds of small pieces.
_BUFFER = 1 << 20


class AlteredBytes(Exception):
    """Bytes of a shard are not those that were written; the message says which."""


class BlockSums:
    """The checksums of bytes that come in pieces of any size."""

    def __init__(self) -> None:
        self._done = bytearray()
        self._sum = self._within = 0  # of the block that is not full yet

    def add(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            piece, view = view[: BLOCK - self._within], view[BLOCK - self._within :]
            self._sum = crc32(piece, self._sum)
            self._within += len(piece)
            if self._within == BLOCK:
                self._done += self._sum.to_bytes(4)
                self._sum = self._within = 0

    def all(self) -> bytes:
        """The checksums of what has been added so far."""
        return bytes(self._done) + (self._sum.to_bytes(4) if self._within else b"")


class SummedSink:
    """A file that is summed as it is written. Arrow writes to ``sink``, which collects small pieces."""

    def __init__(self, descriptor: int) -> None:
        """Takes over a descriptor that is open for writing."""
        self._file = _SummingFile(descriptor)
        raw: Any = self._file
        self.sink = pa.BufferedOutputStream(pa.PythonFile(raw, mode="w"), _BUFFER)

    def finish(self, *, sync: bool) -> Written:
        """Write what was collected, make it durable if ``sync``, and close."""
        self.sink.flush()
        if sync:
            os.fsync(self._file.descriptor)
        self.sink.close()
        return Written(self._file.size, self._file.sums.all())

    def drop(self) -> None:
        """Close without writing what was collected. Idempotent, also after :meth:`finish`."""
        self._file.dropped = True
        self.sink.close()
        self._file.close()


class _SummingFile:
    """What Arrow writes through. It must not know the sink: Python does not see a cycle that leads through Arrow."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.sums, self.size = descriptor, BlockSums(), 0
        self.closed = self.dropped = False

    def write(self, data: bytes) -> int:
        view = memoryview(b"" if self.dropped else data)
        while view:
            written = os.write(self.descriptor, view)
            self.sums.add(view[:written])
            self.size += written
            view = view[written:]
        return len(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Nothing is collected here."""

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            os.close(self.descriptor)

    def __del__(self) -> None:
        self.close()


class CheckedFile:
    """A shard open for reading: no byte of a block is given out before the whole block has passed its check."""

    def __init__(self, file: Any, size: int, sums: bytes) -> None:
        self._file, self._size, self._sums, self._at = file, size, sums, 0
        self._first, self._kept = 0, b""  # the blocks read last: neighbouring columns share them
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises AlteredBytes."""
        start = self._at
        end = self._size if size < 0 else min(start + size, self._size)
        if end <= start:
            return b""
        first, last = start // BLOCK, (end - 1) // BLOCK
        self._keep(first, last)
        self._at, skipped = end, self._first * BLOCK
        return self._kept[start - skipped : end - skipped]

    def _keep(self, first: int, last: int) -> None:
        """Have these blocks at hand."""
        end = self._first + -(-len(self._kept) // BLOCK)
        if self._first <= first and last < end:
            return
        begun = b""
        if self._first <= first < end:
            begun = self._kept[(first - self._first) * BLOCK :]
        start = first * BLOCK + len(begun)
        wanted = min((last + 1) * BLOCK, self._size) - start
        more = self._file.read_at(wanted, start)
        if len(more) < wanted:
            raise AlteredBytes(f"ends after {start + len(more):,} bytes")
        if altered := altered_blocks(more, start // BLOCK, self._sums):
            raise AlteredBytes(as_bytes(altered[:1], self._size))
        self._first, self._kept = first, begun + more

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        """Nothing to do: the file is closed with the last reference to it, when no thread of Arrow's reads it."""
        self.closed = True

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def altered_blocks(data: bytes, first: int, sums: bytes) -> list[int]:
    """Numbers of the blocks in ``data`` that fail their check; ``data`` begins with block ``first``."""
    view = memoryview(data)
    return [
        first + place
        for place in range(-(-len(view) // BLOCK))
        if crc32(view[place * BLOCK : (place + 1) * BLOCK])
        != int.from_bytes(sums[4 * (first + place) : 4 * (first + place + 1)])
    ]


def as_bytes(altered: Iterable[int], size: int, more: str = "") -> str:
    """What is wrong with these blocks of a file of ``size`` bytes, in a few words."""
    ranges = [f"{block * BLOCK:,} to {min((block + 1) * BLOCK, size):,}" for block in altered]
    return f"bytes {', '.join(ranges)}{more} are not those that were written"
