"""Budgets of a run, and what it yields for what it costs.

A budget that is used up ends a run in order: what is alive comes to its end and is committed, so a budget may be passed
by what was in flight. The run can be gone on with under a larger one.
"""

from __future__ import annotations

from collections.abc import Mapping

from t2t_dist.config.settings import BudgetConfig


def accepted(counters: Mapping[str, float]) -> int:
    """Verified tasks so far."""
    return int(_total(counters, "tasks."))


def episodes(counters: Mapping[str, float]) -> int:
    """Graded episodes so far, those of verification included."""
    return int(_total(counters, "episodes."))


def tokens(counters: Mapping[str, float]) -> int:
    """Tokens so far, prompts and answers."""
    return int(_total(counters, "tokens."))


def _total(counters: Mapping[str, float], prefix: str) -> float:
    return sum(count for name, count in counters.items() if name.startswith(prefix))


def spent(budget: BudgetConfig, counters: Mapping[str, float], elapsed_s: float) -> str:
    """Which budget is used up, in words; empty while none is."""
    for told, used, most in (
        ("verified tasks", accepted(counters), budget.accepted),
        ("episodes", episodes(counters), budget.episodes),
        ("tokens", tokens(counters), budget.tokens),
        ("seconds", elapsed_s, budget.wall_s),
    ):
        if most is not None and used >= most:
            return f"the budget of {most:g} {told} is used up"
    return ""


def yields(counters: Mapping[str, float], gpu_seconds: float) -> dict[str, float]:
    """Verified tasks for 1,000 graded episodes and for an hour of one GPU, each where there were any."""
    found, made = {}, accepted(counters)
    if count := episodes(counters):
        found["accepted_per_1000_episodes"] = round(1000 * made / count, 1)
    if gpu_seconds > 0:
        found["accepted_per_gpu_hour"] = round(3600 * made / gpu_seconds, 1)
    return found
