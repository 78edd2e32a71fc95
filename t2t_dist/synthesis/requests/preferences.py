"""Preferences and budgets: one of several choices, by what the customer would rather have, in an order.

"One in stock, if possible in black, and of those the cheapest" is a preference, dropped where nothing meets it, and
then a rank; "the latest flight under $200" is a budget. Choices are what look-ups show: the versions of a product, the
plans, the flights of a search. Each part of such a description decides: without a preference, with two of them the
other way round, or without the limit, it is another choice that is meant.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, permutations
from typing import Any, NamedTuple

from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import Spec
from t2t_dist.environments.language import FieldWords, RecordWords
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call

from . import language as lang
from .evaluate import NoMeaning, finder, is_number, records_of
from .kinds import identities
from .shown import Shown, Universe, look_at, values_at
from .what_works import stay_possible

#: Expressions that are evaluated for one argument, at most.
_MOST_TRIED = 60
#: How often a preference is taken rather than a budget.
_PREFERRED = 0.6
#: Limits above this are multiples of five.
_ROUND_FROM = 10
#: Choices among which one is told, at least.
_FEWEST = 3


class Choices(NamedTuple):
    """The records of which one is chosen, before anything is asked of it. ``about``: what the errand, and the records
    that it names, say beside: the cabin."""

    kind: str
    own: str
    among: lang.Records
    shown: Sequence[Shown]
    about: frozenset[Any] = frozenset()


def preferred(
    domain: Domain, customer: str, universe: Universe, choices: Choices, value: Any, rng: random.Random
) -> Iterator[lang.FieldOf]:
    """Descriptions of a value as one of these choices, by preferences or within a budget, in random order."""
    words = domain.language.records.get(choices.kind)
    meant = [one for one in choices.shown if one.record.get(choices.own) == value]
    if words is None or len(meant) != 1 or len(choices.shown) < _FEWEST:
        return
    find, options = finder(domain, customer, universe), list(_options(words, choices, meant[0].record))
    options = rng.sample(options, len(options))
    if rng.random() < _PREFERRED:
        options.sort(key=lambda record: not record.prefer)
    for record in options[:_MOST_TRIED]:
        found = find(record)
        if found is not None and found.record == meant[0].record and not _is_idle(find, record):
            yield lang.FieldOf(of=record, field=choices.own)


def is_idle(domain: Domain, customer: str, universe: Universe, record: lang.Record) -> bool:
    """Whether a part of a description by preferences or within a budget could be left out, or two preferences stand in
    the other order, and it would mean the same."""
    return _is_idle(finder(domain, customer, universe), record)


def _is_idle(find: Callable[[lang.Record], Shown | None], record: lang.Record) -> bool:
    usual, among = find(record), record.among
    where, prefer = among.where, record.prefer
    less = [
        *(record.model_copy(update={"among": among.model_copy(update={"where": rest})}) for rest in _fewer(where)),
        *(record.model_copy(update={"prefer": rest}) for rest in _fewer(prefer)),
        *(record.model_copy(update={"prefer": other}) for other in permutations(prefer) if other != prefer),
        *([record.model_copy(update={"by": None})] if record.by is not None else []),
    ]
    return any(find(one) is usual for one in less)


def sets_limit(request: lang.Node) -> bool:
    """Whether a description within a request names a limit, or says what to do if something costs too much: who wants a
    plan under $30 sets no other."""
    if any(isinstance(node, lang.FirstThatWorks) for node in lang.nodes(request)):
        return True
    tests = [test for node in lang.nodes(request) if isinstance(node, lang.Record) for test in node.prefer]
    tests += [test for node in lang.nodes(request) if isinstance(node, lang.Records) for test in node.where]
    return any(
        test.relation in ("less", "more") and isinstance(test.value, lang.Given) and test.value.value for test in tests
    )


def _fewer(tests: tuple[lang.Test, ...]) -> Iterator[tuple[lang.Test, ...]]:
    for place in range(len(tests)):
        yield (*tests[:place], *tests[place + 1 :])


def _options(words: RecordWords, choices: Choices, record: Mapping[str, Any]) -> Iterator[lang.Record]:
    """Budgets with a rank, and up to two preferences, with a rank or without."""
    held = [one.record for one in choices.shown]
    fields = {path: field for path, field in words.fields.items() if _fits(words, path, choices.about)}
    stated = [(), *((test,) for test in _stated(words, record))]
    ranks = [
        (path, order)
        for path, field in fields.items()
        for order, texts in (("most", field.most), ("least", field.least))
        if texts and values_at(record, path)
    ]
    limits = [test for path in fields for test in _limits(words, path, record, held)]
    wishes = [*_wishes(words, record), *limits]
    for where in stated:
        for path, order in ranks:
            for limit in limits:
                if limit.field != path or (limit.relation == "less") is (order == "most"):
                    yield _record(choices.among, (*where, limit), (), path, order)
            if is_dear(fields[path], order):
                continue
            for wish in wishes:
                if wish.field != path:
                    yield _record(choices.among, where, (wish,), path, order)
            for pair in combinations(wishes, 2):
                if pair[0].field != pair[1].field and all(wish.field != path for wish in pair):
                    for prefer in permutations(pair):
                        yield _record(choices.among, where, prefer, path, order)
        for pair in combinations(wishes, 2):
            if pair[0].field != pair[1].field:
                for prefer in permutations(pair):
                    yield _record(choices.among, where, prefer, None, "most")


def is_dear(words: FieldWords, order: str) -> bool:
    """Whether it is the most of a field of which customers have a limit, as of a price: nobody wants it but within
    that."""
    return order == "most" and bool(words.under)


def _fits(words: RecordWords, path: str, about: frozenset[Any]) -> bool:
    """Whether somebody goes by a field: of the prices by cabin, by that of their own."""
    holder, _, name = path.rpartition(".")
    alike = {other.rpartition(".")[2] for other in words.fields if holder and other.startswith(f"{holder}.")}
    return not alike & about or name in about


def _record(
    among: lang.Records,
    where: tuple[lang.Test, ...],
    prefer: tuple[lang.Test, ...],
    by: str | None,
    order: Any,
) -> lang.Record:
    held = among.model_copy(update={"where": where})
    return lang.Record(among=held, by=by, order=order, prefer=prefer)


def _stated(words: RecordWords, record: Mapping[str, Any]) -> Iterator[lang.Test]:
    """What holds of one that can be had at all: that it is in stock."""
    for path, field in words.fields.items():
        for bound, _ in field.bounds():
            if any(
                is_number(value) and not isinstance(bound, str) and value > bound for value in values_at(record, path)
            ):
                yield lang.Test(field=path, relation="more", value=lang.Given(value=bound))


def _wishes(words: RecordWords, record: Mapping[str, Any]) -> Iterator[lang.Test]:
    for path, field in words.fields.items():
        values = values_at(record, path)
        if field.prefer and len(values) == 1 and not isinstance(values[0], Mapping | list):
            yield lang.Test(field=path, value=lang.Given(value=values[0]))


def _limits(
    words: RecordWords, path: str, record: Mapping[str, Any], held: Sequence[Mapping[str, Any]]
) -> Iterator[lang.Test]:
    """Round numbers between what this record has in a field and what the next has."""
    field, own = words.fields[path], values_at(record, path)
    if len(own) != 1 or not is_number(own[0]) or not (field.under or field.over):
        return
    others = [value for one in held for value in values_at(one, path) if is_number(value)]
    if field.under and (more := [value for value in others if value > own[0]]):
        limit = _between(own[0], min(more))
        if limit is not None:
            yield lang.Test(field=path, relation="less", value=lang.Given(value=limit))
    if field.over and (less := [value for value in others if value < own[0]]):
        limit = _between(max(less), own[0])
        if limit is not None:
            yield lang.Test(field=path, relation="more", value=lang.Given(value=limit))


def _between(low: float, high: float) -> int | None:
    """A whole number above one and below the other, as round as one of them is; ``None``: there is none."""
    for step in (100, 50, 25, 10, 5, 1):
        limit = (int(low // step) + 1) * step
        if step == 1 and limit > _ROUND_FROM:
            return None
        if low < limit < high:
            return limit
    return None


# -- the flights of a search -------------------------------------------------------------------------------------------
def offered(
    domain: Domain, specs: Mapping[str, Spec], arguments: Mapping[str, lang.Node], kind: str
) -> lang.LookUp | None:
    """The look-up that shows the records of a kind from which an argument of an errand is chosen: its arguments are the
    fields of the record that the errand's other ``arguments`` lead to. ``None``: the domain declares none."""
    words = domain.language.records.get(kind)
    offer = words.offered if words is not None else None
    tool = domain.tools.get(offer.tool) if offer is not None else None
    if offer is None or tool is None:
        return None
    tests, within = [], None
    for slot, spec in specs.items():
        for named, own in identities(domain).get(spec.name, {}).items() if slot in arguments else ():
            if named == offer.of:
                tests.append(lang.Test(field=own, value=arguments[slot]))
            elif named in domain.language.records and named != kind and within is None:
                test = lang.Test(field=own, value=arguments[slot])
                within = lang.Record(among=lang.Records(kind=named, where=(test,)))
    if within is None:
        return None
    leads = lang.Record(among=lang.Records(kind=offer.of, within=within, where=tuple(tests)))
    return lang.LookUp(
        tool=offer.tool, arguments={name: lang.FieldOf(of=leads, field=name) for name in tool.parameters}
    )


