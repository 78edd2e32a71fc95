"""The exploring model's side of the explore stage: tool subset, budget and an example from a growing pool."""

from __future__ import annotations

import random
from collections.abc import Mapping

from t2t_dist.core.offload import offload
from t2t_dist.core.schema import Step, Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.models.chat import ChatModel
from t2t_dist.synthesis.explore import GraphExplorer, step_budget
from t2t_dist.synthesis.explore_llm import explore

#: Kept trajectories remembered as examples; the oldest go first.
POOL = 64


class LlmExplorer:
    """One a worker. The pool starts empty and grows with what this worker keeps; until then, a walk of the dependency
    graph for another customer serves as the example."""

    def __init__(self, model: ChatModel) -> None:
        self.model = model
        self._pool: list[list[Step]] = []

    async def explore(self, domain: Domain, trajectory: Trajectory, favours: Mapping[str, float] | None = None) -> None:
        """Fill in the trajectory's tools, steps and verdict. Raises EpisodeFailure."""
        rng = random.Random(trajectory.seed)
        walk = await offload(domain, GraphExplorer, domain, trajectory.customer, rng, favours)
        trajectory.tools = [tool.name for tool in walk.tools]
        if self._pool:
            example = rng.choice(self._pool)
        else:
            other = rng.choice(domain.callers)
            guide = await offload(domain, GraphExplorer, domain, other, random.Random(rng.random()))
            example = await offload(domain, guide.run)
        found = await explore(
            domain, trajectory.customer, trajectory.tools, step_budget(rng), example, self.model, trajectory.seed
        )
        trajectory.steps, trajectory.verdict, trajectory.raw = found.steps, found.verdict, found.raw

    def remember(self, trajectory: Trajectory) -> None:
        """Add a kept trajectory to the pool."""
        self._pool = [*self._pool[-(POOL - 1) :], trajectory.steps]
