"""What a server's tool becomes: types from names and schemas, templates of its arguments, answers read as data."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.environments.adapters.mcp.config import McpConfig, ToolConfig, load
from t2t_dist.environments.adapters.mcp.server import Answer, Offered
from t2t_dist.environments.adapters.mcp.tools import McpTool, camel, slots_of, spec_from, spec_of_schema
from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import PLAIN, Spec
from t2t_dist.environments.state import Base
from t2t_dist.environments.tools import Call, ToolError
from tests.support.mcp_domains import WORLDS, made

WORLD = Base({}, "2026-01-01T00:00:00").world()


def config() -> McpConfig:
    return load(WORLDS / "notes/server.yaml")


def query(template: str, **given: Any) -> McpTool:
    """A tool made of one that takes SQL."""
    content = {"of": "query", "with": {"sql": template}, "arguments": {"name": "Name"}, "kind": "read", **given}
    schema = {"type": "object", "properties": {"sql": {"type": "string"}}, "required": ["sql"]}
    offered = Offered("query", "Query.", schema, None, False)
    return McpTool("made", offered, ToolConfig.model_validate(content), config(), "x.yaml")


@pytest.mark.parametrize(
    ("name", "type_name"), [("order_id", "OrderId"), ("orderId", "OrderId"), ("path", "Path"), ("a-b.c", "ABC")]
)
def test_a_name_stands_for_a_type(name: str, type_name: str) -> None:
    assert camel(name) == type_name


def test_types_are_written_as_the_result_looks() -> None:
    loan, scalar = Spec("scalar", "LoanId"), PLAIN
    assert spec_from("LoanId", "x") == loan
    assert spec_from(["LoanId"], "x") == Spec("list", fields=(("", loan),))
    assert spec_from({"*": "LoanId"}, "x") == Spec("map", fields=(("", loan),))
    assert spec_from({"loan_id": "LoanId", "title": ""}, "x") == Spec(
        "struct", fields=(("loan_id", loan), ("title", scalar))
    )
    with pytest.raises(ValueError, match=r"^x: \['a', 'b'\] is no type"):
        spec_from(["a", "b"], "x")


def test_types_are_read_from_a_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "loan_id": {"type": "string"},
            "state": {"enum": ["open", "closed"]},
            "notes": {"type": "array", "items": {"type": "object", "properties": {"note_id": {"type": "integer"}}}},
            "weight": {"type": "number"},
        },
    }
    spec = dict(spec_of_schema(schema, "").fields)
    assert spec["loan_id"] == Spec("scalar", "LoanId")
    assert spec["state"].choices == ("open", "closed")
    assert spec["notes"].names() == {"NoteId"}
    assert spec["weight"] == PLAIN


@given(st.text(max_size=20))
def test_a_value_in_sql_is_a_value(name: str) -> None:
    asked = []

    def make(world: object, tool: str, arguments: Any) -> Answer:
        asked.append(arguments["sql"])
        return Answer("", False)

    tool = query("SELECT {name|sql}").bound(make)
    tool.function(WORLD, name=name)
    try:
        name.encode()
    except UnicodeEncodeError:
        return  # half of a pair: no text of SQLite's
    database = sqlite3.connect(":memory:")
    assert database.execute(asked[0]).fetchall() == [(name.replace("\0", ""),)]
    database.close()


@pytest.mark.parametrize(
    ("template", "arguments", "made_of_it"),
    [
        ({"names": ["{name}"]}, {"name": "x"}, {"names": ["x"]}),
        ("{name}", {"name": [1, 2]}, [1, 2]),
        ("to {name}, {other} {name|sql}", {"name": None, "other": 2.5}, "to None, 2.5 NULL"),
        ("{other|sql}", {"other": 3}, "3"),
        (["{missing}", True], {}, [None, True]),
    ],
)
def test_templates(template: Any, arguments: dict[str, Any], made_of_it: Any) -> None:
    seen = []

    def make(world: object, name: str, given: Any) -> Answer:
        seen.append(given["sql"])
        return Answer("", False)

    tool = query("x", arguments=dict.fromkeys(("name", "other"), "Name"), **{"with": {"sql": template}}).bound(make)
    tool.function(WORLD, **arguments)
    assert seen == [made_of_it]
    assert slots_of(template) <= {"name", "other", "missing"}


@pytest.mark.parametrize(
    ("read_as", "text", "value"),
    [
        ("auto", '{"a": 1}', {"a": 1}),
        ("auto", "no JSON", "no JSON"),
        ("python", "[{'a': None}]", [{"a": None}]),
        ("python", "__import__('os')", "__import__('os')"),
        ("lines", "a\n\nb", ["a", "b"]),
        ("text", "[1]", "[1]"),
        (r"^\[FILE\] (?P<name>.+)$", "[DIR] d\n[FILE] a b.txt", [{"name": "a b.txt"}]),
    ],
)
def test_answers_are_read_as_the_file_says(read_as: str, text: str, value: Any) -> None:
    assert query("x", read_as=read_as).read(text) == value


def test_an_answer_can_be_a_refusal() -> None:
    tool = query("x", refused="^nothing$").bound(lambda world, name, arguments: Answer("nothing", False))
    with pytest.raises(ToolError, match="nothing"):
        tool.function(WORLD, name="x")


def test_a_directory_has_the_name_that_the_file_gives_it(tmp_path: Path) -> None:
    domain: Domain = made(tmp_path, root="/data")
    worlds = [domain.world(), domain.world()]
    for world in worlds:
        result = domain.execute(world, Call("set_text", {"note_id": "n0", "text": "/data/x.txt"}))
        assert '"text": "/data/x.txt"' in result.content
    assert worlds[0].digest == worlds[1].digest
    (change,) = worlds[0].changes()
    assert change.after is not None
    assert "/data/x.txt" in change.after["text"]
    assert "t2t-mcp" not in change.after["text"]
    domain.pool.close()  # type: ignore[attr-defined]
