"""Sentences that are put together from parts: tidied, and looked at for what does not fit together."""

from __future__ import annotations

import re
from datetime import date

_DATE = re.compile(r"(?<![\w-])\d{4}-\d\d-\d\d(?![\w-])")
_BEGIN = re.compile(r"[^\W\d_]")
_BEFORE_MARK = re.compile(r"\s+([,.;:?!])")
_DOUBLED = re.compile(r"([.?!])[.]+(?!\S)|,(?=[.;?!])|\b(the|a|an) (?=\2 )", re.I)
#: ``bag(s)`` after a number: one bag, two bags.
_COUNTED = re.compile(r"\b(\d[\d.,]*)((?: [\w-]+){0,3}?) ([\w-]+)\(s\)")
#: Two asides in a row.
_BRACKETS = re.compile(r"\) \(([^()]*)\)")
#: Most texts hold none of these and need no fixing.
_TO_FIX = (
    "..",
    "?.",
    "!.",
    ",.",
    ",;",
    ",?",
    ",!",
    " ,",
    " .",
    " ;",
    " :",
    " ?",
    " !",
    ") (",
    "the the ",
    " a a ",
    " an an ",
)


def within(sentence: str) -> str:
    """A sentence as it stands after a clause or a colon: it begins with a small letter, unless with "I"."""
    return sentence if re.match(r"I\b", sentence) else sentence[:1].lower() + sentence[1:]


def tidy(text: str) -> str:
    """No doubled spaces, marks or articles; numbers agree with what they count; begins with a capital letter."""
    text = " ".join(text.split())
    if "(s)" in text:
        text = _COUNTED.sub(lambda match: f"{match[1]}{match[2]} {match[3]}{'' if match[1] == '1' else 's'}", text)
    if any(part in text for part in _TO_FIX):
        text = _DOUBLED.sub(lambda match: match[1] or "", _BEFORE_MARK.sub(r"\1", text))
        text = _BRACKETS.sub(r"), \1", text)
    return capitalised(text)


def capitalised(text: str) -> str:
    """First letter in upper case; a leading e-mail address, number or '#W12' stays as it is."""
    if text[:1].isupper():
        return text
    first = text.split(" ", 1)[0]
    match = _BEGIN.search(first)
    if match is None or "@" in first or "#" in first or any(char.isalnum() for char in first[: match.start()]):
        return text
    return text[: match.start()] + match[0].upper() + text[match.end() :]


def spoken_dates(text: str) -> str:
    """Dates as people say them: ``2026-05-16`` is May 16, 2026."""
    return _DATE.sub(_spoken_date, text) if "-" in text else text


def _spoken_date(match: re.Match[str]) -> str:
    try:
        day = date.fromisoformat(match[0])
    except ValueError:
        return match[0]
    return f"{day:%B} {day.day}, {day.year}"


#: What parts that do not fit together look like, and what nobody says: each with what is wrong.
_BARE, _MORE = r"(?<![\w$#./:-])", r"(?:(?:more|checked|extra|other|new) )*"
_CLASHES = {
    "two words before a noun": r"\b(?:[Tt]he|[Aa]n?|[Mm]y|[Yy]our|[Oo]ur) (?:the|an?|my|your|another|some|one of)\b",
    "a reason for a please": r"\b[Pp]lease,? (?:because|since|as)\b",
    "one of many": rf"{_BARE}1 {_MORE}(?!(?:this|is|was|has|plus|less)\b)[a-z]+(?<!s)s\b",
    "many of one": rf"{_BARE}[2-9] {_MORE}(?:bag|item|line|order|passenger|flight)\b",
    "a for an": r"\ba (?=[aeio]\w)(?!one\b|eu|once\b)|\ba (?:8|11|18)\b",
    "an for a": r"\ban (?=[bcdfgjklpqtvwyz]\w)",
    "a country without its article": r"\b(?:in|to|from) United (?:Kingdom|States)\b",
    "a raw name": r"\b[a-z]+(?:_[a-z]+)+\b(?![\w.+-]*@)",
    "a raw date": r"\b\d{4}-\d\d-\d\d\b",
    "two marks": r"(?<!\.)\.\.(?!\S)|[?!,;:] ?[.,;:](?!\S)|[?!]{2}",
    "a word twice": r"\b(?!that\b|had\b)([a-z']+) \1\b",
    "a part left over": r"[{}]|\[[^\]]*\||\(s\)| [,.;?!](?= |$)",
}
_CLASH = {name: re.compile(pattern) for name, pattern in _CLASHES.items()}


def clash(text: str) -> str | None:
    """What does not fit together in a text, and where; ``None`` in most."""
    for name, pattern in _CLASH.items():
        if (found := pattern.search(text)) is not None:
            return f"{name}: {found[0]!r}"
    return None
