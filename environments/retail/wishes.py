"""What customers of the shop want: how often they ask for each errand, and what they change their minds to, and why."""

from __future__ import annotations

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
        "modify_pending_order_address": "My sister would take it, so it only has to go somewhere else.",
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
