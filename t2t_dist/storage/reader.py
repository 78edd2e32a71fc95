"""Reader of a run's tables: lazy datasets, rows and record batches, over the shards that the ledger names.

Names of shards come from the ledger and never from a directory listing: a row exists once its shard is committed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from t2t_dist.core.errors import InputError

from . import migrations
from .ledger import RunState, ShardInfo, commit_of, read_state, roll_back
from .objects.base import Storage
from .shard import Shard


class RunReader:
    """Reader of the rows of a run. Safe while the run is being written: it sees the commits of one moment."""

    def __init__(self, storage: Storage, schemas: Mapping[str, pa.Schema] | None = None) -> None:
        """``schemas`` gives the columns of tables that have no shard yet. Raises InputError for a damaged ledger."""
        self._storage = storage
        self._schemas = schemas or {}
        self.state: RunState = read_state(storage)

    def shards(self, name: str) -> list[Shard]:
        """The table's shards, in the order of their commits; none is opened yet."""
        return [Shard(self._storage, info, self._lost) for info in self.state.shards.get(name, [])]

    def table(self, name: str) -> ds.Dataset:
        """The table as a lazy dataset (shards of older schema versions are lifted and held in memory).

        Raises InputError for a shard that is missing, truncated, unreadable or of a newer schema version. Damage
        inside a shard shows only when it is scanned, as Arrow's own error; :meth:`rows` explains that one too.
        """
        shards, check = self.shards(name), _SameColumns(self._storage)
        for shard in shards:
            check(shard)
        if not shards:
            return ds.dataset(pa.Table.from_pylist([], schema=self._schemas.get(name, pa.schema([]))))
        current = [shard.info.file for shard in shards if shard.is_current]
        lifted = [shard.lifted() for shard in shards if not shard.is_current]
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

        With ``lost``, a shard that can't be read is skipped and the reason appended there, one line per shard.
        Without, InputError is raised as by :meth:`table`, and for damage met inside a shard.
        """
        check = _SameColumns(self._storage)
        for shard in self.shards(name):
            try:
                check(shard)
                scanned = self._dataset([shard.info.file]) if shard.is_current else ds.dataset(shard.lifted())
                # Outside of the guard: a filter on a column that does not exist is no damage.
                wanted: Any = list(columns) if isinstance(columns, Sequence) else columns
                scanner = scanned.scanner(columns=wanted, filter=filter, batch_readahead=2)
                with shard.guarded():
                    for batch in scanner.to_batches():
                        batch.validate(full=True)  # altered bytes may point anywhere, and following them crashes
                        yield batch
            except InputError as error:
                if lost is None:
                    raise
                lost.append(str(error))

    def _dataset(self, files: list[str]) -> ds.Dataset:
        return ds.dataset(files, format="ipc", filesystem=self._storage.filesystem)

    def _lost(self, shard: ShardInfo, what: str) -> InputError:
        """What is wrong with a shard, what is lost with it, and what to do."""
        number = commit_of(self._storage, shard.file)
        back = "" if number is None else f", or {roll_back(number)}"
        return InputError(
            f"{self._storage.describe(shard.file)}: {what}; {shard.rows} rows of table {shard.table} are lost with it; "
            f"restore the file from a copy{back}"
        )


class _SameColumns:
    """Check of a table's shards, one after the other: readable, and those of the current version have equal columns."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._first: tuple[str, pa.Schema] | None = None

    def __call__(self, shard: Shard) -> None:
        schema, where = shard.check(), self._storage.describe(shard.info.file)
        if not shard.is_current:
            return
        self._first = self._first or (where, schema)
        if not schema.equals(self._first[1]):
            raise InputError(
                f"{where}: other columns than {self._first[0]}, though both are of schema version "
                f"{migrations.SCHEMA_VERSION}; the run was written by two builds of t2t, generate it again into "
                "another directory"
            )
