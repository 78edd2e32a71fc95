"""A message in clauses: short forms written out, quotations taken out, each marked as a question or a condition.

Rules about who does what to whom are about clauses: "I can't cancel it, but I've changed the date" refuses in one and
reports in the next. Pure.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import NamedTuple

from t2t_dist.environments.short_texts import cached_if_short

from .lexicon import a_word_of, tagged
from .sentences import sentences


class Clause(NamedTuple):
    """One clause in lower case: as plain words, and with tagged verbs.

    ``sentence``: the number of its sentence. ``asks``: it is a question. ``supposed``: it says when or whether
    something would be so ("once it is cancelled"). ``depends``: such a clause stands in its sentence, up to here.
    ``queried``: its sentence is a question.
    """

    plain: str
    tagged: str
    sentence: int
    asks: bool
    supposed: bool
    depends: bool
    queried: bool


_NOT = re.compile(r"\b([a-z]+)n't\b")
_NOT_BARE = re.compile(r"\b(ca|wo|do|does|did|is|are|was|were|has|have|had|could|would|should)nt\b")
_NOT_OF = {"ca": "can", "wo": "will", "sha": "shall", "ai": "is"}
_SHORT = re.compile(r"(?<=\w)'(ll|ve|re|m|d)\b")
_SHORT_OF = {"ll": " will", "ve": " have", "re": " are", "m": " am", "d": " would"}
_IS = re.compile(
    r"\b(it|that|this|he|she|there|here|what|who|where|how|which|everything|nothing|somebody|someone|nobody|one)'s\b"
    r"|(?<=[\w)])'s(?= (?:been|now|all|not|already|just|still|also|no|on|off|in|out|up|gone|done|history|\w+(?:ed"
    r"|ing))\b)"
)
_SPOKEN = {
    "cannot": "can not", "gonna": "going to", "gotta": "have to", "wanna": "want to", "lemme": "let me", "im": "i am",
    "ive": "i have", "pls": "please", "plz": "please", "u": "you", "ur": "your", "thats": "that is", "thx": "thanks",
    "ok": "okay", "okie": "okay", "okey": "okay", "alrighty": "alright", "yep": "yes", "yup": "yes", "yeah": "yes",
    "yea": "yes", "nope": "no", "nah": "no", "let's": "let us", "lets": "let us", "gimme": "give me",
    "unable": "not able", "impossible": "not possible", "ineligible": "not eligible", "unavailable": "not available",
}  # fmt: skip
_SPOKEN_WORD = a_word_of(*map(re.escape, sorted(_SPOKEN, key=len, reverse=True)))
_JOINED = re.compile(r"\b(re|un|e|double)-(?=[a-z])")
_FILLER = re.compile(r"\b(?:um+|uh+m?|erm*)\b,?|, (?:you know|i mean),")
#: Somebody else's words: more than one, and no yes that a reply is to consist of.
_QUOTATION = re.compile(r"\"(?!(?:yes|confirm|i (?:agree|confirm))\b)[^\"\s]+\s[^\"]*\"")


def _with_not(match: re.Match[str]) -> str:
    return f"{_NOT_OF.get(match[1], match[1])} not"


def plain_english(text: str) -> str:
    """Lower-case English with its short forms written out: "can't" is "can not", "I'll" "i will", "ok" "okay"."""
    if '"' in text:
        text = _QUOTATION.sub(" quoted ", text)
    if "'" in text:
        text = _NOT.sub(_with_not, text)
        text = _IS.sub(lambda match: f"{match[1] or ''} is", text)
        text = _SHORT.sub(lambda match: _SHORT_OF[match[1]], text)
    if "nt " in text:
        text = _NOT_BARE.sub(_with_not, text)
    text = _SPOKEN_WORD.sub(lambda match: _SPOKEN[match[0]], text)
    if "-" in text:
        text = _JOINED.sub(r"\1", text)
    return " ".join(_FILLER.sub(" ", text).split())


_BETWEEN = re.compile(
    r"\s*(?:[;|()\u2600-\u27bf\U0001f300-\U0001faff]|:(?!\d)|--+|\s-\s|\.\.+|,(?!\d)(?:\s+(?:but|and|so|yet)\b)?"
    r"|\b(?:but|although|though|whereas)\b)\s*|\s+and\s+(?=(?:i|we|you|it|they|there|that|this|the|your)\b)"
)
_FIRST = r"^(?:and |so |or |then |now )*"
_PEOPLE = r"i|we|you|he|she|they|the|your"
_QUESTION = re.compile(
    rf"{_FIRST}(?:shall|should|may|can|could|would|will|do|does|did|is|are|am|was|were|has|have|had|what|which|where"
    rf"|when|who|whom|why|how|want|you (?:want|would like|wish))\b"
)
#: The order of words of a question, which makes one without a mark.
_INVERTED = re.compile(
    rf"{_FIRST}(?:(?:shall|may|can|could|would|will|is|are|am|was) (?:{_PEOPLE}|it|that|this|there|anything)|(?:do"
    rf"|does|did|have|has) (?:{_PEOPLE}))\b"
)
_SUPPOSED = a_word_of(
    r"if|(?<!at )once(?! (?:more|again)|\W*$)|when|whenever|unless|as soon as|soon as|in case|provided|assuming"
    r"|whether|as long as",
    r"the (?:moment|minute|second) (?:i|you|we|it|they|the)",
    r"(?:after|before|until|till) (?:i|you|we|it|they|that|this|(?:the|your) \w+ (?:is|are|has|have))",
    r"^(?:should|had|were) (?:you|it|the|your|anything|there|we|i)",
)
_WORD = re.compile(r"\w")


_TERSE = 9


@cached_if_short
def clauses(text: str) -> tuple[Clause, ...]:
    """The text's clauses, in order."""
    found: list[Clause] = []
    for number, sentence in enumerate(sentences(text)):
        queried = "?" in sentence.text
        pieces = [piece for piece in _BETWEEN.split(plain_english(sentence.text)) if _WORD.search(piece)]
        depends = False
        for at, piece in enumerate(pieces, 1):
            asks = (queried and at == len(pieces)) or piece.endswith("?")
            asks = asks or (_QUESTION if queried else _INVERTED).match(piece) is not None
            supposed = _SUPPOSED.search(piece) is not None
            depends = depends or supposed
            found.append(Clause(piece, tagged(piece), number, asks, supposed, depends, queried))
    return tuple(found)


def by_sentence(read: tuple[Clause, ...]) -> list[tuple[Clause, ...]]:
    """Clauses in one tuple for each sentence."""
    return [tuple(group) for _, group in groupby(read, key=lambda clause: clause.sentence)]


def is_terse(read: tuple[Clause, ...]) -> bool:
    """Whether a message is so short that its words say little of what it does: "one fee less for you"."""
    return sum(len(clause.plain.split()) for clause in read) <= _TERSE


def joined(read: tuple[Clause, ...]) -> str:
    """The plain words of clauses, a comma between each and the next."""
    return " , ".join(clause.plain for clause in read)


@cached_if_short
def in_plain_english(text: str) -> str:
    """The whole text with its short forms written out, in one line."""
    return " , ".join(plain_english(sentence.text) for sentence in sentences(text))
