"""Record types of the airline. Money is in dollars with two decimals; dates and times are ISO 8601.

All times are those of the airline's own clock: no time zones.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, NewType, NotRequired

from pydantic import AfterValidator

# pydantic reads only this one before Python 3.12.
from typing_extensions import TypedDict

from ..payment import PaymentMethodId, dollars
from ..people import Address, Email, FirstName, LastName, UserId

BirthDate = NewType("BirthDate", str)
ReservationId = NewType("ReservationId", str)
PassengerId = NewType("PassengerId", str)
#: One flight on one day: ``MRA214/2026-05-20``.
FlightId = NewType("FlightId", str)
#: What can be booked: one flight, or two that connect, joined by ``+``.
ItineraryId = NewType("ItineraryId", str)
#: Which of a reservation's trips: ``outbound`` or ``return``.
Direction = NewType("Direction", str)
Origin = NewType("Origin", str)
Destination = NewType("Destination", str)
TravelDate = NewType("TravelDate", str)
FlightStatus = NewType("FlightStatus", str)
#: Dollars that somebody names: a compensation.
Amount = NewType("Amount", float)

Cabin = Literal["saver", "economy", "business"]
Membership = Literal["regular", "silver", "gold"]
CancelReason = Literal["change of plans", "flight cancelled", "illness", "bad weather"]


class PaymentMethod(TypedDict):
    """A credit card (brand, last_four), or a gift card or certificate (balance in dollars)."""

    payment_method_id: PaymentMethodId
    source: Literal["credit_card", "gift_card", "certificate"]
    brand: NotRequired[str]
    last_four: NotRequired[str]
    balance: NotRequired[float]


class Passenger(TypedDict):
    """Somebody who flies: saved in an account, and copied into its reservations."""

    passenger_id: PassengerId
    first_name: str
    last_name: str
    birth_date: str


class PassengerDetails(TypedDict):
    """What is known of a passenger; ``birth_date`` as YYYY-MM-DD."""

    first_name: str
    last_name: str
    birth_date: str


def _normal_details(details: PassengerDetails) -> PassengerDetails:
    first, last = (" ".join(details[name].split()) for name in ("first_name", "last_name"))
    try:
        born = date.fromisoformat(details["birth_date"].strip())
    except ValueError:
        raise ValueError(f"birth_date is written YYYY-MM-DD, not {details['birth_date']!r}") from None
    return PassengerDetails(first_name=first, last_name=last, birth_date=born.isoformat())


#: What a caller writes: however they write it, it is the same argument.
WrittenDetails = Annotated[PassengerDetails, AfterValidator(_normal_details)]
WrittenParty = Annotated[list[PassengerId], AfterValidator(sorted)]
WrittenAmount = Annotated[Amount, AfterValidator(dollars)]


class User(TypedDict):
    """A customer's account. The first of ``passengers`` is the customer; ``note``: a remark that somebody left."""

    user_id: UserId
    first_name: FirstName
    last_name: LastName
    birth_date: BirthDate
    email: Email
    address: Address
    membership: Membership
    passengers: list[Passenger]
    payment_methods: list[PaymentMethod]
    reservations: list[ReservationId]
    note: NotRequired[str]


class Prices(TypedDict):
    """Dollars for one passenger, by cabin."""

    saver: float
    economy: float
    business: float


class Seats(TypedDict):
    """Seats still to be had, by cabin."""

    saver: int
    economy: int
    business: int


class Flight(TypedDict):
    """One flight on one day. ``delay_minutes`` only where it is late; cancelled ones keep their times."""

    flight_id: FlightId
    flight_number: str
    origin: str
    destination: str
    departs: str
    arrives: str
    cancelled: bool
    delay_minutes: NotRequired[int]
    prices: Prices
    seats: Seats


class BookedFlight(TypedDict):
    """A flight as it stands in a reservation."""

    flight_id: FlightId
    flight_number: str
    departs: str
    arrives: str


class Trip(TypedDict):
    """One way of a reservation; ``price`` is what one passenger paid for it."""

    direction: Direction
    origin: Origin
    destination: Destination
    date: TravelDate
    flights: list[BookedFlight]
    price: float


class Payment(TypedDict):
    """One movement of money of a reservation."""

    type: Literal["payment", "refund"]
    amount: float
    payment_method_id: PaymentMethodId


class Reservation(TypedDict):
    """A reservation of one trip, or two that lead there and back. ``compensation``: dollars already given for it;
    ``note``: a remark that somebody left."""

    reservation_id: ReservationId
    user_id: UserId
    status: Literal["booked", "cancelled"]
    booked_at: str
    cabin: Cabin
    insured: bool
    checked_bags: int
    passengers: list[Passenger]
    trips: list[Trip]
    payments: list[Payment]
    compensation: NotRequired[float]
    cancel_reason: NotRequired[CancelReason]
    note: NotRequired[str]


class Airport(TypedDict):
    """An airport that is served."""

    code: str
    city: str


class Itinerary(TypedDict):
    """What can be booked from one place to another: flights, and for one passenger the prices and seats by cabin."""

    itinerary_id: ItineraryId
    departs: str
    arrives: str
    stop: NotRequired[str]
    prices: Prices
    seats: Seats


class FlightState(TypedDict):
    """How a flight stands: scheduled, delayed, departed, arrived or cancelled; its prices for one passenger, and its
    seats."""

    flight_id: FlightId
    origin: str
    destination: str
    departs: str
    arrives: str
    status: FlightStatus
    delay_minutes: int
    prices: Prices
    seats: Seats


class BookingReceipt(TypedDict):
    """``total`` dollars were charged."""

    reservation_id: ReservationId
    total: float
    payment_method_id: PaymentMethodId


class CancelReceipt(TypedDict):
    """``refund`` dollars go back to what they were paid with."""

    reservation_id: ReservationId
    status: Literal["cancelled"]
    refund: float


class ChangeReceipt(TypedDict):
    """``to_pay`` dollars are charged to the payment method, or ``to_refund`` go to it; neither where nothing is due."""

    reservation_id: ReservationId
    to_pay: NotRequired[float]
    to_refund: NotRequired[float]
    payment_method_id: PaymentMethodId


class PassengerReceipt(TypedDict):
    """The passenger as now booked."""

    reservation_id: ReservationId
    passenger: Passenger


class BagReceipt(TypedDict):
    """All checked bags of the reservation now, and the dollars charged for the new ones; or that there are none."""

    reservation_id: ReservationId
    checked_bags: int
    to_pay: NotRequired[float]
    note: NotRequired[Literal["free of charge"]]
    payment_method_id: PaymentMethodId


class InsuranceReceipt(TypedDict):
    """The reservation is insured; ``to_pay`` dollars were charged."""

    reservation_id: ReservationId
    to_pay: float
    payment_method_id: PaymentMethodId


class CertificateReceipt(TypedDict):
    """A certificate over ``amount`` dollars, now in the customer's account."""

    reservation_id: ReservationId
    payment_method_id: PaymentMethodId
    amount: float
