"""Prompts that show each seat what it may see, and answers read as JSON or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from pydantic import BaseModel, ConfigDict

from t2t_dist.core.prompts.render import (
    UnusableAnswer,
    agent_prompt,
    moment,
    parse_json,
    render,
    split_thinking,
    user_prompt,
)
from t2t_dist.core.schema import Certificate, GraderSide, Otherwise, Task, UserSide
from t2t_dist.synthesis.intents.changing import TRIGGERS
from t2t_dist.synthesis.judges import judge_prompt
from t2t_dist.synthesis.writer_parts import parts_of
from tests.support.tasks import cancelling, changing, sentinels, shop, strings


class Answer(BaseModel):
    """What the tests ask for."""

    model_config = ConfigDict(extra="allow")
    n: int = 0


class Strict(BaseModel):
    a: int


# -- reading answers --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        ' \n```json\n{"a": 1}\n```\nThat is my answer.',
        'Of course! Here {as asked} it is: {"a": 1} - and not {"a": 2}.',
        '<think>maybe {"a": 7}?</think>{"a": 1}',
        'maybe {"a": 7}?\n</think>\n\n{"a": 1}',
        '{"b": {"a": 3}} {"a": "1", "more": [{"a": 5}]}',
        '{"a": 1, "quote": "} and \\"{"}',
    ],
)
def test_the_outermost_object_of_the_right_shape_is_taken(text: str) -> None:
    assert parse_json(text, Strict) == Strict(a=1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no JSON object"),
        ("I would rather not.", "holds no JSON object"),
        ("[1, 2]", "holds no JSON object"),
        ('{"a": 1', "not JSON"),
        ("{'a': 1}", "not JSON"),
        ('{"a": NaN}', "not JSON"),
        ('{"a": 1, "b": "\\ud83d"}', "not JSON"),
        ('{"b": 1}', "a: Field required"),
        ('{"a": "one"}', "a: Input should be a valid integer"),
        ('<think>{"a": 1}', "holds no JSON object"),
        ("{" * 5000, "not JSON"),
        ('{"a":' * 5000, "not JSON"),
    ],
)
def test_what_is_no_answer_is_refused_with_the_text_as_it_came(text: str, why: str) -> None:
    refused = parse_json(text, Strict)
    assert isinstance(refused, UnusableAnswer)
    assert refused.raw == text
    assert why in refused.why


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    fields=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6).filter(lambda key: key != "n"), _JSON),
    before=st.sampled_from(["", "Sure: ", "<think>{hm}</think>\n", "```json\n"]),
    after=st.sampled_from(["", "\n```", " Done. }{"]),
    ascii_only=st.booleans(),
)
def test_any_object_comes_back_from_whatever_stands_around_it(
    fields: dict[str, Any], before: str, after: str, ascii_only: bool
) -> None:
    text = before + json.dumps({"n": 7, **fields}, ensure_ascii=ascii_only) + after
    answer = parse_json(text, Answer)
    assert isinstance(answer, Answer)
    assert answer.n == 7
    assert answer.model_extra == fields


@given(st.text())
def test_no_text_is_ever_an_accident(text: str) -> None:
    found = parse_json(text, Strict)
    assert isinstance(found, Strict) or (found.raw == text and found.why)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, (None, None)),
        ("I think so.", (None, "I think so.")),
        ("<think>\nhm\n</think>\n\nHello", ("hm", "Hello")),
        ("hm</think>Hello", ("hm", "Hello")),
        ("<thinking>hm</thinking> Hello", ("hm", "Hello")),
        ("<think>hm", ("hm", "")),
        ("Use the <think> tag.", (None, "Use the <think> tag.")),
    ],
)
def test_thoughts_are_parted_from_what_is_said(text: str | None, expected: tuple[str | None, str | None]) -> None:
    assert split_thinking(text) == expected


# -- rendering --------------------------------------------------------------------------------------------------------
def test_a_value_that_was_forgotten_is_an_error_and_no_hole_in_the_prompt() -> None:
    with pytest.raises(UndefinedError, match="has_tools"):
        render("user", user=cancelling().user, stop="", transfer="", out_of_scope="")


def test_the_agent_is_told_policy_and_time_in_one_text_for_all_episodes() -> None:
    prompt = agent_prompt(shop())
    assert shop().policy.strip() in prompt
    assert "2026-03-02 09:00" in prompt
    assert agent_prompt(shop()) is prompt


def test_the_user_is_told_their_whole_side_and_the_words_that_end_it() -> None:
    side = changing().user
    prompt = user_prompt(side)
    expected = [
        side.name,
        side.persona,
        side.reason_for_call,
        side.known_info,
        side.unknown_info,
        side.task_instructions,
    ]
    assert side.change is not None
    expected += [side.goals[0].request, side.goals[0].questions[0], side.change.request, side.identity[0].text]
    expected += ["###STOP###", "###TRANSFER###", "###OUT-OF-SCOPE###", moment("asked_to_confirm")]
    assert [text for text in expected if text not in prompt] == []
    assert "Only when the agent asks for it (reason): It's no longer needed." in prompt
    assert "Only when the agent asks for it (order number)" not in prompt
    assert "{" not in prompt
    assert "\n\n\n" not in prompt


def test_the_user_hears_of_tools_and_of_a_change_only_where_there_are_any() -> None:
    side = cancelling().user
    assert "change your mind" not in user_prompt(side)
    assert "Your tools" not in user_prompt(side)
    assert "Your tools are your own device" in user_prompt(side, has_tools=True)
    assert "insist once at most" in user_prompt(side)
    assert "insist 3 times at most" in user_prompt(side.model_copy(update={"patience": 3}))
    assert "do not know\n" not in user_prompt(side.model_copy(update={"unknown_info": " "})).split("# Rules")[0]


def test_every_trigger_there_is_has_words() -> None:
    assert [trigger for trigger in TRIGGERS if moment(trigger) == trigger] == []
    assert moment("the agent yawns") == "the agent yawns"


# -- who sees what ----------------------------------------------------------------------------------------------------
def test_prompts_of_agent_and_user_hold_no_string_of_the_graders_side() -> None:
    grader, secret = sentinels(GraderSide)
    certificate, evidence = sentinels(Certificate)
    rest, others = sentinels(Task, skip=frozenset({"user", "grader", "certificate"}))
    task = Task(**rest, user=changing().user, grader=grader, certificate=certificate)
    assert len(set(secret + evidence + others)) > 70
    shown = "\n".join([user_prompt(task.user), user_prompt(task.user, has_tools=True), agent_prompt(shop())])
    assert [text for text in secret + evidence + others if text in shown] == []
    # The same strings do reach a judge, so the test can see them.
    judged = judge_prompt(task, shop())
    assert sum(text in judged for text in secret) > 10
    assert sum(text in judged for text in evidence) > 10


def test_a_judge_is_shown_how_the_customer_pushes() -> None:
    task = cancelling().model_copy(update={"user": UserSide(**sentinels(UserSide)[0])})
    judged = judge_prompt(task, shop())
    assert task.user.claim is not None
    assert task.user.mistake is not None
    shown = [task.user.claim.text, task.user.mistake.text, task.user.mistake.answer]
    assert [text for text in shown if text not in judged] == []


@pytest.mark.parametrize("is_else", [True, False])
def test_a_writer_is_told_what_is_wanted_where_a_condition_does_not_hold(is_else: bool) -> None:
    side = cancelling().user
    side.goals[0].condition = "I get more than $50 back"
    fact = side.goals[0].facts[0].model_copy(update={"label": "new address", "text": "5 Elm Street"})
    side.goals[0].otherwise = Otherwise(request="Move it.", facts=[fact]) if is_else else None
    known = {"summary": "", "intent": "general", "intent_prompt": "", "summaries": ["cancel"], "change_summaries": []}
    known["parts"] = parts_of(shop(), side, None)
    prompt = render("writer", user=side, literally=lambda fact: f" (literally: {fact.says[0]})", **known)
    assert ("wants it left as it is" in prompt) is not is_else
    assert (f"new address: 5 Elm Street (literally: {fact.says[0]})" in prompt) is is_else


def test_all_that_was_written_for_the_user_reaches_them() -> None:
    side = UserSide(**sentinels(UserSide)[0])
    assert side.change is not None
    assert side.mistake is not None
    assert side.miscount is not None
    shown = user_prompt(side, has_tools=True)
    # Stated facts stand in the requests; slots, cues and what words must carry are for scripts and checks.
    facts = [*side.identity, *(fact for goal in side.goals for fact in goal.facts)]
    facts += [fact for change in side.changes for fact in change.facts]
    facts += [
        fact for goal in side.goals for one in (goal.otherwise, goal.first, goal.rather) if one for fact in one.facts
    ]
    unsaid = set(strings([fact.model_dump() for fact in facts]))
    unsaid -= {text for fact in side.identity for text in (fact.label, fact.text)}
    unsaid |= {side.mistake.slot, side.mistake.text}  # what is wrong stands in the sentence that says it
    unsaid.add(side.miscount.slot)
    written = {text for text in strings(side.model_dump()) if text.startswith("zqx")}
    assert {text for text in written if text not in shown} == {text for text in unsaid if text in written}
