"""A finished run as the source of another: its trajectories and tasks, read from its ledgered shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson
import pyarrow.compute as pc
from pydantic import ValidationError

from .errors import InputError
from .manifest import Manifest, read_manifest
from .rows import SCHEMAS, from_row
from .schema import Task, Trajectory
from .storage import Storage
from .store import RunReader


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

    def trajectories(self, limit: int | None = None) -> list[Trajectory]:
        """Kept trajectories in the order of their index."""
        found = []
        for row in self.reader.rows("trajectories", filter=pc.field("verdict") == "kept"):
            try:
                found.append(from_row(Trajectory, row))
            except (ValidationError, orjson.JSONDecodeError) as error:
                raise InputError(f"{self.path}: a row of trajectories can't be read: {error}") from None
        found.sort(key=lambda trajectory: trajectory.index)
        return found[:limit]

    def tasks(self) -> Iterator[Task]:
        """Every stored task, rejected ones included, in no particular order."""
        for row in self.reader.rows("tasks"):
            yield self._task(row)

    def verified_tasks(self, limit: int | None = None, intents: Sequence[str] | None = None) -> list[Task]:
        """Verified tasks by trajectory and intent; ``limit`` takes as many of each intent as of the others."""
        chosen = pc.field("verdict") == "verified"
        if intents is not None:
            chosen &= pc.field("intent").isin(list(intents))
        found = [self._task(row) for row in self.reader.rows("tasks", filter=chosen)]
        order = ["general", "ambiguous", "changing", "infeasible"]
        found.sort(key=lambda task: (task.index, order.index(task.intent)))
        if limit is None or limit >= len(found):
            return found
        by_intent = [[task for task in found if task.intent == intent] for intent in order]
        taken: list[Task] = []
        while len(taken) < limit:
            for group in by_intent:
                if group and len(taken) < limit:
                    taken.append(group.pop(0))
        return taken

    def _task(self, row: dict[str, object]) -> Task:
        try:
            return from_row(Task, row)
        except (ValidationError, orjson.JSONDecodeError) as error:
            message = " ".join(str(error).split())[:200]
            raise InputError(f"{self.path}: task {row.get('task_id')} can't be read: {message}") from None
