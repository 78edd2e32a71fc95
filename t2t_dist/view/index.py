"""The viewer's index in memory: the narrow columns of a table, about 80 bytes per row. Transcripts stay on disk.

Columns with few values (agent, intent ...) are *facets*, kept as codes of two bytes; ids as Arrow strings; figures as
32-bit floats. Rows are only ever added, shard by shard, by one thread; any number of threads read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from t2t_dist.core.errors import InputError
from t2t_dist.storage.shard import Shard

#: The stubs of pyarrow cover fewer types than its functions take.
pc: Any = pyarrow.compute

#: From a shard's columns to one facet's values.
Derive = Callable[[pa.Table], Any]
#: Further values of a facet count as one: a filter with more values is of no use, and codes have two bytes.
MOST_VALUES = 4096
OTHER = "(others)"


class Grown:
    """A numpy array that can be appended to; views taken earlier stay valid."""

    def __init__(self, dtype: Any) -> None:
        self._array, self._size = np.empty(1024, dtype), 0

    def add(self, values: np.ndarray) -> None:
        size = self._size + len(values)
        if size > len(self._array):
            # By a quarter: doubling would waste up to half the memory on a million rows.
            larger = np.empty(max(size, len(self._array) * 5 // 4), self._array.dtype)
            larger[: self._size] = self._array[: self._size]
            self._array = larger
        self._array[self._size : size] = values
        self._size = size

    def first(self, count: int) -> np.ndarray:
        return self._array[:count]


class Facet:
    """A column of few values."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._codes: dict[str, int] = {}
        self._column = Grown(np.uint16)

    def add(self, values: Any) -> None:
        encoded = pc.dictionary_encode(pc.fill_null(values, ""))
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        codes = np.array([self._code(value) for value in encoded.dictionary.to_pylist()] or [0], np.uint16)
        self._column.add(codes[encoded.indices.to_numpy(zero_copy_only=False)] if len(encoded) else codes[:0])

    def _code(self, value: str) -> int:
        found = self._codes.get(value)
        if found is None:
            if len(self.values) >= MOST_VALUES:
                return self._code(OTHER) if OTHER in self._codes else self._new(OTHER)
            return self._new(value)
        return found

    def _new(self, value: str) -> int:
        self.values.append(value)
        self._codes[value] = len(self.values) - 1
        return self._codes[value]

    def codes(self, count: int) -> np.ndarray:
        return self._column.first(count)

    def code(self, value: str) -> int | None:
        return self._codes.get(value)


class TableIndex:
    """The narrow columns of one list of rows, which may come from several tables (episodes and failures)."""

    def __init__(self, texts: Sequence[str], facets: Mapping[str, Derive], figures: Sequence[str]) -> None:
        self.facets: dict[str, Facet] = {name: Facet() for name in facets}
        self._derive, self._texts, self._figures = dict(facets), tuple(texts), tuple(figures)
        self._strings: dict[str, list[Any]] = {name: [] for name in texts}
        self._numbers = {name: Grown(np.float32) for name in figures}
        self._shards: list[Shard] = []
        self._starts: list[int] = []
        #: Rows that can be read; set last, so that another thread never sees half a shard.
        self.rows = 0

    def add(self, shard: Shard, names: Sequence[str]) -> None:
        """Add the rows of a shard, reading the columns ``names``. Raises InputError; then none of its rows is added."""
        table = shard.columns(names)
        there, count = table.schema.names, len(table)
        # Everything that can fail comes before the first column is touched: columns must keep one length.

        def column(name: str, kind: Any) -> Any:
            return table[name].combine_chunks().cast(kind) if name in there else pa.nulls(count, kind)

        texts = [column(name, pa.string()) for name in self._texts]
        values = [derive(table) for derive in self._derive.values()]
        figures = [column(name, pa.float32()) for name in self._figures]
        for name, strings in zip(self._texts, texts, strict=True):
            self._strings[name].append(strings)
        for facet, of_rows in zip(self.facets.values(), values, strict=True):
            facet.add(of_rows)
        for numbers, figure in zip(self._numbers.values(), figures, strict=True):
            numbers.add(pc.fill_null(figure, float("nan")).to_numpy(zero_copy_only=False))
        self._shards.append(shard)
        self._starts.append(self.rows)
        self.rows += count

    # -- reading -------------------------------------------------------------------------------------------------------
    def text(self, name: str, count: int) -> Any:
        """The first ``count`` values of a text column."""
        return pa.chunked_array(list(self._strings[name]), pa.string()).slice(0, count)

    def string(self, name: str, row: int) -> str:
        """One value of a text column, empty where there is none."""
        place = bisect_right(self._starts, row) - 1
        return str(self._strings[name][place][row - self._starts[place]].as_py() or "")

    def figure(self, name: str, count: int) -> np.ndarray:
        return self._numbers[name].first(count)

    def matching(self, name: str, values: Iterable[str], count: int) -> np.ndarray:
        """Mask of the first ``count`` rows that have one of these values in a text column."""
        wanted = pa.array(list(values), pa.string())
        chunked = self.text(name, count)
        found = pc.equal(chunked, wanted[0]) if len(wanted) == 1 else pc.is_in(chunked, value_set=wanted)
        mask: np.ndarray = pc.fill_null(found, False).to_numpy()
        return mask

    def find(self, name: str, value: str) -> int | None:
        """The first row with this value in a text column."""
        found = np.flatnonzero(self.matching(name, [value], self.rows))
        return int(found[0]) if len(found) else None

    def shard_of(self, row: int) -> tuple[Shard, int]:
        """The shard of a row, and the row's number there."""
        place = bisect_right(self._starts, row) - 1
        return self._shards[place], row - self._starts[place]

    def value(self, facet: str, row: int) -> str:
        found = self.facets[facet]
        return found.values[int(found.codes(row + 1)[row])]

    def read(self, row: int) -> dict[str, Any]:
        """The whole row, from its shard. Raises InputError."""
        shard, number = self.shard_of(row)
        return shard.row(number)

    def some(self, rows: Sequence[int], names: Sequence[str]) -> list[dict[str, Any]]:
        """These columns of some rows, in their order; ``{}`` for what can't be read. A batch is read once."""
        found: dict[int, dict[str, Any]] = {}
        for shard, group in groupby(sorted(rows), key=lambda row: self.shard_of(row)[0]):
            listed = list(group)
            try:
                read = shard.rows([self.shard_of(row)[1] for row in listed], names)
            except InputError:
                continue
            found |= dict(zip(listed, read, strict=True))
        return [found.get(row, {}) for row in rows]

    def select(self, chosen: Mapping[str, str], count: int, leave_out: str = "") -> np.ndarray:
        """Mask of the first ``count`` rows that have these facet values, the facet ``leave_out`` ignored."""
        mask = np.ones(count, bool)
        for name, value in chosen.items():
            if name != leave_out:
                code = self.facets[name].code(value)
                mask &= np.zeros(count, bool) if code is None else self.facets[name].codes(count) == code
        return mask

    def counts(self, facet: str, mask: np.ndarray) -> dict[str, int]:
        """How often each value of a facet occurs among the rows of a mask, the most frequent first."""
        found = self.facets[facet]
        sums = np.bincount(found.codes(len(mask))[mask], minlength=len(found.values))
        pairs = [(value, int(n)) for value, n in zip(list(found.values), sums, strict=False) if n]
        return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


