"""Tasks of several intents: a reference left open, a change of mind and a refusal, each about another goal.

Each intent proves its own part in the presence of the others (``certify`` of this package); here is how such tasks are
made, and the check that a task combines what its certificate lists, no more and no less.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from t2t_dist.core.schema import INTENTS, Candidate, Certificate, GoldCall, GraderSide, Intent, Part, Task, Trajectory
from t2t_dist.core.text_match import mentions
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import are_plausible
from t2t_dist.environments.rules import Handling
from t2t_dist.environments.tools import Call

from ..grader_side import subject_of
from . import ambiguous, changing, infeasible
from .facts import said
from .gold import grader_of
from .rejection import TaskRejected
from .structure import PlannedChange, PlannedGoal, Structure
from .trajectory_errands import errands_of

#: The intents that can be combined: of each, a task has one at most.
COMBINED: Final[tuple[Intent, ...]] = (ambiguous.NAME, changing.NAME, infeasible.NAME)
#: Goals of a task, at most.
_MOST_GOALS = 5


# -- what a task combines ----------------------------------------------------------------------------------------------
def parts_of(task: Task) -> dict[Intent, int | None]:
    """The intents that a task lists, its own first, each with the goal that makes it. Raises TaskRejected: it lists
    what can't be combined."""
    stored = task.certificate
    also = sorted((stored.also or ()) if stored else (), key=lambda part: INTENTS.index(part.intent))
    parts = {task.intent: stored.goal if stored else None, **{part.intent: part.goal for part in also}}
    if also and (len(parts) != len(also) + 1 or not set(COMBINED).issuperset(parts)):
        raise TaskRejected("parts_differ", f"{', '.join(parts)} can't be combined, or one is listed twice")
    return parts


def check_parts(task: Task, parts: dict[Intent, int | None]) -> None:
    """Raises TaskRejected: the sides of a task show something else than it lists, or two intents of one request."""
    shown: dict[Intent, int | None] = {}
    left_open = [number for number, goal in enumerate(task.user.goals) if not all(fact.stated for fact in goal.facts)]
    if left_open:
        shown[ambiguous.NAME] = left_open[0]
    if task.user.change is not None:
        shown[changing.NAME] = task.user.change.goal
    if task.grader.refused_goal is not None:
        shown[infeasible.NAME] = task.grader.refused_goal
    if parts != (shown or {"general": None}):
        raise TaskRejected("parts_differ", f"it lists {_listed(parts)}, and shows {_listed(shown)}")
    if len(set(shown.values())) < len(shown):
        raise TaskRejected("parts_differ", "two of its intents are about one request")


def _listed(parts: dict[Intent, int | None]) -> str:
    return (
        ", ".join(name if goal is None else f"{name} in request {goal + 1}" for name, goal in parts.items()) or "none"
    )


# -- making one --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Draft:
    """What is wanted and done, one after the other, and what makes the intents: the goals are numbered without the one
    that is to be refused."""

    errands: list[Call]
    refusal: infeasible.Refusal | None = None
    #: The errand whose request is changed, what was wanted first, and when it is changed.
    changed: tuple[int, Call, str] | None = None
    #: The errand whose request leaves something open, and which slots.
    left_open: tuple[int, tuple[str, ...], list[Candidate]] | None = None

    @property
    def besides(self) -> list[Call]:
        """What the customer asks for that is not done."""
        first = [self.changed[1]] if self.changed is not None else []
        return [*first, self.refusal.call] if self.refusal is not None else first


#: Adds one intent to a draft for a customer. Raises TaskRejected: it can't be had.
_Step = Callable[[Domain, str, _Draft, random.Random], _Draft]


def make(
    domain: Domain, trajectory: Trajectory, own: Intent, others: Collection[Intent], rng: random.Random
) -> Structure:
    """A task of its own intent and those of the others that the trajectory gives.

    Raises TaskRejected: it gives none of the others, or not its own beside them.
    """
    wanted = {own, *others}
    # What is left open comes last: its candidates go with all else. A refusal leaves an errand for each of the others.
    refuse = partial(_refuse, least=len(wanted - {infeasible.NAME}))
    steps: dict[Intent, _Step] = {infeasible.NAME: refuse, changing.NAME: _change, ambiguous.NAME: _open}
    draft, found = _Draft(errands_of(domain, trajectory)), list[Intent]()
    if not draft.errands:
        raise TaskRejected("no_write")
    for name, step in steps.items():
        if name in wanted:
            try:
                draft = step(domain, trajectory.customer, draft, rng)
                found.append(name)
            except TaskRejected:
                if name == own:
                    raise
    if len(found) < 2:
        raise TaskRejected("no_second_intent", f"the trajectory gives nothing to combine with {own}")
    return _structure(domain, trajectory, draft, own, rng)


def _refuse(domain: Domain, customer: str, draft: _Draft, rng: random.Random, *, least: int) -> _Draft:
    refusal = infeasible.drawn(domain, customer, draft.errands, rng, most=_MOST_GOALS - 1, least=least)
    return replace(draft, errands=refusal.rest, refusal=refusal)


