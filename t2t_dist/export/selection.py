"""The selection of episodes to export: filters, a limit per task, balanced intents, pairs; draws go by episode ids.

A first scan of a run reads only the columns needed for that and keeps a small object per episode, no conversation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from t2t_dist.core.identity import stable_hash
from t2t_dist.environments.tools import AGENT
from t2t_dist.storage.partial_run import PartialRun
from t2t_dist.synthesis.entities import Entities

from .formats import pair_id

COLUMNS = (
    "episode_id",
    "stage",
    "task_id",
    "trajectory_id",
    "intent",
    "agent",
    "reward",
    "reward_high",
    "process",
    "flags",
    "turns",
)


@dataclass(frozen=True)
class Filters:
    """The filters on episodes. ``process`` checks that do not apply to an episode are ignored."""

    min_reward: float | None = None
    intents: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    process: tuple[str, ...] = ()
    no_faults: bool = False
    max_turns: int | None = None
    max_tokens: int | None = None
    per_task: int | None = None
    balance: bool = False


class EpisodeCandidate(NamedTuple):
    """An episode that passed the filters; ``key``, a hash of its id, orders the candidates."""

    key: str
    episode_id: str
    task_id: str
    trajectory: str
    intent: str
    agent: str
    passed: bool
    entities: tuple[str, ...]


class Pick(NamedTuple):
    """A chosen episode: the row it goes into (by key), and its side of a pair."""

    key: str
    side: int
    entities: tuple[str, ...]
    group: str
    intent: str
    agent: str
    passed: bool
    pair: str = ""


@dataclass
class Scan:
    """The candidates of all runs, and how many episodes were left out, by reason."""

    found: list[EpisodeCandidate] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)

    def run(self, reading: PartialRun, entities: Entities, filters: Filters, format: str) -> None:
        """Scan all episodes of a run."""
        tasks: dict[str, frozenset[str]] = {}
        if reading.source is not None:
            for batch in reading.source.batches("tasks", ["task_id", "customer", "grader"]):
                for row in batch.to_pylist():
                    tasks[row["task_id"]] = entities.of_task(row)
        for batch in reading.batches("episodes", COLUMNS):
            self._batch(batch, reading.run_id, tasks, entities, filters, format)

    def _batch(
        self,
        batch: pa.RecordBatch,
        run_id: str,
        tasks: dict[str, frozenset[str]],
        entities: Entities,
        filters: Filters,
        format: str,
    ) -> None:
        turns = _Turns(batch)
        rows = batch.select([name for name in COLUMNS if name != "turns"]).to_pylist()
        for place, row in enumerate(rows):
            why = _unwanted(row, turns, place, filters, format)
            if why is None and row["task_id"] not in tasks:
                why = "its task can't be read"
            if why is None and row["episode_id"] in self.seen:
                why = "duplicate episode"
            if why is not None:
                self.left_out[why] += 1
                continue
            self.seen.add(row["episode_id"])
            about = tasks[row["task_id"]] | entities.of_calls(turns.arguments(place))
            self.found.append(
                EpisodeCandidate(
                    stable_hash(row["episode_id"]),
                    row["episode_id"],
                    row["task_id"],
                    row["trajectory_id"],
                    row["intent"],
                    row["agent"],
                    row["reward"] >= 1.0,
                    tuple(sorted(about)),
                )
            )


def _unwanted(row: dict[str, Any], turns: _Turns, place: int, filters: Filters, format: str) -> str | None:
    """Why an episode is left out, in words; ``None`` if it is not."""
    process = row["process"] or {}
    rejected = format == "preference" and row["reward_high"] < 1.0  # needed for what is wrong with it
    reasons: list[tuple[str, Callable[[], bool]]] = [
        ("made to verify tasks", lambda: row["stage"] != "rollout"),
        ("another intent", lambda: bool(filters.intents) and row["intent"] not in filters.intents),
        ("another agent", lambda: bool(filters.agents) and row["agent"] not in filters.agents),
        ("reward too low", lambda: not rejected and row["reward"] < (filters.min_reward or 0.0)),
        (
            "a process check failed",
            lambda: not rejected and any(process.get(name) is False for name in filters.process),
        ),
        ("user faults", lambda: filters.no_faults and bool(row["flags"])),
        ("too many turns", lambda: filters.max_turns is not None and turns.count(place) > filters.max_turns),
        ("no message of the agent's", lambda: turns.count(place) < 3),
    ]
    if filters.max_tokens is not None:
        most = filters.max_tokens
        reasons += [
            ("no token counts", lambda: turns.tokens(place) == 0),
            ("too many tokens", lambda: turns.tokens(place) > most),
        ]
    if format == "rl":
        reasons.append(("no tokens captured", lambda: not turns.captured(place)))
    return next((why for why, applies in reasons if applies()), None)


class _Turns:
    """Counts over the turns of a batch's episodes, computed on Arrow columns."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        turns: Any = batch.column("turns")
        flat = turns.flatten()
        size = len(batch)
        parents = np.asarray(pc.list_parent_indices(turns))
        agent = np.asarray(pc.equal(flat.field("seat"), pa.scalar(AGENT)))
        self._count = np.bincount(parents, minlength=size)
        context = np.asarray(pc.add(flat.field("prompt_tokens"), flat.field("completion_tokens")))
        self._tokens = np.zeros(size, np.int64)
        np.maximum.at(self._tokens, parents[agent], context[agent])
        has = np.asarray(pc.is_valid(flat.field("token_ids"))) & agent
        self._captured = np.bincount(parents[has], minlength=size)
        calls: Any = flat.field("tool_calls")
        called = np.asarray(pc.list_parent_indices(calls))
        self._arguments: dict[int, list[str]] = defaultdict(list)
        of_agent = agent[called] if len(called) else called
        for turn, wanted, text in zip(called, of_agent, calls.flatten().field("arguments").to_pylist(), strict=True):
            if wanted:
                self._arguments[int(parents[turn])].append(text or "")

    def count(self, place: int) -> int:
        return int(self._count[place])

    def tokens(self, place: int) -> int:
        """The agent's longest context, in tokens."""
        return int(self._tokens[place])

    def captured(self, place: int) -> bool:
        return bool(self._captured[place])

    def arguments(self, place: int) -> list[str]:
        """The arguments of the agent's calls."""
        return self._arguments.get(place, [])


