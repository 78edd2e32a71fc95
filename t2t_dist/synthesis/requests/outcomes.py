"""Questions about the results of what is done in a conversation: "How much do I get back altogether?".

Each call's result has its own figure; the answer is what several come to, and stands in none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call

from . import language as lang
from .evaluate import is_number, results_of
from .kinds import identities
from .shown import Shown, Universe, values_at
from .twins import Edits, doubled, place_of, set_at

#: Worlds in which one record is as another is, and records that are looked at for others, at most.
_MOST_DOUBLED, _MOST_RECORDS = 12, 24


def parts_of(request: lang.Tell) -> list[lang.Results]:
    """What a question takes from the results of calls; empty where it is about records only."""
    found: list[lang.Results] = []
    for node in lang.nodes(request):
        if isinstance(node, lang.Results) and node not in found:
            found.append(node)
    return found


def figures_in(domain: Domain, done: Sequence[Call], request: lang.Tell) -> list[float]:
    """The figures in results that a question's answer comes from: numbers other than 0."""
    found = (value for part in parts_of(request) for value in results_of(domain, done, part))
    return [value for value in found if is_number(value) and value]


def takes_working_out(domain: Domain, done: Sequence[Call], request: lang.Tell, answer: Any) -> bool:
    """Whether an answer about results has to be worked out: it comes from several figures, and is none of them."""
    figures = figures_in(domain, done, request)
    # What is set beside how it was before is about one change: "the new plan and the old one".
    several = len(figures) == 1 if _is_compared(request) else len(figures) > 1
    return several and all(abs(abs(figure) - abs(answer)) >= _CENT for figure in figures)


#: Figures are compared in cents.
_CENT = 0.005


def _is_compared(request: lang.Tell) -> bool:
    """Whether a question sets results beside what was before."""
    return any(isinstance(node, lang.Earlier) for node in lang.nodes(request))


def is_clear(domain: Domain, done: Sequence[Call], unless: Sequence[str]) -> bool:
    """Whether none of the calls that have been made leaves a question open to another reading: by a tool, or by a
    figure in its result (``tool.field``)."""
    world = domain.world()
    for call in done if unless else ():
        for step in domain.steps(world, call):
            value = domain.execute(world, step).value
            held = value.items() if isinstance(value, Mapping) else ()
            if not {step.name, *(f"{step.name}.{field}" for field, inner in held if inner)}.isdisjoint(unless):
                return False
    return True


def edits(domain: Domain, universe: Universe, done: Sequence[Call]) -> Iterator[Edits]:
    """Changes of the records on which the results of these errands may rest: one that is as another of its kind is, or
    that has another number in a field."""
    subjects = list(islice(_subjects(domain, universe, done), _MOST_RECORDS))
    own = {id(one) for one in subjects}
    kinds = {one.kind: universe.of(one.kind) for one in subjects}
    alike = (
        (one, other) for kind in kinds.values() for one in kind if id(one) in own for other in kind if other is not one
    )
    yield from islice((edit for one, other in alike for edit in doubled(domain, one, other)), _MOST_DOUBLED)
    for one in subjects:
        place = place_of(domain, one)
        for field, value in one.record.items() if place is not None else ():
            if place is not None and is_number(value) and (edit := set_at(domain, place, field, value + 10)):
                yield edit


def _subjects(domain: Domain, universe: Universe, done: Sequence[Call]) -> Iterator[Shown]:
    """The records that errands name, what these hold, and what they refer to."""
    seen: set[int] = set()
    named = [one for call in done for one in _named(domain, universe, call)]
    held = [one for kind in universe.by_kind.values() for one in kind if any(one.is_within(around) for around in named)]
    referred = [one for record in named for one in _referred(domain, universe, record)]
    for one in (*held, *named, *referred):
        if id(one) not in seen:
            seen.add(id(one))
            yield one


def _named(domain: Domain, universe: Universe, call: Call) -> Iterator[Shown]:
    errand = domain.errand(call.name)
    for slot, spec in errand.parameters.items() if errand is not None else ():
        given = call.arguments.get(slot)
        for value in given if isinstance(given, list) else [given]:
            name = spec.item.name if spec.kind == "list" else spec.name
            for kind, own in identities(domain).get(name, {}).items():
                yield from (one for one in universe.of(kind) if value is not None and one.record.get(own) == value)


def _referred(domain: Domain, universe: Universe, record: Shown) -> Iterator[Shown]:
    """The records whose ids stand in a record."""
    ids = {value for value in record.record.values() if isinstance(value, str)}
    for kinds in identities(domain).values():
        for kind, own in kinds.items():
            yield from (one for one in universe.of(kind) if one is not record and set(values_at(one.record, own)) & ids)
