"""The parts of a description: what record, by which rank, which fields, which set, but for what.

What a text has to carry, and what a writer is told. An expression with a node that has no parts here can't be read in
free words: its requests keep the template's (:func:`is_readable`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, NamedTuple

from t2t_dist.environments.base import Domain
from t2t_dist.environments.language import RecordWords

from ..bindings import canonical_json
from . import language as lang
from .describe import alike, key_of
from .words import is_of_several

#: Where a value stands among the meanings of a phrase: the record's type, the field, and what is said of it.
Which = tuple[str, str, Hashable]


class Described(NamedTuple):
    """What an argument is said by.

    ``kind``: the type of the record; ``quantity``: ``several`` records, the ``whole`` of one, else empty; ``itself``:
    the field, where the value itself is spoken of ("my home address"); ``rank``: the field and order by which it is the
    first; ``tests``: what its fields hold; ``but``: the same of what is left out; ``is_named``: it needs no noun.
    """

    kind: str
    quantity: str = ""
    itself: Which | None = None
    rank: Which | None = None
    tests: frozenset[Which] = frozenset()
    but: frozenset[Which] = frozenset()
    is_named: bool = False

    def parts(self) -> Iterator[Which]:
        """All but what it leaves out."""
        yield from self.tests
        yield from (one for one in (self.rank, self.itself) if one is not None)


def described(domain: Domain, node: lang.Node) -> Described | None:
    """The parts of an argument's description; ``None``: it has a node that is not read in free words."""
    match node:
        case lang.FieldOf(of=record, field=path):
            words = domain.language.records.get(record.among.kind)
            if words is None or not _is_plain(record.among) or record.worth is not None or record.prefer:
                return None
            if record.place != 1 or record.among.but is not None:
                return None
            bare = not record.among.where and record.by is None
            if bare and path in words.fields and words.fields[path].itself:
                return Described(record.among.kind, itself=(record.among.kind, path, "itself"))
            tests = _tests(words, record.among)
            if tests is None or bare:
                return None
            rank = (record.among.kind, record.by, record.order) if record.by is not None else None
            is_named = any(words.fields[test.field].named for test in record.among.where)
            return Described(record.among.kind, rank=rank, tests=tests, is_named=is_named)
        case lang.FieldsOf(of=records):
            return _set(domain, records, "whole")
        case lang.Records():
            return _set(domain, node, "several")
    return None


def _set(domain: Domain, records: lang.Records, quantity: str) -> Described | None:
    words = domain.language.records.get(records.kind)
    if words is None or not _is_plain(records):
        return None
    tests = _tests(words, records)
    but = _tests(words, records.but) if records.but is not None and _is_plain(records.but) else frozenset[Which]()
    if tests is None or but is None or (records.but is not None and (not but or records.but.but is not None)):
        return None
    if quantity == "whole" and tests:
        return None
    return Described(records.kind, quantity, tests=tests, but=but)


def _is_plain(records: lang.Records) -> bool:
    """Whether a set is described by its tests alone, whatever it is a part of."""
    return not records.such and records.shown_by is None and not records.this


def _tests(words: RecordWords, records: lang.Records) -> frozenset[Which] | None:
    found = [_test(words, records.kind, test) for test in records.where]
    return frozenset(one for one in found if one is not None) if None not in found else None


def _test(words: RecordWords, kind: str, test: lang.Test) -> Which | None:
    fields = words.fields.get(test.field)
    if fields is None or not isinstance(test.value, lang.Given):
        return None
    value = test.value.value
    match test.relation:
        case "more":
            # Of a bound with phrases of its own; one that is put into a phrase is not read.
            known = isinstance(value, int | float) and float(value) in dict(fields.bounds())
            return (kind, test.field, ("more", float(value))) if known else None
        case "contains":
            return kind, test.field, canonical_json(value)
        case "one of":
            return each(kind, test.field, value) if isinstance(value, list) and value else None
        case "is":
            if group := alike(fields, key_of(value)):
                return each(kind, test.field, group)
            return kind, test.field, canonical_json(value)
    return None


