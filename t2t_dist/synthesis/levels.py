"""What a difficulty from 1 to 5 means for the tasks that are made: how much is wanted, and how it is said.

All shares are of what is possible: of the arguments that can be described, of the errands that have a figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Level(NamedTuple):
    """One difficulty.

    ``errands``: how many an exploration is to carry out, one of these; ``steps``: how many calls it has at most.
    ``described``: the share of arguments that are described; ``sets``: of errands that are wanted for several records;
    ``conditions``: of errands that are wanted on a condition; ``otherwise``: of those, where something else is wanted
    if the condition does not hold; ``questions``: of general tasks that end with a question; ``only_questions``: of
    general tasks that are a question and nothing else; ``combined``: of the other intents' tasks that have a second
    intent, where there is one to be had; ``third``: of those that have a third; ``parts``: of changing tasks in which
    something is added or a part taken back; ``twice``: of those in which the customer changes their mind twice;
    ``fallbacks``: of errands that may have a second choice, those that have one; ``preferences``: of the described
    arguments that are one of several choices, those that are described by preferences or within a budget;
    ``sequences``: of general tasks that want what takes something else first, where the customer has a reason to;
    ``alternatives``: of errands with a figure, those that are one of two.
    """

    errands: tuple[int, ...]
    steps: int
    described: float = 0.0
    sets: float = 0.0
    conditions: float = 0.0
    otherwise: float = 0.0
    questions: float = 0.0
    only_questions: float = 0.0
    combined: float = 0.0
    third: float = 0.0
    parts: float = 0.0
    twice: float = 0.0
    fallbacks: float = 0.0
    preferences: float = 0.0
    sequences: float = 0.0
    alternatives: float = 0.0


LEVELS: Mapping[int, Level] = {
    1: Level(errands=(1, 1, 2, 2, 3), steps=12),
    2: Level(
        errands=(1, 1, 2, 2, 3),
        steps=12,
        described=0.4,
        sets=0.2,
        conditions=0.2,
        otherwise=0.2,
        questions=0.15,
        only_questions=0.05,
        parts=0.2,
        twice=0.15,
        fallbacks=0.1,
        preferences=0.3,
        sequences=0.2,
        alternatives=0.1,
    ),
    3: Level(
        errands=(3, 3, 4, 4, 4),
        steps=36,
        described=0.99,
        sets=0.68,
        conditions=0.95,
        otherwise=0.4,
        questions=0.3,
        only_questions=0.18,
        combined=0.25,
        parts=0.4,
        twice=0.35,
        fallbacks=0.55,
        preferences=0.95,
        sequences=0.95,
        alternatives=0.6,
    ),
    4: Level(
        errands=(3, 4, 4, 5, 5),
        steps=42,
        described=0.99,
        sets=0.85,
        conditions=0.95,
        otherwise=0.5,
        questions=0.4,
        only_questions=0.18,
        combined=0.35,
        parts=0.45,
        twice=0.4,
        fallbacks=0.55,
        preferences=0.95,
        sequences=0.95,
        alternatives=0.6,
    ),
    5: Level(
        errands=(4, 5, 5, 5, 5),
        steps=48,
        described=1.0,
        sets=0.9,
        conditions=0.95,
        otherwise=0.6,
        questions=0.5,
        only_questions=0.18,
        combined=0.5,
        third=0.3,
        parts=0.5,
        twice=0.5,
        fallbacks=0.6,
        preferences=0.95,
        sequences=0.95,
        alternatives=0.6,
    ),
}
