"""What customers count wrong: "both of my pending orders", where there are three.

They want it for all of them. Who looks sees how many there are, says so, and hears that all are meant.
"""

from __future__ import annotations

import random

from t2t_dist.core.schema import Miscount, Task
from t2t_dist.environments.tools import Call

from ..grader_side import errands_by_goal
from ..intents.rejection import TaskRejected
from ..intents.structure import Structure
from ..requests.words import MOST_NUMBERED, count_said, is_of_several, renumbered
from .sentences import recounts

#: How often they say too few, where they can.
_TOO_FEW = 0.7


def drawn(structure: Structure, rng: random.Random) -> Miscount | None:
    """Has the customer count the records of one request wrong, in place; ``None``: no request is for several."""
    sets = [
        (number, slot, text)
        for number, goal in enumerate(structure.goals)
        for slot, text in goal.described.items()
        if is_of_several(text) and renumbered(text, 2) is not None and not _is_for_each(goal.call)
    ]
    if not sets:
        return None
    goal, slot, text = rng.choice(sets)
    right = len(errands_by_goal(structure.grader).get(goal, ()))
    fewer, more = right - 1, right + 1
    said = fewer if fewer > 1 and (more > MOST_NUMBERED or rng.random() < _TOO_FEW) else more
    words = renumbered(text, said) if said <= MOST_NUMBERED else None
    if right < 2 or words is None:
        return None
    structure.goals[goal].described[slot] = words
    return Miscount(goal=goal, slot=slot, said=said, answer=rng.choice(recounts(right)))


def _is_for_each(call: Call) -> bool:
    """Whether a number is given to each of several, which "all three of them" would not say."""
    return any(isinstance(value, int | float) and not isinstance(value, bool) for value in call.arguments.values())


def check(task: Task) -> None:
    """Proves that a number that is said is wrong, and that what is said once it is put right names nothing.

    Raises TaskRejected: it is right, or is not what the words say."""
    miscount = task.user.miscount
    if miscount is None:
        return
    goals = task.user.goals
    facts = goals[miscount.goal].facts if 0 <= miscount.goal < len(goals) else []
    said = [count_said(fact.text) for fact in facts if fact.slot == miscount.slot and fact.described]
    right = len(errands_by_goal(task.grader).get(miscount.goal, ()))
    if said != [miscount.said] or miscount.answer not in recounts(right):
        raise TaskRejected(
            "mistake_differs", f"the customer does not say that there are {miscount.said}, or puts it right"
        )
    if right == miscount.said:
        raise TaskRejected("mistake_differs", f"there are {miscount.said}, as the customer says")
