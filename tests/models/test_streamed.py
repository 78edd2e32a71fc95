"""Answers that came as streams although nobody asked for one."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.core.schema import ToolCall
from t2t_dist.models.chat import Usage
from t2t_dist.models.completion import BadAnswer, BrokenOff, ErrorInside, parse_completion
from t2t_dist.models.streamed import LINES


def events(*chunks: Any, end: bytes = b"data: [DONE]\n\n", newline: bytes = b"\n") -> bytes:
    lines = [b"data: " + json.dumps(chunk).encode() + newline * 2 for chunk in chunks]
    return b"".join(lines) + end


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"object": "chat.completion.chunk", "model": "m", "choices": [choice], **more}


@given(st.text(min_size=1).filter(str.strip), st.integers(1, 5), st.sampled_from([b"\n", b"\r\n"]))
def test_a_text_in_any_pieces_is_the_text(text: str, size: int, newline: bytes) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    stream = events(*[chunk({"content": piece}) for piece in pieces], chunk({}, "stop"), newline=newline)
    reply = parse_completion(stream, "c")
    assert (reply.content, reply.finish_reason, reply.model) == (text, "stop", "m")


def test_reasoning_calls_and_usage_are_put_together() -> None:
    def call(index: int, call_id: str | None, name: str | None, arguments: str) -> dict[str, Any]:
        return {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}

    stream = events(
        chunk({"role": "assistant", "content": None, "reasoning_content": "First "}),
        chunk({"reasoning_content": "look."}),
        chunk({"tool_calls": [call(0, "a", "get_user", "")]}),
        chunk({"tool_calls": [call(0, None, None, '{"id":'), call(1, "b", "get_order", '{"n"')]}),
        chunk({"tool_calls": [call(1, None, None, ":2}")]}),
        chunk({"tool_calls": [call(0, None, None, "1}")]}),
        chunk({}, "tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}},
    )
    reply = parse_completion(b": OPENROUTER PROCESSING\n\nevent: message\n" + stream, "c")
    assert reply.tool_calls == (ToolCall("a", "get_user", '{"id":1}'), ToolCall("b", "get_order", '{"n":2}'))
    assert (reply.content, reply.reasoning, reply.usage) == (None, "First look.", Usage(7, 0, 5))


def test_events_beside_the_answer_are_passed_over_up_to_a_bound() -> None:
    aside, answer = {"type": "ping", "status": "fine"}, chunk({"content": "Hi"}, "stop")
    assert parse_completion(events(*[aside] * 200, answer), "c").content == "Hi"
    with pytest.raises(BrokenOff, match="more than 256 events that are no part"):
        parse_completion(events(*[aside] * 300, answer), "c")


def test_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    whole = [{"id": i, "function": {"name": "f", "arguments": {"n": i}}} for i in ("x", "y")]
    zero = [{"index": 0, **each} for each in whole]
    for calls in (whole, zero):
        stream = events(*[chunk({"tool_calls": [each]}) for each in calls], chunk({}, "tool_calls"))
        assert [each.arguments for each in parse_completion(stream, "c").tool_calls] == ['{"n":"x"}', '{"n":"y"}']


def test_a_whole_answer_in_one_event_and_tokens_in_several() -> None:
    whole = {"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
    assert parse_completion(events(whole), "c").content == "Hi"
    first = {**chunk({"content": "a"}), "prompt_token_ids": [1, 2]}
    second = chunk({"content": "b"}, "stop")
    for number, each in enumerate((first, second)):
        each["choices"][0] |= {"token_ids": [number], "logprobs": {"content": [{"logprob": -0.5}]}}
    reply = parse_completion(events(first, second), "c")
    assert (reply.prompt_token_ids, reply.token_ids, reply.logprobs) == ([1, 2], [0, 1], [-0.5, -0.5])


def test_a_character_that_was_cut_in_two_is_whole_again() -> None:
    halves = (b"\\ud83d", b"\\ude00")
    stream = b"".join(b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % half for half in halves)
    assert parse_completion(stream + events(chunk({"content": " ok"}, "stop")), "c").content == "\U0001f600 ok"
    lone = b'data: {"model":"\\ud83d","choices":[{"delta":{"content":"\\ud83d!"},"finish_reason":"stop"}]}\n\n'
    reply = parse_completion(lone, "c")
    assert (reply.content, reply.model) == ("\ufffd!", "\ufffd")


def test_a_stream_that_breaks_off_is_no_answer() -> None:
    with pytest.raises(BrokenOff):
        parse_completion(events(chunk({"content": "I have"}), end=b""), "c")
    with pytest.raises(BrokenOff):
        parse_completion(events(chunk({"content": "I have"}, "abort")), "c")
    # "[DONE]" says that the stream has ended, not that the answer has.
    call = {"index": 0, "id": "x", "function": {"name": "f", "arguments": '{"id":'}}
    for delta in ({"content": "I have"}, {"tool_calls": [call]}):
        with pytest.raises(BrokenOff):
            parse_completion(events(chunk(delta)), "c")
        with pytest.raises(BrokenOff):
            parse_completion(events(chunk(delta), chunk({}, "abort"), chunk({}, "stop")), "c")
        more = chunk(delta)
        more["choices"][0]["provider_specific_fields"] = {"other": 1}
        with pytest.raises(BrokenOff):
            parse_completion(events(more), "c")
    assert parse_completion(events(chunk({"content": "a"}, "stop"), end=b""), "c").content == "a"


def test_a_stream_of_empty_lines_is_not_read() -> None:
    with pytest.raises(BrokenOff, match="lines"):
        parse_completion(b"data: {}\n\n" * LINES, "c")


def test_an_error_in_a_stream_is_its_error() -> None:
    failed = {"error": {"message": "Provider disconnected", "code": 502}}
    with pytest.raises(ErrorInside) as caught:
        parse_completion(events(chunk({"content": "I have"}), failed), "c")
    assert (caught.value.status, caught.value.partial) == (502, True)
    with pytest.raises(ErrorInside) as caught:
        parse_completion(b"event: error\n" + events({"error": {"code": 429, "message": "slow down"}}), "c")
    assert (caught.value.status, caught.value.partial) == (429, False)


@pytest.mark.parametrize(
    ("after", "status"),
    [
        (b'event: error\ndata: {"message":"boom","code":500}\n\n', 500),
        (b"event: error\ndata: boom\n\n", None),
        (b"event: error\ndata: {}\n\n", None),
        (b"event: error\n\n", None),
        (b'error: {"code":500,"message":"slot failed"}\n\n', 500),
        (b'data: {"code":500,"message":"x"}\n\n', 500),
        (b'data: {"errors":[{"message":"x","code":503}]}\n\n', 503),
        (b'data: {"detail":"Service Unavailable"}\n\n', 503),
        (b'data: {"choices":[{"index":0,"delta":{"error":{"message":"x","code":502}}}]}\n\n', 502),
        (
            b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"base_resp":{"status_code":1027}}\n\n',
            None,
        ),
    ],
)
def test_an_error_after_half_a_text_is_never_an_answer(after: bytes, status: int | None) -> None:
    stream = events(chunk({"content": "I have"}), end=b"") + after + b"data: [DONE]\n\n"
    with pytest.raises(ErrorInside) as caught:
        parse_completion(stream, "c")
    assert (caught.value.status, caught.value.partial) == (status, True)


def test_chunks_without_choices_that_are_no_errors_are_passed_over() -> None:
    others = [
        {"type": "ping"},
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        {"choices": [], "error": None, "errors": [], "base_resp": {"status_code": 0, "status_msg": ""}},
        {"usage": {"prompt_tokens": 3}, "code": 0, "message": None, "success": True, "status": "completed"},
        {"usage": {"completion_tokens": 2}},
    ]
    reply = parse_completion(events(*others, chunk({"content": "a"}, "stop"), *others), "c")
    assert (reply.content, reply.usage) == ("a", Usage(3, 0, 2))


def test_a_stream_made_to_be_slow_is_refused_or_read_in_time() -> None:
    usage = b"".join([b'data:{"usage":{"%d":1}}\n\n' % n for n in range(60_000)])
    assert parse_completion(usage + events(chunk({"content": "a"}, "stop")), "c").content == "a"
    with pytest.raises(BrokenOff, match="lines"):
        parse_completion(b"data: {}\r\r" * LINES, "c")
    name = chunk({"tool_calls": [{"index": 0, "function": {"name": "n" * 99}}]})
    other = chunk({"tool_calls": [{"index": 0, "function": {"name": "m" * 99}}]})
    with pytest.raises(BrokenOff, match="far too long"):
        parse_completion(events(*[name, other] * 1000, chunk({}, "stop")), "c")
    half = b'data: {"model":"\\ud83d"}\n\n' + b": %b\n\n" % (b"x" * (1 << 20))
    with pytest.raises(BrokenOff, match="half a character"):
        parse_completion(half + events(chunk({"content": "a"}, "stop")), "c")


def test_a_byte_order_mark_and_large_whole_numbers_lose_nothing() -> None:
    number = 12345678901234567890123
    call = {"index": 0, "id": "x", "function": {"name": "f", "arguments": {"id": number}}}
    stream = events(chunk({"tool_calls": [call]}), chunk({}, "tool_calls"))
    message = {"content": None, "tool_calls": [call]}
    whole = json.dumps({"choices": [{"message": message, "finish_reason": "tool_calls"}]}).encode()
    for data in (stream, b"\xef\xbb\xbf" + stream, whole, b"\xef\xbb\xbf" + whole):
        assert parse_completion(data, "c").tool_calls == (ToolCall("x", "f", f'{{"id":{number}}}'),)


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"data: ", b"\n", b'{"choices":[{}]}', b"[DONE]", b":"])))
def test_whatever_comes_it_is_a_reply_or_a_bad_answer(pieces: list[bytes]) -> None:
    try:
        reply = parse_completion(b"data: " + b"".join(pieces), "c")
    except BadAnswer:
        return
    orjson.dumps(reply.content)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["delta", "content", "tool_calls", "function", "name", "arguments", "index", "id", "error"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(st.lists(values, max_size=4), values, values)
def test_whatever_json_comes_it_is_a_reply_or_a_bad_answer(choices: list[Any], delta: Any, call: Any) -> None:
    for body in ({"choices": choices}, chunk(delta), chunk({"tool_calls": [call]}), chunk({"content": call})):
        try:
            reply = parse_completion(events(body, chunk({}, "stop")), "c")
        except BadAnswer:
            continue
        assert all(isinstance(text, str) for c in reply.tool_calls for text in (c.id, c.name, c.arguments))
