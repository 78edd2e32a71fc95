"""Whether somebody can make, and would make, all the trips that they hold or ask for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import NamedTuple

from ..state import Record, World
from ..tools import Call
from . import conditions as when
from . import network

#: Within this time nobody flies the same way twice, or leaves from elsewhere than where they landed.
_WEEK = timedelta(days=7)
_ITINERARIES = ("outbound_id", "itinerary_id", "return_id")


class Way(NamedTuple):
    """From where to where somebody flies, and when."""

    origin: str
    destination: str
    departs: datetime
    arrives: datetime


def wanted(world: World, call: Call) -> tuple[set[str], list[Way]]:
    """Who flies, and how, in a reservation that is about to be made, or once what is asked for it is done."""
    reservation = world.get("reservations", str(call.arguments.get("reservation_id")))
    itineraries = [str(call.arguments[slot]) for slot in _ITINERARIES if call.arguments.get(slot)]
    flown = [flights for one in itineraries if (flights := network.flights_of(world, one))]
    if reservation is not None:
        direction = call.arguments.get("direction") if flown else None
        flown += [
            when.flights_in(world, [trip])
            for trip in reservation["trips"]
            if trip["direction"] != direction or not flown
        ]
        return _names(reservation), _ways(flown)
    user = world.get("users", str(call.arguments.get("user_id")))
    ids = call.arguments.get("passenger_ids") or ()
    passengers = user["passengers"] if user is not None else ()
    return {when.name(one) for one in passengers if one["passenger_id"] in ids}, _ways(flown)


def held(world: World, customer: str, but: object) -> Iterator[tuple[set[str], list[Way]]]:
    """The same of the customer's reservations, ``but`` one."""
    user = world.get("users", customer)
    for reservation_id in user["reservations"] if user is not None else ():
        found = world.get("reservations", reservation_id)
        if found is not None and found["status"] == "booked" and reservation_id != but:
            yield _names(found), _ways([when.flights_in(world, [trip]) for trip in found["trips"]])


def are_at_once(one: tuple[set[str], list[Way]], other: tuple[set[str], list[Way]]) -> bool:
    """Whether somebody who flies in both of them would be on both at a time."""
    (names, ways), (others, more) = one, other
    if not (names & others and ways and more):
        return False
    (begin, end), (starts, ends) = (
        (min(way.departs for way in flown), max(way.arrives for way in flown)) for flown in (ways, more)
    )
    return starts <= end and begin <= ends


def are_at_odds(one: tuple[set[str], list[Way]], other: tuple[set[str], list[Way]]) -> bool:
    """Whether nobody would hold both: somebody flies in both of them, and would be in two places, or fly the same way
    twice in a week."""
    (names, ways), (others, more) = one, other
    if not (names & others and ways and more):
        return False
    (_, sooner), (starts, later) = sorted((min(way.departs for way in flown), flown) for flown in (ways, more))
    ends = max(sooner, key=lambda way: way.arrives)
    begins = min(later, key=lambda way: way.departs)
    if starts <= ends.arrives or (starts - ends.arrives <= _WEEK and ends.destination != begins.origin):
        return True
    return any(
        first[:2] == second[:2] and abs(first.departs - second.departs) < _WEEK for first, second in product(ways, more)
    )


def _names(reservation: Record) -> set[str]:
    return {when.name(one) for one in reservation["passengers"]}


def _ways(flown: list[list[Record]]) -> list[Way]:
    return [
        Way(
            flights[0]["origin"],
            flights[-1]["destination"],
            datetime.fromisoformat(flights[0]["departs"]),
            datetime.fromisoformat(flights[-1]["arrives"]),
        )
        for flights in flown
        if flights
    ]
