"""Cache for pure functions of a text: the last results for short texts, none for long ones.

A cache that took any text would keep a thousand of the longest ones alive, and their analyses with them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

#: Texts that a function remembers, and the characters of the longest of them: nearly every message has fewer.
_TEXTS, _CHARACTERS = 1024, 2_000

R = TypeVar("R")


def cached_if_short(function: Callable[[str], R]) -> Callable[[str], R]:
    """The function with a cache of its results for short texts."""
    remembered = lru_cache(maxsize=_TEXTS)(function)

    @wraps(function)
    def result(text: str) -> R:
        return remembered(text) if len(text) <= _CHARACTERS else function(text)

    return result
