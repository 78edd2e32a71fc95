"""Servers that do what the protocol allows and few expect, and servers that break it: used where they can be, else
refused in a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.config.domain import load_domain
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.environments.adapters.mcp.domain import McpDomain
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call, ToolCrash
from t2t_dist.synthesis.check_domain import check
from t2t_dist.synthesis.explore import explore_graph
from tests.support.mcp_domains import described, made

HIDDEN = ["count_calls", "what_time", "show_environment"]
TEXTS, NULL = {"type": "array", "items": {"type": "string"}}, {"type": "null"}
NOTE = {"type": "string", "description": "The note."}


def listed(name: str, schema: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"Do {name}.", "inputSchema": {"type": "object", **(schema or {})}, **more}


def server(**odd: Any) -> dict[str, Any]:
    """What makes a description start the odd server; see it."""
    return {"server__args": ["{here}/odd_server.py", json.dumps(odd)], "hide": HIDDEN}


def problem(folder: Path, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        load_domain(Config(domain=f"mcp:{described(folder, **changes)}"))
    assert str(caught.value).isprintable()
    return str(caught.value)


# -- answers -----------------------------------------------------------------------------------------------------------
ANSWER = '{"jsonrpc": "2.0", "id": ID, "result": '
ODD = {
    "tools": [
        *(listed(name) for name in ("structured", "link", "junk", "half", "cut", "flood", "refuse", "words")),
        listed("echo", {"properties": {"n": {"type": "integer"}, "x": {}}}),
        listed("files.read\u00fc", {"properties": {"path": NOTE}}, annotations={"readOnlyHint": True}),
    ],
    "results": {
        "structured": {"structuredContent": {"n": 2**64, "ok": True}},
        "link": {"content": [{"type": "resource_link", "uri": "note://7"}], "isError": False},  # without its name
        "refuse": {"structuredContent": {"why": "locked"}, "isError": True},
        "files.read\u00fc": {"content": [{"type": "resource", "resource": {"uri": "file:///a", "text": "milk"}}]},
    },
    "lines": {
        "junk": f'a log line\n{{"not": "ours"}}\n{ANSWER}{{"content": ["ok"]}}}}',
        "half": ANSWER + '{"content": [{"type": "text", "text": "half \\ud83d"}]}}',
        "cut": ANSWER + '{"content": [',
    },
    "fill": {"flood": 9 << 20},
    "says": {"words": "bad luck \x1b]0;x\x07\u202e"},
}


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpDomain]:
    found = made(tmp_path_factory.mktemp("odd"), **server(**ODD))
    yield found
    found.pool.close()


def said(domain: Domain, name: str, **arguments: Any) -> str:
    return domain.execute(domain.world(), Call(name, arguments)).content


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        ("structured", '{"n":18446744073709551616,"ok":true}'),
        ("link", "[link to a resource: note://7]"),
        ("files_read_", "milk"),
        ("refuse", 'Error: {"why":"locked"}'),
        ("junk", "ok"),
        ("half", "half \ufffd"),
    ],
)
def test_an_answer_that_can_be_understood_is(domain: McpDomain, tool: str, text: str) -> None:
    assert said(domain, tool) == text


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        ("cut", "cut: the MCP server answered with what can't be read as a message"),
        ("flood", "flood: the MCP server answered with more than 8 MiB"),
    ],
)
def test_an_answer_that_can_not_ends_the_call_at_once(domain: McpDomain, tool: str, message: str) -> None:
    with pytest.raises(ToolCrash, match=message):
        said(domain, tool)
    assert said(domain, "structured")  # on another server


def test_answers_by_http_have_the_same_bounds(tmp_path: Path) -> None:
    large = {"content": [{"type": "text", "text": "x" * (9 << 20)}]}
    odd = {
        "tools": [listed(name) for name in ("structured", "large", "bomb")],
        "results": {"structured": {"structuredContent": {"ok": True}}, "large": large, "bomb": large},
        "packed": ["bomb"],
    }
    file = tmp_path / "odd.json"  # too long for an argument
    file.write_text(json.dumps(odd))
    args = ["{here}/odd_server.py", f"@{file}", "{port}"]
    found = made(tmp_path, server__args=args, server__url="http://127.0.0.1:{port}/mcp", hide=HIDDEN)
    with pytest.raises(ToolCrash, match="large: the MCP server answered with more than 8 MiB"):
        said(found, "large")
    with pytest.raises(ToolCrash, match="bomb: the MCP server answered with what is not asked for: packed"):
        said(found, "bomb")
    assert said(found, "structured") == '{"ok":true}'
    found.pool.close()


@pytest.mark.parametrize("n", [2**64, -(2**63) - 1, 10**400])
def test_a_whole_number_beyond_64_bits_is_refused_and_never_rounded(domain: McpDomain, n: int) -> None:
    assert "64-bit" in said(domain, "echo", n=n)
    assert "64-bit" in said(domain, "echo", x=[{"deep": n}])
    assert said(domain, "echo", n=2**64 - 1) == '{"n": 18446744073709551615}'


def test_arguments_nested_too_deep_are_refused(domain: McpDomain) -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    assert "more than 40 levels" in said(domain, "echo", x=deep)


def test_last_words_act_on_no_terminal(tmp_path: Path) -> None:
    text = problem(tmp_path, server__args=["-c", f"import sys; sys.exit({ODD['says']['words']!r})"])  # type: ignore[index]
    assert "bad luck" in text
    assert "{python}" not in text


# -- tools -------------------------------------------------------------------------------------------------------------
def test_names_that_chat_endpoints_refuse_are_made_legal(domain: McpDomain) -> None:
    names = [tool["function"]["name"] for tool in json.loads(domain.tools.schemas())]
    assert "files_read_" in names
    assert all(name.replace("_", "").isalnum() and name.isascii() for name in names)


def test_the_file_may_use_either_name(tmp_path: Path) -> None:
    tools = [listed("notes.list", {"properties": {"person_id": NOTE}, "required": ["person_id"]})]
    rule = {"number": 3, "tools": ["notes.share"], "enforced": "absence", "reason": "x", "handling": "transfer"}
    rules = [{**rule, "proposes": [{"call": "notes.share", "with": {"note_id": "n0"}}]}]
    for name in ("notes.list", "notes_list"):
        given = {name: {"kind": "read", "returns": [{"note_id": "NoteId"}]}}
        found = made(tmp_path / name, **server(tools=tools), tools=given, rules=rules)
        assert found.tools["notes_list"].produces() == {"NoteId"}
        assert found.rule_list[0].tools == ("notes_share",)
        assert {call.name for call in found.rule_list[0].proposals(found.world(), "p0")} == {"notes_share"}
        found.pool.close()
    hidden = made(tmp_path / "hidden", **server(tools=tools) | {"hide": [*HIDDEN, "notes.list"]})
    assert "notes_list" not in hidden.tools
    hidden.pool.close()


def test_two_names_that_would_be_one_are_refused_until_one_is_renamed(tmp_path: Path) -> None:
    odd = server(tools=[listed("a.b"), listed("a_b")], results={"a.b": {"content": "dot"}, "a_b": {"content": "line"}})
    text = problem(tmp_path / "two", **odd)
    assert "the tools 'a.b' and 'a_b' would both be 'a_b' to agents" in text
    renamed = made(tmp_path / "one", **odd | {"hide": [*HIDDEN, "a.b"], "tools": {"dotted": {"of": "a.b"}}})
    assert (said(renamed, "a_b"), said(renamed, "dotted")) == ("line", "dot")
    renamed.pool.close()


def test_references_reach_agents_in_place(tmp_path: Path) -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {"note": {"$ref": "#/definitions/note"}, "at": {"items": [{"type": "number"}]}},
        "definitions": {"note": {"title": "Note", "type": "object", "properties": {"note_id": NOTE}}},
    }
    found = made(tmp_path, **server(tools=[listed("echo", schema)]))
    assert found.tools["echo"].schema["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "note": {"type": "object", "properties": {"note_id": NOTE}},
            "at": {"items": [{"type": "number"}]},
        },
    }
    assert said(found, "echo", note={"note_id": "n1"}, at=[1]) == '{"note": {"note_id": "n1"}, "at": [1]}'
    assert "note.note_id: 3 is not of type 'string'" in said(found, "echo", note={"note_id": 3})
    found.pool.close()


def test_a_tool_that_can_not_be_used_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    odd = server(tools=[listed("bad", {"properties": {"n": {"type": "wholenumber"}}})])
    assert "tools.bad: the server's schema of it is wrong: " in problem(tmp_path / "with", **odd)
    made(tmp_path / "without", **odd | {"hide": [*HIDDEN, "bad"]}).pool.close()


OPTIONAL = {
    "tags": TEXTS,
    "other_tags": {"anyOf": [TEXTS, NULL], "default": None},
    "place": {"type": "object", "properties": {"lat": {"type": "number"}}},
    "cursor": {"type": ["string", "null"]},
    "limit": {"type": "integer"},
    "order": {"enum": ["up", "down"]},
}


def with_options(name: str, read_only: bool, **required: Any) -> dict[str, Any]:
    """A tool of the notes whose optional arguments come first."""
    schema = {"properties": {**OPTIONAL, **required}, "required": list(required)}
    return listed(name, schema, annotations={"readOnlyHint": read_only})


def test_optional_arguments_keep_no_tool_from_being_explored(tmp_path: Path) -> None:
    tools = [
        with_options("find_person", True, email={"type": "string"}),
        with_options("list_notes", True, person_id={"type": "string"}),
        with_options("set_text", False, note_id=NOTE, text={"type": "string"}),
    ]
    found = made(tmp_path, **server(tools=tools))
    _, steps = explore_graph(found, "p0", 1)
    assert {"find_person", "list_notes", "set_text"} <= {step.tool for step in steps}
    assert any(step.changed for step in steps)
    assert [step.arguments for step in steps if set(step.arguments) & (OPTIONAL.keys() - {"order"})] == []
    # Agents may use all of them.
    assert json.loads(said(found, "list_notes", person_id="p0", tags=["a"], other_tags=None, limit=3))
    found.pool.close()


def test_what_is_missing_is_said_in_words_of_the_file(tmp_path: Path) -> None:
    schema = {"properties": {"tags": TEXTS}, "required": ["tags"]}
    tools = [{"name": "mark", "inputSchema": {"type": "object", **schema}}]
    file = described(tmp_path, **server(tools=tools))
    details = " ".join(found.detail for found in check(Config(domain=f"mcp:{file}")))
    assert (
        "server.yaml: tools.mark: mark has no description, which models read; give it in the file: description"
        in details
    )
    assert (
        "mark does not describe 'tags', which models read; give it in the file: arguments.tags.description" in details
    )
    assert "docstring" not in details
    assert "NewType" not in details
