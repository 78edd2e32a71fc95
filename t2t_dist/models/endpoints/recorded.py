"""Client maker for ``recorded:FILE``: answers from a file of recorded exchanges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from t2t_dist.config.model_names import ModelName

from ..chat import ChatModel
from ..recorded import RecordedChat
from . import Shared


def make(name: ModelName, sampling: Mapping[str, Any], shared: Shared) -> ChatModel:
    """See :data:`~t2t_dist.models.endpoints.Maker`."""
    return RecordedChat(name.what)
