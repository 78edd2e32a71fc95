"""Adaptive trials: more episodes on the tasks whose pass rate is least certain.

``trials: adaptive`` repeats a task while the posterior of its pass rate (uniform prior, so Beta(passed + 1,
missed + 1)) is wider than wanted: tasks that are always or never solved get few trials, those in between get many. The
rule looks at one agent on one task alone, so any number of workers still gives the same rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from math import sqrt
from typing import TypeVar

from t2t_dist.config.settings import AdaptiveConfig

T = TypeVar("T")


def deviation(graded: int, passed: int) -> float:
    """Standard deviation of the pass rate's posterior."""
    a, b = passed + 1, graded - passed + 1
    return sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))


def enough(settings: AdaptiveConfig, made: int, graded: int, passed: int) -> bool:
    """Whether ``made`` episodes of a task suffice, given how many of them were graded and how many passed."""
    if made < settings.least:
        return False
    return made >= settings.most or deviation(graded, passed) <= settings.sd


async def adaptively(
    settings: AdaptiveConfig, episode: Callable[[int], Awaitable[T]], reward: Callable[[T], float | None]
) -> AsyncIterator[T]:
    """Episodes of one agent on one task, one after the other, until there are enough.

    Args:
        episode: runs the one with this trial number.
        reward: its reward; ``None`` for a failure, which says nothing about the pass rate.
    """
    made = graded = passed = 0
    while not enough(settings, made, graded, passed):
        done = await episode(made)
        made += 1
        value = reward(done)
        if value is not None:
            graded += 1
            passed += value >= 1.0
        yield done
