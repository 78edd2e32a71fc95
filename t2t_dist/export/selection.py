"""The selection of episodes to export: filters, a limit per task, balanced intents, pairs; draws go by episode ids.

Every reason for which an episode is left out is one of :class:`LeftOut`, and is counted.

A first scan of a run reads only the columns needed for that and keeps a small object per episode, no conversation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from t2t_dist.core.identity import stable_hash
from t2t_dist.environments.tools import AGENT
from t2t_dist.models.finish_reasons import was_broken_off
from t2t_dist.storage.partial_run import PartialRun
from t2t_dist.storage.rows import CHECKS
from t2t_dist.synthesis.entities import Entities

from .formats import pair_id
from .messages import noise_in

#: In place of a process check: each of them, none of them.
EVERY_CHECK, NO_CHECK = "all", "none"
_ROLLOUT = "rollout"
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
    "faults",
    "turns",
)


class LeftOut(StrEnum):
    """Why an episode is not exported, in the order in which it is asked."""

    FAILED = "no result: a row of failures/"
    VERIFYING = "made to verify tasks"
    INTENT = "another intent"
    AGENT = "another agent"
    UNDECIDED = "undecided: nobody can say whether it passed"
    REWARD = "reward too low"
    BROKEN_OFF = "a server broke off a reply in it"
    FAULTS = "user faults"
    TURNS = "too many turns"
    SILENT = "no message of the agent's"
    UNCOUNTED = "no token counts"
    TOKENS = "too many tokens"
    NO_TOKENS = "no tokens captured"
    UNCHECKED = "no process checks stored"
    PROCESS = "process check failed"
    """Followed by the checks."""
    TASK = "its task can't be read"
    TWICE = "duplicate episode"
    PER_TASK = "over the limit per task"
    PARTNER = "no partner"
    BALANCE = "balance of intents"
    LOST = "lost with its shard while it was exported"


@dataclass(frozen=True)
class Filters:
    """The filters on episodes. ``process`` are the checks that have to be kept where they apply, or :data:`EVERY_CHECK`
    or :data:`NO_CHECK` alone; ``None`` is the format's default."""

    min_reward: float | None = None
    intents: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    process: tuple[str, ...] | None = None
    no_faults: bool = False
    max_turns: int | None = None
    max_tokens: int | None = None
    per_task: int | None = None
    balance: bool = False


class EpisodeCandidate(NamedTuple):
    """An episode that passed the filters; ``key``, a hash of its id, orders the candidates. ``noise``: a hash of
    what decided which tools its agent was offered."""

    key: str
    episode_id: str
    task_id: str
    trajectory: str
    intent: str
    agent: str
    passed: bool
    entities: tuple[str, ...]
    noise: str


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
    """The candidates of all runs, how many episodes were left out, by reason, and the process checks that any has."""

    found: list[EpisodeCandidate] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)
    checked: set[str] = field(default_factory=set)

    @property
    def reasons(self) -> dict[str, int]:
        """Episodes left out by reason, most first."""
        return {why: n for why, n in sorted(self.left_out.items(), key=lambda each: (-each[1], each[0])) if n}

    def run(self, reading: PartialRun, entities: Entities, filters: Filters, format: str) -> None:
        """Scan all episodes of a run."""
        tasks: dict[str, frozenset[str]] = {}
        if reading.source is not None:
            for batch in reading.source.batches("tasks", ["task_id", "customer", "grader"]):
                for row in batch.to_pylist():
                    tasks[row["task_id"]] = entities.of_task(row)
        for batch in reading.batches("failures", ["intent", "agent"], ds.field("stage") == _ROLLOUT):
            for row in batch.to_pylist():
                self.left_out[_of_another(row, filters) or LeftOut.FAILED] += 1
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
                why = LeftOut.TASK
            if why is None and row["episode_id"] in self.seen:
                why = LeftOut.TWICE
            if why is not None:
                self.left_out[why] += 1
                continue
            self.seen.add(row["episode_id"])
            self.checked |= {name for name, kept in (row["process"] or {}).items() if kept is not None}
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
                    stable_hash(noise) if (noise := noise_in(row)) else "",
                )
            )


def _unwanted(row: dict[str, Any], turns: _Turns, place: int, filters: Filters, format: str) -> str | None:
    """Why an episode is left out, in words; ``None`` if it is not."""
    rejected = format == "preference" and row["reward_high"] < 1.0  # needed for what is wrong with it
    undecided = row["reward"] < 1.0 <= row["reward_high"]
    if row["stage"] != _ROLLOUT:
        return LeftOut.VERIFYING
    if (other := _of_another(row, filters)) is not None:
        return other
    reasons: list[tuple[LeftOut, Callable[[], bool]]] = [
        (LeftOut.UNDECIDED, lambda: format != "hf" and undecided),
        (LeftOut.REWARD, lambda: not rejected and row["reward"] < (filters.min_reward or 0.0)),
        (LeftOut.BROKEN_OFF, lambda: turns.broken_off(place)),
        (LeftOut.FAULTS, lambda: filters.no_faults and bool(row["flags"])),
        (LeftOut.TURNS, lambda: filters.max_turns is not None and turns.count(place) > filters.max_turns),
        (LeftOut.SILENT, lambda: turns.count(place) < 3),
    ]
    if filters.max_tokens is not None:
        most = filters.max_tokens
        reasons += [
            (LeftOut.UNCOUNTED, lambda: turns.tokens(place) == 0),
            (LeftOut.TOKENS, lambda: turns.tokens(place) > most),
        ]
    if format == "rl":
        reasons.append((LeftOut.NO_TOKENS, lambda: not turns.captured(place)))
    why = next((why for why, applies in reasons if applies()), None)
    # Last, so that the count is of episodes that would be here otherwise.
    return why if why is not None or rejected else _process(row["process"], filters.process or ())


