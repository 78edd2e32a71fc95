"""Conditions for bookings and changes of a reservation. Tools and rules use the same functions.

Each returns ``None`` when it holds, else the reason in words a customer can be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from ..payment import dollars, payment_method
from ..rules import Impossible, Past, Settled
from ..state import Record, World
from ..tools import Call
from . import network

CABINS = network.CABINS
REASONS = ("change of plans", "flight cancelled", "illness", "bad weather")
LARGEST_PARTY = 4
ADULT, CHILD = 18, 12
MOST_BAGS = 4
#: Dollars for one bag beyond the free ones, and for insuring one passenger.
FEE_PER_BAG, INSURANCE = 39.90, 29.90
#: Only gold members can change a trip this close to its departure.
CLOSE = timedelta(hours=24)
#: How long after booking insurance can be added, and anything be cancelled.
FRESH = timedelta(hours=24)
#: How long after a flight somebody may still ask for another one, or for their money.
MISSED = timedelta(hours=24)
#: How far ahead people talk about the weather.
FORECAST = timedelta(days=7)
#: Dollars for one passenger, and the minutes from which a delay counts.
FOR_CANCELLED, FOR_DELAYED, LONG_DELAY = 100.0, 50.0, 120
MOST_COMPENSATION = 1000.0
#: How many passengers there are, in words.
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "so many")
#: Checked bags that are free for one passenger.
_FREE_BAGS = {
    "regular": {"saver": 0, "economy": 1, "business": 2},
    "silver": {"saver": 1, "economy": 2, "business": 3},
    "gold": {"saver": 2, "economy": 3, "business": 4},
}


# -- saying things -----------------------------------------------------------------------------------------------------
def day(moment: str) -> str:
    """``May 20``, of a date or a time."""
    found = date.fromisoformat(moment[:10])
    return f"{found:%B} {found.day}"


def clock(moment: str) -> str:
    """``9:40 am``."""
    time = datetime.fromisoformat(moment)
    return f"{time.hour % 12 or 12}:{time.minute:02d} {'am' if time.hour < 12 else 'pm'}"


def name(passenger: Mapping[str, Any]) -> str:
    return f"{passenger['first_name']} {passenger['last_name']}"


def flight_said(flight: Mapping[str, Any]) -> str:
    """``flight MRA214 on May 20``."""
    return f"flight {flight['flight_number']} on {day(flight['departs'])}"


# -- flights -----------------------------------------------------------------------------------------------------------
def state_of(flight: Record, now: datetime) -> str:
    """scheduled, delayed, departed, arrived or cancelled."""
    if flight["cancelled"]:
        return "cancelled"
    late = timedelta(minutes=flight.get("delay_minutes", 0))
    if datetime.fromisoformat(flight["departs"]) + late > now:
        return "delayed" if late else "scheduled"
    return "departed" if datetime.fromisoformat(flight["arrives"]) + late > now else "arrived"


def flights_in(world: World, trips: Iterable[Record]) -> list[Record]:
    """The flights of trips as they stand now."""
    found = (world.get("flights", flight["flight_id"]) for trip in trips for flight in trip["flights"])
    return [flight for flight in found if flight is not None]


def has_left(world: World, trip: Record) -> bool:
    """Whether any of the trip's flights has departed."""
    return any(state_of(flight, world.now) in ("departed", "arrived") for flight in flights_in(world, [trip]))


def can_board(world: World, flights: Sequence[Record], cabin: str, heads: int) -> str | None:
    """All flights are still to leave, with enough seats."""
    for flight in flights:
        state = state_of(flight, world.now)
        if state == "cancelled":
            return Impossible(f"{flight_said(flight)} was called off")
        if state in ("departed", "arrived"):
            return Impossible(f"{flight_said(flight)} has already left")
        if flight["seats"][cabin] < heads:
            left = flight["seats"][cabin]
            seats = f"{cabin} seat{'' if left == 1 else 's'}"
            few = f", too few for {_NUMBERS[min(heads, len(_NUMBERS)) - 1]} passengers" if left else ""
            return Impossible(f"{flight_said(flight)} has {left or 'no'} {seats} left{few}")
    return None


# -- who flies ---------------------------------------------------------------------------------------------------------
def age(passenger: Mapping[str, Any], on: date) -> int:
    born = date.fromisoformat(passenger["birth_date"])
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def accompanied(passengers: Sequence[Mapping[str, Any]], on: date) -> str | None:
    """No child without an adult."""
    ages = [(age(one, on), one) for one in passengers]
    youngest = min(ages, key=lambda pair: pair[0], default=None)
    if youngest is None or youngest[0] >= CHILD or any(years >= ADULT for years, _ in ages):
        return None
    return f"no adult is booked with {name(youngest[1])}, who is {youngest[0]}"


