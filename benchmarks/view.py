"""Speed and memory of the viewer on a large run: first page, filters, an episode, a search. Prints one JSON object.

    python -m benchmarks.view [--quick] [--rows 1000000] [--dir DIR] [--keep]

The run is synthesised: conversations of the oracle and of flawed agents on real tasks of the retail domain, repeated
under new ids (episodes and tasks) into real shards, in record batches of the size that ShardWriter makes, under a real
ledger. The viewer is `t2t view` in a process of its own; times are those of whole HTTP requests on loopback, the
filters' with counts of every other filter. "First page" is asked for as soon as the viewer has printed its address.
Memory is the process's resident set at its highest, index, domain and all requests included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from benchmarks.command import ROOT, environment
from benchmarks.material import converted, explored
from t2t_dist.config.loading import load_config
from t2t_dist.core.identity import seed_of
from t2t_dist.core.schema import INTENTS, Episode, Task
from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from t2t_dist.grading.grade import grade
from t2t_dist.models.clients import Models
from t2t_dist.simulation.conversation import roll_out
from t2t_dist.simulation.seating import seat_agent, seat_user
from t2t_dist.storage.ledger import Commit, Ledger, ShardInfo
from t2t_dist.storage.manifest import Manifest, claim
from t2t_dist.storage.migrations import stamped
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.objects.opening import create_storage
from t2t_dist.storage.rows import SCHEMAS, episode_row, to_row

AGENTS = ("scripted:oracle", "scripted:hasty", "scripted:stubborn", "scripted:compliant", "scripted:silent")
TRIALS = 4
BATCH_BYTES, SHARD_BYTES = 1 << 20, 128 << 20


# -- the run -----------------------------------------------------------------------------------------------------------
async def material(domain: Domain, trajectories: int) -> tuple[list[Task], list[dict[str, Any]]]:
    """Verified tasks, and an episode of every agent on each."""
    tasks, rows, models = [], [], Models()
    for index in range(trajectories):
        trajectory = explored(domain, index)
        for intent in INTENTS if trajectory.verdict == "kept" else ():
            task = await converted(domain, trajectory, intent)
            if task.verdict != "verified":
                continue
            tasks.append(task)
            for agent in AGENTS:
                name = f"{task.task_id}/{agent}"
                player = seat_agent(models, agent, task, domain, name, seed_of(name, "agent"))
                user = seat_user(models, "scripted", task.user, domain, name, seed_of(name, "user"))
                rolled = await roll_out(task, domain, player, user, seed=seed_of(name))
                rows.append(episode_row(_episode(task, agent, rolled, domain)))
    return tasks, rows


def _episode(task: Task, agent: str, rolled: Any, domain: Domain) -> Episode:
    return Episode(
        episode_id="",
        run_id="bench",
        stage="rollout",
        domain=task.domain,
        task_id=task.task_id,
        trajectory_id=task.trajectory_id,
        intent=task.intent,
        trial=0,
        attempt=1,
        seed=1,
        agent=agent,
        user="scripted",
        termination=rolled.termination,
        turns=rolled.turns,
        outcome=grade(domain, task, rolled.turns, rolled.termination),
        flags=[],
        started=0.0,
        duration=0.0,
    )


def write(storage: Storage, table: str, rows: list[dict[str, Any]], count: int, ledger: Ledger) -> int:
    """``count`` rows made of these, each with ids of its own, in shards of the usual size; their bytes on disk."""
    schema = stamped(SCHEMAS[table])
    pattern = pa.Table.from_pylist(rows, schema).combine_chunks()
    size = max(1, min(len(rows), BATCH_BYTES * len(rows) // pattern.nbytes))
    batches = [pattern.slice(start, size).to_batches()[0] for start in range(0, len(rows), size)]
    done = total = number = 0
    while done < count:
        number += 1
        name, inside = f"{table}/part-bench-{number:06d}-00000000.arrow", 0
        file = storage.open_shard(name)
        with pa.ipc.new_file(file.sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            while done < count and file.sink.tell() < SHARD_BYTES and inside < 50_000:
                batch = batches[(done // size) % len(batches)].slice(0, count - done)
                writer.write_batch(_renamed(table, batch, done, len(rows)))
                done, inside = done + batch.num_rows, inside + batch.num_rows
        info = ShardInfo(table, name, inside, *file.commit())
        total += info.bytes
        ledger.append(Commit(shards=[info], counters={f"{table}.rollout": inside} if table == "episodes" else {}))
    return total


def _renamed(table: str, batch: pa.RecordBatch, first: int, period: int) -> pa.RecordBatch:
    numbers = np.arange(first, first + batch.num_rows)
    lap = (numbers // (TRIALS * period)).astype(int) if table == "episodes" else numbers // period
    suffix = pa.array([f"-{number:06x}" for number in lap])
    columns = {name: batch.column(name) for name in batch.schema.names}
    columns["task_id"] = pc.binary_join_element_wise(columns["task_id"], suffix, "")
    if table == "episodes":
        columns["episode_id"] = pa.array(
            [f"ep-{number * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in numbers.tolist()]
        )
        columns["trial"] = pa.array(numbers // period % TRIALS, pa.int64())
        columns["started"] = pa.array(1.7e9 + numbers / 50)
        columns["duration"] = pa.array(2.0 + 60 * np.random.default_rng(first).random(batch.num_rows) ** 3)
    return pa.RecordBatch.from_arrays([columns[name] for name in batch.schema.names], schema=batch.schema)


def synthesise(directory: Path, count: int, trajectories: int) -> dict[str, Any]:
    """A run of ``count`` episodes."""
    domain = registry.load("retail")
    tasks, rows = asyncio.run(material(domain, trajectories))
    storage = create_storage(directory)
    config = load_config(None, {"agents": list(AGENTS), "trials": TRIALS})
    made = {"kind": "generate", "code": "bench", "source": "bench", "results": config.results_part()}
    claim(storage, Manifest(run_id="bench", config=config, **made))
    ledger = Ledger(storage)
    task_rows = [{"run_id": "bench", **to_row(task)} for task in tasks]
    laps = -(-count // (TRIALS * len(rows)))
    size = write(storage, "tasks", task_rows, len(tasks) * laps, ledger)
    size += write(storage, "episodes", rows, count, ledger)
    return {"tasks": len(tasks) * laps, "episodes": count, "gb_on_disk": round(size / 1e9, 2)}


# -- measuring ---------------------------------------------------------------------------------------------------------
class Browser:
    """A client that keeps the viewer's cookie, and measures."""

    def __init__(self, address: str) -> None:
        self.base = address.split("/?")[0]
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.first_s, self.first = self.get(address)

    def get(self, address: str, **query: str) -> tuple[float, str]:
        """Seconds and text of a whole page."""
        start = time.perf_counter()
        at = address if address.startswith("http") else self.base + address
        with self._opener.open(at + (f"?{urlencode(query)}" if query else "")) as response:
            text = response.read().decode()
        return time.perf_counter() - start, text

    def median(self, address: str, rounds: int, **query: str) -> float:
        return round(statistics.median(self.get(address, **query)[0] for _ in range(rounds)), 3)