def _of_another(row: dict[str, Any], filters: Filters) -> LeftOut | None:
    if filters.intents and row["intent"] not in filters.intents:
        return LeftOut.INTENT
    return LeftOut.AGENT if filters.agents and row["agent"] not in filters.agents else None


def _process(stored: dict[str, bool | None] | None, wanted: Sequence[str]) -> str | None:
    """Why an episode is left out for how the agent went about it, with the checks; ``None`` if it is not."""
    if not wanted:
        return None
    if stored is None or all(stored.get(name) is None for name in CHECKS):
        return LeftOut.UNCHECKED
    failed = [name for name in wanted if stored.get(name) is False]
    return f"{LeftOut.PROCESS}: {', '.join(failed)}" if failed else None


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
        has = [np.asarray(pc.is_valid(flat.field(name))) for name in ("prompt_token_ids", "token_ids")]
        self._captured = np.bincount(parents[has[0] & has[1] & agent], minlength=size)
        reasons = flat.field("finish_reason")
        half = pa.array([word for word in pc.unique(reasons).to_pylist() if was_broken_off(word)], pa.string())
        self._broken_off = np.bincount(parents[np.asarray(pc.is_in(reasons, value_set=half))], minlength=size)
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

    def broken_off(self, place: int) -> bool:
        """Whether a reply in it, of whichever side, is half of one."""
        return bool(self._broken_off[place])

    def arguments(self, place: int) -> list[str]:
        """The arguments of the agent's calls."""
        return self._arguments.get(place, [])


# -- choosing ----------------------------------------------------------------------------------------------------------
def chosen(scan: Scan, filters: Filters, pairs: bool) -> list[tuple[Pick, str]]:
    """The picks, each with its episode's id; the two of a pair are adjacent."""
    scan.found.sort()
    return list(_pairs(scan, filters)) if pairs else list(_singles(scan, filters))


def _grouped(
    found: Iterable[EpisodeCandidate], by: Callable[[EpisodeCandidate], Hashable]
) -> Iterable[list[EpisodeCandidate]]:
    groups: dict[Hashable, list[EpisodeCandidate]] = defaultdict(list)
    for candidate in found:
        groups[by(candidate)].append(candidate)
    return groups.values()


def _singles(scan: Scan, filters: Filters) -> Iterator[tuple[Pick, str]]:
    found = scan.found
    if filters.per_task is not None:
        found = sorted(c for group in _grouped(found, lambda c: c.task_id) for c in group[: filters.per_task])
        scan.left_out[LeftOut.PER_TASK] += len(scan.found) - len(found)
    for c in _balanced(scan, found, lambda c: c.intent, filters, 1):
        yield Pick(c.key, 0, c.entities, _group(c), c.intent, c.agent, c.passed), c.episode_id


def _pairs(scan: Scan, filters: Filters) -> Iterator[tuple[Pick, str]]:
    """Pairs of a passing and a failing episode of one task, whose agents were offered the same tools; no episode
    twice."""
    pairs: list[tuple[str, EpisodeCandidate, EpisodeCandidate]] = []
    for group in _grouped(scan.found, lambda c: (c.task_id, c.noise)):
        good, bad = [c for c in group if c.passed], [c for c in group if not c.passed]
        both = list(zip(good, bad, strict=False))[: filters.per_task]
        pairs += [(pair_id(one.episode_id, other.episode_id), one, other) for one, other in both]
    scan.left_out[LeftOut.PARTNER] += len(scan.found) - 2 * len(pairs)
    pairs.sort()
    for name, one, other in _balanced(scan, pairs, lambda pair: pair[1].intent, filters, 2):
        about = tuple(sorted({*one.entities, *other.entities}))
        for side, c in enumerate((one, other)):
            yield Pick(name[5:], side, about, _group(c), c.intent, c.agent, c.passed, name), c.episode_id


def _balanced(scan: Scan, found: list[Any], intent: Callable[[Any], str], filters: Filters, episodes: int) -> list[Any]:
    """As many of each intent as of the rarest, the first by key; each stands for so many episodes."""
    if not filters.balance:
        return found
    counts = Counter(intent(each) for each in found)
    least, taken = min(counts.values(), default=0), Counter[str]()
    kept = []
    for each in found:
        if taken[intent(each)] < least:
            taken[intent(each)] += 1
            kept.append(each)
    scan.left_out[LeftOut.BALANCE] += episodes * (len(found) - len(kept))
    return kept


def _group(candidate: EpisodeCandidate) -> str:
    return f"trajectory/{candidate.trajectory}"
