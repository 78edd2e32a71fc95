"""An OpenAI-compatible endpoint that answers every call after exactly the same time, and costs next to nothing.

It stands in for engines when the cost of everything else is measured, so its own cost must not be in the figures: a raw
protocol under uvloop, in a process of its own, that searches the request for a few bytes and never parses it.

    python -m benchmarks.endpoint --latency 0.2 --port 0

prints one JSON line with its ``url`` and serves until its parent dies. One episode against it is 5 user turns with one
tool call each and a stop: 16 model calls (see :func:`choose`). ``GET /stats`` tells how many calls it was sent, of how
many bytes in all, how many it is answering and the most since the last ``/stats``, and its own CPU seconds.

It reads HTTP/1.1 with Content-Length only, one request at a time on each connection.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import uvloop

#: How often the server looks whether its parent still lives, in seconds.
PARENT_POLL_S = 0.5

USER_SENTENCE = "Thank you. Could you please also look at the other order on my account and tell me what its status is?"
AGENT_SENTENCE = (
    "I have looked that up: all is as it should be on your account. Is there anything else I can do for you?"
)
STOP = "###STOP###"


@dataclass(frozen=True)
class Script:
    """What the endpoint says."""

    model: str = "m"
    tool: str = "get_user_details"
    arguments: str = '{"user_id":"user_1"}'
    user_messages: int = 6
    """The user's n-th message, and each later one, ends with the stop word."""


def choose(body: bytes, script: Script) -> tuple[str, int]:
    """Which answer a request gets: ``(kind, n)``, where n is how many messages of its own the seat already has.

    With tools: ``call`` after a user's message, ``text`` after a tool result. Without: ``user``, at last ``stop``.
    Quotes inside a text are escaped, so the keys searched for can only be keys. The last message is searched from the
    end; only the count reads it all.
    """
    own = body.count(b'"role":"assistant"') or body.count(b'"role": "assistant"')
    tools = body.rfind(b'"tools":')
    if tools < 0:
        return ("stop" if own + 1 >= script.user_messages else "user"), own
    end = tools if tools > body.find(b'"messages":') else len(body)
    role = body.rfind(b'"role":', 0, end) + len(b'"role":')
    return ("text" if body[role : role + 8].lstrip().startswith(b'"tool"') else "call"), own


@lru_cache(maxsize=4096)
def answer(kind: str, own: int, script: Script) -> bytes:
    """The whole HTTP response, the same bytes for the same place in a conversation."""
    message: dict[str, object] = {"role": "assistant", "content": None}
    if kind == "call":
        function = {"name": script.tool, "arguments": script.arguments}
        message["tool_calls"] = [{"id": f"call_{own}", "type": "function", "function": function}]
    else:
        texts = {"text": AGENT_SENTENCE, "user": USER_SENTENCE, "stop": f"That is all, goodbye. {STOP}"}
        message["content"] = texts[kind]
    usage = {"prompt_tokens": 1000 + 50 * own, "completion_tokens": 24, "total_tokens": 1024 + 50 * own}
    return response(
        {
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "created": 0,
            "model": script.model,
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if kind == "call" else "stop"}],
            "usage": usage,
        }
    )


def response(payload: object, status: str = "200 OK") -> bytes:
    body = json.dumps(payload, separators=(",", ":")).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One client connection."""

    # Of all connections. ``running``: requests without an answer whose client is there; ``most``: of them since /stats.
    calls = 0
    bytes = 0
    running = 0
    most = 0

    def __init__(self, script: Script, latency: float) -> None:
        self.script = script
        self.latency = latency
        self.received = bytearray()
        self.needed = 0  # bytes of the request under way, head included; 0 while its head is incomplete
        self.body_at = 0
        self.transport: asyncio.Transport | None = None
        self.waits = False
        self.call_later: Callable[..., object] = asyncio.get_running_loop().call_later

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour, not by class

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        Connection.running -= self.waits
        self.waits = False

    def data_received(self, data: bytes) -> None:
        if not self.received and self._is_whole(data):  # nearly always: no copy
            self._handle(data)
            return
        self.received += data
        if self._is_whole(self.received):
            request = bytes(self.received)
            self.received.clear()
            self._handle(request)

    def _is_whole(self, received: bytes | bytearray) -> bool:
        """Whether a request has arrived to its last byte; notes where its body starts."""
        if not self.needed:
            head_end = received.find(b"\r\n\r\n")
            if head_end < 0:
                return False
            self.body_at = head_end + 4
            self.needed = self.body_at + self._content_length(bytes(received[:head_end]))
        return len(received) >= self.needed

    @staticmethod
    def _content_length(head: bytes) -> int:
        at = head.lower().find(b"\r\ncontent-length:")
        if at < 0:
            return 0
        return int(head[at + 17 :].split(b"\r\n", 1)[0])

    def _handle(self, request: bytes) -> None:
        self.needed = 0
        if request.startswith(b"POST /v1/chat/completions "):
            Connection.calls += 1
            Connection.bytes += len(request)
            Connection.running += 1
            Connection.most = max(Connection.most, Connection.running)
            self.waits = True
            kind, own = choose(request[self.body_at :], self.script)
            self.call_later(self.latency, self._complete, answer(kind, own, self.script))
        elif request.startswith(b"GET /v1/models "):
            self._write(response({"object": "list", "data": [{"id": self.script.model, "object": "model"}]}))
        elif request.startswith(b"GET /stats "):
            stats = {"calls": Connection.calls, "bytes": Connection.bytes, "cpu_s": time.process_time()}
            self._write(response(stats | {"running": Connection.running, "most": Connection.most}))
            Connection.most = Connection.running
        else:
            self._write(response({"error": {"message": "no such route", "code": 404}}, "404 Not Found"))

    def _complete(self, data: bytes) -> None:
        Connection.running -= self.waits
        self.waits = False
        self._write(data)

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)


async def serve(script: Script, latency: float, port: int, socket_info: bool) -> None:
    parent = os.getppid()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(script, latency), "127.0.0.1", port, backlog=4096)
    name = server.sockets[0].getsockname()
    line: dict[str, object] = {"url": f"http://{name[0]}:{name[1]}/v1", "latency_s": latency, "pid": os.getpid()}
    if socket_info:
        line |= {"host": name[0], "port": name[1], "backlog": socket.SOMAXCONN}
    print(json.dumps(line), flush=True)
    orphaned = asyncio.Event()

    def look() -> None:
        if os.getppid() != parent:
            orphaned.set()
        loop.call_later(PARENT_POLL_S, look)

    look()
    await orphaned.wait()
    server.close()


@contextmanager
def running(latency: float, *arguments: str) -> Iterator[str]:
    """Start an endpoint in its own process, give its URL (".../v1"), stop it at the end."""
    command = [sys.executable, "-m", "benchmarks.endpoint", "--latency", str(latency), *arguments]
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def main() -> None:
    default = Script()
    parser = argparse.ArgumentParser(description="a fixed-latency OpenAI-compatible endpoint")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds from a whole request to its answer")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--socket-info", action="store_true", help="add host, port and backlog to the line printed")
    parser.add_argument("--model", default=default.model)
    parser.add_argument("--tool", default=default.tool, help="the tool that the agent calls")
    parser.add_argument("--arguments", default=default.arguments, help="the JSON arguments of that call")
    parser.add_argument("--user-messages", type=int, default=default.user_messages, help="the user stops at the n-th")
    given = parser.parse_args()
    script = Script(given.model, given.tool, given.arguments, given.user_messages)
    uvloop.run(serve(script, given.latency, given.port, given.socket_info))


if __name__ == "__main__":
    main()
