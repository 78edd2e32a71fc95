"""A real vLLM server with real weights. One is shared, since each start takes most of a minute of two cores."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from t2t_dist.actors.engine import Engine, EngineAddress, EngineFailed
from t2t_dist.config.engines import PoolConfig
from t2t_dist.models.chat import Conversation
from t2t_dist.models.completion import says_too_long
from t2t_dist.models.openai import OpenAIChat, OpenAIOptions
from tests.support.paths import ROOT
from tests.vllm.weights import checkpoint

pytestmark = pytest.mark.timeout(400)

KEY = "of-this-run"
TEMPLATE = str(Path(__file__).parent / "hermes.jinja")
CAPITAL = [{"role": "user", "content": "What is the capital of France?"}]
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


def engine(folder: Path, **settings: Any) -> Engine:
    args = {"dtype": "float32", "max-model-len": 2048, **settings.pop("args", {})}
    settings = {"model": str(checkpoint()), "chat_template": TEMPLATE, "start_deadline_s": 300, **settings}
    return Engine("e0", PoolConfig(args=args, env={"HF_HUB_OFFLINE": "1"}, **settings), KEY, str(folder / "e0.log"))


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


def ask(url: str, body: dict[str, Any] | None = None, key: str = KEY) -> tuple[int, Any]:
    """GET, or POST where there is a body; the status and the body of the answer, JSON read."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=120) as answer:
            text, status = answer.read().decode(), answer.status
    except urllib.error.HTTPError as error:
        text, status = error.read().decode(), error.code
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def chat(address: EngineAddress, messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    body = {"model": str(checkpoint()), "messages": messages, "temperature": 0, "max_tokens": 32, **fields}
    status, answer = ask(f"{address.url}/chat/completions", body)
    assert status == 200, answer
    found: dict[str, Any] = answer
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


def test_a_conversation_too_long_is_told_from_other_refusals(address: EngineAddress) -> None:
    body = {"model": str(checkpoint()), "messages": [{"role": "user", "content": "garden " * 4000}]}
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


async def test_our_own_client(address: EngineAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_KEY", KEY)
    sampling = {"temperature": 0, "max_tokens": 32}
    options = OpenAIOptions(str(checkpoint()), address.url, api_key_env="ENGINE_KEY", sampling=sampling)
    client = OpenAIChat(options)
    await client.probe()
    conversation = Conversation()
    conversation.add(CAPITAL[0])
    reply = await client.complete(conversation)
    await client.close()
    assert "Paris" in (reply.content or "")
    assert reply.usage.completion_tokens > 0


# -- what goes wrong ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"tool_parser": "telepathy"},
            r"no tool parser telepathy; set engine.tool_parser to .*\bhermes\b.*\bmistral\b",
        ),
        ({"reasoning_parser": "telepathy"}, r"no reasoning parser telepathy; .* one of: .*\bqwen3\b"),
        ({"args": {"no-such-flag": 3}}, "no such flag: --no-such-flag"),
        ({"args": {"dtype": "float3"}}, "refuses a flag: --dtype: invalid choice"),
        (
            {"args": {"max-model-len": 99999}},
            r"max-model-len 99999 in engine.args is more than .* was made for \(8192\)",
        ),
        ({"model": "org/never-heard-of", "chat_template": None}, "no model org/never-heard-of: no directory"),
        (
            {"args": {"num-gpu-blocks-override": 4}},
            r"too little memory for the KV cache: .* lower max-model-len .* to 384",
        ),
    ],
    ids=["tool parser", "reasoning parser", "flag", "value", "length", "model", "KV cache"],
)
async def test_a_setting_that_can_not_be(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineFailed, match=message) as failed:
        await engine(tmp_path, **settings).start()
    assert "\n" not in str(failed.value)
    assert len(failed.value.tail) > 3


async def test_a_model_without_a_template(tmp_path: Path) -> None:
    model = shutil.copytree(checkpoint(), tmp_path / "model", ignore=shutil.ignore_patterns("*.jinja", "*.safetensors"))
    with pytest.raises(EngineFailed, match=r"has no chat template: set engine\.chat_template"):
        await engine(tmp_path, model=str(model), chat_template=None).start()


def below(pid: int) -> list[psutil.Process]:
    found = psutil.Process(pid)
    return [found, *found.children(recursive=True)]


async def test_killed_servers_leave_nothing_and_start_again(served: Engine, address: EngineAddress) -> None:
    watch = asyncio.create_task(served.watch())
    await asyncio.sleep(0)
    processes = below(address.pid)
    assert len(processes) > 1
    processes[0].kill()
    end = await asyncio.wait_for(watch, 20)
    assert end.code == 137
    assert not psutil.wait_procs(processes, timeout=5)[1]

    again = await served.start()
    assert again.url == address.url
    assert "Paris" in (await asyncio.to_thread(chat, again, CAPITAL))["choices"][0]["message"]["content"]

    processes = below(again.pid)
    (core,) = [process for process in processes if "EngineCore" in " ".join(process.cmdline())]
    core.kill()
    await asyncio.wait_for(served.watch(), 60)  # the API server gives up by itself, with exit code 0
    assert not psutil.wait_procs(processes, timeout=5)[1]
    assert served.status().state == "exited"
