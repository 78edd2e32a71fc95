"""The expected result of an episode: the gold's, or the best result possible under the episode's tool faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from t2t_dist.core.schema import GoldCall, RecordChange, Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tool_faults import Fault, FaultPlan
from t2t_dist.environments.tools import Call, Kind
from t2t_dist.synthesis.grader_side import changes_of, fact_text, fields_of, writes_in
from t2t_dist.tau2.initial_world import world_of


class Expected(NamedTuple):
    """The result of a correct episode: digests of the right final states, the gold's changes, the facts to be said.

    ``recorded``: a refusal goes on record, so that the state holds it; else ``reason`` is what it has to name.
    """

    finals: tuple[str, ...]
    changes: Sequence[RecordChange]
    communicate: list[str]
    recorded: bool = True
    reason: str = ""


def expected(domain: Domain, task: Task, plan: FaultPlan) -> Expected:
    """The result of a correct episode under these tool faults.

    A gold call that can't be made leaves its goal unfinished; whether the agent makes the goal's other calls, and
    whether it hands the customer over, is its own decision, so all these states are right. A fact that only an
    impossible call would have shown need not be said.
    """
    grader, certificate = task.grader, task.certificate
    recorded = any(call.kind == Kind.RECORD.value for call in grader.gold)
    reason = f"{certificate.reason or ''} {certificate.clause or ''}" if certificate else ""
    impossible = {name for name, fault in plan.items() if fault == Fault.IMPOSSIBLE}
    if not any(call.name in impossible for call in grader.gold):
        return Expected((grader.final,), grader.allowed_diff, grader.communicate, recorded, reason)
    stuck = {call.goal for call in grader.gold if call.name in impossible}
    possible = [call for call in grader.gold if call.name not in impossible]
    untouched = [call for call in possible if call.goal not in stuck]
    worlds = []
    for calls in (untouched, possible):
        world = world_of(domain, task)
        for call in calls:
            domain.execute(world, Call(call.name, call.arguments))
        worlds.append(world)
    if (transfer := domain.tools.get(domain.transfer_tool)) is not None and transfer.kind is Kind.RECORD:
        for world in list(worlds):
            worlds.append(handed_over := world.fork())
            domain.execute(handed_over, Call(transfer.name, dict.fromkeys(transfer.required, "")))
    # A figure that a write gives is its figure: a look-up that happens to show the same number does not tell it.
    given, left = _shown(writes_in(grader.gold)), _shown(writes_in(possible))
    shown = _shown(possible)
    said = [fact for fact in grader.communicate if fact in (left if fact in given else shown)]
    return Expected(tuple(world.digest for world in worlds), changes_of(worlds[0]), said, recorded, reason)


def _shown(calls: Sequence[GoldCall]) -> set[str]:
    """What the results of these calls show, as facts."""
    return {fact_text(value) for call in calls for value in fields_of(call.result).values()}
