"""The shop's look-ups: they find what is there now, and say what to do where there is nothing."""

from __future__ import annotations

from typing import Any

import pytest

from t2t_dist.environments.registry import load
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call
from tests.environments.retail.small_shop import AWAY, CARD, HOME, ORDERS, SHOP, do, record, refused


@pytest.fixture
def world() -> World:
    return SHOP.world()


@pytest.mark.parametrize("email", ["ada@example.com", "  ADA@Example.com "])
def test_find_user_by_email(world: World, email: str) -> None:
    assert do(world, "find_user_id_by_email", email=email).value == "ada"


def test_find_user_by_email_refuses_a_stranger(world: World) -> None:
    said = refused(world, "find_user_id_by_email", email="eve@example.com")
    assert said == "no account has the e-mail address 'eve@example.com'; ask for another one, or for name and zip code"


@pytest.mark.parametrize(("first", "last", "code"), [("Ada", "Ng", "97301"), (" ada", "NG ", " 97301 ")])
def test_find_user_by_name_and_zip(world: World, first: str, last: str, code: str) -> None:
    found = do(world, "find_user_id_by_name_zip", first_name=first, last_name=last, zip=code)
    assert found.value == "ada"


@pytest.mark.parametrize(
    ("first", "last", "code"), [("Bob", "Ng", "97301"), ("Ada", "N", "97301"), ("Ada", "Ng", "9730")]
)
def test_find_user_by_name_and_zip_wants_all_three(world: World, first: str, last: str, code: str) -> None:
    said = refused(world, "find_user_id_by_name_zip", first_name=first, last_name=last, zip=code)
    assert said == f"no account is in the name of {first} {last} with zip code {code}; check the spelling"


def test_a_user_who_has_moved_is_found_at_the_new_place_only(world: World) -> None:
    do(world, "modify_user_address", user_id="ada", address=AWAY)
    name = {"first_name": "Ada", "last_name": "Ng"}
    assert do(world, "find_user_id_by_name_zip", **name, zip="83701").value == "ada"
    assert do(world, "find_user_id_by_name_zip", **name, zip="97301").error
    assert do(SHOP.world(), "find_user_id_by_name_zip", **name, zip="97301").value == "ada"


def test_get_records(world: World) -> None:
    assert do(world, "get_user_details", user_id="ada").value == record(world, "users", "ada")
    assert do(world, "get_order_details", order_id="#W1").value == ORDERS[0]
    assert do(world, "get_product_details", product_id="mug").value == record(world, "products", "mug")
    assert do(world, "get_item_details", item_id="12").value == {
        "product_id": "lamp",
        "name": "Lamp",
        "item_id": "12",
        "options": {"kind": "12"},
        "price": 42.5,
        "stock": 1,
    }


def test_lists(world: World) -> None:
    orders = do(world, "list_user_orders", user_id="bob").value
    placed = "2026-02-01T09:00:00"
    assert orders == [
        {"order_id": "#W8", "status": "pending", "placed_at": placed, "items": ["Mug"], "total": 10.0},
        {"order_id": "#W9", "status": "delivered", "placed_at": placed, "items": ["Lamp"], "total": 25.0},
    ]
    assert [product["product_id"] for product in do(world, "list_all_products").value] == ["lamp", "mug", "hat"]


def test_details_show_what_was_changed(world: World) -> None:
    do(world, "cancel_pending_order", order_id="#W1", reason="no longer needed")
    assert do(world, "get_order_details", order_id="#W1").value["status"] == "cancelled"
    assert do(world, "get_item_details", item_id="11").value["stock"] == 6


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("get_user_details", {"user_id": "eve"}, "there is no user 'eve'; find the id by e-mail or by name and zip"),
        ("list_user_orders", {"user_id": "eve"}, "there is no user 'eve'"),
        ("get_order_details", {"order_id": "W1"}, "there is no order 'W1'; order ids look like '#W0000000'"),
        ("get_product_details", {"product_id": "11"}, "there is no product '11'; product ids have 10 digits"),
        ("get_item_details", {"item_id": "lamp"}, "there is no item 'lamp'; item ids stand in orders"),
        ("cancel_pending_order", {"order_id": "W1", "reason": "no longer needed"}, "there is no order 'W1'"),
        ("modify_user_address", {"user_id": "eve", "address": HOME}, "there is no user 'eve'"),
        ("modify_pending_order_address", {"order_id": "W1", "address": HOME}, "there is no order 'W1'"),
        ("modify_pending_order_payment", {"order_id": "W1", "payment_method_id": CARD}, "there is no order 'W1'"),
        (
            "return_delivered_order_items",
            {"order_id": "W1", "item_ids": ["11"], "payment_method_id": CARD},
            "there is no order 'W1'",
        ),
    ],
)
def test_what_is_not_there(world: World, tool: str, arguments: dict[str, Any], reason: str) -> None:
    assert refused(world, tool, **arguments).startswith(reason)


def test_lookups_find_everybody_and_everything_in_the_generated_shop() -> None:
    domain = load("retail", 0, 0.2)
    world = domain.world()
    for user_id, user in domain.base.tables["users"].items():
        name = {"first_name": user["first_name"], "last_name": user["last_name"], "zip": user["address"]["zip"]}
        assert domain.execute(world, Call("find_user_id_by_email", {"email": user["email"]})).value == user_id
        assert domain.execute(world, Call("find_user_id_by_name_zip", name)).value == user_id
    for product_id, product in domain.base.tables["products"].items():
        for variant in product["variants"]:
            found = domain.execute(world, Call("get_item_details", {"item_id": variant["item_id"]})).value
            assert found == {"product_id": product_id, "name": product["name"], **variant}
