"""Parts of an errand: what a customer adds when they are asked to confirm it, or takes back.

Which arguments make up a part is declared: ``part`` of a tool's words in ``language.yaml`` names them. They are lists,
of which one element each is a part, or one number.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple

from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import is_valid_errand
from t2t_dist.environments.language import placeholders
from t2t_dist.environments.tools import Call

from ..bindings import Binder, canonical_json, reachable_values
from ..normal_calls import in_order
from .gold_check import final_state

ADDED: Literal["added"] = "added"
TAKEN_BACK: Literal["taken back"] = "taken back"
#: Parts that are tried for one errand.
_MOST_TRIED = 12
#: Elements of an errand with a part more, at most: who wants more than this says so at once.
_MOST = 4


class Part(NamedTuple):
    """What is added or taken back: ``call`` is the errand for this part alone."""

    kind: Literal["added", "taken back"]
    call: Call


class Pair(NamedTuple):
    """An errand and, with a part added or taken back, what the customer wants then."""

    first: Call
    second: Call


def slots_of_a_part(domain: Domain, name: str) -> list[str]:
    """The arguments of an errand that make up a part; empty where nothing is ever added or taken back."""
    phrases = domain.language.tool(domain.tools.get(name) or name).part
    return list(dict.fromkeys(slot for text in phrases for slot in placeholders(text)))


def part_between(domain: Domain, first: Call, second: Call) -> Part | None:
    """What is added to the first errand, or taken back of it, to make the second; ``None``: they differ otherwise."""
    slots = slots_of_a_part(domain, first.name) if first.name == second.name else []
    if not slots or any(slot not in call.arguments for slot in slots for call in (first, second)):
        return None
    rest, other = ({k: v for k, v in call.arguments.items() if k not in slots} for call in (first, second))
    if canonical_json(rest) != canonical_json(other):
        return None
    values = [[call.arguments[slot] for slot in slots] for call in (first, second)]
    if len(slots) == 1 and all(map(_is_number, values[0] + values[1])):
        more = values[1][0] - values[0][0]
        part = None if more == 0 else [abs(more)]
        kind = ADDED if more > 0 else TAKEN_BACK
    elif all(isinstance(value, list) for value in values[0] + values[1]):
        small, large = sorted((_rows(values[0]), _rows(values[1])), key=len)
        keys = set(map(canonical_json, small))
        left = [row for row in large if canonical_json(row) not in keys]
        is_part = small and left and len(keys) == len(small) and len(left) + len(small) == len(large)
        part = [list(column) for column in zip(*left, strict=True)] if is_part else None
        kind = ADDED if len(_rows(values[1])) > len(_rows(values[0])) else TAKEN_BACK
    else:
        return None
    if part is None:
        return None
    return Part(kind, Call(first.name, {**first.arguments, **dict(zip(slots, part, strict=True))}))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rows(columns: Sequence[list[Any]]) -> list[list[Any]]:
    """The elements of lists of one length, side by side; empty where their lengths differ."""
    return [list(row) for row in zip(*columns, strict=True)] if len(set(map(len, columns))) == 1 else []


def pairs_of(domain: Domain, customer: str, errands: Sequence[Call], number: int, rng: random.Random) -> Iterator[Pair]:
    """The errand with the same and a part added, or a part less, in random order: either is wanted first.

    Both are possible where ``errands[:number]`` is done.
    """
    errand = errands[number]
    found = [*_with_less(domain, errand), *_with_more(domain, customer, errand, rng)]
    world = domain.world()
    for call in errands[:number]:
        domain.carry_out(world, call)
    for other in rng.sample(found, min(len(found), _MOST_TRIED)):
        if not is_valid_errand(domain, world, other, customer):
            continue
        both = [errand, other]
        rng.shuffle(both)
        if part_between(domain, *both) is not None and domain.plausible_instead(world, *both):
            yield Pair(*both)


def _with_less(domain: Domain, errand: Call) -> Iterator[Call]:
    slots = [slot for slot in slots_of_a_part(domain, errand.name) if isinstance(errand.arguments.get(slot), list)]
    rows = _rows([errand.arguments[slot] for slot in slots]) if slots else []
    for left_out in range(len(rows) if len(rows) > 1 else 0):
        kept = rows[:left_out] + rows[left_out + 1 :]
        columns = ([row[place] for row in kept] for place in range(len(slots)))
        yield in_order(domain, Call(errand.name, {**errand.arguments, **dict(zip(slots, columns, strict=True))}))


def _with_more(domain: Domain, customer: str, errand: Call, rng: random.Random) -> Iterator[Call]:
    kind, slots = domain.errand(errand.name), slots_of_a_part(domain, errand.name)
    if kind is None or any(slot not in errand.arguments for slot in slots):
        return
    if len(slots) == 1 and _is_number(errand.arguments[slots[0]]):
        for number in filter(_is_number, kind.parameters[slots[0]].choices):
            if number != errand.arguments[slots[0]]:
                yield Call(errand.name, {**errand.arguments, slots[0]: number})
    elif slots and all(isinstance(errand.arguments[slot], list) for slot in slots):
        if max(len(errand.arguments[slot]) for slot in slots) >= _MOST:
            return
        given = {slot: [value] for slot, value in errand.arguments.items() if slot not in slots}

        def is_new(slot: str, value: Any, _: dict[str, Any]) -> bool:
            return value[0] not in errand.arguments[slot] if slot in slots else value == errand.arguments.get(slot)

        bound = Binder(
            kind,
            reachable_values(domain, customer),
            extra=given,
            accept=is_new,
            rng=rng,
            sizes=dict.fromkeys(slots, 1),
        )
        for arguments in islice(bound.calls(), _MOST_TRIED):
            both = {slot: [*errand.arguments[slot], *arguments[slot]] for slot in slots}
            yield in_order(domain, Call(errand.name, {**errand.arguments, **both}))


def is_one_write(domain: Domain, errands: Sequence[Call], number: int, added: Part, before: Call) -> bool:
    """Whether what is added has to be done together with the rest: to do ``before`` and then the part by itself is
    refused, or ends in another state than ``errands``."""
    apart = [*errands[:number], before, added.call, *errands[number + 1 :]]
    return final_state(domain, apart) != final_state(domain, errands)
