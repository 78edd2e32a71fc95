"""Reader of one shard, checked and lifted to the current schema version: its columns, or one row by its place.

:class:`~t2t_dist.storage.reader.RunReader` reads whole tables on top of this. Every error is one line about one shard:
worded for the viewer unless the caller gives its own wording.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.ipc

from t2t_dist.core.errors import DamagedRun, InputError, StoreUnavailable

from .ledger_objects import ShardInfo
from .migrations import is_current, lift, schema_version
from .objects.base import Storage
from .objects.blocks import BLOCK, AlteredBytes, CheckedFile, altered_blocks, as_bytes

_FORMAT = ds.IpcFileFormat()
#: Bytes that are read at once to check a whole shard.
_PIECE = 128 * BLOCK


class Shard:
    """A shard that the ledger names, open for reading by place. Only the sizes of its batches are kept in memory.

    Whatever is read is checked first, by the checksums in the ledger. Every method raises InputError, one line, when
    the shard is missing, damaged or of a newer schema version.
    """

    def __init__(
        self, storage: Storage, info: ShardInfo, lost: Callable[[ShardInfo, str], InputError] | None = None
    ) -> None:
        """``lost`` makes the error for a shard from what is wrong with it; default: one for the viewer."""
        self._storage, self.info, self._lost_error = storage, info, lost
        self._version = 0
        self._starts: list[int] = []  # row number at which each record batch begins, and the end

    def check(self) -> pa.Schema:
        """The schema in the file, once the file has the ledger's size, opens, and is of a known schema version."""
        self._check_size()
        with self.guarded():
            schema: pa.Schema = self._open()[1].schema
        return schema

    def check_all(self) -> None:
        """Read every byte and compare it with the checksums; a shard without them is decoded."""
        self._check_size()
        with self.guarded():
            if not self.info.sums:
                self._open()[1].read_all().validate(full=True)
                return
            file: Any
            with self._storage.filesystem.open_input_file(self.info.file) as file:
                altered = [
                    block
                    for start in range(0, self.info.bytes, _PIECE)
                    for block in altered_blocks(file.read_at(_PIECE, start), start // BLOCK, self.info.sums)
                ]
        if altered:
            more = f", and {len(altered) - 3} more of {BLOCK:,} bytes" if len(altered) > 3 else ""
            raise self.lost(as_bytes(altered[:3], self.info.bytes, more))

    @property
    def is_current(self) -> bool:
        """Whether its rows need no lifting. Only after :meth:`check` or any reading."""
        return is_current(self._version)

    def scan(
        self, columns: Sequence[str] | Mapping[str, ds.Expression] | None, filter: ds.Expression | None
    ) -> Iterator[pa.RecordBatch]:
        """The shard's record batches one by one: these columns of the rows for which ``filter`` holds."""
        with self.guarded():
            file, reader = self._open()
            lifted = None if self.is_current else self._lifted(reader)
        # Outside of the guard: a filter on a column that does not exist is no damage.
        wanted: Any = list(columns) if isinstance(columns, Sequence) else columns
        chosen: Any = {"columns": wanted, "filter": filter, "batch_readahead": 2}
        scanner = (
            _FORMAT.make_fragment(file).scanner(**chosen) if lifted is None else ds.dataset(lifted).scanner(**chosen)
        )
        with self.guarded():
            for batch in scanner.to_batches():
                batch.validate(full=True)  # altered bytes may point anywhere, and following them crashes
                yield batch

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turns an error of Arrow or of the store into the one line about this shard."""
        try:
            yield
        except AlteredBytes as error:
            raise self.lost(str(error)) from None
        except (pa.ArrowException, OSError) as error:
            raise self.lost(f"unreadable ({str(error).splitlines()[0].rstrip('.')})") from error

    def columns(self, names: Sequence[str]) -> pa.Table:
        """These columns of all rows, in one chunk each; a column that the shard lacks is left out.

        Only these columns are read from disk and decompressed.
        """
        batches = list(self._batches(names))
        self._starts = list(accumulate((batch.num_rows for batch in batches), initial=0))
        if self._starts[-1] != self.info.rows:
            raise self.lost(f"holds {self._starts[-1]} rows instead of {self.info.rows}")
        return pa.Table.from_batches(batches, batches[0].schema if batches else pa.schema([])).combine_chunks()

    def row(self, number: int) -> dict[str, Any]:
        """One whole row."""
        batch, within = self.place(number)
        found: list[dict[str, Any]] = self.batch(batch).slice(within, 1).to_pylist()
        return found[0]

    def rows(self, numbers: Sequence[int], names: Sequence[str]) -> list[dict[str, Any]]:
        """These columns of some rows, in the order asked for; a batch is read once."""
        found: dict[int, dict[str, Any]] = {}
        opened: tuple[int, pa.RecordBatch] | None = None
        for number in sorted(numbers):
            batch, within = self.place(number)
            if opened is None or opened[0] != batch:
                opened = (batch, self.batch(batch, names))
            found[number] = opened[1].slice(within, 1).to_pylist()[0]
        return [found[number] for number in numbers]

    def place(self, number: int) -> tuple[int, int]:
        """The record batch that holds a row, and the row's number in it. Only after :meth:`columns`."""
        batch = bisect_right(self._starts, number) - 1
        return batch, number - self._starts[batch]

    def batch(self, number: int, names: Sequence[str] | None = None) -> pa.RecordBatch:
        """One record batch, of all columns or of these. A shard of an older schema version is one batch."""
        with self.guarded():
            file, reader = self._open()
            if not self.is_current:
                (found,) = _select(self._lifted(reader), names).combine_chunks().to_batches()
                return found
            batch: pa.RecordBatch = pa.ipc.open_file(file, options=_only(reader.schema, names)).get_batch(number)
            batch.validate(full=True)
            return batch

    def wait_for_store(self) -> None:
        """Wait until the store answers, up to its patience. Raises StoreUnavailable: it did not."""
        if self._storage.size(self.info.file) is None:
            raise self.lost("missing")

    def _batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        self._check_size()
        with self.guarded():
            file, reader = self._open()
            if not self.is_current:
                yield from _select(self._lifted(reader), names).combine_chunks().to_batches()
                return
            narrow = pa.ipc.open_file(file, options=_only(reader.schema, names))
            for number in range(narrow.num_record_batches):
                batch = narrow.get_batch(number)
                batch.validate(full=True)  # altered bytes may point anywhere, and following them crashes
                yield batch

    def _check_size(self) -> None:
        try:
            size = self._storage.size(self.info.file)
        except StoreUnavailable:
            raise
        except InputError as error:
            raise self.lost(f"unreadable ({error})") from None
        if size is None:
            raise self.lost("missing")
        if size != self.info.bytes:
            raise self.lost(f"{size} bytes long instead of {self.info.bytes}")

    def _open(self) -> tuple[Any, Any]:
        """The shard's file and an Arrow reader of it, its schema version checked. Closed with the last reference: a
        thread of Arrow's may still be reading ahead when nobody waits for it any more."""
        file: Any = self._storage.filesystem.open_input_file(self.info.file)
        if self.info.sums:
            checked: Any = CheckedFile(file, self.info.bytes, self.info.sums)
            file = pa.PythonFile(checked, mode="r")
        reader = pa.ipc.open_file(file)
        self._version = schema_version(reader.schema, self._storage.describe(self.info.file))
        return file, reader

    def _lifted(self, reader: Any) -> pa.Table:
        table = reader.read_all()
        table.validate(full=True)
        return lift(self.info.table, table, self._version)

    def lost(self, what: str) -> InputError:
        """The error for this shard, from what is wrong with it."""
        if self._lost_error is not None:
            return self._lost_error(self.info, what)
        return DamagedRun(f"{self.info.file}: {what}; its {self.info.rows:,} rows of {self.info.table} can't be shown")


def _select(table: pa.Table, names: Sequence[str] | None) -> pa.Table:
    return table if names is None else table.select([name for name in names if name in table.schema.names])


def _only(schema: pa.Schema, names: Sequence[str] | None) -> pa.ipc.IpcReadOptions:
    if names is None:
        return pa.ipc.IpcReadOptions()
    return pa.ipc.IpcReadOptions(included_fields=[schema.get_field_index(n) for n in names if n in schema.names])
