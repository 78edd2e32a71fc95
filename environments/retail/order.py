"""What the policy says about the order of calls: what no tool checks has to be looked up before."""

from __future__ import annotations

from ..rules import Before, Order

_ORDER = ("order_id",)

ORDER: list[Order] = [
    # What the order is worth, and when it was delivered.
    Before(7, ("cancel_pending_order",), ("get_order_details", "list_user_orders"), _ORDER),
    Before(15, ("return_delivered_order_items", "exchange_delivered_order_items"), ("get_order_details",), _ORDER),
]
