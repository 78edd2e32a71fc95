"""Descriptions in a customer's words, and back: "my latest pending order" is one expression, and no other.

The grammar is small: what stands before the noun (``my latest pending``), the noun or a name, and the clauses after it
(``with the desk lamp in it``). Its words are the domain's (``records`` of ``language.yaml``). What is written by it can
be read by it (:func:`readings`), so a certificate can prove that the words say what the task means.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

from t2t_dist.environments.base import Domain
from t2t_dist.environments.language import FieldWords, Language, RecordWords

from . import language as lang
from . import what_works
from .describe import alike, before_noun, is_clause, is_relative, key_of, one_of
from .kinds import holders, identities
from .shown import Universe, values_at

_BUT = ("but", "except")
#: In brackets after the noun and its clauses: what one would rather have, what else, and which one of those that are
#: left: "one in stock (if possible in black, then with a straw lid, and of those the cheapest)".
_FIRST, _SECOND, _RANK = ("if possible", "preferably"), "then", "of those"
#: What stands before a second clause that has a verb.
_AND = "and"
_THE = "the"
#: Digits of a number that is named, fewer than these.
_MOST_DIGITS = 10
#: What stands before several records. What is given to "all of them" may be one thing for all together, so where a
#: number is given, only the first are said.
_EACH, _ALL, _BOTH = ("each of", "every one of"), ("all", "all of"), ("both", "both of")
#: With their number, from two on.
_NUMBERED = (_BOTH[1], "all three of", "all four of", "all five of")
MOST_NUMBERED = len(_NUMBERED) + 1
QUANTIFIERS = (*_EACH, *_ALL, *_BOTH, *_NUMBERED[1:])
#: Verbs of clauses about one record, and about several: "that has arrived".
_VERBS = {
    "is": "are",
    "has": "have",
    "was": "were",
    "goes": "go",
    "starts": "start",
    "does": "do",
    "isn't": "aren't",
    "hasn't": "haven't",
}
_VERB = re.compile(rf"^(that|which) ({'|'.join(_VERBS)})\b")
_IN_IT = re.compile(r" in it$")


class _Piece(NamedTuple):
    """A phrase for a test or an order; ``read``: what it means, given what stands in its ``{value}``."""

    text: str
    read: Callable[[str], Iterator[lang.Test | tuple[str, lang.Order]]]


def phrase(domain: Domain, node: lang.Node, rng: random.Random) -> str:
    """A description as a noun phrase. Raises ValueError: the domain has no words for it."""
    match node:
        case lang.FieldOf() if _takes_some(domain, node.of):
            return _preferred(domain, node.of, rng)
        case lang.FieldOf():
            field = _words(domain, node.of.among.kind).fields.get(node.field)
            if field is not None and field.its and (node.of.by is not None or node.of.among.where):
                return rng.choice(field.its).format(one=_one(domain, node.of, rng))
            return rng.choice(field.itself) if field is not None and field.itself else _one(domain, node.of, rng)
        case lang.FirstThatWorks():
            choice = what_works.words_of(domain, node)
            if choice is not None:
                return rng.choice(choice.say)
        case lang.FieldsOf():
            words = _words(domain, node.of.kind)
            if not words.all or node.of.where:
                raise ValueError(f"no words for several records of {node.of.kind}")
            everything = rng.choice(words.all)
            if node.of.but is None:
                return everything
            return f"{everything} {rng.choice(_BUT)} {_one(domain, lang.Record(among=node.of.but), rng)}"
    raise ValueError(f"no words for {type(node).__name__}")


def _takes_some(domain: Domain, record: lang.Record) -> bool:
    """Whether a record is said to be one of several choices: it has preferences, or no order that stands before the
    noun."""
    words = domain.language.records.get(record.among.kind)
    if record.prefer or record.among.shown_by is not None or words is None:
        return words is not None
    has_order = record.by is not None and bool(record.among.where)
    return has_order and not before_noun(words, record.by or "", record.order)


def _preferred(domain: Domain, record: lang.Record, rng: random.Random) -> str:
    """One of several choices, by what one would rather have: "one in stock, if possible in black"."""
    words, among = _words(domain, record.among.kind), record.among
    if not words.some:
        raise ValueError(f"no words for one of several records of {among.kind}")
    head = rng.choice(words.some)
    if among.shown_by is not None and words.offered is not None:
        head = f"{head} {rng.choice(words.offered.words)}"
    bare = lang.Record(among=among)
    text = _described(domain, bare, head, rng).partition(" ")[2] if among.where else head
    parts = [
        f"{_SECOND if place else rng.choice(_FIRST)} {_said_of(domain, among.kind, test, rng)}"
        for place, test in enumerate(record.prefer)
    ]
    if record.by is not None:
        rank = rng.choice(getattr(words.fields[record.by], record.order))
        parts.append(f"{'and ' * bool(parts)}{_RANK} the {'one ' * is_clause(rank)}{rank}")
    return f"{text} ({', '.join(parts)})" if parts else text


def _said_of(domain: Domain, kind: str, test: lang.Test, rng: random.Random) -> str:
    """What one would rather have, in words."""
    fields, value = _words(domain, kind).fields[test.field], test.value
    assert isinstance(value, lang.Given)
    texts = {"is": fields.prefer, "less": fields.under, "more": fields.over}.get(test.relation)
    if not texts:
        raise ValueError(f"no words for a preference in {kind}.{test.field}")
    return rng.choice(texts).format(value=domain.say_field(kind, test.field, value.value))


def phrase_of_several(domain: Domain, records: lang.Records, count: int, apart: bool, rng: random.Random) -> str:
    """Several records as a noun phrase: "all my pending orders". ``count``: how many they are; ``apart``: whether it
    has to be clear that each gets its own. Raises ValueError: the domain has no words for it."""
    words = _words(domain, records.kind)
    if not words.plural:
        raise ValueError(f"no words for several records of {records.kind}")
    quantifiers = _EACH if apart else (*_ALL, *_ALL, *_EACH[:1]) if count != 2 or records.but is not None else _BOTH
    if not apart and records.but is None and 2 < count <= MOST_NUMBERED:
        quantifiers = (*quantifiers, _NUMBERED[count - 2])
    text = f"{rng.choice(quantifiers)} {_described(domain, lang.Record(among=records), words.plural, rng, in_plural)}"
    if records.but is None:
        return text
    return f"{text} {rng.choice(_BUT)} {_other(domain, lang.Record(among=records.but), rng)}"


def is_of_several(text: str) -> bool:
    """Whether a description is of several records: "both my lines"."""
    return text.startswith(tuple(f"{quantifier} " for quantifier in QUANTIFIERS))


def count_said(text: str) -> int | None:
    """How many records a description of several says that there are: "all three of my lines"; ``None``: it does not."""
    numbers = {_BOTH[0]: 2, **{quantifier: count for count, quantifier in enumerate(_NUMBERED, 2)}}
    return next((count for quantifier, count in numbers.items() if text.startswith(f"{quantifier} ")), None)


def renumbered(text: str, count: int) -> str | None:
    """A description of several records with another number of them; ``None`` where it has no place for one."""
    for quantifier in sorted(QUANTIFIERS, key=len, reverse=True):
        if text.startswith(f"{quantifier} ") and not any(f" {but} the " in text for but in _BUT):
            return f"{_NUMBERED[count - 2]} {text.removeprefix(f'{quantifier} ')}"
    return None


def again(language: Language, text: str, said: Collection[str]) -> str | None:
    """How one goes on to speak of a record that one has described: "that order", of "my latest order". ``None`` where
    it is not among what is ``said``, or that would not be clear."""
    found = {one: that for one in said if (that := _that(language, one)) is not None}
    return found[text] if text in found and list(found.values()).count(found[text]) == 1 else None


def _that(language: Language, text: str) -> str | None:
    if not text.startswith(("my ", "the ")):
        return None
    places = {
        noun: at.start()
        for noun in {words.noun for words in language.records.values()}
        if (at := re.search(rf"\b{re.escape(noun)}\b", text)) is not None
    }
    noun = min(places, key=lambda noun: (places[noun], -len(noun)), default=None)
    return None if noun is None else f"that {noun}"


def written_out(language: Language, request: str, texts: Collection[str], said: Collection[str]) -> str:
    """A request with the descriptions ``texts`` in their own words, where it speaks again of what was ``said``."""
    meant = {that: text for text in texts if (that := again(language, text, said)) is not None}
    if not meant:
        return request
    # "The payment method I used for that order" stays as it is.
    pattern = "|".join(re.escape(one) for one in sorted({*meant, *texts}, key=len, reverse=True))
    return re.sub(rf"\b(?:{pattern})\b", lambda found: meant.get(found[0], found[0]), request)


def in_plural(clause: str) -> str:
    """A clause about one record, said of several: "that has arrived" is "that have arrived", "with the lamp in it" has
    "in them"."""
    return _IN_IT.sub(" in them", _VERB.sub(lambda found: f"{found[1]} {_VERBS[found[2]]}", clause))


def _other(domain: Domain, record: lang.Record, rng: random.Random) -> str:
    """One of the records that were spoken of: "the one that goes to Texas"."""
    return f"the {_described(domain, record, 'one', rng).partition(' ')[2]}"


def _words(domain: Domain, kind: str) -> RecordWords:
    words = domain.language.records.get(kind)
    if words is None:
        raise ValueError(f"no words for records of {kind}")
    return words


def _one(domain: Domain, record: lang.Record, rng: random.Random) -> str:
    return _described(domain, record, _words(domain, record.among.kind).noun, rng)


def _described(
    domain: Domain, record: lang.Record, head: str, rng: random.Random, form: Callable[[str], str] = str
) -> str:
    """What stands before a noun, the noun ``head``, and the clauses after it, each in its ``form``."""
    words, kind = _words(domain, record.among.kind), record.among.kind
    before: list[str] = []
    after: list[str] = []
    if record.by is not None:
        fields = words.fields[record.by]
        texts = fields.most if record.order == "most" else fields.least
        text = rng.choice(before_noun(words, record.by, record.order) if record.among.where else texts)
        (after if is_clause(text) else before).append(text)
    for test in record.among.where:
        fields, value = words.fields[test.field], test.value
        assert isinstance(value, lang.Given)
        said = domain.say_field(kind, test.field, value.value)
        if fields.named and test.relation == "is":
            head = rng.choice(fields.named).format(value=said)
            continue
        if test.relation == "less":
            texts = fields.under
        elif test.relation == "more":
            bounds = [texts for bound, texts in fields.bounds() if bound == value.value]
            texts = bounds[0] if bounds else fields.over
        elif test.relation == "contains":
            texts = fields.contains
        else:
            key = value.value[0] if test.relation == "one of" else key_of(value.value)
            texts = fields.each.get(key) or fields.any
        text = rng.choice(texts).format(value=said)
        (after if is_clause(text) else before).append(text)
    # "The order that goes to Texas" is one of mine as it is.
    whose = _THE if form is str and any(is_relative(text) for text in after) else rng.choice(words.whose)
    after = [form(text) for text in after]
    clauses = [text if place == 0 or not is_relative(text) else f"{_AND} {text}" for place, text in enumerate(after)]
    return " ".join([whose, *before, head, *clauses])


# -- reading -----------------------------------------------------------------------------------------------------------
def readings(
    domain: Domain,
    universe: Universe,
    text: str,
    type_name: str,
    within: lang.Record | None = None,
    errand: str = "",
    shown_by: lang.LookUp | None = None,
) -> list[lang.Node]:
    """The expressions that a phrase may stand for, as the value of an argument of a domain type; empty if none.

    ``within``: the record whose parts are spoken of; ``errand``: what is asked for; ``shown_by``: the search of whose
    results they are.
    """
    choices = what_works.choices_of(domain, type_name, errand)
    found: list[lang.Node] = [node for choice, node in choices if text in choice.say]
    for kind, fields in holders(domain).get(type_name, {}).items():
        known = domain.language.records[kind].fields if kind in domain.language.records else {}
        for path in fields:
            if path in known and text in known[path].itself:
                found.append(lang.FieldOf(of=lang.Record(among=lang.Records(kind=kind, within=within)), field=path))
            for head, tail in (its.split("{one}") for its in known[path].its) if path in known else ():
                if text.startswith(head) and text.endswith(tail):
                    said = text.removeprefix(head).removesuffix(tail)
                    held = _read_one(domain, universe, kind, domain.language.records[kind], said)
                    found += [lang.FieldOf(of=record, field=path) for record in held]
    for kind, own in identities(domain).get(type_name, {}).items():
        words = domain.language.records.get(kind)
        if words is None:
            continue
        found += [
            lang.FieldOf(of=record, field=own)
            for record in _read_preferred(
                domain, universe, lang.Records(kind=kind, within=within, shown_by=shown_by), words, text
            )
        ]
        for record in _read_one(domain, universe, kind, words, text):
            among = record.among.model_copy(update={"within": within})
            found.append(lang.FieldOf(of=record.model_copy(update={"among": among}), field=own))
        everything = lang.Records(kind=kind, within=within)
        for every in words.all:
            if text == every:
                found.append(lang.FieldsOf(of=everything, field=own))
            for but in _BUT:
                rest = text.removeprefix(f"{every} {but} ")
                for record in _read_one(domain, universe, kind, words, rest) if rest != text else ():
                    if record.by is None:
                        others = record.among.model_copy(update={"within": within})
                        found.append(lang.FieldsOf(of=everything.model_copy(update={"but": others}), field=own))
    return found


def readings_of_several(domain: Domain, universe: Universe, text: str, type_name: str) -> list[lang.Records]:
    """The sets of records, identified by a value of a domain type, that a phrase may stand for; empty if none."""
    found: list[lang.Records] = []
    for kind in identities(domain).get(type_name, {}):
        words = domain.language.records.get(kind)
        if words is None or not words.plural:
            continue
        before, after = _pieces_by_place(domain, universe, kind, words)
        after = [piece._replace(text=in_plural(piece.text)) for piece in after]
        heads = [_Piece(words.plural, lambda _: iter(()))]
        for start in (f"{quantifier} {whose} " for quantifier in QUANTIFIERS for whose in words.whose):
            if not text.startswith(start):
                continue
            rest = text.removeprefix(start)
            splits = [(rest, "")]
            for but in _BUT:
                splits += [
                    (rest[: at.start()], rest[at.end() :]) for at in re.finditer(rf" {but} the (?=.*\bone\b)", rest)
                ]
            for several, other in splits:
                buts = [one.among for one in _read_other(domain, universe, kind, words, other)] if other else [None]
                for parts in _sequences(several, before, heads, after):
                    tests = tuple(part for part in parts if isinstance(part, lang.Test))
                    if len(tests) == len(parts):
                        found += [lang.Records(kind=kind, where=tests, but=but) for but in buts]
    return found


def _read_other(domain: Domain, universe: Universe, kind: str, words: RecordWords, text: str) -> Iterator[lang.Record]:
    before, after = _pieces_by_place(domain, universe, kind, words)
    for parts in _sequences(text, before, [_Piece("one", lambda _: iter(()))], after):
        yield from (one for one in _record(kind, parts) if one.by is None)


def _pieces_by_place(
    domain: Domain, universe: Universe, kind: str, words: RecordWords
) -> tuple[list[_Piece], list[_Piece]]:
    """The phrases that stand before the noun, and those after it."""
    pieces = [piece for path, fields in words.fields.items() for piece in _pieces(domain, universe, kind, path, fields)]
    before = [piece for piece in pieces if not is_clause(piece.text)]
    return before, [piece for piece in pieces if is_clause(piece.text)]


def _read_one(domain: Domain, universe: Universe, kind: str, words: RecordWords, text: str) -> Iterator[lang.Record]:
    before, after = _pieces_by_place(domain, universe, kind, words)
    named = [
        piece
        for path, fields in words.fields.items()
        for text_ in fields.named
        for piece in [_Piece(text_, _with_value(domain, universe, kind, path, "is"))]
    ]
    heads = [*named, _Piece(words.noun, lambda _: iter(()))]
    for whose in dict.fromkeys((_THE, *words.whose)):
        if text.startswith(f"{whose} "):
            rest = text[len(whose) + 1 :]
            for parts in _sequences(rest, before, heads, after):
                yield from _record(kind, parts)


def _read_preferred(
    domain: Domain, universe: Universe, among: lang.Records, words: RecordWords, text: str
) -> Iterator[lang.Record]:
    """One of several choices, by what one would rather have."""
    kind = among.kind
    stated, bracket, inner = text.partition(" (")
    if not words.some or not bracket or not inner.endswith(")"):
        return
    parts, wishes = inner.removesuffix(")").split(", "), list[list[lang.Test]]()
    ranks: list[tuple[str | None, lang.Order]] = [(None, "most")]
    lead = f"{'and ' * (len(parts) > 1)}{_RANK} the "
    if parts[-1].startswith(lead):
        rank = parts.pop().removeprefix(lead)
        ranks = [
            (path, order)
            for path, field in words.fields.items()
            for order, texts in _ranks(field)
            for said in texts
            if rank == f"{'one ' * is_clause(said)}{said}"
        ]
    for place, said in enumerate(parts):
        start = next((one for one in ((_SECOND,) if place else _FIRST) if said.startswith(f"{one} ")), None)
        wishes.append([] if start is None else list(_wishes(domain, universe, kind, words, said[len(start) + 1 :])))
    before, after = _pieces_by_place(domain, universe, kind, words)
    offers = [f" {one}" for one in words.offered.words] if words.offered is not None else [""]
    heads = [_Piece(f"{some}{offer}", lambda _: iter(())) for some in words.some for offer in offers]
    for read in _sequences(stated, before, heads, after):
        tests = tuple(part for part in read if isinstance(part, lang.Test))
        if len(tests) < len(read):
            continue
        for prefer in product(*wishes):
            for path, order in ranks:
                held = among.model_copy(update={"where": tests})
                yield lang.Record(among=held, by=path, order=order, prefer=prefer)


def _ranks(field: FieldWords) -> tuple[tuple[lang.Order, list[str]], ...]:
    return ("most", field.most), ("least", field.least)


def _wishes(domain: Domain, universe: Universe, kind: str, words: RecordWords, said: str) -> Iterator[lang.Test]:
    """What a phrase says that one would rather have."""
    for path, fields in words.fields.items():
        pieces = [_Piece(text, _with_value(domain, universe, kind, path, "is")) for text in fields.prefer]
        for piece in [*pieces, *_limits(path, fields)]:
            for meant, rest in _starts(piece, said):
                if not rest and isinstance(meant, lang.Test):
                    yield meant


def _limits(path: str, fields: FieldWords) -> Iterator[_Piece]:
    """The phrases with a number that is named."""
    for relation, texts in (("less", fields.under), ("more", fields.over)):
        for text in texts:
            yield _Piece(text, _with_number(path, relation))  # type: ignore[arg-type]


def _with_number(path: str, relation: lang.Relation) -> Callable[[str], Iterator[Part]]:
    def read(said: str) -> Iterator[Part]:
        if said.isdecimal() and len(said) < _MOST_DIGITS:
            yield lang.Test(field=path, relation=relation, value=lang.Given(value=int(said)))

    return read


Part = lang.Test | tuple[str, lang.Order]


def _sequences(
    text: str, before: Sequence[_Piece], heads: Sequence[_Piece], after: Sequence[_Piece]
) -> Iterator[list[Part]]:
    """The ways to read what stands before the noun, the noun, and what follows it."""
    for piece in before:
        for meant, rest in _starts(piece, text):
            for more in _sequences(rest, before, heads, after):
                yield [meant, *more]
    for head in heads:
        if "{value}" in head.text:
            for meant, rest in _starts(head, text):
                for more in _clauses(rest, after):
                    yield [meant, *more]
        elif text == head.text or text.startswith(f"{head.text} "):
            yield from _clauses(text[len(head.text) + 1 :], after)


def _clauses(text: str, after: Sequence[_Piece]) -> Iterator[list[Part]]:
    if not text:
        yield []
    for piece in after:
        for meant, rest in _starts(piece, text):
            if not rest:
                yield [meant]
            else:
                for more in _clauses(rest.removeprefix(f"{_AND} "), after):
                    yield [meant, *more]


def _starts(piece: _Piece, text: str) -> Iterator[tuple[Part, str]]:
    """What a phrase at the beginning of a text means, and the rest of the text."""
    head, slot, tail = piece.text.partition("{value}")
    if not slot:
        if text == head or text.startswith(f"{head} "):
            yield from ((meant, text[len(head) + 1 :]) for meant in piece.read(""))
        return
    if not text.startswith(head):
        return
    for end in range(len(head) + 1, len(text) + 1):
        if (end == len(text) or text[end] == " " or tail) and text.startswith(tail, end):
            rest = text[end + len(tail) :]
            if not rest or rest.startswith(" "):
                yield from ((meant, rest[1:]) for meant in piece.read(text[len(head) : end]))


def _pieces(domain: Domain, universe: Universe, kind: str, path: str, fields: FieldWords) -> Iterator[_Piece]:
    for rank, texts in (("most", fields.most), ("least", fields.least)):
        for text in texts:
            yield _Piece(text, _as_it_is((path, rank)))  # type: ignore[arg-type]
    for key, texts in fields.each.items():
        group = alike(fields, key)
        held = [v for one in universe.of(kind) for v in values_at(one.record, path) if key_of(v) in group]
        for text in texts if held and key == group[0] else ():
            yield _Piece(text, _as_it_is(one_of(path, group, held[0])))
    for bound, texts in fields.bounds():
        for text in texts:
            yield _Piece(text, _as_it_is(lang.Test(field=path, relation="more", value=lang.Given(value=bound))))
    yield from _limits(path, fields)
    for text in fields.any:
        yield _Piece(text, _with_value(domain, universe, kind, path, "is"))
    for text in fields.contains:
        yield _Piece(text, _with_value(domain, universe, kind, path, "contains"))


def _as_it_is(meant: Part) -> Callable[[str], Iterator[Part]]:
    return lambda _: iter((meant,))


def _with_value(
    domain: Domain, universe: Universe, kind: str, path: str, relation: lang.Relation
) -> Callable[[str], Iterator[Part]]:
    def read(said: str) -> Iterator[Part]:
        seen: list[Any] = []
        for one in universe.of(kind):
            for value in values_at(one.record, path):
                for each in value if isinstance(value, list) else [value]:
                    if each not in seen and domain.say_field(kind, path, each) == said:
                        seen.append(each)
                        yield lang.Test(field=path, relation=relation, value=lang.Given(value=each))

    return read


def _record(kind: str, parts: Sequence[Part]) -> Iterator[lang.Record]:
    """The record that parts of a phrase describe; none where they are too many or say a thing twice."""
    ranks = [part for part in parts if isinstance(part, tuple)]
    tests = tuple(part for part in parts if isinstance(part, lang.Test))
    if len(ranks) > 1 or any(tests.count(test) > 1 for test in tests) or not (ranks or tests):
        return
    among = lang.Records(kind=kind, where=tests)
    yield lang.Record(among=among, by=ranks[0][0], order=ranks[0][1]) if ranks else lang.Record(among=among)


def same_words(one: lang.Node, other: lang.Node) -> bool:
    """Whether two descriptions differ at most in the order of their tests."""
    return bool(_sorted(one) == _sorted(other))


def _sorted(node: lang.Node) -> Any:
    if isinstance(node, lang.Records):
        where = tuple(sorted(repr(test) for test in node.where))
        return "records", node.kind, _sorted_or_none(node.within), where, _sorted_or_none(node.but), repr(node.shown_by)
    return type(node).__name__, *(
        _sorted(value) if isinstance(value, lang.Node) else repr(value)
        for value in (getattr(node, name) for name in type(node).model_fields)
    )


def _sorted_or_none(node: lang.Node | None) -> Any:
    return None if node is None else _sorted(node)
