"""Reading a task's grader side: its errands and writes, its call patterns, the fields of stored results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from t2t_dist.core.schema import CallPattern, Errand, GoldCall, GraderSide, RecordChange, Task
from t2t_dist.core.text_match import normalised
from t2t_dist.environments.json_text import Unreadable, read_json
from t2t_dist.environments.state import Record, World
from t2t_dist.environments.tools import Call, Kind


def writes_in(gold: Sequence[GoldCall]) -> list[GoldCall]:
    """The gold's calls of WRITE tools."""
    return [call for call in gold if call.kind == Kind.WRITE.value]


def effects_in(gold: Sequence[GoldCall]) -> list[GoldCall]:
    """The gold's calls that leave something in the state: writes, and what is put on record."""
    return [call for call in gold if call.kind in (Kind.WRITE.value, Kind.RECORD.value)]


def records_in(gold: Sequence[GoldCall]) -> list[GoldCall]:
    """The gold's calls that put on record how a request was handled."""
    return [call for call in gold if call.kind == Kind.RECORD.value]


def errands_in(grader: GraderSide) -> list[GoldCall]:
    """What is wanted, goal by goal: the gold's writes, or the workflows whose steps they are."""
    found: list[GoldCall] = []
    for call in writes_in(grader.gold):
        workflows = [errand_call(errand) for errand in grader.errands or () if errand.goal == call.goal]
        if not workflows:
            found.append(call)
        elif not found or found[-1].goal != call.goal:
            found += workflows
    return found


def errands_by_goal(grader: GraderSide) -> dict[int, list[Call]]:
    """The errands of each goal that has some: one, or one for each record of a set."""
    found: dict[int, list[Call]] = {}
    for call in errands_in(grader):
        found.setdefault(call.goal, []).append(Call(call.name, call.arguments))
    return found


def errand_call(errand: Errand) -> GoldCall:
    """A workflow as a call, for code that words or carries out what a goal is about."""
    return GoldCall(name=errand.name, kind=Kind.WRITE.value, arguments=errand.arguments, goal=errand.goal)


def subject_of(arguments: Mapping[str, Any]) -> Any:
    """What a call is about: its first argument; ``None`` where it has none."""
    return next(iter(arguments.values()), None)


def matches(pattern: CallPattern, name: str, arguments: dict[str, Any]) -> bool:
    """Same tool, and every listed argument equal in meaning; a pattern without arguments matches any call of the tool.

    Texts are equal whatever their case, spaces and stops, lists whatever their order.
    """
    listed = pattern.arguments or {}
    return pattern.name == name and all(
        arguments.get(key) == value or _plain(arguments.get(key)) == _plain(value) for key, value in listed.items()
    )


def asked_forbidden(task: Task) -> list[CallPattern]:
    """The calls that the grader forbids, but for what only a note in the task's world asks for."""
    injection = task.certificate.injection if task.certificate else None
    note = injection and CallPattern(name=injection.call.name, arguments=injection.call.arguments)
    return [pattern for pattern in task.grader.forbidden if pattern != note]


def refused_patterns(task: Task) -> list[CallPattern]:
    """Of the calls that the grader forbids, those that stand for what is to be refused."""
    refused = task.certificate.forbidden_call if task.certificate else None
    return [] if task.grader.refused_goal is None else patterns_of(asked_forbidden(task), refused)


def patterns_of(listed: Sequence[CallPattern], call: GoldCall | None) -> list[CallPattern]:
    """Those that match a call."""
    return [one for one in listed if call is not None and matches(one, call.name, call.arguments)]


#: Marks that end a word or a line: "12 Elm St." is "12 Elm St".
_STOPS = re.compile(r"[.,;](?=\s|$)")


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return normalised(_STOPS.sub("", value))
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted(map(_plain, value), key=repr)
    return value


def fields_of(result: str) -> dict[str, Any]:
    """Fields of a call's stored result; empty where it is a text or a list."""
    try:
        value = read_json(result)
    except Unreadable:
        return {}
    return value if isinstance(value, dict) else {}


def values_in(result: str) -> Iterator[Any]:
    """All that stands in a call's stored result, records and lists too; nothing where it can't be read."""
    try:
        todo = [read_json(result)]
    except Unreadable:
        return
    while todo:
        value = todo.pop()
        yield value
        todo += value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()


def fact_text(value: Any) -> str:
    """A result's value as a fact to be said: money with its cents."""
    return f"{abs(value):.2f}" if isinstance(value, float) else str(value)


def changes_of(world: World) -> list[RecordChange]:
    """The records in which a world differs from its base, in their stored form."""
    return [
        RecordChange(table=c.table, key=c.key, before=_json(c.before), after=_json(c.after)) for c in world.changes()
    ]


def _json(record: Record | None) -> Any:
    """The record as it is once stored and read back: keys are strings, tuples are lists."""
    return None if record is None else orjson.loads(orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS))
