"""Text from outside, made safe to print: what endpoints, models, MCP servers, job logs and stored runs say.

A terminal acts on some characters, others hide or turn text around, and a server may repeat the key that it was sent.
Whatever prints cleans, so that no caller has to: the consoles of the command line (``cli/consoles.py``),
:class:`~.errors.InputError`, the report's page. Pure, except for the list of keys in use.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from urllib.parse import quote

_MARK = "\N{REPLACEMENT CHARACTER}"
#: Letters, marks and signs that are drawn as nothing. Python calls them printable.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_SELECTORS = frozenset(range(0xFE00, 0xFE0E)) | frozenset(range(0xE0100, 0xE01F0))  # not those of emoji, FE0E and FE0F
#: The longest line that :func:`one_line` makes.
LINE = 2_000


class _Printable(dict[int, str]):
    """A table for ``str.translate``: what takes the place of each character."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if unicodedata.category(character) == "Zs":
            return " "
        hides = character in _BLANK or code in _SELECTORS
        return character if character in "\n\t" or (character.isprintable() and not hides) else _MARK


_PRINTABLE = _Printable()
_PRINTABLE.update({code: _PRINTABLE[code] for code in range(256)})


def printable(text: str) -> str:
    """The text with U+FFFD for each character that acts on a terminal, hides, or turns text around; of the same length.

    Line feeds and tabs stay; any other space becomes a plain one.
    """
    return text if text.isascii() and text.isprintable() else text.translate(_PRINTABLE)


def clean(text: str) -> str:
    """The text as it may be printed: printable, and without keys."""
    return masked(printable(text))


def one_line(text: str, most: int = LINE) -> str:
    """The clean text as one line of at most ``most`` characters: a line feed in it can't begin a line of its own."""
    parts = (part.strip() for part in re.split(r"[\n\t]+", clean(text[: most + 1])))
    line = " ".join(part for part in parts if part)
    return line if len(text) <= most else f"{line[: most - 4]} ..."


# -- keys --------------------------------------------------------------------------------------------------------------
#: A key this long is recognised by any :data:`_PIECE` characters of it in a row, a shorter one only as a whole.
_LONG, _PIECE = 16, 8
#: Shorter ones, such as the ``EMPTY`` that local servers are given, are words and no secrets.
_LEAST = 6
#: What to mask, by length.
_MASKED: dict[int, set[str]] = {}


def keep_secret(key: str) -> str:
    """Have :func:`masked` mask a key from now on, in this process; returns the key."""
    if len(key) >= _LEAST:
        for form in {key, *_encoded(key)}:
            size = len(form) if len(key) < _LONG else _PIECE
            pieces = {form[at : at + size] for at in range(len(form) - size + 1)}
            _MASKED.setdefault(size, set()).update(pieces)
    return key


def _encoded(key: str) -> set[str]:
    """Other ways in which a server may repeat it: in a URL, and in base64, alone or inside of a longer text."""
    raw, forms = key.encode("utf-8", "replace"), {quote(key, safe="")}
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + raw).decode()
        sure = coded[(8 * before + 5) // 6 : 8 * (before + len(raw)) // 6]  # the rest depends on its neighbours
        forms |= {sure, sure.translate(str.maketrans("+/", "-_"))}
    return forms


def masked(text: str) -> str:
    """The text with ``***`` for each key of this process and pieces of it, as it is, percent-encoded or in base64."""
    if not _MASKED:
        return text
    hidden = bytearray(len(text))
    for size, pieces in _MASKED.items():
        for at in range(len(text) - size + 1):
            if text[at : at + size] in pieces:
                hidden[at : at + size] = b"\1" * size
    parts, end = [], 0
    for run in re.finditer(b"\x01+", hidden):
        parts += [text[end : run.start()], "***"]
        end = run.end()
    return "".join([*parts, text[end:]])
