"""A small airline: every sum in the tests can be checked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from t2t_dist.environments.airline import Airline
from t2t_dist.environments.state import Record, World
from t2t_dist.environments.tools import ToolResult

NOW = "2026-05-14T15:00:00"
CARD, GIFT, CERTIFICATE, BOBS_CARD = "credit_card_1", "gift_card_1", "certificate_1", "credit_card_2"


def flight(number: str, day: int, way: str, hours: str, prices: str, seats: str = "5 5 5", **more: Any) -> Record:
    origin, destination = way.split("-")
    leaves, arrives = hours.split("-")
    date = f"2026-05-{day:02d}"
    cabins = ("saver", "economy", "business")
    return {
        "flight_id": f"{number}/{date}",
        "flight_number": number,
        "origin": origin,
        "destination": destination,
        "departs": f"{date}T{leaves}:00",
        "arrives": f"{date}T{arrives}:00",
        "cancelled": False,
        "prices": dict(zip(cabins, map(float, prices.split()), strict=True)),
        "seats": dict(zip(cabins, map(int, seats.split()), strict=True)),
    } | more


FLIGHTS = [
    flight("A1", 20, "DEN-BOS", "09:00-13:00", "70 100 300", "5 5 1"),
    flight("A2", 20, "DEN-BOS", "15:00-19:00", "80 120 310"),
    flight("A1", 21, "DEN-BOS", "09:00-13:00", "70 100 300", "5 0 5"),
    flight("A3", 19, "DEN-BOS", "07:00-11:00", "60 90 280"),
    flight("A1", 26, "DEN-BOS", "09:00-13:00", "70 100 300"),
    flight("B1", 24, "BOS-DEN", "10:00-14:00", "75 110 320"),
    flight("B1", 25, "BOS-DEN", "10:00-14:00", "75 110 320", cancelled=True),
    flight("C1", 20, "DEN-ATL", "08:00-11:00", "40 60 200"),
    flight("C2", 20, "ATL-BOS", "12:00-14:00", "45 50 150"),
    flight("C3", 20, "ATL-BOS", "11:30-13:30", "45 50 150"),  # too soon to change to
    flight("C4", 20, "ATL-BOS", "17:00-19:00", "45 50 150"),  # too late
    flight("P1", 10, "DEN-BOS", "09:00-13:00", "70 100 300", delay_minutes=130),
    flight("P2", 12, "BOS-DEN", "09:00-13:00", "70 100 300", delay_minutes=50),
    flight("L1", 14, "DEN-BOS", "14:00-18:00", "70 100 300"),
    flight("L2", 14, "DEN-BOS", "14:30-18:30", "70 100 300", delay_minutes=60),
    flight("S1", 15, "BOS-DEN", "10:00-14:00", "75 110 320"),
    flight("S2", 15, "BOS-DEN", "18:00-22:00", "75 115 320"),
]
BY_ID = {one["flight_id"]: one for one in FLIGHTS}


def person(passenger_id: str, first: str, born: str) -> Record:
    return {"passenger_id": passenger_id, "first_name": first, "last_name": "Ng", "birth_date": born}


ADA, BEN, CY = person("P1", "Ada", "1990-01-01"), person("P2", "Ben", "2018-05-20"), person("P3", "Cy", "1960-03-03")
DOT, EVE, BOB = person("P4", "Dot", "2008-05-14"), person("P5", "Eve", "1991-02-02"), person("P9", "Bob", "1980-08-08")


def reservation(
    reservation_id: str, user_id: str, cabin: str, ways: list[str], people: list[Record], method: str, **more: Any
) -> Record:
    trips = []
    for direction, way in zip(("outbound", "return"), ways, strict=False):
        flights = [BY_ID[one] for one in way.split("+")]
        held = [{key: one[key] for key in ("flight_id", "flight_number", "departs", "arrives")} for one in flights]
        trips.append({
            "direction": direction,
            "origin": flights[0]["origin"],
            "destination": flights[-1]["destination"],
            "date": flights[0]["departs"][:10],
            "flights": held,
            "price": float(sum(one["prices"][cabin] for one in flights)),
        })  # fmt: skip
    paid = sum(trip["price"] for trip in trips) * len(people)
    return {
        "reservation_id": reservation_id,
        "user_id": user_id,
        "status": "booked",
        "booked_at": "2026-05-01T09:00:00",
        "cabin": cabin,
        "insured": False,
        "checked_bags": 1,
        "passengers": [dict(one) for one in people],
        "trips": trips,
        "payments": [{"type": "payment", "amount": paid, "payment_method_id": method}],
    } | more


FRESH = {"booked_at": "2026-05-14T10:00:00"}
RESERVATIONS = [
    reservation("R1", "ada", "economy", ["A1/2026-05-20", "B1/2026-05-24"], [ADA, BEN], CARD),
    reservation("R2", "ada", "saver", ["A1/2026-05-20"], [ADA], GIFT, **FRESH),
    reservation("R3", "ada", "business", ["A1/2026-05-20"], [ADA], CARD),
    reservation("R4", "ada", "economy", ["P1/2026-05-10", "B1/2026-05-24"], [ADA], CARD, insured=True),
    reservation("R5", "ada", "economy", ["P1/2026-05-10", "P2/2026-05-12"], [ADA, BEN], CARD),
    reservation("R6", "ada", "economy", ["A2/2026-05-20"], [ADA], CARD, status="cancelled"),
    reservation("R7", "ada", "economy", ["S1/2026-05-15"], [ADA], CARD, insured=True),
    reservation("R8", "bob", "economy", ["B1/2026-05-25"], [BOB], BOBS_CARD),
    reservation("R9", "bob", "saver", ["P1/2026-05-10"], [BOB], BOBS_CARD),
]


class SmallAirline(Airline):
    name: ClassVar[str] = "small airline"

    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        card = {"source": "credit_card", "brand": "visa", "last_four": "1234"}
        holders = [
            ("ada", ADA, "silver", [ADA, BEN, CY, DOT, EVE], [
                {"payment_method_id": CARD, **card},
                {"payment_method_id": GIFT, "source": "gift_card", "balance": 100.0},
                {"payment_method_id": CERTIFICATE, "source": "certificate", "balance": 150.0},
            ]),
            ("bob", BOB, "regular", [BOB], [{"payment_method_id": BOBS_CARD, **card}]),
        ]  # fmt: skip
        home = {"address1": "1 Elm Road", "address2": "", "city": "Salem", "state": "OR", "country": "USA"}
        users = {
            user_id: {
                "user_id": user_id,
                "first_name": who["first_name"],
                "last_name": who["last_name"],
                "birth_date": who["birth_date"],
                "email": f"{user_id}@example.com",
                "address": home | {"zip": "97301"},
                "membership": membership,
                "passengers": [dict(one) for one in people],
                "payment_methods": methods,
                "reservations": [one["reservation_id"] for one in RESERVATIONS if one["user_id"] == user_id],
            }
            for user_id, who, membership, people, methods in holders
        }
        reservations = {one["reservation_id"]: one for one in RESERVATIONS}
        return {"users": users, "reservations": reservations, "flights": BY_ID}, NOW


SMALL = SmallAirline()


def do(world: World, tool: str, /, **arguments: Any) -> ToolResult:
    """Make a call."""
    return SMALL.tools.execute(world, tool, arguments)


def refused(world: World, tool: str, /, **arguments: Any) -> str:
    """The reason of a call that is refused and leaves the world as it was."""
    digest = world.digest
    result = do(world, tool, **arguments)
    assert result.error, result.content
    assert (result.changed, world.digest) == (False, digest)
    return result.content.removeprefix("Error: ")


def record(world: World, table: str, key: str) -> Record:
    found = world.get(table, key)
    assert found is not None
    return found


def seats(world: World, flight_id: str, cabin: str = "economy") -> int:
    return int(record(world, "flights", flight_id)["seats"][cabin])


def balance(world: World, method_id: str) -> float:
    methods = record(world, "users", "ada")["payment_methods"]
    return float(next(m["balance"] for m in methods if m["payment_method_id"] == method_id))


def payments(world: World, reservation_id: str) -> list[tuple[str, float, str]]:
    moves = record(world, "reservations", reservation_id)["payments"]
    return [(p["type"], p["amount"], p["payment_method_id"]) for p in moves]


def changed(world: World) -> list[tuple[str, str, list[str]]]:
    """Which fields of which records differ from the start."""
    return [(change.table, change.key, sorted(change.fields())) for change in world.changes()]
