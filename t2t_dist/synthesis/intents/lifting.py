"""Lifting a ban: what can't be done now, but could once the customer has had something else done, is not infeasible.

The search is bounded. It tries errands that the customer's own records lead to, with lists of one element: those about
a record that the rule looks at, and a few about each that shares one with it (a product, a flight). Then sequences: an
errand that only a rule keeps from lifting the ban, after one (or the feasible rest of the request) that lifts that
rule; and several of a kind each of which changes the reason for the ban, as paying one overdue bill after the other.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any

from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import after_valid
from t2t_dist.environments.rules import Rule
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call, Tool
from t2t_dist.environments.workflows import Workflow

from ..bindings import Binder, canonical_json, reachable_values
from ..entities import strings
from ..watched import Watched

#: Calls tried, per errand and thing it is about, and of them with the same second argument: where the rule looks at
#: that thing, and where it does not.
_CLOSE, _FAR = (24, 4), (8, 1)
#: Refusals in the same words after which an errand is given up.
_REFUSED = 6
#: Errands that change the reason for a ban after which others of their kind are tried, and how many of them at most.
_MOST_NEARER, _LONGEST = 3, 4


@dataclass
class Tried:
    """An errand that the tools accept, and the world after it."""

    errand: Call
    world: World
    domain: Domain
    customer: str

    @cached_property
    def allowed(self) -> bool:
        """Whether the rules allow it, in a fresh world. Few are asked, and it takes as long as the errand itself."""
        return after_valid(self.domain, self.domain.world(), self.errand, self.customer) is not None


def lifted_by(domain: Domain, call: Call, rule: Rule, customer: str, rest: Sequence[Call] = ()) -> list[Call] | None:
    """Errands that break no rule, after which ``call``, which breaks ``rule``, can be made; ``None``: none found.

    ``rest`` is what the customer wants besides, which may be done before.
    """
    if call.name not in domain.tools:
        return None
    own = _own(domain, customer)
    # A certificate asks again what its making has asked.
    asked = canonical_json([[one.name, one.arguments] for one in (call, *rest)]), rule.number
    if asked not in own.answers:
        own.answers[asked] = _lifted_by(domain, own, call, rule, customer, rest)
    return own.answers[asked]


def _lifted_by(
    domain: Domain, own: _Own, call: Call, rule: Rule, customer: str, rest: Sequence[Call]
) -> list[Call] | None:
    world = Watched(domain.world())
    usual = rule.broken_by(world, call, customer)
    blocked, nearer = [], []
    for tried in own.that_may_change(world.seen):
        if domain.rules_out(world, tried.errand, call, customer):
            continue
        reason = rule.broken_by(tried.world, call, customer)
        possible = reason is None and _possible(domain, tried.world, call, customer)
        if possible and tried.allowed:
            return [tried.errand]
        if possible:
            blocked.append(tried.errand)
        elif reason != usual and tried.allowed:
            nearer.append(tried)
    for last in blocked:
        for first, then in (*_after(domain, rest), *_against(domain, last, customer)):
            after = after_valid(domain, then, last, customer)
            if after is None or domain.rules_out(world, first, call, customer):
                continue
            if _possible(domain, after, call, customer):
                return [first, last]
    chains = (_one_after_the_other(domain, call, rule, customer, first) for first in nearer[:_MOST_NEARER])
    return next((chain for chain in chains if chain), None)


def _one_after_the_other(domain: Domain, call: Call, rule: Rule, customer: str, first: Tried) -> list[Call]:
    """Errands of one kind after which the call is possible; empty if the ban does not give way to them."""
    chain, world = [first.errand], first.world
    for _ in range(_LONGEST):
        watched = Watched(world)
        reason = rule.broken_by(watched, call, customer)
        for tried in _own(domain, customer).that_may_change(watched.seen):
            if tried.errand.name != first.errand.name or tried.errand in chain:
                continue
            after = after_valid(domain, world, tried.errand, customer)
            if after is not None and _possible(domain, after, call, customer):
                return [*chain, tried.errand]
            if after is not None and rule.broken_by(after, call, customer) != reason:
                chain.append(tried.errand)
                world = after
                break
        else:
            return []
    return []


def _against(domain: Domain, errand: Call, customer: str) -> Iterator[tuple[Call, World]]:
    """Allowed errands that may lift the rules that forbid an errand, each with the world after it."""
    world = Watched(domain.world())
    for step in domain.steps(world, errand):
        domain.breaches(world, step, customer)
    return ((one.errand, one.world) for one in _own(domain, customer).that_may_change(world.seen) if one.allowed)


def _possible(domain: Domain, world: World, call: Call, customer: str) -> bool:
    return not domain.breaches(world, call, customer) and not domain.execute(world.fork(), call).error


def _after(domain: Domain, rest: Sequence[Call]) -> list[tuple[Call, World]]:
    """The last of the rest, with the world after all of it."""
    world = domain.world()
    return [(rest[-1], world)] if rest and all(domain.carry_out(world, errand) for errand in rest) else []


class _Own:
    """The errands that a customer's own records lead to, each tried on a fresh world, once it is needed."""

    def __init__(self, domain: Domain, customer: str) -> None:
        self._domain, self._customer = domain, customer
        self._seen = reachable_values(domain, customer)
        #: By errand and what it is about, its first argument.
        self._groups: list[tuple[Tool | Workflow, str, Any]] = [
            (errand, slot, value)
            for errand in domain.errands
            for slot, spec in islice(errand.parameters.items(), 1)
            for value, _ in self._seen.values(spec.name)
        ]
        tables = domain.base.tables.values()
        self._named = {
            about: {*strings([rows[about] for rows in tables if about in rows])} - {customer}
            for _, _, about in self._groups
        }
        self._tried: dict[tuple[int, tuple[int, int]], list[Tried]] = {}
        #: What :func:`lifted_by` has found, by its other arguments.
        self.answers: dict[tuple[bytes, int], list[Call] | None] = {}

    def that_may_change(self, records: set[str | None]) -> Iterator[Tried]:
        """Those that may change one of these records, by key."""
        for place, (errand, slot, about) in enumerate(self._groups):
            close = about in records
            if close or None in records or not records.isdisjoint(self._named[about]):
                key = place, _CLOSE if close or (place, _CLOSE) in self._tried else _FAR
                if key not in self._tried:
                    self._tried[key] = list(self._try_all(errand, slot, about, *key[1]))
                yield from self._tried[key]

    def _try_all(self, errand: Tool | Workflow, subject: str, about: object, most: int, each: int) -> Iterator[Tried]:
        world, rng, refused = self._domain.world(), random.Random(0), Counter[str]()
        extra = {
            slot: values
            for slot, spec in errand.parameters.items()
            if (values := self._domain.samples(world, spec.name, self._customer, rng))
        }
        sizes = {slot: 1 for slot, spec in errand.parameters.items() if spec.kind == "list"}

        second, tried = next(islice(errand.parameters, 1, None), ""), Counter[bytes]()

        def wanted(slot: str, value: object, bound: dict[str, Any]) -> bool:
            if slot == subject:
                return bool(value == about)
            return second not in bound or tried[canonical_json(bound[second])] < each

        bound = Binder(errand, self._seen, extra=extra, accept=wanted, sizes=sizes).calls()
        for arguments in islice(bound, most):
            tried[canonical_json(arguments.get(second))] += 1
            result = self._try(world, Call(errand.name, arguments))
            if isinstance(result, Tried):
                yield result
            elif refused[result] == _REFUSED:
                return
            else:
                refused[result] += 1

    def _try(self, world: World, errand: Call) -> Tried | str:
        """The errand carried out, or the tool's refusal."""
        domain, fork, changed = self._domain, world.fork(), False
        for step in domain.steps(fork, errand):
            result = domain.execute(fork, step)
            if result.error:
                return result.content
            changed = changed or result.changed
        return Tried(errand, fork, domain, self._customer) if changed else ""


@lru_cache(maxsize=64)
def _own(domain: Domain, customer: str) -> _Own:
    return _Own(domain, customer)
