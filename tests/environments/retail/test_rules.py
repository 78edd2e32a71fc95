"""The shop's rules: cited by number, broken by what they propose, and enforced by the side that they name."""

from __future__ import annotations

from typing import Any

import pytest

from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import load
from t2t_dist.environments.retail.rules import RULES, own_data_only
from t2t_dist.environments.rules import Enforced, Handling
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call
from tests.environments.retail.small_shop import AWAY, BOBS_CARD, CARD, GIFT, HOME, PAYPAL, SHOP

BY_TOOL, BY_POLICY, BY_ABSENCE = Enforced.BY_TOOL, Enforced.BY_POLICY, Enforced.BY_ABSENCE


@pytest.fixture(scope="module")
def shop() -> Domain:
    return load("retail")


# -- what they cite ----------------------------------------------------------------------------------------------------
def test_the_rules_without_code_are_those_about_the_conversation(shop: Domain) -> None:
    assert set(shop.clauses) - {rule.number for rule in RULES} == {1, 3, 4, 19}


def test_who_enforces_what() -> None:
    assert {rule.number: rule.enforced for rule in RULES} == {
        **dict.fromkeys((5, 6, 8, 9, 10, 11, 12, 14, 17), BY_TOOL),
        **dict.fromkeys((2, 7, 13, 15, 16), BY_POLICY),
        18: BY_ABSENCE,
    }
    assert {rule.number for rule in RULES if rule.handling is Handling.TRANSFER} == {7, 18}


# -- what they propose -------------------------------------------------------------------------------------------------


def test_proposals_about_others_are_their_neighbours_orders(shop: Domain) -> None:
    """The same as by looking through the whole table, without doing so."""
    world = shop.world()
    users = [key for key, _ in world.scan("users")]
    for customer in users[:3] + users[-3:]:
        start = users.index(customer)
        neighbours = [users[(start + step) % len(users)] for step in range(1, 6)]
        expected = []
        for neighbour in neighbours:
            for order_id in shop.base.tables["users"][neighbour]["orders"]:
                order = shop.base.tables["orders"][order_id]
                if order["status"] == "pending" and sum(item["price"] for item in order["items"]) <= 450:
                    expected.append(("cancel_pending_order", order_id))
                if order["status"].startswith("pending"):
                    expected.append(("modify_pending_order_address", order_id))
        found = own_data_only.proposals(world, customer)
        assert [(call.name, call.arguments["order_id"]) for call in found] == expected


# -- each rule, on a small shop ---------------------------------------------------------------------------------------
def cancel(order_id: str, reason: str = "no longer needed") -> Call:
    return Call("cancel_pending_order", {"order_id": order_id, "reason": reason})


def swap(tool: str, order_id: str, old: str, new: str, method: str) -> Call:
    arguments = {"order_id": order_id, "item_ids": [old], "new_item_ids": [new], "payment_method_id": method}
    return Call(tool, arguments)


def modify(*arguments: str) -> Call:
    return swap("modify_pending_order_items", *arguments)


def exchange(*arguments: str) -> Call:
    return swap("exchange_delivered_order_items", *arguments)


def send_back(order_id: str, item: str, method: str) -> Call:
    arguments = {"order_id": order_id, "item_ids": [item], "payment_method_id": method}
    return Call("return_delivered_order_items", arguments)


def pay(order_id: str, method: str) -> Call:
    return Call("modify_pending_order_payment", {"order_id": order_id, "payment_method_id": method})


def move(order_id: str, address: dict[str, str]) -> Call:
    return Call("modify_pending_order_address", {"order_id": order_id, "address": address})


def move_account(user_id: str, address: dict[str, str]) -> Call:
    return Call("modify_user_address", {"user_id": user_id, "address": address})


def broken(call: Call, world: World | None = None) -> list[int]:
    """Numbers of the rules that a call on behalf of Ada breaks."""
    return [breach.rule.number for breach in SHOP.breaches(world or SHOP.world(), call, "ada")]


ABROAD = AWAY | {"country": "Canada"}


