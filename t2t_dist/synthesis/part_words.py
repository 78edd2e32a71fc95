"""The words of a customer who adds something to what they asked for, or takes a part of it back."""

from __future__ import annotations

import random

from t2t_dist.environments.base import Domain
from t2t_dist.environments.language import Said, placeholders
from t2t_dist.environments.state import World
from t2t_dist.environments.tidy import tidy
from t2t_dist.environments.tools import Call

from .asking import way
from .intents.parts import ADDED, Part


def part_request(
    domain: Domain, world: World, part: Part, second: Call, customer: str, style: str, rng: random.Random
) -> str:
    """What the customer says who wants ``second`` now, where ``part`` is added or taken back: what is added, or what
    stays; of a number, what it comes to."""
    phrase = rng.choice(domain.language.tool(domain.tools.get(second.name) or second.name).part)
    slots = placeholders(phrase)
    first = slots[0]
    more = {slot: _text(domain.describe(world, part.call, slot, customer)) for slot in slots}
    left = _text(domain.describe(world, second, first, customer))
    if not isinstance(second.arguments[first], list):
        act = "more_of_it" if part.kind == ADDED else "less_of_it"
        return tidy(way(act, style, rng).format(part=more[first], whole=left))
    if part.kind == ADDED:
        return tidy(way("as_well", style, rng).format(part=phrase.format_map(more)))
    return tidy(way("only_that", style, rng).format(part=more[first], left=left))


def _text(said: Said) -> str:
    return said.own or said.text
