"""What a text is about, in whatever words: the values and the deeds that it names.

Used where somebody has to understand a plan: a grader who looks for what a yes was given to, a customer who is asked.
"""

from __future__ import annotations

import re
from calendar import month_name
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from t2t_dist.environments.base import Domain
from t2t_dist.environments.plain_words import words_of
from t2t_dist.environments.tools import Kind, Tool
from t2t_dist.environments.workflows import Workflow

from .text_match import mentions, normalised
from .told import figures

#: Share of a value's words that name it: "12 Elm Street in Boise" for "12 Elm Street, Boise, ID 83702".
_ENOUGH = 0.6
#: Letters by which two words are the same: "cancelled" and "cancelling".
_STEM = 5
_WORD = re.compile(r"[a-z0-9]+")
_DOUBLE_NAME = re.compile(r"\b[A-Z][a-z]+-[A-Z][a-z]+\b")
_ISO_DATE = re.compile(r"\b(\d{4})-(0[1-9]|1[0-2])-(\d\d)\b")
#: "500ml" is "500 ml".
_UNIT = re.compile(r"(?<=\d)(?=(?:gb|mb|ml|l|kg|g|cm|mm|m|inch|in|w|v|st|nd|rd|th)\b)")
_EMPTY = frozenset((
    "a", "an", "the", "of", "for", "to", "in", "on", "at", "by", "and", "or", "with", "from", "your", "my", "s", "how",
    "is", "are", "be", "it", "this", "that", "you", "i", "d", "ll", "would", "will", "so", "then", "some", "something",
    "new",
))  # fmt: skip
#: Values that name nothing by themselves.
BARE = frozenset(("yes", "no", "on", "off", "true", "false"))


def stems(text: str) -> set[str]:
    """The words of a text, each in the form that it shares with its other forms; dates are taken apart."""
    return {_singular(word)[:_STEM] if word.isalpha() else word for word in _words(text) if word not in _EMPTY}


def _words(text: str) -> list[str]:
    spoken = _ISO_DATE.sub(lambda found: f"{month_name[int(found[2])]} {int(found[3])} {found[1]}", normalised(text))
    return _WORD.findall(_UNIT.sub(" ", spoken.lower()))


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def is_worded(text: str, says: Iterable[str], value: Any = None) -> bool:
    """Whether the text names a value (``says``: how it is usually said) in words of its own, or as a figure."""
    said = " ".join(says)
    if isinstance(value, int | float):
        line, is_money = normalised(text), "$" in said
        same = [figure for figure in figures(line) if figure.value == f"{value:g}"]
        if any(("$" in line[figure.start : figure.end]) == is_money for figure in same):
            return True
    wanted, heard = stems(said), stems(text)
    # A code, such as a flight's, is said or not, and so are the first number (a house's; a year may go without saying)
    # and a double name; of other words most will do.
    numbers = [word for word in _words(said) if word.isdigit()]
    if numbers and numbers[0] not in heard | {figure.value for figure in figures(normalised(text))}:
        return False
    if not mentions(text, _DOUBLE_NAME.findall(said)):
        return False
    codes = {word for word in wanted.difference(numbers) if not word.isalpha()}
    return bool(wanted) and codes <= heard and len(wanted & heard) >= _ENOUGH * len(wanted)


def is_unspoken(says: Iterable[str], texts: Iterable[str]) -> bool:
    """Whether a value is a code that none of the texts names."""
    words = stems(" ".join(says))
    is_code = all(any(char.isdigit() for char in word) for word in words)
    return is_code and not words & stems("\n".join(texts))


def deeds(domain: Domain) -> dict[str, set[str]]:
    """By WRITE tool of the agent's and by workflow: stems of the words for what it does, without those for what such
    calls are about ("order")."""
    return _deeds(domain.origin)


@lru_cache(maxsize=16)
def _deeds(domain: Domain) -> dict[str, set[str]]:
    named: list[Tool | Workflow] = [*domain.of_kind(Kind.WRITE), *domain.workflow_list]
    things = stems(" ".join(word for each in named for slot in list(each.parameters)[:1] for word in words_of(slot)))
    found = {}
    for each in named:
        covering = [flow.name for flow in domain.workflow_list if each.name in flow.covers]
        names = [domain.language.tool(domain.tools.get(name) or name).name for name in (each.name, *covering)]
        found[each.name] = stems(" ".join([*words_of(each.name), *names])) - things
    return found
