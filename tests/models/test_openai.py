"""The HTTP client against a real server with faults: a correct retry or the right typed error, nothing else."""

from __future__ import annotations

import asyncio
import socket
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from aiohttp import TCPConnector, web

from t2t_dist.core.errors import (
    ContextExceeded,
    EngineBadResponse,
    EngineError,
    EngineRejected,
    EngineTimeout,
    EngineUnavailable,
    FailureClass,
    InputError,
)
from t2t_dist.core.schema import ToolCall
from t2t_dist.models import openai
from t2t_dist.models.chat import Conversation, Reply, Usage
from t2t_dist.models.openai import OpenAIChat, OpenAIOptions
from tests.support.fake_endpoint import FakeEndpoint, Fault, text, tool_call
from tests.support.patience import PATIENCE_S

TOOLS = orjson.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": "get_user",
                "parameters": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
            },
        }
    ]
)
KEY = "sk-very-secret-0123456789"


def asking(words: str = "Hello") -> Conversation:
    conversation = Conversation()
    conversation.system("You help.")
    conversation.user(words)
    return conversation


def chat_at(url: str, **options: Any) -> OpenAIChat:
    quick: dict[str, Any] = {"deadline_s": 5.0, "backoff_base_s": 0.01, "backoff_cap_s": 0.02}
    return OpenAIChat(OpenAIOptions("m", url, **quick | options))


async def ask(fake: FakeEndpoint, conversation: Conversation | None = None, **options: Any) -> Reply:
    chat = chat_at(fake.url, **options)
    try:
        return await chat.complete(conversation or asking(), tools=TOOLS, seed=7)
    finally:
        await chat.close()


# -- good answers -----------------------------------------------------------------------------------------------------


