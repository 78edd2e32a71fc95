"""The plan of an episode's tool faults: which of the agent's tools is made to fail, and how.

``environments/tool_faults.py`` carries a plan out; what is still right under it is ``grading/expected.py``. The faults:
*retry* (fails once, then works), *switch* (fails always, but another tool has the same effect), *impossible* (fails
always, and no other tool helps), *late* (answers late). Not to be confused with user faults (``user_faults.py``), which
nobody plans: they are defects of the simulated user.
"""

from __future__ import annotations

import random
from difflib import get_close_matches

from t2t_dist.config.settings import FaultsConfig
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tool_faults import Fault, FaultPlan
from t2t_dist.environments.tools import AGENT, Kind, Tool


def plan_of(config: FaultsConfig, domain: Domain, task: Task, seed: int) -> FaultPlan:
    """The tool faults of an episode, drawn from its seed. The draws for a tool do not depend on the other tools."""
    if not config.any:
        return {}
    plan: dict[str, str] = {}
    for tool in domain.tools.side(AGENT):
        rng = random.Random(f"{seed}/{tool.name}")
        draws = {fault: rng.random() for fault in Fault}
        if config.tools:
            if tool.name not in config.tools:
                continue
        elif tool.kind in (Kind.GENERIC, Kind.RECORD):
            continue
        shares = {
            Fault.IMPOSSIBLE: config.impossible if tool.kind is Kind.WRITE else 0.0,
            Fault.SWITCH: config.switch if _others(domain, task, tool) else 0.0,
            Fault.RETRY: config.retry,
            Fault.LATE: config.late,
        }
        fault = next((fault for fault, share in shares.items() if draws[fault] < share), None)
        if fault is not None:
            plan[tool.name] = fault.value
    ways = [tool.name for tool in domain.entry_tools if _can_use(task, tool)]
    if ways and all(plan.get(name) == Fault.SWITCH for name in ways):
        # One way to find the customer has to work, preferably not the gold's.
        usual = {call.name for call in task.grader.gold}
        del plan[next((name for name in ways if name not in usual), ways[0])]
    return plan


def check_tools(config: FaultsConfig, domain: Domain) -> None:
    """Raises InputError: a name under ``faults.tools`` is no tool of the agent's."""
    names = [tool.name for tool in domain.tools.side(AGENT)]
    for name in config.tools:
        if name not in names:
            near = get_close_matches(name, names, 3, 0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"its tools are: {', '.join(names)}"
            raise InputError(f"faults.tools: {domain.name} has no tool '{name}' of the agent's; {hint}")


def _others(domain: Domain, task: Task, tool: Tool) -> list[Tool]:
    """Other tools with the same effect: those that find the customer by something else that this customer knows."""
    if tool not in domain.entry_tools or not _can_use(task, tool):
        return []
    return [other for other in domain.entry_tools if other is not tool and _can_use(task, other)]


def _can_use(task: Task, tool: Tool) -> bool:
    return tool.consumes() <= {fact.slot for fact in task.user.identity}
