"""The policy's rules about calls, each with its number in policy.md, and the list of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from ..rules import Enforced, Handling, Impossible, Rule, neighbours, rule
from ..state import Record, World
from ..tools import Call
from . import conditions as when

_ON_ORDERS = (
    "cancel_pending_order",
    "modify_pending_order_items",
    "modify_pending_order_payment",
    "modify_pending_order_address",
    "return_delivered_order_items",
    "exchange_delivered_order_items",
)
_SWAPS = ("modify_pending_order_items", "exchange_delivered_order_items")
_SENDS_BACK = ("return_delivered_order_items", "exchange_delivered_order_items")
_ADDRESSES = ("modify_pending_order_address", "modify_user_address")
#: Requests of customers for which there is no tool.
NO_TOOL = ("adjust_price", "upgrade_to_express_delivery", "close_account")


def _orders(world: World, customer: str) -> Iterator[Record]:
    user = world.get("users", customer)
    for order_id in user["orders"] if user else ():
        if order := world.get("orders", order_id):
            yield order


def _order(world: World, call: Call) -> Record | None:
    return world.get("orders", str(call.arguments.get("order_id")))


def _swaps(world: World, order: Record) -> Iterator[tuple[Record, Record]]:
    """Each item of the order with each other version of it."""
    for item in order["items"]:
        product = world.get("products", item["product_id"])
        for variant in product["variants"] if product else ():
            if variant["item_id"] != item["item_id"]:
                yield item, variant


def _in_stock_swaps(world: World, order: Record) -> Iterator[tuple[Record, Record]]:
    return ((item, variant) for item, variant in _swaps(world, order) if variant["stock"] > 0)


def _swap(tool: str, order: Record, item: Record, new_id: str, method: str) -> Call:
    arguments: dict[str, Any] = {
        "order_id": order["order_id"],
        "item_ids": [item["item_id"]],
        "new_item_ids": [new_id],
        "payment_method_id": method,
    }
    return Call(tool, arguments)


def _send_back(order: Record, item: Record, method: str) -> Call:
    arguments = {"order_id": order["order_id"], "item_ids": [item["item_id"]], "payment_method_id": method}
    return Call("return_delivered_order_items", arguments)


def _exchange(world: World, order: Record, items: Sequence[Record]) -> Iterator[Call]:
    """Exchanges of these items for other versions in stock, of which the order holds none."""
    held = {item["item_id"] for item in order["items"]}
    for item, variant in _in_stock_swaps(world, order):
        if item in items and variant["item_id"] not in held:
            yield _swap("exchange_delivered_order_items", order, item, variant["item_id"], when.paid_with(order))


def _cancel(order: Record, reason: str = "no longer needed") -> Call:
    return Call("cancel_pending_order", {"order_id": order["order_id"], "reason": reason})


def _within_rules(world: World, order: Record) -> bool:
    """A delivered order whose items could all still be returned."""
    return (
        order["status"] == "delivered"
        and when.within_window(world, order) is None
        and when.not_final_sale(world, order["items"]) is None
    )


@rule(2, *_ON_ORDERS, "modify_user_address", enforced=Enforced.BY_POLICY, weight=0.7)
def own_data_only(world: World, call: Call, customer: str) -> str | None:
    if call.name == "modify_user_address":
        return None if call.arguments.get("user_id") == customer else "that account belongs to somebody else"
    order = _order(world, call)
    if order is None or order["user_id"] == customer:
        return None
    return Impossible(f"order {order['order_id']} is not on your account")


@own_data_only.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    user = world.get("users", customer)
    for other in neighbours(world, "users", customer, 5):
        for order in _orders(world, other):
            if order["status"] == "pending" and when.under_supervised_total(order) is None:
                yield _cancel(order)
            if when.is_pending(order, "") is None and user:
                arguments = {"order_id": order["order_id"], "address": dict(user["address"])}
                yield Call("modify_pending_order_address", arguments)


@rule(5, "cancel_pending_order")
def cancel_while_pending(world: World, call: Call, customer: str) -> str | None:
    order = _order(world, call)
    return when.is_untouched(order, "cancelled") if order else None


@cancel_while_pending.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer):
        if order["status"] not in ("pending", "cancelled") and when.under_supervised_total(order) is None:
            yield _cancel(order)


@rule(6, "cancel_pending_order")
def cancel_for_a_reason_that_counts(world: World, call: Call, customer: str) -> str | None:
    return when.reason_counts(call.arguments.get("reason"))


@cancel_for_a_reason_that_counts.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer):
        if order["status"] == "pending" and when.under_supervised_total(order) is None:
            for reason in ("found it cheaper elsewhere", "delivery takes too long", "changed the budget"):
                yield _cancel(order, reason)


@rule(7, "cancel_pending_order", enforced=Enforced.BY_POLICY, handling=Handling.TRANSFER, weight=2.5)
def supervisor_above_limit(world: World, call: Call, customer: str) -> str | None:
    order = _order(world, call)
    return when.under_supervised_total(order) if order else None


@supervisor_above_limit.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer):
        if order["status"] == "pending":
            for reason in when.CANCEL_REASONS:
                yield _cancel(order, reason)


@rule(8, "modify_pending_order_items", weight=1.5)
def modify_while_pending_and_once(world: World, call: Call, customer: str) -> str | None:
    order = _order(world, call)
    return when.is_untouched(order, "modified") if order else None


@modify_while_pending_and_once.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer):
        if order["status"] in ("pending (items modified)", "processed"):
            for item, variant in islice(_in_stock_swaps(world, order), 12):
                yield _swap("modify_pending_order_items", order, item, variant["item_id"], when.paid_with(order))


@rule(9, *_SWAPS, weight=0.8)
def same_product_in_stock(world: World, call: Call, customer: str) -> str | None:
    order = _order(world, call)
    items = when.items_of(order, call.arguments.get("item_ids", ())) if order else None
    new_ids = call.arguments.get("new_item_ids", ())
    reasons = (when.can_swap(world, item, new) for item, new in zip(items or (), new_ids, strict=False))
    return next((reason for reason in reasons if reason), None)


@same_product_in_stock.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer):
        tool = {"pending": _SWAPS[0]}.get(order["status"]) or (_SWAPS[1] if _within_rules(world, order) else None)
        held = {item["item_id"] for item in order["items"]}
        for item, variant in _swaps(world, order) if tool else ():
            if variant["stock"] < 1 and variant["item_id"] not in held:
                yield _swap(str(tool), order, item, variant["item_id"], when.paid_with(order))


@rule(10, *_SWAPS, weight=5)
def difference_is_covered(world: World, call: Call, customer: str) -> str | None:
    order, method = _order(world, call), str(call.arguments.get("payment_method_id"))
    items = when.items_of(order, call.arguments.get("item_ids", ())) if order else None
    new_ids = call.arguments.get("new_item_ids", ())
    user = world.get("users", order["user_id"]) if order else None
    if (
        not items
        or len(items) != len(new_ids)
        or user is None
        or same_product_in_stock.broken_by(world, call, customer)
    ):
        return None
    difference = when.swap_difference(world, items, new_ids)
    return when.can_pay(user, method, max(difference, 0.0))


@difference_is_covered.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    user = world.get("users", customer)
    cards = [m["payment_method_id"] for m in user["payment_methods"] if m["source"] == "gift_card"] if user else []
    for order in _orders(world, customer) if cards else ():
        tool = {"pending": _SWAPS[0]}.get(order["status"]) or (_SWAPS[1] if _within_rules(world, order) else None)
        held = {item["item_id"] for item in order["items"]}
        for item, variant in _in_stock_swaps(world, order) if tool else ():
            if variant["item_id"] not in held:
                yield _swap(str(tool), order, item, variant["item_id"], cards[0])


@rule(11, "modify_pending_order_payment", weight=0.7)
def other_method_that_covers(world: World, call: Call, customer: str) -> str | None:
    order, method = _order(world, call), str(call.arguments.get("payment_method_id"))
    user = world.get("users", order["user_id"]) if order else None
    if order is None or user is None:
        return None
    return (
        when.is_untouched(order, "paid in another way")
        or when.is_other_method(order, method)
        or when.can_pay(user, method, when.total(order))
    )


@other_method_that_covers.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    user = world.get("users", customer)
    for order in _orders(world, customer):
        for method in user["payment_methods"] if user else ():
            arguments = {"order_id": order["order_id"], "payment_method_id": method["payment_method_id"]}
            # To move a payment to where it is would be an odd wish.
            if order["status"] != "cancelled" and when.is_other_method(order, method["payment_method_id"]) is None:
                yield Call("modify_pending_order_payment", arguments)


@rule(12, "modify_pending_order_address", weight=1.4)
def address_while_pending(world: World, call: Call, customer: str) -> str | None:
    order = _order(world, call)
    return when.is_pending(order, "its address changed") if order else None


@address_while_pending.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    user = world.get("users", customer)
    for order in _orders(world, customer):
        if user and order["status"] in ("processed", "shipped") and order["address"] == user["address"]:
            for city, state, zip_code in (("Portland", "OR", "97205"), ("Madison", "WI", "53703")):
                address = {"address1": "418 Alder Street", "address2": "", "city": city, "state": state}
                address |= {"country": when.COUNTRY, "zip": zip_code}
                yield Call("modify_pending_order_address", {"order_id": order["order_id"], "address": address})


@rule(13, *_ADDRESSES, enforced=Enforced.BY_POLICY, weight=0.6)
def domestic_addresses(world: World, call: Call, customer: str) -> str | None:
    address = call.arguments.get("address")
    return when.is_domestic(address) if isinstance(address, dict) else None


@domestic_addresses.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    abroad = (
        ("27 Maple Row", "", "Toronto", "ON", "Canada", "M5V 2T6"),
        ("8 Calle Mayor", "Apt 3", "Madrid", "", "Spain", "28013"),
        ("14 Harbour Lane", "", "Bristol", "", "United Kingdom", "BS1 4DJ"),
    )
    for line in abroad:
        address = dict(zip(("address1", "address2", "city", "state", "country", "zip"), line, strict=True))
        yield Call("modify_user_address", {"user_id": customer, "address": address})
        for order in _orders(world, customer):
            if order["status"] == "pending":
                yield Call("modify_pending_order_address", {"order_id": order["order_id"], "address": address})


@rule(14, *_SENDS_BACK, weight=1.2)
def send_back_what_was_delivered(world: World, call: Call, customer: str) -> str | None:
    order = _order(world, call)
    doing = "returned" if call.name.startswith("return") else "exchanged"
    return when.is_delivered(order, doing) if order else None


@send_back_what_was_delivered.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer):
        if order["status"] in ("processed", "shipped", "return requested", "exchange requested"):
            for item in order["items"]:
                yield _send_back(order, item, when.paid_with(order))
            yield from islice(_exchange(world, order, order["items"]), 6)


@rule(15, *_SENDS_BACK, enforced=Enforced.BY_POLICY, weight=1.6)
def within_thirty_days(world: World, call: Call, customer: str) -> str | None:
    order = _order(world, call)
    return when.within_window(world, order) if order else None


@within_thirty_days.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer):
        if order["status"] == "delivered":
            items = [item for item in order["items"] if when.not_final_sale(world, [item]) is None]
            for item in items:
                yield _send_back(order, item, when.paid_with(order))
            yield from islice(_exchange(world, order, items), 6)


@rule(16, *_SENDS_BACK, enforced=Enforced.BY_POLICY, weight=1.6)
def final_sales_stay(world: World, call: Call, customer: str) -> str | None:
    order = _order(world, call)
    items = when.items_of(order, call.arguments.get("item_ids", ())) if order else None
    return when.not_final_sale(world, items or ())


@final_sales_stay.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer):
        if order["status"] == "delivered" and when.within_window(world, order) is None:
            items = [item for item in order["items"] if when.not_final_sale(world, [item]) is not None]
            for item in items:
                yield _send_back(order, item, when.paid_with(order))
            yield from islice(_exchange(world, order, items), 6)


@rule(17, "return_delivered_order_items", weight=2.5)
def refund_where_it_came_from(world: World, call: Call, customer: str) -> str | None:
    order = _order(world, call)
    user = world.get("users", order["user_id"]) if order else None
    if order is None or user is None:
        return None
    return when.can_take_refund(user, order, str(call.arguments.get("payment_method_id")))


@refund_where_it_came_from.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    user = world.get("users", customer)
    for order in _orders(world, customer):
        if user and _within_rules(world, order):
            for method in user["payment_methods"]:
                for item in order["items"]:
                    yield _send_back(order, item, method["payment_method_id"])


@rule(18, *NO_TOOL, enforced=Enforced.BY_ABSENCE, handling=Handling.TRANSFER, weight=0.4)
def no_tool_for_it(world: World, call: Call, customer: str) -> str | None:
    return "it can't be done from here"


@no_tool_for_it.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for order in _orders(world, customer):
        if order["status"] == "delivered":
            yield Call("adjust_price", {"order_id": order["order_id"]})
        if order["status"] in ("pending", "processed", "shipped"):
            yield Call("upgrade_to_express_delivery", {"order_id": order["order_id"]})
    yield Call("close_account", {"user_id": customer})


RULES: list[Rule] = [
    own_data_only,
    cancel_while_pending,
    cancel_for_a_reason_that_counts,
    supervisor_above_limit,
    modify_while_pending_and_once,
    same_product_in_stock,
    difference_is_covered,
    other_method_that_covers,
    address_while_pending,
    domestic_addresses,
    send_back_what_was_delivered,
    within_thirty_days,
    final_sales_stay,
    refund_where_it_came_from,
    no_tool_for_it,
]
