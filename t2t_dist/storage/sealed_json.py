"""JSON objects of a run (``run.json``, ``status.json``) with a checksum of their content in them."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

_KEY = "checksum"


class AlteredContent(ValueError):
    """The content is not what was written."""


def sealed(content: Mapping[str, Any]) -> bytes:
    """The content as JSON, with its checksum."""
    return orjson.dumps({**content, _KEY: _checksum(content)}, option=orjson.OPT_INDENT_2)


def unsealed(content: Any) -> Any:
    """What was sealed, from the JSON that was read; content without a checksum, as older runs have it, unchanged.

    Raises:
        AlteredContent: it is not what was written.
    """
    if not isinstance(content, dict):
        return content
    if _KEY not in content:
        if any(len(name) == len(_KEY) and sum(map(str.__ne__, name, _KEY)) == 1 for name in content):
            raise AlteredContent("altered: the name of its checksum is another")
        return content
    inner = {name: value for name, value in content.items() if name != _KEY}
    if content[_KEY] != _checksum(inner):
        raise AlteredContent("altered: its checksum is that of other content")
    return inner


def _checksum(content: Mapping[str, Any]) -> str:
    return blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