async def test_the_request_holds_the_messages_byte_for_byte_and_the_reply_what_was_said() -> None:
    conversation = asking('Grüße, "quoted" \u2028 \N{PARTY POPPER}')
    async with FakeEndpoint(brain=lambda body: text("Hi")) as fake:
        reply = await ask(fake, conversation, sampling={"temperature": 0.5, "max_tokens": 99})
    request = fake.requests[0]
    assert b'"messages":[' + b",".join(conversation.parts) + b"]" in request.raw
    assert request.body == {
        "model": "m",
        "temperature": 0.5,
        "max_tokens": 99,
        "seed": 7,
        "messages": conversation.messages(),
        "tools": orjson.loads(TOOLS),
    }
    assert request.headers["Content-Type"] == "application/json"
    assert "Authorization" not in request.headers
    assert reply.content == "Hi"
    assert reply.tool_calls == ()
    assert reply.finish_reason == "stop"
    assert reply.usage == Usage(len(request.raw) // 4, len(request.raw) // 4 // 2, 1)
    assert reply.engine == fake.url
    assert reply.model == "m"
    assert orjson.loads(reply.sampling) == {"temperature": 0.5, "max_tokens": 99, "seed": 7}


@pytest.mark.parametrize(("options", "expected"), [({"send_seed": False}, {}), ({}, {"seed": 7})])
async def test_the_seed_goes_only_where_it_is_wanted_and_no_tools_means_no_tools_field(
    options: dict[str, Any], expected: dict[str, int]
) -> None:
    async with FakeEndpoint() as fake:
        chat = chat_at(fake.url, **options)
        reply = await chat.complete(asking(), seed=7, seat="user")
        await chat.close()
    body = fake.requests[0].body
    assert {k: v for k, v in body.items() if k not in ("model", "messages")} == expected
    assert orjson.loads(reply.sampling) == expected


async def test_seeds_of_any_size_are_sent_as_31_bits() -> None:
    async with FakeEndpoint() as fake:
        chat = chat_at(fake.url)
        await chat.complete(asking(), seed=2**63 + 5)
        await chat.close()
    assert fake.requests[0].body["seed"] == 5


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_tool_calls_and_reasoning_go_back_as_they_came(field: str) -> None:
    arguments = '{ "id" :"u_1",\t"note": "caf\\u00e9 \\ud83c\\udf89" }'
    first = tool_call("get_user", arguments, "call_xyz")
    first["content"] = "One moment."
    first[field] = "I need the user first.\n\n  Then the order."
    answers = iter([first, text("Found you.")])
    conversation = asking()
    async with FakeEndpoint(brain=lambda body: next(answers)) as fake:
        chat = chat_at(fake.url)
        reply = await chat.complete(conversation, tools=TOOLS)
        assert reply.tool_calls == (ToolCall("call_xyz", "get_user", arguments),)
        assert reply.finish_reason == "tool_calls"
        conversation.assistant(reply)
        conversation.tool("call_xyz", "{}")
        await chat.complete(conversation, tools=TOOLS)
        await chat.close()
    assert fake.requests[1].body["messages"][2] == first


async def test_256_calls_at_once_each_get_their_own_answer() -> None:
    together = asyncio.Barrier(256)

    async def echo(body: dict[str, Any]) -> dict[str, Any]:
        await together.wait()  # passes only when all are there at the same time
        return text("re: " + body["messages"][-1]["content"])

    async with FakeEndpoint(echo) as fake:
        chat = chat_at(fake.url, deadline_s=30.0)
        calls = [chat.complete(asking(f"n{i}"), seed=i) for i in range(256)]
        replies = await asyncio.gather(*calls)
        await chat.close()
    assert [reply.content for reply in replies] == [f"re: n{i}" for i in range(256)]
    assert len(fake.requests) == len(fake.connections) == 256


async def test_connections_are_unlimited_reused_and_dropped_before_vllm_drops_them() -> None:
    assert openai.KEEP_ALIVE_S < 5.0
    async with FakeEndpoint() as fake:
        chat = chat_at(fake.url)
        for _ in range(3):
            await chat.complete(asking())
        assert chat._session is not None
        connector = chat._session.connector
        assert isinstance(connector, TCPConnector)
        assert connector.limit == 0
        assert connector.limit_per_host == 0
        assert connector._keepalive_timeout == openai.KEEP_ALIVE_S
        await chat.close()
        await chat.close()
        assert connector.closed
    assert len(fake.connections) == 1


# -- faults -----------------------------------------------------------------------------------------------------------

TRANSIENT = ["429", "500", "503", "reset", "half_body", "not_json", "wrong_schema", "empty"]
FINAL = {
    "429": EngineUnavailable,
    "500": EngineUnavailable,
    "503": EngineUnavailable,
    "reset": EngineUnavailable,
    "half_body": EngineBadResponse,
    "not_json": EngineBadResponse,
    "wrong_schema": EngineBadResponse,
    "empty": EngineBadResponse,
}


@pytest.mark.parametrize("kind", TRANSIENT)
async def test_a_passing_fault_is_retried(kind: str) -> None:
    async with FakeEndpoint(lambda body: text("at last"), [kind, kind, None]) as fake:
        reply = await ask(fake)
    assert reply.content == "at last"
    assert len(fake.requests) == 3
    seeds = [request.body["seed"] for request in fake.requests]
    assert seeds == ([7, 8, 9] if kind == "empty" else [7, 7, 7])


@pytest.mark.parametrize("kind", TRANSIENT)
async def test_a_lasting_fault_ends_in_the_right_class_after_bounded_attempts(kind: str) -> None:
    async with FakeEndpoint(faults=lambda *_: kind) as fake:
        with pytest.raises(EngineError) as caught:
            await ask(fake)
    assert type(caught.value) is FINAL[kind]
    assert len(fake.requests) == 4
    assert "4 attempts" in str(caught.value)
    assert "seat agent" in str(caught.value)
    assert fake.url in str(caught.value)


async def test_max_attempts_is_the_number_of_requests() -> None:
    async with FakeEndpoint(faults=lambda *_: "503") as fake:
        with pytest.raises(EngineUnavailable):
            await ask(fake, max_attempts=1)
    assert len(fake.requests) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured(form: str) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    wish = "0.3" if form == "seconds" else format_datetime(soon, usegmt=True)
    async with FakeEndpoint(faults=[Fault("429", retry_after=wish)]) as fake:
        started, clock = time.time(), time.perf_counter()
        reply = await ask(fake)
        elapsed, ended = time.perf_counter() - clock, time.time()
    assert len(fake.requests) == 2
    assert reply.t_queue + reply.t_model <= elapsed  # waiting is counted once, as t_queue
    if form == "seconds":
        assert fake.requests[1].at - fake.requests[0].at >= 0.3
        assert reply.t_queue >= 0.3
    else:
        assert ended >= soon.timestamp() > started


async def test_retry_after_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "RETRY_AFTER_CAP_S", 0.05)
    async with FakeEndpoint(faults=[Fault("503", retry_after="3600"), Fault("429", retry_after="inf")]) as fake:
        async with asyncio.timeout(PATIENCE_S):
            await ask(fake)
    assert len(fake.requests) == 3
    assert fake.requests[1].at - fake.requests[0].at >= 0.05


