"""Half a surrogate pair: legal in JSON, impossible in UTF-8, taken as U+FFFD."""

from __future__ import annotations

import json

import orjson
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.models.chat import Conversation
from t2t_dist.models.completion import parse_completion
from t2t_dist.models.surrogates import mended

#: Texts as Python may hold them, with halves anywhere.
halves = st.text(st.characters(categories=None) | st.sampled_from('\ud83d\ude00\\u"'))


@given(halves)
def test_a_mended_text_is_the_text_without_halves(text: str) -> None:
    mine = orjson.loads(mended(json.dumps(text)))
    assert mine == text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert mine == text


@given(st.text())
def test_a_json_text_without_halves_stays_byte_for_byte(text: str) -> None:
    for written in (json.dumps(text), json.dumps(json.dumps(text))):
        assert mended(written) == written


def test_a_half_in_text_reasoning_name_or_arguments_is_taken() -> None:
    arguments = json.dumps({"note": "caf\u00e9 \U0001f389 \ud83d"})
    message = {
        "content": "Changed \U0001f600 \ud83d done",
        "reasoning_content": "\udc00 hm",
        "tool_calls": [{"id": "c\ud800", "function": {"name": "get_\udfffuser", "arguments": arguments}}],
    }
    reply = parse_completion(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode(), "c")
    assert reply.content == "Changed \U0001f600 \ufffd done"
    assert reply.reasoning == "\ufffd hm"
    (call,) = reply.tool_calls
    assert (call.id, call.name) == ("c\ufffd", "get_\ufffduser")
    assert orjson.loads(call.arguments) == {"note": "caf\u00e9 \U0001f389 \ufffd"}
    conversation = Conversation()
    conversation.assistant(reply)
    assert "malformed_arguments" not in conversation.parts[0].decode()


def test_arguments_with_a_half_inside_of_a_body_without_one() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": '{"a": "\\ud83d", "b": "\\\\ud83d"}'}}
    body = orjson.dumps({"choices": [{"message": {"content": None, "tool_calls": [call]}, "finish_reason": "stop"}]})
    assert parse_completion(body, "c").tool_calls[0].arguments == '{"a": "\\ufffd", "b": "\\\\ud83d"}'
