"""Errands: the calls of a trajectory as one customer's wish, and whether they can stand as one."""

from __future__ import annotations

from .base import Domain
from .state import World
from .tools import AGENT, Call, Kind


def requestor_of(domain: Domain, name: str) -> str | None:
    """As rows have it: ``user`` for a tool of the customer's own, ``None`` for the agent's."""
    side = domain.side_of(name)
    return None if side == AGENT else side


def is_valid_errand(domain: Domain, world: World, errand: Call, customer: str) -> bool:
    """Each of its calls is accepted and against no rule, each WRITE changes the world (tried on a fork)."""
    fork, changed = world.fork(), False
    for step in domain.steps(fork, errand):
        if domain.breaches(fork, step, customer):
            return False
        result = domain.execute(fork, step)
        if result.error or (domain.tools[step.name].kind is Kind.WRITE and not result.changed):
            return False
        changed = changed or result.changed
    return changed


def expanded(domain: Domain, world: World, errand: Call) -> list[Call] | None:
    """The calls that an errand takes, each made on ``world``; ``None`` where one is refused."""
    made = []
    for step in domain.steps(world, errand):
        if domain.execute(world, step).error:
            return None
        made.append(step)
    return made
