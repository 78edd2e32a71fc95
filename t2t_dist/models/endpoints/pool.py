"""Client maker for ``pool:NAME``: the engines and endpoints of a pool, which a balancer chooses from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from t2t_dist.config.model_names import ModelName

from ..chat import ChatModel
from ..openai import OpenAIChat, options_from
from . import Shared


def make(name: ModelName, sampling: Mapping[str, Any], shared: Shared) -> ChatModel:
    """See :data:`~t2t_dist.models.endpoints.Maker`."""
    assert name.pool is not None
    options = options_from(shared.settings, sampling, shared.pools[name.pool].model)
    return OpenAIChat(options, shared.balancer(name.pool), f"{name.kind}:{name.what}")
