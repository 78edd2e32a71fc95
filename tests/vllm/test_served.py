"""One real vLLM server with real weights: asked by hand, by our client and by whole runs, and at last killed.

A start takes most of a minute. The runs are on the library's desk, whose prompt is short: a CPU reads about a
hundred tokens per second. A 135M model rarely does what it is asked, so nothing here checks how well it did.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from t2t_dist.actors.engine import Engine, EngineAddress
from t2t_dist.cluster.launch import Result, run
from t2t_dist.config.loading import load_config
from t2t_dist.core.schema import INTENTS
from t2t_dist.models.chat import Conversation
from t2t_dist.models.openai import OpenAIChat, OpenAIOptions
from t2t_dist.models.refusals import says_too_long
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.support.command_lines import command_of
from tests.support.finished_run import LIBRARY
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE_S
from tests.vllm.serving import CAPITAL, KEY_NAME, ask, chat, engine
from tests.vllm.weights import checkpoint

pytestmark = pytest.mark.ray

VERIFIED = [f"tasks.{intent}" for intent in INTENTS]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
#: By these the number of conversations an engine takes is steered.
METRICS = (
    "vllm:num_requests_running",
    "vllm:num_requests_waiting_by_reason",
    "vllm:kv_cache_usage_perc",
    "vllm:num_preemptions_total",
    "vllm:admission_rejections_total",
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A running engine."""
    running = engine(tmp_path_factory.mktemp("engine"))
    asyncio.run(running.start())
    yield running
    asyncio.run(running.stop())


@pytest.fixture
def address(served: Engine) -> EngineAddress:
    found = served.status().address
    assert found is not None
    return found


def test_it_knows_the_capital_of_france(address: EngineAddress) -> None:
    answer = chat(address, CAPITAL)
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_it_lists_the_model_by_the_name_in_the_config(address: EngineAddress) -> None:
    status, listed = ask(f"{address.url}/models")
    assert (status, [each["id"] for each in listed["data"]]) == (200, [str(checkpoint())])


def test_a_wrong_key_is_refused(address: EngineAddress) -> None:
    assert ask(f"{address.url}/models", key="another")[0] == 401
    assert ask(f"{address.url}/chat/completions", {"model": "m", "messages": CAPITAL}, key="another")[0] == 401


def test_a_strict_tool_call_comes_as_one(address: EngineAddress) -> None:
    messages = [{"role": "user", "content": "What is the weather in Rome?"}]
    choice = chat(address, messages, tools=[WEATHER], tool_choice="required", max_tokens=64)["choices"][0]
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert set(json.loads(call["function"]["arguments"])) == {"city"}
    assert choice["finish_reason"] in ("tool_calls", "stop")
    # and goes back with its result
    said = {key: value for key, value in choice["message"].items() if value is not None}
    result = {"role": "tool", "tool_call_id": call["id"], "content": '{"sky": "clear"}'}
    assert chat(address, [*messages, said, result], tools=[WEATHER])["choices"][0]["message"]["role"] == "assistant"


def test_tools_are_in_the_prompt(address: EngineAddress) -> None:
    with_tools = chat(address, CAPITAL, tools=[WEATHER], max_tokens=1)["usage"]["prompt_tokens"]
    assert with_tools > chat(address, CAPITAL, max_tokens=1)["usage"]["prompt_tokens"] + 50


def test_usage_says_what_came_from_the_prefix_cache(address: EngineAddress) -> None:
    messages = [{"role": "system", "content": "You are the clerk of a shop for garden tools. " * 40}, *CAPITAL]
    chat(address, messages, max_tokens=1)
    usage = chat(address, messages, max_tokens=4)["usage"]
    assert usage["completion_tokens"] == 4
    # whole blocks are kept, of 128 tokens on CPUs
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    assert usage["prompt_tokens"] - 128 <= cached < usage["prompt_tokens"]


