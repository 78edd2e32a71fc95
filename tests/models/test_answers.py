"""Bodies are read within their bound and no further, whatever a server sends; every way out is a typed error."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web

from t2t_dist.config.settings import AnswerLimits
from t2t_dist.core.errors import ContextExceeded, EngineBadResponse, EngineRejected, EngineUnavailable, InputError
from t2t_dist.models.answers import LARGE, REFUSAL
from t2t_dist.models.chat import Conversation, Reply
from t2t_dist.models.openai import OpenAIChat, OpenAIOptions
from tests.support.fake_endpoint import FakeEndpoint, text
from tests.support.patience import PATIENCE_S

MIB = 1 << 20
PIECE = b" " * (64 << 10)


def chat_at(fake: FakeEndpoint, **options: Any) -> OpenAIChat:
    return OpenAIChat(OpenAIOptions("m", fake.url, **{"max_attempts": 1, "backoff_base_s": 0.0} | options))


async def answer_to(brain: Callable[[dict[str, Any]], Any], **options: Any) -> Reply:
    """The reply to one call of an endpoint with this brain."""
    async with FakeEndpoint(brain) as fake:
        chat = chat_at(fake, **options)
        try:
            conversation = Conversation()
            conversation.user("Hello")
            return await chat.complete(conversation)
        finally:
            await chat.close()


def completion(content: str = "Hi", **fields: Any) -> bytes:
    return orjson.dumps({"choices": [{"message": {"content": content}, "finish_reason": "stop"}], **fields})


class Endless:
    """Pieces without end; ``sent`` is what was asked of it so far."""

    def __init__(self) -> None:
        self.sent = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        while True:
            self.sent += len(PIECE)
            yield PIECE


# -- size --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_packed_answer_is_unpacked_up_to_the_bound_and_no_further(encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    headers = {"Content-Encoding": encoding}
    small = pack(completion())
    assert (await answer_to(lambda body: web.Response(body=small, headers=headers))).content == "Hi"
    bomb = pack(completion("a" * (64 * MIB)))
    assert len(bomb) < MIB // 8
    with pytest.raises(EngineBadResponse, match=r"larger than 1 MiB; models\.answer sets the bounds"):
        await answer_to(lambda body: web.Response(body=bomb, headers=headers), limits=AnswerLimits(mib=1))


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip"])
async def test_an_encoding_that_is_unknown_or_a_lie_is_a_bad_answer(encoding: str) -> None:
    with pytest.raises(EngineBadResponse):
        await answer_to(lambda body: web.Response(body=completion(), headers={"Content-Encoding": encoding}))


async def test_a_body_without_end_is_broken_off_at_the_bound() -> None:
    endless = Endless()
    with pytest.raises(EngineBadResponse, match="larger than 1 MiB"):
        await answer_to(lambda body: web.Response(body=endless.pieces()), limits=AnswerLimits(mib=1))
    assert endless.sent < 16 * MIB  # the sockets' buffers are beside it


async def test_a_stream_that_is_left_open_ends_at_its_last_event() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b'data: {"choices":[{"delta":{"content":"Say data: [DONE]"},"finish_reason":"stop"}]}\n\ndata: [DO'
        yield b"NE]\n\n"
        await asyncio.Event().wait()

    def brain(_: dict[str, Any]) -> web.Response:
        return web.Response(body=pieces(), content_type="text/event-stream")

    async with asyncio.timeout(PATIENCE_S):
        assert (await answer_to(brain)).content == "Say data: [DONE]"


async def test_a_body_that_says_that_it_is_too_large_is_not_read() -> None:
    with pytest.raises(EngineBadResponse, match="larger than 1 MiB"):
        await answer_to(lambda body: web.Response(body=b"x" * (2 * MIB)), limits=AnswerLimits(mib=1))


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 226, 299])
async def test_a_completion_is_the_answer_with_any_status_of_success(status: int) -> None:
    assert (await answer_to(lambda _: web.Response(body=completion(), status=status))).content == "Hi"
    with pytest.raises(EngineBadResponse, match="not JSON"):
        await answer_to(lambda _: web.Response(body=completion()[:-3], status=status))
    with pytest.raises(EngineBadResponse, match="larger than 1 MiB"):
        await answer_to(lambda _: web.Response(body=Endless().pieces(), status=status), limits=AnswerLimits(mib=1))


async def test_no_content_is_asked_for_again() -> None:
    with pytest.raises(EngineBadResponse, match="2 attempts"):
        await answer_to(lambda _: web.Response(status=204), max_attempts=2)


async def test_an_answer_of_just_the_bound_is_taken() -> None:
    body = completion()
    reply = await answer_to(lambda _: web.Response(body=body), limits=AnswerLimits(mib=len(body) / MIB))
    assert reply.content == "Hi"
    with pytest.raises(EngineBadResponse):
        await answer_to(lambda _: web.Response(body=body), limits=AnswerLimits(mib=(len(body) - 1) / MIB))


@pytest.mark.parametrize(("status", "error"), [(500, EngineUnavailable), (400, EngineRejected), (302, EngineRejected)])
async def test_the_body_of_a_refusal_is_cut(status: int, error: type[Exception]) -> None:
    endless = Endless()
    with pytest.raises(error, match=str(status)):
        await answer_to(lambda body: web.Response(status=status, body=endless.pieces()))
    assert endless.sent < 16 * MIB


async def test_a_long_refusal_still_says_what_is_wrong() -> None:
    said = {"error": {"message": "This model's maximum context length is 4096 tokens.", "more": "x" * 2 * REFUSAL}}
    with pytest.raises(ContextExceeded):
        await answer_to(lambda body: web.json_response(said, status=400))


@pytest.mark.parametrize("route", ["models", "completions"])
async def test_a_probe_reads_no_more_than_its_bound(route: str) -> None:
    endless = Endless()

    class Server(FakeEndpoint):
        async def _models(self, request: web.Request) -> web.Response:
            return web.Response(body=endless.pieces(), status=200 if route == "models" else 404)

    async with Server() as fake:
        chat = chat_at(fake)
        try:
            if route == "models":
                with pytest.raises(InputError, match="larger than 8 MiB"):
                    await chat.probe()
            else:
                await chat.probe()
        finally:
            await chat.close()
    assert endless.sent < 64 * MIB


async def test_while_bombs_come_in_the_loop_goes_on_and_the_connection_is_usable_again() -> None:
    bomb = gzip.compress(b" " * (64 * MIB))
    turns = 0

    def brain(body: dict[str, Any]) -> Any:
        if body["messages"][-1]["content"] == "bomb":
            return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})
        return text("Hi")

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with FakeEndpoint(brain) as fake:
        chat, counting = chat_at(fake), asyncio.create_task(count())
        asked = []
        for words in ("bomb", "Hello") * 4:
            conversation = Conversation()
            conversation.user(words)
            asked.append(chat.complete(conversation))
        found = await asyncio.gather(*asked, return_exceptions=True)
        counting.cancel()
        await chat.close()
    assert [type(each) for each in found] == [EngineBadResponse, Reply] * 4
    assert turns >= 8 * MIB // LARGE  # one after each piece, though all of it is there


@pytest.mark.parametrize("unit", [b"{},", b"[],", b'{"":{"":0}},'])
async def test_a_body_of_nothing_but_objects_is_not_parsed(unit: bytes) -> None:
    def body(count: int) -> bytes:
        return completion()[:-1] + b',"x":[' + unit * count + b"0]}"

    assert (await answer_to(lambda _: web.Response(body=body(200_000)))).content == "Hi"
    with pytest.raises(EngineBadResponse, match="objects and lists, more than 524,288"):
        await answer_to(lambda _: web.Response(body=body(600_000)))


# -- what it holds -----------------------------------------------------------------------------------------------------
LIMITS = AnswerLimits(content=100, calls=2, name=10, arguments=50)


def calling(*calls: tuple[str, Any]) -> dict[str, Any]:
    made = [{"id": "c", "function": {"name": name, "arguments": arguments}} for name, arguments in calls]
    return {"role": "assistant", "content": None, "tool_calls": made}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (text("x" * 101), "101 characters of text, more than 100"),
        ({"content": ["x" * 60, "x" * 60]}, "characters of text"),
        ({"content": "x", "reasoning": "x" * 101}, "characters of text"),
        (calling(*[("f", "{}")] * 3), "3 tool calls, more than 2"),
        (calling(("f" * 11, "{}")), "11 characters in the name of a tool"),
        (calling(("f", "x" * 51)), "51 characters in the arguments of a call"),
        (calling(("f", {"a": "x" * 51})), "characters in the arguments of a call"),
    ],
)
async def test_each_bound_of_what_an_answer_holds(message: dict[str, Any], said: str) -> None:
    async with FakeEndpoint(lambda body: message) as fake:
        chat = chat_at(fake, limits=LIMITS, max_attempts=2)
        try:
            with pytest.raises(EngineBadResponse, match=said):
                await chat.complete(Conversation([b'{"role":"user","content":"x"}']), seed=7)
        finally:
            await chat.close()
    # The same seed would give the same answer.
    assert [request.body["seed"] for request in fake.requests] == [7, 8]


async def test_answers_up_to_each_bound_are_taken() -> None:
    reply = await answer_to(lambda body: calling(("f" * 10, "x" * 50), ("f", "{}")), limits=LIMITS)
    assert [len(call.arguments) for call in reply.tool_calls] == [50, 2]
    assert (await answer_to(lambda body: text("x" * 100), limits=LIMITS)).content == "x" * 100


async def test_a_conversation_that_no_model_reads_is_not_sent() -> None:
    async with FakeEndpoint() as fake:
        chat = chat_at(fake, limits=AnswerLimits(mib=1))
        conversation = Conversation()
        for _ in range(3):
            conversation.user("x" * (400 << 10))
        with pytest.raises(ContextExceeded, match=r"larger than models\.answer\.mib \(1 MiB\)"):
            await chat.complete(conversation)
        await chat.close()
    assert fake.requests == []


# -- headers -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "value",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 99999999999999999999 Jan 2030 00:00:00 GMT",
        "Mon, 01 Jan 2030 99999999999999999999:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Mon, 01 Jan 9999 23:59:59 -2359",
        "Mon, 01 Jan 2030 00:00:00 +99999999999999999999",
        "9" * 5000,
        "-" + "9" * 400,
        "1e999",
        "nan",
        "-inf",
        "",
        ", ",
        "\N{SUPERSCRIPT TWO}",
    ],
)
async def test_no_retry_after_is_more_than_a_wait(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("t2t_dist.models.openai.asyncio.sleep", wait)
    with pytest.raises(EngineUnavailable, match="2 attempts"):
        await answer_to(
            lambda body: web.Response(status=503, headers={"Retry-After": value}), max_attempts=2, backoff_base_s=0.0
        )
    assert len(waits) >= 1
    assert all(0 <= seconds <= 60 for seconds in waits)
