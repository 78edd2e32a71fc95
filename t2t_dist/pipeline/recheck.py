"""Rechecks of stored runs (``verify``, ``regrade``): verdicts and rewards computed again, and what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from t2t_dist.config.domain import domain_errors, load_domain
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Difficulty, Outcome, Task
from t2t_dist.grading.decided import DECIDED_BY_MODEL, with_decisions
from t2t_dist.grading.grade import grade
from t2t_dist.storage.row_digest import row_digest
from t2t_dist.storage.rows import SCHEMAS, VOLATILE, VOLATILE_NESTED, faults_of, outcome_of, turn_of
from t2t_dist.storage.source_run import Source
from t2t_dist.synthesis.pairs import check_pair
from t2t_dist.synthesis.verify import Verifier, reference_keys
from t2t_dist.tau2 import IMPORTED
from t2t_dist.tau2.from_tau2 import reimport
from t2t_dist.tau2.second_verdict import own_basis

#: The schema version from which on rows hold their difficulty.
_WITH_DIFFICULTY = 6


class ResultChange(NamedTuple):
    """An item whose stored result differs from the one computed now."""

    item: str
    stored: str
    now: str


def reverify(source: Source) -> tuple[Counter[str], list[ResultChange]]:
    """Verify every stored task again, with the run's own settings: counts of verdicts, and changes."""
    config = source.manifest.config
    domain = load_domain(config)
    verifier = Verifier(domain, config.verify, reference_keys(config.verify.reference_tasks))
    rewards, by_id = _reference_rewards(source), source.tasks_by_id()
    is_older = source.manifest.schema_version < _WITH_DIFFICULTY
    verdicts: Counter[str] = Counter()
    changed = []
    # Duplicates are decided by order: the earlier trajectory wins, as when the tasks were made.
    for task in source.tasks():
        before = _verdict(task)
        copy = task.model_copy(deep=True)
        # An imported task is imported again: its gold and whether it is a duplicate were decided elsewhere.
        with domain_errors(config.domain):
            now = reimport(domain, copy) if task.writer == IMPORTED else verifier.check(copy)
            if now.twin_of is not None and now.verdict == "verified":
                now = check_pair(domain, by_id.get(now.twin_of), now)
        now = verifier.solvable(now, rewards.get(task.task_id, [])[: config.verify.reference_trials])
        verdicts[now.verdict] += 1
        if _verdict(now) != before:
            changed.append(ResultChange(task.task_id, before, f"{_verdict(now)} {now.detail}".strip()))
        elif now.difficulty != task.difficulty and (task.difficulty is not None or not is_older):
            changed.append(ResultChange(task.task_id, _numbers(task.difficulty), _numbers(now.difficulty)))
    return verdicts, changed


def _numbers(difficulty: Difficulty | None) -> str:
    counted = difficulty.model_dump().items() if difficulty is not None else ()
    return ", ".join(f"{name} {value}" for name, value in counted) or "no difficulty"


def _verdict(task: Task) -> str:
    return ", ".join([task.verdict, *task.reasons])


def _reference_rewards(source: Source) -> dict[str, list[float]]:
    reference = source.manifest.config.verify.reference
    found: dict[str, list[tuple[int, float]]] = {}
    for row in source.reader.rows("episodes", columns=["task_id", "agent", "trial", "reward"]):
        if row["agent"] == reference:
            found.setdefault(row["task_id"], []).append((row["trial"], row["reward"]))
    return {task_id: [reward for _, reward in sorted(trials)] for task_id, trials in found.items()}


def regrade(source: Source) -> tuple[int, list[ResultChange]]:
    """Grade every stored episode again from its task and transcript: the number of episodes, and changes."""
    config = source.manifest.config
    domain = load_domain(config)
    tasks_from = source
    if source.manifest.kind == "evaluate":
        if config.source is None:
            raise InputError(f"{source.path}: the run does not say where its tasks come from")
        tasks_from = Source(config.source)
    tasks = tasks_from.tasks_by_id()
    changed, count = [], 0
    for row in source.reader.rows("episodes"):
        count += 1
        task = tasks.get(row["task_id"])
        if task is None:
            raise InputError(f"{tasks_from.path} has no task {row['task_id']} of episode {row['episode_id']}")
        before = outcome_of(row)
        turns = [turn_of(turn) for turn in row["turns"]]
        with domain_errors(config.domain):
            now = grade(domain, task, turns, row["termination"], faults_of(row))
        if DECIDED_BY_MODEL in before.detail:
            now = with_decisions(task, now, before.detail[DECIDED_BY_MODEL])
        if _of_its_time(now, before, own_basis(task)) != before:
            changed.append(ResultChange(row["episode_id"], _shown(before), _shown(now)))
    return count, changed


def _of_its_time(now: Outcome, before: Outcome, basis: Sequence[str]) -> Outcome:
    """The grade without the parts and process checks that an older run's grades lack and its tasks do not need."""
    new = now.parts.keys() - before.parts.keys() - {*basis}
    return replace(
        now,
        parts={name: value for name, value in now.parts.items() if name not in new},
        detail={name: why for name, why in now.detail.items() if name not in new},
        process={name: kept for name, kept in now.process.items() if name in before.process},
    )


def _shown(outcome: Any) -> str:
    parts = ", ".join(f"{name} {value:g}" for name, value in outcome.parts.items())
    return f"{outcome.reward_text} ({parts})"


def damaged_tables(source: Source) -> Iterator[str]:
    """Tables whose rows are not those that were committed, by their digests. Detects even a flipped bit."""
    for table in SCHEMAS:
        total = sum(row_digest(row, VOLATILE, VOLATILE_NESTED) for row in source.reader.rows(table)) % (1 << 128)
        if total != source.reader.state.digests.get(table, 0):
            yield table