# -- choosing ----------------------------------------------------------------------------------------------------------
def chosen(scan: Scan, filters: Filters, pairs: bool) -> list[tuple[Pick, str]]:
    """The picks, each with its episode's id; the two of a pair are adjacent."""
    scan.found.sort()
    return list(_pairs(scan, filters)) if pairs else list(_singles(scan, filters))


def _by_task(found: Iterable[EpisodeCandidate]) -> dict[str, list[EpisodeCandidate]]:
    groups: dict[str, list[EpisodeCandidate]] = defaultdict(list)
    for candidate in found:
        groups[candidate.task_id].append(candidate)
    return groups


def _singles(scan: Scan, filters: Filters) -> Iterator[tuple[Pick, str]]:
    found = scan.found
    if filters.per_task is not None:
        found = sorted(c for group in _by_task(found).values() for c in group[: filters.per_task])
        scan.left_out["over the limit per task"] += len(scan.found) - len(found)
    for c in _balanced(scan, found, lambda c: c.intent, filters):
        yield Pick(c.key, 0, c.entities, _group(c), c.intent, c.agent, c.passed), c.episode_id


def _pairs(scan: Scan, filters: Filters) -> Iterator[tuple[Pick, str]]:
    """Pairs of a passing and a failing episode of one task, no episode twice."""
    pairs: list[tuple[str, EpisodeCandidate, EpisodeCandidate]] = []
    for group in _by_task(scan.found).values():
        good, bad = [c for c in group if c.passed], [c for c in group if not c.passed]
        both = list(zip(good, bad, strict=False))[: filters.per_task]
        pairs += [(pair_id(one.episode_id, other.episode_id), one, other) for one, other in both]
    scan.left_out["no partner"] += len(scan.found) - 2 * len(pairs)
    pairs.sort()
    for name, one, other in _balanced(scan, pairs, lambda pair: pair[1].intent, filters):
        about = tuple(sorted({*one.entities, *other.entities}))
        for side, c in enumerate((one, other)):
            yield Pick(name[5:], side, about, _group(c), c.intent, c.agent, c.passed, name), c.episode_id


def _balanced(scan: Scan, found: list[Any], intent: Callable[[Any], str], filters: Filters) -> list[Any]:
    """As many of each intent as of the rarest, the first by key."""
    if not filters.balance:
        return found
    counts = Counter(intent(each) for each in found)
    least, taken = min(counts.values(), default=0), Counter[str]()
    kept = []
    for each in found:
        if taken[intent(each)] < least:
            taken[intent(each)] += 1
            kept.append(each)
    scan.left_out["balance of intents"] += len(found) - len(kept)
    return kept


def _group(candidate: EpisodeCandidate) -> str:
    return f"trajectory/{candidate.trajectory}"
