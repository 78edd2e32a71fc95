"""Sequences: what is not possible at once, but is after something else that the customer allows.

"Could you move my flight to Friday? If it has to be upgraded for that, that's fine." A rule forbids the change as
things stand; after an errand that no rule forbids, it no longer does. So the request means the errand itself where that
is possible, and else first the other one. Of two things that customers want for one record, one may have to come first
as well: after the other it is refused. A domain says what its customers allow or want (``firsts`` of its words).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice, product
from string import Formatter
from typing import Any, NamedTuple

from t2t_dist.core.schema import RecordChange, Twin
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import after_valid
from t2t_dist.environments.language import FirstWords
from t2t_dist.environments.record import thaw
from t2t_dist.environments.rules import Handling
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call

from ..bindings import Binder, canonical_json, reachable_values
from ..normal_calls import in_order
from . import language as lang
from .denote import Described, described
from .evaluate import NoMeaning, meaning_of
from .kinds import identities, own_field, record_types
from .shown import Shown, Universe, first_look, look_at
from .twins import (
    Edits,
    all_valid,
    find_twin,
    identities_exchanged,
    in_place,
    in_twin,
    place_of,
    record_changes,
    world_before,
)

#: The slot of a twin in which the errand is possible at once.
FIRST = "first"
#: Calls of an errand that are tried, and of those about one thing; records of others' kind that one is exchanged with.
_MOST_TRIED, _MOST_EACH, _MOST_PARTNERS = 60, 10, 6
#: The customer's own choices that are tried for what comes first.
_MOST_CHOICES = 6


Sequenced = lang.If | lang.Several


class First(NamedTuple):
    """What may come first for an errand: its expression, and its words."""

    step: lang.Do | lang.Each
    words: FirstWords


class Planned(NamedTuple):
    """A sequence that one customer wants: the request, with what of it is described; what is done, the wanted errand
    last; the customer's choices in what comes first, and their sentence."""

    request: Sequenced
    described: Described | None
    calls: list[Call]
    own: Call
    words: str
    look_ups: list[Call]


def firsts_of(domain: Domain) -> Sequence[First]:
    """What may come first in a domain. Raises ValueError: one is no expression, or about no errand of the domain."""
    return _firsts_of(domain.origin)


@lru_cache(maxsize=16)
def _firsts_of(domain: Domain) -> Sequence[First]:
    found = []
    for place, words in enumerate(domain.language.firsts):
        try:
            step = lang.read(words.first)
        except ValueError as error:
            raise ValueError(f"firsts.{place}.first is no expression: {' '.join(str(error).split())}") from None
        if not isinstance(step, lang.Do | lang.Each):
            raise ValueError(f"firsts.{place}.first is neither a 'do' nor an 'each'")
        for name in (words.errand, step.errand):
            if domain.errand(name) is None:
                raise ValueError(f"firsts.{place} names '{name}', which is no errand")
        slots = _chosen(domain, First(step, words))
        for text in words.say:
            if unknown := [name for _, name, _, _ in Formatter().parse(text) if name and name not in slots]:
                raise ValueError(f"firsts.{place}.say names {{{unknown[0]}}}, which the customer does not choose")
        types = record_types(domain)
        for kind, fields in (item for world in words.unless for item in world.items()):
            if unknown := [name for name in fields if name not in types.get(kind, ())]:
                raise ValueError(f"firsts.{place}.unless names {kind}.{unknown[0]}, which no result shows")
        found.append(First(step, words))
    return found


def _chosen(domain: Domain, first: First) -> list[str]:
    """The arguments of what comes first that are the customer's choice."""
    errand, wanted = domain.errand(first.step.errand), domain.errand(first.words.errand)
    slots = set(first.step.arguments) | ({first.step.slot} if isinstance(first.step, lang.Each) else set())
    taken = slots | set(wanted.parameters if wanted is not None else ())
    return [slot for slot in (errand.required if errand is not None else ()) if slot not in taken]


