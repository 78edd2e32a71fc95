"""Retail with a disposition: slow enough to be killed in the middle, deadly, or broken."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import time
from typing import Any

from t2t_dist.core.identity import seed_of
from t2t_dist.environments.base import Profile
from t2t_dist.environments.language import Said
from t2t_dist.environments.retail import Retail
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import AGENT, Call, ToolResult, ToolSet


class SlowRetail(Retail):
    """A customer takes a while."""

    name = "slow"

    def profile(self, world: World, customer: str) -> Profile:
        time.sleep(0.05)
        return super().profile(world, customer)


class _Sleeping(ToolSet):
    """Some calls of an episode never come back."""

    calls = itertools.count(1)

    async def execute_async(self, world: World, name: str, arguments: Any, side: str = AGENT) -> ToolResult:
        if next(self.calls) % 60 == 0:
            await asyncio.sleep(3600)
        return await super().execute_async(world, name, arguments, side)


class Sleepy(SlowRetail):
    """Episodes hang here and there."""

    name = "sleepy"

    def __init__(self, *, seed: int = 0, scale: float = 1.0) -> None:
        super().__init__(seed=seed, scale=scale)
        self.tools = _Sleeping(self.tool_list)


def fifth(domain: Retail) -> str:
    """A customer whom every run with seed 7 and more than five trajectories meets."""
    customers = domain.customers(domain.base)
    random.Random(seed_of(7, "customers")).shuffle(customers)
    return customers[5]


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
