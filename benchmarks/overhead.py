"""Cost of conversations beside the model: 256 at once, 16 model calls each, against an endpoint of fixed latency.

    python -m benchmarks.overhead [--quick] [--rounds 3]

Each round runs the floor (``benchmarks/floor.py``: the same requests, nothing else) and the real ``t2t evaluate`` with
real Ray, workers and store, one after the other on the same endpoint; then once more by way of a pool, with its routing
and admission, which is how engines that we host are asked. Figures are of the steady state: the whole process tree
(driver, workers, raylet, gcs, agents; not the endpoint) is sampled from after the first one and a half waves of
conversations until one and a half before the end. The memory of a live episode is ``benchmarks/live_memory.py``'s.
Prints one JSON object, each figure the median of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from benchmarks.command import ROOT, answer_of, ended, environment, t2t
from benchmarks.endpoint import Connection, Script, running
from benchmarks.tree import Sample, Tree
from t2t_dist.config.domain import load_domain
from t2t_dist.models.clients import Models
from t2t_dist.simulation.conversation import roll_out
from t2t_dist.simulation.seating import seat_agent, seat_user
from t2t_dist.storage.source_run import Source

LATENCY_S = 0.2
CONVERSATIONS, CALLS = 256, 16
#: Between two samples; each costs this process some ms, which the system under test has not got then.
SAMPLE_S = 0.5
#: Of conversations whose bodies the floor sends.
RECORDED = 32


# -- what is run -------------------------------------------------------------------------------------------------------
def stats(url: str) -> dict[str, float]:
    """The endpoint's calls, bytes and CPU seconds so far."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as response:
        return json.load(response)


class _Recorder(Connection):
    """Keeps what it is sent."""

    bodies: list[str] = []  # noqa: RUF012 - of all connections

    def _handle(self, request: bytes) -> None:
        if request.startswith(b"POST "):
            self.bodies.append(request[self.body_at :].decode())
        super()._handle(request)


async def record(tasks: str, script: Script, count: int) -> list[list[str]]:
    """The requests of ``count`` whole conversations as the real seats and client send them."""
    source = Source(tasks)
    domain = load_domain(source.manifest.config)
    server = await asyncio.get_running_loop().create_server(lambda: _Recorder(script, 0.0), "127.0.0.1", 0)
    name = f"openai:m@http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    models, found = Models(), []
    for task in source.verified_tasks(count):
        _Recorder.bodies.clear()
        agent = seat_agent(models, name, task, domain, task.task_id, 0)
        await roll_out(task, domain, agent, seat_user(models, name, task.user, domain, task.task_id, 0))
        if len(_Recorder.bodies) != CALLS:
            raise SystemExit(f"a conversation took {len(_Recorder.bodies)} model calls instead of {CALLS}")
        found.append(list(_Recorder.bodies))
    await models.close()
    server.close()
    return found


# -- what is measured --------------------------------------------------------------------------------------------------
@dataclass
class Watched:
    """A run's samples, each with the endpoint's stats of the same moment."""

    tree: Tree
    started: float
    samples: list[tuple[Sample, dict[str, float]]] = field(default_factory=list)

    def between(self, low: float, high: float) -> list[tuple[Sample, dict[str, float]]]:
        """Those with this many calls answered."""
        found = [(sample, seen) for sample, seen in self.samples if low <= seen["calls"] <= high]
        if len(found) < 3:
            raise SystemExit("the run was too short for a steady state; give more episodes")
        return found


def watch(process: subprocess.Popen[str], url: str, until: Callable[[float], bool]) -> Watched:
    """Sample a run until it ends or ``until(calls answered)`` holds."""
    base = stats(url)
    watched = Watched(Tree(process.pid), time.monotonic())
    while process.poll() is None:
        seen = {name: value - base[name] for name, value in stats(url).items()}
        watched.samples.append((watched.tree.sample(), seen))
        if until(seen["calls"]):
            break
        time.sleep(SAMPLE_S)
    return watched


def steady(watched: Watched, total: int, conversations: int, latency: float) -> dict[str, Any]:
    """The figures of a run's steady state: ``conversations`` at once, each call answered after ``latency`` seconds."""
    edge = 1.5 * conversations * CALLS
    window = watched.between(edge, total - edge)
    (first, before), (last, after) = window[0], window[-1]
    calls, wall = after["calls"] - before["calls"], last.at - first.at
    spent = {role: 1e3 * seconds / calls for role, seconds in watched.tree.cpu(first, last).items()}
    begin = next(sample for sample, seen in watched.samples if seen["calls"] > 0)
    nothing = Sample(watched.started, {}, {})
    return {
        "cpu_ms_per_call": sum(spent.values()),
        "cpu_ms_per_call_by_role": spent,
        "endpoint_cpu_ms_per_call": 1e3 * (after["cpu_s"] - before["cpu_s"]) / calls,
        "calls_per_s": calls / wall,
        "share_of_ideal": calls / wall * latency / conversations,
        "bytes_per_call": (after["bytes"] - before["bytes"]) / calls,
        "window_s": wall,
        "start_cpu_s": sum(watched.tree.cpu(nothing, begin).values()),
        "start_wall_s": begin.at - watched.started,
        "workers_rss_mb": statistics.median(watched.tree.rss(sample, "workers") for sample, _ in window) / 1e6,
    }


