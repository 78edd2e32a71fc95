"""What counters say about results."""

from __future__ import annotations

import pytest

from t2t_dist.storage.have_results import failed_by, last_stage, results, without_result


@pytest.mark.parametrize(
    ("stage", "counters", "count", "failed"),
    [
        ("rollout", {"episodes.rollout": 2, "failures.engine_timeout": 1}, 2, ""),
        ("rollout", {"episodes.verify": 2, "tasks.general": 1, "failures.deadline": 1}, 0, "deadline"),
        (
            "rollout",
            {"failures.deadline": 1, "failures.engine_timeout": 2, "rejected.bad_words": 1},
            0,
            "engine_timeout",
        ),
        ("rollout", {"trajectories": 1, "rejected.bad_words": 4, "tasks_rejected.general": 4}, 0, "bad_words"),
        ("convert", {"trajectories": 1, "rejected.bad_words": 3, "tasks.general": 1}, 1, ""),
        ("convert", {"trajectories": 1, "rejected.no_votes": 1, "rejected.no_write": 3}, 0, "no_votes"),
        ("convert", {"trajectories": 1, "rejected.no_write": 4}, 0, ""),
        ("explore", {"trajectories": 3, "rejected.too_short": 2, "failures.engine_timeout": 1}, 1, ""),
        ("explore", {"trajectories": 2, "rejected.too_short": 2}, 0, ""),
        ("explore", {"failures.engine_timeout": 1}, 0, "engine_timeout"),
    ],
)
def test_results_and_what_failed_instead(stage: str, counters: dict[str, int], count: int, failed: str) -> None:
    assert results(stage, counters) == count
    assert failed_by(stage, counters) == failed
    assert bool(without_result(stage, counters)) == (count == 0)


def test_an_evaluation_is_made_for_rollouts_whatever_its_settings_say() -> None:
    assert (last_stage("evaluate", "convert"), last_stage("generate", "convert")) == ("rollout", "convert")
    assert without_result("rollout", {"episodes.rollout": 1}, "it stopped") == "it stopped"
