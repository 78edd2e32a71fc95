"""Tasks whose customers leave something to be worked out: sums of results, ways to pay, values of other records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from t2t_dist.core.schema import Task
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.errands import after_valid
from t2t_dist.environments.payment import payment_method
from t2t_dist.environments.registry import load
from t2t_dist.environments.tools import Call
from t2t_dist.grading.grade import grade
from t2t_dist.simulation.user_faults import user_faults
from t2t_dist.synthesis.grader_side import errands_by_goal, fields_of, writes_in
from t2t_dist.synthesis.requests import language as lang
from t2t_dist.synthesis.requests.check import errand_of, requests_of
from t2t_dist.synthesis.requests.outcomes import parts_of
from t2t_dist.synthesis.requests.questions import ANSWER
from t2t_dist.synthesis.requests.twins import world_before
from tests.support.by_hand import ByHand
from tests.support.made import Made, make, played, verdict

MOST = 10


@pytest.fixture(scope="module", params=["retail", "airline", "telecom"])
def made(request: pytest.FixtureRequest) -> Made:
    return make(load(request.param), 40, difficulty=3)


def adding_up(made: Made) -> list[Task]:
    """The tasks that end with a question about the results of what is done."""
    return [
        task
        for task in made.verified()
        if any(isinstance(one, lang.Tell) and parts_of(one) for one in requests_of(task.grader).values())
    ]


def choosing(made: Made) -> list[tuple[Task, int, str]]:
    """The tasks in which a value is the first that works, with the goal and the argument."""
    return [
        (task, goal, slot)
        for task in made.verified()
        for goal, request in requests_of(task.grader).items()
        if not isinstance(request, lang.Tell)
        for slot, value in errand_of(request).arguments.items()
        if isinstance(value, lang.FirstThatWorks)
    ]


def done(task: Task) -> list[Call]:
    return [call for calls in errands_by_goal(task.grader).values() for call in calls]


async def passes(made: Made, task: Task, kind: str) -> bool:
    rollout = await played(made, task, kind)
    outcome = grade(made.domain, task, rollout.turns, rollout.termination.value)
    if kind == "oracle":
        assert user_faults(rollout.turns, task.user) == []
        assert all(outcome.process.values()), (task.task_id, outcome.process)
    return outcome.reward == 1.0


# -- sums of results ---------------------------------------------------------------------------------------------------
def test_what_several_results_come_to_stands_in_none(made: Made) -> None:
    tasks = adding_up(made)
    assert len(tasks) >= 2
    for task in tasks:
        held = [value for call in writes_in(task.grader.gold) for value in fields_of(call.result).values()]
        assert task.grader.communicate[-1] not in [f"{value:.2f}" for value in held if isinstance(value, float)]


def test_a_second_evaluator_adds_up_the_same(made: Made) -> None:
    for task in adding_up(made):
        own = domain_of(made.domain, task)
        ((goal, request),) = [
            (goal, one) for goal, one in requests_of(task.grader).items() if isinstance(one, lang.Tell)
        ]
        value = lang.stored(request)["value"]
        answer = ByHand(own, world_before(own, done(task)), task.customer, done(task)).value(value)
        assert float(task.grader.communicate[-1]) == pytest.approx(answer), task.task_id
        assert task.certificate is not None
        (twin,) = [one for one in task.certificate.twins or () if one.slot == ANSWER]
        there = own.variant({(one.table, one.key): one.after for one in twin.records})
        other = ByHand(there, world_before(there, done(task)), task.customer, done(task)).value(value)
        assert twin.goal == goal
        assert other == pytest.approx(twin.value)
        assert other != pytest.approx(answer)


async def test_who_adds_up_passes_and_who_says_one_result_fails(made: Made) -> None:
    for task in adding_up(made)[:MOST]:
        assert await passes(made, task, "oracle"), task.task_id
        assert not await passes(made, task, "sums"), task.task_id
        assert not await passes(made, task, "silent"), task.task_id


def _one_result(task: Task) -> None:
    (request,) = [one for one in (task.grader.requests or {}).values() if one["node"] == "tell"]
    (results,) = [node for node in [request["value"].get("of")] if node and node["node"] == "results"] or [{}]
    results.pop("fields", None)


def _other_answer(task: Task) -> None:
    task.grader.communicate[-1] = "1.23"


def _another_question(task: Task) -> None:
    task.user.goals[-1].request = "What did the first of them cost?"


@pytest.mark.parametrize("forge", [_one_result, _other_answer, _another_question])
def test_a_forged_sum_gets_no_certificate(made: Made, forge: Callable[[Task], None]) -> None:
    for task in adding_up(made)[:3]:
        copy = task.model_copy(deep=True)
        assert verdict(made.domain, copy) == "verified"
        forge(copy)
        if copy != task:
            assert verdict(made.domain, copy) in ("words_differ", "meaning_differs"), task.task_id


# -- the first that works ----------------------------------------------------------------------------------------------
def test_what_is_paid_with_is_the_first_that_covers_it(made: Made) -> None:
    tasks = choosing(made)
    if made.domain.name == "telecom":
        assert not tasks  # nothing that one pays with there holds a balance
        return
    assert len(tasks) >= 3
    for task, goal, slot in tasks:
        own = domain_of(made.domain, task)
        before = [call for number, calls in errands_by_goal(task.grader).items() if number < goal for call in calls]
        request = errand_of(requests_of(task.grader)[goal])
        other = ByHand(own, world_before(own, before), task.customer)
        call = other.call(lang.stored(request))
        user = own.world().get("users", task.customer)
        assert user is not None
        chosen = payment_method(user, call.arguments[slot])
        assert chosen is not None
        assert task.certificate is not None
        twins = [one for one in task.certificate.twins or () if (one.goal, one.slot) == (goal, slot)]
        assert len(twins) == len(of_two(lang.stored(requests_of(task.grader)[goal])))
        assert all(twin.value != call.arguments[slot] for twin in twins)
        (text,) = [fact.text for fact in task.user.goals[goal].facts if fact.slot == slot]
        assert text.lower() in task.user.goals[goal].request.lower()
        if "balance" not in chosen:  # then what comes before it does not do
            cards = [one["payment_method_id"] for one in user["payment_methods"] if "balance" in one]
            others = [Call(call.name, call.arguments | {slot: card}) for card in cards]
            assert all(after_valid(own, world_before(own, before), one, task.customer) is None for one in others)


def of_two(stored: dict[str, Any]) -> list[dict[str, Any]]:
    """The errands that are asked for first: both of two of which a figure decides, and else one."""
    return stored["options"] if stored["node"] == "best" else [stored.get("then", stored)]


async def test_who_works_out_what_it_costs_passes(made: Made) -> None:
    for task, _, _ in choosing(made)[:MOST]:
        assert await passes(made, task, "oracle"), task.task_id
        assert not await passes(made, task, "literal"), task.task_id


def _turned_round(task: Task) -> None:
    for goal, stored in (task.grader.requests or {}).items():
        for value in (value for one in of_two(stored) for value in one.get("arguments", {}).values()):
            if value["node"] == "first that works":
                value["values"].reverse()
        assert goal


def _as_given(task: Task) -> None:
    for stored in (task.grader.requests or {}).values():
        for arguments in (one.get("arguments", {}) for one in of_two(stored)):
            for slot, value in arguments.items():
                if value["node"] == "first that works":
                    arguments[slot] = {"node": "given", "value": "gift_card_0"}


@pytest.mark.parametrize("forge", [_turned_round, _as_given])
def test_a_forged_choice_gets_no_certificate(made: Made, forge: Callable[[Task], None]) -> None:
    for task, _, _ in choosing(made)[:4]:
        copy = task.model_copy(deep=True)
        assert verdict(made.domain, copy) == "verified"
        forge(copy)
        codes = ("words_differ", "meaning_differs", "facts_differ", "communicate_differs", "goals_differ")
        assert verdict(made.domain, copy) in codes, task.task_id


# -- values of other records -------------------------------------------------------------------------------------------
async def test_a_value_that_another_record_holds_is_found_there(made: Made) -> None:
    tasks = [
        (task, goal, fact.slot)
        for task in made.verified()
        for goal, wanted in enumerate(task.user.goals)
        for fact in wanted.facts
        if fact.described and fact.text.startswith(("the same ", "the plan of ", "what I used for "))
    ]
    assert bool(tasks) is (made.domain.name == "telecom")
    for task, goal, slot in tasks[:MOST]:
        meant = errand_of(requests_of(task.grader)[goal]).arguments[slot]
        assert isinstance(meant, lang.FieldOf)
        assert meant.of.by is not None or meant.of.among.where
        assert await passes(made, task, "oracle"), task.task_id
        assert not await passes(made, task, "literal"), task.task_id
