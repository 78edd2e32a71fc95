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
    to carry out, one of these; ``steps``: how many calls it has at most.
    """

    described: float
    sets: float
    conditions: float
    otherwise: float
    questions: float
    only_questions: float
    errands: tuple[int, ...]
    steps: int


LEVELS: Mapping[int, Level] = {
    1: Level(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, (1, 1, 2, 2, 3), 12),
    2: Level(0.4, 0.2, 0.2, 0.2, 0.15, 0.05, (1, 1, 2, 2, 3), 12),
    3: Level(0.98, 0.75, 0.65, 0.4, 0.3, 0.16, (3, 3, 4, 4, 4), 36),
    4: Level(0.99, 0.8, 0.65, 0.5, 0.4, 0.16, (3, 4, 4, 5, 5), 42),
    5: Level(1.0, 0.85, 0.7, 0.6, 0.5, 0.16, (4, 5, 5, 5, 5), 48),
}


class Dependent(NamedTuple):
    """Requests of one difficulty that depend on each other: ``sequences``: the share of general tasks that want what
    takes something else first, ``alternatives``: of their errands with a figure, those that are one of two."""

    sequences: float
    alternatives: float


DEPENDENT: Mapping[int, Dependent] = {
    1: Dependent(0.0, 0.0),
    2: Dependent(0.2, 0.15),
    3: Dependent(0.8, 0.6),
    4: Dependent(0.8, 0.6),
    5: Dependent(0.8, 0.6),
}
