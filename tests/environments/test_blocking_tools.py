"""A tool that waits runs in a thread of its own, with a timeout; a late one can't touch the world."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Literal

import pytest

from t2t_dist.environments.state import Base, World
from t2t_dist.environments.tools import USER, WRITE, ToolCrash, ToolError, ToolResult, ToolSet, ToolTimeout, tool
from tests.support.patience import PATIENCE_S

gate = threading.Event()
late = threading.Event()


@tool(WRITE, blocking=True, timeout=10)
def wait(world: World, how: Literal["write", "refuse", "raise", "exit"]) -> str:
    """Wait for something outside."""
    world.edit("notes", "n1")["text"] = "written in a thread"
    if how == "refuse":
        raise ToolError("not today")
    if how == "raise":
        raise ValueError("oops")
    if how == "exit":
        raise SystemExit(3)
    return threading.current_thread().name


@tool(WRITE, blocking=True, timeout=0.2)
def hang(world: World) -> str:
    """Wait for what does not come in time."""
    world.edit("notes", "n1")["text"] = "half done"
    gate.wait(PATIENCE_S)
    world.edit("notes", "n1")["text"] = "too late"
    world.seal()
    late.set()
    return "late"


@tool(WRITE)
def write_note(world: World, text: str) -> str:
    world.edit("notes", "n1")["text"] = text
    return "written"


@tool(WRITE, side=USER)
def shout(world: World) -> str:
    world.edit("notes", "n1")["text"] = "SHOUTED"
    return "heard"


TOOLS = ToolSet([wait, hang, write_note, shout])
BASE = Base({"notes": {"n1": {"text": "hello"}}}, "2026-01-01")


@pytest.fixture
def world() -> World:
    return BASE.world()


def note(world: World) -> str:
    found = world.get("notes", "n1")
    assert found is not None
    return str(found["text"])


async def test_a_blocking_tool_runs_in_a_thread_and_its_edits_arrive(world: World) -> None:
    result = await TOOLS.execute_async(world, "wait", {"how": "write"})
    assert result.content != threading.current_thread().name
    assert (result.changed, note(world)) == (True, "written in a thread")
    assert TOOLS.execute(BASE.world(), "wait", {"how": "write"}).content == threading.current_thread().name


async def test_other_tools_run_where_they_are_called(world: World) -> None:
    result = await TOOLS.execute_async(world, "write_note", {"text": "ab"})
    assert (result.changed, note(world)) == (True, "ab")
    assert (await TOOLS.execute_async(world, "shout", {}, USER)).value == "heard"
    assert note(world) == "SHOUTED"
    assert "there is no tool named 'shout'" in (await TOOLS.execute_async(world, "shout", {})).content


async def test_a_blocking_tool_that_refuses_or_is_called_wrongly(world: World) -> None:
    digest = world.digest
    result = await TOOLS.execute_async(world, "wait", {"how": "refuse"})
    assert result == ToolResult("Error: not today", True, None, {"how": "refuse"}, False)
    result = await TOOLS.execute_async(world, "wait", '{"how": ')
    assert result.content.startswith("Error: the arguments of wait are not JSON")
    assert (world.digest, note(world)) == (digest, "hello")


@pytest.mark.parametrize(("how", "what"), [("raise", "ValueError: oops"), ("exit", "SystemExit: 3")])
async def test_a_blocking_tool_that_crashes(world: World, how: str, what: str) -> None:
    digest = world.digest
    with pytest.raises(ToolCrash, match=f"wait raised {what}"):
        await TOOLS.execute_async(world, "wait", {"how": how})
    assert (world.digest, note(world)) == (digest, "hello")


async def test_a_late_thread_can_not_touch_the_world(world: World) -> None:
    digest = world.digest
    gate.clear()
    late.clear()
    with pytest.raises(ToolTimeout, match=r"hang did not answer within 0\.2 s"):
        await TOOLS.execute_async(world, "hang", {})
    assert not late.is_set()
    gate.set()
    assert await asyncio.to_thread(late.wait, 20)
    assert (world.seal(), world.digest, note(world)) == (False, digest, "hello")
    # The world still works as before.
    assert TOOLS.execute(world, "write_note", {"text": "next"}).changed


async def test_hanging_tools_keep_nobody_else_waiting() -> None:
    """More of them than a pool of threads holds; the loop is not blocked, and the next blocking call is answered."""
    gate.clear()
    worlds = [BASE.world() for _ in range(64)]
    hanging = [asyncio.create_task(TOOLS.execute_async(w, "hang", {})) for w in worlds]
    await asyncio.sleep(0)
    answered = await TOOLS.execute_async(BASE.world(), "wait", {"how": "write"})
    assert answered.changed
    assert all(isinstance(end, ToolTimeout) for end in await asyncio.gather(*hanging, return_exceptions=True))
    gate.set()


def test_a_thread_that_ends_after_the_loop_is_no_error(recwarn: pytest.WarningsRecorder) -> None:
    gate.clear()
    late.clear()

    async def give_up() -> None:
        with pytest.raises(ToolTimeout):
            await TOOLS.execute_async(BASE.world(), "hang", {})

    asyncio.run(give_up())
    gate.set()
    assert late.wait(PATIENCE_S)
    deadline = time.monotonic() + 20
    while any(thread.name == "blocking-tool" for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(thread.name == "blocking-tool" for thread in threading.enumerate())
    assert [str(w.message) for w in recwarn if "thread" in str(w.message).lower()] == []
