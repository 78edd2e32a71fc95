"""Rules of tau2's airline in code. Its policy is not numbered: each rule quotes the sentence that it stands for.

Most are the policy's alone: "the API does not check these".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from ...rules import Enforced, Handling, Rule, rule
from ...state import Record, World
from ...tools import Call

#: By rule, the words of the policy. A rule whose words the installed policy does not have is left out.
QUOTES = {
    1: "Basic economy flights cannot be modified.",
    2: "If any portion of the flight has already been flown, the agent cannot help and transfer is needed.",
    3: "Otherwise, flight can be cancelled if any of the following is true: - The booking was made within the last 24"
    " hrs - The flight is cancelled by airline - It is a business flight - The user has travel insurance and the reason"
    " for cancellation is covered by insurance.",
    4: "The user can modify passengers but cannot modify the number of passengers.",
    5: "The user can add but not remove checked bags.",
    6: "Cabin cannot be changed if any flight in the reservation has already been flown.",
    7: "Do not compensate if the user is regular member and has no travel insurance and flies (basic) economy.",
    8: "Do not offer compensation for any other reason than the ones listed above.",
    9: "Other reservations can be modified without changing the origin, destination, and trip type.",
    10: "Each extra baggage is 50 dollars.",
}
_FLOWN = ("flying", "landed")
_CABINS = ("basic_economy", "economy", "business")
#: Checked bags that are free for each passenger in basic economy, by membership; each better cabin has one more.
_FREE = {"regular": 0, "silver": 1, "gold": 2}


def _reservations(world: World, customer: str) -> Iterator[Record]:
    user = world.get("users", customer)
    for identity in user["reservations"] if user else ():
        reservation = world.get("reservations", identity)
        if reservation and reservation["status"] != "cancelled":
            yield reservation


def _reservation(world: World, call: Call) -> Record | None:
    return world.get("reservations", str(call.arguments.get("reservation_id")))


def _states(world: World, reservation: Record) -> list[str]:
    found = []
    for leg in reservation["flights"]:
        flight = world.get("flights", leg["flight_number"])
        day = flight["dates"].get(leg["date"]) if flight else None
        found.append(str(day["status"]) if day else "")
    return found


def _flown(world: World, reservation: Record) -> bool:
    return any(state in _FLOWN for state in _states(world, reservation))


def _legs(flights: object) -> list[tuple[object, object]]:
    listed = flights if isinstance(flights, list) else []
    return [(leg.get("flight_number"), leg.get("date")) for leg in listed if isinstance(leg, dict)]


def _pays_with(world: World, reservation: Record) -> str | None:
    """A payment method for a change that does not depend on a balance."""
    user = world.get("users", reservation["user_id"])
    methods = user["payment_methods"].values() if user else ()
    return next((str(method["id"]) for method in methods if method["source"] == "credit_card"), None)


def _update(world: World, reservation: Record, cabin: str, legs: list[Record]) -> Iterator[Call]:
    method = _pays_with(world, reservation)
    if method is not None:
        flights = [{"flight_number": leg["flight_number"], "date": leg["date"]} for leg in legs]
        arguments = {"reservation_id": reservation["reservation_id"], "cabin": cabin, "flights": flights}
        yield Call("update_reservation_flights", arguments | {"payment_id": method})


@rule(1, "update_reservation_flights", enforced=Enforced.BY_POLICY)
def basic_economy_stays(world: World, call: Call, customer: str) -> str | None:
    reservation = _reservation(world, call)
    if reservation is None or reservation["cabin"] != "basic_economy":
        return None
    if _legs(call.arguments.get("flights")) == _legs([dict(leg) for leg in reservation["flights"]]):
        return None
    return f"reservation {reservation['reservation_id']} is basic economy"


@basic_economy_stays.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for reservation in _reservations(world, customer):
        if reservation["cabin"] == "basic_economy" and not _flown(world, reservation):
            legs = [dict(leg) for leg in reservation["flights"]]
            flight = world.get("flights", legs[-1]["flight_number"])
            for date, day in flight["dates"].items() if flight else ():
                seats = day["available_seats"]["basic_economy"] if day["status"] == "available" else 0
                if date > legs[-1]["date"] and seats >= len(reservation["passengers"]):
                    yield from _update(world, reservation, "basic_economy", [*legs[:-1], {**legs[-1], "date": date}])


@rule(2, "cancel_reservation", enforced=Enforced.BY_POLICY, handling=Handling.TRANSFER)
def not_flown_yet(world: World, call: Call, customer: str) -> str | None:
    reservation = _reservation(world, call)
    if reservation is None or not _flown(world, reservation):
        return None
    return f"a part of reservation {reservation['reservation_id']} has been flown already"


@not_flown_yet.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for reservation in _reservations(world, customer):
        yield Call("cancel_reservation", {"reservation_id": reservation["reservation_id"]})


@rule(3, "cancel_reservation", enforced=Enforced.BY_POLICY)
def cancelled_for_a_reason_that_counts(world: World, call: Call, customer: str) -> str | None:
    reservation = _reservation(world, call)
    if reservation is None or _flown(world, reservation):
        return None
    young = datetime.fromisoformat(reservation["created_at"]) >= world.now - timedelta(hours=24)
    if young or reservation["cabin"] == "business" or "cancelled" in _states(world, reservation):
        return None
    if reservation["insurance"] == "yes":  # not proposed: with a reason that is covered it would be right
        return f"for reservation {reservation['reservation_id']} no reason was given that its insurance covers"
    return (
        f"reservation {reservation['reservation_id']} was not booked within the last 24 hours, is no business flight,"
        " has no travel insurance, and was not cancelled by the airline"
    )


@cancelled_for_a_reason_that_counts.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for reservation in _reservations(world, customer):
        if reservation["insurance"] == "no":
            yield Call("cancel_reservation", {"reservation_id": reservation["reservation_id"]})


@rule(4, "update_reservation_passengers")
def as_many_passengers(world: World, call: Call, customer: str) -> str | None:
    reservation, passengers = _reservation(world, call), call.arguments.get("passengers")
    if reservation is None or not isinstance(passengers, list):
        return None
    if len(passengers) == len(reservation["passengers"]):
        return None
    return f"reservation {reservation['reservation_id']} is for {len(reservation['passengers'])} passengers"


@as_many_passengers.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for reservation in _reservations(world, customer):
        kept = [dict(passenger) for passenger in reservation["passengers"][:-1]]
        if kept:
            arguments = {"reservation_id": reservation["reservation_id"], "passengers": kept}
            yield Call("update_reservation_passengers", arguments)


@rule(5, "update_reservation_baggages", enforced=Enforced.BY_POLICY)
def bags_are_not_removed(world: World, call: Call, customer: str) -> str | None:
    reservation, bags = _reservation(world, call), call.arguments.get("total_baggages")
    if reservation is None or not isinstance(bags, int) or bags >= reservation["total_baggages"]:
        return None
    return f"checked bags can't be removed from reservation {reservation['reservation_id']}"


@bags_are_not_removed.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for reservation in _reservations(world, customer):
        method = _pays_with(world, reservation)
        if reservation["total_baggages"] and method is not None:
            less = reservation["total_baggages"] - 1
            arguments = {"reservation_id": reservation["reservation_id"], "total_baggages": less}
            paid = min(less, reservation["nonfree_baggages"])
            yield Call("update_reservation_baggages", arguments | {"nonfree_baggages": paid, "payment_id": method})


@rule(6, "update_reservation_flights")
def cabin_stays_once_flown(world: World, call: Call, customer: str) -> str | None:
    reservation = _reservation(world, call)
    if reservation is None or not _flown(world, reservation) or call.arguments.get("cabin") == reservation["cabin"]:
        return None
    return f"a part of reservation {reservation['reservation_id']} has been flown already"


@cabin_stays_once_flown.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for reservation in _reservations(world, customer):
        for cabin in _CABINS:
            yield from _update(world, reservation, cabin, [dict(leg) for leg in reservation["flights"]])


@rule(7, "send_certificate", enforced=Enforced.BY_POLICY)
def compensated_by_membership(world: World, call: Call, customer: str) -> str | None:
    user = world.get("users", str(call.arguments.get("user_id")))
    if user is None or user["membership"] != "regular":
        return None
    booked = [found for name in user["reservations"] if (found := world.get("reservations", name))]
    if any(found["insurance"] == "yes" or found["cabin"] == "business" for found in booked):
        return None
    return "you are a regular member without travel insurance, in economy"


@compensated_by_membership.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for amount in (50, 100):
        yield Call("send_certificate", {"user_id": customer, "amount": amount})


@rule(8, "send_certificate", enforced=Enforced.BY_POLICY)
def compensated_for_what_happened(world: World, call: Call, customer: str) -> str | None:
    user = world.get("users", str(call.arguments.get("user_id")))
    if user is None or compensated_by_membership.broken_by(world, call, customer):
        return None
    booked = [found for name in user["reservations"] if (found := world.get("reservations", name))]
    due = [100 * len(found["passengers"]) for found in booked if "cancelled" in _states(world, found)]
    return None if call.arguments.get("amount") in due else "nothing happened for which that amount is due"


@compensated_for_what_happened.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    states = {state for reservation in _reservations(world, customer) for state in _states(world, reservation)}
    if not states & {"cancelled", "delayed"}:
        for amount in (50, 100):
            yield Call("send_certificate", {"user_id": customer, "amount": amount})


def _route(world: World, flights: object) -> list[tuple[str, str]]:
    """From where to where each of the known flights goes."""
    known = [flight for number, _ in _legs(flights) if (flight := world.get("flights", str(number)))]
    return [(flight["origin"], flight["destination"]) for flight in known]


@rule(9, "update_reservation_flights", enforced=Enforced.BY_POLICY)
def same_trip(world: World, call: Call, customer: str) -> str | None:
    reservation, flights = _reservation(world, call), call.arguments.get("flights")
    if reservation is None or basic_economy_stays.broken_by(world, call, customer):
        return None
    route, now = _route(world, flights), _route(world, [dict(leg) for leg in reservation["flights"]])
    if route == now or not now or len(route) < len(_legs(flights)):  # the tool refuses a flight that it does not know
        return None
    there, ends = reservation["destination"], (now[0][0], now[-1][1])
    joined = all(one[1] == other[0] for one, other in pairwise(route))
    if route and joined and (route[0][0], route[-1][1]) == ends and there in [to for _, to in route]:
        return None
    return f"reservation {reservation['reservation_id']} would get another origin, destination or trip type"


@same_trip.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for reservation in _reservations(world, customer):
        legs = [dict(leg) for leg in reservation["flights"]]
        arrivals = [place for place, leg in enumerate(legs, 1) if leg["destination"] == reservation["destination"]]
        if reservation["flight_type"] == "round_trip" and arrivals and not _flown(world, reservation):
            yield from _update(world, reservation, reservation["cabin"], legs[: arrivals[0]])


@rule(10, "update_reservation_baggages", enforced=Enforced.BY_POLICY)
def extra_bags_are_paid(world: World, call: Call, customer: str) -> str | None:
    reservation, bags = _reservation(world, call), call.arguments.get("total_baggages")
    user = world.get("users", reservation["user_id"]) if reservation else None
    if reservation is None or user is None or not isinstance(bags, int) or bags < reservation["total_baggages"]:
        return None
    each = _FREE[user["membership"]] + _CABINS.index(reservation["cabin"])
    extra = max(0, bags - each * len(reservation["passengers"]))
    if call.arguments.get("nonfree_baggages") == extra:
        return None
    return f"{extra} of {bags} checked bags in reservation {reservation['reservation_id']} are to be paid"


@extra_bags_are_paid.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for reservation in _reservations(world, customer):
        if (method := _pays_with(world, reservation)) is not None:
            arguments = {"reservation_id": reservation["reservation_id"], "nonfree_baggages": 0, "payment_id": method}
            yield Call("update_reservation_baggages", arguments | {"total_baggages": reservation["total_baggages"] + 1})


RULES: tuple[Rule, ...] = (
    basic_economy_stays,
    not_flown_yet,
    cancelled_for_a_reason_that_counts,
    as_many_passengers,
    bags_are_not_removed,
    cabin_stays_once_flown,
    compensated_by_membership,
    compensated_for_what_happened,
    same_trip,
    extra_bags_are_paid,
)
