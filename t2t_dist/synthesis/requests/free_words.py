"""Requests in a model's own words, read back: does a text say what its expression means, and nothing that changes it?

The template's words are parsed (``words.py``). Free words can't be: they are *accounted for*. Each part of the
expression (``parts.py``) must be found in the text, by words of the domain's language file or by words that mean the
same (``paraphrases.yaml``). And each mark of meaning in the text (a rank, a quantity, a number, a negation, another
value or kind of record, a word that is not known) must belong to a part, or to the errand. Who is not sure refuses: a
task is lost, but none is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from t2t_dist.core.schema import Fact
from t2t_dist.core.text_match import spelled
from t2t_dist.environments.base import Domain
from t2t_dist.environments.language import Tell

from . import language as lang
from .domain_words import NOT, SENTENCE, SMALL, ErrandWords, errand_words, figures_of, lexicon_of
from .evaluate import NoMeaning, records_of
from .parts import Described, Which, described
from .senses import (
    ENDS,
    NUMBER,
    NUMBERS,
    STOPS,
    Lexicon,
    Mark,
    common,
    filler,
    spoken_date,
    stem,
    tokens,
    vocabulary,
)
from .shown import Universe

#: Characters of a text that are read: it comes from outside, and marks are compared with each other.
MOST_READ = 3_000


class NotCarried(Exception):
    """A text that does not say what it should; ``code`` and ``detail`` say why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class Asked(NamedTuple):
    """An errand that a text asks for: its name, the facts that are said, and what is described among them, by slot."""

    name: str
    facts: Sequence[Fact]
    things: Mapping[str, Described]
    #: By slot, how many records a set has, and whether each needs its own.
    counts: Mapping[str, int]
    is_apart: bool
    #: Whether it is wanted in place of what was asked for before, and why, in the domain's words.
    is_instead: bool = False
    why: str = ""
    #: What is said in the place of what is withheld: "a flight from Boston to Denver".
    rough: Sequence[str] = ()


class Limit(NamedTuple):
    """The condition of a request: the figure's words, its relation to the limit, the limit, and the type of the record
    that has the figure (empty: the errand's result)."""

    tell: Tell
    relation: lang.Rank
    limit: float
    kind: str


def asked(
    domain: Domain,
    customer: str,
    universe: Universe,
    request: lang.Do | lang.Each,
    facts: Sequence[Fact],
    name: str = "",
) -> Asked:
    """What a request for an errand has to say. ``name``: the errand, where another than the expression's is asked for
    (what a customer wants first). Raises NotCarried: a description that is not read in free words."""
    things, counts = dict[str, Described](), dict[str, int]()
    for fact in facts:
        if not fact.described:
            continue
        is_set = isinstance(request, lang.Each) and fact.slot == request.slot
        node = request.among if isinstance(request, lang.Each) and is_set else request.arguments.get(fact.slot)
        thing = described(domain, node) if node is not None else None
        if thing is None:
            raise NotCarried("not_read", f"the {fact.label} is described in a way that is not read in free words")
        things[fact.slot] = thing
        if isinstance(request, lang.Each) and is_set:
            try:
                counts[fact.slot] = len(records_of(domain, customer, universe, request.among))
            except NoMeaning:
                counts[fact.slot] = 0
    given = [value.value for value in request.arguments.values() if isinstance(value, lang.Given)]
    apart = isinstance(request, lang.Each) and any(type(value) in (int, float) for value in given)
    return Asked(name or request.errand, facts, things, counts, apart)


def bounded(text: str) -> str:
    """The text. Raises NotCarried: it is longer than anybody's request."""
    if len(text) > MOST_READ:
        raise NotCarried("too_long", f"it has more than {MOST_READ:,} characters")
    return text


def check_request(
    domain: Domain,
    universe: Universe,
    text: str,
    first: Asked,
    limit: Limit | None = None,
    second: Asked | None = None,
    needed: Collection[str] | None = None,
) -> None:
    """Proves that a request is for one errand, on its condition if it has one, or else for a second. ``needed``: the
    slots that have to be said, where the customer speaks of the errand already; ``None``: all, and what it is. Raises
    NotCarried."""
    reader = _Reader(domain, universe, text, [first, *([second] if second is not None else [])])
    words, otherwise = reader.words, reader.otherwise()
    if limit is None:
        if (otherwise and not first.is_instead) or second is not None:
            raise NotCarried("condition_added", "it says what is wanted otherwise, where there is no condition")
        reader.read(first, 0, len(words), None, needed)
        return
    split, after = otherwise if otherwise is not None else (len(words), len(words))
    if second is not None:
        if otherwise is None:
            raise NotCarried("fallback_dropped", "it does not say what is wanted otherwise")
        reader.read(first, 0, split, limit)
        reader.read(second, after, len(words), None)
        return
    if otherwise is not None:
        end = reader.end_of_sentence(after)
        reader.only_leaves(after, end)
        reader.blank(split, end)
    reader.read(first, 0, len(words), limit)


