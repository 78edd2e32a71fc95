"""Conditions: customers who want something done only if it costs less, or gives them more, than they name.

The condition is about a field of the errand's result, so it is found out by working that out (on paper, or on a fork of
the world) before anything is changed. Where it does not hold, nothing is to be done, and the customer is to be told the
figure: an agent that does nothing has not found it out.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import NamedTuple

from t2t_dist.environments.language import Language, Tell

from . import language as lang

#: By difficulty: the share of errands with a figure that are asked for on a condition.
SHARES: Mapping[int, float] = {1: 0.0, 2: 0.2, 3: 0.5, 4: 0.6, 5: 0.7}
#: How often a condition holds.
_HOLDS = 0.6


class Condition(NamedTuple):
    """A limit on a figure of an errand's result: ``relation`` to ``limit`` dollars, in ``words``."""

    tell: Tell
    relation: lang.Rank
    limit: int
    words: str
    holds: bool


def drawn(language: Language, errand: str, result: Mapping[str, object], rng: random.Random) -> Condition | None:
    """A condition on a figure of this result; ``None`` where the domain has words for none of them."""
    options: list[tuple[Tell, lang.Rank, list[str], float]] = []
    for tell in language.tool(errand).tell:
        value = result.get(tell.field)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 2:
            options += [(tell, "more", tell.above, float(value))] if tell.above else []
            options += [(tell, "less", tell.below, float(value))] if tell.below else []
    if not options:
        return None
    tell, relation, words, value = rng.choice(options)
    holds = rng.random() < _HOLDS
    limit = _limit(value, below=holds is (relation == "more"), rng=rng)
    return Condition(tell, relation, limit, rng.choice(words).format(value=said(result[tell.field], limit)), holds)


def said(figure: object, limit: int) -> str:
    """A limit in words: dollars where the figure is money, which has cents."""
    return f"${limit}" if isinstance(figure, float) else str(limit)


def limits_around(value: float) -> tuple[int, int]:
    """A round number that is clearly less than a value, and one that is clearly more."""
    return _round(value, 0.6, below=True), _round(value, 1.4, below=False)


def _limit(value: float, below: bool, rng: random.Random) -> int:
    return _round(value, rng.uniform(0.45, 0.9) if below else rng.uniform(1.12, 1.7), below)


def _round(value: float, times: float, below: bool) -> int:
    """A round number near so many times the value, and on the same side of it."""
    raw = value * times
    step = 10 if value >= 100 else 5 if value >= 20 else 1
    limit = int(raw // step) * step if below else (int(raw // step) + 1) * step
    return limit if limit > 0 else 1


def conditional(request: lang.Do, condition: Condition) -> lang.If:
    """The request on its condition."""
    outcome = lang.Outcome(of=request, field=condition.tell.field)
    limit = lang.Given(value=condition.limit)
    return lang.If(
        condition=lang.Compares(left=outcome, relation=condition.relation, right=limit), then=request, otherwise=None
    )
