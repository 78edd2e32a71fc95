"""Describing what a task's customers want in place of naming it: how hard a request is to read."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from t2t_dist.core.text_match import mentions
from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call

from ..bindings import canonical_json
from . import language as lang
from . import what_works
from .describe import descriptions, named_parts, preferred_of
from .evaluate import NoMeaning, meaning_of, value_of
from .kinds import identities
from .shown import Universe, first_look, look_at
from .twins import find_twin, world_before
from .words import phrase, readings

#: Descriptions of one argument that are tried until one has a twin world.
_MOST_TRIED = 10
#: And of those by preferences.
_MOST_PREFERRED = 3
#: How much less readily a record is told by one field more.
_LONGER = 0.1
#: Letters of words that name nothing.
_SHORT = 3


class Described(NamedTuple):
    """One goal's request as an expression, the words of what is described in it, the look-ups that it takes, and the
    errands that it comes to: one, or one for each record of a set."""

    request: lang.Do | lang.Each
    words: dict[str, str]
    look_ups: list[Call]
    calls: list[Call]

    @property
    def chooses(self) -> bool:
        """Whether an argument is what the errand works with: that may be another for another errand."""
        return any(isinstance(value, lang.FirstThatWorks) for value in self.request.arguments.values())


def described(
    domain: Domain,
    customer: str,
    goal: int,
    call: Call,
    before: Sequence[Call],
    withheld: Collection[str],
    unsaid: Sequence[str],
    share: float,
    rng: random.Random,
    preferred: float = 0.0,
    around: Callable[[lang.Do], lang.Node] = lambda errand: errand,
) -> Described | None:
    """A goal with some of its arguments described, ``None`` where none can be, or none is drawn.

    ``before``: the errands of the goals before it; ``withheld``: what is not to be described; ``unsaid``: what is not
    to be mentioned; ``share``: of the other arguments that can be described, how many are; ``preferred``: of those that
    are one of several choices, how many by what the customer would rather have, or within a budget; ``around``: the
    request of which the errand is a part.
    """
    slots = [slot for slot in call.arguments if rng.random() < share and slot not in withheld]
    if not slots:
        return None
    world = world_before(domain, before)
    first = first_look(domain, customer)
    universe = look_at(domain, world, customer) if before else first
    request = lang.as_given(call.name, call.arguments)
    words: dict[str, str] = {}
    for slot in slots:
        found = _drawn(domain, descriptions(domain, customer, universe, call, slot), rng)
        if rng.random() < preferred:
            found = [*islice(preferred_of(domain, customer, universe, call, slot, rng), _MOST_PREFERRED), *found]
        beside = [domain.describe(world, call, other, customer).says for other in call.arguments if other != slot]
        for value in found:
            try:
                text = phrase(domain, value, rng)
            except ValueError:
                continue
            # "The lamp from my order with the lamp in it" says nothing.
            if any(mentions(text, [say]) for say in (*unsaid, *(say for says in beside for say in says))):
                continue
            if isinstance(value, lang.FieldsOf) and any(_share_a_name(text, other) for other in words.values()):
                continue
            one = _with(domain, universe, request, call, slot, value)
            try:
                means = meaning_of(domain, world, customer, one, universe).calls == [call]
                # Who reads all requests at once understands the same by it.
                means = means and meaning_of(domain, domain.world(), customer, one, first).calls == [call]
                twin = find_twin(domain, customer, universe, one, goal, slot, before, around(one)) if means else None
            except NoMeaning:
                continue
            if twin is None:
                continue
            if (
                isinstance(value, lang.FieldOf)
                and value.of.prefer
                and not _is_clear(domain, customer, universe, value, text)
            ):
                continue
            request, words[slot] = one, text
            break
    if not words:
        return None
    # What was described later may change what is meant in an earlier twin world: then it is named.
    *earlier, last = words
    if any(
        find_twin(domain, customer, universe, request, goal, slot, before, around(request)) is None for slot in earlier
    ):
        kept = {*withheld, *(slot for slot in call.arguments if slot not in words), last}
        return described(domain, customer, goal, call, before, kept, unsaid, 1.0, rng, preferred, around)
    return Described(request, words, meaning_of(domain, world, customer, request, universe).look_ups, [call])


def less(
    domain: Domain, customer: str, one: Described, call: Call, named: Collection[str], before: Sequence[Call]
) -> Described | None:
    """The description with some arguments named after all; ``None`` where nothing is left, or the rest is told by
    them."""
    words = {slot: text for slot, text in one.words.items() if slot not in named}
    gone = [one.request.arguments[slot] for slot in one.words if slot in named and slot in one.request.arguments]
    rest = {slot: one.request.arguments[slot] for slot in words if slot in one.request.arguments}
    if not rest or any(node in gone for value in rest.values() for node in lang.nodes(value)):
        return None
    given = lang.as_given(call.name, call.arguments)
    request = one.request.model_copy(
        update={"arguments": one.request.arguments | {slot: given.arguments[slot] for slot in named}}
    )
    try:
        meaning = meaning_of(domain, world_before(domain, before), customer, request)
    except NoMeaning:
        return None
    return Described(request, words, meaning.look_ups, one.calls)


def first_guess(domain: Domain, world: World, customer: str, request: lang.Do | lang.Each) -> dict[str, Any]:
    """The arguments that somebody takes who looks at the first record of each kind that is described."""
    universe, found = look_at(domain, world, customer), dict[str, Any]()
    if isinstance(request, lang.Each) and (held := universe.of(request.among.kind)):
        found[request.slot] = held[0].record[request.field]
    for slot, value in request.arguments.items():
        if isinstance(value, lang.FirstThatWorks) and (first := what_works.first_of(universe, value)) is not None:
            found[slot] = first
        held = universe.of(value.of.among.kind) if isinstance(value, lang.FieldOf) else []
        if isinstance(value, lang.FieldOf) and held and value.field in held[0].record:
            found[slot] = held[0].record[value.field]
    return found


def _is_clear(domain: Domain, customer: str, universe: Universe, value: lang.FieldOf, text: str) -> bool:
    """Whether all that the words for a preference may mean is this: "in copper" may be a color, or a material."""
    among, own = value.of.among, value_of(domain, domain.world(), customer, value, universe)
    type_name = next(name for name, kinds in identities(domain).items() if kinds.get(among.kind) == value.field)
    for one in readings(domain, universe, text, type_name, among.within, shown_by=among.shown_by):
        try:
            if value_of(domain, domain.world(), customer, one, universe) != own:
                return False
        except NoMeaning as none:
            if none.code not in ("none", "absent"):
                return False
    return True


def _drawn(domain: Domain, found: Sequence[lang.Node], rng: random.Random) -> list[lang.Node]:
    """Some of the descriptions in random order: what is left to what works first, and the others the sooner, the more
    readily customers speak of a record so."""
    told = [_told_by(one) for one in found]
    alike = Counter(told)  # each item of an order tells it: they come no sooner for that
    keys = [
        2.0 if isinstance(one, lang.FirstThatWorks) else rng.random() ** (alike[by] / _weight(domain, by))
        for one, by in zip(found, told, strict=True)
    ]
    ordered = sorted(range(len(found)), key=lambda place: -keys[place])
    return [found[place] for place in ordered[:_MOST_TRIED]]


def _told_by(node: lang.Node) -> tuple[tuple[str, str], ...]:
    """The fields by which a description tells a record from its like, each with the record's type."""
    if not isinstance(node, lang.FieldOf):
        return ()
    record = node.of
    paths = [test.field for test in record.among.where] + ([record.by] if record.by is not None else [])
    return tuple((record.among.kind, path) for path in paths)


