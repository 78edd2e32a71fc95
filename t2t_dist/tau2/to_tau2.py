"""Conversion of one task to tau2's format: an imported task unchanged, a generated one in tau2's terms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from t2t_dist.core.schema import CallPattern, GoldCall, Task
from t2t_dist.environments.base import Domain
from t2t_dist.synthesis.grader_side import effects_in, writes_in

from .task_format import raw_of


def exported(task: Task, domain: Domain) -> dict[str, Any]:
    """A task in tau2's format; an imported one is returned unchanged.

    The basis is DB and COMMUNICATE. For an infeasible task it is DB, on the writes that are allowed and the refusal on
    record, and ACTION with the transfer call where the customer must be transferred. What tau2 has no field for
    (forbidden calls, the intent, the records of its own world) stands under ``t2t``, which tau2 ignores and an import
    reads.
    """
    raw = raw_of(task)
    if raw is not None:
        return raw
    grader, user = task.grader, task.user
    handed_over = [p for p in grader.required if p.name == domain.transfer_tool]
    if grader.refused_goal is not None:
        gold = [call for call in effects_in(grader.gold) if call.name != domain.transfer_tool]
        basis = ["DB", "ACTION"] if handed_over else ["DB"]
    else:
        gold, basis = grader.gold, ["DB", "COMMUNICATE"]
    actions = [_action(task, number, call) for number, call in enumerate(gold)]
    actions += [_handing_over(task, len(actions) + n, p, domain) for n, p in enumerate(handed_over)]
    return {
        "id": task.task_id,
        "description": {"purpose": f"{task.intent}: {_purpose(task)}", "relevant_policies": None, "notes": None},
        "user_scenario": {
            "persona": user.persona or None,
            "instructions": {
                "domain": task.domain.removeprefix("tau2:").partition("@")[0],
                "reason_for_call": user.reason_for_call,
                "known_info": user.known_info,
                "unknown_info": user.unknown_info,
                "task_instructions": _instructions(task),
            },
        },
        "initial_state": None,
        "evaluation_criteria": {
            "actions": actions,
            "communicate_info": list(grader.communicate),
            "nl_assertions": None,
            "reward_basis": basis,
        },
        "t2t": {
            "task_id": task.task_id,
            "intent": task.intent,
            "actions_should_be_taken": _listed(grader.required),
            "actions_should_not_be_taken": _listed(grader.forbidden),
            **({} if not task.world else {"world": [change.model_dump() for change in task.world]}),
        },
    }


def _purpose(task: Task) -> str:
    return ", ".join(call.name for call in writes_in(task.grader.gold)) or "nothing may be written"


def _instructions(task: Task) -> str:
    """The customer's instructions; a change of mind that they do not quote is appended."""
    text, moments = task.user.task_instructions, ("Once the agent takes up your request", "After that")
    for change, moment in zip(task.user.changes, moments, strict=False):
        if change.request not in text:
            text = f'{text} {moment} you change your mind and say: "{change.request}"'
    return text


def _action(task: Task, number: int, call: GoldCall) -> dict[str, Any]:
    return {
        "action_id": f"{task.task_id}_{number}",
        "requestor": call.requestor or "assistant",
        "name": call.name,
        "arguments": call.arguments,
        "info": None,
    }


def _handing_over(task: Task, number: int, pattern: CallPattern, domain: Domain) -> dict[str, Any]:
    """The transfer call: its arguments are the agent's choice, so they are not compared."""
    slots = domain.tools[pattern.name].parameters if pattern.name in domain.tools else {}
    arguments = dict.fromkeys(slots, "The customer's request is not possible.")
    return {
        "action_id": f"{task.task_id}_{number}",
        "requestor": "assistant",
        "name": pattern.name,
        "arguments": pattern.arguments or arguments,
        "compare_args": [],
        "info": None,
    }


def _listed(patterns: Iterable[CallPattern]) -> list[dict[str, Any]]:
    return [{"name": pattern.name, "arguments": pattern.arguments} for pattern in patterns]
