"""Alternatives: two errands of which a customer wants only one: "whichever gives me more back".

Which of them that is says a field of their results: a price, a refund. It can be worked out before anything is changed,
so an agent has to work out both. Both could be done as things stand, and they exclude each other: each is for another
thing, of which one is to be left alone, or takes the other's place, or is refused after it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Any, NamedTuple

from t2t_dist.core.schema import Twin
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import after_valid
from t2t_dist.environments.language import Tell
from t2t_dist.environments.record import thaw
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call

from ..bindings import Binder, canonical_json, reachable_values
from ..normal_calls import in_order
from ..watched import Watched
from . import language as lang
from .denote import Described, described
from .evaluate import NoMeaning, is_number, meaning_of, value_of
from .shown import Universe, first_look, look_at
from .twins import Edits, all_valid, in_place, record_changes, world_before

#: The slot of a twin in which the other one is right.
BEST = "best"
#: Calls tried for the second errand in each way that it may differ, and those of them that may be wanted; second
#: errands that are tried.
_MOST_BOUND, _MOST_WANTED, _MOST_TRIED = 12, 3, 6
#: Worlds tried until the other is right.
_MOST_WORLDS = 80
#: A figure below this is nothing to choose by, nor are two that differ by less than this share of the greater, or in
#: dollars.
_LEAST_FIGURE, _LEAST_SHARE, _LEAST_DOLLARS = 1.0, 0.1, 5.0


class Alternative(NamedTuple):
    """Two errands, in the order in which they are said; ``best``: the one that is right; ``described``: what is
    described in each; ``words``: the clause that says which; ``tell``, ``figure``: what it goes by."""

    request: lang.Best
    calls: tuple[Call, Call]
    best: Call
    described: tuple[dict[str, str], dict[str, str]]
    words: str
    tell: Tell
    figure: float
    look_ups: list[Call]


def drawn(
    domain: Domain,
    customer: str,
    goal: int,
    call: Call,
    before: Sequence[Call],
    later: Sequence[Call],
    spoken_of: Set[bytes],
    unsaid: Sequence[str],
    share: float,
    rng: random.Random,
) -> Alternative | None:
    """A second errand beside a call, one of which is to be chosen by a figure; ``None``: there is none.

    ``before``, ``later``: the errands of the goals around it; ``spoken_of``: values in their arguments, as canonical
    JSON, about which nothing more is wanted; ``unsaid``: what is not to be mentioned; ``share``: of what can be
    described, how much is.
    """
    words = domain.language.tool(domain.tools.get(call.name) or call.name)
    ranks = [(tell, order, texts) for tell in words.tell for order, texts in _ranks(tell) if texts]
    if not ranks or call.name in domain.workflows:
        return None
    world = world_before(domain, before)
    universe = look_at(domain, world, customer) if before else first_look(domain, customer)
    tried = 0
    for other, shared in _others(domain, customer, world, call, spoken_of, rng):
        for tell, order, texts in rng.sample(ranks, len(ranks)):
            figures = _figures(domain, world, customer, (call, other), tell)
            if figures is None:
                continue
            tried += 1
            if tried > _MOST_TRIED:
                return None
            best = call if (figures[0] < figures[1]) is (order == "least") else other
            if all_valid(domain, world, [best, *later], customer) is None:
                continue
            pair = (call, other) if rng.random() < 0.5 else (other, call)
            found = _described(domain, customer, goal, pair, shared, before, unsaid, share, (tell.field, order), rng)
            if found is None:
                continue
            request, told = found
            try:
                meaning = meaning_of(domain, world, customer, request, universe)
                at_first = meaning_of(domain, domain.world(), customer, request, first_look(domain, customer))
            except NoMeaning:
                continue
            if meaning.calls != [best] or at_first.calls != [best]:
                continue
            if find_other(domain, customer, universe, request, goal, before) is None:
                continue
            figure = figures[0] if best is call else figures[1]
            return Alternative(request, pair, best, told, rng.choice(texts), tell, figure, meaning.look_ups)
    return None


def _ranks(tell: Tell) -> list[tuple[lang.Order, list[str]]]:
    return [("least", tell.least), ("most", tell.most)]


def tell_of_best(domain: Domain, request: lang.Best) -> tuple[Tell, list[str]] | None:
    """The domain's words for the figure of a choice, and the clauses that say which is wanted; ``None``: none."""
    first = request.options[0]
    for tell in domain.language.tool(first.errand).tell:
        texts = dict(_ranks(tell))[request.order]
        if tell.field == request.field and texts:
            return tell, texts
    return None


