"""Texts that others wrote: what is read is what was written, and nothing that could not be written again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.environments.adapters.mcp.config import ToolConfig, load
from t2t_dist.environments.adapters.mcp.server import Answer, Offered
from t2t_dist.environments.adapters.mcp.tools import McpTool
from t2t_dist.environments.json_text import DEPTH, Unreadable, read_json
from t2t_dist.environments.state import Base, World
from t2t_dist.environments.tools import AGENT, READ, Tool, ToolSet, tool
from tests.support.mcp_domains import WORLDS


def nested(levels: int, inner: str = "1") -> str:
    return '{"a":' + "[" * (levels - 1) + inner + "]" * (levels - 1) + "}"


def test_nesting_is_read_up_to_its_bound() -> None:
    assert read_json(nested(DEPTH)) == json.loads(nested(DEPTH))
    for levels in (DEPTH + 1, 300, 1000):
        with pytest.raises(Unreadable, match="nested deeper than 64 levels"):
            read_json(nested(levels))
    with pytest.raises(Unreadable, match="not JSON"):
        read_json(nested(5000))
    wide = "[" + ",".join(["[[]]"] * 1000) + "]"
    assert read_json(wide) == json.loads(wide)
    assert read_json('{"a": "' + "[" * 1000 + '"}') == {"a": "[" * 1000}


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, -(2**63), 10**18])
def test_whole_numbers_of_64_bits_are_exact(number: int) -> None:
    assert read_json(f'{{"n":{number}}}') == {"n": number}


@pytest.mark.parametrize("number", [str(2**64), str(-(2**63) - 1), "1" + "0" * 30, "9" * 300])
def test_larger_whole_numbers_are_refused_and_not_rounded(number: str) -> None:
    with pytest.raises(Unreadable, match="does not fit into 64 bits"):
        read_json(f'{{"n":[{number}]}}')
    assert read_json(f'{{"n":"{number}"}}') == {"n": number}


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "", "{", '"\\ud800"', "\ud800"])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="not JSON"):
        read_json(text)


SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(VALUES)
def test_what_is_read_is_what_was_written_and_can_be_written_again(value: Any) -> None:
    text = json.dumps(value)
    try:
        read = read_json(text)
    except Unreadable:
        return
    assert read == json.loads(text)
    assert orjson.loads(orjson.dumps(read)) == read


# -- as arguments ------------------------------------------------------------------------------------------------------
@tool(READ)
def count(world: World, number: int = 0, share: float = 0.0, anything: Any = None) -> str:
    """Count something."""
    return f"{number} {share} {anything}"


def called(arguments: str) -> str:
    tools, world = ToolSet([count]), World(Base({}, "2026-01-01T00:00:00"))
    assert isinstance(count, Tool)
    result = tools.execute(world, "count", arguments, AGENT)
    assert result.error == result.content.startswith("Error: ")
    assert not result.error or "count(" in result.content  # it says what is expected
    return result.content


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (nested(300).replace('"a"', '"anything"'), "levels"),
        (nested(70).replace('"a"', '"anything"'), "the arguments of count are nested deeper than 64 levels"),
        ('{"anything": 18446744073709551616}', "18446744073709551616 does not fit into 64 bits"),
        ('{"number": 18446744073709551616}', "exceeded maximum size"),
        ('{"number": -99999999999999999999}', "exceeded maximum size"),
        ('{"number": "99999999999999999999"}', "does not fit into 64 bits"),
        ('{"anything": ' + "9" * 5000 + "}", "not JSON"),
        ('{"share": "NaN"}', "finite number"),
        ('{"share": "inf"}', "finite number"),
        ('{"share": NaN}', "not JSON"),
        (nested(300), "a: extra inputs are not permitted"),
    ],
)
def test_malformed_arguments_are_the_callers_error(arguments: str, said: str) -> None:
    assert said in called(arguments).lower() or said in called(arguments)


def test_large_arguments_that_fit_are_passed_on_exactly() -> None:
    assert called('{"number": 9223372036854775807, "anything": [-9223372036854775808]}') == (
        "9223372036854775807 0.0 [-9223372036854775808]"
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [("18446744073709551616", "does not fit into 64 bits"), ("NaN", "not JSON"), ("[" * 99 + "]" * 99, " levels")],
)
def test_a_servers_tool_is_not_sent_what_it_was_not_given(value: str, said: str) -> None:
    """A number beyond 64 bits would go out as another one, a float."""
    sent: list[Any] = []

    def make(world: World, name: str, arguments: Mapping[str, Any]) -> Answer:
        sent.append(arguments)
        return Answer("done", False)

    schema = {"type": "object", "properties": {"n": {}}}
    offered = Offered("keep", "Keep it.", schema, None, False)
    tools = ToolSet([McpTool("keep", offered, ToolConfig(), load(WORLDS / "notes/server.yaml"), "x.yaml").bound(make)])
    world = World(Base({}, "2026-01-01T00:00:00"))
    assert said in tools.execute(world, "keep", f'{{"n": {value}}}').content
    assert sent == []
    assert not tools.execute(world, "keep", '{"n": 18446744073709551615}').error
    assert sent == [{"n": 18446744073709551615}]