def each(kind: str, path: str, group: Iterable[Any]) -> Which:
    """A field has one of several values that are said in the same words."""
    return kind, path, ("each", *sorted(map(str, group)))


def is_readable(domain: Domain, request: lang.Node) -> bool:
    """Whether all of a request can be read back in free words."""
    match request:
        case lang.Do():
            values = request.arguments.values()
            return all(isinstance(value, lang.Given) or _is_read(domain, value) for value in values)
        case lang.Each():
            given = all(isinstance(value, lang.Given) for value in request.arguments.values())
            return given and described(domain, request.among) is not None
        case lang.If(condition=lang.Compares(left=left, relation="less" | "more", right=lang.Given())):
            other = request.otherwise
            if not isinstance(left, lang.Outcome | lang.FieldOf) or not isinstance(request.then, lang.Do):
                return False
            return is_readable(domain, request.then) and (
                other is None or (isinstance(other, lang.Do) and is_readable(domain, other))
            )
        case lang.Tell(value=lang.Count(of=records) | lang.Total(of=records)):
            # Its words are those of the domain's question, so what they mean is not taken apart.
            return _is_plain(records) and records.within is None and records.but is None
    return False


def _is_read(domain: Domain, value: lang.Node) -> bool:
    """Whether a value is described in a way that can be read; what goes with another argument's description, and has no
    words of its own, is."""
    if described(domain, value) is not None:
        return True
    return isinstance(value, lang.FieldsOf) and any(test.relation == "one of" for test in value.of.where)


# -- in plain words, for a writer --------------------------------------------------------------------------------------
def in_plain_words(domain: Domain, node: lang.Node, text: str) -> list[str]:
    """What a description consists of, part by part, for whoever puts it into words; ``text``: the template's words."""
    one = described(domain, node)
    if one is None:
        return [f'exactly these words: "{text}"']
    words, lines = domain.language.records[one.kind], list[str]()
    if one.itself is not None:
        return [f"the value itself is spoken of: {_or(words.fields[one.itself[1]].itself)}"]
    if one.quantity == "whole":
        lines.append(f"all of it, said so: {_or(words.all)}")
    elif one.quantity == "several":
        each_of = is_of_several(text) and text.startswith(("each", "every"))
        count = "two, all of them" if text.startswith("both") else "each of several" if each_of else "all of several"
        lines.append(f"{count} {words.plural}, said so (all, each, every ...)")
    elif not one.is_named:
        lines.append(f"one {words.noun}" if words.noun != "one" else "one of the choices")
    if one.rank is not None:
        fields = words.fields[one.rank[1]]
        lines.append(f"which one, by order: {_or(fields.most if one.rank[2] == 'most' else fields.least)}")
    lines += [f"which, by what it is: {said}" for said in _said(domain, words, node)]
    if isinstance(node, lang.FieldsOf | lang.Records):
        but = node.of.but if isinstance(node, lang.FieldsOf) else node.but
        if but is not None:
            lines += [f"but not (but, except, apart from ...): {said}" for said in _of(domain, words, but)]
    return lines


def _said(domain: Domain, words: RecordWords, node: lang.Node) -> Iterator[str]:
    match node:
        case lang.FieldOf():
            yield from _of(domain, words, node.of.among)
        case lang.FieldsOf():
            yield from _of(domain, words, node.of)
        case lang.Records():
            yield from _of(domain, words, node)


def _of(domain: Domain, words: RecordWords, records: lang.Records) -> Iterator[str]:
    for test in records.where:
        fields, value = words.fields[test.field], test.value.value if isinstance(test.value, lang.Given) else None
        if test.relation == "more":
            yield _or(next(texts for bound, texts in fields.bounds() if bound == value))
            continue
        key = value[0] if test.relation == "one of" and isinstance(value, list) else key_of(value)
        texts = fields.each.get(str(key)) or fields.contains or fields.any or fields.named
        yield _or([text.format(value=domain.say_field(records.kind, test.field, value)) for text in texts])


def _or(texts: Iterable[str]) -> str:
    return " or ".join(f'"{text}"' for text in dict.fromkeys(texts))
