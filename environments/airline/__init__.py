"""The domain ``airline``: customers book, change and cancel flights, add bags and insurance, claim compensation."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from ..base import Domain, Profile, joined
from ..language import Said
from ..payment import said_method
from ..state import Base, Record, World
from ..tools import Call
from . import beforehand, database, network, trips
from . import conditions as when
from .order import ORDER
from .rules import RULES
from .tools import TOOLS
from .wishes import INSTEAD, SLIPS, WEIGHTS, go_together

#: How far from the day that they want customers would fly.
_THESE_DAYS = timedelta(days=3)
#: Reasons that come and go with what somebody wants; ``None``: no reason is given.
_FOR_NOW = {None, "change of plans"}
_REASONS = {
    "change of plans": Said("your plans have changed", ("plans have changed",), own="my plans have changed"),
    "flight cancelled": Said("the flight was called off", ("flight was called off",)),
    "illness": Said("there is an illness in the family", ("illness",)),
    "bad weather": Said("bad weather is expected", ("bad weather",)),
    # Not among the reasons that count.
    "cheaper fare elsewhere": Said("I found a cheaper fare elsewhere", ("cheaper fare elsewhere",)),
    "booked twice": Said("I booked it twice by mistake", ("booked it twice",)),
    "unhappy with the seats": Said("I'm unhappy with the seats", ("unhappy with the seats",)),
}


class Airline(Domain):
    """Airline with a month of flights, cabins and seats, memberships, insurance, bags and certificates."""

    name: ClassVar[str] = "airline"
    summary: ClassVar[str] = "an airline: bookings, changes, cancellations, bags, compensation"
    tool_list = TOOLS
    rule_list = RULES
    errand_weights: ClassVar[Mapping[str, float]] = WEIGHTS
    instead: ClassVar[Mapping[str, Mapping[str, str]]] = INSTEAD
    slips: ClassVar[frozenset[str]] = SLIPS
    spoken_types: ClassVar[frozenset[str]] = frozenset({"Origin", "Destination", "TravelDate"})
    order_list = ORDER
    transfer_tool: ClassVar[str] = "transfer_to_human_agents"
    decline_tool: ClassVar[str] = "decline_request"
    folder: ClassVar[Path] = Path(__file__).parent

    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        return database.build(seed, scale)

    def customers(self, base: Base) -> list[str]:
        return list(base.tables["users"])

    def profile(self, world: World, customer: str) -> Profile:
        user = world.get("users", customer)
        assert user is not None
        facts = {
            "Email": user["email"],
            "FirstName": user["first_name"],
            "LastName": user["last_name"],
            "BirthDate": user["birth_date"],
        }
        return Profile(customer, when.name(user), facts)

    def describe(self, world: World, call: Call, slot: str, customer: str) -> Said:
        value = call.arguments[slot]
        match slot:
            case "reservation_id":
                return Said(f"reservation {value}", (value,))
            case "user_id":
                # Known from the customer's identity: there is nothing to ask for.
                return Said("your account", ())
            case "direction":
                return _direction(world, call, value)
            case "outbound_id" | "itinerary_id" | "return_id":
                return _itinerary(world, call, value)
            case "flight_id":
                return _flight(world, call, value)
            case "cabin":
                return Said(f"{value} class", (str(value),))
            case "passenger_ids" | "passenger_id":
                return _passengers(world, call, value, customer)
            case "details":
                return _details(world, call, value)
            case "insured":
                text = "with travel insurance" if value == "yes" else "without travel insurance"
                return Said(text, (text,))
            case "bags":
                held = world.get("reservations", str(call.arguments.get("reservation_id")))
                more = "more " if held and held["checked_bags"] else ""
                bags = f"checked bag{'s' if value != 1 else ''}"
                return Said(f"{value} {more}{bags}", (f"{value} {more}{bags}",))
            case "payment_method_id":
                return said_method(world.get("users", customer), value)
            case "reason":
                return _REASONS.get(value, Said(f"of this: {value}", (str(value),)))
            case "amount":
                return _amount(world, call, value)
        return super().describe(world, call, slot, customer)

    def look_ups(self, world: World, call: Call, customer: str) -> list[Call]:
        return beforehand.look_ups(world, call, customer)

    def calculation(self, world: World, call: Call, customer: str) -> str:
        return beforehand.calculation(world, call, customer)

    def rules_out(self, world: World, first: Call, wanted: Call, customer: str) -> bool:
        # What takes a reason (cancelling, suspending) is for those who have it, not a means to another end.
        return "reason" in first.arguments

    def plausible_instead(self, world: World, first: Call, second: Call) -> bool:
        """Whoever wants another flight still goes to the same place, in no more hops; nobody takes one double name for
        another, falls ill between two messages, or gets well."""
        if (
            first.name != second.name
            and not {first.arguments.get("reason"), second.arguments.get("reason")} <= _FOR_NOW
        ):
            return False
        if "details" in first.arguments and "details" in second.arguments:
            one, other = first.arguments["details"], second.arguments["details"]
            return bool(when.name(one) == when.name(other) and one["birth_date"][:7] == other["birth_date"][:7])
        parties = [set(call.arguments.get("passenger_ids") or ()) for call in (first, second)]
        if all(parties) and parties[0].isdisjoint(parties[1]):
            return False  # somebody of them still goes
        slot = next((slot for slot in ("outbound_id", "itinerary_id") if slot in first.arguments), "")
        if slot not in second.arguments:
            return True
        ways = [network.flights_of(world, str(call.arguments[slot])) or [] for call in (first, second)]
        return len({(way[0]["origin"], way[-1]["destination"]) for way in ways if way}) == 1 and len(ways[1]) <= len(
            ways[0]
        )

    def makes_sense(self, world: World, call: Call, customer: str) -> bool:
        """Nobody books or moves a flight that does not go with their other trips, or turns down the compensation that
        they are due because they asked for more."""
        if call.name in ("book_reservation", "change_flights"):
            flown = trips.wanted(world, call)
            others = trips.held(world, customer, but=call.arguments.get("reservation_id"))
            return not any(trips.are_at_odds(flown, other) for other in others)
        if call.name == "send_certificate":
            reservation = world.get("reservations", str(call.arguments.get("reservation_id")))
            due = when.due(world, reservation, call.arguments["flight_id"]) if reservation is not None else 0.0
            return not 0 < due < call.arguments["amount"]
        return True

    def go_together(self, world: World, first: Call, second: Call) -> bool:
        return go_together(world, first, second)

    def plausible_otherwise(self, world: World, first: Call, second: Call) -> bool:
        """Who can't have the cabin or the flight that they want takes the next cabin of those better, or lesser, than
        theirs, or a flight of these days; no illness leaves open which trip to cancel."""
        if first.name == second.name == "cancel_reservation":
            return {first.arguments["reason"], second.arguments["reason"]} <= _FOR_NOW
        same = first.arguments.get("reservation_id") == second.arguments.get("reservation_id")
        cabins = [call.arguments["cabin"] for call in (first, second) if call.arguments.get("cabin") in when.CABINS]
        places = [when.CABINS.index(cabin) for cabin in cabins]
        if len(places) == 2 and abs(places[0] - places[1]) > 1:
            return False
        booked = world.get("reservations", str(first.arguments.get("reservation_id")))
        if same and booked is not None and first.name == second.name == "change_cabin":
            held = when.CABINS.index(booked["cabin"])
            if (places[0] > held) is not (places[1] > held):
                return False
        wanted = [call.arguments.get("outbound_id", call.arguments.get("itinerary_id")) for call in (first, second)]
        ways = [network.flights_of(world, str(one)) for one in wanted if one is not None]
        days = [date.fromisoformat(way[0]["departs"][:10]) for way in ways if way]
        return not same or len(days) < 2 or abs(days[0] - days[1]) <= _THESE_DAYS

    def plausible(self, world: World, call: Call, customer: str) -> bool:
        """Nobody books or moves a flight for a time at which one of the passengers is on another trip, takes more bags
        on one that was called off, knows the weather of next month, or books somebody by a name that was just
        corrected."""
        if when.has_new_certificate(world, call, customer):
            return False  # which of the two would be meant?
        if when.is_misnamed(world, call, customer):
            return False
        return not (when.is_out_of_place(world, call) or when.are_elsewhere(world, call, customer))

    def say_field(self, kind: str, path: str, value: Any) -> str:
        if path == "trips.0.date":
            return when.day(value)
        return network.city(value) if path in ("trips.0.origin", "trips.0.destination") else str(value)

    def samples(self, world: World, type_name: str, customer: str, rng: random.Random) -> list[Any]:
        user = world.get("users", customer)
        if user is None:
            return []
        if type_name == "Amount":
            return sorted(_dues(world, user))
        if type_name == "PassengerDetails":
            # Not the first, the customer: by that name and date of birth they have just been found.
            return [_corrected(world, passenger, rng) for passenger in user["passengers"][1:]]
        return []


def _direction(world: World, call: Call, direction: str) -> Said:
    """Outbound or return; not said if there is only one trip."""
    reservation = world.get("reservations", str(call.arguments.get("reservation_id")))
    if reservation and len(reservation["trips"]) == 1:
        return Said("flight", ())
    return Said(f"{direction} flight", (direction,))


def _itinerary(world: World, call: Call, itinerary: str) -> Said:
    """By its time and day, and for whoever has the timetable by its number; with the places if they do not follow from
    the call."""
    flights = network.flights_of(world, itinerary)
    if not flights:
        return Said(f"flight {itinerary}", (itinerary,))
    first, last, day = flights[0], flights[-1], when.day(flights[0]["departs"])
    number_of = [flight["flight_number"] for flight in flights]
    numbers, places = f"flight{'s' if len(flights) > 1 else ''} {joined(number_of)}", ""
    reservation = world.get("reservations", str(call.arguments.get("reservation_id")))
    trip = when.trip_of(reservation, call.arguments.get("direction")) if reservation else None
    if trip is None or (trip["origin"], trip["destination"]) != (first["origin"], last["destination"]):
        places = f" from {network.city(first['origin'])} to {network.city(last['destination'])}"
    route = f"{network.city(first['origin'])} to {network.city(last['destination'])}"
    rough = f"a flight from {route}" if call.name == "book_reservation" else ""
    at = when.clock(first["departs"])
    said = f"{places} at {at} on {day}"
    own = f"the {'connection' if len(flights) > 1 else 'flight'}{said}"
    return Said(f"{numbers}{said}", (at, day), rough, own=own)


def _flight(world: World, call: Call, flight_id: str) -> Said:
    """A flight that went wrong, and how; whoever has only one that day in a reservation does not say its number."""
    flight = world.get("flights", flight_id)
    if flight is None:
        return Said(f"flight {flight_id}", (flight_id,))
    day = when.day(flight["departs"])
    reservation = world.get("reservations", str(call.arguments.get("reservation_id")))
    held = when.flights_in(world, reservation["trips"]) if reservation else []
    is_only = sum(when.day(one["departs"]) == day for one in held) == 1
    says, own = (
        ((day,), f"the flight on {day}") if is_only else ((flight["flight_number"], day), when.flight_said(flight))
    )
    if flight["cancelled"]:
        return Said(f"{when.flight_said(flight)}, which was called off", says, own=f"{own}, which was called off")
    is_on = datetime.fromisoformat(flight["departs"]) > world.now
    late = (
        f", which {'is' if is_on else 'was'} {flight['delay_minutes']} minutes late"
        if "delay_minutes" in flight
        else ""
    )
    return Said(f"{when.flight_said(flight)}{late}", says, own=f"{own}{late}")


def _passengers(world: World, call: Call, value: list[str] | str, customer: str) -> Said:
    """By their names, as they stand in the reservation or the account."""
    reservation = world.get("reservations", str(call.arguments.get("reservation_id")))
    holder = reservation or world.get("users", customer)
    names = {one["passenger_id"]: when.name(one) for one in (holder["passengers"] if holder else ())}
    said = [names.get(one, one) for one in (value if isinstance(value, list) else [value])]
    user = world.get("users", customer)
    self = when.name(user) if user else ""
    own = [f"me ({one})" if one == self else one for one in said]
    return Said(joined(said), tuple(said), own=joined(own))


def _details(world: World, call: Call, details: Mapping[str, Any]) -> Said:
    """The corrected detail, or all of them if it is not only one."""
    born = date.fromisoformat(details["birth_date"])
    name, on = when.name(details), f"{born:%B} {born.day}, {born.year}"
    reservation = world.get("reservations", str(call.arguments.get("reservation_id")))
    passenger_id = call.arguments.get("passenger_id")
    held = reservation["passengers"] if reservation else ()
    passenger = next((one for one in held if one["passenger_id"] == passenger_id), None)
    if passenger and passenger["birth_date"] == details["birth_date"]:
        return Said(f"the name {name}", (name,))
    if passenger and when.name(passenger) == name:
        return Said(f"the date of birth {on}", (on,))
    return Said(f"{name}, born on {on}", (name, on))


def _amount(world: World, call: Call, amount: float) -> Said:
    """The amount that is due is not said; any other amount is."""
    reservation = world.get("reservations", str(call.arguments.get("reservation_id")))
    flight_id = call.arguments.get("flight_id")
    flight = world.get("flights", str(flight_id))
    usual = when.due(world, reservation, flight_id) if reservation else 0.0
    if reservation and flight and not usual:
        usual = when.FOR_DELAYED * len(reservation["passengers"])
    if amount == usual:
        return Said("compensation", ())
    return Said(f"${amount:.0f} in compensation", (f"${amount:.0f}",))


def _dues(world: World, user: Mapping[str, Any]) -> set[float]:
    """Dollars that a customer is due for any flight of theirs."""
    held = [world.get("reservations", reservation_id) for reservation_id in user["reservations"]]
    return {
        due
        for reservation in held
        if reservation
        for flight in when.flights_in(world, reservation["trips"])
        if (due := when.compensation_for(flight, len(reservation["passengers"]))) > 0
    }


def _corrected(world: World, passenger: Mapping[str, Any], rng: random.Random) -> dict[str, str]:
    """The same passenger with one correction: a double last name, or another date of birth."""
    details = {key: str(passenger[key]) for key in ("first_name", "last_name", "birth_date")}
    if rng.random() < 0.6:
        other = world.get("users", rng.choice(world.base.keys("users")))
        details["last_name"] += f"-{other['last_name'] if other else 'Lindqvist'}"
    else:
        born = date.fromisoformat(details["birth_date"])
        details["birth_date"] = (born + timedelta(days=rng.choice((-10, -9, -1, 1, 9, 10)))).isoformat()
    return details
