"""The intent ``infeasible``: a request, or one part of it, that policy, stock or missing tools forbid.

Certificate: on this world the forbidden call is refused by the tool, or breaks the cited rule, before and after the
feasible rest; nothing that is allowed would lift the ban (``lifting``); the rest replays; the handling comes from the
cited rule; the allowed diff is exactly the rest and, where the domain keeps such records, the record of that handling.
So a lie, a silence, another reason and a needless hand-over end in another state.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from t2t_dist.core.schema import CallPattern, Certificate, GoldCall, GraderSide, Task, Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import are_plausible
from t2t_dist.environments.rules import Enforced, Handling, Impossible, Rule, Settled
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call, Kind

from ..bindings import Binder, reachable_values
from ..grader_side import errands_in, matches, subject_of, writes_in
from ..normal_calls import in_order
from .gold import grader_of
from .lifting import lifted_by
from .rejection import TaskRejected
from .side_check import Sides
from .spec import Colours, IntentSpec
from .structure import PlannedGoal, Structure
from .trajectory_errands import errands_of

NAME: Final = "infeasible"
#: Share of tasks whose request has a feasible part as well, where the trajectory has one to give.
_WITH_REST = 0.6
#: Feasible errands beside it, at most.
_MOST_REST = 2
#: Calls looked at for each rule.
_PROPOSALS = 60


def make(domain: Domain, trajectory: Trajectory, rng: random.Random) -> Structure:
    """Raises TaskRejected: no rule can be broken by this customer on this world in a way that can be cited."""
    errands = errands_of(domain, trajectory)
    rest = errands if errands and rng.random() < _WITH_REST else []
    refusal = drawn(domain, trajectory.customer, rest, rng, _MOST_REST)
    # A transfer comes last: it ends the conversation.
    last = refusal.rule.handling is Handling.TRANSFER or rng.random() < 0.5
    order = [*refusal.rest, refusal.call] if last else [refusal.call, *refusal.rest]
    number = order.index(refusal.call)
    grader = grader_with(domain, trajectory, order, number, refusal)
    certificate = Certificate(intent=NAME, goal=number, rule=refusal.rule.number)
    certificate.forbidden_call = forbidden_call(domain, refusal.call, number)
    patience, pleads = insistence(domain, trajectory.customer, refusal, rng)
    return Structure([PlannedGoal(c) for c in order], grader, certificate, patience=patience, pleads=pleads)


class Refusal(NamedTuple):
    """A call that a rule forbids, and the feasible rest of the request with which that was tried."""

    rule: Rule
    call: Call
    rest: list[Call]


def drawn(
    domain: Domain, customer: str, errands: Sequence[Call], rng: random.Random, most: int, least: int = 0
) -> Refusal:
    """Something to refuse, and those of the errands that are about something else: so many at most, and at least.

    Raises TaskRejected: there is nothing.
    """
    why = TaskRejected("no_rule_to_break")
    # The rule is drawn first, so that none is cited more often for the many calls that would break it.
    for rule in weighted(rng, domain.rule_list):
        if rule.handling is Handling.TRANSFER and not domain.transfer_tool:
            continue  # the handling is not possible here
        lifted: list[object] = []
        for call in _proposals(domain, rule, customer, rng):
            subject = subject_of(call.arguments)
            feasible = [errand for errand in errands if subject_of(errand.arguments) != subject][:most]
            if len(feasible) < least:
                continue
            worlds = worlds_around(domain, feasible)
            if worlds is None or subject in lifted:
                continue
            if any(not stands(domain, world, call, rule, customer) for world in worlds):
                continue
            if not are_plausible(domain, [*feasible, call], customer):
                continue
            if (first := lifted_by(domain, call, rule, customer, feasible)) is not None:
                why = _can_be_lifted(rule, call, first)
                lifted.append(subject)
                continue
            return Refusal(rule, call, feasible)
    raise why


def weighted(rng: random.Random, rules: Sequence[Rule]) -> list[Rule]:
    """The rules in random order, those of greater weight first more often."""
    return sorted(rules, key=lambda rule: rng.random() ** (1 / rule.weight), reverse=True)


def _proposals(domain: Domain, rule: Rule, customer: str, rng: random.Random) -> Iterator[Call]:
    """Calls that break the rule, in random order: first by tool, so that one with many calls is drawn no more often."""
    by_tool: dict[str, list[Call]] = {}
    for call in islice(rule.proposals(domain.world(), customer), _PROPOSALS):
        by_tool.setdefault(call.name, []).append(in_order(domain, call))
    for name in rng.sample(list(by_tool), len(by_tool)):
        yield from rng.sample(by_tool[name], len(by_tool[name]))


def _can_be_lifted(rule: Rule, call: Call, first: Sequence[Call]) -> TaskRejected:
    before = ", then ".join(f"{one.name}({', '.join(map(str, one.arguments.values()))})" for one in first)
    return TaskRejected("can_be_lifted", f"after {before}, R{rule.number} no longer forbids {call.name}")


def worlds_around(domain: Domain, rest: list[Call]) -> list[World] | None:
    """The worlds before and after the feasible rest; ``None`` if it is refused."""
    before, after = domain.world(), domain.world()
    if not all(domain.carry_out(after, call) for call in rest):
        return None
    return [before, after] if rest else [before]


def stands(domain: Domain, world: World, call: Call, rule: Rule, customer: str) -> bool:
    """Whether the call breaks this rule and no other, and is stopped by what the rule names."""
    broken = [breach.rule.number for breach in domain.breaches(world, call, customer)]
    if broken != [rule.number]:
        return False
    result = domain.execute(world.fork(), call)
    match rule.enforced:
        case Enforced.BY_ABSENCE:
            return call.name not in domain.tools
        case Enforced.BY_TOOL:
            return call.name in domain.tools and result.error
        case _:
            return not result.error and result.changed


def is_refused(domain: Domain, customer: str, refusal: Refusal) -> bool:
    """Whether the rule, and it alone, forbids the call before and after the feasible rest, and nothing lifts that."""
    rule, call, rest = refusal
    worlds = worlds_around(domain, rest)
    return (
        worlds is not None
        and all(stands(domain, world, call, rule, customer) for world in worlds)
        and lifted_by(domain, call, rule, customer, rest) is None
    )


def grader_with(
    domain: Domain, trajectory: Trajectory, order: Sequence[Call], number: int, refusal: Refusal
) -> GraderSide:
    """The grader's side of what is wanted in this order, where number ``number`` is to be refused."""
    rule, call, rest = refusal
    required, worlds = _required(domain, rule), worlds_around(domain, rest) or []
    return grader_of(
        domain,
        trajectory,
        list(enumerate(order)),
        ["db", "forbidden", "required" if required else "refused"],
        refused=number,
        record=record_of(domain, rule, call),
        forbidden=[pattern_of(domain, worlds, call, rule, trajectory.customer)],
        required=required,
        refused_goal=number,
        rule=rule.number,
        handling=rule.handling.value,
    )


