"""What customers of the shop want: how often they ask for each errand, and what they change their minds to, and why."""

from __future__ import annotations

from ..tools import Call

#: How often an errand is explored, beside the others: less for what everybody can have done.
WEIGHTS = {
    "cancel_pending_order": 1.0,
    "modify_pending_order_items": 1.0,
    "modify_pending_order_payment": 1.0,
    "modify_pending_order_address": 1.0,
    "modify_user_address": 0.3,
    "return_delivered_order_items": 1.0,
    "exchange_delivered_order_items": 1.0,
}

#: For an errand, what a customer may want instead, and why.
INSTEAD = {
    "cancel_pending_order": {
        "modify_pending_order_items": "I could use it after all, with something changed in it.",
        "modify_pending_order_address": "I'll take it after all, but it has to go somewhere else.",
        "modify_pending_order_payment": "I could use it after all, but I'd like to pay in another way.",
    },
    "modify_pending_order_items": {
        "modify_pending_order_items": "I've looked at the other versions again.",
        "cancel_pending_order": "I'd rather drop the whole order.",
    },
    "modify_pending_order_payment": {
        "modify_pending_order_payment": "I'd rather use another one of my payment methods.",
        "cancel_pending_order": "I'd rather drop the whole order.",
    },
    "modify_pending_order_address": {
        "modify_pending_order_address": "There will be nobody at that address.",
        "cancel_pending_order": "I'd rather drop the whole order.",
    },
    "modify_user_address": {
        "modify_user_address": "I gave you the wrong address.",
    },
    "return_delivered_order_items": {
        "return_delivered_order_items": "I've mixed things up.",
        "exchange_delivered_order_items": "I'd rather have another version than the money.",
    },
    "exchange_delivered_order_items": {
        "exchange_delivered_order_items": "I've looked at the other versions again.",
        "return_delivered_order_items": "I'd rather have the money than another version.",
    },
}

#: Errands about how things are: who names another value has made a slip.
SLIPS = frozenset({"modify_user_address"})

#: Errands about an order that its customer keeps: for one order, somebody may want two of them, and none beside others.
_KEPT = frozenset(
    (
        "modify_pending_order_items",
        "modify_pending_order_payment",
        "modify_pending_order_address",
        "upgrade_to_express_delivery",
    )
)
#: What somebody who closes their account still has done.
_LAST = frozenset(("cancel_pending_order", "return_delivered_order_items"))


def go_together(first: Call, second: Call) -> bool:
    """Whether one customer asks for both: nobody changes or gives back an order that they cancel, has parcels sent to
    two places, or moves while they close their account."""
    names = {first.name, second.name}
    orders = [call.arguments.get("order_id") for call in (first, second)]
    if orders[0] is not None and orders[0] == orders[1] and not (len(names) == 2 and names <= _KEPT):
        return False
    addresses = [call.arguments.get("address") for call in (first, second)]
    if all(addresses) and addresses[0] != addresses[1]:
        return False
    return "close_account" not in names or names - {"close_account"} <= _LAST
