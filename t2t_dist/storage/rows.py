"""Conversion of objects to rows and back. Arrow schemas are derived from the classes in ``core/schema.py``."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from operator import attrgetter
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import orjson
import pyarrow as pa
import pyarrow.dataset as ds
from pydantic import BaseModel

from t2t_dist.core.schema import AS_JSON, Episode, Failure, Faults, Outcome, Task, ToolCall, Trajectory, Turn

M = TypeVar("M", bound=BaseModel)
#: A conversion from the value of a field to its cell, or back.
Conversion = Callable[[Any], Any]

#: Parts and process checks that a grade may have; each is a struct field, so that filters need no parsing.
PARTS = ("ended", "db", "forbidden", "required", "communicate", "process", "refused")
CHECKS = (
    "authenticated_first",
    "confirmed_before_write",
    "one_call_at_a_time",
    "own_data_only",
    "trigger_first",
    "policy_order",
)
USAGE = ("calls", "prompt_tokens", "cached_tokens", "completion_tokens", "t_model")


# -- types -------------------------------------------------------------------------------------------------------------
def arrow_type(hint: Any) -> pa.DataType:
    """The Arrow type of an annotation; JSON-marked fields are strings."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return pa.string() if AS_JSON in args[1:] else arrow_type(args[0])
    if origin in (Union, types.UnionType):
        return arrow_type(next(arg for arg in args if arg is not type(None)))
    if origin is Literal:
        return pa.string()
    if origin is list:
        return pa.list_(arrow_type(args[0]))
    if isinstance(hint, type) and (issubclass(hint, BaseModel) or dataclasses.is_dataclass(hint)):
        return pa.struct([pa.field(name, arrow_type(inner)) for name, inner in _hints(hint).items()])
    simple: dict[Any, Any] = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    return simple[hint]  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _columns(kind: type, without: frozenset[str] = frozenset()) -> list[Any]:
    return [pa.field(name, arrow_type(hint)) for name, hint in _hints(kind).items() if name not in without]


_EPISODE_COMMON: list[Any] = [
    pa.field("flags", pa.list_(pa.string())),
    pa.field("turns", pa.list_(arrow_type(Turn))),
    pa.field("usage", pa.list_(pa.struct([("seat", pa.string()), *((n, pa.float64()) for n in USAGE)]))),
    pa.field("started", pa.float64()),
    pa.field("duration", pa.float64()),
    pa.field("faults", pa.string()),
    pa.field("difficulty", pa.int64()),
    pa.field("combination", pa.string()),
    pa.field("kinds", pa.list_(pa.string())),
]
#: Fields of episodes and failures that become several columns, or stand among the common ones.
_ELSEWHERE = frozenset({"outcome", *(column.name for column in _EPISODE_COMMON)})
_EPISODE_HEAD = _columns(Episode, _ELSEWHERE)
_FAILURE_HEAD = _columns(Failure, _ELSEWHERE)

#: Schema of each table.
SCHEMAS: dict[str, pa.Schema] = {
    "trajectories": pa.schema([pa.field("run_id", pa.string()), *_columns(Trajectory)]),
    "tasks": pa.schema([pa.field("run_id", pa.string()), *_columns(Task)]),
    "episodes": pa.schema(
        [
            *_EPISODE_HEAD,
            pa.field("reward", pa.float64(), nullable=False),
            pa.field("reward_high", pa.float64(), nullable=False),
            pa.field("parts", pa.struct([(name, pa.float64()) for name in PARTS])),
            pa.field("process", pa.struct([(name, pa.bool_()) for name in CHECKS])),
            pa.field("detail", pa.string()),
            pa.field("final", pa.string()),
            *_EPISODE_COMMON,
        ]
    ),
    "failures": pa.schema([*_FAILURE_HEAD, *(f for f in _EPISODE_COMMON if f.name != "flags")]),
}

#: Columns that may differ between two equal runs: when, how long, in which attempt, on which engine.
VOLATILE = frozenset({"attempt", "attempts", "started", "duration", "usage"})
VOLATILE_NESTED = {"turns": frozenset({"t_queue", "t_model", "t_tool", "engine", "cached_tokens", "logprobs"})}


def one_of(column: str, values: Sequence[str]) -> ds.Expression:
    """The filter for rows with one of these texts in a column; of an empty list Arrow would not know the type."""
    return ds.field(column).isin(pa.array(values, pa.string()))


# -- pydantic objects --------------------------------------------------------------------------------------------------
def to_row(item: BaseModel) -> dict[str, Any]:
    """The row of an object: nested objects as structs, JSON-marked fields as JSON text."""
    row: dict[str, Any] = {}
    for name, encode in _encoders(type(item)):
        value = getattr(item, name)
        row[name] = value if encode is None or value is None else encode(value)
    return row


@lru_cache(maxsize=64)
def _encoders(kind: type[BaseModel]) -> list[tuple[str, Conversion | None]]:
    """Each field's conversion to its cell; ``None`` where they are the same."""
    return [(name, _encoder(hint)) for name, hint in _hints(kind).items() if name in kind.model_fields]


def _encoder(hint: Any) -> Conversion | None:
    # JSON keeps the order of arguments: the first one of a call is its subject.
    return _conversion(hint, lambda value: orjson.dumps(value).decode(), lambda _: to_row)


