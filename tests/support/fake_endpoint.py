"""A fake OpenAI-compatible endpoint with faults, over real HTTP.

    async with FakeEndpoint(faults=["503", Fault("429", retry_after="0.1")]) as fake:
        OpenAIChat(OpenAIOptions("m", fake.url))
        ... fake.requests ...

or ``python -m tests.support.fake_endpoint --port 0``, which prints its URL. Without a brain of the test's own, a whole
rollout against it ends by itself: see :func:`default_brain`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

#: The user's messages in one conversation with :func:`default_brain`; the last one stops it.
USER_MESSAGES = 4
STOP = "###STOP###"

FAULTS = (
    "delay",  # a good answer, `seconds` late
    "never",  # no answer while the client holds on
    "429",
    "500",
    "503",
    "reset",  # the connection is reset before any answer
    "half_body",
    "not_json",
    "wrong_schema",
    "bad_arguments",  # a tool call whose arguments are not JSON
    "unknown_tool",
    "empty",  # a message with neither text nor tool call
    "aborted",  # the good answer, with a finish reason that says the server broke it off
    "half_text",  # half a text, an error beside it
    "filtered",  # nothing, taken away by a filter
    "no_end",  # the good answer, with the finish reason null
    "half_stream",  # the good answer as a stream that names no end before its [DONE]
    "context_length",  # 400 as OpenAI says it
    "context_length_vllm",  # 400 as vLLM says it
    "400",
    "401",
)


@dataclass(frozen=True)
class Fault:
    kind: str
    seconds: float = 0.0
    retry_after: str | None = None
    """The Retry-After header of a 429, 500 or 503: seconds, or an HTTP-date."""

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ValueError(f"unknown fault {self.kind!r}, known: {', '.join(FAULTS)}")


@dataclass(frozen=True)
class Request:
    """One POST of /chat/completions as it came in."""

    body: dict[str, Any]
    raw: bytes
    headers: dict[str, str]
    at: float
    """Of ``time.monotonic()``."""


Message = dict[str, Any]
#: What a brain may give: the assistant's message, or a whole response of its own.
Said = Message | web.Response
#: From the parsed body to what is said, or a coroutine of it.
Brain = Callable[[dict[str, Any]], Said | Awaitable[Said]]
#: From (index of the request, its parsed body) to a fault or None.
Faults = Callable[[int, dict[str, Any]], Fault | str | None]


def text(content: str) -> Message:
    return {"role": "assistant", "content": content}


def tool_call(name: str, arguments: dict[str, Any] | str, call_id: str = "call_0") -> Message:
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": raw}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def default_brain(body: dict[str, Any]) -> Message:
    """With tools it is the agent: a tool call after every other user message, else text. Without, it is the user.

    The same request gets the same answer.
    """
    messages = body["messages"]
    own = sum(message["role"] == "assistant" for message in messages)
    if not body.get("tools"):
        if own + 1 >= USER_MESSAGES:
            return text(f"Thank you, that is all. {STOP}")
        return text("Could you tell me more about my account, please?")
    theirs = sum(message["role"] == "user" for message in messages)
    if messages[-1]["role"] == "user" and theirs % 2 == 1:
        functions = [tool["function"] for tool in body["tools"]]
        usable = [each for each in functions if not each["name"].startswith("transfer")] or functions
        chosen = usable[theirs % len(usable)]
        return tool_call(chosen["name"], example_arguments(chosen.get("parameters", {})), f"call_{own}")
    return text("I have looked at that for you. What else can I do?")


def example_arguments(schema: dict[str, Any]) -> dict[str, Any]:
    """Arguments that fit a function's parameters schema (flat schemas and simple arrays)."""
    properties = schema.get("properties", {})
    return {name: _example(properties.get(name, {})) for name in schema.get("required", properties)}


def _example(schema: dict[str, Any]) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "string")
    if kind == "array":
        return [_example(schema.get("items", {}))]
    if kind == "object":
        return example_arguments(schema)
    return {"string": "1", "integer": 1, "number": 1.0, "boolean": True, "null": None}.get(kind, "1")


