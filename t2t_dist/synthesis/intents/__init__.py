"""The four intents. Each makes the structure of its tasks and checks the certificate that proves them."""

from __future__ import annotations

import random
from types import ModuleType

from t2t_dist.core.schema import INTENTS, Certificate, Intent, Task, Trajectory
from t2t_dist.environments.base import Domain

from . import ambiguous, changing, general, infeasible
from .structure import Refused, Rejection, Structure

_MODULES: dict[str, ModuleType] = {
    "general": general,
    "ambiguous": ambiguous,
    "changing": changing,
    "infeasible": infeasible,
}
assert set(_MODULES) == set(INTENTS)


def make(intent: Intent, domain: Domain, trajectory: Trajectory, rng: random.Random) -> Structure | Rejection:
    """The structured part of a task of this intent, or why the trajectory gives none."""
    try:
        structure: Structure = _MODULES[intent].make(domain, trajectory, rng)
    except Refused as refused:
        return refused.rejection
    return structure


def certify(domain: Domain, task: Task) -> Certificate | Rejection:
    """The certificate, made anew from the task and the domain alone, or what does not hold."""
    try:
        certificate: Certificate = _MODULES[task.intent].certify(domain, task)
    except Refused as refused:
        return refused.rejection
    return certificate
