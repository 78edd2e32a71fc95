"""Making a task's requests harder to read: customers describe in part what they want, in place of naming it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from t2t_dist.core.schema import GoldCall
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call, Kind

from .bindings import canonical_json
from .intents.gold import play
from .intents.grader_side import errands_in
from .intents.structure import Structure
from .requests.denote import Described, described
from .requests.language import stored


def describe_goals(domain: Domain, customer: str, structure: Structure, share: float, rng: random.Random) -> None:
    """Describes some arguments of the goals, in place: their words, their meaning, and the look-ups that they take.

    What is changed or refused is named as before, and so is what another goal names.
    """
    errands = [(call.goal, Call(call.name, call.arguments)) for call in errands_in(structure.grader)]
    found: dict[int, Described] = {}
    for place, (goal, call) in enumerate(errands):
        if structure.change is None or goal != structure.change.goal:
            before, kept = [errand for _, errand in errands[:place]], structure.goals[goal].withheld
            one = described(domain, customer, goal, call, before, kept, share, rng)
            if one is not None:
                found[goal] = one
    named = [goal.call.arguments for goal in structure.goals] + (
        [structure.change.call.arguments] if structure.change else []
    )
    for goal in [goal for goal, one in found.items() if _is_named(one, dict(errands)[goal], goal, named, found)]:
        del found[goal]
    for goal, one in found.items():
        structure.goals[goal].described = one.words
        structure.grader.gold = _with_look_ups(structure.grader.gold, goal, one.look_ups)
    if found:
        structure.grader.requests = {str(goal): stored(one.request) for goal, one in found.items()}
        play(domain, structure.grader.gold)


def _is_named(
    one: Described, call: Call, goal: int, named: Sequence[Mapping[str, Any]], found: Mapping[int, Described]
) -> bool:
    """Whether another goal names what this one describes."""
    for other, arguments in enumerate(named):
        words = found[other].words if other in found else {}
        own = {canonical_json(call.arguments[slot]) for slot in one.words}
        if other != goal and any(canonical_json(v) in own for slot, v in arguments.items() if slot not in words):
            return True
    return False


def _with_look_ups(gold: Sequence[GoldCall], goal: int, needed: Sequence[Call]) -> list[GoldCall]:
    """The gold with these look-ups before the first call of the goal, none of them twice."""
    first = next(place for place, call in enumerate(gold) if call.goal == goal)
    made = [Call(call.name, call.arguments) for call in gold[:first]]
    added = [
        GoldCall(name=call.name, kind=Kind.READ.value, arguments=call.arguments, goal=goal)
        for call in needed
        if call not in made
    ]
    rest = [call for call in gold[first:] if call.goal != goal or Call(call.name, call.arguments) not in needed]
    return [*gold[:first], *added, *rest]
