"""Schemas with their references put in place: whatever a document holds, the result is finite and refers to nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from t2t_dist.environments.tool_schema import in_place


@pytest.mark.parametrize(
    ("schema", "plain"),
    [
        (
            {
                "properties": {"a": {"$ref": "#/$defs/A", "description": "x"}},
                "$defs": {"A": {"title": "A", "type": "string"}},
            },
            {"properties": {"a": {"type": "string", "description": "x"}}},
        ),
        (
            {
                "items": {"$ref": "#/definitions/a~1b/anyOf/1"},
                "definitions": {"a/b": {"anyOf": [True, {"type": "null"}]}},
            },
            {"items": {"type": "null"}},
        ),
        (
            {"properties": {"title": {"type": "string", "title": "Title"}}},
            {"properties": {"title": {"type": "string"}}},
        ),
        ({"default": {"title": "kept", "$ref": "kept"}}, {"default": {"title": "kept", "$ref": "kept"}}),
        ({"items": {"$ref": "#/$defs/no", "minItems": 1}}, {"items": {"minItems": 1}}),
        ({"items": {"$ref": "file:///etc/passwd"}, "$id": "http://127.0.0.1:9/x"}, {"items": {}}),
        ({"items": {"$ref": "#/$defs/any"}, "$defs": {"any": True}}, {"items": {}}),
        ({"items": {"$ref": "#/$defs/none"}, "$defs": {"none": False}}, {"items": {"not": {}}}),
    ],
)
def test_references_are_put_in_place(schema: dict[str, Any], plain: dict[str, Any]) -> None:
    assert in_place(schema) == plain


def test_what_contains_itself_ends_where_it_begins_again() -> None:
    folder = {"type": "object", "properties": {"inside": {"type": "array", "items": {"$ref": "#/$defs/folder"}}}}
    schema = {"properties": {"root": {"$ref": "#/$defs/folder"}, "all": {"$ref": "#"}}, "$defs": {"folder": folder}}
    inside = {"type": "object", "properties": {"inside": {"type": "array", "items": {"type": "object"}}}}
    assert in_place(schema) == {"properties": {"root": inside, "all": {}}}


def test_a_small_document_can_not_become_a_huge_one() -> None:
    names = [f"d{n}" for n in range(60)]
    double = {
        name: {"type": "object", "properties": {"a": {"$ref": f"#/$defs/{after}"}, "b": {"$ref": f"#/$defs/{after}"}}}
        for name, after in pairwise(names)
    }
    plain = in_place({"properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": {**double, names[-1]: {"type": "string"}}})
    assert str(plain).count("type") < 20_000
    assert "$ref" not in str(plain)
