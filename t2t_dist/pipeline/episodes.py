"""One episode from start to row: players, conversation, grade; bounded attempts, each on a fresh world."""

from __future__ import annotations

import asyncio
import heapq
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from t2t_dist.config.settings import Config
from t2t_dist.core.errors import RETRYABLE, EngineRejected, EpisodeFailure, FailureClass
from t2t_dist.core.identity import episode_id, seed_of
from t2t_dist.core.offload import aside
from t2t_dist.core.schema import Episode, Failure, Task, Turn
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tool_faults import Plan, with_tool_faults
from t2t_dist.environments.tools import USER, ToolLost
from t2t_dist.grading.grade import grade
from t2t_dist.models.clients import Models
from t2t_dist.simulation.conversation import RolloutFailed, roll_out
from t2t_dist.simulation.seating import seat_agent, seat_user
from t2t_dist.simulation.tool_fault_plan import plan_of
from t2t_dist.storage.rows import episode_row, failure_row


class Finished(NamedTuple):
    """What became of an episode: a row of ``episodes`` with its reward, or a row of ``failures``."""

    table: str
    row: dict[str, Any]
    reward: float | None


@dataclass(eq=False, slots=True)
class _Live:
    """An episode that is under way; ``turns`` grows with it."""

    identity: str
    task_id: str
    agent: str
    began: float
    attempt: int = 1
    turns: list[Turn] = field(default_factory=list)
    running: asyncio.Task[Any] | None = field(default_factory=asyncio.current_task)


@dataclass
class EpisodeRunner:
    """Rolls out tasks of one run."""

    run_id: str
    config: Config
    models: Models
    domain: Domain
    _live: set[_Live] = field(default_factory=set)

    def alive(self, count: int) -> list[tuple[str, asyncio.Task[Any]]]:
        """The tasks of the episodes alive longest, each named."""
        oldest = heapq.nsmallest(count, self._live, key=lambda live: live.began)
        return [(f"episode {e.identity} of {e.agent} on {e.task_id}", e.running) for e in oldest if e.running]

    def slowest(self, count: int) -> list[dict[str, Any]]:
        """The episodes alive longest, each with where its time went so far, in seconds: waiting for room on an engine
        (``queue``), for the agent's and the user's model, in tools, and the rest, which is the current wait."""
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
        """One episode. Raises only what is nobody's episode (bad input, cancellation)."""
        identity = episode_id(self.run_id, stage, f"{task.task_id}/{agent}", trial)
        # Not the agent's: all meet the same greeting and the same customer, and so can be compared in pairs.
        seed = seed_of(self.config.seed, "episode", task.task_id, trial)
        # What is verified is the task, not how an agent copes with tools that fail.
        plan = {} if stage == "verify" else plan_of(self.config.faults, self.domain, task, seed_of(seed, "faults"))
        started, clock = time.time(), time.perf_counter()
        limits = self.config.limits
        failed: EpisodeFailure | None = None
        live = _Live(identity, task.task_id, agent, clock)
        self._live.add(live)
        try:
            for again in range(limits.attempts):
                live.attempt, live.turns = attempt + again, []
                try:
                    return await self._attempt(task, agent, trial, stage, identity, seed, started, live, plan)
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
        row = failure_row(
            Failure(
                episode_id=identity,
                run_id=self.run_id,
                stage=stage,
                domain=task.domain,
                task_id=task.task_id,
                intent=task.intent,
                trial=trial,
                attempts=attempt + again,
                agent=agent,
                user=self.config.user,
                failure=failed.failure.value,
                message=str(failed),
                turns=turns,
                started=started,
                duration=time.perf_counter() - clock,
                faults=dict(plan) or None,
            )
        )
        return Finished("failures", row, None)

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
        plan: Plan,
    ) -> Finished:
        config = self.config
        try:
            rollout = await roll_out(
                task,
                with_tool_faults(self.domain, plan, config.faults.late_s),
                seat_agent(self.models, agent, task, self.domain, identity, seed_of(identity, "agent")),
                seat_user(self.models, config.user, task.user, self.domain, identity, seed_of(seed, "user")),
                seed=seed,
                limits=config.limits,
                transcript=live.turns,
            )
        finally:
            for seat in ("agent", "user"):
                self.models.forget(f"{identity}/{seat}")
        outcome = await aside(self.domain, grade, self.domain, task, rollout.turns, rollout.termination.value, plan)
        if outcome.final != rollout.final:
            # The live world and the replayed one disagree: the domain is not deterministic, so no grade can be trusted.
            message = f"replaying the transcript led to another state than the conversation did ({outcome.detail})"
            raise RolloutFailed(message, FailureClass.TOOL_CRASH, rollout.turns, rollout.flags)
        episode = Episode(
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
        )
        return Finished("episodes", episode_row(episode), outcome.reward)


def lost_episode(
    run_id: str, config: Config, domain: str, what: str, attempts: int, failure: FailureClass, message: str
) -> dict[str, Any]:
    """The failure row of a work item that was given up: ``what`` names it."""
    return failure_row(
        Failure(
            episode_id=episode_id(run_id, "item", what, 0),
            run_id=run_id,
            stage="item",
            domain=domain,
            task_id="",
            intent="",
            trial=0,
            attempts=attempts,
            agent="",
            user=config.user,
            failure=failure.value,
            message=f"{what} {message}",
            turns=[],
            started=time.time(),
            duration=0.0,
        )
    )
