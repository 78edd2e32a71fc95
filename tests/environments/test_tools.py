"""Schemas follow from typed functions; a call is checked, all or nothing, and can only do what its kind allows."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from typing_extensions import TypedDict

from t2t_dist.environments.entities import DomainValue
from t2t_dist.environments.state import Base, Record, World
from t2t_dist.environments.tools import (
    AGENT,
    GENERIC,
    READ,
    USER,
    WRITE,
    Tool,
    ToolCrash,
    ToolError,
    ToolResult,
    ToolSet,
    tool,
)

NoteId = NewType("NoteId", str)


class Place(TypedDict):
    """Where something is."""

    city: str
    zip: NotRequired[str]


class Note(TypedDict):
    note_id: NoteId
    text: str


@tool(READ)
def get_note(world: World, note_id: NoteId) -> Note:
    """Look up a note.

    Args:
        note_id: The note's number, such as 'n1'.
    """
    record = world.get("notes", note_id)
    if record is None:
        raise ToolError(f"there is no note '{note_id}'")
    return record  # type: ignore[return-value]


@tool(WRITE)
def write_note(world: World, note_id: NoteId, text: str, times: int = 1) -> Note:
    """Write a note
    over an old one.

    Args:
        note_id (NoteId): The note's
            number.
        text: What to write.

    Returns:
        The note.
    """
    if not text:
        world.edit("notes", note_id)["text"] = "half done"
        world.put("notes", "other", {"note_id": "other", "text": ""})
        raise ToolError("text must not be empty")
    world.put("notes", note_id, {"note_id": note_id, "text": text * times})
    return {"note_id": note_id, "text": text * times}


@tool(WRITE)
def break_down(world: World, how: Literal["raise", "exit", "result", "record", "huge"]) -> Any:
    """Edit, then fail in a way that is nobody's fault but the tool's."""
    world.edit("notes", "n1")["text"] = "half done"
    if how == "raise":
        raise KeyError("oops")
    if how == "exit":
        raise SystemExit(3)
    if how == "record":
        world.put("notes", "n2", {"text": {1, 2}})
    if how == "huge":
        world.put("notes", "n2", {"text": 1 << 80})
    return {1, 2} if how == "result" else "fine"


@tool(READ)
def peep(world: World) -> str:
    """Read, and scribble."""
    world.edit("notes", "n1")["text"] = "scribbled"
    return "seen"


@tool(GENERIC)
def dream(world: World) -> str:
    """Think of nothing."""
    world.delete("notes", "n1")
    return "zzz"


@tool(WRITE, side=USER)
def toggle(world: World) -> dict[str, bool]:
    """Turn the customer's own device on or off."""
    record = world.edit("device", "phone")
    record["on"] = not record["on"]
    return {"on": record["on"]}


@tool(READ)
def shapes(
    world: World,
    text: str,
    number: float,
    choice: Literal["a", "b"],
    names: list[NoteId],
    place: Place,
    places: dict[str, Place],
    maybe: Optional[int] = None,  # noqa: UP045
    bounded: Annotated[int, Field(ge=1, le=9)] = 3,
    title: str = "x",
) -> list[Note]:
    """Take everything.

    Args:
        text: A text.
        place: Where it is.
        title: An argument by the name of a keyword of JSON schema.
        nobody: No such argument.
    """
    return []


TOOLS = ToolSet([get_note, write_note, break_down, peep, dream, toggle, shapes])
BASE = Base({"notes": {"n1": {"note_id": "n1", "text": "hello"}}, "device": {"phone": {"on": False}}}, "2026-01-01")


@pytest.fixture
def world() -> World:
    return BASE.world()


def notes(world: World) -> Record:
    return {key: record["text"] for key, record in world.scan("notes")}


def refused(world: World, name: str, arguments: Any, side: str = AGENT) -> str:
    """The text of a call that is refused and leaves the world as it was."""
    digest = world.digest
    result = TOOLS.execute(world, name, arguments, side)
    assert (result.error, result.value, result.changed) == (True, None, False)
    assert (world.seal(), world.digest) == (False, digest)
    assert result.content.startswith("Error: ")
    assert "\n" not in result.content
    return result.content.removeprefix("Error: ")


# -- schemas -----------------------------------------------------------------------------------------------------------
def test_schema_of_every_shape() -> None:
    place = {
        "type": "object",
        "description": "Where something is.",
        "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    assert shapes.schema == {
        "type": "function",
        "function": {
            "name": "shapes",
            "description": "Take everything.",
            "parameters": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "text": {"type": "string", "description": "A text."},
                    "number": {"type": "number"},
                    "choice": {"type": "string", "enum": ["a", "b"]},
                    "names": {"type": "array", "items": {"type": "string"}},
                    "place": {**place, "description": "Where it is."},
                    "places": {"type": "object", "additionalProperties": place},
                    "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
                    "bounded": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
                    "title": {
                        "type": "string",
                        "default": "x",
                        "description": "An argument by the name of a keyword of JSON schema.",
                    },
                },
                "required": ["text", "number", "choice", "names", "place", "places"],
            },
        },
    }
    assert shapes.required == ["text", "number", "choice", "names", "place", "places"]


