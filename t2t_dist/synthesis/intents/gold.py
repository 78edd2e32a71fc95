"""Making the gold: the calls that satisfy a task, with the look-ups they rest on, and the grader's side around them."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from t2t_dist.core.schema import Errand, GoldCall, GraderSide, Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import expanded, requestor_of
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call, Kind

from ..bindings import Lookup, dependencies, reachable_lookups
from ..grader_side import changes_of, fact_text, fields_of
from ..normal_calls import in_order
from ..tool_graph import graph_of
from .rejection import TaskRejected
from .structure import PlannedGoal


def lookups_of(domain: Domain, trajectory: Trajectory) -> list[Lookup]:
    """The trajectory's successful look-ups, in order, with the values in their results."""
    world, made = domain.world(), []
    for step in trajectory.steps:
        call = in_order(domain, Call(step.tool, step.arguments))
        result = domain.execute(world, call)
        tool = domain.tools[step.tool]
        if not result.error and tool.kind is Kind.READ:
            made.append(Lookup(call, list(tool.found(result.value, call.arguments))))
    return made


def entry_of(domain: Domain, trajectory: Trajectory) -> Call:
    """The call that found out who the customer is."""
    entry = {tool.name for tool in graph_of(domain).entry}
    for step in trajectory.steps:
        if step.tool in entry and not step.error:
            return in_order(domain, Call(step.tool, step.arguments))
    raise TaskRejected("not_authenticated")


def assemble_gold(
    domain: Domain,
    trajectory: Trajectory,
    wanted: Sequence[tuple[int, Call]],
    refused: int | None = None,
    record: Call | None = None,
) -> list[GoldCall]:
    """Gold calls: finding the customer, then for each wanted call the look-ups before it and the call itself.

    ``wanted`` pairs a goal's number with a call. Of the goal ``refused`` only the look-ups are made, and ``record`` in
    place of the call: it puts on record how that request is handled.
    """
    entry = entry_of(domain, trajectory)
    chosen: list[tuple[int, Call]] = [(-1, entry)]
    details = graph_of(domain).detail_tool(domain.customer_type)
    if details is not None:
        # The customer's account has to be seen before anything of theirs is changed.
        chosen.append((-1, Call(details.name, {next(iter(details.parameters)): trajectory.customer})))
    world = domain.world()
    for goal, call in wanted:
        before = world.fork()
        steps = _steps_of(domain, world, call) if goal != refused else []
        for lookup in look_ups_for(domain, trajectory, before, call):
            if all(lookup != earlier for _, earlier in chosen):
                chosen.append((goal, lookup))
        for step in steps:
            for lookup in domain.look_ups(before, step, trajectory.customer) or ():
                if all(lookup != earlier for _, earlier in chosen):
                    chosen.append((goal, lookup))
            chosen.append((goal, step))
        if goal == refused and record is not None:
            chosen.append((goal, record))
    return [
        GoldCall(
            name=call.name,
            kind=domain.tools[call.name].kind.value,
            arguments=call.arguments,
            goal=goal,
            requestor=requestor_of(domain, call.name),
        )
        for goal, call in chosen
    ]


def look_ups_for(domain: Domain, trajectory: Trajectory, world: World, call: Call) -> list[Call]:
    """What is looked up before a call: what the domain says, else what it rests on.

    That is a slice of the look-ups in the trajectory and of those that the customer's records lead to.
    """
    found = domain.look_ups(world, call, trajectory.customer)
    if found is not None:
        return found
    entry, entries = entry_of(domain, trajectory), {tool.name for tool in graph_of(domain).entry}
    material = [*lookups_of(domain, trajectory), *reachable_lookups(domain, trajectory.customer)]
    material = [item for item in material if item.call == entry or item.call.name not in entries]
    errand = domain.errand(call.name)
    if errand is None:
        return list(_lookups_of_values(domain, material, call.arguments.values()))
    return [material[place].call for place in dependencies(material, [(errand, call.arguments)], domain)]


def _steps_of(domain: Domain, world: World, errand: Call) -> list[Call]:
    """The steps of an errand, executed on ``world``; empty for one that only reads, or that nothing can carry out."""
    tool = domain.tools.get(errand.name)
    if domain.errand(errand.name) is None or (tool is not None and tool.kind is not Kind.WRITE):
        return []
    return expanded(domain, world, errand) or []


def workflows_in(domain: Domain, wanted: Sequence[tuple[int, Call]]) -> list[Errand] | None:
    """The wanted errands of the goals that take a workflow, in their stored form."""
    flows = {goal for goal, call in wanted if call.name in domain.workflows}
    return [
        Errand(goal=goal, name=call.name, arguments=call.arguments) for goal, call in wanted if goal in flows
    ] or None


def _lookups_of_values(domain: Domain, material: Sequence[Lookup], values: Iterable[Any]) -> Iterable[Call]:
    wanted = [value for value in values if isinstance(value, str)]
    for item in material:
        tool = domain.tools[item.call.name]
        if tool in graph_of(domain).entry or len(item.call.arguments) != 1:
            continue
        type_name = next(iter(tool.parameters.values())).name
        if next(iter(item.call.arguments.values())) in wanted and graph_of(domain).detail_tool(type_name) is tool:
            yield item.call


def play(domain: Domain, gold: Sequence[GoldCall], world: World | None = None) -> World:
    """Replay gold on a fresh world, storing each result; the final world. Raises TaskRejected: a call is refused."""
    world = domain.world() if world is None else world
    for call in gold:
        result = domain.execute(world, Call(call.name, call.arguments))
        if result.error:
            raise TaskRejected("gold_fails", f"{call.name}: {result.content}")
        call.result = result.content
    return world


def grader_of(
    domain: Domain,
    trajectory: Trajectory,
    wanted: Sequence[tuple[int, Call]],
    basis: Sequence[str] = ("db",),
    refused: int | None = None,
    record: Call | None = None,
    **more: Any,
) -> GraderSide:
    """The grader's side for the wanted errands; results and final state come from playing the gold."""
    gold = assemble_gold(domain, trajectory, wanted, refused, record)
    initial = domain.world().digest
    world = play(domain, gold)
    done = [(goal, call) for goal, call in wanted if goal != refused]
    return GraderSide(
        gold=gold,
        initial=initial,
        final=world.digest,
        allowed_diff=changes_of(world),
        basis=list(basis),
        errands=workflows_in(domain, done),
        **more,
    )


def choose_tells(
    domain: Domain,
    grader: GraderSide,
    goals: list[PlannedGoal],
    rng: random.Random,
    quiet: Collection[int] = (),
) -> None:
    """Let the customer ask, now and then, for a figure in a write's result; the agent then has to state it.

    ``quiet``: goals about which nothing is asked.
    """
    for number, goal in enumerate(goals):
        if goal.call.name in domain.workflows or number in quiet:
            continue
        tells = domain.language.tool(goal.call.name).tell
        gold = next((c for c in grader.gold if c.goal == number and c.kind == Kind.WRITE.value), None)
        if not tells or gold is None or rng.random() < 0.5:
            continue
        result = fields_of(gold.result)
        possible = [tell for tell in tells if result.get(tell.field)]
        if possible:
            tell = rng.choice(possible)
            value = fact_text(result[tell.field])
            goal.tells.append((tell, value))
            grader.communicate.append(value)
    if grader.communicate:
        grader.basis.append("communicate")
