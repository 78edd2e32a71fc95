"""The structure of a task before it is put in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from t2t_dist.core.schema import (
    Certificate,
    GraderSide,
    Intent,
)
from t2t_dist.environments.language import Tell
from t2t_dist.environments.tools import Call


class Rejection(NamedTuple):
    """Why there is no task: a reason code, and more in words."""

    code: str
    detail: str = ""


class Refused(Exception):
    """Raised inside the makers and certificates; carries the rejection."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.rejection = Rejection(code, detail)


@dataclass
class PlannedGoal:
    """One thing the customer will ask for: an errand, of which some slots are withheld, and what they want to be told.

    An errand is a call of one of the agent's tools or of a workflow of the domain.
    """

    call: Call
    withheld: tuple[str, ...] = ()
    tells: list[tuple[Tell, str]] = field(default_factory=list)


@dataclass
class PlannedChange:
    """A changed mind: instead of its goal's call the customer wants ``call`` once ``trigger`` has happened."""

    goal: int
    trigger: str
    call: Call


@dataclass
class Structure:
    """The structured part of a task, fixed by its intent before a single word is written."""

    intent: Intent
    goals: list[PlannedGoal]
    grader: GraderSide
    certificate: Certificate
    change: PlannedChange | None = None
    patience: int = 1
