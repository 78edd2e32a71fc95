"""Parsing of bodies: differences between servers are accepted, and nonsense is never a reply."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.core.schema import ToolCall
from t2t_dist.models.chat import Conversation, Reply, Usage
from t2t_dist.models.completion import BadAnswer, parse_completion, refusal_text, says_too_long


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


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        "the request exceeds the available context size, try increasing it",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "The prompt (total length 5000) is too long to fit into the model (context length 4096).",
        "prompt is too long: 200001 tokens > 200000 maximum",
    ],
)
def test_the_wordings_of_a_full_context(said: str) -> None:
    assert says_too_long(400, orjson.dumps({"error": {"message": said}}), 256)
    assert not says_too_long(500, orjson.dumps({"error": {"message": said}}), 256)


def test_other_refusals_are_not_a_full_context() -> None:
    for said in ("max_tokens is too large: 32000. This model supports at most 16384 completion tokens", "bad tool"):
        assert not says_too_long(400, orjson.dumps({"error": {"message": said}}), None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"message":"a"}}', "a"),
        (b'{"object":"error","message":"b"}', "b"),
        (b'{"detail":"c"}', "c"),
        (b'{"error":"d"}', "d"),
        (b"plain", "plain"),
        (b'{"detail":[{"loc":["body"]}]}', '{"detail":[{"loc":["body"]}]}'),
        (b"", ""),
    ],
)
def test_refusals_come_in_several_shapes(body: bytes, said: str) -> None:
    assert refusal_text(body) == said