def _change(domain: Domain, customer: str, draft: _Draft, rng: random.Random) -> _Draft:
    errands = draft.errands[:_MOST_GOALS]
    for number in rng.sample(range(len(errands)), len(errands)):
        for second in changing.second_wishes(domain, customer, errands, number, rng):
            if not (_is_apart(second, draft) and _is_news(domain, customer, draft, number, second)):
                continue
            wanted = [*errands[:number], second, *errands[number + 1 :]]
            return replace(draft, errands=wanted, changed=(number, errands[number], changing.drawn_trigger(rng)))
    raise TaskRejected("no_alternative")


def _open(domain: Domain, customer: str, draft: _Draft, rng: random.Random) -> _Draft:
    errands, refusal, why = draft.errands[:_MOST_GOALS], draft.refusal, TaskRejected("no_ambiguity")
    record = infeasible.record_of(domain, refusal.rule, refusal.call) if refusal is not None else None
    free = [number for number in range(len(errands)) if draft.changed is None or number != draft.changed[0]]
    for number in rng.sample(free, len(free)):
        for withheld in rng.sample(options := ambiguous.withholdable(domain, errands[number]), len(options)):
            try:
                meant, candidates = ambiguous.left_open(
                    domain, customer, errands, number, withheld, rng, [record] if record else [], draft.besides
                )
            except TaskRejected as refused:
                why = refused
                continue
            # Of all candidates, not of the one that is meant: or that would be likelier than the others.
            if all(_is_apart(Call(meant[number].name, one.arguments), draft) for one in candidates):
                return replace(draft, errands=meant, left_open=(number, withheld, candidates))
    raise why


def _is_apart(call: Call, draft: _Draft) -> bool:
    """Whether a call is about something else than what is to be refused."""
    return draft.refusal is None or subject_of(call.arguments) != subject_of(draft.refusal.call.arguments)


def _is_news(domain: Domain, customer: str, draft: _Draft, number: int, second: Call) -> bool:
    """Whether the requests don't say yet what the customer changes to."""
    world, first = domain.world(), draft.errands[number]
    told = " ".join(
        say
        for call in (*draft.errands, *draft.besides)
        for slot in call.arguments
        for say in domain.describe(world, call, slot, customer).says
    )
    new = [
        slot
        for slot in second.arguments
        if said(domain, world, second, slot, customer) != said(domain, world, first, slot, customer)
    ]
    return not all(mentions(told, domain.describe(world, second, slot, customer).says) for slot in new)


def _structure(domain: Domain, trajectory: Trajectory, draft: _Draft, own: Intent, rng: random.Random) -> Structure:
    """Raises TaskRejected: the parts don't hold beside each other."""
    errands, customer = draft.errands, trajectory.customer
    refusal = None if draft.refusal is None else draft.refusal._replace(rest=errands)
    patience, pleads, place, order = 1, True, None, list(errands)
    if refusal is not None:
        if not infeasible.is_refused(domain, customer, refusal):
            raise TaskRejected("not_forbidden", "beside the other requests, the rule no longer forbids it")
        # A transfer comes last: it ends the conversation.
        place = len(errands) if refusal.rule.handling is Handling.TRANSFER or rng.random() < 0.5 else 0
        order.insert(place, refusal.call)
        patience, pleads = infeasible.insistence(domain, customer, refusal, rng)
    if not are_plausible(domain, [*errands, *([refusal.call] if refusal else ())], customer):
        raise TaskRejected("implausible", "nobody would ask for all of this")
    if refusal is not None and place is not None:
        grader = infeasible.grader_with(domain, trajectory, order, place, refusal)
    else:
        grader = grader_of(domain, trajectory, list(enumerate(order)))
    goals, certificate = [PlannedGoal(call) for call in order], Certificate(intent=own)
    parts, change = dict[Intent, int](), None
    if draft.left_open is not None:
        number, withheld, candidates = draft.left_open
        parts[ambiguous.NAME] = goal = _shifted(number, place)
        goals[goal].withheld = withheld
        certificate.withheld, certificate.candidates = list(withheld), candidates
    if draft.changed is not None:
        number, first, trigger = draft.changed
        parts[changing.NAME] = goal = _shifted(number, place)
        change = PlannedChange(goal, trigger, goals[goal].call)
        goals[goal].call = first
        certificate.trigger = trigger
        certificate.first_call = GoldCall(name=first.name, kind="write", arguments=first.arguments, goal=goal)
        _forbid_first(domain, grader, errands, number, first)
    if refusal is not None and place is not None:
        parts[infeasible.NAME] = place
        certificate.rule = refusal.rule.number
        certificate.forbidden_call = infeasible.forbidden_call(domain, refusal.call, place)
    certificate.goal = parts.pop(own)
    certificate.also = [Part(intent=name, goal=goal) for name, goal in parts.items()]
    return Structure(goals, grader, certificate, change, patience=patience, pleads=pleads)


def _shifted(number: int, place: int | None) -> int:
    """The number of a goal among all, where one stands at ``place`` that is to be refused."""
    return number + (place is not None and place <= number)


def _forbid_first(domain: Domain, grader: GraderSide, errands: Sequence[Call], number: int, first: Call) -> None:
    """Forbids what was wanted first. Raises TaskRejected: to do that as well would pass."""
    listed = changing.forbidden_calls(domain, errands[:number], first, grader.gold)
    if not listed:
        raise TaskRejected("same_state", "no call of what is wanted first can be forbidden")
    grader.forbidden = [*listed, *grader.forbidden]
    if "forbidden" not in grader.basis:
        grader.basis.append("forbidden")
