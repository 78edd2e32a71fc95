"""The errands that a trajectory carried out: each a call of the agent's, or a workflow of calls on both sides."""

from __future__ import annotations

from collections.abc import Sequence

from t2t_dist.core.schema import Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import expanded
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import AGENT, Call, Kind

from ..bindings import Binder, Seen, reachable_values
from ..normal_calls import in_order
from .rejection import TaskRejected


def errands_of(domain: Domain, trajectory: Trajectory) -> list[Call]:
    """The errands in order: each call that changed the world, or the workflow of which it is a step.

    Raises TaskRejected: a call on the customer's device belongs to no workflow, so nobody would ask for it.
    """
    left = [
        in_order(domain, Call(step.tool, step.arguments))
        for step in trajectory.steps
        if step.changed and step.kind == Kind.WRITE.value
    ]
    seen = reachable_values(domain, trajectory.customer)
    world, found = domain.world(), []
    while left:
        errand, count = _errand_at(domain, world, seen, left)
        if count == 0:
            raise TaskRejected("loose_step", f"{left[0].name} is no step of a workflow")
        for call in left[:count]:
            domain.execute(world, call)
        found.append(errand)
        left = left[count:]
    return found


def _errand_at(domain: Domain, world: World, seen: Seen, left: Sequence[Call]) -> tuple[Call, int]:
    """The errand that the next calls form, and how many they are: the longest workflow of such writes, or one call."""
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
