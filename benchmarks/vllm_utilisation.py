"""Utilisation of a real vLLM server by a run. Needs vLLM; no GPU.

    python -m benchmarks.vllm_utilisation --model DIR [--python .venv-vllm/bin/python] [--template FILE] [--quick]

Utilisation: a rollout run (`t2t evaluate`, real Ray, workers, store) on one server, and a closed loop on the same
server that sends the run's own requests, as many conversations at once, each its next request when the last one is
answered, with nothing in between. In turn, round after round, the prefix cache emptied before each. The figure is the
generated tokens per second of the run over those of the loop, each between the first and the last fifth of its tokens.
Prints one JSON object. What routing does for prefix caches is `benchmarks/vllm_routing.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.command import answer_of, ended, t2t
from t2t_dist.actors.engine import Engine
from t2t_dist.cluster.engines.poller import read_metrics
from t2t_dist.config.domain import load_domain
from t2t_dist.config.engines import PoolConfig
from t2t_dist.config.settings import LimitsConfig
from t2t_dist.core.identity import seed_of
from t2t_dist.core.schema import ToolCall
from t2t_dist.models.chat import Reply
from t2t_dist.models.openai import OpenAIChat, OpenAIOptions
from t2t_dist.models.pool import Target
from t2t_dist.simulation.conversation import roll_out
from t2t_dist.simulation.model_players import ModelAgent
from t2t_dist.simulation.scripted.user import ScriptedUser
from t2t_dist.storage.source_run import Source

KEY = "of-the-benchmark"
KEY_VARIABLE = "T2T_BENCHMARK_KEY"
DOMAIN = "tests.support.library_domain:Library"
SAMPLE_S = 0.5
STEPS, TOKENS = 8, 48
Measure = Callable[[argparse.Namespace, Path], Coroutine[Any, Any, dict[str, Any]]]


# -- servers -----------------------------------------------------------------------------------------------------------
def ask(url: str, path: str, method: str = "GET") -> str:
    request = urllib.request.Request(url.removesuffix("/v1") + path, method=method)
    request.add_header("Authorization", f"Bearer {KEY}")
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


def counts(url: str) -> Mapping[str, float]:
    found = read_metrics(ask(url, "/metrics"), time.monotonic())
    assert found is not None
    return found[1]


def emptied(urls: list[str]) -> None:
    """Forget what the prefix caches hold (a route that vLLM has in development mode)."""
    for url in urls:
        ask(url, "/reset_prefix_cache", "POST")


class Rate:
    """Tokens of a server over time, sampled; their rate in the middle three fifths."""

    def __init__(self, url: str) -> None:
        self.url, self.samples = url, [(time.monotonic(), counts(url)["generation_tokens"])]

    def sample(self) -> None:
        self.samples.append((time.monotonic(), counts(self.url)["generation_tokens"]))

    def per_second(self) -> float:
        first, last = self.samples[0][1], self.samples[-1][1]
        low, high = first + 0.2 * (last - first), first + 0.8 * (last - first)
        inside = [(at, tokens) for at, tokens in self.samples if low <= tokens <= high]
        if len(inside) < 3:
            raise SystemExit("the run was too short for a steady state; give more episodes")
        return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])


# -- the run, and the loop over its requests ---------------------------------------------------------------------------
async def evaluate(url: str, model: str, tasks: str, out: Path, at_once: int, trials: int) -> dict[str, Any]:
    pool = json.dumps({"it": {"model": model, "urls": [url], "api_key_env": KEY_VARIABLE, "most": at_once}})
    sampling = json.dumps({"agent": {"max_tokens": TOKENS, "temperature": 0.7}})
    flags = [tasks, "--agent", "pool:it", "--trials", str(trials), "--concurrency", str(at_once)]
    settings = [f"pools={pool}", f"models.sampling={sampling}", f"limits.max_steps={STEPS}"]
    rate = Rate(url)
    with ended(
        t2t("evaluate", *flags, *(part for s in settings for part in ("--set", s)), "--out", str(out))
    ) as process:
        while process.poll() is None:
            rate.sample()
            await asyncio.sleep(SAMPLE_S)
        said = answer_of(process)
    rate.sample()
    if said["failures"]:
        raise SystemExit(f"the run had failures: {said['failures']}")
    return {"tokens_per_s": rate.per_second(), "episodes": said["episodes"], "wall_s": said["wall_s"]}


class Replay(OpenAIChat):
    """Answers what an episode's row holds, and keeps the requests that would have been sent."""

    def __init__(self, options: OpenAIOptions, turns: list[dict[str, Any]]) -> None:
        super().__init__(options, name="replay")
        self.left, self.bodies = list(turns), list[bytes]()

    async def _send(self, key: str, target: Target, body: bytes, id_prefix: str) -> Reply:
        self.bodies.append(body)
        turn = self.left.pop(0)
        calls = tuple(ToolCall(c["id"], c["name"], c["arguments"]) for c in turn["tool_calls"])
        return Reply(turn["content"], turn["reasoning"], calls, turn["finish_reason"])


