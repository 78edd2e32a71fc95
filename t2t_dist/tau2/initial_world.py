"""The start of a task's episodes: the domain's world or the one that an imported task describes, and what was said."""

from __future__ import annotations

import json
from functools import lru_cache

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Task, ToolCall, Turn
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.adapters.tau2.domain import Tau2Domain
from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import AGENT, USER

from . import IMPORTED
from .task_format import Form, form_of


def world_of(domain: Domain, task: Task) -> World:
    """A fresh world for a task: the domain's, but for the records that are the task's own.

    Raises:
        InputError: the task has an initial state, or records, that the domain can't set up.
    """
    domain, form = domain_of(domain, task), stored_form(task)
    return domain.world() if form is None else world_from(domain, form, task.task_id)


def world_from(domain: Domain, form: Form, where: str) -> World:
    """The initial world of a task in tau2's form. Raises InputError: the domain can't set it up."""
    state = form.state()
    if state is None:
        return domain.world()
    if not isinstance(domain, Tau2Domain):
        raise InputError(f"{where}: the task has an initial state, which only a domain of tau2 (tau2:NAME) can set up")
    try:
        return domain.world_from(state)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None


def history_of(task: Task) -> list[Turn]:
    """The conversation that an imported task continues; empty for one that begins anew."""
    form = stored_form(task)
    state = None if form is None else form.initial_state
    turns = []
    for message in (state and state.message_history) or ():
        role = message.get("role")
        who = message.get("requestor", "assistant") if role == "tool" else role
        if role not in ("assistant", "user", "tool"):
            continue
        calls = [
            ToolCall(str(call.get("id") or f"call_{number}"), call["name"], json.dumps(call.get("arguments") or {}))
            for number, call in enumerate(message.get("tool_calls") or ())
        ]
        turn = Turn(USER if who == "user" else AGENT, role, message.get("content"), tool_calls=calls)
        if role == "tool":
            turn.tool_call_id, turn.error = str(message.get("id") or ""), bool(message.get("error"))
        turns.append(turn)
    return turns


def stored_form(task: Task) -> Form | None:
    """The form of an imported task; ``None`` for a generated one. Raises InputError: the row does not hold one."""
    return _form(task.raw) if task.writer == IMPORTED and task.raw is not None else None


@lru_cache(maxsize=4096)
def _form(raw: str) -> Form:
    return form_of(json.loads(raw), "a stored task")
