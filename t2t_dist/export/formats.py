"""The formats: what a row of each holds, its Arrow schema, and both as features of ``datasets``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pyarrow as pa

from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import stable_hash
from t2t_dist.environments.tools import AGENT
from t2t_dist.storage.rows import CHECKS, PARTS

from .messages import Message, messages_of, styled

FORMATS = ("sft", "rl", "preference", "hf")
STYLES = ("openai", "hf")
Row = dict[str, Any]

#: Marks a field that is JSON text in a columnar file, and its object in JSON lines and in ``datasets``.
_JSON = {b"json": b"1"}


def _json(name: str) -> Any:
    return pa.field(name, pa.string(), metadata=_JSON)


_HEAD: list[Any] = [
    *(
        (name, pa.string())
        for name in ("episode_id", "run_id", "domain", "task_id", "trajectory_id", "intent", "agent")
    ),
    ("trial", pa.int64()),
    ("reward", pa.float64()),
    ("parts", pa.struct([(name, pa.float64()) for name in PARTS])),
    ("process", pa.struct([(name, pa.bool_()) for name in CHECKS])),
    ("termination", pa.string()),
    ("entities", pa.list_(pa.string())),
]
HEAD = tuple(name for name, _ in _HEAD if name != "entities")


def _messages(style: str) -> Any:
    arguments: Any = _json("arguments") if style == "hf" else ("arguments", pa.string())
    function: Any = pa.struct([("name", pa.string()), arguments])
    call: Any = pa.struct([("id", pa.string()), ("type", pa.string()), ("function", function)])
    mark: Any = ("train", pa.bool_()) if style == "hf" else ("weight", pa.int64())
    fields = [("role", pa.string()), ("content", pa.string()), ("reasoning_content", pa.string())]
    return pa.list_(pa.struct([*fields, ("tool_calls", pa.list_(call)), ("tool_call_id", pa.string()), mark]))


def schema_of(format: str, style: str, bare: bool = False) -> pa.Schema:
    """The columns of a format; ``bare`` leaves out those that say where a row is from."""
    head = [] if bare else _HEAD
    tools: Any = pa.field("tools", pa.list_(_json("item")))
    if format == "rl":
        sequence: list[Any] = [
            ("sequence", pa.int64()),
            ("sequences", pa.int64()),
            ("prefix_break", pa.int64()),
            ("input_ids", pa.list_(pa.int64())),
            ("loss_mask", pa.list_(pa.int64())),
            ("logprobs", pa.list_(pa.float64())),
        ]
        return pa.schema([*head, *sequence])
    if format == "preference":
        sides = [(name, _messages(style)) for name in ("prompt", "chosen", "rejected")]
        more: list[Any] = [(n, pa.string()) for n in ("pair_id", "domain", "task_id", "trajectory_id", "intent")]
        for side in ("chosen", "rejected"):
            more += [(f"{side}_{name}", kind) for name, kind in _HEAD if name in ("episode_id", "agent", "reward")]
        more = [] if bare else [*more, ("entities", pa.list_(pa.string()))]
        return pa.schema([*more, *sides, tools])
    return pa.schema([*head, ("messages", _messages(style)), tools])


# -- rows --------------------------------------------------------------------------------------------------------------
def head_row(episode: Row, agent: str, entities: Sequence[str]) -> Row:
    return {name: episode[name] for name in HEAD} | {"agent": agent, "entities": list(entities)}


def pair_row(head: Row, chosen: list[Message], rejected: list[Message], style: str) -> Row:
    """A preference row: the common prompt, and both sides from the agent's first message that differs.

    Call ids are no difference. Where the first difference is in a message of the customer, both sides begin with the
    agent's message before it, since a side must begin with the agent.
    """
    same = 0
    for one, other in zip(chosen, rejected, strict=False):
        if _compared(one) != _compared(other):
            break
        same += 1
    while same > 0 and not _begin_with_agent(chosen[same:], rejected[same:]):
        same -= 1
    prompt = styled(chosen[:same], style)
    return {
        **head,
        "prompt": prompt,
        "chosen": styled(chosen[same:], style),
        "rejected": styled(rejected[same:], style),
    }


def _begin_with_agent(*sides: Sequence[Message]) -> bool:
    return all(side and side[0]["role"] == "assistant" for side in sides)


def _compared(message: Message) -> Any:
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", ())]
    return message["role"], message["content"], message.get("reasoning_content"), calls


def pair_id(chosen: str, rejected: str) -> str:
    return f"pair-{stable_hash(chosen, rejected)}"


def sequences_of(turns: Sequence[Row]) -> list[Row]:
    """The agent's captured tokens as sequences to train on: one, plus one per prefix break.

    ``input_ids`` are prompt and answers as the engine had them, ``loss_mask`` is 1 on sampled tokens, ``logprobs`` are
    the engine's there and 0 elsewhere, all of the same length. ``prefix_break`` is the position in a later sequence's
    prompt where it departs from the one before. Empty where no tokens were captured.
    """
    found: list[Row] = []
    for turn in turns:
        prompt, answer = turn.get("prompt_token_ids"), turn.get("token_ids")
        if turn["seat"] != AGENT or prompt is None or answer is None:
            continue
        logprobs = turn.get("logprobs") or []
        if len(logprobs) != len(answer):
            logprobs = [float("nan")] * len(answer)  # the engine gave none: nothing is invented
        now = found[-1] if found else None
        if now is None or turn.get("prefix_break") is not None or prompt[: len(now["input_ids"])] != now["input_ids"]:
            now = {"prefix_break": turn.get("prefix_break"), "input_ids": [], "loss_mask": [], "logprobs": []}
            found.append(now)
        news = prompt[len(now["input_ids"]) :]
        now["input_ids"] += [*news, *answer]
        now["loss_mask"] += [0] * len(news) + [1] * len(answer)
        now["logprobs"] += [0.0] * len(news) + list(logprobs)
    return [{"sequence": place, "sequences": len(found), **each} for place, each in enumerate(found)]


def rows_of(format: str, style: str, head: Row, episode: Row, system: str) -> Iterator[Row]:
    """The rows of one episode in any format but preference; without ``tools``, which all rows of a run share."""
    if format == "rl":
        for sequence in sequences_of(episode["turns"]):
            yield {**head, **sequence}
    else:
        yield {**head, "messages": styled(messages_of(episode["turns"], system), style)}


# -- for datasets ------------------------------------------------------------------------------------------------------
def _feature(field: Any) -> Any:
    """A column as ``datasets`` names it in a file's metadata."""
    kind = field.type
    if (field.metadata or {}).get(b"json"):
        return {"_type": "Json"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_field), "_type": "List"}
    if pa.types.is_struct(kind):
        return {inner.name: _feature(inner) for inner in kind}
    return {"dtype": _NAMES[kind], "_type": "Value"}


