"""The second verdict in the detail of a grade: tau2's value beside ours, and why the two differ if they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from t2t_dist.core.schema import Task, Turn
from t2t_dist.environments.adapters.tau2.domain import Tau2Domain
from t2t_dist.environments.base import Domain

from . import IMPORTED, PART
from .from_tau2 import own_parts
from .initial_world import stored_form
from .messages import of_turns
from .task_format import Form, form_of
from .to_tau2 import exported
from .verdict import Verdict, grounds_of, verdict

#: Our terminations -> tau2's. There, a transferred customer says so, which is a stop by the user.
TERMINATIONS = {
    "user_stop": "user_stop",
    "agent_stop": "agent_stop",
    "transfer": "user_stop",
    "max_steps": "max_steps",
    "too_many_errors": "too_many_errors",
    "context_exceeded": "context_window_exceeded",
    "truncated": "agent_error",
}
#: What each of our parts demands beyond tau2's verdict.
_OURS = {
    "ended": "the conversation was cut off",
    "db": "ours compares the final state with the gold's, whatever tau2's basis",
    "forbidden": "tau2 has no forbidden calls",
    "required": "ours wants the listed calls of the agent's; tau2's ACTION is not in the basis",
    "refused": "ours wants the customer to hear that it can't be done",
    "communicate": "ours wants numbers and words whole; tau2 looks for a part of a message",
}
#: What each of tau2's parts demands beyond ours.
_THEIRS = {
    "DB": "tau2 tells 5 from 5.0, and undoes nothing that refused calls did, in any world",
    "ENV_ASSERTION": "ours has no assertions on the world",
    "NL_ASSERTION": "ours has no assertions in words",
    "ACTION": "tau2 wants a call like each of the gold's",
    "COMMUNICATE": "tau2 wants each fact letter by letter, the message's commas left out",
}


def has_verdict(domain: Domain, task: Task) -> bool:
    """Whether tau2 has a verdict on a task's episodes: the task is imported, or set in one of tau2's worlds."""
    return task.writer == IMPORTED or PART in task.grader.basis or isinstance(domain, Tau2Domain)


def own_basis(task: Task) -> list[str]:
    """Our parts that count for a task, even where its reward is tau2's verdict."""
    return own_parts(task.grader) if PART in task.grader.basis else task.grader.basis


def tau2_verdict(domain: Domain, task: Task, turns: Sequence[Turn], termination: str) -> Verdict:
    """tau2's verdict on one of our episodes."""
    form = form_for(domain, task)
    messages = of_turns(turns)  # those that the task continues are among them
    return verdict(grounds_of(domain), form, messages, TERMINATIONS.get(termination, "unexpected_error"))


def form_for(domain: Domain, task: Task) -> Form:
    """The task in tau2's form: as it was imported, or as it would be exported."""
    form = stored_form(task)
    return form if form is not None else form_of(exported(task, domain), task.task_id)


def verdict_detail(found: Verdict, own: float, parts: Mapping[str, float], basis: Sequence[str]) -> dict[str, str]:
    """Details for a row: ``tau2`` is the verdict, ``tau2_differs`` says why it is not ours."""
    values = ", ".join(f"{part} {value:g}" for part, value in found.parts.items())
    text = "no verdict" if found.reward is None else f"reward {found.reward:g}"
    said = [f"{text} ({values})" if values else text]
    if found.error:
        said.append(f"tau2 would raise an error: {found.error}")
    details = {"tau2": "; ".join([*said, *found.notes])}
    if found.reward != own:
        details["tau2_differs"] = _why(found, own, parts, basis)
    return details


def _why(found: Verdict, own: float, parts: Mapping[str, float], basis: Sequence[str]) -> str:
    reasons = [f"{part}: {_OURS[part]}" for part in ("ended", *basis) if part in _OURS and not parts.get(part)]
    reasons += [f"{part}: {_THEIRS[part]}" for part, value in found.parts.items() if not value]
    if found.reward is None:
        reasons.append(found.error)
    theirs = "none" if found.reward is None else f"{found.reward:g}"
    return f"ours {own:g}, tau2's {theirs}; {'; '.join(reasons)}"
