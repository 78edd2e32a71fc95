"""Which faults an episode meets, and what an agent can be expected to do in spite of them.

The modes are those of work on tools that fail: *retry* (once, then it works), *switch* (for good, but another tool
leads to the same), *impossible* (for good, and nothing does). *late* answers late.
"""

from __future__ import annotations

import random
from difflib import get_close_matches

from t2t_dist.config.settings import FaultsConfig
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tool_faults import Fault, Plan
from t2t_dist.environments.tools import AGENT, Kind, Tool


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
