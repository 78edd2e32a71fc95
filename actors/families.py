"""Table of vLLM's parsers by model family: which one reads the model's output.

A tool-call parser turns the text ``<tool_call>{"name": ...}</tool_call>`` into a call; a reasoning parser takes
``<think>...</think>`` out of the answer. The wrong one raises no error: calls stay text, and an agent that acted well
is graded as if it had done nothing. ``engine.tool_parser`` and ``engine.reasoning_parser`` override the choice made
here ("none" switches a parser off).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from t2t_dist.config.engines import PoolConfig

from .templates import model_config, template_text


class Family(NamedTuple):
    """A row of the table: how a family is recognised, and the names of its parsers in vLLM (None: it needs none).

    Args:
        name: the family's name, for messages.
        named: pattern searched in the model's name, in lower case; decides where no ``config.json`` is at hand.
        types: ``model_type`` in its ``config.json``.
        marks: for types that several families share: a text that only this family's chat template has. Without it the
            type alone decides; ``"name"``: the name has to match as well as the type.
    """

    name: str
    named: str
    types: tuple[str, ...]
    marks: str
    tool: str | None
    reasoning: str | None


#: The name has to match too: type and template alone don't identify the family.
NAME = "name"
_QWEN3 = ("qwen3", "qwen3_moe", "qwen3_next", "qwen3_vl", "qwen3_vl_moe")
_DEEPSEEK = ("deepseek_v3",)
#: Often fine-tuned by third parties: the type says little about how the model was trained to call tools.
_COMMON = ("llama", "mistral", "qwen2", "qwen3", "qwen3_moe")

# The first row that fits is taken: variants come before their base family.
FAMILIES: tuple[Family, ...] = (
    # name                named                                 types                              marks
    #                                                           tool parser       reasoning parser
    Family("DeepSeek R1 distilled", r"deepseek-r1-distill", ("llama", "qwen2"), NAME, "hermes", "deepseek_r1"),
    Family("Hermes", r"hermes-?[234]", _COMMON, NAME, "hermes", None),
    Family("SmolLM3", r"smollm3", ("smollm3",), "", "hermes", "qwen3"),
    Family("SmolLM2", r"smollm2", ("llama",), NAME, "hermes", None),
    Family("xLAM", r"xlam-?2", ("llama", "qwen2"), NAME, "xlam", None),
    Family("Qwen3-Coder", r"qwen3-?coder", _QWEN3, "<function=", "qwen3_coder", None),
    Family("Qwen3.5", r"qwen3\.[5-9]", ("qwen3_5", "qwen3_5_moe"), "", "qwen3_coder", "qwen3"),
    # Instruct-2507 and Next-Instruct never think, and the parser takes all before </think> for reasoning.
    Family("Qwen3-Instruct", r"qwen3.*instruct", _QWEN3, NAME, "hermes", None),
    Family("Qwen3", r"qwen3", _QWEN3, "", "hermes", "qwen3"),
    Family("QwQ", r"qwq", ("qwen2",), NAME, "hermes", "deepseek_r1"),
    Family("Qwen2.5", r"qwen-?2", ("qwen2", "qwen2_moe", "qwen2_5_vl"), "", "hermes", None),
    Family("Llama 4", r"llama-?4", ("llama4", "llama4_text"), "", "llama4_pythonic", None),
    Family("Llama 3", r"llama-?3", ("llama",), "<|python_tag|>", "llama3_json", None),
    Family("Magistral", r"magistral", ("mistral", "mistral3"), NAME, "mistral", "mistral"),
    Family(
        "Mistral",
        r"mi[sx]tral|ministral|devstral",
        ("mistral", "mistral3", "mixtral", "ministral3"),
        "",
        "mistral",
        None,
    ),
    Family("gpt-oss", r"gpt-?oss", ("gpt_oss",), "", "openai", "openai_gptoss"),
    Family("GLM-4.7", r"glm-?(4\.[7-9]|5)", ("glm4_moe_lite", "glm_moe_dsa"), "", "glm47", "glm47"),
    Family("GLM-4.5", r"glm-?4\.[56]", ("glm4_moe",), "", "glm45", "glm45"),
    Family("DeepSeek V4", r"deepseek-?v4", ("deepseek_v4",), "", "deepseek_v4", "deepseek_v4"),
    Family("DeepSeek V3.2", r"deepseek-?v3\.2", ("deepseek_v32",), "", "deepseek_v32", "deepseek_v3"),
    Family("DeepSeek V3.1", r"deepseek-?v3\.1", _DEEPSEEK, NAME, "deepseek_v31", "deepseek_v3"),
    Family("DeepSeek R1", r"deepseek-?r1", _DEEPSEEK, NAME, "deepseek_v3", "deepseek_r1"),
    Family("Kimi K2 Thinking", r"kimi-?k2(\.[5-9]|.*thinking)", ("kimi_k2", *_DEEPSEEK), NAME, "kimi_k2", "kimi_k2"),
    Family("Kimi K2", r"kimi-?k2", ("kimi_k2", *_DEEPSEEK), "<|tool_calls_section_begin|>", "kimi_k2", None),
    Family("Kimi K2.5", r"kimi-?k2\.[5-9]", ("kimi_k25",), "", "kimi_k2", "kimi_k2"),
    Family("DeepSeek V3", r"deepseek-?v3", _DEEPSEEK, "", "deepseek_v3", None),
    Family("Kimi K3", r"kimi-?k3", ("kimi_k3",), "", "kimi_k3", "kimi_k3"),
    Family("Granite 4", r"granite-?4", ("granitemoehybrid",), "", "granite4", None),
    Family("Granite 3", r"granite-?3", ("granite", "granitemoe"), "", "granite", None),
    Family("Phi-4-mini", r"phi-?4-?mini", ("phi3",), "<|tool|>", "phi4_mini_json", None),
    Family("InternLM", r"internlm-?[23]", ("internlm2", "internlm3"), "", "internlm", None),
    Family("MiniMax M3", r"minimax-?m3", ("minimax_m3",), "", "minimax_m3", "minimax_m3"),
    Family("MiniMax M2", r"minimax-?m2", ("minimax_m2",), "", "minimax_m2", "minimax_m2"),
    Family("Seed-OSS", r"seed-?oss", ("seed_oss",), "", "seed_oss", "seed_oss"),
    Family("Gemma 4", r"gemma-?4", ("gemma4", "gemma4_text"), "", "gemma4", "gemma4"),
    Family("OLMo 3", r"olmo-?3", ("olmo3",), "", "olmo3", "olmo3"),
    Family("Hunyuan A13B", r"hunyuan-?a13b", ("hunyuan_v1_moe",), "", "hunyuan_a13b", "hunyuan_a13b"),
    Family("ERNIE 4.5", r"ernie-?4\.5", ("ernie4_5", "ernie4_5_moe"), "", "ernie45", None),
    Family("Nemotron 3", r"nemotron-?3", ("nemotron_h",), NAME, "qwen3_coder", "nemotron_v3"),
    Family("MiMo", r"mimo", ("mimo", "mimo_v2_flash"), "", "mimo", "mimo"),
    Family("Step 3.5", r"step-?3\.5", ("step3p5",), "", "step3p5", "step3p5"),
    Family("LFM2", r"lfm-?2", ("lfm2", "lfm2_moe"), "", "lfm2", None),
)
#: For models not in the table. Most open models, and nearly all fine-tuned ones, write calls in the format of Hermes
#: models; on the others this parser finds nothing, as no parser would. Reasoning is left in the answer: a parser that
#: waits for </think> takes the whole answer of a model that never writes it for reasoning.
UNKNOWN = Family("unknown", "", (), "", "hermes", None)


class Parsers(NamedTuple):
    """The parsers' names that a server is started with, None for none. ``note``: what the person should know."""

    tool: str | None
    reasoning: str | None
    family: str
    note: str = ""


