"""What the words of a domain mean: of its records, with the values that a customer's records hold, and of its errands.

Phrases are those of the domain's language file and, where the vocabulary knows them, all that mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from t2t_dist.environments.base import Domain
from t2t_dist.environments.language import RecordWords, Tell, ToolWords, Words
from t2t_dist.environments.variants import all_variants

from ..bindings import canonical_json
from .describe import alike as said_alike
from .describe import is_clause
from .parts import each
from .senses import Lexicon, alike, common, filler, stem, tokens, vocabulary
from .shown import Universe, values_at
from .words import in_plural


@lru_cache(maxsize=16)
def _of_domain(domain: Domain) -> Lexicon:
    """The phrases of a domain's records, without those that hold a value."""
    lexicon = Lexicon(common())
    for kind, words in domain.language.records.items():
        for noun in (words.noun, words.plural):
            for phrase in alike("nouns", noun) if noun else ():
                lexicon.add(phrase, ("noun", kind))
        for phrase in alike("nouns", words.noun):
            lexicon.add(phrase, ("noun", kind))
        for text in words.all:
            lexicon.add(text, ("quantifiers", "all"))
        for path, fields in words.fields.items():
            for order, texts in (("most", fields.most), ("least", fields.least)):
                for text in texts:
                    for phrase in alike("ranks", text):
                        for before in ("", "the ", "with the "):
                            lexicon.add(f"{before}{phrase}", ("rank", (kind, path, order)))
            for key, texts in fields.each.items():
                for text in texts:
                    for phrase in alike("attributes", text):
                        lexicon.add(phrase, ("test", each(kind, path, said_alike(fields, key))))
                        lexicon.add(in_plural(phrase), ("test", each(kind, path, said_alike(fields, key))))
            for bound, texts in fields.bounds():
                for text in texts:
                    for phrase in alike("attributes", text):
                        lexicon.add(phrase, ("test", (kind, path, ("more", bound))))
            for text in fields.itself:
                for phrase in alike("itself", text):
                    lexicon.add(phrase, ("itself", (kind, path, "itself")))
    # What could be a rank of something, though this domain has no words for it.
    for phrases in vocabulary()["ranks"].values():
        for phrase in phrases:
            lexicon.add(phrase, ("rank", "of nothing"))
    return lexicon


#: The last words that were looked up, by domain and universe: reading a task's requests looks up the same.
_LEXICONS: dict[tuple[int, int], tuple[Universe, Lexicon]] = {}
_MOST_LEXICONS = 8


def lexicon_of(domain: Domain, universe: Universe) -> Lexicon:
    """The phrases of a domain, and those with a value that a record of the customer's world holds."""
    key = id(domain.origin), id(universe)
    if key not in _LEXICONS:
        if len(_LEXICONS) >= _MOST_LEXICONS:
            _LEXICONS.clear()
        lexicon = Lexicon(_of_domain(domain.origin))
        for kind, words in domain.language.records.items():
            for path, fields in words.fields.items():
                texts = [*fields.any, *fields.contains, *fields.named]
                for said, value in _values(domain, universe, kind, path) if texts else ():
                    lexicon.add(said, ("value", "alone"))
                    for phrase in _with_value(words, path, texts, said):
                        lexicon.add(phrase, ("test", (kind, path, value)))
        _LEXICONS[key] = universe, lexicon
    return _LEXICONS[key][1]


def _values(domain: Domain, universe: Universe, kind: str, path: str) -> Iterator[tuple[str, Any]]:
    seen: set[Any] = set()
    for one in universe.of(kind):
        for value in values_at(one.record, path):
            for single in value if isinstance(value, list) else [value]:
                key = canonical_json(single)
                if key not in seen:
                    seen.add(key)
                    yield domain.say_field(kind, path, single), key


_ARTICLES = ("", "the ", "a ", "an ", "my ", "that ", "some ")


def _with_value(words: RecordWords, path: str, texts: Sequence[str], said: str) -> Iterator[str]:
    """The ways to say that a field holds a value: with another word before it, and without what follows it."""
    for text in texts:
        before, _, after = text.partition("{value}")
        if text in words.fields[path].named:
            yield from (f"{article}{said}" for article in ("", *_ARTICLES))
            continue
        yield f"{before}{said}{after}"
        lead = [word for word in before.split() if word not in ("the", "a", "my")]
        joined = vocabulary()["values"].get(lead[-1] if lead else "", [])
        for word in joined:
            for article in _ARTICLES:
                yield f"{word} {article}{said}{after}"
                if after.strip().startswith("in"):
                    yield f"{word} {article}{said}"
    others = [
        fields
        for other, fields in words.fields.items()
        if other != path and (fields.any or fields.contains) and _leads(fields.any) - _leads(texts)
    ]
    if not others or not is_clause(texts[0]):
        for noun in [*alike("nouns", words.noun), words.plural]:
            if noun:
                yield f"{said} {noun}"


def _leads(texts: Sequence[str]) -> set[str]:
    return {(text.partition("{value}")[0].split() or [""])[-1] for text in texts}


class ErrandWords(NamedTuple):
    """The words of an errand: stems, groups of deeds, stems after a negation, and what a request says at least."""

    stems: frozenset[str]
    deeds: frozenset[str]
    denied: frozenset[str]
    cores: tuple[tuple[frozenset[str], frozenset[str]], ...]
    figures: frozenset[str]
    sayings: tuple[str, ...]
    before: Mapping[str, frozenset[str]]


