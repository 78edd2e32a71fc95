"""Errands: what one customer asks for, as calls; checked and expanded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from .base import Domain
from .state import World
from .tools import AGENT, Call, Kind


def requestor_of(domain: Domain, name: str) -> str | None:
    """The ``requestor`` of a call in rows: ``user`` for the customer's own tools, ``None`` for the agent's."""
    side = domain.side_of(name)
    return None if side == AGENT else side


def is_valid_errand(domain: Domain, world: World, errand: Call, customer: str) -> bool:
    """Whether all calls are accepted and break no rule, and each WRITE changes the world (tried on a fork)."""
    return after_valid(domain, world, errand, customer) is not None


def after_valid(domain: Domain, world: World, errand: Call, customer: str) -> World | None:
    """A fork of the world on which the errand was carried out; ``None`` if it is not valid, see above."""
    fork, changed = world.fork(), False
    for step in domain.steps(fork, errand):
        if domain.breaches(fork, step, customer):
            return None
        result = domain.execute(fork, step)
        if result.error or (domain.tools[step.name].kind is Kind.WRITE and not result.changed):
            return None
        changed = changed or result.changed
    return fork if changed else None


def are_plausible(domain: Domain, errands: Sequence[Call], customer: str) -> bool:
    """Whether a customer may well ask for all of these, one after the other; a refused one changes nothing."""
    world = domain.world()
    for errand in errands:
        if not domain.plausible(world, errand, customer):
            return False
        fork = world.fork()
        if domain.carry_out(fork, errand):
            world = fork
    return True


def are_coherent(domain: Domain, calls: Sequence[Call]) -> bool:
    """Whether one customer may well ask for all of these in one conversation, in this order."""
    world = domain.world()
    return all(domain.go_together(world, first, second) for first, second in combinations(calls, 2))


def fits_in(domain: Domain, call: Call, before: Sequence[Call], later: Sequence[Call]) -> bool:
    """Whether one customer may well ask for this as well, between what else they ask for."""
    world = domain.world()
    return all(domain.go_together(world, one, call) for one in before) and all(
        domain.go_together(world, call, one) for one in later
    )


def expanded(domain: Domain, world: World, errand: Call) -> list[Call] | None:
    """The calls of an errand, executed on ``world``; ``None`` if one is refused."""
    made = []
    for step in domain.steps(world, errand):
        if domain.execute(world, step).error:
            return None
        made.append(step)
    return made
