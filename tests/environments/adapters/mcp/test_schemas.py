"""What is taken from a server's schemas and names: usable by every chat endpoint, and harmless."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.environments.adapters.mcp.schemas import legal_name, taken, words
from t2t_dist.environments.adapters.mcp.tools import spec_of_schema

PAIR = {"type": "array", "items": [{"type": "number"}, {"type": "string"}], "additionalItems": False}


def schema_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def is_valid(schema: dict[str, Any], **arguments: Any) -> bool:
    return bool(taken(schema, "x")[1].is_valid(arguments))


@pytest.mark.parametrize(
    "declared",
    [
        {"$schema": "http://json-schema.org/draft-07/schema#"},
        {"$schema": "https://json-schema.org/draft-07/schema"},
        {},
    ],
)
def test_a_schema_is_read_in_the_draft_it_declares_or_fits(declared: dict[str, Any]) -> None:
    schema = {**declared, **schema_of(at=PAIR)}
    assert is_valid(schema, at=[1.5, "m"])
    assert not is_valid(schema, at=["m", 1.5])
    assert not is_valid(schema, at=[1, "m", 2])
    assert "$schema" not in taken(schema, "x")[0]


def test_other_drafts() -> None:
    older = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        **schema_of(n={"minimum": 0, "exclusiveMinimum": True}),
    }
    assert (is_valid(older, n=1), is_valid(older, n=0)) == (True, False)
    newer = schema_of(at={"prefixItems": [{"type": "number"}], "items": False})
    assert (is_valid(newer, at=[1]), is_valid(newer, at=[1, 2])) == (True, False)
    unknown = {"$schema": "https://example.com/mine", **schema_of(n={"type": "integer"})}
    assert (is_valid(unknown, n=1), is_valid(unknown, n="1")) == (True, False)


def test_a_servers_regular_expressions_are_not_evaluated() -> None:
    hanging = {"type": "string", "pattern": "^(a+)+$", "maxLength": 40}
    schema = schema_of(name=hanging, script={"type": "string", "pattern": r"\p{Lu}"}, pattern={"type": "integer"})
    assert is_valid(schema, name="a" * 39 + "!", script="x")
    assert not is_valid(schema, name="a" * 41)
    assert not is_valid(schema, pattern="x")
    assert taken(schema, "x")[0]["properties"]["name"] == hanging


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = schema_of(inner=schema)
    return schema


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ([], "has more than 40 levels"),
        (deep(60), "has more than 40 levels"),
        (schema_of(n={"description": "x" * 7_000, "enum": ["y" * 300_000]}), "is larger than 256 KiB"),
        ({"type": "object", "properties": []}, "has no properties with printable names"),
        (schema_of(**{"a\x1b[31m": {}}), "has no properties with printable names"),
        (schema_of(n={"type": "wholenumber"}), "is wrong: 'wholenumber' is not valid"),
    ],
    ids=["list", "deep", "large", "properties", "name", "type"],
)
def test_what_can_not_be_used_is_refused_in_a_line(schema: Any, problem: str) -> None:
    with pytest.raises(
        ValueError, match=rf"^f\.yaml: tools\.x: the server's schema of it {problem}.*'hide'$"
    ) as caught:
        taken(schema, "f.yaml: tools.x")
    assert str(caught.value).isprintable()


def test_texts_for_models_are_words() -> None:
    plain, _ = taken(schema_of(n={"description": "the\x1b[31m\n number\u202e\U000e0041", "maximum": 2**70}), "x")
    assert plain["properties"]["n"] == {"description": "the [31m number", "maximum": float(2**70)}
    assert words("x y " * 10_000).endswith(" ...")
    assert len(words("x y " * 10_000)) <= 8_000


@given(st.text(min_size=1, max_size=200))
def test_every_name_becomes_legal(name: str) -> None:
    legal = legal_name(name)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", legal)
    assert legal_name(legal) == legal


def test_long_names_stay_apart() -> None:
    names = [legal_name("a" * 100 + end) for end in ("x", "y", "x.")]
    assert len(set(names)) == 3
    assert legal_name("files.read") == "files_read"


@pytest.mark.parametrize(
    ("schema", "kind", "name"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "scalar", "NoteId"),
        ({"type": ["integer", "null"]}, "scalar", "NoteId"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "plain", ""),
        ({"enum": ["a", "b", None]}, "choice", ""),
        ({"enum": [["a"], {}]}, "plain", ""),
        ({"enum": "abc"}, "plain", ""),
        (True, "plain", ""),
    ],
)
def test_types_of_optional_and_odd_values(schema: Any, kind: str, name: str) -> None:
    spec = spec_of_schema(schema, "note_id")
    assert (spec.kind, spec.name) == (kind, name)
    assert hash(spec)
