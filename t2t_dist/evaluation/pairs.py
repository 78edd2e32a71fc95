"""The paired figure: of the pairs of a task and its twin, how many an agent passes both, one or none of.

The words of the two are the same, and what is right in one is wrong in the other. So whoever guesses passes one of the
two at most, however lucky: the share of which both are passed is what an agent found out by looking.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from t2t_dist.core.identity import task_id, twin_id

from .stats import RATE_EDGES, Groups, mean_interval

#: What can become of a pair, by how many of its two tasks were passed: none, one, both.
OUTCOMES = ("none", "one", "both")


class Original(NamedTuple):
    """The task that another is the twin of, and the trajectory of both."""

    task_id: str
    trajectory: str


class Share(NamedTuple):
    """A share of pairs with its 95 % interval, over trajectories."""

    value: float
    low: float
    high: float


class Paired(NamedTuple):
    """An agent's pairs, each of one trial: how many ended in each of :data:`OUTCOMES`, and their shares.

    ``left_out``: pairs of which one task has no result in that trial.
    """

    agent: str
    pairs: int
    counts: dict[str, int]
    shares: dict[str, Share]
    left_out: int

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        shares = {name: list(share) for name, share in self.shares.items()}
        return {"pairs": self.pairs, **self.counts, "share": shares, "left_out": self.left_out}


def twins_in(tasks: pa.Table) -> dict[str, Original]:
    """The twins among tasks by id, each with its original. ``tasks`` has ``task_id, trajectory, intent``.

    A twin's id follows from its trajectory and intent, so no task has to be read.
    """
    names = ["trajectory", "intent"]
    several = tasks.group_by(names).aggregate([("task_id", "count_distinct")])
    several = several.filter(pc.greater(several["task_id_count_distinct"], pa.scalar(1)))
    ids = set(tasks["task_id"].to_pylist()) if several.num_rows else set()
    found = {}
    for trajectory, intent in zip(*(several[name].to_pylist() for name in names), strict=True):
        twin, original = twin_id(trajectory, intent), task_id(trajectory, intent)
        if twin in ids and original in ids:
            found[twin] = Original(original, trajectory)
    return found


def read_pairs(
    twins: Mapping[str, Original], readers: Iterable[Callable[..., Iterable[pa.RecordBatch]]]
) -> list[Paired]:
    """Each agent's pairs, from the rollouts that were graded; empty where there are no twins."""
    if not twins:
        return []
    of = {one.task_id: twin for twin, one in twins.items()}
    #: By agent, pair and trial: whether each of the two passed, as far as that is decided.
    passed: defaultdict[tuple[str, str, int], dict[str, bool]] = defaultdict(dict)
    columns = ["agent", "task_id", "trial", "reward", "reward_high"]
    chosen = pc.field("task_id").isin(pa.array([*of, *twins], pa.string())) & (pc.field("stage") == "rollout")
    for reader in readers:
        for batch in reader("episodes", columns, chosen):
            for agent, task, trial, low, high in zip(*(batch[name].to_pylist() for name in columns), strict=True):
                if (low >= 1.0) == (high >= 1.0):
                    passed[str(agent), of.get(task, task), int(trial)][task] = low >= 1.0
    agents: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    left_out = Counter[str]()
    for (agent, twin, _), both in passed.items():
        if len(both) == 2:
            agents[agent].append((twins[twin].trajectory, sum(both.values())))
        else:
            left_out[agent] += 1
    return [_paired(agent, agents[agent], left_out[agent]) for agent in sorted({*agents, *left_out})]


def _paired(agent: str, found: list[tuple[str, int]], left_out: int) -> Paired:
    counts = Counter(passed for _, passed in found)
    shares = {name: _share(found, number) for number, name in enumerate(OUTCOMES)} if found else {}
    return Paired(agent, len(found), {name: counts[n] for n, name in enumerate(OUTCOMES)}, shares, left_out)


def _share(found: list[tuple[str, int]], number: int) -> Share:
    by_trajectory: defaultdict[str, list[int]] = defaultdict(list)
    for trajectory, passed in found:
        by_trajectory[trajectory].append(passed == number)
    counted = Counter((float(sum(held)), len(held)) for held in by_trajectory.values())
    groups: Groups = dict(sorted(counted.items()))  # the draws go by their order, which is not that of the rows
    value = sum(passed == number for _, passed in found) / len(found)
    return Share(value, *mean_interval(groups, value, RATE_EDGES))
