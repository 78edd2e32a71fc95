"""Counts of a run's results so far: from its ledger and its indexed rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from t2t_dist.core.schema import INTENTS
from t2t_dist.evaluation.summary import counted

from .index import MISSED, NO_RESULT, PASSED, UNDECIDED
from .runs import ViewedRun


class Cell(NamedTuple):
    """Episodes of one agent and intent (or level, or task): passed, graded, and without a result."""

    passed: int
    graded: int
    without: int


def matrix(run: ViewedRun, facet: str = "intent") -> dict[str, dict[str, Cell]]:
    """``{agent: {intent: Cell}}`` of the rollouts read so far, or of another facet in place of the intent; those of
    verification are not counted."""
    index = run.episodes
    count = index.rows
    agents, columns, results = (index.facets[name] for name in ("agent", facet, "result"))
    names = list(agents.values), list(columns.values), list(results.values)
    shape = tuple(max(len(each), 1) for each in names)
    codes = np.ravel_multi_index(
        (agents.codes(count), columns.codes(count), results.codes(count)), shape, mode="clip"
    )  # clip: a value may have been added since the names were read
    sums = np.bincount(codes[index.select({"stage": "rollout"}, count)], minlength=int(np.prod(shape))).reshape(shape)
    found: dict[str, dict[str, Cell]] = {}
    for a, agent in enumerate(names[0]):
        cells: dict[str, Cell] = {}
        for c, column in enumerate(names[1]):
            by = {result: int(sums[a, c, r]) for r, result in enumerate(names[2])}
            passed, missed = by.get(PASSED, 0), by.get(MISSED, 0)
            without = by.get(UNDECIDED, 0) + by.get(NO_RESULT, 0)
            if passed + missed + without:
                cells[column] = Cell(passed, passed + missed, without)
        if cells:
            order: dict[str, int] = {intent: place for place, intent in enumerate(INTENTS)}
            found[agent] = dict(sorted(cells.items(), key=lambda item: (order.get(item[0], 99), item[0])))
    return dict(sorted(found.items()))


def by_level(run: ViewedRun) -> dict[str, dict[str, Cell]]:
    """:func:`matrix` by the structural level of the tasks; empty where there are not two."""
    found = matrix(run, "difficulty")
    levels = {level for cells in found.values() for level in cells if level}
    if len(levels) < 2:
        return {}
    return {agent: {level: cell for level, cell in cells.items() if level} for agent, cells in found.items()}


def by_combination(run: ViewedRun) -> dict[str, dict[str, Cell]]:
    """:func:`matrix` by what tasks of several intents combine; empty where there are none."""
    named = {
        agent: {name: cell for name, cell in cells.items() if name}
        for agent, cells in matrix(run, "combination").items()
    }
    return {agent: cells for agent, cells in named.items() if cells}


def run_counts(run: ViewedRun) -> dict[str, Any]:
    """A run's counts from its ledger: known before a row is read."""
    counters = run.state.counters
    tasks = {intent: int(counters.get(f"tasks.{intent}", 0)) for intent in INTENTS}
    return {
        "trajectories": run.state.rows("trajectories"),
        "tasks": run.state.rows("tasks"),
        "verified": sum(tasks.values()),
        "by_intent": tasks,
        "episodes": run.state.rows("episodes"),
        "failures": run.state.rows("failures"),
        "rejected": counted(counters, "rejected"),
        "by_failure": counted(counters, "failures"),
    }