def figure_of(domain: Domain, world: World, customer: str, call: Call, field: str) -> float | None:
    """The field of an errand's result, if it were carried out; ``None`` where it is no number, or it is refused."""
    errand = lang.as_given(call.name, call.arguments)
    try:
        value = value_of(domain, world, customer, lang.Outcome(of=errand, field=field), Universe(()))
    except NoMeaning:
        return None
    return float(value) if is_number(value) else None


def is_known(domain: Domain, world: World, customer: str, call: Call, figure: float) -> bool:
    """Whether an agent can know the figure of an errand before it changes anything: by a calculation from what is
    looked up, or because a look-up shows it."""
    if domain.calculation(world, call, customer):
        return True
    for look_up in domain.look_ups(world, call, customer) or ():
        todo = [domain.execute(world, look_up).value]
        while todo:
            value = todo.pop()
            if is_number(value) and value == figure:
                return True
            todo += value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return False


def exclude_each_other(domain: Domain, world: World, customer: str, calls: Sequence[Call]) -> bool:
    """Whether two errands can't both be wanted: they are about two things, or what comes second is refused or takes the
    place of the first."""
    first, second = calls
    if next(iter(first.arguments.values()), None) != next(iter(second.arguments.values()), None):
        return True
    if first.name == second.name and len(_differing(first, second)) == 1:
        return True
    after = after_valid(domain, world, first, customer)
    return after is not None and after_valid(domain, after, second, customer) is None


def _differing(first: Call, second: Call) -> list[str]:
    slots = dict.fromkeys((*first.arguments, *second.arguments))
    return [slot for slot in slots if first.arguments.get(slot) != second.arguments.get(slot)]


def _figures(
    domain: Domain, world: World, customer: str, calls: Sequence[Call], tell: Tell
) -> tuple[float, float] | None:
    """The figures of both, where they decide, and can be known."""
    found = [figure_of(domain, world, customer, call, tell.field) for call in calls]
    one, other = found
    if one is None or other is None or min(one, other) < _LEAST_FIGURE:
        return None
    if abs(one - other) < max(_LEAST_SHARE * max(one, other), _LEAST_DOLLARS if tell.is_money else 1):
        return None
    known = all(is_known(domain, world, customer, c, f) for c, f in zip(calls, (one, other), strict=True))
    return (one, other) if known else None


