"""Client maker for ``openai:MODEL@URL``: one OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from t2t_dist.config.model_names import ModelName

from ..chat import ChatModel
from ..openai import OpenAIChat, options_from
from . import Shared


def make(name: ModelName, sampling: Mapping[str, Any], shared: Shared) -> ChatModel:
    """See :data:`~t2t_dist.models.endpoints.Maker`."""
    settings = shared.settings
    return OpenAIChat(options_from(settings, sampling, name.what, name.url, settings.api_key_env))
