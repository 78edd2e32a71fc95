"""What an agent looks up before it changes something, and how the amount that moves follows from it."""

from __future__ import annotations

from ..payment import worked_out
from ..state import Record, World
from ..tools import Call
from . import conditions as when
from .rules import NO_TOOL


def look_ups(world: World, call: Call, customer: str) -> list[Call]:
    line, bill = _own(world, "lines", call, customer), _own(world, "bills", call, customer)
    if call.name in NO_TOOL:
        return []
    if bill is not None:
        return [Call("get_bill_details", {"bill_id": bill["bill_id"]})]
    if line is None:
        return []
    on_line = {"phone_number": line["phone_number"]}
    made = [Call("get_line_details", on_line)]
    active = when.is_active(line) is None
    match call.name:
        case "change_plan" if active and when.plan_kept_long_enough(world, line) is None:
            made.append(Call("list_plans", on_line))
        case "refuel_data" if active:
            made.append(Call("get_plan_details", {"plan_id": line["plan_id"]}))
        case "enable_roaming" | "set_up_roaming" if active and not line["roaming"]:
            made.append(Call("list_bills", {"customer_id": customer}))
        case "resume_line" | "bring_line_back" if line.get("suspended_for") == "unpaid bill":
            made.append(Call("list_bills", {"customer_id": customer}))
    return made


def _own(world: World, table: str, call: Call, customer: str) -> Record | None:
    """The customer's own line or bill that a call is about."""
    slot = {"lines": "phone_number", "bills": "bill_id"}[table]
    record = world.get(table, str(call.arguments.get(slot)))
    return record if record and record["customer_id"] == customer else None


def calculation(world: World, call: Call, customer: str) -> str:
    line = _own(world, "lines", call, customer)
    plan = world.get("plans", line["plan_id"]) if line else None
    if call.name != "refuel_data" or plan is None:
        return ""
    return worked_out([plan["refuel"]], times=call.arguments["gigabytes"])
