"""What an agent looks up before it changes something, and how the amount that moves follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from ..payment import worked_out
from ..state import Record, World
from ..tools import Call
from . import calls, network
from . import conditions as when
from .rules import NO_TOOL


def look_ups(world: World, call: Call, customer: str) -> list[Call]:
    made: list[Call] = []
    for look_up in _look_ups(world, call, customer):
        if look_up not in made:
            made.append(look_up)
    return made


def _look_ups(world: World, call: Call, customer: str) -> Iterator[Call]:
    if call.name in NO_TOOL:
        return
    if call.name == "book_reservation":
        heads = len(calls.passengers_in(world, call))
        for flights in calls.itineraries_in(world, call) if heads <= when.LARGEST_PARTY else ():
            yield Call("list_all_airports", {})
            yield from _shown(world, flights, call.arguments.get("cabin"), heads)
        return
    reservation = calls.reservation_in(world, call)
    if reservation is None or reservation["user_id"] != customer:
        return  # the account shows that it is not theirs
    yield Call("get_reservation_details", {"reservation_id": reservation["reservation_id"]})
    if reservation["status"] != "booked" and call.name != "send_certificate":
        return  # only for a flight that went wrong something is still given
    match call.name:
        case "change_flights":
            yield from _for_new_flights(world, call, reservation)
        case "cancel_reservation":
            yield from _for_cancelling(world, call, reservation)
        case "send_certificate":
            if "flight_id" in call.arguments:
                yield _status(call.arguments["flight_id"])
        case _:
            yield from _statuses(world, reservation["trips"])
            if call.name == "change_cabin" and when.not_begun(world, reservation) is None:
                heads = len(reservation["passengers"])
                for trip in reservation["trips"]:
                    yield from _shown(world, when.flights_in(world, [trip]), call.arguments.get("cabin"), heads)


def _status(flight_id: str) -> Call:
    return Call("get_flight_status", {"flight_id": flight_id})


def _statuses(world: World, trips: Sequence[Record], ahead: timedelta = timedelta(0)) -> Iterator[Call]:
    """How the flights stand whose time has come, or will have come by then."""
    for flight in when.flights_in(world, trips):
        if datetime.fromisoformat(flight["departs"]) <= world.now + ahead:
            yield _status(flight["flight_id"])


def _for_new_flights(world: World, call: Call, reservation: Record) -> Iterator[Call]:
    trip = when.trip_of(reservation, call.arguments.get("direction"))
    if trip is None or when.is_flexible(reservation):
        return
    yield from _statuses(world, [trip], when.CLOSE)
    if when.has_left(world, trip):
        return
    places, heads = (trip["origin"], trip["destination"]), len(reservation["passengers"])
    ways = calls.itineraries_in(world, call)
    if not ways:
        yield _search(*places, trip["date"], direct=len(trip["flights"]) == 1)
    for flights in ways:
        if (flights[0]["origin"], flights[-1]["destination"]) != places:
            yield Call("list_all_airports", {})
        yield from _shown(world, flights, reservation["cabin"], heads)


def _for_cancelling(world: World, call: Call, reservation: Record) -> Iterator[Call]:
    reason = call.arguments.get("reason")
    granted = when.is_fresh(world, reservation) or reservation["cabin"] == "business"
    granted = granted or (reservation["insured"] and reason in ("illness", "bad weather"))
    if reason is not None and (not granted or reason == "flight cancelled"):
        # What is left is that we called a flight off.
        yield from (_status(flight["flight_id"]) for flight in when.flights_in(world, reservation["trips"]))
    else:
        yield from _statuses(world, reservation["trips"])


# -- prices and seats --------------------------------------------------------------------------------------------------
def _search(origin: str, destination: str, day: str, direct: bool) -> Call:
    name = "search_direct_flights" if direct else "search_onestop_flights"
    return Call(name, {"origin": origin, "destination": destination, "date": day})


def _alone(flight: Record) -> Call:
    return _search(flight["origin"], flight["destination"], flight["departs"][:10], direct=True)


def _together(world: World, flights: Sequence[Record]) -> bool:
    """Whether a search shows these flights as one offer: of many connections it shows some."""
    first, last = flights[0], flights[-1]
    ids = [flight["flight_id"] for flight in flights]
    found = network.with_one_stop(world, first["origin"], last["destination"], first["departs"][:10])
    return len(flights) == 1 or any([flight["flight_id"] for flight in offer] == ids for offer in found)


def _shown(world: World, flights: Sequence[Record], cabin: str | None, heads: int) -> Iterator[Call]:
    """The look-ups that show what these flights cost, and that they can be had; or else why not."""
    first, last = flights[0], flights[-1]
    if len(flights) == 1:
        yield _alone(first)
    elif _together(world, flights):
        yield _search(first["origin"], last["destination"], first["departs"][:10], direct=False)
    else:
        yield _status(first["flight_id"])  # where it stops
        yield from map(_alone, flights)
    for flight in flights:
        if when.state_of(flight, world.now) not in ("scheduled", "delayed"):
            yield _status(flight["flight_id"])
        elif cabin is not None and flight["seats"][cabin] < heads:
            yield _alone(flight)


def _prices(world: World, flights: Sequence[Record], cabin: str) -> list[float]:
    """What the look-ups show as the price for one passenger: of the offer, or flight by flight."""
    if _together(world, flights):
        return [network.price(list(flights), cabin)]
    return [flight["prices"][cabin] for flight in flights]


def calculation(world: World, call: Call, customer: str) -> str:
    amount = calls.amount_in(world, call)
    reservation = calls.reservation_in(world, call)
    if call.name == "book_reservation" and amount is not None:
        heads = len(calls.passengers_in(world, call))
        prices = [
            price
            for flights in calls.itineraries_in(world, call)
            for price in _prices(world, flights, call.arguments["cabin"])
        ]
        insurance = [when.INSURANCE] if call.arguments.get("insured") == "yes" else []
        return worked_out(prices + insurance, times=heads)
    if reservation is None:
        return ""
    heads = len(reservation["passengers"])
    match call.name:
        case "change_flights" if amount is not None:
            found = calls.trip_in(world, call)
            new = _prices(world, calls.itineraries_in(world, call)[0], reservation["cabin"])
            return worked_out(new, [found[1]["price"]] if found else [], times=heads)
        case "change_cabin" if amount is not None:
            trips = reservation["trips"]
            ways = [when.flights_in(world, [trip]) for trip in trips]
            new = [price for flights in ways for price in _prices(world, flights, call.arguments["cabin"])]
            return worked_out(new, [trip["price"] for trip in trips], times=heads)
        case "add_checked_bags" if amount:
            return worked_out([when.FEE_PER_BAG], times=round(amount / when.FEE_PER_BAG))
        case "add_insurance":
            return worked_out([when.INSURANCE], times=heads)
        case "send_certificate":
            owed = when.due(world, reservation, call.arguments.get("flight_id"))
            return worked_out([owed / heads], times=heads)
        case "cancel_reservation":
            moves = reservation["payments"]
            paid = [move["amount"] for move in moves if move["type"] == "payment"]
            return worked_out(paid, [move["amount"] for move in moves if move["type"] == "refund"])
    return ""
