"""Reader of a model's files before a server has loaded them: its ``config.json`` and its chat template.

Nothing here downloads anything. A model with a hub's name is looked up in the local cache of that hub; if it is not
there yet, the answers are "unknown".
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from t2t_dist.config.engines import EngineConfig, PoolConfig
from t2t_dist.core.errors import InputError
from t2t_dist.environments.files import read_file, read_text

#: Model types that vLLM renders in its own code, so that the checkpoint needs no template.
_RENDERED_IN_CODE = frozenset(
    {"gpt_oss", "deepseek_v32", "deepseek_v4", "kimi_k3", "inkling", "minicpmv", "deepseek_vl_v2", "paligemma"}
)
#: Those whose code sends a turn's reasoning back during tool calls.
_REASONING_IN_CODE = frozenset({"gpt_oss", "deepseek_v32", "deepseek_v4", "kimi_k3", "inkling"})
#: Mistral's own tokenizers contain their template, as code.
_MISTRAL_TOKENIZERS = ("tekken.json", "tokenizer.model.v3", "tokenizer.model.v7")
#: A template that reads a message's reasoning: ``message.reasoning_content``, ``message['reasoning']``, ...
_READS_REASONING = re.compile(r"""\.reasoning(_content)?\b|(['"])reasoning(_content)?\2""")


def model_dir(model: str) -> Path | None:
    """The directory with the model's files: the named one, or a hub's model in the local cache; None if neither."""
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or model.count("/") != 1:
        return None
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    folder = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{model.replace('/', '--')}"
    try:
        snapshot = folder / "snapshots" / read_text(folder / "refs" / "main").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return snapshot if snapshot.is_dir() else None


def model_config(model: str) -> dict[str, Any]:
    """The model's ``config.json``; empty if there is none at hand."""
    folder = model_dir(model)
    return _json(folder / "config.json") if folder is not None else {}


def template_text(config: EngineConfig, model: str) -> str | None:
    """The chat template that the server will use; None if there is none at hand.

    A checkpoint may hold several by name; their texts are joined, since the request decides which one is used.

    Raises:
        InputError: ``chat_template`` names a file that can't be read.
    """
    if config.chat_template is not None:
        try:
            return read_text(Path(config.chat_template).expanduser())
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            raise InputError(
                f"engine.chat_template {config.chat_template} can't be read ({reason}); give a file with a template"
            ) from None
    folder = model_dir(model)
    if folder is None:
        return None
    texts = [read_file(file).decode(errors="replace") for file in sorted(folder.glob("chat_template*.jinja"))]
    if (folder / "chat_template.json").is_file():
        texts += _templates(_json(folder / "chat_template.json"))
    texts += _templates(_json(folder / "tokenizer_config.json"))
    return "\n".join(texts) if texts else None


def has_template(config: PoolConfig) -> bool | None:
    """Whether the server will be able to render conversations; None if the model's files are not at hand.

    Raises:
        InputError: ``chat_template`` names a file that can't be read.
    """
    if template_text(config, config.model) is not None:
        return True
    folder = model_dir(config.model)
    if folder is None:
        return None
    if any((folder / name).is_file() for name in _MISTRAL_TOKENIZERS):
        return True
    return model_config(config.model).get("model_type") in _RENDERED_IN_CODE


def wants_reasoning(config: PoolConfig) -> bool:
    """Whether the model should be sent its reasoning of earlier turns: whether its template reads it.

    False if the template is not at hand: most templates drop it, and a model that was never trained to see it does
    worse with it.

    Raises:
        InputError: ``chat_template`` names a file that can't be read.
    """
    text = template_text(config, config.model)
    if text is not None:
        return _READS_REASONING.search(text) is not None
    return model_config(config.model).get("model_type") in _REASONING_IN_CODE


def knows_tools(config: PoolConfig) -> bool:
    """Whether the template mentions tools; one that does not drops them silently. True if unknown.

    Raises:
        InputError: ``chat_template`` names a file that can't be read.
    """
    text = template_text(config, config.model)
    return text is None or re.search(r"\btools?\b", text) is not None


def _templates(tokenizer: dict[str, Any]) -> list[str]:
    """``chat_template`` of a tokenizer's configuration: a text, or a list of {name, template}."""
    template = tokenizer.get("chat_template")
    if isinstance(template, str):
        return [template]
    if isinstance(template, list):
        return [str(each["template"]) for each in template if isinstance(each, dict) and "template" in each]
    return []


def _json(file: Path) -> dict[str, Any]:
    """A file's JSON object; empty if there is none. The server reports a damaged file."""
    try:
        data = json.loads(read_file(file))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
