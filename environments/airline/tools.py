"""WRITE tools of the agent, for reservations; the list of all tools."""

from __future__ import annotations

import base64
from hashlib import blake2b
from typing import Any, Literal, cast

from ..assistant import calculate, make_decline_tool, think, transfer_to_human_agents
from ..lookups import demand
from ..payment import PaymentMethodId, dollars, payment_method
from ..people import UserId
from ..rules import declinable
from ..state import Record, World
from ..tools import WRITE, Tool, ToolError, tool
from . import conditions as when
from . import network
from .database import booked
from .reading import (
    find_user_id_by_email,
    find_user_id_by_name_birth_date,
    flights_of,
    get_flight_status,
    get_reservation_details,
    get_user_details,
    list_all_airports,
    reservation_of,
    search_direct_flights,
    search_onestop_flights,
    user_of,
)
from .records import (
    BagReceipt,
    BookingReceipt,
    Cabin,
    CancelReason,
    CancelReceipt,
    CertificateReceipt,
    ChangeReceipt,
    Direction,
    FlightId,
    InsuranceReceipt,
    ItineraryId,
    PassengerId,
    PassengerReceipt,
    ReservationId,
    WrittenAmount,
    WrittenDetails,
    WrittenParty,
)
from .rules import RULES


# -- moving money and seats --------------------------------------------------------------------------------------------
def _move_money(world: World, reservation: Record, amount: float, payment_method_id: str) -> None:
    """Charge (positive) or refund (negative) on a reservation being edited. A charge is off the balance at once; a
    refund is under way for days, so that nobody can spend it now."""
    if amount == 0:
        return
    kind = "payment" if amount > 0 else "refund"
    reservation["payments"].append({"type": kind, "amount": abs(amount), "payment_method_id": payment_method_id})
    method = payment_method(user_of(world, reservation["user_id"]), payment_method_id)
    if amount > 0 and method is not None and "balance" in method:
        edited = payment_method(world.edit("users", reservation["user_id"]), payment_method_id)
        assert edited is not None
        edited["balance"] = dollars(edited["balance"] - amount)


def _move_seats(world: World, flight_ids: list[str], cabin: str, by: int) -> None:
    for flight_id in flight_ids:
        if world.get("flights", flight_id) is not None:
            world.edit("flights", flight_id)["seats"][cabin] += by


def _flight_ids(trip: Record) -> list[str]:
    return [flight["flight_id"] for flight in trip["flights"]]


def _settle(world: World, reservation: Record, difference: float, payment_method_id: str) -> ChangeReceipt:
    """Charge or refund a difference; returns the receipt."""
    _move_money(world, reservation, difference, payment_method_id)
    receipt = ChangeReceipt(
        reservation_id=reservation["reservation_id"], payment_method_id=PaymentMethodId(payment_method_id)
    )
    if difference > 0:
        receipt["to_pay"] = difference
    elif difference < 0:
        receipt["to_refund"] = -difference
    return receipt


# -- booking -----------------------------------------------------------------------------------------------------------
def _new_code(world: World, user_id: str) -> ReservationId:
    """Six letters and digits that no reservation has."""
    while True:
        issued = world.new_id("reservation", user_id)
        code = base64.b32encode(blake2b(issued.encode(), digest_size=5).digest()).decode()[:6]
        if world.get("reservations", code) is None:
            return ReservationId(code)