def is_no_group(passengers: Sequence[Any]) -> str | None:
    if len(passengers) <= LARGEST_PARTY:
        return None
    return f"{len(passengers)} passengers are a group, and groups are booked by the group desk"


def same_person(passenger: Mapping[str, Any], details: Mapping[str, Any]) -> str | None:
    """A correction leaves the name or the date of birth as it was."""
    if name(passenger) == name(details) or passenger["birth_date"] == details.get("birth_date"):
        return None
    return f"with another name and another date of birth it would be somebody else's seat and not {name(passenger)}'s"


# -- trips -------------------------------------------------------------------------------------------------------------
def trip_of(reservation: Record, direction: Any) -> Record | None:
    return next((trip for trip in reservation["trips"] if trip["direction"] == direction), None)


def is_booked(reservation: Record, doing: str) -> str | None:
    if reservation["status"] == "booked":
        return None
    return Past(f"reservation {reservation['reservation_id']} is cancelled and can't be {doing} any more")


def trip_is_ahead(world: World, reservation: Record, trip: Record) -> str | None:
    if not has_left(world, trip):
        return None
    return Past(f"the {trip['direction']} flight of reservation {reservation['reservation_id']} has already left")


def not_begun(world: World, reservation: Record) -> str | None:
    """None of the reservation's flights has departed."""
    if not any(has_left(world, trip) for trip in reservation["trips"]):
        return None
    return Past(f"a flight of reservation {reservation['reservation_id']} has already left")


def is_flexible(reservation: Record) -> str | None:
    return "the flights of a saver fare can't be changed" if reservation["cabin"] == "saver" else None


def not_too_close(world: World, user: Record, trip: Record) -> str | None:
    """A day ahead or more, unless the customer is a gold member or we called a flight off."""
    if user["membership"] == "gold" or any(flight["cancelled"] for flight in flights_in(world, [trip])):
        return None
    if datetime.fromisoformat(trip["flights"][0]["departs"]) - world.now >= CLOSE:
        return None
    return "the flight leaves in less than 24 hours, and this close to departure only gold members can change flights"


def same_way(reservation: Record, trip: Record, flights: Sequence[Record]) -> str | None:
    """The new flights lead where the trip does, and there and back do not overlap."""
    where = (flights[0]["origin"], flights[-1]["destination"])
    if where != (trip["origin"], trip["destination"]):
        new, old = ((network.city(a), network.city(b)) for a, b in (where, (trip["origin"], trip["destination"])))
        return f"the new flight has to go from {old[0]} to {old[1]}, too, and this one goes from {new[0]} to {new[1]}"
    if [flight["flight_id"] for flight in flights] == [flight["flight_id"] for flight in trip["flights"]]:
        return Settled(f"{flight_said(flights[0])} is the very flight that is booked")
    for other in reservation["trips"]:
        if other["direction"] != trip["direction"] and not _in_turn(trip["direction"], flights, other["flights"]):
            return Impossible("the way back would begin earlier than the way there ends")
    return None


def _in_turn(direction: str, flights: Sequence[Record], others: Sequence[Record]) -> bool:
    first, second = (flights, others) if direction == "outbound" else (others, flights)
    return str(first[-1]["arrives"]) < str(second[0]["departs"])


def is_out_of_place(world: World, call: Call) -> bool:
    """Whether nobody would ask for this: anything but compensation for a trip that is over, more for flights that were
    called off, a correction of their own name, or to cancel for the weather long before it is known."""
    reservation = world.get("reservations", str(call.arguments.get("reservation_id")))
    if reservation is None:
        return False
    flights = flights_in(world, reservation["trips"])
    if call.name != "send_certificate" and world.now - datetime.fromisoformat(_span(flights)[1]) > MISSED:
        return True
    if call.name in ("change_cabin", "correct_passenger", "add_checked_bags", "add_insurance"):
        return any(flight["cancelled"] for flight in flights) or _corrects_themselves(world, call, reservation)
    if call.arguments.get("reason") == "bad weather":
        begun = any(state_of(flight, world.now) in ("departed", "arrived") for flight in flights)
        return begun or all(datetime.fromisoformat(flight["departs"]) - world.now > FORECAST for flight in flights)
    return False


