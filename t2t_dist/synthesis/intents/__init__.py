"""The intents: what makes a task of one kind or another, and what proves that it is one.

In come a domain and a trajectory, or a finished task; out come a task's structure, or its certificate, or a rejection.
An intent is one module here, named like it (start with ``general.py``), with an :class:`IntentSpec` as its ``INTENT``;
the names and their order stand in ``Intent`` of ``core/schema.py``. Prompts, grading, export and the viewer read
``REGISTRY`` and name no intent. The other modules are shared: structure and gold of a task, facts, checks. Nothing here
knows models, episodes or storage.
"""

from __future__ import annotations

import random
from functools import reduce
from importlib import import_module
from operator import or_

from t2t_dist.core.schema import INTENTS, Certificate, Intent, Part, Task, Trajectory
from t2t_dist.environments.base import Domain

from ..requests.check import twins_of
from ..requests.proof import NotProved
from .combining import check_parts, parts_of
from .gold_check import check_gold
from .rejection import Rejection, TaskRejected
from .side_check import Sides, check_sides
from .spec import IntentSpec
from .structure import Structure


def _spec_of(name: Intent) -> IntentSpec:
    spec: IntentSpec = import_module(f".{name}", __name__).INTENT
    assert spec.name == name
    return spec


#: Every intent by name, in the order of ``INTENTS``.
REGISTRY: dict[Intent, IntentSpec] = {name: _spec_of(name) for name in INTENTS}


def make(intent: Intent, domain: Domain, trajectory: Trajectory, rng: random.Random) -> Structure | Rejection:
    """The structured part of a task of this intent, or why the trajectory gives none."""
    try:
        return REGISTRY[intent].make(domain, trajectory, rng)
    except TaskRejected as rejected:
        return rejected.rejection


def certify(domain: Domain, task: Task) -> Certificate | Rejection:
    """The certificate, made anew from the task and the domain alone, or what does not hold.

    Of a task of several intents, each is proved in the presence of the others, and the sides are checked once, for all
    of them.
    """
    try:
        parts = parts_of(task)
        replays, without = check_gold(domain, task)
        certificate = Certificate(intent=task.intent, replays=replays, without=without, goal=parts[task.intent])
        certificate.also = [Part(intent=name, goal=goal) for name, goal in parts.items() if name != task.intent] or None
        sides = [REGISTRY[name].prove(domain, task, goal, certificate) for name, goal in parts.items()]
        check_parts(task, parts)
        check_sides(domain, task, reduce(or_, sides, Sides()))
        certificate.twins = twins_of(domain, task)
    except TaskRejected as rejected:
        return rejected.rejection
    except NotProved as described:
        return Rejection(described.code, described.detail)
    return certificate
