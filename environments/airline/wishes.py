"""What customers of the airline want: how often they ask for each errand, what they change their minds to, and why."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..state import World
from ..tools import Call
from . import conditions as when
from . import network, trips

#: How often an errand is explored, beside the others: less for what everybody can have done.
WEIGHTS = {
    "book_reservation": 0.4,
    "change_flights": 1.0,
    "change_cabin": 1.0,
    "correct_passenger": 1.0,
    "add_checked_bags": 0.7,
    "add_insurance": 2.0,
    "cancel_reservation": 1.0,
    "send_certificate": 4.0,
}

#: For an errand, what a customer may want instead, and why.
INSTEAD = {
    "book_reservation": {
        "book_reservation": "I've looked at my plans again.",
    },
    "change_flights": {
        "change_flights": "That one doesn't suit me after all.",
        "cancel_reservation": "I'd rather not make the trip at all.",
    },
    "change_cabin": {
        "change_cabin": "I've thought about the cabin again.",
        "cancel_reservation": "I'd rather not make the trip at all.",
    },
    "correct_passenger": {
        "correct_passenger": "I misread that.",
    },
    "add_checked_bags": {
        "add_checked_bags": "I've counted our luggage again.",
        "cancel_reservation": "I'd rather not make the trip at all.",
    },
    "add_insurance": {
        "add_insurance": "I'd rather pay for it in another way.",
        "cancel_reservation": "I'd rather not make the trip at all.",
    },
    "cancel_reservation": {
        "cancel_reservation": "That's not the one I meant.",
        "change_flights": "Another flight would do, I think.",
    },
    "send_certificate": {
        "send_certificate": "That's not the flight I meant.",
    },
}

#: Errands about how things are: who names another value has made a slip.
SLIPS = frozenset(("cancel_reservation", "correct_passenger", "send_certificate"))

#: Reasons that keep people from travelling just now, and for how long they do.
_KEPT_AT_HOME, _FOR_NOW = frozenset(("illness", "bad weather")), timedelta(days=7)
#: The reason that is none of theirs.
_OURS = "flight cancelled"
#: What goes with a trip that is cancelled: what is owed for it.
_AFTERWARDS = frozenset(("cancel_reservation", "send_certificate", "report_lost_bag"))
_FLOWN = frozenset(("book_reservation", "change_flights"))
#: What makes more of a trip.
_MORE = frozenset(("add_passenger", "change_cabin", "add_checked_bags", "add_insurance", "choose_seats", "book_pet"))


def go_together(world: World, first: Call, second: Call) -> bool:
    """Whether one customer asks for both: nobody has more done for a trip that they cancel, books it again, wants
    trips that don't go together, or spends on another one in the days for which somebody is too ill to travel."""
    names, calls = {first.name, second.name}, (first, second)
    about = [call.arguments.get("reservation_id") for call in calls]
    if about[0] is not None and about[0] == about[1]:
        if "cancel_reservation" in names:
            return len(names) == 2 and names <= _AFTERWARDS
        if names == {"add_checked_bags", "remove_checked_bags"}:
            return False
        parts = [(call.arguments.get("direction"), call.arguments.get("passenger_id")) for call in calls]
        return len(names) == 2 or parts[0] != parts[1]
    # Trips that were booked before somebody called are theirs, but nobody takes two of them at once.
    clash = trips.are_at_odds if names & _FLOWN else trips.are_at_once
    if not names & _AFTERWARDS and clash(trips.wanted(world, first), trips.wanted(world, second)):
        return False
    reasons = {call.arguments.get("reason") for call in calls if call.name == "cancel_reservation"}
    if len(reasons - {_OURS}) > 1:
        return False  # one thing has come up
    return all(
        _leaves_room(world, one, other) for one, other in (calls, calls[::-1]) if one.name == "cancel_reservation"
    )


def _leaves_room(world: World, cancelled: Call, other: Call) -> bool:
    """Whether somebody who cancels a trip may ask for something else about another one."""
    is_kept = cancelled.arguments.get("reason") in _KEPT_AT_HOME
    if other.name == "book_reservation":
        return not is_kept and _ways(world, cancelled).isdisjoint(_ways(world, other))
    days = [_begins(world, call) for call in (cancelled, other)]
    is_soon = days[0] is not None and days[1] is not None and abs(days[0] - days[1]) <= _FOR_NOW
    return not (is_kept and other.name in _MORE and is_soon)


def _ways(world: World, call: Call) -> set[tuple[str, str]]:
    """From where to where a reservation goes, or an itinerary that is booked."""
    reservation = world.get("reservations", str(call.arguments.get("reservation_id")))
    if reservation is not None:
        return {(trip["origin"], trip["destination"]) for trip in reservation["trips"]}
    flights = network.flights_of(world, str(call.arguments.get("outbound_id")))
    return {(flights[0]["origin"], flights[-1]["destination"])} if flights else set()


def _begins(world: World, call: Call) -> datetime | None:
    reservation = world.get("reservations", str(call.arguments.get("reservation_id")))
    flights = when.flights_in(world, reservation["trips"]) if reservation is not None else []
    return min((datetime.fromisoformat(flight["departs"]) for flight in flights), default=None)
