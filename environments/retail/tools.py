"""WRITE tools of the agent, for orders and accounts; the list of all tools."""

from __future__ import annotations

from ..assistant import calculate, make_decline_tool, think, transfer_to_human_agents
from ..lookups import demand
from ..payment import PaymentMethodId, dollars, payment_method
from ..people import UserId, WrittenAddress
from ..rules import declinable
from ..state import Record, World
from ..tools import WRITE, Tool, ToolError, tool
from . import conditions as when
from .reading import (
    find_user_id_by_email,
    find_user_id_by_name_zip,
    get_item_details,
    get_order_details,
    get_product_details,
    get_user_details,
    list_all_products,
    list_user_orders,
    order_of,
    user_of,
)
from .records import (
    AddressReceipt,
    CancelReason,
    CancelReceipt,
    ChangeReceipt,
    ItemId,
    OrderId,
    PaymentReceipt,
    ReturnReceipt,
    WrittenItems,
)
from .rules import RULES


# -- moving money and stock --------------------------------------------------------------------------------------------
def _move_money(world: World, order: Record, amount: float, payment_method_id: str) -> None:
    """Charge (positive) or refund (negative) on an order being edited. A charge is off a gift card at once; a refund is
    under way for days, so that nobody can spend it now."""
    if amount == 0:
        return
    kind = "payment" if amount > 0 else "refund"
    order["payments"].append({"type": kind, "amount": abs(amount), "payment_method_id": payment_method_id})
    method = payment_method(user_of(world, order["user_id"]), payment_method_id)
    if amount > 0 and method is not None and method["source"] == "gift_card":
        edited = payment_method(world.edit("users", order["user_id"]), payment_method_id)
        assert edited is not None
        edited["balance"] = dollars(edited["balance"] - amount)


def _move_stock(world: World, product_id: str, item_id: str, by: int) -> None:
    for variant in world.edit("products", product_id)["variants"]:
        if variant["item_id"] == item_id:
            variant["stock"] += by


# -- pending orders ----------------------------------------------------------------------------------------------------
@tool(WRITE)
def cancel_pending_order(world: World, order_id: OrderId, reason: CancelReason) -> CancelReceipt:
    """Cancel a pending order. The whole sum goes back to the payment method it was paid with.

    Explain what will happen and get an explicit yes from the customer first.

    Args:
        order_id: The order id, such as '#W0000000'.
        reason: Why, in one of the two ways that count.
    """
    demand(when.is_untouched(order_of(world, order_id), "cancelled"))
    order = world.edit("orders", order_id)
    refund, method = when.total(order), when.paid_with(order)
    _move_money(world, order, -refund, method)
    for item in order["items"]:
        _move_stock(world, item["product_id"], item["item_id"], 1)
    order["status"], order["cancel_reason"] = "cancelled", reason
    return {
        "order_id": order_id,
        "status": "cancelled",
        "refund": refund,
        "refund_to": PaymentMethodId(method),
    }


def _swap(
    world: World, order_id: str, item_ids: list[ItemId], new_item_ids: list[ItemId], payment_method_id: str
) -> tuple[list[Record], float]:
    """Check a swap of items; the items and the dollars to pay for it."""
    order = order_of(world, order_id)
    if not item_ids or len(item_ids) != len(new_item_ids):
        raise ToolError("item_ids and new_item_ids must be lists of one length, not empty; the n-th replaces the n-th")
    items = when.items_of(order, item_ids)
    if items is None:
        raise ToolError(f"order {order_id} holds {[i['item_id'] for i in order['items']]}; name each at most once")
    if len(set(new_item_ids)) != len(new_item_ids):
        raise ToolError("each new item can be named only once")
    kept = {item["item_id"] for item in order["items"]} - set(item_ids)
    if kept & set(new_item_ids):
        raise ToolError(f"order {order_id} already holds {sorted(kept & set(new_item_ids))}")
    demand(*(when.can_swap(world, item, new) for item, new in zip(items, new_item_ids, strict=True)))
    difference = when.swap_difference(world, items, new_item_ids)
    demand(when.can_pay(user_of(world, order["user_id"]), payment_method_id, max(difference, 0.0)))
    return items, difference


def _change_receipt(order: Record, difference: float, payment_method_id: str) -> ChangeReceipt:
    return {
        "order_id": order["order_id"],
        "status": order["status"],
        "to_pay": max(difference, 0.0),
        "to_refund": max(-difference, 0.0),
        "payment_method_id": PaymentMethodId(payment_method_id),
    }


@tool(WRITE)
def modify_pending_order_items(
    world: World,
    order_id: OrderId,
    item_ids: list[ItemId],
    new_item_ids: list[ItemId],
    payment_method_id: PaymentMethodId,
) -> ChangeReceipt:
    """Swap items of a pending order for other versions of the same products. Possible once an order, so make sure
    that the customer has named every item to change, and get an explicit yes first.

    Args:
        order_id: The order id, such as '#W0000000'.
        item_ids: Items to be replaced.
        new_item_ids: The versions to replace them by, in the same order.
        payment_method_id: What pays, or receives, the difference in price.
    """
    demand(when.is_untouched(order_of(world, order_id), "modified"))
    items, difference = _swap(world, order_id, item_ids, new_item_ids, payment_method_id)
    order = world.edit("orders", order_id)
    # By the ids of before: two items may take each other's place.
    held = {item["item_id"]: item for item in order["items"]}
    for old, new_id in zip(items, new_item_ids, strict=True):
        variant = when.variant_of(world, old["product_id"], new_id)
        assert variant is not None
        held[old["item_id"]].update(item_id=new_id, options=dict(variant["options"]), price=variant["price"])
        _move_stock(world, old["product_id"], old["item_id"], 1)
        _move_stock(world, old["product_id"], new_id, -1)
    _move_money(world, order, difference, payment_method_id)
    order["status"] = "pending (items modified)"
    return _change_receipt(order, difference, payment_method_id)


