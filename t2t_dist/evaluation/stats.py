"""Estimates of pass^k and of differences, with intervals that hold at small n and at rates near 0 and 1.

pass^k is the mean over tasks of C(c, k) / C(n, k), for c passes in n trials (tau-bench, arXiv 2406.12045): the chance
that k trials drawn from the n all pass. The two bounds count every failed episode as a pass and as a miss.

The interval is a bootstrap over tasks in its Bayesian form (Rubin 1981: weights from a Dirichlet distribution instead
of counts from a multinomial) with half a task that passes and half a task that fails added before the draw. With one
trial per task that is the Jeffreys interval of a proportion; with more it is the same idea for means of values in
[0, 1]. A percentile bootstrap gives [1, 1] after ten passes out of ten.
``benchmarks/intervals.py`` measures how often the interval covers the true rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np

ROUNDS = 2000
#: Pseudo-observations: (value, weight). Of a rate: half a task each way.
RATE_EDGES = ((0.0, 0.5), (1.0, 0.5))
#: Of a difference of two rates: half a pair each way and one pair that agrees (Agresti and Min, 2005).
DIFFERENCE_EDGES = ((-1.0, 0.5), (0.0, 1.0), (1.0, 0.5))


class Trials(NamedTuple):
    """The trials of one task and agent: graded, passed among these, and ended in a failure."""

    graded: int
    passed: int
    failed: int = 0


class PassK(NamedTuple):
    """An estimate of pass^k over ``tasks`` tasks (those with at least k graded trials); ``None`` if there are none."""

    k: int
    value: float | None
    low: float | None
    high: float | None
    if_failures_miss: float | None
    if_failures_pass: float | None
    tasks: int


class Difference(NamedTuple):
    """A mean difference over ``n`` pairs with its 95 % interval; ``None`` if there is no pair."""

    value: float | None
    low: float | None
    high: float | None
    n: int


#: Groups of tasks (those of one trajectory): {(sum of their values, their number): count}.
Groups = Mapping[tuple[float, int], int]


@lru_cache(maxsize=4096)
def exact_chance(passed: int, graded: int, k: int) -> Fraction:
    return Fraction(comb(passed, k), comb(graded, k))


def chance(passed: int, graded: int, k: int) -> float:
    """C(passed, k) / C(graded, k)."""
    return float(exact_chance(passed, graded, k))


def pass_k(
    trials: Iterable[Trials] | Mapping[Trials, int],
    k: int,
    *,
    groups: Groups | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> PassK:
    """pass^k over tasks, with its 95 % interval.

    ``trials`` lists the tasks, or counts equal ones. The tasks of one group are resampled together: tasks of one
    trajectory do not fail independently.
    """
    counted = trials if isinstance(trials, Mapping) else Counter(trials)
    values: Counter[Fraction] = Counter()
    miss: Counter[Fraction] = Counter()
    best: Counter[Fraction] = Counter()
    for each, times in counted.items():
        if each.graded >= k:
            values[exact_chance(each.passed, each.graded, k)] += times
        if (whole := each.graded + each.failed) >= k:
            miss[exact_chance(each.passed, whole, k)] += times
            best[exact_chance(each.passed + each.failed, whole, k)] += times
    worst, rosy, value = _mean(miss), _mean(best), _mean(values)
    if value is None:
        return PassK(k, None, None, None, worst, rosy, 0)
    drawn = groups if groups is not None else {(float(v), 1): n for v, n in values.items()}
    low, high = mean_interval(drawn, value, RATE_EDGES, rounds=rounds, seed=seed)
    return PassK(k, value, low, high, worst, rosy, values.total())


def difference(groups: Groups, *, rounds: int = ROUNDS, seed: int = 0) -> Difference:
    """The mean of differences in [-1, 1], each of one pair or of a group of pairs."""
    n = sum(size * times for (_, size), times in groups.items())
    if not n:
        return Difference(None, None, None, 0)
    total = sum(Fraction(value).limit_denominator(10**9) * times for (value, _), times in groups.items())
    value = float(total / n)
    low, high = mean_interval(groups, value, DIFFERENCE_EDGES, rounds=rounds, seed=seed)
    return Difference(value, low, high, n)


def independent_difference(now: Groups, before: Groups, *, rounds: int = ROUNDS, seed: int = 0) -> Difference:
    """The difference of the means of two sets of rates that share no task; ``n`` is the size of the smaller set."""
    sizes = [sum(size * times for (_, size), times in groups.items()) for groups in (now, before)]
    if not min(sizes):
        return Difference(None, None, None, 0)
    means = [
        sum(value * times for (value, _), times in groups.items()) / size
        for groups, size in zip((now, before), sizes, strict=True)
    ]
    rng = np.random.default_rng(seed)
    drawn = _draws(now, RATE_EDGES, rounds, rng) - _draws(before, RATE_EDGES, rounds, rng)
    value = means[0] - means[1]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Difference(value, min(float(low), value), max(float(high), value), min(sizes))


def mean_interval(
    groups: Groups, value: float, edges: Sequence[tuple[float, float]], *, rounds: int = ROUNDS, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of the mean ``value`` of what the groups hold, with the pseudo-observations ``edges``."""
    low, high = np.percentile(_draws(groups, edges, rounds, np.random.default_rng(seed)), [2.5, 97.5])
    # The pseudo-observations pull inwards: at the edge, the estimate itself is the bound.
    return min(float(low), value), max(float(high), value)


def _draws(groups: Groups, edges: Sequence[tuple[float, float]], rounds: int, rng: np.random.Generator) -> np.ndarray:
    """Means under random weights, ``rounds`` of them. Equal groups share one weight: Dirichlet weights add up so."""
    sums = np.array([value for value, _ in groups])
    sizes = np.array([size for _, size in groups], dtype=float)
    counts = np.array(list(groups.values()), dtype=float)
    typical = float(sizes @ counts / counts.sum())
    sums = np.concatenate([sums, [value * typical for value, _ in edges]])
    sizes = np.concatenate([sizes, [typical for _ in edges]])
    weights = rng.standard_gamma(np.concatenate([counts, [weight for _, weight in edges]]), (rounds, len(sums)))
    drawn: np.ndarray = (weights @ sums) / (weights @ sizes)
    return drawn


def _mean(values: Mapping[Fraction, int]) -> float | None:
    """The exact mean: that of equal values is the value."""
    total = sum(values.values())
    return float(sum((value * times for value, times in values.items()), Fraction(0)) / total) if total else None
