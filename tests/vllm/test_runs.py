"""Whole runs on real vLLM servers with real weights, started the way users do: `--agent vllm:MODEL`.

On the library's desk, whose prompt is short: a processor reads some hundred tokens a second. A 135M model hardly ever
does what it is asked, so nothing here looks at how well it did; only at whether its words, tokens and mistakes ended
where they belong, and whether anything was lost when servers were.
"""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.support.runs import start, t2t, t2t_json, wait_for_commits
from tests.vllm.weights import checkpoint

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

LIBRARY = "tests.support.library_domain:Library"
TEMPLATE = str(Path(__file__).parent / "hermes.jinja")
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


def said(out: Path) -> list[list[tuple[Any, ...]]]:
    """What was said and called in each episode."""
    return [
        [(turn["seat"], turn["content"], [tuple(c.values()) for c in turn["tool_calls"]]) for turn in row["turns"]]
        for row in episodes(out)
    ]


def of_model(out: Path) -> Iterator[dict[str, Any]]:
    """The turns that the model gave."""
    for row in episodes(out):
        yield from (turn for turn in row["turns"] if turn["model"])


def servers(*, below: int | None = None) -> list[psutil.Process]:
    """Processes of a vLLM: API servers, engine cores, workers; below a process, or of the whole machine."""
    found = psutil.Process(below).children(recursive=True) if below else psutil.process_iter()
    mine = []
    for process in found:
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if "VLLM::" in line or "vllm.entrypoints" in line:
            mine.append(process)
    return mine


def of_kind(processes: list[psutil.Process], kind: str) -> list[psutil.Process]:
    found = []
    for process in processes:
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if kind in line and "guard.py" not in line:
            found.append(process)
    return found


