"""Reader of HTTP answers: the one place where a body from outside is read, never beyond its bound.

A body is read piece by piece and unpacked on the way, so that a process holds at most ``bound x requests in flight``,
whatever a server sends: a body that never ends, or one that unpacks to a thousand times its size.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

#: Bound of an answer that is no completion (a list of models, metrics), in bytes.
SMALL = 8 << 20
#: How much of the body of a refusal is read, in bytes; the rest is cut off.
REFUSAL = 64 << 10
#: From this size on, in bytes, work on a body may not be done at once: other tasks have to get their turns.
LARGE = 256 << 10
#: What a connection buffers, packed and unpacked, in bytes; twice this at most.
_BUFFER = 64 << 10
#: The last event of a stream; some servers leave the connection open after it.
_LAST = (b"\ndata: [DONE]", b"\ndata:[DONE]", b"\rdata: [DONE]", b"\rdata:[DONE]")


class BadAnswer(ValueError):
    """An answer (2xx) whose body is not what was asked for."""


class TooLarge(BadAnswer):
    """An answer beyond one of its bounds."""


def is_success(status: int) -> bool:
    """Whether the body of this status is the answer: of any 2xx, for some gateways answer 201. The body shows where
    there is none."""
    return 200 <= status < 300


def open_session(**options: Any) -> aiohttp.ClientSession:
    """A session whose answers are read with :func:`body_of`; ``options`` are aiohttp's."""
    return aiohttp.ClientSession(read_bufsize=_BUFFER, **options)


async def body_of(response: aiohttp.ClientResponse, most: int = SMALL) -> bytes:
    """The body of an answer, unpacked; of a refusal only its first :data:`REFUSAL` bytes.

    Raises:
        TooLarge: it has more than ``most`` bytes, as sent or unpacked. The connection is closed.
        aiohttp.ClientError, OSError: it broke off.
    """
    refusal = not is_success(response.status)
    if refusal:
        most = min(most, REFUSAL)
    content, parts, size = response.content, list[bytes](), 0
    stream, tail, ended = response.headers.get("Content-Type", "").startswith("text/event-stream"), b"", False
    try:
        # A body that says how large it is need not be read to be refused.
        too_large = not refusal and (response.content_length or 0) > most
        while not too_large and (part := await content.readany()):
            parts.append(part)
            size += len(part)
            too_large = size > most or content.total_raw_bytes > most
            if stream:
                tail = (tail + part[-64:])[-64:]
                if ended := tail.rstrip().endswith(_LAST):
                    break
            if size // LARGE > (size - len(part)) // LARGE:
                await asyncio.sleep(0)  # a body that is there already is read and unpacked without a wait
    except RuntimeError as error:  # aiohttp's, for a connection that is closed between two pieces
        raise aiohttp.ClientPayloadError(str(error)) from None
    if ended:
        response.close()
    if too_large:
        response.close()
        if not refusal:
            raise TooLarge(f"the answer is larger than {most / 2**20:g} MiB")
    return parts[0][:most] if len(parts) == 1 else b"".join(parts)[:most]