def _others(
    domain: Domain, customer: str, world: World, call: Call, spoken_of: Set[bytes], rng: random.Random
) -> Iterator[tuple[Call, bool]]:
    """Second errands that a customer may want as well as a call, and whether both are about the same thing: the same
    errand with another value in an argument for which they have a second choice, for another record, or another errand
    that the domain names. Of two amounts, there is nothing to choose: less of it costs less."""
    errand = domain.errand(call.name)
    subject = next(iter(call.arguments), "")
    if errand is None or subject not in errand.parameters or domain.errand(call.name) is None:
        return
    specs = errand.parameters
    modes: list[tuple[str, str]] = [(call.name, subject)]
    words = domain.language.tool(domain.tools.get(call.name) or call.name)
    modes += [
        (call.name, slot)
        for slot in words.second_choice
        if slot != subject
        and slot in call.arguments
        and specs[slot].kind in ("scalar", "list")
        and not is_number(call.arguments[slot])
    ]
    modes += [(name, "") for name in words.rather]
    for name, slot in rng.sample(modes, len(modes)):
        other = domain.errand(name)
        if other is None or name in domain.workflows:
            continue
        own = next(iter(other.parameters), "")
        about_same = name == call.name and slot != subject
        free = {slot} if about_same else {own, *(s for s, spec in other.parameters.items() if spec.kind == "list")}

        def wanted(
            name_of: str,
            value: Any,
            _: dict[str, Any],
            free: Set[str] = free,
            own: str = own,
            same: bool = about_same,
            needed: Collection[str] = tuple(other.required),
        ) -> bool:
            if name_of in free:
                is_other = (
                    _differ_in_one(value, call.arguments.get(name_of)) if same else value != call.arguments.get(name_of)
                )
                return is_other and (same or name_of != own or canonical_json(value) not in spoken_of)
            if name_of in call.arguments:
                return bool(value == call.arguments[name_of])
            return name_of in needed

        sizes = {s: len(v) for s, v in call.arguments.items() if isinstance(v, list)} if about_same else {}
        sizes = sizes or {s: 1 for s, spec in other.parameters.items() if spec.kind == "list"}
        bound = Binder(other, reachable_values(domain, customer), accept=wanted, sizes=sizes, rng=rng).calls()
        left = _MOST_WANTED
        for arguments in islice(bound, _MOST_BOUND):
            found = in_order(domain, Call(name, arguments))
            if after_valid(domain, world, found, customer) is None or not domain.plausible(world, found, customer):
                continue
            if about_same and not domain.plausible_instead(world, call, found):
                continue
            if not (domain.plausible_otherwise(world, call, found) and domain.makes_sense(world, found, customer)):
                continue
            if exclude_each_other(domain, world, customer, (call, found)):
                yield found, about_same
                left -= 1
            if not left:
                break


def _differ_in_one(one: Any, other: Any) -> bool:
    """Whether two values are not the same; of two lists, in one place: nobody weighs one pair of things up against
    another pair."""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return sum(bool(first != second) for first, second in zip(one, other, strict=True)) == 1
    return bool(one != other)


def _described(
    domain: Domain,
    customer: str,
    goal: int,
    calls: tuple[Call, Call],
    shared: bool,
    before: Sequence[Call],
    unsaid: Sequence[str],
    share: float,
    by: tuple[str, lang.Order],
    rng: random.Random,
) -> tuple[lang.Best, tuple[dict[str, str], dict[str, str]]] | None:
    """The choice with what both errands are about described in each, and the words of that; ``None``: one can't be."""
    field, order = by
    given = [lang.as_given(call.name, call.arguments) for call in calls]

    def choice(first: lang.Do, second: lang.Do) -> lang.Best:
        return lang.Best(options=(first, second), field=field, order=order)

    def draw(call: Call, kept: Sequence[str], more: Sequence[str], around: Callable[[lang.Do], lang.Node]) -> Any:
        return described(domain, customer, goal, call, before, kept, [*unsaid, *more], share, rng, around=around)

    first, second = calls
    if shared:
        kept = _differing(first, second)

        def with_same(one: lang.Do) -> lang.Do:
            same = {slot: node for slot, node in one.arguments.items() if slot not in kept}
            return given[1].model_copy(update={"arguments": given[1].arguments | same})

        found = draw(first, kept, (), lambda one: choice(one, with_same(one)))
        if found is None and _says(domain, customer, first):
            return None
        if found is None:
            return choice(*given), ({}, {})
        return choice(found.request, with_same(found.request)), (found.words, dict(found.words))
    named = [_says(domain, customer, call) for call in calls]
    one: Described | None = draw(first, list(first.arguments)[1:], named[1], lambda do: choice(do, given[1]))
    if one is None or not isinstance(one.request, lang.Do):
        return None
    wanted = one.request
    two: Described | None = draw(second, list(second.arguments)[1:], named[0], lambda do: choice(wanted, do))
    if two is None or not isinstance(two.request, lang.Do) or set(one.words.values()) & set(two.words.values()):
        return None
    return choice(wanted, two.request), (one.words, two.words)


