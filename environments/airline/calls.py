"""Helpers of the rules: what a call is about, and generators of proposed calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import islice
from typing import Any

from ..payment import dollars
from ..state import Record, World
from ..tools import Call
from . import conditions as when
from . import network

#: Maximum number of itineraries per proposal.
_OFFERS = 6


# -- what a call is about ----------------------------------------------------------------------------------------------
def reservation_in(world: World, call: Call) -> Record | None:
    return world.get("reservations", str(call.arguments.get("reservation_id")))


def owner_of(world: World, reservation: Record | None) -> Record | None:
    return world.get("users", reservation["user_id"]) if reservation else None


def trip_in(world: World, call: Call) -> tuple[Record, Record] | None:
    """The reservation and its trip that a call would change."""
    reservation = reservation_in(world, call)
    trip = when.trip_of(reservation, call.arguments.get("direction")) if reservation else None
    return (reservation, trip) if reservation and trip else None


def itineraries_in(world: World, call: Call) -> list[list[Record]]:
    """The flights of every itinerary that a call names."""
    named = (call.arguments.get(slot) for slot in ("outbound_id", "return_id", "itinerary_id"))
    found = (network.flights_of(world, str(itinerary)) for itinerary in named if itinerary)
    return [flights for flights in found if flights]


def passengers_in(world: World, call: Call) -> list[Record]:
    """The passengers of a booking."""
    user = world.get("users", str(call.arguments.get("user_id")))
    wanted = call.arguments.get("passenger_ids") or ()
    return [one for one in user["passengers"] if one["passenger_id"] in wanted] if user else []


def amount_in(world: World, call: Call) -> float | None:
    """Dollars that a call would charge (negative: refund); ``None`` if it refers to something that does not exist."""
    cabin, bags = str(call.arguments.get("cabin")), call.arguments.get("bags")
    if call.name in ("book_reservation", "change_cabin") and cabin not in when.CABINS:
        return None
    if call.name == "book_reservation":
        heads, ways = len(passengers_in(world, call)), itineraries_in(world, call)
        total = sum(network.price(flights, cabin) for flights in ways) * heads
        return dollars(total + (when.INSURANCE * heads if call.arguments.get("insured") == "yes" else 0.0))
    reservation = reservation_in(world, call)
    user = owner_of(world, reservation)
    if reservation is None or user is None:
        return None
    heads = len(reservation["passengers"])
    match call.name:
        case "change_flights":
            found, ways = trip_in(world, call), itineraries_in(world, call)
            if not found or not ways:
                return None
            return dollars((network.price(ways[0], reservation["cabin"]) - found[1]["price"]) * heads)
        case "change_cabin":
            trips = reservation["trips"]
            new = (network.price(when.flights_in(world, [trip]), cabin) for trip in trips)
            return dollars(sum(price - trip["price"] for price, trip in zip(new, trips, strict=True)) * heads)
        case "add_checked_bags":
            return when.bag_fee(user, reservation, bags) if isinstance(bags, int) else None
        case "add_insurance":
            return when.insurance(reservation)
    return None


# -- proposed calls ----------------------------------------------------------------------------------------------------
def reservations(world: World, customer: str) -> Iterator[Record]:
    user = world.get("users", customer)
    for reservation_id in user["reservations"] if user else ():
        if reservation := world.get("reservations", reservation_id):
            yield reservation


def ahead(world: World, customer: str) -> Iterator[Record]:
    """Booked reservations without any departed flight."""
    for reservation in reservations(world, customer):
        if reservation["status"] == "booked" and when.not_begun(world, reservation) is None:
            yield reservation


def methods(world: World, customer: str, *sources: str) -> list[str]:
    """Ids of the customer's payment methods from these sources."""
    user = world.get("users", customer)
    return [str(m["payment_method_id"]) for m in user["payment_methods"] if m["source"] in sources] if user else []


def card(world: World, customer: str) -> str:
    """A credit card, which can pay any amount."""
    return next(iter(methods(world, customer, "credit_card")), "")


def offers(world: World, origin: str, destination: str, day: str) -> Iterator[list[Record]]:
    """Itineraries around a day: direct ones, and connections of that day."""
    for near in network.days_around(day):
        yield from network.direct(world, origin, destination, near)
    yield from network.with_one_stop(world, origin, destination, day)


def flight_changes(
    world: World, customer: str, held: Iterable[Record], method: str, later: int | None = None
) -> Iterator[Call]:
    """Changes of each trip of these reservations to each itinerary around its day, or ``later`` days from now."""
    for reservation in held:
        for trip in reservation["trips"]:
            day = trip["date"] if later is None else (world.now.date() + timedelta(days=later)).isoformat()
            for flights in islice(offers(world, trip["origin"], trip["destination"], day), _OFFERS):
                yield change(reservation, trip, flights, method)


def change(reservation: Record, trip: Record, flights: list[Record], method: str) -> Call:
    arguments = {
        "reservation_id": reservation["reservation_id"],
        "direction": trip["direction"],
        "itinerary_id": itinerary(flights),
        "payment_method_id": method,
    }
    return Call("change_flights", arguments)


def itinerary(flights: list[Record]) -> str:
    return "+".join(flight["flight_id"] for flight in flights)


def bookings(
    world: World,
    customer: str,
    passengers: list[Record],
    method: str,
    cabins: tuple[str, ...] = ("economy", "business"),
) -> Iterator[Call]:
    """One-way bookings for these passengers, on routes of the customer's reservations."""
    for reservation in reservations(world, customer):
        for trip in reservation["trips"]:
            day = max(date.fromisoformat(trip["date"]), world.now.date() + timedelta(days=2)).isoformat()
            for flights in islice(offers(world, trip["origin"], trip["destination"], day), _OFFERS):
                for cabin in cabins:
                    arguments: dict[str, Any] = {
                        "user_id": customer,
                        "outbound_id": itinerary(flights),
                        "cabin": cabin,
                        "passenger_ids": [one["passenger_id"] for one in passengers],
                        "insured": "no",
                        "payment_method_id": method,
                    }
                    yield Call("book_reservation", arguments)


def about(tool: str, reservation: Record, **more: Any) -> Call:
    """A call about a reservation."""
    return Call(tool, {"reservation_id": reservation["reservation_id"], **more})


def corrections(reservation: Record) -> Iterator[Call]:
    """Another date of birth for each passenger but the customer, who was identified by theirs."""
    for passenger in reservation["passengers"]:
        born = date.fromisoformat(passenger["birth_date"]) + timedelta(days=1)
        details = {"first_name": passenger["first_name"], "last_name": passenger["last_name"]}
        if passenger["passenger_id"] != reservation["passengers"][0]["passenger_id"]:
            details["birth_date"] = born.isoformat()
            yield about("correct_passenger", reservation, passenger_id=passenger["passenger_id"], details=details)
