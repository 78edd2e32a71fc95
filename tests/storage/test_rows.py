"""Objects become rows and come back the same, through Arrow as well; the layout of the rows is written down here."""

from __future__ import annotations

import dataclasses
import types
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from t2t_dist.core.schema import (
    AS_JSON,
    Episode,
    Failure,
    Outcome,
    Step,
    StoredObject,
    Task,
    ToolCall,
    Trajectory,
    Turn,
)
from t2t_dist.storage.row_digest import row_digest
from t2t_dist.storage.rows import (
    CHECKS,
    PARTS,
    SCHEMAS,
    VOLATILE,
    VOLATILE_NESTED,
    arrow_type,
    episode_row,
    failure_row,
    from_row,
    outcome_of,
    to_row,
    turn_of,
    usage_of,
)
from tests.support.made import Made

T = TypeVar("T")

# -- any object --------------------------------------------------------------------------------------------------------
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
json_like = st.recursive(
    st.none() | st.booleans() | numbers | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of an annotation of ``schema.py``."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        if AS_JSON in args[1:] and args[0] is not Any:
            fields = st.dictionaries(texts, json_like, max_size=3)
            return fields if get_origin(args[0]) is dict else st.none() | fields
        return json_like if AS_JSON in args[1:] else values(args[0])
    if origin in (Union, types.UnionType):
        return st.none() | values(next(arg for arg in args if arg is not type(None)))
    if origin is Literal:
        return st.sampled_from(args)
    if origin is list:
        return st.lists(values(args[0]), max_size=2)
    if hint in (str, int, float, bool):
        return {str: texts, int: numbers, float: floats, bool: st.booleans()}[hint]
    return objects(hint)


def objects(kind: type[T], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[T]:
    """Objects of a class of ``schema.py``."""
    hints = get_type_hints(kind, include_extras=True)
    names = list(kind.model_fields) if issubclass(kind, BaseModel) else [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return st.builds(kind, **{name: given[name] if name in given else values(hints[name]) for name in names})


outcomes = objects(
    Outcome,
    parts=st.fixed_dictionaries({}, optional={name: st.sampled_from([0.0, 1.0]) for name in PARTS}),
    process=st.fixed_dictionaries({}, optional={name: st.booleans() for name in CHECKS}),
    detail=st.dictionaries(texts, texts, max_size=3),
)
relaxed = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def through_arrow(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """The row as it is read back."""
    found = pa.Table.from_pylist([row], SCHEMAS[table])
    assert found.schema.names == list(row)
    return found.to_pylist()[0]  # type: ignore[no-any-return]


def digest(row: dict[str, Any]) -> int:
    return row_digest(row, VOLATILE, VOLATILE_NESTED)


@relaxed
@given(objects(Trajectory))
def test_a_trajectory_comes_back(trajectory: Trajectory) -> None:
    assert from_row(Trajectory, to_row(trajectory)) == trajectory
    row = {"run_id": "run-1", **to_row(trajectory)}
    back = through_arrow("trajectories", row)
    assert from_row(Trajectory, back) == trajectory
    assert digest(back) == digest(row)


@relaxed
@given(objects(Task))
def test_a_task_comes_back(task: Task) -> None:
    assert from_row(Task, to_row(task)) == task
    row = {"run_id": "run-1", **to_row(task)}
    back = through_arrow("tasks", row)
    assert from_row(Task, back) == task
    assert digest(back) == digest(row)


@pytest.mark.parametrize("kind", [kind for kind in StoredObject.__subclasses__() if kind not in (Task, Trajectory)])
def test_every_part_comes_back_by_itself(kind: type[StoredObject]) -> None:
    schema = pa.schema([pa.field("it", arrow_type(kind))])

    @relaxed
    @given(objects(kind))
    def check(item: StoredObject) -> None:
        back = pa.Table.from_pylist([{"it": to_row(item)}], schema).to_pylist()[0]["it"]
        assert from_row(kind, back) == item

    check()


@relaxed
@given(objects(Episode, outcome=outcomes))
def test_an_episode_comes_back(episode: Episode) -> None:
    row = episode_row(episode)
    back = through_arrow("episodes", row)
    assert [turn_of(turn) for turn in back["turns"]] == episode.turns
    assert outcome_of(back) == episode.outcome
    assert digest(back) == digest(row)
    for name in ("episode_id", "task_id", "seed", "trial", "flags", "termination"):
        assert back[name] == getattr(episode, name)


@relaxed
@given(objects(Failure))
def test_a_failure_comes_back_and_has_no_reward(failure: Failure) -> None:
    row = failure_row(failure)
    back = through_arrow("failures", row)
    assert [turn_of(turn) for turn in back["turns"]] == failure.turns
    assert (back["failure"], back["message"], back["attempts"]) == (
        failure.failure,
        failure.message,
        failure.attempts,
    )
    assert digest(back) == digest(row)
    assert "reward" not in back


def test_real_rows_come_back(made: Made) -> None:
    rows = [{"run_id": "run-1", **to_row(task)} for task in made.tasks]
    back = pa.Table.from_pylist(rows, SCHEMAS["tasks"]).to_pylist()
    assert [from_row(Task, row) for row in back] == made.tasks
    assert [digest(row) for row in back] == [digest(row) for row in rows]


# -- details -----------------------------------------------------------------------------------------------------------
def test_arguments_keep_their_order() -> None:
    step = Step(tool="t", kind="write", arguments={"z": 1, "a": {"y": 2, "b": 3}}, result="", digest="")
    assert to_row(step)["arguments"] == '{"z":1,"a":{"y":2,"b":3}}'
    assert list(from_row(Step, to_row(step)).arguments) == ["z", "a"]


def test_columns_of_the_run_are_passed_over_and_missing_ones_are_not() -> None:
    step = Step(tool="t", kind="write", arguments={}, result="", digest="")
    assert from_row(Step, {**to_row(step), "run_id": "run-1"}) == step
    row = to_row(step)
    del row["digest"]
    with pytest.raises(ValidationError, match="digest"):
        from_row(Step, row)
    with pytest.raises(orjson.JSONDecodeError):
        from_row(Step, {**to_row(step), "arguments": "{"})


def turn(seat: str, role: str, model: str, tokens: int) -> Turn:
    return Turn(seat, role, "x", model=model, prompt_tokens=tokens, completion_tokens=1, t_model=0.5)


def test_usage_is_added_up_by_seat_for_the_seats_that_are_models() -> None:
    turns = [turn("agent", "assistant", "m", 10), turn("agent", "tool", "m", 99), turn("user", "user", "", 7)]
    turns += [turn("agent", "assistant", "m", 5)]
    used = {"calls": 2, "prompt_tokens": 15, "cached_tokens": 0, "completion_tokens": 2, "t_model": 1.0}
    assert usage_of(turns) == [{"seat": "agent", **used}]
    assert usage_of([]) == []


def some(kind: type[T], **fields: Any) -> T:
    """An object with empty texts and ones where nothing is said."""
    hints = get_type_hints(kind)
    rest = {f.name: "" if hints[f.name] in (str, str | None) else 1 for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{**rest, "kinds": [], **fields})


def test_times_attempts_and_engines_do_not_count_as_content() -> None:
    outcome = Outcome(1.0, 1.0, {"db": 1.0}, {}, {}, "f")
    first = some(Episode, turns=[Turn("agent", "assistant", "hi")], outcome=outcome, flags=[])
    later = Turn("agent", "assistant", "hi", engine="e2", t_model=3.0)
    second = dataclasses.replace(first, attempt=2, started=5.0, duration=6.0, turns=[later])
    other = dataclasses.replace(first, turns=[Turn("agent", "assistant", "Hi")])
    assert digest(episode_row(first)) == digest(episode_row(second)) != digest(episode_row(other))


def test_calls_of_a_turn_come_back() -> None:
    made = Turn("agent", "assistant", tool_calls=[ToolCall("c1", "f", "{not json"), ToolCall("c2", "g", "{}")])
    back = through_arrow("failures", failure_row(some(Failure, turns=[made])))
    assert turn_of(back["turns"][0]) == made


# -- the layout --------------------------------------------------------------------------------------------------------
COMMON = "flags turns usage started duration faults difficulty combination kinds"
COLUMNS = {
    "trajectories": "run_id trajectory_id index domain customer explorer seed tools initial steps verdict raw",
    "tasks": "run_id task_id trajectory_id index intent domain customer writer seed user grader certificate votes"
    " verdict reasons detail raw world twin_of difficulty",
    "episodes": "episode_id run_id stage domain task_id trajectory_id intent trial attempt seed agent user termination"
    f" reward reward_high parts process detail final {COMMON}",
    "failures": "episode_id run_id stage domain task_id intent trial attempts agent user failure message turns usage"
    " started duration faults difficulty combination kinds",
}
FIELDS = {
    ("trajectories", "steps"): "tool kind arguments result error changed rules thought digest requestor",
    ("tasks", "user"): "name persona reason_for_call known_info unknown_info task_instructions identity goals change"
    " patience pleads at_hand claim mistake miscount second_change",
    (
        "tasks",
        "grader",
    ): "gold initial final allowed_diff forbidden required communicate basis refused_goal rule handling errands"
    " requests",
    ("tasks", "certificate"): "intent replays without goal withheld candidates trigger first_call first_final"
    " forbidden_call rule clause enforced reason twins claim not_found injection second_call second_final also",
    ("tasks", "votes"): "judge realism necessity correctness comment",
    ("episodes", "parts"): "ended db forbidden required communicate process refused",
    (
        "episodes",
        "process",
    ): "authenticated_first confirmed_before_write one_call_at_a_time own_data_only trigger_first policy_order",
    (
        "episodes",
        "turns",
    ): "seat role content reasoning tool_calls tool_call_id error model engine sampling finish_reason"
    " t_queue t_model t_tool prompt_tokens cached_tokens completion_tokens"
    " prompt_token_ids token_ids logprobs prefix_break",
    ("episodes", "usage"): "seat calls prompt_tokens cached_tokens completion_tokens t_model",
}


def test_the_columns_are_these() -> None:
    """A change here is a change of what people have stored: it needs a new schema version and a reader for the old."""
    assert {table: schema.names for table, schema in SCHEMAS.items()} == {t: c.split() for t, c in COLUMNS.items()}


@pytest.mark.parametrize(("table", "column"), FIELDS)
def test_the_fields_of_nested_columns_are_these(table: str, column: str) -> None:
    found = SCHEMAS[table].field(column).type
    found = found.value_type if pa.types.is_list(found) else found
    assert [found.field(n).name for n in range(found.num_fields)] == FIELDS[(table, column)].split()


def test_a_reward_is_never_null() -> None:
    assert not SCHEMAS["episodes"].field("reward").nullable
    assert SCHEMAS["episodes"].field("reward").type == pa.float64()
