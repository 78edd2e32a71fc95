"""Whether one customer may well ask for all that a task has them ask for: what is done, what they want at first, and
what they name for a case that does not come about."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, combinations

from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import are_coherent
from t2t_dist.environments.tools import Call, Kind

from .grader_side import errands_by_goal, fact_text, fields_of
from .intents.structure import Structure
from .requests import language as lang


def is_coherent(domain: Domain, structure: Structure, customer: str) -> bool:
    """Whether all errands of a task make sense, and go together, as those of each set do, whatever their goals."""
    world, done = domain.world(), errands_by_goal(structure.grader)
    spoken_of = [_spoken_of(domain, structure, goal, done.get(goal, [])) for goal in range(len(structure.goals))]
    if not all(domain.makes_sense(world, call, customer) for calls in spoken_of for call in calls):
        return False
    apart = all(
        domain.go_together(world, first, second)
        for one, other in combinations(spoken_of, 2)
        for first in one
        for second in other
    )
    # Those of one goal differ in name where one comes before the other, or takes its place.
    sets = (calls for calls in done.values() if len({call.name for call in calls}) == 1)
    together = apart and all(are_coherent(domain, calls) for calls in sets)
    return together and not _asks_what_was_told(structure) and not _asks_what_they_know(structure, done)


def _asks_what_was_told(structure: Structure) -> bool:
    """Whether the figure that a customer asks for, or sets a limit on, was told for the same errand before: a price."""
    told: set[tuple[str, str, str]] = set()
    for number, planned in enumerate(structure.goals):
        asked = {(planned.call.name, tell.field, value) for tell, value in planned.tells}
        if asked & told:
            return True
        told |= asked
        for made in structure.grader.gold:
            if made.goal == number and made.kind == Kind.WRITE.value:
                told |= {(made.name, field, fact_text(value)) for field, value in fields_of(made.result).items()}
    return False


def _asks_what_they_know(structure: Structure, done: Mapping[int, list[Call]]) -> bool:
    """Whether the question is how many there are of what the customer has just spoken of as all of them, of just as
    many as something was done for, or of what the agent has named to ask which of them is meant."""
    requests = [lang.read(stored) for stored in (structure.grader.requests or {}).values()]
    counted = [one.value.of for one in requests if isinstance(one, lang.Tell) and isinstance(one.value, lang.Count)]
    if not counted:
        return False
    sets = [str(len(calls)) for calls in done.values() if len(calls) > 1]
    spoken_of = any(isinstance(one, lang.Each) and one.among in counted for one in requests)
    named = any(next(iter(goal.call.arguments), None) in goal.withheld for goal in structure.goals)
    return spoken_of or named or structure.grader.communicate[-1] in sets


def _spoken_of(domain: Domain, structure: Structure, goal: int, done: list[Call]) -> list[Call]:
    """The errands that a customer speaks of for one goal, but for what was a slip of theirs."""
    planned, changes = structure.goals[goal], [one for one in structure.changes if one.goal == goal]
    stages = [planned.call, *(one.call for one in changes)]
    meant = [
        call
        for call, after in zip(stages, [*stages[1:], None], strict=True)
        if after is None or not (call.name == after.name and call.name in domain.slips)
    ]
    before = [planned.first[0]] if planned.first is not None else []
    beside = [call for call in (planned.otherwise, planned.rather) if call is not None]
    return list(chain(before, meant, beside, done))
