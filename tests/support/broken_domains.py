"""Domains with one defect each, for ``check-domain`` to find. ``# defect`` marks the line to report."""

# mypy: ignore-errors
from __future__ import annotations

import random
import time
from typing import NewType

from t2t_dist.environments.base import Profile
from t2t_dist.environments.rules import Before, Enforced, Handling, rule
from t2t_dist.environments.tools import READ, WRITE, tool
from tests.support.library_domain import (
    Card,
    HoldId,
    Library,
    ReaderId,
    call_head_librarian,
    cancel_hold,
    find_reader,
    fines_stand,
    list_holds,
    move_hold,
    on_holds,
    open_holds_only,
)

OTHERS = (find_reader, list_holds, move_hold, cancel_hold, call_head_librarian)
BoatId, Motto = NewType("BoatId", str), NewType("Motto", str)


class Untyped(Library):
    @tool(WRITE)  # defect
    def stamp(world, hold_id: HoldId, colour):
        """Stamp a hold.

        Args:
            hold_id: The hold.
            colour: Red or blue.
        """

    tool_list = (*OTHERS, stamp)


class Silent(Library):
    @tool(READ)  # defect
    def holds(world, reader_id: ReaderId) -> HoldId:
        raise NotImplementedError

    tool_list = (*OTHERS, holds)


class Undescribed(Library):
    @tool(READ)  # defect
    def holds(world, reader_id: ReaderId) -> HoldId:
        """The reader's first hold."""
        raise NotImplementedError

    tool_list = (*OTHERS, holds)


class Unfollowed(Library):
    @tool(READ)  # defect
    def weather(world) -> str:
        """Today's weather."""
        return "fine"

    tool_list = (*OTHERS, weather)


class NoWrites(Library):
    tool_list = (find_reader, list_holds, call_head_librarian)
    rule_list = ()


class NobodyToCall(Library):
    transfer_tool = "call_the_mayor"


class NothingToDeclineWith(Library):
    decline_tool = "say_no"


class DeclinedWithoutARecord(Library):
    decline_tool = "call_head_librarian"
    defect = call_head_librarian.where


class HandedOverToNobody(Library):
    transfer_tool = ""
    defect = fines_stand.where


class CitesNothing(Library):
    @rule(99, "move_hold")  # defect
    def never_on_sundays(world, call, customer):
        return None

    rule_list = (never_on_sundays,)


class Twice(Library):
    @rule(3, "move_hold")  # defect
    def again(world, call, customer):
        return None

    again.proposes(lambda world, reader: on_holds(world, reader, "fetched", "move_hold", branch="Hill"))
    rule_list = (open_holds_only, again)


class NoSuchTool(Library):
    @rule(3, "sell_hold")  # defect
    def not_for_sale(world, call, customer):
        return "no"

    rule_list = (not_for_sale,)


class LooksWithNothing(Library):
    order_list = (Before(3, ("move_hold",), ("look_at_hold",)),)


class OrdersNothing(Library):
    order_list = (Before(98, ("move_hold",), ("list_holds",)),)


class NotAbsent(Library):
    @rule(5, "cancel_hold", enforced=Enforced.BY_ABSENCE, handling=Handling.TRANSFER)  # defect
    def none_of_my_business(world, call, customer):
        return "no"

    rule_list = (none_of_my_business,)


class Lucky(Library):
    @tool(WRITE)  # defect
    def bless(world, hold_id: HoldId) -> str:
        """Bless a hold.

        Args:
            hold_id: The hold.
        """
        world.edit("holds", hold_id)["luck"] = random.random()
        return "Blessed."

    tool_list = (find_reader, list_holds, bless, call_head_librarian)
    rule_list = (fines_stand,)


class Timed(Library):
    @tool(READ)  # defect
    def list_holds(world, reader_id: ReaderId) -> list[HoldId]:
        """List holds.

        Args:
            reader_id: The reader.
        """
        return [*(key for key, hold in world.scan("holds") if hold["reader_id"] == reader_id), str(time.time_ns())]

    tool_list = (find_reader, list_holds, move_hold, cancel_hold, call_head_librarian)


class AnotherDatabaseEveryTime(Library):
    def database(self, seed, scale):
        tables, clock = super().database(seed, scale)
        tables["holds"]["H0-0"]["shelf"] = random.random()
        return tables, clock


class Peeping(Library):
    @tool(READ)  # defect
    def list_holds(world, reader_id: ReaderId) -> list[HoldId]:
        """List holds.

        Args:
            reader_id: The reader.
        """
        world.edit("readers", reader_id)["seen"] = True
        return [HoldId(key) for key, hold in world.scan("holds") if hold["reader_id"] == reader_id]

    tool_list = (find_reader, list_holds, move_hold, cancel_hold, call_head_librarian)


