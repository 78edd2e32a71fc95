"""Whether a world with other records is one that could be: sums still add up, and dates are in their order.

A twin world proves that looking decides, whatever else it is. Where a conversation is held in it, its records have to
agree with themselves as well, or an agent that notices would be right to stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from t2t_dist.core.schema import RecordChange

from .evaluate import is_date, is_number

#: Sums are compared in cents.
_CENT = 0.005


def is_consistent(world: Sequence[RecordChange]) -> bool:
    """Whether each record keeps what held in it before; one that takes over all of another's fields does."""
    before = [one.before for one in world if isinstance(one.before, Mapping)]
    return all(isinstance(one.after, Mapping) and _keeps(one, before) for one in world)


def _keeps(change: RecordChange, others: Sequence[Mapping[str, Any]]) -> bool:
    own, after = change.before, change.after
    if not isinstance(own, Mapping):
        return False
    held = [record for record in (own, *others) if record.keys() == after.keys()]
    # Whatever all these records have in common: one that is paid by parts, say, has no sum.
    sums = set.intersection(*(set(_sums(record)) for record in held)) if held else set(_sums(own))
    rankings = set.intersection(*(set(_rankings(record)) for record in held)) if held else set(_rankings(own))
    return sums <= set(_sums(after)) and rankings <= set(_rankings(after))


def _sums(record: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Fields that are the sum of a field over the list in another: ``(total, items, amount)``."""
    for items, held in record.items():
        if not isinstance(held, list) or not held or not all(isinstance(one, Mapping) for one in held):
            continue
        for amount in held[0]:
            if not all(is_number(one.get(amount)) for one in held):
                continue
            whole = sum(one[amount] for one in held)
            for total, value in record.items():
                if is_number(value) and abs(value - whole) < _CENT:
                    yield total, items, amount


def _rankings(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of fields whose dates are in this order."""
    dates = {name: value[:10] for name, value in record.items() if is_date(value)}
    for one, other in combinations(dates, 2):
        if dates[one] <= dates[other]:
            yield one, other
        if dates[other] <= dates[one]:
            yield other, one