_NAMES = {pa.string(): "string", pa.int64(): "int64", pa.float64(): "float64", pa.bool_(): "bool"}


def features_of(schema: pa.Schema) -> Row:
    return {field.name: _feature(field) for field in schema}


def extended(schema: pa.Schema) -> pa.Schema:
    """The schema with Arrow's own JSON type, which ``datasets.load_from_disk`` requires.

    Raises:
        InputError: this pyarrow has no such type.
    """
    if not hasattr(pa, "json_"):
        raise InputError(f"--format hf needs pyarrow 19 or newer, this is {pa.__version__}: pip install -U pyarrow")
    metadata: Any = schema.metadata
    return pa.schema([_extended(field) for field in schema], metadata)


def _extended(field: Any) -> Any:
    kind = field.type
    if (field.metadata or {}).get(b"json"):
        return pa.field(field.name, pa.json_())
    if pa.types.is_list(kind):
        return pa.field(field.name, pa.list_(_extended(kind.value_field)))
    if pa.types.is_struct(kind):
        return pa.field(field.name, pa.struct([_extended(inner) for inner in kind]))
    return field


def yaml_features(schema: pa.Schema) -> list[Row]:
    """The features in YAML's terms, for the header of a dataset card."""
    return [{"name": field.name, **_yaml(field)} for field in schema]


def _yaml(field: Any) -> Row:
    kind = field.type
    if (field.metadata or {}).get(b"json"):
        return {"dtype": "json"}
    if pa.types.is_list(kind):
        inner = _yaml(kind.value_field)
        return {"list": inner.get("dtype") or inner.get("struct") or inner}
    if pa.types.is_struct(kind):
        return {"struct": [{"name": inner.name, **_yaml(inner)} for inner in kind]}
    return {"dtype": _NAMES[kind]}


def columnar(schema: pa.Schema, row: Row) -> Row:
    """A row for a columnar file: objects in JSON columns become text."""
    return {field.name: _cell(field, row.get(field.name)) for field in schema}


def _cell(field: Any, value: Any) -> Any:
    kind = field.type
    if value is None:
        return None
    if (field.metadata or {}).get(b"json"):
        return orjson.dumps(value).decode()
    if pa.types.is_list(kind) and _nested(kind.value_field):
        return [_cell(kind.value_field, each) for each in value]
    if pa.types.is_struct(kind):
        return {inner.name: _cell(inner, value.get(inner.name)) for inner in kind}
    return value


def _nested(field: Any) -> bool:
    return bool((field.metadata or {}).get(b"json")) or pa.types.is_nested(field.type)
