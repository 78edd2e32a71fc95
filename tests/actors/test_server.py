"""The server's command line and environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.actors.server import command, environment
from t2t_dist.config.engines import PoolConfig
from t2t_dist.core.errors import InputError


def words(gpus: int = 1, **settings: Any) -> list[str]:
    config = PoolConfig(**{"model": "Qwen/Qwen2.5-7B-Instruct", **settings})
    return command(config, 9000, host="10.0.0.7", gpus=gpus)


def value(found: list[str], flag: str) -> str:
    assert found.count(flag) == 1, found
    return found[found.index(flag) + 1]


def test_what_we_set() -> None:
    found = words(tensor_parallel=4)
    assert found[:3] == [sys.executable, "-m", "vllm.entrypoints.launchers.api_server.entry"]
    assert value(found, "--model") == value(found, "--served-model-name") == "Qwen/Qwen2.5-7B-Instruct"
    assert (value(found, "--host"), value(found, "--port")) == ("10.0.0.7", "9000")
    assert (value(found, "--tensor-parallel-size"), value(found, "--pipeline-parallel-size")) == ("4", "1")
    assert value(found, "--generation-config") == "vllm"
    assert value(found, "--tool-call-parser") == "hermes"
    assert {"--enable-auto-tool-choice", "--enable-prompt-tokens-details"} < set(found)
    assert "--reasoning-parser" not in found
    assert "--enforce-eager" not in found


def test_an_engine_on_cpus_does_not_compile() -> None:
    assert "--enforce-eager" in words(gpus=0)
    assert "--no-enforce-eager" in words(gpus=0, args={"enforce-eager": False})


def test_parsers_are_chosen_set_or_left_out() -> None:
    assert value(words(model="Qwen/Qwen3-8B"), "--reasoning-parser") == "qwen3"
    assert value(words(tool_parser="pythonic"), "--tool-call-parser") == "pythonic"
    off = words(model="Qwen/Qwen3-8B", tool_parser="none", reasoning_parser="none")
    assert not {"--tool-call-parser", "--enable-auto-tool-choice", "--reasoning-parser"} & set(off)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max-model-len": 8192}, ["--max-model-len", "8192"]),
        ({"max_model_len": 8192}, ["--max-model-len", "8192"]),
        ({"--max-model-len": 8192}, ["--max-model-len", "8192"]),
        ({"trust-remote-code": True}, ["--trust-remote-code"]),
        ({"enable-prefix-caching": False}, ["--no-enable-prefix-caching"]),
        ({"middleware": ["a.b", "c.d"]}, ["--middleware", "a.b", "c.d"]),
        ({"hf-overrides": {"rope": 2}}, ["--hf-overrides", '{"rope": 2}']),
        ({"lora-modules": [{"name": "a"}]}, ["--lora-modules", '{"name": "a"}']),
        ({"-O": 3}, ["-O", "3"]),
    ],
)
def test_flags_are_passed_on(given: dict[str, Any], expected: list[str]) -> None:
    assert words(args=given)[-len(expected) :] == expected


def test_flags_given_win_over_ours() -> None:
    found = words(args={"generation_config": "auto", "tool-call-parser": "xlam", "enable-prompt-tokens-details": None})
    assert value(found, "--generation-config") == "auto"
    assert value(found, "--tool-call-parser") == "xlam"
    assert "--enable-prompt-tokens-details" not in found


@pytest.mark.parametrize("flag", ["model", "served_model_name", "--port", "host", "api-key"])
def test_flags_with_a_setting_of_their_own_are_refused(flag: str) -> None:
    with pytest.raises(InputError, match=f"engine.args has {flag}, which is not set there but by"):
        words(args={flag: "x"})


def test_a_chat_template_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.jinja").write_text("{{ messages }}")
    monkeypatch.chdir(tmp_path)
    assert value(words(chat_template="own.jinja"), "--chat-template") == str(tmp_path / "own.jinja")


def variables(gpus: int = 0, base: dict[str, str] | None = None, **settings: Any) -> dict[str, str]:
    return environment(PoolConfig(model="m", **settings), "key", gpus=gpus, base=base or {})


def test_the_environment() -> None:
    found = variables(gpus=1, base={"HOME": "/home/me", "CUDA_VISIBLE_DEVICES": "3"})
    assert found == {
        "HOME": "/home/me",
        "CUDA_VISIBLE_DEVICES": "3",
        "PYTHONSAFEPATH": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_ENFORCE_STRICT_TOOL_CALLING": "1",
        "VLLM_API_KEY": "key",
    }
    assert variables(strict_tools=False)["VLLM_ENFORCE_STRICT_TOOL_CALLING"] == "0"


def test_what_is_inherited_by_accident_is_dropped() -> None:
    base = {"OMP_NUM_THREADS": "1", "VLLM_PORT": "tcp://10.0.0.1:8000", "PYTHONPATH": "/ours"}
    assert variables(base=base).get("PYTHONPATH") == "/ours"
    assert not {"OMP_NUM_THREADS", "VLLM_PORT"} & set(variables(base=base))
    assert "PYTHONPATH" not in variables(base=base, python="/opt/other/python")
    assert variables(base=base, env={"OMP_NUM_THREADS": "8"})["OMP_NUM_THREADS"] == "8"


def test_defaults_on_cpus_give_way() -> None:
    assert variables()["VLLM_CPU_KVCACHE_SPACE"] == "2"
    assert variables(base={"VLLM_CPU_KVCACHE_SPACE": "8"})["VLLM_CPU_KVCACHE_SPACE"] == "8"
    assert variables(base={"VLLM_CPU_KVCACHE_SPACE": "8"}, env={"VLLM_CPU_KVCACHE_SPACE": "9"})[
        "VLLM_CPU_KVCACHE_SPACE"
    ] == ("9")
    assert "VLLM_CPU_KVCACHE_SPACE" not in variables(args={"kv_cache_memory_bytes": 1 << 30})
    assert "VLLM_CPU_KVCACHE_SPACE" not in variables(gpus=1)


def test_the_key_can_not_be_set_apart() -> None:
    assert variables(env={"VLLM_API_KEY": "another"})["VLLM_API_KEY"] == "key"
