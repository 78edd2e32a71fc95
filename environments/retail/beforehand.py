"""What an agent looks up before it changes something, and how the amount that moves follows from it."""

from __future__ import annotations

from ..payment import worked_out
from ..state import Record, World
from ..tools import Call
from . import conditions as when
from .rules import NO_TOOL


def look_ups(world: World, call: Call, customer: str) -> list[Call]:
    order = _order(world, call, customer)
    if order is None or call.name in NO_TOOL:
        return []
    made = [Call("get_order_details", {"order_id": order["order_id"]})]
    if _can_still_change(order, call):
        # Their stock and prices, and whether they can come back at all.
        products = [item["product_id"] for item in order["items"] if item["item_id"] in call.arguments["item_ids"]]
        made += [Call("get_product_details", {"product_id": product}) for product in dict.fromkeys(products)]
    return made


def _order(world: World, call: Call, customer: str) -> Record | None:
    """The customer's own order that a call is about."""
    order = world.get("orders", str(call.arguments.get("order_id")))
    return order if order and order["user_id"] == customer else None


def _can_still_change(order: Record, call: Call) -> bool:
    if "item_ids" not in call.arguments:
        return False
    return (when.is_untouched if call.name.startswith("modify") else when.is_delivered)(order, "") is None


def calculation(world: World, call: Call, customer: str) -> str:
    order = _order(world, call, customer)
    if order is None:
        return ""
    items = when.items_of(order, call.arguments.get("item_ids", ())) or []
    if call.name in ("cancel_pending_order", "modify_pending_order_payment"):
        items = list(order["items"])
    old = [item["price"] for item in items]
    if "new_item_ids" not in call.arguments:
        return worked_out(old)
    pairs = zip(items, call.arguments["new_item_ids"], strict=False)
    found = [when.variant_of(world, item["product_id"], new) for item, new in pairs]
    new = [variant["price"] for variant in found if variant is not None]
    return worked_out(new, old) if len(new) == len(old) else ""