@tool(WRITE)
def book_reservation(
    world: World,
    user_id: UserId,
    outbound_id: ItineraryId,
    cabin: Cabin,
    passenger_ids: WrittenParty,
    insured: Literal["yes", "no"],
    payment_method_id: PaymentMethodId,
    return_id: str | None = None,
) -> BookingReceipt:
    """Book flights for passengers saved in the customer's account. Checked bags can be added afterwards.

    Tell the customer the details and the price, and get an explicit yes first.

    Args:
        user_id: The user id, such as 'maya_kovacs_4821'.
        outbound_id: The itinerary there, from a search: 'MRA214/2026-05-20', or two flights joined by '+'.
        cabin: The cabin, for all flights and passengers.
        passenger_ids: Who flies, from the account.
        insured: Whether the customer wants travel insurance.
        payment_method_id: What pays all of it.
        return_id: The itinerary back; leave it out for a one-way trip.
    """
    user = user_of(world, user_id)
    saved = {one["passenger_id"]: one for one in user["passengers"]}
    if not passenger_ids or len(set(passenger_ids)) != len(passenger_ids) or not saved.keys() >= set(passenger_ids):
        who = ", ".join(f"{key} ({when.name(one)})" for key, one in saved.items())
        raise ToolError(f"passenger_ids must name passengers of the account, each once: {who}")
    ways = [flights_of(world, one) for one in (outbound_id, return_id) if one]
    heads = len(passenger_ids)
    demand(*(when.can_board(world, flights, cabin, heads) for flights in ways))
    if len(ways) == 2:
        there, back = ways
        if (back[0]["origin"], back[-1]["destination"]) != (there[-1]["destination"], there[0]["origin"]):
            raise ToolError("the itinerary back must lead from where the first one ends to where it begins")
        if back[0]["departs"] <= there[-1]["arrives"]:
            raise ToolError("the way back would begin earlier than the way there ends")
    total = sum(network.price(flights, cabin) for flights in ways) * heads
    total = dollars(total + (when.INSURANCE * heads if insured == "yes" else 0.0))
    demand(when.can_pay(user, payment_method_id, total))
    code = _new_code(world, user_id)
    reservation: Record = {
        "reservation_id": code,
        "user_id": user_id,
        "status": "booked",
        "booked_at": world.now.isoformat(),
        "cabin": cabin,
        "insured": insured == "yes",
        "checked_bags": 0,
        "passengers": [dict(one) for key, one in saved.items() if key in passenger_ids],
        "trips": [
            {
                "direction": direction,
                "origin": flights[0]["origin"],
                "destination": flights[-1]["destination"],
                "date": flights[0]["departs"][:10],
                "flights": [dict(booked(flight)) for flight in flights],
                "price": network.price(flights, cabin),
            }
            for direction, flights in zip(("outbound", "return"), ways, strict=False)
        ],
        "payments": [],
    }
    for trip in reservation["trips"]:
        _move_seats(world, _flight_ids(trip), cabin, -heads)
    _move_money(world, reservation, total, payment_method_id)
    world.put("reservations", code, reservation)
    edited = world.edit("users", user_id)
    edited["reservations"].append(code)
    paid = payment_method(edited, payment_method_id)
    if paid is not None and paid["source"] == "certificate":
        paid["balance"] = 0.0  # the rest lapses
    return {"reservation_id": code, "total": total, "payment_method_id": payment_method_id}


# -- changing ----------------------------------------------------------------------------------------------------------
@tool(WRITE)
def change_flights(
    world: World,
    reservation_id: ReservationId,
    direction: Direction,
    itinerary_id: ItineraryId,
    payment_method_id: PaymentMethodId,
) -> ChangeReceipt:
    """Change the flights of one trip of a reservation for others between the same places, in the same cabin.

    All passengers move. Tell the customer the difference in price, and get an explicit yes first.

    Args:
        reservation_id: The reservation id, such as 'QX7KM4'.
        direction: Which trip: 'outbound' or 'return'.
        itinerary_id: The new flights, from a search.
        payment_method_id: What pays, or receives, the difference in price.
    """
    reservation = reservation_of(world, reservation_id)
    trip = when.trip_of(reservation, direction)
    if trip is None:
        held = " and ".join(repr(one["direction"]) for one in reservation["trips"])
        raise ToolError(f"reservation {reservation_id} has no trip '{direction}', only {held}")
    flights, heads, cabin = flights_of(world, itinerary_id), len(reservation["passengers"]), reservation["cabin"]
    difference = dollars((network.price(flights, cabin) - trip["price"]) * heads)
    demand(
        when.is_booked(reservation, "changed"),
        when.trip_is_ahead(world, reservation, trip),
        when.same_way(reservation, trip, flights),
        when.can_board(world, flights, cabin, heads),
        when.can_pay(user_of(world, reservation["user_id"]), payment_method_id, max(difference, 0.0)),
    )
    _move_seats(world, _flight_ids(trip), cabin, heads)
    _move_seats(world, [flight["flight_id"] for flight in flights], cabin, -heads)
    reservation = world.edit("reservations", reservation_id)
    edited = when.trip_of(reservation, direction)
    assert edited is not None
    edited.update(
        date=flights[0]["departs"][:10],
        flights=[dict(booked(flight)) for flight in flights],
        price=network.price(flights, cabin),
    )
    return _settle(world, reservation, difference, payment_method_id)


