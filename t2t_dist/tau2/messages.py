"""Transcripts as tau2's evaluators read them: messages, and the calls in them with their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from t2t_dist.core.schema import Turn
from t2t_dist.environments.adapters.tau2.domain import replayable_arguments
from t2t_dist.environments.tools import USER


class Asked(NamedTuple):
    """A call. ``answer`` is the tool message's text; ``None`` where the conversation ended before there was one."""

    name: str
    arguments: dict[str, Any]
    requestor: str
    answer: str | None


class Message(NamedTuple):
    """A message of the assistant's or the user's."""

    role: str
    content: str | None
    calls: Sequence[Asked] = ()


def of_turns(turns: Sequence[Turn]) -> list[Message]:
    """Messages from our turns."""
    found = []
    for place, turn in enumerate(turns):
        if turn.role == "tool":
            continue
        answers = list(takewhile(lambda later: later.role == "tool", turns[place + 1 :])) if turn.tool_calls else []
        role = "user" if turn.seat == USER else "assistant"
        made = [
            Asked(
                call.name,
                replayable_arguments(call.arguments),
                role,
                answers[n].content or "" if n < len(answers) else None,
            )
            for n, call in enumerate(turn.tool_calls)
        ]
        found.append(Message(role, turn.content, made))
    return found


def of_history(history: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Messages from those in tau2's files."""
    found: list[Message] = []
    for place, message in enumerate(history):
        if message.get("role") not in ("assistant", "user"):
            continue
        calls = message.get("tool_calls") or []
        answers = list(takewhile(lambda later: later.get("role") == "tool", history[place + 1 :]))
        made = [
            Asked(
                call["name"],
                call.get("arguments") or {},
                call.get("requestor", "assistant"),
                (answers[n].get("content") or "") if n < len(answers) else None,
            )
            for n, call in enumerate(calls)
        ]
        found.append(Message(message["role"], message.get("content"), made))
    return found
