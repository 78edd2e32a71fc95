"""What one customer asks for in one conversation, and what nobody asks for beside it."""

from __future__ import annotations

import pytest

from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import load
from t2t_dist.environments.tools import Call
from tests.environments.airline.small_airline import SMALL

HERE, THERE = {"zip": "97301"}, {"zip": "10001"}
DOMAINS = {"airline": SMALL, "retail": load("retail"), "telecom": load("telecom")}


def order(name: str, order_id: str = "#W1", **more: object) -> Call:
    return Call(name, {"order_id": order_id, **more})


def line(name: str, number: str = "555-1", **more: object) -> Call:
    return Call(name, {"phone_number": number, **more})


def trip(name: str, reservation_id: str = "R1", **more: object) -> Call:
    return Call(name, {"reservation_id": reservation_id, **more})


ILL, PLANS = {"reason": "illness"}, {"reason": "change of plans"}


def booked(flight: str, passenger: str = "P1") -> Call:
    return Call("book_reservation", {"user_id": "ada", "outbound_id": flight, "passenger_ids": [passenger]})


BOOKED = booked("A1/2026-05-26")


@pytest.mark.parametrize(
    ("domain", "first", "second", "go"),
    [
        ("retail", order("cancel_pending_order"), order("modify_pending_order_address", address=HERE), False),
        ("retail", order("cancel_pending_order"), order("cancel_pending_order", "#W2"), True),
        ("retail", order("modify_pending_order_items"), order("modify_pending_order_payment"), True),
        ("retail", order("return_delivered_order_items"), order("exchange_delivered_order_items"), False),
        (
            "retail",
            order("modify_pending_order_address", address=HERE),
            Call("modify_user_address", {"user_id": "ada", "address": THERE}),
            False,
        ),
        (
            "retail",
            order("modify_pending_order_address", address=HERE),
            order("modify_pending_order_address", "#W2", address=HERE),
            True,
        ),
        ("retail", Call("close_account", {"user_id": "ada"}), order("modify_pending_order_payment"), False),
        ("telecom", line("end_roaming"), line("set_up_roaming", "555-2"), False),
        ("telecom", line("suspend_line", reason="long absence"), line("bring_line_back", "555-2"), False),
        ("telecom", line("suspend_line", reason="long absence"), line("speed_up_data", "555-2"), True),
        (
            "telecom",
            line("suspend_line", reason="lost or stolen"),
            line("suspend_line", "555-2", reason="lost or stolen"),
            False,
        ),
        ("telecom", line("suspend_line", reason="lost or stolen"), line("refuel_data"), False),
        ("telecom", line("change_plan"), line("speed_up_data"), True),
        (
            "telecom",
            Call("send_bill", {"bill_id": "B1", "channel": "post"}),
            Call("change_address", {"customer_id": "ada"}),
            False,
        ),
        (
            "telecom",
            Call("change_address", {"customer_id": "ada"}),
            Call("send_bill", {"bill_id": "B1", "channel": "post"}),
            True,
        ),
        ("airline", trip("change_cabin"), trip("cancel_reservation", **PLANS), False),
        ("airline", trip("cancel_reservation", **PLANS), trip("send_certificate"), True),
        ("airline", trip("cancel_reservation", **PLANS), trip("cancel_reservation", "R7", **ILL), False),
        ("airline", trip("cancel_reservation", **ILL), trip("add_checked_bags", "R7"), False),  # five days before
        ("airline", trip("cancel_reservation", **PLANS), trip("add_checked_bags", "R7"), True),
        ("airline", trip("cancel_reservation", **PLANS), BOOKED, False),  # the same way again
        ("airline", trip("cancel_reservation", "R7", **PLANS), BOOKED, True),
        ("airline", trip("change_flights", "R2", itinerary_id="A1/2026-05-26"), BOOKED, False),
        ("airline", trip("change_cabin", "R2"), trip("change_cabin", "R3"), False),  # both leave that morning
        ("airline", trip("change_cabin", "R2"), trip("change_cabin", "R7"), True),  # from where R7 lands
        ("airline", trip("change_cabin", "R7"), booked("S2/2026-05-15"), False),
    ],
)
def test_what_goes_together(domain: str, first: Call, second: Call, go: bool) -> None:
    found: Domain = DOMAINS[domain]
    assert found.go_together(found.world(), first, second) is go


def test_who_wants_a_better_cabin_takes_no_lesser_one() -> None:
    economy, better, lesser = (trip("change_cabin", cabin=cabin) for cabin in ("economy", "business", "saver"))
    assert not SMALL.plausible_otherwise(SMALL.world(), better, lesser)  # R1 is in economy
    on_saver = [Call(one.name, one.arguments | {"reservation_id": "R2"}) for one in (better, economy)]
    assert SMALL.plausible_otherwise(SMALL.world(), *on_saver)


def test_nobody_books_the_way_that_they_fly_that_week() -> None:
    def books(flight: str, passenger: str) -> bool:
        return SMALL.makes_sense(SMALL.world(), booked(flight, passenger), "ada")

    assert not books("A1/2026-05-26", "P1")  # she flies there on the 20th
    assert books("A1/2026-05-26", "P3")  # and Cy does not
    assert not SMALL.makes_sense(SMALL.world(), trip("change_flights", "R2", itinerary_id="A1/2026-05-21"), "ada")


def test_who_has_moved_has_all_pending_orders_sent_there() -> None:
    shop = DOMAINS["retail"]
    world, seen = shop.world(), set()
    for user_id, user in world.scan("users"):
        orders = [world.get("orders", order_id) for order_id in user["orders"]]
        pending = [one["order_id"] for one in orders if one is not None and one["status"].startswith("pending")]
        if pending:
            moved = Call("modify_user_address", {"user_id": user_id, "address": HERE})
            redirected = order("modify_pending_order_address", pending[0], address=HERE)
            assert shop.go_together(world, moved, redirected) is (len(pending) == 1)
            seen.add(len(pending) > 1)
    assert seen == {True, False}


def test_plans_are_changed_to_those_near_what_a_line_uses() -> None:
    provider = DOMAINS["telecom"]
    world = provider.world()
    plans = {plan["name"]: plan_id for plan_id, plan in world.scan("plans")}
    small = next(
        found for _, found in world.scan("lines") if found["plan_id"] == plans["Pebble"] and found["data_used"] < 1
    )

    def changed(name: str) -> Call:
        return line("change_plan", small["phone_number"], plan_id=plans[name])

    found = {name: provider.makes_sense(world, changed(name), small["customer_id"]) for name in ("Breeze", "Horizon")}
    assert found == {"Breeze": True, "Horizon": False}
    assert provider.plausible_otherwise(world, changed("Campus"), changed("Meadow"))
    assert not provider.plausible_otherwise(world, changed("Campus"), changed("Horizon"))
