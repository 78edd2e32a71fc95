"""The writer that is a model: words for a structure that stays as it is, or a refusal with the text kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from t2t_dist.config.settings import ModelSettings, VerifyConfig
from t2t_dist.core.prompts.render import UnusableAnswer
from t2t_dist.core.schema import INTENTS, Goal, Intent, Task, UserSide
from t2t_dist.environments.registry import load
from t2t_dist.grading.grade import grade
from t2t_dist.models.clients import Models
from t2t_dist.synthesis.convert import convert_one
from t2t_dist.synthesis.pairs import with_clause
from t2t_dist.synthesis.verify import Verifier
from t2t_dist.synthesis.writer_llm import LlmWriter, write
from tests.support.fake_endpoint import FakeEndpoint, text
from tests.support.made import Made, make, played
from tests.support.tasks import cancelling, changing, shop

WORDS = {
    "reason_for_call": "You bought a racket you no longer need.",
    "known_info": "You are Seth.",
    "unknown_info": "",
    "task_instructions": "Be patient.",
    "requests": ["Hi, please cancel my order. "],
    "change_request": None,
}
CHANGED = WORDS | {"change_request": "Wait, please send it elsewhere."}


async def written(
    answer: Any, side: UserSide, intent: Intent = "general", **options: Any
) -> tuple[Any, dict[str, Any]]:
    """What the writer gives, and the request it made."""
    said = answer if isinstance(answer, str) else json.dumps(answer)
    models = Models(ModelSettings(deadline_s=5.0, sampling={"writer": {"temperature": 0.9}}))
    async with FakeEndpoint(lambda body: text(said)) as fake:
        chat = models.chat(f"openai:m@{fake.url}", "writer")
        given = {"goals": ["cancel the order"], "domain": shop(), "seed": 5} | options
        result = await write(chat, side, intent, **given)
        await models.close()
        return result, fake.requests[0].body


async def test_the_words_are_the_writers_and_everything_else_stays() -> None:
    side = changing().user
    result, body = await written(CHANGED, side, "changing")
    assert isinstance(result, UserSide)
    assert result.change is not None
    assert (result.reason_for_call, result.known_info) == (WORDS["reason_for_call"], WORDS["known_info"])
    assert (result.unknown_info, result.task_instructions) == ("", "Be patient.")
    assert result.goals[0].request == "Hi, please cancel my order."
    assert result.change.request == "Wait, please send it elsewhere."
    assert body["temperature"] == 0.9
    for kept in (result, side):
        kept.reason_for_call = kept.known_info = kept.unknown_info = kept.task_instructions = ""
        kept.goals[0].request = ""
        assert kept.change is not None
        kept.change.request = ""
    assert result == side
    assert result.goals[0].facts is not side.goals[0].facts


async def test_a_second_change_gets_words_of_its_own() -> None:
    side = changing().user
    assert side.change is not None
    side.second_change = side.change.model_copy(deep=True)
    answer = CHANGED | {"second_change_request": "Wait, only that one."}
    result, body = await written(answer, side, "changing", change="another", second_change="only one of them")
    assert isinstance(result, UserSide)
    assert [change.request for change in result.changes] == [CHANGED["change_request"], "Wait, only that one."]
    assert "only one of them" in body["messages"][0]["content"]
    side.second_change.part = "taken back"  # which is not read back, and keeps its words
    result, body = await written(answer, side, "changing", change="another", second_change="only one of them")
    assert [change.request for change in result.changes] == [CHANGED["change_request"], side.second_change.request]
    assert "KEPT: what they say then stays exactly" in body["messages"][0]["content"]
    refused, _ = await written(CHANGED, side, "changing")
    assert isinstance(refused, UnusableAnswer)
    assert "second_change_request" in refused.why


async def test_a_change_nobody_asked_for_is_left_out() -> None:
    result, _ = await written(CHANGED, cancelling().user)
    assert isinstance(result, UserSide)
    assert result.change is None


@pytest.mark.parametrize("intent", INTENTS)
async def test_the_writer_is_told_the_structure_and_the_intent_but_not_the_words_of_before(intent: Intent) -> None:
    side = changing().user
    _, body = await written(CHANGED, side, intent, goals=["cancel order 7"], change="send it to Elm Street")
    prompt = body["messages"][0]["content"]
    assert f"# The kind of task: {intent}" in prompt
    expected = ["cancel order 7", "send it to Elm Street", side.name, side.persona, side.goals[0].questions[0]]
    expected += ['TOLD WHEN ASKED: reason: it\'s no longer needed (literally: "no longer needed")']
    expected += [f'STATED: order number: {side.goals[0].facts[0].text} (literally: "{side.goals[0].facts[0].text}")']
    assert [words for words in expected if words not in prompt] == []
    assert side.change is not None
    untold = [side.reason_for_call, side.known_info, side.task_instructions, side.goals[0].request, side.change.request]
    assert [words for words in untold if words in prompt] == []


async def test_each_intent_is_explained_in_words_of_its_own() -> None:
    guides = set()
    for intent in INTENTS:
        _, body = await written(CHANGED, changing().user, intent)
        guides.add(body["messages"][0]["content"].split("# The kind of task")[1].split("# What the customer wants")[0])
    assert len(guides) == len(INTENTS)


@pytest.mark.parametrize(
    ("answer", "side", "why"),
    [
        ("I can't help with that.", cancelling().user, "holds no JSON object"),
        (WORDS | {"known_info": ""}, cancelling().user, "known_info"),
        ({key: value for key, value in WORDS.items() if key != "requests"}, cancelling().user, "requests"),
        (WORDS | {"requests": []}, cancelling().user, "one text for each of the 1 goals"),
        (WORDS | {"requests": ["a", "b"]}, cancelling().user, "one text for each of the 1 goals"),
        (WORDS | {"requests": [" "]}, cancelling().user, "one text for each of the 1 goals"),
        (WORDS | {"reason_for_call": ["a"]}, cancelling().user, "reason_for_call"),
        (WORDS, changing().user, "change_request"),
    ],
)
async def test_a_bad_answer_is_refused_with_the_text_kept(answer: Any, side: UserSide, why: str) -> None:
    result, _ = await written(answer, side)
    assert isinstance(result, UnusableAnswer)
    assert why in result.why
    assert result.raw == (answer if isinstance(answer, str) else json.dumps(answer))


async def test_summaries_that_do_not_fit_the_goals_are_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="2 summaries for 1 goals"):
        await written(WORDS, cancelling().user, goals=["one", "two"])


# -- what is described: a model's words, read back -----------------------------------------------------------------
LEVEL = 4
#: Words of the template and others for the same; and for the opposite.
SAME = {
    "my latest order": "the order I placed most recently",
    "my most recent order": "the order I placed last",
    "my oldest order": "the oldest of my orders",
    "my cheapest order": "the least expensive of my orders",
    "my most expensive order": "the priciest of my orders",
    "both my pending orders": "both of the orders that haven't shipped yet",
    "only if the order comes to more than": "provided the order's total is over",
    "only if I get more than": "as long as I get over",
}
OPPOSITE = {"latest": "oldest", "most recent": "oldest", "cheapest": "most expensive", "most expensive": "cheapest"}


@pytest.fixture(scope="module")
def hard() -> Made:
    return make(load("retail"), 30, difficulty=LEVEL)


def words_of(user: UserSide, requests: list[str]) -> str:
    """A model's answer: these requests, and the template's words for the rest."""
    change = user.change.request if user.change is not None else None
    known = {"known_info": user.known_info, "unknown_info": user.unknown_info, "task_instructions": "Be brief."}
    return json.dumps({"reason_for_call": "You need help.", **known, "requests": requests, "change_request": change})


async def made_by_a_model(made: Made, task: Task, requests: list[str]) -> tuple[Task, str]:
    """The task with a model's requests, as it is converted, and the prompt that the model was given."""
    trajectory = next(one for one in made.trajectories if one.trajectory_id == task.trajectory_id)
    answer, models = words_of(task.user, requests), Models(ModelSettings(deadline_s=5.0))
    async with FakeEndpoint(lambda body: text(answer)) as fake:
        writer = LlmWriter(models.chat(f"openai:m@{fake.url}", "writer"))
        found = await convert_one(made.domain, trajectory, task.intent, writer, difficulty=LEVEL)
        await models.close()
        return found, fake.requests[0].body["messages"][0]["content"]


