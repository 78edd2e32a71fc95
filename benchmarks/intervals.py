"""How often the 95 % intervals of pass^k and of differences cover the true value. Prints one JSON object.

    python -m benchmarks.intervals [--quick] [--runs 400]

Synthetic evaluations: each task has a pass rate of its own, drawn from a beta distribution with a known mean, and some
trials; the true pass^k of such tasks is known in closed form. Coverage is the share of evaluations whose interval
holds it. The percentile bootstrap is measured beside ours. Target: between 93 and 97 % at every number of tasks,
averaged over rates from 0.02 to 0.98.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from t2t_dist.evaluation.stats import ROUNDS, Trials, chance, difference, pass_k

RATES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98)
TASKS = (5, 10, 20, 50, 200)


def true_pass_k(mean: float, spread: float, k: int) -> float:
    """E[p^k] of p ~ Beta(mean * spread, (1 - mean) * spread)."""
    value = 1.0
    for n in range(k):
        value *= (mean * spread + n) / (spread + n)
    return value


def percentile(trials: Counter[Trials], k: int, rounds: int, rng: np.random.Generator) -> tuple[float, float]:
    """The interval of the usual bootstrap: draw as many tasks again, take the quantiles of their means."""
    values = np.array([chance(t.passed, t.graded, k) for t in trials])
    counts = np.array(list(trials.values()))
    means = rng.multinomial(counts.sum(), counts / counts.sum(), size=rounds) @ values / counts.sum()
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def coverage(
    tasks: int,
    trials: int,
    k: int,
    rates: Sequence[float] = RATES,
    spread: float = 2.0,
    rounds: int = ROUNDS,
    runs: int = 400,
    usual: bool = False,
) -> dict[float, float]:
    """By true mean rate: the share of ``runs`` evaluations whose interval holds the true pass^k; ``usual``: with the
    percentile bootstrap."""
    rng, found = np.random.default_rng(tasks), {}
    for rate in rates:
        truth, held = true_pass_k(rate, spread, k), 0
        for run in range(runs):
            passed = rng.binomial(trials, rng.beta(rate * spread, (1 - rate) * spread, tasks))
            counted = Counter(Trials(trials, int(c)) for c in passed)
            if usual:
                low, high = percentile(counted, k, rounds, rng)
            else:
                estimate = pass_k(counted, k, rounds=rounds, seed=run)
                assert estimate.low is not None
                assert estimate.high is not None
                low, high = estimate.low, estimate.high
            held += low <= truth <= high
        found[rate] = held / runs
    return found


def difference_coverage(
    tasks: int, trials: int, shifts: Sequence[float] = (0.0, 1.0, 3.0), rounds: int = ROUNDS, runs: int = 400
) -> dict[tuple[float, float], float]:
    """By (centre, shift) of two agents whose pass rates on a task are logit-normal and shifted: paired coverage."""
    rng, found = np.random.default_rng(tasks), {}
    population = rng.standard_normal(200_000)
    for centre in (-2.0, 0.0, 2.0):
        for shift in shifts:
            truth = float((_rate(centre + shift + population) - _rate(centre + population)).mean())
            held = 0
            for run in range(runs):
                hard = rng.standard_normal(tasks)
                one = rng.binomial(trials, _rate(centre + shift + hard)) / trials
                other = rng.binomial(trials, _rate(centre + hard)) / trials
                estimate = difference(Counter((float(d), 1) for d in one - other), rounds=rounds, seed=run)
                assert estimate.low is not None
                assert estimate.high is not None
                held += estimate.low <= truth <= estimate.high
            found[centre, shift] = held / runs
    return found


def _rate(logit: np.ndarray) -> np.ndarray:
    rate: np.ndarray = 1 / (1 + np.exp(-logit))
    return rate


def measure(runs: int, rounds: int) -> dict[str, object]:
    """The object that is printed: coverage in percent by number of tasks, and its extremes."""
    cases = ((1, 1), (4, 1), (4, 4))
    ours, usual, pairs = {}, {}, {}
    for tasks in TASKS:
        by_way = []
        for way in (False, True):
            covered = [coverage(tasks, trials, k, rounds=rounds, runs=runs, usual=way) for trials, k in cases]
            by_way.append(100 * fmean(value for each in covered for value in each.values()))
        ours[str(tasks)], usual[str(tasks)] = (round(value, 1) for value in by_way)
        pairs[str(tasks)] = round(100 * fmean(difference_coverage(tasks, 1, rounds=rounds, runs=runs).values()), 1)
    return {
        "benchmark": "intervals",
        "runs": runs,
        "coverage": ours,
        "percentile_bootstrap": usual,
        "differences": pairs,
        "lowest": min(ours.values()),
        "highest": max(ours.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intervals", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=int, default=400, help="synthetic evaluations of each kind")
    given = parser.parse_args()
    print(json.dumps(measure(40 if given.quick else given.runs, 200 if given.quick else 1000)))


if __name__ == "__main__":
    main()
