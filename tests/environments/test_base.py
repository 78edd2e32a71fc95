"""What follows from a domain's parts: its base, who calls in, whose data a result shows, which rules a call breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NewType

import pytest
from typing_extensions import TypedDict

from t2t_dist.environments.base import Breach, Domain, Profile, joined, replay
from t2t_dist.environments.language import Said
from t2t_dist.environments.rules import rule
from t2t_dist.environments.state import Base, Record, World
from t2t_dist.environments.tools import GENERIC, READ, USER, WRITE, Call, ToolError, tool

UserId = NewType("UserId", str)
Email = NewType("Email", str)
NoteId = NewType("NoteId", str)


class Note(TypedDict):
    note_id: NoteId
    user_id: UserId
    text: str


@tool(READ)
def find_user(world: World, email: Email) -> UserId:
    for key, user in world.scan("users"):
        if user["email"] == email:
            return UserId(key)
    raise ToolError("nobody has that address")


@tool(READ)
def list_notes(world: World, user_id: UserId) -> list[Note]:
    return [note for _, note in world.scan("notes") if note["user_id"] == user_id]  # type: ignore[misc]


@tool(READ)
def weather(world: World) -> str:
    return "fine"


@tool(WRITE)
def edit_note(world: World, note_id: NoteId, text: str) -> str:
    world.edit("notes", note_id)["text"] = text
    return "written"


@tool(WRITE, side=USER)
def shout(world: World) -> str:
    return "heard"


@tool(GENERIC)
def think(world: World) -> str:
    return "noted"


@rule(1, "edit_note")
def own_notes(world: World, call: Call, customer: str) -> str | None:
    note = world.get("notes", call.arguments["note_id"])
    return None if note is None or note["user_id"] == customer else "that note is somebody else's"


@rule(2, "edit_note")
def short(world: World, call: Call, customer: str) -> str | None:
    return "too long" if len(call.arguments["text"]) > 5 else None


@own_notes.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    yield from ()


class Notes(Domain):
    name = "notes"
    tool_list = (find_user, list_notes, weather, edit_note, shout, think)
    rule_list = (own_notes, short)
    built = 0

    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        type(self).built += 1
        users = {f"u{n}": {"user_id": f"u{n}", "email": f"{n}@example.com"} for n in range(round(2 * scale))}
        notes = {f"n{n}": {"note_id": f"n{n}", "user_id": f"u{n % 2}", "text": str(seed)} for n in range(4)}
        return {"users": users, "notes": notes}, "2026-03-02T09:00:00"

    def customers(self, base: Base) -> list[str]:
        return list(base.tables["users"])

    def profile(self, world: World, customer: str) -> Profile:
        user = world.get("users", customer)
        assert user is not None
        return Profile(customer, customer, {"Email": user["email"]})


@pytest.fixture
def domain(tmp_path: Path) -> Notes:
    (tmp_path / "policy.md").write_text("R1. Own notes only.\n\nR2. Short notes only.\n")
    found = Notes()
    found.folder = tmp_path  # type: ignore[misc]
    return found


def test_the_base_is_built_once(domain: Notes) -> None:
    before = Notes.built
    assert domain.world().base is domain.world().base is domain.base
    assert Notes.built == before + 1


def test_a_call_that_was_made_before_does_the_same_to_each_world_and_to_no_other(domain: Notes) -> None:
    first, second, third, anew = (domain.world() for _ in range(4))
    edit, refused = (
        Call("edit_note", {"note_id": "n0", "text": "new"}),
        Call("edit_note", {"note_id": "n0"}),
    )
    results = [domain.execute(world, edit) for world in (first, second)]
    assert results[0] == results[1] == domain.tools.execute(anew, edit.name, edit.arguments)
    assert first.digest == second.digest == anew.digest != third.digest
    other = domain.execute(first, Call("edit_note", {"note_id": "n0", "text": "newer"}))
    assert other.changed
    assert [world.get("notes", "n0")["text"] for world in (first, second, third)] == ["newer", "new", "0"]  # type: ignore[index]
    for world in (
        second,
        domain.variant({("notes", "n0"): {"note_id": "n0", "user_id": "u1", "text": "twin"}}).world(),
    ):
        before = world.digest
        assert [domain.execute(world, refused).error for _ in range(2)] == [True, True]
        assert world.digest == before
        assert domain.execute(world, edit).changed is (world is not second)


def test_a_domain_without_its_parts_says_what_is_missing() -> None:
    class Empty(Domain):
        name = "empty"

    with pytest.raises(NotImplementedError, match="Empty must implement database"):
        Empty().world()
    with pytest.raises(NotImplementedError, match="Empty must implement customers"):
        Empty().customers(Base({}, "2026-01-01"))
    with pytest.raises(NotImplementedError, match="Empty must implement profile"):
        Empty().profile(Base({}, "2026-01-01").world(), "u0")


def test_policy_and_words_are_read_from_the_folder(domain: Notes) -> None:
    assert {number: clause.text for number, clause in domain.clauses.items()} == {
        1: "Own notes only.",
        2: "Short notes only.",
    }
    assert domain.language.tool(edit_note).name == "editing a note"


def test_fingerprint_changes_with_everything_a_result_depends_on(tmp_path: Path) -> None:
    def fingerprint(seed: int = 0, policy: str = "R1. A.", words: str = "", tools: int = 6) -> str:
        (tmp_path / "policy.md").write_text(policy)
        (tmp_path / "language.yaml").write_text(words)
        found = type("Some", (Notes,), {"tool_list": Notes.tool_list[:tools], "folder": tmp_path})(seed=seed)
        return str(found.fingerprint)

    kinds = [
        fingerprint(),
        fingerprint(seed=1),
        fingerprint(policy="R1. B."),
        fingerprint(words="greeting: [Hi.]"),
        fingerprint(tools=5),
    ]
    assert len(set(kinds)) == 5
    assert all(len(kind) == 16 for kind in kinds)
    assert fingerprint() == kinds[0]


def test_tools_by_kind_and_side(domain: Notes) -> None:
    assert domain.of_kind(READ) == [find_user, list_notes, weather]
    assert domain.of_kind(WRITE) == [edit_note]
    assert domain.user_tools == [shout]


def test_entry_tools_identify_a_customer_from_what_customers_know(domain: Notes) -> None:
    assert domain.entry_tools == [find_user]
    assert domain.identified(find_user, "u1") == "u1"
    assert domain.identified(list_notes, [{"note_id": "n1", "user_id": "u1", "text": ""}]) is None
    assert domain.identified(weather, "fine") is None


def test_owners_of_what_a_result_shows(domain: Notes) -> None:
    listed = domain.execute(domain.world(), Call("list_notes", {"user_id": "u0"})).value
    assert [note["note_id"] for note in listed] == ["n0", "n2"]
    assert domain.owners(list_notes, listed) == {"u0"}
    assert domain.owners(list_notes, []) == domain.owners(weather, "fine") == set()


def test_breaches_name_rule_and_reason(domain: Notes) -> None:
    world = domain.world()
    call = Call("edit_note", {"note_id": "n1", "text": "much too long"})
    assert domain.breaches(world, call, "u0") == [
        Breach(own_notes, "that note is somebody else's"),
        Breach(short, "too long"),
    ]
    assert domain.breaches(world, call, "u1") == [Breach(short, "too long")]
    assert domain.breaches(world, Call("edit_note", {"note_id": "n1", "text": "short"}), "u1") == []
    assert domain.breaches(world, Call("weather", {}), "u1") == []


def test_replay_starts_from_a_given_or_a_fresh_world(domain: Notes) -> None:
    calls = [Call("edit_note", {"note_id": "n1", "text": text}) for text in ("a", "b")]
    world = domain.world()
    assert [result.changed for result in replay(domain, calls, world)] == [True, True]
    assert world.get("notes", "n1") == {"note_id": "n1", "user_id": "u1", "text": "b"}
    assert [result.changed for result in replay(domain, calls[1:], world)] == [False]
    assert [result.changed for result in replay(domain, calls)] == [True, True]


def test_values_are_said_as_they_stand_unless_a_domain_knows_better(domain: Notes) -> None:
    world = domain.world()
    call = Call("edit_note", {"note_id": "n1", "text": "x", "tags": ["a", "b", 3], "none": []})
    assert domain.describe(world, call, "note_id", "u1") == Said("n1", ("n1",))
    assert domain.describe(world, call, "tags", "u1") == Said("a, b and 3", ("a", "b", "3"))
    assert domain.describe(world, call, "none", "u1") == Said("", ())


@pytest.mark.parametrize(
    ("texts", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_joined(texts: list[str], said: str) -> None:
    assert joined(texts) == said