#: Words before a value that tell which argument it is: "the lamp to the desk" is not "the desk to the lamp".
_LEADS = frozenset(("to", "for", "with", "into"))
#: Words that make of a record another.
_OTHERS = frozenset(("another", "other", "others", "different", "else"))
#: Words before a value that turn it round.
_WAYS = frozenset(("from", "off", "out", "without", "like", "unlike", "than", "near", "not", "no"))
#: What a question begins with that asks how things are, unless it has a word of a wish; what may stand before that.
_HOW_IT_IS = frozenset(
    (
        "is",
        "are",
        "was",
        "were",
        "do",
        "does",
        "did",
        "has",
        "have",
        "had",
        "why",
        "when",
        "where",
        "who",
        "which",
        "what",
        "how",
    )
)
_POLITE = frozenset(("possible", "okay", "ok", "chance", "mind", "think", "way", "help", "you"))
_CALLS = frozenset(("hi", "hey", "hello", "so", "and", "but", "well", "please", ",", "also", "now", "just"))
#: What a clause that gives a reason begins with, after a joining word.
_SUBJECTS = frozenset(
    [
        "i",
        "we",
        "my",
        "our",
        "it",
        "there",
        "they",
        "she",
        "he",
        "things",
        "something",
        "someone",
        "somebody",
        "nobody",
        "life",
        "work",
    ]
)
_JOINS = frozenset(
    ["because", "since", "as", "so", "and", "but", "well", "also", "actually", "honestly", "now", "plus", "you", "see"]
)
#: Words of a clause that asks for something, and does not only give a reason.
_ASKS = frozenset(
    [
        "want",
        "need",
        "like",
        "please",
        "could",
        "can",
        "would",
        "should",
        "must",
        "you",
        "your",
        "let",
        "?",
        "wish",
        "hope",
        "prefer",
        "kindly",
        "may",
        "might",
        "rather",
    ]
)
_UNITS = frozenset(["dollars", "dollar", "bucks", "usd", "gb", "gigabytes", "gigs"])
_SORTS_OF_PARTS = ("noun", "rank", "test", "value", "itself", "fact", "quantifiers", "never", "conditions")


