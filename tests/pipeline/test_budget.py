"""Budgets and yields from a run's counters."""

from __future__ import annotations

import pytest

from t2t_dist.config.settings import BudgetConfig
from t2t_dist.pipeline.budget import spent, yields

COUNTERS = {
    "tasks.general": 30,
    "tasks.changing": 20,
    "episodes.rollout": 100,
    "episodes.verify": 25,
    "failures.deadline": 9,
    "tokens.prompt": 1_000,
    "tokens.cached": 8_000,
    "tokens.completion": 1_000,
}


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"accepted": 50}, "the budget of 50 verified tasks is used up"),
        ({"accepted": 51}, ""),
        ({"episodes": 125}, "the budget of 125 episodes is used up"),
        ({"episodes": 126}, ""),
        ({"tokens": 10_000}, "the budget of 10000 tokens is used up"),
        ({"tokens": 10_001}, ""),
        ({"wall_s": 60}, "the budget of 60 seconds is used up"),
        ({"wall_s": 61}, ""),
        ({"accepted": 51, "tokens": 1}, "the budget of 1 tokens is used up"),
        ({}, ""),
    ],
)
def test_the_budget_that_is_used_up_is_named(budget: dict[str, float], message: str) -> None:
    assert spent(BudgetConfig.model_validate(budget), COUNTERS, 60.0) == message


def test_a_run_that_has_done_nothing_has_used_nothing_up() -> None:
    assert spent(BudgetConfig(accepted=1, episodes=1, tokens=1, wall_s=1), {}, 0.0) == ""


def test_yields_are_by_thousand_episodes_and_by_gpu_hour() -> None:
    assert yields(COUNTERS, 1800.0) == {"accepted_per_1000_episodes": 400.0, "accepted_per_gpu_hour": 100.0}
    assert yields(COUNTERS, 0.0) == {"accepted_per_1000_episodes": 400.0}
    assert yields({}, 0.0) == {}
