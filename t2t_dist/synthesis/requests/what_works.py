"""Choices that depend on what works: "my gift card if there's enough on it, and my credit card if not".

A domain says in which order its customers take records of a type (``choices`` of its words); of these, the first with
which the errand can be carried out is meant. So whoever takes one has to work out what the errand costs, and to look at
what each of them holds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import after_valid
from t2t_dist.environments.language import ChoiceWords, Language
from t2t_dist.environments.record import thaw
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call

from . import language as lang
from .evaluate import NoMeaning, is_number, meaning_of, value_of
from .kinds import identities, own_field
from .shown import Shown, Universe, look_at, values_at

#: How often an errand takes what a choice comes to in place of what it was explored with.
_OTHER = 0.9
#: Records that are tried in their order, at most: so many gift cards a customer has.
_PLACES = 3


def node_of(domain: Domain, kind: str, words: ChoiceWords) -> lang.FirstThatWorks:
    """What a choice of a record of a type means."""
    own = own_field(domain, kind)
    values: list[lang.FieldOf] = []
    for take in words.take:
        where = tuple(lang.Test(field=path, value=lang.Given(value=value)) for path, value in take.where.items())
        among, by = lang.Records(kind=kind, where=where), take.least or take.most
        order: lang.Order = "least" if take.least else "most"
        records = [lang.Record(among=among)]
        if by is not None:
            records = [lang.Record(among=among, by=by, order=order, place=place) for place in range(1, _PLACES + 1)]
        values += [lang.FieldOf(of=record, field=own) for record in records]
    return lang.FirstThatWorks(values=tuple(values))


def choices_of(domain: Domain, type_name: str, errand: str) -> Iterator[tuple[ChoiceWords, lang.FirstThatWorks]]:
    """The choices that customers leave open in an argument of a type of an errand, and what each means."""
    for kind in identities(domain).get(type_name, {}):
        words = domain.language.records.get(kind)
        for choice in words.choices if words is not None else ():
            if errand in choice.errands:
                yield choice, node_of(domain, kind, choice)


def words_of(domain: Domain, node: lang.FirstThatWorks) -> ChoiceWords | None:
    """The words for a choice; ``None`` where the domain has none for it."""
    for kind, words in domain.language.records.items():
        for choice in words.choices:
            if node_of(domain, kind, choice) == node:
                return choice
    return None


def said_in(language: Language) -> set[str]:
    """All words for choices."""
    return {text for record in language.records.values() for choice in record.choices for text in choice.say}


def fitting(
    domain: Domain, customer: str, universe: Universe, call: Call, type_name: str
) -> Iterator[lang.FirstThatWorks]:
    """The choices that a customer may leave open in a call: they have a record for each part of it, and it costs
    something."""
    for choice, node in choices_of(domain, type_name, call.name):
        kind = node.values[0].of.among.kind if isinstance(node.values[0], lang.FieldOf) else ""
        held = [
            [one for one in universe.of(kind) if all(values_at(one.record, p) == [v] for p, v in take.where.items())]
            for take in choice.take
        ]
        ranked = [
            [one for one in those if values_at(one.record, take.least or take.most or "")]
            for take, those in zip(choice.take, held, strict=True)
        ]
        enough = all(
            len(those) == 1 if not (take.least or take.most) else 1 < len(in_order) <= _PLACES
            for take, those, in_order in zip(choice.take, held, ranked, strict=True)
        )
        if enough and costs(domain, domain.world(), customer, choice, call, universe):
            yield node


def paid_otherwise(
    domain: Domain, customer: str, call: Call, before: Sequence[Call], later: Sequence[Call], rng: random.Random
) -> Call | None:
    """An errand with what one of its choices comes to, where that is another value than its own; ``None``: there is
    none that leaves the ``later`` errands possible."""
    errand = domain.errand(call.name)
    slots = {slot: spec.name for slot, spec in errand.parameters.items() if spec.kind == "scalar"} if errand else {}
    slots = {slot: name for slot, name in slots.items() if any(choices_of(domain, name, call.name))}
    if not slots:
        return None
    world = domain.world()
    for one in before:
        domain.carry_out(world, one)
    universe = look_at(domain, world, customer)
    for slot, name in slots.items():
        for node in fitting(domain, customer, universe, call, name) if slot in call.arguments else ():
            try:
                value = value_in(
                    domain, world, customer, universe, lang.as_given(call.name, call.arguments), slot, node
                )
            except NoMeaning:
                continue
            other = Call(call.name, {**call.arguments, slot: value})
            if (
                value != call.arguments[slot]
                and rng.random() < _OTHER
                and stay_possible(domain, world, customer, [other, *later])
            ):
                return other
    return None


def stay_possible(domain: Domain, world: World, customer: str, errands: Sequence[Call]) -> bool:
    """Whether errands can be carried out, one after the other."""
    after: World | None = world
    for errand in errands:
        after = after_valid(domain, after, errand, customer) if after is not None else None
    return after is not None


def costs(domain: Domain, world: World, customer: str, words: ChoiceWords, call: Call, universe: Universe) -> bool:
    """Whether what a call costs, by its result, is more than nothing: else all of them would do."""
    if call.name not in words.errands:
        return False
    outcome = lang.Outcome(of=lang.as_given(call.name, call.arguments), field=words.errands[call.name])
    try:
        figure = value_of(domain, world, customer, outcome, universe)
    except NoMeaning:
        return False
    return is_number(figure) and figure > 0


def value_in(
    domain: Domain, world: World, customer: str, universe: Universe, request: lang.Do, slot: str, node: lang.Node
) -> Any:
    """What an argument of an errand is with another expression in its place. Raises NoMeaning."""
    changed = request.model_copy(update={"arguments": request.arguments | {slot: node}})
    return meaning_of(domain, world, customer, changed, universe).calls[0].arguments[slot]


def first_of(universe: Universe, node: lang.FirstThatWorks) -> Any:
    """What somebody takes who takes the first record of the type; ``None`` where there is none."""
    value = node.values[0]
    if not isinstance(value, lang.FieldOf):
        return None
    held = universe.of(value.of.among.kind)
    return held[0].record.get(value.field) if held else None


def amounts(universe: Universe, node: lang.FirstThatWorks) -> Iterator[tuple[Shown, str, Sequence[float]]]:
    """Numbers in records of the type, each with other values of it: those of the others, and too little and plenty."""
    value = node.values[0]
    held = universe.of(value.of.among.kind) if isinstance(value, lang.FieldOf) else []
    for one in held:
        for path, number in thaw(one.record).items():
            if is_number(number):
                others = [found for other in held if other is not one for found in values_at(other.record, path)]
                yield one, path, [*(found for found in others if found != number), _LITTLE, number + _PLENTY]


#: Dollars that cover hardly anything, and that are more than most things cost.
_LITTLE, _PLENTY = 1.5, 800.0
