"""What servers say instead of an answer: the status it means, the words for people, and whether they want turns."""

from __future__ import annotations

from typing import Any

import pytest

from t2t_dist.models.refusals import refusal_text, status_named, wants_turns


# -- statuses ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"code": 429, "message": "Provider returned error"}}, 429),
        ({"error": {"code": "503", "message": "x"}}, 503),
        ({"error": {"code": None, "type": "overloaded_error", "message": "Overloaded"}}, 503),
        ({"error": {"status": "RESOURCE_EXHAUSTED", "message": "x"}}, 429),
        ({"error": {"type": "server_error", "message": "The server had an error"}}, 500),
        ({"error": {"code": "invalid_api_key", "message": "Incorrect API key provided"}}, 401),
        ({"error": "Too Many Requests"}, 429),
        ({"error": "Internal Server Error"}, 500),
        ({"error": True, "message": "upstream connect error"}, 502),
        ({"code": 400, "message": "bad", "object": "error"}, 400),
        ({"code": "Throttling.RateQuota", "message": "x", "request_id": "1"}, 429),
        ({"detail": "Not authenticated"}, 401),
        ({"status": 502, "title": "Bad Gateway"}, 502),
        ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, 429),
        ({"error": {"message": "Error code: 529 - busy"}}, 529),
        ({"error": {"message": "something"}}, None),
        ({"error": {"code": 0, "message": "invalid temperature"}}, None),
        ([{"error": {"code": 401, "message": "x"}}], 401),
        ({"error": "450 items found"}, None),
        ({"error": {"code": "\u00b2\u00b3\u00b9", "message": "x"}}, None),
        (b'\xef\xbb\xbf{"code":"503","message":"x"}', 503),
        (b"502 Bad Gateway", 502),
    ],
)
def test_the_status_that_an_error_means(body: Any, status: int | None) -> None:
    assert status_named(body) == status


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"message":"a"}}', "a"),
        (b'{"object":"error","message":"b"}', "b"),
        (b'{"detail":"c"}', "c"),
        (b'{"error":"d"}', "d"),
        (b'{"status":400,"error":"Bad Request","message":"e"}', "e"),
        (b'[{"error":{"message":"f"}}]', "f"),
        (b'{"error":{"message":"Provider returned error","metadata":{"raw":"g"}}}', "Provider returned error: g"),
        (b"plain", "plain"),
        (b'{"detail":[{"loc":["body"]}]}', '{"detail":[{"loc":["body"]}]}'),
        (b"", ""),
    ],
)
def test_refusals_come_in_several_shapes(body: bytes, said: str) -> None:
    assert refusal_text(body) == said


def test_a_refusal_that_cannot_be_written_again_is_quoted_all_the_same() -> None:
    nested: Any = "deep"
    for _ in range(300):
        nested = [nested]
    assert refusal_text({"why": "gone", "more": nested}) == "gone"
    assert refusal_text(nested) == "an error that can't be shown"
    assert refusal_text({"number": 1 << 80}) == "an error that can't be shown"


# -- turns -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "said",
    [
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "After the optional system message, conversation roles must alternate user and assistant roles except for tool"
        " calls and results.",
        'messages: roles must alternate between "user" and "assistant", but found multiple "user" roles in a row',
        'messages: first message must use the "user" role',
        "deepseek-reasoner does not support successive user or assistant messages. You should interleave them.",
        "The first message (except the system message) of deepseek-reasoner must be a user message, but an assistant"
        " message detected.",
        "A conversation must alternate between user and assistant roles. Try again.",
        "Please ensure that multiturn requests ends with a user role or a function response.",
        "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
        "First content should be with role 'user', got model",
        "History must start with a user turn.",
        "User and assistant need to appear alternately in the message",
        "the role of message with even index in the messages must be assistant",
        "Multiple assistant messages in a row are not supported",
        "Messages with the same role must not be consecutive",
        "An assistant message must be preceded by a user message",
        "Assistant messages cannot come first",
        "Expected the first message's role to be 'user', but got 'assistant'",
        "Template error: roles must be interleaved: user, assistant, user",
        "messages \u4e2d\u7b2c\u4e00\u6761\u5fc5\u987b\u662f user",
        "\u7528\u6237\u548c\u52a9\u624b\u6d88\u606f\u5fc5\u987b\u4ea4\u66ff\u51fa\u73b0",
        "Please ensure that multiturn requests alternate between user and model.",
        "After the (optional) system message(s), user or tool message(s) should alternate with assistant message(s).",
        "Unexpected role 'assistant' after role 'system'",
        "the role of first message must be user",
        "A conversation must start with a user message",
    ],
)
def test_servers_that_want_turns_say_so(said: str) -> None:
    assert wants_turns(said)


@pytest.mark.parametrize(
    "said",
    [
        "invalid user; alternatively, try later",
        "System role not supported",
        "unknown tool",
        "first, set the model",
        "messages.0.role: Input should be 'user' or 'assistant'",
        "messages[0].role must be one of system, user, assistant",
        "Only user and assistant roles are supported!",
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.",
        "The last turn in the conversation has to be a user message. Add a user message and try again.",
        "developer is not one of ['system', 'assistant', 'user', 'tool'] - 'messages.[0].role'",
    ],
)
def test_other_refusals_do_not_speak_of_turns(said: str) -> None:
    assert not wants_turns(said)


def test_a_text_made_to_be_slow_is_read_all_the_same() -> None:
    for word in ("alternat", "user first ", "assistant message "):
        assert not wants_turns(word * 20_000)
