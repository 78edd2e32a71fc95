"""Reader of a run's tables: rows and record batches, over the shards that the ledger names.

Names of shards come from the ledger and never from a directory listing: a row exists once its shard is committed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from t2t_dist.core.errors import DamagedRun, InputError

from . import migrations
from .ledger import RunState, read_state, repair
from .ledger_objects import ShardInfo
from .objects.base import Storage
from .shard import Shard
from .status import commits_known, cut_short


class RunReader:
    """Reader of the rows of a run. Safe while the run is being written: it sees the commits of one moment."""

    def __init__(
        self, storage: Storage, schemas: Mapping[str, pa.Schema] | None = None, lost: list[str] | None = None
    ) -> None:
        """``schemas`` gives the columns of tables that have no shard yet. Raises InputError for a damaged ledger, and
        for one whose last commits are missing; with ``lost``, the latter is appended there."""
        self._storage = storage
        self._schemas = schemas or {}
        known = commits_known(storage)
        self.state: RunState = read_state(storage)
        if why := cut_short(storage, known, self.state.last):
            if lost is None:
                raise DamagedRun(why)
            lost.append(why)

    def shards(self, name: str) -> list[Shard]:
        """The table's shards, in the order of their commits; none is opened yet."""
        return [Shard(self._storage, info, self._lost) for info in self.state.shards.get(name, [])]

    def table(self, name: str) -> pa.Table:
        """The whole table in memory. Raises InputError as :meth:`batches` does."""
        batches = list(self.batches(name))
        schema = batches[0].schema if batches else self._schemas.get(name, pa.schema([]))
        return pa.Table.from_batches(batches, schema)

    def rows(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        filter: ds.Expression | None = None,
        lost: dict[str, str] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """The table's rows one by one, in memory of a few batches; see :meth:`batches`."""
        for batch in self.batches(name, columns, filter, lost):
            yield from batch.to_pylist()

    def batches(
        self,
        name: str,
        columns: Sequence[str] | Mapping[str, ds.Expression] | None = None,
        filter: ds.Expression | None = None,
        lost: dict[str, str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The table's record batches one by one; ``filter`` is a pyarrow expression.

        Raises InputError for a shard that is missing, damaged or of a newer schema version. With ``lost``, it is
        skipped and the reason kept there, one line per shard.
        """
        check = _SameColumns(self._storage)
        for shard in self.shards(name):
            try:
                check(shard)
                yield from shard.scan(columns, filter)
            except InputError as error:
                if lost is None:
                    raise
                lost.setdefault(shard.info.file, str(error))

    def unchecked_note(self, path: str) -> list[str]:
        """A line on shards that have no checksums, since they were written before there were any; none if all have."""
        infos = [info for shards in self.state.shards.values() for info in shards]
        without = sum(not info.sums for info in infos)
        what = (
            f"{without} of its {len(infos)} shards have no checksums (an older t2t wrote them), so that altered bytes"
        )
        return [f"{what} in them may go unnoticed here; `t2t verify {path}` compares their rows"] if without else []

    def _lost(self, shard: ShardInfo, what: str) -> DamagedRun:
        """What is wrong with a shard, what is lost with it, and what to do."""
        return DamagedRun(
            f"{self._storage.describe(shard.file)}: {what}; {shard.rows} rows of table {shard.table} are lost with it; "
            f"restore the file from a copy; or {repair(self._storage)}"
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
