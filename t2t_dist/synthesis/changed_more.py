"""Changes of mind beyond one thing for another: something is added at the confirmation, a part is taken back, and who
has changed their mind changes it once more."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from t2t_dist.core.schema import Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call

from .grader_side import subject_of
from .intents import changing
from .intents.parts import ADDED, is_one_write, pairs_of, part_between
from .intents.rejection import Rejection
from .intents.structure import PlannedChange, Structure
from .intents.trajectory_errands import errands_of
from .levels import Level

#: Second changes of mind that are tried.
_MOST_TRIED = 8


def changed_more(
    domain: Domain, trajectory: Trajectory, structure: Structure | Rejection, level: Level, rng: random.Random
) -> Structure | Rejection:
    """A task of the intent ``changing`` in which some customers add something or take a part back, and some change
    their mind twice. Where there was nothing else to want, there may be a part. Raises TaskRejected."""
    if rng.random() < level.parts and not (isinstance(structure, Rejection) and structure.code != "no_alternative"):
        structure = _with_a_part(domain, trajectory, structure, rng) or structure
    if isinstance(structure, Rejection):
        return structure
    if rng.random() < level.twice:
        structure = _changed_twice(domain, trajectory, structure, rng) or structure
    _name_parts(domain, structure)
    return structure


def _with_a_part(
    domain: Domain, trajectory: Trajectory, structure: Structure | Rejection, rng: random.Random
) -> Structure | None:
    """The same errands, one of them first wanted with a part more or less; ``None``: none has such parts."""
    errands = (
        errands_of(domain, trajectory) if isinstance(structure, Rejection) else [goal.call for goal in structure.goals]
    )
    for number in rng.sample(range(len(errands)), len(errands)):
        for first, second in pairs_of(domain, trajectory.customer, errands, number, rng):
            wanted = [*errands[:number], second, *errands[number + 1 :]]
            if not _is_fair(domain, wanted, number, first):
                continue
            grader = changing.graded(domain, trajectory, errands, number, [first, second])
            if grader is not None:
                change = PlannedChange(number, changing.ASKED_TO_CONFIRM, second)
                return changing.structure_of(errands, grader, first, [change])
    return None


def _changed_twice(
    domain: Domain, trajectory: Trajectory, structure: Structure, rng: random.Random
) -> Structure | None:
    """The same task with a second change of mind; ``None``: there is nothing else to want. Nobody goes back to what
    they wanted first: to have carried that out would be right then."""
    assert structure.change is not None
    number, (first, second) = structure.change.goal, structure.stages
    is_slip = first.name == second.name in domain.slips
    errands = [second if place == number else goal.call for place, goal in enumerate(structure.goals)]
    for third in _thirds(domain, trajectory.customer, errands, number, rng):
        wanted = [*errands[:number], third, *errands[number + 1 :]]
        if is_slip and third.name == second.name:
            continue  # nobody gets their own address wrong twice
        if first.name != second.name == third.name and subject_of(third.arguments) != subject_of(first.arguments):
            continue  # what they thought of in its place is still for the same thing
        is_new = changing.says_something_else(domain, first, third, trajectory.customer)
        if not (is_new and _is_fair(domain, wanted, number, second)):
            continue
        grader = changing.graded(domain, trajectory, errands, number, [first, second, third])
        if grader is not None:
            again = PlannedChange(number, changing.ASKED_TO_CONFIRM, third)
            return changing.structure_of(errands, grader, first, [structure.change, again])
    return None


def _thirds(domain: Domain, customer: str, errands: Sequence[Call], number: int, rng: random.Random) -> Iterator[Call]:
    """What a customer who wants ``errands[number]`` by now may change to: a part more or less, or something else."""
    tried = 0
    parts = (pair for pair in pairs_of(domain, customer, errands, number, rng))
    others = changing.alternatives(domain, customer, errands, number, rng)
    for source in ((pair.second for pair in parts if pair.first == errands[number]), others):
        for third in source:
            yield third
            tried += 1
            if tried >= _MOST_TRIED:
                return


def _is_fair(domain: Domain, wanted: Sequence[Call], number: int, before: Call) -> bool:
    """Whether it is wrong to do what was wanted before, when the customer then adds something to it."""
    part = part_between(domain, before, wanted[number])
    return part is None or part.kind != ADDED or is_one_write(domain, wanted, number, part, before)


def _name_parts(domain: Domain, structure: Structure) -> None:
    """Has the customer say only what is added, or what stays, where that is all that changes."""
    goals = [goal.call for goal in structure.goals]
    number = structure.changes[0].goal
    for change, before in zip(structure.changes, structure.stages, strict=False):
        part = part_between(domain, before, change.call)
        wanted = [*goals[:number], change.call, *goals[number + 1 :]]
        if part is not None and _is_fair(domain, wanted, number, before):
            change.part = part.kind