def family(config: PoolConfig) -> Family:
    """The model's family by its ``config.json`` and template where they are at hand, else by its name.

    Raises:
        InputError: ``chat_template`` names a file that can't be read.
    """
    name = config.model.lower()
    kind = model_config(config.model).get("model_type")
    template = template_text(config, config.model)
    for row in FAMILIES:
        named = re.search(row.named, name) is not None
        if not kind:
            fits = named
        elif kind not in row.types:
            fits = False
        elif not row.marks:
            fits = True
        else:
            fits = named or (row.marks != NAME and template is not None and row.marks in template)
        if fits:
            return row
    return UNKNOWN


def parsers(config: PoolConfig) -> Parsers:
    """The parsers to start a server with: those that the person set, else the family's.

    Raises:
        InputError: ``chat_template`` names a file that can't be read.
    """
    row = family(config)
    tool = _chosen(config.tool_parser, row.tool)
    reasoning = _chosen(config.reasoning_parser, row.reasoning)
    note = ""
    if row is UNKNOWN and config.tool_parser == "auto":
        note = (
            f"{config.model}: no known model family; tool calls are read as {tool}'s (engine.tool_parser sets another)"
        )
    return Parsers(tool, reasoning, row.name, note)


def _chosen(setting: str, of_family: str | None) -> str | None:
    if setting == "auto":
        return of_family
    return None if setting == "none" else setting
