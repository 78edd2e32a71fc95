"""A world behind an MCP server means what any world means: fork, reset, digest, all or nothing; and its limits hold."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from t2t_dist.environments.adapters.mcp.domain import McpDomain
from t2t_dist.environments.adapters.mcp.server import sweep
from t2t_dist.environments.state import World, diff
from t2t_dist.environments.tools import Call, Kind, ToolCrash, ToolTimeout
from tests.support.mcp_domains import folder_of, gone, guards, made, processes


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpDomain]:
    domain = made(tmp_path_factory.mktemp("notes"))
    yield domain
    domain.pool.close()


def set_text(note: str, text: str) -> Call:
    return Call("set_text", {"note_id": note, "text": text})


def texts(domain: McpDomain, world: World, person: str = "p0") -> list[str]:
    result = domain.execute(world, Call("list_notes", {"person_id": person}))
    return [note["text"] for note in json.loads(result.content)]


# -- what the server says ----------------------------------------------------------------------------------------------
def test_kinds_schemas_and_types_come_from_the_server_and_the_names(notes: McpDomain) -> None:
    kinds = {tool.name: tool.kind for tool in notes.tools if tool.kind in (Kind.READ, Kind.WRITE)}
    assert kinds == {"find_person": Kind.READ, "list_notes": Kind.READ, "set_text": Kind.WRITE}
    write = notes.tools["set_text"]
    assert write.schema["function"]["parameters"]["required"] == ["note_id", "text"]
    assert {slot: spec.name for slot, spec in write.parameters.items()} == {"note_id": "NoteId", "text": "Text"}
    assert [tool.name for tool in notes.entry_tools] == ["find_person"]


def test_arguments_are_checked_before_a_server_is_asked(notes: McpDomain) -> None:
    refused = [
        notes.execute(notes.world(), Call("set_text", arguments)).content
        for arguments in (
            {"note_id": "n0"},
            {"note_id": 3, "text": "x"},
            {"note_id": "n0", "text": "x", "colour": "red"},
        )
    ]
    assert "'text' is a required property" in refused[0]
    assert "note_id: 3 is not of type 'string'" in refused[1]
    assert "colour: there is no such argument" in refused[2]
    assert all(text.endswith("Expected set_text(note_id: string, text: string)") for text in refused)


# -- worlds ------------------------------------------------------------------------------------------------------------
def test_worlds_are_independent_whatever_server_they_meet(notes: McpDomain) -> None:
    first = notes.world()
    assert notes.execute(first, set_text("n0", "one")).changed
    fork, fresh = first.fork(), notes.world()
    assert notes.execute(fork, set_text("n1", "two")).changed
    assert texts(notes, first)[:2] == ["one", "note 1 of p0"]
    assert texts(notes, fork)[:2] == ["one", "two"]
    assert texts(notes, fresh)[:2] == ["note 0 of p0", "note 1 of p0"]
    assert [(change.table, change.key) for change in diff(first, fork)] == [("files", "notes.json")]
    assert len({first.digest, fork.digest, fresh.digest}) == 3
    assert fresh.digest == notes.world().digest


def test_the_state_follows_from_the_calls(notes: McpDomain, tmp_path: Path) -> None:
    """A process of its own for every state, or one that is put from state to state: the digests are equal."""
    calls = [set_text("n0", "a"), set_text("n4", "b"), set_text("n0", "c")]
    stateful = made(tmp_path, server__stateless=False)
    ends = []
    for domain in (notes, stateful, stateful):
        world = domain.world()
        assert all(domain.execute(world, call).changed for call in calls)
        ends.append(world.digest)
    stateful.pool.close()
    assert len(set(ends)) == 1


def test_a_write_back_to_what_it_was_is_the_first_state_again(notes: McpDomain) -> None:
    world = notes.world()
    notes.execute(world, set_text("n0", "other"))
    notes.execute(world, set_text("n0", "note 0 of p0"))
    (change,) = world.changes() or [None]
    # The server writes its JSON in a line: the same notes, another file. The data says so, the text differs.
    assert change is not None
    assert change.before is not None
    assert change.after is not None
    assert change.before["data"] == change.after["data"]


def test_a_refused_call_changes_nothing_even_where_the_server_has_written(tmp_path: Path) -> None:
    domain = made(tmp_path, server__env={"FAULT": "half:set_text"})
    world = domain.world()
    before = world.digest
    result = domain.execute(world, set_text("n0", "x"))
    assert result.error
    assert result.content == "Error: half done"
    assert world.digest == before
    assert texts(domain, world)[0] == "note 0 of p0"
    domain.pool.close()


def test_many_worlds_at_once_share_few_servers(tmp_path: Path) -> None:
    domain = made(tmp_path, server__at_most=2)
    found: dict[int, list[str]] = {}

    def play(number: int) -> None:
        world = domain.world()
        domain.execute(world, set_text("n0", f"of world {number}"))
        found[number] = texts(domain, world)

    threads = [threading.Thread(target=play, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    seen = 0
    while any(thread.is_alive() for thread in threads):
        seen = max(seen, len(guards(tmp_path)))
        threads[-1].join(0.01)
    for thread in threads:
        thread.join()
    every, folders = processes(tmp_path), [folder_of(guard) for guard in guards(tmp_path)]
    assert {number: said[0] for number, said in found.items()} == {n: f"of world {n}" for n in range(12)}
    assert 1 <= seen <= 2
    domain.pool.close()
    assert gone(every)
    assert not any(folder.exists() for folder in folders)


# -- what is not a function of the state -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("tool", "message"), [("count_calls", "count_calls answers"), ("what_time", "what_time answers")]
)
def test_answers_that_differ_on_a_fresh_server_are_reported(tmp_path: Path, tool: str, message: str) -> None:
    domain = made(tmp_path, hide=[])
    world = domain.world()
    for _ in range(2):
        domain.execute(world, Call(tool, {}))
    (defect,) = list(domain.own_defects())
    domain.pool.close()
    assert defect.startswith(message)
    assert "declare what differs by 'masked'" in defect


def test_what_a_server_makes_when_it_starts_is_there_from_the_start(tmp_path: Path) -> None:
    domain = made(tmp_path, server__env={"AT_START": "create"}, server__stateless=False)
    assert ("files", "made.json") in {(table, key) for table in domain.base.tables for key in domain.base.tables[table]}
    world = domain.world()
    domain.execute(world, set_text("n0", "x"))
    domain.execute(world.fork(), set_text("n1", "y"))
    domain.execute(domain.world(), set_text("n1", "y"))
    assert [change.key for change in world.changes()] == ["notes.json"]
    assert list(domain.own_defects()) == []
    domain.pool.close()


def test_what_a_server_changes_at_each_start_is_reported(tmp_path: Path) -> None:
    domain = made(tmp_path, server__env={"AT_START": "append"})
    domain.execute(domain.world(), set_text("n0", "x"))
    with pytest.raises(ToolCrash, match=r"changed files/made\.json when it started: leave it out by snapshot\.ignore"):
        list(domain.own_defects())
    domain.pool.close()


def test_what_a_server_writes_after_it_has_answered_is_reported(tmp_path: Path) -> None:
    answered = tmp_path / "answered"
    domain = made(tmp_path, server__env={"FAULT": "late:set_text", "LATE_AFTER": str(answered)})
    world = domain.world()
    domain.execute(world, set_text("n0", "x"))
    answered.touch()
    folder = folder_of(guards(tmp_path)[0])
    while not (folder / "data/late.json").exists():
        assert folder.exists()
    with pytest.raises(ToolCrash, match=r"changed files/late\.json after it had answered the call before"):
        texts(domain, world)
    assert texts(domain, world)[0] == "x"  # on another server
    domain.pool.close()


def test_what_differs_each_time_can_be_masked(tmp_path: Path) -> None:
    domain = made(tmp_path, hide=[], masked=[r"\d\d:\d\d:\d\d \d{4}"])
    answer = domain.execute(domain.world(), Call("what_time", {})).content
    assert answer.endswith(" ...")
    assert list(domain.own_defects()) == []
    domain.pool.close()


def test_answers_are_remembered_only_once_two_agree(tmp_path: Path) -> None:
    domain = made(tmp_path, hide=[])
    counted = [domain.execute(domain.world(), Call("count_calls", {})).content for _ in range(4)]
    assert counted == ["1", "2", "3", "4"]  # never the same, so each call was made
    domain.execute(domain.world(), Call("find_person", {"email": "ann@example.com"}))
    domain.execute(domain.world(), Call("find_person", {"email": "ann@example.com"}))
    assert domain.execute(domain.world(), Call("find_person", {"email": "ann@example.com"})).content.startswith("{")
    assert domain.execute(domain.world(), Call("count_calls", {})).content == "7"  # and not 8
    domain.pool.close()


# -- secrets -----------------------------------------------------------------------------------------------------------
def test_a_server_has_what_it_is_given_and_no_answer_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES_KEY", "k-3f9a-secret")
    monkeypatch.setenv("OTHER_KEY", "k-never-given")
    domain = made(tmp_path, hide=[], server__inherit=["NOTES_KEY"], server__env={"COLOUR": "red"})
    result = domain.execute(domain.world(), Call("show_environment", {}))
    domain.pool.close()
    seen = json.loads(result.content)
    assert seen["NOTES_KEY"] == "***"
    assert seen["COLOUR"] == "red"
    assert "OTHER_KEY" not in seen
    assert "PATH" in seen


# -- faults ------------------------------------------------------------------------------------------------------------
def test_a_server_that_dies_is_reported_with_its_last_words(tmp_path: Path) -> None:
    domain = made(tmp_path, server__env={"FAULT": "die:set_text"})
    world = domain.world()
    with pytest.raises(ToolCrash, match="the MCP server ended during set_text: out of luck"):
        domain.execute(world, set_text("n0", "x"))
    assert texts(domain, world)[0] == "note 0 of p0"  # the next call has another
    domain.pool.close()


def test_a_call_that_is_tried_or_replayed_is_made_again_on_a_fresh_server(tmp_path: Path) -> None:
    once = tmp_path / "once"
    domain = made(tmp_path, server__env={"FAULT": "die:set_text", "ONCE": str(once)})
    world = domain.world()
    assert domain.execute(world, set_text("n0", "x")).changed
    assert once.exists()
    assert texts(domain, world)[0] == "x"
    domain.pool.close()


async def test_a_server_that_hangs_is_ended_in_time(tmp_path: Path) -> None:
    domain = made(tmp_path, server__env={"FAULT": "hang:set_text"}, server__timeout=0.4)
    world = domain.world()
    with pytest.raises(ToolTimeout, match=r"set_text did not answer within 0\.4 s"):
        await domain.tools.execute_async(world, "set_text", {"note_id": "n0", "text": "x"})
    assert world.changes() == []
    every = processes(tmp_path)
    domain.pool.close()
    assert gone(every)


def test_a_server_that_is_killed_between_calls_is_replaced(tmp_path: Path) -> None:
    domain = made(tmp_path)
    world = domain.world()
    domain.execute(world, set_text("n0", "kept"))
    every = processes(tmp_path)
    every[-1].kill()
    assert gone(every)
    assert texts(domain, world)[0] == "kept"
    domain.pool.close()


# -- the other transport -----------------------------------------------------------------------------------------------
def test_a_server_is_spoken_to_by_http(tmp_path: Path) -> None:
    domain = made(
        tmp_path,
        server__args=["{here}/http_server.py", "{port}"],
        server__url="http://127.0.0.1:{port}/mcp",
        hide=None,
    )
    world = domain.world()
    assert domain.execute(world, set_text("n0", "by HTTP")).changed
    assert texts(domain, world)[0] == "by HTTP"
    assert texts(domain, domain.world())[0] == "note 0 of p0"
    every = processes(tmp_path)
    assert len(every) == 3  # a guard in two parts, and the server
    domain.pool.close()
    assert gone(every)


def test_a_guard_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    """As Ray kills all children of a worker that it ends."""
    domain = made(tmp_path)
    domain.execute(domain.world(), set_text("n0", "x"))
    (guard,), every = guards(tmp_path), processes(tmp_path)
    folder = folder_of(guard)
    guard.kill()
    assert gone(every)
    assert not folder.exists()
    domain.pool.close()


def test_what_is_left_all_the_same_is_swept_and_what_lives_is_not(tmp_path: Path) -> None:
    domain = made(tmp_path)
    domain.execute(domain.world(), set_text("n0", "x"))
    used = folder_of(guards(tmp_path)[0])
    left = used.with_name("t2t-mcp-left-by-a-test")
    left.mkdir()
    (left / "log").touch()  # nobody holds it
    sweep()
    assert not left.exists()
    assert used.is_dir()
    assert texts(domain, domain.world())[0] == "note 0 of p0"
    domain.pool.close()
