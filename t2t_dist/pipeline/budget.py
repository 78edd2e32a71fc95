"""Budgets of a run, and its yield per cost.

A budget that is used up drains the run: live episodes finish and are committed, so the total may exceed the budget by
what was in flight. The run can be resumed with a larger budget.
"""

from __future__ import annotations

from collections.abc import Mapping

from t2t_dist.config.settings import BudgetConfig


def accepted(counters: Mapping[str, float]) -> int:
    """Verified tasks so far."""
    return int(_total(counters, "tasks."))


def episodes(counters: Mapping[str, float]) -> int:
    """Graded episodes so far, including those of verification."""
    return int(_total(counters, "episodes."))


def tokens(counters: Mapping[str, float]) -> int:
    """Tokens so far, in prompts and answers."""
    return int(_total(counters, "tokens."))


def _total(counters: Mapping[str, float], prefix: str) -> float:
    return sum(count for name, count in counters.items() if name.startswith(prefix))


def spent(budget: BudgetConfig, counters: Mapping[str, float], elapsed_s: float) -> str:
    """A message that names the budget used up; empty while none is."""
    for unit, used, most in (
        ("verified tasks", accepted(counters), budget.accepted),
        ("episodes", episodes(counters), budget.episodes),
        ("tokens", tokens(counters), budget.tokens),
        ("seconds", elapsed_s, budget.wall_s),
    ):
        if most is not None and used >= most:
            return f"the budget of {most:g} {unit} is used up"
    return ""


def yields(counters: Mapping[str, float], gpu_seconds: float) -> dict[str, float]:
    """Verified tasks per 1,000 graded episodes and per GPU hour; each only where there were any."""
    found, made = {}, accepted(counters)
    if count := episodes(counters):
        found["accepted_per_1000_episodes"] = round(1000 * made / count, 1)
    if gpu_seconds > 0:
        found["accepted_per_gpu_hour"] = round(3600 * made / gpu_seconds, 1)
    return found
