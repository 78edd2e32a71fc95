"""The intent ``changing``: the customer first wants A, then, at a named trigger, B.

Certificate: the final states of A, of B and the initial one are pairwise different; the gold is B only; the trigger is
an event that the transcript shows; the calls of A are forbidden, so that A and then B fails too, whatever its state.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, ClassVar, Final

from t2t_dist.core.schema import CallPattern, Certificate, GoldCall, GraderSide, Task, Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import Spec
from t2t_dist.environments.errands import are_plausible, expanded, is_valid_errand
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import AGENT, Call, Kind

from ..bindings import Binder, reachable_values
from ..grader_side import errands_in, matches, records_in, refused_patterns
from .facts import said
from .gold import grader_of
from .gold_check import final_state
from .rejection import TaskRejected
from .side_check import Sides, check_facts
from .spec import Colours, IntentSpec
from .structure import PlannedChange, PlannedGoal, Structure
from .trajectory_errands import errands_of

NAME: Final = "changing"
#: Events in a transcript at which a customer may change their mind. To be told what to do on one's own device is to be
#: asked to confirm as well: no agent needs a yes for it.
ASKED_TO_CONFIRM, FIRST_REPLY = "asked_to_confirm", "first_reply"
TRIGGERS = (ASKED_TO_CONFIRM, FIRST_REPLY)
#: Calls tried for B, per tool.
_MAX_TRIES = 40


def make(domain: Domain, trajectory: Trajectory, rng: random.Random) -> Structure:
    """Raises TaskRejected: the trajectory wrote nothing, or there is nothing else the customer could want instead."""
    errands = errands_of(domain, trajectory)
    if not errands:
        raise TaskRejected("no_write")
    for number in rng.sample(range(len(errands)), len(errands)):
        first = errands[number]
        for second in second_wishes(domain, trajectory.customer, errands, number, rng):
            wanted = [*errands[:number], second, *errands[number + 1 :]]
            try:
                grader = grader_of(domain, trajectory, list(enumerate(wanted)))
            except TaskRejected:
                continue
            grader.forbidden = forbidden_calls(domain, errands[:number], first, grader.gold)
            if grader.forbidden:
                grader.basis.append("forbidden")
            if both_pass(domain, grader, errands, wanted, number):
                continue
            trigger = drawn_trigger(rng)
            certificate = Certificate(
                intent=NAME,
                goal=number,
                trigger=trigger,
                first_call=GoldCall(name=first.name, kind="write", arguments=first.arguments, goal=number),
            )
            goals = [PlannedGoal(call) for call in errands]
            change = PlannedChange(number, trigger, second)
            return Structure(goals, grader, certificate, change)
    raise TaskRejected("no_alternative")


def second_wishes(
    domain: Domain, customer: str, errands: Sequence[Call], number: int, rng: random.Random
) -> Iterator[Call]:
    """What the customer may want in place of one of the errands, ends otherwise, and goes with the other errands."""
    for second in alternatives(domain, customer, errands, number, rng):
        wanted = [*errands[:number], second, *errands[number + 1 :]]
        final_a, final_b = final_state(domain, errands), final_state(domain, wanted)
        if final_a is None or final_b is None or len({final_a, final_b, domain.world().digest}) < 3:
            continue
        if are_plausible(domain, wanted, customer):
            yield second


def drawn_trigger(rng: random.Random) -> str:
    """The event at which a customer changes their mind."""
    return rng.choices(TRIGGERS, (3, 1))[0]


def forbidden_calls(domain: Domain, before: Sequence[Call], first: Call, gold: Sequence[GoldCall]) -> list[CallPattern]:
    """Patterns of the agent's calls of A, after the errands before it, without choices that are a formality (a reason).

    A call that the gold makes too is not forbidden.
    """
    patterns = []
    for call in expanded(domain, _after(domain, before), first) or ():
        tool, alike = domain.tools[call.name], [made.arguments for made in gold if made.name == call.name]
        if tool.kind is not Kind.WRITE or tool.side != AGENT or call.arguments in alike:
            continue
        subject = next(iter(call.arguments), None)
        kept = {
            slot: value
            for slot, value in call.arguments.items()
            if slot == subject
            or tool.parameters[slot].kind != "choice"
            or any(other.get(slot) != value for other in alike)
        }
        patterns.append(CallPattern(name=call.name, arguments=kept))
    return patterns


def both_pass(domain: Domain, grader: GraderSide, first: Sequence[Call], second: Sequence[Call], number: int) -> bool:
    """Whether an agent that does A and then B would pass: nothing of A is forbidden, and B leaves the gold's state."""
    both = [*first[: number + 1], *second[number:]]
    return not grader.forbidden and final_state(domain, both) == grader.final


