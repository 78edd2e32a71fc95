"""Interface of an intent: how its tasks are made and certified, its prompts, its process check, its colours."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

from t2t_dist.core.schema import Certificate, Intent, Task, Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call

from .side_check import Sides
from .structure import Structure


class Colours(NamedTuple):
    """CSS colours of an intent's label in the viewer: text and background, in the light and in the dark theme."""

    text: str
    background: str
    dark_text: str
    dark_background: str


class ProcessCheck(Protocol):
    """A process check that only the tasks of one intent have; one instance per graded episode."""

    #: The field of ``process`` in an episode's row.
    name: ClassVar[str]

    def __init__(self, domain: Domain, task: Task, fresh_world: Callable[[], World]) -> None: ...

    def broken_by(self, call: Call, changes_said: int) -> bool:
        """Whether a write of the agent's that changed the world breaks it.

        ``changes_said``: how many changes of mind the customer has announced by then.
        """
        ...


@dataclass(frozen=True)
class IntentSpec:
    """An intent: what the module of its name defines as ``INTENT``.

    Attributes:
        summary: one line, for people.
        proof: what its certificate proves; a clause of a sentence.
        make: the structured part of a task. Raises TaskRejected: the trajectory gives none.
        prove: puts the evidence that a goal of a task makes it one of this intent into a certificate, made anew from
            the task and the domain alone; what the sides of the task hold for that. The gold has been replayed. Raises
            TaskRejected with the first thing that does not hold.
        writer_prompt, judge_prompt: what the writer and the judges are told about tasks of this intent.
    """

    name: Intent
    summary: str
    proof: str
    make: Callable[[Domain, Trajectory, random.Random], Structure]
    prove: Callable[[Domain, Task, int | None, Certificate], Sides]
    writer_prompt: str
    judge_prompt: str
    colours: Colours
    process_check: type[ProcessCheck] | None = None
