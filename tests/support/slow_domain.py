"""Retail with a disposition: held in the middle by a test, deadly, or broken."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextvars import ContextVar
from typing import Any

from t2t_dist.core.identity import seed_of
from t2t_dist.environments.base import Profile
from t2t_dist.environments.language import Said
from t2t_dist.environments.retail import Retail
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import AGENT, Call, ToolResult, ToolSet
from tests.support.brake import held

#: The item that the current task works on; the tasks of its episodes inherit it.
_item: ContextVar[int] = ContextVar("item", default=0)


def ordered(domain: Retail) -> list[str]:
    """The customers of a run with seed 7, in the order of its items."""
    customers = list(domain.callers)
    random.Random(seed_of(7, "customers")).shuffle(customers)
    return customers


class _Held(ToolSet):
    """Calls of held episodes wait; the worker's event loop stays free."""

    async def execute_async(self, world: World, name: str, arguments: Any, side: str = AGENT) -> ToolResult:
        while held(_item.get()):  # noqa: ASYNC110 - a test in another process releases it
            await asyncio.sleep(0.2)
        return await super().execute_async(world, name, arguments, side)


class SlowRetail(Retail):
    """Its episodes wait while the brake holds them (see :mod:`tests.support.brake`)."""

    name = "slow"

    def __init__(self, *, seed: int = 0, scale: float = 1.0) -> None:
        super().__init__(seed=seed, scale=scale)
        self.tools = _Held(self.tool_list)
        self._items = {customer: item for item, customer in enumerate(ordered(self))}

    def profile(self, world: World, customer: str) -> Profile:
        _item.set(self._items.get(customer, 0))
        return super().profile(world, customer)


def fifth(domain: Retail) -> str:
    """A customer whom every run with seed 7 and more than five trajectories meets."""
    return ordered(domain)[5]


class Killer(Retail):
    """One customer kills the worker that asks for them."""

    name = "killer"

    def profile(self, world: World, customer: str) -> Profile:
        if customer == fifth(self):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().profile(world, customer)


class Broken(Retail):
    """A defect outside of any tool."""

    name = "broken"

    def profile(self, world: World, customer: str) -> Profile:
        if customer == fifth(self):
            raise RuntimeError("deliberately broken")
        return super().profile(world, customer)


class Hopeless(Retail):
    """A defect that every item meets."""

    name = "hopeless"

    def describe(self, world: World, call: Call, slot: str, customer: str) -> Said:
        raise RuntimeError("deliberately broken")


class Stillborn(Retail):
    """A defect that shows before any item."""

    name = "stillborn"

    def profile(self, world: World, customer: str) -> Profile:
        raise RuntimeError("deliberately broken")
