"""Descriptions: expressions that denote a given value, as a customer would refer to it.

After the idea of referring expressions (Dale and Reiter 1995): of what a record is told from its like by, one or two
fields are chosen that together leave this record only. What a field can be used for is what the domain has words for.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import Spec
from t2t_dist.environments.language import FieldWords, RecordWords
from t2t_dist.environments.tools import Call

from . import language as lang
from . import what_works
from .evaluate import NoMeaning, at_place, passes, value_of
from .kinds import holders, identities, own_field
from .preferences import Choices, choices_of, is_dear, preferred
from .shown import Shown, Universe, values_at

#: Fields that are combined at most to tell a record from its like.
MOST_TESTS = 2
#: No field to go by.
_UNRANKED: tuple[None, lang.Order] = None, "most"


class Argument(NamedTuple):
    """An argument that a call gives, among the errand's parameters."""

    specs: Mapping[str, Spec]
    call: Call
    slot: str

    @property
    def spec(self) -> Spec:
        return self.specs[self.slot]

    @property
    def value(self) -> Any:
        return self.call.arguments[self.slot]

    def others(self) -> Iterator[tuple[Spec, Any]]:
        """The parameters beside it that the call gives, with their values."""
        for slot, spec in self.specs.items():
            if slot != self.slot and slot in self.call.arguments:
                yield spec, self.call.arguments[slot]


def descriptions(domain: Domain, customer: str, universe: Universe, call: Call, slot: str) -> list[lang.Node]:
    """Expressions that denote an argument of a call, the simplest first; none gives it away."""
    errand = domain.errand(call.name)
    specs = errand.parameters if errand is not None else {}
    spec, value = specs.get(slot), call.arguments.get(slot)
    if spec is None or value is None:
        return []
    argument = Argument(specs, call, slot)
    if spec.kind in ("scalar", "struct") and spec.name:
        found: list[lang.Node] = list(what_works.fitting(domain, customer, universe, call, spec.name))
        found += _elsewhere(domain, customer, universe, argument)
        return found + list(_of_one(domain, customer, universe, spec.name, value))
    if spec.kind == "list" and spec.item.kind == "scalar" and isinstance(value, list):
        return list(_of_several(domain, customer, universe, argument))
    return []


def _of_one(domain: Domain, customer: str, universe: Universe, type_name: str, value: Any) -> Iterator[lang.Node]:
    for kind, own in identities(domain).get(type_name, {}).items():
        words = domain.language.records.get(kind)
        if words is not None and words.offered is not None:
            continue  # they are no records of the customer's: "the flight that arrives last" goes anywhere
        for record in told_apart(domain, customer, universe, kind, own, value):
            yield lang.FieldOf(of=record, field=own)


def told_apart(
    domain: Domain,
    customer: str,
    universe: Universe,
    kind: str,
    own: str,
    value: Any,
    within: lang.Record | None = None,
    choices: Sequence[Shown] | None = None,
) -> Iterator[lang.Record]:
    """The ways to tell one record from the others of its kind; ``own``: the field that identifies it; ``choices``: all
    that are ``within`` another record."""
    words = domain.language.records.get(kind)
    among = universe.of(kind) if choices is None else choices
    meant = [one for one in among if one.record.get(own) == value]
    if words is None or len(meant) != 1 or len(among) < 2:
        return
    tests = [test for path, each in words.fields.items() for test in tests_of(meant[0].record, path, each)]
    ends: tuple[lang.Order, lang.Order] = ("most", "least")
    ranks = [
        (path, order)
        for path, each in words.fields.items()
        for order, phrases in zip(ends, (each.most, each.least), strict=True)
        if phrases and not is_dear(each, order)
        if values_at(meant[0].record, path) and sum(bool(values_at(o.record, path)) for o in among) > 1
    ]
    kin = Kin(meant[0], among, tests)
    for count in range(MOST_TESTS + 1):
        for chosen in combinations(range(len(tests)), count):
            where = tuple(tests[place] for place in chosen)
            if len({test.field for test in where}) < count:
                continue  # "my order with the lamp with the mug in it"
            options: list[tuple[str | None, lang.Order]] = [_UNRANKED] if where else []
            if count < MOST_TESTS:
                # "The line that is used most and that is suspended" need not be the most used of the suspended ones.
                options += [rank for rank in ranks if not where or before_noun(words, *rank)]
            for path, order in options:
                if kin.tells(chosen, path, order) and not kin.is_idle(chosen, path, order):
                    record = lang.Record(
                        among=lang.Records(kind=kind, within=within, where=where), by=path, order=order
                    )
                    try:
                        found = value_of(domain, domain.world(), customer, lang.FieldOf(of=record, field=own), universe)
                    except NoMeaning:
                        continue
                    if found == value:
                        yield record