def alternatives(
    domain: Domain, customer: str, errands: Sequence[Call], number: int, rng: random.Random
) -> Iterator[Call]:
    """Other valid errands that a customer who asked for ``errands[number]`` might want instead, in random order.

    About the same thing (the first argument) where the tool has more to decide; a choice that is a mere formality (a
    reason) does not make another wish.
    """
    first = errands[number]
    asked = domain.errand(first.name)
    if asked is None or not first.arguments:
        return
    world = domain.world()
    for call in errands[:number]:
        domain.carry_out(world, call)
    seen = reachable_values(domain, customer)
    subject = next(iter(first.arguments))
    subject_type = asked.parameters[subject].name
    others = [errand for errand in domain.errands if errand.parameters]
    if domain.instead:  # what a person changes to depends on what they asked for
        others = [errand for errand in others if errand.name in domain.instead.get(first.name, {})]
    for errand in rng.sample(others, len(others)):
        slot, spec = next(iter(errand.parameters.items()))
        decided = [name for name, s in errand.parameters.items() if s.kind not in ("choice", "plain")]
        same_subject = spec.name == subject_type and (errand.name != first.name or len(decided) > 1)
        if spec.name != subject_type:
            continue

        def wanted(
            name: str,
            value: Any,
            _: dict[str, Any],
            slot: str = slot,
            same: bool = same_subject,
            only: str | None = None,
        ) -> bool:
            if only is not None and name != only and value != first.arguments.get(name):
                return False
            return name != slot or (value == first.arguments[subject]) == same

        extra = {
            name: values
            for name, s in errand.parameters.items()
            if (values := domain.samples(world, s.name, customer, rng))
        }
        for only in _changed_slots(errand.parameters, first, errand.name, same_subject, rng):
            accept = partial(wanted, only=only)
            bound = Binder(errand, seen, extra=extra, accept=accept, rng=rng).calls()
            calls = (Call(errand.name, arguments) for arguments in islice(bound, _MAX_TRIES))
            fitting = (call for call in calls if _is_likely(domain, world, first, call, customer))
            if (found := next(fitting, None)) is not None:
                yield found
                break


def _changed_slots(
    parameters: Mapping[str, Spec], first: Call, name: str, same_subject: bool, rng: random.Random
) -> list[str | None]:
    """Which argument alone is changed, one after the other; ``None``: any. People rarely change all at once."""
    if name != first.name:
        return [None]
    subject = next(iter(parameters))
    others = [slot for slot in parameters if slot != subject]
    return [*(rng.sample(others, len(others)) if same_subject else [subject]), None]


def _is_likely(domain: Domain, world: World, first: Call, call: Call, customer: str) -> bool:
    """Whether a customer who asked for ``first`` may want this in its place, and can have it."""
    return (
        _says_something_else(domain, first, call, customer)
        and domain.plausible_instead(world, first, call)
        and is_valid_errand(domain, world, call, customer)
    )


def _says_something_else(domain: Domain, first: Call, second: Call, customer: str) -> bool:
    """Another tool, or another value in a slot that is more than a formality, said in other words."""
    if first.name != second.name:
        return True
    world, errand = domain.world(), domain.errand(first.name)
    specs = errand.parameters if errand else {}
    return any(
        specs[slot].kind != "choice"
        and said(domain, world, first, slot, customer) != said(domain, world, second, slot, customer)
        for slot in specs
    )