@pytest.mark.parametrize(
    ("call", "numbers"),
    [
        (cancel("#W1"), []),
        (cancel("#W8"), [2]),
        (cancel("#W4"), [5]),
        (cancel("#W5"), [5]),
        (cancel("#W1", "found it cheaper"), [6]),
        (cancel("#W3"), [7]),
        (cancel("#W3", "found it cheaper"), [6, 7]),
        (modify("#W1", "11", "12", CARD), []),
        (modify("#W4", "21", "22", CARD), [8]),
        (modify("#W1", "11", "13", CARD), [9]),
        (modify("#W1", "11", "22", CARD), [9]),
        (modify("#W1", "11", "12", BOBS_CARD), [10]),
        (modify("#W8", "22", "21", CARD), [2, 10]),
        (exchange("#W5", "11", "12", CARD), []),
        (exchange("#W5", "11", "13", CARD), [9]),
        (exchange("#W1", "21", "22", CARD), [14]),
        (exchange("#W7", "12", "11", PAYPAL), [15]),
        (exchange("#W6", "31", "32", GIFT), [16]),
        (pay("#W1", PAYPAL), []),
        (pay("#W1", CARD), [11]),
        (pay("#W3", GIFT), [11]),
        (pay("#W1", BOBS_CARD), [11]),
        (pay("#W4", PAYPAL), [11]),
        (move("#W1", AWAY), []),
        (move("#W4", AWAY), [12]),
        (move("#W1", ABROAD), [13]),
        (move("#W8", HOME), [2]),
        (move_account("ada", AWAY), []),
        (move_account("bob", AWAY), [2]),
        (move_account("ada", ABROAD), [13]),
        (send_back("#W5", "11", CARD), []),
        (send_back("#W5", "11", GIFT), []),
        (send_back("#W4", "21", CARD), [14]),
        (send_back("#W7", "12", PAYPAL), [15]),
        (send_back("#W6", "31", GIFT), [16]),
        (send_back("#W6", "21", GIFT), []),
        (send_back("#W5", "11", PAYPAL), [17]),
        (send_back("#W5", "11", BOBS_CARD), [17]),
        (Call("adjust_price", {"order_id": "#W5"}), [18]),
        (Call("close_account", {"user_id": "ada"}), [18]),
        (cancel("#W404"), []),
        (modify("#W404", "11", "12", CARD), []),
        (send_back("#W404", "11", CARD), []),
        (Call("get_order_details", {"order_id": "#W8"}), []),
        (Call("think", {"thought": "hm"}), []),
    ],
)
def test_which_rules_a_call_breaks(call: Call, numbers: list[int]) -> None:
    assert broken(call) == numbers


def test_the_window_for_returns_ends_after_thirty_days() -> None:
    world = SHOP.world()
    call = send_back("#W5", "11", CARD)
    world.advance(days=20)
    assert broken(call, world) == []
    world.advance(days=1)
    assert broken(call, world) == [15]


def test_a_modified_order_is_final() -> None:
    world = SHOP.world()
    assert SHOP.execute(world, modify("#W1", "11", "12", CARD)).changed
    assert broken(modify("#W1", "21", "22", CARD), world) == [8]
    assert broken(cancel("#W1"), world) == [5]
    assert broken(pay("#W1", PAYPAL), world) == [11]
    assert broken(move("#W1", AWAY), world) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"new_item_ids": []},
        {"new_item_ids": ["12", "22"]},
        {"item_ids": []},
        {"item_ids": ["11", "11"]},
        {"item_ids": ["99"]},
        {"order_id": ""},
    ],
)
def test_calls_that_no_tool_would_take_are_no_trouble_to_the_rules(changed: dict[str, Any]) -> None:
    for make, order_id in ((modify, "#W1"), (exchange, "#W5")):
        call = make(order_id, "11", "12", CARD)
        call = Call(call.name, call.arguments | changed)
        assert broken(call) == []
        assert SHOP.execute(SHOP.world(), call).error


@pytest.mark.parametrize("tool", ["modify_pending_order_items", "cancel_pending_order", "modify_user_address"])
def test_calls_without_their_arguments_are_no_trouble_either(tool: str) -> None:
    world = SHOP.world()
    for breach in SHOP.breaches(world, Call(tool, {}), "ada"):
        assert breach.reason
    assert SHOP.execute(world, Call(tool, {})).error
