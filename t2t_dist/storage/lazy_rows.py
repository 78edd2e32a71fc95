"""Chosen rows of a run's table as objects, read when they are asked for: a million tasks cost a few arrays to hold."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa
from pydantic import BaseModel

from t2t_dist.core.errors import InputError

from .rows import from_row
from .shard import Shard

M = TypeVar("M", bound=BaseModel)

#: Record batches kept decoded, of about 1 MiB each; neighbours in order lie in as many shards as the run had workers.
_BATCHES = 32
#: Objects kept though nobody uses them: the trials and agents of a task follow each other.
_OBJECTS = 64
#: How often a batch is read that could not be, when its store can be reached; damage looks the same at first.
_READS = 3


class Batches:
    """Record batches of shards, those used last kept decoded."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = shards
        self._kept: OrderedDict[tuple[int, int], pa.RecordBatch] = OrderedDict()
        self._lock = threading.Lock()

    def row(self, shard: int, row: int) -> pa.RecordBatch:
        """One row, cut out of its batch."""
        number, within = self.shards[shard].place(row)
        with self._lock:
            batch = self._kept.get((shard, number))
            if batch is None:
                batch = self._kept[shard, number] = _patiently_read(self.shards[shard], number)
            self._kept.move_to_end((shard, number))
            while len(self._kept) > _BATCHES:
                self._kept.popitem(last=False)
        return batch.slice(within, 1)


class StoredRows(Sequence[M], Generic[M]):
    """Rows of a table by their number in an order of the caller's. May be asked from several threads.

    Asking raises InputError: the shard is damaged or gone, or the row is no such object; StoreUnavailable: its store
    stays out of reach.
    """

    def __init__(self, path: str, shards: Batches | Sequence[Shard], kind: type[M], places: np.ndarray) -> None:
        """``places`` has a row for each object: (place of its shard in ``shards``, number of its row in there). The
        columns of each shard have been looked at: it knows where its batches begin."""
        self._batches = shards if isinstance(shards, Batches) else Batches(shards)
        self._path, self._kind, self._places = path, kind, places
        self._lock = threading.Lock()
        self._objects: OrderedDict[int, M] = OrderedDict()
        self._used: WeakValueDictionary[int, M] = WeakValueDictionary()  # by an episode that is alive, say

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> M: ...

    @overload
    def __getitem__(self, number: slice) -> StoredRows[M]: ...

    def __getitem__(self, number: int | slice) -> M | StoredRows[M]:
        if isinstance(number, slice):
            return self.chosen(np.arange(len(self))[number])
        number = range(len(self))[number]
        with self._lock:
            found = self._used.get(number)
            if found is None:
                found = self._used[number] = self._read(number)
            self._objects[number] = found
            self._objects.move_to_end(number)
            while len(self._objects) > _OBJECTS:
                self._objects.popitem(last=False)
            return found

    def cached(self, number: int) -> M | None:
        """The object if it need not be read; never waits for somebody who reads, as an event loop must not."""
        return self._used.get(number)

    def chosen(self, numbers: Sequence[int] | np.ndarray) -> StoredRows[M]:
        """These of the rows, in this order."""
        return StoredRows(self._path, self._batches, self._kind, self._places[np.asarray(numbers, dtype=np.int64)])

    def _read(self, number: int) -> M:
        shard, row = map(int, self._places[number])
        (cells,) = self._batches.row(shard, row).to_pylist()
        try:
            return from_row(self._kind, cells)
        except ValueError as error:  # pydantic's and orjson's
            kind, told = self._kind.__name__.lower(), " ".join(str(error).split())[:200]
            raise InputError(f"{self._path}: {kind} {cells.get(f'{kind}_id')} can't be read: {told}") from None


def _patiently_read(shard: Shard, number: int) -> pa.RecordBatch:
    for _ in range(_READS - 1):
        try:
            return shard.batch(number)
        except InputError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            shard.wait_for_store()
    return shard.batch(number)


class ById(Mapping[str, M], Generic[M]):
    """The same rows by their ids."""

    def __init__(self, rows: StoredRows[M], ids: Sequence[Any]) -> None:
        self._rows = rows
        self._numbers: dict[str, int] = {name: number for number, name in enumerate(ids)}

    def __getitem__(self, name: str) -> M:
        return self._rows[self._numbers[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)
