"""A finished run as the source of another: its trajectories and tasks, as lazy rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from t2t_dist.core.schema import INTENTS, Task, Trajectory

from .lazy_rows import LazyRows, LazyRowsById
from .manifest import Manifest, read_manifest
from .objects.opening import open_storage
from .reader import RunReader
from .rows import SCHEMAS, one_of

M = TypeVar("M", bound=BaseModel)

_TASKS = ["verdict", "intent", "index"]


class Source:
    """A run directory opened for reading, strictly: any damage is an error.

    Raises:
        InputError: not a run directory, a damaged ledger or shard, rows of another schema version.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.storage = open_storage(path)
        self.manifest: Manifest = read_manifest(self.storage)
        self.reader = RunReader(self.storage, SCHEMAS)

    def digest(self, table: str) -> str:
        """Digest of the rows of a table, 32 hex digits."""
        return f"{self.reader.state.digests.get(table, 0):032x}"

    def trajectories(self, limit: int | None = None) -> LazyRows[Trajectory]:
        """Kept trajectories in the order of their index."""
        rows, about = self._chosen("trajectories", Trajectory, ["verdict", "index"], pc.field("verdict") == "kept")
        return rows.chosen(np.argsort(about["index"].to_numpy(), kind="stable")[:limit])

    def customers(self, limit: int | None = None) -> tuple[LazyRows[Trajectory], list[tuple[str, list[int]]]]:
        """Kept trajectories in stored order, and per customer their row numbers, in the order of their index."""
        columns = ["verdict", "index", "customer"]
        rows, about = self._chosen("trajectories", Trajectory, columns, pc.field("verdict") == "kept")
        names = about["customer"].to_pylist()
        groups: dict[str, list[int]] = {}
        for number in np.argsort(about["index"].to_numpy(), kind="stable")[:limit].tolist():
            groups.setdefault(names[number], []).append(number)
        return rows, list(groups.items())

    def tasks(self, where: pc.Expression | None = None) -> LazyRows[Task]:
        """Stored tasks, including rejected ones, by trajectory and intent; all, or those for which ``where`` holds."""
        rows, about = self._chosen("tasks", Task, _TASKS, where)
        return rows.chosen(_in_order(about))

    def tasks_by_id(self) -> Mapping[str, Task]:
        """All stored tasks by id."""
        rows, about = self._chosen("tasks", Task, ["task_id"], None)
        return LazyRowsById(rows, about["task_id"].to_pylist())

    def verified_tasks(self, limit: int | None = None, intents: Sequence[str] | None = None) -> LazyRows[Task]:
        """Verified tasks by trajectory and intent; a ``limit`` is shared equally between the intents."""
        return self._shared("verified", limit, intents)

    def rejected_tasks(self, limit: int | None = None, intents: Sequence[str] | None = None) -> LazyRows[Task]:
        """Rejected tasks, as :meth:`verified_tasks` gives the verified ones."""
        return self._shared("rejected", limit, intents)

    def _shared(self, verdict: str, limit: int | None, intents: Sequence[str] | None) -> LazyRows[Task]:
        chosen = pc.field("verdict") == verdict
        if intents is not None:
            chosen &= one_of("intent", intents)
        rows, about = self._chosen("tasks", Task, _TASKS, chosen)
        order, kinds = _in_order(about), _kinds(about)
        if limit is None or limit >= len(order):
            return rows.chosen(order)
        by_intent = [order[kinds[order] == kind] for kind in range(len(INTENTS))]
        turns = zip_longest(*(group[:limit].tolist() for group in by_intent))
        return rows.chosen([number for turn in turns for number in turn if number is not None][:limit])

    def _chosen(
        self, table: str, kind: type[M], columns: list[str], where: pc.Expression | None
    ) -> tuple[LazyRows[M], pa.Table]:
        """The rows for which ``where`` holds, in stored order, and their ``columns``. Opens every shard."""
        shards = self.reader.shards(table)
        places, found = (
            [np.zeros((0, 2), np.int64)],
            [pa.schema([SCHEMAS[table].field(c) for c in columns]).empty_table()],
        )
        for number, shard in enumerate(shards):
            narrow = shard.columns(columns)
            row = pa.array(np.arange(len(narrow)))
            try:
                kept = narrow.append_column("row", row)
                kept = kept if where is None else kept.filter(where)
            except (pa.ArrowException, KeyError) as error:
                raise shard.lost(f"other columns than {table} have ({error})") from None
            places.append(np.stack([np.full(len(kept), number), kept["row"].to_numpy()], axis=1))
            found.append(kept.select(columns))
        return LazyRows(self.path, shards, kind, np.concatenate(places)), pa.concat_tables(found)


def _kinds(about: pa.Table) -> np.ndarray:
    """Each row's intent, as its index in INTENTS."""
    kinds: np.ndarray = pc.index_in(about["intent"], value_set=pa.array(INTENTS)).to_numpy()
    return kinds


def _in_order(about: pa.Table) -> np.ndarray:
    """Numbers of the rows, sorted by trajectory and intent."""
    return np.lexsort((_kinds(about), about["index"].to_numpy()))
