"""The intent ``general``, the control: everything needed is stated or known.

Certificate: the gold replays without error, two replays give one state, leaving out any one write changes the final
state, every write passes the rules, and what the customer says determines that state.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from t2t_dist.core.schema import Certificate, Task, Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call

from ..requests.check import unmet
from .gold import choose_tells, grader_of
from .rejection import TaskRejected
from .side_check import Sides
from .spec import Colours, IntentSpec
from .structure import PlannedGoal, Structure
from .trajectory_errands import errands_of

NAME: Final = "general"


def make(domain: Domain, trajectory: Trajectory, rng: random.Random) -> Structure:
    """Raises TaskRejected: the trajectory wrote nothing, or its gold does not replay."""
    errands = errands_of(domain, trajectory)
    if not errands:
        raise TaskRejected("no_write")
    return make_of(domain, trajectory, errands, rng)


def make_of(domain: Domain, trajectory: Trajectory, errands: Sequence[Call], rng: random.Random) -> Structure:
    """A task of these errands, for the customer of a trajectory. Raises TaskRejected: its gold does not replay."""
    goals = [PlannedGoal(errand) for errand in errands]
    grader = grader_of(domain, trajectory, list(enumerate(errands)))
    choose_tells(domain, grader, goals, rng)
    return Structure(goals, grader, Certificate(intent=NAME))


def prove(domain: Domain, task: Task, goal: int | None, made: Certificate) -> Sides:
    """Raises TaskRejected: nothing is done, and nothing is asked."""
    asks = any(one.asks for one in task.user.goals)
    if not task.grader.gold or (task.grader.final == task.grader.initial and not (asks or unmet(domain, task))):
        raise TaskRejected("no_write")
    return Sides()


INTENT = IntentSpec(
    name=NAME,
    summary="the control: everything needed is stated or can be looked up",
    proof="the gold calls, replayed twice, lead to one final state, and leaving out any write leads to another",
    make=make,
    prove=prove,
    writer_prompt="""\
A plain task: everything that the agent needs is said in the opening or follows from the customer's data.""",
    judge_prompt="""\
A plain task: all that is needed is said or can be looked up.""",
    colours=Colours("#4b5563", "#e9ebee", "#b4bac4", "#2a2d33"),
)
