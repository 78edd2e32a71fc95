"""Whether somebody who read some messages was told a fact: said, of them, not taken back, and meant as it stands.

A figure that merely occurs proves nothing: it may be denied, asked, supposed, bounded, somebody else's, one of a list,
or what the customer pays where the question was what they get back. Used for the ``communicate`` part of a grade. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from t2t_dist.environments.short_texts import cached_if_short

from .speech_acts import sentences
from .text_match import mentions, normalised, numbers, spelled


class Meaning(StrEnum):
    """What a sum of money is to the customer; ``ANY`` where it does not matter, or is no money."""

    REFUND = "refund"
    CHARGE = "charge"
    ANY = ""


class Figure(NamedTuple):
    """A number in a text, in one spelling, and where it stands."""

    value: str
    start: int
    end: int


# -- numbers in words --------------------------------------------------------------------------------------------------
_UNITS = {
    "zero": 0,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "thirteen": 13,
    "fourteen": 14,
    "fifteen": 15,
    "sixteen": 16,
    "seventeen": 17,
    "eighteen": 18,
    "nineteen": 19,
}
_TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_SMALL = {**_UNITS, **_TENS}
_SCALES = {"hundred": 100, "thousand": 1000}
_OTHERS = {"dozen": 12, "tenner": 10, "fiver": 5, "nil": 0}
_WORD = "|".join([*_SMALL, *_SCALES, *_OTHERS])
#: "That one" is no number.
_PRONOUN = re.compile(r"\b(?:this|that|which|any|each|every|other|another|the|no|last|next|first|new|latter)\s+one$")
_IN_WORDS = re.compile(rf"\b(?:{_WORD})(?:(?:[\s-]+|\s+and\s+)(?:{_WORD})\b)*")
_CURRENCY = r"(?:dollars?|euros?|pounds?|bucks?|quid|usd|eur|gbp|rupees?)"
#: "48 dollars and 50 cents", "twelve pounds fifty": what follows a whole number of them.
_CENTS = re.compile(rf"\s*{_CURRENCY}(?:\s+and)?\s+(\d{{1,2}}|{_IN_WORDS.pattern})\b(?:\s*(?:cents?|pence|p)\b)?")
_DIGITS = re.compile(
    r"(?<![\w#.,])(?<!\d[-/:])[-+]?(?:(?:usd|eur|gbp)\s?)?(?:[$\u20ac\u00a3\u20b9]\s?)?[-+]?"
    r"(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?:\s?(?:usd|eur|gbp))?(?![\w])(?![.,/:-]\d)"
)
#: "99 cents", and what is no sum: "20 %", "(2)" beside the word.
_CENTS_ALONE = re.compile(r"\s*(?:cents?|pence)\b")
_NO_SUM = re.compile(r"\s*(?:%|per\s?cent)")
#: 1.200,00 as written in much of Europe.
_EUROPEAN = re.compile(r"(?<![\w#.,])(\d{1,3}(?:\.\d{3})+|\d+),(\d\d)(?![\w.,]\d)(?!\w)")


def _of_words(text: str) -> int:
    total = part = 0
    for word in re.findall(_WORD, text):
        if word in _SMALL or word in _OTHERS:
            part += {**_SMALL, **_OTHERS}[word]
        elif word == "hundred":
            part = max(part, 1) * 100
        else:
            total, part = total + max(part, 1) * 1000, 0
    return total + part


def _repeats(text: str, figure: Figure, after: Figure) -> bool:
    """Twenty (20)."""
    return after.value == figure.value and text[figure.end : after.start].strip(" $\u20ac\u00a3") == "("


@cached_if_short
def figures(text: str) -> tuple[Figure, ...]:
    """The numbers of a text in lower case, by where they stand: in digits and in words, with cents said apart."""
    found = [Figure(spelled(m[1] + (m[2] or "")), m.start(), m.end()) for m in _DIGITS.finditer(text)]
    found += [Figure(spelled(f"{m[1].replace('.', '')}.{m[2]}"), m.start(), m.end()) for m in _EUROPEAN.finditer(text)]
    words = [
        m for m in _IN_WORDS.finditer(text) if m[0] != "one" or not _PRONOUN.search(text, max(0, m.end() - 20), m.end())
    ]
    found += [Figure(str(_of_words(m[0])), m.start(), m.end()) for m in words]
    found.sort(key=lambda figure: (figure.start, -figure.end))
    whole: list[Figure] = []
    for figure in found:
        if whole and (figure.start < whole[-1].end or _repeats(text, whole[-1], figure)):
            continue
        if _NO_SUM.match(text, figure.end):
            continue
        if figure.value.isdigit() and len(figure.value) < 3 and (alone := _CENTS_ALONE.match(text, figure.end)):
            figure = Figure(spelled(f"0.{int(figure.value):02d}"), figure.start, alone.end())
        cents = _CENTS.match(text, figure.end)
        if cents is not None and "." not in figure.value:
            part = int(cents[1]) if cents[1].isdigit() else _of_words(cents[1])
            if part < 100:
                figure = Figure(spelled(f"{figure.value}.{part:02d}"), figure.start, cents.end())
        whole.append(figure)
    return tuple(whole)


# -- dates -------------------------------------------------------------------------------------------------------------
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_MONTH = (
    r"\b(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh")
#: Words by which numbers and days are said, as a pattern.
NUMBER_WORDS = rf"\b(?:{_WORD}|{'|'.join(_ORDINALS)})"
_DAY = rf"(\d{{1,2}}|{'|'.join(_ORDINALS)})(?:st|nd|rd|th)?"
_DATES = (
    (re.compile(r"\b(\d{4})-(\d\d)-(\d\d)(?![\w-])"), (1, 2, 3)),
    (re.compile(rf"\b{_DAY}(?:\s+of)?\s+{_MONTH}(?:,?\s+(\d{{4}}))?\b"), (3, 2, 1)),
    (re.compile(rf"\b{_MONTH}\s+(?:the\s+)?{_DAY}(?:,?\s+(\d{{4}}))?\b"), (3, 1, 2)),
    (re.compile(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b"), (3, 1, 2)),
)
_ISO = re.compile(r"\d{4}-\d\d-\d\d")


class NamedDate(NamedTuple):
    """A date in a text, where it stands; ``year`` is ``None`` where it is not said."""

    year: int | None
    month: int
    day: int
    start: int
    end: int


def dates(line: str) -> list[NamedDate]:
    """The dates that a text in lower case names, ways of writing one after the other."""
    found = []
    for pattern, (of_year, of_month, of_day) in _DATES:
        for match in pattern.finditer(line):
            year, named, on = match[of_year], match[of_month], match[of_day]
            month = int(named) if named.isdigit() else _MONTHS[named[:3]]
            day = int(on) if on.isdigit() else _ORDINALS.index(on) + 1
            found.append(NamedDate(int(year) if year else None, month, day, *match.span()))
    return found


def _dates(line: str, wanted: str) -> list[tuple[int, int]]:
    """Where a line in lower case names a date (ISO 8601), with its year or without."""
    year, month, day = (int(part) for part in wanted.split("-"))
    return [
        (found.start, found.end)
        for found in dates(line)
        if (found.month, found.day) == (month, day) and found.year in (None, year)
    ]


# -- how it is said ----------------------------------------------------------------------------------------------------
_QUESTION = re.compile(r"\?\s*$|^(?:and\s+|so\s+)?(?:did|does|do|is|are|was|were|will|would|could|can)\s+\w+\b(?!.*:)")
_SUPPOSED = re.compile(
    r"\bif\b(?!\s+(?:you|that)(?:'d|'re|'s|\s+(?:would|are|is))?\s+"
    r"(?:confirm|agree|approve|say|want|like|wish|go|proceed|happy|okay|ok|fine|all\s+right|have\s+any))"
    r"|\bhad\s+(?:you|we|it|the|she|he|they)\b|^had\b|\b(?:would|could|might)\s+have\b(?!\s+to\b)|\b(?:would|could|might)'ve\b|'d\s+have\b(?!\s+to\b)"
    r"|\b(?:perhaps|maybe|might|depending|depends|can't\s+rule\s+out|on\s+the\s+\w+\s+tier)\b"
)
_EARLIER = re.compile(
    r"\b(?:used\s+to|until\s+(?:last|now|recently)|previously|normally|usually|originally|stood\s+at|instead\s+of"
    r"|as\s+i\s+first|you\s+were\s+(?:on|in|with))\b|~~"
)
_QUOTED = re.compile(
    r"\byou\s+(?:say|said|write|wrote|told|mention(?:ed)?|claim(?:ed)?|were\s+expecting|expected)\b"
    r"|\b(?:whatever|no\s+matter\s+what)\b|\b(?:promised|(?<!all\s)told)\s+you\b(?!')"
)
_OF_OTHERS = re.compile(
    r"\byour\s+(?:colleague|neighbou?r|wife|husband|partner|brother|sister|son|daughter|friend|mother|father)'?s?\b"
    r"|\b(?:another|the\s+other)\s+(?:customer|passenger|guest|member)'?s?\b|\bsomebody\s+else\b|\bsomeone\s+else\b"
    r"|\b(?:your|the)\s+other\s+(?:order|contract|booking|reservation|account|line|bill)\b"
)
_BOUND = re.compile(
    r"(?:\b(?:up\s+to|at\s+(?:most|least)|(?:no|not)\s+(?:more|less|fewer)\s+than|(?:more|less|fewer)\s+than|over|under"
    r"|around|about|approximately|approx\.?|roughly|nearly|almost|between|below|above|start(?:s|ing)?\s+(?:at|from)(?:,\s*\w+,)?"
    r"|neighbou?rhood\s+of|exceed(?:s|ing)?|a\s+maximum\s+of|a\s+minimum\s+of)|~|<|>)\s*(?:the\s+|an?\s+)?$"
)
_BOUND_AFTER = re.compile(
    r"^\s*(?:\w+\s+){0,2}?(?:or\s+so|or\s+(?:more|less)|give\s+or\s+take|and\s+up|at\s+the\s+(?:very\s+)?(?:latest|outside|most))\b"
    r"|^\s*(?:-|to|or)\s+\d"
)
_LABEL = re.compile(
    r"(?:\b(?:ref(?:erence)?|room|account|inv(?:oice)?|rule|line|code|step|case|ending\s+in|number|no\.?|gate|flight|order)"
    r"(?:\s+is)?|#|\bid)\s*[:\"']?\s*$"
)
_DENIED = re.compile(
    r"(?:\b(?:not|never|no|neither|nor|without|isn't|wasn't|aren't|weren't|hasn't|haven't|hadn't|don't|doesn't|didn't|won't|can't|cannot|wouldn't"
    r"|instead\s+of|rather\s+than))\b(?!\s+(?:a\s+cent|only|just))(?:\s+[\w'-]+){0,3}\s*$"
)
_DENIED_AFTER = re.compile(
    r"^[^.;]{0,30}?\b(?:it\s+(?:is\s+not|isn't|won't\s+be|will\s+not\s+be)|(?:is|was)(?:n't|\s+not|\s+no\s+longer)|(?:is|was)\s+wrong"
    r"|(?:does|did)(?:n't|\s+not)\s+apply|has\s+been\s+waived|(?:is|was)\s+waived)\b"
)
#: "Sorry, but I can't do that: ..." refuses something, whatever figure it names.
_SORRY = r"\b(?:sorry|apologies)\b(?!,?\s+but\s+i\s+(?:can't|cannot)\b)"
_ONLY = r"(?:(?:only|just|actually|really|in\s+fact|a|an)\s+)*"
_IT = r"(?:it|that|this|which|said|told\s+you|figure|number|amount|sum|total|price|fee|cost|charge|refund)"
_TAKEN_BACK = re.compile(
    r"\b(?:correction|correct\s+myself|scratch\s+that|scrap\s+that|disregard|ignore|misspoke|misread|too\s+soon|make\s+(?:that|it)"
    r"|my\s+mistake|hold\s+on|wait|i\s+meant|i\s+was\s+wrong|(?<!not )(?<!n't )(?<!never )waived"
    r"|wrong\s+(?:line|row|figure|number|amount|sum|customer|file|order|page|screen))\b|^actually\b"
    rf"|{_SORRY}.*\b(?:it's|that's|is|be|stands\s+at)\s+{_ONLY}(?:[$\u20ac\u00a3\d]|{NUMBER_WORDS}\b)"
    # "Sorry, that is not right", and not "sorry, the reservation is not on your account".
    rf"|{_SORRY}.*\b(?:it's|that's|{_IT}\s+is)\s+{_ONLY}(?:not|wrong|incorrect|mistake)\b"
)
#: What is counted so is no other sum of money: "sorry, that is 35 days ago".
_COUNTS = re.compile(
    r"[\s-]*(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|bags?|items?|orders?|lines?|[gm]b)\b"
)
_DROPPED = re.compile(
    r"\b(?:disregard|ignore|forget)\b[^.]*\b(?:that|wrote|said|last|figure|it)\b"
    r"|(?<!not )(?<!n't )(?<!never )\bwaived\b"
)
_EACH = re.compile(r"\b(?:for\s+(?:every|each)|per\s+\w+|a\s+piece|apiece)\b")
_CLAUSE = re.compile(r"[;:]|,(?!\d)|\b(?:but|and|while|whereas|though|so)\b")

_BACK = re.compile(
    r"\b(?:refund\w*|back|repa(?:y|id)|reimburs\w*|credit(?:ed|ing)?|returned|released|compensat\w*|coming\s+to\s+you)\b"
)
_PAID = re.compile(
    r"\b(?:pay|pays|paying|paid|charg\w*|cost\w*|fees?|bill(?:ed)?|owed?|debit\w*|due|price|taken\s+from|out\s+of\s+pocket"
    r"|going\s+out|settle|extra|on\s+top)\b"
)
_TOTAL = re.compile(r"\b(?:total|all|altogether|sum|left|due|pay|back|refund|active|remaining)\b")
#: A line of so few words is an entry of a list.
_BARE = 4
#: More figures in one sentence say which one is meant only if its clause does.
_MANY = 3


def told(texts: Sequence[str], fact: str, meaning: Meaning = Meaning.ANY) -> bool:
    """Whether the messages, read in order, tell the fact: a number (as written in a result), or words.

    The last statement counts. ``meaning`` says what a sum of money has to be to the customer.
    """
    number = next(iter(numbers(fact)), None) if _is_number(fact) else None
    believed = False
    for text in texts:
        found_any, before, corrects = False, "", False
        lines = [sentence.text for sentence in sentences(text)]
        bare = sum(len(figures(line)) == 1 and len(line.split()) <= _BARE for line in lines) >= _MANY
        for line in lines:
            found = _places(line, fact, number)
            found_any = found_any or bool(found)
            if believed and not found and _takes_back(line, number, "." in fact, corrects):
                believed = False
            if any(_is_told(line, start, end, number, meaning, before, bare) for start, end in found):
                believed = True
            elif believed and any(_is_denied(line, start, end) for start, end in found):
                believed = False
            before, corrects = line, _TAKEN_BACK.search(line) is not None and not figures(line)
        if not found_any and number is None:
            # A name with a full stop in it ("Dr. Ahn") stands in no single sentence.
            whole = normalised(text)
            believed = believed or any(
                _is_told(whole, *place, None, meaning, "", False) for place in _places(whole, fact, None)
            )
    return believed


def _is_number(fact: str) -> bool:
    return fact.lstrip("-+$\u20ac\u00a3 ").replace(".", "", 1).replace(",", "").isdigit()


def _places(line: str, fact: str, number: str | None) -> list[tuple[int, int]]:
    if number is not None:
        wanted = number.lstrip("-")
        return [(figure.start, figure.end) for figure in figures(line) if figure.value == wanted]
    if _ISO.fullmatch(fact):
        return _dates(line, fact)
    if not mentions(line, [fact]):
        return []
    return [match.span() for match in re.finditer(rf"(?<!\w){re.escape(normalised(fact))}(?!\w)", line)] or [(0, 0)]


def _clause(line: str, start: int, end: int) -> tuple[int, int]:
    """Where the clause that holds a place begins and ends."""
    marks = list(_CLAUSE.finditer(line))
    begin = max((mark.end() for mark in marks if mark.end() <= start), default=0)
    return begin, min((mark.start() for mark in marks if mark.start() >= end), default=len(line))


def _is_denied(line: str, start: int, end: int) -> bool:
    begin, _ = _clause(line, start, end)
    return _DENIED.search(line[begin:start]) is not None or _DENIED_AFTER.search(line[end:]) is not None


def _is_told(line: str, start: int, end: int, number: str | None, meaning: Meaning, before: str, bare: bool) -> bool:
    begin, stop = _clause(line, start, end)
    clause = line[begin:stop]
    if _QUESTION.search(line) or _SUPPOSED.search(line) or _QUOTED.search(line) or _OF_OTHERS.search(line):
        return False
    if _EARLIER.search(clause) or _is_denied(line, start, end):
        return False
    if _BOUND_AFTER.search(line[end:]):
        return False
    if number is None:
        return True
    if bare and len(figures(line)) == 1 and len(line.split()) <= _BARE and not _TOTAL.search(line):
        return False
    if _EACH.search(line) or _BOUND.search(line[:start]) or _LABEL.search(line[:start]):
        return False
    own, other = {Meaning.REFUND: (_BACK, _PAID), Meaning.CHARGE: (_PAID, _BACK)}.get(meaning, (None, None))
    if own is None or other is None:
        return not (bare or len(figures(line)) > 2 * _MANY)
    said = own.search(clause) is not None or (own.search(line) is not None and not other.search(clause))
    if not said and (other.search(line) or (other.search(before) and not own.search(before))):
        return False
    return said or not (bare or len(figures(line)) > _MANY)


def _takes_back(line: str, number: str | None, is_money: bool, corrects: bool) -> bool:
    """Whether a sentence takes back what was said before it, by something else in its place or by nothing.

    ``corrects``: the sentence before it only said that something was wrong.
    """
    if _DROPPED.search(line):
        return True
    if number is not None and all(is_money and _COUNTS.match(line, figure.end) for figure in figures(line)):
        return False  # no other figure is put in its place
    return corrects or _TAKEN_BACK.search(line) is not None
