"""The domain ``retail``, an online shop: customers cancel, change, return and exchange orders."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ..base import Domain, Profile, joined
from ..language import Said
from ..payment import payment_method, said_method
from ..people import new_addresses, state_name
from ..state import Base, Record, World
from ..tools import Call
from . import beforehand, database
from .conditions import common
from .order import ORDER
from .rules import RULES
from .tools import TOOLS
from .wishes import INSTEAD, SLIPS, WEIGHTS, go_together

_REASONS = {
    "no longer needed": "it's no longer needed",
    "ordered by mistake": "it was ordered by mistake",
    "found it cheaper elsewhere": "I found it cheaper elsewhere",
    "changed the budget": "we changed the budget",
}


class Retail(Domain):
    """Online shop with pending and delivered orders, versions of products, stock and several ways to pay."""

    name: ClassVar[str] = "retail"
    summary: ClassVar[str] = "an online shop: orders, returns, exchanges, payments, addresses"
    tool_list = TOOLS
    rule_list = RULES
    errand_weights: ClassVar[Mapping[str, float]] = WEIGHTS
    instead: ClassVar[Mapping[str, Mapping[str, str]]] = INSTEAD
    slips: ClassVar[frozenset[str]] = SLIPS
    order_list = ORDER
    transfer_tool: ClassVar[str] = "transfer_to_human_agents"
    decline_tool: ClassVar[str] = "decline_request"
    folder: ClassVar[Path] = Path(__file__).parent

    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        return database.build(seed, scale)

    def customers(self, base: Base) -> list[str]:
        return list(base.tables["users"])

    def profile(self, world: World, customer: str) -> Profile:
        user = world.get("users", customer)
        assert user is not None
        facts = {
            "Email": user["email"],
            "FirstName": user["first_name"],
            "LastName": user["last_name"],
            "Zip": user["address"]["zip"],
        }
        return Profile(customer, f"{user['first_name']} {user['last_name']}", facts)

    def describe(self, world: World, call: Call, slot: str, customer: str) -> Said:
        value = call.arguments[slot]
        match slot:
            case "order_id":
                return Said(f"order {value}", (value,))
            case "item_ids":
                return _items(world, call, value)
            case "new_item_ids":
                return self._versions(value, call.arguments.get("item_ids") or [])
            case "payment_method_id":
                return said_method(world.get("users", customer), value)
            case "reason":
                return Said(_REASONS.get(value, str(value)), (str(value),))
            case "address":
                return _address(value)
            case "user_id":
                # Known from the customer's identity: there is nothing to ask for.
                return Said("your account", ())
        return super().describe(world, call, slot, customer)

    def say_field(self, kind: str, path: str, value: Any) -> str:
        if path == "address.state":
            return state_name(value)
        return common(value) if path in ("name", "items.name", "items") else str(value)

    @cached_property
    def _options(self) -> dict[str, tuple[str, str]]:
        """Product name and options of every version; no tool changes them."""
        return {
            variant["item_id"]: (common(product["name"]), ", ".join(variant["options"].values()))
            for product in self.base.tables["products"].values()
            for variant in product["variants"]
        }

    def _versions(self, item_ids: list[str], replaced: list[str]) -> Said:
        """Versions by their options, which differ between the versions of one product; with what each of them replaces
        where two items of one product are replaced."""
        found = [self._options.get(item_id, ("item", item_id)) for item_id in item_ids]
        if len(found) == 1:
            return Said(f"the {found[0][1]} one", (found[0][1],))
        names = [name for name, _ in found]
        texts = [f"the {text} {name}" for name, text in found]
        for place, item_id in enumerate(replaced[: len(found)]):
            if names.count(names[place]) > 1 and item_id in self._options:
                texts[place] += f" for the {self._options[item_id][1]} one"
        return Said(joined(texts), tuple(text for _, text in found))

    def look_ups(self, world: World, call: Call, customer: str) -> list[Call]:
        return beforehand.look_ups(world, call, customer)

    def calculation(self, world: World, call: Call, customer: str) -> str:
        return beforehand.calculation(world, call, customer)

    def rules_out(self, world: World, first: Call, wanted: Call, customer: str) -> bool:
        # What takes a reason (cancelling, suspending) is for those who have it, not a means to another end.
        return "reason" in first.arguments

    def samples(self, world: World, type_name: str, customer: str, rng: random.Random) -> list[Any]:
        if type_name != "Address":
            return []
        found = new_addresses(world.base, "users", customer)
        return rng.sample(found, len(found))

    def go_together(self, world: World, first: Call, second: Call) -> bool:
        names = {first.name, second.name}
        if names == {"modify_user_address", "modify_pending_order_address"}:  # who has moved has all of them sent there
            user = world.get(
                "users", str((first if first.name == "modify_user_address" else second).arguments["user_id"])
            )
            orders = [world.get("orders", order_id) for order_id in user["orders"]] if user is not None else []
            if sum(order is not None and order["status"].startswith("pending") for order in orders) > 1:
                return False
        return go_together(first, second)

    def makes_sense(self, world: World, call: Call, customer: str) -> bool:
        """Nobody cancels what they are sending back already."""
        order = world.get("orders", str(call.arguments.get("order_id")))
        return call.name != "cancel_pending_order" or order is None or not order["status"].endswith(" requested")

    def plausible(self, world: World, call: Call, customer: str) -> bool:
        """Nobody has an order sent to where they have just said that they no longer live, or cancels what is there,
        or sends one thing back to get just the same."""
        at_first = World(world.base)
        home, before = world.get("users", customer), at_first.get("users", customer)
        if home is None or before is None:
            return True
        if not set(call.arguments.get("new_item_ids") or ()).isdisjoint(call.arguments.get("item_ids") or ()):
            return False
        if call.name == "cancel_pending_order":
            order = world.get("orders", str(call.arguments["order_id"]))
            return order is None or order["status"] != "delivered"  # that is sent back
        if call.name == "modify_pending_order_address":
            moved = home["address"] != before["address"]
            return not (moved and call.arguments["address"] == before["address"])
        if call.name == "modify_user_address":
            orders = [(world.get("orders", order), at_first.get("orders", order)) for order in home["orders"]]
            sent_on = [now["address"] for now, then in orders if now and then and now["address"] != then["address"]]
            return home["address"] not in sent_on
        return True

    def plausible_instead(self, world: World, first: Call, second: Call) -> bool:
        """Who gave the wrong address for their account got a number wrong, not the town."""
        if first.name == second.name == "modify_user_address":
            return bool(first.arguments["address"]["zip"] == second.arguments["address"]["zip"])
        if first.name != second.name and "item_ids" in first.arguments and "item_ids" in second.arguments:
            return bool(first.arguments["item_ids"] == second.arguments["item_ids"])
        if first.name == second.name and "item_ids" in first.arguments:  # the same thing is among what they send back
            return not set(first.arguments["item_ids"]).isdisjoint(second.arguments["item_ids"])
        if second.name == "cancel_pending_order":  # somebody who has just chosen another version ordered by no mistake
            return bool(second.arguments["reason"] == "no longer needed")
        return True

    def plausible_limit(self, world: World, call: Call, field: str, relation: str) -> bool:
        """What has to be a large amount to be paid in another way is paid with a credit card."""
        order = world.get("orders", str(call.arguments.get("order_id")))
        user = world.get("users", order["user_id"]) if order is not None else None
        method = payment_method(user, str(call.arguments.get("payment_method_id"))) if user is not None else None
        return method is not None and method["source"] == "credit_card"

    def plausible_otherwise(self, world: World, first: Call, second: Call) -> bool:
        """Nobody gives up a whole order for one thing in it, would keep what was ordered by mistake, or weighs a
        version of one thing up against a version of another."""
        is_same = first.arguments.get("order_id") == second.arguments.get("order_id")
        if not is_same and "new_item_ids" in first.arguments and "new_item_ids" in second.arguments:
            return False
        if is_same and second.name == "cancel_pending_order" and "item_ids" in first.arguments:
            order = world.get("orders", str(second.arguments["order_id"]))
            return order is None or {item["item_id"] for item in order["items"]} == set(first.arguments["item_ids"])
        return all(one.arguments.get("reason", "no longer needed") == "no longer needed" for one in (first, second))


def _items(world: World, call: Call, item_ids: list[str]) -> Said:
    """Items by name; with their options where the order holds two versions of one product."""
    order = world.get("orders", str(call.arguments.get("order_id")))
    held = order["items"] if order else []
    names = [item["name"] for item in held]
    said = []
    for item_id in item_ids:
        item = next((item for item in held if item["item_id"] == item_id), None)
        if item is None:
            said.append(f"item {item_id}")
        elif names.count(item["name"]) > 1:
            said.append(f"{common(item['name'])} ({', '.join(item['options'].values())})")
        else:
            said.append(common(item["name"]))
    return Said(joined([f"the {text}" for text in said]), tuple(said))


def _address(address: dict[str, str]) -> Said:
    lines = [address["address1"], address["address2"], address["city"], f"{address['state']} {address['zip']}"]
    if address["country"] != "USA":
        lines.append(address["country"])
    text = ", ".join(line for line in lines if line)
    return Said(text, (text,))
