"""Requests in a customer's words: the domain's sentences, asked in the manner of a persona.

A domain's language file says what is asked for ("Could you cancel {order_id}{reason}?"). The beginning is replaced by
one of the persona (``asking.yaml``): "I was hoping you could cancel ...". Details stand in the sentence, before it or
after it, as their phrases are made; now and then a sentence says why, or asks whether it can be done. So a domain with
one sentence for an errand has dozens.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import yaml

from t2t_dist.core.schema import Fact
from t2t_dist.environments.language import Language, Words
from t2t_dist.environments.plain_words import ing_form
from t2t_dist.environments.short_texts import cached_if_short
from t2t_dist.environments.tidy import tidy
from t2t_dist.environments.variants import all_variants

from .requests.what_works import said_in
from .requests.words import again as spoken_again
from .requests.words import is_of_several

#: Share of requests with a sentence that says why, and of wishes with a sentence after them.
_WHY, _AFTER = 0.3, 0.15
#: Share of details that stand in a clause before the request, and in a sentence after it, where they can.
_FRONT, _BEHIND = 0.3, 0.15
#: Which of several is to be taken: "Please use my gift card if there's enough on it, and my credit card if not."
_CHOOSE = ("Please use {value}.", "Please take {value}.")
#: How requests begin, by what follows: a deed of the agent's, one of the customer's, or what the customer is to have.
_BEGINNINGS = (
    (
        "agent",
        r"(?:could|can|would|will) you (?:please )?|(?:i was hoping|i hope) you could |please "
        r"|i(?:'d like| would like| need| want) you to ",
    ),
    (
        "thing",
        r"(?:can|could|may) i (?:have|get) |i(?:'d like| would like| need| want) (?:to have |to get |(?!to |you ))",
    ),
    ("customer", r"(?:can|could|may) i |i(?:'d like| would like| need| want| have| was hoping) to "),
)
_ASKS = tuple(
    (kind, re.compile(rf"(?P<lead>(?:for|in|on) [^.?!;:,]+, )?(?:{begin})(?P<do>[^?!;:]+?)(?:, please)?[.?]$", re.I))
    for kind, begin in _BEGINNINGS
)
_SENTENCE = re.compile(r"(?<=[.?!]) +")
#: What is wanted in any case: nobody has to return a lamp only if the refund is more than $50.
_MUST = re.compile(r"\b(?:have to|has to|needs? to|(?i:needs?)|got to|require|must)\b")
#: Sentences that a clause may stand before: "As it's broken, could you ...".
_AFTER_CLAUSE = re.compile(r"(?:I|I'd|Could|Can|Would|Please|May|Might)\b")


class Manner(NamedTuple):
    """What is said before, as and after a request: the sentences before, what leads to it ("In {order_id}, "), the kind
    of its beginning ("" where it has none of them), what follows that, and the sentences after."""

    before: str
    lead: str
    kind: str
    do: str
    after: str


@lru_cache(maxsize=1)
def _ways() -> Mapping[str, Mapping[str, Sequence[str]]]:
    text = resources.files(__package__).joinpath("asking.yaml").read_text("utf-8")
    loaded = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {part: {style: all_variants(ways) for style, ways in by.items()} for part, by in loaded.items()}


def way(part: str, style: str, rng: random.Random, after_clause: bool = False, is_open: bool = False) -> str:
    """One of a persona's ways of putting a part of a request; ``after_clause``: one that goes on after a comma;
    ``is_open``: one for what is not wanted in any case."""
    by_style = _ways()[part]
    ways = [text for text in by_style.get(style) or by_style["friendly"] if not (is_open and _MUST.search(text))]
    return rng.choice([text for text in ways if _AFTER_CLAUSE.match(text)] if after_clause else ways)


@lru_cache(maxsize=16)
def ways_of(part: str) -> frozenset[str]:
    """All ways of putting a part of a request, whoever asks."""
    return frozenset(text for ways in _ways()[part].values() for text in ways)


@cached_if_short
def manner_of(request: str) -> Manner:
    """A request of a language file, taken apart at its last sentence that begins as requests do."""
    sentences = _SENTENCE.split(request)
    for place in range(len(sentences) - 1, -1, -1):
        for kind, pattern in _ASKS:
            found = pattern.match(sentences[place])
            if found is not None and "please" not in found["do"]:
                before, after = " ".join(sentences[:place]), " ".join(sentences[place + 1 :])
                return Manner(before, found["lead"] or "", kind, found["do"], after)
    return Manner(request, "", "", "", "")


def asked(
    language: Language,
    name: str,
    facts: Sequence[Fact],
    style: str,
    rng: random.Random,
    *,
    again: bool = False,
    is_open: bool = False,
    rough: Mapping[str, str] = {},
    said: Collection[str] = (),
) -> str:
    """A request for the call ``name``: stated facts as they are said, the others left vague, or said in the ``rough``.

    ``again``: it takes the place of another request; ``is_open``: what follows says when it is not wanted; ``said``:
    what was described just before, which is "that order".
    """
    words = language.tool(name)
    several = [fact.slot for fact in facts if fact.described and is_of_several(fact.text)]
    described = {word for fact in facts if fact.described for word in _LONG.findall(fact.text)}
    of_all = [text for text in words.request if not any(_is_about_one(text, slot) for slot in several)]
    # Rather a word twice than "all three of my lines is".
    fitting = [text for text in of_all if described.isdisjoint(_LONG.findall(_PLACE.sub("", text)))] or of_all
    fitting = [text for text in fitting if not any(_leads_twice(text, fact) for fact in facts)] or fitting
    if several or any(fact.described and fact.text.startswith("everything") for fact in facts):
        fitting = [text for text in fitting if not re.search(r"\bnot\b|n't", text)]
    vague = {fact.slot: language.slot(name, fact.slot).vague for fact in facts if not fact.stated}
    fitting = [text for text in fitting if not _goes_on(text, vague)] or fitting or words.request
    if is_open:
        fitting = [text for text in fitting if not _MUST.search(text)] or fitting
    manners = [manner_of(text) for text in fitting]
    # Who has said why they want something else does not say what is the matter as well.
    manner = rng.choice([one for one in manners if not (again and one.before)] or manners)
    sentence = ""
    if manner.kind:
        sentence = _after(manner.lead, _in_style(way(manner.kind, style, rng, bool(manner.lead), is_open), manner.do))
    asides = Asides(not manner.lead and bool(_AFTER_CLAUSE.match(sentence)), again, said_in(language), bool(several))
    places = Blanks(language.plainly(name, {fact.slot: fact.text for fact in facts if fact.stated and fact.says}, "my"))
    for fact in facts if name in language.tools else ():
        text = rough.get(fact.slot) or asides.phrase(language.slot(name, fact.slot), fact, rng)
        places[fact.slot] = _of_several(text) if several else text
    begin = ""
    whys = [why for why in words.why if not (several and _IT.search(why))]
    if whys and not (again or manner.before) and rng.random() < _WHY:
        begin = rng.choice(whys)
    end = ""
    if rng.random() < _AFTER and not (manner.after or asides.behind or is_open):
        end = _end(manner, sentence, style, rng)
    before, core, after = (text.format_map(places) for text in (manner.before, sentence, manner.after))
    front, behind = (_of_several(text) if several else text for text in (asides.front, asides.behind))
    core = _after(front and f"{front} ", core)
    text = _once(" ".join((begin, before, core, after, behind, end)), language, facts)
    for fact in facts:
        if fact.described and (that := spoken_again(language, fact.text, said)) is not None:
            text = re.sub(rf"(?<!\bthat ){re.escape(fact.text)}", that, text)
    return tidy(text)


#: Words of a description that strike when the request has them, too: "my suspended line is suspended".
_LONG = re.compile(r"[a-z]{6,}")
_PLACE = re.compile(r"\{[^}]*\}")
#: A reason for one thing, said of several.
_OF_SEVERAL = (("it's", "they're"), ("it is", "they are"), ("it was", "they were"))
_SINGULAR = re.compile(r"\bit\b", re.I)
#: What leads to a name, and not to a description: "the phone with 555-0100", but "my line on the small plan".
_WITH = re.compile(r"^the \w+ with (?=\{value\})")
#: What speaks of one thing.
_IT = re.compile(r"\b(?:it|its|it's|(?<!so )that|this)\b", re.I)


def _of_several(text: str) -> str:
    """A reason for one thing, said of several."""
    for one, many in _OF_SEVERAL:
        text = re.sub(rf"\b{one}\b", many, re.sub(rf"\b{one.capitalize()}\b", many.capitalize(), text))
    return text


def _goes_on(request: str, vague: Mapping[str, Sequence[str]]) -> bool:
    """Whether a request goes on with a word of what is left vague in it: "I need {gigabytes} more", of "more data"."""
    return any(
        found[1] in " ".join(texts).split()
        for slot, texts in vague.items()
        for found in re.finditer(rf"\{{{slot}\}} (\w+)", request)
    )


def _leads_twice(request: str, fact: Fact) -> bool:
    """Whether what stands before a description is in it again: "delivered with my order with the lamp"."""
    before = re.findall(rf"(\w{{4,}}) \{{{fact.slot}\}}", request) if fact.described else ()
    return not set(before).isdisjoint(fact.text.split())


def _is_about_one(request: str, slot: str) -> bool:
    """Whether a request does not go with several things in a slot: "{order_id} has to be cancelled"."""
    return _IT.search(request) is not None or re.search(rf"\{{{slot}\}} (?:\w+n't|[a-z]+s)\b", request) is not None


def _once(text: str, language: Language, facts: Sequence[Fact]) -> str:
    """The text without a noun that a description says again: "the line my line on the small plan"."""
    nouns = {record.noun for record in language.records.values()}
    for fact in facts:
        if fact.described:
            of = "|".join(re.escape(noun) for noun in sorted({*nouns, fact.label.split()[-1]}))
            text = re.sub(rf"\b(?:the|my|our|this) (?:{of}) (?={re.escape(fact.text)})", "", text)
    return text


def _after(clause: str, sentence: str) -> str:
    """The sentence after a clause, if there is one."""
    if not clause:
        return sentence
    return clause + (sentence if sentence.startswith("I") else sentence[0].lower() + sentence[1:])


def _in_style(frame: str, do: str) -> str:
    verb, _, rest = do.partition(" ")
    if "{doing}" in frame and (" and " in do or not re.fullmatch(r"[a-z]+|\{do\}", verb)):
        frame = "Could you please {do}?"  # only the first verb would be in the right form
    doing = "{doing}" if verb == "{do}" else ing_form(verb)  # plain words have both forms
    return frame.replace("{doing}", f"{doing} {rest}").replace("{do}", do)


def _end(manner: Manner, sentence: str, style: str, rng: random.Random) -> str:
    """A last sentence, where there is room for one: the request is no question and no order."""
    if manner.kind:
        is_wish = sentence.endswith(".") and not sentence.startswith(("Please", "Just", "Kindly"))
        return way("after_wish", style, rng) if is_wish else ""
    only_says = manner.before.endswith(".") and not re.search(r"\?|\bplease\b|[.!] ", manner.before, re.I)
    return way("after_matter", style, rng) if only_says else ""


class Asides:
    """The details of one request: in it, in a clause before it, or in a sentence after it, at most one in each.

    Args:
        room_before: whether a clause can stand before the request.
        again: the customer has spoken of the matter before, so nothing of it is left vague at first.
        choices: descriptions that leave open which of several it is; each gets a sentence of its own.
        several: it is for several things, so no sentence after it calls them "it".
    """

    def __init__(self, room_before: bool, again: bool, choices: Collection[str] = (), several: bool = False) -> None:
        self._room_before, self._again, self._choices, self._several = room_before, again, choices, several
        self.front = self.behind = ""

    def phrase(self, words: Words, fact: Fact, rng: random.Random) -> str:
        """What stands in the request in the fact's place."""
        vague = rng.choice(words.vague or [""])
        if not fact.stated:
            return vague
        if fact.described and fact.text in self._choices:
            # It has an "if" and an "and" of its own, so nothing follows it.
            if self.behind:
                return f", and please use {fact.text}"
            self.behind = tidy(rng.choice(_CHOOSE).format(value=fact.text))
            return ""
        before, after, inside = _by_place(words.stated)
        after = [text for text in after if not (self._several and _SINGULAR.search(text))]
        if fact.described:
            # A description has a noun of its own: not "the phone with my line".
            inside = [text for text in inside if text.startswith("{value}")] or [_WITH.sub("", one) for one in inside]
        if fact.described and is_of_several(fact.text):
            return rng.choice([text for text in inside if text.startswith("{value}")] or ["{value}"]).format(
                value=fact.text
            )
        # Who describes a thing does not leave it vague first: "one of my orders, it's about my latest order".
        is_late = bool(vague) and (self._again or bool(fact.described))
        if after and not self.behind and not is_late and rng.random() < _BEHIND:
            self.behind = tidy(rng.choice(after).format(value=fact.text))
            return vague
        if before and not self.front and self._room_before and rng.random() < _FRONT:
            self.front = tidy(rng.choice(before).format(value=fact.text))
            return ""
        return rng.choice(inside or ["{value}"]).format(value=fact.text)


def _by_place(stated: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """A slot's phrases: clauses before a request, sentences after it, and parts of it."""
    before = [text for text in stated if text.endswith(",")]
    after = [text for text in stated if text.endswith((".", "!"))]
    return before, after, [text for text in stated if not text.endswith((",", ".", "!"))]


class Blanks(dict[str, str]):
    """Phrases by slot; empty for a slot that the call leaves out."""

    def __missing__(self, slot: str) -> str:
        return ""


_WORD = re.compile(r"(?<![\w@#$.'/-])[a-z]{4,}(?![\w@'/-]|\.\w)")


def mistyped(text: str, facts: Sequence[Fact], share: float, rng: random.Random) -> str:
    """The text with this share of its plain words mistyped, none of those that state a fact."""
    if not share:
        return text
    stated = {word for fact in facts for value in (fact.text, *fact.says) for word in value.lower().split()}

    def slip(match: re.Match[str]) -> str:
        word = match[0]
        if word in stated or rng.random() >= share:
            return word
        place = rng.randrange(1, len(word) - 1)
        swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        return rng.choice((swapped, word[:place] + word[place + 1 :], word[:place] + word[place] + word[place:]))

    return _WORD.sub(slip, text)
