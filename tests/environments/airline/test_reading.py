"""The airline's look-ups: they find what is there now, and say what to do where there is nothing."""

from __future__ import annotations

import pytest

from t2t_dist.environments.airline.network import AIRPORTS, HUBS, miles, routes
from t2t_dist.environments.state import World
from tests.environments.airline.small_airline import RESERVATIONS, SMALL, do, record, refused


@pytest.fixture
def world() -> World:
    return SMALL.world()


@pytest.mark.parametrize("email", ["ada@example.com", "  ADA@Example.com "])
def test_find_user_by_email(world: World, email: str) -> None:
    assert do(world, "find_user_id_by_email", email=email).value == "ada"
    assert "no account has the e-mail address" in refused(world, "find_user_id_by_email", email="eve@example.com")


@pytest.mark.parametrize(
    ("first", "last", "born", "found"),
    [
        ("Ada", "Ng", "1990-01-01", "ada"),
        (" ada", "NG ", " 1990-01-01 ", "ada"),
        ("Bob", "Ng", "1990-01-01", None),
        ("Ada", "N", "1990-01-01", None),
    ],
)
def test_find_user_by_name_and_birth_date(world: World, first: str, last: str, born: str, found: str | None) -> None:
    result = do(world, "find_user_id_by_name_birth_date", first_name=first, last_name=last, birth_date=born)
    assert (result.error, result.value) == (found is None, found)


def test_get_records(world: World) -> None:
    assert do(world, "get_user_details", user_id="ada").value == record(world, "users", "ada")
    assert do(world, "get_reservation_details", reservation_id="R1").value == RESERVATIONS[0]
    assert refused(world, "get_reservation_details", reservation_id="r1").startswith("there is no reservation 'r1'")
    assert refused(world, "get_flight_status", flight_id="A1").startswith("there is no flight 'A1'; flight ids are")


@pytest.mark.parametrize(
    ("flight_id", "status"),
    [
        ("A1/2026-05-20", "scheduled"),
        ("L2/2026-05-14", "delayed"),
        ("L1/2026-05-14", "departed"),
        ("P1/2026-05-10", "arrived"),
        ("B1/2026-05-25", "cancelled"),
    ],
)
def test_how_a_flight_stands(world: World, flight_id: str, status: str) -> None:
    assert do(world, "get_flight_status", flight_id=flight_id).value["status"] == status


def search(world: World, kind: str, origin: str, destination: str, date: str) -> list[str]:
    found = do(world, f"search_{kind}_flights", origin=origin, destination=destination, date=date)
    return [offer["itinerary_id"] for offer in found.value]


def test_direct_flights_of_three_days_by_time(world: World) -> None:
    around = ["A3/2026-05-19", "A1/2026-05-20", "A2/2026-05-20", "A1/2026-05-21"]
    assert search(world, "direct", "DEN", "BOS", "2026-05-20") == around
    assert search(world, "direct", "BOS", "DEN", "2026-05-24") == ["B1/2026-05-24"]  # the next one was called off
    assert search(world, "direct", "DEN", "BOS", "2026-05-14") == ["L2/2026-05-14"]  # the first one has left
    assert search(world, "direct", "DEN", "XXX", "2026-05-20") == []


def test_connections_leave_time_to_change_and_do_not_wait_for_ever(world: World) -> None:
    assert search(world, "onestop", "DEN", "BOS", "2026-05-20") == ["C1/2026-05-20+C2/2026-05-20"]
    found = do(world, "search_onestop_flights", origin="DEN", destination="BOS", date="2026-05-20").value[0]
    assert (found["stop"], found["prices"]["economy"], found["seats"]["economy"]) == ("ATL", 110.0, 5)
    assert (found["departs"], found["arrives"]) == ("2026-05-20T08:00:00", "2026-05-20T14:00:00")


@pytest.mark.parametrize("date", ["", "May 20", "2026-13-01", "0001-01-01"])
def test_what_is_no_date(world: World, date: str) -> None:
    for kind in ("direct", "onestop"):
        said = refused(world, f"search_{kind}_flights", origin="DEN", destination="BOS", date=date)
        assert "is no date; write it as YYYY-MM-DD" in said


def test_searches_show_the_seats_of_now(world: World) -> None:
    arguments = {"reservation_id": "R1", "cabin": "saver", "payment_method_id": "credit_card_1"}
    assert do(world, "change_cabin", **arguments).changed
    found = do(world, "search_direct_flights", origin="BOS", destination="DEN", date="2026-05-24").value[0]
    assert found["seats"] == {"saver": 3, "economy": 7, "business": 5}


def test_airports_and_routes(world: World) -> None:
    listed = do(world, "list_all_airports").value
    assert {one["code"]: one["city"] for one in listed} == {code: place.city for code, place in AIRPORTS.items()}
    ways = routes()
    assert len(set(ways)) == len(ways)
    assert all((b, a) in ways for a, b in ways)
    for code in set(AIRPORTS) - set(HUBS):
        assert all((hub, code) in ways for hub in HUBS)
    assert 2400 < miles("BOS", "LAX") < 2700
    assert miles("LAX", "SFO") == pytest.approx(miles("SFO", "LAX"))