@tool(WRITE)
def modify_pending_order_payment(world: World, order_id: OrderId, payment_method_id: PaymentMethodId) -> PaymentReceipt:
    """Pay a pending order with another payment method of the customer; the first one is refunded.

    Explain what will happen and get an explicit yes from the customer first.

    Args:
        order_id: The order id, such as '#W0000000'.
        payment_method_id: The new payment method, such as 'paypal_0000000'; it stands in the customer's account.
    """
    order = order_of(world, order_id)
    amount, before = when.total(order), when.paid_with(order)
    demand(
        when.is_untouched(order, "paid in another way"),
        when.is_other_method(order, payment_method_id),
        when.can_pay(user_of(world, order["user_id"]), payment_method_id, amount),
    )
    order = world.edit("orders", order_id)
    _move_money(world, order, -amount, before)
    _move_money(world, order, amount, payment_method_id)
    return {
        "order_id": order_id,
        "amount": amount,
        "paid_with": payment_method_id,
        "refunded_to": PaymentMethodId(before),
    }


@tool(WRITE)
def modify_pending_order_address(world: World, order_id: OrderId, address: WrittenAddress) -> AddressReceipt:
    """Change where a pending order is delivered. Get an explicit yes from the customer first.

    Args:
        order_id: The order id, such as '#W0000000'.
        address: The whole new address; country is 'USA'; address2 may be ''.
    """
    demand(when.is_pending(order_of(world, order_id), "its address changed"))
    world.edit("orders", order_id)["address"] = dict(address)
    return {"order_id": order_id, "address": address}


@tool(WRITE)
def modify_user_address(world: World, user_id: UserId, address: WrittenAddress) -> AddressReceipt:
    """Change the address of a customer's account; orders already placed keep theirs. Get an explicit yes first.

    Args:
        user_id: The user id, such as 'maya_kovacs_4821'.
        address: The whole new address; country is 'USA'; address2 may be ''.
    """
    user_of(world, user_id)
    world.edit("users", user_id)["address"] = dict(address)
    return {"user_id": user_id, "address": address}


# -- delivered orders --------------------------------------------------------------------------------------------------
@tool(WRITE)
def return_delivered_order_items(
    world: World, order_id: OrderId, item_ids: WrittenItems, payment_method_id: PaymentMethodId
) -> ReturnReceipt:
    """Request the return of items of a delivered order. Possible once an order; get an explicit yes first.

    Args:
        order_id: The order id, such as '#W0000000'.
        item_ids: Items to return.
        payment_method_id: Where the refund goes: the method the order was paid with, or a gift card of the customer.
    """
    order = order_of(world, order_id)
    demand(when.is_delivered(order, "returned"))
    items = when.items_of(order, item_ids)
    if not items:
        raise ToolError(f"order {order_id} holds {[i['item_id'] for i in order['items']]}; name each at most once")
    demand(when.can_take_refund(user_of(world, order["user_id"]), order, payment_method_id))
    refund = dollars(sum(item["price"] for item in items))
    order = world.edit("orders", order_id)
    order["status"], order["returned_items"] = "return requested", item_ids
    _move_money(world, order, -refund, payment_method_id)
    return {
        "order_id": order_id,
        "status": "return requested",
        "refund": refund,
        "refund_to": payment_method_id,
    }


@tool(WRITE)
def exchange_delivered_order_items(
    world: World,
    order_id: OrderId,
    item_ids: list[ItemId],
    new_item_ids: list[ItemId],
    payment_method_id: PaymentMethodId,
) -> ChangeReceipt:
    """Exchange items of a delivered order for other versions of the same products. Possible once an order, so make
    sure that the customer has named every item to exchange, and get an explicit yes first.

    Args:
        order_id: The order id, such as '#W0000000'.
        item_ids: Items to send back.
        new_item_ids: The versions wanted instead, in the same order.
        payment_method_id: What pays, or receives, the difference in price.
    """
    demand(when.is_delivered(order_of(world, order_id), "exchanged"))
    items, difference = _swap(world, order_id, item_ids, new_item_ids, payment_method_id)
    pairs = sorted(zip(item_ids, new_item_ids, strict=True))
    order = world.edit("orders", order_id)
    order["status"] = "exchange requested"
    order["exchanged_items"], order["exchange_for"] = [old for old, _ in pairs], [new for _, new in pairs]
    for old, new_id in zip(items, new_item_ids, strict=True):
        _move_stock(world, old["product_id"], new_id, -1)
    _move_money(world, order, difference, payment_method_id)
    return _change_receipt(order, difference, payment_method_id)


#: What customers ask for.
_CHANGES = [
    cancel_pending_order,
    modify_pending_order_items,
    modify_pending_order_payment,
    modify_pending_order_address,
    modify_user_address,
    return_delivered_order_items,
    exchange_delivered_order_items,
]
TOOLS: list[Tool] = [
    find_user_id_by_email,
    find_user_id_by_name_zip,
    get_user_details,
    list_user_orders,
    get_order_details,
    get_product_details,
    get_item_details,
    list_all_products,
    *_CHANGES,
    calculate,
    think,
    make_decline_tool([change.name for change in _CHANGES], declinable(RULES)),
    transfer_to_human_agents,
]