class FakeEndpoint:
    """The server, as an async context manager.

    Args:
        brain: gives the message of each good answer.
        faults: the faults of the first, second, ... request (None is no fault; after the list, none), or a callable.
        models: what /models lists; None makes it a server without that route.
        api_key: any other key is refused with 401.
    """

    def __init__(
        self,
        brain: Brain = default_brain,
        faults: Faults | Sequence[Fault | str | None] = (),
        *,
        models: Sequence[str] | None = ("m",),
        api_key: str | None = None,
        port: int = 0,
    ) -> None:
        self.brain = brain
        self.faults = faults
        self.models = models
        self.api_key = api_key
        self.port = port
        self.requests: list[Request] = []
        self.connections: set[tuple[str, int]] = set()
        """Addresses of the client's sockets so far."""
        self.running = self.most = 0
        """Requests being answered now, and the most so far; one whose client is gone is none."""
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The base URL, ending in /v1."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> FakeEndpoint:
        app = web.Application(client_max_size=1 << 28)
        app.router.add_post("/v1/chat/completions", self._complete)
        if self.models is not None:
            app.router.add_get("/v1/models", self._models)
        self.more_routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=1024).start()
        self.port = self._runner.addresses[0][1]
        return self

    def more_routes(self, app: web.Application) -> None:
        """For servers that have more."""

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        assert self.models is not None
        if refused := self._refused_key(request):
            return refused
        return web.json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})

    def _refused_key(self, request: web.Request) -> web.Response | None:
        given = request.headers.get("Authorization", "")
        if self.api_key is None or given == f"Bearer {self.api_key}":
            return None
        return _error(401, f"Incorrect API key provided: {given}", "invalid_api_key")

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await self._answer(request)
        finally:
            self.running -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw)
        if refused := self._refused_key(request):
            return refused
        if not body.get("messages"):
            return _error(400, "messages: field required")
        index = len(self.requests)
        self.requests.append(Request(body, raw, dict(request.headers), time.monotonic()))
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername"))
        fault = self._fault(index, body)
        if fault is not None:
            response = await self._do(fault, request, body)
            if response is not None:
                return response
        said = await self._said(body)
        if isinstance(said, web.Response):
            return said
        return web.json_response(completion(said, raw, str(body.get("model", ""))))

    async def _said(self, body: dict[str, Any]) -> Said:
        said = self.brain(body)
        return said if isinstance(said, dict | web.Response) else await said

    def _fault(self, index: int, body: dict[str, Any]) -> Fault | None:
        if callable(self.faults):
            fault = self.faults(index, body)
        else:
            fault = self.faults[index] if index < len(self.faults) else None
        return Fault(fault) if isinstance(fault, str) else fault

    async def _do(self, fault: Fault, request: web.Request, body: dict[str, Any]) -> web.StreamResponse | None:
        """The faulty answer; None goes on to the good one."""
        kind = fault.kind
        transport = request.transport
        assert transport is not None
        if kind == "delay":
            await asyncio.sleep(fault.seconds)
            return None
        if kind == "never":
            await _until_closed(transport)
            return web.Response()
        if kind == "reset":
            # Linger 0: closing sends RST instead of FIN.
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
            return web.Response()
        if kind == "half_body":
            said = await self._said(body)
            assert isinstance(said, dict)
            whole = json.dumps(completion(said, b"", "m")).encode()
            half = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(whole))})
            await half.prepare(request)
            await half.write(whole[: len(whole) // 2])
            transport.close()
            return half
        if kind == "not_json":
            return web.Response(text="<html>upstream says hello</html>", content_type="text/html")
        if kind == "wrong_schema":
            return web.json_response({"object": "chat.completion", "choices": "none today"})
        if kind == "bad_arguments":
            name = body["tools"][0]["function"]["name"] if body.get("tools") else "tool"
            return web.json_response(completion(tool_call(name, '{"user_id": "u1'), b"", "m"))
        if kind == "unknown_tool":
            return web.json_response(completion(tool_call("no_such_tool", {"x": 1}), b"", "m"))
        if kind in ("aborted", "no_end", "half_stream"):
            said = await self._said(body)
            assert isinstance(said, dict)
            if kind != "half_stream":
                return web.json_response(ended(said, "abort" if kind == "aborted" else None))
            chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": said}]}
            return web.Response(text=f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n", content_type="text/event-stream")
        if kind == "half_text":
            error = {"error": {"message": "the provider has gone away"}}
            return web.json_response(ended(text("I have chang"), "error") | error)
        if kind == "filtered":
            return web.json_response(ended(text(""), "content_filter"))
        if kind == "empty":
            return web.json_response(completion({"role": "assistant", "content": ""}, b"", "m"))
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else None
        return _ERRORS[kind](headers)


_ERRORS: dict[str, Callable[[dict[str, str] | None], web.Response]] = {
    "429": lambda headers: _error(429, "Rate limit reached", "rate_limit_exceeded", headers),
    "500": lambda headers: _error(500, "The server had an error", "server_error", headers),
    "503": lambda headers: _error(503, "The queue is full", None, headers),
    "400": lambda headers: _error(400, "temperature must be at most 2.0", None, headers),
    "401": lambda headers: _error(401, "Incorrect API key provided", "invalid_api_key", headers),
    "context_length": lambda headers: _error(
        400,
        "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens."
        " Please reduce the length of the messages.",
        "context_length_exceeded",
        headers,
    ),
    "context_length_vllm": lambda headers: _error(
        400,
        "This model's maximum context length is 4096 tokens. However, you requested 512 output tokens and your prompt"
        " contains at least 3585 input tokens, for a total of at least 4097 tokens. Please reduce the length of the"
        " input prompt or the number of requested output tokens. (parameter=input_tokens, value=3585)",
        None,
        headers,
    ),
}


def _error(status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None) -> web.Response:
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code or status}}
    return web.json_response(body, status=status, headers=headers)


def completion(message: Message, raw: bytes, model: str) -> dict[str, Any]:
    """The body of a good answer around an assistant's message."""
    said = len(message.get("content") or "") + len(json.dumps(message.get("tool_calls") or ""))
    prompt = len(raw) // 4
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if message.get("tool_calls") else "stop"}
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": said // 4,
            "total_tokens": prompt + said // 4,
            "prompt_tokens_details": {"cached_tokens": prompt // 2},
        },
    }


