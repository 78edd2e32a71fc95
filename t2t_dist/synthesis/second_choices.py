"""Second choices: what a customer takes where what they want first can't be had.

An errand that an exploration carried out is what is wanted first, with something else in case that it were not
possible; or it is what is left where something else is wanted first that is not: another version, out of stock.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from t2t_dist.core.schema import Twin
from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import Spec
from t2t_dist.environments.errands import after_valid, fits_in
from t2t_dist.environments.language import ToolWords
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call

from .bindings import Binder, reachable_values
from .normal_calls import in_order
from .requests import language as lang
from .requests.denote import Described
from .requests.fallbacks import fallback, find_twin, is_refused, look_ups, twin_worlds
from .requests.kinds import identities
from .requests.shown import Universe, look_at
from .requests.twins import all_valid, world_before

#: How often something is looked for that is not possible, to be wanted first; and where there is none, how often
#: something else beside what is: so the first is possible in about half.
_REFUSED_FIRST, _POSSIBLE_FIRST = 0.7, 0.5
#: Values tried for an argument, and pairs of first and second choice for which a twin world is looked for.
_MOST_VALUES, _MOST_TRIED = 24, 3


class SecondChoice(NamedTuple):
    """What is wanted first, what otherwise, and whether the first is possible. ``looks``: what has to be looked up to
    know that; ``twin``: a world in which it is the other way round."""

    first: Call
    second: Call
    holds: bool
    looks: list[Call]
    twin: Twin

    @property
    def done(self) -> Call:
        """What is carried out."""
        return self.first if self.holds else self.second

    @property
    def left(self) -> Call:
        """What is not."""
        return self.second if self.holds else self.first

    def differing(self) -> tuple[str, ...]:
        """The arguments of what is carried out that are not said in the same words for the other: they are named."""
        return tuple(slot for slot in self.done.arguments if not _is_same(self.done, self.left, slot))

    def allows(self, domain: Domain, customer: str, described: Described, before: Sequence[Call]) -> bool:
        """Whether with this description of what is carried out the twin world still is one."""
        request = self.meant(described.request, described.words) if isinstance(described.request, lang.Do) else None
        if request is None:
            return False
        worlds = [{(one.table, one.key): one.after for one in self.twin.records}]
        found = twin_worlds(domain, customer, self.twin.goal, request, before, self.looks, worlds)
        return next(found, None) is not None

    def meant(self, done: lang.Do, described: Collection[str]) -> lang.If:
        """The expression; ``done``: that of what is carried out, in which these arguments are ``described``, as they
        are in the other."""
        left = lang.as_given(self.left.name, self.left.arguments)
        same = {slot: done.arguments[slot] for slot in described}
        left = left.model_copy(update={"arguments": left.arguments | same})
        return fallback(done, left) if self.holds else fallback(left, done)


def drawn(
    domain: Domain,
    customer: str,
    goal: int,
    call: Call,
    before: Sequence[Call],
    later: Sequence[Call],
    keeps: bool,
    rng: random.Random,
) -> SecondChoice | None:
    """A first and a second choice for an errand that is possible after the errands ``before``, with which the ``later``
    ones stay possible; ``keeps``: and which leaves it at this errand. ``None``: there are none."""
    world = world_before(domain, before)
    looked_for = [False] * (rng.random() < _REFUSED_FIRST)
    looked_for += [True] * (not looked_for or rng.random() < _POSSIBLE_FIRST)
    found = (_drawn(domain, customer, goal, call, before, later, world, holds, keeps, rng) for holds in looked_for)
    return next((one for one in found if one is not None), None)


def _drawn(
    domain: Domain,
    customer: str,
    goal: int,
    call: Call,
    before: Sequence[Call],
    later: Sequence[Call],
    world: World,
    holds: bool,
    keeps: bool,
    rng: random.Random,
) -> SecondChoice | None:
    tried = 0
    for first, second in _pairs(domain, customer, world, call, holds, rng):
        done = first if holds else second
        if keeps and done != call:
            continue
        if not all(
            fits_in(domain, wanted, before, later) and domain.makes_sense(world, wanted, customer)
            for wanted in (first, second)
        ):
            continue
        if not domain.plausible(world, first, customer) or all_valid(domain, world, [done, *later], customer) is None:
            continue
        looks = [one for wanted in (first, second) for one in look_ups(domain, world, wanted, customer)]
        looks = [one for place, one in enumerate(looks) if one not in looks[:place]]
        request = fallback(*(lang.as_given(one.name, one.arguments) for one in (first, second)))
        twin = find_twin(domain, customer, goal, request, before, looks)
        if twin is not None:
            return SecondChoice(first, second, holds, looks, twin)
        tried += 1
        if tried >= _MOST_TRIED:
            break
    return None


def _pairs(
    domain: Domain, customer: str, world: World, call: Call, holds: bool, rng: random.Random
) -> Iterator[tuple[Call, Call]]:
    """First and second choices, of which the first is possible, or is not."""
    beside, others = _beside(domain, customer, world, call, holds, rng), _others(domain, customer, world, call, rng)
    options: list[Iterator[tuple[Call, Call]]]
    if holds:
        options = [((call, second) for second in beside), ((call, second) for second in others)]
    else:
        again = _beside(domain, customer, world, call, holds, rng)
        options = [
            ((first, call) for first in beside),
            ((first, call) for first in _before(domain, customer, world, call, rng)),
            ((first, second) for first in again for second in _others(domain, customer, world, first, rng)),
        ]
    for found in rng.sample(options, len(options)):
        yield from islice(found, _MOST_TRIED)


def _beside(domain: Domain, customer: str, world: World, call: Call, valid: bool, rng: random.Random) -> Iterator[Call]:
    """The same errand with another value in an argument for which customers have a second choice, if it is possible,
    or if it is refused."""
    errand, words = domain.errand(call.name), _words(domain, call.name)
    universe = look_at(domain, world, customer)
    for slot in rng.sample(words.second_choice, len(words.second_choice)):
        if errand is None or slot not in call.arguments:
            continue
        stated = {name: [value] for name, value in call.arguments.items() if name != slot}
        value = call.arguments[slot]
        sizes = {slot: len(value)} if isinstance(value, list) else {}

        def is_kept(name: str, found: Any, _: dict[str, Any], slot: str = slot) -> bool:
            if name != slot:
                return bool(found == call.arguments.get(name))
            own = call.arguments[slot]
            return found != own and _are_alike(domain, universe, errand.parameters[slot], own, found)

        bound = Binder(errand, reachable_values(domain, customer), extra=stated, accept=is_kept, sizes=sizes, rng=rng)
        for arguments in islice(bound.calls(), _MOST_VALUES):
            other = in_order(domain, Call(call.name, arguments))
            first, second = (call, other) if valid else (other, call)
            if not _is_plausible(domain, world, first, second) or not _is_said(domain, call, other, slot, customer):
                continue
            fits = after_valid(domain, world, other, customer) if valid else is_refused(domain, world, other, customer)
            if fits:
                yield other


def _others(domain: Domain, customer: str, world: World, call: Call, rng: random.Random) -> Iterator[Call]:
    """Another errand that customers want where this one is not possible."""
    wanted = _words(domain, call.name).otherwise
    for name in rng.sample(wanted, len(wanted)):
        for other in _about_the_same(domain, customer, world, call, name, rng) if name not in domain.workflows else ():
            if _is_plausible(domain, world, call, other) and after_valid(domain, world, other, customer) is not None:
                yield other


def _before(domain: Domain, customer: str, world: World, call: Call, rng: random.Random) -> Iterator[Call]:
    """Another errand that is refused, where customers want this one then; it has nothing else to choose."""
    names = [name for name, words in domain.language.tools.items() if call.name in words.otherwise]
    for name in rng.sample(names, len(names)):
        errand = domain.errand(name)
        specs = list(errand.parameters.values())[1:] if errand is not None else []
        if all(spec.kind == "choice" or any(spec == one for one in _specs(domain, call)) for spec in specs):
            for first in _about_the_same(domain, customer, world, call, name, rng):
                if _is_plausible(domain, world, first, call) and is_refused(domain, world, first, customer):
                    yield first


def _specs(domain: Domain, call: Call) -> list[Spec]:
    errand = domain.errand(call.name)
    return [spec for slot, spec in errand.parameters.items() if slot in call.arguments] if errand is not None else []


def _about_the_same(
    domain: Domain, customer: str, world: World, call: Call, name: str, rng: random.Random
) -> Iterator[Call]:
    """Another errand about the same thing: what both take is the same."""
    errand, own = domain.errand(name), dict(zip(map(str, _specs(domain, call)), call.arguments.values(), strict=False))
    if errand is None or not errand.parameters or str(next(iter(errand.parameters.values()))) not in own:
        return
    stated: dict[str, list[Any]] = {}
    for slot, spec in errand.parameters.items():
        if spec.kind != "choice" and str(spec) in own:
            stated[slot] = [own[str(spec)]]
        elif found := domain.samples(world, spec.name, customer, rng):
            stated[slot] = found
    same = {slot for slot, spec in errand.parameters.items() if spec.kind != "choice" and str(spec) in own}
    bound = Binder(
        errand,
        reachable_values(domain, customer),
        extra=stated,
        accept=lambda slot, value, _: slot not in same or value in stated[slot],
        rng=rng,
    )
    for arguments in islice(bound.calls(), _MOST_VALUES):
        yield in_order(domain, Call(name, arguments))


def _is_plausible(domain: Domain, world: World, first: Call, second: Call) -> bool:
    return domain.plausible_instead(world, first, second) and domain.plausible_otherwise(world, first, second)


def _words(domain: Domain, name: str) -> ToolWords:
    return domain.language.tool(domain.tools.get(name) or name)


def _is_same(first: Call, second: Call, slot: str) -> bool:
    """Whether an argument of two errands is said in the same words. Parts of a record go with what is done to them."""
    value = second.arguments.get(slot)
    return bool(first.arguments.get(slot) == value and (first.name == second.name or not isinstance(value, list)))


def _are_alike(domain: Domain, universe: Universe, spec: Spec, one: Any, other: Any) -> bool:
    """Whether two values are of one choice: versions of the same product, where a record holds them."""
    if isinstance(one, list) and isinstance(other, list):
        changed = [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
        return len(changed) == 1 and _are_alike(domain, universe, spec.item, *changed[0])
    holders = []
    for kind, own in identities(domain).get(spec.name, {}).items() if spec.kind == "scalar" else ():
        found = [[shown.inside for shown in universe.of(kind) if shown.record.get(own) == v] for v in (one, other)]
        if found[0] and found[1] and found[0][0] is not None:
            holders.append(any(first is second for first in found[0] for second in found[1]))
    return all(holders)


def _is_said(domain: Domain, call: Call, other: Call, slot: str, customer: str) -> bool:
    """Whether the two values of an argument are said in different words."""
    world = domain.world()
    own, another = (domain.describe(world, one, slot, customer).says for one in (call, other))
    return bool(own and another and own != another)