def test_docstrings_give_descriptions() -> None:
    function = write_note.schema["function"]
    properties = function["parameters"]["properties"]
    assert function["description"] == "Write a note over an old one."
    assert properties["note_id"]["description"] == "The note's number."
    assert properties["text"]["description"] == "What to write."
    assert "description" not in properties["times"]
    assert function["parameters"]["required"] == ["note_id", "text"]


def test_a_tool_without_arguments_or_docstring() -> None:
    @tool(READ)
    def ping(world: World) -> str:
        return "pong"

    assert ping.schema["function"] == {
        "name": "ping",
        "description": "",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    }


def test_what_a_tool_says_of_itself() -> None:
    assert get_note.signature() == "get_note(note_id: NoteId)"
    assert break_down.signature() == "break_down(how: 'raise' | 'exit' | 'result' | 'record' | 'huge')"
    assert (get_note.consumes(), get_note.produces()) == ({"NoteId"}, {"NoteId", "Note"})
    assert (shapes.consumes(), peep.consumes()) == ({"NoteId", "Place"}, set())
    assert get_note.where.startswith(f"{__file__}:")
    assert get_note.untyped == []


def test_missing_annotations_are_reported() -> None:
    def bare(world, key, count: int):  # type: ignore[no-untyped-def]
        return key

    assert Tool(bare, READ).untyped == ["key", "return"]
    assert TOOLS["toggle"].untyped == []


def test_values_found_in_a_result_know_the_arguments() -> None:
    found = list(get_note.found({"note_id": "n1", "text": "x"}, {"note_id": "n1"}))
    context = frozenset({("NoteId", "n1")})
    assert found == [DomainValue("Note", {"note_id": "n1", "text": "x"}, context), DomainValue("NoteId", "n1", context)]


def test_schemas_are_encoded_by_side() -> None:
    assert orjson.loads(TOOLS.schemas(USER)) == [toggle.schema]
    assert [s["function"]["name"] for s in orjson.loads(TOOLS.schemas())] == [t.name for t in TOOLS if t.side == AGENT]
    assert TOOLS.side(USER) == [toggle]


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"two tools are named 'peep': .*test_tools\.py:\d+ and .*test_tools\.py:\d+"):
        ToolSet([peep, get_note, peep])


# -- calls that are refused --------------------------------------------------------------------------------------------
def test_unknown_tools(world: World) -> None:
    assert refused(world, "get_nots", {}) == "there is no tool named 'get_nots'; did you mean get_note?"
    assert refused(world, "write_nots", {}) == "there is no tool named 'write_nots'; did you mean write_note?"
    assert refused(world, "zzz", {}) == (
        "there is no tool named 'zzz'; the tools are: get_note, write_note, break_down, peep, dream, shapes"
    )


def test_each_side_has_its_own_tools(world: World) -> None:
    assert "there is no tool named 'toggle'" in refused(world, "toggle", {})
    assert refused(world, "get_note", {"note_id": "n1"}, USER) == (
        "there is no tool named 'get_note'; the tools are: toggle"
    )
    assert TOOLS.execute(world, "toggle", {}, USER) == ToolResult('{"on":true}', False, {"on": True}, {}, True)
    assert world.get("device", "phone") == {"on": True}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ('{"note_id": "n1"', "the arguments of get_note are not JSON ("),
        ("note_id=n1", "the arguments of get_note are not JSON ("),
        ('{"note_id": NaN}', "the arguments of get_note are not JSON ("),
        ("\ud800", "the arguments of get_note are not JSON ("),
        ('["n1"]', "the arguments of get_note must be a JSON object"),
        ('"n1"', "the arguments of get_note must be a JSON object"),
        ("null", "the arguments of get_note must be a JSON object"),
        ("", "note_id: field required. "),
        ("{}", "note_id: field required. "),
        ({}, "note_id: field required. "),
        ({"note_id": 5}, "note_id: input should be a valid string. "),
        ({"note_id": None}, "note_id: input should be a valid string. "),
        ({"note_id": "n1", "verbose": True}, "verbose: extra inputs are not permitted. "),
        ({"id": "n1"}, "note_id: field required; id: extra inputs are not permitted. "),
    ],
)
def test_wrong_arguments(world: World, arguments: Any, problem: str) -> None:
    said = refused(world, "get_note", arguments)
    assert said.startswith(problem)
    assert said.lower().endswith("expected get_note(note_id: noteid)")
    assert TOOLS.execute(world, "get_note", arguments).arguments is None


