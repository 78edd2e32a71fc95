"""Answers of a server as text for agents, and their values. Tolerant: a server may leave out or invent fields."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

from ...json_text import DEPTH, deeper
from .schemas import fits, words

#: Characters of an address, or of another short text in a part of an answer.
_SHORT = 2_000
_MAY_BE_LONG = re.compile(r"\d{19}")


def is_answer(result: Any) -> bool:
    """Whether a result of the protocol is the answer to a call: nothing else that we ask for has such fields."""
    return isinstance(result, dict) and ("content" in result or result.get("structuredContent") is not None)


def text_of(result: Mapping[str, Any]) -> str:
    """The text for the caller: that of the parts, one below the other; without any, the structured content as JSON."""
    content = result.get("content")
    parts = content if isinstance(content, list) else [] if content is None else [content]
    texts = [_part(part, alone=len(parts) == 1) for part in parts]
    structured = result.get("structuredContent")
    return "\n".join(texts) if texts or structured is None else _json(structured)


def _part(part: Any, alone: bool) -> str:
    """A part of an answer: text as it is, the text of a resource, what can be said of anything else."""
    if isinstance(part, str):
        return part  # not as the protocol has it, but clear
    if not isinstance(part, dict):
        return _json(part)
    kind, text = part.get("type"), part.get("text")
    if isinstance(text, str) and kind in ("text", None):
        return text
    if kind == "resource" and isinstance(resource := part.get("resource"), dict):
        about = _said(resource, "uri", "mimeType")
        if isinstance(text := resource.get("text"), str):
            return text if alone else f"[resource {about}]\n{text}"
        return f"[resource {about}{_size(resource.get('blob'))}]"
    if kind == "resource_link":
        return f"[link to a resource: {_said(part, 'uri', 'mimeType', 'title', 'name', 'description')}]"
    return f"[{words(str(kind))[:_SHORT]} {_said(part, 'mimeType')}{_size(part.get('data'))}]".replace(" ]", "]")


def _said(part: Mapping[str, Any], *fields: str) -> str:
    said = [words(value)[:_SHORT] for field in fields if isinstance(value := part.get(field), str) and value]
    return ", ".join(dict.fromkeys(said))


def _size(data: Any) -> str:
    """How much base64 holds."""
    return f", {len(data) * 3 // 4 - data[-2:].count('=')} bytes" if isinstance(data, str) else ""


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # whole numbers beyond 64 bits, which are passed on as they are
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# -- values ------------------------------------------------------------------------------------------------------------
def value_of(text: str, python: bool = False) -> Any:
    """The value that a text writes, as JSON or as a Python literal; the text itself if it writes none.

    What JSON of ours can't carry exactly, a whole number beyond 64 bits or an object of Python's, is ``None`` in it.
    """
    exact = python or _MAY_BE_LONG.search(text) is not None
    try:
        if exact:
            value = ast.literal_eval(text) if python else json.loads(text)
        else:
            value = orjson.loads(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
    if text.count("[") + text.count("{") > DEPTH and deeper(value, DEPTH):
        return text
    return _carried(value) if exact else value


def _carried(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _carried(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_carried(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return value if fits(value) else None
    return value if isinstance(value, str | float | bool) else None
