"""Rows of older schema versions, as earlier t2ts wrote them, are read as rows of today."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any

import pyarrow as pa
import pytest

from t2t_dist.core.schema import GoldCall, Task, Trajectory
from t2t_dist.storage.migrations import MIGRATIONS, SCHEMA_VERSION, lift
from t2t_dist.storage.rows import SCHEMAS, from_row, to_row
from tests.support.finished_run import played
from tests.support.made import Made

#: What later versions added, wherever it stands.
IN_6 = frozenset({"world", "twin_of", "difficulty", "otherwise", "claim", "mistake", "not_found", "injection", "kinds"})
IN_6 |= {"miscount", "part", "second_change", "second_call", "second_final", "also", "combination"}
IN_6 |= {"first", "rather", "whichever"}
IN_5 = frozenset({"described", "condition", "asks", "requests", "twins", *IN_6})
IN_4 = frozenset({"reward_high", "refused", "policy_order", *IN_5})
NEW = frozenset({"requestor", "at_hand", "errands", "faults", *IN_4})


def old(kind: Any, added: Set[str] = NEW) -> Any:
    """The type without the fields that were added since, as it was in version 1 or later."""
    if pa.types.is_struct(kind):
        return pa.struct(fields_without(added, kind))
    return pa.list_(old(kind.value_type, added)) if pa.types.is_list(kind) else kind


def fields_without(added: Set[str], fields: Iterable[pa.Field]) -> list[pa.Field]:
    return [pa.field(f.name, old(f.type, added), f.nullable) for f in fields if f.name not in added]


def without_new(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_new(inner) for name, inner in value.items() if name not in NEW}
    return [without_new(inner) for inner in value] if isinstance(value, list) else value


def version_1(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    schema = pa.schema(fields_without(NEW, SCHEMAS[name]))
    return pa.Table.from_pylist([without_new(row) for row in rows], schema=schema)


@pytest.mark.parametrize("name", SCHEMAS)
def test_tables_of_older_versions_get_the_columns_of_today(name: str) -> None:
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION)) == [1, 2, 3, 4, 5]
    assert lift(name, version_1(name, []), 1).schema.equals(SCHEMAS[name])
    for version, added in ((2, NEW & {"faults", *IN_4}), (3, IN_4), (4, IN_5), (5, IN_6)):
        assert lift(name, pa.schema(fields_without(added, SCHEMAS[name])).empty_table(), version).schema.equals(
            SCHEMAS[name]
        )


def test_tasks_and_trajectories_come_through_unchanged(desk: Made) -> None:
    tasks = [t.model_copy(deep=True, update={"difficulty": None}) for t in desk.tasks]
    trajectories = desk.trajectories
    tasks[0].certificate = None
    tasks[1].grader.gold = []
    for kind, name, items in ((Task, "tasks", tasks), (Trajectory, "trajectories", trajectories)):
        table = version_1(name, [{"run_id": "run-1", **to_row(item)} for item in items])
        lifted = lift(name, pa.concat_tables([table.slice(0, 3), table.slice(3)]), 1)
        assert lifted.schema.equals(SCHEMAS[name])
        assert [from_row(kind, row) for row in lifted.to_pylist()] == items
        # A migration must not depend on where in its shard a row stands.
        assert lift(name, table.slice(5, 4), 1).to_pylist() == lifted.to_pylist()[5:9]


def test_the_upper_bound_of_an_older_reward_is_the_reward(desk: Made) -> None:
    rows = [dict(played(desk, task)[1]) for task in desk.tasks[:3]]
    for row, reward in zip(rows, (0.0, 1.0, 0.5), strict=True):
        row["reward"] = reward
    table = pa.Table.from_pylist(
        [without_new(row) for row in rows], schema=pa.schema(fields_without(IN_4, SCHEMAS["episodes"]))
    )
    lifted = lift("episodes", table, 3).to_pylist()
    assert [row["reward_high"] for row in lifted] == [0.0, 1.0, 0.5]
    assert {row["parts"]["refused"] for row in lifted} == {row["process"]["policy_order"] for row in lifted} == {None}


def test_calls_without_a_requestor_are_the_agents() -> None:
    assert GoldCall(name="x", kind="read", arguments={}).requestor is None
