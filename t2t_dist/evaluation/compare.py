"""Comparisons of a run: its agents on the same tasks, intents of the same trajectories, and itself with a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import INTENTS

from .results_table import ALL, ResultsTable
from .stats import Difference

#: The control that the other intents are compared with.
CONTROL = "general"


class Compared(NamedTuple):
    """A difference: pass^k of ``one`` minus pass^k of ``other``. ``what``: agents, intents or baseline; ``on`` is what
    both share, an intent, a level or the agent. ``paired``: over tasks or trajectories that both have."""

    what: str
    one: str
    other: str
    on: str
    k: int
    difference: Difference
    paired: bool = True

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        plain = self._asdict()
        del plain["difference"]
        return {**plain, **self.difference._asdict()}


def between_agents(results: ResultsTable, ks: Sequence[int]) -> list[Compared]:
    """Each pair of agents, over all tasks, per intent and per structural level, on the tasks that both have."""
    parts: list[tuple[str, str, int | None]] = [(intent, intent, None) for intent in (ALL, *results.intents)]
    parts += [(f"level {level}", ALL, level) for level in results.levels]
    return [
        Compared("agents", one, other, on, k, difference)
        for one, other in combinations(results.agents, 2)
        for on, intent, level in parts
        for k in ks
        if (difference := results.between_agents(k, one, other, intent, level=level)).n
    ]


def between_intents(results: ResultsTable, ks: Sequence[int]) -> list[Compared]:
    """Each intent against the control, over the trajectories that gave both: the same errand, once with the twist."""
    return [
        Compared("intents", intent, CONTROL, agent, k, difference)
        for agent in results.agents
        for intent in results.intents
        if intent != CONTROL
        for k in ks
        if (difference := results.between_intents(k, agent, intent, CONTROL)).n
    ]


def with_baseline(results: ResultsTable, before: ResultsTable, ks: Sequence[int] = (1,)) -> list[Compared]:
    """Each agent against itself in an earlier run, over all intents and per intent.

    If each run has a single agent, these two are compared whatever their names: a new model against the old one.

    Raises:
        InputError: no agent of this run is in the other, or no intent.
    """
    pairs = [(agent, agent) for agent in results.agents if agent in before.agents]
    if not pairs and len(results.agents) == len(before.agents) == 1:
        pairs = [(results.agents[0], before.agents[0])]
    compared = []
    for agent, was in pairs:
        for intent in (ALL, *INTENTS):
            for k in ks:
                change, paired = results.since(before, k, agent, was, intent)
                if change.n:
                    compared.append(Compared("baseline", agent, was, intent, k, change, paired))
    if not compared:
        raise InputError(
            f"--baseline: its agents ({', '.join(before.agents) or 'none'}) and this run's "
            f"({', '.join(results.agents) or 'none'}) have no intent in common; give a run of the same agents"
        )
    return compared
