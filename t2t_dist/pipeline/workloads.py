"""The kinds of workload.

*generate*: an item is one customer with all trajectories assigned to them, from exploration to rollouts. *convert*: an
item is one customer with their stored trajectories. *evaluate*: an item is one episode of one agent on one stored task;
with adaptive trials, all its episodes on that task.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

from t2t_dist.config.domain import domain_errors, load_domain
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import seed_of
from t2t_dist.storage.rows import to_row
from t2t_dist.storage.source_run import Source
from t2t_dist.synthesis.explore import check_weights
from t2t_dist.synthesis.kinds_of_request import kinds_of
from t2t_dist.synthesis.verify import Verifier

from .item_rows import ItemRows
from .stages import Stages, rollouts
from .workload import Workload


class Generate(Workload):
    """Explore, convert, verify and roll out; one customer per item."""

    def __init__(self, config: Config, slots: int = 256) -> None:
        domain = load_domain(config)
        super().__init__(config, domain, domain.fingerprint, slots)
        with domain_errors(config.domain):
            self.customers = list(domain.callers)
            entries = domain.entry_tools
        check_weights(config.errand_weights, domain)
        if not entries:
            lacks = "tool that finds a customer by what they know" if self.customers else "customers"
            raise InputError(f"domain '{config.domain}' has no {lacks}: nothing can be explored on it")
        random.Random(seed_of(config.seed, "customers")).shuffle(self.customers)
        self._stages: Stages | None = None

    def size(self) -> int:
        return min(len(self.customers), self.config.trajectories)

    def indices(self, item: int) -> range:
        """Numbers of the trajectories assigned to an item's customer."""
        return range(item, self.config.trajectories, self.size())

    async def _fill(self, out: ItemRows, item: int, attempt: int) -> None:
        stages = self._stages = self._stages or Stages(self)
        customer = self.customers[item]
        verifier = Verifier(self.domain, self.config.verify, stages.reference)
        async with rollouts() as rolled:
            for index in self.indices(item):
                trajectory = await stages.explore(index, customer, attempt, out)
                if trajectory is None:
                    continue
                out.add("trajectories", {"run_id": self.run_id, **to_row(trajectory)})
                out.counts["trajectories"] += 1
                if trajectory.verdict != "kept":
                    out.counts[f"rejected.{trajectory.verdict}"] += 1
                elif self.config.until != "explore":
                    await stages.tasks(trajectory, verifier, attempt, out, rolled)

    def _about(self, item: int) -> dict[str, Any]:
        return {"stage": "item", "what": f"customer {self.customers[item]}"}


class Convert(Workload):
    """Convert, verify and roll out the kept trajectories of a run; one customer per item.

    As in generate: duplicates are looked for among the trajectories of one customer.
    """

    def __init__(self, config: Config, slots: int = 256) -> None:
        domain = load_domain(config)
        assert config.source is not None
        self.source = Source(config.source)
        source = f"{domain.fingerprint}/{self.source.digest('trajectories')}"
        super().__init__(config, domain, source, slots)
        self.parts["run"] = self.source.digest("trajectories")
        self.trajectories, self.customers = self.source.customers(config.limit)
        self._stages: Stages | None = None

    def size(self) -> int:
        return len(self.customers)

    async def _fill(self, out: ItemRows, item: int, attempt: int) -> None:
        self._stages = self._stages or Stages(self)
        verifier = Verifier(self.domain, self.config.verify, self._stages.reference)
        _, numbers = self.customers[item]
        async with rollouts() as rolled:
            for trajectory in await asyncio.to_thread(lambda: [self.trajectories[number] for number in numbers]):
                out.add("trajectories", {"run_id": self.run_id, **to_row(trajectory)})
                out.counts["trajectories"] += 1
                await self._stages.tasks(trajectory, verifier, attempt, out, rolled)

    def _about(self, item: int) -> dict[str, Any]:
        return {"stage": "item", "what": f"customer {self.customers[item][0]}"}


class Evaluate(Workload):
    """Roll out agents on the verified tasks of a run; one episode per item, or with adaptive trials all of a task's."""

    def __init__(self, config: Config, slots: int = 256) -> None:
        assert config.source is not None
        self.source = Source(config.source)
        domain = load_domain(config)
        super().__init__(config, domain, f"{domain.fingerprint}/{self.source.digest('tasks')}", slots)
        self.parts["run"] = self.source.digest("tasks")
        self.tasks = self.source.verified_tasks(config.limit, config.intents)
        if not self.tasks:
            raise InputError(f"{config.source} holds no verified task of these intents: {', '.join(config.intents)}")

    def size(self) -> int:
        return len(self.tasks) * len(self.config.agents) * self._trials_per_item()

    def _trials_per_item(self) -> int:
        return 1 if isinstance(self.config.trials, str) else self.config.trials

    def _place(self, item: int) -> tuple[int, str, int]:
        """An item's task (its number), agent and trial."""
        rest, trial = divmod(item, self._trials_per_item())
        task, agent = divmod(rest, len(self.config.agents))
        return task, self.config.agents[agent], trial

    async def _fill(self, out: ItemRows, item: int, attempt: int) -> None:
        number, agent, trial = self._place(item)
        # A shard is read off the event loop: its store may be far away, and other episodes run on the loop.
        task = self.tasks.cached(number)
        if task is None:
            task = await asyncio.to_thread(lambda: self.tasks[number])
        if self.config.trials == "adaptive":
            for done in await self.trials(task, agent, attempt):
                out.finished(done)
        else:
            out.finished(await self.episode(task, agent, trial, "rollout", attempt))

    def _about(self, item: int) -> dict[str, Any]:
        number, agent, trial = self._place(item)
        task = self.tasks[number]
        about: dict[str, Any] = {"task_id": task.task_id, "intent": task.intent, "difficulty": task.level}
        about |= {"combination": task.combination, "kinds": kinds_of(self.domain, task), "agent": agent, "trial": trial}
        return {"stage": "rollout", "what": f"{task.task_id}/{agent}", **about}


KINDS: dict[str, type[Generate] | type[Convert] | type[Evaluate]] = {
    "generate": Generate,
    "convert": Convert,
    "evaluate": Evaluate,
}


def open_workload(kind: str, config: Config, slots: int) -> Generate | Convert | Evaluate:
    """The workload of a config, with up to ``slots`` live episodes in this process. Raises InputError."""
    return KINDS[kind](config, slots)
