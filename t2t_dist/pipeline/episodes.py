"""One episode from start to grade: players, conversation, grading; bounded attempts, each on a fresh world."""

from __future__ import annotations

import asyncio
import heapq
import time
from dataclasses import dataclass, field
from typing import Any

from t2t_dist.config.settings import Config
from t2t_dist.core.errors import RETRYABLE, EngineRejected, EpisodeFailure, FailureClass
from t2t_dist.core.identity import episode_id, seed_of
from t2t_dist.core.offload import offload
from t2t_dist.core.schema import Episode, Failure, Task, Turn
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tool_faults import FaultPlan, with_tool_faults
from t2t_dist.environments.tools import USER, ToolLost
from t2t_dist.grading.grade import grade
from t2t_dist.models.clients import Models
from t2t_dist.simulation.conversation import Conversation, RolloutFailed, roll_out
from t2t_dist.simulation.seating import as_tau2, seat_agent, seat_user
from t2t_dist.simulation.tool_fault_plan import plan_of
from t2t_dist.synthesis.kinds_of_request import kinds_of
from t2t_dist.tau2.prompts import trial_seed

from .failures import failure_of
from .grader_seat import SEAT, decide

#: What becomes of an episode: it is graded, or it fails.
Finished = Episode | Failure


def reward_of(done: Finished) -> float | None:
    """The reward of a graded episode; ``None`` of a failure, and of one that nobody can say has passed or not."""
    return done.outcome.reward if isinstance(done, Episode) and done.outcome.decided else None


@dataclass(eq=False, slots=True)
class _Live:
    """An episode in progress; ``turns`` grows with it."""

    identity: str
    task_id: str
    agent: str
    began: float
    attempt: int = 1
    turns: list[Turn] = field(default_factory=list)
    running: asyncio.Task[Any] | None = field(default_factory=asyncio.current_task)


