"""Requests that depend on each other: what takes something else first, and two of which a figure decides."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from t2t_dist.core.schema import Task
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.errands import after_valid
from t2t_dist.environments.language import FirstWords
from t2t_dist.environments.registry import load
from t2t_dist.environments.tools import Call
from t2t_dist.grading.grade import grade
from t2t_dist.simulation.user_faults import user_faults
from t2t_dist.synthesis.grader_side import errands_by_goal
from t2t_dist.synthesis.normal_calls import in_order
from t2t_dist.synthesis.requests import language as lang
from t2t_dist.synthesis.requests.alternatives import BEST
from t2t_dist.synthesis.requests.check import options, requests_of
from t2t_dist.synthesis.requests.sequences import FIRST, firsts_of
from t2t_dist.synthesis.requests.twins import world_before
from tests.support.by_hand import ByHand
from tests.support.made import Made, make, played, verdict

#: Tasks that each agent plays.
MOST = 8


@pytest.fixture(scope="module", params=["retail", "airline", "telecom"])
def hard(request: pytest.FixtureRequest) -> Made:
    explored = {"retail": 80, "airline": 120, "telecom": 80}  # in the airline, few have something to do first
    return make(load(request.param), explored[request.param], difficulty=3)


def in_turn(made: Made) -> list[tuple[Task, int]]:
    """The verified tasks with a request that takes something else first, and the number of that."""
    return [(task, n) for task in made.verified() for n, goal in enumerate(task.user.goals) if goal.first is not None]


def one_of_two(made: Made) -> list[tuple[Task, int]]:
    """Those in which one of two errands is wanted."""
    return [(task, n) for task in made.verified() for n, goal in enumerate(task.user.goals) if goal.rather is not None]


def before(task: Task, goal: int) -> list[Call]:
    return [call for number, calls in errands_by_goal(task.grader).items() if number < goal for call in calls]


def test_both_come_often_enough(hard: Made) -> None:
    assert len(in_turn(hard)) >= 3
    assert len(one_of_two(hard)) >= 4


def test_doing_only_what_is_asked_for_is_not_possible_and_a_second_evaluator_finds_the_sequence(hard: Made) -> None:
    for task, goal in in_turn(hard):
        domain, done = domain_of(hard.domain, task), errands_by_goal(task.grader)[goal]
        world = world_before(domain, before(task, goal))
        request = requests_of(task.grader)[goal]
        assert len(done) >= 2
        if isinstance(request, lang.If):
            assert after_valid(domain, world, done[-1], task.customer) is None
        else:  # both are wanted
            after = after_valid(domain, world, done[-1], task.customer)
            assert after is not None
            assert after_valid(domain, after, done[0], task.customer) is None
        calls, _ = ByHand(domain, world, task.customer).meaning(lang.stored(request))
        assert [in_order(domain, call) for call in calls] == done, task.task_id


def test_the_figures_say_which_of_two_is_right(hard: Made) -> None:
    for task, goal in one_of_two(hard):
        domain, request = domain_of(hard.domain, task), requests_of(task.grader)[goal]
        assert isinstance(request, lang.Best)
        by_hand = ByHand(domain, world_before(domain, before(task, goal)), task.customer)
        calls = [in_order(domain, call) for call in by_hand.meaning(lang.stored(request))[0]]
        assert calls == errands_by_goal(task.grader)[goal], task.task_id
        assert calls[0] in options(domain, task)[goal]
        said = task.user.goals[goal]
        assert said.whichever is not None
        assert said.whichever in said.request
        assert len(said.questions) == 1


@pytest.mark.parametrize("slot", [FIRST, BEST])
def test_in_the_twin_world_the_same_words_mean_the_other_errand(hard: Made, slot: str) -> None:
    seen = 0
    for task, goal in [*in_turn(hard), *one_of_two(hard)]:
        assert task.certificate is not None
        for twin in [twin for twin in task.certificate.twins or () if twin.slot == slot and twin.goal == goal]:
            edits = {(change.table, change.key): change.after for change in twin.records}
            there = domain_of(hard.domain, task).variant(edits)
            world = world_before(there, before(task, goal))
            request = requests_of(task.grader)[goal]
            meant, _ = ByHand(there, world, task.customer).meaning(lang.stored(request))
            calls, usual = [in_order(there, call) for call in meant], errands_by_goal(task.grader)[goal]
            assert len(calls) == 1
            if slot == FIRST:
                assert calls[0].name == usual[-1].name
            else:
                assert calls == [call for call in options(there, task)[goal] if call not in usual]
            after = after_valid(there, world, calls[0], task.customer)
            assert after is not None
            assert after.digest == twin.final
            seen += 1
    assert seen >= 2 or (slot == FIRST and hard.domain.name == "retail")


async def test_the_expert_does_them_in_the_open_and_others_fail(hard: Made) -> None:
    for tasks, failing in ((in_turn(hard), ("literal",)), (one_of_two(hard), ("literal", "sums"))):
        for task, goal in tasks[:MOST]:
            rollout = await played(hard, task, "oracle")
            outcome = grade(hard.domain, task, rollout.turns, rollout.termination.value)
            assert outcome.reward == 1.0, (task.task_id, outcome.detail)
            assert all(outcome.process.values()), (task.task_id, outcome.process)
            assert user_faults(rollout.turns, task.user) == []
            for figure in task.grader.communicate if task.user.goals[goal].rather else ():
                assert any(figure in (turn.content or "") for turn in rollout.turns if turn.seat == "agent")
            for kind in failing:
                rollout = await played(hard, task, kind)
                assert grade(hard.domain, task, rollout.turns, rollout.termination.value).reward == 0.0, task.task_id


def _without_first(task: Task, goal: int) -> None:
    task.user.goals[goal].first = None


def _other_words(task: Task, goal: int) -> None:
    first = task.user.goals[goal].first
    assert first is not None
    task.user.goals[goal].request = task.user.goals[goal].request.replace(first.request, "Do as you like.")
    first.request = "Do as you like."


def _only_the_errand(task: Task, goal: int) -> None:
    requests = task.grader.requests or {}
    stored = requests[str(goal)]
    requests[str(goal)] = stored["then"] if stored["node"] == "if" else stored["requests"][-1]


def _never(task: Task, goal: int) -> None:
    stored = (task.grader.requests or {})[str(goal)]
    if stored["node"] == "if":
        stored["condition"] = {"node": "not", "of": stored["condition"]}
    else:
        stored["requests"] = stored["requests"][::-1]


@pytest.mark.parametrize(
    ("forge", "codes"),
    [
        (_without_first, {"meaning_differs"}),
        (_other_words, {"words_differ"}),
        (_only_the_errand, {"meaning_differs", "goals_differ"}),
        (_never, {"meaning_differs", "goals_differ"}),
    ],
)
def test_a_forged_sequence_gets_no_certificate(hard: Made, forge: Callable[[Task, int], None], codes: set[str]) -> None:
    for task, goal in in_turn(hard)[:4]:
        copy = task.model_copy(deep=True)
        forge(copy, goal)
        assert verdict(hard.domain, copy) in codes, task.task_id


def _turned_round(task: Task, goal: int) -> None:
    stored = (task.grader.requests or {})[str(goal)]
    stored["order"] = "most" if stored["order"] == "least" else "least"


def _by_something_else(task: Task, goal: int) -> None:
    (task.grader.requests or {})[str(goal)]["field"] = "status"


def _no_choice(task: Task, goal: int) -> None:
    requests = task.grader.requests or {}
    requests[str(goal)] = requests[str(goal)]["options"][0]


def _other_clause(task: Task, goal: int) -> None:
    wanted = task.user.goals[goal]
    wanted.request = wanted.request.replace(str(wanted.whichever), "suits me")
    wanted.whichever = "suits me"


def _unasked(task: Task, goal: int) -> None:
    task.grader.communicate = ["1234.56", *task.grader.communicate[1:]]


def _same_twice(task: Task, goal: int) -> None:
    stored = (task.grader.requests or {})[str(goal)]
    stored["options"] = [stored["options"][0]] * 2


@pytest.mark.parametrize(
    ("forge", "codes"),
    [
        (_turned_round, {"words_differ", "meaning_differs", "communicate_differs"}),
        (_by_something_else, {"words_differ", "meaning_differs"}),
        (_no_choice, {"meaning_differs", "facts_differ"}),
        (_other_clause, {"words_differ"}),
        (_unasked, {"communicate_differs"}),
        (_same_twice, {"meaning_differs", "facts_differ"}),
    ],
)
def test_a_forged_choice_gets_no_certificate(hard: Made, forge: Callable[[Task, int], None], codes: set[str]) -> None:
    for task, goal in one_of_two(hard)[:4]:
        copy = task.model_copy(deep=True)
        forge(copy, goal)
        assert verdict(hard.domain, copy) in codes, task.task_id


def test_what_comes_first_is_checked_when_it_is_loaded() -> None:
    usual = load("airline").language.firsts[0]
    for change, why in (
        ({"errand": "fly_to_the_moon"}, "no errand"),
        ({"first": {"node": "tell", "value": {"node": "given", "value": 1}}}, "neither"),
        ({"first": {"node": "nothing"}}, "no expression"),
        ({"say": ["Then pay with {card}."]}, "does not choose"),
        ({"unless": [{"Reservation": {"colour": "red"}}]}, "no result shows"),
    ):
        domain = load("airline").variant({})
        words = FirstWords.model_validate({**usual.model_dump(), **change})
        domain.__dict__["language"] = domain.language.model_copy(update={"firsts": [words]})
        domain._origin = None
        with pytest.raises(ValueError, match=why):
            firsts_of(domain)
