"""What lifts rows of an older schema version to the next one. Nothing else knows about old versions.

A migration says what came to be, in the terms of its own time: it must not follow the schema of today.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from t2t_dist.core.errors import InputError

from .row_digest import row_digest as row_digest

_CALLS: Any = pa.list_(pa.struct([("goal", pa.int64()), ("name", pa.string()), ("arguments", pa.string())]))
#: Version 2, calls of the customer's own: by table, where a field was added and which, absent in all older rows.
_ADDED_IN_2: dict[str, tuple[tuple[tuple[str, ...], str, Any], ...]] = {
    "trajectories": ((("steps",), "requestor", pa.string()),),
    "tasks": (
        (("user",), "at_hand", pa.string()),
        (("grader", "gold"), "requestor", pa.string()),
        (("grader",), "errands", _CALLS),
        (("certificate", "first_call"), "requestor", pa.string()),
        (("certificate", "forbidden_call"), "requestor", pa.string()),
    ),
}


def to_version_2(name: str, table: pa.Table) -> pa.Table:
    """Gold and steps tell who makes a call; the customer's side tells what they have at hand."""
    for (column, *path), field, kind in _ADDED_IN_2.get(name, ()):
        place = table.schema.get_field_index(column)
        array: Any = table.column(column).combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # how some versions of pyarrow give a column without rows
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
        table = table.set_column(place, column, _added(array, path, field, kind))
    return table


def _added(array: Any, path: Sequence[str], field: str, kind: Any) -> Any:
    """The array with one more field, all null, in the structs that ``path`` leads to."""
    if isinstance(array, pa.ListArray):
        values = _added(array.values, path, field, kind)
        return pa.ListArray.from_arrays(array.offsets, values, mask=array.is_null())
    names = [member.name for member in array.type]
    columns = [array.field(name) for name in names]
    if path:
        at = names.index(path[0])
        columns[at] = _added(columns[at], path[1:], field, kind)
    else:
        names, columns = [*names, field], [*columns, pa.nulls(len(array), kind)]
    return pa.StructArray.from_arrays(columns, names=names, mask=array.is_null())


def to_version_3(name: str, table: pa.Table) -> pa.Table:
    """Episodes and failures tell which faults their tools were given: none."""
    if name not in ("episodes", "failures"):
        return table
    return table.append_column(pa.field("faults", pa.string()), pa.nulls(len(table), pa.string()))


#: From a schema version to the next: (table name, a shard's rows) -> the same rows.
MIGRATIONS: dict[int, Callable[[str, pa.Table], pa.Table]] = {1: to_version_2, 2: to_version_3}


#: To release the next version, raise this and put the function that lifts this one into ``migrations.py``.
SCHEMA_VERSION = 3


VERSION_KEY = b"t2t_schema_version"


def schema_version(schema: pa.Schema, file: str) -> int:
    """The version of a shard's rows. Raises InputError: none, or one that this t2t does not know."""
    version = (schema.metadata or {}).get(VERSION_KEY, b"").decode(errors="replace")
    if not version.isdecimal() or not 1 <= int(version) <= SCHEMA_VERSION:
        raise InputError(
            f"{file}: rows of schema version {version or '(none)'}, this t2t reads versions 1 to {SCHEMA_VERSION}; use "
            "the t2t that wrote it or a newer one"
        )
    return int(version)