def reworded(request: str, words: dict[str, str]) -> str:
    for old, new in words.items():
        request = request.replace(old, new)
    return request


async def test_a_model_that_rewords_well_is_taken_and_the_expert_passes_its_tasks(hard: Made) -> None:
    taken = 0
    for task in [task for task in hard.verified() if task.user.change is None and task.user.claim is None]:
        requests = [reworded(goal.request, SAME) for goal in task.user.goals]
        if any(goal.otherwise or goal.first or goal.rather for goal in task.user.goals):
            continue  # may keep the template's words
        if taken == 5 or sum(a != b.request for a, b in zip(requests, task.user.goals, strict=True)) == 0:
            continue
        found, prompt = await made_by_a_model(hard, task, requests)
        assert (found.verdict, found.reasons, found.detail) == ("verified", [], "")
        assert [goal.request for goal in found.user.goals] == requests
        assert found.grader == task.grader
        # What is not read in free words keeps the template's.
        free = [goal for goal, said in zip(task.user.goals, requests, strict=True) if goal.request != said]
        described = [fact for goal in free for fact in goal.facts if fact.described]
        assert all(
            f"DESCRIBED, in your own words and never by a number or an id: {f.label}" in prompt for f in described
        )
        assert not any(call.result and call.result in prompt for call in task.grader.gold)
        rollout = await played(hard, found, "oracle")
        assert grade(hard.domain, found, rollout.turns, rollout.termination.value).reward == 1.0
        taken += 1
    assert taken == 5