def request_of(domain: Domain, first: First, wanted: lang.Do, own: Mapping[str, Any]) -> Sequenced:
    """The wanted errand where it is possible, else after what comes first; or both. ``own``: the customer's choices in
    what comes first."""
    errand = domain.errand(first.step.errand)
    slots = errand.parameters if errand is not None else {}
    skipped = first.step.slot if isinstance(first.step, lang.Each) else None
    arguments: dict[str, lang.Node] = {s: wanted.arguments[s] for s in slots if s in wanted.arguments and s != skipped}
    arguments |= first.step.arguments | {slot: lang.Given(value=value) for slot, value in own.items()}
    in_turn = lang.Several(requests=(first.step.model_copy(update={"arguments": arguments}), wanted))
    if first.words.both:
        return in_turn
    return lang.If(condition=lang.Possible(of=wanted), then=wanted, otherwise=in_turn)


def in_turn_of(request: lang.Node) -> lang.Several | None:
    """What is done one after the other for a request that may take another errand first; ``None``: it is none."""
    steps = request.otherwise if isinstance(request, lang.If) else request
    if not isinstance(steps, lang.Several) or len(steps.requests) != 2:
        return None
    step, wanted = steps.requests
    if not isinstance(step, lang.Do | lang.Each) or not isinstance(wanted, lang.Do):
        return None
    is_one = not isinstance(request, lang.If) or (
        request.then == wanted and request.condition == lang.Possible(of=wanted)
    )
    return steps if is_one else None


def first_of(domain: Domain, request: Sequenced) -> tuple[First, dict[str, Any]] | None:
    """What of the domain's comes first in a sequence, with the customer's choices in it; ``None``: nothing."""
    steps = in_turn_of(request)
    if steps is None:
        return None
    step, wanted = steps.requests
    for first in firsts_of(domain):
        if not (isinstance(step, lang.Do | lang.Each) and isinstance(wanted, lang.Do)):
            continue
        if first.words.errand != wanted.errand:
            continue
        given = {slot: step.arguments.get(slot) for slot in _chosen(domain, first)}
        own = {slot: value.value for slot, value in given.items() if isinstance(value, lang.Given)}
        if len(own) == len(given) and request == request_of(domain, first, wanted, own):
            return first, own
    return None


def chosen_call(first: First, own: Mapping[str, Any]) -> Call:
    """What comes first, with no more than the customer's choices in it."""
    return Call(first.step.errand, dict(own))


def said_first(domain: Domain, customer: str, first: First, own: Mapping[str, Any]) -> list[str]:
    """The sentences that allow what comes first."""
    world, step = domain.world(), chosen_call(first, own)
    values = {slot: domain.describe(world, step, slot, customer) for slot in own}
    texts = {slot: said.own or said.text for slot, said in values.items()}
    return [text.format(**texts) for text in first.words.say]


def forbidden_at_once(domain: Domain, world: World, call: Call, customer: str) -> bool:
    """Whether rules forbid an errand, and all of them so that it is refused and not handed over."""
    fork = world.fork()
    for step in domain.steps(fork, call):
        if broken := domain.breaches(fork, step, customer):
            return all(breach.rule.handling is Handling.REFUSE for breach in broken)
        if domain.execute(fork, step).error:
            return False
    return False


def takes_it_first(domain: Domain, world: World, customer: str, first: First, calls: Sequence[Call]) -> bool:
    """Whether all of a sequence can be done in turn, and not otherwise: rules forbid the wanted errand at once; or,
    where both are wanted, what comes first is refused after it."""
    if len(calls) < 2 or all_valid(domain, world, calls, customer) is None:
        return False
    if not first.words.both:
        return forbidden_at_once(domain, world, calls[-1], customer)
    after = after_valid(domain, world, calls[-1], customer)
    return after is not None and after_valid(domain, after, calls[0], customer) is None


