"""Costs of a run: model calls, tokens and seconds by stage, seat and model; money where prices are given.

Every call is counted where it is made: failed attempts, judges and rejected tasks included. The counts of an item are
committed with its rows (counters of the ledger), so they are in the sum exactly once. What a lost worker spent on items
that were requeued is not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from t2t_dist.core.errors import InputError
from t2t_dist.models.metering import KINDS, PREFIX


class Price(NamedTuple):
    """Prices: money per million tokens. Prompt tokens from a cache have their own price."""

    prompt: float
    completion: float
    cached: float


class Cost(NamedTuple):
    """The costs of one seat with one model in one stage. ``failed`` calls gave no answer; ``money`` is ``None`` without
    a price. ``prompt_tokens`` includes the cached ones."""

    stage: str
    seat: str
    model: str
    calls: int
    failed: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    waited_s: float
    model_s: float
    money: float | None


def costs_of(counters: Mapping[str, int | float], prices: Mapping[str, Price] | None = None) -> list[Cost]:
    """The costs in a ledger's counters, by stage, seat and model."""
    spent: dict[tuple[str, str, str], Counter[str]] = {}
    for name, value in counters.items():
        if name.startswith(PREFIX):
            stage_of, seat, rest = name.removeprefix(PREFIX).split("|", 2)
            model, _, kind = rest.rpartition("|")
            spent.setdefault((stage_of, seat, model), Counter())[kind] += int(value)
    return [_cost(*key, counts, prices or {}) for key, counts in sorted(spent.items(), key=_order)]


_STAGES = ("explore", "convert", "verify", "rollout")


def _order(item: tuple[tuple[str, str, str], Any]) -> tuple[int, str, str]:
    (stage_of, seat, model), _ = item
    return (_STAGES.index(stage_of) if stage_of in _STAGES else len(_STAGES), seat, model)


def _cost(stage_of: str, seat: str, model: str, counts: Counter[str], prices: Mapping[str, Price]) -> Cost:
    calls, failed, prompt, cached, completion, waited, took = (counts[kind] for kind in KINDS)
    price = _price(model, prices)
    money = None
    if price is not None:
        money = (price.prompt * (prompt - cached) + price.cached * cached + price.completion * completion) / 1e6
    return Cost(stage_of, seat, model, calls, failed, prompt, cached, completion, waited / 1000, took / 1000, money)


def _price(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price for the full name, for MODEL in it, or for ``*``."""
    short = model.partition(":")[2].partition("@")[0]
    return prices.get(model) or prices.get(short) or prices.get("*")


def parse_prices(texts: Iterable[str]) -> dict[str, Price]:
    """``MODEL=PROMPT/COMPLETION[/CACHED]``, money per million tokens; ``*`` is every other model.

    Raises:
        InputError: not of this form.
    """
    prices = {}
    for text in texts:
        model, equals, rest = text.rpartition("=")
        try:
            figures = [float(part) for part in rest.split("/")]
        except ValueError:
            figures = []
        if not equals or not model or len(figures) not in (2, 3) or min(figures) < 0:
            raise InputError(
                f"--price {text}: write it as MODEL=PROMPT/COMPLETION or MODEL=PROMPT/COMPLETION/CACHED, "
                "money per million tokens, such as 'my-model=0.5/1.5'"
            )
        prices[model.strip()] = Price(figures[0], figures[1], figures[2] if len(figures) == 3 else figures[0])
    return prices