def test_token_ids_and_logprobs(address: EngineAddress) -> None:
    answer = chat(address, CAPITAL, return_token_ids=True, logprobs=True)
    choice = answer["choices"][0]
    asked = {"model": str(checkpoint()), "messages": CAPITAL}
    assert answer["prompt_token_ids"] == ask(address.url.removesuffix("/v1") + "/tokenize", asked)[1]["tokens"]
    assert len(choice["token_ids"]) == answer["usage"]["completion_tokens"]
    logprobs = [each["logprob"] for each in choice["logprobs"]["content"]]
    assert len(logprobs) == len(choice["token_ids"])
    assert all(logprob <= 0 for logprob in logprobs)
    assert "prompt_token_ids" not in chat(address, CAPITAL) or chat(address, CAPITAL)["prompt_token_ids"] is None


def test_a_conversation_too_long_is_distinguished_from_other_refusals(address: EngineAddress) -> None:
    body = {"model": str(checkpoint()), "messages": [{"role": "user", "content": "garden " * 8000}]}
    status, answer = ask(f"{address.url}/chat/completions", body)
    assert says_too_long(status, json.dumps(answer).encode(), None), answer


def test_the_metrics_that_we_steer_by(address: EngineAddress) -> None:
    chat(address, CAPITAL, max_tokens=1)
    status, text = ask(address.url.removesuffix("/v1") + "/metrics", key="another")
    assert status == 200, "Prometheus is not given the run's key"
    dashboard = (ROOT / "cluster" / "deploy" / "grafana-dashboard.json").read_text()
    shown = set(re.findall(r"vllm:\w+", dashboard))
    assert shown
    assert [name for name in {*METRICS, *shown} if f"\n{name}{{" not in text] == []


async def test_our_own_client(address: EngineAddress) -> None:
    sampling = {"temperature": 0, "max_tokens": 32}
    options = OpenAIOptions(str(checkpoint()), address.url, api_key_env=KEY_NAME, sampling=sampling)
    client = OpenAIChat(options)
    await client.probe()
    conversation = Conversation()
    conversation.add(CAPITAL[0])
    reply = await client.complete(conversation)
    await client.close()
    assert "Paris" in (reply.content or "")
    assert reply.usage.completion_tokens > 0


# -- whole runs on it --------------------------------------------------------------------------------------------------
def episodes(out: Path) -> list[dict[str, Any]]:
    return sorted(RunReader(open_storage(out), SCHEMAS).rows("episodes"), key=lambda row: row["episode_id"])


def said(out: Path) -> list[list[tuple[Any, ...]]]:
    """What was said and called in each episode."""
    return [
        [(turn["seat"], turn["content"], [tuple(c.values()) for c in turn["tool_calls"]]) for turn in row["turns"]]
        for row in episodes(out)
    ]


def pool(address: EngineAddress) -> dict[str, Any]:
    """Settings with the pool `it`, a third-party endpoint; its runs are on the library's desk."""
    it = {"model": str(checkpoint()), "urls": [address.url], "api_key_env": KEY_NAME}
    return {"domain": LIBRARY, "pools": {"it": it}, "cluster.workers": 1}


def evaluate(address: EngineAddress, tasks: Path, out: Path, sampling: dict[str, Any], **more: Any) -> Result:
    """An evaluation of short conversations in which nothing failed."""
    settings = {**pool(address), "source": str(tasks), "agents": ["pool:it"], "verify.reference_trials": 0}
    settings |= {"limits.max_steps": 6, "models.sampling": {"agent": {"temperature": 0, **sampling}}, **more}
    result = run("evaluate", load_config(None, settings), str(out))
    assert failures(out) == []
    return result


def failures(out: Path) -> list[dict[str, Any]]:
    return list(RunReader(open_storage(out), SCHEMAS).rows("failures"))


