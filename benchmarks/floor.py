"""The floor: a bare aiohttp loop under uvloop that sends given bodies and reads the answers. Nothing is made of them.

    python -m benchmarks.floor URL BODIES --conversations 256 --seconds 10

BODIES is a file with the requests of whole conversations, one JSON list of strings per line. Each of the conversations
at once sends the requests of one line after the other, over and over, from a line of its own onwards. Prints one JSON
object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

import aiohttp
import uvloop
from yarl import URL


async def talk(
    session: aiohttp.ClientSession, url: URL, lines: list[list[bytes]], first: int, counts: list[int]
) -> None:
    """One conversation after the other, forever."""
    while True:
        for body in lines[first % len(lines)]:
            async with session.post(url, data=body) as response:
                await response.read()
            counts[0] += 1
            counts[1] += len(body)
        first += 1


async def run(url: str, lines: list[list[bytes]], conversations: int, seconds: float) -> dict[str, float]:
    counts = [0, 0]
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    )
    async with session:
        address = URL(url + "/chat/completions")
        talks = [asyncio.create_task(talk(session, address, lines, i, counts)) for i in range(conversations)]
        await asyncio.sleep(2.0)  # connections are made, templates warm
        before, cpu, start = list(counts), time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        calls, sent = (now - then for now, then in zip(counts, before, strict=True))
        cpu, wall = time.process_time() - cpu, time.monotonic() - start
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
    return {"calls": calls, "cpu_ms_per_call": 1e3 * cpu / calls, "calls_per_s": calls / wall, "bytes": sent}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("bodies", type=Path)
    parser.add_argument("--conversations", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    lines = [[body.encode() for body in json.loads(line)] for line in given.bodies.read_text().splitlines()]
    print(json.dumps(uvloop.run(run(given.url, lines, given.conversations, given.seconds))))


if __name__ == "__main__":
    main()