class _Reader:
    """One text, in tokens and marks."""

    def __init__(self, domain: Domain, universe: Universe, text: str, errands: Sequence[Asked]) -> None:
        self.domain, self.universe = domain, universe
        self.lexicon, facts, own = lexicon_of(domain, universe), Lexicon(), Lexicon()
        self.known: set[str] = set()
        self.pairs: set[tuple[str, str]] = set()
        self.withheld: set[str] = set()
        for one in errands:
            for fact in one.facts:
                self.known |= set(tokens(fact.label))
                if fact.described or not fact.stated:
                    self.withheld |= set(tokens(fact.text)) if not fact.stated else set()
                    continue
                for said in fact.says:
                    for way in (said, spoken_date(said)):
                        facts.add(way, ("fact", (fact.slot, said)))
                    facts.add(fact.text, ("fact", (fact.slot, said)))
                self.known |= set(tokens(fact.text))
                self.pairs |= set(pairwise(tokens(fact.text)))
        self.words = tokens(bounded(text))
        # What is stated as it is comes first, then the sentences of the errand, and then what could be anything.
        for one in errands:
            for phrase in (*errand_words(domain.origin, one.name).sayings, *SENTENCE.split(one.why)):
                own.add(phrase.strip(" .!"), ("own", one.name))
            for phrase in one.rough:
                own.add(phrase, ("own", one.name))
                own.add(" ".join(tokens(phrase)[2:]), ("own", one.name))
        self.marks = self.lexicon.marks(self.words, own.marks(self.words, facts.marks(self.words)))
        self.deeds = common().marks(self.words)
        self.gone: set[int] = set()
        self._check_ways(errands)
        self._check_withheld(errands)
        self._check_asks()

    def _check_asks(self) -> None:
        """Who wants something does not ask how things are: "is my order cancelled?". Raises NotCarried."""
        for end in (at for at, word in enumerate(self.words) if word == "?"):
            start = end
            while start > 0 and self.words[start - 1] not in ENDS:
                start -= 1
            said = self.words[start:end]
            while said and said[0] in _CALLS:
                said = said[1:]
            is_wish = _POLITE.intersection(said) or not said or said[0] not in _HOW_IT_IS
            if not is_wish and any(mark.of("noun") or mark.of("fact") for mark in self._within(start, end)):
                raise NotCarried("errand_differs", f"'{' '.join(said)}' asks how something is")

    def _within(self, start: int, end: int) -> list[Mark]:
        return [mark for mark in self.marks if start <= mark.start < end]

    def _check_withheld(self, errands: Sequence[Asked]) -> None:
        """What is to be told only when asked is not hinted at either. Raises NotCarried."""
        stems = {word for one in errands for word in errand_words(self.domain.origin, one.name).stems}
        rough = {word for one in errands for phrase in one.rough for word in tokens(phrase)}
        held = {word for word in self.withheld if word not in filler() | self.known | rough and stem(word) not in stems}
        for word in self.words:
            if word in held and word not in STOPS | ENDS:
                raise NotCarried("leaks_withheld", f"'{word}' gives away what is to be told when asked")
        hints = {stem(word) for word in self.withheld}
        for mark in self.marks:
            said = self.words[mark.start : mark.end]
            if mark.of("idioms") and {"no", "not"}.intersection(said) and hints.intersection(map(stem, said)) - SMALL:
                raise NotCarried("leaks_withheld", f"'{' '.join(said)}' gives away what is to be told when asked")

    def _check_ways(self, errands: Sequence[Asked]) -> None:
        """What comes "from" somewhere does not go there."""
        for one in errands:
            for fact in one.facts:
                said = tokens(fact.text)
                for word, place in pairwise(said):
                    other = {"from": "to", "to": "from"}.get(word)
                    turned = other and place not in filler() and (other, place) in set(pairwise(self.words))
                    if turned and (other, place) not in set(pairwise(said)):
                        raise NotCarried("part_added", f"'{other} {place}' is not in the {fact.label}")

    def blank(self, start: int, end: int) -> None:
        self.gone |= set(range(start, end))

    def end_of_sentence(self, at: int) -> int:
        while at < len(self.words) and self.words[at] not in ENDS:
            at += 1
        return at

    def otherwise(self) -> tuple[int, int] | None:
        """Where what is wanted otherwise begins, and where its words do."""
        found = [mark for mark in self.marks if mark.of("otherwise")]
        if not found:
            return None
        if len(found) > 1:
            raise NotCarried("not_clear", "it says more than once what is wanted otherwise")
        return found[0].start, found[0].end

    def only_leaves(self, start: int, end: int) -> None:
        """Otherwise nothing is to be done, and that is all that is said."""
        marks = [mark for mark in self.marks if start <= mark.start < end]
        if not any(mark.of("leave") for mark in marks):
            raise NotCarried("fallback_added", "it says that something else is wanted otherwise")
        covered = {at for mark in marks if mark.of("leave") or mark.of("idioms") for at in range(mark.start, mark.end)}
        for at in range(start, end):
            word = self.words[at]
            if at not in covered and word not in STOPS and word not in filler():
                raise NotCarried("fallback_added", f"'{word}' is not known in what is wanted otherwise")

    # -- one request ---------------------------------------------------------------------------------------------------
    def read(
        self, one: Asked, start: int, end: int, limit: Limit | None, needed: Collection[str] | None = None
    ) -> None:
        """Proves that the words from ``start`` to ``end`` ask for an errand. Raises NotCarried."""
        marks = [m for m in self.marks if start <= m.start < end and m.start not in self.gone]
        errand = errand_words(self.domain.origin, one.name)
        clause = self._condition(marks, start, end, limit) if limit is not None else range(0)
        inside = [mark for mark in marks if mark.start in clause]
        marks = [mark for mark in marks if mark.start not in clause]
        if limit is not None:
            self._check_clause(inside, clause, one, limit, errand)
        self._check_facts(marks, one, needed)
        if needed is None:
            self._check_errand(marks, start, end, clause, errand, one)
            self._check_things(marks, one, errand)
        self._check_rest(marks, start, end, clause, one, errand)

    @staticmethod
    def _check_facts(marks: Sequence[Mark], one: Asked, needed: Collection[str] | None) -> None:
        said = {which for mark in marks for which in mark.of("fact")}
        for fact in one.facts:
            if needed is not None and fact.slot not in needed:
                continue
            if fact.stated and not fact.described and not said.issuperset((fact.slot, say) for say in fact.says):
                raise NotCarried("part_dropped", f"it does not say the {fact.label}: {fact.says}")

    def _check_errand(
        self, marks: Sequence[Mark], start: int, end: int, clause: range, errand: ErrandWords, one: Asked
    ) -> None:
        # Also those that are a part of a longer phrase.
        asked_for = [m for m in self.deeds if start <= m.start < end and m.start not in clause and not self._is_done(m)]
        deeds = {deed for mark in asked_for for deed in mark.of("deeds")}
        held = {stem(self.words[at]) for at in range(start, end) if at not in clause}
        for wanted, rest in errand.cores:
            if wanted <= deeds and rest <= held | self._said_otherwise(rest, deeds):
                return
        raise NotCarried("errand_differs", f"it does not ask for {one.name}")

    def _is_done(self, mark: Mark) -> bool:
        """Whether a deed is one that the customer has done themselves: "I paid it"."""
        at = mark.start - 1
        while at > 0 and self.words[at] in ("have", "had", "already", "just", "only", "even", "once"):
            at -= 1
        if at >= 0 and self.words[at] in ("been", "was", "were"):
            return not set(vocabulary()["states"]).intersection(mark.of("deeds"))
        is_past = self.words[mark.start].endswith("ed") or self.words[mark.start] in (
            "paid",
            "sent",
            "put",
            "took",
            "got",
        )
        return is_past and at >= 0 and self.words[at] in ("i", "we")

    @staticmethod
    def _said_otherwise(rest: frozenset[str], deeds: set[str]) -> set[str]:
        """Words of the errand of which the text has one that means the same."""
        groups = {stem(phrase): name for name in deeds for phrase in vocabulary()["deeds"][name]}
        return {word for word in rest if word in groups}

    def _check_things(self, marks: Sequence[Mark], one: Asked, errand: ErrandWords) -> None:
        nouns = {kind for mark in marks for kind in (*mark.of("noun"), *self._nouns_in(mark))}
        for slot, thing in one.things.items():
            label = next(fact.label for fact in one.facts if fact.slot == slot)
            is_named = thing.is_named or thing.itself is not None or thing.quantity == "whole"
            if not is_named and not any(self._same_noun(kind, thing.kind) for kind in nouns):
                raise NotCarried("part_dropped", f"it does not say what the {label} is one of")
            for part in thing.parts():
                if not any(self._says(mark, part, errand) and not self._is_left_out(mark, marks) for mark in marks):
                    raise NotCarried("part_dropped", f"it does not say this of the {label}: {part}")
            for part in thing.but:
                if not any(self._says(mark, part, errand) and self._is_left_out(mark, marks) for mark in marks):
                    raise NotCarried("exception_dropped", f"it does not say what is left out of the {label}: {part}")
            if thing.quantity:
                self._check_quantity(marks, thing, label, one.counts.get(slot, 0), one.is_apart)

    def _nouns_in(self, mark: Mark) -> Iterator[str]:
        """The kinds of the noun that a part is said with: "January bill"."""
        if mark.of("test"):
            for one in self.lexicon.marks(self.words[mark.start + 1 : mark.end]):
                yield from one.of("noun")

    def _check_quantity(self, marks: Sequence[Mark], thing: Described, label: str, count: int, apart: bool) -> None:
        said = {which for mark in marks for which in mark.of("quantifiers")}
        known = {"each"} if apart else {"each", "all"} if thing.quantity == "several" else {"all"}
        if count == 2 and not apart and not thing.but:
            known.add("both")
        if not said & known:
            raise NotCarried("quantity_dropped", f"it does not say that all of the {label} is meant")

    def _same_noun(self, one: str, other: str) -> bool:
        records = self.domain.language.records
        return one == other or records[one].noun == records[other].noun

    def _says(self, mark: Mark, part: Which, errand: ErrandWords) -> bool:
        """Whether a mark says a part, and does not belong to the errand instead: "my cancelled order"."""
        if not any(part in mark.of(sort) for sort in ("rank", "test", "itself")):
            return False
        is_deed = bool(errand.deeds.intersection(mark.of("deeds")))
        return not is_deed or self._is_attribute(mark)

    def _is_attribute(self, mark: Mark) -> bool:
        """Whether a mark stands before a noun, or in a clause that belongs to one: "that is suspended"."""
        after = next((one for one in self.marks if one.start >= mark.end), None)
        nouns = after is not None and after.start == mark.end and after.of("noun")
        at = mark.start - 1
        while at >= 0 and self.words[at] in (
            "has",
            "have",
            "is",
            "are",
            "was",
            "were",
            "been",
            "already",
            "currently",
            "now",
        ):
            at -= 1
        return bool(nouns) or (at >= 0 and at < mark.start - 1 and self.words[at] in ("that", "which"))

    def _is_left_out(self, mark: Mark, marks: Sequence[Mark]) -> bool:
        """Whether a mark is the first that follows an exception."""
        before = [
            one
            for one in marks
            if one.start < mark.start and any(one.of(s) for s in ("rank", "test", "itself", "exceptions"))
        ]
        return bool(before) and self._is_exception(before[-1]) and mark.start - before[-1].end <= 8

    def _is_exception(self, mark: Mark) -> bool:
        """Whether a mark leaves something out: "but the lamp", not "but please hurry"."""
        if not mark.of("exceptions"):
            return False
        if self.words[mark.start : mark.end] != ["but"]:
            return True
        after = self.words[mark.end : mark.end + 1]
        return bool(after) and after[0] in ("the", "for", "my", "that", "one", "those", "this", "whichever", "not")

    # -- what else is said ---------------------------------------------------------------------------------------------
    def _check_rest(
        self, marks: Sequence[Mark], start: int, end: int, clause: range, one: Asked, errand: ErrandWords
    ) -> None:
        """Every mark of meaning belongs to a part, and every word is known, but for those of reasons."""
        allowed = {part for thing in one.things.values() for part in (*thing.parts(), *thing.but)}
        kinds = {thing.kind for thing in one.things.values()}
        holding = {at: mark for mark in marks for at in range(mark.start, mark.end)}
        for unit in self._units(start, end, clause):
            if self._is_reason(unit, holding, errand):
                continue
            if one.is_instead and self._is_retraction(unit, holding):
                continue
            for at in unit:
                mark = holding.get(at)
                if mark is None or not self._is_known(mark, one, errand, allowed, kinds, marks):
                    self._check_word(at, one.counts.values(), errand)

    def _units(self, start: int, end: int, clause: range) -> Iterator[list[int]]:
        """The words of the text clause by clause."""
        unit = list[int]()
        for at in range(start, end):
            if at in clause or at in self.gone:
                continue
            word, after = self.words[at], self.words[at + 1 : at + 2]
            joins = word in ("because", "since", "as", "so", "and", "but") and after and after[0] in _SUBJECTS
            if word in ENDS or word in STOPS or joins:
                if word == "?":
                    unit.append(at)
                if unit:
                    yield unit
                unit = [at] if joins else []
            else:
                unit.append(at)
        if unit:
            yield unit

    def _is_reason(self, unit: Sequence[int], holding: Mapping[int, Mark], errand: ErrandWords) -> bool:
        """Whether a clause only gives a reason: nothing that is a part stands in it, and it asks for nothing."""
        words = [self.words[at] for at in unit]
        while words and words[0] in _JOINS:
            words = words[1:]
        if not words or words[0] not in _SUBJECTS or _ASKS.intersection(words) or NUMBERS.intersection(words):
            return False
        if any(NUMBER.fullmatch(word) or any(char.isdigit() for char in word) for word in words):
            return False
        if NOT.intersection(words) and any(stem(word) in errand.stems and word not in filler() for word in words):
            return False
        for at in unit:
            mark = holding.get(at)
            if mark is not None and any(self._counts(mark, sort) for sort in _SORTS_OF_PARTS):
                return False
            if mark is not None and (mark.of("leave") or mark.of("otherwise") or mark.of("exceptions")):
                return False
        return any(word not in filler() | NOT and word.isalpha() for word in words)

    def _is_retraction(self, unit: Sequence[int], holding: Mapping[int, Mark]) -> bool:
        """Whether a clause takes back what was asked for before, and says no part of anything."""
        marks = [holding[at] for at in unit if at in holding]
        if not any(mark.of("retractions") for mark in marks):
            return False
        return not any(self._counts(mark, sort) for mark in marks for sort in _SORTS_OF_PARTS if sort != "never")

    def _counts(self, mark: Mark, sort: str) -> bool:
        """Whether a mark counts as one of a sort; "one" is mostly no record."""
        return bool(mark.of(sort)) and not (sort == "noun" and self.words[mark.start : mark.end] in (["one"], ["ones"]))

    def _is_known(
        self, mark: Mark, one: Asked, errand: ErrandWords, allowed: set[Which], kinds: set[str], marks: Sequence[Mark]
    ) -> bool:
        """Whether a mark belongs to a part, to the errand, or to no request in particular. Raises NotCarried: to
        another."""
        text = " ".join(self.words[mark.start : mark.end])
        if stated := mark.of("fact"):
            own_facts = [fact.slot for fact in one.facts if any((fact.slot, say) in stated for say in fact.says)]
            if not own_facts:
                raise NotCarried("part_added", f"'{text}' is not in what is meant")
            self._check_way(mark, own_facts, errand)
            return True
        if mark.of("idioms") or mark.of("own"):
            return True
        if mark.of("retractions") and one.is_instead:
            return True
        if mark.of("never") or mark.of("times") or mark.of("retractions"):
            raise NotCarried("part_added", f"'{text}' is not in what is meant")
        is_deed = bool(errand.deeds.intersection(mark.of("deeds")))
        parts = [which for sort in ("rank", "test", "itself") for which in mark.of(sort)]
        own = [part for part in parts if part in allowed]
        if parts or mark.of("value"):
            if own and (not is_deed or self._is_attribute(mark)):
                self._check_place(mark, own, one, marks)
                return True
            if is_deed and not self._is_attribute(mark):
                return True
            if mark.of("noun") and not mark.of("rank"):
                return True
            words = self.words[mark.start : mark.end]
            in_words = all(stem(word) in errand.stems or word in filler() or word in self.known for word in words)
            if in_words and not self._is_attribute(mark) and not mark.of("rank") and not mark.of("value"):
                return True
            raise NotCarried("part_added", f"'{text}' is not in what is meant")
        if quantity := mark.of("quantifiers"):
            if not any(thing.quantity for thing in one.things.values()):
                raise NotCarried("quantity_added", f"'{text}' is not in what is meant")
            twos = [
                one.counts.get(slot, 0) == 2 and not thing.but for slot, thing in one.things.items() if thing.quantity
            ]
            if "both" in quantity and not any(twos):
                raise NotCarried("quantity_added", f"'{text}' is said of more than two")
            return True
        if mark.of("exceptions"):
            if text == "but" and not self._is_exception(mark):
                return True
            if not any(thing.but for thing in one.things.values()):
                raise NotCarried("exception_added", f"'{text}' leaves something out")
            return True
        if mark.of("conditions"):
            raise NotCarried("condition_added", f"'{text}' is a condition that is not meant")
        if mark.of("otherwise") or mark.of("leave"):
            raise NotCarried("fallback_added", f"'{text}' says what is wanted otherwise")
        if is_deed:
            return True
        if mark.of("deeds") and not mark.of("noun") and not all(word in filler() for word in text.split()):
            raise NotCarried("errand_differs", f"'{text}' is not what is asked for")
        if self._counts(mark, "noun"):
            in_words = all(stem(word) in errand.stems for word in self.words[mark.start : mark.end])
            is_own = any(self._same_noun(kind, own) for kind in mark.of("noun") for own in kinds)
            if not (is_own or in_words or text in self.known):
                raise NotCarried("part_added", f"'{text}' is something else than what is meant")
            return True
        return False

    def _check_way(self, mark: Mark, slots: Sequence[str], errand: ErrandWords) -> None:
        """A value stands where its errand has it: "to the small plan", not "from the small plan". Raises NotCarried."""
        at = mark.start - 1
        while at >= 0 and self.words[at] in ("the", "a", "an", "my", "of"):
            at -= 1
        before = self.words[at] if at >= 0 else ""
        is_wish = before == "like" and self.words[at - 1] in ("would", "should", "i", "really")
        is_own = before != "like" and any(before in errand.before.get(slot, ()) for slot in slots)
        others = [slot for slot in errand.before if slot not in slots and before in errand.before[slot]]
        is_others = before in _LEADS and bool(others) and not is_own
        if (before not in _WAYS and not is_others) or is_wish or is_own:
            return
        text = " ".join(self.words[at : mark.end])
        raise NotCarried("part_differs", f"'{text}' is not what is meant")

    def _check_place(self, mark: Mark, own: Sequence[Which], one: Asked, marks: Sequence[Mark]) -> None:
        """A part stands by its noun, and where it belongs: in what is meant, or in what is left out."""
        text = " ".join(self.words[mark.start : mark.end])
        left_out = self._is_left_out(mark, marks)
        things = [thing for thing in one.things.values() if set(own) & ({*thing.but} if left_out else {*thing.parts()})]
        if not things:
            where = "what is left out" if left_out else "what is meant"
            raise NotCarried("exception_differs", f"'{text}' does not belong to {where}")
        noun = None if left_out else self._noun_of(mark, marks)
        if noun is not None and not any(self._same_noun(kind, thing.kind) for kind in noun for thing in things):
            raise NotCarried("part_added", f"'{text}' is said of something else")

    def _noun_of(self, mark: Mark, marks: Sequence[Mark]) -> list[str] | None:
        """The kinds of the noun that a part belongs to: the next word, or the noun before it."""
        if mark.of("noun") or mark.of("itself") or any(self._is_name(part) for part in mark.of("test")):
            return None
        at = mark.end
        while at < len(self.words):
            after = next((one for one in marks if one.start == at), None)
            if after is not None and after.of("noun"):
                return after.of("noun") if self._counts(after, "noun") else None
            if after is not None and (after.of("test") or after.of("rank")):
                at = after.end
            elif self.words[at] in ("of", "my", "all", "the", "and", "those", "our") and at - mark.end < 4:
                at += 1
            else:
                break
        before = [one for one in marks if one.end <= mark.start and self._counts(one, "noun")]
        if not before or ENDS.intersection(self.words[before[-1].end : mark.start]):
            return None
        if any(one.of("fact") for one in marks if before[-1].start < one.start < mark.start):
            return []  # "my reservation to business class, without insurance"
        return before[-1].of("noun")

    def _is_name(self, part: Which) -> bool:
        """Whether a part stands for the noun: "the lamp"."""
        kind, path, _ = part
        return bool(self.domain.language.records[kind].fields[path].named)

    def _check_word(self, at: int, counts: Collection[int], errand: ErrandWords) -> None:
        word = self.words[at]
        if word in NOT:
            later = [self.words[i] for i in range(at + 1, min(len(self.words), at + 5))]
            if not any(stem(one) in errand.denied for one in later):
                raise NotCarried("negated", f"'{' '.join([word, *later])}' may be the opposite of what is meant")
            return
        if NUMBER.fullmatch(word) or word in NUMBERS:
            if tuple(self.words[at : at + 2]) in self.pairs or (word == "two" and 2 in counts):
                return
            raise NotCarried("number_added", f"'{word}' is no number of what is meant")
        after = next((mark for mark in self.marks if mark.start == at + 1), None)
        if word in _OTHERS and after is not None and after.of("noun") and not self.withheld:
            raise NotCarried("part_added", f"'{word}' is something else than what is meant")
        if stem(word) in errand.stems or word in filler() or word in self.known or word in STOPS or word == "?":
            return
        raise NotCarried("word_unknown", f"what '{word}' means is not known")

    # -- the condition -------------------------------------------------------------------------------------------------
    def _condition(self, marks: Sequence[Mark], start: int, end: int, limit: Limit) -> range:
        """Where the condition stands: from its first word to the end of its clause. Raises NotCarried: there is none,
        or more than one."""
        found = [mark for mark in marks if mark.of("conditions")]
        if not found:
            raise NotCarried("condition_dropped", "it has no condition")
        if len(found) > 1:
            raise NotCarried("not_clear", "it has more than one condition")
        at = found[0].start
        stop = found[0].end
        has_number = False
        while stop < end and self.words[stop] not in ENDS and self.words[stop] not in (";", "-"):
            word = self.words[stop]
            if word == "," and has_number:
                break
            if (
                has_number
                and word
                in (
                    "then",
                    "please",
                    "go",
                    "i",
                    "could",
                    "can",
                    "leave",
                    "forget",
                    "do",
                    "otherwise",
                )
                and (word != "i" or self.words[stop + 1 : stop + 2] != ["get"])
            ):
                break
            has_number = has_number or NUMBER.fullmatch(word) is not None
            stop += 1
        return range(at, stop)

    def _check_clause(
        self, inside: Sequence[Mark], clause: range, one: Asked, limit: Limit, errand: ErrandWords
    ) -> None:
        """The clause says the figure, how it compares, and the limit. Raises NotCarried."""
        words = [self.words[at] for at in clause]
        numbers = [word for word in words if NUMBER.fullmatch(word) or word in NUMBERS]
        if [spelled(word.lstrip("$")) for word in numbers] != [spelled(f"{limit.limit:g}")]:
            raise NotCarried(
                "limit_differs", f"the limit is {limit.limit:g}, not {' and '.join(numbers) or 'left out'}"
            )
        is_money = numbers[0].startswith("$") or {"dollars", "dollar", "bucks", "usd"}.intersection(words)
        is_data = {"gb", "gigabytes", "gigs"}.intersection(words)
        if bool(is_money) is not limit.tell.is_money or (is_money and is_data):
            raise NotCarried("limit_differs", "the limit is in another unit")
        if not limit.tell.is_money:
            unit = {word for text in [*limit.tell.above, *limit.tell.below] for word in tokens(text)} & _UNITS
            if unit and not is_data:
                raise NotCarried("limit_differs", "the limit has no unit")
        ways = {sort for mark in inside for sort in ("less", "more") if mark.of(sort)}
        if len(ways) != 1:
            raise NotCarried("limit_differs", "it does not say whether it is to be less or more")
        kind = next(mark for mark in inside if mark.of("conditions")).of("conditions")
        covered = {at for mark in inside if mark.of("less") or mark.of("more") for at in range(mark.start, mark.end)}
        turns = sum(self.words[at] in NOT for at in clause if at not in covered) + ("unless" in kind)
        turns += self._is_left(clause)
        means = ways.pop()
        if turns % 2:
            means = "less" if means == "more" else "more"
        if means != limit.relation:
            raise NotCarried("limit_differs", f"it is to be {limit.relation} than the limit, not {means}")
        self._check_figure(inside, clause, one, limit, errand)

    def _is_left(self, clause: range) -> bool:
        """Whether the condition is one on which nothing is to be done: "if it's more than $50, leave it"."""
        start, end = clause.start, clause.stop
        while start > 0 and self.words[start - 1] not in ENDS and self.words[start - 1] != ";":
            start -= 1
        end = self.end_of_sentence(end)
        around = [mark for mark in self._within(start, end) if mark.of("leave")]
        around = [mark for mark in around if mark.start not in clause and mark.start not in self.gone]
        for mark in around:
            self.blank(mark.start, mark.end)
        around = [mark for mark in around if self.words[mark.start] != "or"]
        if len(around) > 1:
            raise NotCarried("not_clear", "it says twice that something is to be left")
        return bool(around)

    def _check_figure(
        self, inside: Sequence[Mark], clause: range, one: Asked, limit: Limit, errand: ErrandWords
    ) -> None:
        wanted, said = figures_of(limit.tell), set[str]()
        others = errand.figures - wanted
        for one_mark in inside:
            found = set(one_mark.of("figures"))
            said |= found
            if found and not found & wanted and found & (others | {"get back", "data used"}):
                text = " ".join(self.words[one_mark.start : one_mark.end])
                raise NotCarried("limit_differs", f"'{text}' is another figure than the one that is meant")
        if wanted and not said & wanted and (others or wanted != {"cost"}):
            raise NotCarried("limit_differs", "it does not say what the limit is about")
        kinds = {thing.kind for thing in one.things.values()} | ({limit.kind} if limit.kind else set())
        tell = {stem(word) for text in [*limit.tell.above, *limit.tell.below, *limit.tell.ask] for word in tokens(text)}
        holding = {at: mark for mark in inside for at in range(mark.start, mark.end)}
        for at in clause:
            mark, word = holding.get(at), self.words[at]
            if word in _OTHERS or (mark is not None and mark.of("fact")):
                raise NotCarried("limit_differs", f"'{word}' is something else than what the limit is about")
            if mark is not None and any(mark.of(s) for s in ("less", "more", "conditions", "figures", "idioms")):
                continue
            nouns = mark.of("noun") if mark is not None and self._counts(mark, "noun") else []
            if any(self._same_noun(kind, own) for kind in nouns for own in kinds) or (nouns and stem(word) in tell):
                continue
            if mark is not None and (mark.of("rank") or mark.of("test") or mark.of("never") or mark.of("quantifiers")):
                raise NotCarried("part_added", f"'{word}' is not in the condition")
            known = NUMBER.fullmatch(word) or word in _UNITS or word in NOT or stem(word) in tell | errand.stems
            if not known and word not in filler() and word not in STOPS:
                raise NotCarried("word_unknown", f"what '{word}' means in the condition is not known")
