"""Rules of tau2's retail in code. Its policy is not numbered: each rule quotes the sentence that it stands for.

Rules that its tools enforce are the tools' own refusals; the others are the policy's alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...rules import Enforced, Rule, neighbours, rule
from ...state import Record, World
from ...tools import Call

#: By rule, the words of the policy. A rule whose words the installed policy does not have is left out.
QUOTES = {
    1: "must deny any requests for tasks related to any other user.",
    2: "An order can only be cancelled if its status is 'pending'",
    3: "Other reasons are not acceptable.",
    4: "An order can only be modified if its status is 'pending'",
    5: "The user can only choose a single payment method different from the original payment method.",
    6: "it must have enough balance to cover the total amount.",
    7: "An order can only be returned if its status is 'delivered'",
    8: "The refund must either go to the original payment method, or an existing gift card.",
    9: "An order can only be exchanged if its status is 'delivered'",
    10: "each item can be exchanged to an available new item of the same product but of different product option.",
}
_REASONS = ("no longer needed", "ordered by mistake")
_OTHER_REASONS = ("found it cheaper elsewhere", "delivery takes too long", "wrong address")
_MODIFY = ("modify_pending_order_address", "modify_pending_order_items", "modify_pending_order_payment")
_ON_ORDERS = ("cancel_pending_order", *_MODIFY, "return_delivered_order_items", "exchange_delivered_order_items")


def _orders(world: World, customer: str, status: str = "") -> Iterator[Record]:
    user = world.get("users", customer)
    for order_id in user["orders"] if user else ():
        order = world.get("orders", order_id)
        if order and (not status or order["status"] == status):
            yield order


def _order(world: World, call: Call) -> Record | None:
    return world.get("orders", str(call.arguments.get("order_id")))


def _method(world: World, call: Call, order: Record) -> Record | None:
    user = world.get("users", order["user_id"])
    found: Record | None = user["payment_methods"].get(str(call.arguments.get("payment_method_id"))) if user else None
    return found


def _paid_by(order: Record) -> str:
    return str(order["payment_history"][0]["payment_method_id"])


def _methods(world: World, customer: str) -> list[Record]:
    user = world.get("users", customer)
    return list(user["payment_methods"].values()) if user else []


def _variants(world: World, item: Record) -> list[Record]:
    product = world.get("products", item["product_id"])
    return [v for v in product["variants"].values() if v["item_id"] != item["item_id"]] if product else []


def _status(call: Call, world: World, wanted: str, done: str) -> str | None:
    order = _order(world, call)
    if order is None or order["status"] == wanted:
        return None
    return f"order {order['order_id']} is {order['status']}, and only a {wanted} order can be {done}"


def _swap(tool: str, order: Record, item: Record, new_id: str, method: str) -> Call:
    arguments: dict[str, Any] = {"order_id": order["order_id"], "item_ids": [item["item_id"]]}
    return Call(tool, arguments | {"new_item_ids": [new_id], "payment_method_id": method})


def _back(order: Record, item: Record, method: str) -> Call:
    arguments = {"order_id": order["order_id"], "item_ids": [item["item_id"]], "payment_method_id": method}
    return Call("return_delivered_order_items", arguments)


def _cancel(order: Record, reason: str = _REASONS[0]) -> Call:
    return Call("cancel_pending_order", {"order_id": order["order_id"], "reason": reason})


@rule(1, *_ON_ORDERS, "modify_user_address", enforced=Enforced.BY_POLICY)
def own_data_only(world: World, call: Call, customer: str) -> str | None:
    if call.name == "modify_user_address":
        return None if call.arguments.get("user_id") == customer else "that account belongs to somebody else"
    order = _order(world, call)
    if order is None or order["user_id"] == customer:
        return None
    return f"order {order['order_id']} belongs to another account"


@own_data_only.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for other in neighbours(world, "users", customer):
        yield from map(_cancel, _orders(world, other, "pending"))


@rule(2, "cancel_pending_order")
def cancelled_while_pending(world: World, call: Call, customer: str) -> str | None:
    return _status(call, world, "pending", "cancelled")


@cancelled_while_pending.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for status in ("processed", "delivered"):
        yield from map(_cancel, _orders(world, customer, status))


@rule(3, "cancel_pending_order")
def cancelled_for_a_reason_that_counts(world: World, call: Call, customer: str) -> str | None:
    reason = call.arguments.get("reason")
    return None if reason in _REASONS else f"'{reason}' is no reason for which an order can be cancelled"


@cancelled_for_a_reason_that_counts.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer, "pending"):
        for reason in _OTHER_REASONS:
            yield _cancel(order, reason)


@rule(4, *_MODIFY)
def modified_while_pending(world: World, call: Call, customer: str) -> str | None:
    # Where its items were modified, the tools still change its address or payment; the policy does not allow it.
    return _status(call, world, "pending", "modified")


@modified_while_pending.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for status in ("processed", "delivered"):
        for order in _orders(world, customer, status):
            for item in order["items"]:
                for variant in _variants(world, item):
                    if variant["available"]:
                        yield _swap("modify_pending_order_items", order, item, variant["item_id"], _paid_by(order))


@rule(5, "modify_pending_order_payment")
def paid_with_another_method(world: World, call: Call, customer: str) -> str | None:
    order = _order(world, call)
    if order is None or call.arguments.get("payment_method_id") != _paid_by(order):
        return None
    return f"order {order['order_id']} is already paid with that"


@paid_with_another_method.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer, "pending"):
        arguments = {"order_id": order["order_id"], "payment_method_id": _paid_by(order)}
        yield Call("modify_pending_order_payment", arguments)


@rule(6, "modify_pending_order_payment")
def gift_card_covers_the_total(world: World, call: Call, customer: str) -> str | None:
    order = _order(world, call)
    method = _method(world, call, order) if order else None
    if order is None or method is None or method["source"] != "gift_card" or method["id"] == _paid_by(order):
        return None
    if method["balance"] >= order["payment_history"][0]["amount"]:
        return None
    return f"the gift card's balance does not cover order {order['order_id']}"


@gift_card_covers_the_total.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer, "pending"):
        for method in _methods(world, customer):
            arguments = {"order_id": order["order_id"], "payment_method_id": method["id"]}
            yield Call("modify_pending_order_payment", arguments)


@rule(7, "return_delivered_order_items")
def returned_once_delivered(world: World, call: Call, customer: str) -> str | None:
    return _status(call, world, "delivered", "returned")


@returned_once_delivered.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for status in ("pending", "processed", "cancelled"):
        for order in _orders(world, customer, status):
            yield from (_back(order, item, _paid_by(order)) for item in order["items"])


@rule(8, "return_delivered_order_items")
def refunded_to_the_original_method(world: World, call: Call, customer: str) -> str | None:
    order = _order(world, call)
    method = _method(world, call, order) if order else None
    if order is None or method is None or method["source"] == "gift_card" or method["id"] == _paid_by(order):
        return None
    return "a refund goes to the original payment method or a gift card"


@refunded_to_the_original_method.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer, "delivered"):
        for method in _methods(world, customer):
            yield from (_back(order, item, method["id"]) for item in order["items"])


@rule(9, "exchange_delivered_order_items")
def exchanged_once_delivered(world: World, call: Call, customer: str) -> str | None:
    return _status(call, world, "delivered", "exchanged")


@exchanged_once_delivered.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for status in ("pending", "processed"):
        for order in _orders(world, customer, status):
            for item in order["items"]:
                for variant in _variants(world, item):
                    if variant["available"]:
                        yield _swap("exchange_delivered_order_items", order, item, variant["item_id"], _paid_by(order))


@rule(10, "exchange_delivered_order_items", "modify_pending_order_items")
def exchanged_for_what_is_there(world: World, call: Call, customer: str) -> str | None:
    order = _order(world, call)
    if order is None:
        return None
    kinds = {item["item_id"]: item["product_id"] for item in order["items"]}
    pairs = zip(call.arguments.get("item_ids") or (), call.arguments.get("new_item_ids") or (), strict=False)
    for old, new in pairs:
        if old == new:
            return f"item {new} is the one that the order has"
        product = world.get("products", kinds.get(old, ""))
        variant = product["variants"].get(new) if product else None
        if product is not None and (variant is None or not variant["available"]):
            return f"item {new} is not available as a version of the {product['name']}"
    return None


@exchanged_for_what_is_there.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer, "delivered"):
        for item in order["items"]:
            for variant in _variants(world, item):
                if not variant["available"]:
                    yield _swap("exchange_delivered_order_items", order, item, variant["item_id"], _paid_by(order))


RULES: tuple[Rule, ...] = (
    own_data_only,
    cancelled_while_pending,
    cancelled_for_a_reason_that_counts,
    modified_while_pending,
    paid_with_another_method,
    gift_card_covers_the_total,
    returned_once_delivered,
    refunded_to_the_original_method,
    exchanged_once_delivered,
    exchanged_for_what_is_there,
)
