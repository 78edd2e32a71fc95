"""Rules of tau2's worlds in code, on a few records: what the policy says of a call. tau2 is not needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from t2t_dist.environments.adapters.tau2 import rules_airline, rules_retail
from t2t_dist.environments.rules import Rule
from t2t_dist.environments.state import Base, World
from t2t_dist.environments.tools import Call

NOW = "2024-05-15T15:00:00"
SEATS = {"basic_economy": 9, "economy": 9, "business": 9}
DAYS: dict[str, Any] = {
    "2024-05-14": {"status": "landed"},
    "2024-05-20": {"status": "available", "available_seats": SEATS},
    "2024-05-21": {"status": "cancelled"},
    "2024-05-25": {"status": "available", "available_seats": SEATS},
    "2024-05-28": {"status": "available", "available_seats": SEATS},
}
WAYS = {"F1": ("SFO", "DEN"), "F2": ("DEN", "JFK"), "F3": ("JFK", "SFO"), "F4": ("DEN", "SEA")}
TRIP = [("F1", "2024-05-20"), ("F2", "2024-05-20"), ("F3", "2024-05-25")]


def leg(number: str, date: str) -> dict[str, Any]:
    return {"flight_number": number, "date": date, "origin": WAYS[number][0], "destination": WAYS[number][1]}


def reservation(key: str, owner: str, legs: Sequence[tuple[str, str]] = TRIP, **more: Any) -> dict[str, Any]:
    made = {
        "reservation_id": key, "user_id": owner, "origin": "SFO", "destination": "JFK", "flight_type": "round_trip",
        "cabin": "economy", "flights": [leg(*each) for each in legs], "passengers": [{"n": 1}, {"n": 2}],
        "created_at": "2024-05-01T10:00:00", "total_baggages": 2, "nonfree_baggages": 0, "insurance": "no",
        "status": None,
    }  # fmt: skip
    return made | more


def user(key: str, membership: str, *reservations: str) -> dict[str, Any]:
    card = {"source": "credit_card", "id": f"card_{key}"}
    return {"membership": membership, "reservations": list(reservations), "payment_methods": {card["id"]: card}}


BOOKED = {
    "PLAIN": reservation("PLAIN", "silver"),
    "INSURED": reservation("INSURED", "insured", insurance="yes"),
    "YOUNG": reservation("YOUNG", "insured", created_at="2024-05-15T10:00:00"),
    "STOPPED": reservation("STOPPED", "unlucky", [("F3", "2024-05-21")], passengers=[{"n": 1}]),
    "FLOWN": reservation("FLOWN", "regular", [("F1", "2024-05-14"), ("F2", "2024-05-20")], flight_type="one_way"),
    "BASIC": reservation("BASIC", "regular", cabin="basic_economy"),
}
AIRLINE = World(
    Base(
        {
            "flights": {
                number: {"origin": a, "destination": b, "dates": DAYS} for number, (a, b) in WAYS.items()
            },
            "reservations": BOOKED,
            "users": {
                "silver": user("silver", "silver", "PLAIN"),
                "insured": user("insured", "regular", "INSURED", "YOUNG"),
                "unlucky": user("unlucky", "gold", "STOPPED"),
                "regular": user("regular", "regular", "FLOWN", "BASIC"),
            },
        },
        NOW,
    )
)  # fmt: skip


def broken(rules: Sequence[Rule], world: World, call: Call, customer: str) -> list[int]:
    return [rule.number for rule in rules if rule.broken_by(world, call, customer)]


def flights(key: str, *legs: tuple[str, str], cabin: str = "economy") -> Call:
    listed = [{"flight_number": number, "date": date} for number, date in legs]
    return Call("update_reservation_flights", {"reservation_id": key, "cabin": cabin, "flights": listed})


def bags(key: str, total: int, paid: int) -> Call:
    return Call(
        "update_reservation_baggages", {"reservation_id": key, "total_baggages": total, "nonfree_baggages": paid}
    )


def certificate(customer: str, amount: int) -> Call:
    return Call("send_certificate", {"user_id": customer, "amount": amount})


def cancel(key: str) -> Call:
    return Call("cancel_reservation", {"reservation_id": key})


@pytest.mark.parametrize(
    ("call", "rules"),
    [
        (cancel("PLAIN"), [3]),
        (cancel("INSURED"), [3]),  # no reason is known that the insurance covers
        (cancel("YOUNG"), []),
        (cancel("STOPPED"), []),
        (cancel("FLOWN"), [2]),
        (certificate("regular", 100), [7]),
        (certificate("silver", 100), [8]),
        (certificate("unlucky", 100), []),
        (certificate("unlucky", 490), [8]),
        (flights("PLAIN", *TRIP), []),
        (flights("PLAIN", ("F1", "2024-05-20"), ("F2", "2024-05-20"), ("F3", "2024-05-20")), []),
        (flights("PLAIN", *TRIP[:2]), [9]),
        (flights("PLAIN", ("F1", "2024-05-20"), ("F4", "2024-05-20")), [9]),
        (flights("PLAIN", *reversed(TRIP)), [9]),
        (flights("PLAIN", ("F9", "2024-05-20")), []),  # the tool refuses it
        (flights("BASIC", *TRIP[:2], cabin="basic_economy"), [1]),
        (flights("BASIC", *TRIP), []),
        (bags("PLAIN", 1, 0), [5]),
        (bags("PLAIN", 4, 0), []),
        (bags("PLAIN", 5, 0), [10]),
        (bags("PLAIN", 5, 1), []),
        (bags("BASIC", 3, 3), []),
        (bags("BASIC", 3, 0), [10]),
    ],
)
def test_what_the_airlines_policy_forbids(call: Call, rules: list[int]) -> None:
    customer = BOOKED.get(str(call.arguments.get("reservation_id")), {}).get("user_id", "silver")
    assert broken(rules_airline.RULES, AIRLINE, call, customer) == rules


def test_what_is_proposed_breaks_one_rule_and_no_other() -> None:
    proposed = {rule.number: set[str]() for rule in rules_airline.RULES}
    for rule in rules_airline.RULES:
        for customer in AIRLINE.base.keys("users"):
            for call in rule.proposals(AIRLINE, customer):
                assert broken(rules_airline.RULES, AIRLINE, call, customer) == [rule.number]
                proposed[rule.number].add(customer)
    assert all(proposed.values())
    assert (proposed[3], proposed[8]) == (
        {"silver", "regular"},
        {"silver", "insured"},
    )  # nobody insured, nobody with a reason


def test_what_the_shops_policy_forbids_although_its_tools_do_it() -> None:
    order = {"order_id": "#1", "user_id": "u", "items": [{"item_id": "i", "product_id": "p"}]}
    shelf = {"p": {"name": "Cup", "variants": {"i": {"item_id": "i", "available": True}}}}
    orders = {
        "#1": {**order, "status": "delivered"},
        "#2": {**order, "order_id": "#2", "status": "pending (item modified)"},
    }
    world = World(Base({"orders": orders, "products": shelf, "users": {"u": {"payment_methods": {}}}}, NOW))
    swapped = Call("exchange_delivered_order_items", {"order_id": "#1", "item_ids": ["i"], "new_item_ids": ["i"]})
    assert broken(rules_retail.RULES, world, swapped, "u") == [10]
    moved = Call("modify_pending_order_address", {"order_id": "#2"})
    assert broken(rules_retail.RULES, world, moved, "u") == [4]
