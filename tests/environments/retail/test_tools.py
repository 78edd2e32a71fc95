"""The shop's tools that write: what each does to orders, money and stock, and what it refuses."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from t2t_dist.environments.state import World
from t2t_dist.environments.tools import GENERIC, READ, RECORD, WRITE
from tests.environments.retail.small_shop import (
    AWAY,
    BOBS_CARD,
    CARD,
    GIFT,
    ITEMS,
    ORDERS,
    PAYPAL,
    SHOP,
    balance,
    changed,
    do,
    item,
    payments,
    record,
    refused,
    stock,
)


@pytest.fixture
def world() -> World:
    return SHOP.world()


def test_there_are_at_least_sixteen_tools_all_typed_and_described() -> None:
    assert len(list(SHOP.tools)) >= 16
    for tool in SHOP.tools:
        function = tool.schema["function"]
        assert tool.untyped == []
        assert function["description"]
        assert all(argument["description"] for argument in function["parameters"]["properties"].values())


def test_kinds() -> None:
    kinds = Counter(tool.kind for tool in SHOP.tools)
    assert kinds == {READ: 8, WRITE: 7, GENERIC: 2, RECORD: 2}
    assert [tool.name for tool in SHOP.entry_tools] == ["find_user_id_by_email", "find_user_id_by_name_zip"]


# -- cancelling --------------------------------------------------------------------------------------------------------
def test_cancel(world: World) -> None:
    result = do(world, "cancel_pending_order", order_id="#W1", reason="no longer needed")
    assert result.value == {"order_id": "#W1", "status": "cancelled", "refund": 36.0, "refund_to": CARD}
    assert payments(world, "#W1") == [("payment", 36.0, CARD), ("refund", 36.0, CARD)]
    assert stock(world) == {key: ITEMS[key][2] + (key in ("11", "21")) for key in ITEMS}
    assert changed(world) == [
        ("orders", "#W1", ["cancel_reason", "payments", "status"]),
        ("products", "lamp", ["variants"]),
        ("products", "mug", ["variants"]),
    ]
    assert record(world, "orders", "#W1")["cancel_reason"] == "no longer needed"


def test_what_is_refunded_to_a_gift_card_is_under_way_and_can_not_be_spent(world: World) -> None:
    do(world, "cancel_pending_order", order_id="#W2", reason="ordered by mistake")
    assert payments(world, "#W2")[-1] == ("refund", 70.0, GIFT)
    assert balance(world) == 40.0


@pytest.mark.parametrize(
    ("order_id", "reason", "said"),
    [
        ("#W4", "no longer needed", "order #W4 is shipped, and only a pending order can be cancelled"),
        ("#W5", "no longer needed", "order #W5 is delivered, and only a pending order can be cancelled"),
        ("#W1", "too dear", "reason: input should be 'no longer needed' or 'ordered by mistake'"),
        ("#W1", "No longer needed", "reason: input should be 'no longer needed' or 'ordered by mistake'"),
    ],
)
def test_what_can_not_be_cancelled(world: World, order_id: str, reason: str, said: str) -> None:
    assert refused(world, "cancel_pending_order", order_id=order_id, reason=reason).startswith(said)


def test_an_order_is_cancelled_once(world: World) -> None:
    do(world, "cancel_pending_order", order_id="#W1", reason="no longer needed")
    assert "is cancelled" in refused(world, "cancel_pending_order", order_id="#W1", reason="no longer needed")


# -- modifying items ---------------------------------------------------------------------------------------------------
def swap(tool: str, order_id: str, old: list[str], new: list[str], method: str) -> dict[str, Any]:
    return {"tool": tool, "order_id": order_id, "item_ids": old, "new_item_ids": new, "payment_method_id": method}


def make(world: World, arguments: dict[str, Any]) -> Any:
    arguments = dict(arguments)
    return do(world, arguments.pop("tool"), **arguments)


MODIFY, EXCHANGE = "modify_pending_order_items", "exchange_delivered_order_items"


def test_modify_items_for_dearer_ones(world: World) -> None:
    result = make(world, swap(MODIFY, "#W1", ["21", "11"], ["22", "12"], GIFT))
    assert result.value == {
        "order_id": "#W1",
        "status": "pending (items modified)",
        "to_pay": 16.5,
        "to_refund": 0.0,
        "payment_method_id": GIFT,
    }
    assert record(world, "orders", "#W1")["items"] == [item("12"), item("22")]
    assert payments(world, "#W1") == [("payment", 36.0, CARD), ("payment", 16.5, GIFT)]
    assert balance(world) == 23.5
    moved = {"11": 1, "12": -1, "21": 1, "22": -1}
    assert stock(world) == {key: ITEMS[key][2] + moved.get(key, 0) for key in ITEMS}


def test_modify_items_for_cheaper_ones(world: World) -> None:
    result = make(world, swap(MODIFY, "#W3", ["12"], ["11"], PAYPAL))
    assert (result.value["to_pay"], result.value["to_refund"]) == (0.0, 620.0)
    assert payments(world, "#W3") == [("payment", 650.0, PAYPAL), ("refund", 620.0, PAYPAL)]
    assert record(world, "orders", "#W3")["items"] == [item("11")]


def test_the_difference_counts_from_the_price_paid(world: World) -> None:
    """Item 11 was bought for 28 and costs 30 now."""
    assert make(world, swap(MODIFY, "#W1", ["11"], ["12"], CARD)).value["to_pay"] == 14.5


def test_no_money_moves_for_a_difference_of_nothing(world: World) -> None:
    with_hats = SHOP.world()
    with_hats.edit("orders", "#W8")["items"] = [item("31")]
    with_hats.seal()
    result = make(with_hats, swap(MODIFY, "#W8", ["31"], ["32"], BOBS_CARD))
    assert (result.value["to_pay"], result.value["to_refund"]) == (0.0, 0.0)
    assert len(payments(with_hats, "#W8")) == 1


def test_two_items_may_take_each_others_place(world: World) -> None:
    """Both are then there at today's prices, and the difference is charged."""
    result = make(world, swap(MODIFY, "#W2", ["11", "12"], ["12", "11"], GIFT))
    assert result.value["to_pay"] == 2.5
    assert record(world, "orders", "#W2")["items"] == [item("12"), item("11")]
    assert stock(world) == {key: ITEMS[key][2] for key in ITEMS}


