"""Errands: what a customer asks for, each a call of the agent's or a workflow of several calls on both sides."""

from __future__ import annotations

from collections.abc import Sequence

from t2t_dist.core.schema import Errand, GoldCall, GraderSide, Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import expanded
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import AGENT, Call, Kind

from ..bindings import Binder, Seen, reach
from .gold import in_order, writes_in
from .structure import Refused


def errands_of(domain: Domain, trajectory: Trajectory) -> list[Call]:
    """What was done, errand by errand, in order: each call that changed the world, or the workflow it is a step of.

    Raises Refused: something was done on the customer's device that belongs to no workflow, so nobody would ask for it.
    """
    left = [in_order(domain, Call(step.tool, step.arguments)) for step in trajectory.steps if step.changed]
    seen = reached(domain, trajectory.customer)
    world, found = domain.world(), []
    while left:
        errand, count = _errand_at(domain, world, seen, left)
        if count == 0:
            raise Refused("loose_step", f"{left[0].name} is no step of a workflow")
        for call in left[:count]:
            domain.execute(world, call)
        found.append(errand)
        left = left[count:]
    return found


def _errand_at(domain: Domain, world: World, seen: Seen, left: Sequence[Call]) -> tuple[Call, int]:
    """The errand that the next calls are, and how many: the longest workflow whose writes they are, or one call."""
    covered = {name for workflow in domain.workflow_list for name in workflow.covers}
    best, count = left[0], int(domain.side_of(left[0].name) == AGENT and left[0].name not in covered)
    for workflow in domain.workflow_list:
        for arguments in Binder(workflow, seen).calls():
            errand = Call(workflow.name, arguments)
            steps = [in_order(domain, step) for step in expanded(domain, world.fork(), errand) or ()]
            writes = [step for step in steps if domain.tools[step.name].kind is Kind.WRITE]
            if len(writes) >= max(1, count) and writes == list(left[: len(writes)]):
                best, count = errand, len(writes)
    return best, count


def reached(domain: Domain, customer: str) -> Seen:
    """All that this customer's records lead to."""
    seen = Seen()
    for made in reach(domain, customer):
        seen.add(made.found)
    return seen


def errands_in(grader: GraderSide) -> list[GoldCall]:
    """What is wanted, goal by goal: the gold's writes, or the workflow they are the steps of."""
    workflows = {errand.goal: errand for errand in grader.errands or ()}
    found: list[GoldCall] = []
    for call in writes_in(grader.gold):
        workflow = workflows.get(call.goal)
        if workflow is None:
            found.append(call)
        elif not found or found[-1].goal != call.goal:
            found.append(errand_call(workflow))
    return found


def errand_call(errand: Errand) -> GoldCall:
    """A workflow in the form of a call, for whoever words or carries out what a goal is about."""
    return GoldCall(name=errand.name, kind=Kind.WRITE.value, arguments=errand.arguments, goal=errand.goal)