@dataclass
class EpisodeRunner:
    """Runner of the episodes of one run, in one process."""

    run_id: str
    config: Config
    models: Models
    domain: Domain
    _live: set[_Live] = field(default_factory=set)

    def alive(self, count: int) -> list[tuple[str, asyncio.Task[Any]]]:
        """The asyncio tasks of the oldest live episodes, each with a label."""
        oldest = heapq.nsmallest(count, self._live, key=lambda live: live.began)
        return [(f"episode {e.identity} of {e.agent} on {e.task_id}", e.running) for e in oldest if e.running]

    def slowest(self, count: int) -> list[dict[str, Any]]:
        """The oldest live episodes, each with its time so far in seconds: queued for an engine (``queue``), in the
        agent's model (``model``), the user's (``user``), in tools (``tool``), and the rest, the current wait
        (``waiting``)."""
        now = time.perf_counter()
        found = []
        for live in heapq.nsmallest(count, self._live, key=lambda live: live.began):
            spent = dict.fromkeys(("queue", "model", "user", "tool"), 0.0)
            for turn in live.turns:
                spent["queue"] += turn.t_queue
                spent["user" if turn.seat == USER else "model"] += turn.t_model
                spent["tool"] += turn.t_tool
            age = now - live.began
            spent["waiting"] = max(0.0, age - sum(spent.values()))
            found.append(
                {
                    "episode": live.identity,
                    "task": live.task_id,
                    "agent": live.agent,
                    "attempt": live.attempt,
                    "turns": len(live.turns),
                    "age_s": round(age, 2),
                    "split_s": {name: round(seconds, 2) for name, seconds in spent.items()},
                }
            )
        return found

    async def run(self, task: Task, agent: str, trial: int, stage: str = "rollout", attempt: int = 1) -> Finished:
        """One episode, graded or failed. Raises only what belongs to no episode: bad input, cancellation."""
        what = f"{task.task_id}/{agent}"
        identity = episode_id(self.run_id, stage, what, trial)
        domain = domain_of(self.domain, task)
        # Without the agent: all agents meet the same greeting and customer, so they can be compared in pairs.
        if self.config.rules == "tau2":
            seed = trial_seed(self.config.seed, trial)
        else:
            # With its twin, too: only the world differs.
            seed = seed_of(self.config.seed, "episode", task.twin_of or task.task_id, trial)
        # Verification is about the task, not about how an agent copes with failing tools.
        plan = {} if stage == "verify" else plan_of(self.config.faults, domain, task, seed_of(seed, "faults"))
        started, clock = time.time(), time.perf_counter()
        limits = self.config.limits
        failed: EpisodeFailure | None = None
        live = _Live(identity, task.task_id, agent, clock)
        self._live.add(live)
        try:
            for again in range(limits.attempts):
                live.attempt, live.turns = attempt + again, []
                try:
                    return await self._attempt(task, agent, trial, stage, identity, seed, started, live, domain, plan)
                except EpisodeFailure as failure:
                    failed = failure
                    cause = failure.__cause__
                    passing = failure.failure in RETRYABLE or isinstance(cause, ToolLost)
                    if not passing or isinstance(cause, EngineRejected):
                        break
        finally:
            self._live.discard(live)
        assert failed is not None
        turns = failed.turns if isinstance(failed, RolloutFailed) else []
        return failure_of(
            self.run_id,
            stage=stage,
            what=what,
            domain=task.domain,
            failure=failed.failure,
            message=str(failed),
            attempts=attempt + again,
            task_id=task.task_id,
            intent=task.intent,
            trial=trial,
            agent=agent,
            user=self.config.user,
            turns=turns,
            started=started,
            duration=time.perf_counter() - clock,
            faults=dict(plan) or None,
            difficulty=task.level,
            combination=task.combination,
            kinds=kinds_of(self.domain, task),
        )

    async def _attempt(
        self,
        task: Task,
        agent: str,
        trial: int,
        stage: str,
        identity: str,
        seed: int,
        started: float,
        live: _Live,
        domain: Domain,
        plan: FaultPlan,
    ) -> Episode:
        config = self.config
        faulty = with_tool_faults(domain, plan, config.faults.late_s)
        try:
            rules: type[Conversation] | None = None
            if config.rules == "tau2":
                rules, players = as_tau2(self.models, agent, config.user, task, domain, identity, seed)
            else:
                players = (
                    seat_agent(self.models, agent, task, domain, identity, seed_of(identity, "agent"), faulty.tools),
                    seat_user(self.models, config.user, task.user, domain, identity, seed_of(seed, "user")),
                )
            rollout = await roll_out(
                task,
                faulty,
                *players,
                seed=seed,
                limits=config.limits,
                transcript=live.turns,
                rules=rules,
            )
        finally:
            for seat in ("agent", "user"):
                self.models.forget(f"{identity}/{seat}")
        outcome = await offload(domain, grade, domain, task, rollout.turns, rollout.termination.value, plan)
        if outcome.final != rollout.final:
            # The live world and the replayed one differ: the domain is not deterministic, so no grade can be trusted.
            message = f"replaying the transcript led to another state than the conversation did ({outcome.detail})"
            raise RolloutFailed(message, FailureClass.TOOL_CRASH, rollout.turns, rollout.flags)
        if config.grader is not None and not outcome.decided:
            model = self.models.chat(config.grader, SEAT)
            outcome = await decide(model, task, rollout.turns, outcome, seed=seed_of(seed, SEAT))
        return Episode(
            episode_id=identity,
            run_id=self.run_id,
            stage=stage,
            domain=task.domain,
            task_id=task.task_id,
            trajectory_id=task.trajectory_id,
            intent=task.intent,
            trial=trial,
            attempt=live.attempt,
            seed=seed,
            agent=agent,
            user=config.user,
            termination=rollout.termination.value,
            turns=rollout.turns,
            outcome=outcome,
            flags=rollout.flags,
            started=started,
            duration=time.perf_counter() - live.began,
            faults=dict(plan) or None,
            difficulty=task.level,
            combination=task.combination,
            kinds=kinds_of(self.domain, task),
        )
