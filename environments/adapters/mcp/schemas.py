"""Schemas of a server's tools: what is taken from them, and the check of arguments against them.

A server is not trusted: sizes and depths are bounded, texts for models have no control characters, no reference is
fetched, and its regular expressions are not evaluated here (JavaScript's are not Python's, and one can be made to
hang): the server applies them itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from ...json_text import deeper
from ...tool_schema import in_place

#: The deepest and the largest schema of a tool, in levels and bytes of JSON; the longest description, in characters.
_DEEPEST, _LARGEST, _LONGEST = 40, 256 << 10, 8_000
#: What chat endpoints take as the name of a tool.
_LEGAL = 64
_DRAFTS = (
    ("draft-03", "Draft3Validator"),
    ("draft-04", "Draft4Validator"),
    ("draft-06", "Draft6Validator"),
    ("draft-07", "Draft7Validator"),
    ("2019-09", "Draft201909Validator"),
)


def legal_name(name: str) -> str:
    """The name under which agents get a tool: that of the server if chat endpoints take it, else with ``_`` for each
    other character, and shortened."""
    legal = re.sub(r"[^a-zA-Z0-9_-]", "_", name) or "_"
    return legal if len(legal) <= _LEGAL else f"{legal[: _LEGAL - 9]}_{_digest(name)}"


def words(text: str) -> str:
    """A description in one line, without control and format characters, and not longer than a page."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * _LONGEST]).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 4]} ..."


def taken(schema: Any, where: str) -> tuple[dict[str, Any], Any]:
    """A tool's schema as agents get it, and the validator of arguments: of the draft that the schema declares, or else
    of 2020-12 or draft-07, whichever it fits.

    Raises:
        ValueError: it is too large, too deep, or no schema of an object; one line.
    """
    import jsonschema  # comes with the SDK, which only MCP domains need

    remedy = "leave the tool out with 'hide'"
    if not isinstance(schema, dict) or deeper(schema, _DEEPEST):
        raise ValueError(f"{where}: the server's schema of it has more than {_DEEPEST} levels; {remedy}")
    plain = carried(in_place(schema))
    if deeper(plain, 2 * _DEEPEST) or len(orjson.dumps(plain)) > _LARGEST:
        raise ValueError(f"{where}: the server's schema of it is larger than {_LARGEST >> 10} KiB; {remedy}")
    names = plain.setdefault("properties", {})
    if not isinstance(names, dict) or not all(name.isprintable() for name in names):
        raise ValueError(f"{where}: the server's schema of it has no properties with printable names; {remedy}")
    declared = str(schema.get("$schema", ""))
    drafts = [draft for name, draft in _DRAFTS if name in declared]
    checked, problems = _without_patterns(plain), []
    for draft in dict.fromkeys([*drafts, "Draft202012Validator", "Draft7Validator"]):
        kind = getattr(jsonschema, draft)
        try:
            kind.check_schema(checked)
        except jsonschema.SchemaError as error:
            problems.append(words(error.message)[:200])
        else:
            return plain, kind(checked)
    raise ValueError(f"{where}: the server's schema of it is wrong: {problems[0]}; {remedy}")


def carried(node: Any) -> Any:
    """A schema that JSON of ours can carry: descriptions as :func:`words`, no number beyond its range."""
    if isinstance(node, list):
        return [carried(item) for item in node]
    if isinstance(node, dict):
        return {
            key: words(value) if key == "description" and isinstance(value, str) else carried(value)
            for key, value in node.items()
        }
    if isinstance(node, int) and not isinstance(node, bool) and not fits(node):
        return float("inf") if abs(node).bit_length() > 1023 else float(node)
    return node


def fits(number: int) -> bool:
    """Whether JSON of ours can carry a whole number: within 64 bits."""
    return -(1 << 63) <= number < 1 << 64


def _without_patterns(node: Any) -> Any:
    """A schema that checks everything but regular expressions."""
    if isinstance(node, list):
        return [_without_patterns(item) for item in node]
    if not isinstance(node, dict):
        return node
    left_out = {"pattern"} if isinstance(node.get("pattern"), str) else set[str]()
    if "patternProperties" in node:
        left_out |= {"patternProperties", "additionalProperties", "unevaluatedProperties"}
    return {key: _without_patterns(value) for key, value in node.items() if key not in left_out}


def _digest(name: str) -> str:
    return blake2b(name.encode("utf-8", "replace"), digest_size=4).hexdigest()


# -- types -------------------------------------------------------------------------------------------------------------
def alternatives(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The schemas of a value other than null: one, or several of ``anyOf``, ``oneOf`` or a list of types."""
    if not isinstance(schema, dict):
        return
    for key in ("anyOf", "oneOf"):
        if isinstance(listed := schema.get(key), list):
            for each in listed:
                yield from alternatives(each)
            return
    kinds = schema.get("type")
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind != "null":
            yield {**schema, "type": kind}