class Leaking(Library):
    @tool(WRITE)
    def cancel_hold(world, hold_id: HoldId) -> str:
        """Cancel a hold.

        Args:
            hold_id: The hold.
        """
        hold = world.edit("holds", hold_id)
        hold["status"] = "cancelled"
        world.base.tables["holds"]["extra"] = {"reader_id": "", "status": "open"}
        return "Cancelled."

    tool_list = (find_reader, list_holds, move_hold, cancel_hold, call_head_librarian)


class NothingBreaksIt(Library):
    @rule(4, "move_hold")  # defect
    def no_limits(world, call, customer):
        return None

    no_limits.proposes(lambda world, reader: on_holds(world, reader, "open", "move_hold", branch="Hill"))
    rule_list = (no_limits,)


class NothingProposed(Library):
    @rule(4, "move_hold", enforced=Enforced.BY_POLICY)  # defect
    def stays(world, call, customer):
        return "it stays"

    rule_list = (stays,)


class ToolDoesIt(Library):
    @rule(4, "move_hold")  # defect
    def stays(world, call, customer):
        return "it stays"

    stays.proposes(lambda world, reader: on_holds(world, reader, "open", "move_hold", branch="Old Town"))
    rule_list = (stays,)


class ToolRefuses(Library):
    @rule(3, "cancel_hold", enforced=Enforced.BY_POLICY)  # defect
    def stays(world, call, customer):
        hold = world.get("holds", call.arguments["hold_id"])
        return "it stays" if hold["status"] != "open" else None

    stays.proposes(lambda world, reader: on_holds(world, reader, "fetched", "cancel_hold"))
    rule_list = (stays,)


class BrokenRule(Library):
    @rule(3, "cancel_hold", "move_hold")
    def stays(world, call, customer):
        return call.arguments["no such argument"]  # defect

    rule_list = (stays,)


class OutOfReach(Library):
    @tool(WRITE)  # defect
    def launch(world, boat_id: BoatId) -> str:
        """Launch a boat.

        Args:
            boat_id: The boat.
        """
        return "Splash."

    tool_list = (*OTHERS, launch)


class NoTypeToBind(Library):
    @tool(WRITE)  # defect
    def rename(world, hold_id: HoldId, title: str) -> str:
        """Rename a held book.

        Args:
            hold_id: The hold.
            title: Its title.
        """
        world.edit("holds", hold_id)["title"] = title
        return "Renamed."

    tool_list = (*OTHERS, rename)


class NeverAllowed(Library):
    @rule(4, "move_hold", enforced=Enforced.BY_POLICY)
    def stays(world, call, customer):
        return "it stays"

    stays.proposes(lambda world, reader: on_holds(world, reader, "open", "move_hold", branch="Old Town"))
    rule_list = (stays,)
    defect = move_hold.where


class WrongReader(Library):
    @tool(READ)  # defect
    def find_reader(world, card: Card) -> ReaderId:
        """Find a reader.

        Args:
            card: The card.
        """
        return ReaderId("reader-0")

    tool_list = (find_reader, list_holds, move_hold, cancel_hold, call_head_librarian)


class NoEntry(Library):
    def profile(self, world, customer):
        return Profile(customer, "Somebody", {"Motto": "Read!"})


class Nobody(Library):
    def customers(self, base):
        return []


class Crashing(Library):
    @tool(READ)
    def list_holds(world, reader_id: ReaderId) -> list[HoldId]:
        """List holds.

        Args:
            reader_id: The reader.
        """
        return world.get("readers", reader_id)["holds"]  # defect

    tool_list = (find_reader, list_holds, move_hold, cancel_hold, call_head_librarian)


class CrashingWrite(Library):
    @tool(WRITE)
    def cancel_hold(world, hold_id: HoldId) -> str:
        """Cancel a hold.

        Args:
            hold_id: The hold.
        """
        raise NameError("name 'hold' is not defined")  # defect

    tool_list = (find_reader, list_holds, move_hold, cancel_hold, call_head_librarian)


class Reasonless(Library):
    @rule(3, "cancel_hold", enforced=Enforced.BY_POLICY)  # defect
    def never(world, call, customer):
        return True

    never.proposes(lambda world, reader: on_holds(world, reader, "open", "cancel_hold"))
    rule_list = (never,)


class Worded(Library):
    """Its folder is given by the test."""