def _says(domain: Domain, customer: str, call: Call) -> list[str]:
    """What names the thing that an errand is about."""
    slot = next(iter(call.arguments))
    return list(domain.describe(domain.world(), call, slot, customer).says)


# -- its twin world ----------------------------------------------------------------------------------------------------
def find_other(
    domain: Domain, customer: str, universe: Universe, request: lang.Best, goal: int, before: Sequence[Call]
) -> Twin | None:
    """A world in which the other errand is right; ``None`` if none was found."""
    return next(other_worlds(domain, customer, universe, request, goal, before), None)


def other_worlds(
    domain: Domain, customer: str, universe: Universe, request: lang.Best, goal: int, before: Sequence[Call]
) -> Iterator[Twin]:
    """Those worlds: of what decides about one errand and about the other, two numbers are exchanged."""
    world = world_before(domain, before)
    usual = meaning_of(domain, world, customer, request, universe).calls
    calls = [meaning_of(domain, world, customer, option, universe).calls[0] for option in request.options]
    others = [call for call in calls if call != usual[0]]
    if len(others) != 1:
        return
    for edits in islice(_edits(domain, world, calls), _MOST_WORLDS):
        twin = domain.variant(edits)
        there = twin.world()
        try:
            if not all(twin.carry_out(there, call) for call in before):
                continue
            figures = [figure_of(twin, there, customer, call, request.field) for call in (*usual, *others)]
            if None in figures or not _is_better(figures[1], figures[0], request.order):
                continue
            found = meaning_of(twin, there, customer, request).calls
            after, other = all_valid(twin, there, others, customer), all_valid(twin, there, usual, customer)
        except Exception:
            continue  # tools and rules may rely on what these records no longer hold: then it is no world
        if found == others and after is not None and (other is None or other.digest != after.digest):
            place = calls.index(others[0])
            yield Twin(goal=goal, slot=BEST, records=record_changes(domain, edits), value=place, final=after.digest)


def _is_better(one: float | None, other: float | None, order: lang.Order) -> bool:
    return one is not None and other is not None and (one < other if order == "least" else one > other)


class _Number(NamedTuple):
    """A number in a record: ``path`` leads to it, ``name`` is the path without the places in lists."""

    table: str
    key: str
    path: tuple[str | int, ...]
    value: float

    @property
    def name(self) -> tuple[str, ...]:
        return tuple(part for part in self.path if isinstance(part, str))


def _edits(domain: Domain, world: World, calls: Sequence[Call]) -> Iterator[Edits]:
    """Two numbers of a kind exchanged, in records that are read for one errand and for the other."""
    one, other = ([*_numbers_read(domain, world, call)] for call in calls)
    done: set[frozenset[tuple[str, str, tuple[str | int, ...]]]] = set()
    for first in one:
        for second in other:
            places = frozenset(number[:3] for number in (first, second))
            if first.table != second.table or first.name != second.name or first.value == second.value:
                continue
            if places in done:
                continue
            done.add(places)
            edits: Edits = {(n.table, n.key): thaw(domain.base.tables[n.table][n.key]) for n in (first, second)}
            for number, value in ((first, second.value), (second, first.value)):
                holder = in_place(edits[number.table, number.key], number.path[:-1])
                holder[number.path[-1]] = value
            yield edits


def _numbers_read(domain: Domain, world: World, call: Call) -> Iterator[_Number]:
    watched = Watched(world)
    for step in domain.steps(watched, call):
        domain.execute(watched, step)
    for table, rows in domain.base.tables.items():
        for key in sorted(key for key in watched.seen if key is not None and key in rows):
            yield from (_Number(table, key, path, value) for path, value in _numbers(rows[key], ()))


def _numbers(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], float]]:
    if is_number(value):
        yield path, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _numbers(inner, (*path, name))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _numbers(inner, (*path, place))
