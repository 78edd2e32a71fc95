"""Reader of JSON from outside: what a model wrote as arguments, what a tool answered.

The fast parser alone is no check: it reads nested values that it can't write, and a whole number beyond 64 bits
silently becomes a float.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

#: Levels of nesting that are read. No tool needs as many, and common parsers of servers stop here.
DEPTH = 64
#: Under this name an object holds the text of arguments that are none: where a message can hold objects only.
MALFORMED = "malformed_arguments"
#: The fewest digits of a whole number that may not fit into 64 bits.
_LONG = re.compile(r"\d{19}")
_SMALLEST, _LARGEST = -(1 << 63), (1 << 64) - 1


class Unreadable(ValueError):
    """A text that is not usable JSON. The message ends a sentence: "the arguments are ..."."""


def read_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        Unreadable: not JSON, nested deeper than :data:`DEPTH`, or with a whole number that does not fit into 64 bits.
    """
    value = loaded(text)
    check(text, value)
    return value


def loaded(text: str) -> Any:
    """What the fast parser makes of a text, for :func:`check`. Raises Unreadable: not JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"not JSON ({error})") from None


def check(text: str, value: Any) -> None:
    """Check a text's value as :func:`read_json` does. Raises Unreadable."""
    if text.count("{") + text.count("[") > DEPTH and deeper(value, DEPTH):
        raise Unreadable(f"nested deeper than {DEPTH} levels")
    if _LONG.search(text):
        json.loads(text, parse_int=_fitting)


def deeper(value: Any, most: int) -> bool:
    """Whether a JSON value has more than ``most`` levels of mappings and lists."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(most):
        if not level:
            break
        level = [
            item
            for each in level
            for item in (each.values() if isinstance(each, dict) else each)
            if isinstance(item, dict | list)
        ]
    return bool(level)


def _fitting(digits: str) -> int:
    # The length first: Python refuses to convert thousands of digits.
    if len(digits) > 20 or not _SMALLEST <= int(digits) <= _LARGEST:
        raise Unreadable(f"not usable: {digits[:24]} does not fit into 64 bits")
    return 0
