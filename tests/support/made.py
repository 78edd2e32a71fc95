"""Trajectories explored and tasks converted on real domains, for tests that need many of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from t2t_dist.config.settings import VerifyConfig
from t2t_dist.core.identity import seed_of
from t2t_dist.core.schema import INTENTS, Intent, Task, Trajectory
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.base import Domain
from t2t_dist.models.clients import Models
from t2t_dist.simulation.conversation import Rollout, roll_out
from t2t_dist.simulation.seating import seat_agent, seat_user
from t2t_dist.synthesis.convert import convert_one
from t2t_dist.synthesis.explore import explore_graph, judge_trajectory
from t2t_dist.synthesis.grader_side import changes_of
from t2t_dist.synthesis.intents.gold import play
from t2t_dist.synthesis.verify import Verifier


@dataclass
class Made:
    """A domain with what was made on it: kept ``trajectories``, and all ``tasks`` from them, also rejected ones."""

    domain: Domain
    trajectories: list[Trajectory]
    tasks: list[Task]

    def verified(self, intent: Intent | None = None) -> list[Task]:
        return [t for t in self.tasks if t.verdict == "verified" and intent in (None, t.intent)]

    def one(self, intent: Intent, wanted: Callable[[Task], object] = lambda task: True) -> Task:
        """A copy of the first verified task of an intent that is ``wanted``."""
        return next(task for task in self.verified(intent) if wanted(task)).model_copy(deep=True)


def explored(domain: Domain, index: int, seed: int | None = None, difficulty: int = 1) -> Trajectory:
    """The trajectory number ``index``: its customer follows from it, its seed too where none is given."""
    customers = domain.customers(domain.base)
    trajectory = Trajectory(
        trajectory_id=f"traj-{domain.name}-{index}",
        index=index,
        domain=domain.name,
        customer=customers[index % len(customers)],
        explorer="graph",
        seed=seed_of(index) if seed is None else seed,
        initial=domain.world().digest,
    )
    trajectory.tools, trajectory.steps = explore_graph(
        domain, trajectory.customer, trajectory.seed, difficulty=difficulty
    )
    trajectory.verdict = judge_trajectory(domain, trajectory)
    return trajectory


async def converted(domain: Domain, trajectory: Trajectory, difficulty: int = 1) -> list[Task]:
    """A task per intent, in template words."""
    return [await convert_one(domain, trajectory, intent, None, difficulty=difficulty) for intent in INTENTS]


def make(domain: Domain, count: int, difficulty: int = 1) -> Made:
    """``count`` explorations and the tasks of those kept."""
    found = [explored(domain, index, difficulty=difficulty) for index in range(count)]
    kept = [trajectory for trajectory in found if trajectory.verdict == "kept"]
    tasks = [task for trajectory in kept for task in asyncio.run(converted(domain, trajectory, difficulty))]
    return Made(domain, kept, tasks)


def verdict(domain: Domain, task: Task) -> str:
    """``verified``, or the reason code with which a copy of the task is rejected now."""
    checked = Verifier(domain, VerifyConfig()).check(task.model_copy(deep=True))
    return checked.reasons[0] if checked.verdict == "rejected" else checked.verdict


def remake(domain: Domain, task: Task) -> Task:
    """Make the grader's side agree with its gold again, as a careful forger of a task would."""
    world = play(domain_of(domain, task), task.grader.gold)
    task.grader.final, task.grader.allowed_diff = world.digest, changes_of(world)
    return task


async def played(made: Made, task: Task, kind: str) -> Rollout:
    """The conversation of a scripted agent with the scripted customer of a task."""
    models, seed, domain = Models(), seed_of(task.task_id, kind), domain_of(made.domain, task)
    agent = seat_agent(models, f"scripted:{kind}", task, domain, task.task_id, seed)
    user = seat_user(models, "scripted", task.user, domain, task.task_id, seed)
    return await roll_out(task, domain, agent, user, seed=seed)