@tool(WRITE)
def change_cabin(
    world: World, reservation_id: ReservationId, cabin: Cabin, payment_method_id: PaymentMethodId
) -> ChangeReceipt:
    """Change the cabin of a whole reservation, at today's prices. Get an explicit yes from the customer first.

    Args:
        reservation_id: The reservation id, such as 'QX7KM4'.
        cabin: The new cabin, for all flights and passengers.
        payment_method_id: What pays, or receives, the difference in price.
    """
    reservation = reservation_of(world, reservation_id)
    if reservation["cabin"] == cabin:
        raise ToolError(f"reservation {reservation_id} is in the {cabin} cabin already")
    heads = len(reservation["passengers"])
    ways = [when.flights_in(world, [trip]) for trip in reservation["trips"]]
    prices = [network.price(flights, cabin) for flights in ways]
    difference = dollars(
        sum((new - trip["price"]) * heads for new, trip in zip(prices, reservation["trips"], strict=True))
    )
    demand(
        when.is_booked(reservation, "changed"),
        when.not_begun(world, reservation),
        *(when.can_board(world, flights, cabin, heads) for flights in ways),
        when.can_pay(user_of(world, reservation["user_id"]), payment_method_id, max(difference, 0.0)),
    )
    reservation = world.edit("reservations", reservation_id)
    for trip, new in zip(reservation["trips"], prices, strict=True):
        _move_seats(world, _flight_ids(trip), reservation["cabin"], heads)
        _move_seats(world, _flight_ids(trip), cabin, -heads)
        trip["price"] = new
    reservation["cabin"] = cabin
    return _settle(world, reservation, difference, payment_method_id)


@tool(WRITE)
def correct_passenger(
    world: World, reservation_id: ReservationId, passenger_id: PassengerId, details: WrittenDetails
) -> PassengerReceipt:
    """Correct the details of a passenger of a reservation. Get an explicit yes from the customer first.

    Args:
        reservation_id: The reservation id, such as 'QX7KM4'.
        passenger_id: Which passenger, as in the reservation.
        details: All the details as they should be; birth_date as YYYY-MM-DD.
    """
    reservation = reservation_of(world, reservation_id)
    passenger = next((one for one in reservation["passengers"] if one["passenger_id"] == passenger_id), None)
    if passenger is None:
        who = ", ".join(f"{one['passenger_id']} ({when.name(one)})" for one in reservation["passengers"])
        raise ToolError(f"reservation {reservation_id} has no passenger {passenger_id}; it has {who}")
    demand(when.is_booked(reservation, "changed"), when.not_begun(world, reservation))
    if all(passenger[key] == value for key, value in details.items()):
        raise ToolError(f"these are the details of {when.name(passenger)} already")
    edited = next(
        one for one in world.edit("reservations", reservation_id)["passengers"] if one["passenger_id"] == passenger_id
    )
    edited.update(details)
    return {"reservation_id": reservation_id, "passenger": cast(Any, dict(edited))}


@tool(WRITE)
def add_checked_bags(
    world: World, reservation_id: ReservationId, bags: Literal[1, 2, 3], payment_method_id: PaymentMethodId
) -> BagReceipt:
    """Add checked bags to a reservation; those beyond the free ones are charged. Get an explicit yes first.

    Args:
        reservation_id: The reservation id, such as 'QX7KM4'.
        bags: How many bags more, for all passengers together.
        payment_method_id: What pays for those that are not free.
    """
    reservation = reservation_of(world, reservation_id)
    user = user_of(world, reservation["user_id"])
    fee = when.bag_fee(user, reservation, bags)
    demand(
        when.is_booked(reservation, "changed"),
        when.not_begun(world, reservation),
        when.bags_fit(reservation, bags),
        when.can_pay(user, payment_method_id, fee),
    )
    reservation = world.edit("reservations", reservation_id)
    reservation["checked_bags"] += bags
    _move_money(world, reservation, fee, payment_method_id)
    receipt = BagReceipt(
        reservation_id=reservation_id,
        checked_bags=reservation["checked_bags"],
        payment_method_id=payment_method_id,
    )
    if fee:
        receipt["to_pay"] = fee
    else:
        receipt["note"] = "free of charge"
    return receipt


