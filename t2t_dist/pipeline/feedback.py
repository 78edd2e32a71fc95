"""What is explored next, by what came out so far: writes whose tasks fall into the wanted band of pass rates come more.

Off by default (``feedback``). A worker counts, for each write that a task's gold makes, how many tasks were rolled out
and how many of them were kept; the driver turns the sums of all workers into favours and tells them. So with feedback
the trajectories depend on what was finished when, and a second run gives other ones; every task is still proven, and
every stored trajectory still replays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

#: Counters of the run: tasks rolled out, and those in the band, by write.
_MADE, _KEPT = "band.made.", "band.kept."
#: No write falls below this share of the best: what is too easy or too hard today may not be for the next agent.
LEAST = 0.1


def counted(writes: Iterable[str], kept: bool) -> Counter[str]:
    """What one task that was rolled out adds to the run's counters."""
    counts: Counter[str] = Counter()
    for write in set(writes):
        counts[_MADE + write] += 1
        counts[_KEPT + write] += kept
    return +counts


def favours(counters: Mapping[str, float]) -> dict[str, float]:
    """Each write's share of tasks kept, relative to the best (1.0), :data:`LEAST` at least.

    Two tasks, one of them kept, are taken for granted for each write, so that the first few decide little. A write that
    was never rolled out is not named: it counts as 1.0.
    """
    made = {name.removeprefix(_MADE): count for name, count in counters.items() if name.startswith(_MADE)}
    rates = {write: (counters.get(_KEPT + write, 0) + 1) / (count + 2) for write, count in made.items()}
    best = max(rates.values(), default=1.0)
    return {write: round(max(LEAST, rate / best), 2) for write, rate in sorted(rates.items())}
