"""Streams of the SDK's messages to and from a server, bounded: the SDK's own hold a line of any length in memory.

An answer to a call arrives at the SDK as one text (see :mod:`.answers`): it refuses answers that leave something out.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import IO, Any

from .answers import is_answer, text_of

#: Bytes of one message of a server, and values in it: parsed, a list of two bytes takes 300.
LARGEST, _VALUES = 8 << 20, 1_000_000
_TOO_LARGE = f"answered with more than {LARGEST >> 20} MiB or {_VALUES:,} values"
#: Seconds for a server to end by itself before it is killed.
END_S = 5.0
#: Reports what makes a connection unusable; the text continues "the server ...".
Broken = Callable[[str], None]


class Plain:
    """A stream of the SDK's whose answers to calls are one text."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    @property
    def last_context(self) -> Any:
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> Any:
        return _plain(await self._stream.receive())

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Plain:
        return self

    async def __anext__(self) -> Any:
        return _plain(await self._stream.__anext__())

    async def __aenter__(self) -> Plain:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._stream.__aexit__(*error)


def _plain(item: Any) -> Any:
    result: Any = getattr(getattr(item, "message", None), "result", None)
    if is_answer(result):
        kept = {key: value for key, value in result.items() if key not in ("content", "structuredContent", "isError")}
        content = [{"type": "text", "text": text_of(result)}]
        item.message = item.message.model_copy(
            update={"result": {**kept, "content": content, "isError": result.get("isError") is True}}
        )
    return item


# -- stdio -------------------------------------------------------------------------------------------------------------
@asynccontextmanager
async def by_stdio(
    command: list[str], env: Mapping[str, str], folder: Path, log: IO[bytes], broken: Broken
) -> AsyncIterator[tuple[Any, Any]]:
    """Start a server that reads stdin and writes stdout, a message a line; its stderr goes to ``log``."""
    import anyio

    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=env,
        cwd=folder,
        start_new_session=True,
        limit=LARGEST,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    to_session, from_server = anyio.create_memory_object_stream[Any](0)
    to_server, from_session = anyio.create_memory_object_stream[Any](0)
    inward, outward = process.stdin, process.stdout

    async def reading() -> None:
        async with to_session:
            try:
                while line := await outward.readline():
                    await to_session.send(_message(line))
            except _Unreadable:
                broken("answered with what can't be read as a message")
            except ValueError:  # asyncio's too, for a line beyond the limit
                broken(_TOO_LARGE)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, ConnectionError):
                pass  # either side has ended

    async def writing() -> None:
        async with from_session:
            try:
                async for message in from_session:
                    inward.write(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
                    await inward.drain()
            except (ConnectionError, anyio.ClosedResourceError):
                await to_session.aclose()  # whoever waits for an answer is told

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reading)
        tasks.start_soon(writing)
        try:
            yield from_server, to_server
        finally:
            with anyio.CancelScope(shield=True):
                inward.close()
                await ended(process)
            tasks.cancel_scope.cancel()


class _Unreadable(Exception):
    """A message of the protocol that can't be read. Whoever waits for it would wait in vain."""


def _message(line: bytes) -> Any:
    """A line as a message; an exception, which the SDK passes over, for one that is none, such as a log's.

    Raises _Unreadable; ValueError: it is too large.
    """
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    if _values(line) > _VALUES:
        raise ValueError(_TOO_LARGE)
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        if b'"jsonrpc"' not in line:
            return error
    try:
        # Python reads what the strict parser does not: half of a surrogate pair, bytes that are not UTF-8.
        text = json.dumps(json.loads(line.decode("utf-8", "replace")), ensure_ascii=False)
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return SessionMessage(jsonrpc_message_adapter.validate_json(whole, by_name=False))
    except (ValueError, RecursionError):
        raise _Unreadable from None


def _values(data: bytes) -> int:
    """At most how many values JSON holds: what looks so within texts counts too, a list or an object as four."""
    return data.count(b",") + 4 * (data.count(b"[") + data.count(b"{"))


async def ended(process: asyncio.subprocess.Process | subprocess.Popen[bytes]) -> None:
    """Wait until a process has ended; it is killed after :data:`END_S`."""
    for _ in range(int(END_S / 0.02)):
        if (process.poll() if isinstance(process, subprocess.Popen) else process.returncode) is not None:
            return
        await asyncio.sleep(0.02)
    process.kill()
    for _ in range(int(END_S / 0.02)):  # not wait(): that of asyncio also waits for whoever holds the pipes
        if (process.poll() if isinstance(process, subprocess.Popen) else process.returncode) is not None:
            return
        await asyncio.sleep(0.02)


# -- HTTP --------------------------------------------------------------------------------------------------------------
async def by_http(stack: AsyncExitStack, url: str, broken: Broken) -> Any:
    """The streams to a server that listens at ``url``."""
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    class Bounded(httpx2.AsyncHTTPTransport):
        """Cuts bodies off."""

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            response = await super().handle_async_request(request)
            if response.headers.get("content-encoding", "identity") != "identity":
                broken("answered with what is not asked for: packed")  # unpacked, it would have no bound
                raise httpx2.ReadError("packed")
            response.stream = Counted(response.stream)
            return response

    class Counted(httpx2.AsyncByteStream):
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = values = 0
            async for part in self._stream:
                if b"\n\n" in part or b"\r\n\r\n" in part:  # in a stream of events: the end of one
                    size = values = 0
                size, values = size + len(part), values + _values(part)
                if size > LARGEST or values > _VALUES:
                    broken(_TOO_LARGE)
                    raise httpx2.ReadError("too large")
                yield part

        async def aclose(self) -> None:
            await self._stream.aclose()

    client = httpx2.AsyncClient(
        transport=Bounded(), timeout=httpx2.Timeout(30.0, read=300.0), headers={"Accept-Encoding": "identity"}
    )
    await stack.enter_async_context(client)
    connected = streamable_http_client(url, http_client=client, max_sse_event_size=LARGEST)
    return await stack.enter_async_context(connected)