def wait_for(what: str, holds: Any, seconds: float = 200.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.3)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def status(out: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((out / "status.json").read_text())
    except FileNotFoundError:
        return {"engines": []}
    return found


def healthy(out: Path) -> int:
    return sum(engine["state"] == "healthy" for engine in status(out)["engines"])


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tasks") / "library"
    made = t2t_json("generate", "--domain", LIBRARY, "--trajectories", 20, "--until", "convert", "--out", out)
    assert sum(made["tasks"].values()) >= 20
    return out


# -- one engine, hosted ------------------------------------------------------------------------------------------------
def test_an_evaluation_on_a_hosted_model(tasks: Path, tmp_path: Path) -> None:
    others = set(servers())  # of other tests, which may share one
    out = tmp_path / "e"
    flags = [tasks, "--limit", 20, "--agent", model(), "--user", "scripted", "--out", out]
    summary = t2t_json("evaluate", *flags, *SERVER, *SHORT)
    assert (summary["episodes"], summary["failures"]) == (20, {})
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
    assert [state for _, state, _ in engine["timeline"]] == ["starting", "healthy"]
    assert Path(engine["log"]).read_text().startswith("====")
    shown = t2t("status", out)
    assert shown.returncode == 0
    assert "healthy" in shown.stdout
    assert engine["log"] in shown.stdout.replace("\n", "")
    assert set(servers()) <= others


def test_a_queue_that_is_soon_full_fails_nobody(tasks: Path, tmp_path: Path) -> None:
    out = tmp_path / "q"
    full = ["--set", "engine.args={dtype: float32, max-model-len: 4096, max-num-queued-reqs: 4}"]
    brief = ["--set", "limits.max_steps=2", "--set", "models.sampling={agent: {max_tokens: 12}}"]
    flags = [tasks, "--limit", 16, "--trials", 4, "--agent", model(), "--concurrency", 64, "--out", out]
    summary = t2t_json("evaluate", *flags, *SERVER, *full, *brief)
    assert (summary["episodes"], summary["failures"]) == (64, {})
    engine = status(out)["engines"][0]
    assert engine["metrics"]["rejections"] > 0, "the queue was never full"
    assert engine["limit"] < 32, "admission did not come down"


# -- one engine, ours to ask -------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that several tests share, as an endpoint of somebody else's."""
    import asyncio

    from t2t_dist.actors.engine import Engine
    from t2t_dist.config.engines import PoolConfig

    args = {"dtype": "float32", "max-model-len": 4096}
    config = PoolConfig(model=str(checkpoint()), chat_template=TEMPLATE, args=args, env={"HF_HUB_OFFLINE": "1"})
    engine = Engine("shared", config, "k", str(tmp_path_factory.mktemp("shared") / "log"))
    os.environ["OF_THE_TEST"] = "k"
    yield asyncio.run(engine.start()).url
    asyncio.run(engine.stop())


def on(url: str) -> list[str]:
    """The pool `it`, on an endpoint."""
    return ["--set", f"pools={{it: {{model: {checkpoint()}, urls: [{url}], api_key_env: OF_THE_TEST}}}}"]


def test_temperature_0_says_the_same_twice(url: str, tasks: Path, tmp_path: Path) -> None:
    greedy = ["--set", "models.sampling={agent: {max_tokens: 24, temperature: 0}}", "--set", "limits.max_steps=6"]
    flags = [tasks, "--limit", 6, "--agent", "pool:it", *on(url), *greedy]
    first = t2t_json("evaluate", *flags, "--out", tmp_path / "1")
    again = t2t_json("evaluate", *flags, "--out", tmp_path / "2", "--concurrency", 2)
    assert first["failures"] == again["failures"] == {}
    assert said(tmp_path / "1") == said(tmp_path / "2")
    assert first["digest"] == again["digest"]


@pytest.mark.parametrize("counting", [False, True])
def test_captured_tokens_are_those_of_the_server(counting: bool, url: str, tasks: Path, tmp_path: Path) -> None:
    """``counting`` makes the template write the number of messages on top: each turn then has another beginning."""
    out = tmp_path / "c"
    sampling = {"max_tokens": 16, "temperature": 0, "chat_template_kwargs": {"count_messages": counting}}
    capture = ["--set", "models.capture=tokens", "--set", f"models.sampling={json.dumps({'agent': sampling})}"]
    flags = [tasks, "--limit", 4, "--agent", "pool:it", *on(url), "--set", "limits.max_steps=6", *capture]
    assert t2t_json("evaluate", *flags, "--out", out)["failures"] == {}
    seen, later, breaks = 0, 0, 0
    for row in episodes(out):
        before: list[int] | None = None
        for turn in (turn for turn in row["turns"] if turn["model"]):
            prompt, answer = turn["prompt_token_ids"], turn["token_ids"]
            assert len(prompt) == turn["prompt_tokens"]
            assert len(answer) == len(turn["logprobs"]) == turn["completion_tokens"]
            assert all(logprob <= 0 for logprob in turn["logprobs"])
            if before is not None:
                later += 1
                extends = prompt[: len(before)] == before
                assert (turn["prefix_break"] is None) == extends
                if not extends:
                    place = turn["prefix_break"]
                    assert prompt[:place] == before[:place]
                    breaks += 1
            before = [*prompt, *answer]
            seen += 1
        first = next(turn for turn in row["turns"] if turn["model"])
        assert first["prompt_token_ids"] == tokenized(url, row, sampling["chat_template_kwargs"])
    assert seen > len(episodes(out)), "no conversation had two turns"
    assert breaks == (later if counting else 0)


def tokenized(url: str, row: dict[str, Any], template: Any) -> list[int]:
    """The server's own tokens of an episode's first prompt, from the messages that the seat sent."""
    from t2t_dist.core.prompts.render import agent_prompt
    from t2t_dist.environments.registry import load
    from t2t_dist.environments.tools import AGENT

    domain = load(LIBRARY)
    messages = [{"role": "system", "content": agent_prompt(domain)}]
    for turn in row["turns"]:
        if turn["model"]:
            break
        messages.append({"role": turn["role"], "content": turn["content"]})
    tools = json.loads(domain.tools.schemas(AGENT))
    body = {"model": str(checkpoint()), "messages": messages, "tools": tools, "add_generation_prompt": True}
    body["chat_template_kwargs"] = template
    headers = {"Authorization": "Bearer k", "Content-Type": "application/json"}
    request = urllib.request.Request(url.removesuffix("/v1") + "/tokenize", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        tokens: list[int] = json.load(answer)["tokens"]
    return tokens


def test_a_small_model_in_every_seat_is_rejected_with_reasons(url: str, tmp_path: Path) -> None:
    seats = ["--explorer", "pool:it", "--writer", "pool:it", "--judge", "pool:it"]
    few = ["--set", "models.sampling={explorer: {max_tokens: 40}, writer: {max_tokens: 60}, judge: {max_tokens: 40}}"]
    flags = ["--domain", LIBRARY, "--trajectories", 4, *seats, *on(url), *few, "--out", tmp_path / "g"]
    explored = t2t_json("generate", *flags)
    assert (explored["trajectories"], explored["failures"]) == (4, {})
    assert explored["rejected"].get("bad_answer", 0) + sum(explored["tasks"].values()) > 0
    # It explores next to nothing itself; so that the writer and the judge have something, the graph does.
    flags = ["--domain", LIBRARY, "--trajectories", 3, *seats[2:], *on(url), *few, "--out", tmp_path / "w"]
    written = t2t_json("generate", *flags, "--explorer", "graph")
    assert (written["trajectories"], written["failures"]) == (3, {})
    assert written["rejected"], "a model of 135M parameters words no task as it should"
    raw = [row["raw"] for row in RunReader(open_storage(tmp_path / "w"), SCHEMAS).rows("tasks") if row["raw"]]
    assert raw, "what it wrote is kept"


# -- two engines, and what kills them ----------------------------------------------------------------------------------
def test_engines_are_killed_and_no_episode_is_lost(tasks: Path, tmp_path: Path) -> None:
    others = set(servers())
    out = tmp_path / "k"
    two = ["--set", f"pools={{two: {{model: {checkpoint()}, replicas: 2, chat_template: {TEMPLATE},"
           " args: {dtype: float32, max-model-len: 4096}, env: {VLLM_CPU_KVCACHE_SPACE: '1'}}}"]  # fmt: skip
    flags = [tasks, "--limit", 20, "--trials", 4, "--concurrency", 16, "--agent", "pool:two", "--out", out]
    driver = start("evaluate", *flags, *two, *SHORT, "--json")
    try:
        wait_for("two engines", lambda: healthy(out) == 2)
        wait_for_commits(out, 1)
        of_kind(servers(below=driver.pid), "vllm.entrypoints")[0].kill()
        wait_for("the first restart", lambda: sum(e["restarts"] for e in status(out)["engines"]) == 1)
        wait_for("two engines again", lambda: healthy(out) == 2)
        of_kind(servers(below=driver.pid), "VLLM::EngineCore")[0].kill()
        wait_for("the second restart", lambda: sum(e["restarts"] for e in status(out)["engines"]) == 2)
        wait_for("two engines again", lambda: healthy(out) == 2)
        actors = [p for p in psutil.Process(driver.pid).children(recursive=True) if "InferenceActor" in p.cmdline()[0]]
        assert len(actors) == 2
        actors[0].kill()
        stdout, stderr = driver.communicate(timeout=600)
    finally:
        driver.kill()
    assert driver.returncode == 0, stderr
    summary = json.loads(stdout)
    assert (summary["episodes"], summary["failures"]) == (80, {})
    timelines = [[state for _, state, _ in engine["timeline"]] for engine in status(out)["engines"]]
    assert sum(timeline.count("restarting") for timeline in timelines) >= 3
    assert all(timeline[:2] == ["starting", "healthy"] for timeline in timelines)
    shown = t2t("status", out).stdout
    assert "dead" in shown
    assert "restarting" in shown
    wait_for("every server's end", lambda: set(servers()) <= others, 30)


@pytest.mark.parametrize("victim", ["driver", "raylet"])
def test_nothing_outlives_its_owner(victim: str, tasks: Path, tmp_path: Path) -> None:
    others = set(servers())
    out = tmp_path / victim
    flags = [tasks, "--limit", 40, "--trials", 20, "--agent", model(), "--out", out]
    driver = start("evaluate", *flags, *SERVER, *SHORT)
    tree: list[psutil.Process] = []
    try:
        wait_for("an engine core", lambda: of_kind(servers(below=driver.pid), "VLLM::EngineCore"))
        before = servers(below=driver.pid)
        assert before
        tree = psutil.Process(driver.pid).children(recursive=True)
        if victim == "driver":
            driver.send_signal(signal.SIGKILL)
        else:
            next(process for process in tree if "raylet/raylet" in process.cmdline()[0]).kill()
        wait_for("the end of its processes", lambda: not any(p.is_running() for p in before), 30)
    finally:
        driver.kill()
        for process in of_kind(tree, "t2t_dist.cli"):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        driver.communicate()
    wait_for("every server's end", lambda: set(servers()) <= others, 30)