FILTERS: list[dict[str, str]] = [
    {"result": "not passed"},
    {"intent": "ambiguous", "agent": "scripted:hasty"},
    {"intent": "changing", "agent": "scripted:stubborn", "result": "not passed", "process": "broken"},
    {"verdict": "verified", "order": "longest"},
]


def measure(run: Path, rows: int, rounds: int) -> dict[str, Any]:
    started = time.perf_counter()
    command = [sys.executable, "-m", "t2t_dist.cli", "view", str(run), "--json"]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())["url"]
            start_s = time.perf_counter() - started
            browser = Browser(address)
            assert f"{rows:,}" in browser.first, "the first page has to say how much there is"
            memory = psutil.Process(process.pid)
            highest = 0.0

            def look() -> None:
                nonlocal highest
                highest = max(highest, memory.memory_info().rss / 1e6)

            busy = []
            while json.loads(browser.get("/live")[1])["live"]:
                busy.append(browser.get(f"/run/{run.name}/episodes", result="not passed")[0])
                look()
                time.sleep(0.2)
            indexed_s = time.perf_counter() - started
            listed = f"/run/{run.name}/episodes"
            pages = {
                "runs": browser.median("/", rounds),
                "run": browser.median(f"/run/{run.name}", rounds),
                "tasks": browser.median(f"/run/{run.name}/tasks", rounds),
                "episodes": browser.median(listed, rounds),
                "last page": browser.median(listed, rounds, page=str(max(1, rows // 50))),
            }
            look()
            filters = {urlencode(each): browser.median(listed, rounds, **each) for each in FILTERS}
            look()
            text = browser.get(listed, **FILTERS[0])[1]
            episode = re.search(rf'href="(/run/{run.name}/episode/[^"?]+)', text)
            task = re.search(r"<code>(task-[^<]+)</code>", text)
            assert episode is not None
            assert task is not None
            single = {
                "episode": browser.median(episode[1], rounds),
                "task": browser.median(f"/run/{run.name}/task/{task[1]}", rounds),
            }
            seconds, text = browser.get(listed, q="words that nobody says")
            looked = re.search(r"Searched ([\d,]+)", text)
            assert looked is not None
            search = {"s": round(seconds, 2), "looked_through": int(looked[1].replace(",", ""))}
            look()
        finally:
            process.terminate()
    return {
        "start_s": round(start_s, 2),
        "first_page_s": round(browser.first_s, 3),
        "indexed_s": round(indexed_s, 1),
        "filter_while_indexing_s": round(max(busy, default=0.0), 3),
        "pages_s": pages,
        "filters_s": filters,
        "slowest_filter_s": max(filters.values()),
        "single_s": single,
        "search": search,
        "rss_mb": round(highest),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="where the run is written; default: the system's temporary directory")
    parser.add_argument("--keep", action="store_true", help="leave the run there, and use one that is there already")
    parser.add_argument("--quick", action="store_true", help="few rows: shows that it works, not how fast")
    options = parser.parse_args()
    rows, trajectories, rounds = (2_000, 3, 1) if options.quick else (options.rows, 40, options.rounds)
    folder = Path(tempfile.mkdtemp(dir=options.dir)) if not options.keep or options.dir is None else options.dir
    run = folder / "synthesised"
    try:
        about = folder / "about.json"
        if not run.exists():
            about.write_text(json.dumps(synthesise(run, rows, trajectories)))
        figures = {**json.loads(about.read_text()), **measure(run, rows, rounds)}
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    print(json.dumps({"benchmark": "view", **figures}))


if __name__ == "__main__":
    main()