# -- the two lists -----------------------------------------------------------------------------------------------------
PASSED, MISSED, UNDECIDED, NO_RESULT = "passed", "not passed", "undecided", "no result"
#: The columns read of each shard.
EPISODE_COLUMNS = (
    "episode_id",
    "task_id",
    "agent",
    "intent",
    "stage",
    "trial",
    "termination",
    "failure",
    "reward",
    "reward_high",
    "parts",
    "flags",
    "difficulty",
    "combination",
    "started",
    "duration",
)
TASK_COLUMNS = ("task_id", "customer", "intent", "verdict", "reasons", "difficulty", "index")


def _column(name: str) -> Derive:
    return lambda table: table[name] if name in table.schema.names else pa.array([""] * len(table), pa.string())


def _result(table: pa.Table) -> Any:
    if "reward" not in table.schema.names:
        return pa.array([NO_RESULT] * len(table), pa.string())
    low, high = (pc.greater_equal(table[name], 1.0) for name in ("reward", "reward_high"))
    return pc.if_else(low, PASSED, pc.if_else(high, UNDECIDED, MISSED))


def _process(table: pa.Table) -> Any:
    if "parts" not in table.schema.names:
        return pa.array([""] * len(table), pa.string())
    kept = pc.struct_field(table["parts"], "process")
    return pc.if_else(pc.is_null(kept), "", pc.if_else(pc.greater_equal(kept, 1.0), "all kept", "broken"))


def _flags(table: pa.Table) -> Any:
    if "flags" not in table.schema.names:
        return pa.array([""] * len(table), pa.string())
    return pc.if_else(pc.greater(pc.fill_null(pc.list_value_length(table["flags"]), 0), 0), "flagged", "none")


def _level(table: pa.Table) -> Any:
    """The structural level as text; of a task it is one of its numbers."""
    level = table["difficulty"]
    return pc.cast(pc.struct_field(level, "level") if pa.types.is_struct(level.type) else level, pa.string())


def _first_reason(table: pa.Table) -> Any:
    return pa.array([(reasons or [""])[0] for reasons in table["reasons"].to_pylist()], pa.string())


def episode_index() -> TableIndex:
    """Episodes and failures, in the order in which they were committed."""
    plain = {name: _column(name) for name in ("intent", "agent", "termination", "failure", "stage")}
    facets = {"result": _result, **plain, "process": _process, "flags": _flags, "difficulty": _level}
    facets["combination"] = lambda table: pc.fill_null(table["combination"], "")
    return TableIndex(("episode_id", "task_id"), facets, ("trial", "started", "duration"))


def task_index() -> TableIndex:
    """Tasks, verified and rejected."""
    facets: dict[str, Derive] = {name: _column(name) for name in ("intent", "verdict")}
    facets |= {"reason": _first_reason, "difficulty": _level}
    return TableIndex(("task_id", "customer"), facets, ("index",))
