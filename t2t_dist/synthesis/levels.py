"""What a difficulty from 1 to 5 means for the tasks that are made: how much is wanted, and how it is said.

All shares are of what is possible: of the arguments that can be described, of the errands that have a figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Level(NamedTuple):
    """One difficulty.

    ``described``: the share of arguments that are described; ``sets``: of errands that are wanted for several records;
    ``conditions``: of errands that are wanted on a condition; ``otherwise``: of those, where something else is wanted
    if the condition does not hold; ``questions``: of general tasks that end with a question;
    ``only_questions``: of general tasks that are a question and nothing else. ``errands``: how many an exploration is
    to carry out, one of these; ``steps``: how many calls it has at most. ``fallbacks``: of errands that may have a
    second choice, those that have one; ``preferences``: of the described arguments that are one of several choices,
    those that are described by preferences or within a budget, where they can be.
    """

    described: float
    sets: float
    conditions: float
    otherwise: float
    questions: float
    only_questions: float
    errands: tuple[int, ...]
    steps: int
    fallbacks: float = 0.0
    preferences: float = 0.0


LEVELS: Mapping[int, Level] = {
    1: Level(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, (1, 1, 2, 2, 3), 12),
    2: Level(0.4, 0.2, 0.2, 0.2, 0.15, 0.05, (1, 1, 2, 2, 3), 12, fallbacks=0.1, preferences=0.3),
    3: Level(0.98, 0.75, 0.65, 0.4, 0.3, 0.16, (3, 3, 4, 4, 4), 36, fallbacks=0.35, preferences=0.75),
    4: Level(0.99, 0.8, 0.65, 0.5, 0.4, 0.16, (3, 4, 4, 5, 5), 42, fallbacks=0.4, preferences=0.8),
    5: Level(1.0, 0.85, 0.7, 0.6, 0.5, 0.16, (4, 5, 5, 5, 5), 48, fallbacks=0.45, preferences=0.85),
}