def _share_a_name(one: str, other: str) -> bool:
    """Whether two descriptions name the same thing: "everything but the lamp", and "my order with the lamp"."""
    return not {word for word in one.split() if len(word) > _SHORT}.isdisjoint(other.split())


def _weight(domain: Domain, told_by: Sequence[tuple[str, str]]) -> float:
    weight = _LONGER ** max(len(told_by) - 1, 0)
    for kind, path in told_by:
        weight *= domain.language.records[kind].fields[path].weight
    return weight


def _with(domain: Domain, universe: Universe, request: lang.Do, call: Call, slot: str, value: lang.Node) -> lang.Do:
    """The request with one argument described. Parts of the record that it names are then parts of whatever record is
    meant: "the lamp" of "my latest order"."""
    arguments: dict[str, lang.Node] = {**request.arguments, slot: value}
    errand = domain.errand(call.name)
    specs = errand.parameters if errand is not None else {}
    for other, spec in specs.items():
        given = arguments.get(other)
        if spec.kind == "list" and isinstance(given, lang.Given) and isinstance(value, lang.FieldOf):
            arguments[other] = named_parts(domain, universe, spec.item.name, value, call.arguments[slot], given)
    linked = {name: _linked(domain, one, arguments, call) for name, one in arguments.items()}
    return request.model_copy(update={"arguments": linked})


def _linked(domain: Domain, value: lang.Node, arguments: Mapping[str, lang.Node], call: Call) -> lang.Node:
    """The value with other arguments' descriptions in place of the ids that it names."""
    if not isinstance(value, lang.FieldOf | lang.FieldsOf):
        return value
    known = {
        canonical_json(call.arguments[slot]): one
        for slot, one in arguments.items()
        if isinstance(one, lang.FieldOf) and slot in call.arguments and one is not value
    }

    def replace(node: lang.Node) -> lang.Node:
        if isinstance(node, lang.Test) and isinstance(node.value, lang.Given):
            meant = known.get(canonical_json(node.value.value))
            return node if meant is None else node.model_copy(update={"value": meant})
        return lang.rebuilt(node, replace)

    return replace(value)