class Kin:
    """A record among its like: which tests, by their places, and which order tell it from the others. Each is worked
    out once, however many descriptions are made of it."""

    def __init__(self, meant: Shown, among: Sequence[Shown], tests: Sequence[lang.Test]) -> None:
        self.meant, self.among, self.tests = meant, among, tests
        self._left: dict[tuple[int, ...], Sequence[Shown]] = {(): among}
        self._told: dict[tuple[tuple[int, ...], str | None, lang.Order], bool] = {}

    def tells(self, where: tuple[int, ...], path: str | None, order: lang.Order) -> bool:
        """Whether it is the only one that passes these tests, or the first of those in the order of a field."""
        key = where, path, order
        if key not in self._told:
            try:
                held = self.left(where)
                first = held if path is None else at_place(held, path, order, 1)
                self._told[key] = len(first) == 1 and first[0] is self.meant
            except NoMeaning:
                self._told[key] = False
        return self._told[key]

    def is_idle(self, where: tuple[int, ...], path: str | None, order: lang.Order) -> bool:
        """Whether one of the tests rules out nothing, or they leave nothing to choose from by order."""
        fewer = ((*where[:place], *where[place + 1 :]) for place in range(len(where)))
        if any(self.tells(rest, path, order) for rest in fewer):
            return True
        return path is not None and bool(where) and self.tells(where, *_UNRANKED)

    def left(self, where: tuple[int, ...]) -> Sequence[Shown]:
        """Those that pass these tests."""
        if where not in self._left:
            test = self.tests[where[-1]]
            assert isinstance(test.value, lang.Given)  # as tests_of makes them
            self._left[where] = [one for one in self.left(where[:-1]) if passes(one, test, test.value.value)]
        return self._left[where]


#: What begins a phrase that follows the noun.
_RELATIVE = re.compile(r"(?:that|which|whose|where|I)(?![\w-])")
_CLAUSE = re.compile(
    rf"(?:{_RELATIVE.pattern}|(?:with|without|of|on|in|at|to|from|for|by|under|over|near|after|before|since)(?![\w-]))"
)


def is_clause(text: str) -> bool:
    """Whether a phrase of a domain's words follows the noun: "that arrived last"."""
    return _CLAUSE.match(text) is not None


def is_relative(text: str) -> bool:
    """Whether a clause has a verb: "that arrived last", not "with the lamp"."""
    return _RELATIVE.match(text) is not None


def before_noun(words: RecordWords, path: str, order: str) -> list[str]:
    """The phrases for the first or the last of a field that stand before the noun: "latest"."""
    field = words.fields[path]
    return [text for text in (field.most if order == "most" else field.least) if not is_clause(text)]


def tests_of(record: Mapping[str, Any], path: str, words: FieldWords) -> Iterator[lang.Test]:
    """The tests that a record passes by what stands in one of its fields, where the domain has words for them."""
    values = values_at(record, path)
    flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
    for bound, _ in words.bounds():
        if len(values) == 1 and is_above(values[0], bound):
            yield lang.Test(field=path, relation="more", value=lang.Given(value=bound))
    if words.contains:
        single = [value for value in flat if flat.count(value) == 1]  # not "with the mouse" where it has two
        yield from (lang.Test(field=path, relation="contains", value=lang.Given(value=value)) for value in single)
    elif len(values) == 1 and (group := alike(words, key_of(values[0]))):
        yield one_of(path, group, values[0])
    elif len(values) == 1 and (words.any or words.named):
        yield lang.Test(field=path, value=lang.Given(value=values[0]))


def is_above(value: Any, bound: float | str) -> bool:
    """Whether a field's value lies above a bound: a number, or a date or time as it is written."""
    if isinstance(bound, str):
        return isinstance(value, str) and value > bound
    return isinstance(value, int | float) and value > bound


def alike(words: FieldWords, key: str) -> list[str]:
    """The values that are said in the same words as this one: "pending" is an order also once it was changed."""
    texts = words.each.get(key)
    return [other for other, same in words.each.items() if same == texts] if texts else []