def evaluation(
    tasks: str, url: str, out: Path, conversations: int, trials: int, pooled: bool = False
) -> subprocess.Popen[str]:
    """``pooled``: by way of a pool, with routing and admission, as engines that we host are asked."""
    name = "pool:it" if pooled else f"openai:m@{url}"
    pool = ["--set", f"pools={{it: {{model: m, urls: [{url}]}}}}"] if pooled else []
    limits = ["--limit", str(CONVERSATIONS), "--trials", str(trials), "--concurrency", str(conversations)]
    return t2t("evaluate", tasks, "--agent", name, "--user", name, *pool, *limits, "--out", str(out))


def many(
    tasks: str,
    url: str,
    out: Path,
    trials: int,
    pooled: bool = False,
    conversations: int = CONVERSATIONS,
    latency: float = LATENCY_S,
) -> dict[str, Any]:
    """One run of that many conversations at once, from its start to its end."""
    with ended(evaluation(tasks, url, out, conversations, trials, pooled)) as process:
        watched = watch(process, url, lambda _: False)
        said = answer_of(process)
    if said["failures"] or said["episodes"] != CONVERSATIONS * trials:
        raise SystemExit(f"{said['episodes']} episodes of {CONVERSATIONS * trials}, failures {said['failures']}")
    figures = steady(watched, CONVERSATIONS * trials * CALLS, conversations, latency)
    return figures | {"loop_lag_p99_ms": said["session"]["lag_ms"], "wall_s": said["wall_s"]}


def live(tasks: str, url: str) -> float:
    """KB of a live episode (``benchmarks/live_memory.py``)."""
    command = [sys.executable, "-m", "benchmarks.live_memory", tasks, url]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["kb_per_live_episode"]


def floor(url: str, bodies: Path, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.floor", url, str(bodies), "--conversations", str(CONVERSATIONS)]
    done = subprocess.run([*command, "--seconds", str(seconds)], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


# -- the whole ---------------------------------------------------------------------------------------------------------
def median(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure, over rounds; what is a figure of parts, part by part."""
    return {
        name: median([found[name] for found in rounds])
        if isinstance(rounds[0][name], dict)
        else round(statistics.median(found.get(name, 0.0) for found in rounds), 3)
        for name in rounds[0]
    }


def measure(folder: Path, rounds: int, trials: int, seconds: float) -> dict[str, Any]:
    tasks = str(folder / "tasks")
    answer_of(t2t("generate", "--trajectories", "100", "--until", "convert", "--out", tasks))
    customer = load_domain(Source(tasks).manifest.config).customers(load_domain(Source(tasks).manifest.config).base)[0]
    arguments = orjson.dumps({"user_id": customer}).decode()
    bodies = folder / "bodies"
    recorded = asyncio.run(record(tasks, Script(arguments=arguments), RECORDED))
    bodies.write_text("".join(json.dumps(conversation) + "\n" for conversation in recorded))
    floors, runs, pooled = [], [], []
    with running(LATENCY_S, "--arguments", arguments) as url:
        for number in range(rounds):
            floors.append(floor(url, bodies, seconds))
            runs.append(many(tasks, url, folder / f"run{number}", trials))
            pooled.append(many(tasks, url, folder / f"pooled{number}", trials, pooled=True))
        floors.append(floor(url, bodies, seconds))
        alive = live(tasks, url)
    bare, figures = median(floors), median(runs)
    ratios = [
        run["cpu_ms_per_call"] / statistics.mean((before["cpu_ms_per_call"], after["cpu_ms_per_call"]))
        for run, before, after in zip(runs, floors, floors[1:], strict=False)
    ]
    return figures | {
        "pooled_cpu_ms_per_call": median(pooled)["cpu_ms_per_call"],
        "pooled_share_of_ideal": median(pooled)["share_of_ideal"],
        "pooled_times_direct": round(
            statistics.median(p["cpu_ms_per_call"] / r["cpu_ms_per_call"] for p, r in zip(pooled, runs, strict=True)), 2
        ),
        "floor_cpu_ms_per_call": bare["cpu_ms_per_call"],
        "floor_share_of_ideal": round(bare["calls_per_s"] * LATENCY_S / CONVERSATIONS, 3),
        "times_the_floor": round(statistics.median(ratios), 2),
        "kb_per_live_episode": alive,
        "rounds": {
            "cpu_ms_per_call": [round(run["cpu_ms_per_call"], 3) for run in runs],
            "pooled_cpu_ms_per_call": [round(run["cpu_ms_per_call"], 3) for run in pooled],
            "floor_cpu_ms_per_call": [round(found["cpu_ms_per_call"], 3) for found in floors],
            "share_of_ideal": [round(run["share_of_ideal"], 3) for run in runs],
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--trials", type=int, default=8, help="episodes per task; there are 256 tasks")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it works, not how fast")
    given = parser.parse_args()
    rounds, trials, seconds = (1, 4, 3.0) if given.quick else (given.rounds, given.trials, 10.0)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), rounds, trials, seconds)
    print(json.dumps({"benchmark": "overhead", "conversations": CONVERSATIONS, "calls": CALLS, **figures}))


if __name__ == "__main__":
    main()
