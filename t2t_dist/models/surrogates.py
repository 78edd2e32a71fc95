"""Repair of text with half a surrogate pair: legal in JSON's escapes (``\\ud83d``), and impossible in UTF-8.

A model that samples token by token can write one, and a server that cuts an emoji in two sends one. Each half becomes
U+FFFD, the character for what can't be read, and everything else stays as it came.
"""

from __future__ import annotations

import re

#: The largest body that is searched for half surrogate pairs, in bytes.
MENDED = 1 << 20
#: What some servers write before their text.
BOM = b"\xef\xbb\xbf"
#: One escape of a JSON text at a time, so that an escaped backslash is never taken for the start of the next.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def mended(json_text: str) -> str:
    """A JSON text whose escapes are whole characters: half a surrogate pair becomes ``\\ufffd``."""
    return _ESCAPE.sub(lambda found: "\\ufffd" if found[1] else found[0], json_text)
