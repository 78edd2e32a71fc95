"""Words and what they may mean: a text in tokens, with a mark on each phrase that a lexicon knows.

The phrases are those of ``paraphrases.yaml``, the same for every domain, and those of a domain's ``language.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

import yaml

from t2t_dist.core.speech_acts.clauses import plain_english
from t2t_dist.core.text_match import normalised
from t2t_dist.environments.variants import all_variants

#: What a phrase may mean: a sort (``rank``, ``noun``, ``idiom``, ...) and which of it.
Meaning = tuple[str, Hashable]

_UNIT = re.compile(r"(?<=\d)(?=gb\b|gigs?\b|dollars?\b)")
_LET_US = re.compile(r"\blet's\b")
_DASH = re.compile(r"\s-+\s|--+")
_TOKEN = re.compile(r"([(\[\"']*)(.*?)('s)?([)\]\"'.,;:!?]*)$", re.S)
#: What ends a sentence, and what else parts the words of one.
ENDS, STOPS = frozenset(".!?"), frozenset(",;:()-")
_EMOJI = re.compile(r"^[^\w$#@']+$")


class Mark(NamedTuple):
    """Tokens from ``start`` to ``end`` (not included) that are one phrase, and what it may mean."""

    start: int
    end: int
    meanings: frozenset[Meaning]

    def of(self, sort: str) -> list[Any]:
        """What it may mean of one sort."""
        return [which for kind, which in self.meanings if kind == sort]


def tokens(text: str) -> list[str]:
    """The words of a text in lower case, short forms written out, and its punctuation marks."""
    found: list[str] = []
    for piece in _UNIT.sub(" ", _DASH.sub(" - ", plain_english(_LET_US.sub("let us", normalised(text))))).split():
        match = _TOKEN.match(piece)
        before, word, own, after = match.groups() if match is not None else ("", piece, None, "")
        found += [one for one in before if one in "("]
        if (word and not _EMOJI.match(word)) or word == "-":
            found.append(word)
        found += [own] if own else []
        found += [one for one in after if one not in "\"'[]"]
    return found


@lru_cache(maxsize=50_000)
def _key(phrase: str) -> tuple[str, ...]:
    return tuple(tokens(phrase))


class Lexicon:
    """Phrases and what they may mean. A ``base`` is looked up as well."""

    def __init__(self, base: Lexicon | None = None) -> None:
        self._base = base
        self._phrases: dict[tuple[str, ...], set[Meaning]] = {}
        self._longest: dict[str, int] = {}

    def add(self, phrase: str, meaning: Meaning) -> None:
        key = _key(phrase)
        if key:
            self._phrases.setdefault(key, set()).add(meaning)
            self._longest[key[0]] = max(self._longest.get(key[0], 0), len(key))

    def longest(self, first: str) -> int:
        """Tokens of the longest phrase that begins with a token."""
        own = self._longest.get(first, 0)
        return own if self._base is None else max(own, self._base.longest(first))

    def meanings(self, key: tuple[str, ...]) -> set[Meaning]:
        own = self._phrases.get(key, set())
        return own if self._base is None else own | self._base.meanings(key)

    def marks(self, words: Sequence[str], beside: Sequence[Mark] = ()) -> list[Mark]:
        """The phrases of a text, from left to right, at each place the longest; none of the words that other marks are
        on, which come ``beside`` them."""
        found, at = list[Mark](), 0
        taken = {place for mark in beside for place in range(mark.start, mark.end)}
        while at < len(words):
            most = min(len(words), at + self.longest(words[at]))
            free = next((place for place in range(at, most) if place in taken), most)
            for end in range(free, at, -1):
                if meanings := self.meanings(tuple(words[at:end])):
                    found.append(Mark(at, end, frozenset(meanings)))
                    at = end
                    break
            else:
                at += 1
        return sorted([*found, *beside])


@lru_cache(maxsize=1)
def vocabulary() -> Mapping[str, Any]:
    """The words of ``paraphrases.yaml``, each phrase written out."""
    text = resources.files(__package__).joinpath("paraphrases.yaml").read_text("utf-8")
    loaded = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {
        part: {name: _written_out(group) for name, group in words.items()}
        if isinstance(words, dict)
        else _written_out(words)
        for part, words in loaded.items()
    }


def _written_out(phrases: Iterable[str]) -> list[str]:
    return [" ".join(phrase.split()) for phrase in all_variants(phrases)]


@lru_cache(maxsize=1)
def filler() -> frozenset[str]:
    """Words of every sentence, which say nothing about what is wanted."""
    return frozenset(word for line in vocabulary()["filler"] for word in line.split())


#: Parts of the vocabulary that are sorts of meaning: lists, and groups by name.
_LISTS = (
    "exceptions",
    "kept",
    "less",
    "more",
    "leave",
    "otherwise",
    "counts",
    "totals",
    "idioms",
    "never",
    "times",
    "retractions",
)
_GROUPS = ("quantifiers", "conditions", "figures", "questions", "deeds")


@lru_cache(maxsize=1)
def common() -> Lexicon:
    """The phrases that mean the same in every domain."""
    lexicon, words = Lexicon(), vocabulary()
    for part in _LISTS:
        for phrase in words[part]:
            lexicon.add(phrase, (part, part))
    for part in _GROUPS:
        for name, phrases in words[part].items():
            for phrase in phrases:
                lexicon.add(phrase, (part, name))
    return lexicon


#: Words of a domain's phrase that may be left out where it is looked up in the vocabulary: "that has arrived".
_LEADING = frozenset(["that", "which", "whose", "with", "has", "have", "is", "are", "was", "were", "had", "the"])


def alike(part: str, phrase: str) -> Iterator[str]:
    """A domain's phrase, and those that mean the same: of the group with its words as its name."""
    yield phrase
    words, groups = tokens(phrase), vocabulary()[part]
    for start in range(len(words)):
        group = groups.get(" ".join(words[start:]))
        if group is not None:
            yield " ".join(words[start:])
            yield from group
            return
        if words[start] not in _LEADING:
            return


def stem(word: str) -> str:
    """A word in the form that it shares with its other forms, roughly."""
    for ending in ("ing", "ed", "es", "s", "e"):
        if len(word) - len(ending) >= 3 and word.endswith(ending):
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


NUMBER = re.compile(r"\$?\d[\d,]*(?:\.\d+)?%?")
NUMBERS = frozenset(
    [
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "hundred",
        "thousand",
        "dozen",
        "couple",
        "half",
        "zero",
        "2nd",
        "3rd",
        "4th",
        "1st",
    ]
)


def spoken_date(said: str) -> str:
    """A date as people write it; else as it is."""
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", said)
    if match is None:
        return said
    months = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ]
    return f"{months[(int(match[2]) - 1) % 12]} {int(match[3])}, {match[1]}"
