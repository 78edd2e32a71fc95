"""Whole runs on real vLLM servers with real weights, started the way users do: `--agent vllm:MODEL`.

On the library's desk, whose prompt is short: a CPU reads about a hundred tokens per second. A 135M model rarely
does what it is asked, so nothing here checks how well it did; only at whether its words, tokens and mistakes ended
where they belong, and whether anything was lost when servers were.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.support.command_lines import below as all_below
from tests.support.command_lines import command_of
from tests.support.patience import until
from tests.support.runs import start, t2t
from tests.support.slow_runs import until_items
from tests.vllm.serving import TEMPLATE
from tests.vllm.weights import checkpoint

pytestmark = pytest.mark.ray

#: How servers are started here; short answers, and conversations that soon end.
SERVER = [
    *("--set", f"engine.chat_template={TEMPLATE}"),
    *("--set", "engine.args={dtype: float32, max-model-len: 4096}"),
    *("--set", "engine.env={HF_HUB_OFFLINE: '1', VLLM_CPU_KVCACHE_SPACE: '1'}"),
]
SHORT = ["--set", "limits.max_steps=8", "--set", "models.sampling={agent: {max_tokens: 24, temperature: 0.7}}"]


def model() -> str:
    return f"vllm:{checkpoint()}"


def episodes(out: Path) -> list[dict[str, Any]]:
    return sorted(RunReader(open_storage(out), SCHEMAS).rows("episodes"), key=lambda row: row["episode_id"])


def of_model(out: Path) -> Iterator[dict[str, Any]]:
    """The turns that the model gave."""
    for row in episodes(out):
        yield from (turn for turn in row["turns"] if turn["model"])


def servers(*, below: int) -> list[psutil.Process]:
    """Processes of a vLLM below a process: API servers, engine cores, workers."""
    lines = {process: " ".join(command_of(process)) for process in all_below(below)}
    return [process for process, line in lines.items() if "VLLM::" in line or "vllm.entrypoints" in line]


def of_kind(processes: list[psutil.Process], kind: str) -> list[psutil.Process]:
    lines = {process: " ".join(command_of(process)) for process in processes}
    return [process for process, line in lines.items() if kind in line and "guard.py" not in line]


def engine_cores(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    return of_kind(servers(below=driver.pid), "VLLM::EngineCore")


def is_engine_actor(process: psutil.Process) -> bool:
    return "InferenceActor" in "".join(command_of(process)[:1])


def engine_actors(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    return [process for process in all_below(driver.pid) if is_engine_actor(process)]


def server_and_core(driver: subprocess.Popen[str]) -> list[psutil.Process] | None:
    """Of two engines, the API server of one and the engine core of the other, if both run at present."""
    found = [servers(below=actor.pid) for actor in engine_actors(driver)]
    running = [(of_kind(of, "vllm.entrypoints"), of_kind(of, "VLLM::EngineCore")) for of in found]
    if driver.poll() is not None:
        raise AssertionError(f"the run is over; its actors ran {[list(map(command_of, of)) for of in found]}")
    whole = [(servers, cores) for servers, cores in running if servers and cores]
    return [whole[0][0][0], whole[1][1][0]] if len(whole) == 2 else None


def status(out: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((out / "status.json").read_text())
    except FileNotFoundError:
        return {"engines": []}
    return found


def restarts(out: Path) -> list[int]:
    return [engine["restarts"] for engine in status(out)["engines"]]


def healthy(out: Path) -> int:
    return sum(engine["state"] == "healthy" for engine in status(out)["engines"])


# -- one engine, hosted ------------------------------------------------------------------------------------------------
def test_an_evaluation_on_a_hosted_model_whose_queue_is_soon_full(tasks: Path, tmp_path: Path) -> None:
    out = tmp_path / "e"
    full = ["--set", "engine.args={dtype: float32, max-model-len: 4096, max-num-queued-reqs: 4}"]
    brief = ["--set", "limits.max_steps=4", "--set", "models.sampling={agent: {max_tokens: 12, temperature: 0.7}}"]
    flags = [tasks, "--limit", 10, "--trials", 4, "--agent", model(), "--concurrency", 40, "--out", out]
    driver = start("evaluate", *flags, *SERVER, *full, *brief, "--json")
    try:
        mine = until(lambda: healthy(out) and servers(below=driver.pid), "the engine")
        stdout, stderr = driver.communicate()
    finally:
        driver.kill()
    assert driver.returncode == 0, stderr
    summary = json.loads(stdout)
    assert (summary["episodes"], summary["failures"]) == (40, {})
    turns = list(of_model(out))
    assert len({turn["content"] for turn in turns}) > 10, "a real model samples real text"
    assert all(turn["prompt_tokens"] > 100 and turn["completion_tokens"] > 0 for turn in turns)
    assert all(json.loads(turn["sampling"])["temperature"] == 0.7 for turn in turns)
    cached = sum(turn["cached_tokens"] for turn in turns)
    assert cached > 0.5 * sum(turn["prompt_tokens"] for turn in turns), "the prefix is shared and grows"
    ended = {row["termination"] for row in episodes(out)}
    assert ended <= {"user_stop", "agent_stop", "transfer", "max_steps", "too_many_errors", "context_exceeded"}
    assert all(row["reward"] in (0.0, 1.0) for row in episodes(out))
    engine = status(out)["engines"][0]
    assert engine["metrics"]["rejections"] > 0, "the queue was never full"
    assert engine["limit"] < 32, "admission did not come down"
    assert [state for _, state, _ in engine["timeline"]] == ["starting", "healthy"]
    assert Path(engine["log"]).read_text().startswith("====")
    shown = t2t("status", out)
    assert shown.returncode == 0
    assert "healthy" in shown.stdout
    assert engine["log"] in shown.stdout.replace("\n", "")
    assert not any(process.is_running() for process in mine)


# -- two engines, and what kills them ----------------------------------------------------------------------------------
def test_engines_are_killed_and_no_episode_is_lost(tasks: Path, tmp_path: Path) -> None:
    """The API server of one and the engine core of the other at once; when both are back, the actor of one."""
    out = tmp_path / "k"
    two = ["--set", f"pools={{two: {{model: {checkpoint()}, replicas: 2, chat_template: {TEMPLATE},"
           " args: {dtype: float32, max-model-len: 4096}, env: {VLLM_CPU_KVCACHE_SPACE: '1'}}}"]  # fmt: skip
    flags = [tasks, "--limit", 20, "--trials", 3, "--concurrency", 16, "--agent", "pool:two", "--out", out]
    driver = start("evaluate", *flags, *two, *SHORT, "--json")
    try:
        until(lambda: healthy(out) == 2, "two engines")
        until_items(out, 1)
        # Not looked up once: a busy engine may be in the middle of a restart of its own.
        pair = until(partial(server_and_core, driver), "an API server and the other engine's core")
        before = restarts(out)
        for process in pair:
            process.kill()
        until(lambda: all(now > then for now, then in zip(restarts(out), before, strict=True)), "two restarts")
        until(lambda: healthy(out) == 2, "two engines again")
        # Not until it is up again: the episodes that are left might be over by then.
        mine = servers(below=driver.pid)
        until(partial(engine_actors, driver), "an actor")[0].kill()
        stdout, stderr = driver.communicate()
    finally:
        driver.kill()
    assert driver.returncode == 0, stderr
    summary = json.loads(stdout)
    assert (summary["episodes"], summary["failures"]) == (60, {})
    timelines = [[state for _, state, _ in engine["timeline"]] for engine in status(out)["engines"]]
    assert sum(timeline.count("restarting") for timeline in timelines) >= 3
    assert all(timeline[:2] == ["starting", "healthy"] for timeline in timelines)
    shown = t2t("status", out).stdout
    assert "dead" in shown
    assert "restarting" in shown
    until(lambda: not any(process.is_running() for process in mine), "every server's end")


def test_nothing_outlives_its_owner(tasks: Path, tmp_path: Path) -> None:
    """Two runs, since most of a start is one core's work: of one the driver is killed, of the other the raylet."""
    flags = [tasks, "--limit", 16, "--trials", 20, "--agent", model(), *SERVER, *SHORT]
    runs = [start("evaluate", *flags, "--out", tmp_path / victim) for victim in ("driver", "raylet")]
    trees: list[psutil.Process] = []
    try:
        for driver in runs:
            until(partial(engine_cores, driver), "an engine core")
        mine = [servers(below=driver.pid) for driver in runs]
        assert all(mine)
        trees = [process for driver in runs for process in all_below(driver.pid)]
        raylet = of_kind(all_below(runs[1].pid), "raylet/raylet")[0]
        runs[0].send_signal(signal.SIGKILL)
        raylet.kill()
        until(lambda: not any(process.is_running() for process in [*mine[0], *mine[1]]), "the end of their processes")
    finally:
        for driver in runs:
            driver.kill()
        for process in of_kind(trees, "t2t_dist.cli"):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for driver in runs:
            driver.communicate()
