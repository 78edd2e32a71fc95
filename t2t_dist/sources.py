"""A finished run as the source of another: its trajectories and tasks, read from its ledgered shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TypeVar

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ValidationError

from .errors import InputError
from .manifest import Manifest, read_manifest
from .rows import SCHEMAS, from_row
from .schema import INTENTS, Task, Trajectory
from .shards import Shard
from .storage import Storage
from .store import RunReader
from .stored import StoredRows

M = TypeVar("M", bound=BaseModel)


class Source:
    """A run directory opened for reading.

    Raises:
        InputError: not a run directory, a damaged ledger or shard, rows of another schema version.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.storage = Storage.open(path)
        self.manifest: Manifest = read_manifest(self.storage)
        self.reader = RunReader(self.storage, SCHEMAS)

    def digest(self, table: str) -> str:
        """Digest of the rows of a table, 32 hex digits."""
        return f"{self.reader.state.digests.get(table, 0):032x}"

    def trajectories(self, limit: int | None = None) -> StoredRows[Trajectory]:
        """Kept trajectories in the order of their index."""
        rows, about = self._chosen("trajectories", Trajectory, ["verdict", "index"], pc.field("verdict") == "kept")
        return rows.chosen(np.argsort(about["index"].to_numpy(), kind="stable")[:limit])

    def customers(self, limit: int | None = None) -> list[tuple[str, StoredRows[Trajectory]]]:
        """The kept trajectories of each customer, as if :meth:`trajectories` were grouped in the order they come."""
        columns = ["verdict", "index", "customer"]
        rows, about = self._chosen("trajectories", Trajectory, columns, pc.field("verdict") == "kept")
        names = about["customer"].to_pylist()
        groups: dict[str, list[int]] = {}
        for number in np.argsort(about["index"].to_numpy(), kind="stable")[:limit].tolist():
            groups.setdefault(names[number], []).append(number)
        return [(customer, rows.chosen(numbers)) for customer, numbers in groups.items()]

    def tasks(self) -> Iterator[Task]:
        """Every stored task, rejected ones included, in no particular order."""
        for row in self.reader.rows("tasks"):
            yield self._task(row)

    def verified_tasks(self, limit: int | None = None, intents: Sequence[str] | None = None) -> StoredRows[Task]:
        """Verified tasks by trajectory and intent; ``limit`` takes as many of each intent as of the others."""
        chosen = pc.field("verdict") == "verified"
        if intents is not None:
            chosen &= pc.field("intent").isin(list(intents))
        rows, about = self._chosen("tasks", Task, ["verdict", "intent", "index"], chosen)
        kinds = pc.index_in(about["intent"], value_set=pa.array(INTENTS)).to_numpy()
        order = np.lexsort((kinds, about["index"].to_numpy()))
        if limit is None or limit >= len(order):
            return rows.chosen(order)
        by_intent = [order[kinds[order] == kind] for kind in range(len(INTENTS))]
        turns = zip_longest(*(group[:limit].tolist() for group in by_intent))
        return rows.chosen([number for turn in turns for number in turn if number is not None][:limit])

    def _chosen(
        self, table: str, kind: type[M], columns: list[str], where: pc.Expression
    ) -> tuple[StoredRows[M], pa.Table]:
        """The rows for which ``where`` holds, as they come, and these columns of theirs. Opens every shard."""
        shards = [Shard(self.storage, info, self.reader.lost) for info in self.reader.state.shards.get(table, [])]
        places, found = (
            [np.zeros((0, 2), np.int64)],
            [pa.schema([SCHEMAS[table].field(c) for c in columns]).empty_table()],
        )
        for number, shard in enumerate(shards):
            narrow = shard.columns(columns)
            row = pa.array(np.arange(len(narrow)))
            try:
                kept = narrow.append_column("row", row).filter(where)
            except (pa.ArrowException, KeyError) as error:
                raise self.reader.lost(shard.info, f"other columns than {table} have ({error})") from None
            places.append(np.stack([np.full(len(kept), number), kept["row"].to_numpy()], axis=1))
            found.append(kept.select(columns))
        return StoredRows(self.path, shards, kind, np.concatenate(places)), pa.concat_tables(found)

    def _task(self, row: dict[str, object]) -> Task:
        try:
            return from_row(Task, row)
        except (ValidationError, orjson.JSONDecodeError) as error:
            message = " ".join(str(error).split())[:200]
            raise InputError(f"{self.path}: task {row.get('task_id')} can't be read: {message}") from None