def forbidden_call(domain: Domain, call: Call, goal: int) -> GoldCall:
    """What is to be refused, as a certificate holds it."""
    return GoldCall(name=call.name, kind=_kind(domain, call), arguments=call.arguments, goal=goal)


def insistence(domain: Domain, customer: str, refusal: Refusal, rng: random.Random) -> tuple[int, bool]:
    """How often the customer insists, and whether they plead."""
    why = refusal.rule.broken_by(domain.world(), refusal.call, customer)
    settled, impossible = isinstance(why, Settled), isinstance(why, Impossible)
    # Nobody asks again and again for what can't be.
    return 0 if settled else 1 if impossible else rng.choice([1, 1, 2]), not (settled or impossible)


def record_of(domain: Domain, rule: Rule, call: Call) -> Call | None:
    """The call that puts on record how this forbidden call is handled; ``None`` where there are no such records."""
    if rule.handling is Handling.TRANSFER:
        tool = domain.tools[domain.transfer_tool]
        about = domain.language.tool(call.name).name
        summary = f"The customer asks for {about}, which R{rule.number} leaves to a person."
        arguments: dict[str, object] = dict.fromkeys(list(tool.parameters)[:1], summary)
    elif domain.decline_tool:
        tool = domain.tools[domain.decline_tool]
        arguments = dict(zip(tool.parameters, (call.name, rule.number), strict=False))
    else:
        return None
    return Call(tool.name, arguments) if tool.kind is Kind.RECORD else None


def _required(domain: Domain, rule: Rule) -> list[CallPattern]:
    """The calls that the rule requires about a request it forbids."""
    return [CallPattern(name=domain.transfer_tool)] if rule.handling is Handling.TRANSFER else []


