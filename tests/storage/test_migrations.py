"""Rows of older schema versions, as earlier t2ts wrote them, are read as rows of today."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from t2t_dist.core.schema import GoldCall, Task, Trajectory
from t2t_dist.storage.migrations import MIGRATIONS, SCHEMA_VERSION, lift
from t2t_dist.storage.rows import SCHEMAS, from_row, to_row
from tests.support.made import Made

#: What later versions added, wherever it stands.
NEW = frozenset({"requestor", "at_hand", "errands", "faults"})


def old(kind: Any) -> Any:
    """The type as it was in version 1."""
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, old(f.type), f.nullable) for f in kind if f.name not in NEW])
    return pa.list_(old(kind.value_type)) if pa.types.is_list(kind) else kind


def without_new(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_new(inner) for name, inner in value.items() if name not in NEW}
    return [without_new(inner) for inner in value] if isinstance(value, list) else value


def version_1(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    schema = pa.schema([pa.field(f.name, old(f.type), f.nullable) for f in SCHEMAS[name] if f.name not in NEW])
    return pa.Table.from_pylist([without_new(row) for row in rows], schema=schema)


@pytest.mark.parametrize("name", SCHEMAS)
def test_tables_of_older_versions_get_the_columns_of_today(name: str) -> None:
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION)) == [1, 2]
    assert lift(name, version_1(name, []), 1).schema.equals(SCHEMAS[name])
    fields = [field for field in SCHEMAS[name] if field.name != "faults"]
    assert lift(name, pa.schema(fields).empty_table(), 2).schema.equals(SCHEMAS[name])


def test_tasks_and_trajectories_come_through_unchanged(desk: Made) -> None:
    tasks, trajectories = [t.model_copy(deep=True) for t in desk.tasks], desk.trajectories
    tasks[0].certificate = None
    tasks[1].grader.gold = []
    for kind, name, items in ((Task, "tasks", tasks), (Trajectory, "trajectories", trajectories)):
        table = version_1(name, [{"run_id": "run-1", **to_row(item)} for item in items])
        lifted = lift(name, pa.concat_tables([table.slice(0, 3), table.slice(3)]), 1)
        assert lifted.schema.equals(SCHEMAS[name])
        assert [from_row(kind, row) for row in lifted.to_pylist()] == items
        # A migration must not depend on where in its shard a row stands.
        assert lift(name, table.slice(5, 4), 1).to_pylist() == lifted.to_pylist()[5:9]


def test_calls_without_a_requestor_are_the_agents() -> None:
    assert GoldCall(name="x", kind="read", arguments={}).requestor is None
