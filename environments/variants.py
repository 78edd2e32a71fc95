"""Phrases in short: ``[Could|Can] you help[ me|]?`` stands for four phrases."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: The most phrases that one may stand for.
MOST = 300

_ONE = r"(?:[^\[\]{}|]|\{[^{}]*\})*"
#: Brackets with a bar in them, and no further brackets except within braces: ``{result[due]}``.
_CHOICE = re.compile(rf"\[({_ONE}(?:\|{_ONE})+)\]")


def variants(text: str) -> list[str]:
    """The phrases that a text stands for; itself where it has no brackets with bars.

    Raises:
        ValueError: they are more than :data:`MOST`.
    """
    choice = _CHOICE.search(text)
    if choice is None:
        return [text]
    before, after = text[: choice.start()], text[choice.end() :]
    found = all_variants(f"{before}{one}{after}" for one in choice[1].split("|"))
    if len(found) > MOST:
        raise ValueError(f"it stands for more than {MOST} phrases")
    return found


def all_variants(texts: Iterable[str]) -> list[str]:
    """The phrases that some texts stand for, each once."""
    return list(dict.fromkeys(phrase for text in texts for phrase in variants(text)))
