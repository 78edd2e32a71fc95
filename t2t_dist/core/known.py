"""What somebody knows who was told some things and has read others, and what a text states beyond that.

Figures, dates, times of day and ids are compared, however they are written; names and states are not. A figure is known
if it stands in a source, or follows from what does in one step: as the sum or difference of two amounts, as the sum of
some in one list, as an amount times a number that the text says as well. What takes more steps has to be worked out by
a tool, or in the text itself ("$12.50 + $3 + $4.20"): else nearly any figure would follow from a long price list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from t2t_dist.environments.json_text import Unreadable, read_json
from t2t_dist.environments.short_texts import cached_if_short
from t2t_dist.environments.tool_noise import without_note

from .text_match import normalised, spelled
from .told import NUMBER_WORDS, dates, figures

#: Whole numbers up to this need no source: whoever speaks may have counted.
COUNTED = 12
#: Amounts of a longer list are added up as a whole only.
_LISTED = 5

_EMAIL = r"[a-z0-9][\w.+-]*@[\w-]+(?:\.[\w-]+)+"
_TOKEN = re.compile(rf"{_EMAIL}|#?[a-z0-9]+(?:[-_][a-z0-9]+)*")
#: "60gb", "20th", "30-day": no ids.
_MEASURE = re.compile(r"\d+[a-z]{1,3}|\d+(?:-[a-z]+)+")
#: "address1": what a field is called.
_FIELD = re.compile(r"[a-z]{6,}[1-9]")
_LONG_NUMBER = re.compile(r"\d(?:-?\d){6,}")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: Codes of letters alone are known by their capitals.
_CODE = re.compile(r"\b[A-Z]{6,}\b")
_SHORTEST_ID = 4
#: A text without any of these states nothing.
_COUNTS = re.compile(rf"[\d@#]|{NUMBER_WORDS}")
_DIGITS = 100
_LEAP_YEAR = 2024
_TIME = re.compile(r"\b(\d{1,2}):(\d\d)(?::\d\d)?\b(?:\s*([ap])\.?m\b)?")
_ISO_TIME = re.compile(r"(?<=\d\d\d\d-\d\d-\d\d)t(?=\d\d:\d\d)")
_CURRENCY = re.compile(r"\s*(?:dollars?|bucks|euros?|pounds?|usd|eur|gbp)\b")
_PER_CENT = re.compile(r"(?<![\w.,])(\d{1,6}(?:\.\d{1,6})?)\s?(?:%|per\s?cent\b)")
_RULE = re.compile(r"\br(\d+)\b")
_AMOUNT = r"[$\u20ac\u00a3]?(\d{1,9}(?:\.\d{1,2})?)(?![\d.]*\d)"
#: A sum that is written out.
_SUM = re.compile(rf"{_AMOUNT}(?:\s?\+\s?{_AMOUNT}){{1,50}}")


class Stated(NamedTuple):
    """What a text states.

    ``figures``: in one spelling, each with whether it is an amount of money; ``dates``: year (or ``None``), month, day;
    ``times``: minutes of the day, each with whether the half of the day was said; ``tokens``: all that an id could be.
    """

    figures: list[tuple[str, bool]]
    dates: list[tuple[int | None, int, int]]
    times: list[tuple[int, bool]]
    ids: list[str]
    tokens: list[str]


@cached_if_short
def stated(text: str) -> Stated:
    """The figures, dates, times and ids of a text."""
    codes = [code.lower() for code in _CODE.findall(text)]
    line = _ISO_TIME.sub(" ", normalised(text))
    tokens = _TOKEN.findall(line)
    if not codes and not _COUNTS.search(line):
        return Stated([], [], [], [], tokens)
    rest = line
    named = []
    for found in dates(line):
        if _is_date(found.year, found.month, found.day):
            named.append((found.year, found.month, found.day))
            rest = _without(rest, found.start, found.end)
    times = []
    for match in _TIME.finditer(rest):
        hour, half = int(match[1]), match[3]
        hour = hour % 12 + (12 if half == "p" else 0) if half else hour
        times.append((hour * 60 + int(match[2]), half is not None))
        rest = _without(rest, *match.span())
    ids = []
    for match in _TOKEN.finditer(rest):
        if match[0] in codes or (not match[0].isalpha() and _is_id(match[0])):
            ids.append(match[0])
            rest = _without(rest, *match.span())
    shares = [spelled(match[1]) for match in _PER_CENT.finditer(rest)]  # no figures of ``told``
    numbers = [(share, "." in share) for share in shares]
    for figure in figures(rest):
        said = rest[figure.start : figure.end]
        money = "." in figure.value or any(sign in said for sign in "$\u20ac\u00a3")
        numbers.append((figure.value, money or _CURRENCY.match(rest, figure.end) is not None))
    return Stated(numbers, named, times, ids, tokens)


@lru_cache(maxsize=16)
def _stated_at_first(told: str) -> Stated:
    """:func:`stated` of a prompt, which is long, and the same in every conversation."""
    return stated(told)


def _is_date(year: int | None, month: int, day: int) -> bool:
    try:
        date(_LEAP_YEAR if year is None else year, month, day)
    except ValueError:
        return False
    return True


def _without(text: str, start: int, end: int) -> str:
    return f"{text[:start]}{' ' * (end - start)}{text[end:]}"


def _is_id(token: str) -> bool:
    if "@" in token or token.startswith("#"):
        return True
    if _MEASURE.fullmatch(token) or _ISO_DATE.fullmatch(token) or _FIELD.fullmatch(token):
        return False
    if _LONG_NUMBER.fullmatch(token):
        return True
    return len(token) >= _SHORTEST_ID and any(c.isdigit() for c in token) and any(c.isalpha() for c in token)


def _cents(figure: str) -> int:
    """An amount in hundredths. A number of hundreds of digits is no amount, and nothing is like it: -1."""
    whole, _, part = figure.partition(".")
    return int(whole) * 100 + int(f"{part}00"[:2]) if len(whole) < _DIGITS else -1


class _Sources(NamedTuple):
    """What stands in texts and results. Amounts are in hundredths; ``whole``: numbers that may be money or a count."""

    figures: set[str]
    amounts: set[int]
    whole: set[int]
    sums: set[int]
    dates: set[tuple[int | None, int, int]]
    times: set[int]
    tokens: set[str]

    @classmethod
    def none(cls) -> _Sources:
        """No sources yet."""
        return cls(set(), set(), set(), set(), set(), set(), set())

    def hear(self, found: Stated) -> None:
        """Take in what a text states."""
        self.tokens.update(found.tokens)
        self.figures.update(figure for figure, _ in found.figures)
        self.amounts.update(_cents(figure) for figure, money in found.figures if money)
        self.dates.update(found.dates)
        self.times.update(time for time, _ in found.times)

    def read(self, value: Any) -> None:
        """Take in a JSON value."""
        if isinstance(value, dict):
            for inner in value.values():
                self.read(inner)
        elif isinstance(value, list):
            for inner in value:
                self.read(inner)
            for amounts in _columns(value):
                self.sums.update(_sums(amounts))
        elif isinstance(value, str):
            self._read_text(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            figure = spelled(f"{abs(value):.2f}")
            self.figures.add(figure)
            (self.amounts if isinstance(value, float) else self.whole).add(_cents(figure))

    def _read_text(self, value: str) -> None:
        # Most values are a word or a date alone; so they need not be searched.
        if value.isalpha() and value.isascii() and not _COUNTS.match(word := value.lower()):
            self.tokens.add(word)
        elif _ISO_DATE.fullmatch(value) and _is_date(*(day := (int(value[:4]), int(value[5:7]), int(value[8:])))):
            self.tokens.add(value)
            self.dates.add(day)
        else:
            self.hear(stated(value))


def _sources(text: str) -> _Sources:
    """What a message holds, or a result, which may be JSON, or a piece of it with its note."""
    found = _Sources.none()
    bare = without_note(text)
    try:
        value = read_json(bare)
    except Unreadable:
        value = None
    found.read(value)
    found.hear(stated(text[len(bare) :] if isinstance(value, dict | list) else text))
    return found


#: The same records are read in many conversations.
_remembered = lru_cache(maxsize=512)(_sources)
_REMEMBERED = 8_000


class Known:
    """What is known from texts and results. ``told``: what was known from the start; the first date in it is today."""

    def __init__(self, told: str = "") -> None:
        self._from = _Sources.none()
        self._from.hear(found := _stated_at_first(told))
        self._from.figures.update(_RULE.findall(normalised(told)))
        self._today = next((date(y, m, d) for y, m, d in found.dates if y is not None), None)

    def add(self, text: str) -> None:
        """Learn from a message, or from a result, which may be JSON."""
        found = _remembered(text) if len(text) <= _REMEMBERED else _sources(text)
        for known, new in zip(self._from, found, strict=True):
            known |= new  # type: ignore[operator]

    def unseen(self, text: str) -> list[str]:
        """The figures, dates, times and ids of a text that have no source, each once: dates and times in ISO form."""
        found = stated(text)
        named = [f"{y or '????'}-{m:02d}-{d:02d}" for y, m, d in found.dates if not self._has_date(y, m, d)]
        named += [f"{t // 60:02d}:{t % 60:02d}" for t, exact in found.times if not self._has_time(t, exact)]
        named += [token for token in found.ids if token not in self._from.tokens]
        times = {int(figure) for figure, money in found.figures if not money and len(figure) < _DIGITS} - {0}
        named += [
            figure
            for figure, money in found.figures
            if not self._has_figure(figure, money, times) and _cents(figure) not in _worked_out(text)
        ]
        return list(dict.fromkeys(named))

    def _has_date(self, year: int | None, month: int, day: int) -> bool:
        return any((m, d) == (month, day) and (year is None or y in (None, year)) for y, m, d in self._from.dates)

    def _has_time(self, time: int, exact: bool) -> bool:
        return time in self._from.times or (not exact and (time + 12 * 60) % (24 * 60) in self._from.times)

    def has_amount(self, amount: float) -> bool:
        """Whether a sum of money stands in a source as it is."""
        return self._has_cents(_cents(f"{abs(amount):.2f}"))

    def _has_cents(self, cents: int) -> bool:
        return cents in self._from.amounts or cents in self._from.whole

    def _has_figure(self, figure: str, money: bool, times: set[int]) -> bool:
        if self._follows(_cents(figure), times) or (not money and len(figure) < 3 and int(figure) <= COUNTED):
            return True
        if money:
            return self._has_cents(_cents(figure))
        return figure in self._from.figures or (len(figure) < _DIGITS and self._is_days_away(int(figure)))

    def _follows(self, wanted: int, times: set[int]) -> bool:
        """Whether an amount (cents) is a sum or difference of known ones, or so many times one of them."""
        known = self._from.amounts
        if wanted in self._from.sums or any(wanted - one in known or wanted + one in known for one in known):
            return True
        return any(wanted % many == 0 and wanted // many in known for many in times)

    def _is_days_away(self, days: int) -> bool:
        """Whether a known date is so many days from today; a part of a day may count or not."""
        if self._today is None:
            return False
        apart = (abs((self._today - date(y, m, d)).days) for y, m, d in self._from.dates if y is not None)
        return any(days in (away, away - 1) for away in apart)


def _worked_out(text: str) -> set[int]:
    """What the sums come to that a text writes out."""
    sums = ([found[1] for found in re.finditer(_AMOUNT, one[0])] for one in _SUM.finditer(text))
    return {sum(map(_cents, amounts)) for amounts in sums}


def _columns(rows: list[Any]) -> Iterator[list[int]]:
    """The amounts of a list: its numbers, or those of one field of its records."""
    if rows and all(isinstance(row, dict) for row in rows):
        for key in rows[0]:
            column = [row[key] for row in rows if isinstance(row.get(key), float)]
            yield [_cents(f"{abs(amount):.2f}") for amount in column]
    else:
        yield [_cents(f"{abs(amount):.2f}") for amount in rows if isinstance(amount, float)]


def _sums(amounts: list[int]) -> set[int]:
    """What some of these amounts come to together, and all of them."""
    if len(amounts) > _LISTED:
        return {sum(amounts)}
    sums = {0}
    for amount in amounts:
        sums |= {amount + one for one in sums}
    return sums - {0}
