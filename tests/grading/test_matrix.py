"""The matrix of agents and intents on every built-in domain: the oracle passes, each flaw fails its intent."""

from __future__ import annotations

from statistics import fmean

import pytest

from t2t_dist.core.schema import INTENTS, Intent
from t2t_dist.grading.grade import grade
from t2t_dist.simulation.user_faults import user_faults
from tests.support.made import Made, played

#: Tasks of an intent that each agent plays.
MOST = 15
#: Which intents an agent passes (1) and fails (0); left out where a flaw may or may not matter.
EXPECTED: dict[str, dict[Intent, float]] = {
    "oracle": dict.fromkeys(INTENTS, 1.0),
    "hasty": {"general": 1.0, "ambiguous": 0.0},
    "stubborn": {"general": 1.0, "ambiguous": 1.0, "changing": 0.0, "infeasible": 1.0},
    "compliant": {"general": 1.0, "ambiguous": 1.0, "changing": 1.0, "infeasible": 0.0},
    "silent": dict.fromkeys(INTENTS, 0.0),
    # Nothing is to be had for nothing: who does nothing, lies, or says no gets nothing.
    "idle": dict.fromkeys(INTENTS, 0.0),
    "liar": dict.fromkeys(INTENTS, 0.0),
    "naysayer": dict.fromkeys(INTENTS, 0.0),
    "passer": {"general": 0.0, "ambiguous": 0.0, "changing": 0.0},
}


def test_every_intent_comes_out(built_in: Made) -> None:
    for intent in INTENTS:
        # 500 trajectories shall give at least 50 of each.
        assert len(built_in.verified(intent)) >= 0.1 * len(built_in.trajectories), intent


@pytest.mark.parametrize("kind", list(EXPECTED))
async def test_each_agent_passes_and_fails_what_it_should(built_in: Made, kind: str) -> None:
    for intent, expected in EXPECTED[kind].items():
        rewards = []
        for task in built_in.verified(intent)[:MOST]:
            rollout = await played(built_in, task, kind)
            outcome = grade(built_in.domain, task, rollout.turns, rollout.termination.value)
            rewards.append(outcome.reward)
            if kind == "oracle":
                assert all(outcome.process.values()), (task.task_id, outcome.process)
                assert user_faults(rollout.turns, task.user) == []
        assert len(rewards) >= 4
        assert fmean(rewards) == expected, (intent, rewards)


async def test_who_hands_everybody_over_passes_where_a_rule_says_so_and_nowhere_else(built_in: Made) -> None:
    for task in built_in.verified("infeasible")[:40]:
        rollout = await played(built_in, task, "passer")
        outcome = grade(built_in.domain, task, rollout.turns, rollout.termination.value)
        due = task.grader.handling == "transfer" and len(task.user.goals) == 1
        assert outcome.reward == float(due), outcome.detail


async def test_who_never_asks_does_no_better_than_chance(built_in: Made) -> None:
    """Each outcome of an ambiguous request is as likely as the others: no place in the list pays."""
    for place in ("first", "second", "last"):
        passed, expected, variance = 0.0, 0.0, 0.0
        for task in built_in.verified("ambiguous"):
            assert task.certificate is not None
            rollout = await played(built_in, task, f"guess-{place}")
            passed += grade(built_in.domain, task, rollout.turns, rollout.termination.value).reward
            chance = 1 / len({candidate.final for candidate in task.certificate.candidates})
            expected += chance
            variance += chance * (1 - chance)
        assert passed <= expected + 3 * variance**0.5, place
