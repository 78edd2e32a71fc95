"""Tool faults: a domain whose tools fail or answer late where a plan says so, and work as usual otherwise.

A plan maps names of the agent's tools to their fault in one episode. It is data: an episode's plan is stored beside its
transcript, and grading, which replays the calls, meets the same faults. Who plans: ``simulation/tool_fault_plan.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from copy import copy
from enum import StrEnum
from typing import Any

from .base import Domain
from .state import World
from .tools import AGENT, ToolError, ToolResult, ToolSet


class Fault(StrEnum):
    """What a tool is made to do."""

    RETRY = "retry"  # its first call in an episode fails, later ones work
    SWITCH = "switch"  # it fails always, but another tool has the same effect
    IMPOSSIBLE = "impossible"  # it fails always, and no other tool has its effect
    LATE = "late"  # it answers late


FaultPlan = Mapping[str, str]
"""Name of a tool -> a value of :class:`Fault`."""


class FaultyTools(ToolSet):
    """The tools of one attempt at an episode. A call that fails by plan is not executed: the world stays as it is."""

    def __init__(self, tools: ToolSet, plan: FaultPlan, late_s: float = 0.0) -> None:
        super().__init__(list(tools))
        self._tools, self._plan, self._late_s = tools, plan, late_s
        self._called: set[str] = set()

    def _fault(self, name: str, arguments: str | dict[str, Any], side: str) -> ToolResult | None:
        fault = self._plan.get(name) if side == AGENT else None
        if fault == Fault.RETRY and name not in self._called:
            self._called.add(name)
            why = f"{name} is not available at the moment; the same call may work if it is made again"
        elif fault in (Fault.SWITCH, Fault.IMPOSSIBLE):
            why = f"{name} is out of order and will not work again today"
        else:
            return None
        try:
            checked = self._tools.prepare(name, arguments, side)[1]
        except ToolError:
            checked = None
        return ToolResult(f"Error: {why}", True, None, checked, False, made_to_fail=True)

    def execute(self, world: World, name: str, arguments: str | dict[str, Any], side: str = AGENT) -> ToolResult:
        """See :meth:`ToolSet.execute`. A late answer is not waited for here."""
        return self._fault(name, arguments, side) or self._tools.execute(world, name, arguments, side)

    async def execute_async(
        self, world: World, name: str, arguments: str | dict[str, Any], side: str = AGENT
    ) -> ToolResult:
        """See :meth:`ToolSet.execute_async`."""
        if side == AGENT and self._plan.get(name) == Fault.LATE:
            await asyncio.sleep(self._late_s)
        return self._fault(name, arguments, side) or await self._tools.execute_async(world, name, arguments, side)


def with_tool_faults(domain: Domain, plan: FaultPlan, late_s: float = 0.0) -> Domain:
    """A copy of the domain with faulty tools, for one attempt at an episode or one replay; the domain itself where the
    plan is empty."""
    if not plan:
        return domain
    found = copy(domain)
    found.tools = FaultyTools(domain.tools, plan, late_s)
    return found


def is_passing(result: str) -> bool:
    """Whether a failed call's text says that the same call may work when it is repeated."""
    return "may work if it is made again" in result


def is_out_of_order(result: str) -> bool:
    """Whether a failed call's text says that its tool will not work again."""
    return "is out of order" in result