async def requests_of(out: Path, tasks: str, model: str) -> list[list[bytes]]:
    """The requests of each of a run's conversations, put together again from its rows."""
    source, run = Source(tasks), Source(str(out))
    domain = load_domain(source.manifest.config)
    by_id = {task.task_id: task for task in source.verified_tasks()}
    found = []
    for row in run.reader.rows("episodes"):
        task, identity = by_id[row["task_id"]], row["episode_id"]
        sampling = {"max_tokens": TOKENS, "temperature": 0.7}
        options = OpenAIOptions(model, "http://127.0.0.1:1/v1", sampling=sampling)
        chat = Replay(options, [turn for turn in row["turns"] if turn["model"]])
        agent = ModelAgent(chat, domain, identity)
        user = ScriptedUser(task.user, seed_of(identity, "user"))
        await roll_out(task, domain, agent, user, seed=row["seed"], limits=LimitsConfig(max_steps=STEPS))
        found.append(chat.bodies)
    return found


async def closed_loop(url: str, conversations: list[list[bytes]], at_once: int) -> float:
    """Tokens per second of the server while this many conversations at once are sent to it."""
    left, rate = list(conversations), Rate(url)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}

    async def talk(session: aiohttp.ClientSession) -> None:
        while left:
            for body in left.pop(0):
                async with session.post(f"{url}/chat/completions", data=body) as answer:
                    await answer.read()

    async def watch() -> None:
        while True:
            await asyncio.to_thread(rate.sample)
            await asyncio.sleep(SAMPLE_S)

    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as session:
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(talk(session) for _ in range(at_once)))
        watching.cancel()
    rate.sample()
    return rate.per_second()


# -- the whole ---------------------------------------------------------------------------------------------------------
def made_tasks(folder: Path) -> str:
    """A run directory with verified tasks."""
    tasks = str(folder / "tasks")
    answer_of(t2t("generate", "--domain", DOMAIN, "--trajectories", "20", "--until", "convert", "--out", tasks))
    return tasks


def engine_of(given: argparse.Namespace, folder: Path, name: str, **args: Any) -> Engine:
    """A server on the CPU, not started yet."""
    env = {"HF_HUB_OFFLINE": "1", "VLLM_SERVER_DEV_MODE": "1", "VLLM_CPU_KVCACHE_SPACE": "2"}
    args = {"dtype": "float32", "max-model-len": 4096, **args}
    config = PoolConfig(model=given.model, chat_template=given.template, python=given.python, args=args, env=env)
    return Engine(name, config, KEY, str(folder / f"{name}.log"))


async def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    tasks = made_tasks(folder)
    engine = engine_of(given, folder, "e0")
    try:
        url = (await engine.start()).url
        runs, loops = [], []
        for number in range(given.rounds):
            emptied([url])
            out = folder / f"run{number}"
            runs.append(await evaluate(url, given.model, tasks, out, given.at_once, given.trials))
            conversations = await requests_of(out, tasks, given.model)
            emptied([url])
            loops.append(await closed_loop(url, conversations, given.at_once))
    finally:
        await engine.stop()
    shares = [run["tokens_per_s"] / loop for run, loop in zip(runs, loops, strict=True)]
    return {
        "at_once": given.at_once,
        "episodes": runs[0]["episodes"],
        "run_tokens_per_s": [round(run["tokens_per_s"], 1) for run in runs],
        "loop_tokens_per_s": [round(loop, 1) for loop in loops],
        "share_of_closed_loop": round(statistics.median(shares), 3),
    }


def arguments(about: str | None) -> argparse.ArgumentParser:
    """What both benchmarks of servers take."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a model's directory")
    parser.add_argument("--python", help="the interpreter that has vLLM, where it is not this one")
    parser.add_argument("--template", default="tests/vllm/hermes.jinja", help="a chat template that knows tools")
    parser.add_argument("--quick", action="store_true", help="one round: shows that it works, not how fast")
    return parser


def run(name: str, measured: Measure, given: argparse.Namespace) -> None:
    """Measure in a folder of its own, and print the figures."""
    os.environ[KEY_VARIABLE] = KEY
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measured(given, Path(folder)))
    print(json.dumps({"benchmark": name, **figures}))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--trials", type=int, default=3, help="episodes per task; there are about 60 tasks")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.trials = 1, 1
    run("vllm_utilisation", measure, given)


if __name__ == "__main__":
    main()
