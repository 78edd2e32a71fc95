"""What an agent states, or acts on, without having seen it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from t2t_dist.core.known import Known, stated
from t2t_dist.core.schema import Turn
from t2t_dist.environments.json_text import Unreadable, read_json
from t2t_dist.environments.tools import AGENT


class Unseen(NamedTuple):
    """A figure, date, time or id of the agent's without a source, in the turn of this number, counted from 0."""

    turn: int
    what: str
    in_call: bool


def unseen_figures(turns: Sequence[Turn], told: str) -> list[Unseen]:
    """The figures, dates, times and ids that the agent states, or makes calls with, and that have no source by then.

    Sources are what the agent was told beforehand (``told``: its prompt, that is the policy and the time), the results
    of its own calls, and the messages so far; what follows from these by one step of arithmetic counts as seen
    (:mod:`t2t_dist.core.known`). Each is listed where it first occurs. What the customer's own tools show is known only
    once the customer says it.
    """
    known, found = Known(told), []
    for place, turn in enumerate(turns):
        if turn.seat == AGENT and turn.role == "assistant":
            said = [(turn.content or "", False)]
            made = [("; ".join(_texts(call.arguments)), True) for call in turn.tool_calls]
            found += [Unseen(place, what, called) for text, called in said + made for what in known.unseen(text)]
            for text, _ in said + made:
                known.add(text)
        elif turn.seat == AGENT or turn.role == "user":
            known.add(turn.content or "")
    return found


def told_figures(turns: Sequence[Turn]) -> set[str]:
    """The figures, dates, times and ids in the agent's messages, one spelling each."""
    found: set[str] = set()
    for turn in turns:
        if turn.seat == AGENT and turn.role == "assistant" and turn.content:
            said = stated(turn.content)
            found |= {figure for figure, _ in said.figures} | set(said.ids)
            found |= {str(date) for date in said.dates} | {str(time) for time in said.times}
    return found


def _texts(arguments: str) -> Iterator[str]:
    """The values in a call's arguments; all of its text where it is no JSON."""
    try:
        yield from _scalars(read_json(arguments))
    except Unreadable:
        yield arguments


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _scalars(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
