"""Feedback weights: writes whose tasks fall into the wanted band of pass rates are explored more often.

Off by default (``feedback``). For each write in a task's gold, a worker counts the tasks rolled out and those of them
that were kept; the driver turns the sums over all workers into weights and sends these back. With feedback the
trajectories therefore depend on what finished when, and a second run gives others; every task is still certified, and
every stored trajectory still replays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

#: Prefixes of counters, by write: tasks rolled out, and those of them in the band.
_MADE, _KEPT = "band.made.", "band.kept."
#: Lowest weight: what is too easy or too hard for these agents may not be for the next.
LEAST = 0.1


def band_counts(writes: Iterable[str], kept: bool) -> Counter[str]:
    """The counts that one rolled-out task adds to the run's counters."""
    counts: Counter[str] = Counter()
    for write in set(writes):
        counts[_MADE + write] += 1
        counts[_KEPT + write] += kept
    return +counts


def feedback_weights(counters: Mapping[str, float]) -> dict[str, float]:
    """The weight of each write: its share of tasks kept relative to the best share, in [:data:`LEAST`, 1.0].

    Each write starts with two assumed tasks, one of them kept, so that the first few decide little. A write that was
    never rolled out is left out: its weight is 1.0.
    """
    made = {name.removeprefix(_MADE): count for name, count in counters.items() if name.startswith(_MADE)}
    rates = {write: (counters.get(_KEPT + write, 0) + 1) / (count + 2) for write, count in made.items()}
    best = max(rates.values(), default=1.0)
    return {write: round(max(LEAST, rate / best), 2) for write, rate in sorted(rates.items())}
