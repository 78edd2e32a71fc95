"""A run: its settings, its identity, and the rows of one item."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from t2t_dist.config.settings import Config
from t2t_dist.core.identity import code_version, run_id
from t2t_dist.core.schema import Task
from t2t_dist.environments.base import Domain
from t2t_dist.models.clients import Models
from t2t_dist.models.limiter import Slots
from t2t_dist.models.metering import spending, stage
from t2t_dist.simulation.tool_fault_plan import check_tools

from .episodes import EpisodeRunner, Finished
from .trials import adaptively


class Run:
    """What all kinds of work share."""

    def __init__(self, config: Config, domain: Domain, source: str, slots: int) -> None:
        check_tools(config.faults, domain)
        self.config, self.domain, self.origin = config, domain, source
        self.run_id = run_id(config.results_part(), code_version(), source)
        self.models = Models(config.models, config.used_pools())
        self.runner = EpisodeRunner(self.run_id, config, self.models, domain)
        self.slots = Slots(slots)
        #: How much each write is wanted in explorations to come; the driver's word (see t2t_dist.pipeline.feedback).
        self.favours: dict[str, float] = {}

    async def episode(self, task: Task, agent: str, trial: int, kind: str, attempt: int) -> Finished:
        async with self.slots:
            with stage(kind):
                return await self.runner.run(task, agent, trial, kind, attempt)

    async def run(self, item: int, attempt: int) -> ItemRows:
        """See :meth:`Work.run`. What models are asked meanwhile is counted with the item."""
        out = ItemRows()
        with spending(out.counts):
            await self._fill(out, item, attempt)
        return out

    async def _fill(self, out: ItemRows, item: int, attempt: int) -> None:
        raise NotImplementedError

    async def trials(self, task: Task, agent: str, attempt: int) -> list[Finished]:
        """All episodes of an agent on a task, as many as ``trials`` says."""
        wanted = self.config.trials
        if isinstance(wanted, int):
            return await asyncio.gather(*(self.episode(task, agent, n, "rollout", attempt) for n in range(wanted)))

        def next_one(trial: int) -> Coroutine[Any, Any, Finished]:
            return self.episode(task, agent, trial, "rollout", attempt)

        return [done async for done in adaptively(self.config.adaptive, next_one, lambda done: done.reward)]

    async def close(self) -> None:
        await self.models.close()


@dataclass
class ItemRows:
    """What an item came to: rows by table, and counts to be added up over the run."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, table: str, row: dict[str, Any]) -> None:
        self.rows.setdefault(table, []).append(row)

    def finished(self, done: Finished) -> None:
        """Take an episode's row and count it."""
        self.add(done.table, done.row)
        if done.table == "episodes":
            self.counts[f"episodes.{done.row['stage']}"] += 1
        else:
            self.counts[f"failures.{done.row['failure']}"] += 1