def swapped(goal: Goal) -> str | None:
    fact = next((fact for fact in goal.facts if fact.described), None)
    rank = next((one for one in OPPOSITE if fact is not None and f"my {one} " in fact.text), None)
    if fact is None or rank is None:
        return None
    return goal.request.replace(fact.text, fact.text.replace(rank, OPPOSITE[rank]))


def without_condition(goal: Goal) -> str | None:
    if goal.condition is None or goal.otherwise is not None:
        return None
    sentences = re.split(r"(?<=[.?!]) ", goal.request)
    return " ".join(one for one in sentences if goal.condition not in one)


def turned(goal: Goal) -> str | None:
    """With the limit on the other side."""
    more, less = (" more than $", " above $"), " less than $"
    word = next((one for one in more if goal.condition is not None and one in goal.condition), None)
    return goal.request.replace(word, less) if word is not None else None


def without_exception(goal: Goal) -> str | None:
    fact = next((fact for fact in goal.facts if fact.described), None)
    shorter = re.sub(r" (?:but|except) the .*", "", fact.text) if fact is not None else ""
    if fact is None or shorter == fact.text:
        return None
    return re.sub(re.escape(fact.text), shorter, goal.request, flags=re.I)


def with_an_id(goal: Goal) -> str | None:
    described = any(fact.described and fact.slot == "order_id" for fact in goal.facts)
    return f"{goal.request} That's order #W0000001." if described else None


def with_an_answer(goal: Goal) -> str | None:
    return f"{goal.request} I think it's 3." if goal.asks else None


def turned_into_a_sum(goal: Goal) -> str | None:
    return "What do my orders come to in all?" if goal.asks and goal.request.startswith("How many") else None


def with_a_not(goal: Goal) -> str | None:
    described = any(fact.described for fact in goal.facts)
    return f"Please do not do this yet: {goal.request}" if described else None


@pytest.mark.parametrize(
    ("spoil", "codes"),
    [
        (swapped, {"part_dropped", "part_added"}),
        (without_condition, {"condition_dropped"}),
        (turned, {"limit_differs"}),
        (without_exception, {"exception_dropped"}),
        (with_an_id, {"word_unknown", "named"}),
        (with_an_answer, {"number_added"}),
        (turned_into_a_sum, {"question_differs"}),
        (with_a_not, {"negated"}),
    ],
)
async def test_a_model_that_says_something_else_is_refused(
    hard: Made, spoil: Callable[[Goal], str | None], codes: set[str]
) -> None:
    tried = 0
    for task in hard.verified():
        place = next((n for n, goal in enumerate(task.user.goals) if spoil(goal) is not None), None)
        if place is None or task.user.change is not None or tried == 3:
            continue
        requests = [goal.request for goal in task.user.goals]
        requests[place] = spoil(task.user.goals[place]) or ""
        found, _ = await made_by_a_model(hard, task, requests)
        if found.user.goals[place].request == task.user.goals[place].request:
            continue  # what is not read in free words keeps the template's
        assert found.verdict == "rejected", requests[place]
        assert found.reasons[0] in codes, (found.reasons, found.detail)
        tried += 1
    assert tried


async def test_another_limit_is_put_into_a_models_words(hard: Made) -> None:
    """As for the twin of a condition."""
    made = 0
    for task in [task for task in hard.verified() if task.user.change is None and task.user.claim is None]:
        requests = [reworded(goal.request, SAME) for goal in task.user.goals]
        for place, goal in enumerate(task.user.goals):
            if goal.condition is None or goal.condition in requests[place] or made == 2:
                continue
            found, _ = await made_by_a_model(hard, task, requests)
            assert found.verdict == "verified", found.detail
            other = with_clause(found.user, place, re.sub(r"[\d,.]+", "7", goal.condition))
            assert other.goals[place].request == re.sub(r"\$[\d,]*\d", "$7", requests[place])
            found.user = other
            assert Verifier(hard.domain, VerifyConfig()).check(found).verdict == "rejected"
            made += 1
    assert made


async def test_what_a_model_writes_beside_the_requests_names_no_other_record(hard: Made) -> None:
    task = hard.one("general", lambda one: any(swapped(goal) is not None for goal in one.user.goals))
    number = next(n for n, goal in enumerate(task.user.goals) if swapped(goal) is not None)
    task.writer = "openai:somebody"
    said = next(fact.text for fact in task.user.goals[number].facts if fact.described)
    rank = next(one for one in OPPOSITE if f"my {one} " in said)
    for reason in (f"You need help with your {OPPOSITE[rank]} order.", "You paid $4711 for it."):
        other = task.model_copy(deep=True)
        other.user.reason_for_call = reason
        checked = Verifier(hard.domain, VerifyConfig()).check(other)
        assert checked.reasons[0] in ("part_added", "number_added")
    task.user.reason_for_call = "You need help."
    assert Verifier(hard.domain, VerifyConfig()).check(task).verdict == "verified"
