"""What a message asks for. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from t2t_dist.core.text_match import normalised

from .sentences import sentences

#: A question about what was listed before it.
_POINTS_BACK = re.compile(
    r"\bwhich\s+(?:one|ones|of\s+(?:these|those|them)|would|do|did|should|is\s+it)\b|\bwhat\s+would\s+you\s+(?:prefer"
    r"|like)\b|\bwhich\?"
)


@lru_cache(maxsize=512)
def _cue_pattern(cues: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(r"(?<!\w)(?:" + "|".join(re.escape(normalised(cue)) for cue in cues) + ")")


def asks_for(text: str, cues: Sequence[str]) -> bool:
    """Whether the text asks for something that one of ``cues`` names (``zip``, ``which order``).

    The cue stands in a question or request, in a list that one introduces, or before a question such as "Which one
    would you like?".
    """
    if not cues:
        return False
    pattern = _cue_pattern(tuple(cues))
    if not pattern.search(normalised(text)):
        return False
    back = False
    for sentence in reversed(sentences(text)):
        if (sentence.asks or back) and pattern.search(sentence.text):
            return True
        back = back or (sentence.asks and _POINTS_BACK.search(sentence.text) is not None)
    return False


def asks_anything(text: str) -> bool:
    """Whether the text contains a question or a request for information."""
    return any(sentence.asks for sentence in sentences(text))
