"""Which faults an episode meets, and what an agent can be expected to do in spite of them.

The modes are those of work on tools that fail: *retry* (once, then it works), *switch* (for good, but another tool
leads to the same), *impossible* (for good, and nothing does). *late* answers late.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from pydantic import Field

from t2t_dist.config.engines import Section
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import RecordChange, Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tool_faults import Fault, Plan
from t2t_dist.environments.tools import AGENT, Call, Kind, Tool
from t2t_dist.synthesis.intents.certificate import changes_of, fact_text, fields_of
from t2t_dist.tau2.initial_world import world_of


class FaultsConfig(Section):
    """Faults that rollouts meet: shares of the tools, drawn anew for each episode, the same for all agents."""

    retry: float = Field(0.0, ge=0, le=1, description="share of tools whose first call fails")
    switch: float = Field(0.0, ge=0, le=1, description="share of tools that are out of order where another one will do")
    impossible: float = Field(0.0, ge=0, le=1, description="share of WRITE tools that are out of order")
    late: float = Field(0.0, ge=0, le=1, description="share of tools that answer late")
    late_s: float = Field(1.0, ge=0, description="how late, in seconds")
    tools: list[str] = Field([], description="only these tools; default: all of the agent's that touch data")

    @property
    def any(self) -> bool:
        return any((self.retry, self.switch, self.impossible, self.late))


def plan_of(config: FaultsConfig, domain: Domain, task: Task, seed: int) -> Plan:
    """What befalls which tool in an episode. The draws for a tool do not depend on the other tools."""
    if not config.any:
        return {}
    found: dict[str, str] = {}
    for tool in domain.tools.side(AGENT):
        rng = random.Random(f"{seed}/{tool.name}")
        draws = {fault: rng.random() for fault in Fault}
        if config.tools:
            if tool.name not in config.tools:
                continue
        elif tool.kind is Kind.GENERIC:
            continue
        shares = {
            Fault.IMPOSSIBLE: config.impossible if tool.kind is Kind.WRITE else 0.0,
            Fault.SWITCH: config.switch if _others(domain, task, tool) else 0.0,
            Fault.RETRY: config.retry,
            Fault.LATE: config.late,
        }
        fault = next((fault for fault, share in shares.items() if draws[fault] < share), None)
        if fault is not None:
            found[tool.name] = fault.value
    ways = [tool.name for tool in domain.entry_tools if _can_use(task, tool)]
    if ways and all(found.get(name) == Fault.SWITCH for name in ways):
        # Somebody has to be found in one way at least, best in another one than the gold's.
        usual = {call.name for call in task.grader.gold}
        del found[next((name for name in ways if name not in usual), ways[0])]
    return found


def check_tools(config: FaultsConfig, domain: Domain) -> None:
    """Raises InputError: a name under ``faults.tools`` is no tool of the agent's."""
    names = [tool.name for tool in domain.tools.side(AGENT)]
    for name in config.tools:
        if name not in names:
            near = get_close_matches(name, names, 3, 0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"its tools are: {', '.join(names)}"
            raise InputError(f"faults.tools: {domain.name} has no tool '{name}' of the agent's; {hint}")


def _others(domain: Domain, task: Task, tool: Tool) -> list[Tool]:
    """Other tools that lead to the same: those that find the customer by something else that this one can say."""
    if tool not in domain.entry_tools or not _can_use(task, tool):
        return []
    return [other for other in domain.entry_tools if other is not tool and _can_use(task, other)]


def _can_use(task: Task, tool: Tool) -> bool:
    return tool.consumes() <= {fact.slot for fact in task.user.identity}


class Expected(NamedTuple):
    """What a correct episode comes to: the final states that are right, what the gold changes, what has to be said."""

    finals: tuple[str, ...]
    changes: Sequence[RecordChange]
    communicate: list[str]


def expected(domain: Domain, task: Task, plan: Plan) -> Expected:
    """What a correct episode comes to under these faults.

    A gold call that can't be made leaves its goal where it stands; whether the goal's other calls are made nevertheless
    is the agent's to decide, so both states are right. What only such calls would have told need not be said.
    """
    grader = task.grader
    impossible = {name for name, fault in plan.items() if fault == Fault.IMPOSSIBLE}
    if not any(call.name in impossible for call in grader.gold):
        return Expected((grader.final,), grader.allowed_diff, grader.communicate)
    stuck = {call.goal for call in grader.gold if call.name in impossible}
    possible = [call for call in grader.gold if call.name not in impossible]
    untouched = [call for call in possible if call.goal not in stuck]
    worlds = []
    for calls in (untouched, possible):
        world = world_of(domain, task)
        for call in calls:
            domain.execute(world, Call(call.name, call.arguments))
        worlds.append(world)
    told = {fact_text(value) for call in possible for value in fields_of(call.result).values()}
    said = [fact for fact in grader.communicate if fact in told]
    return Expected(tuple(world.digest for world in worlds), changes_of(worlds[0]), said)
