"""Tool faults: a domain whose tools fail, answer late or show noise where a plan says so, and work as usual otherwise.

A plan maps names of the agent's tools to their fault in one episode. It is data: an episode's plan is stored beside its
transcript, and grading, which replays the calls, meets the same faults. Who plans: ``simulation/tool_fault_plan.py``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from copy import copy
from enum import StrEnum
from typing import Any

from .base import Domain
from .state import World
from .tool_noise import (
    PAGE,
    PART,
    InPieces,
    SecondLook,
    has_pages,
    has_parts,
    look_alike,
    look_alikes,
    second_looks,
    stale,
    wrong,
)
from .tools import AGENT, Tool, ToolError, ToolResult, ToolSet


class Fault(StrEnum):
    """What a tool is made to do."""

    RETRY = "retry"  # its first call in an episode fails, later ones work
    SWITCH = "switch"  # it fails always, but another tool has the same effect
    IMPOSSIBLE = "impossible"  # it fails always, and no other tool has its effect
    LATE = "late"  # it answers late
    # Noise: the task can be solved as before, by who looks closely.
    PAGED = "paged"  # the records that it shows come in pages of so many: "paged:3"
    TRUNCATED = "truncated"  # the record that it shows is cut after so many characters: "truncated:400"
    STALE = "stale"  # of the records of a type, it shows a field wrongly, and names the tool that holds
    WRONG = "wrong"  # the same, and that tool says that it holds: "wrong:Variant:item_id:price:get_item_details"
    DISTRACTOR = "distractor"  # there is no such tool otherwise; it looks like another: "distractor:get_order_details"


#: How many records or characters are in a piece.
_SIZE = re.compile(r"[1-9][0-9]{0,8}")

FaultPlan = Mapping[str, str]
"""Name of a tool -> a value of :class:`Fault`; that of noise is followed by its details, each after a colon."""


def in_words(fault: str) -> str:
    """A plan's entry for people: ``paged by 3``, ``stale status, get_order_details holds``."""
    match fault.split(":"):
        case [Fault.PAGED, size]:
            return f"paged by {size}"
        case [Fault.TRUNCATED, size]:
            return f"truncated at {size} characters"
        case [Fault.STALE | Fault.WRONG as kind, _, _, field, holder]:
            return f"{kind} {field}, {holder} holds"
        case [Fault.DISTRACTOR, of]:
            return f"distractor, looks like {of}"
    return fault


def noise_of(plan: FaultPlan) -> dict[str, str]:
    """The part of a plan that decides which tools an agent is offered, and how they are described."""
    return {name: fault for name, fault in plan.items() if ":" in fault}


def planned(fault: Fault, *details: object) -> str:
    """A plan's entry."""
    return ":".join([fault.value, *map(str, details)])


class FaultyTools(ToolSet):
    """The tools of one attempt at an episode. A call that fails by plan is not executed: the world stays as it is."""

    def __init__(self, tools: ToolSet, plan: FaultPlan, late_s: float = 0.0) -> None:
        super().__init__(_with_noise(tools, plan))
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

    def _is_noisy(self, name: str, side: str) -> bool:
        return side == AGENT and self.by_name.get(name) is not self._tools.by_name.get(name)

    def execute(self, world: World, name: str, arguments: str | dict[str, Any], side: str = AGENT) -> ToolResult:
        """See :meth:`ToolSet.execute`. A late answer is not waited for here."""
        if (failed := self._fault(name, arguments, side)) is not None:
            return failed
        if self._is_noisy(name, side):
            return super().execute(world, name, arguments, side)
        return self._tools.execute(world, name, arguments, side)

    async def execute_async(
        self, world: World, name: str, arguments: str | dict[str, Any], side: str = AGENT
    ) -> ToolResult:
        """See :meth:`ToolSet.execute_async`."""
        if side == AGENT and self._plan.get(name) == Fault.LATE:
            await asyncio.sleep(self._late_s)
        if (failed := self._fault(name, arguments, side)) is not None:
            return failed
        if self._is_noisy(name, side):
            return await super().execute_async(world, name, arguments, side)
        return await self._tools.execute_async(world, name, arguments, side)


def _with_noise(tools: ToolSet, plan: FaultPlan) -> list[Tool]:
    """The tools as the plan's noise shows them. A plan may be of other tools, or forged: what can't be carried out on
    these ones is left out."""
    shown = dict(tools.by_name)
    beside: dict[str, list[Tool]] = {}
    for name, fault in sorted(plan.items()):
        match fault.split(":"):
            case [Fault.DISTRACTOR, of] if of in shown and name in look_alikes(tools[of], list(tools.by_name)):
                beside.setdefault(of, []).append(look_alike(tools[of], name))
            case [Fault.PAGED, size] if _SIZE.fullmatch(size) and name in shown and has_pages(tools[name]):
                shown[name] = InPieces(shown[name], PAGE, int(size))
            case [Fault.TRUNCATED, size] if _SIZE.fullmatch(size) and name in shown and has_parts(tools[name]):
                shown[name] = InPieces(shown[name], PART, int(size))
            case [Fault.STALE | Fault.WRONG as noise, *details] if name in shown and len(details) == 4:
                look = SecondLook(*details)
                if look.holder not in shown or look not in second_looks(tools[name], [tools[look.holder]]):
                    continue
                if noise == Fault.STALE:
                    shown[name] = stale(shown[name], look, shown[look.holder])
                else:
                    shown[name], shown[look.holder] = wrong(shown[name], look, shown[look.holder])
    # Before what it looks like: who takes the first that fits is wrong.
    return [one for tool in shown.values() for one in (*beside.get(tool.name, ()), tool)]


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
