"""What stays true whatever is called: money, seats, shapes, and that tools refuse what their rules forbid."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import TypeAdapter

from t2t_dist.environments.airline.records import Flight, Reservation, User
from t2t_dist.environments.rules import Enforced
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call
from tests.environments.airline.small_airline import (
    BOBS_CARD,
    CARD,
    CERTIFICATE,
    FLIGHTS,
    GIFT,
    RESERVATIONS,
    SMALL,
)

reservation_ids = st.sampled_from([one["reservation_id"] for one in RESERVATIONS])
itinerary_ids = st.sampled_from([*(one["flight_id"] for one in FLIGHTS), "C1/2026-05-20+C2/2026-05-20", "Z9"])
flight_ids = st.sampled_from(["P1/2026-05-10", "P2/2026-05-12", "B1/2026-05-25", "A1/2026-05-20"])
method_ids = st.sampled_from([CARD, CARD, GIFT, CERTIFICATE, BOBS_CARD])
passenger_ids = st.lists(st.sampled_from(["P1", "P2", "P3", "P4", "P5", "P9"]), max_size=5)
cabins = st.sampled_from(["saver", "economy", "business"])
DETAILS = [
    {"first_name": "Ada", "last_name": "Okafor", "birth_date": "1990-01-01"},
    {"first_name": "Eve", "last_name": "Ng", "birth_date": "1991-02-02"},
]


def calling(tool: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
    return st.fixed_dictionaries(arguments).map(lambda chosen: Call(tool, chosen))


on = {"reservation_id": reservation_ids}
paying = {"payment_method_id": method_ids}
calls = st.one_of(
    calling(
        "book_reservation",
        user_id=st.sampled_from(["ada", "bob"]),
        outbound_id=itinerary_ids,
        cabin=cabins,
        passenger_ids=passenger_ids,
        insured=st.sampled_from(["yes", "no"]),
        return_id=st.sampled_from([None, "B1/2026-05-24", "A1/2026-05-26"]),
        **paying,
    ),
    calling(
        "change_flights",
        **on,
        direction=st.sampled_from(["outbound", "return"]),
        itinerary_id=itinerary_ids,
        **paying,
    ),
    calling("change_cabin", **on, cabin=cabins, **paying),
    calling("correct_passenger", **on, passenger_id=st.sampled_from(["P1", "P2"]), details=st.sampled_from(DETAILS)),
    calling("add_checked_bags", **on, bags=st.integers(1, 3), **paying),
    calling("add_insurance", **on, **paying),
    calling("cancel_reservation", **on, reason=st.sampled_from(["change of plans", "illness", "too dear"])),
    calling("send_certificate", **on, flight_id=flight_ids, amount=st.sampled_from([50.0, 100.0])),
)
SHAPES: dict[str, TypeAdapter[Any]] = {
    "users": TypeAdapter(User),
    "reservations": TypeAdapter(Reservation),
    "flights": TypeAdapter(Flight),
}


def ledger(reservation: dict[str, Any]) -> dict[str, float]:
    """Dollars paid and not refunded, by payment method."""
    paid: Counter[str] = Counter()
    for move in reservation["payments"]:
        paid[move["payment_method_id"]] += move["amount"] * (1 if move["type"] == "payment" else -1)
    return dict(paid)


def all_seats(world: World) -> Counter[tuple[str, str]]:
    """Seats to be had and seats taken, by flight and cabin, together."""
    count = Counter({(key, cabin): n for key, one in world.scan("flights") for cabin, n in one["seats"].items()})
    for _, held in world.scan("reservations"):
        if held["status"] == "booked":
            for trip in held["trips"]:
                count.update({(one["flight_id"], held["cabin"]): len(held["passengers"]) for one in trip["flights"]})
    return count


class AnyCalls(RuleBasedStateMachine):
    """Calls of every kind, sensible or not, one after the other on one world."""

    @initialize()
    def begin(self) -> None:
        self.world = SMALL.world()

    @rule(call=calls, customer=st.sampled_from(["ada", "bob"]))
    def call(self, call: Call, customer: str) -> None:
        broken = {breach.rule.enforced for breach in SMALL.breaches(self.world, call, customer)}
        before = self.world.digest
        result = SMALL.execute(self.world, call)
        if Enforced.BY_TOOL in broken:
            assert result.error, f"{call} was done although the tool should refuse it"
        assert Enforced.BY_ABSENCE not in broken
        assert (self.world.digest == before) == (not result.changed)
        assert not (result.error and result.changed)

    @invariant()
    def records_keep_their_shape(self) -> None:
        for change in self.world.changes():
            if change.table in SHAPES:
                assert SHAPES[change.table].validate_python(change.after, strict=True) == change.after

    @invariant()
    def what_is_cancelled_is_paid_back_and_nothing_else(self) -> None:
        for key, held in self.world.scan("reservations"):
            if held["status"] == "cancelled" and key != "R6":  # R6 was cancelled before this world began
                assert all(round(amount, 2) <= 0 for amount in ledger(held).values()), held

    @invariant()
    def balances_follow_what_was_paid(self) -> None:
        methods = self.world.get("users", "ada")["payment_methods"]  # type: ignore[index]
        spent = sum(
            move["amount"]
            for _, held in self.world.scan("reservations")
            for move in held["payments"]
            if move["payment_method_id"] == GIFT and move["type"] == "payment"  # a refund can't be spent yet
        )
        gift = next(m["balance"] for m in methods if m["payment_method_id"] == GIFT)
        assert round(gift + spent, 2) == 100.0 + 70.0  # R2 was paid with it
        assert all(m["balance"] >= 0 for m in methods if "balance" in m)

    @invariant()
    def no_seat_is_sold_twice_or_lost(self) -> None:
        assert min(n for _, one in self.world.scan("flights") for n in one["seats"].values()) >= 0
        before, now = all_seats(SMALL.world()), all_seats(self.world)
        flown = {one["flight_id"] for one in FLIGHTS if one["departs"] <= "2026-05-14T15:00:00"}
        assert {k: n for k, n in now.items() if k[0] not in flown} == {
            k: n for k, n in before.items() if k[0] not in flown
        }


AnyCalls.TestCase.settings = settings(
    max_examples=80, stateful_step_count=20, deadline=None, report_multiple_bugs=False
)
TestAnyCalls = AnyCalls.TestCase
