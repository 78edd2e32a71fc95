"""Sentences that belong to no domain: claims of authority, answers to who has counted right, notes that instruct."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

import yaml

from t2t_dist.environments.variants import all_variants


@lru_cache(maxsize=1)
def _file() -> dict[str, list[str]]:
    text = resources.files(__package__).joinpath("phrases.yaml").read_text("utf-8")
    loaded: dict[str, list[str]] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {name: all_variants(phrases) for name, phrases in loaded.items()}


def authority() -> Sequence[str]:
    """Claims that somebody has allowed it."""
    return _file()["authority"]


def recounts(count: int) -> Sequence[str]:
    """What customers say who hear that there are more, or fewer, than they thought: ``count``."""
    all_ = "both" if count == 2 else "all"
    return [text.format(all=all_, All=all_.capitalize()) for text in _file()["recounts"]]


def notes() -> Sequence[str]:
    """Notes with a place for a ``{call}``."""
    return _file()["notes"]