def one_of(path: str, group: Sequence[str], value: Any) -> lang.Test:
    """The test that a field has a value, or one that is said in the same words."""
    if len(group) == 1:
        return lang.Test(field=path, value=lang.Given(value=value))
    return lang.Test(field=path, relation="one of", value=lang.Given(value=list(group)))


def key_of(value: Any) -> str:
    """A field's value as a key of ``each`` in the words of a domain."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_several(
    domain: Domain,
    customer: str,
    universe: Universe,
    argument: Argument,
) -> Iterator[lang.Node]:
    """The elements of a record that another argument of the call names: all, all but some, the dearest."""
    is_replaced = any(spec == argument.spec for spec, _ in argument.others())
    for kind, own in identities(domain).get(argument.spec.item.name, {}).items():
        for around, within in _named_records(domain, universe, argument) if not is_replaced else ():
            held = [one for one in universe.of(kind) if one.is_within(around)]
            if len(held) >= 2:
                yield from _parts(domain, customer, universe, kind, own, within, held, argument.value)
    if len(argument.value) == 1:
        yield from _versions(domain, customer, universe, argument)


def _elsewhere(
    domain: Domain,
    customer: str,
    universe: Universe,
    argument: Argument,
) -> Iterator[lang.Node]:
    """The field of a record that holds the value, though it does not identify it: the address of the account, the card
    that something was paid with. The record is the only one of its kind, or within what another argument names."""
    for kind, fields in holders(domain).get(argument.spec.name, {}).items():
        words = domain.language.records[kind].fields if kind in domain.language.records else {}
        for path in (path for path in fields if path in words and words[path].itself):
            for within in [None, *(record for _, record in _named_records(domain, universe, argument))]:
                node = lang.FieldOf(of=lang.Record(among=lang.Records(kind=kind, within=within)), field=path)
                try:
                    if value_of(domain, domain.world(), customer, node, universe) == argument.value:
                        yield node
                except NoMeaning:
                    continue
        own = own_field(domain, kind)
        for path in (path for path in fields if path in words and words[path].its):
            for one in universe.of(kind):
                if (
                    one.record.get(path) == argument.value
                    and one.record.get(own) not in argument.call.arguments.values()
                ):
                    records = told_apart(domain, customer, universe, kind, own, one.record.get(own))
                    # "The same plan as my line on the Summit plan" would name it.
                    yield from (
                        lang.FieldOf(of=record, field=path)
                        for record in records
                        if record.by != path and all(test.field != path for test in record.among.where)
                    )


def values_like(domain: Domain, universe: Universe, kind: str, field: str) -> Iterator[Any]:
    """The values of the type that a field has, wherever the records that are shown hold one."""
    for type_name, kinds in holders(domain).items():
        if field in kinds.get(kind, ()):
            places = [(name, own) for name, own in identities(domain).get(type_name, {}).items()]
            places += [(name, path) for name, paths in kinds.items() for path in paths]
            for name, path in places:
                yield from (one.record[path] for one in universe.of(name) if one.record.get(path) is not None)


def _named_records(domain: Domain, universe: Universe, argument: Argument) -> Iterator[tuple[Shown, lang.Record]]:
    """The records that other arguments of the call name, and how they do."""
    for spec, given in argument.others():
        for kind, own in identities(domain).get(spec.name, {}).items() if spec.kind == "scalar" else ():
            shown = next((one for one in universe.of(kind) if one.record.get(own) == given), None)
            if shown is not None:
                yield shown, lang.named(kind, own, given)


def _versions(
    domain: Domain,
    customer: str,
    universe: Universe,
    argument: Argument,
) -> Iterator[lang.Node]:
    """One of the choices that a record leads to which another argument names: the cheapest version of that product."""
    value = argument.value[0]
    for choices in _of_a_product(domain, universe, argument):
        kind, own, within = choices.kind, choices.own, choices.among.within
        for record in told_apart(domain, customer, universe, kind, own, value, within, choices.shown):
            if record.by is not None:
                yield lang.FieldOf(of=record, field=own)


def _of_a_product(domain: Domain, universe: Universe, argument: Argument) -> Iterator[Choices]:
    """The choices among which an argument of one element is, where another argument names a record that leads to
    them."""
    value = argument.value[0]
    for kind, own in identities(domain).get(argument.spec.item.name, {}).items():
        meant = [one for one in universe.of(kind) if one.record.get(own) == value and one.inside is not None]
        if len(meant) != 1 or meant[0].inside is None:
            continue
        holder = meant[0].inside
        holder_id = own_field(domain, holder.kind)
        held = [one for one in universe.of(kind) if one.is_within(holder)]
        for source, field in _leading_to(domain, universe, argument, holder, holder_id):
            same = lang.Test(field=holder_id, value=lang.FieldOf(of=source, field=field))
            within = lang.Record(among=lang.Records(kind=holder.kind, where=(same,)))
            yield Choices(kind, own, lang.Records(kind=kind, within=within), held)


def preferred_of(
    domain: Domain, customer: str, universe: Universe, call: Call, slot: str, rng: random.Random
) -> Iterator[lang.Node]:
    """Descriptions of an argument of a call as one of several choices, by what the customer would rather have or within
    a budget, in random order."""
    errand = domain.errand(call.name)
    spec, value = errand.parameters.get(slot) if errand is not None else None, call.arguments.get(slot)
    if errand is None or spec is None or value is None:
        return
    if spec.kind == "scalar":
        for choices in choices_of(domain, customer, universe, errand.parameters, call, slot):
            yield from preferred(domain, customer, universe, choices, value, rng)
    elif spec.kind == "list" and isinstance(value, list) and len(value) == 1:
        for choices in _of_a_product(domain, universe, Argument(errand.parameters, call, slot)):
            yield from preferred(domain, customer, universe, choices, value[0], rng)


def _leading_to(
    domain: Domain, universe: Universe, argument: Argument, holder: Shown, holder_id: str
) -> Iterator[tuple[lang.Record, str]]:
    """The records named by a list of one element that name the holder, and in which field: the item, by its product."""
    for spec, given in argument.others():
        if spec.kind != "list" or not isinstance(given, list) or len(given) != 1:
            continue
        for kind, own in identities(domain).get(spec.item.name, {}).items():
            for _, within in _named_records(domain, universe, argument):
                source = lang.named(kind, own, given[0], within)
                for one in universe.of(kind):
                    if one.record.get(own) == given[0] and holder_id in one.record and kind != holder.kind:
                        if one.record[holder_id] == holder.record.get(holder_id):
                            yield source, holder_id
                        break


def _parts(
    domain: Domain,
    customer: str,
    universe: Universe,
    kind: str,
    own: str,
    within: lang.Record,
    held: Sequence[Shown],
    value: list[Any],
) -> Iterator[lang.Node]:
    words = domain.language.records.get(kind)
    if words is None:
        return
    everything = lang.Records(kind=kind, within=within)
    left = [one for one in held if one.record.get(own) not in value]
    if not left and words.all:
        yield lang.FieldsOf(of=everything, field=own)
    if len(value) == 1:
        for record in told_apart(domain, customer, universe, kind, own, value[0], within, held):
            if record.by is not None:
                yield lang.FieldOf(of=record, field=own)
    if len(left) == 1 and len(value) > 1 and words.all:
        for record in told_apart(domain, customer, universe, kind, own, left[0].record.get(own), within, held):
            if record.by is None:
                yield lang.FieldsOf(of=everything.model_copy(update={"but": record.among}), field=own)


def named_parts(
    domain: Domain, universe: Universe, type_name: str, holder: lang.FieldOf, holder_id: Any, given: lang.Given
) -> lang.Node:
    """Parts of a record by their names, where the domain has names for them and these parts are the only ones so named;
    else as they are given."""
    for kind, own in identities(domain).get(type_name, {}).items():
        words = domain.language.records.get(kind)
        for path in (path for path, each in words.fields.items() if each.named) if words is not None else ():
            meant = [one for one in universe.of(kind) if one.record.get(own) in given.value and one.inside is not None]
            around = [one for one in meant if one.inside is not None and holder_id in one.inside.record.values()]
            names = [name for one in around for name in values_at(one.record, path)]
            if not around or around[0].inside is None:
                continue
            held = [one for one in universe.of(kind) if one.is_within(around[0].inside)]
            if sum(bool(set(names) & set(values_at(one.record, path))) for one in held) > len(given.value):
                continue  # another part has such a name
            within = lang.named(around[0].inside.kind, holder.field, holder_id)
            named = lang.Test(field=path, relation="one of", value=lang.Given(value=names))
            return lang.FieldsOf(of=lang.Records(kind=kind, within=within, where=(named,)), field=own)
    return given
