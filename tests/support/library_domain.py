"""A library's desk: a first domain, as a newcomer would write it. It has no language.yaml."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NewType

from typing_extensions import TypedDict

from t2t_dist.environments.base import Domain, Profile
from t2t_dist.environments.rules import Enforced, Handling, rule
from t2t_dist.environments.state import Base, Record, World
from t2t_dist.environments.tools import GENERIC, READ, WRITE, Call, ToolError, tool

Card, ReaderId, HoldId = NewType("Card", str), NewType("ReaderId", str), NewType("HoldId", str)
Branch = Literal["Harbour", "Old Town", "Hill"]


class Hold(TypedDict):
    hold_id: HoldId
    branch: Branch


@tool(READ)
def find_reader(world: World, card: Card) -> ReaderId:
    """Find a reader.

    Args:
        card: The number on the card.
    """
    for key, reader in world.scan("readers"):
        if reader["card"] == card:
            return ReaderId(key)
    raise ToolError(f"no reader has the card {card}")


@tool(READ)
def list_holds(world: World, reader_id: ReaderId) -> list[Hold]:
    """List the books that are held for a reader.

    Args:
        reader_id: The reader.
    """
    return [hold for _, hold in world.scan("holds") if hold["reader_id"] == reader_id]  # type: ignore[misc]


def edit_open(world: World, hold_id: str) -> Record:
    if (world.get("holds", hold_id) or {}).get("status") != "open":
        raise ToolError(f"there is no open hold {hold_id}")
    return world.edit("holds", hold_id)


@tool(WRITE)
def move_hold(world: World, hold_id: HoldId, branch: Branch) -> str:
    """Send a held book to another branch.

    Args:
        hold_id: The hold.
        branch: Where it should wait.
    """
    edit_open(world, hold_id)["branch"] = branch
    return f"It will wait at {branch}."


@tool(WRITE)
def cancel_hold(world: World, hold_id: HoldId, note: str = "") -> str:
    """Cancel a hold.

    Args:
        hold_id: The hold.
        note: For the files.
    """
    edit_open(world, hold_id)["status"] = "cancelled"
    return "Cancelled."


@tool(GENERIC)
def call_head_librarian(world: World) -> str:
    """Hand the reader over."""
    return "She is on her way."


@rule(3, "move_hold", "cancel_hold")
def open_holds_only(world: World, call: Call, customer: str) -> str | None:
    hold = world.get("holds", call.arguments["hold_id"])
    return f"the hold is {hold['status']}" if hold and hold["status"] != "open" else None


@rule(4, "move_hold", enforced=Enforced.BY_POLICY)
def atlases_stay(world: World, call: Call, customer: str) -> str | None:
    hold = world.get("holds", call.arguments["hold_id"])
    return "an atlas is too heavy for the van" if hold and hold["title"] == "Atlas" else None


@rule(5, "waive_fine", enforced=Enforced.BY_ABSENCE, handling=Handling.TRANSFER)
def fines_stand(world: World, call: Call, customer: str) -> str | None:
    return "fines are not waived at the desk"


def on_holds(world: World, reader: str, status: str, tool: str, **more: str) -> Iterator[Call]:
    for key, hold in world.scan("holds"):
        if hold["reader_id"] == reader and hold["status"] == status:
            yield Call(tool, {"hold_id": key, **more})


open_holds_only.proposes(lambda world, reader: on_holds(world, reader, "fetched", "cancel_hold"))
atlases_stay.proposes(lambda world, reader: on_holds(world, reader, "open", "move_hold", branch="Old Town"))
fines_stand.proposes(lambda world, reader: on_holds(world, reader, "fetched", "waive_fine"))


class Library(Domain):
    name = "library"
    tool_list = (find_reader, list_holds, move_hold, cancel_hold, call_head_librarian)
    rule_list = (open_holds_only, atlases_stay, fines_stand)
    customer_type = "ReaderId"
    transfer_tool = "call_head_librarian"
    folder = Path(__file__).parent / "library"

    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        rng, readers, holds = random.Random(seed), {}, {}
        for n in range(round(20 * scale)):
            readers[f"reader-{n}"] = {"name": f"Reader {n}", "card": f"C{1000 + 7 * n}"}
            for key in (f"H{n}-{m}" for m in range(4)):
                title, status = rng.choice(["Atlas", "Novel", "Songs"]), rng.choice(["open", "open", "fetched"])
                holds[key] = {"hold_id": key, "reader_id": f"reader-{n}", "title": title, "status": status}
                holds[key]["branch"] = rng.choice(["Harbour", "Hill"])
        return {"readers": readers, "holds": holds}, "2026-03-01T10:00:00"

    def customers(self, base: Base) -> list[str]:
        return list(base.tables["readers"])

    def profile(self, world: World, customer: str) -> Profile:
        reader = world.base.tables["readers"][customer]
        return Profile(customer, reader["name"], {"Card": reader["card"]})