def choices_of(
    domain: Domain, customer: str, universe: Universe, specs: Mapping[str, Spec], call: Call, slot: str
) -> Iterator[Choices]:
    """The sets of records of which an argument of a call names one, that stand for themselves or are shown by a search:
    the plans, the flights of a day."""
    given = {name: lang.Given(value=value) for name, value in call.arguments.items() if name != slot}
    for kind, own in identities(domain).get(specs[slot].name, {}).items():
        words = domain.language.records.get(kind)
        if words is None or not words.some:
            continue
        look_up = offered(domain, specs, given, kind) if words.offered is not None else None
        if words.offered is None or look_up is not None:
            among = lang.Records(kind=kind, shown_by=look_up)
            try:
                shown = records_of(domain, customer, universe, among)
            except NoMeaning:
                continue
            yield Choices(kind, own, among, shown, _about(domain, universe, specs, call))


def offered_instead(
    domain: Domain, customer: str, world: World, call: Call, later: Sequence[Call], rng: random.Random
) -> Call | None:
    """An errand with one of the choices of its search that a preference or a budget tells (a flight of about the same
    day), where its own value is none. ``None``: none is possible in a world and leaves the ``later`` errands possible.
    """
    errand, universe = domain.errand(call.name), look_at(domain, world, customer)
    specs = errand.parameters if errand is not None else {}
    for slot in [slot for slot, spec in specs.items() if spec.kind == "scalar" and slot in call.arguments]:
        for choices in choices_of(domain, customer, universe, specs, call, slot):
            values = [one.record[choices.own] for one in choices.shown]
            if choices.among.shown_by is None or _is_told(
                domain, customer, universe, choices, call.arguments[slot], rng
            ):
                continue
            for value in rng.sample(values, len(values)):
                other = Call(call.name, {**call.arguments, slot: value})
                fits = domain.plausible_instead(world, call, other) and domain.plausible(world, other, customer)
                fits = fits and stay_possible(domain, world, customer, [other, *later])
                if fits and _is_told(domain, customer, universe, choices, value, rng):
                    return other
    return None


def _is_told(
    domain: Domain, customer: str, universe: Universe, choices: Choices, value: Any, rng: random.Random
) -> bool:
    """Whether a preference or a budget tells a value from the other choices."""
    return next(preferred(domain, customer, universe, choices, value, rng), None) is not None


def _about(domain: Domain, universe: Universe, specs: Mapping[str, Spec], call: Call) -> frozenset[Any]:
    found = [value for value in call.arguments.values() if isinstance(value, str)]
    for slot, value in call.arguments.items():
        for kind, own in identities(domain).get(specs[slot].name, {}).items() if slot in specs else ():
            for one in universe.of(kind):
                if one.record.get(own) == value:
                    found += [each for each in one.record.values() if isinstance(each, str)]
    return frozenset(found)
