"""The intent ``changing``: the customer first wants A, then, at a named trigger, B; and now and then, asked to confirm
that, C.

Certificate: the final states of all that they want, and the initial one, are pairwise different; the gold is the last
only; the triggers are events that the transcript shows; the calls of what is given up are forbidden, so that A and then
B fails too, whatever its state. What they add has to be done together with the rest.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations, islice, pairwise
from typing import Any, ClassVar, Final

from t2t_dist.core.schema import CallPattern, Certificate, Change, GoldCall, GraderSide, Task, Trajectory
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
from .parts import ADDED, is_one_write, part_between
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
        for second in alternatives(domain, trajectory.customer, errands, number, rng):
            grader = graded(domain, trajectory, errands, number, [first, second])
            if grader is not None:
                return structure_of(errands, grader, first, [PlannedChange(number, drawn_trigger(rng), second)])
    raise TaskRejected("no_alternative")


def graded(
    domain: Domain, trajectory: Trajectory, errands: Sequence[Call], number: int, stages: Sequence[Call]
) -> GraderSide | None:
    """The grader's side for a customer who wants these one after the other in the place of ``errands[number]``, the
    last of them for good; ``None``: one is not possible, or nothing tells who does what was given up."""
    wanted = [[*errands[:number], stage, *errands[number + 1 :]] for stage in stages]
    finals = [final_state(domain, calls) for calls in wanted]
    if None in finals or len({*finals, domain.world().digest}) <= len(stages):
        return None
    if not are_plausible(domain, wanted[-1], trajectory.customer):
        return None
    try:
        grader = grader_of(domain, trajectory, list(enumerate(wanted[-1])))
    except TaskRejected:
        return None
    grader.forbidden = all_forbidden(domain, errands[:number], stages[:-1], grader.gold)
    if grader.forbidden:
        grader.basis.append("forbidden")
    passes = both_pass(domain, grader, errands[:number], stages[:-1], wanted[-1][number:])
    return None if passes else grader


def structure_of(
    errands: Sequence[Call], grader: GraderSide, first: Call, changes: Sequence[PlannedChange]
) -> Structure:
    """A task whose customer wants ``first``, and then what they change to, once or twice."""
    number = changes[0].goal

    def stored(call: Call) -> GoldCall:
        return GoldCall(name=call.name, kind="write", arguments=call.arguments, goal=number)

    certificate = Certificate(
        intent=NAME,
        goal=number,
        trigger=changes[0].trigger,
        first_call=stored(first),
        second_call=stored(changes[0].call) if len(changes) > 1 else None,
    )
    goals = [PlannedGoal(first if place == number else call) for place, call in enumerate(errands)]
    return Structure(goals, grader, certificate, changes[0], changes[1] if len(changes) > 1 else None)


def all_forbidden(
    domain: Domain, before: Sequence[Call], given_up: Sequence[Call], gold: Sequence[GoldCall]
) -> list[CallPattern]:
    """Patterns of the agent's calls of all that is given up, each once."""
    found: list[CallPattern] = []
    for call in given_up:
        found += [pattern for pattern in forbidden_calls(domain, before, call, gold) if pattern not in found]
    return found


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


def both_pass(
    domain: Domain, grader: GraderSide, before: Sequence[Call], given_up: Sequence[Call], wanted: Sequence[Call]
) -> bool:
    """Whether an agent that does some of what was given up, and then what is ``wanted`` after all, would pass: nothing
    of it is forbidden, and it ends in the gold's state."""
    loose = [call for call in given_up if not forbidden_calls(domain, before, call, grader.gold)]
    return any(
        final_state(domain, [*before, *done, *wanted]) == grader.final
        for count in range(1, len(loose) + 1)
        for done in combinations(loose, count)
    )


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
        says_something_else(domain, first, call, customer)
        and domain.plausible_instead(world, first, call)
        and is_valid_errand(domain, world, call, customer)
    )


def says_something_else(domain: Domain, first: Call, second: Call, customer: str) -> bool:
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
    stored, changes = task.certificate, task.user.changes
    if stored is None or goal is None or stored.first_call is None or task.user.change is None:
        raise TaskRejected("no_certificate")
    if len(stored.given_up) != len(changes):
        raise TaskRejected("no_certificate", "the customer changes their mind more or less often than is proved")
    _check_triggers(changes, stored, goal)
    if any(call.goal != goal for call in stored.given_up):
        raise TaskRejected("no_certificate", "what the customer has given up is about another request")
    errands = errands_in(task.grader)
    last = next((call for call in errands if call.goal == goal), None)
    given_up = [Call(call.name, call.arguments) for call in stored.given_up]
    if last is None or Call(last.name, last.arguments) in given_up:
        raise TaskRejected("no_change", "the gold still holds what the customer has given up")
    before = [Call(call.name, call.arguments) for call in errands if call.goal < goal]
    wanted = [Call(call.name, call.arguments) for call in errands]
    later = wanted[len(before) + 1 :]
    records = [Call(call.name, call.arguments) for call in records_in(task.grader.gold)]
    finals = []
    for call in given_up:
        final = final_state(domain, [*before, call, *later, *records])
        if final is None:
            raise TaskRejected("first_fails", "what the customer wanted first can't be done")
        if broken := _broken_by(domain, task, before, call):
            raise TaskRejected("first_fails", f"what the customer wanted first breaks a rule: {broken}")
        finals.append(final)
    if len({*finals, task.grader.final, task.grader.initial}) < len(finals) + 2:
        raise TaskRejected("same_state", "A, B and the initial state are not pairwise different")
    listed = all_forbidden(domain, before, given_up, task.grader.gold)
    if task.grader.forbidden != [*listed, *refused_patterns(task)]:
        raise TaskRejected("not_listed", "what the grader forbids is not what the customer has given up")
    if both_pass(domain, task.grader, before, given_up, [*wanted[len(before) :], *records]):
        raise TaskRejected("same_state", "A and then B ends as B alone, and no call of A can be forbidden")
    stages = [*given_up, wanted[len(before)]]
    for change, (old, new) in zip(changes, pairwise(stages), strict=True):
        check_facts(domain, task.customer, new, change.facts, "the change of mind")
        _check_part(domain, wanted, len(before), change, old, new)
    made.trigger, made.first_call, made.first_final = stored.trigger, stored.first_call, finals[0]
    made.second_call, made.second_final = stored.second_call, finals[1] if len(finals) > 1 else None
    return Sides(asked={goal: given_up[0]}, forbidden=bool(listed))