def test_modified_items_are_final_for_items_payment_and_cancelling(world: World) -> None:
    make(world, swap(MODIFY, "#W1", ["11"], ["12"], GIFT))
    again = refused(world, MODIFY, order_id="#W1", item_ids=["21"], new_item_ids=["22"], payment_method_id=CARD)
    assert again == "order #W1 has had its items changed once, so it can't be modified any more"
    assert "changed once" in refused(world, "cancel_pending_order", order_id="#W1", reason="no longer needed")
    # Two methods have paid by now: there is no one payment to move.
    moved = refused(world, "modify_pending_order_payment", order_id="#W1", payment_method_id=PAYPAL)
    assert moved == "order #W1 has had its items changed once, so it can't be paid in another way any more"
    assert do(world, "modify_pending_order_address", order_id="#W1", address=AWAY).changed


SWAPS_REFUSED = [
    (["11"], ["13"], CARD, "the 13 lamp is out of stock"),
    (["11"], ["22"], CARD, "item 22 is not a version of the lamp"),
    (["11"], ["99"], CARD, "item 99 is not a version of the lamp"),
    (["11"], ["11"], CARD, "the new lamp is the very version that was ordered"),
    (["22"], ["12"], CARD, "order {0} holds ["),
    (["11", "11"], ["12", "12"], CARD, "order {0} holds ["),
    (["11", "21"], ["12"], CARD, "item_ids and new_item_ids must be lists of one length"),
    (["11"], ["12", "22"], CARD, "item_ids and new_item_ids must be lists of one length"),
    ([], [], CARD, "item_ids and new_item_ids must be lists of one length, not empty"),
    (["11"], ["12"], BOBS_CARD, f"payment method {BOBS_CARD} is not on the account"),
    (["11"], ["12"], "gift_card_9", "payment method gift_card_9 is not on the account"),
]


@pytest.mark.parametrize(("old", "new", "method", "said"), SWAPS_REFUSED)
def test_swaps_that_are_refused(world: World, old: list[str], new: list[str], method: str, said: str) -> None:
    world.edit("orders", "#W5")["items"] = [item("11", 28.0), item("21")]
    world.seal()
    for tool, order_id in ((MODIFY, "#W1"), (EXCHANGE, "#W5")):
        reason = refused(world, tool, order_id=order_id, item_ids=old, new_item_ids=new, payment_method_id=method)
        assert reason.startswith(said.format(order_id))


