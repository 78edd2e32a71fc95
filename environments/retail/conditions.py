"""Conditions for changes of an order. Tools and rules use the same functions.

Each returns ``None`` when it holds, else the reason in words a customer can be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..payment import dollars, payment_method
from ..people import country_said
from ..rules import Impossible, Settled
from ..state import Record, World

CANCEL_REASONS = ("no longer needed", "ordered by mistake")
RETURN_WINDOW_DAYS = 30
#: Dollars above which a supervisor decides about cancelling an order.
SUPERVISED_TOTAL = 450.0
COUNTRY = "USA"


def common(name: str) -> str:
    """A product's name within a sentence: ``desk lamp``, but ``USB hub``."""
    return " ".join(word if word.isupper() else word.lower() for word in name.split())


def total(order: Record) -> float:
    """What the order's items cost together."""
    return dollars(sum(item["price"] for item in order["items"]))


def paid_with(order: Record) -> str:
    """Id of the payment method that paid the order last."""
    return str(next(p["payment_method_id"] for p in reversed(order["payments"]) if p["type"] == "payment"))


def items_of(order: Record, item_ids: Sequence[str]) -> list[Record] | None:
    """The order's items of these ids, or ``None`` when one is missing or named twice."""
    by_id = {item["item_id"]: item for item in order["items"]}
    if len(set(item_ids)) != len(item_ids) or any(item_id not in by_id for item_id in item_ids):
        return None
    return [by_id[item_id] for item_id in item_ids]


def variant_of(world: World, product_id: str, item_id: str) -> Record | None:
    product = world.get("products", product_id)
    return next((v for v in product["variants"] if v["item_id"] == item_id), None) if product else None


_SAID = {
    "return requested": "already being returned",
    "exchange requested": "already being exchanged",
    "pending (items modified)": "still pending",
}


def _stands(order: Record) -> str:
    """The order's status in words."""
    return _SAID.get(order["status"], str(order["status"]))


def is_untouched(order: Record, doing: str) -> str | None:
    """Pending, and its items not yet modified."""
    if order["status"] == "pending":
        return None
    if order["status"] == "pending (items modified)":
        return f"order {order['order_id']} has had its items changed once, so it can't be {doing} any more"
    return f"order {order['order_id']} is {_stands(order)}, and only a pending order can be {doing}"


def is_pending(order: Record, doing: str) -> str | None:
    """Pending, modified or not."""
    if str(order["status"]).startswith("pending"):
        return None
    return f"order {order['order_id']} is {_stands(order)}, and only a pending order can have {doing}"


def is_delivered(order: Record, doing: str) -> str | None:
    if order["status"] == "delivered":
        return None
    return f"order {order['order_id']} is {_stands(order)}, and only a delivered order can be {doing}"


def reason_counts(reason: Any) -> str | None:
    if reason in CANCEL_REASONS:
        return None
    return f"'{reason}' is not a reason we can cancel for; it has to be {' or '.join(map(repr, CANCEL_REASONS))}"


def under_supervised_total(order: Record) -> str | None:
    if total(order) <= SUPERVISED_TOTAL:
        return None
    limit = f"a supervisor has to decide above ${SUPERVISED_TOTAL:.0f}"
    return f"order {order['order_id']} is worth ${total(order):.2f}, and {limit}"


def within_window(world: World, order: Record) -> str | None:
    delivered = order.get("delivered_at")
    if delivered is None:
        return None
    days = (world.now - datetime.fromisoformat(delivered)).days
    if days <= RETURN_WINDOW_DAYS:
        return None
    return f"order {order['order_id']} was delivered {days} days ago, and the window is {RETURN_WINDOW_DAYS} days"


def not_final_sale(world: World, items: Sequence[Record]) -> str | None:
    for item in items:
        product = world.get("products", item["product_id"])
        if product and product["final_sale"]:
            return f"the {common(item['name'])} was a final sale"
    return None


def can_swap(world: World, item: Record, new_item_id: str) -> str | None:
    """The new item is another version of the same product, and in stock."""
    if new_item_id == item["item_id"]:
        return Settled(f"the new {common(item['name'])} is the very version that was ordered")
    variant = variant_of(world, item["product_id"], new_item_id)
    if variant is None:
        return Impossible(f"item {new_item_id} is not a version of the {common(item['name'])}")
    if variant["stock"] < 1:
        return Impossible(f"the {', '.join(variant['options'].values())} {common(item['name'])} is out of stock")
    return None


def swap_difference(world: World, items: Sequence[Record], new_item_ids: Sequence[str]) -> float:
    """Dollars to pay (negative: to refund) when items are swapped; call :func:`can_swap` first."""
    new = [variant_of(world, item["product_id"], new_id) for item, new_id in zip(items, new_item_ids, strict=True)]
    return dollars(sum(v["price"] for v in new if v) - sum(item["price"] for item in items))


def can_pay(user: Record, payment_method_id: str, amount: float) -> str | None:
    """The method is the customer's own and, a gift card, covers the amount."""
    method = payment_method(user, payment_method_id)
    if method is None:
        return f"payment method {payment_method_id} is not on the account"
    if method["source"] == "gift_card" and method["balance"] < amount:
        return Impossible(f"the gift card holds ${method['balance']:.2f}, and ${amount:.2f} is to be paid")
    return None


def is_other_method(order: Record, payment_method_id: str) -> str | None:
    if paid_with(order) != payment_method_id:
        return None
    return Settled(f"order {order['order_id']} is already paid with that very method")


def can_take_refund(user: Record, order: Record, payment_method_id: str) -> str | None:
    method = payment_method(user, payment_method_id)
    if method is None:
        return f"payment method {payment_method_id} is not on the account"
    if payment_method_id == paid_with(order) or method["source"] == "gift_card":
        return None
    return "a refund can only go to the payment method the order was paid with, or to a gift card on the account"


def is_domestic(address: Record) -> str | None:
    country = address.get("country")
    if country == COUNTRY:
        return None
    return (
        f"we deliver within the United States only, and the address is in {country_said(country or 'another country')}"
    )
