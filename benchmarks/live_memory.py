"""Memory of a live episode: resident memory of one process with 512 conversations alive less that with 256.

    python -m benchmarks.live_memory TASKS URL

Conversations of the real seats, users, worlds and client against a fixed-latency endpoint (``benchmarks/endpoint.py``),
nothing stored: what a whole run's workers hold besides (open shards, Arrow's buffers) depends on its throughput and not
on what is alive, and would drown the figure. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys

import psutil
import uvloop

from t2t_dist.config.domain import load_domain
from t2t_dist.models.clients import Models
from t2t_dist.simulation.conversation import roll_out
from t2t_dist.simulation.seating import seat_agent, seat_user
from t2t_dist.storage.source_run import Source

FEW, MANY = 256, 512
#: Conversations one after the other in each place; seconds until the places are at different points of theirs; the
#: sampling interval in seconds.
ROUNDS, SETTLE_S, SAMPLE_S = 3, 3.0, 0.2


async def measure(tasks: str, url: str) -> dict[str, float]:
    source = Source(tasks)
    domain = load_domain(source.manifest.config)
    chosen, models, name = source.verified_tasks(FEW), Models(), f"openai:m@{url}"

    async def one(number: int) -> None:
        task, key = chosen[number % len(chosen)], f"e{number}"
        user = seat_user(models, name, task.user, domain, key, 0)
        await roll_out(task, domain, seat_agent(models, name, task, domain, key, 0), user)

    async def place(number: int, alive: int) -> None:
        for again in range(ROUNDS):
            await one(number + again * alive)

    async def with_alive(alive: int) -> float:
        gc.collect()
        running = asyncio.gather(*(place(number, alive) for number in range(alive)))
        await asyncio.sleep(SETTLE_S)
        samples = []
        while not running.done():
            samples.append(psutil.Process().memory_info().rss / 1e6)
            await asyncio.sleep(SAMPLE_S)
        return statistics.median(samples)

    few = await with_alive(FEW)
    many = await with_alive(MANY)
    await models.close()
    return {"kb_per_live_episode": round(1e3 * (many - few) / (MANY - FEW), 1), "mb_few": few, "mb_many": many}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(*sys.argv[1:3]))))
