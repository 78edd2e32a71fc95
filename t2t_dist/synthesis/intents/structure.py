"""The structure of a task before it is put into words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from t2t_dist.core.schema import Certificate, Claim, GraderSide, Miscount, RecordChange
from t2t_dist.environments.language import Tell
from t2t_dist.environments.tools import Call


@dataclass
class PlannedGoal:
    """One thing the customer will ask for: an errand, its withheld slots, and the figures they want to be told.

    An errand is a call of one of the agent's tools or of a workflow of the domain.
    """

    call: Call
    withheld: tuple[str, ...] = ()
    tells: list[tuple[Tell, str]] = field(default_factory=list)
    #: By argument, the words by which it is described in place of its value.
    described: dict[str, str] = field(default_factory=dict)
    #: The clause that says on what condition it is wanted.
    condition: str | None = None
    #: What is wanted if that does not hold, if anything is, and what of it is described.
    otherwise: Call | None = None
    otherwise_described: dict[str, str] = field(default_factory=dict)
    #: Whether that is wanted because the errand is not possible.
    falls_back: bool = False
    #: What may be done before it: a call with the arguments that the customer names, and their sentence.
    first: tuple[Call, str] | None = None
    #: An errand of which and this one only one is wanted, what of it is described, and which of the two it is.
    rather: Call | None = None
    rather_described: dict[str, str] = field(default_factory=dict)
    whichever: str | None = None


@dataclass
class PlannedQuestion:
    """A goal that is a question about the customer's records, and changes nothing."""

    text: str


@dataclass
class PlannedChange:
    """A change of mind: once ``trigger`` has happened, the customer wants ``call`` instead of what they wanted before.

    ``part``: whether they say only what is added, or what of it stays.
    """

    goal: int
    trigger: str
    call: Call
    #: By argument, the words by which it was and is described in place of its value.
    described: dict[str, str] = field(default_factory=dict)
    part: Literal["added", "taken back"] | None = None


@dataclass
class Structure:
    """The structured part of a task, fixed by its intent before a single word is written."""

    goals: list[PlannedGoal]
    grader: GraderSide
    certificate: Certificate
    change: PlannedChange | None = None
    #: What they change to once they have changed their mind.
    second_change: PlannedChange | None = None
    #: Asked when all else is settled.
    question: PlannedQuestion | None = None
    patience: int = 1
    #: Whether they ask for an exception when something is refused.
    pleads: bool = True
    #: What they say so that what is forbidden is done all the same.
    claim: Claim | None = None
    #: A fact about who they are, by its type, and the value that they give at first.
    mistake: tuple[str, str] | None = None
    #: A number of records that they have wrong.
    miscount: Miscount | None = None
    #: The records in which the task's world differs from the domain's database.
    world: list[RecordChange] = field(default_factory=list)

    @property
    def changes(self) -> list[PlannedChange]:
        """The changes of mind, in order."""
        return [change for change in (self.change, self.second_change) if change is not None]

    @property
    def stages(self) -> list[Call]:
        """What the customer wants one after the other, where they change their mind; the last is the gold's."""
        return [self.goals[self.change.goal].call, *(one.call for one in self.changes)] if self.change else []
