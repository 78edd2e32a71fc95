"""The domain ``telecom``, a mobile provider: the agent has lines, plans and bills, the customer has a phone."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any, ClassVar

from ..base import Domain, Profile
from ..language import Said
from ..payment import said_method
from ..people import new_addresses
from ..state import Base, Record, World
from ..tools import Call
from . import beforehand, database
from . import conditions as when
from .order import ORDER
from .rules import RULES
from .tools import TOOLS
from .wishes import INSTEAD, SLIPS, WEIGHTS, go_together
from .workflows import WORKFLOWS

_REASONS = {
    "lost or stolen": Said("it was lost or stolen", ("lost",), own="I've lost the phone"),
    "long absence": Said(
        "you'll be away for a long time", ("away for a long time",), own="I'll be away for a long time"
    ),
    "saving money this month": Said(
        "you would like to be saving money this month", ("saving money this month",), own="I'm saving money this month"
    ),
    "hardly ever used": Said("it's hardly ever used", ("hardly ever used",)),
    "quiet week": Said(
        "you would like a quiet week without it", ("quiet week",), own="I'd like a quiet week without it"
    ),
}
#: How far people go from one plan to another, in places by size or price, and how many times as much the greater of
#: two plans holds of which they may take either.
_NEXT_PLANS, _SIMILAR = 2, 3
_SIMS = {"plastic SIM": "a plastic SIM", "eSIM": "an eSIM"}


class Telecom(Domain):
    """Mobile lines with plans, data, roaming and bills; the customers' phones, which the agent can't touch."""

    name: ClassVar[str] = "telecom"
    summary: ClassVar[str] = "a mobile provider: lines, plans, data, roaming, bills, and the customer's own phone"
    tool_list = TOOLS
    rule_list = RULES
    order_list = ORDER
    workflow_list = WORKFLOWS
    errand_weights: ClassVar[Mapping[str, float]] = WEIGHTS
    instead: ClassVar[Mapping[str, Mapping[str, str]]] = INSTEAD
    slips: ClassVar[frozenset[str]] = SLIPS
    customer_type: ClassVar[str] = "CustomerId"
    transfer_tool: ClassVar[str] = "transfer_to_human_agents"
    decline_tool: ClassVar[str] = "decline_request"
    folder: ClassVar[Path] = Path(__file__).parent

    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        return database.build(seed, scale)

    def customers(self, base: Base) -> list[str]:
        return list(base.tables["customers"])

    def profile(self, world: World, customer: str) -> Profile:
        record = world.get("customers", customer)
        assert record is not None
        facts = {
            "ContactNumber": record["contact_number"],
            "FirstName": record["first_name"],
            "LastName": record["last_name"],
            "BirthDate": record["birth_date"],
        }
        return Profile(customer, f"{record['first_name']} {record['last_name']}", facts)

    def at_hand(self, world: World, customer: str) -> dict[str, list[str]]:
        record = world.get("customers", customer)
        return {"phone_number": list(record["lines"]) if record else []}

    def describe(self, world: World, call: Call, slot: str, customer: str) -> Said:
        value = call.arguments[slot]
        match slot:
            case "plan_id":
                plan = world.get("plans", value)
                name = f"{plan['name']} plan" if plan else str(value)
                return Said(f"the {name}", (name,))
            case "gigabytes":
                return Said(f"{value} GB", (f"{value} GB",))
            case "bill_id":
                return Said(f"bill {value}", (value,))
            case "payment_method_id":
                return said_method(world.get("customers", customer), value)
            case "reason":
                return _REASONS.get(value, Said(str(value), (str(value),)))
            case "sim_kind":
                return Said(_SIMS.get(value, str(value)), (str(value),))
            case "channel":
                return Said(f"by {value}", (str(value),))
            case "address":
                return _address(value)
            case "customer_id":
                # Known from the customer's identity: there is nothing to ask for.
                return Said("your account", ())
        return super().describe(world, call, slot, customer)

    def look_ups(self, world: World, call: Call, customer: str) -> list[Call]:
        return beforehand.look_ups(world, call, customer)

    def calculation(self, world: World, call: Call, customer: str) -> str:
        return beforehand.calculation(world, call, customer)

    def rules_out(self, world: World, first: Call, wanted: Call, customer: str) -> bool:
        # What takes a reason (cancelling, suspending) is for those who have it, not a means to another end.
        return "reason" in first.arguments

    def say_field(self, kind: str, path: str, value: Any) -> str:
        if path == "month":
            return str(value).partition(" ")[0]  # no two bills of a customer are a year apart
        plan = self.base.tables["plans"].get(str(value)) if path == "plan_id" else None
        return str(value if plan is None else plan["name"])

    def samples(self, world: World, type_name: str, customer: str, rng: random.Random) -> list[Any]:
        customers = world.base.tables["customers"]
        if type_name == "Email":
            own = customers[customer]
            first, last = (re.sub("[^a-z]", "", own[name].lower()) for name in ("first_name", "last_name"))
            at = rng.choice(("com", "org", "net"))
            return [f"{rng.choice((f'{last}.{first}', f'{first[:1]}{last}'))}{rng.randint(1, 99)}@example.{at}"]
        if type_name == "Address":
            found = new_addresses(world.base, "customers", customer)
            return rng.sample(found, len(found))
        return []

    def go_together(self, world: World, first: Call, second: Call) -> bool:
        return go_together(first, second)

    def plausible(self, world: World, call: Call, customer: str) -> bool:
        """Nobody buys more data who has plenty left, a SIM for a line that is to rest, or a plan that costs more and
        holds no more."""
        line = world.get("lines", str(call.arguments.get("phone_number")))
        if line is None:
            return True
        if call.name == "change_plan":
            old, new = _plans(world, line, call)
            return not (old and new) or new["price"] <= old["price"] or _data(new) > _data(old)
        rests = call.name == "order_sim" and line.get("suspended_for") == "long absence"
        used = when.share_used(world, line)
        return not rests and (call.name != "refuel_data" or used is None or used >= when.RUNNING_OUT)

    def makes_sense(self, world: World, call: Call, customer: str) -> bool:
        """Nobody takes a plan that is far from theirs and from what is used, or one with less than is used, or orders
        a SIM for a line that is blocked for an unpaid bill."""
        line = world.get("lines", str(call.arguments.get("phone_number")))
        if line is None:
            return True
        if call.name == "change_plan":
            old, new = _plans(world, line, call)
            return not (old and new) or _is_near(world, line, old, new)
        return not (call.name == "order_sim" and line.get("suspended_for") == "unpaid bill")

    def plausible_limit(self, world: World, call: Call, field: str, relation: str) -> bool:
        """A bigger plan is for who uses much, a smaller one for who uses little."""
        line = world.get("lines", str(call.arguments.get("phone_number")))
        if line is None or call.name != "change_plan":
            return True
        old, new = _plans(world, line, call)
        return bool(old and new and (_data(new) > _data(old) if relation == "more" else _data(new) < _data(old)))

    def plausible_otherwise(self, world: World, first: Call, second: Call) -> bool:
        """Who weighs two plans up needs so much data, and no more than a few times that."""
        if not first.name == second.name == "change_plan":
            return True
        plans = [world.get("plans", str(call.arguments["plan_id"])) for call in (first, second)]
        sizes = sorted(_data(plan) for plan in plans if plan is not None)
        return len(sizes) < 2 or sizes[0] == sizes[1] or sizes[1] <= _SIMILAR * sizes[0]

    def plausible_instead(self, world: World, first: Call, second: Call) -> bool:
        """Who gave a wrong address got a number wrong, not the town; a change of plan is for what they want."""
        if first.name == second.name == "change_address":
            return bool(first.arguments["address"]["zip"] == second.arguments["address"]["zip"])
        if second.name == "order_sim" and first.arguments.get("reason", "lost or stolen") != "lost or stolen":
            return False  # they speak of the phone that they have just found
        if second.name == "change_plan" and first.arguments.get("reason") == "lost or stolen":
            return False
        if second.name == "suspend_line" and first.name in ("set_up_roaming", "order_sim"):
            return bool((second.arguments["reason"] == "lost or stolen") is (first.name == "order_sim"))
        if first.name != second.name == "change_plan":
            line = world.get("lines", str(second.arguments["phone_number"])) or {}
            old, new = _plans(world, line, second)
            if first.name == "refuel_data":
                return bool(old and new and (new["data"] is None or new["data"] > (old["data"] or 0)))
            if first.name in ("suspend_line", "bring_line_back"):
                return bool(old and new and new["price"] < old["price"])
        return True


def _plans(world: World, line: Record, call: Call) -> tuple[Record | None, Record | None]:
    """The plan that a line has, and the one that is asked for."""
    return world.get("plans", str(line.get("plan_id"))), world.get("plans", str(call.arguments["plan_id"]))


def _is_near(world: World, line: Record, old: Record, new: Record) -> bool:
    """Whether a plan is one of the next two to another in size or price, or the smallest for what a line uses."""
    used = float(line["data_used"])
    if _data(new) < used:
        return False
    plans = [one for _, one in world.scan("plans") if one["on_sale"] or one in (old, new)]
    for by in (_data, _price):
        order = sorted(plans, key=by)
        places = [order.index(plan) for plan in (old, new)]
        if abs(places[0] - places[1]) <= _NEXT_PLANS:
            return True
    return _data(new) == min(size for plan in plans if (size := _data(plan)) >= used)


def _price(plan: Record) -> float:
    return float(plan["price"])


def _data(plan: Record) -> float:
    return inf if plan["data"] is None else float(plan["data"])


def _address(address: dict[str, str]) -> Said:
    region = f"{address['state']} {address['zip']}".strip()
    lines = [address["address1"], address["address2"], address["city"], region]
    if address["country"] != "USA":
        lines.append(address["country"])
    text = ", ".join(line for line in lines if line)
    return Said(text, (text,))
