"""Parsing of bodies: differences between servers are accepted, and nonsense is never a reply."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.core.schema import ToolCall
from t2t_dist.environments.json_text import Unreadable, read_json
from t2t_dist.models.answers import BadAnswer
from t2t_dist.models.chat import Conversation, Reply, Usage
from t2t_dist.models.completion import parse_completion, quote


def body_of(message: dict[str, Any], **fields: Any) -> bytes:
    return orjson.dumps({"choices": [{"message": message, "finish_reason": "stop"}], **fields})


def test_small_differences_between_servers_are_read_alike() -> None:
    call = {"function": {"name": "f", "arguments": {"b": 1, "a": [2]}}}
    reply = parse_completion(body_of({"content": None, "tool_calls": [call, {"function": {"name": "g"}}]}), "call_4")
    assert reply.tool_calls == (ToolCall("call_4_0", "f", '{"b":1,"a":[2]}'), ToolCall("call_4_1", "g", "{}"))
    parts = [{"type": "text", "text": "Good "}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "day"}]
    assert parse_completion(body_of({"content": parts}), "c").content == "Good day"
    assert parse_completion(body_of({"content": None, "refusal": "I can't."}), "c").content == "I can't."
    assert parse_completion(body_of({"content": "x"}, usage=None), "c").usage == Usage()
    assert parse_completion(body_of({"content": "x"}, usage={"prompt_tokens": 3}), "c").usage == Usage(3, 0, 0)


def test_finish_reason_length_is_kept() -> None:
    data = orjson.dumps({"choices": [{"message": {"content": "cut of"}, "finish_reason": "length"}]})
    assert parse_completion(data, "c").finish_reason == "length"


def test_a_budget_spent_on_reasoning_is_an_answer_that_says_so() -> None:
    data = orjson.dumps({"choices": [{"message": {"content": None, "reasoning": "hm"}, "finish_reason": "length"}]})
    reply = parse_completion(data, "c")
    assert (reply.content, reply.reasoning, reply.finish_reason) == (None, "hm", "length")


def test_token_ids_and_log_probabilities_are_taken_where_they_are_given() -> None:
    choice = {
        "message": {"content": "Hi"},
        "token_ids": [5, 6],
        "logprobs": {"content": [{"token": "H", "logprob": -0.5}, {"token": "i", "logprob": -1}]},
    }
    reply = parse_completion(orjson.dumps({"choices": [choice], "prompt_token_ids": [1, 2, 3]}), "c")
    assert (reply.prompt_token_ids, reply.token_ids, reply.logprobs) == ([1, 2, 3], [5, 6], [-0.5, -1.0])
    assert parse_completion(body_of({"content": "x"}), "c").token_ids is None
    unasked = parse_completion(orjson.dumps({"choices": [choice], "prompt_token_ids": [1, 2, 3]}), "c", capture=False)
    assert (unasked.prompt_token_ids, unasked.token_ids, unasked.logprobs, unasked.dropped) == (None, None, None, ())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "tool_calls", "function", "name", "arguments", "usage"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values, json_values, json_values)
def test_whatever_json_comes_it_is_a_usable_reply_or_a_bad_answer(message: Any, calls: Any, usage: Any) -> None:
    for body in (
        message,
        {"choices": [{"message": message}], "usage": usage},
        {"choices": [{"message": {"content": message, "tool_calls": calls}}], "usage": usage},
        {"choices": [{"message": {"content": "x", "tool_calls": [{"function": {"name": "f", "arguments": calls}}]}}]},
    ):
        try:
            reply = parse_completion(orjson.dumps(body), "c")
        except BadAnswer:
            continue
        assert (isinstance(reply.content, str) and reply.content.strip()) or reply.tool_calls
        assert all(isinstance(text, str) for c in reply.tool_calls for text in (c.id, c.name, c.arguments))
        Conversation().assistant(reply)


@given(st.text(max_size=30) | json_values.map(lambda value: orjson.dumps(value).decode()))
def test_arguments_in_the_history_are_always_an_object_and_never_lose_what_was_written(arguments: str) -> None:
    conversation = Conversation()
    try:
        conversation.assistant(Reply(tool_calls=(ToolCall("c", "f", arguments),)))
    except TypeError:
        assert any("\ud800" <= letter <= "\udfff" for letter in arguments)
        return
    sent = conversation.messages()[0]["tool_calls"][0]["function"]["arguments"]
    parsed = orjson.loads(sent)
    assert isinstance(parsed, dict)
    if arguments.strip():
        assert sent == arguments or parsed == {"malformed_arguments": arguments}


# -- fields of wrong types, and numbers out of range -------------------------------------------------------------------
ABSURD: list[Any] = [-1, 2**31, 2**63 - 1, 2**64 - 1, 1e30, 0.5, True, "7", [], [3], {}, {"a": 1}]


@pytest.mark.parametrize("count", ABSURD)
def test_a_count_of_tokens_that_can_be_none_is_dropped_and_the_answer_is_taken(count: Any) -> None:
    for usage in (
        {"prompt_tokens": count, "completion_tokens": 2},
        {"prompt_tokens": 0, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": count}},
    ):
        reply = parse_completion(body_of({"content": "x"}, usage=usage), "c")
        assert (reply.content, reply.usage, reply.dropped) == ("x", Usage(0, 0, 2), ("usage",))


@pytest.mark.parametrize("value", [7, True, "many", [1], 0.5])
def test_usage_of_another_shape_is_dropped(value: Any) -> None:
    for usage in (value, {"prompt_tokens": None, "prompt_tokens_details": value}):
        reply = parse_completion(body_of({"content": "x"}, usage=usage), "c")
        assert (reply.usage, reply.dropped) == (Usage(), ("usage",))


def test_what_endpoints_leave_out_is_not_counted_as_wrong() -> None:
    absent = {"usage": {"prompt_tokens": 2**31 - 1, "completion_tokens": None, "prompt_tokens_details": None}}
    message = {"content": "x", "reasoning": None, "tool_calls": None, "refusal": None}
    reply = parse_completion(body_of(message, **absent, model=None), "c")
    assert (reply.usage, reply.dropped) == (Usage(2**31 - 1, 0, 0), ())


@pytest.mark.parametrize(
    ("change", "dropped"),
    [
        ({"model": 7}, "model"),
        ({"model": "m" * 300}, "model"),
        ({"choices": [{"message": {"content": "x", "reasoning": {"a": 1}}}]}, "reasoning"),
        ({"choices": [{"message": {"content": "x"}, "finish_reason": ["stop"]}]}, "finish_reason"),
        ({"choices": [{"message": {"tool_calls": [{"id": 7, "function": {"name": "f"}}]}}]}, "id"),
        ({"choices": [{"message": {"tool_calls": [{"id": "x" * 300, "function": {"name": "f"}}]}}]}, "id"),
    ],
)
def test_a_wrong_field_that_no_reply_needs_is_dropped(change: dict[str, Any], dropped: str) -> None:
    reply = parse_completion(orjson.dumps(orjson.loads(body_of({"content": "x"})) | change), "c")
    assert reply.dropped == (dropped,)
    assert reply.content == "x" or reply.tool_calls == (ToolCall("c_0", "f", "{}"),)


LOGPROBS = {"content": [{"logprob": -0.5}, {"logprob": -1}]}
WRONG_TOKENS: list[dict[str, Any]] = [
    {"token_ids": "ab"},
    {"token_ids": 7},
    {"token_ids": {"0": 1}},
    {"token_ids": [1, "2"]},
    {"token_ids": [1, True]},
    {"token_ids": [1, 2.0]},
    {"token_ids": [1, None]},
    {"token_ids": [1, -2]},
    {"token_ids": [1, 2**31]},
    {"token_ids": [1, 2**64 - 1]},
    {"prompt_token_ids": [[1]]},
    {"prompt_token_ids": "1"},
    {"prompt_token_ids": [2**63]},
    {"logprobs": [1]},
    {"logprobs": "x"},
    {"logprobs": {"content": {"logprob": -1}}},
    {"logprobs": {"content": [{"logprob": -1}]}},
    {"logprobs": {"content": [{"logprob": -1}] * 3}},
    {"logprobs": {"content": [{"logprob": None}, {"logprob": -1}]}},
    {"logprobs": {"content": [{"logprob": "-1"}, {"logprob": -1}]}},
    {"logprobs": {"content": [{"logprob": True}, {"logprob": -1}]}},
    {"logprobs": {"content": [{}, {"logprob": -1}]}},
    {"logprobs": {"content": [7, {"logprob": -1}]}},
]


@pytest.mark.parametrize("wrong", WRONG_TOKENS)
def test_wrong_tokens_are_dropped_unless_they_were_asked_for(wrong: dict[str, Any]) -> None:
    good = {"token_ids": [5, 6], "logprobs": LOGPROBS, "prompt_token_ids": [1, 2, 3]}
    fields = good | wrong
    choice = {"message": {"content": "Hi"}, "token_ids": fields["token_ids"], "logprobs": fields["logprobs"]}
    data = orjson.dumps({"choices": [choice], "prompt_token_ids": fields["prompt_token_ids"]})
    reply = parse_completion(data, "c", capture=False)
    assert (reply.content, reply.token_ids, reply.prompt_token_ids, reply.logprobs) == ("Hi", None, None, None)
    assert reply.dropped == ("token_ids",)
    with pytest.raises(BadAnswer, match="malformed"):
        parse_completion(data, "c")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "9" * 4000])
def test_numbers_that_json_has_not_fit_no_field(number: str) -> None:
    def body(**fields: Any) -> bytes:
        choice = {"message": {"content": "x"}, "token_ids": [1], "finish_reason": "stop"} | fields.pop("choice", {})
        return json.dumps({"choices": [choice], **fields}).replace('"ODD"', number).encode()

    assert parse_completion(body(usage={"prompt_tokens": "ODD", "completion_tokens": 2}), "c").usage == Usage(0, 0, 2)
    for choice in ({"logprobs": {"content": [{"logprob": "ODD"}]}}, {"token_ids": ["ODD"]}):
        reply = parse_completion(body(choice=choice), "c", capture=False)
        assert (reply.content, reply.dropped) == ("x", ("token_ids",))
        with pytest.raises(BadAnswer, match="malformed"):
            parse_completion(body(choice=choice), "c")
    assert parse_completion(body(choice={"message": {"content": "\ud800", "odd": "ODD"}}), "c").content == "\ufffd"
    for message in ({"content": "ODD"}, {"tool_calls": "ODD"}):
        with pytest.raises(BadAnswer):
            parse_completion(body(choice={"message": message}), "c")
    call = {"function": {"name": "f", "arguments": {"a": "ODD"}}}
    (made,) = parse_completion(body(choice={"message": {"tool_calls": [call]}}), "c").tool_calls
    with pytest.raises(Unreadable):
        read_json(made.arguments)


def test_arguments_given_as_an_object_keep_their_numbers_and_their_depth() -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    text = '{"a":18446744073709551616,"b":-9223372036854775809,"c":9223372036854775807,"d":1.5}'
    for arguments in (text, orjson.dumps({"x": 1}).decode(), json.dumps({"deep": deep}, separators=(",", ":"))):
        message = f'{{"tool_calls":[{{"id":"i","function":{{"name":"f","arguments":{arguments}}}}}]}}'
        reply = parse_completion(f'{{"choices":[{{"message":{message}}}]}}'.encode(), "c")
        assert reply.tool_calls == (ToolCall("i", "f", arguments),)


def test_a_quote_of_a_huge_text_is_as_short_as_any() -> None:
    assert len(quote("word " * 1_000_000)) == 300
    assert quote(" " * 100) == ""