def _corrects_themselves(world: World, call: Call, reservation: Record) -> bool:
    """Whether the customer's own entry is to be corrected, by whose name they have just been found."""
    wanted, own = call.arguments.get("passenger_id"), world.get("users", str(reservation["user_id"]))
    passenger = next((one for one in reservation["passengers"] if one["passenger_id"] == wanted), None)
    return bool(passenger and own and name(passenger) == name(own))


def has_new_certificate(world: World, call: Call, customer: str) -> bool:
    """Whether a certificate is to pay, and the customer has got another one since they called."""
    user, before = (where.get("users", customer) for where in (world, World(world.base)))
    if user is None or before is None or no_certificate(user, str(call.arguments.get("payment_method_id"))) is None:
        return False
    return bool(len(user["payment_methods"]) > len(before["payment_methods"]))


def are_elsewhere(world: World, call: Call, customer: str) -> bool:
    """Whether a passenger of a booking, or of flights that are moved, is on another of the customer's trips by then."""
    slots = ("outbound_id", "itinerary_id", "return_id")
    found = [network.flights_of(world, str(call.arguments[slot])) for slot in slots if call.arguments.get(slot)]
    flights = [flight for flights in found for flight in flights or ()]
    user = world.get("users", customer)
    if not flights or user is None:
        return False
    changed = world.get("reservations", str(call.arguments.get("reservation_id")))
    if changed is None:
        ids = call.arguments.get("passenger_ids") or ()
        names = {name(one) for one in user["passengers"] if one["passenger_id"] in ids}
    else:
        names = {name(one) for one in changed["passengers"]}
        kept = [trip for trip in changed["trips"] if trip["direction"] != call.arguments.get("direction")]
        flights += flights_in(world, kept)
    begin, end = _span(flights)
    for reservation_id in user["reservations"]:
        other = world.get("reservations", reservation_id)
        if other is None or other["status"] != "booked" or (changed and reservation_id == changed["reservation_id"]):
            continue
        there = flights_in(world, other["trips"])
        if there and names & {name(one) for one in other["passengers"]}:
            first, last = _span(there)
            if first <= end and begin <= last:
                return True
    return False


def is_misnamed(world: World, call: Call, customer: str) -> bool:
    """Whether somebody who is booked, or corrected, has been corrected elsewhere a moment before: then what they are
    called, or were, is not what the customer says now."""
    user, one = world.get("users", customer), call.arguments.get("passenger_id")
    ids = call.arguments.get("passenger_ids") or ([one] if "details" in call.arguments else [])
    for reservation_id in user["reservations"] if user is not None and ids else ():
        now, before = (where.get("reservations", reservation_id) for where in (world, World(world.base)))
        if now is not None and before is not None:
            corrected = [entry for entry in now["passengers"] if entry not in before["passengers"]]
            if any(entry["passenger_id"] in ids for entry in corrected):
                return True
    return False


def _span(flights: Sequence[Record]) -> tuple[str, str]:
    """When the first of some flights leaves, and the last arrives."""
    return min(flight["departs"] for flight in flights), max(flight["arrives"] for flight in flights)


# -- money -------------------------------------------------------------------------------------------------------------
def can_pay(user: Record, payment_method_id: str, amount: float) -> str | None:
    """The method is the customer's own and, where it holds a balance, holds enough."""
    method = payment_method(user, payment_method_id)
    if method is None:
        return f"payment method {payment_method_id} is not on the account"
    if "balance" in method and method["balance"] < amount:
        what = method["source"].replace("_", " ")
        return Impossible(f"the {what} holds ${method['balance']:.2f}, and ${amount:.2f} is to be paid")
    return None


def no_certificate(user: Record, payment_method_id: str) -> str | None:
    method = payment_method(user, payment_method_id)
    if method is None or method["source"] != "certificate":
        return None
    return "certificates pay for new bookings only"


# -- bags and insurance ------------------------------------------------------------------------------------------------
def free_bags(membership: str, cabin: str) -> int:
    """Checked bags that are free for one passenger."""
    return _FREE_BAGS[membership][cabin]


def bags_fit(reservation: Record, more: int) -> str | None:
    heads, bags = len(reservation["passengers"]), reservation["checked_bags"] + more
    if bags <= MOST_BAGS * heads:
        return None
    most = MOST_BAGS * heads
    return f"that would make {bags} checked bags, and {most} is the most for this reservation"


def bag_fee(user: Record, reservation: Record, more: int) -> float:
    """Dollars for ``bags`` more bags; the free ones cost nothing."""
    free = free_bags(user["membership"], reservation["cabin"]) * len(reservation["passengers"])
    held = reservation["checked_bags"]
    return dollars(FEE_PER_BAG * (max(0, held + more - free) - max(0, held - free)))