def ended(message: Message, finish_reason: str | None) -> dict[str, Any]:
    """The body of an answer that ended in another way."""
    body = completion(message, b"", "m")
    body["choices"][0]["finish_reason"] = finish_reason
    return body


@contextmanager
def in_thread(endpoint: FakeEndpoint) -> Iterator[FakeEndpoint]:
    """The endpoint on an event loop of its own: a run needs this thread, the main one, for itself."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(endpoint.__aenter__(), loop).result()
        try:
            yield endpoint
        finally:
            asyncio.run_coroutine_threadsafe(endpoint.__aexit__(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _until_closed(transport: asyncio.BaseTransport) -> None:
    while not transport.is_closing():  # noqa: ASYNC110 - a transport offers no event for it
        await asyncio.sleep(0.02)


def random_faults(kinds: Sequence[str], rate: float, seed: int = 0) -> Faults:
    """One of ``kinds`` at a share ``rate`` of the requests; 429s come with a short Retry-After."""
    chance = random.Random(seed)

    def faults(_: int, __: dict[str, Any]) -> Fault | None:
        if chance.random() >= rate:
            return None
        return Fault(chance.choice(list(kinds)), seconds=0.05, retry_after="0.05")

    return faults


async def _serve(port: int, model: str, kinds: Sequence[str], rate: float) -> None:
    async with FakeEndpoint(faults=random_faults(kinds, rate), models=[model], port=port) as fake:
        print(fake.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="a fake OpenAI-compatible endpoint")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", default="m")
    parser.add_argument("--faults", default="503", help=f"comma-separated kinds of: {', '.join(FAULTS)}")
    parser.add_argument("--fault-rate", type=float, default=0.0, help="share of the requests, 0 to 1")
    given = parser.parse_args()
    kinds = [Fault(kind).kind for kind in given.faults.split(",")]
    try:
        asyncio.run(_serve(given.port, given.model, kinds, given.fault_rate))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
