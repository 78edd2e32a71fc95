"""Limits on the figures of an audit: those of the product, and others in their place (``--fail-under``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from t2t_dist.core.errors import InputError

from ..thresholds import ThresholdResult
from .measures import MEASURES, Measure

_LIMIT = re.compile(r"\s*(?P<name>\w+)\s*(?:\[(?P<which>[^\]]*)\])?\s*(?P<sign><=|<|>=|>)\s*(?P<bound>\d*\.?\d+)\s*")
_SIGNS = {
    "<=": lambda value, bound: value <= bound + _ROUNDING,
    "<": lambda value, bound: value < bound - _ROUNDING,
    ">=": lambda value, bound: value >= bound - _ROUNDING,
    ">": lambda value, bound: value > bound + _ROUNDING,
}
_ROUNDING = 1e-9
#: Measures that miss a limit only where the whole of their interval does: a sample by chance does better than chance.
_BY_INTERVAL = frozenset({"guess", "prior"})


class Limit(NamedTuple):
    """A bound such as ``prior<=0.6``, on every figure of this name, or on those about all that stands in brackets."""

    text: str
    name: str
    which: tuple[str, ...]
    sign: str
    bound: float

    def applies(self, measure: Measure) -> bool:
        names = {measure.about, measure.about.partition(":")[2], measure.on}
        return measure.name == self.name and names.issuperset(self.which)

    def holds(self, measure: Measure) -> bool:
        value = measure.value
        if self.name in _BY_INTERVAL:
            value = measure.low if self.sign.startswith("<") else measure.high
        return value is not None and _SIGNS[self.sign](value, self.bound)


def parse_limit(text: str) -> Limit:
    """A limit from its text, such as ``floor[liar, infeasible]<=0.05``. Raises InputError: not of this form."""
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise InputError(f"--fail-under {text}: write it as 'prior<=0.7' or 'floor[liar, infeasible]<=0.05'")
    if match["name"] not in MEASURES:
        near = get_close_matches(match["name"], MEASURES, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(MEASURES)}"
        raise InputError(f"--fail-under {text}: an audit does not measure '{match['name']}'; {hint}")
    which = tuple(name.strip() for name in (match["which"] or "").split(",") if name.strip())
    return Limit(text, match["name"], which, match["sign"], float(match["bound"]))


#: The limits of the product.
LIMITS = tuple(
    map(
        parse_limit,
        (
            "oracle>=1",
            "floor<=0",
            "guess<=0.05",
            "a_then_b<=0",
            "unseen_figures[scripted:oracle]<=0",
            "prior<=0.6",
            "odd<=0",
            "rule_share>=0.01",
            "write_share<=0.25",
        ),
    )
)


def limit_on(measure: Measure, given: Sequence[Limit] = ()) -> Limit | None:
    """The limit that counts for a figure: the last one given for it, else the product's."""
    return next((limit for limit in reversed((*LIMITS, *given)) if limit.applies(measure)), None)


def verdicts(measures: Sequence[Measure], given: Sequence[Limit] = ()) -> list[ThresholdResult]:
    """A verdict for each figure that has a limit. One that was given and is about nothing measured does not hold."""
    found = []
    for measure in measures:
        limit = limit_on(measure, given) if measure.value is not None else None
        if limit is not None:
            found.append(ThresholdResult(limit.text, measure.of, measure.on, limit.holds(measure), _detail(measure)))
    for limit in given:
        if not any(limit.applies(measure) and measure.value is not None for measure in measures):
            found.append(ThresholdResult(limit.text, limit.name, "", False, "nothing of this was measured"))
    return found


def _detail(measure: Measure) -> str:
    return "; ".join(part for part in (measure.shown, f"n {measure.n}", measure.detail) if part)
