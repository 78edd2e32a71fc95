"""What agents read of a server's answer, and the values in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.environments.adapters.mcp.answers import text_of, value_of

RESOURCE = {"type": "resource", "resource": {"uri": "note://7", "mimeType": "text/plain", "text": "milk\neggs"}}


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"content": [RESOURCE]}, "milk\neggs"),
        (
            {"content": [{"type": "text", "text": "found"}, RESOURCE]},
            "found\n[resource note://7, text/plain]\nmilk\neggs",
        ),
        (
            {
                "content": [
                    {"type": "resource", "resource": {"uri": "pic://1", "mimeType": "image/png", "blob": "AAECAw=="}}
                ]
            },
            "[resource pic://1, image/png, 4 bytes]",
        ),
        (
            {
                "content": [
                    {"type": "resource_link", "uri": "file:///a.txt", "name": "a.txt", "description": "the\x1b[0m plan"}
                ]
            },
            "[link to a resource: file:///a.txt, a.txt, the [0m plan]",
        ),
        ({"content": [{"type": "image", "data": "AAEC", "mimeType": "image/png"}]}, "[image image/png, 3 bytes]"),
        ({"content": [{"type": "hologram"}]}, "[hologram]"),
        ({"structuredContent": {"n": [1, None]}}, '{"n":[1,null]}'),
        ({"content": None, "structuredContent": [1]}, "[1]"),
        (
            {"content": [], "structuredContent": {"n": 2**70, "t": "\u00e9"}},
            '{"n":1180591620717411303424,"t":"\u00e9"}',
        ),
        ({"content": [{"type": "text", "text": "a"}], "structuredContent": {"b": 1}}, "a"),
        ({"content": "just text"}, "just text"),
        ({"content": [{"text": "no type"}, 5]}, "no type\n5"),
        ({"content": []}, ""),
    ],
)
def test_an_answer_as_text(result: dict[str, Any], text: str) -> None:
    assert text_of(result) == text


def test_what_is_said_of_a_part_is_short() -> None:
    long = {"type": "resource_link", "uri": "x" * 1_000_000, "name": "y" * 1_000_000}
    assert len(text_of({"content": [long]})) < 5_000


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "type", "uri", "x"]), inner),
    max_leaves=10,
)


@given(st.lists(json_like, max_size=3), json_like)
def test_any_answer_has_a_text(content: list[Any], structured: Any) -> None:
    assert isinstance(text_of({"content": content, "structuredContent": structured}), str)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"id": 18446744073709551615}', {"id": 2**64 - 1}),
        (
            '{"id": 18446744073709551616, "n": -9223372036854775809, "m": -9223372036854775808}',
            {"id": None, "n": None, "m": -(2**63)},
        ),
        ("[" * 200 + "]" * 200, "[" * 200 + "]" * 200),
        ("[" * 100_000, "[" * 100_000),
        ("1" * 5_000, "1" * 5_000),
        ('{"at": 1e3, "long": "12345678901234567890"}', {"at": 1000.0, "long": "12345678901234567890"}),
    ],
)
def test_values_that_can_be_carried_exactly(text: str, value: Any) -> None:
    assert value_of(text) == value


def test_values_of_python() -> None:
    assert value_of("[{'a': (1, 2), 3: None}, {'x', 'y'}, b'z', 1j]", python=True) == [
        {"a": [1, 2], "3": None},
        None,
        None,
        None,
    ]