def test_temperature_0_says_the_same_twice(
    address: EngineAddress, local_ray: None, tasks: Path, tmp_path: Path
) -> None:
    first = evaluate(address, tasks, tmp_path / "1", {"max_tokens": 24}, limit=6)
    again = evaluate(address, tasks, tmp_path / "2", {"max_tokens": 24}, limit=6, **{"cluster.concurrency": 2})
    assert said(tmp_path / "1") == said(tmp_path / "2")
    assert first.state.digests == again.state.digests


@pytest.mark.parametrize("counting", [False, True])
def test_captured_tokens_are_those_of_the_server(
    counting: bool, address: EngineAddress, local_ray: None, tasks: Path, tmp_path: Path
) -> None:
    """``counting`` makes the template write the number of messages on top: each turn then has another beginning."""
    out, template = tmp_path / "c", {"count_messages": counting}
    sampling = {"max_tokens": 16, "chat_template_kwargs": template}
    evaluate(address, tasks, out, sampling, limit=4, **{"models.capture": "tokens"})
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
        assert first["prompt_token_ids"] == tokenized(address, row, template)
    assert seen > len(episodes(out)), "no conversation had two turns"
    assert breaks == (later if counting else 0)


def tokenized(address: EngineAddress, row: dict[str, Any], template: Any) -> list[int]:
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
    tokens: list[int] = ask(address.url.removesuffix("/v1") + "/tokenize", body)[1]["tokens"]
    return tokens


def test_a_small_model_in_every_seat_is_rejected_with_reasons(
    address: EngineAddress, local_ray: None, tmp_path: Path
) -> None:
    few = {"explorer": {"max_tokens": 40}, "writer": {"max_tokens": 60}, "judge": {"max_tokens": 40}}
    seats = {**pool(address), "writer": "pool:it", "judges": ["pool:it"], "models.sampling": few}
    out = tmp_path / "explored"
    state = run("generate", load_config(None, {**seats, "trajectories": 4, "explorer": "pool:it"}), str(out)).state
    assert (state.counters["trajectories"], failures(out)) == (4, [])
    assert sum(state.counters.get(name, 0) for name in ("rejected.bad_answer", *VERIFIED)) > 0
    # It explores next to nothing itself; so that the writer and the judge have something, the graph does.
    out = tmp_path / "written"
    state = run("generate", load_config(None, {**seats, "trajectories": 3}), str(out)).state
    assert (state.counters["trajectories"], failures(out)) == (3, [])
    rejected = [name for name in state.counters if name.startswith(("rejected.", "tasks_rejected."))]
    assert rejected, "a model of 135M parameters words no task as it should"
    assert any(row["raw"] for row in RunReader(open_storage(out), SCHEMAS).rows("tasks")), "what it wrote is kept"


# -- killed ------------------------------------------------------------------------------------------------------------
def below(pid: int) -> list[psutil.Process]:
    found = psutil.Process(pid)
    return [found, *found.children(recursive=True)]


async def test_killed_servers_leave_nothing_and_start_again(served: Engine, address: EngineAddress) -> None:
    watch = asyncio.create_task(served.watch())
    await asyncio.sleep(0)
    processes = below(address.pid)
    assert len(processes) > 1
    processes[0].kill()
    end = await asyncio.wait_for(watch, PATIENCE_S)
    assert end.code == 137
    assert not psutil.wait_procs(processes, timeout=PATIENCE_S)[1]

    again = await served.start()
    assert again.url == address.url
    assert "Paris" in (await asyncio.to_thread(chat, again, CAPITAL))["choices"][0]["message"]["content"]

    processes = below(again.pid)
    (core,) = [process for process in processes if "EngineCore" in " ".join(command_of(process))]
    core.kill()
    await asyncio.wait_for(served.watch(), PATIENCE_S)  # the API server gives up by itself, with exit code 0
    assert not psutil.wait_procs(processes, timeout=PATIENCE_S)[1]
    assert served.status().state == "exited"
