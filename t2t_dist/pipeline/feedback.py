"""Feedback weights: writes whose tasks fall into the wanted band of pass rates are explored more often.

Off by default (``feedback``). For each write in a task's gold, a worker counts the tasks rolled out and those of them
that were kept; the driver turns the sums over all workers into weights and sends these back. With feedback the
trajectories therefore depend on what finished when, and a second run gives others; every task is still certified, and
every stored trajectory still replays.

The same is counted by the structural level of the tasks. The level that a trajectory is made for stays what its seed
says; what was counted is shown as the ``--difficulty`` to ask for next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from t2t_dist.config.difficulty import shares_text

#: Prefixes of counters, by write: tasks rolled out, and those of them in the band.
_MADE, _KEPT = "band.made.", "band.kept."
#: The same by structural level.
_MADE_LEVEL, _KEPT_LEVEL = "levels.made.", "levels.kept."
#: Lowest weight: what is too easy or too hard for these agents may not be for the next.
LEAST = 0.1


def band_counts(writes: Iterable[str], kept: bool, level: int | None = None) -> Counter[str]:
    """The counts that one rolled-out task adds to the run's counters."""
    counts: Counter[str] = Counter()
    for write in set(writes):
        counts[_MADE + write] += 1
        counts[_KEPT + write] += kept
    if level is not None:
        counts[f"{_MADE_LEVEL}{level}"] += 1
        counts[f"{_KEPT_LEVEL}{level}"] += kept
    return +counts


def feedback_weights(counters: Mapping[str, float]) -> dict[str, float]:
    """The weight of each write: its share of tasks kept relative to the best share, in [:data:`LEAST`, 1.0].

    Each write starts with two assumed tasks, one of them kept, so that the first few decide little. A write that was
    never rolled out is left out: its weight is 1.0.
    """
    return _weights(counters, _MADE, _KEPT)


def difficulty_wanted(counters: Mapping[str, float]) -> str | None:
    """What ``--difficulty`` to ask for next, by which levels gave tasks in the band: ``2=0.3,3=0.7``; ``None``: no task
    of a known level was rolled out."""
    weights = {int(level): weight for level, weight in _weights(counters, _MADE_LEVEL, _KEPT_LEVEL).items()}
    total = sum(weights.values())
    return shares_text({level: round(weight / total, 2) for level, weight in weights.items()}) if weights else None


def _weights(counters: Mapping[str, float], made_by: str, kept_by: str) -> dict[str, float]:
    made = {name.removeprefix(made_by): count for name, count in counters.items() if name.startswith(made_by)}
    rates = {what: (counters.get(kept_by + what, 0) + 1) / (count + 2) for what, count in made.items()}
    best = max(rates.values(), default=1.0)
    return {what: round(max(LEAST, rate / best), 2) for what, rate in sorted(rates.items())}
