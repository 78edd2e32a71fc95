"""One shard at a time: the narrow columns of all its rows, or one whole row by its place.

``store.RunReader`` reads whole tables. Here every shard stands for itself, and what is wrong with it is one line: for a
person who looks at what is left (``view``), and for a run that takes one row of another after the other (``stored``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from t2t_dist.core.errors import InputError

from .ledger import ShardInfo
from .migrations import SCHEMA_VERSION, schema_version
from .objects.base import Storage
from .reader import MIGRATIONS


class Shard:
    """A shard that the ledger names, open for reading by place. Nothing of it is kept in memory but batch sizes.

    Every method raises InputError, one line, when the shard is missing, damaged or of a newer schema version.
    """

    def __init__(
        self, storage: Storage, info: ShardInfo, lost: Callable[[ShardInfo, str], InputError] | None = None
    ) -> None:
        """``lost`` words what is wrong with it; unless given, for a person who looks at its run."""
        self._storage, self.info, self._word = storage, info, lost
        self._version = 0
        self._starts: list[int] = []  # row number at which each record batch begins, and the end

    def columns(self, names: Sequence[str]) -> pa.Table:
        """These columns of all rows, in one chunk each; a column that the shard lacks is left out.

        Only these columns are read from disk and decompressed.
        """
        batches = list(self._batches(names))
        self._starts = list(accumulate((batch.num_rows for batch in batches), initial=0))
        if self._starts[-1] != self.info.rows:
            raise self._lost(f"holds {self._starts[-1]} rows instead of {self.info.rows}")
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
        """One record batch, of all columns or of these."""
        try:
            with self._storage.filesystem.open_input_file(self.info.file) as file:
                if self._opened(file).schema and self._version < SCHEMA_VERSION:
                    table = self._lifted(file)
                    (found,) = (table if names is None else table.select(names)).combine_chunks().to_batches()
                    return found
                reader = pa.ipc.open_file(file, options=_only(self._opened(file).schema, names))
                batch: pa.RecordBatch = reader.get_batch(number)
                batch.validate(full=True)
                return batch
        except (pa.ArrowException, OSError) as error:
            raise self._lost(_told(error)) from error

    def reach(self) -> None:
        """Wait for the store, as long as it has patience for. Raises StoreUnavailable: it stays away."""
        if self._storage.size(self.info.file) is None:
            raise self._lost("missing")

    def _batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        size = self._storage.size(self.info.file)
        if size is None:
            raise self._lost("missing")
        if size != self.info.bytes:
            raise self._lost(f"{size} bytes long instead of {self.info.bytes}")
        try:
            with self._storage.filesystem.open_input_file(self.info.file) as file:
                schema = self._opened(file).schema
                if self._version < SCHEMA_VERSION:
                    table = self._lifted(file)
                    yield from table.select([n for n in names if n in table.schema.names]).combine_chunks().to_batches()
                    return
                reader = pa.ipc.open_file(file, options=_only(schema, names))
                for number in range(reader.num_record_batches):
                    batch = reader.get_batch(number)
                    batch.validate(full=True)  # altered bytes may point anywhere: who follows them crashes
                    yield batch
        except (pa.ArrowException, OSError) as error:
            raise self._lost(_told(error)) from error

    def _opened(self, file: Any) -> Any:
        """The shard's reader, its schema version checked."""
        reader = pa.ipc.open_file(file)
        self._version = schema_version(reader.schema, self._storage.describe(self.info.file))
        return reader

    def _lifted(self, file: Any) -> pa.Table:
        """A shard of an older schema version, as rows of this one: one batch."""
        table = pa.ipc.open_file(file).read_all()
        table.validate(full=True)
        for old in range(self._version, SCHEMA_VERSION):
            table = MIGRATIONS[old](self.info.table, table)
        return table

    def _lost(self, what: str) -> InputError:
        if self._word is not None:
            return self._word(self.info, what)
        return InputError(f"{self.info.file}: {what}; its {self.info.rows:,} rows of {self.info.table} can't be shown")


def _only(schema: pa.Schema, names: Sequence[str] | None) -> pa.ipc.IpcReadOptions:
    if names is None:
        return pa.ipc.IpcReadOptions()
    return pa.ipc.IpcReadOptions(included_fields=[schema.get_field_index(n) for n in names if n in schema.names])


def _told(error: Exception) -> str:
    return f"unreadable ({str(error).splitlines()[0].rstrip('.')})"
