"""What a run consists of: items 0..n-1, each of which a worker turns into rows by itself.

*generate*: an item is one customer with all the trajectories that fall to them; the stages run where the trajectory
is. *convert*: an item is one stored trajectory. *evaluate*: an item is one episode of one agent on one stored task.
An item's rows depend on the item alone, so any number of workers gives the same dataset.
"""

from __future__ import annotations

import asyncio
import random
from typing import Protocol

from t2t_dist.config.domain import _of_domain, load_domain
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import FailureClass, InputError
from t2t_dist.core.identity import episode_id, seed_of
from t2t_dist.core.schema import Task
from t2t_dist.models.clients import Models
from t2t_dist.models.limiter import Slots
from t2t_dist.storage.rows import to_row
from t2t_dist.storage.source_run import Source
from t2t_dist.synthesis.verify import Verifier

from .episodes import EpisodeRunner, Finished, lost_episode
from .run import ItemRows, Run
from .stages import Stages, rollouts


class Work(Protocol):
    """A run's items. ``slots`` bounds the episodes that one worker has alive."""

    run_id: str
    models: Models
    runner: EpisodeRunner
    slots: Slots
    favours: dict[str, float]

    def size(self) -> int:
        """Number of items."""
        ...

    async def run(self, item: int, attempt: int) -> ItemRows:
        """The rows of an item. Raises InputError for what no repetition mends."""
        ...

    def given_up(self, item: int, attempts: int, defect: str = "") -> ItemRows:
        """The rows of an item that was set aside: for the workers it lost, or for a ``defect`` that it met."""
        ...

    async def close(self) -> None: ...


class Generate(Run):
    """Explore, convert, verify and roll out, a customer an item."""

    def __init__(self, config: Config, slots: int = 256) -> None:
        domain = load_domain(config)
        super().__init__(config, domain, domain.fingerprint, slots)
        with _of_domain(config.domain):
            self.customers = list(domain.callers)
            entries = domain.entry_tools
        if not entries:
            lacks = "tool that finds a customer by what they know" if self.customers else "customers"
            raise InputError(f"domain '{config.domain}' has no {lacks}: nothing can be explored on it")
        random.Random(seed_of(config.seed, "customers")).shuffle(self.customers)
        self._stages: Stages | None = None

    def size(self) -> int:
        return min(len(self.customers), self.config.trajectories)

    def indices(self, item: int) -> range:
        """Numbers of the trajectories that fall to an item's customer."""
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

    def given_up(self, item: int, attempts: int, defect: str = "") -> ItemRows:
        return _given_up(self, f"customer {self.customers[item]}", attempts, defect)


class Convert(Run):
    """Convert, verify and roll out the kept trajectories of a run, one an item.

    Duplicates are looked for among the trajectories of the same customer, all of which are one item as in generate.
    """

    def __init__(self, config: Config, slots: int = 256) -> None:
        domain = load_domain(config)
        assert config.source is not None
        self.source = Source(config.source)
        source = f"{domain.fingerprint}/{self.source.digest('trajectories')}"
        super().__init__(config, domain, source, slots)
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

    def given_up(self, item: int, attempts: int, defect: str = "") -> ItemRows:
        return _given_up(self, f"customer {self.customers[item][0]}", attempts, defect)


class Evaluate(Run):
    """Roll agents out on the verified tasks of a run, an episode an item; with adaptive trials, all of a task's."""

    def __init__(self, config: Config, slots: int = 256) -> None:
        assert config.source is not None
        self.source = Source(config.source)
        domain = load_domain(config)
        super().__init__(config, domain, f"{domain.fingerprint}/{self.source.digest('tasks')}", slots)
        self.tasks = self.source.verified_tasks(config.limit, config.intents)
        if not self.tasks:
            raise InputError(f"{config.source} holds no verified task of these intents: {', '.join(config.intents)}")

    def size(self) -> int:
        return len(self.tasks) * len(self.config.agents) * self._trials_an_item()

    def _trials_an_item(self) -> int:
        return 1 if isinstance(self.config.trials, str) else self.config.trials

    def _of(self, item: int) -> tuple[int, str, int]:
        """The number of an item's task, its agent, its trial."""
        rest, trial = divmod(item, self._trials_an_item())
        task, agent = divmod(rest, len(self.config.agents))
        return task, self.config.agents[agent], trial

    async def _fill(self, out: ItemRows, item: int, attempt: int) -> None:
        number, agent, trial = self._of(item)
        # A shard is read apart from the loop, on which other episodes live: its store may be far away.
        task = self.tasks.at_hand(number)
        if task is None:
            task = await asyncio.to_thread(lambda: self.tasks[number])
        if self.config.trials == "adaptive":
            for done in await self.trials(task, agent, attempt):
                out.finished(done)
        else:
            out.finished(await self.episode(task, agent, trial, "rollout", attempt))

    def given_up(self, item: int, attempts: int, defect: str = "") -> ItemRows:
        number, agent, trial = self._of(item)
        task = self.tasks[number]
        return _given_up(self, f"{task.task_id}/{agent}", attempts, defect, task, agent, trial)


def _given_up(
    run: Run, what: str, attempts: int, defect: str, task: Task | None = None, agent: str = "", trial: int = 0
) -> ItemRows:
    out = ItemRows()
    failure, message = FailureClass.POISONED, f"lost its worker {attempts} times and was set aside"
    if defect:
        failure, message = FailureClass.DEFECT, f"was set aside: {defect}"
    row = lost_episode(run.run_id, run.config, run.config.domain, what, attempts, failure, message)
    if task is not None:
        identity = episode_id(run.run_id, "rollout", what, trial)
        row |= {"episode_id": identity, "stage": "rollout", "agent": agent, "trial": trial}
        row |= {"task_id": task.task_id, "intent": task.intent}
    out.finished(Finished("failures", row, None))
    return out


KINDS: dict[str, type[Generate] | type[Convert] | type[Evaluate]] = {
    "generate": Generate,
    "convert": Convert,
    "evaluate": Evaluate,
}


def open_work(kind: str, config: Config, slots: int) -> Generate | Convert | Evaluate:
    """The work of a config; ``slots`` episodes at once in this process. Raises InputError."""
    return KINDS[kind](config, slots)
