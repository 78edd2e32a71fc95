"""Cost of the scheduler per episode, memory of the driver, and utilisation of engines, in simulated time.

    python -m benchmarks.scheduler_scale [--quick]

The scheduler, the leases, the ledger and its item set, the routers, admission and the health of engines are the real
ones; workers, engines and time are simulated. Prints one JSON object:

cost
    For 10 to 10,000 workers and 10^4 to 10^7 episodes of long-tailed lengths, with workers that die or hang: CPU of the
    driver's calls (finished, check, append to the ledger, committed, lease, flush_due; expire and counts each
    second) over the episodes. Only the file of a commit is left out, it is not written. Target: <= 20 us, and the
    dearest no more than 1.3 times the cheapest.
memory
    One run of 10^6 episodes in a process of its own that holds the driver's state and nothing else that grows: resident
    memory when 10^5 episodes and when all are committed. Target: less than 5 % growth.
engines
    1,000 engines, long-tailed conversations, engines and workers that die (``benchmarks/simulated_fleet.py``). Target:
    at least 95 % of what the engines could have done, until the tail.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Any, NamedTuple

import msgpack
import numpy as np
import psutil

from benchmarks.command import ROOT, environment
from benchmarks.simulated_fleet import simulate
from t2t_dist.cluster.scheduling.scheduler import Scheduler
from t2t_dist.storage.ledger import Commit, Ledger, ShardInfo
from t2t_dist.storage.objects.local import LocalStorage

#: (workers, episodes), and episodes that a worker has alive at once.
CELLS = [(10, 10**4), (10, 10**6), (100, 10**5), (1_000, 10**6), (10_000, 10**7)]
QUICK_CELLS = [(10, 10**4), (40, 10**4)]
ALIVE = 128
#: As in ``cluster/driver.py``: work in hand beyond what is alive; and of a worker's answers, when they come.
AHEAD, GATHER_S, POLL_S = 1.5, 0.05, 1.0
FIRST_ROLL_S, LAST_ROLL_S = 2.0, 60.0
#: Episodes to a worker's death, and deaths at most; one in four is a worker that hangs until its leases expire. Then a
#: new one's start.
EPISODES_A_DEATH, DEATHS, START_S = 2_500, 24, 5.0
TABLES = ("trajectories", "tasks", "episodes")


def lengths(seed: int) -> Iterator[float]:
    """Seconds an episode takes: lognormal around 20, one in ten from a Pareto tail; 20 minutes are the deadline."""
    chance = np.random.default_rng(seed)
    while True:
        body = chance.lognormal(np.log(20.0), 0.8, 1 << 14)
        tail = 60.0 * (1 + chance.pareto(1.5, 1 << 14))
        yield from np.minimum(np.where(chance.random(1 << 14) < 0.1, tail, body), 1200.0).tolist()


class Forgetful(LocalStorage):
    """Keeps nothing: what is measured is the driver, not a disk."""

    def __init__(self) -> None:
        super().__init__("nowhere")

    def put_if_absent(self, name: str, data: bytes) -> bool:
        return True

    def replace(self, name: str, data: bytes, *, wait: bool = True) -> None:
        pass

    def read(self, name: str) -> bytes | None:
        return None

    def names(self, prefix: str = "") -> list[str]:
        return []

    def delete(self, name: str) -> None:
        pass


class Answer(NamedTuple):
    finished: list[int]
    written: list[list[int]]


class Worker:
    """A worker of the real protocol: items in, finished items and written shards out."""

    __slots__ = ("born", "finished", "hangs", "name", "opened_at", "queue", "roll_s", "rows", "running", "serial")

    def __init__(self, name: str) -> None:
        self.name = name
        self.queue: deque[int] = deque()
        self.running: list[tuple[float, int]] = []  # (end, item), a heap
        self.finished: list[int] = []
        self.rows: list[int] = []  # in the open shard
        self.opened_at = 0.0
        self.roll_s = FIRST_ROLL_S
        self.serial = 0
        self.hangs = False

    def run(self, now: float, length: Iterator[float]) -> None:
        """Everything up to ``now``: items that end make room for the next."""
        running, queue = self.running, self.queue
        while running and running[0][0] <= now:
            at, item = heappop(running)
            if not self.rows:
                self.opened_at = at
            self.rows.append(item)
            self.finished.append(item)
            if queue:
                heappush(running, (at + next(length), queue.popleft()))

    def take(self, items: list[int], now: float, length: Iterator[float]) -> float:
        """More items; when its answer comes."""
        for item in items:
            if len(self.running) < ALIVE:
                heappush(self.running, (now + next(length), item))
            else:
                self.queue.append(item)
        first = self.running[0][0] if self.running else now + POLL_S
        return min(max(first, now) + GATHER_S, now + POLL_S)

    def answer(self, now: float, flush: bool) -> Answer:
        finished, self.finished = self.finished, []
        written = []
        if self.rows and (flush or now - self.opened_at >= self.roll_s):
            written, self.rows = [self.rows], []
            self.roll_s = min(2 * self.roll_s, LAST_ROLL_S)
        return Answer(finished, written)


class Driver:
    """What ``cluster/driver.py`` asks of the state machines, with the CPU it takes.

    Once nothing waits any more, exchanges that bring nothing and take nothing are counted apart: that a worker says
    every second that it lives, while the last episodes run, is its own cost and no episode's.
    """

    def __init__(self, episodes: int) -> None:
        self.ledger = Ledger(Forgetful())
        self.scheduler = Scheduler(episodes, self.ledger.state.items)
        self.ahead = int(ALIVE * AHEAD)
        self.cpu_ns = self.append_ns = self.tail_ns = self.exchanges = self.in_tail = 0
        self.clock_ns = _clock_ns()

    def hear(self, worker: Worker, answer: Answer, now: float) -> tuple[list[int], bool]:
        """An answer, and the items and the order to flush that go out with the next call."""
        scheduler, name = self.scheduler, worker.name
        # As it comes from another process: numbers made a moment ago, not those that lie where a million simulated
        # episodes left them.
        answer = Answer(*msgpack.unpackb(msgpack.packb(answer)))
        began = time.thread_time_ns()
        scheduler.finished(name, answer.finished, now)
        for items in answer.written:
            worker.serial += 1
            shards = [
                ShardInfo(table, f"{table}/part-{name}-{worker.serial:06d}-0123abcd.arrow", len(items), 20_000)
                for table in TABLES
            ]
            counters = {"trajectories": len(items), "episodes.rollout": 3 * len(items)}
            digests = dict.fromkeys(TABLES, items[0] << 80)
            scheduler.check(name, items)
            before = time.thread_time_ns()
            self.ledger.append(Commit(shards, items, counters, digests, {"worker": name}))
            self.append_ns += time.thread_time_ns() - before - self.clock_ns
            began += self.clock_ns
            scheduler.committed(name, items)
        leases = [lease.item for lease in scheduler.lease(name, now, self.ahead)]
        flush = scheduler.flush_due(name)
        spent = time.thread_time_ns() - began - self.clock_ns
        idle = not (leases or answer.finished or answer.written)
        if idle and scheduler.counts().waiting == 0:
            self.tail_ns += spent
            self.in_tail += 1
        else:
            self.cpu_ns += spent
            self.exchanges += 1
        return leases, flush

    def look(self, now: float) -> list[str]:
        """Once a second: who is silent, and the numbers of the status line."""
        began = time.thread_time_ns()
        expired = self.scheduler.expire(now)
        self.scheduler.counts()
        self.cpu_ns += time.thread_time_ns() - began - self.clock_ns
        poisoned = [item for item, _ in self.scheduler.poisoned()]
        if poisoned:
            self.ledger.append(Commit(items=poisoned, counters={"failures.poisoned": len(poisoned)}))
        return expired


def _clock_ns() -> int:
    """What reading the clock itself takes, to be left out."""
    began = time.thread_time_ns()
    for _ in range(1000):
        time.thread_time_ns()
    return (time.thread_time_ns() - began) // 1000


def run(workers: int, episodes: int, at: dict[int, float] | None = None) -> dict[str, Any]:
    """One run. ``at``: numbers of committed episodes; filled in with the resident bytes at that number."""
    driver, length = Driver(episodes), lengths(workers * 31 + episodes)
    scheduler, chance = driver.scheduler, np.random.default_rng(7)
    alive: dict[str, Worker] = {}
    flushes: dict[str, bool] = {}
    events: list[tuple[float, int, str]] = []  # (when, serial, worker); "" is the driver's second
    serial = number = losses = 0
    span = 35.0 * episodes / (workers * ALIVE)  # about how long the run will be
    deaths = sorted(
        chance.uniform(0.05 * span, 0.9 * span, min(DEATHS, episodes // EPISODES_A_DEATH)).tolist(), reverse=True
    )
    marks = sorted(at or ())
    process = psutil.Process()

    def schedule(when: float, what: str) -> None:
        nonlocal serial
        serial += 1
        heappush(events, (when, serial, what))

    def start(now: float) -> None:
        nonlocal number
        number += 1
        worker = alive[f"w{number}"] = Worker(f"w{number}")
        scheduler.worker_joined(worker.name, driver.ahead)
        items, flushes[worker.name] = driver.hear(worker, Answer([], []), now)
        schedule(worker.take(items, now, length), worker.name)

    for _ in range(workers):
        start(0.0)
    schedule(1.0, "")
    births: list[float] = []
    now = 0.0
    began = time.perf_counter()
    gc.disable()  # its walks over a million simulated episodes would be charged to the driver, which holds none of them
    while not scheduler.done:
        now, _, name = heappop(events)
        if not name:
            for lapsed in driver.look(now):
                del alive[lapsed]
                births.append(now + START_S)
            while deaths and deaths[-1] <= now:
                deaths.pop()
                losses += 1
                if not alive:
                    continue
                victim = alive[list(alive)[int(chance.integers(len(alive)))]]
                if losses % 4 == 0:
                    victim.hangs = True
                else:
                    del alive[victim.name]
                    scheduler.worker_lost(victim.name, now)
                    births.append(now + START_S)
            while births and births[0] <= now:
                births.pop(0)
                start(now)
            schedule(now + 1.0, "")
            while at is not None and marks and len(driver.ledger.state.items) >= marks[0]:
                gc.collect()
                at[marks.pop(0)] = process.memory_info().rss
            continue
        worker = alive.get(name)
        if worker is None or worker.hangs:
            continue
        worker.run(now, length)
        items, flushes[name] = driver.hear(worker, worker.answer(now, flushes[name]), now)
        schedule(worker.take(items, now, length), name)
    gc.enable()
    done = driver.ledger.state
    counted = done.counters["trajectories"] + done.counters.get("failures.poisoned", 0)
    if len(done.items) != episodes or counted != episodes:
        raise SystemExit(f"{len(done.items)} of {episodes} episodes were committed, and {counted} counted")
    return {
        "workers": workers,
        "episodes": episodes,
        "us_per_episode": round(driver.cpu_ns / episodes / 1e3, 2),
        "of_that_ledger_us": round(driver.append_ns / episodes / 1e3, 2),
        "us_per_idle_exchange": round(driver.tail_ns / max(1, driver.in_tail) / 1e3, 2),
        "exchanges_per_episode": round(driver.exchanges / episodes, 2),
        "commits": done.last,
        "workers_lost": scheduler.counts().workers_lost,
        "requeued": scheduler.counts().requeued,
        "simulated_s": round(now),
        "wall_s": round(time.perf_counter() - began, 1),
    }


def memory(workers: int, episodes: int) -> dict[str, Any]:
    """In this process, which is to be a fresh one."""
    marks = {episodes // 10: 0.0, episodes // 2: 0.0, int(0.999 * episodes): 0.0}
    found = run(workers, episodes, marks)
    first, *_, last = marks.values()
    return {
        "workers": workers,
        "episodes": episodes,
        "commits": found["commits"],
        "rss_mb": {str(mark): round(size / 1e6, 2) for mark, size in marks.items()},
        "growth": round(last / first, 4),
    }


def in_a_process(workers: int, episodes: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.scheduler_scale", "--memory", str(workers), str(episodes)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small runs: show that it works, not how well")
    parser.add_argument("--cells", action="store_true", help="the cost alone")
    parser.add_argument("--memory", nargs=2, type=int, metavar=("WORKERS", "EPISODES"), help="the memory alone")
    options = parser.parse_args()
    if options.memory:
        print(json.dumps(memory(*options.memory)))
        return
    cells = []
    for workers, episodes in QUICK_CELLS if options.quick else CELLS:
        gc.collect()
        cells.append(run(workers, episodes))
        print(json.dumps(cells[-1]), file=sys.stderr, flush=True)
    costs = [cell["us_per_episode"] for cell in cells]
    result: dict[str, Any] = {
        "benchmark": "scheduler_scale",
        "us_per_episode": max(costs),
        "times_the_cheapest": round(max(costs) / min(costs), 2),
        "cells": cells,
    }
    if not options.cells:
        result["memory"] = in_a_process(*((10, 10_000) if options.quick else (100, 10**6)))
        result["engines"] = simulate(quick=options.quick)
    print(json.dumps(result))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
