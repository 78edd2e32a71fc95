"""READ tools of the agent."""

from __future__ import annotations

from collections.abc import Iterator

from ..lookups import first_key, need
from ..people import Email, FirstName, LastName, UserId
from ..state import Index, Record, World
from ..tools import READ, ToolError, tool
from . import conditions as when
from . import network
from .records import (
    Airport,
    BirthDate,
    Destination,
    FlightId,
    FlightState,
    FlightStatus,
    Itinerary,
    ItineraryId,
    Origin,
    Prices,
    Reservation,
    ReservationId,
    Seats,
    TravelDate,
    User,
)

BY_EMAIL = Index("users", lambda user: [user["email"].lower()])
BY_NAME_BIRTH = Index(
    "users", lambda user: [(user["first_name"].lower(), user["last_name"].lower(), user["birth_date"])]
)


def user_of(world: World, user_id: str) -> Record:
    return need(world, "users", user_id, "user", "find the id by e-mail, or by name and date of birth, first")


def reservation_of(world: World, reservation_id: str) -> Record:
    return need(
        world,
        "reservations",
        reservation_id,
        "reservation",
        "reservation ids are six letters and digits, such as 'QX7KM4'",
    )


def flights_of(world: World, itinerary_id: str) -> list[Record]:
    flights = network.flights_of(world, itinerary_id)
    if flights is None:
        raise ToolError(f"there is no itinerary '{itinerary_id}'; take its id from a search for flights")
    return flights


@tool(READ)
def find_user_id_by_email(world: World, email: Email) -> UserId:
    """Find a customer's user id by e-mail address.

    Args:
        email: The e-mail address of the account, such as 'someone@example.com'.
    """
    wanted = email.strip().lower()
    otherwise = f"no account has the e-mail address '{email}'; ask for another one, or for name and date of birth"
    return UserId(first_key(world, BY_EMAIL, wanted, otherwise))


@tool(READ)
def find_user_id_by_name_birth_date(
    world: World, first_name: FirstName, last_name: LastName, birth_date: BirthDate
) -> UserId:
    """Find a customer's user id by name and date of birth. Prefer the e-mail address where it is known.

    Args:
        first_name: First name, such as 'Maya'.
        last_name: Last name, such as 'Kovacs'.
        birth_date: Date of birth as YYYY-MM-DD, such as '1988-03-21'.
    """
    wanted = (first_name.strip().lower(), last_name.strip().lower(), birth_date.strip())
    who = f"{first_name} {last_name}, born {birth_date}"
    otherwise = f"no account is in the name of {who}; check the spelling and the date (YYYY-MM-DD)"
    return UserId(first_key(world, BY_NAME_BIRTH, wanted, otherwise))


@tool(READ)
def get_user_details(world: World, user_id: UserId) -> User:
    """Get a customer's account: membership, saved passengers, payment methods and reservation ids.

    Args:
        user_id: The user id, such as 'maya_kovacs_4821'.
    """
    return user_of(world, user_id)  # type: ignore[return-value]


@tool(READ)
def get_reservation_details(world: World, reservation_id: ReservationId) -> Reservation:
    """Get a reservation: trips with their flights, cabin, passengers, bags, insurance and payments.

    Args:
        reservation_id: The reservation id: six letters and digits, such as 'QX7KM4'.
    """
    return reservation_of(world, reservation_id)  # type: ignore[return-value]


@tool(READ)
def get_flight_status(world: World, flight_id: FlightId) -> FlightState:
    """Get how one flight stands: scheduled, delayed, departed, arrived or cancelled, and by how much it is late; and by
    cabin, what it costs one passenger today, and how many seats are left.

    Args:
        flight_id: Flight number and date, such as 'MRA214/2026-05-20'.
    """
    hint = "flight ids are a flight number and a date, such as 'MRA214/2026-05-20'"
    flight = need(world, "flights", flight_id, "flight", hint)
    return {
        "flight_id": flight_id,
        "origin": flight["origin"],
        "destination": flight["destination"],
        "departs": flight["departs"],
        "arrives": flight["arrives"],
        "status": FlightStatus(when.state_of(flight, world.now)),
        "delay_minutes": flight.get("delay_minutes", 0),
        "prices": flight["prices"],
        "seats": flight["seats"],
    }


def _days(day: str) -> list[str]:
    try:
        return network.days_around(day)
    except (ValueError, OverflowError):
        raise ToolError(f"'{day}' is no date; write it as YYYY-MM-DD, such as '2026-05-20'") from None


def _offers(world: World, found: Iterator[list[Record]]) -> Iterator[Itinerary]:
    """Itineraries that can still be flown, as a customer is shown them."""
    for flights in found:
        if any(when.state_of(flight, world.now) not in ("scheduled", "delayed") for flight in flights):
            continue
        offer = Itinerary(
            itinerary_id=ItineraryId("+".join(flight["flight_id"] for flight in flights)),
            departs=flights[0]["departs"],
            arrives=flights[-1]["arrives"],
            prices=Prices(
                saver=network.price(flights, "saver"),
                economy=network.price(flights, "economy"),
                business=network.price(flights, "business"),
            ),
            seats=Seats(
                saver=network.seats(flights, "saver"),
                economy=network.seats(flights, "economy"),
                business=network.seats(flights, "business"),
            ),
        )
        if len(flights) > 1:
            offer["stop"] = flights[0]["destination"]
        yield offer


@tool(READ)
def search_direct_flights(world: World, origin: Origin, destination: Destination, date: TravelDate) -> list[Itinerary]:
    """Search for direct flights on a day, the day before and the day after, with prices and seats for one passenger.

    Args:
        origin: Airport code, such as 'DEN'.
        destination: Airport code, such as 'BOS'.
        date: The day as YYYY-MM-DD.
    """
    return [offer for day in _days(date) for offer in _offers(world, network.direct(world, origin, destination, day))]


@tool(READ)
def search_onestop_flights(world: World, origin: Origin, destination: Destination, date: TravelDate) -> list[Itinerary]:
    """Search for connections with one stop on a day, the earliest arrivals first.

    Args:
        origin: Airport code, such as 'DEN'.
        destination: Airport code, such as 'BOS'.
        date: The day as YYYY-MM-DD.
    """
    _days(date)
    return list(_offers(world, network.with_one_stop(world, origin, destination, date)))


@tool(READ)
def list_all_airports(world: World) -> list[Airport]:
    """List the airports that are served, with their cities."""
    return [{"code": code, "city": place.city} for code, place in network.AIRPORTS.items()]