@tool(WRITE)
def add_insurance(world: World, reservation_id: ReservationId, payment_method_id: PaymentMethodId) -> InsuranceReceipt:
    """Add travel insurance to a reservation, for all of its passengers. Get an explicit yes first.

    Args:
        reservation_id: The reservation id, such as 'QX7KM4'.
        payment_method_id: What pays for it.
    """
    reservation = reservation_of(world, reservation_id)
    if reservation["insured"]:
        raise ToolError(f"reservation {reservation_id} is insured already")
    fee = when.insurance(reservation)
    demand(
        when.is_booked(reservation, "changed"),
        when.not_begun(world, reservation),
        when.can_pay(user_of(world, reservation["user_id"]), payment_method_id, fee),
    )
    reservation = world.edit("reservations", reservation_id)
    reservation["insured"] = True
    _move_money(world, reservation, fee, payment_method_id)
    return {"reservation_id": reservation_id, "to_pay": fee, "payment_method_id": payment_method_id}


# -- cancelling and making good ----------------------------------------------------------------------------------------
@tool(WRITE)
def cancel_reservation(world: World, reservation_id: ReservationId, reason: CancelReason) -> CancelReceipt:
    """Cancel a whole reservation. All that was paid goes back to what it was paid with.

    Explain what will happen and get an explicit yes from the customer first.

    Args:
        reservation_id: The reservation id, such as 'QX7KM4'.
        reason: Why, in one of the ways that count.
    """
    demand(when.can_cancel(world, reservation_of(world, reservation_id)))
    reservation = world.edit("reservations", reservation_id)
    paid: dict[str, float] = {}
    for move in reservation["payments"]:
        sign = 1 if move["type"] == "payment" else -1
        paid[move["payment_method_id"]] = paid.get(move["payment_method_id"], 0.0) + sign * move["amount"]
    for method, amount in paid.items():
        _move_money(world, reservation, -dollars(max(amount, 0.0)), method)
    for trip in reservation["trips"]:
        if not when.has_left(world, trip):
            _move_seats(world, _flight_ids(trip), reservation["cabin"], len(reservation["passengers"]))
    reservation["status"], reservation["cancel_reason"] = "cancelled", reason
    refund = dollars(sum(max(amount, 0.0) for amount in paid.values()))
    return {"reservation_id": reservation_id, "status": "cancelled", "refund": refund}


@tool(WRITE)
def send_certificate(
    world: World, reservation_id: ReservationId, flight_id: FlightId, amount: WrittenAmount
) -> CertificateReceipt:
    """Compensate a customer for a flight that went wrong with a certificate for later bookings. Possible once a
    reservation; look up first how the flight stands, and get an explicit yes from the customer.

    Args:
        reservation_id: The reservation id, such as 'QX7KM4'.
        flight_id: The flight that went wrong, such as 'MRA214/2026-05-20'.
        amount: Dollars, for all passengers together.
    """
    reservation = reservation_of(world, reservation_id)
    if all(flight["flight_id"] != flight_id for trip in reservation["trips"] for flight in trip["flights"]):
        raise ToolError(f"flight {flight_id} is not part of reservation {reservation_id}")
    if not 0 < amount <= when.MOST_COMPENSATION:
        raise ToolError(f"amount must be more than 0 and at most {when.MOST_COMPENSATION:.0f} dollars")
    demand(when.not_compensated(reservation))
    user_id = reservation["user_id"]
    method_id = PaymentMethodId(world.new_id("certificate", reservation_id))
    world.edit("reservations", reservation_id)["compensation"] = dollars(amount)
    world.edit("users", user_id)["payment_methods"].append(
        {"payment_method_id": method_id, "source": "certificate", "balance": dollars(amount)}
    )
    return {"reservation_id": reservation_id, "payment_method_id": method_id, "amount": dollars(amount)}


#: What customers ask for.
_CHANGES = [
    book_reservation,
    change_flights,
    change_cabin,
    correct_passenger,
    add_checked_bags,
    add_insurance,
    cancel_reservation,
    send_certificate,
]
TOOLS: list[Tool] = [
    find_user_id_by_email,
    find_user_id_by_name_birth_date,
    get_user_details,
    get_reservation_details,
    get_flight_status,
    search_direct_flights,
    search_onestop_flights,
    list_all_airports,
    *_CHANGES,
    calculate,
    think,
    make_decline_tool([change.name for change in _CHANGES], declinable(RULES)),
    transfer_to_human_agents,
]