def insurance(reservation: Record) -> float:
    """Dollars for insuring all of its passengers."""
    return dollars(INSURANCE * len(reservation["passengers"]))


def is_fresh(world: World, reservation: Record) -> bool:
    """Booked within the last 24 hours."""
    return world.now - datetime.fromisoformat(reservation["booked_at"]) <= FRESH


def can_still_insure(world: World, reservation: Record) -> str | None:
    if is_fresh(world, reservation):
        return None
    booked = day(reservation["booked_at"])
    return f"the reservation was booked on {booked}, and insurance is sold in the first 24 hours only"


# -- cancelling --------------------------------------------------------------------------------------------------------
def can_cancel(world: World, reservation: Record) -> str | None:
    """Booked, and not all of it flown."""
    if reservation["status"] != "booked":
        return Settled(f"reservation {reservation['reservation_id']} is already cancelled")
    states = [state_of(flight, world.now) for flight in flights_in(world, reservation["trips"])]
    if any(state not in ("departed", "arrived") for state in states):
        return None
    return Past(f"all flights of reservation {reservation['reservation_id']} have already left")


def nothing_flown(world: World, reservation: Record) -> str | None:
    """No part of it flown: a human agent handles partly flown ones."""
    if can_cancel(world, reservation) or not any(has_left(world, trip) for trip in reservation["trips"]):
        return None
    return f"part of reservation {reservation['reservation_id']} has already been flown"


def reason_counts(reason: Any) -> str | None:
    if reason in REASONS:
        return None
    return f"'{reason}' is not a reason we can cancel for"


def has_grounds(world: World, reservation: Record, reason: Any) -> str | None:
    """Just booked, business, called off by us, or insured against what has happened."""
    called_off = any(flight["cancelled"] for flight in flights_in(world, reservation["trips"]))
    if called_off:
        return None
    if reason == "flight cancelled":
        return "none of its flights was called off"
    if is_fresh(world, reservation) or reservation["cabin"] == "business":
        return None
    late = "the reservation was made more than 24 hours ago, it is not a business fare"
    if reason in ("illness", "bad weather"):
        return None if reservation["insured"] else f"{late}, and it is not insured"
    return f"{late}, and {'insurance does not pay for this reason' if reservation['insured'] else 'it is not insured'}"


# -- compensation ------------------------------------------------------------------------------------------------------
def may_claim(user: Record, reservation: Record) -> str | None:
    if user["membership"] != "regular" or reservation["insured"] or reservation["cabin"] == "business":
        return None
    yours = f"reservation {reservation['reservation_id']} is neither insured nor a business fare"
    return f"{yours}, and otherwise only silver and gold members get compensation"


def went_wrong(world: World, reservation: Record, flight_id: Any) -> str | None:
    """The flight is one of the reservation's and was called off or two hours late."""
    flight = next((f for f in flights_in(world, reservation["trips"]) if f["flight_id"] == flight_id), None)
    if flight is None:
        return f"that flight is not part of reservation {reservation['reservation_id']}"
    if compensation_for(flight, 1) > 0:
        return None
    late = flight.get("delay_minutes", 0)
    how = f"was {late} minutes late, and we pay from two hours on" if late else "was neither called off nor late"
    return f"{flight_said(flight)} {how}"


def compensation_for(flight: Mapping[str, Any], heads: int) -> float:
    """Dollars that ``heads`` passengers are due for a flight."""
    if flight["cancelled"]:
        return FOR_CANCELLED * heads
    return FOR_DELAYED * heads if int(flight.get("delay_minutes", 0)) >= LONG_DELAY else 0.0


def due(world: World, reservation: Record, flight_id: Any) -> float:
    """Dollars that a reservation is due for one of its flights."""
    heads = len(reservation["passengers"])
    flights = flights_in(world, reservation["trips"])
    return next((compensation_for(flight, heads) for flight in flights if flight["flight_id"] == flight_id), 0.0)


def is_due(world: World, reservation: Record, flight_id: Any, amount: Any) -> str | None:
    owed = due(world, reservation, flight_id)
    if not owed or amount == owed:
        return None
    heads = len(reservation["passengers"])
    each = f", that is ${owed / heads:.0f} for each of {heads} passengers" if heads > 1 else ""
    return f"what you are due is ${owed:.0f}{each}"


def not_compensated(reservation: Record) -> str | None:
    given = reservation.get("compensation")
    if given is None:
        return None
    return f"a certificate for ${given:.0f} was already given for reservation {reservation['reservation_id']}"
