"""The airline's rules: cited by number, broken by what they propose, and enforced by the side that they name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.environments.airline import conditions as when
from t2t_dist.environments.airline.rules import RULES
from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import load
from t2t_dist.environments.rules import Enforced, Handling
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import WRITE, Call
from tests.environments.airline.small_airline import (
    BOBS_CARD,
    CARD,
    CERTIFICATE,
    GIFT,
    SMALL,
    record,
)

BY_TOOL, BY_POLICY, BY_ABSENCE = Enforced.BY_TOOL, Enforced.BY_POLICY, Enforced.BY_ABSENCE


@pytest.fixture(scope="module")
def airline() -> Domain:
    return load("airline")


# -- what they cite ----------------------------------------------------------------------------------------------------
def test_the_rules_without_code_are_those_about_the_conversation(airline: Domain) -> None:
    assert set(airline.clauses) - {rule.number for rule in RULES} == {1, 3, 4, 27}


def test_who_enforces_what() -> None:
    assert {rule.number: rule.enforced for rule in RULES} == {
        **dict.fromkeys((6, 7, 10, 11, 13, 16, 18, 20, 25), BY_TOOL),
        **dict.fromkeys((2, 5, 8, 9, 12, 14, 15, 17, 19, 21, 22, 23, 24), BY_POLICY),
        26: BY_ABSENCE,
    }
    assert {rule.number for rule in RULES if rule.handling is Handling.TRANSFER} == {5, 19, 26}


def test_the_policy_says_the_figures_that_the_code_goes_by(airline: Domain) -> None:
    clauses = {number: clause.text for number, clause in airline.clauses.items()}
    assert when.LARGEST_PARTY == 4
    assert "four passengers at most" in clauses[5]
    assert f"child under {when.CHILD} flies only with somebody of {when.ADULT}" in clauses[8]
    assert f"last {when.CLOSE.total_seconds() / 3600:.0f} hours" in clauses[12]
    assert f"first {when.FRESH.total_seconds() / 3600:.0f} hours" in clauses[17]
    assert f"${when.INSURANCE:.2f} for each passenger" in clauses[17]
    assert f"costs ${when.FEE_PER_BAG:.2f}" in clauses[16]
    assert "four checked bags for each" in clauses[16]
    assert when.MOST_BAGS == 4
    assert all(repr(reason) in clauses[20] for reason in when.REASONS)
    assert f"${when.FOR_CANCELLED:.0f} for each passenger" in clauses[24]
    assert f"${when.FOR_DELAYED:.0f} for each" in clauses[24]
    assert (when.LONG_DELAY, "two hours late or more" in clauses[23]) == (120, True)
    free = {m: [when.free_bags(m, cabin) for cabin in when.CABINS] for m in ("regular", "silver", "gold")}
    assert free == {"regular": [0, 1, 2], "silver": [1, 2, 3], "gold": [2, 3, 4]}
    assert "none in saver, 1 in economy and 2 in business; for silver members 1, 2 and 3, for gold" in clauses[16]


# -- what they propose -------------------------------------------------------------------------------------------------


# -- each rule, on a small airline ------------------------------------------------------------------------------------
def book(who: str, itinerary: str = "A2/2026-05-20", method: str = CARD, cabin: str = "economy", **more: str) -> Call:
    arguments: dict[str, Any] = {
        "user_id": "ada",
        "outbound_id": itinerary,
        "cabin": cabin,
        "passenger_ids": [f"P{digit}" for digit in who],
        "insured": "no",
        "payment_method_id": method,
    }
    return Call("book_reservation", arguments | more)


def change(reservation_id: str, direction: str, itinerary_id: str, method: str = CARD) -> Call:
    arguments = {"reservation_id": reservation_id, "direction": direction, "itinerary_id": itinerary_id}
    return Call("change_flights", arguments | {"payment_method_id": method})


def about(tool: str, reservation_id: str, **more: Any) -> Call:
    return Call(tool, {"reservation_id": reservation_id, **more})


def cabin(reservation_id: str, wanted: str, method: str = CARD) -> Call:
    return about("change_cabin", reservation_id, cabin=wanted, payment_method_id=method)


def correct(reservation_id: str, last: str, born: str) -> Call:
    details = {"first_name": "Ada", "last_name": last, "birth_date": born}
    return about("correct_passenger", reservation_id, passenger_id="P1", details=details)


def bags(reservation_id: str, count: int, method: str = CARD) -> Call:
    return about("add_checked_bags", reservation_id, bags=count, payment_method_id=method)


def insure(reservation_id: str, method: str = CARD) -> Call:
    return about("add_insurance", reservation_id, payment_method_id=method)


def cancel(reservation_id: str, reason: str) -> Call:
    return about("cancel_reservation", reservation_id, reason=reason)


def claim(reservation_id: str, flight_id: str, amount: float) -> Call:
    return about("send_certificate", reservation_id, flight_id=flight_id, amount=amount)


def broken(call: Call, customer: str = "ada", world: World | None = None) -> list[int]:
    return [breach.rule.number for breach in SMALL.breaches(world or SMALL.world(), call, customer)]


@pytest.mark.parametrize(
    ("call", "numbers"),
    [
        (book("13"), []),
        (book("1", user_id="bob", payment_method_id=BOBS_CARD), [2]),
        (book("12345"), [5]),
        (book("1", "A1/2026-05-21"), [6]),
        (book("1", "B1/2026-05-25"), [6]),
        (book("1", "L1/2026-05-14"), [6]),
        (book("13", method=GIFT), [7]),
        (book("13", method=CERTIFICATE), [7]),
        (book("1", method=CERTIFICATE), []),
        (book("2"), [8]),
        (book("24"), []),  # Dot turned 18 on the day we speak of
        (book("24", "L2/2026-05-14"), []),
        (change("R1", "outbound", "A2/2026-05-20"), []),
        (change("R1", "outbound", "A2/2026-05-20", CERTIFICATE), [14]),
        (change("R1", "outbound", "A1/2026-05-21"), [6]),
        (change("R1", "outbound", "C1/2026-05-20"), [10]),
        (change("R1", "outbound", "A1/2026-05-26"), [10]),
        (change("R2", "outbound", "A2/2026-05-20"), [9]),
        (change("R4", "outbound", "A3/2026-05-19"), [11]),
        (change("R7", "outbound", "S2/2026-05-15"), [12]),
        (change("R8", "outbound", "B1/2026-05-24", BOBS_CARD), [2]),
        (cabin("R1", "saver"), []),
        (cabin("R1", "business"), [6]),
        (cabin("R3", "saver", CERTIFICATE), [14]),
        (cabin("R2", "business", GIFT), [7]),
        (cabin("R4", "saver"), [13]),
        (cabin("R6", "saver"), [13]),
        (correct("R1", "Okafor", "1990-01-01"), []),
        (correct("R1", "Ng", "1990-01-02"), []),
        (correct("R1", "Okafor", "1990-01-02"), [15]),
        (correct("R4", "Okafor", "1990-01-01"), [13]),
        (bags("R1", 3), []),
        (bags("R2", 3), []),
        (bags("R1", 1, CERTIFICATE), []),  # free: naming a certificate pays nothing with it
        (bags("R1", 4, CERTIFICATE), [14]),
        (bags("R1", 3, BOBS_CARD), [7]),
        (bags("R5", 1), [13]),
        (insure("R2"), []),
        (insure("R1"), [17]),
        (insure("R2", CERTIFICATE), [14]),
        (insure("R5"), [13]),
        (cancel("R2", "change of plans"), []),
        (cancel("R2", "flight cancelled"), [21]),
        (cancel("R3", "change of plans"), []),
        (cancel("R1", "change of plans"), [21]),
        (cancel("R1", "illness"), [21]),
        (cancel("R7", "illness"), []),
        (cancel("R7", "change of plans"), [21]),
        (cancel("R4", "illness"), [19]),
        (cancel("R5", "illness"), [18]),
        (cancel("R6", "illness"), [18]),
        (cancel("R2", "too dear"), [20]),
        (claim("R5", "P1/2026-05-10", 100.0), []),
        (claim("R4", "P1/2026-05-10", 50.0), []),
        (claim("R4", "P1/2026-05-10", 100.0), [24]),
        (claim("R5", "P2/2026-05-12", 100.0), [23]),
        (claim("R1", "A1/2026-05-20", 100.0), [23]),
        (claim("R1", "P1/2026-05-10", 100.0), [23]),
        (Call("book_pet", {"reservation_id": "R1"}), [26]),
        (cancel("R404", "illness"), []),
        (change("R404", "outbound", "A2/2026-05-20"), []),
        (change("R1", "sideways", "A2/2026-05-20"), []),
        (Call("get_reservation_details", {"reservation_id": "R8"}), []),
        (Call("think", {"thought": "hm"}), []),
    ],
)
def test_which_rules_a_call_of_adas_breaks(call: Call, numbers: list[int]) -> None:
    assert broken(call) == numbers


@pytest.mark.parametrize(
    ("call", "numbers"),
    [
        (cancel("R8", "flight cancelled"), []),
        (cancel("R8", "change of plans"), []),
        (change("R8", "outbound", "B1/2026-05-24", BOBS_CARD), []),
        (claim("R9", "P1/2026-05-10", 50.0), [22]),
        (claim("R8", "B1/2026-05-25", 100.0), [22]),
        (claim("R5", "P1/2026-05-10", 100.0), [2]),
    ],
)
def test_which_rules_a_call_of_bobs_breaks(call: Call, numbers: list[int]) -> None:
    assert broken(call, "bob") == numbers


def test_windows_close_with_the_worlds_clock() -> None:
    world = SMALL.world()
    assert broken(insure("R2"), world=world) == []
    assert broken(change("R1", "outbound", "A3/2026-05-19"), world=world) == []
    world.advance(hours=20)
    assert broken(insure("R2"), world=world) == [17]
    assert broken(cancel("R2", "change of plans"), world=world) == [21]
    world.advance(days=4, hours=-1)  # May 19, 10:00: 23 hours ahead of R1's first flight
    assert broken(change("R1", "outbound", "A2/2026-05-20"), world=world) == [12]
    assert broken(change("R1", "outbound", "A3/2026-05-19"), world=world) == [6, 12]
    world.advance(days=1)
    assert broken(change("R1", "outbound", "A2/2026-05-20"), world=world) == [11]
    assert broken(cancel("R1", "illness"), world=world) == [19]


def test_gold_members_change_their_flights_on_the_last_day() -> None:
    world = SMALL.world()
    call = change("R7", "outbound", "S2/2026-05-15")
    assert broken(call, world=world) == [12]
    world.edit("users", "ada")["membership"] = "gold"
    world.seal()
    assert broken(call, world=world) == []


def test_a_better_cabin_frees_a_saver_fare() -> None:
    world = SMALL.world()
    assert broken(change("R2", "outbound", "A2/2026-05-20"), world=world) == [9]
    assert SMALL.execute(world, cabin("R2", "economy")).changed
    assert broken(change("R2", "outbound", "A2/2026-05-20"), world=world) == []


def test_compensation_is_given_once() -> None:
    world = SMALL.world()
    assert SMALL.execute(world, claim("R5", "P1/2026-05-10", 100.0)).changed
    assert broken(claim("R5", "P1/2026-05-10", 100.0), world=world) == [25]


# -- pure laws ---------------------------------------------------------------------------------------------------------
@given(
    membership=st.sampled_from(["regular", "silver", "gold"]),
    cabin=st.sampled_from(when.CABINS),
    heads=st.integers(1, 4),
    held=st.integers(0, 8),
    first=st.integers(0, 4),
    second=st.integers(0, 4),
)
def test_bags_cost_the_same_in_one_go_or_two(
    membership: str, cabin: str, heads: int, held: int, first: int, second: int
) -> None:
    user = {"membership": membership}
    reservation = {"cabin": cabin, "passengers": [{}] * heads, "checked_bags": held}
    later = reservation | {"checked_bags": held + first}
    both = when.bag_fee(user, reservation, first + second)
    assert round(when.bag_fee(user, reservation, first) + when.bag_fee(user, later, second), 2) == both
    assert 0 <= both <= round(when.FEE_PER_BAG * (first + second), 2)


@pytest.mark.parametrize("tool", [tool.name for tool in SMALL.tools if tool.kind is WRITE])
def test_calls_without_or_with_odd_arguments_are_no_trouble_to_the_rules(tool: str) -> None:
    world = SMALL.world()
    some = {
        "user_id": "ada",
        "reservation_id": "R1",
        "direction": "outbound",
        "cabin": 7,
        "bags": "two",
        "passenger_ids": None,
        "passenger_id": "P1",
        "details": {"birth_date": "1990-01-01"},
        "outbound_id": "A2/2026-05-20",
        "itinerary_id": ["A2/2026-05-20"],
        "amount": "much",
    }
    for arguments in ({}, some):
        for breach in SMALL.breaches(world, Call(tool, arguments), "ada"):
            assert breach.reason
        assert SMALL.execute(world, Call(tool, arguments)).error
    assert record(world, "reservations", "R1")["status"] == "booked"


def test_a_passenger_is_not_replaced_in_two_steps() -> None:
    world = SMALL.world()
    renamed = {"first_name": "Ben", "last_name": "Smith", "birth_date": "1985-02-02"}
    both = {**renamed, "birth_date": "1999-02-02"}
    on = {"reservation_id": "R1", "passenger_id": "P2"}
    born = next(one for one in SMALL.base.tables["users"]["ada"]["passengers"] if one["passenger_id"] == "P2")
    renamed["birth_date"], renamed["first_name"] = born["birth_date"], born["first_name"]
    both["first_name"] = born["first_name"]
    assert not SMALL.breaches(world, Call("correct_passenger", {**on, "details": renamed}), "ada")
    assert not SMALL.execute(world, Call("correct_passenger", {**on, "details": renamed})).error
    later = SMALL.breaches(world, Call("correct_passenger", {**on, "details": both}), "ada")
    assert [breach.rule.number for breach in later] == [15]


def test_what_nobody_would_ask_for_is_not_plausible() -> None:
    world = SMALL.world()

    def is_plausible(tool: str, reservation_id: str, **other: Any) -> bool:
        return SMALL.plausible(world, Call(tool, {"reservation_id": reservation_id, **other}), "ada")

    details = {"first_name": "Ada", "last_name": "Ng-Smith", "birth_date": "1985-02-02"}
    assert is_plausible("correct_passenger", "R1", passenger_id="P2", details=details)
    # By their own name they have just been found.
    assert not is_plausible("correct_passenger", "R1", passenger_id="P1", details=details)
    assert is_plausible("cancel_reservation", "R1", reason="bad weather")
    # All of R5 was flown days ago, half of R4: only compensation is left to ask for, and no weather to fear.
    assert not is_plausible("cancel_reservation", "R5", reason="change of plans")
    assert is_plausible("send_certificate", "R5", flight_id="P1/2026-05-10", amount=50.0)
    assert is_plausible("cancel_reservation", "R4", reason="change of plans")
    assert not is_plausible("cancel_reservation", "R4", reason="bad weather")
    # Ada is on R1's trip from May 20 to 24, so nobody moves her flight of R7 there.
    assert not is_plausible("change_flights", "R7", direction="outbound", itinerary_id="A2/2026-05-20")
