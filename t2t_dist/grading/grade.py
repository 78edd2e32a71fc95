"""Grade: a pure function of (task, transcript, domain).

The transcript is replayed on a fresh world; nothing but stored data is needed, so ``regrade`` repeats every reward.
Reward is the product of the parts in the task's basis, and 0 for a conversation that was cut off. A part that code
can't decide makes two of it: one as if it were 0, one as if it were 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from t2t_dist.core.schema import Outcome, Task, Turn
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.base import Domain
from t2t_dist.tau2 import PART
from t2t_dist.tau2.second_verdict import has_verdict, own_basis, tau2_verdict, verdict_detail

from .decided import rewards_of
from .expected import expected
from .parts import PARTS, Graded
from .replay import replay


def grade(
    domain: Domain, task: Task, turns: Sequence[Turn], termination: str, faults: Mapping[str, str] = {}
) -> Outcome:
    """Parts, reward, process checks and the replayed final state of an episode.

    Parts (1.0 or 0.0 each) are those of :data:`~t2t_dist.grading.parts.PARTS`, without any that could not be decided;
    ``detail`` holds, part by part, what was wrong or what is not certain. ``faults`` are the tool faults that the
    episode was given. Where tau2 has a verdict (an imported task, a tau2 world) it is ``detail["tau2"]``; it is the
    reward where ``tau2`` stands in the basis. ``detail["tau2_differs"]`` says why it is not ours.
    Raises InputError: the domain can't set up the task's world.
    """
    domain = domain_of(domain, task)
    replayed = replay(domain, task, turns, faults)
    episode = Graded(termination, replayed, task.grader, expected(domain, task, faults))
    marks = {name: part(episode) for name, part in PARTS.items()}
    parts = {name: mark.value for name, mark in marks.items() if mark.value is not None}
    detail = {} if replayed.detail is None else {"replay": replayed.detail}
    detail |= {name: mark.detail for name, mark in marks.items() if mark.detail}
    basis = own_basis(task)
    reward, high = rewards_of(parts, basis)
    if has_verdict(domain, task):
        theirs = tau2_verdict(domain, task, turns, termination)
        detail |= verdict_detail(theirs, reward, parts, basis)
        if PART in task.grader.basis:
            reward = high = theirs.reward or 0.0
    return Outcome(reward, high, parts=parts, process=replayed.process, detail=detail, final=replayed.world.digest)