GOOD: dict[str, Any] = {
    "text": "t",
    "number": 1,
    "choice": "a",
    "names": ["n1"],
    "place": {"city": "C"},
    "places": {},
}


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("choice", "A", "choice: input should be 'a' or 'b'"),
        ("names", "n1", "names: input should be a valid list"),
        ("names", ["n1", 2], "names.1: input should be a valid string"),
        ("place", "C", "place: input should be a valid dictionary"),
        ("place", {}, "place.city: field required"),
        ("place", {"city": "C", "street": "S"}, "place.street: extra inputs are not permitted"),
        ("places", {"x": {"city": 1}}, "places.x.city: input should be a valid string"),
        ("number", "many", "number: input should be a valid number, unable to parse string as a number"),
        ("maybe", "many", "maybe: input should be a valid integer, unable to parse string as an integer"),
        ("bounded", 10, "bounded: input should be less than or equal to 9"),
    ],
)
def test_wrong_values_in_every_shape(world: World, name: str, value: Any, problem: str) -> None:
    assert refused(world, "shapes", {**GOOD, name: value}).startswith(problem)


def test_checked_arguments_are_plain_and_have_their_defaults(world: World) -> None:
    result = TOOLS.execute(world, "shapes", orjson.dumps({**GOOD, "bounded": 9}).decode())
    assert result.arguments == {**GOOD, "number": 1.0, "maybe": None, "bounded": 9, "title": "x"}
    assert result == ToolResult("[]", False, [], result.arguments, False)


def test_at_most_four_problems_are_reported(world: World) -> None:
    assert refused(world, "shapes", {}).count(";") == 3


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.text(max_size=20)
    | st.dictionaries(st.sampled_from(["text", "number", "names", "place", "maybe", "?"]), json_values, max_size=5)
)
def test_whatever_is_given_for_arguments_the_answer_is_a_result(arguments: str | dict[str, Any]) -> None:
    result = TOOLS.execute(BASE.world(), "shapes", arguments)
    assert result.error
    assert result.content


# -- all or nothing ----------------------------------------------------------------------------------------------------
def test_a_write(world: World) -> None:
    result = TOOLS.execute(world, "write_note", '{"note_id": "n2", "text": "ab", "times": 2}')
    arguments = {"note_id": "n2", "text": "ab", "times": 2}
    assert result == ToolResult(
        '{"note_id":"n2","text":"abab"}', False, {"note_id": "n2", "text": "abab"}, arguments, True
    )
    assert notes(world) == {"n1": "hello", "n2": "abab"}
    assert TOOLS.execute(world, "write_note", arguments).changed is False


def test_a_refused_call_leaves_nothing_behind(world: World) -> None:
    assert refused(world, "write_note", {"note_id": "n1", "text": ""}) == "text must not be empty"
    assert refused(world, "get_note", {"note_id": "n9"}) == "there is no note 'n9'"
    assert notes(world) == {"n1": "hello"}
    assert TOOLS.execute(world, "get_note", {"note_id": "n9"}).arguments == {"note_id": "n9"}


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("raise", "KeyError: 'oops'"),
        ("exit", "SystemExit: 3"),
        ("result", "TypeError: Type is not JSON serializable: set"),
        ("record", "TypeError: record 'n2' of table 'notes' is not JSON: Type is not JSON serializable: set"),
        ("huge", "TypeError: record 'n2' of table 'notes' is not JSON: Integer exceeds 64-bit range"),
    ],
)
def test_a_crash_is_raised_and_leaves_nothing_behind(world: World, how: str, what: str) -> None:
    digest = world.digest
    with pytest.raises(ToolCrash) as caught:
        TOOLS.execute(world, "break_down", {"how": how})
    assert caught.value.what == f"break_down raised {what}"
    assert re.fullmatch(re.escape(caught.value.what) + r", in environments/test_tools\.py:\d+", str(caught.value))
    assert (world.seal(), world.digest, notes(world)) == (False, digest, {"n1": "hello"})


@pytest.mark.parametrize(("name", "answer"), [("peep", "seen"), ("dream", "zzz")])
def test_what_other_tools_than_write_tools_edit_is_dropped(world: World, name: str, answer: str) -> None:
    digest = world.digest
    assert TOOLS.execute(world, name, {}) == ToolResult(answer, False, answer, {}, False)
    assert (world.seal(), world.digest, notes(world)) == (False, digest, {"n1": "hello"})


def test_a_result_is_shared_state_that_nobody_can_change(world: World) -> None:
    result = TOOLS.execute(world, "get_note", {"note_id": "n1"})
    with pytest.raises(TypeError):
        result.value["text"] = "changed"


def test_a_result_kept_after_a_write_does_not_touch_the_world(world: World) -> None:
    result = TOOLS.execute(world, "write_note", {"note_id": "n2", "text": "ab"})
    result.value["text"] = "changed"
    assert notes(world)["n2"] == "ab"