def test_an_item_that_stays_can_not_come_again(world: World) -> None:
    said = refused(world, MODIFY, order_id="#W2", item_ids=["11"], new_item_ids=["12"], payment_method_id=GIFT)
    assert said == "order #W2 already holds ['12']"
    said = refused(world, EXCHANGE, order_id="#W5", item_ids=["21"], new_item_ids=["22"], payment_method_id=CARD)
    assert said == "order #W5 already holds ['22']"


def test_a_new_item_is_named_once(world: World) -> None:
    twins = swap(EXCHANGE, "#W5", ["21", "22"], ["22", "22"], CARD)
    twins.pop("tool")
    assert refused(world, EXCHANGE, **twins) == "each new item can be named only once"


def test_a_gift_card_must_hold_the_difference(world: World) -> None:
    do(world, "modify_pending_order_payment", order_id="#W1", payment_method_id=GIFT)
    assert balance(world) == 4.0
    said = refused(world, MODIFY, order_id="#W1", item_ids=["11"], new_item_ids=["12"], payment_method_id=GIFT)
    assert said == "the gift card holds $4.00, and $14.50 is to be paid"
    assert make(world, swap(MODIFY, "#W1", ["21"], ["22"], GIFT)).changed
    assert balance(world) == 2.0


@pytest.mark.parametrize("order_id", ["#W4", "#W5"])
def test_only_pending_orders_are_modified(world: World, order_id: str) -> None:
    said = refused(world, MODIFY, order_id=order_id, item_ids=["21"], new_item_ids=["22"], payment_method_id=CARD)
    assert said.endswith("and only a pending order can be modified")


# -- modifying payment and addresses -----------------------------------------------------------------------------------
def test_modify_payment(world: World) -> None:
    result = do(world, "modify_pending_order_payment", order_id="#W1", payment_method_id=GIFT)
    assert result.value == {"order_id": "#W1", "amount": 36.0, "paid_with": GIFT, "refunded_to": CARD}
    assert payments(world, "#W1") == [("payment", 36.0, CARD), ("refund", 36.0, CARD), ("payment", 36.0, GIFT)]
    assert balance(world) == 4.0
    result = do(world, "modify_pending_order_payment", order_id="#W1", payment_method_id=PAYPAL)
    assert result.value["refunded_to"] == GIFT
    assert balance(world) == 4.0
    do(world, "cancel_pending_order", order_id="#W1", reason="no longer needed")
    assert payments(world, "#W1")[-2:] == [("payment", 36.0, PAYPAL), ("refund", 36.0, PAYPAL)]


@pytest.mark.parametrize(
    ("order_id", "method", "said"),
    [
        ("#W1", CARD, "order #W1 is already paid with that very method"),
        ("#W1", BOBS_CARD, f"payment method {BOBS_CARD} is not on the account"),
        ("#W3", GIFT, "the gift card holds $40.00, and $650.00 is to be paid"),
        ("#W4", PAYPAL, "order #W4 is shipped, and only a pending order can be paid in another way"),
    ],
)
def test_payments_that_are_refused(world: World, order_id: str, method: str, said: str) -> None:
    assert refused(world, "modify_pending_order_payment", order_id=order_id, payment_method_id=method) == said


def test_modify_order_address(world: World) -> None:
    result = do(world, "modify_pending_order_address", order_id="#W1", address=AWAY)
    assert result.value == {"order_id": "#W1", "address": AWAY}
    assert changed(world) == [("orders", "#W1", ["address"])]
    said = refused(world, "modify_pending_order_address", order_id="#W4", address=AWAY)
    assert said == "order #W4 is shipped, and only a pending order can have its address changed"


def test_modify_user_address_leaves_orders_alone(world: World) -> None:
    result = do(world, "modify_user_address", user_id="ada", address=AWAY)
    assert result.value == {"user_id": "ada", "address": AWAY}
    assert changed(world) == [("users", "ada", ["address"])]


def test_an_address_is_the_same_however_it_is_written() -> None:
    """A flat in the first line or in the second, in short or in full."""
    digests = set()
    for first, second in (("9 Oak Row", "Apt 38"), ("9 Oak Row, Apt. 38", ""), ("9 Oak Row ", "apartment #38")):
        world, address = SHOP.world(), AWAY | {"address1": first, "address2": second}
        assert not do(world, "modify_user_address", user_id="ada", address=address).error
        digests.add(world.digest)
    assert len(digests) == 1


