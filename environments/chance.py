"""Random draws for generated databases: exact shares even in small ones, numbers without repetition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import TypeVar

from .splits import Own

T = TypeVar("T")


def deal(rng: Random, count: int, shares: Mapping[T, float]) -> list[T]:
    """``count`` values in random order, each as often as its share says, even for a small ``count``."""
    dealt: list[T] = []
    reached = 0.0
    for value, share in shares.items():
        reached += share
        dealt += [value] * (round(reached * count) - len(dealt))
    rng.shuffle(dealt)
    return dealt


def unique_numbers(rng: Random, digits: int, own: Own) -> Iterator[str]:
    """Random numbers with ``digits`` digits, without repetition, that are ``own`` (:func:`.splits.own`)."""
    seen: set[int] = set()
    while True:
        number = rng.randrange(10 ** (digits - 1), 10**digits)
        if number not in seen and own(str(number)):
            seen.add(number)
            yield str(number)
