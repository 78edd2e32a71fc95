"""Verify: decide from the data alone whether a task may be used.

Order: words and certificate, duplicates, contamination, judges, solvability. The first failure is the verdict's
reason. No model is called here: votes and rollouts are stored evidence, to which thresholds are applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from t2t_dist.config.settings import VerifyConfig
from t2t_dist.core.identity import stable_hash
from t2t_dist.core.schema import Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.splits import name_and_split
from t2t_dist.storage.have_results import SAID_BY_A_MODEL
from t2t_dist.storage.source_run import Source

from .convert import certified, reject
from .grader_side import asked_forbidden, refused_patterns, subject_of, writes_in


def duplicate_key(task: Task) -> str:
    """Equal for two tasks that ask the same of the same records in the same way."""
    writes = [[call.name, call.arguments] for call in writes_in(task.grader.gold)]
    certificate = task.certificate
    special = None
    if certificate is not None:
        calls = (*certificate.given_up, certificate.forbidden_call)
        special = [certificate.withheld, *([call.name, call.arguments] for call in calls if call is not None)]
    # A twin asks what its original asks, and is told from it, and from all others, by its world.
    own = [] if task.twin_of is None else [task.twin_of]
    return stable_hash(
        task.domain, task.customer, task.combination or task.intent, writes, special, _without_writes(task), *own
    )


def _without_writes(task: Task) -> list[Any]:
    """What is asked for and changes nothing: questions, and errands whose condition does not hold."""
    wrote = {str(call.goal) for call in writes_in(task.grader.gold)}
    return [request for goal, request in (task.grader.requests or {}).items() if goal not in wrote]


def action_key(task: Task) -> str:
    """Equal for two tasks with the same sequence of writes on the same records, whatever their intent and words.

    Calls that have to be refused count as well: else all tasks without writes would share one key.
    """
    writes = [[call.name, subject_of(call.arguments)] for call in writes_in(task.grader.gold)]
    # What is forbidden because the customer changes their mind is no request that is refused.
    listed = asked_forbidden(task) if task.user.change is None else refused_patterns(task)
    refused = [[pattern.name, subject_of(pattern.arguments or {})] for pattern in listed]
    return stable_hash(name_and_split(task.domain)[0], task.customer, writes, *refused, *_without_writes(task))


class Verifier:
    """Decides the verdicts of tasks; a duplicate is one of a task that the same instance has seen.

    Duplicates share their customer, and all of a customer's trajectories are one work item, so verdicts do not depend
    on how a run is spread over workers. The earlier trajectory wins.
    """

    def __init__(self, domain: Domain, config: VerifyConfig, reference: Iterable[str] = ()) -> None:
        self.domain, self.config = domain, config
        self.reference = frozenset(reference)
        self._seen: set[str] = set()

    def check(self, task: Task) -> Task:
        """Words, certificate, duplicates, contamination, votes: all but solvability."""
        if task.verdict != "verified" and (not task.grader.gold or SAID_BY_A_MODEL.intersection(task.reasons)):
            return task  # without a structure or words there is nothing to certify, and no model is asked again
        if certified(self.domain, task).verdict != "verified":
            return task
        return self.check_known(task)

    def check_known(self, task: Task) -> Task:
        """Duplicates, contamination and votes, for a task whose certificate has just been made."""
        key = duplicate_key(task)
        if key in self._seen:
            return reject(task, "duplicate", "an earlier task asks the same of the same records")
        self._seen.add(key)
        if action_key(task) in self.reference:
            return reject(task, "contaminated", "a reference task makes the same writes on the same records")
        return self._judged(task)

    def _judged(self, task: Task) -> Task:
        if not task.votes:
            return task
        mean = fmean(vote.mean for vote in task.votes)
        if mean < self.config.min_mark:
            return reject(task, "low_mark", f"the judges' mean is {mean:.1f}, below {self.config.min_mark:g}")
        return task

    def solvable(self, task: Task, rewards: Sequence[float]) -> Task:
        """Keep the task if the reference agent's measured pass rate lies in the band.

        ``rewards`` are those of its graded episodes. Without any, the task keeps its verdict.
        """
        if task.verdict != "verified" or not rewards:
            return task
        rate = fmean(1.0 if reward >= 1.0 else 0.0 for reward in rewards)
        low, high = self.config.band
        passes = sum(reward >= 1.0 for reward in rewards)
        if passes < self.config.min_passes:
            return reject(task, "unsolved", f"{passes} of {len(rewards)} reference rollouts passed")
        if not low <= rate <= high:
            return reject(task, "out_of_band", f"measured pass rate {rate:.2f} is outside {low:g}..{high:g}")
        return task


def reference_keys(runs: Iterable[str]) -> frozenset[str]:
    """Action keys of the verified tasks of reference runs, for the contamination check."""
    return frozenset(action_key(task) for run in runs for task in Source(run).verified_tasks())
