"""A message in sentences, and which of them ask: the ground of every recogniser. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from t2t_dist.core.text_match import plain_lines
from t2t_dist.environments.short_texts import cached_if_short

_BULLET = re.compile(r"^[ \t]*(?:[-+#>]+|\(?\d{1,2}[.)])[ \t]+", re.M)
#: Marks a line of a list, to distinguish it from the sentence that introduces the list.
_ITEM = "\x1e"
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")
#: Longer sentences are read in pieces of so many characters: what a pattern costs may grow with their square.
_PIECE = 1_000


class Sentence(NamedTuple):
    """One sentence or list line in lower case; ``asks`` if it is a question or a request for information."""

    text: str
    asks: bool


def _holds(text: str, stems: tuple[str, ...]) -> bool:
    """Whether any of the stems occurs: a necessary condition of a pattern, at a hundredth of its cost."""
    return any(stem in text for stem in stems)


@cached_if_short
def sentences(text: str) -> tuple[Sentence, ...]:
    """The text's sentences, very long ones in pieces; each line of a list is one, and asks if the line before the list
    asks."""
    found: list[Sentence] = []
    introduced = False
    for raw in _END.split(_BULLET.sub("\n" + _ITEM, plain_lines(text))):
        item = raw.startswith(_ITEM)
        line = raw.strip(_ITEM + " \t")
        if not line:
            continue
        asks = "?" in line or (_holds(line, _REQUEST_STEMS) and _REQUEST.search(line) is not None)
        if item:
            asks = asks or introduced
        else:
            introduced = asks and line.endswith(":")
        found += [Sentence(line[at : at + _PIECE], asks) for at in range(0, len(line), _PIECE)]
    return tuple(found)


_TELLING = (
    "provide|tell|give|share|send|specify|confirm|state|name|enter|supply|indicate|choose|select|pick|clarify"
    "|let me know|verify|identify"
)
_REQUEST_STEMS = (
    " you ",
    "please",
    "may i",
    "need",
    "require",
    "let me",
    "tell me",
    "provide",
    "specify",
    "choose",
    "sel",
    "conf",
)
_REQUEST = re.compile(
    rf"""\bplease\s+(?:also\s+)?(?:{_TELLING}|reply)\b
    |\b(?:could|can|would|will)\s+you\s+(?:please\s+|kindly\s+|also\s+)*(?:{_TELLING})\b
    |\bmay\s+i\s+(?:please\s+)?(?:have|ask|know|get)\b
    |\b(?:i|we)(?:'ll|\s+will|\s+would|'d)?\s+(?:also\s+|just\s+|still\s+)?(?:need|require)\b(?!\s+to\s+(?!know|have|ask|verify|confirm))
    |\blet\s+me\s+know\s+(?:which|what|the|your|whether|how|where|if)\b
    |\btell\s+me\b
    |^(?:provide|specify|choose|select|confirm)\b
    |,\s+please\W*$""",
    re.X,
)
