"""Lenient reader of a run that may be in progress, damaged, empty or of another version.

What can't be read is skipped and listed in ``notes``. Work that builds on a run uses ``source_run.Source``, which is
strict: it must not continue with half of a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.dataset as ds
from pydantic import ValidationError

from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Task
from t2t_dist.environments.base import Domain

from .ledger import LedgerState
from .manifest import NAME, read_manifest
from .objects.opening import open_storage
from .reader import RunReader
from .rows import SCHEMAS, from_row, one_of
from .status import STALE_S, doubtful_end, read_status

#: Notes shown per table; the rest is counted.
_SHOWN = 2


class PartialRun:
    """A run directory opened for inspection, as far as it can be read.

    ``kind``, ``run_id`` and ``config`` (``None`` if its settings can't be read) identify it; ``state`` is the sum of
    its ledger. ``notes`` are lines for a person, complete once the rows have been read.

    Raises:
        InputError: not a run directory, or its ledger, without which no row exists, is damaged.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.storage = open_storage(path)
        self._notes: list[str] = []
        self._lost: dict[str, dict[str, str]] = {}  # by table and shard: a part of one may fail again and again
        self.config: Config | None = None
        #: The version of the code that wrote it, and its source (the domain's fingerprint first).
        self.code = self.origin = ""
        #: Hashes of the parts of the source, by name.
        self.parts: dict[str, str] = {}
        self.run_id, self.kind = self._manifest()
        self._reader = RunReader(self.storage, SCHEMAS, self._notes)
        self.state: LedgerState = self._reader.state
        self.status = self._status()
        if not any(self.state.shards.values()):
            self._notes.append("nothing has been committed yet: there are no rows to look at")

    @property
    def trials(self) -> int:
        return self.config.sure_trials if self.config is not None else 1

    def _manifest(self) -> tuple[str, str]:
        try:
            manifest = read_manifest(self.storage)
        except InputError as error:
            data = self.storage.read(NAME)
            try:
                raw = orjson.loads(data) if data is not None else None
            except orjson.JSONDecodeError:
                raw = None
            if not isinstance(raw, dict) or not isinstance(raw.get("run_id"), str):
                raise
            self._notes.append(f"{error}; only what its ledger counts is shown")
            return raw["run_id"], str(raw.get("kind", ""))
        self.config, self.code, self.origin = manifest.config, manifest.code, manifest.source
        self.parts = manifest.parts
        return manifest.run_id, manifest.kind

    def _status(self) -> dict[str, Any] | None:
        try:
            status = read_status(self.storage)
        except InputError as error:
            self._notes.append(f"{error}: whether it is finished is not known")
            return None
        if doubt := doubtful_end(self.storage, status, self.run_id, self.state):
            self._notes.append(doubt)
        if status is None or status.get("run_id") != self.run_id or status.get("state") in ("finished", None):
            return status
        items = status.get("items", {})
        so_far = f"{items.get('done', 0)} of {items.get('total', '?')} items"
        if status["state"] == "running" and status["age_s"] > STALE_S:
            self._notes.append(f"its driver has been silent for {status['age_s']:.0f} s with {so_far} done; resume it")
        elif status["state"] == "running":
            self._notes.append(f"still being written, {so_far} done: only what is committed so far is shown")
        else:
            self._notes.append(f"not finished ({status['state']}), {so_far} done: only what was committed is shown")
        return status

    @property
    def notes(self) -> list[str]:
        """What limits this reading of the run, one line each."""
        found = list(self._notes)
        for table, by_shard in self._lost.items():
            lost = list(by_shard.values())
            found += lost[:_SHOWN]
            if len(lost) > _SHOWN:
                found[-1] += f" (and {len(lost) - _SHOWN} more shards of {table})"
        return found

    @property
    def damaged(self) -> str:
        """What is wrong with the first shard that could not be read so far; empty if all could be."""
        return next((why for by_shard in self._lost.values() for why in by_shard.values()), "")

    @property
    def unchecked(self) -> list[str]:
        """A note on shards without checksums, if there are any. It limits no figure, so it is none of ``notes``."""
        return self._reader.unchecked_note(self.path)

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self._notes:
            self._notes.append(text)

    def batches(
        self,
        table: str,
        columns: Sequence[str] | Mapping[str, ds.Expression] | None = None,
        filter: ds.Expression | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The record batches of a table that can be read; each shard that can't becomes a note."""
        yield from self._reader.batches(table, columns, filter, self._lost.setdefault(table, {}))

    @cached_property
    def source(self) -> PartialRun | None:
        """The run with its tasks: itself, or the one that an evaluation took them from; ``None`` if unreadable."""
        if self.kind != "evaluate":
            return self
        if self.config is None or self.config.source is None:
            return None
        try:
            return PartialRun(self.config.source)
        except InputError as error:
            self.note(f"the run its tasks come from can't be read, so failures have no causes here: {error}")
            return None

    @cached_property
    def domain(self) -> Domain | None:
        """Its domain; ``None``, and a note, if it can't be loaded."""
        from t2t_dist.config.domain import load_domain

        if self.config is None:
            return None
        try:
            return load_domain(self.config)
        except InputError as error:
            self.note(f"its domain can't be loaded, so failures have no causes here: {error}")
            return None

    def tasks(self, wanted: set[str]) -> dict[str, Task]:
        """Tasks by id, of these ids; those that can't be read are left out and noted."""
        found: dict[str, Task] = {}
        if self.source is None or not wanted:
            return found
        unreadable: Counter[str] = Counter()
        chosen = one_of("task_id", sorted(wanted))
        for batch in self.source.batches("tasks", None, chosen):
            for row in batch.to_pylist():
                try:
                    found[row["task_id"]] = from_row(Task, row)
                except (ValidationError, orjson.JSONDecodeError):
                    unreadable["tasks"] += 1
        if unreadable:
            self.note(f"{unreadable['tasks']} tasks can't be read")
        return found
