"""general, the control: everything needed is stated or known.

Certificate: the gold replays without error, two replays give one state, leaving out any one write changes the final
state, every write passes the rules, and what the customer says determines that state.
"""

from __future__ import annotations

import random

from t2t_dist.core.schema import Certificate, Task, Trajectory
from t2t_dist.environments.base import Domain

from .certificate import check_gold
from .errands import errands_of
from .gold import choose_tells, grader_of
from .side_check import check_sides
from .structure import PlannedGoal, Refused, Structure


def make(domain: Domain, trajectory: Trajectory, rng: random.Random) -> Structure:
    """Raises Refused: the trajectory wrote nothing, or its gold does not replay."""
    errands = errands_of(domain, trajectory)
    if not errands:
        raise Refused("no_write")
    goals = [PlannedGoal(errand) for errand in errands]
    grader = grader_of(domain, trajectory, list(enumerate(errands)))
    choose_tells(domain, grader, goals, rng)
    return Structure("general", goals, grader, Certificate(intent="general"))


def certify(domain: Domain, task: Task) -> Certificate:
    """Raises Refused with the first thing that does not hold."""
    if not task.grader.gold or task.grader.final == task.grader.initial:
        raise Refused("no_write")
    replays, without = check_gold(domain, task)
    check_sides(domain, task)
    return Certificate(intent="general", replays=replays, without=without)
