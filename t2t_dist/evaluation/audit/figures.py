"""Figures that an agent told a customer without having seen them: training on such a message teaches to invent.

A figure is a sum of money, another number that is measured (``10 GB``, ``24 hours``) or is 10 and more, a date, a time
of day, or an id. It is known where it stands in the policy, in a result, or in what the customer said, all before that
message, or follows from what stands there: as a sum, a difference, a small multiple, the days between two dates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date as calendar
from itertools import combinations
from typing import Any, NamedTuple

import orjson

from t2t_dist.core.prompts.render import agent_prompt
from t2t_dist.core.schema import Turn
from t2t_dist.core.speech_acts import normalised
from t2t_dist.core.told import dates, figures
from t2t_dist.environments.base import Domain
from t2t_dist.environments.json_text import Unreadable, read_json
from t2t_dist.environments.tools import AGENT

_UNIT = re.compile(
    r"[\s-]?(?:%|(?:per\s?cent|seconds?|minutes?|hours?|days?|weeks?|months?|years?|[kmgt]b|mbps|kg|km|cm|mm"
    r"|gigabytes?|megabytes?|miles?|points?|dollars?|euros?|pounds?|cents?|usd|eur|gbp)\b)"
)
_MONEY = re.compile(r"[$\u20ac\u00a3]")
_PER_CENT = re.compile(r"(?<![\w.,])(\d+(?:\.\d+)?)\s?(?:%|per\s?cent\b)")
_TIME = re.compile(r"(?<![\d:])(\d{1,2}):(\d\d)(?::\d\d)?(?!\d)\s?(am|pm|a\.m\.|p\.m\.)?")
#: A word with digits in it, and no date, amount or measure: ``#W5511932``, ``MRA273``, ``555-121-9299``.
_ID = re.compile(r"(?<![\w.,#])#?\w*\d\w*(?:[-_]\w+)*")
_NO_ID = re.compile(r"\d+|\d+(?:st|nd|rd|th|[ap]m|[kmgt]b|[gkhx])|\d{4}-\d\d-\d\d(?:t.*)?")
_JOINED = re.compile(r"(\d{4}-\d\d-\d\d)t(?=\d)")
#: From here on a plain number counts; smaller ones are mostly no figures ("one moment").
_PLAIN_FROM = 10
#: Lists of at most so many records are added up in every way.
_ADDED_UP = 6
_MOST_TIMES = 9


#: Numbers of these may be what lies between two dates: the days of one.
_APART = {"days": 1.0, "years": 365.25}


class Figure(NamedTuple):
    """A figure in a message: how it is written, what kind it is, and its value: hundredths, a day, minutes, a word."""

    text: str
    kind: str
    value: Any


def told_figures(message: str) -> Iterator[Figure]:
    """The figures of a message."""
    text = normalised(message)
    taken = []
    for date in dates(text):
        if any(character.isdigit() for character in text[date.start : date.end]):  # "you may first ..."
            taken.append((date.start, date.end))
            yield Figure(text[date.start : date.end], "date", (date.month, date.day))
    for match in _TIME.finditer(text):
        taken.append(match.span())
        yield Figure(match[0].strip(), "time", _minutes(match))
    for match in _PER_CENT.finditer(text):
        yield Figure(match[0], "number", _cents(match[1]))
    for number in figures(text):
        written = text[number.start : number.end]
        if any(start < number.end and number.start < end for start, end in taken):
            continue
        if _MONEY.search(written):
            yield Figure(written, "money", _cents(number.value))
        elif (unit := _UNIT.match(text, number.end)) or float(number.value) >= _PLAIN_FROM:
            named = unit[0].strip(" -") if unit else ""
            kind = named if named in _APART else "number"
            yield Figure(written + (unit[0] if unit else ""), kind, _cents(number.value))
    for match in _ID.finditer(text):
        if not _NO_ID.fullmatch(match[0]) and not any(a < match.end() and match.start() < b for a, b in taken):
            yield Figure(match[0], "id", match[0])


def _cents(number: str) -> int:
    return round(float(number) * 100)


def _minutes(match: re.Match[str]) -> int:
    hour = int(match[1])
    if match[3]:
        hour = hour % 12 + (12 if match[3].startswith("p") else 0)
    return 60 * hour + int(match[2])


class Known:
    """What an agent has seen so far in a conversation; ``before`` is what it knew at its start."""

    def __init__(self, before: Known | None = None) -> None:
        self.texts: list[str] = [] if before is None else list(before.texts)
        self.numbers: set[int] = set() if before is None else set(before.numbers)
        #: Those that may be money: sums in texts, and whatever is a number in a result.
        self.amounts: set[int] = set() if before is None else set(before.amounts)
        self.dates: set[tuple[int, int]] = set() if before is None else set(before.dates)
        self.days: set[int] = set() if before is None else set(before.days)
        self.times: set[int] = set() if before is None else set(before.times)

    def read(self, text: str) -> None:
        """Take in a text or a result."""
        try:
            value = read_json(text)
        except Unreadable:
            value = text
        self._take(value)
        plain = _JOINED.sub(r"\1 ", normalised(text))
        self.texts.append(plain)
        for date in dates(plain):
            self.dates.add((date.month, date.day))
            with suppress(ValueError):  # no date of the calendar
                self.days.add(calendar(date.year or 0, date.month, date.day).toordinal())
        self.times |= {_minutes(match) for match in _TIME.finditer(plain)}

    def _take(self, value: Any) -> None:
        if isinstance(value, bool) or value is None:
            return
        if isinstance(value, int | float):
            self.numbers.add(round(abs(value) * 100))
            self.amounts.add(round(abs(value) * 100))
        elif isinstance(value, str):
            text = normalised(value)
            for number in figures(text):
                self.numbers.add(_cents(number.value))
                if _MONEY.search(text[number.start : number.end]):
                    self.amounts.add(_cents(number.value))
            self.numbers |= {_cents(match[1]) for match in _PER_CENT.finditer(text)}
        elif isinstance(value, dict):
            for inner in value.values():
                self._take(inner)
        else:
            sums = set(_added_up(value))
            self.numbers |= {100 * len(value), *sums}
            self.amounts |= sums
            for inner in value:
                self._take(inner)

    def holds(self, figure: Figure) -> bool:
        """Whether a figure stands in what was seen, or follows from it."""
        if figure.kind == "id":
            return any(figure.value in text for text in self.texts)
        if figure.kind == "date":
            return figure.value in self.dates
        if figure.kind == "time":
            return figure.value in self.times
        if figure.value in self.numbers:
            return True
        if figure.kind == "money":  # for several people, the difference of two prices comes several times
            times = (number for number in range(1, _MOST_TIMES + 1) if figure.value % number == 0)
            return any(_follows(figure.value // number, self.amounts) for number in times)
        apart = _APART.get(figure.kind)
        if apart and any(
            int(abs(one - other) / apart) * 100 == figure.value for one in self.days for other in self.days
        ):
            return True
        return _follows(figure.value, self.numbers) or any(
            figure.value % number == 0 and figure.value // number in self.numbers
            for number in range(2, _MOST_TIMES + 1)
        )


def _follows(value: int, numbers: set[int]) -> bool:
    """Whether a value is one of the numbers, the sum of two, or their difference."""
    return value in numbers or any(value - number in numbers or value + number in numbers for number in numbers)


def _added_up(items: Sequence[Any]) -> Iterator[int]:
    """Sums of one field over records of a list: over all, and over each few of a short list."""
    fields: dict[str, list[int]] = {}
    for item in items:
        for name, value in item.items() if isinstance(item, dict) else ():
            if isinstance(value, int | float) and not isinstance(value, bool):
                fields.setdefault(name, []).append(round(abs(value) * 100))
    for values in fields.values():
        yield sum(values)
        if len(values) <= _ADDED_UP:
            for few in range(2, len(values)):
                yield from map(sum, combinations(values, few))


def known_before(domain: Domain) -> Known:
    """What an agent of a domain is told before a conversation: policy and tools."""
    known = Known()
    known.read(agent_prompt(domain))
    known.read(orjson.dumps(orjson.loads(domain.tools.schemas(AGENT))).decode())
    return known


def unseen(before: Known, turns: Iterable[Turn]) -> tuple[list[Figure], list[tuple[Figure, str]]]:
    """The figures that an agent told in a conversation, each once, and those it could not know, with the message."""
    known, told, invented = Known(before), set[Figure](), list[tuple[Figure, str]]()
    heard = False
    for turn in turns:
        text = turn.content or ""
        if turn.seat != AGENT:
            if turn.role != "tool":
                heard = True
                known.read(text)
        elif turn.role == "tool":
            known.read(text)
        elif heard:  # the greeting before it is fixed text
            for figure in told_figures(text):
                if figure not in told:
                    told.add(figure)
                    if not known.holds(figure):
                        invented.append((figure, text))
    return sorted(told), invented
