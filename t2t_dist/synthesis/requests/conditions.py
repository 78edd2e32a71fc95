"""Conditions: customers who want something done only if it costs less, or gives them more, than they name.

The condition is about a field of the errand's result, or of the record that it is about. So it is found out by working
that out (on paper, or on a fork of the world), or by looking, before anything is changed. Where it does not hold,
nothing is to be done, and the customer is to be told the figure: an agent that does nothing has not found it out.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from t2t_dist.environments.base import Domain
from t2t_dist.environments.language import Tell
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call

from . import language as lang
from .kinds import identities, own_field
from .shown import Universe, values_at

#: How often a condition holds.
_HOLDS = 0.6
#: Figures below this have no limit, and dollars below that are too few to insist on getting more.
_LEAST, _LEAST_BACK = 2, 20
#: Limits as shares of the figure, below and above it. People know roughly what a thing costs or what it brings in: a
#: limit that is not met is not met by a little.
_MET, _MISSED = ((0.72, 0.95), (1.08, 1.4)), ((0.78, 0.95), (1.05, 1.25))
#: How round limits are, by what they are below.
_DOLLARS, _OTHERS = ((50, 5), (200, 10), (1000, 50)), ((20, 1), (100, 5))


class Condition(NamedTuple):
    """A limit on a figure: ``relation`` to ``limit``, in ``words``. ``kind``: the type of the record that has the
    figure; empty where it is in the errand's result."""

    tell: Tell
    relation: lang.Rank
    limit: int
    words: str
    holds: bool
    figure: float
    kind: str


def drawn(
    domain: Domain, world: World, universe: Universe, call: Call, result: Mapping[str, object], rng: random.Random
) -> Condition | None:
    """A condition for an errand in a world, on a figure of its result or of the record that it is about; ``None`` where
    the domain has words for none of them."""
    figures = [(tell, result.get(tell.field), "") for tell in domain.language.tool(call.name).tell]
    for kind, own, value in subject_kinds(domain, call):
        for tell in domain.language.records[kind].figures if kind in domain.language.records else ():
            if call.name not in (tell.errands or domain.tools.by_name):
                continue
            about = [one for one in universe.of(kind) if one.record.get(own) == value]
            figures += [(tell, found, kind) for one in about[:1] for found in values_at(one.record, tell.field)]
    options: list[tuple[Tell, lang.Rank, list[str], float, str]] = []
    for tell, value, kind in figures:
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= _LEAST:
            is_worth_it = not tell.is_money or value >= _LEAST_BACK
            options += [(tell, "more", tell.above, value, kind)] if tell.above and is_worth_it else []
            options += [(tell, "less", tell.below, value, kind)] if tell.below else []
    options = [
        one for one in options if not one[4] or domain.plausible_limit(world, call, field=one[0].field, relation=one[1])
    ]
    if not options:
        return None
    tell, relation, words, figure, kind = rng.choice(options)
    is_met = tell.known or rng.random() < _HOLDS
    for holds in (True,) if tell.known else (is_met, not is_met):
        below = holds is (relation == "more")
        share = rng.uniform(*(_MET if holds else _MISSED)[not below])
        if limit := _round(figure, share, below, tell.is_money):
            text = rng.choice(words).format(value=said(tell, limit))
            return Condition(tell, relation, limit, text, holds, figure, kind)
    return None


def has_figure(domain: Domain, name: str) -> bool:
    """Whether customers may want an errand only if a figure of its result is above, or below, a limit."""
    return any(tell.above or tell.below for tell in domain.language.tool(name).tell)


def subject_kinds(domain: Domain, call: Call) -> Iterator[tuple[str, str, Any]]:
    """The types of records that an errand is about: type, identifying field and its value."""
    slot = _subject_slot(domain, call.name, call.arguments)
    errand = domain.errand(call.name)
    spec = errand.parameters.get(slot) if errand is not None else None
    if spec is not None and spec.kind == "scalar":
        for kind, own in identities(domain).get(spec.name, {}).items():
            yield kind, own, call.arguments[slot]


def _subject_slot(domain: Domain, name: str, arguments: Mapping[str, object]) -> str:
    """The argument that names what an errand is about: the first, or after the customer the next."""
    errand, slots = domain.errand(name), iter(arguments)
    first = next(slots, "")
    spec = errand.parameters.get(first) if errand is not None else None
    return next(slots, first) if spec is not None and spec.name == domain.customer_type else first


def said(tell: Tell, limit: float) -> str:
    """A limit in words."""
    return f"${tell.shown(limit, rounded=True)}" if tell.is_money else tell.shown(limit)


def limits_around(value: float, is_money: bool) -> tuple[int, int]:
    """A round number that is clearly less than a value, and one that is clearly more."""
    return _round(value, 0.8, True, is_money) or 1, _round(value, 1.2, False, is_money)


def _round(value: float, times: float, below: bool, is_money: bool) -> int:
    """A round number near so many times the value, and on the same side of it; 0: there is none below it."""
    raw = value * times
    step = next((step for most, step in (_DOLLARS if is_money else _OTHERS) if value < most), 100 if is_money else 10)
    return (int(raw // step) + (not below)) * step


def conditional(domain: Domain, request: lang.Do, condition: Condition, other: lang.Do | None = None) -> lang.If:
    """The request on its condition; ``other``: what is wanted if that does not hold."""
    left: lang.Outcome | lang.FieldOf = lang.Outcome(of=request, field=condition.tell.field)
    if condition.kind:
        left = lang.FieldOf(of=subject_of(domain, request, condition.kind), field=condition.tell.field)
    limit = lang.Given(value=condition.limit)
    return lang.If(
        condition=lang.Compares(left=left, relation=condition.relation, right=limit), then=request, otherwise=other
    )


def subject_of(domain: Domain, request: lang.Do, kind: str) -> lang.Record:
    """The record of a type that an errand is about."""
    slot = _subject_slot(domain, request.errand, request.arguments)
    same = lang.Test(field=own_field(domain, kind), value=request.arguments[slot])
    return lang.Record(among=lang.Records(kind=kind, where=(same,)))


def without_reasons(domain: Domain, request: lang.If, text: str) -> str:
    """A customer's words without the domain's sentences that say why they set a limit, or want something else then."""
    if not isinstance(request.then, lang.Do):
        return text
    words = domain.language.tool(request.then.errand)
    tells = [*words.tell, *(tell for record in domain.language.records.values() for tell in record.figures)]
    reasons = [why for tell in tells for why in tell.limit_why]
    if isinstance(request.otherwise, lang.Do):
        reasons += words.otherwise_why.get(request.otherwise.errand, [])
    for why in reasons:
        text = text.replace(f" {why}", "")
    return text


def tell_of(domain: Domain, request: lang.If) -> Tell | None:
    """The domain's words for the figure that a condition is about; ``None`` where it has none, or it is about something
    else than the request."""
    condition, errand = request.condition, request.then
    if not isinstance(condition, lang.Compares) or not isinstance(errand, lang.Do):
        return None
    left, tells = condition.left, list[Tell]()
    if isinstance(left, lang.Outcome) and left.of == errand:
        tells = domain.language.tool(errand.errand).tell
    elif isinstance(left, lang.FieldOf) and left.of == subject_of(domain, errand, left.of.among.kind):
        words = domain.language.records.get(left.of.among.kind)
        tells = words.figures if words is not None else []
    field = left.field if isinstance(left, lang.Outcome | lang.FieldOf) else ""
    known = [tell for tell in tells if tell.field == field]
    return next((tell for tell in known if (tell.above if condition.relation == "more" else tell.below)), None)