@pytest.mark.parametrize("wish", ["-5", "soon", "nan", ""])
async def test_a_retry_after_without_sense_is_ignored(wish: str) -> None:
    async with FakeEndpoint(faults=[Fault("429", retry_after=wish)]) as fake:
        async with asyncio.timeout(PATIENCE_S):
            await ask(fake)
    assert len(fake.requests) == 2


async def test_a_late_answer_within_the_deadline_is_an_answer() -> None:
    async with FakeEndpoint(faults=[Fault("delay", 0.2)]) as fake:
        reply = await ask(fake)
    assert len(fake.requests) == 1
    assert reply.t_model >= 0.2


async def test_a_timeout_is_retried_once() -> None:
    async with FakeEndpoint(lambda body: text("awake"), ["never"]) as fake:
        reply = await ask(fake, deadline_s=0.2)
    assert reply.content == "awake"
    assert len(fake.requests) == 2
    assert reply.t_queue >= 0.2


async def test_two_timeouts_are_a_timeout() -> None:
    async with FakeEndpoint(faults=lambda *_: "never") as fake:
        with pytest.raises(EngineTimeout) as caught:
            await ask(fake, deadline_s=0.2)
    assert caught.value.failure is FailureClass.ENGINE_TIMEOUT
    assert len(fake.requests) == 2


async def test_a_refused_connection_is_unavailable() -> None:
    chat = chat_at(f"http://127.0.0.1:{_free_port()}/v1")
    with pytest.raises(EngineUnavailable, match="4 attempts"):
        await chat.complete(asking())
    await chat.close()


async def test_a_server_that_comes_back_is_found_again() -> None:
    async with FakeEndpoint() as fake:
        port = fake.port
        chat = chat_at(fake.url, backoff_base_s=0.3, backoff_cap_s=0.3, max_attempts=20)
        await chat.complete(asking())
    call = asyncio.create_task(chat.complete(asking()))
    await asyncio.sleep(0.05)
    async with FakeEndpoint(lambda body: text("back"), port=port):
        assert (await call).content == "back"
        await chat.close()


@pytest.mark.parametrize("kind", ["context_length", "context_length_vllm"])
async def test_a_full_context_is_not_a_failure_and_not_retried(kind: str) -> None:
    async with FakeEndpoint(faults=lambda *_: kind) as fake:
        with pytest.raises(ContextExceeded, match="4096 tokens"):
            await ask(fake, sampling={"max_tokens": 512})
    assert len(fake.requests) == 1


async def test_max_tokens_that_alone_fill_the_context_are_a_rejected_setting() -> None:
    async with FakeEndpoint(faults=lambda *_: "context_length_vllm") as fake:
        with pytest.raises(EngineRejected, match="4096 tokens"):
            await ask(fake, sampling={"max_tokens": 4096})
    assert len(fake.requests) == 1


@pytest.mark.parametrize(("kind", "says"), [("400", "temperature must be at most 2.0"), ("401", "Incorrect API key")])
async def test_another_4xx_is_rejected_at_once_in_the_servers_words(kind: str, says: str) -> None:
    async with FakeEndpoint(faults=lambda *_: kind) as fake:
        with pytest.raises(EngineRejected, match=says):
            await ask(fake)
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("bad_arguments", ToolCall("call_0", "get_user", '{"user_id": "u1')),
        ("unknown_tool", ToolCall("call_0", "no_such_tool", '{"x": 1}')),
    ],
)
async def test_what_is_the_tool_executors_to_judge_passes_through(kind: str, expected: ToolCall) -> None:
    async with FakeEndpoint(faults=[kind]) as fake:
        reply = await ask(fake)
    assert reply.tool_calls == (expected,)
    assert len(fake.requests) == 1