# -- making one --------------------------------------------------------------------------------------------------------
def drawn(domain: Domain, customer: str, share: float, rng: random.Random) -> Planned | None:
    """An errand that is possible only after another; ``None``: this customer has none. ``share``: of what can be
    described, how much is."""
    firsts, world = list(firsts_of(domain)), domain.world()
    universe = first_look(domain, customer) if firsts else Universe(())
    for first in [one for one in rng.sample(firsts, len(firsts)) if rng.random() < one.words.weight]:
        for wanted in _wanted(domain, world, customer, first, rng):
            given = lang.as_given(wanted.name, wanted.arguments)
            own = next(
                (o for o in _choices(domain, customer, first, rng) if _can(domain, customer, first, given, o)), None
            )
            if own is None:
                continue

            def around(errand: lang.Do, first: First = first, own: Mapping[str, Any] = own) -> lang.Node:
                return request_of(domain, first, errand, own)

            one = described(domain, customer, 0, wanted, (), (), (), share, rng, around=around)
            if one is None and first.words.both:
                continue  # only what is described makes another world mean something else
            request = request_of(domain, first, given if one is None else _as_do(one.request), own)
            meaning = meaning_of(domain, world, customer, request, universe)
            text = rng.choice(said_first(domain, customer, first, own))
            return Planned(request, one, meaning.calls, chosen_call(first, own), text, meaning.look_ups)
    return None


def _can(domain: Domain, customer: str, first: First, wanted: lang.Do, own: Mapping[str, Any]) -> bool:
    """Whether a sequence with these choices can be done in turn, and only so."""
    world, request = domain.world(), request_of(domain, first, wanted, own)
    try:
        calls = meaning_of(domain, world, customer, request, first_look(domain, customer)).calls
    except NoMeaning:
        return False
    return takes_it_first(domain, world, customer, first, calls)


def holds_after(domain: Domain, customer: str, planned: Planned, before: Sequence[Call]) -> bool:
    """Whether a sequence still means the same after other errands, is as possible, and has a twin world then."""
    about = {canonical_json(next(iter(call.arguments.values()))) for call in planned.calls}
    if any(canonical_json(value) in about for call in before for value in call.arguments.values()):
        return False
    world = world_before(domain, before)
    universe = look_at(domain, world, customer)
    try:
        calls = meaning_of(domain, world, customer, planned.request, universe).calls
    except NoMeaning:
        return False
    found = first_of(domain, planned.request)
    return (
        calls == planned.calls
        and found is not None
        and takes_it_first(domain, world, customer, found[0], calls)
        and domain.plausible(world, calls[-1], customer)
        and (found[0].words.both or find_direct(domain, customer, universe, planned.request, 0, before) is not None)
        and (not before or _described_still(domain, customer, universe, planned, before))
    )


def _described_still(
    domain: Domain, customer: str, universe: Universe, planned: Planned, before: Sequence[Call]
) -> bool:
    """Whether all that is described in a sequence has a twin world after other errands, too."""
    one = planned.described
    return one is None or all(
        find_twin(domain, customer, universe, one.request, 0, slot, before, planned.request) is not None
        for slot in one.words
    )


def _as_do(request: lang.Do | lang.Each) -> lang.Do:
    assert isinstance(request, lang.Do)
    return request


def _wanted(domain: Domain, world: World, customer: str, first: First, rng: random.Random) -> Iterator[Call]:
    """Errands that a customer may well ask for, and rules forbid at once, where it is not that they want both."""
    errand = domain.errand(first.words.errand)
    if errand is None or not errand.parameters:
        return
    extra = {
        slot: values
        for slot, spec in errand.parameters.items()
        if (values := domain.samples(world, spec.name, customer, rng))
    }
    subject, tried = next(iter(errand.parameters)), dict[bytes, int]()

    def few(slot: str, value: Any, _: dict[str, Any]) -> bool:
        key = canonical_json(value)
        return slot != subject or tried.get(key, 0) < _MOST_EACH

    bound = Binder(errand, reachable_values(domain, customer), extra=extra, accept=few, rng=rng).calls()
    for arguments in islice(bound, _MOST_TRIED):
        key = canonical_json(arguments[subject])
        tried[key] = tried.get(key, 0) + 1
        call = in_order(domain, Call(errand.name, arguments))
        is_one = first.words.both or forbidden_at_once(domain, world, call, customer)
        if is_one and domain.plausible(world, call, customer):
            yield call


