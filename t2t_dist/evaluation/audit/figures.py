"""Figures that an agent told a customer without having seen them: training on such a message teaches to invent.

A figure is a sum of money, another number that is measured (``10 GB``, ``24 hours``) or is 10 and more, a date, a time
of day, or an id. It is known where it stands in the policy, in a result, or in what the customer said, all before that
message, or follows from what stands there: as a sum, a difference, a small multiple, the days between two dates.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date as calendar
from itertools import combinations, islice
from typing import Any, NamedTuple

import orjson

from t2t_dist.core.prompts.render import agent_prompt
from t2t_dist.core.schema import Turn
from t2t_dist.core.speech_acts import normalised
from t2t_dist.core.told import Figure as Number
from t2t_dist.core.told import dates, figures
from t2t_dist.environments.base import Domain
from t2t_dist.environments.json_text import Unreadable, read_json
from t2t_dist.environments.tools import AGENT

_UNIT = re.compile(
    r"[\s-]?(?:%|(?:per\s?cent|seconds?|minutes?|hours?|days?|weeks?|months?|years?|[kmgt]b|mbps|kg|km|cm|mm"
    r"|gigabytes?|megabytes?|miles?|points?)\b)"
)
_SIGN = re.compile(r"[$\u20ac\u00a3\u20b9]|usd|eur|gbp")
_CURRENCY = re.compile(r"\s?(?:dollars?|euros?|pounds?|cents?|rupees?)\b")
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
_LARGEST = 10**12
#: Figures of one message that are looked at: a model that loops can count for ever.
_IN_A_MESSAGE = 100


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
        yield Figure(match[0], "number", _hundredths(match[1]))
    for number in figures(text):
        written, value = text[number.start : number.end], _hundredths(number.value)
        if any(start < number.end and number.start < end for start, end in taken):
            continue
        if _is_money(text, number):
            yield Figure(written, "money", value)
        elif (unit := _UNIT.match(text, number.end)) or value >= 100 * _PLAIN_FROM:
            named = unit[0].strip(" -") if unit else ""
            yield Figure(written + (unit[0] if unit else ""), named if named in _APART else "number", value)
    for match in _ID.finditer(text):
        if not _NO_ID.fullmatch(match[0]) and not any(a < match.end() and match.start() < b for a, b in taken):
            yield Figure(match[0], "id", match[0])


def _hundredths(number: float | str) -> int:
    """A number of any size, without its sign, so that sums of two are exact."""
    return min(round(min(abs(float(number)), _LARGEST) * 100), 100 * _LARGEST)


def _is_money(text: str, number: Number) -> bool:
    """Whether a number of a text has a currency at its side, or within (``48 dollars and 50 cents``)."""
    written = text[number.start : number.end]
    return bool(_SIGN.search(written) or _CURRENCY.search(written) or _CURRENCY.match(text, number.end))


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
        #: Sums of money, and numbers with a point in results; whole numbers of results, which may be money or a count.
        self.amounts: set[int] = set() if before is None else set(before.amounts)
        self.whole: set[int] = set() if before is None else set(before.whole)
        self.dates: set[tuple[int, int]] = set() if before is None else set(before.dates)
        self.days: set[int] = set() if before is None else set(before.days)
        self.times: set[int] = set() if before is None else set(before.times)

    def read(self, text: str, is_policy: bool = False) -> None:
        """Take in a text or a result. The ``30`` of a policy's ``30 days`` is no sum of money; in what is said of one
        customer it may be."""
        try:
            value = read_json(text)
        except Unreadable:
            value = text
        self._take(value, is_policy)
        plain = _JOINED.sub(r"\1 ", normalised(text))
        self.texts.append(plain)
        for date in dates(plain):
            self.dates.add((date.month, date.day))
            if date.year is not None:
                with suppress(ValueError):  # no day of the calendar
                    self.days.add(calendar(date.year, date.month, date.day).toordinal())
        self.times |= {_minutes(match) for match in _TIME.finditer(plain)}

    def _take(self, value: Any, is_policy: bool) -> None:
        if isinstance(value, bool) or value is None:
            return
        if isinstance(value, int | float):
            self._number(_hundredths(value), isinstance(value, float), is_policy)
        elif isinstance(value, str):
            text = normalised(value)
            for number in figures(text):
                self._number(_hundredths(number.value), _is_money(text, number), is_policy)
            self.numbers |= {_hundredths(match[1]) for match in _PER_CENT.finditer(text)}
        elif isinstance(value, dict):
            for inner in value.values():
                self._take(inner, is_policy)
        else:
            self.numbers.add(100 * len(value))
            for total, is_amount in _added_up(value):
                self._number(total, is_amount, is_policy)
            for inner in value:
                self._take(inner, is_policy)

    def _number(self, value: int, is_amount: bool, is_policy: bool) -> None:
        self.numbers.add(value)
        if is_amount:
            self.amounts.add(value)
        elif not is_policy:
            self.whole.add(value)

    def holds(self, figure: Figure) -> bool:
        """Whether a figure stands in what was seen, or follows from it."""
        if figure.kind == "id":
            return any(figure.value in text for text in self.texts)
        if figure.kind == "date":
            return figure.value in self.dates
        if figure.kind == "time":
            return figure.value in self.times
        if figure.kind == "money":
            if figure.value in self.amounts or figure.value in self.whole:
                return True
            # For several people, the difference of two prices comes several times. A count is no price.
            times = (number for number in range(1, _MOST_TIMES + 1) if figure.value % number == 0)
            return any(_follows(figure.value // number, self.amounts or self.whole) for number in times)
        if figure.value in self.numbers:
            return True
        if figure.kind in _APART and self._lies_between(figure):
            return True
        return _follows(figure.value, self.numbers) or any(
            figure.value % number == 0 and figure.value // number in self.numbers
            for number in range(2, _MOST_TIMES + 1)
        )

    def _lies_between(self, figure: Figure) -> bool:
        """Whether two dates are so many days (or a part of one more), or whole years, apart."""
        apart, days = _APART[figure.kind], sorted(self.days)
        least, most = figure.value / 100 * apart, (figure.value / 100 + 1) * apart
        places = ((day, bisect_left(days, day + least)) for day in days)
        return any(place < len(days) and days[place] <= day + most for day, place in places)


def _follows(value: int, numbers: set[int]) -> bool:
    """Whether a value is one of the numbers, the sum of two, or their difference."""
    return value in numbers or any(value - number in numbers or value + number in numbers for number in numbers)


def _added_up(items: Sequence[Any]) -> Iterator[tuple[int, bool]]:
    """Sums of one field over records of a list: over all, and over each few of a short list. True: it has a point."""
    fields: dict[str, list[int | float]] = {}
    for item in items:
        for name, value in item.items() if isinstance(item, dict) else ():
            if isinstance(value, int | float) and not isinstance(value, bool):
                fields.setdefault(name, []).append(value)
    for values in fields.values():
        is_amount = any(isinstance(value, float) for value in values)
        parts = [_hundredths(value) for value in values]
        yield sum(parts), is_amount
        if len(parts) <= _ADDED_UP:
            for few in range(2, len(parts)):
                yield from ((sum(chosen), is_amount) for chosen in combinations(parts, few))


def known_before(domain: Domain) -> Known:
    """What an agent of a domain is told before a conversation: policy and tools."""
    known = Known()
    known.read(agent_prompt(domain), is_policy=True)
    known.read(orjson.dumps(orjson.loads(domain.tools.schemas(AGENT))).decode(), is_policy=True)
    return known


def unseen(before: Known, turns: Iterable[Turn]) -> tuple[set[Figure], list[tuple[Figure, str]]]:
    """The figures that an agent told in a conversation, and those it could not know, each once, with the message."""
    known, seen, invented = Known(before), set[Figure](), list[tuple[Figure, str]]()
    heard = False
    for turn in turns:
        text = turn.content or ""
        if turn.seat != AGENT:
            if turn.role != "tool" and not turn.tool_calls:  # what is done on the customer's device is not seen
                heard = True
                known.read(text)
        elif turn.role == "tool":
            known.read(text)
        elif heard:  # the greeting before it is fixed text
            for figure in islice(told_figures(text), _IN_A_MESSAGE):
                if figure not in seen:
                    seen.add(figure)
                    if not known.holds(figure):
                        invented.append((figure, text))
    return seen, invented
