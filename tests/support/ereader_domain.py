"""The library with customers' own e-readers, in a first version without language.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from t2t_dist.environments.state import Record, World
from t2t_dist.environments.tools import READ, USER, WRITE, Call, ToolError, tool
from t2t_dist.environments.workflows import workflow
from tests.support.library_domain import HoldId, Library


@tool(WRITE)
def release_ebook(world: World, hold_id: HoldId) -> str:
    """Release the e-book of a hold to the reader's device.

    Args:
        hold_id: The hold.
    """
    if (world.get("holds", hold_id) or {}).get("status") != "open":
        raise ToolError(f"there is no open hold {hold_id}")
    world.edit("holds", hold_id)["status"] = "released"
    return "Released."


@tool(READ, side=USER)
def check_shelf(world: World, hold_id: HoldId) -> str:
    """Look at the shelf of your e-reader.

    Args:
        hold_id: The hold.
    """
    return f"The book is {(world.get('shelves', hold_id) or {'book': 'unknown'})['book']}."


@tool(WRITE, side=USER)
def sync_ereader(world: World, hold_id: HoldId) -> str:
    """Let your e-reader fetch a book.

    Args:
        hold_id: The hold.
    """
    if (world.get("holds", hold_id) or {}).get("status") != "released":
        raise ToolError("there is nothing to fetch")
    world.edit("shelves", hold_id)["book"] = "there"
    return "The book is there now."


@workflow(covers=("release_ebook",))
def send_ebook(world: World, hold_id: HoldId) -> Iterator[Call]:
    """A held book comes to the reader's device: it is released, and the reader syncs."""
    hold = world.get("holds", hold_id)
    if hold is not None and hold["status"] == "open":
        yield Call("release_ebook", {"hold_id": hold_id})
        yield Call("check_shelf", {"hold_id": hold_id})
        yield Call("sync_ereader", {"hold_id": hold_id})


class EReaders(Library):
    name = "ereaders"
    tool_list = (*Library.tool_list, release_ebook, check_shelf, sync_ereader)
    workflow_list = (send_ebook,)

    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        tables, clock = super().database(seed, scale)
        return {**tables, "shelves": {key: {"book": "away"} for key in tables["holds"]}}, clock


@tool(WRITE, side=USER)
def drop_ereader(world: World, hold_id: HoldId) -> str:
    """Let it fall.

    Args:
        hold_id: What was open on it.
    """
    world.edit("shelves", hold_id)["book"] = "gone"
    return "Oops."


@workflow()
def send_nothing(world: World, hold_id: HoldId) -> Iterator[Call]:
    """Syncs what was never released."""
    yield Call("sync_ereader", {"hold_id": hold_id})


class Unsound(EReaders):
    """Its customers can drop their device and nothing wants it; one workflow is refused everywhere."""

    name = "unsound"
    tool_list = (*EReaders.tool_list, drop_ereader)
    workflow_list = (send_ebook, send_nothing)


class Misspelt(EReaders):
    """A workflow that covers a tool which is not there."""

    name = "misspelt"
    workflow_list = (send_ebook, workflow(covers=("burn_ebook",))(send_nothing.function))