async def test_a_long_refusal_is_quoted_in_300_characters_on_one_line() -> None:
    said = await refused_with(web.Response(status=422, text="line\n" * 500))
    assert len(said.split("422: ")[1]) == 300
    assert "\n" not in said


async def test_a_redirection_is_not_followed_with_the_key() -> None:
    assert "307" in await refused_with(web.Response(status=307, headers={"Location": "http://127.0.0.1:9/"}))


async def refused_with(response: web.Response) -> str:
    """What the rejection says of a server that gives this answer."""

    async def answer(request: web.Request) -> web.Response:
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    chat = chat_at(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
    with pytest.raises(EngineRejected) as caught:
        await chat.complete(asking())
    await chat.close()
    await runner.cleanup()
    return str(caught.value)


# -- answers that are none ---------------------------------------------------------------------------------------------
def whole(**choice: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "I have cancel"}
    return {"id": "x", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}]}


CALL = {"id": "c", "type": "function", "function": {"name": "cancel", "arguments": '{"order_id": "#W1"}'}}

BROKEN: list[tuple[dict[str, Any], type[EngineError]]] = [
    (whole(finish_reason="abort"), EngineBadResponse),
    (whole(finish_reason="abort", message={"content": None, "tool_calls": [CALL]}), EngineBadResponse),
    (whole(finish_reason="content_filter", message={"content": ""}), EngineBadResponse),
    (whole(finish_reason=None), EngineBadResponse),
    (whole(finish_reason="gone_fishing"), EngineBadResponse),
    (whole(finish_reason="insufficient_system_resource"), EngineBadResponse),
    (whole(finish_reason="content_filter"), EngineBadResponse),
    (whole(native_finish_reason="error"), EngineBadResponse),
    (whole(finish_reason="error", error={"code": 502, "message": "Provider went away"}), EngineUnavailable),
    (whole(error={"code": 400, "message": "odd"}), EngineBadResponse),
    ({**whole(), "error": {"message": "Provider went away"}}, EngineBadResponse),
    ({"id": None, "choices": None, "error": {"code": 429, "message": "Too many"}, "usage": None}, EngineUnavailable),
    ({"choices": [], "error": {"code": "503", "message": "later"}}, EngineUnavailable),
    ({"error": "Internal Server Error"}, EngineUnavailable),
    ({"error": {"message": "something odd"}}, EngineBadResponse),
    ({"detail": "Bad Gateway"}, EngineUnavailable),
]


@pytest.mark.parametrize(("body", "error"), BROKEN)
async def test_an_answer_that_its_server_calls_none_is_asked_for_again(
    body: dict[str, Any], error: type[EngineError]
) -> None:
    answers = iter([web.json_response(body), web.json_response(body), text("Done.")])
    async with FakeEndpoint(lambda _: next(answers)) as fake:
        assert (await ask(fake)).content == "Done."
    async with FakeEndpoint(lambda _: web.json_response(body)) as fake:
        with pytest.raises(error) as caught:
            await ask(fake, max_attempts=3)
    assert type(caught.value) is error
    assert len(fake.requests) == 3


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": {"code": 401, "message": "Incorrect API key"}}, EngineRejected),
        ({"error": {"code": "invalid_api_key", "message": "no"}, "choices": []}, EngineRejected),
        ({"error": {"code": 400, "message": "temperature must be at most 2"}}, EngineRejected),
        ({"error": {"code": 400, "message": "prompt is too long: 9000 tokens > 8000 maximum"}}, ContextExceeded),
        ({"error": {"message": "This model's maximum context length is 4096 tokens."}}, ContextExceeded),
        ({"error": {"message": "Upstream error: prompt is too long: 9000 tokens > 8000 maximum"}}, ContextExceeded),
        ({"error": {"message": "Connection error: maximum context length exceeded"}}, ContextExceeded),
        ({"error": {"message": "no available worker: prompt exceeds the context length"}}, ContextExceeded),
        ({"error": {"code": "context_length_exceeded", "type": "upstream_error"}}, ContextExceeded),
        (whole(finish_reason="model_context_window_exceeded", message={"content": ""}), ContextExceeded),
    ],
)
async def test_an_error_in_a_200_that_no_retry_can_fix(body: dict[str, Any], error: type[Exception]) -> None:
    async with FakeEndpoint(lambda _: web.json_response(body)) as fake:
        with pytest.raises(error):
            await ask(fake)
    assert len(fake.requests) == 1


