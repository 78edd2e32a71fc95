"""The intents: what makes a task of one kind or another, and what proves that it is one.

In come a domain and a trajectory, or a finished task; out come a task's structure, or its certificate, or a rejection.
An intent is one module here, named like it (start with ``general.py``), with an :class:`IntentSpec` as its ``INTENT``;
the names and their order stand in ``Intent`` of ``core/schema.py``. Prompts, grading, export and the viewer read
``REGISTRY`` and name no intent. The other modules are shared: structure and gold of a task, facts, checks. Nothing here
knows models, episodes or storage.
"""

from __future__ import annotations

import random
from importlib import import_module

from t2t_dist.core.schema import INTENTS, Certificate, Intent, Task, Trajectory
from t2t_dist.environments.base import Domain

from ..requests.check import twins_of
from ..requests.proof import NotProved
from .rejection import Rejection, TaskRejected
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
    """The certificate, made anew from the task and the domain alone, or what does not hold."""
    try:
        certificate = REGISTRY[task.intent].certify(domain, task)
        certificate.twins = twins_of(domain, task)
    except TaskRejected as rejected:
        return rejected.rejection
    except NotProved as described:
        return Rejection(described.code, described.detail)
    return certificate
