"""Text matching: whether a text contains given strings or numbers, however they are written.

Used wherever a text has to state facts: by the mention check of tasks, triggers, the communicate part of a grade, the
scripted speakers. Pure; results are cached for short texts that came lately, so that a look-up costs microseconds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from t2t_dist.environments.short_texts import cached_if_short

#: Typographic characters to plain ones; markdown's emphasis is dropped.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u02bc\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad*`", None),
        "\u00d7": "x",
        "\u2022": "-",
    }
)
_MARKUP = re.compile(r"[*`]")
#: Characters of a text that are read. The middle of a longer one is left out: where a model thinks aloud first, its
#: message stands at the end.
READ = 50_000
#: Characters by which the plain form of a text may be longer than twice the text: one character can become 18.
_MORE = 1_000


@cached_if_short
def plain_lines(text: str) -> str:
    """The text in lower case and plain characters, line by line; of a very long one its start and end."""
    if len(text) > READ:
        text = f"{text[: READ // 2]}\n{text[-READ // 2 :]}"
    # Bullets first: a star at the start of a line is a bullet, elsewhere emphasis.
    text = re.sub(r"^[ \t]*\*[ \t]+", "- ", text, flags=re.M) if "* " in text else text
    if text.isascii():
        return _MARKUP.sub("", text).lower() if "*" in text or "`" in text else text.lower()
    plain = unicodedata.normalize("NFKC", text.translate(_PLAIN))
    return plain[: 2 * len(text) + _MORE].translate(_PLAIN).lower()


@cached_if_short
def normalised(text: str) -> str:
    """The text in lower case, with plain characters and single spaces."""
    return " ".join(plain_lines(text).split())


def mentions(text: str, says: Iterable[str]) -> bool:
    """Whether the text contains every one of ``says``.

    Case, white space and typography do not matter. A string is found as whole words only, and a number never as part
    of a longer one: ``5 liters`` is not in ``1.5 liters``, ``#W123`` not in ``#W1234``. A date is found however people
    write it: ``2026-05-16`` is in ``May 16, 2026``.
    """
    body = normalised(text)
    return all(_stands_in(body, normalised(say)) or _is_dated(body, say) for say in says)


_DATE = re.compile(r"\s*(\d{4})-(\d\d)-(\d\d)\s*")
_MONTHS = (
    "jan(?:uary)?", "feb(?:ruary)?", "mar(?:ch)?", "apr(?:il)?", "may", "june?", "july?", "aug(?:ust)?",
    "sept?(?:ember)?", "oct(?:ober)?", "nov(?:ember)?", "dec(?:ember)?",
)  # fmt: skip


def _is_dated(body: str, say: str) -> bool:
    """Whether a date stands in the text as people write it."""
    return len(say) < 16 and _DATE.fullmatch(say) is not None and _date_pattern(say.strip()).search(body) is not None


@lru_cache(maxsize=1024)
def _date_pattern(say: str) -> re.Pattern[str]:
    year, month, day = (int(part) for part in say.split("-"))
    name = _MONTHS[(month - 1) % 12]
    nth = rf"(?:the )?0?{day}(?:st|nd|rd|th)?"
    return re.compile(
        rf"(?<![\w/])(?:{name}\.? {nth},? {year}|{nth} (?:of )?{name}\.?,? {year}|0?{month}/0?{day}/{year})(?![\w/])"
    )


def _stands_in(body: str, say: str) -> bool:
    if not say:
        return True
    start = body.find(say)
    while start >= 0:
        if _begins(body, start, say) and _ends(body, start + len(say), say):
            return True
        start = body.find(say, start + 1)
    return False


def _begins(body: str, start: int, say: str) -> bool:
    if start == 0 or not _is_word(say[0]):
        return True
    before = body[start - 1]
    if _is_word(before):
        return False
    if "@" in say:
        return before not in ".+-"
    return not (say[0].isdigit() and before in ".," and start > 1 and body[start - 2].isdigit())


def _ends(body: str, end: int, say: str) -> bool:
    if end == len(body) or not _is_word(say[-1]):
        return True
    after, further = body[end], body[end + 1 : end + 2]
    if _is_word(after):
        return False
    if "@" in say:
        return not (after in ".-" and _is_word(further))
    return not (say[-1].isdigit() and after in ".," and further.isdigit())


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


_NUMBER = re.compile(
    r"(?<![\w#.,])(?<!\d[-/:])(?:([-+])\s?)?(?:[$\u20ac\u00a3]\s?)?([-+]?)"
    r"(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?:\s?(?:usd|eur|gbp))?(?![\w])(?![.,/:-]\d)"
)


@cached_if_short
def numbers(text: str) -> frozenset[str]:
    """The numbers of a text in one spelling, with and without their minus: ``$1,143.20`` is ``1143.2``.

    Parts of ids, dates and times are not numbers.
    """
    found = set()
    for match in _NUMBER.finditer(normalised(text)):
        plain = spelled(match[3] + (match[4] or ""))
        found.add(plain)
        if "-" in (match[1], match[2]):
            found.add("-" + plain)
    return frozenset(found)


def spelled(number: str) -> str:
    """A number in its one spelling: without separators, leading and trailing zeros."""
    number = number.replace(",", "")
    whole, _, rest = number.partition(".")
    rest = rest.rstrip("0")
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{rest}" if rest else whole


def says_number(text: str, number: str) -> bool:
    """Whether the text contains this number, as a whole: ``$143.2`` contains ``143.20``, ``1143.20`` does not.

    Thousands separators are understood. A minus in ``number`` must be in the text; one in the text alone (a refund
    written as negative) is ignored. ``number`` may be written with a currency sign.
    """
    wanted = number.strip().lstrip("$\u20ac\u00a3 ")
    minus, wanted = ("-", wanted[1:]) if wanted[:1] in ("-", "\u2212") else ("", wanted.lstrip("+"))
    return minus + spelled(wanted.lstrip("$\u20ac\u00a3 ")) in numbers(text)
