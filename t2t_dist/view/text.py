"""Third-party text, made safe to show: escaped, with every invisible character made visible."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import orjson
from markupsafe import Markup, escape

from t2t_dist.core.printing import printable
from t2t_dist.environments.json_text import Unreadable, read_json

#: A message longer than ``CUT`` is cut; it is shown in full on a page of its own, ``PAGE`` characters at a time.
CUT, PAGE = 6_000, 50_000
#: JSON up to this size is pretty-printed.
_LAID_OUT = 100_000
#: What may hide, act on a terminal or turn text around: control and format characters, separators, private use,
#: unassigned. Tab and line feed stay.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    "\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ue000-\uf8ff"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
#: Emoji are joined with these; elsewhere, and in a row, they hide something.
_JOINERS = "\u200d\ufe0f\ufe0e"
#: More marks on one letter than any script uses: they would be drawn over the lines above.
_PILED = re.compile("([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})"
                    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")  # fmt: skip


_CONTROLS = (
    *("NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "TAB", "LF", "VT", "FF", "CR", "SO", "SI"),
    *("DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US"),
)


def visible(text: Any) -> Markup:
    """The text as HTML: escaped, with every invisible character shown by name."""
    plain = _PILED.sub(lambda match: match[1] + "\u2026", str(text))
    parts: list[Markup] = []
    end, joined = 0, -1  # the place of the last joiner that was kept
    for match in _UNSEEN.finditer(plain):
        place, before = match.start(), plain[match.start() - 1 : match.start()]
        sign = before > "\u2000" and not _UNSEEN.match(before)
        if match[0] in _JOINERS and (sign or (joined == place - 1 >= 0 and before != match[0])):
            joined = place
            continue
        parts += [escape(plain[end:place]), _named(match[0])]
        end = match.end()
    parts.append(escape(plain[end:]))
    return Markup("").join(parts)


def plain(value: Any) -> Any:
    """Finalizer of values without ``|v``: in attributes, invisible characters can only be marked, not named."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return printable(value)


def _named(character: str) -> Markup:
    code = ord(character)
    name = unicodedata.name(character, "control" if code < 0xA0 else "no name").lower()
    shown = _CONTROLS[code] if code < 0x20 else f"U+{code:04X}"  # few fonts have the pictures of control characters
    return Markup('<span class="ctl" title="U+{:04X} {}">{}</span>').format(code, name, shown)


def laid_out(text: str) -> str:
    """JSON text in lines, anything else as it is."""
    if len(text) > _LAID_OUT or text[:1] not in "{[":
        return text
    try:
        return orjson.dumps(read_json(text), option=orjson.OPT_INDENT_2).decode()
    except Unreadable:
        return text


def arguments_of(text: str) -> dict[str, Any] | None:
    """A call's arguments, ``None`` where the text is no JSON object."""
    try:
        found = read_json(text or "{}")
    except Unreadable:
        return None
    return found if isinstance(found, dict) else None


def value_of(value: Any) -> str:
    """A value of a record or a call in one line."""
    if value is None or value == "":
        return "-" if value is None else '""'
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def spent(seconds: float | None) -> str:
    """A length of time for people."""
    if seconds is None or seconds != seconds:
        return ""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def hue(digest: str) -> str:
    """A colour for a state: equal states have equal ones."""
    number = int(digest[:6], 16) if re.fullmatch(r"[0-9a-f]{6,}", digest) else 0
    return f"hsl({number % 360} {55 + number // 360 % 30}% {48 + number // 10800 % 16}%)"
