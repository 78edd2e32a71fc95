"""Families, parsers and templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.actors.families import FAMILIES, UNKNOWN, family, parsers
from t2t_dist.actors.templates import has_template, knows_tools, model_dir, wants_reasoning
from t2t_dist.config.engines import PoolConfig
from t2t_dist.core.errors import InputError


@pytest.fixture(autouse=True)
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of models, whatever this machine has."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def checkpoint(folder: Path, kind: str | None = None, template: Any = None, **files: str) -> PoolConfig:
    folder.mkdir(parents=True, exist_ok=True)
    if kind is not None:
        (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    if template is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return PoolConfig(model=str(folder))


@pytest.mark.parametrize(
    ("model", "name", "tool", "reasoning"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen2.5", "hermes", None),
        ("Qwen/QwQ-32B", "QwQ", "hermes", "deepseek_r1"),
        ("Qwen/Qwen3-8B", "Qwen3", "hermes", "qwen3"),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", "Qwen3", "hermes", "qwen3"),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen3-Instruct", "hermes", None),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "Qwen3-Coder", "qwen3_coder", None),
        ("meta-llama/Llama-3.1-8B-Instruct", "Llama 3", "llama3_json", None),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "Llama 4", "llama4_pythonic", None),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "Hermes", "hermes", None),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "DeepSeek R1 distilled", "hermes", "deepseek_r1"),
        ("deepseek-ai/DeepSeek-R1-0528", "DeepSeek R1", "deepseek_v3", "deepseek_r1"),
        ("deepseek-ai/DeepSeek-V3-0324", "DeepSeek V3", "deepseek_v3", None),
        ("deepseek-ai/DeepSeek-V3.1", "DeepSeek V3.1", "deepseek_v31", "deepseek_v3"),
        ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", "Mistral", "mistral", None),
        ("openai/gpt-oss-20b", "gpt-oss", "openai", "openai_gptoss"),
        ("zai-org/GLM-4.5-Air", "GLM-4.5", "glm45", "glm45"),
        ("zai-org/GLM-4.7", "GLM-4.7", "glm47", "glm47"),
        ("moonshotai/Kimi-K2-Instruct-0905", "Kimi K2", "kimi_k2", None),
        ("moonshotai/Kimi-K2-Thinking", "Kimi K2 Thinking", "kimi_k2", "kimi_k2"),
        ("HuggingFaceTB/SmolLM2-1.7B-Instruct", "SmolLM2", "hermes", None),
        ("HuggingFaceTB/SmolLM3-3B", "SmolLM3", "hermes", "qwen3"),
        ("ibm-granite/granite-3.3-8b-instruct", "Granite 3", "granite", None),
        ("ibm-granite/granite-4.0-h-small", "Granite 4", "granite4", None),
        ("microsoft/Phi-4-mini-instruct", "Phi-4-mini", "phi4_mini_json", None),
        ("internlm/internlm3-8b-instruct", "InternLM", "internlm", None),
        ("MiniMaxAI/MiniMax-M2", "MiniMax M2", "minimax_m2", "minimax_m2"),
        ("somebody/something", "unknown", "hermes", None),
    ],
)
def test_by_name(model: str, name: str, tool: str, reasoning: str | None) -> None:
    assert parsers(PoolConfig(model=model))[:3] == (tool, reasoning, name)


@pytest.mark.parametrize(
    ("folder", "kind", "template", "name"),
    [
        ("step-300", "qwen3", None, "Qwen3"),
        ("step-300", "qwen3_moe", "<tool_call>\n<function=", "Qwen3-Coder"),
        ("step-300", "llama", "{{ '<|python_tag|>' }}", "Llama 3"),
        ("step-300", "llama", "{{ '<tool_call>' }}", "unknown"),
        ("Hermes-3", "llama", "{{ '<tool_call>' }}", "Hermes"),
        ("SmolLM2-135M-Instruct", "llama", "{{ messages }}", "SmolLM2"),
        ("qwen3-8b", "mistral", None, "Mistral"),
        ("step-300", "deepseek_v3", "<|tool_calls_section_begin|>", "Kimi K2"),
        ("step-300", "never_seen", None, "unknown"),
        ("Qwen3-8B", None, None, "Qwen3"),
    ],
)
def test_by_files(tmp_path: Path, folder: str, kind: str | None, template: str | None, name: str) -> None:
    """The type decides; among families of one type, the template or the name. Without a type, the name alone."""
    assert family(checkpoint(tmp_path / folder, kind, template)).name == name


def test_a_model_in_the_hub_s_cache_is_known_by_its_files(no_hub: Path) -> None:
    folder = no_hub / "models--org--plain"
    checkpoint(folder / "snapshots" / "abc", "qwen3", "{{ message.reasoning_content }}")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc\n")
    config = PoolConfig(model="org/plain")
    assert model_dir("org/plain") == folder / "snapshots" / "abc"
    assert family(config).name == "Qwen3"
    assert wants_reasoning(config)


def test_settings_win() -> None:
    config = PoolConfig(model="Qwen/Qwen3-8B", tool_parser="xlam", reasoning_parser="none")
    assert parsers(config)[:2] == ("xlam", None)
    assert parsers(PoolConfig(model="Qwen/Qwen3-8B", tool_parser="none"))[:2] == (None, "qwen3")


def test_an_unknown_family_is_said_to_be_unless_the_parser_is_set() -> None:
    assert "no known model family" in parsers(PoolConfig(model="a/b")).note
    assert parsers(PoolConfig(model="a/b", tool_parser="hermes")).note == ""
    assert parsers(PoolConfig(model="Qwen/Qwen3-8B")).note == ""


def test_no_family_is_hidden_by_one_above_it() -> None:
    assert len({row.name for row in FAMILIES}) == len(FAMILIES)
    for row in FAMILIES:
        assert row.types
        assert row.named
    assert UNKNOWN not in FAMILIES


# -- templates ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{{ message.reasoning_content }}", True),
        ("{% if message['reasoning'] %}", True),
        ("{% if 'reasoning_content' in message %}", True),
        ("{{ 'Reasoning effort: ' + reasoning_effort }}", False),
        ("{% if message.reasoning_effort %}", False),
        ("{{ message.content.split('</think>')[-1] }}", False),
    ],
)
def test_whether_the_template_reads_reasoning(tmp_path: Path, template: str, wanted: bool) -> None:
    assert wants_reasoning(checkpoint(tmp_path, "qwen3", template)) is wanted
    assert wants_reasoning(checkpoint(tmp_path, "qwen3", [{"name": "default", "template": template}])) is wanted


def test_reasoning_of_models_without_a_template(tmp_path: Path) -> None:
    assert wants_reasoning(checkpoint(tmp_path, "gpt_oss"))
    assert not wants_reasoning(PoolConfig(model="not/here"))


def test_whether_there_is_a_template(tmp_path: Path) -> None:
    assert has_template(PoolConfig(model="not/here")) is None
    assert has_template(checkpoint(tmp_path / "a", "llama")) is False
    assert has_template(checkpoint(tmp_path / "b", "llama", "{{ messages }}")) is True
    assert has_template(checkpoint(tmp_path / "c", "llama", chat_template__jinja="{{ messages }}")) is True
    assert has_template(checkpoint(tmp_path / "d", "mistral", tekken__json="{}")) is True
    assert has_template(checkpoint(tmp_path / "e", "gpt_oss")) is True


def test_a_template_of_one_s_own_counts(tmp_path: Path) -> None:
    config = checkpoint(tmp_path / "a", "llama", "{{ message.reasoning }}")
    (tmp_path / "own.jinja").write_text("{{ messages }} {{ tools }}")
    assert (wants_reasoning(config), knows_tools(config)) == (True, False)
    own = config.model_copy(update={"chat_template": str(tmp_path / "own.jinja")})
    assert (wants_reasoning(own), knows_tools(own)) == (False, True)
    with pytest.raises(InputError, match="can't be read"):
        wants_reasoning(config.model_copy(update={"chat_template": str(tmp_path)}))
