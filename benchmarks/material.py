"""Trajectories, tasks and the oracle's conversations of a domain, as a run makes them, for figures on single stages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from t2t_dist.core.identity import episode_id, seed_of, trajectory_id
from t2t_dist.core.schema import INTENTS, Intent, Task, Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.models.clients import Models
from t2t_dist.simulation.conversation import Rollout, roll_out
from t2t_dist.simulation.seating import seat_agent, seat_user
from t2t_dist.synthesis.convert import convert_one
from t2t_dist.synthesis.explore import explore_graph, judge_trajectory

RUN, SEED = "bench", 7
AGENT, USER = "scripted:oracle", "scripted"
_MODELS = Models()  # all scripted: there is nothing to close


def explored(domain: Domain, index: int) -> Trajectory:
    """Exploration number ``index`` with its verdict; customers take turns."""
    customers = domain.customers(domain.base)
    trajectory = Trajectory(
        trajectory_id=trajectory_id(RUN, index),
        index=index,
        domain=domain.name,
        customer=customers[index % len(customers)],
        explorer="graph",
        seed=seed_of(SEED, "explore", index),
        initial=domain.world().digest,
    )
    trajectory.tools, trajectory.steps = explore_graph(domain, trajectory.customer, trajectory.seed)
    trajectory.verdict = judge_trajectory(domain, trajectory)
    return trajectory


async def converted(domain: Domain, trajectory: Trajectory, intent: Intent) -> Task:
    """A task with its certificate, or a rejected one."""
    return await convert_one(domain, trajectory, intent, None)


async def played(domain: Domain, task: Task) -> Rollout:
    """The oracle's conversation on a task."""
    identity = episode_id(RUN, "rollout", f"{task.task_id}/{AGENT}", 0)
    agent = seat_agent(_MODELS, AGENT, task, domain, identity, seed_of(identity, "agent"))
    user = seat_user(_MODELS, USER, task.user, domain, identity, seed_of(identity, "user"))
    return await roll_out(task, domain, agent, user, seed=seed_of(identity, "episode"))


def conversations(domain: Domain, count: int, most: int) -> Sequence[tuple[Task, Rollout]]:
    """At least ``count`` verified tasks with the oracle's conversations, or those of ``most`` explorations."""

    async def make() -> list[tuple[Task, Rollout]]:
        found: list[tuple[Task, Rollout]] = []
        for index in range(most):
            trajectory = explored(domain, index)
            for intent in INTENTS if trajectory.verdict == "kept" else ():
                task = await converted(domain, trajectory, intent)
                if task.verdict == "verified":
                    found.append((task, await played(domain, task)))
            if len(found) >= count:
                break
        return found

    return asyncio.run(make())
