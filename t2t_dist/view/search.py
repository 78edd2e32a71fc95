"""Full-text search: streams over the transcripts of the chosen rows for a bounded time, and reports how far it got."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from t2t_dist.core.errors import InputError

from .index import TableIndex

pc: Any = pyarrow.compute  # its stubs cover fewer types than it takes

#: The columns that are searched, by table.
_COLUMNS = {"episodes": ("turns",), "failures": ("turns", "message"), "tasks": ("user", "detail")}


@dataclass
class SearchResult:
    """One stretch of a search: the matching ``rows``, and how far it came.

    ``looked`` of the ``total`` chosen rows were searched, ``unreadable`` could not be; the next to search is number
    ``stop``.
    """

    rows: list[int] = field(default_factory=list)
    looked: int = 0
    stop: int = 0
    total: int = 0
    unreadable: int = 0

    @property
    def complete(self) -> bool:
        return self.stop >= self.total


def search(
    index: TableIndex, chosen: np.ndarray, text: str, *, start: int = 0, most: int = 50, budget_s: float = 1.2
) -> SearchResult:
    """Rows whose words contain ``text``, whatever its case.

    ``chosen`` holds row numbers in the order to search them, from place ``start``. Stops at ``most`` matches or after
    ``budget_s`` seconds.
    """
    found = SearchResult(stop=start, total=len(chosen))
    deadline = time.monotonic() + budget_s
    while found.stop < len(chosen) and len(found.rows) < most and time.monotonic() < deadline:
        shard, first = index.shard_of(int(chosen[found.stop]))
        batch, within = shard.place(first)
        stop, places = found.stop, dict[int, int]()
        # Later rows of the same batch are searched with it: a batch is read once.
        for row in chosen[found.stop : found.stop + 4096]:
            number = first + int(row) - int(chosen[found.stop])
            offset = within + number - first
            if offset < 0 or index.shard_of(int(row))[0] is not shard or shard.place(number)[0] != batch:
                break
            places[offset] = int(row)
            stop += 1
        try:
            matching = _matching(shard.batch(batch, _COLUMNS[shard.info.table]), text)
            hits = [row for offset, row in places.items() if matching[offset]]
        except InputError:
            hits, found.unreadable = [], found.unreadable + len(places)
        room = most - len(found.rows)
        if len(hits) > room:  # the next search starts after the last match shown
            hits = hits[:room]
            stop = found.stop + list(places.values()).index(hits[-1]) + 1
        found.rows += hits
        found.looked += stop - found.stop
        found.stop = stop
    return found


def _matching(batch: pa.RecordBatch, text: str) -> np.ndarray:
    """Mask of the rows of a batch that have the text in any of their strings."""
    matching = np.zeros(batch.num_rows, bool)
    rows = np.arange(batch.num_rows)
    for strings, owners in (found for column in batch.columns for found in _strings(column, rows)):
        hit = pc.fill_null(pc.match_substring(strings, text, ignore_case=True), False)
        matching[owners[hit.to_numpy(zero_copy_only=False)]] = True
    return matching


#: Fields of a transcript that are not searched: ids, settings, names of models.
_NOT_WORDS = frozenset({"seat", "role", "id", "tool_call_id", "model", "engine", "sampling", "finish_reason"})


def _strings(column: Any, owners: np.ndarray) -> Iterator[tuple[Any, np.ndarray]]:
    """Every string column inside a nested one, each value with the row it belongs to."""
    if pa.types.is_string(column.type):
        yield column, owners
    elif pa.types.is_list(column.type):
        yield from _strings(column.flatten(), owners[pc.list_parent_indices(column).to_numpy()])
    elif pa.types.is_struct(column.type):
        for number, name in enumerate(_names(column.type)):
            if name not in _NOT_WORDS:
                yield from _strings(column.field(number), owners)


def _names(kind: pa.StructType) -> Sequence[str]:
    return [kind.field(number).name for number in range(kind.num_fields)]
