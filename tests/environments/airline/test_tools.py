"""The airline's tools that write: what each does to reservations, money and seats, and what it refuses."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from t2t_dist.environments.state import World
from t2t_dist.environments.tools import GENERIC, READ, RECORD, WRITE
from tests.environments.airline.small_airline import (
    ADA,
    BOBS_CARD,
    CARD,
    CERTIFICATE,
    GIFT,
    NOW,
    SMALL,
    balance,
    changed,
    do,
    payments,
    record,
    refused,
    seats,
)


@pytest.fixture
def world() -> World:
    return SMALL.world()


def test_there_are_twenty_tools_all_typed_and_described() -> None:
    assert Counter(tool.kind for tool in SMALL.tools) == {READ: 8, WRITE: 8, GENERIC: 2, RECORD: 2}
    assert [tool.name for tool in SMALL.entry_tools] == ["find_user_id_by_email", "find_user_id_by_name_birth_date"]
    for tool in SMALL.tools:
        function = tool.schema["function"]
        assert tool.untyped == []
        assert function["description"]
        assert all(argument["description"] for argument in function["parameters"]["properties"].values())


# -- booking -----------------------------------------------------------------------------------------------------------
def booking(**other: Any) -> dict[str, Any]:
    return {
        "user_id": "ada",
        "outbound_id": "A2/2026-05-20",
        "cabin": "economy",
        "passenger_ids": ["P1", "P3"],
        "insured": "no",
        "payment_method_id": CARD,
    } | other


def test_book_one_way(world: World) -> None:
    result = do(world, "book_reservation", **booking(insured="yes"))
    assert result.value["total"] == 299.8  # 2 * (120.00 + 29.90)
    code = result.value["reservation_id"]
    held = record(world, "reservations", code)
    assert (len(code), held["status"], held["booked_at"], held["insured"]) == (6, "booked", NOW, True)
    assert [one["passenger_id"] for one in held["passengers"]] == ["P1", "P3"]
    assert [(trip["direction"], trip["date"], trip["price"]) for trip in held["trips"]] == [
        ("outbound", "2026-05-20", 120.0)
    ]
    assert payments(world, code) == [("payment", 299.8, CARD)]
    assert seats(world, "A2/2026-05-20") == 3
    assert record(world, "users", "ada")["reservations"][-1] == code


def test_book_there_and_back_with_a_connection(world: World) -> None:
    ways = {"outbound_id": "C1/2026-05-20+C2/2026-05-20", "return_id": "B1/2026-05-24"}
    result = do(world, "book_reservation", **booking(**ways))
    assert result.value["total"] == 2 * (60.0 + 50.0 + 110.0)
    assert [seats(world, one) for one in ("C1/2026-05-20", "C2/2026-05-20", "B1/2026-05-24")] == [3, 3, 3]


def test_what_a_certificate_holds_beyond_the_price_lapses(world: World) -> None:
    result = do(world, "book_reservation", **booking(passenger_ids=["P1"], payment_method_id=CERTIFICATE))
    assert (result.value["total"], balance(world, CERTIFICATE)) == (120.0, 0.0)


def test_a_gift_card_keeps_the_rest(world: World) -> None:
    done = booking(passenger_ids=["P1"], cabin="saver", payment_method_id=GIFT)
    assert do(world, "book_reservation", **done).value["total"] == 80.0
    assert balance(world, GIFT) == 20.0


def test_two_bookings_have_two_numbers(world: World) -> None:
    codes = [do(world, "book_reservation", **booking(passenger_ids=["P1"])).value["reservation_id"] for _ in range(2)]
    assert len(set(codes)) == 2


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"passenger_ids": []}, "passenger_ids must name passengers of the account, each once: P1 (Ada Ng)"),
        ({"passenger_ids": ["P1", "P1"]}, "passenger_ids must name passengers of the account"),
        ({"passenger_ids": ["P9"]}, "passenger_ids must name passengers of the account"),
        ({"user_id": "eve"}, "there is no user 'eve'"),
        ({"outbound_id": "Z9/2026-05-20"}, "there is no itinerary 'Z9/2026-05-20'"),
        ({"outbound_id": "C1/2026-05-20+C3/2026-05-20"}, "there is no itinerary"),
        ({"outbound_id": "A1/2026-05-21"}, "flight A1 on May 21 has no economy seats left"),
        ({"cabin": "business", "outbound_id": "A1/2026-05-20"}, "flight A1 on May 20 has 1 business seat left"),
        ({"outbound_id": "L1/2026-05-14"}, "flight L1 on May 14 has already left"),
        ({"outbound_id": "B1/2026-05-25"}, "flight B1 on May 25 was called off"),
        ({"return_id": "A1/2026-05-26"}, "the itinerary back must lead from where the first one ends"),
        ({"return_id": "S1/2026-05-15"}, "the way back would begin earlier than the way there ends"),
        ({"payment_method_id": BOBS_CARD}, "payment method credit_card_2 is not on the account"),
        ({"payment_method_id": GIFT}, "the gift card holds $100.00, and $240.00 is to be paid"),
        ({"payment_method_id": CERTIFICATE}, "the certificate holds $150.00, and $240.00 is to be paid"),
        ({"cabin": "first"}, "cabin: input should be 'saver', 'economy' or 'business'"),
    ],
)
def test_what_can_not_be_booked(world: World, other: dict[str, Any], said: str) -> None:
    assert refused(world, "book_reservation", **booking(**other)).startswith(said)


# -- changing flights --------------------------------------------------------------------------------------------------
def change(reservation_id: str, direction: str, itinerary_id: str, method: str = CARD) -> dict[str, Any]:
    return {
        "reservation_id": reservation_id,
        "direction": direction,
        "itinerary_id": itinerary_id,
        "payment_method_id": method,
    }


def test_change_to_a_dearer_flight(world: World) -> None:
    result = do(world, "change_flights", **change("R1", "outbound", "A2/2026-05-20", GIFT))
    assert result.value == {"reservation_id": "R1", "to_pay": 40.0, "payment_method_id": GIFT}
    assert balance(world, GIFT) == 60.0
    assert (seats(world, "A1/2026-05-20"), seats(world, "A2/2026-05-20")) == (7, 3)
    trip = record(world, "reservations", "R1")["trips"][0]
    assert [one["flight_id"] for one in trip["flights"]] == ["A2/2026-05-20"]
    assert (trip["price"], trip["date"], trip["direction"]) == (120.0, "2026-05-20", "outbound")


def test_change_to_a_cheaper_flight(world: World) -> None:
    result = do(world, "change_flights", **change("R1", "outbound", "A3/2026-05-19"))
    assert result.value == {"reservation_id": "R1", "to_refund": 20.0, "payment_method_id": CARD}
    assert payments(world, "R1")[-1] == ("refund", 20.0, CARD)


def test_change_to_a_connection(world: World) -> None:
    result = do(world, "change_flights", **change("R1", "outbound", "C1/2026-05-20+C2/2026-05-20"))
    assert result.value["to_pay"] == 20.0
    assert [seats(world, one) for one in ("C1/2026-05-20", "C2/2026-05-20", "A1/2026-05-20")] == [3, 3, 7]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            change("R1", "inbound", "A2/2026-05-20"),
            "reservation R1 has no trip 'inbound', only 'outbound' and 'return'",
        ),
        (change("R1", "outbound", "A1/2026-05-21"), "flight A1 on May 21 has no economy seats left"),
        (change("R1", "outbound", "A1/2026-05-20"), "flight A1 on May 20 is the very flight that is booked"),
        (change("R1", "outbound", "A1/2026-05-26"), "the way back would begin earlier than the way there ends"),
        (
            change("R1", "outbound", "C1/2026-05-20"),
            "the new flight has to go from Denver to Boston, too, and this one",
        ),
        (change("R1", "return", "B1/2026-05-25"), "flight B1 on May 25 was called off"),
        (change("R4", "outbound", "A3/2026-05-19"), "the outbound flight of reservation R4 has already left"),
        (change("R6", "outbound", "A1/2026-05-20"), "reservation R6 is cancelled and can't be changed any more"),
        (change("R1", "outbound", "A2/2026-05-20", BOBS_CARD), "payment method credit_card_2 is not on the account"),
        (change("R0", "outbound", "A2/2026-05-20"), "there is no reservation 'R0'"),
    ],
)
def test_what_flights_can_not_be_changed_to(world: World, arguments: dict[str, Any], said: str) -> None:
    assert refused(world, "change_flights", **arguments).startswith(said)


def test_a_late_flight_has_not_left_before_it_does(world: World) -> None:
    status = do(world, "get_flight_status", flight_id="L2/2026-05-14")
    assert (status.value["status"], status.value["delay_minutes"]) == ("delayed", 60)
    world.advance(minutes=31)
    assert do(world, "get_flight_status", flight_id="L2/2026-05-14").value["status"] == "departed"


# -- changing the whole reservation ------------------------------------------------------------------------------------
def test_change_cabin_moves_everybody_at_todays_prices(world: World) -> None:
    result = do(world, "change_cabin", reservation_id="R1", cabin="saver", payment_method_id=CARD)
    assert result.value == {"reservation_id": "R1", "to_refund": 2 * (30.0 + 35.0), "payment_method_id": CARD}
    held = record(world, "reservations", "R1")
    assert (held["cabin"], [trip["price"] for trip in held["trips"]]) == ("saver", [70.0, 75.0])
    assert (seats(world, "B1/2026-05-24"), seats(world, "B1/2026-05-24", "saver")) == (7, 3)


@pytest.mark.parametrize(
    ("reservation_id", "cabin", "method", "said"),
    [
        ("R1", "economy", CARD, "reservation R1 is in the economy cabin already"),
        ("R1", "business", CARD, "flight A1 on May 20 has 1 business seat left"),
        ("R2", "business", GIFT, "the gift card holds $100.00, and $230.00 is to be paid"),
        ("R4", "saver", CARD, "a flight of reservation R4 has already left"),
        ("R6", "saver", CARD, "reservation R6 is cancelled"),
        ("R8", "saver", BOBS_CARD, "flight B1 on May 25 was called off"),
    ],
)
def test_what_cabins_can_not_be_had(world: World, reservation_id: str, cabin: str, method: str, said: str) -> None:
    arguments = {"reservation_id": reservation_id, "cabin": cabin, "payment_method_id": method}
    assert refused(world, "change_cabin", **arguments).startswith(said)


def test_correct_a_passenger(world: World) -> None:
    details = {"first_name": "Ada", "last_name": "Okafor", "birth_date": "1990-01-01"}
    result = do(world, "correct_passenger", reservation_id="R1", passenger_id="P1", details=details)
    assert result.value["passenger"] == {"passenger_id": "P1", **details}
    assert changed(world) == [("reservations", "R1", ["passengers"])]
    assert record(world, "users", "ada")["passengers"][0] == ADA


@pytest.mark.parametrize(
    ("reservation_id", "passenger_id", "last", "said"),
    [
        ("R1", "P1", "Ng", "these are the details of Ada Ng already"),
        ("R1", "P3", "Oz", "reservation R1 has no passenger P3; it has P1 (Ada Ng), P2 (Ben Ng)"),
        ("R4", "P1", "Oz", "a flight of reservation R4 has already left"),
    ],
)
def test_what_can_not_be_corrected(world: World, reservation_id: str, passenger_id: str, last: str, said: str) -> None:
    details = {"first_name": "Ada", "last_name": last, "birth_date": "1990-01-01"}
    arguments = {"reservation_id": reservation_id, "passenger_id": passenger_id, "details": details}
    assert refused(world, "correct_passenger", **arguments).startswith(said)


def test_bags_are_free_up_to_the_allowance(world: World) -> None:
    # Silver in economy: two for each of two passengers, and one is taken.
    free = do(world, "add_checked_bags", reservation_id="R1", bags=3, payment_method_id=CARD)
    assert free.value == {
        "reservation_id": "R1", "checked_bags": 4, "payment_method_id": CARD, "note": "free of charge"
    }  # fmt: skip
    charged = do(world, "add_checked_bags", reservation_id="R1", bags=2, payment_method_id=GIFT)
    assert (charged.value["to_pay"], charged.value["checked_bags"], balance(world, GIFT)) == (79.8, 6, 20.2)
    assert payments(world, "R1")[1:] == [("payment", 79.8, GIFT)]
    assert refused(world, "add_checked_bags", reservation_id="R1", bags=3, payment_method_id=CARD) == (
        "that would make 9 checked bags, and 8 is the most for this reservation"
    )


def test_insure(world: World) -> None:
    result = do(world, "add_insurance", reservation_id="R1", payment_method_id=GIFT)
    assert (result.value["to_pay"], balance(world, GIFT)) == (59.8, 40.2)
    assert record(world, "reservations", "R1")["insured"]
    said = refused(world, "add_insurance", reservation_id="R1", payment_method_id=GIFT)
    assert said == "reservation R1 is insured already"


# -- cancelling and making good ----------------------------------------------------------------------------------------
def test_cancel_gives_back_money_and_seats(world: World) -> None:
    do(world, "add_insurance", reservation_id="R1", payment_method_id=GIFT)
    result = do(world, "cancel_reservation", reservation_id="R1", reason="illness")
    assert result.value == {"reservation_id": "R1", "status": "cancelled", "refund": 479.8}
    assert payments(world, "R1")[2:] == [("refund", 420.0, CARD), ("refund", 59.8, GIFT)]
    assert (seats(world, "A1/2026-05-20"), seats(world, "B1/2026-05-24")) == (7, 7)
    assert balance(world, GIFT) == 40.2  # the refund is under way
    assert refused(world, "cancel_reservation", reservation_id="R1", reason="illness") == (
        "reservation R1 is already cancelled"
    )


def test_what_was_refunded_before_is_not_refunded_again(world: World) -> None:
    do(world, "change_flights", **change("R1", "outbound", "A3/2026-05-19"))
    result = do(world, "cancel_reservation", reservation_id="R1", reason="illness")
    assert result.value["refund"] == 400.0


@pytest.mark.parametrize(
    ("reservation_id", "reason", "said"),
    [
        ("R5", "illness", "all flights of reservation R5 have already left"),
        ("R6", "illness", "reservation R6 is already cancelled"),
        ("R1", "too dear", "reason: input should be 'change of plans', 'flight cancelled', 'illness' or 'bad weather'"),
    ],
)
def test_what_can_not_be_cancelled(world: World, reservation_id: str, reason: str, said: str) -> None:
    assert refused(world, "cancel_reservation", reservation_id=reservation_id, reason=reason).startswith(said)


def test_a_certificate_is_sent_once_and_pays_a_booking(world: World) -> None:
    claim = {"reservation_id": "R5", "flight_id": "P1/2026-05-10"}
    result = do(world, "send_certificate", **claim, amount=100)
    method = result.value["payment_method_id"]
    assert (result.value["amount"], balance(world, method)) == (100.0, 100.0)
    assert record(world, "reservations", "R5")["compensation"] == 100.0
    assert refused(world, "send_certificate", **claim, amount=100) == (
        "a certificate for $100 was already given for reservation R5"
    )
    done = do(world, "book_reservation", **booking(passenger_ids=["P1"], cabin="saver", payment_method_id=method))
    assert (done.error, balance(world, method)) == (False, 0.0)


@pytest.mark.parametrize(
    ("flight_id", "amount", "said"),
    [
        ("A1/2026-05-20", 50, "flight A1/2026-05-20 is not part of reservation R5"),
        ("P1/2026-05-10", 0, "amount must be more than 0 and at most 1000 dollars"),
        ("P1/2026-05-10", 1001, "amount must be more than 0"),
    ],
)
def test_what_certificates_are_not_sent(world: World, flight_id: str, amount: float, said: str) -> None:
    arguments = {"reservation_id": "R5", "flight_id": flight_id, "amount": amount}
    assert refused(world, "send_certificate", **arguments).startswith(said)


# -- one form ----------------------------------------------------------------------------------------------------------
def test_passengers_in_any_order_are_the_same_booking() -> None:
    booked = []
    for people in (["P1", "P2"], ["P2", "P1"]):
        world = SMALL.world()
        arguments = {"user_id": "ada", "outbound_id": "A1/2026-05-20", "cabin": "economy", "insured": "no"}
        result = do(world, "book_reservation", **arguments, passenger_ids=people, payment_method_id=CARD)
        assert not result.error, result.content
        booked.append(world.digest)
    assert booked[0] == booked[1]


def test_a_date_of_birth_is_written_in_one_way(world: World) -> None:
    details = {"first_name": "Ada", "last_name": "Byron", "birth_date": "May 4, 1990"}
    said = refused(world, "correct_passenger", reservation_id="R1", passenger_id="P1", details=details)
    assert "birth_date is written YYYY-MM-DD" in said


def test_what_another_cabin_costs_can_be_looked_up(world: World) -> None:
    """The difference that the customer has to be told before the yes: today's prices less what was paid."""
    trips = record(world, "reservations", "R1")["trips"]
    heads = len(record(world, "reservations", "R1")["passengers"])
    flights = [flight["flight_id"] for trip in trips for flight in trip["flights"]]
    prices = [do(world, "get_flight_status", flight_id=key).value["prices"]["saver"] for key in flights]
    result = do(world, "change_cabin", reservation_id="R1", cabin="saver", payment_method_id=CARD)
    assert result.value["to_refund"] == pytest.approx((sum(trip["price"] for trip in trips) - sum(prices)) * heads)
