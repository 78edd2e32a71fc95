"""What a model decided about a grade, beside what code did: the reward with it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

from t2t_dist.core.schema import Outcome, Task
from t2t_dist.environments.json_text import Unreadable, read_json
from t2t_dist.tau2 import PART
from t2t_dist.tau2.second_verdict import own_basis

#: Key of ``Outcome.detail``: JSON, ``{part: [1.0, 0.0 or null, "model: why"]}``.
DECIDED_BY_MODEL = "model"


def rewards_of(parts: Mapping[str, float], basis: Sequence[str]) -> tuple[float, float]:
    """The product of the parts in the basis, with 0 and with 1 for those that could not be decided."""
    low, high = (prod(parts.get(name, unsure) for name in ("ended", *basis)) for unsure in (0.0, 1.0))
    return low, high


def with_decisions(task: Task, outcome: Outcome, decided: str) -> Outcome:
    """The outcome with the parts that a model decided and code did not. ``decided``: the stored JSON text."""
    try:
        found = read_json(decided)
    except Unreadable:
        found = {}
    known = {
        name: float(verdict[0])
        for name, verdict in (found.items() if isinstance(found, dict) else ())
        if isinstance(verdict, list) and verdict and verdict[0] in (0.0, 1.0) and name not in outcome.parts
    }
    parts, detail = {**outcome.parts, **known}, {**outcome.detail, DECIDED_BY_MODEL: decided}
    if PART in task.grader.basis:
        return replace(outcome, parts=parts, detail=detail)
    low, high = rewards_of(parts, own_basis(task))
    return replace(outcome, reward=low, reward_high=high, parts=parts, detail=detail)