#: What stands for an argument in the words of an errand.
_SLOT_WORD = "slotslot"
#: Words that say nothing of what is denied.
SMALL = frozenset(stem(word) for line in vocabulary()["small"] for word in line.split())
_SLOT = re.compile(r"\{[^}]*\}")
SENTENCE = re.compile(r"(?<=[.?!]) +")
#: How a sentence begins that asks for something.
_REQUESTS = re.compile(
    r"(?:could|can|would|will|may|please|i(?:'d| would| need| want| was hoping| have to)|for \{|in \{|kindly)\b", re.I
)
#: Words of every sentence that tell some errands apart.
_TELLING = frozenset(("again", "back", "off"))
NOT = frozenset(["not", "no", "never", "none", "nothing", "nobody", "without", "neither", "nor", "hardly", "barely"])


@lru_cache(maxsize=256)
def errand_words(domain: Domain, name: str) -> ErrandWords:
    words = domain.language.tool(domain.tools.get(name) or name)
    errand, lexicon = domain.errand(name), _of_domain(domain)
    plain = domain.language.plainly(name, {}, "my")
    slots = [domain.language.slot(name, slot) for slot in (errand.parameters if errand is not None else ())]
    requests = [_SLOT.sub(lambda slot: plain.get(slot[0][1:-1], f" {_SLOT_WORD} "), text) for text in words.request]
    texts = [*requests, *words.why, words.name, *plain.values()]
    for slot in slots:
        texts += [slot.label, *slot.stated, *slot.vague]
    for tell in words.tell:
        texts += [*tell.ask, *tell.above, *tell.below]
    taken = [list(tokens(_SLOT.sub(f" {_SLOT_WORD} ", text))) for text in all_variants(texts)]
    deeds = {which for one in taken for mark in lexicon.marks(one) for which in mark.of("deeds")}
    denied = {
        stem(later) for one in taken for at, word in enumerate(one) if word in NOT for later in one[at + 1 : at + 5]
    }
    return ErrandWords(
        frozenset(stem(word) for one in taken for word in one),
        frozenset(deeds),
        frozenset(denied - SMALL - {stem(_SLOT_WORD)}),
        tuple(dict.fromkeys(_cores(words, lexicon, plain))),
        frozenset(figure for tell in words.tell for figure in figures_of(tell)),
        tuple(dict.fromkeys(_sayings(words, slots, requests))),
        {slot: frozenset(_before(domain, name, words, slot)) for slot in (errand.parameters if errand else ())},
    )


def _before(domain: Domain, name: str, words: ToolWords, slot: str) -> Iterator[str]:
    """The words that stand before an argument: "to {address}"."""
    for text in [*words.request, *(said.replace("value", slot) for said in domain.language.slot(name, slot).stated)]:
        for lead in text.split(f"{{{slot}}}")[:-1]:
            yield from tokens(lead)[-1:]


def _sayings(words: ToolWords, slots: Sequence[Words], requests: Sequence[str]) -> Iterator[str]:
    """Sentences and clauses of an errand that say no part, though they have words that could: "if there is something to
    pay", "I won't be at home when it comes"."""
    texts = [*words.why, *(text for text in requests if _SLOT_WORD not in text)]
    for request in requests:
        texts += [one for one in SENTENCE.split(request) if _SLOT_WORD not in one]
        texts += [one for part in request.split(_SLOT_WORD) for one in SENTENCE.split(part)]
    for slot in slots:
        texts += [part for text in (*slot.stated, *slot.vague) for part in text.split("{value}")]
    for text in all_variants(texts):
        said = tokens(text)
        sorts = {sort for mark in common().marks(said) for sort, _ in mark.meanings}
        if len(said) > 2 and (sorts & {"conditions", "quantifiers", "never", "times"} or NOT.intersection(said)):
            yield text.strip(" .,!?()")


def _cores(
    words: ToolWords, lexicon: Lexicon, plain: Mapping[str, str]
) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """What a request for an errand says at least: of one of its sentences, the deeds and the other words."""
    for text in words.request:
        sentences = SENTENCE.split(_SLOT.sub(lambda slot: plain.get(slot[0][1:-1], slot[0]), text))
        about = [one for one in sentences if _SLOT.search(one)] or sentences
        # One that only says how things are is not enough: "You've suspended {phone_number}. I need it again."
        about = [one if len(sentences) == 1 or _REQUESTS.match(one) else " ".join(sentences) for one in about]
        for sentence in about:
            # What is lost with a detail is no word of the errand: "from {order_id}".
            own = tokens(_SLOT.sub(f" {_SLOT_WORD} ", sentence))
            marks = [mark for mark in lexicon.marks(own) if mark.of("deeds")]
            covered = {at for mark in marks for at in range(mark.start, mark.end)}
            nouns = {at for mark in lexicon.marks(own) if mark.of("noun") for at in range(mark.start, mark.end)}
            rest = {
                stem(word)
                for at, word in enumerate(own)
                if at not in covered | nouns
                and word.isalpha()
                and word not in (filler() | NOT | {_SLOT_WORD}) - _TELLING
            }
            if rest and not marks and rest <= {stem(word) for word in _TELLING}:
                # "I'd like to use {phone_number} again."
                rest = {stem(word) for word in own if word.isalpha() and word not in (_SLOT_WORD, "like", "would")}
                rest -= SMALL
            yield frozenset(min(mark.of("deeds")) for mark in marks), frozenset(rest)


def figures_of(tell: Tell) -> set[str]:
    """What a figure is, by its words: a cost, money that comes back, data that is used."""
    found: set[str] = set()
    for text in [*tell.above, *tell.below]:
        marks = common().marks(tokens(text.format(value="1")))
        found |= {which for mark in marks for which in mark.of("figures")}
    # "I get more than $50 back" has words of both.
    return {"get back"} if "get back" in found else {"data used"} if "data used" in found else found