def _kind(domain: Domain, call: Call) -> str:
    return domain.tools[call.name].kind.value if call.name in domain.tools else "absent"


def pattern_of(domain: Domain, worlds: list[World], call: Call, rule: Rule, customer: str) -> CallPattern:
    """The forbidden call, without the arguments that do not matter: whatever they are, the rule is broken."""
    if call.name not in domain.tools:
        return CallPattern(name=call.name, arguments=None)
    seen = reachable_values(domain, customer)
    kept = dict(call.arguments)
    for slot in list(call.arguments)[1:]:
        others = {name: [value] for name, value in call.arguments.items() if name != slot}

        def only_here(name: str, value: object, _: object, slot: str = slot) -> bool:
            return name == slot or value == call.arguments[name]

        tool = domain.tools[call.name]
        varied = islice(Binder(tool, seen, extra=others, accept=only_here).calls(), 8)
        alternatives = [a for a in varied if a.get(slot) != call.arguments[slot]]
        if alternatives and all(
            rule.broken_by(world, Call(call.name, a), customer) for a in alternatives for world in worlds
        ):
            del kept[slot]
    return CallPattern(name=call.name, arguments=kept)


def prove(domain: Domain, task: Task, goal: int | None, made: Certificate) -> Sides:
    """Raises TaskRejected with the first thing that does not hold."""
    stored, grader = task.certificate, task.grader
    if stored is None or stored.forbidden_call is None or stored.rule is None:
        raise TaskRejected("no_certificate")
    rule = next((rule for rule in domain.rule_list if rule.number == stored.rule), None)
    clause = domain.clauses.get(stored.rule)
    if rule is None or clause is None:
        raise TaskRejected("no_such_rule", f"the policy has no rule R{stored.rule}")
    call = Call(stored.forbidden_call.name, stored.forbidden_call.arguments)
    rest = [Call(c.name, c.arguments) for c in errands_in(grader)]
    worlds = worlds_around(domain, rest)
    if worlds is None or not all(stands(domain, world, call, rule, task.customer) for world in worlds):
        raise TaskRejected("not_forbidden", f"{call.name} is not what R{rule.number} alone stops on this world")
    if (first := lifted_by(domain, call, rule, task.customer, rest)) is not None:
        raise _can_be_lifted(rule, call, first)
    if not any(_matches(pattern, call) for pattern in grader.forbidden):
        raise TaskRejected("not_listed", "the forbidden call is not among those the grader forbids")
    if any(_matches(pattern, write) for pattern in grader.forbidden for write in writes_in(grader.gold)):
        raise TaskRejected("rest_forbidden", "the grader forbids a part of the feasible rest")
    if grader.handling != rule.handling.value or grader.rule != rule.number:
        raise TaskRejected("handling_differs", f"R{rule.number} wants '{rule.handling.value}'")
    if goal is None or goal != grader.refused_goal:
        raise TaskRejected("goals_differ", "the goal to refuse is not the certificate's")
    made.forbidden_call, made.rule, made.clause = stored.forbidden_call, rule.number, clause.text
    made.enforced, made.reason = rule.enforced.value, rule.broken_by(worlds[0], call, task.customer)
    return Sides(
        asked={goal: call},
        forbidden=True,
        required=_required(domain, rule),
        rule=rule.number,
        record=record_of(domain, rule, call),
    )


def _matches(pattern: CallPattern, call: Call | GoldCall) -> bool:
    return matches(pattern, call.name, call.arguments)


INTENT = IntentSpec(
    name=NAME,
    summary="a request, or one part of it, that policy, stock or missing tools forbid",
    proof="the request breaks a cited rule of the policy, so that the call is forbidden",
    make=make,
    prove=prove,
    writer_prompt="""\
Something the customer wants can't be done, by policy or by the facts. The customer does not know that: they ask in good
faith, in the same tone as for anything else, and no word of yours may suggest that it is impossible or against a rule.
"task_instructions" says that the customer insists a little when refused, then accepts it, takes nothing else in its place, and still wants the rest done.""",  # noqa: E501 - the line breaks are the prompt's
    judge_prompt="""\
The customer wants something that can't or mustn't be done. The agent has to refuse it, or hand over where the policy says
so, and to do the rest.""",  # noqa: E501 - the line breaks are the prompt's
    colours=Colours("#a8325f", "#fbe7ef", "#f092b6", "#3b1e2b"),
)
