"""Lazy rows: chosen rows of a table as objects that are read when accessed. A million tasks cost only a few arrays."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa
from pydantic import BaseModel

from t2t_dist.core.errors import DamagedRun, InputError

from .rows import from_row
from .shard import Shard

M = TypeVar("M", bound=BaseModel)

#: Record batches kept decoded, about 1 MiB each. Consecutive rows are spread over as many shards as there were workers.
_BATCHES = 32
#: Objects kept after use: the trials and agents of a task follow each other.
_OBJECTS = 64
#: Attempts to read a batch while its store can be reached: a passing I/O error looks like damage at first.
_READS = 3


class Batches:
    """Reader of single rows that keeps the most recently used record batches decoded."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = shards
        self._kept: OrderedDict[tuple[int, int], pa.RecordBatch] = OrderedDict()
        self._lock = threading.Lock()

    def row(self, shard: int, row: int) -> pa.RecordBatch:
        """One row, as a slice of its batch."""
        number, within = self.shards[shard].place(row)
        with self._lock:
            batch = self._kept.get((shard, number))
            if batch is None:
                batch = self._kept[shard, number] = _read_with_retries(self.shards[shard], number)
            self._kept.move_to_end((shard, number))
            while len(self._kept) > _BATCHES:
                self._kept.popitem(last=False)
        return batch.slice(within, 1)


class LazyRows(Sequence[M], Generic[M]):
    """Sequence of a table's rows as objects, in the caller's order. Safe to access from several threads.

    Access raises InputError: the shard is damaged or missing, or the row is not such an object; StoreUnavailable: the
    store stayed out of reach.
    """

    def __init__(self, path: str, shards: Batches | Sequence[Shard], kind: type[M], places: np.ndarray) -> None:
        """``places`` has one row per object: (index into ``shards``, row number in that shard). Columns of each shard
        must have been read, so that it knows where its batches begin."""
        self._batches = shards if isinstance(shards, Batches) else Batches(shards)
        self._path, self._kind, self._places = path, kind, places
        self._lock = threading.Lock()
        self._objects: OrderedDict[int, M] = OrderedDict()
        self._used: WeakValueDictionary[int, M] = WeakValueDictionary()  # those in use, by a live episode for example

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> M: ...

    @overload
    def __getitem__(self, number: slice) -> LazyRows[M]: ...

    def __getitem__(self, number: int | slice) -> M | LazyRows[M]:
        if isinstance(number, slice):
            return self.chosen(np.arange(len(self))[number])
        number = range(len(self))[number]
        with self._lock:
            item = self._used.get(number)
            if item is None:
                item = self._used[number] = self._read(number)
            self._objects[number] = item
            self._objects.move_to_end(number)
            while len(self._objects) > _OBJECTS:
                self._objects.popitem(last=False)
            return item

    def cached(self, number: int) -> M | None:
        """The object if it is in memory. Never waits for a read in another thread, so an event loop may call it."""
        return self._used.get(number)

    def chosen(self, numbers: Sequence[int] | np.ndarray) -> LazyRows[M]:
        """These rows, in this order."""
        return LazyRows(self._path, self._batches, self._kind, self._places[np.asarray(numbers, dtype=np.int64)])

    def _read(self, number: int) -> M:
        shard, row = map(int, self._places[number])
        (cells,) = self._batches.row(shard, row).to_pylist()
        try:
            return from_row(self._kind, cells)
        except ValueError as error:  # pydantic's and orjson's
            kind, detail = self._kind.__name__.lower(), " ".join(str(error).split())[:200]
            raise DamagedRun(f"{self._path}: {kind} {cells.get(f'{kind}_id')} can't be read: {detail}") from None


def _read_with_retries(shard: Shard, number: int) -> pa.RecordBatch:
    for _ in range(_READS - 1):
        try:
            return shard.batch(number)
        except InputError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            shard.wait_for_store()
    return shard.batch(number)


class LazyRowsById(Mapping[str, M], Generic[M]):
    """Mapping of lazy rows by id."""

    def __init__(self, rows: LazyRows[M], ids: Sequence[Any]) -> None:
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
