"""The plan of an episode's tool faults: which of the agent's tools is made to fail or to show noise, and how.

``environments/tool_faults.py`` carries a plan out; what is still right under it is ``grading/expected.py``. The faults:
*retry* (fails once, then works), *switch* (fails always, but another tool has the same effect), *impossible* (fails
always, and no other tool helps), *late* (answers late). Under noise, what is right is what was: *paged* and *truncated*
(results come in pieces), *stale* and *wrong* (another tool shows what holds), *distractor* (a tool of no use beside
another). Not to be confused with user faults (``user_faults.py``), which nobody plans: they are defects of the
simulated user.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache

from t2t_dist.config.settings import FaultsConfig
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tool_faults import Fault, FaultPlan, planned
from t2t_dist.environments.tool_noise import SecondLook, has_pages, has_parts, look_alikes, records_in, second_looks
from t2t_dist.environments.tools import AGENT, Call, Kind, Tool
from t2t_dist.synthesis.requests.shown import first_look

#: Customers whose records are looked at to see what tools show twice.
_SAMPLE = 8


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
        if names := look_alikes(tool, list(domain.tools.by_name)):
            name = rng.choice(names)
            if draws[Fault.DISTRACTOR] < config.distractor:
                plan[name] = planned(Fault.DISTRACTOR, tool.name)
        shares = {
            Fault.IMPOSSIBLE: config.impossible if tool.kind is Kind.WRITE else 0.0,
            Fault.SWITCH: config.switch if _others(domain, task, tool) else 0.0,
            Fault.RETRY: config.retry,
            Fault.LATE: config.late,
        }
        details: dict[Fault, Sequence[object]] = {}
        if config.noise and tool not in domain.entry_tools:
            looks = seen_twice(domain.origin).get(tool.name, ())
            look = rng.choice(looks) if looks else ()
            shares |= {
                Fault.PAGED: config.paged if has_pages(tool) else 0.0,
                Fault.TRUNCATED: config.truncated if has_parts(tool) else 0.0,
                Fault.STALE: config.stale if look else 0.0,
                Fault.WRONG: config.wrong if look else 0.0,
            }
            details = {Fault.PAGED: [config.page_size], Fault.TRUNCATED: [config.part_size]}
            details |= {Fault.STALE: look, Fault.WRONG: look}
        fault = next((fault for fault, share in shares.items() if draws[fault] < share), None)
        if fault is not None:
            plan[tool.name] = planned(fault, *details.get(fault, ()))
    ways = [tool.name for tool in domain.entry_tools if _can_use(task, tool)]
    if ways and all(plan.get(name) == Fault.SWITCH for name in ways):
        # One way to find the customer has to work, preferably not the gold's.
        usual = {call.name for call in task.grader.gold}
        del plan[next((name for name in ways if name not in usual), ways[0])]
    return plan


@lru_cache(maxsize=16)
def seen_twice(domain: Domain) -> Mapping[str, Sequence[SecondLook]]:
    """By tool, the fields of its results that another tool shows as well, with the same values for every record that
    the look-ups of some customers show, and not the same for all of them."""
    reads, world = domain.of_kind(Kind.READ), domain.world()
    candidates = {tool.name: looks for tool in reads if (looks := list(second_looks(tool, reads)))}
    if not candidates or any(tool.blocking for tool in domain.tools):  # nobody waits for the outside to plan an episode
        return {}
    made: dict[str, list[Call]] = {}
    for customer in domain.callers[:_SAMPLE]:
        for shown in (one for held in first_look(domain, customer).by_kind.values() for one in held):
            if shown.call not in (calls := made.setdefault(shown.call.name, [])):
                calls.append(shown.call)

    def agrees(tool: Tool, look: SecondLook) -> bool:
        slot, differ = next(iter(domain.tools[look.holder].parameters)), False
        for call in made.get(tool.name, ()):
            held = list(records_in(tool.returns, domain.execute(world, call).value, look.kind))
            for one in held:
                second = domain.execute(world, Call(look.holder, {slot: one[look.key]})).value
                if not isinstance(second, Mapping) or second.get(look.field) != one.get(look.field):
                    return False
            differ = differ or any(one.get(look.field) != held[0].get(look.field) for one in held)
        return differ

    found = {name: [look for look in looks if agrees(domain.tools[name], look)] for name, looks in candidates.items()}
    return {name: looks for name, looks in found.items() if looks}


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
