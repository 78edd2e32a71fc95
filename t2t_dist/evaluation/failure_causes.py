"""Causes of failed episodes, counted by agent and intent, with the episodes behind each count."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zlib import crc32

import pyarrow.dataset as ds

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Turn
from t2t_dist.environments.tools import ToolCrash
from t2t_dist.grading.diagnose import CODES, diagnose
from t2t_dist.storage.partial_run import PartialRun
from t2t_dist.storage.rows import faults_of, one_of, outcome_of, turn_of

#: Most failed episodes read for a report; of more, a fixed uniform sample is read.
LIMIT = 2000
_COLUMNS = ["episode_id", "agent", "intent", "task_id", "trial", "termination", "flags", "turns", "faults"]
_GRADE = ["reward", "reward_high", "parts", "process", "detail", "final"]


class Cause(NamedTuple):
    """The cause of one failed episode: its primary code with the detail, and all codes that apply."""

    episode_id: str
    agent: str
    intent: str
    task_id: str
    trial: int
    code: str
    detail: str
    codes: list[str]


@dataclass
class Causes:
    """The causes of a run: ``read`` of its ``failed`` graded episodes without full reward were examined. ``primary``
    and ``applies`` count by (agent, intent, code), ``no_result`` those without a result by (agent, intent, class)."""

    failed: int = 0
    read: int = 0
    primary: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    applies: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    no_result: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    episodes: list[Cause] = field(default_factory=list)
    #: An example per primary code: one of its episodes with the transcript.
    examples: dict[str, tuple[Cause, list[Turn]]] = field(default_factory=dict)

    def by_agent(self) -> dict[str, dict[str, int]]:
        """``{agent: {primary code: n}}``, the most frequent first."""
        agents: dict[str, Counter[str]] = {}
        for (agent, _, code), n in sorted(self.primary.items()):
            agents.setdefault(agent, Counter())[code] += n
        return {agent: dict(counts.most_common()) for agent, counts in agents.items()}


def causes_of(
    reading: PartialRun, limit: int | None = LIMIT, agent: str | None = None, intent: str | None = None
) -> Causes:
    """Examine the failed episodes of a run: all (``limit`` None), or a sample drawn by their ids.

    Two passes, one over ids, one over the transcripts of the sample: memory is bounded by ``limit``.
    """
    causes = Causes()
    wanted = ds.field("stage") == "rollout"
    if agent is not None:
        wanted &= ds.field("agent") == agent
    if intent is not None:
        wanted &= ds.field("intent") == intent
    for batch in reading.batches("failures", ["agent", "intent", "failure"], wanted):
        causes.no_result.update((row["agent"], row["intent"], row["failure"]) for row in batch.to_pylist())
    wanted &= ds.field("reward_high") < 1.0
    chosen = _chosen(reading, wanted, limit, causes)
    if not chosen or reading.domain is None:
        return causes
    tasks = reading.tasks(set(chosen.values()))
    domain, without_task = reading.domain, 0
    wanted &= one_of("episode_id", sorted(chosen))
    for batch in reading.batches("episodes", [*_COLUMNS, *_GRADE], wanted):
        for row in batch.to_pylist():
            task = tasks.get(row["task_id"])
            if task is None:
                without_task += 1
                continue
            turns = [turn_of(turn) for turn in row["turns"]]
            try:
                why = diagnose(domain, task, turns, row["termination"], outcome_of(row), row["flags"], faults_of(row))
            except (ToolCrash, InputError) as why_not:
                reading.note(f"a transcript can't be replayed: {why_not}")
                continue
            causes.read += 1
            causes.primary[row["agent"], row["intent"], why.primary] += 1
            causes.applies.update((row["agent"], row["intent"], code) for code in why.codes)
            cause = Cause(
                episode_id=row["episode_id"],
                agent=row["agent"],
                intent=row["intent"],
                task_id=row["task_id"],
                trial=row["trial"],
                code=why.primary,
                detail=why.findings[0].detail,
                codes=why.codes,
            )
            causes.episodes.append(cause)
            causes.examples.setdefault(cause.code, (cause, turns))
    if without_task:
        reading.note(f"{without_task} failed episodes have no cause here: their tasks can't be read")
    order = list(CODES)
    causes.episodes.sort(key=lambda cause: (order.index(cause.code), cause.agent, cause.intent, cause.episode_id))
    return causes


def _chosen(reading: PartialRun, wanted: Any, limit: int | None, causes: Causes) -> dict[str, str]:
    """Ids of the episodes to examine, with their tasks: those with the smallest hashes."""
    lowest: list[tuple[int, str, str]] = []
    for episode_id, task_id in _ids(reading, wanted):
        causes.failed += 1
        entry = (-crc32(episode_id.encode()), episode_id, task_id)
        if limit is None or len(lowest) < limit:
            heapq.heappush(lowest, entry)
        elif entry > lowest[0]:
            heapq.heapreplace(lowest, entry)
    return {episode_id: task_id for _, episode_id, task_id in lowest}


def _ids(reading: PartialRun, wanted: Any) -> Iterator[tuple[str, str]]:
    for batch in reading.batches("episodes", ["episode_id", "task_id"], wanted):
        yield from zip(batch["episode_id"].to_pylist(), batch["task_id"].to_pylist(), strict=True)
