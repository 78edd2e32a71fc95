"""Verdicts from the data alone, each with its reason."""

from __future__ import annotations

import pytest

from t2t_dist.config.settings import VerifyConfig
from t2t_dist.core.schema import Task, Vote
from t2t_dist.environments import registry
from t2t_dist.storage.rows import from_row, to_row
from t2t_dist.synthesis.verify import Verifier, action_key, duplicate_key
from tests.support.made import Made, verdict


def copy(task: Task) -> Task:
    return task.model_copy(deep=True)


def verifier(made: Made, **settings: object) -> Verifier:
    return Verifier(made.domain, VerifyConfig.model_validate(settings))


# -- again -------------------------------------------------------------------------------------------------------------
def test_every_task_keeps_its_verdict_when_it_is_verified_again(made: Made) -> None:
    for task in made.tasks:
        again = Verifier(made.domain, VerifyConfig()).check(from_row(Task, to_row(task)))
        assert again == task


def test_another_database_is_noticed(shop: Made) -> None:
    other = registry.load("retail", 1, 0.1)
    for task in shop.verified()[:8]:
        assert verdict(other, task) == "other_database"


def test_a_verified_task_without_a_gold_is_not_passed_over(desk: Made) -> None:
    task = desk.one("infeasible", lambda task: not task.grader.allowed_diff)
    task.grader.gold = []
    assert verdict(desk.domain, task) == "not_authenticated"
    task = desk.one("general")
    task.grader.gold = []
    assert verdict(desk.domain, task) == "final_differs"


def test_a_task_for_which_a_model_found_no_usable_words_stays_rejected(desk: Made) -> None:
    task = desk.one("general")
    task.verdict, task.reasons = "rejected", ["bad_words"]
    assert verdict(desk.domain, task) == "bad_words"


def test_a_rejected_task_whose_reason_does_not_hold_is_verified(desk: Made) -> None:
    task = desk.one("general")
    task.verdict, task.reasons, task.detail = "rejected", ["gold_fails"], "it did not"
    checked = Verifier(desk.domain, VerifyConfig()).check(copy(task))
    assert (checked.verdict, checked.reasons, checked.detail) == ("verified", [], "")


# -- duplicates --------------------------------------------------------------------------------------------------------
def test_a_task_that_asks_the_same_of_the_same_records_is_a_duplicate(made: Made) -> None:
    for intent in ("general", "ambiguous", "changing", "infeasible"):
        checking, first = verifier(made), made.one(intent)
        second = copy(first)
        second.task_id, second.trajectory_id, second.user.persona = "another", "another", "formal"
        assert checking.check(first).verdict == "verified"
        assert checking.check(second).reasons == ["duplicate"]


def test_intents_of_one_trajectory_are_no_duplicates_of_one_another(made: Made) -> None:
    for trajectory in made.trajectories:
        checking = verifier(made)
        for task in made.tasks:
            if task.trajectory_id == trajectory.trajectory_id:
                assert "duplicate" not in checking.check(copy(task)).reasons


def test_what_makes_two_tasks_different(made: Made) -> None:
    keys = {duplicate_key(task) for task in made.verified()}
    assert len(keys) > len(made.verified()) * 0.8
    general = made.one("general")
    other = copy(general)
    other.customer = "somebody else"
    assert duplicate_key(other) != duplicate_key(general)
    changing = made.one("changing")
    assert changing.certificate is not None
    assert changing.certificate.first_call is not None
    before = duplicate_key(changing)
    changing.certificate.first_call.arguments["one more"] = 1
    assert duplicate_key(changing) != before


# -- contamination -----------------------------------------------------------------------------------------------------
def test_a_task_of_a_reference_run_is_contamination_whatever_its_words_and_arguments(made: Made) -> None:
    task = made.one("general")
    reference = {action_key(from_row(Task, to_row(task)))}
    checking = Verifier(made.domain, VerifyConfig(), reference)
    ambiguous = copy(task)
    ambiguous.user.persona = "chatty"
    assert checking.check(ambiguous).reasons == ["contaminated"]
    other = next(t for t in made.verified("general") if action_key(t) != action_key(task))
    assert checking.check(copy(other)).verdict == "verified"


def test_the_key_of_what_is_done_goes_by_tools_and_what_they_are_about(shop: Made) -> None:
    task = shop.one("general", lambda t: any(c.name == "cancel_pending_order" for c in t.grader.gold))
    key = action_key(task)
    call = next(c for c in task.grader.gold if c.name == "cancel_pending_order")
    call.arguments["reason"] = "whatever"
    assert action_key(task) == key
    call.arguments["order_id"] = "#W1"
    assert action_key(task) != key


# -- judges ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("marks", "least", "found"),
    [
        ([(7, 7, 7)], 7.0, "verified"),
        ([(10, 10, 10), (4, 4, 4)], 7.0, "verified"),
        ([(10, 10, 10), (4, 4, 3)], 7.0, "low_mark"),
        ([(9, 9, 2)], 7.0, "low_mark"),
        ([(9, 9, 2)], 6.0, "verified"),
        ([], 10.0, "verified"),
    ],
)
def test_the_judges_mean_mark_decides(desk: Made, marks: list[tuple[int, int, int]], least: float, found: str) -> None:
    task = desk.one("general")
    task.votes = [Vote(judge=f"j{n}", realism=r, necessity=e, correctness=c) for n, (r, e, c) in enumerate(marks)]
    checked = verifier(desk, min_mark=least).check(task)
    assert (checked.reasons or [checked.verdict]) == [found]
    assert len(checked.votes) == len(marks)


# -- solvability -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("settings", "rewards", "found"),
    [
        ({}, [1.0], "verified"),
        ({}, [0.0], "unsolved"),
        ({}, [0.0, 1.0, 0.0], "verified"),
        ({}, [], "verified"),
        ({"min_passes": 2}, [1.0, 0.0, 0.0], "unsolved"),
        ({"min_passes": 0}, [0.0], "verified"),
        ({"band": (0.3, 0.8)}, [1.0, 1.0, 1.0], "out_of_band"),
        ({"band": (0.3, 0.8)}, [1.0, 0.0], "verified"),
        ({"band": (0.3, 0.8)}, [1.0, 0.0, 0.0, 0.0], "out_of_band"),
        ({"band": (0.25, 0.8)}, [1.0, 0.0, 0.0, 0.0], "verified"),
        ({}, [0.5], "unsolved"),
    ],
)
def test_the_measured_pass_rate_decides(
    desk: Made, settings: dict[str, object], rewards: list[float], found: str
) -> None:
    task = verifier(desk, **settings).solvable(desk.one("general"), rewards)
    assert (task.reasons or [task.verdict]) == [found]


def test_a_rejected_task_is_not_rescued_by_rollouts(desk: Made) -> None:
    task = desk.one("general")
    task.verdict, task.reasons = "rejected", ["duplicate"]
    assert verifier(desk).solvable(task, [1.0]).reasons == ["duplicate"]
