"""Schema versions of stored rows: the current one, and the migrations that lift older rows to it.

Nothing else knows about old versions. A migration is written against the schemas of its own time and must not refer to
those of today.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from t2t_dist.core.errors import InputError

_CALLS: Any = pa.list_(pa.struct([("goal", pa.int64()), ("name", pa.string()), ("arguments", pa.string())]))
#: Version 2, calls that the customer makes: by table, the path to the structs that gained a field, its name and type.
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
    """Adds who makes a call to gold and steps, and what the customer has at hand to the user's side."""
    for path, field, kind in _ADDED_IN_2.get(name, ()):
        table = _with_field(table, path, field, kind)
    return table


def _with_field(table: pa.Table, path: Sequence[str], field: str, kind: Any) -> pa.Table:
    """The table with one more field in the structs that ``path`` leads to, its first name a column."""
    column, *inner = path
    array: Any = table.column(column).combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # how some versions of pyarrow give a column without rows
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return table.set_column(table.schema.get_field_index(column), column, _added(array, inner, field, kind))


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
    """Adds the tool faults of episodes and failures: none."""
    if name not in ("episodes", "failures"):
        return table
    return table.append_column(pa.field("faults", pa.string()), pa.nulls(len(table), pa.string()))


def to_version_4(name: str, table: pa.Table) -> pa.Table:
    """Adds to episodes the reward's upper bound, equal to it, and a part and a process check that were not known."""
    if name != "episodes":
        return table
    place = table.schema.get_field_index("reward")
    table = table.add_column(place + 1, pa.field("reward_high", pa.float64(), nullable=False), table["reward"])
    for column, field, kind in (("parts", "refused", pa.float64()), ("process", "policy_order", pa.bool_())):
        table = _with_field(table, (column,), field, kind)
    return table


_CHANGE: Any = pa.struct(
    [("table", pa.string()), ("key", pa.string()), ("before", pa.string()), ("after", pa.string())]
)
_DIFFICULTY: Any = pa.struct(
    [(name, pa.int64()) for name in ("level", "look_ups", "depth", "candidates", "writes", "turns", "conditions")]
)
_TWINS: Any = pa.list_(
    pa.struct(
        [
            ("goal", pa.int64()),
            ("slot", pa.string()),
            ("records", pa.list_(_CHANGE)),
            ("value", pa.string()),
            ("final", pa.string()),
        ]
    )
)
#: Version 5, what customers describe without naming it.
_ADDED_IN_5: tuple[tuple[tuple[str, ...], str, Any], ...] = (
    (("user", "identity"), "described", pa.bool_()),
    (("user", "goals", "facts"), "described", pa.bool_()),
    (("user", "change", "facts"), "described", pa.bool_()),
    (("user", "goals"), "condition", pa.string()),
    (("user", "goals"), "asks", pa.bool_()),
    (("grader",), "requests", pa.string()),
    (("certificate",), "twins", _TWINS),
)


def to_version_5(name: str, table: pa.Table) -> pa.Table:
    """Adds to tasks what is described: facts that are, their meaning, and their twin worlds."""
    for path, field, kind in _ADDED_IN_5 if name == "tasks" else ():
        table = _with_field(table, path, field, kind)
    return table


