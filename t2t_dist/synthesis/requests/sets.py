"""Sets: customers who want the same done with several of their records: "cancel all my pending orders".

An errand that an exploration carried out for one record is asked for once, for all records of a description that this
record fits. The set holds where the errand is possible for each of its members, one after the other.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence, Set
from itertools import combinations

from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import are_plausible
from t2t_dist.environments.tools import Call

from ..bindings import canonical_json
from ..normal_calls import in_order
from . import language as lang
from .denote import Described
from .describe import MOST_TESTS, Kin, tests_of
from .evaluate import NoMeaning, meaning_of, records_of
from .kinds import identities, own_field
from .shown import Universe, first_look, look_at
from .twins import all_valid, find_twin, world_before
from .words import phrase_of_several, readings_of_several

#: Records of a set, at least and at most.
_FEWEST, _MOST = 2, 4
#: Sets of one errand that are tried until one has a twin world.
_MOST_TRIED = 16
#: How often a set of which nothing is left out comes first: there are fewer of them.
_WHOLE = 0.5


def drawn(
    domain: Domain,
    customer: str,
    goal: int,
    call: Call,
    before: Sequence[Call],
    later: Sequence[Call],
    spoken_of: Set[bytes],
    rng: random.Random,
) -> Described | None:
    """An errand for a set of records in place of one; ``None``: there is none.

    ``before``, ``later``: the errands of the goals around it, which stay possible, but for later ones about records of
    the set; ``spoken_of``: values in arguments before, as canonical JSON, whose records are in no set.
    """
    errand, slot = domain.errand(call.name), next(iter(call.arguments), None)
    spec = errand.parameters.get(slot) if errand is not None and slot is not None else None
    words = domain.language.tool(domain.tools.get(call.name) or call.name)
    if slot is None or spec is None or spec.kind != "scalar" or not words.several:
        return None
    world, first = world_before(domain, before), first_look(domain, customer)
    universe = look_at(domain, world, customer) if before else first
    apart = any(isinstance(v, int | float) and not isinstance(v, bool) for v in call.arguments.values())
    found = list(sets_with(domain, customer, universe, spec.name, call.arguments[slot]))
    tried = rng.sample(found, len(found))
    if rng.random() < _WHOLE:
        tried.sort(key=lambda records: records.but is not None)
    for records in tried[:_MOST_TRIED]:
        request = each(domain, records, slot, call, spec.name)
        try:
            meaning = meaning_of(domain, world, customer, request, universe)
            calls = meaning.calls
            # Who reads all requests at once understands the same by it.
            if meaning_of(domain, domain.world(), customer, request, first).calls != calls:
                continue
            members = {canonical_json(one.arguments[slot]) for one in calls}
            rest = beside(later, members)
            if members & spoken_of or all_valid(domain, world, [*calls, *rest], customer) is None:
                continue
            if _is_for_the_rest(domain, customer, universe, records, call, slot, [*before, *later]):
                continue
            if not (
                _says_the_same(domain, customer, calls, slot)
                and are_plausible(domain, [*before, *calls, *rest], customer)
            ):
                continue
            text = phrase_of_several(domain, records, len(calls), apart, rng)
            if any(ids != members for ids in meanings_of_several(domain, customer, universe, text, spec.name)):
                continue
        except (NoMeaning, ValueError):
            continue
        if find_twin(domain, customer, universe, request, goal, slot, before) is not None:
            return Described(request, {slot: text}, meaning.look_ups, calls)
    return None


def meanings_of_several(
    domain: Domain, customer: str, universe: Universe, text: str, type_name: str
) -> Iterator[set[bytes]]:
    """The ids, as canonical JSON, of the records that a phrase may mean, reading by reading that means any."""
    for records in readings_of_several(domain, universe, text, type_name):
        own = identities(domain)[type_name][records.kind]
        held = records_of(domain, customer, universe, records)
        if held:
            yield {canonical_json(one.record[own]) for one in held}


def _is_for_the_rest(
    domain: Domain,
    customer: str,
    universe: Universe,
    records: lang.Records,
    call: Call,
    slot: str,
    others: Sequence[Call],
) -> bool:
    """Whether what is left out of a set is to have the same done to it, by another request."""
    if records.but is None:
        return False
    own = own_field(domain, records.kind)
    left_out = [one.record.get(own) for one in records_of(domain, customer, universe, records.but)]
    return any(other.name == call.name and other.arguments.get(slot) in left_out for other in others)


def _says_the_same(domain: Domain, customer: str, calls: Sequence[Call], slot: str) -> bool:
    """Whether all else is said in the same words for each of these calls: "the return flight" is not for all."""
    world, said = domain.world(), list[dict[str, tuple[str, ...]]]()
    for call in calls:
        said.append({s: domain.describe(world, call, s, customer).says for s in call.arguments if s != slot})
    return all(one == said[0] for one in said)


def beside(errands: Sequence[Call], members: Set[bytes]) -> list[Call]:
    """The errands that name no record of a set; its members by id, as canonical JSON."""
    return [call for call in errands if members.isdisjoint(map(canonical_json, call.arguments.values()))]


def widened(
    domain: Domain, customer: str, call: Call, before: Sequence[Call], later: Sequence[Call], rng: random.Random
) -> Call | None:
    """An errand about some parts of a record as one about all of them, or all but one; ``None``: there is none that is
    possible and leaves the ``later`` errands possible."""
    errand = domain.errand(call.name)
    specs = errand.parameters if errand is not None else {}
    lists = {slot: spec.item.name for slot, spec in specs.items() if spec.kind == "list" and slot in call.arguments}
    if len(lists) != 1:
        return None  # what is exchanged goes with what it is exchanged for
    ((slot, type_name),) = lists.items()
    world = world_before(domain, before)
    universe = look_at(domain, world, customer) if before else first_look(domain, customer)
    options: list[list[object]] = []
    for kind, own in identities(domain).get(type_name, {}).items():
        words = domain.language.records.get(kind)
        for holder in {id(one.inside): one.inside for one in universe.of(kind)}.values() if words else ():
            if holder is not None and set(map(str, holder.record.values())) & set(map(str, call.arguments.values())):
                parts = [one.record[own] for one in universe.of(kind) if one.is_within(holder) and own in one.record]
                if len(parts) >= _FEWEST and len(set(parts)) == len(parts):
                    options += [parts, *([p for p in parts if p != left] for left in parts if len(parts) > _FEWEST)]
    options = [parts for parts in options if parts != call.arguments[slot]]
    for parts in rng.sample(options, min(len(options), _MOST_TRIED)):
        wider = in_order(domain, Call(call.name, {**call.arguments, slot: parts}))
        if all_valid(domain, world, [wider, *later], customer) is not None:
            return wider
    return None


def each(domain: Domain, records: lang.Records, slot: str, call: Call, type_name: str) -> lang.Each:
    """The errand of a call, for each of these records in place of the one that it names."""
    others = {name: lang.Given(value=value) for name, value in call.arguments.items() if name != slot}
    field = identities(domain)[type_name][records.kind]
    return lang.Each(among=records, field=field, slot=slot, errand=call.name, arguments=others)


def sets_with(
    domain: Domain, customer: str, universe: Universe, type_name: str, value: object
) -> Iterator[lang.Records]:
    """The sets of records to which the one with this id belongs, by what they have in common."""
    for kind, own in identities(domain).get(type_name, {}).items():
        words = domain.language.records.get(kind)
        meant = [one for one in universe.of(kind) if one.record.get(own) == value]
        if words is None or not words.plural or len(meant) != 1:
            continue
        tests = [
            test
            for path, fields in words.fields.items()
            if not fields.named
            for test in tests_of(meant[0].record, path, fields)
        ]
        kin = Kin(meant[0], universe.of(kind), tests)
        for chosen in (chosen for count in range(MOST_TESTS + 1) for chosen in combinations(range(len(tests)), count)):
            members = kin.left(chosen)
            # A test that rules out nothing says nothing.
            fewer = (chosen[:place] + chosen[place + 1 :] for place in range(len(chosen)))
            is_idle = any(len(kin.left(rest)) == len(members) for rest in fewer)
            if is_idle or len(members) < _FEWEST:
                continue
            records = lang.Records(kind=kind, where=tuple(tests[number] for number in chosen))
            if len(members) <= _MOST:
                yield records
            # "All my insured reservations from Boston but the one to Chicago" would be more than anybody follows.
            if len(members) <= _FEWEST or len(members) > _MOST + 1 or len(chosen) > 1:
                continue
            for other in (one for one in members if one is not meant[0]):
                for path, fields in words.fields.items():
                    for test in tests_of(other.record, path, fields) if not fields.named else ():
                        if len(Kin(other, members, [test]).left((0,))) == 1:
                            yield records.model_copy(update={"but": lang.Records(kind=kind, where=(test,))})
