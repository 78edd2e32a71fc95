"""The airline's database: same seed same bytes, references resolve, sums add up, the spreads are as documented."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.environments.airline import conditions as when
from t2t_dist.environments.airline import database
from t2t_dist.environments.airline.network import AIRPORTS, connects, routes
from t2t_dist.environments.state import Base, World

NOW = datetime.fromisoformat("2026-05-14T15:00:00")
DAY = timedelta(days=1)
Tables = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def airline() -> Tables:
    return database.build()[0]


@pytest.fixture(scope="module", params=[(0, 1.0), (7, 0.1)], ids=lambda p: f"seed {p[0]}, scale {p[1]}")
def any_airline(request: pytest.FixtureRequest) -> Tables:
    return database.build(*request.param)[0]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture(scope="module")
def world(airline: Tables) -> World:
    return Base(airline, NOW.isoformat()).world()


# -- the same bytes ----------------------------------------------------------------------------------------------------


def test_another_seed_gives_another_airline_on_the_same_days() -> None:
    (one, clock), (other, _) = database.build(0, 0.1), database.build(1, 0.1)
    assert clock == NOW.isoformat()
    assert not set(one["reservations"]) & set(other["reservations"])
    assert not set(one["users"]) & set(other["users"])
    prices = [{key: flight["prices"] for key, flight in tables["flights"].items()} for tables in (one, other)]
    assert prices[0].keys() == prices[1].keys()
    assert prices[0] != prices[1]


def test_flights_do_not_depend_on_how_many_customers_there_are(airline: Tables) -> None:
    assert database.build(scale=0.1)[0]["flights"] == airline["flights"]


@pytest.mark.parametrize(
    ("scale", "users", "reservations"), [(0.001, 1, 3), (0.1, 50, 200), (1, 500, 2000), (2, 1000, 4000)]
)
def test_sizes(scale: float, users: int, reservations: int) -> None:
    tables, _ = database.build(scale=scale)
    assert (len(tables["users"]), len(tables["reservations"])) == (users, reservations)


# -- flights -----------------------------------------------------------------------------------------------------------
def test_every_route_is_flown_every_day(airline: Tables) -> None:
    flights = airline["flights"].values()
    days = {(NOW.date() + step * DAY).isoformat() for step in range(-database.DAYS_BACK, database.DAYS_AHEAD + 1)}
    flown = Counter((one["origin"], one["destination"], one["departs"][:10]) for one in flights)
    assert set(flown) == {(*way, day) for way in routes() for day in days}
    assert min(flown.values()) == 2
    assert {one["origin"] for one in flights} == set(AIRPORTS)


def test_flights_are_in_order(airline: Tables) -> None:
    for key, flight in airline["flights"].items():
        assert key == flight["flight_id"] == f"{flight['flight_number']}/{flight['departs'][:10]}"
        assert flight["departs"][:10] == flight["arrives"][:10]
        assert timedelta(minutes=40) < moment(flight["arrives"]) - moment(flight["departs"]) < timedelta(hours=7)
        prices = flight["prices"]
        assert 20 < prices["saver"] < prices["economy"] < prices["business"]
        assert all(n >= 0 for n in flight["seats"].values())
        assert not (flight["cancelled"] and "delay_minutes" in flight)
        assert "delay_minutes" not in flight or moment(flight["departs"]) < NOW + DAY


def test_spread_of_flights(airline: Tables, world: World) -> None:
    flights = list(airline["flights"].values())
    states = Counter(when.state_of(flight, world.now) for flight in flights)
    assert set(states) == {"scheduled", "delayed", "departed", "arrived", "cancelled"}
    near = [flight for flight in flights if moment(flight["departs"]) < NOW]
    assert sum(flight["cancelled"] for flight in near) / len(near) == pytest.approx(0.035, abs=0.015)
    late = [flight["delay_minutes"] for flight in near if "delay_minutes" in flight]
    assert len(late) / len(near) == pytest.approx(0.1, abs=0.025)
    assert min(late) < when.LONG_DELAY < max(late)
    full = sum(n == 0 for flight in flights for n in flight["seats"].values()) / (3 * len(flights))
    assert full == pytest.approx(0.15, abs=0.02)


# -- people ------------------------------------------------------------------------------------------------------------
def test_customers_can_be_told_apart_and_their_passengers_too(any_airline: Tables) -> None:
    users = list(any_airline["users"].values())
    assert len({user["email"] for user in users}) == len(users)
    assert len({(u["first_name"], u["last_name"], u["birth_date"]) for u in users}) == len(users)
    everybody = [one["passenger_id"] for user in users for one in user["passengers"]]
    assert len(set(everybody)) == len(everybody)
    for key, user in any_airline["users"].items():
        assert user["user_id"] == key
        names = [when.name(one) for one in user["passengers"]]
        assert len(set(names)) == len(names) <= 6
        first = user["passengers"][0]
        assert (first["birth_date"], names[0]) == (user["birth_date"], when.name(user))
        assert when.age(user, NOW.date()) >= when.ADULT
        assert all(1 <= when.age(one, NOW.date()) < 81 for one in user["passengers"])


def test_payment_methods_are_complete_and_distinct(any_airline: Tables) -> None:
    fields = {"credit_card": {"brand", "last_four"}, "gift_card": {"balance"}, "certificate": {"balance"}}
    ids: list[str] = []
    for user in any_airline["users"].values():
        sources = Counter(method["source"] for method in user["payment_methods"])
        assert 1 <= sources["credit_card"] <= 2
        assert max(sources["gift_card"], sources["certificate"]) <= 1
        for method in user["payment_methods"]:
            assert set(method) == {"payment_method_id", "source"} | fields[method["source"]]
            assert 25 <= method.get("balance", 25) <= 600
            assert re.fullmatch(rf"{method['source']}_\d{{7}}", method["payment_method_id"])
            ids.append(method["payment_method_id"])
    assert len(set(ids)) == len(ids)


def test_spread_of_customers(airline: Tables) -> None:
    users = list(airline["users"].values())
    memberships = Counter(user["membership"] for user in users)
    shares = {"regular": 0.54, "silver": 0.28, "gold": 0.18}
    assert {name: memberships[name] / len(users) for name in shares} == pytest.approx(shares, abs=0.005)
    held = Counter(len(user["reservations"]) for user in users)
    assert sorted(held) == [3, 4, 5, 6]
    groups = sum(len(user["passengers"]) > when.LARGEST_PARTY for user in users)
    assert groups / len(users) == pytest.approx(0.10, abs=0.01)
    children = [one for user in users for one in user["passengers"] if when.age(one, NOW.date()) < when.CHILD]
    assert len(children) > 80


# -- reservations ------------------------------------------------------------------------------------------------------
def check_reservations(tables: Tables) -> None:
    users, flights, reservations = tables["users"], tables["flights"], tables["reservations"]
    listed = [key for user in users.values() for key in user["reservations"]]
    assert sorted(listed) == sorted(reservations)
    for key, one in reservations.items():
        user = users[one["user_id"]]
        assert re.fullmatch(r"[A-Z][A-Z2-9]{4}[2-9]", key)
        assert (one["reservation_id"], key in user["reservations"]) == (key, True)
        assert 1 <= len(one["passengers"]) <= when.LARGEST_PARTY
        assert all(passenger in user["passengers"] for passenger in one["passengers"])
        assert when.accompanied(one["passengers"], NOW.date()) is None
        check_trips(one, flights)
        check_payments(one, user)
        assert ("cancel_reason" in one) == (one["status"] == "cancelled")


def check_trips(one: dict[str, Any], flights: dict[str, dict[str, Any]]) -> None:
    assert [trip["direction"] for trip in one["trips"]] == ["outbound", "return"][: len(one["trips"])]
    ends = []
    for trip in one["trips"]:
        held = [flights[flight["flight_id"]] for flight in trip["flights"]]
        assert 1 <= len(held) <= 2
        assert len(held) == 1 or connects(*held)
        assert (held[0]["origin"], held[-1]["destination"]) == (trip["origin"], trip["destination"])
        assert trip["date"] == held[0]["departs"][:10]
        assert all(flight[k] == known[k] for flight, known in zip(trip["flights"], held, strict=True) for k in flight)
        now = sum(flight["prices"][one["cabin"]] for flight in held)
        assert 0.75 * now <= trip["price"] <= 1.2 * now
        ends.append((trip["origin"], trip["destination"], held[0]["departs"], held[-1]["arrives"]))
    assert moment(one["booked_at"]) < min(NOW, moment(ends[0][2]))
    if len(ends) == 2:
        there, back = ends
        assert (there[0], there[1]) == (back[1], back[0])
        assert there[3] < back[2]


def check_payments(one: dict[str, Any], user: dict[str, Any]) -> None:
    heads = len(one["passengers"])
    free = when.free_bags(user["membership"], one["cabin"]) * heads
    due = sum(trip["price"] for trip in one["trips"]) * heads + when.INSURANCE * heads * one["insured"]
    due += when.FEE_PER_BAG * max(0, one["checked_bags"] - free)
    due = round(due, 2)
    assert due > 0
    moves = [(move["type"], move["amount"]) for move in one["payments"]]
    assert moves == [("payment", due), ("refund", due)][: 1 + (one["status"] == "cancelled")]
    assert one["checked_bags"] <= when.MOST_BAGS * heads
    owned = [method["payment_method_id"] for method in user["payment_methods"]]
    assert all(move["payment_method_id"] in owned for move in one["payments"])


def test_reservations_are_sound(any_airline: Tables) -> None:
    check_reservations(any_airline)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**63), scale=st.floats(0.001, 0.08))
def test_any_seed_and_small_scale_gives_a_sound_airline(seed: int, scale: float) -> None:
    check_reservations(database.build(seed, scale)[0])


def test_compensation_was_given_for_what_is_due_and_to_whom_it_is(airline: Tables, world: World) -> None:
    given_for = 0
    for one in airline["reservations"].values():
        if "compensation" in one:
            given_for += 1
            flights = when.flights_in(world, one["trips"])
            assert one["compensation"] in [when.compensation_for(flight, len(one["passengers"])) for flight in flights]
            assert when.may_claim(airline["users"][one["user_id"]], one) is None
    assert given_for >= 10


def test_spread_of_reservations(airline: Tables, world: World) -> None:
    held = list(airline["reservations"].values())
    count = len(held)
    cabins = Counter(one["cabin"] for one in held)
    shares = {"saver": 0.27, "economy": 0.51, "business": 0.22}
    assert {name: cabins[name] / count for name in shares} == pytest.approx(shares, abs=0.005)
    booked = [one for one in held if one["status"] == "booked"]
    assert len(booked) / count == pytest.approx(0.95, abs=0.002)
    flown = sum(when.can_cancel(world, one) is not None for one in booked)
    partly = sum(when.nothing_flown(world, one) is not None for one in booked)
    ahead = [one for one in booked if when.not_begun(world, one) is None]
    assert flown / count == pytest.approx(0.20, abs=0.04)
    assert 0.08 < partly / count < 0.15
    assert len(ahead) / count == pytest.approx(0.65, abs=0.05)
    soon = sum(moment(one["trips"][0]["flights"][0]["departs"]) - NOW < when.CLOSE for one in ahead)
    assert soon / count == pytest.approx(0.12, abs=0.04)
    assert sum(when.is_fresh(world, one) for one in ahead) / len(ahead) == pytest.approx(0.35, abs=0.05)
    due = sum(any(when.compensation_for(f, 1) for f in when.flights_in(world, one["trips"])) for one in held)
    assert 0.08 < due / count < 0.25
    stops = sum(len(trip["flights"]) > 1 for one in held for trip in one["trips"])
    assert 0.15 < stops / sum(len(one["trips"]) for one in held) < 0.5
    assert sum(len(one["trips"]) == 2 for one in held) / count == pytest.approx(0.55, abs=0.06)