_FACT: Any = pa.struct(
    [
        ("slot", pa.string()),
        ("label", pa.string()),
        ("text", pa.string()),
        ("says", pa.list_(pa.string())),
        ("answer", pa.string()),
        ("cues", pa.list_(pa.string())),
        ("stated", pa.bool_()),
        ("described", pa.bool_()),
    ]
)
_OTHERWISE: Any = pa.struct([("request", pa.string()), ("facts", pa.list_(_FACT)), ("clause", pa.string())])
_SECOND: Any = pa.struct([("request", pa.string()), ("facts", pa.list_(_FACT))])
_GOLD_CALL: Any = pa.struct(
    [
        ("name", pa.string()),
        ("kind", pa.string()),
        ("arguments", pa.string()),
        ("goal", pa.int64()),
        ("result", pa.string()),
        ("requestor", pa.string()),
    ]
)
_FALSE_CLAIM: Any = pa.struct(
    [
        ("kind", pa.string()),
        ("field", pa.string()),
        ("claimed", pa.string()),
        ("held", pa.string()),
        ("records", pa.list_(_CHANGE)),
        ("final", pa.string()),
    ]
)
_SECOND_CHANGE: Any = pa.struct(
    [
        ("goal", pa.int64()),
        ("trigger", pa.string()),
        ("request", pa.string()),
        ("facts", pa.list_(_FACT)),
        ("slip", pa.bool_()),
        ("part", pa.string()),
    ]
)
_INJECTION: Any = pa.struct([("text", pa.string()), ("call", _GOLD_CALL), ("rule", pa.int64()), ("final", pa.string())])
#: Version 6, what is wanted otherwise, customers that push, tasks whose world differs from the domain's database, how
#: hard they are, and what they combine.
_ADDED_IN_6: tuple[tuple[tuple[str, ...], str, Any], ...] = (
    (("user", "goals"), "otherwise", _OTHERWISE),
    (("user", "goals"), "first", _SECOND),
    (("user", "goals"), "rather", _SECOND),
    (("user", "goals"), "whichever", pa.string()),
    (("user",), "claim", pa.struct([("goal", pa.int64()), ("text", pa.string()), ("at_once", pa.bool_())])),
    (("user",), "mistake", pa.struct([("slot", pa.string()), ("text", pa.string()), ("answer", pa.string())])),
    (
        ("user",),
        "miscount",
        pa.struct([("goal", pa.int64()), ("slot", pa.string()), ("said", pa.int64()), ("answer", pa.string())]),
    ),
    (("user", "change"), "part", pa.string()),
    (("user",), "second_change", _SECOND_CHANGE),
    (("certificate",), "claim", _FALSE_CLAIM),
    (("certificate",), "not_found", pa.list_(_GOLD_CALL)),
    (("certificate",), "injection", _INJECTION),
    (("certificate",), "second_call", _GOLD_CALL),
    (("certificate",), "second_final", pa.string()),
    (("certificate",), "also", pa.list_(pa.struct([("intent", pa.string()), ("goal", pa.int64())]))),
)
_ABOUT_TASKS: tuple[tuple[str, Any], ...] = (
    ("difficulty", pa.int64()),
    ("combination", pa.string()),
    ("kinds", pa.list_(pa.string())),
)
_COLUMNS_IN_6: dict[str, tuple[tuple[str, Any], ...]] = {
    "tasks": (("world", pa.list_(_CHANGE)), ("twin_of", pa.string()), ("difficulty", _DIFFICULTY)),
    "episodes": _ABOUT_TASKS,
    "failures": _ABOUT_TASKS,
}


def to_version_6(name: str, table: pa.Table) -> pa.Table:
    """Adds to tasks their own records, the task that each is the twin of, their difficulty and what they combine: none;
    to episodes and failures the level, the combination and the kinds of request of their task: none."""
    for path, field, kind in _ADDED_IN_6 if name == "tasks" else ():
        table = _with_field(table, path, field, kind)
    for field, kind in _COLUMNS_IN_6.get(name, ()):
        table = table.append_column(pa.field(field, kind), pa.nulls(len(table), kind))
    return table


#: From a schema version to the next: (table name, a shard's rows) -> the same rows.
MIGRATIONS: dict[int, Callable[[str, pa.Table], pa.Table]] = {
    1: to_version_2,
    2: to_version_3,
    3: to_version_4,
    4: to_version_5,
    5: to_version_6,
}
#: The version that is written. To release the next one, raise this and add the function that lifts this one.
SCHEMA_VERSION = 6
#: Where the version stands in a shard's schema metadata.
VERSION_KEY = b"t2t_schema_version"


def stamped(schema: pa.Schema) -> pa.Schema:
    """The schema, marked as of the current version."""
    return schema.with_metadata({**(schema.metadata or {}), VERSION_KEY: str(SCHEMA_VERSION).encode()})


def schema_version(schema: pa.Schema, file: str) -> int:
    """The version of a shard's rows. Raises InputError: none, or one that this t2t does not know."""
    version = (schema.metadata or {}).get(VERSION_KEY, b"").decode(errors="replace")
    if not version.isdecimal() or not 1 <= int(version) <= SCHEMA_VERSION:
        raise InputError(
            f"{file}: rows of schema version {version or '(none)'}, this t2t reads versions 1 to {SCHEMA_VERSION}; use "
            "the t2t that wrote it or a newer one"
        )
    return int(version)


def is_current(version: int) -> bool:
    """Whether rows of this version need no lifting."""
    return version == SCHEMA_VERSION


def lift(name: str, table: pa.Table, version: int) -> pa.Table:
    """Rows of table ``name`` in a version, as rows of the current one."""
    for old in range(version, SCHEMA_VERSION):
        table = MIGRATIONS[old](name, table)
    return table
