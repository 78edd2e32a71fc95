"""The base of all workloads: the items of a run, each of which a worker turns into rows by itself."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any

from t2t_dist.config.settings import Config
from t2t_dist.core.errors import FailureClass, InputError
from t2t_dist.core.identity import code_version, run_id
from t2t_dist.core.schema import Task
from t2t_dist.environments.base import Domain
from t2t_dist.models.clients import Models
from t2t_dist.models.limiter import Slots
from t2t_dist.models.metering import spending, stage
from t2t_dist.simulation.tool_fault_plan import check_tools

from .episodes import EpisodeRunner, Finished, reward_of
from .failures import failure_of
from .item_rows import ItemRows
from .trials import adaptively


class Workload(ABC):
    """The items 0..n-1 of a run, and what its stages share: identity, models, episodes, slots.

    An item's rows depend on the item alone, so any number of workers gives the same dataset.
    """

    def __init__(self, config: Config, domain: Domain, source: str, slots: int) -> None:
        """``source`` identifies what the run works on; ``slots`` bounds the live episodes of this process."""
        check_tools(config.faults, domain)
        if config.rules == "tau2":
            from t2t_dist.simulation.as_tau2 import of_tau2

            of_tau2(domain)
            if config.faults.noise:
                raise InputError("--as tau2 offers the tools as tau2 does; leave the noise out of --tool-faults")
        self.config, self.domain, self.origin = config, domain, source
        #: Hashes of what the run works on, by name (see ``storage.manifest.PARTS``).
        self.parts = dict(domain.parts)
        self.run_id = run_id(config.results_part(), code_version(), source)
        self.models = Models(config.models, config.used_pools())
        self.runner = EpisodeRunner(self.run_id, config, self.models, domain)
        self.slots = Slots(slots)
        #: Weight of each write in explorations to come, set by the driver (see t2t_dist.pipeline.feedback).
        self.feedback_weights: dict[str, float] = {}

    @abstractmethod
    def size(self) -> int:
        """Number of items."""

    async def run(self, item: int, attempt: int) -> ItemRows:
        """The rows of an item; its model calls are counted with it. Raises InputError for what no retry can fix."""
        out = ItemRows()
        with spending(out.counts):
            await self._fill(out, item, attempt)
        return out

    def given_up(self, item: int, attempts: int, defect: str = "") -> ItemRows:
        """The failure row of an item that is not tried again: it lost its worker too often, or met a ``defect``."""
        about, failure = self._about(item), FailureClass.DEFECT if defect else FailureClass.POISONED
        why = f"was set aside: {defect}" if defect else f"lost its worker {attempts} times and was set aside"
        out = ItemRows()
        out.finished(
            failure_of(
                self.run_id,
                domain=self.config.domain,
                failure=failure,
                message=f"{about['what']} {why}",
                attempts=attempts,
                user=self.config.user,
                started=time.time(),
                **about,
            )
        )
        return out

    @abstractmethod
    async def _fill(self, out: ItemRows, item: int, attempt: int) -> None:
        """Add the rows of an item."""

    @abstractmethod
    def _about(self, item: int) -> dict[str, Any]:
        """What :func:`~t2t_dist.pipeline.failures.failure_of` needs to name an item: ``stage``, ``what`` ..."""

    async def episode(self, task: Task, agent: str, trial: int, kind: str, attempt: int) -> Finished:
        async with self.slots:
            with stage(kind):
                return await self.runner.run(task, agent, trial, kind, attempt)

    async def trials(self, task: Task, agent: str, attempt: int) -> list[Finished]:
        """All episodes of an agent on a task, as many as ``trials`` says."""
        wanted = self.config.trials
        if isinstance(wanted, int):
            return await asyncio.gather(*(self.episode(task, agent, n, "rollout", attempt) for n in range(wanted)))

        def next_one(trial: int) -> Coroutine[Any, Any, Finished]:
            return self.episode(task, agent, trial, "rollout", attempt)

        return [done async for done in adaptively(self.config.adaptive, next_one, reward_of)]

    async def close(self) -> None:
        await self.models.close()