async def test_a_full_context_in_the_midst_of_a_stream_is_one() -> None:
    stream = b'data: {"choices":[{"delta":{"content":"I"}}]}\n\n'
    for said in (b'data: {"code":500,"message":"prompt is too long"}', b"event: error\ndata: prompt is too long"):
        async with FakeEndpoint(lambda _, said=said: web.Response(body=stream + said + b"\n\n")) as fake:
            with pytest.raises(ContextExceeded):
                await ask(fake)


async def test_an_answer_that_a_filter_took_away_is_asked_for_with_another_seed() -> None:
    answers = iter([web.json_response(whole(finish_reason="SAFETY")), text("Done.")])
    async with FakeEndpoint(lambda _: next(answers)) as fake:
        await ask(fake)
    assert [request.body["seed"] for request in fake.requests] == [7, 8]


@pytest.mark.parametrize("status", [200, 400])
async def test_a_call_that_the_server_could_not_parse_is_asked_for_with_another_seed(status: int) -> None:
    error = {"message": "Failed to call a function.", "code": "tool_use_failed", "type": "invalid_request_error"}
    error["failed_generation"] = "the prompt is too long: 9000 tokens > 8000 maximum"
    answers = iter([web.json_response({"error": error}, status=status), text("Done.")])
    async with FakeEndpoint(lambda _: next(answers)) as fake:
        await ask(fake)
    assert [request.body["seed"] for request in fake.requests] == [7, 8]


async def test_a_retry_after_counts_in_a_200_too() -> None:
    busy = {"error": {"code": 429, "message": "busy"}}
    answers = iter([web.json_response(busy, headers={"Retry-After": "0.2"}), text("Done.")])
    async with FakeEndpoint(lambda _: next(answers)) as fake:
        await ask(fake)
    assert fake.requests[1].at - fake.requests[0].at >= 0.2


async def test_a_key_in_an_error_of_a_200_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", KEY)
    async with FakeEndpoint(lambda _: web.json_response({"error": {"code": 401, "message": f"bad {KEY}"}})) as fake:
        with pytest.raises(EngineRejected) as caught:
            await ask(fake, api_key_env="A_KEY")
    assert KEY not in str(caught.value)


async def test_a_stream_that_nobody_asked_for_is_read() -> None:
    chunks = [{"choices": [{"index": 0, "delta": {"content": part}}]} for part in ("Do", "ne.")]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    stream = b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"

    def streams(_: dict[str, Any]) -> web.Response:
        return web.Response(body=stream, content_type="text/event-stream")

    async with FakeEndpoint(streams) as fake:
        reply = await ask(fake)
    assert (reply.content, reply.finish_reason) == ("Done.", "stop")


