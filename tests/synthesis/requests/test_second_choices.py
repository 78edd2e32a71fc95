"""Second choices, preferences and budgets in tasks: what they mean, what proves it, and who passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from t2t_dist.core.schema import Task, Twin
from t2t_dist.core.text_match import normalised
from t2t_dist.environments.registry import load
from t2t_dist.environments.tools import Call
from t2t_dist.grading.grade import grade
from t2t_dist.simulation.scripted.user import ScriptedUser
from t2t_dist.simulation.user_faults import user_faults
from t2t_dist.synthesis.bindings import canonical_json
from t2t_dist.synthesis.grader_side import errands_in
from t2t_dist.synthesis.requests import language as lang
from t2t_dist.synthesis.requests.check import choices, requests_of
from t2t_dist.synthesis.requests.fallbacks import POSSIBLE, is_fallback
from t2t_dist.synthesis.requests.twins import world_before
from tests.support.by_hand import ByHand
from tests.support.made import Made, make, played, verdict

#: What another meaning than that of the words and the gold is rejected for.
NOT_PROVED = ("words_differ", "meaning_differs", "facts_differ", "communicate_differs", "goals_differ")
#: Tasks that each agent plays.
MOST = 6


@pytest.fixture(scope="module", params=["retail", "airline", "telecom"])
def wishes(request: pytest.FixtureRequest) -> Made:
    # In the airline, only changes of flights have choices, and few are within a budget.
    explored = {"airline": 60, "retail": 24, "telecom": 48}
    return make(load(request.param), explored[request.param], difficulty=4)


def falling_back(made: Made) -> list[tuple[Task, int, lang.If]]:
    """The verified tasks with a second choice, and for which goal."""
    found = [(task, goal, one) for task in made.verified() for goal, one in requests_of(task.grader).items()]
    return [(task, goal, one) for task, goal, one in found if is_fallback(one)]


def choosing(made: Made) -> list[Task]:
    """Those in which something is one of several choices, by preferences or within a budget."""
    return [task for task in made.verified() if any(True for _ in chosen(task))]


def chosen(task: Task) -> Iterator[lang.Record]:
    for request in requests_of(task.grader).values():
        for node in lang.nodes(request):
            limits = isinstance(node, lang.Record) and [t for t in node.among.where if t.relation in ("less", "more")]
            if isinstance(node, lang.Record) and (node.prefer or (limits and node.by)):
                yield node


def before(task: Task, goal: int) -> list[Call]:
    return [Call(call.name, call.arguments) for call in errands_in(task.grader) if call.goal < goal]


def turned(task: Task, goal: int) -> Twin:
    assert task.certificate is not None
    (twin,) = [one for one in task.certificate.twins or () if one.slot == POSSIBLE and one.goal == goal]
    return twin


async def reward(made: Made, task: Task, kind: str) -> float:
    rollout = await played(made, task, kind)
    outcome = grade(made.domain, task, rollout.turns, rollout.termination.value)
    if kind == "oracle":
        assert all(outcome.process.values()), (task.task_id, outcome.process)
        assert user_faults(rollout.turns, task.user) == []
    return outcome.reward


# -- second choices ----------------------------------------------------------------------------------------------------
def test_the_first_choice_is_possible_or_not_and_the_other_way_round_in_the_twin_world(wishes: Made) -> None:
    found = falling_back(wishes)
    assert len({task.task_id for task, _, _ in found}) >= 4
    assert {turned(task, goal).value for task, goal, _ in found} <= {"then", "otherwise"}
    for task, goal, request in found:
        earlier, twin, stored = before(task, goal), turned(task, goal), lang.stored(request)
        done = [Call(call.name, call.arguments) for call in errands_in(task.grader) if call.goal == goal]
        here = ByHand(wishes.domain, world_before(wishes.domain, earlier), task.customer)
        assert here.meaning(stored)[0] == done, task.task_id
        other = wishes.domain.variant({(change.table, change.key): change.after for change in twin.records})
        there = ByHand(other, world_before(other, earlier), task.customer)
        assert there.meaning(stored)[0] == there.meaning(stored[twin.value])[0] != done, task.task_id


async def test_who_finds_out_what_is_possible_passes_and_who_does_not_fails(wishes: Made) -> None:
    for task, goal, request in falling_back(wishes)[:MOST]:
        assert await reward(wishes, task, "oracle") == 1.0, task.task_id
        assert await reward(wishes, task, "literal") == 0.0, task.task_id
        if turned(task, goal).value == "then":  # it is not possible here
            assert await reward(wishes, task, "sums") == 0.0, task.task_id
        choice = choices(wishes.domain, task)[goal]
        assert choice.second is not None
        assert request.otherwise is not None


def test_the_customer_turns_to_the_second_choice_once_the_first_is_refused(wishes: Made) -> None:
    for task, goal, _ in falling_back(wishes)[:4]:
        wanted = task.user.goals[goal]
        assert wanted.otherwise is not None
        side = task.user.model_copy(update={"goals": [wanted], "change": None, "claim": None})
        user = ScriptedUser(side, seed=1)
        assert normalised(wanted.request) in normalised(user.respond("Hello! What can I do for you?"))
        answer = user.respond("I'm afraid that is not possible.")
        assert normalised(wanted.otherwise.request) in normalised(answer), answer
        assert "###STOP###" not in answer


def _unsaid(task: Task, goal: int) -> None:
    otherwise = task.user.goals[goal].otherwise
    assert otherwise is not None
    task.user.goals[goal].request = task.user.goals[goal].request.replace(otherwise.clause or "", "it rains")


def _in_other_words(task: Task, goal: int) -> None:
    otherwise = task.user.goals[goal].otherwise
    assert otherwise is not None
    task.user.goals[goal].request = task.user.goals[goal].request.replace(otherwise.clause or "", "it rains")
    otherwise.clause = "it rains"


def _about_another(task: Task, goal: int) -> None:
    stored = (task.grader.requests or {})[str(goal)]
    stored["condition"]["of"] = stored["otherwise"]


def _without_second(task: Task, goal: int) -> None:
    task.user.goals[goal].otherwise = None


def _always(task: Task, goal: int) -> None:
    stored = (task.grader.requests or {})[str(goal)]
    (task.grader.requests or {})[str(goal)] = stored["then"]


@pytest.mark.parametrize(
    ("forge", "codes"),
    [
        (_unsaid, {"not_stated"}),
        (_in_other_words, {"words_differ"}),
        (_about_another, {"meaning_differs"}),
        (_without_second, {"meaning_differs", "goals_differ", "facts_differ"}),
        (_always, {"meaning_differs", "goals_differ", "facts_differ", "words_differ"}),
    ],
)
def test_a_forged_second_choice_gets_no_certificate(
    wishes: Made, forge: Callable[[Task, int], None], codes: set[str]
) -> None:
    for task, goal, _ in falling_back(wishes)[:3]:
        copy = task.model_copy(deep=True)
        assert verdict(wishes.domain, copy) == "verified"
        forge(copy, goal)
        assert verdict(wishes.domain, copy) in codes, task.task_id


# -- preferences and budgets -------------------------------------------------------------------------------------------
def test_every_part_of_a_preference_decides_and_a_second_evaluator_agrees(wishes: Made) -> None:
    assert choosing(wishes)
    for task in choosing(wishes):
        for goal, request in requests_of(task.grader).items():
            hand = ByHand(wishes.domain, world_before(wishes.domain, before(task, goal)), task.customer)
            records = [one for one in lang.nodes(request) if isinstance(one, lang.Record)]
            for record in [one for one in records if one.prefer or one.among.shown_by is not None]:
                usual = hand.record(lang.stored(record))
                for place in range(len(where := record.among.where)):
                    wider = record.among.model_copy(update={"where": (*where[:place], *where[place + 1 :])})
                    assert _or_nothing(hand, record.model_copy(update={"among": wider})) != usual
                for place in range(len(record.prefer)):
                    rest = (*record.prefer[:place], *record.prefer[place + 1 :])
                    assert _or_nothing(hand, record.model_copy(update={"prefer": rest})) != usual
                if len(record.prefer) > 1:
                    other = record.model_copy(update={"prefer": record.prefer[::-1]})
                    assert _or_nothing(hand, other) != usual


def _or_nothing(hand: ByHand, record: lang.Record) -> dict[str, Any] | None:
    try:
        return hand.record(lang.stored(record))
    except Exception:
        return None


async def test_the_expert_finds_what_is_preferred_and_passes(wishes: Made) -> None:
    for task in choosing(wishes)[:MOST]:
        assert await reward(wishes, task, "oracle") == 1.0, task.task_id
        assert await reward(wishes, task, "literal") == 0.0, task.task_id


def _preferences(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("node") == "record" and ("prefer" in value or "by" in value):
            yield value
        for inner in value.values():
            yield from _preferences(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _preferences(inner)


def _other_limit(record: dict[str, Any]) -> None:
    for test in (*record["among"].get("where", ()), *record.get("prefer", ())):
        if test.get("relation") in ("less", "more"):
            given = test["value"]
            given["value"] = _a_day_later(given["value"]) if isinstance(given["value"], str) else given["value"] + 1


def _a_day_later(when: str) -> str:
    return (datetime.fromisoformat(when) + timedelta(days=1)).isoformat()[: len(when)]


def _no_preference(record: dict[str, Any]) -> None:
    record.pop("prefer", None)


def _other_rank(record: dict[str, Any]) -> None:
    if "by" in record:
        record["order"] = "least" if record.get("order", "most") == "most" else "most"


@pytest.mark.parametrize("forge", [_other_limit, _no_preference, _other_rank])
def test_a_forged_preference_gets_no_certificate(wishes: Made, forge: Callable[[dict[str, Any]], None]) -> None:
    for task in choosing(wishes)[:3]:
        copy = task.model_copy(deep=True)
        usual = canonical_json(copy.grader.requests)
        for record in _preferences(copy.grader.requests):
            forge(record)
        if canonical_json(copy.grader.requests) != usual:
            assert verdict(wishes.domain, copy) in NOT_PROVED, task.task_id
