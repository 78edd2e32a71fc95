"""JSON schemas of tools in the form that every chat template can render: without titles, and without references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

#: Mappings by name, whose keys are no keywords; and data, which holds no schema.
_BY_NAME = frozenset({"properties", "patternProperties", "dependentSchemas", "dependencies"})
_DATA = frozenset({"enum", "const", "default", "examples"})
#: Keywords about the document or its references, of no use once these are put in place.
_LEFT_OUT = frozenset({"$schema", "$id", "$anchor", "$defs", "definitions", "$comment", "$ref"})
_LEFT_OUT |= {"$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"}
#: How far references are followed, one within the other, and the largest result in mappings. Beyond, and where a
#: reference leads into itself or nowhere in this document, only the type of what it names is left.
_NESTED, _LARGEST = 16, 5_000


def in_place(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with every reference replaced by what it names. Nothing outside of it is read."""
    tidied: dict[str, Any] = _Places(schema).tidy(schema, ("#",))
    return tidied


class _Places:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root, self._made = root, 0

    def tidy(self, node: Any, within: tuple[str, ...]) -> Any:
        """``within``: the references that led here."""
        if isinstance(node, list):
            return [self.tidy(item, within) for item in node]
        if not isinstance(node, dict):
            return node
        self._made += 1
        if isinstance(reference := node.get("$ref"), str):
            target, more = self._target(reference), {key: value for key, value in node.items() if key != "$ref"}
            if isinstance(target, bool):
                target = {} if target else {"not": {}}
            if not isinstance(target, dict) or reference in within or self._is_much(within):
                kind = target.get("type") if isinstance(target, dict) else None
                return self.tidy({"type": kind, **more} if kind else more, within)
            return self.tidy({**target, **more}, (*within, reference))
        return {
            key: self._value(key, value, within)
            for key, value in node.items()
            if key not in _LEFT_OUT and not (key == "title" and isinstance(value, str))
        }

    def _value(self, key: str, value: Any, within: tuple[str, ...]) -> Any:
        if key in _DATA:
            return value
        if key in _BY_NAME and isinstance(value, dict):
            return {name: self.tidy(inner, within) for name, inner in value.items()}
        return self.tidy(value, within)

    def _is_much(self, within: tuple[str, ...]) -> bool:
        return len(within) > _NESTED or self._made > _LARGEST

    def _target(self, reference: str) -> Any:
        """What a reference within the document names: ``#``, ``#/$defs/name``; ``None`` for any other."""
        if not reference.startswith("#") or (reference[1:] and reference[1] != "/"):
            return None
        place: Any = self._root
        for step in unquote(reference[1:]).split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(place, dict):
                place = place.get(step)
            elif isinstance(place, list) and step.isdecimal() and int(step) < len(place):
                place = place[int(step)]
            else:
                return None
        return place