def _conversion(hint: Any, json: Conversion, struct: Callable[[type[BaseModel]], Conversion]) -> Conversion | None:
    """The conversion for values of a type, given those for JSON-marked fields and for objects; ``None`` for others."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return json if AS_JSON in args[1:] else _conversion(args[0], json, struct)
    if origin in (Union, types.UnionType):
        return _conversion(next(arg for arg in args if arg is not type(None)), json, struct)
    if origin is list:
        inner = _conversion(args[0], json, struct)
        return None if inner is None else lambda items: [inner(item) for item in items]
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return struct(hint)
    return None


def from_row(kind: type[M], row: dict[str, Any]) -> M:
    """The object of a row; columns that the object does not have are ignored.

    Raises:
        pydantic.ValidationError: the row does not hold such an object.
    """
    return kind.model_validate(_decoded(kind, row))


def _decoded(kind: type[BaseModel], row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, decode in _decoders(kind):
        value = row.get(name)
        found[name] = value if decode is None or value is None else decode(value)
    return found


@lru_cache(maxsize=64)
def _decoders(kind: type[BaseModel]) -> list[tuple[str, Conversion | None]]:
    """Each cell's conversion to the value its field is validated from; ``None`` where they are the same."""
    hints = [(name, hint) for name, hint in _hints(kind).items() if name in kind.model_fields]
    return [(name, _conversion(hint, orjson.loads, lambda inner: partial(_decoded, inner))) for name, hint in hints]


# -- episodes ----------------------------------------------------------------------------------------------------------
#: Set only where tokens are captured; elsewhere left out of a row's dict, so that they cost nothing.
_CAPTURED = ("prompt_token_ids", "token_ids", "logprobs", "prefix_break")
_TURN_FIELDS = tuple(f.name for f in dataclasses.fields(Turn) if f.name not in _CAPTURED)
_TURN_VALUES = attrgetter(*_TURN_FIELDS)


def turn_row(turn: Turn) -> dict[str, Any]:
    row = dict(zip(_TURN_FIELDS, _TURN_VALUES(turn), strict=True))
    row["tool_calls"] = [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in turn.tool_calls]
    for name in _CAPTURED:
        if (value := getattr(turn, name)) is not None:
            row[name] = value
    return row


def turn_of(row: dict[str, Any]) -> Turn:
    """The turn of a row read back."""
    calls = [ToolCall(call["id"], call["name"], call["arguments"]) for call in row["tool_calls"] or ()]
    captured = {name: row.get(name) for name in _CAPTURED}
    return Turn(**{**{name: row[name] for name in _TURN_FIELDS}, **captured, "tool_calls": calls})


def usage_of(turns: list[Turn]) -> list[dict[str, Any]]:
    """Model calls, tokens and seconds per seat; seats without a model have no entry."""
    found: dict[str, dict[str, Any]] = {}
    for turn in turns:
        if turn.model and turn.role != "tool":
            seat = found.setdefault(turn.seat, {"seat": turn.seat, **dict.fromkeys(USAGE, 0.0)})
            seat["calls"] += 1
            for name in USAGE[1:]:
                seat[name] += getattr(turn, name)
    return list(found.values())


def episode_row(episode: Episode) -> dict[str, Any]:
    outcome = episode.outcome
    row = {column.name: getattr(episode, column.name) for column in _EPISODE_HEAD}
    row |= {
        "reward": outcome.reward,
        "reward_high": outcome.reward_high,
        "parts": {name: outcome.parts.get(name) for name in PARTS},
        "process": {name: outcome.process.get(name) for name in CHECKS},
        "detail": orjson.dumps(outcome.detail, option=orjson.OPT_SORT_KEYS).decode(),
        "final": outcome.final,
        "flags": episode.flags,
        "turns": [turn_row(turn) for turn in episode.turns],
        "usage": usage_of(episode.turns),
        "started": episode.started,
        "duration": episode.duration,
        "faults": _faults_cell(episode.faults),
        "difficulty": episode.difficulty,
        "combination": episode.combination,
        "kinds": episode.kinds,
    }
    return row


def _faults_cell(faults: Faults) -> str | None:
    return orjson.dumps(faults, option=orjson.OPT_SORT_KEYS).decode() if faults else None


def faults_of(row: dict[str, Any]) -> dict[str, str]:
    """The tool faults of a stored episode; empty if there were none."""
    found: dict[str, str] = orjson.loads(row["faults"]) if row.get("faults") else {}
    return found


def outcome_of(row: dict[str, Any]) -> Outcome:
    """The grade of a stored episode."""
    return Outcome(
        reward=row["reward"],
        reward_high=row["reward_high"],
        parts={name: value for name, value in row["parts"].items() if value is not None},
        process={name: value for name, value in row["process"].items() if value is not None},
        detail=orjson.loads(row["detail"]),
        final=row["final"],
    )


def failure_row(failure: Failure) -> dict[str, Any]:
    row = {column.name: getattr(failure, column.name) for column in _FAILURE_HEAD}
    row |= {
        "turns": [turn_row(turn) for turn in failure.turns],
        "usage": usage_of(failure.turns),
        "started": failure.started,
        "duration": failure.duration,
        "faults": _faults_cell(failure.faults),
        "difficulty": failure.difficulty,
        "combination": failure.combination,
        "kinds": failure.kinds,
    }
    return row