def _choices(domain: Domain, customer: str, first: First, rng: random.Random) -> Iterator[dict[str, Any]]:
    """The customer's choices in what comes first."""
    errand, slots = domain.errand(first.step.errand), _chosen(domain, first)
    seen, options = reachable_values(domain, customer), []
    for slot in slots:
        spec = errand.parameters[slot] if errand is not None else None
        held = list(spec.choices) if spec is not None and spec.kind == "choice" else []
        held = held or ([value for value, _ in seen.values(spec.name)] if spec is not None else [])
        options.append(rng.sample(held, len(held)))
    for values in islice(product(*options), _MOST_CHOICES):
        yield dict(zip(slots, values, strict=True))


# -- its twin world ----------------------------------------------------------------------------------------------------
def find_direct(
    domain: Domain, customer: str, universe: Universe, request: Sequenced, goal: int, before: Sequence[Call]
) -> Twin | None:
    """A world in which the errand is possible at once, and what is right here is not: the first that there is."""
    return next(direct_worlds(domain, customer, universe, request, goal, before), None)


def find_original(
    domain: Domain,
    customer: str,
    request: Sequenced,
    goal: int,
    before: Sequence[Call],
    differ: Sequence[RecordChange],
) -> Twin | None:
    """The world that a world differs from by some records, if the wanted errand takes another first there."""
    edits: Edits = {(one.table, one.key): one.before for one in differ}
    found = in_twin(domain, customer, edits, request, before, usual=())
    if found is None or len(found[0]) < 2:
        return None
    value = [call.name for call in found[0]]
    return Twin(goal=goal, slot=FIRST, records=record_changes(domain, edits), value=value, final=found[1])


def direct_worlds(
    domain: Domain, customer: str, universe: Universe, request: Sequenced, goal: int, before: Sequence[Call]
) -> Iterator[Twin]:
    """Those worlds: a record has one of the values that the domain names for it, or has exchanged all with another.
    First those in which what comes first here can be done as well, and ends elsewhere."""
    found, world = first_of(domain, request), world_before(domain, before)
    if found is None:
        return
    usual, others = meaning_of(domain, world, customer, request, universe).calls, list[Twin]()
    for edits in _edits(domain, universe, found[0], usual):
        twin = domain.variant(edits)
        there = twin.world()
        try:
            if not all(twin.carry_out(there, call) for call in before):
                continue
            calls = meaning_of(twin, there, customer, request).calls
            after = after_valid(twin, there, calls[-1], customer) if len(calls) == 1 else None
        except Exception:
            continue  # tools and rules may rely on what these records no longer hold: then it is no world
        if after is None or calls[0].name != usual[-1].name:
            continue
        value = [call.name for call in calls]
        found_one = Twin(goal=goal, slot=FIRST, records=record_changes(domain, edits), value=value, final=after.digest)
        for call in usual:
            twin.carry_out(there, call)
        if there.digest != after.digest:
            yield found_one
        else:
            others.append(found_one)
    yield from others


def _edits(domain: Domain, universe: Universe, first: First, usual: Sequence[Call]) -> Iterator[Edits]:
    about = {canonical_json(value) for call in usual for value in call.arguments.values()}
    held = [
        one
        for kinds in identities(domain).values()
        for kind in kinds
        for one in universe.of(kind)
        if canonical_json(one.record.get(own_field(domain, kind))) in about
    ]
    for world in first.words.unless:
        yield from _all_set(domain, [one for one in held if one.kind in world], world)
    subject = canonical_json(next(iter(usual[-1].arguments.values())))
    for one in (one for one in held if canonical_json(one.record.get(own_field(domain, one.kind))) == subject):
        for other in [other for other in universe.of(one.kind) if other is not one][:_MOST_PARTNERS]:
            yield from identities_exchanged(domain, one, other)


def _all_set(domain: Domain, records: Sequence[Shown], world: Mapping[str, Mapping[str, Any]]) -> Iterator[Edits]:
    """These records with other values in some fields, by their type; what is ``None`` they lack."""
    edits: Edits = {}
    for one in records:
        place = place_of(domain, one)
        if place is None:
            return
        edits.setdefault((place.table, place.key), thaw(domain.base.tables[place.table][place.key]))
        record = in_place(edits[place.table, place.key], place.path)
        for field, value in world[one.kind].items():
            if value is None:
                record.pop(field, None)
            elif field in record:
                record[field] = value
            else:
                return
    if edits:
        yield edits