def test_an_address_must_be_whole(world: World) -> None:
    part = {key: value for key, value in AWAY.items() if key != "zip"}
    assert refused(world, "modify_user_address", user_id="ada", address=part).startswith("address.zip: field required")
    more = AWAY | {"planet": "Earth"}
    assert "address.planet: extra inputs" in refused(world, "modify_user_address", user_id="ada", address=more)


# -- delivered orders --------------------------------------------------------------------------------------------------
RETURN = "return_delivered_order_items"


def test_return(world: World) -> None:
    result = do(world, RETURN, order_id="#W5", item_ids=["22", "11"], payment_method_id=CARD)
    assert result.value == {"order_id": "#W5", "status": "return requested", "refund": 38.0, "refund_to": CARD}
    assert record(world, "orders", "#W5")["returned_items"] == ["11", "22"]
    assert payments(world, "#W5") == [("payment", 46.0, CARD), ("refund", 38.0, CARD)]
    assert changed(world) == [("orders", "#W5", ["payments", "returned_items", "status"])]


def test_return_to_a_gift_card(world: World) -> None:
    result = do(world, RETURN, order_id="#W5", item_ids=["11"], payment_method_id=GIFT)
    assert (result.value["refund"], result.value["refund_to"], balance(world)) == (28.0, GIFT, 40.0)


@pytest.mark.parametrize(
    ("order_id", "items", "method", "said"),
    [
        ("#W4", ["21"], CARD, "order #W4 is shipped, and only a delivered order can be returned"),
        ("#W1", ["21"], CARD, "order #W1 is pending, and only a delivered order can be returned"),
        ("#W5", ["12"], CARD, "order #W5 holds ['11', '21', '22']; name each at most once"),
        ("#W5", ["11", "11"], CARD, "order #W5 holds ['11', '21', '22']; name each at most once"),
        ("#W5", [], CARD, "order #W5 holds ['11', '21', '22']; name each at most once"),
        (
            "#W5",
            ["11"],
            PAYPAL,
            "a refund can only go to the payment method the order was paid with, or to a gift card",
        ),
        ("#W5", ["11"], BOBS_CARD, f"payment method {BOBS_CARD} is not on the account"),
    ],
)
def test_returns_that_are_refused(world: World, order_id: str, items: list[str], method: str, said: str) -> None:
    assert refused(world, RETURN, order_id=order_id, item_ids=items, payment_method_id=method).startswith(said)


def test_exchange(world: World) -> None:
    result = make(world, swap(EXCHANGE, "#W5", ["11"], ["12"], PAYPAL))
    assert result.value == {
        "order_id": "#W5",
        "status": "exchange requested",
        "to_pay": 14.5,
        "to_refund": 0.0,
        "payment_method_id": PAYPAL,
    }
    order = record(world, "orders", "#W5")
    assert (order["exchanged_items"], order["exchange_for"]) == (["11"], ["12"])
    assert order["items"] == ORDERS[4]["items"]
    assert payments(world, "#W5") == [("payment", 46.0, CARD), ("payment", 14.5, PAYPAL)]
    # What is sent is kept back; what comes back is not for sale yet.
    assert stock(world) == {key: ITEMS[key][2] - (key == "12") for key in ITEMS}


def test_pairs_of_an_exchange_are_kept_in_one_order(world: World) -> None:
    """Named in any order, the same exchange is the same state."""
    other = SHOP.world()
    for one, old, new in ((world, ["11", "22"], ["12", "21"]), (other, ["22", "11"], ["21", "12"])):
        one.edit("orders", "#W5")["items"] = [item("11", 28.0), item("22")]
        one.seal()
        assert make(one, swap(EXCHANGE, "#W5", old, new, CARD)).changed
    assert world.digest == other.digest


def test_an_order_is_returned_or_exchanged_once(world: World) -> None:
    do(world, RETURN, order_id="#W5", item_ids=["11"], payment_method_id=CARD)
    make(world, swap(EXCHANGE, "#W9", ["13"], ["12"], BOBS_CARD))
    for order_id, stands in (("#W5", "already being returned"), ("#W9", "already being exchanged")):
        said = refused(world, RETURN, order_id=order_id, item_ids=["21"], payment_method_id=CARD)
        assert said == f"order {order_id} is {stands}, and only a delivered order can be returned"
        said = refused(world, EXCHANGE, order_id=order_id, item_ids=["21"], new_item_ids=["22"], payment_method_id=CARD)
        assert said == f"order {order_id} is {stands}, and only a delivered order can be exchanged"
