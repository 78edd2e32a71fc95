"""Table of results: the trials of every task and agent of a run, as a few arrays even for a million episodes.

Rows are read in batches and added up per task; transcripts are never read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from t2t_dist.core.schema import INTENTS, combination_of
from t2t_dist.synthesis.kinds_of_request import KINDS

from .pairs import Paired, read_pairs, twins_in
from .stats import Difference, Groups, PassK, Trials, chance, difference, independent_difference, pass_k

#: Stands for all intents.
ALL = "all"
#: The names of all combinations of intents.
_COMBINATIONS = frozenset(
    name for n in range(2, len(INTENTS) + 1) for some in combinations(INTENTS, n) if (name := combination_of(some))
)
#: A bit for each kind of request.
_KIND_BITS = {kind.name: 1 << place for place, kind in enumerate(KINDS)}
_KEYS = ("domain", "agent", "intent", "task_id")
#: What rows say about the task.
_ABOUT = ("difficulty", "combination", "kinds")
#: Rows buffered before they are added up: memory grows with tasks, not with trials.
_PENDING = 200_000
Batches = Callable[[str, list[str], Any], Iterable[pa.RecordBatch]]


class ResultsTable:
    """Table of trial counts, of one run or several. ``domains, agents, intents`` are the names in it, in order;
    ``levels`` the structural levels of its tasks, without those that have none; ``combinations`` what those of several
    intents combine; ``kinds`` the kinds of request that its tasks have, a task any number of them; ``pairs`` says of
    each agent how it did on tasks with a twin, where the runs have some."""

    pairs: Sequence[Paired] = ()

    def __init__(self, table: pa.Table) -> None:
        """``table`` has a row per (domain, agent, intent, task_id) with ``graded, passed, failed, trajectory, level,
        combination, kinds`` (a bit for each). An episode whose grade is not decided is one of the failed: it widens the
        bounds and is no result."""
        self.domains = _distinct(table, "domain")
        self.agents = _distinct(table, "agent")
        met = set(_distinct(table, "intent"))
        self.intents = [intent for intent in INTENTS if intent in met]
        self._domain = _codes(table["domain"], self.domains)
        self._agent = _codes(table["agent"], self.agents)
        self._intent = _codes(table["intent"], list(INTENTS))
        self.tasks = pc.unique(table["task_id"])
        self._task = _codes(table["task_id"], self.tasks)
        self._group = _codes(table["trajectory"], pc.unique(table["trajectory"]))
        levels: Any = table["level"]
        self._level: np.ndarray = levels.fill_null(0).to_numpy().astype(np.int64)
        self.levels = [level for level in np.unique(self._level).tolist() if level]
        combined: Any = table["combination"]
        self.combinations = [name for name in _distinct(table, "combination") if name in _COMBINATIONS]
        self._combination = _codes(combined.fill_null(""), self.combinations)
        bits: Any = table["kinds"]
        self._kinds: np.ndarray = bits.fill_null(0).to_numpy().astype(np.int64)
        self.kinds = [name for name, bit in _KIND_BITS.items() if (self._kinds & bit).any()]
        self.twins = twins_in(table)
        self._twin = pc.is_in(table["task_id"], value_set=pa.array(list(self.twins), pa.string())).to_numpy()
        self._counts = np.stack([table[name].to_numpy() for name in ("graded", "passed", "failed")], axis=1).astype(int)

    @classmethod
    def read(cls, batches: Batches | Iterable[Batches]) -> ResultsTable:
        """The rollouts of runs; ``batches(table, columns, filter)`` gives the rows of one. The reference agent's
        episodes in verification are not results and are left out."""
        readers = [batches] if callable(batches) else list(batches)
        pending: list[pa.Table] = []
        waiting = 0
        rollouts = pc.field("stage") == "rollout"
        for reader in readers:
            for name, columns in (
                ("episodes", [*_KEYS, "trajectory_id", *_ABOUT, "reward", "reward_high"]),
                ("failures", [*_KEYS, *_ABOUT]),
            ):
                for batch in reader(name, columns, rollouts):
                    if not batch.num_rows:
                        continue
                    pending.append(_counted(pa.Table.from_batches([batch]), graded=name == "episodes"))
                    waiting += pending[-1].num_rows
                    if waiting > _PENDING:
                        pending = [_added_up(pending)]
                        waiting = 0
        whole = _added_up(pending)
        # The rows of a task with nothing but failures name no trajectory: it is its own group. Only after all rows are
        # added up, or its id would hide the trajectory that a later batch names.
        trajectory = pc.coalesce(whole["trajectory"], whole["task_id"])
        found = cls(whole.set_column(whole.schema.get_field_index("trajectory"), "trajectory", trajectory))
        found.pairs = read_pairs(found.twins, readers)
        return found

    @property
    def episodes(self) -> int:
        return int(self._counts[:, 0].sum())

    def _where(
        self,
        agent: str | None,
        intent: str,
        domain: str | None,
        level: int | None = None,
        combination: str | None = None,
        kind: str | None = None,
    ) -> np.ndarray:
        chosen = np.ones(len(self._agent), dtype=bool)
        if agent is not None:
            chosen &= self._agent == (self.agents.index(agent) if agent in self.agents else -1)
        if intent != ALL:
            chosen &= self._intent == INTENTS.index(intent)
        if domain is not None:
            chosen &= self._domain == (self.domains.index(domain) if domain in self.domains else -1)
        if level is not None:
            chosen &= self._level == level
        if combination is not None:
            known = combination in self.combinations
            chosen &= self._combination == (self.combinations.index(combination) if known else len(self.combinations))
        if kind is not None:
            chosen &= (self._kinds & _KIND_BITS[kind]) != 0
        return np.flatnonzero(chosen)

    def trials(
        self,
        agent: str | None = None,
        intent: str = ALL,
        domain: str | None = None,
        level: int | None = None,
        combination: str | None = None,
        kind: str | None = None,
    ) -> Counter[Trials]:
        """Tasks counted by their trials."""
        chosen = self._where(agent, intent, domain, level, combination, kind)
        rows, times = np.unique(self._counts[chosen], axis=0, return_counts=True)
        return Counter({Trials(*map(int, row)): int(n) for row, n in zip(rows, times, strict=True)})

    def passes(
        self,
        k: int,
        agent: str,
        intent: str = ALL,
        domain: str | None = None,
        level: int | None = None,
        combination: str | None = None,
        kind: str | None = None,
    ) -> PassK:
        """pass^k of an agent. Over all intents, the tasks of one trajectory are resampled together."""
        rows = self._where(agent, intent, domain, level, combination, kind)
        groups = self._groups(rows, self._values(rows, k)) if intent == ALL else None
        return pass_k(self.trials(agent, intent, domain, level, combination, kind), k, groups=groups or None)

    def between_agents(
        self,
        k: int,
        one: str,
        other: str,
        intent: str = ALL,
        domain: str | None = None,
        level: int | None = None,
    ) -> Difference:
        """pass^k of ``one`` minus that of ``other`` on the tasks that both have."""
        mine, theirs = self._where(one, intent, domain, level), self._where(other, intent, domain, level)
        return self._paired(k, mine, theirs, self, self._task)

    def between_intents(self, k: int, agent: str, one: str, other: str, domain: str | None = None) -> Difference:
        """pass^k on ``one`` intent minus that on the ``other``, where both tasks come from the same trajectory. Without
        twins: a trajectory gives one task of an intent, and each may have one."""
        mine, theirs = (rows[~self._twin[rows]] for rows in (self._where(agent, i, domain) for i in (one, other)))
        return self._paired(k, mine, theirs, self, self._group)

    def since(self, before: ResultsTable, k: int, agent: str, was: str, intent: str = ALL) -> tuple[Difference, bool]:
        """pass^k of ``agent`` here minus that of ``was`` in another run; True: paired, on the tasks that both have."""
        mine, theirs = self._where(agent, intent, None), before._where(was, intent, None)
        names = _codes(before.tasks, self.tasks)[before._task]
        paired = self._paired(k, mine, theirs, before, names, self._task)
        if paired.n:
            return paired, True
        now, then = self._values(mine, k), before._values(theirs, k)
        return independent_difference(self._groups(mine, now), before._groups(theirs, then)), False

    def _paired(
        self,
        k: int,
        mine: np.ndarray,
        theirs: np.ndarray,
        other: ResultsTable,
        their_keys: np.ndarray,
        my_keys: np.ndarray | None = None,
    ) -> Difference:
        """Mean difference over what has the same key on both sides and enough trials."""
        my_keys = their_keys if my_keys is None else my_keys
        mine, theirs = mine[self._counts[mine, 0] >= k], theirs[other._counts[theirs, 0] >= k]
        _, left, right = np.intersect1d(my_keys[mine], their_keys[theirs], return_indices=True)
        mine, theirs = mine[left], theirs[right]
        return difference(self._groups(mine, self._values(mine, k) - other._values(theirs, k)))

    def _values(self, rows: np.ndarray, k: int) -> np.ndarray:
        """C(c, k) / C(n, k) of each row; NaN where there are fewer than k graded trials."""
        kinds, place = np.unique(self._counts[rows, :2], axis=0, return_inverse=True)
        table = [chance(int(c), int(n), k) if n >= k else np.nan for n, c in kinds]
        values: np.ndarray = np.array(table)[place.reshape(-1)] if len(kinds) else np.zeros(0)
        return values

    def _groups(self, rows: np.ndarray, values: np.ndarray) -> Groups:
        """The values by trajectory: (their sum, their number), with the count of such trajectories."""
        known = ~np.isnan(values)
        if not known.any():
            return {}
        _, place = np.unique(self._group[rows[known]], return_inverse=True)
        sums = np.bincount(place, weights=values[known]).round(9)
        sizes = np.bincount(place)
        pairs, times = np.unique(np.stack([sums, sizes], axis=1), axis=0, return_counts=True)
        return {(float(value), int(size)): int(n) for (value, size), n in zip(pairs, times, strict=True)}

    def cells(self) -> Iterator[tuple[str, str, str]]:
        """Every (domain, agent, intent) that has a task, in order."""
        for d, domain in enumerate(self.domains):
            for a, agent in enumerate(self.agents):
                here = set(np.unique(self._intent[(self._domain == d) & (self._agent == a)]).tolist())
                yield from ((domain, agent, intent) for i, intent in enumerate(INTENTS) if i in here)


def _counted(rows: pa.Table, graded: bool) -> pa.Table:
    """Rows of a table as counts, one row each."""
    ones, zeros = np.ones(rows.num_rows, np.int64), np.zeros(rows.num_rows, np.int64)
    low, high = (rows[name].to_numpy() >= 1.0 for name in ("reward", "reward_high")) if graded else (zeros, ones)
    decided = (low == high).astype(np.int64)
    counts = {"graded": decided, "passed": low.astype(np.int64), "failed": ones - decided}
    trajectory = rows["trajectory_id"] if graded else pa.nulls(rows.num_rows, pa.string())
    about: dict[str, Any] = {"trajectory": trajectory, "level": rows["difficulty"], "combination": rows["combination"]}
    about["kinds"] = _bits(rows["kinds"])
    return _added_up([pa.table({**{key: rows[key] for key in _KEYS}, **about, **counts})])


def _added_up(tables: list[pa.Table]) -> pa.Table:
    """One row per task and agent."""
    names, about = ("graded", "passed", "failed"), ("trajectory", "level", "combination", "kinds")
    if not tables:
        texts = {key: pa.array([], pa.string()) for key in (*_KEYS, "trajectory", "combination")}
        return pa.table({**texts, **{name: pa.array([], pa.int64()) for name in ("level", "kinds", *names)}})
    added = (
        pa.concat_tables(tables)
        .group_by(list(_KEYS))
        .aggregate([*((name, "sum") for name in names), *((name, "max") for name in about)])
    )
    columns = {key: added[key] for key in _KEYS} | {name: added[f"{name}_max"] for name in about}
    return pa.table({**columns, **{name: added[f"{name}_sum"] for name in names}})


def _bits(kinds: Any) -> pa.Int64Array:
    """Lists of kinds as numbers that have a bit for each; null where there is no list."""
    rows = kinds.to_pylist()
    return pa.array(
        [None if row is None else sum(_KIND_BITS.get(name, 0) for name in set(row)) for row in rows], pa.int64()
    )


def _distinct(table: pa.Table, column: str) -> list[str]:
    return sorted(str(name) for name in pc.unique(table[column]).to_pylist())


def _codes(column: Any, names: Any) -> np.ndarray:
    """The index of each value in ``names``, -1 if it is not there."""
    value_set = names if isinstance(names, pa.Array | pa.ChunkedArray) else pa.array(names, pa.string())
    places: np.ndarray = pc.fill_null(pc.index_in(column, value_set=value_set), -1).to_numpy().astype(np.int64)
    return places
