"""The difficulty that is asked for: one level for all trajectories, or shares of levels, ``1=0.5,3=0.3,5=0.2``."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

from t2t_dist.core.identity import seed_of

LEVELS = range(1, 6)
_HOW = "give a level from 1 to 5, or shares of levels, such as 1=0.5,3=0.3,5=0.2"


def difficulty_from(given: Any) -> int | str:
    """A level, or shares in their one spelling (by level, none 0), from what a person wrote: ``3``, ``"3"``,
    ``"5=1, 1=2"``, ``{1: 2, 5: 1}``. Shares need not sum to 1.

    Raises:
        ValueError: none of these; the message says what to give.
    """
    if isinstance(given, int) and not isinstance(given, bool) and given in LEVELS:
        return given
    if isinstance(given, str) and "=" not in given:
        given = {given: 1.0}
    found: dict[int, float] = {}
    for level, share in _pairs(given):
        number, weight = _number(level), _number(share)
        if number not in LEVELS or number in found or not 0 <= weight < math.inf:
            raise ValueError(_HOW)
        found[int(number)] = weight
    wanted = {level: weight for level, weight in sorted(found.items()) if weight > 0}
    if not wanted:
        raise ValueError(_HOW)
    return next(iter(wanted)) if len(wanted) == 1 else shares_text(wanted)


def shares_text(shares: Mapping[int, float]) -> str:
    """Shares of levels as ``--difficulty`` takes them."""
    return ",".join(f"{level}={share:g}" for level, share in shares.items())


def level_for(difficulty: int | str, seed: int) -> int:
    """The level of a trajectory, drawn from its seed alone: exploring and converting it agree."""
    if isinstance(difficulty, int):
        return difficulty
    shares = {int(level): float(share) for level, share in _pairs(difficulty)}
    return random.Random(seed_of(seed, "difficulty")).choices(list(shares), list(shares.values()))[0]


def _pairs(given: Any) -> list[tuple[Any, Any]]:
    if isinstance(given, Mapping):
        return list(given.items())
    if not isinstance(given, str):
        raise ValueError(_HOW)
    return [(level.strip(), share.strip()) for level, _, share in (part.partition("=") for part in given.split(","))]


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise ValueError(_HOW)
    try:
        return float(given)
    except ValueError:
        raise ValueError(_HOW) from None