def prove(domain: Domain, task: Task, goal: int | None, made: Certificate) -> Sides:
    """Raises TaskRejected with the first thing that does not hold."""
    stored, change = task.certificate, task.user.change
    if stored is None or goal is None or stored.first_call is None or change is None:
        raise TaskRejected("no_certificate")
    if change.trigger not in TRIGGERS or change.trigger != stored.trigger or change.goal != goal:
        raise TaskRejected("no_trigger", f"'{change.trigger}' is not an event that a transcript shows")
    first = stored.first_call
    errands = errands_in(task.grader)
    second = next((call for call in errands if call.goal == goal), None)
    if second is None or Call(second.name, second.arguments) == Call(first.name, first.arguments):
        raise TaskRejected("no_change", "the gold still holds what the customer wanted first")
    before = [Call(call.name, call.arguments) for call in errands if call.goal < goal]
    wanted_b = [Call(call.name, call.arguments) for call in errands]
    wanted_a = [*before, Call(first.name, first.arguments), *wanted_b[len(before) + 1 :]]
    records = [Call(call.name, call.arguments) for call in records_in(task.grader.gold)]
    first_final = final_state(domain, [*wanted_a, *records])
    if first_final is None:
        raise TaskRejected("first_fails", "what the customer wanted first can't be done")
    if broken := _broken_by_first(domain, task, before, wanted_a[len(before)]):
        raise TaskRejected("first_fails", f"what the customer wanted first breaks a rule: {broken}")
    if len({first_final, task.grader.final, task.grader.initial}) < 3:
        raise TaskRejected("same_state", "A, B and the initial state are not pairwise different")
    listed = forbidden_calls(domain, before, wanted_a[len(before)], task.grader.gold)
    if task.grader.forbidden != [*listed, *refused_patterns(task)]:
        raise TaskRejected("not_listed", "what the grader forbids is not what the customer wanted first")
    of_first = task.grader.model_copy(update={"forbidden": listed})
    if both_pass(domain, of_first, wanted_a, [*wanted_b, *records], len(before)):
        raise TaskRejected("same_state", "A and then B ends as B alone, and no call of A can be forbidden")
    check_facts(domain, task.customer, Call(second.name, second.arguments), change.facts, "the change of mind")
    made.trigger, made.first_call, made.first_final = stored.trigger, first, first_final
    return Sides(asked={goal: Call(first.name, first.arguments)}, forbidden=bool(listed))


def _after(domain: Domain, errands: Sequence[Call]) -> World:
    world = domain.world()
    for call in errands:
        domain.carry_out(world, call)
    return world


def _broken_by_first(domain: Domain, task: Task, before: Sequence[Call], first: Call) -> str | None:
    """The rule for which a correct agent would refuse A, instead of asking to confirm it."""
    world = _after(domain, before)
    for step in domain.steps(world, first):
        if broken := domain.breaches(world, step, task.customer):
            return f"R{broken[0].rule.number}: {broken[0].reason}"
        domain.execute(world, step)
    return None


class TriggerFirst:
    """Process check: nothing was written for the goal before the customer's change of mind."""

    name: ClassVar[str] = "trigger_first"

    def __init__(self, domain: Domain, task: Task, fresh_world: Callable[[], World]) -> None:
        self._first = [
            CallPattern(name=call.name, arguments=call.arguments)
            for call in wanted_first(domain, task, fresh_world)
            if domain.side_of(call.name) == AGENT
        ]

    def broken_by(self, call: Call, change_said: bool) -> bool:
        return not change_said and any(matches(pattern, call.name, call.arguments) for pattern in self._first)


def wanted_first(domain: Domain, task: Task, fresh_world: Callable[[], World]) -> list[Call]:
    """The writes, on both sides, for what the customer wanted first, on a world where the goals before it are done.

    ``fresh_world`` gives the world in which the task's episodes begin. Empty for a task without a change of mind.
    """
    first = task.certificate.first_call if task.certificate else None
    if first is None:
        return []
    if first.name not in domain.workflows:
        return [Call(first.name, first.arguments)]
    world = fresh_world()
    for call in task.grader.gold:
        if call.goal < first.goal:
            domain.execute(world, Call(call.name, call.arguments))
    steps = expanded(domain, world, Call(first.name, first.arguments)) or []
    return [step for step in steps if domain.tools[step.name].kind is Kind.WRITE]


INTENT = IntentSpec(
    name=NAME,
    summary="the customer first wants one thing, then, at a named trigger, another",
    proof="what the customer wanted first is forbidden, and would end in another state",
    make=make,
    prove=prove,
    writer_prompt="""\
The customer first wants one thing and later another in its place. The opening asks for the first with full conviction and
gives no hint of the second. "task_instructions" says at which moment the customer changes their mind, gives an everyday
reason for it, and says that from then on only the second counts. "change_request" is what they say at that moment; it
carries the new facts in full and makes clear that the earlier wish is off.""",  # noqa: E501 - the line breaks are the prompt's
    judge_prompt="""\
The customer first wants one thing and, at a given moment, another instead. Only the second counts.""",
    colours=Colours("#0b6a8f", "#e0f1f8", "#79c6e6", "#14303c"),
    process_check=TriggerFirst,
)
