"""The writer that is a model: words for a structure that stays as it is, or a refusal with the text kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from t2t_dist.config.settings import ModelSettings
from t2t_dist.core.prompts.render import UnusableAnswer
from t2t_dist.core.schema import INTENTS, Intent, UserSide
from t2t_dist.models.clients import Models
from t2t_dist.synthesis.writer_llm import write
from tests.support.fake_endpoint import FakeEndpoint, text
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
    side.second_change = side.change.model_copy(deep=True, update={"part": "taken back"})
    answer = CHANGED | {"second_change_request": "Wait, only that one."}
    result, body = await written(answer, side, "changing", change="another", second_change="only one of them")
    assert isinstance(result, UserSide)
    assert [change.request for change in result.changes] == [CHANGED["change_request"], "Wait, only that one."]
    prompt = body["messages"][0]["content"]
    assert "only one of them" in prompt
    assert "The text says what stays." in prompt
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
