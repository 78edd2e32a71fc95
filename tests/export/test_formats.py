"""Rows: a transcript as the agent saw it, sequences of captured tokens, pairs, and schemas as `datasets` reads them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from datasets import Features
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.core.prompts.render import agent_prompt
from t2t_dist.core.schema import ToolCall, Turn
from t2t_dist.environments import registry
from t2t_dist.export.files import Spool
from t2t_dist.export.formats import (
    FORMATS,
    STYLES,
    extended,
    features_of,
    pair_row,
    schema_of,
    sequences_of,
    yaml_features,
)
from t2t_dist.export.messages import conversation, messages_of, opening, styled
from t2t_dist.storage.rows import turn_row
from tests.support.made import make
from tests.support.matrix import rolled_out


def turns(*made: Turn) -> list[dict[str, Any]]:
    return [turn_row(turn) for turn in made]


TALK = turns(
    Turn("agent", "assistant", "Hello, how may I help?"),
    Turn("user", "user", "Cancel it."),
    Turn("agent", "assistant", None, "Which?", [ToolCall("c1", "look", '{"id": 1}')]),
    Turn("agent", "tool", "found", tool_call_id="c1"),
    Turn("user", "user", None, None, [ToolCall("u1", "press_button", "{}")]),
    Turn("user", "tool", "it blinks", tool_call_id="u1"),
    Turn("user", "user", "It blinks."),
    Turn("agent", "assistant", "Now I cancel.", None, [ToolCall("c2", "cancel", '{"id": ')]),
    Turn("agent", "tool", "not JSON", tool_call_id="c2", error=True),
    Turn("agent", "assistant", "Done."),
    Turn("user", "user", "Thanks ###STOP###"),
)


def test_a_transcript_is_what_the_agent_saw() -> None:
    found = messages_of(TALK, "POLICY")
    assert [m["role"] for m in found] == [
        "system", "assistant", "user", "assistant", "tool", "user", "assistant", "tool", "assistant"
    ]  # fmt: skip
    assert "press_button" not in str(found)
    assert "it blinks" not in str(found)
    assert "STOP" not in str(found)
    assert found[0]["content"] == "POLICY"
    assert found[3]["reasoning_content"] == "Which?"
    assert found[3]["tool_calls"][0]["id"] == found[4]["tool_call_id"] == "c1"
    # The greeting is nobody's; an invalid call is not trained on.
    assert [m["train"] for m in found] == [False, False, False, True, False, False, False, False, True]
    assert orjson.loads(found[6]["tool_calls"][0]["function"]["arguments"]) == {"malformed_arguments": '{"id": '}


def test_a_greeting_that_went_out_in_the_system_prompt_is_there_and_no_message() -> None:
    domain = registry.load("telecom")
    system, rest = opening(domain, "message", TALK)
    assert (system, rest) == (agent_prompt(domain), TALK)
    system, rest = opening(domain, "system", TALK)
    assert system == agent_prompt(domain, "Hello, how may I help?")
    assert system.startswith(agent_prompt(domain))
    assert system.endswith("Hello, how may I help?")
    found = messages_of(rest, system)
    assert [m["role"] for m in found[:3]] == ["system", "user", "assistant"]
    assert found[1:] == messages_of(TALK, "")[2:]


def test_styles_mark_the_same_messages() -> None:
    found = messages_of(TALK, "POLICY")
    hf, openai = styled(found, "hf"), styled(found, "openai")
    assert [m["train"] for m in hf] == [bool(m.get("weight")) for m in openai]
    assert all(("weight" in m) == (m["role"] == "assistant") and "train" not in m for m in openai)
    assert hf[3]["tool_calls"][0]["function"]["arguments"] == {"id": 1}
    assert openai[3]["tool_calls"][0]["function"]["arguments"] == '{"id": 1}'
    assert hf[3]["content"] == ""
    both = [conversation({"messages": rows, "tools": "[]"}) for rows in (hf, openai)]
    assert both[0] == both[1]
    assert found == messages_of(TALK, "POLICY"), "nothing was changed in place"


def test_a_device_of_the_customers_is_in_no_message() -> None:
    made = make(registry.load("telecom"), 12)
    own = {tool.name for tool in made.domain.user_tools}
    task = next(t for t in made.verified() if any(call.requestor == "user" for call in t.grader.gold))
    ((_, row),) = rolled_out(made, [task], ["scripted:oracle"])
    called = {call["name"] for turn in row["turns"] for call in turn["tool_calls"]}
    assert called & own
    found = messages_of(row["turns"], "P")
    assert not {c["function"]["name"] for m in found for c in m.get("tool_calls", ())} & own
    ids = {c["id"] for m in found for c in m.get("tool_calls", ())}
    assert {m["tool_call_id"] for m in found if m["role"] == "tool"} == ids


# -- tokens ------------------------------------------------------------------------------------------------------------
TOKENS = st.lists(st.integers(0, 9), min_size=1, max_size=5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(TOKENS, TOKENS, st.booleans()), min_size=1, max_size=8))
def test_sequences_hold_every_sampled_token_once_after_what_was_before_it(said: list[Any]) -> None:
    made, before, breaks = [], list[int](), 0
    for news, answer, rewritten in said:
        whole = rewritten and bool(before)
        prompt = [99, *news] if whole else [*before, *news]
        breaks += whole
        turn = Turn("agent", "assistant", "x", prompt_token_ids=prompt, token_ids=answer)
        turn.logprobs, turn.prefix_break = [-0.5] * len(answer), 0 if whole else None
        made += [turn, Turn("user", "user", "y", prompt_token_ids=[1], token_ids=[2], logprobs=[-1.0])]
        before = [*prompt, *answer]
    found = sequences_of(turns(*made))
    assert len(found) == breaks + 1 == found[0]["sequences"]
    sampled = [token for _, answer, _ in said for token in answer]
    learnt = []
    for each in found:
        ids, marks, logprobs = each["input_ids"], each["loss_mask"], each["logprobs"]
        assert len(ids) == len(marks) == len(logprobs)
        assert all((logprob == -0.5) == bool(mark) for logprob, mark in zip(logprobs, marks, strict=True))
        learnt += [token for token, mark in zip(ids, marks, strict=True) if mark]
    assert learnt == sampled
    assert found[-1]["input_ids"] == before


def test_an_engine_without_log_probabilities_gives_none() -> None:
    (found,) = sequences_of(turns(Turn("agent", "assistant", "x", prompt_token_ids=[1], token_ids=[2])))
    assert found["logprobs"][0] == 0.0
    assert found["logprobs"][1] != found["logprobs"][1]
    assert sequences_of(TALK) == []


# -- pairs -------------------------------------------------------------------------------------------------------------
def test_a_pair_parts_where_the_agent_did_something_else() -> None:
    one, other = messages_of(TALK, "P"), messages_of(TALK, "P")
    other[3]["tool_calls"][0]["id"] = other[4]["tool_call_id"] = "another-id"
    other[-1]["content"] = "I can't."
    row = pair_row({}, one, other, "hf")
    assert len(row["prompt"]) == 8
    assert [m["content"] for m in row["chosen"]] == ["Done."]
    assert [m["content"] for m in row["rejected"]] == ["I can't."]


def test_sides_begin_with_the_agent_where_customers_answered_differently() -> None:
    one, other = messages_of(TALK, "P"), messages_of(TALK, "P")
    other[5]["content"] = "Nothing happens."
    row = pair_row({}, one, other, "hf")
    assert [len(row[name]) for name in ("prompt", "chosen", "rejected")] == [3, 6, 6]
    assert row["chosen"][0]["role"] == row["rejected"][0]["role"] == "assistant"


# -- schemas -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("format", FORMATS)
def test_datasets_reads_both_descriptions_of_a_schema(format: str, style: str, bare: bool) -> None:
    schema = schema_of(format, style, bare)
    features = Features.from_dict(features_of(schema))
    assert features == Features._from_yaml_list(yaml_features(schema))
    assert features.arrow_schema.remove_metadata() == extended(schema).remove_metadata()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text("0123456789abcdef", min_size=16, max_size=16), st.integers(0, 3)), max_size=60))
def test_a_spool_gives_back_all_in_order(keys: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool", 20_000)  # ten pieces
        for place, (key, number) in enumerate(keys):
            spool.put(key, number, {"place": place})
        found = [(key, number, row["place"]) for key, number, row in spool.sorted()]
        assert [entry[:2] for entry in found] == sorted(keys)
        assert sorted(place for *_, place in found) == list(range(len(keys)))
        assert not list(Path(folder).iterdir())