def _check_triggers(changes: Sequence[Change], stored: Certificate, goal: int) -> None:
    """Each change of mind is about the goal, at an event that a transcript shows; the second when they are asked to
    confirm what they changed to."""
    for change, allowed in zip(changes, (TRIGGERS, (ASKED_TO_CONFIRM,)), strict=False):
        if change.trigger not in allowed or change.goal != goal:
            raise TaskRejected("no_trigger", f"'{change.trigger}' is not an event that a transcript shows")
    if changes[0].trigger != stored.trigger:
        raise TaskRejected("no_trigger", f"'{stored.trigger}' is not when the customer changes their mind")


def _check_part(domain: Domain, wanted: Sequence[Call], number: int, change: Change, old: Call, new: Call) -> None:
    """What is said to be added or taken back is just that; and what is added can't be done later by itself."""
    if change.part is None:
        return
    part = part_between(domain, old, new)
    if part is None or part.kind != change.part:
        raise TaskRejected("part_differs", f"what the customer changes to is not the same with a part {change.part}")
    if part.kind == ADDED and new == wanted[number] and not is_one_write(domain, wanted, number, part, old):
        raise TaskRejected(
            "same_state", "to do what was asked first, and what is added after it, ends in the same state"
        )


def _after(domain: Domain, errands: Sequence[Call]) -> World:
    world = domain.world()
    for call in errands:
        domain.carry_out(world, call)
    return world


def _broken_by(domain: Domain, task: Task, before: Sequence[Call], first: Call) -> str | None:
    """The rule for which a correct agent would refuse this, instead of asking to confirm it."""
    world = _after(domain, before)
    for step in domain.steps(world, first):
        if broken := domain.breaches(world, step, task.customer):
            return f"R{broken[0].rule.number}: {broken[0].reason}"
        domain.execute(world, step)
    return None


class TriggerFirst:
    """Process check: nothing was written for what the customer wanted before they changed their mind about it."""

    name: ClassVar[str] = "trigger_first"

    def __init__(self, domain: Domain, task: Task, fresh_world: Callable[[], World]) -> None:
        self._given_up = [
            [
                CallPattern(name=call.name, arguments=call.arguments)
                for call in writes
                if domain.side_of(call.name) == AGENT
            ]
            for writes in wanted_before(domain, task, fresh_world)
        ]

    def broken_by(self, call: Call, changes_said: int) -> bool:
        still_wanted = (pattern for patterns in self._given_up[changes_said:] for pattern in patterns)
        return any(matches(pattern, call.name, call.arguments) for pattern in still_wanted)


def wanted_before(domain: Domain, task: Task, fresh_world: Callable[[], World]) -> list[list[Call]]:
    """The writes, on both sides, for each thing that the customer has given up, in order, on a world where the goals
    before it are done.

    ``fresh_world`` gives the world in which the task's episodes begin. Empty for a task without a change of mind.
    """
    return [
        _writes_of(domain, task, given_up, fresh_world)
        for given_up in (task.certificate.given_up if task.certificate else ())
    ]


def _writes_of(domain: Domain, task: Task, wanted: GoldCall, fresh_world: Callable[[], World]) -> list[Call]:
    if wanted.name not in domain.workflows:
        return [Call(wanted.name, wanted.arguments)]
    world = fresh_world()
    for call in task.grader.gold:
        if call.goal < wanted.goal:
            domain.execute(world, Call(call.name, call.arguments))
    steps = expanded(domain, world, Call(wanted.name, wanted.arguments)) or []
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
carries the new facts in full and makes clear that the earlier wish is off. Where something is added, it names only what
is added, and the earlier wish stays; where a part is taken back, it says what stays. "second_change_request" is the same
for a second change of mind, if there is one.""",  # noqa: E501 - the line breaks are the prompt's
    judge_prompt="""\
The customer first wants one thing and, at a given moment, another instead, or the same with a part more or less.
They may change their mind once more. Only the last counts.""",
    colours=Colours("#0b6a8f", "#e0f1f8", "#79c6e6", "#14303c"),
    process_check=TriggerFirst,
)