@pytest.mark.parametrize("end", [None, "abort", "error", "content_filter", "gone_fishing"])
@pytest.mark.parametrize("delta", [{"content": "I have cancel"}, {"tool_calls": [CALL | {"index": 0}]}])
async def test_a_stream_that_breaks_off_is_asked_for_again(delta: dict[str, Any], end: str | None) -> None:
    chunks = [
        {"choices": [{"index": 0, "delta": delta}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": end}]},
    ]
    stream = b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    answers = iter([web.Response(body=stream, content_type="text/event-stream"), text("Done.")])
    async with FakeEndpoint(lambda _: next(answers)) as fake:
        assert (await ask(fake)).content == "Done."
    assert len(fake.requests) == 2


async def test_half_a_surrogate_pair_is_taken() -> None:
    body = b'{"choices":[{"message":{"content":"Done \\ud83d now"},"finish_reason":"stop"}]}'
    async with FakeEndpoint(lambda _: web.Response(body=body, content_type="application/json")) as fake:
        assert (await ask(fake)).content == "Done \ufffd now"


async def test_cancelling_a_call_leaves_the_client_usable() -> None:
    async with FakeEndpoint(lambda body: text("fine"), ["never"]) as fake:
        chat = chat_at(fake.url)
        call = asyncio.create_task(chat.complete(asking()))
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await chat.complete(asking())).content == "fine"
        await chat.close()
    assert len(fake.requests) == 2


# -- the key ----------------------------------------------------------------------------------------------------------


async def test_the_key_is_sent_and_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("MY_KEY", KEY + "\n")
    shown: list[str] = []

    async def fails(chat: OpenAIChat, what: str) -> None:
        with pytest.raises((EngineError, InputError)) as caught:
            await (chat.probe() if what == "probe" else chat.complete(asking()))
        error = caught.value
        shown.append("".join(traceback.format_exception(error)) + repr(error))
        # Nothing that holds the request may hang on the error.
        assert error.__cause__ is None
        assert error.__context__ is None or error.__suppress_context__

    async with FakeEndpoint(api_key=KEY) as fake:
        chat = chat_at(fake.url, api_key_env="MY_KEY", max_attempts=2)
        shown += [repr(chat), str(chat), chat.name, repr(chat.options)]
        await chat.probe()
        await chat.complete(asking())
        assert fake.requests[0].headers["Authorization"] == f"Bearer {KEY}"
        for kind in ("429", "500", "reset", "half_body", "not_json", "empty", "400"):
            fake.faults = lambda *_, kind=kind: kind
            await fails(chat, kind)
        # A server that quotes the key it refuses.
        fake.api_key = "another"
        await fails(chat, "401")
        await fails(chat, "probe")
        await chat.close()
    assert len(shown) == 4 + 7 + 2
    assert "Incorrect API key provided: Bearer ***" in shown[-1]
    assert "MY_KEY" in shown[-1]
    assert KEY not in "\n".join(shown)
    assert KEY not in caplog.text


@pytest.mark.parametrize("value", [None, "", "  ", "bad\x07key", "schlüssel"])
def test_a_key_that_is_missing_or_broken_is_the_persons_to_fix(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(InputError, match="MY_KEY") as caught:
        chat_at("http://localhost:1/v1", api_key_env="MY_KEY")
    assert "\n" not in str(caught.value)


# -- options and probe ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["localhost:8000/v1", "ftp://h/v1", "http://", "http://h:notaport/v1", "http://h/v1?x=1", "", "http://u:pw@h/v1"],
)
def test_an_unusable_url_is_refused(url: str) -> None:
    with pytest.raises(InputError) as caught:
        chat_at(url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("end", ["", "/", "/chat/completions"])
def test_the_url_may_end_as_people_write_it(end: str) -> None:
    chat = chat_at("http://h:1/v1" + end)
    assert chat.base_url == "http://h:1/v1"
    assert chat.name == "openai:m@http://h:1/v1"


@pytest.mark.parametrize(
    "options",
    [
        {"sampling": {"stream": True}},
        {"sampling": {"n": 2}},
        {"sampling": {"seed": 1}},
        {"sampling": {"stop": {1, 2}}},
        {"max_attempts": 0},
        {"deadline_s": 0},
    ],
)
def test_options_that_would_break_the_protocol_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        chat_at("http://h:1/v1", **options)
    assert chat_at("http://h:1/v1", sampling={"seed": 1}, send_seed=False).options.sampling == {"seed": 1}


async def probed(url: str, **options: Any) -> str:
    """What probe complains of, "" if nothing."""
    chat = chat_at(url, **options)
    try:
        await chat.probe()
    except InputError as error:
        return str(error)
    finally:
        await chat.close()
    return ""


async def test_probe() -> None:
    async with FakeEndpoint() as fake:
        assert await probed(fake.url) == ""
        assert "no OpenAI-compatible API" in await probed(fake.url.removesuffix("/v1"))
        assert fake.requests == []
    async with FakeEndpoint(models=["llama", "qwen"]) as fake:
        assert "does not serve model 'm'; it lists: llama, qwen" in await probed(fake.url)
    async with FakeEndpoint(models=None) as fake:
        assert await probed(fake.url) == ""
    async with FakeEndpoint(models=[]) as fake:
        assert await probed(fake.url) == ""
    async with FakeEndpoint(api_key="k") as fake:
        complaint = await probed(fake.url)
        assert "refuses access with 401" in complaint
        assert "api_key_env" in complaint
        assert "\n" not in complaint
    assert "can't be reached" in await probed(f"http://127.0.0.1:{_free_port()}/v1")


async def test_probe_does_not_wait_for_ever() -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    assert "no answer within 0.2 s" in await probed(url, deadline_s=0.2)
    await gone.wait()
    server.close()
    await server.wait_closed()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
