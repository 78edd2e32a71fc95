"""The rows of a run: Arrow IPC shards that workers write and everyone reads.

A worker's rows go into one open shard a table. When enough has come together the shards are finished (closed, made
durable, given their names) and the worker tells the driver, which commits them to the ledger; only from then on do
the rows exist. Readers therefore take the names of shards from the ledger and never from a directory listing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.ipc

from t2t_dist.core.errors import InputError

from .ledger import RunState, ShardInfo, commit_of, read_state, roll_back
from .migrations import MIGRATIONS as MIGRATIONS
from .migrations import SCHEMA_VERSION, schema_version
from .objects.base import Storage
from .row_digest import row_digest as row_digest


class RunReader:
    """The rows of a run, from the shards that its ledger names. Safe while the run goes on: it sees a moment of it."""

    def __init__(self, storage: Storage, schemas: Mapping[str, pa.Schema] | None = None) -> None:
        """``schemas`` gives the columns of tables that have no shard yet. Raises InputError for a damaged ledger."""
        self._storage = storage
        self._schemas = schemas or {}
        self.state: RunState = read_state(storage)

    def table(self, name: str) -> ds.Dataset:
        """The table as a lazy dataset (shards of older schema versions are lifted and held in memory).

        Raises InputError for a shard that is missing, truncated, unreadable or of a newer schema version. Damage
        inside a shard shows only when it is scanned, as Arrow's own error; :meth:`rows` explains that one too.
        """
        versions = dict(self._checked(name))
        current = [shard.file for shard, version in versions.items() if version == SCHEMA_VERSION]
        lifted = [self._lifted(shard, version) for shard, version in versions.items() if version != SCHEMA_VERSION]
        if not versions:
            return ds.dataset(pa.Table.from_pylist([], schema=self._schemas.get(name, pa.schema([]))))
        if not lifted:
            return self._dataset(current)
        old = ds.dataset(pa.concat_tables(lifted))
        children: Any = [old, self._dataset(current)]
        return ds.dataset(children) if current else old

    def rows(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        filter: ds.Expression | None = None,
        lost: list[str] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """The table's rows one by one, in memory of a few batches; see :meth:`batches`."""
        for batch in self.batches(name, columns, filter, lost):
            yield from batch.to_pylist()

    def batches(
        self,
        name: str,
        columns: Sequence[str] | Mapping[str, ds.Expression] | None = None,
        filter: ds.Expression | None = None,
        lost: list[str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The table's record batches one by one; ``filter`` is a pyarrow expression.

        Where ``lost`` is given, a shard that can't be read is passed over and why is put there, one line a shard.
        Elsewhere InputError is raised as by :meth:`table`, and for damage met inside a shard.
        """
        first: tuple[str, pa.Schema] | None = None
        for shard in self.state.shards.get(name, []):
            try:
                version, schema = self._version(shard)
                if version == SCHEMA_VERSION:
                    first = first or (self._storage.describe(shard.file), schema)
                    self._check_columns(shard, schema, first)
                dataset = self._dataset([shard.file]) if version == SCHEMA_VERSION else None
                scanned = dataset or ds.dataset(self._lifted(shard, version))
                # Outside of the guard: a filter on a column that does not exist is no damage.
                wanted: Any = list(columns) if isinstance(columns, Sequence) else columns
                scanner = scanned.scanner(columns=wanted, filter=filter, batch_readahead=2)
                with self._guarded(shard):
                    for batch in scanner.to_batches():
                        batch.validate(full=True)  # altered bytes may point anywhere: who follows them crashes
                        yield batch
            except InputError as error:
                if lost is None:
                    raise
                lost.append(str(error))

    def _checked(self, name: str) -> Iterator[tuple[ShardInfo, int]]:
        """The table's shards with their schema versions, each looked at from outside."""
        first: tuple[str, pa.Schema] | None = None
        for shard in self.state.shards.get(name, []):
            version, schema = self._version(shard)
            if version == SCHEMA_VERSION:
                first = first or (self._storage.describe(shard.file), schema)
                self._check_columns(shard, schema, first)
            yield shard, version

    def _version(self, shard: ShardInfo) -> tuple[int, pa.Schema]:
        """A shard's schema version and schema. Raises InputError: missing, cut off, unreadable, of a newer version."""
        size = self._storage.size(shard.file)
        if size is None:
            raise self.lost(shard, "missing")
        if size != shard.bytes:
            raise self.lost(shard, f"{size} bytes long instead of {shard.bytes}")
        with self._guarded(shard), self._storage.filesystem.open_input_file(shard.file) as file:
            schema = pa.ipc.open_file(file).schema
        return schema_version(schema, self._storage.describe(shard.file)), schema

    def _check_columns(self, shard: ShardInfo, schema: pa.Schema, first: tuple[str, pa.Schema]) -> None:
        if not schema.equals(first[1]):
            raise InputError(
                f"{self._storage.describe(shard.file)}: other columns than {first[0]}, though both are of schema "
                f"version {SCHEMA_VERSION}; the run was written by two builds of t2t, generate it again into another "
                "directory"
            )

    def _dataset(self, files: list[str]) -> ds.Dataset:
        return ds.dataset(files, format="ipc", filesystem=self._storage.filesystem)

    def _lifted(self, shard: ShardInfo, version: int) -> pa.Table:
        with self._guarded(shard), self._storage.filesystem.open_input_file(shard.file) as file:
            table = pa.ipc.open_file(file).read_all()
        for old in range(version, SCHEMA_VERSION):
            table = MIGRATIONS[old](shard.table, table)
        return table

    @contextmanager
    def _guarded(self, shard: ShardInfo) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise self.lost(shard, f"unreadable ({str(error).splitlines()[0].rstrip('.')})") from error

    def lost(self, shard: ShardInfo, what: str) -> InputError:
        """What is wrong with a shard, what is lost with it, and how to go on."""
        number = commit_of(self._storage, shard.file)
        back = "" if number is None else f", or {roll_back(number)}"
        return InputError(
            f"{self._storage.describe(shard.file)}: {what}; {shard.rows} rows of table {shard.table} are lost with it; "
            f"restore the file from a copy{back}"
        )
