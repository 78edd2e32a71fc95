"""What stays true whatever is called: money, stock, shapes, and that tools refuse what their rules forbid."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import TypeAdapter

from t2t_dist.environments.retail.records import Order, Product, User
from t2t_dist.environments.rules import Enforced
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call
from tests.environments.retail.small_shop import (
    AWAY,
    BOBS_CARD,
    CARD,
    GIFT,
    HOME,
    ITEMS,
    ORDERS,
    PAYPAL,
    SHOP,
    balance,
    stock,
)

order_ids = st.sampled_from([one["order_id"] for one in ORDERS])
item_ids = st.lists(st.sampled_from([*ITEMS, "99"]), max_size=3)
method_ids = st.sampled_from([CARD, PAYPAL, GIFT, BOBS_CARD])
ABROAD = AWAY | {"country": "Spain"}
calls = st.one_of(
    st.tuples(
        st.just("cancel_pending_order"),
        st.fixed_dictionaries(
            {"order_id": order_ids, "reason": st.sampled_from(["no longer needed", "ordered by mistake", "too dear"])}
        ),
    ),
    st.tuples(
        st.sampled_from(["modify_pending_order_items", "exchange_delivered_order_items"]),
        st.fixed_dictionaries(
            {"order_id": order_ids, "item_ids": item_ids, "new_item_ids": item_ids, "payment_method_id": method_ids}
        ),
    ),
    st.tuples(
        st.sampled_from(["modify_pending_order_items", "exchange_delivered_order_items"]),
        st.builds(
            lambda order, pair, method: {
                "order_id": order,
                "item_ids": [pair[0]],
                "new_item_ids": [pair[1]],
                "payment_method_id": method,
            },
            order_ids,
            st.sampled_from([("11", "12"), ("12", "11"), ("21", "22"), ("22", "21"), ("13", "12"), ("31", "32")]),
            method_ids,
        ),
    ),
    st.tuples(
        st.just("modify_pending_order_payment"),
        st.fixed_dictionaries({"order_id": order_ids, "payment_method_id": method_ids}),
    ),
    st.tuples(
        st.just("modify_pending_order_address"),
        st.fixed_dictionaries({"order_id": order_ids, "address": st.sampled_from([HOME, AWAY, ABROAD])}),
    ),
    st.tuples(
        st.just("modify_user_address"),
        st.fixed_dictionaries({"user_id": st.sampled_from(["ada", "bob"]), "address": st.sampled_from([HOME, ABROAD])}),
    ),
    st.tuples(
        st.just("return_delivered_order_items"),
        st.fixed_dictionaries({"order_id": order_ids, "item_ids": item_ids, "payment_method_id": method_ids}),
    ),
).map(lambda call: Call(*call))


SHAPES: dict[str, TypeAdapter[Any]] = {
    "users": TypeAdapter(User),
    "orders": TypeAdapter(Order),
    "products": TypeAdapter(Product),
}


class AnyCalls(RuleBasedStateMachine):
    """Calls of every kind, sensible or not, one after the other on one world."""

    @initialize()
    def begin(self) -> None:
        self.world = SHOP.world()

    @rule(call=calls, customer=st.sampled_from(["ada", "bob"]))
    def call(self, call: Call, customer: str) -> None:
        broken = {breach.rule.enforced for breach in SHOP.breaches(self.world, call, customer)}
        before = self.world.digest
        result = SHOP.execute(self.world, call)
        if Enforced.BY_TOOL in broken:
            assert result.error, f"{call} was done although the tool should refuse it"
        assert Enforced.BY_ABSENCE not in broken
        assert (self.world.digest == before) == (not result.changed)
        assert not (result.error and result.changed)

    @invariant()
    def records_keep_their_shape(self) -> None:
        for change in self.world.changes():
            assert SHAPES[change.table].validate_python(change.after, strict=True) == change.after

    @invariant()
    def orders_are_paid_to_the_cent(self) -> None:
        for _, order in self.world.scan("orders"):
            paid = sum(p["amount"] * (1 if p["type"] == "payment" else -1) for p in order["payments"])
            price = {one["item_id"]: one["price"] for one in order["items"]}
            due = sum(price.values()) if order["status"] != "cancelled" else 0.0
            due -= sum(price[key] for key in order.get("returned_items", []))
            due -= sum(price[key] for key in order.get("exchanged_items", []))
            due += sum(ITEMS[key][1] for key in order.get("exchange_for", []))
            assert round(paid, 2) == round(due, 2), order

    @invariant()
    def gift_card_holds_what_was_not_spent(self) -> None:
        moved = [
            p["amount"]
            for _, order in self.world.scan("orders")
            for p in order["payments"]
            if p["payment_method_id"] == GIFT and p["type"] == "payment"  # a refund can't be spent yet
        ]
        spent_before = 70.0 + 28.0  # on #W2 and #W6
        assert round(balance(self.world) + sum(moved), 2) == round(40.0 + spent_before, 2)
        assert balance(self.world) >= 0

    @invariant()
    def nothing_is_sold_twice_or_lost(self) -> None:
        def everywhere(world: World) -> Counter[str]:
            count = Counter(stock(world))
            for _, order in world.scan("orders"):
                held = [one["item_id"] for one in order["items"]] if order["status"] != "cancelled" else []
                count.update(held + order.get("exchange_for", []))
                assert len(set(held)) == len(held)
            return count

        assert min(stock(self.world).values()) >= 0
        assert everywhere(self.world) == everywhere(SHOP.world())


AnyCalls.TestCase.settings = settings(
    max_examples=120, stateful_step_count=25, deadline=None, report_multiple_bugs=False
)
TestAnyCalls = AnyCalls.TestCase
