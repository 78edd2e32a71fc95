"""Generator of the airline's database from a seed: a month of flights, customers, reservations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Literal, NamedTuple, cast

from ..chance import deal, unique_numbers
from ..payment import PaymentMethodId, dollars
from ..people import People, Person
from ..splits import Own, own
from .conditions import CLOSE, FEE_PER_BAG, INSURANCE, compensation_for, free_bags, may_claim
from .network import AIRPORTS, HUBS, connects, is_detour, miles, routes
from .records import (
    BirthDate,
    BookedFlight,
    Cabin,
    CancelReason,
    Destination,
    Direction,
    Flight,
    FlightId,
    Membership,
    Origin,
    Passenger,
    PassengerId,
    Payment,
    PaymentMethod,
    Prices,
    Reservation,
    ReservationId,
    Seats,
    TravelDate,
    Trip,
    User,
)

#: The airline's time. Never the wall clock: the same seed has to give the same bytes on any day.
CLOCK = "2026-05-14T15:00:00"
NOW = datetime.fromisoformat(CLOCK)
#: Days with flights before and after today.
DAYS_BACK, DAYS_AHEAD = 10, 24
USERS, RESERVATIONS = 500, 2000
MAX_SCALE = 500

# -- spreads: each maps a value to its share ---------------------------------------------------------------------------
Stage = Literal["upcoming", "soon", "under way", "flown", "cancelled"]
STAGES: Mapping[Stage, float] = {"upcoming": 0.53, "soon": 0.12, "under way": 0.10, "flown": 0.20, "cancelled": 0.05}
CABINS: Mapping[Cabin, float] = {"saver": 0.27, "economy": 0.51, "business": 0.22}
MEMBERSHIPS: Mapping[Membership, float] = {"regular": 0.54, "silver": 0.28, "gold": 0.18}
COMPANIONS = {0: 0.32, 1: 0.28, 2: 0.18, 3: 0.12, 4: 0.06, 5: 0.04}
RESERVATIONS_A_USER = {3: 0.42, 4: 0.30, 5: 0.18, 6: 0.10}
CANCEL_REASONS: Mapping[CancelReason, float] = {"change of plans": 0.6, "illness": 0.25, "bad weather": 0.15}

ROUND_TRIP, INSURED, SAME_PRICE, FROM_HOME, DIRECT = 0.5, 0.32, 0.8, 0.8, 0.5
#: Booked within the last 24 hours, of what has not begun.
JUST_BOOKED = 0.35
FULL, CALLED_OFF, CALLED_OFF_LATER, LATE = 0.15, 0.035, 0.008, 0.10
#: Reservations with a flight that was called off or is late, among those whose flights are past or near.
DISRUPTED = 0.30
COMPENSATED = 0.2
GIFT_CARD, CERTIFICATE, PAID_BY_GIFT_CARD = 0.35, 0.30, 0.08


def build(seed: int = 0, scale: float = 1.0) -> tuple[dict[str, dict[str, dict[str, Any]]], str]:
    """The airline's tables and its time now.

    ``scale`` multiplies the 500 users and 2,000 reservations; the flights stay the same. The same seed and scale give
    the same bytes in any process, in the same order (as long as faker's lists of names are the same: they may change
    with its version).

    Returns:
        ``{"users" | "reservations" | "flights": {id: record}}``, records as in :mod:`.records`; the clock (ISO 8601).

    Raises:
        ValueError: ``scale`` is not above 0, or above ``MAX_SCALE``.
    """
    if not 0 < scale <= MAX_SCALE:
        raise ValueError(f"an airline of scale {scale:g} can't be built; scale must be above 0, at most {MAX_SCALE}")
    # A random generator per table: flights stay the same for any number of customers.
    schedule = Schedule(_flights(Random(f"{seed}/flights")))
    count = max(1, round(USERS * scale))
    users = _users(Random(f"{seed}/users"), People(seed), count, own(seed))
    fewest, most = min(RESERVATIONS_A_USER), max(RESERVATIONS_A_USER)
    held = min(max(fewest * count, round(RESERVATIONS * scale)), most * count)
    reservations = _reservations(Random(f"{seed}/reservations"), held, users, schedule, own(seed))
    tables = {
        "users": {user["user_id"]: user for user in users},
        "reservations": {one["reservation_id"]: one for one in reservations},
        "flights": {flight["flight_id"]: flight for flight in schedule.flights},
    }
    return cast("dict[str, dict[str, dict[str, Any]]]", tables), CLOCK


# -- flights -----------------------------------------------------------------------------------------------------------
def _flights(rng: Random) -> list[Flight]:
    """Every flight of every day, route by route."""
    days = [NOW.date() + timedelta(days=step) for step in range(-DAYS_BACK, DAYS_AHEAD + 1)]
    flights = []
    number = 100
    for origin, destination in routes():
        far = miles(origin, destination)
        minutes = 40 + round(far / 7.6 / 5) * 5
        usual = 45 + 0.09 * far * rng.uniform(0.85, 1.2)
        daily = 4 if {origin, destination} == set(HUBS) else 2
        for slot in range(daily):
            number += 1
            # No flight departs at night, or arrives on another day.
            first, last = 6 * 60, min(20 * 60 + 30, 23 * 60 + 55 - minutes)
            part = (last - first) // daily
            leaves = first + slot * part + rng.randrange(0, part, 5)
            times = (_clock(leaves), _clock(leaves + minutes))
            flights += [_flight(rng, f"MRA{number}", origin, destination, day, times, usual) for day in days]
    return flights


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"


def _flight(
    rng: Random, number: str, origin: str, destination: str, day: date, times: tuple[str, str], usual: float
) -> Flight:
    price = usual * rng.uniform(0.85, 1.25) * (1.12 if day.weekday() in (4, 6) else 1.0)
    ahead = (day - NOW.date()).days
    when = day.isoformat()
    cents = (1 + (ahead * 37 + int(number[3:]) * 11) % 99) / 100
    flight = Flight(
        flight_id=FlightId(f"{number}/{when}"),
        flight_number=number,
        origin=origin,
        destination=destination,
        departs=f"{when}T{times[0]}",
        arrives=f"{when}T{times[1]}",
        cancelled=rng.random() < (CALLED_OFF if ahead < 2 else CALLED_OFF_LATER),
        prices=Prices(
            saver=dollars(int(price * 0.72) + cents),
            economy=dollars(int(price) + cents),
            business=dollars(int(price * 2.7) + cents),
        ),
        seats=Seats(saver=_seats(rng, 12), economy=_seats(rng, 20), business=_seats(rng, 8)),
    )
    if ahead < 1 and not flight["cancelled"] and rng.random() < LATE:
        flight["delay_minutes"] = rng.randrange(20, 300, 5)
    return flight


def _seats(rng: Random, most: int) -> int:
    return 0 if rng.random() < FULL else 1 + int(rng.random() * most)


class Schedule:
    """An index of flights: by route and day, connected airports, and disrupted flights."""

    def __init__(self, flights: list[Flight]) -> None:
        self.flights = flights
        self._by_route: dict[tuple[str, str, str], list[Flight]] = {}
        for flight in flights:
            place = (flight["origin"], flight["destination"], flight["departs"][:10])
            self._by_route.setdefault(place, []).append(flight)
        self.joined: dict[str, list[str]] = {}
        for origin, destination in routes():
            self.joined.setdefault(origin, []).append(destination)
        self.disrupted = [flight for flight in flights if flight["cancelled"] or flight.get("delay_minutes", 0) >= 60]

    def itineraries(self, origin: str, destination: str, day: date) -> list[list[Flight]]:
        """Direct flights of a day; if there are none, connections via a hub."""
        when = day.isoformat()
        if found := self._by_route.get((origin, destination, when)):
            return [[flight] for flight in found]
        return [
            [first, second]
            for hub in HUBS
            if not is_detour(origin, hub, destination)
            for first in self._by_route.get((origin, hub, when), ())
            for second in self._by_route.get((hub, destination, when), ())
            if connects(cast("dict[str, Any]", first), cast("dict[str, Any]", second))
        ]


# -- users -------------------------------------------------------------------------------------------------------------
def _users(rng: Random, people: People, count: int, ours: Own) -> list[User]:
    passenger_numbers, method_numbers = unique_numbers(rng, 7, ours), unique_numbers(rng, 7, ours)
    memberships = iter(deal(rng, count, MEMBERSHIPS))
    seen: set[tuple[str, str, str]] = set()
    users = []
    for companions in deal(rng, count, COMPANIONS):
        person = people.person()
        born = _birth_date(rng, 21, 79)
        while (person.first_name, person.last_name, born) in seen:
            born = _birth_date(rng, 21, 79)
        seen.add((person.first_name, person.last_name, born))
        users.append(
            User(
                user_id=person.user_id,
                first_name=person.first_name,
                last_name=person.last_name,
                birth_date=BirthDate(born),
                email=person.email,
                address=person.address,
                membership=next(memberships),
                passengers=list(_passengers(rng, people, person, born, companions, passenger_numbers)),
                payment_methods=list(_payment_methods(rng, method_numbers)),
                reservations=[],
            )
        )
    return users


def _birth_date(rng: Random, youngest: int, oldest: int) -> str:
    """The date of birth of a person between these ages, in whole years."""
    days = rng.randint(youngest * 366, oldest * 365)
    return (NOW.date() - timedelta(days=days)).isoformat()


def _passengers(
    rng: Random, people: People, person: Person, born: str, companions: int, numbers: Iterator[str]
) -> Iterator[Passenger]:
    """The customer and their companions, without duplicate names."""
    names = {(str(person.first_name), str(person.last_name))}
    ages = [born, *(_birth_date(rng, *rng.choice(((21, 79), (21, 60), (2, 11), (12, 17)))) for _ in range(companions))]
    for age in ages:
        first, last = next(iter(names)) if age is born else ("", "")
        while not first or (age is not born and (first, last) in names):
            first = rng.choice(people.first_names)
            last = str(person.last_name) if rng.random() < 0.7 else rng.choice(people.last_names)
        names.add((first, last))
        yield Passenger(passenger_id=PassengerId(f"P{next(numbers)}"), first_name=first, last_name=last, birth_date=age)


def _payment_methods(rng: Random, numbers: Iterator[str]) -> Iterator[PaymentMethod]:
    for four in rng.sample(range(10_000), 1 if rng.random() < 0.6 else 2):
        brand = rng.choice(("visa", "visa", "mastercard", "mastercard", "amex", "discover"))
        method_id = PaymentMethodId(f"credit_card_{next(numbers)}")
        yield PaymentMethod(payment_method_id=method_id, source="credit_card", brand=brand, last_four=f"{four:04d}")
    if rng.random() < GIFT_CARD:
        balance = rng.randrange(25_50, 500_00, 25_00) / 100
        method_id = PaymentMethodId(f"gift_card_{next(numbers)}")
        yield PaymentMethod(payment_method_id=method_id, source="gift_card", balance=balance)
    if rng.random() < CERTIFICATE:
        balance = rng.randrange(100_40, 600_00, 25_00) / 100
        method_id = PaymentMethodId(f"certificate_{next(numbers)}")
        yield PaymentMethod(payment_method_id=method_id, source="certificate", balance=balance)


# -- reservations ------------------------------------------------------------------------------------------------------
def _reservations(rng: Random, count: int, users: list[User], schedule: Schedule, ours: Own) -> list[Reservation]:
    """Reservations user by user, in the order of their first flights; adds their ids to the users."""
    codes = _codes(rng, ours)
    stages, cabins = iter(deal(rng, count, STAGES)), iter(deal(rng, count, CABINS))
    reservations = []
    for user, how_many in zip(users, _a_user(rng, count, len(users)), strict=True):
        home = rng.choice(list(AIRPORTS))
        mine = []
        for _ in range(how_many):
            stage = next(stages)
            trips = _trips(rng, home, stage, schedule)
            mine.append(_reservation(rng, next(codes), user, stage, next(cabins), trips))
        mine.sort(key=lambda one: (one["trips"][0]["flights"][0]["departs"], one["reservation_id"]))
        user["reservations"] = [one["reservation_id"] for one in mine]
        reservations += mine
    return reservations


def _a_user(rng: Random, count: int, users: int) -> list[int]:
    """How many reservations each user has: the shares come close to the sum, single users make up the rest."""
    counts = deal(rng, users, RESERVATIONS_A_USER)
    while (missing := count - sum(counts)) != 0:
        step = 1 if missing > 0 else -1
        last = max(RESERVATIONS_A_USER) if step > 0 else min(RESERVATIONS_A_USER)
        able = [user for user, held in enumerate(counts) if held != last]
        for user in rng.sample(able, min(len(able), abs(missing))):
            counts[user] += step
    return counts


def _codes(rng: Random, ours: Own) -> Iterator[ReservationId]:
    """Six letters and digits that are not easily confused; starts with a letter and has a digit."""
    seen: set[str] = set()
    letters, digits = "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789"
    while True:
        code = rng.choice(letters) + "".join(rng.choices(letters + digits, k=4)) + rng.choice(digits)
        if code not in seen and ours(code):
            seen.add(code)
            yield ReservationId(code)


class _Leg(NamedTuple):
    """One way of a reservation to be: the flights, first to last."""

    flights: list[Flight]

    @property
    def departs(self) -> datetime:
        return datetime.fromisoformat(self.flights[0]["departs"])

    @property
    def arrives(self) -> datetime:
        return datetime.fromisoformat(self.flights[-1]["arrives"])


def _trips(rng: Random, home: str, stage: Stage, schedule: Schedule) -> list[_Leg]:
    """One or two trips that are where they should be in time."""
    while True:
        out = _first(rng, home, stage, schedule)
        if out is None or not _fits(out, stage, first=True):
            continue
        if stage != "under way" and rng.random() >= ROUND_TRIP:
            return [out]
        back = _back(rng, out, stage, schedule)
        if back is not None:
            return [out, back]


def _first(rng: Random, home: str, stage: Stage, schedule: Schedule) -> _Leg | None:
    if stage not in ("upcoming", "cancelled") and rng.random() < DISRUPTED:
        # Prefers disrupted flights: otherwise hardly anybody would have anything to claim.
        return _Leg([rng.choice(schedule.disrupted)])
    near = rng.random() < DIRECT
    other = rng.choice(schedule.joined[home] if near else [code for code in AIRPORTS if code != home])
    origin, destination = (home, other) if rng.random() < FROM_HOME else (other, home)
    days = {"upcoming": (2, 20), "cancelled": (2, 20), "soon": (0, 1), "under way": (-8, 0), "flown": (-9, 0)}
    day = NOW.date() + timedelta(days=rng.randint(*days[stage]))
    found = schedule.itineraries(origin, destination, day)
    return _Leg(rng.choice(found)) if found else None


def _fits(leg: _Leg, stage: Stage, first: bool) -> bool:
    """Whether a trip lies where the stage of its reservation wants it."""
    gone = leg.departs <= NOW and not leg.flights[0]["cancelled"]
    over = all(datetime.fromisoformat(flight["departs"]) <= NOW for flight in leg.flights)
    if stage == "soon":
        return not first or (NOW + timedelta(hours=1) < leg.departs < NOW + CLOSE)
    if stage == "under way":
        return (gone and over) if first else leg.departs > NOW + timedelta(hours=1)
    if stage == "flown":
        return over and leg.arrives + timedelta(hours=6) < NOW
    return leg.departs > NOW + CLOSE


def _back(rng: Random, out: _Leg, stage: Stage, schedule: Schedule) -> _Leg | None:
    """The way back a few days later, or ``None`` where there is none that fits."""
    days = list(range(1, 8))
    rng.shuffle(days)
    origin, destination = out.flights[-1]["destination"], out.flights[0]["origin"]
    for step in days:
        found = schedule.itineraries(origin, destination, out.departs.date() + timedelta(days=step))
        rng.shuffle(found)
        for flights in found:
            leg = _Leg(flights)
            if leg.departs > out.arrives and _fits(leg, stage, first=False):
                return leg
    return None


def _reservation(
    rng: Random, code: ReservationId, user: User, stage: Stage, cabin: Cabin, legs: list[_Leg]
) -> Reservation:
    """The reservation of these trips, paid for."""
    passengers = _party(rng, user)
    begins = min(NOW, legs[0].departs)
    just = stage in ("upcoming", "soon") and rng.random() < JUST_BOOKED
    hours = rng.uniform(0.5, 23.5) if just else rng.uniform(48, 60 * 24)
    reservation = Reservation(
        reservation_id=code,
        user_id=user["user_id"],
        status="booked",
        booked_at=(begins - timedelta(seconds=round(hours * 3600))).isoformat(),
        cabin=cabin,
        insured=rng.random() < INSURED,
        checked_bags=sum(rng.choice((0, 1, 1, 2)) for _ in passengers),
        passengers=passengers,
        trips=[_trip(rng, leg, cabin, direction) for leg, direction in zip(legs, ("outbound", "return"), strict=False)],
        payments=[],
    )
    _pay(rng, reservation, user)
    if stage == "cancelled":
        reservation["status"] = "cancelled"
        reservation["cancel_reason"] = rng.choices(list(CANCEL_REASONS), list(CANCEL_REASONS.values()))[0]
        for paid in list(reservation["payments"]):
            reservation["payments"].append({**paid, "type": "refund"})
    due = [compensation_for(flight, len(passengers)) for leg in legs for flight in leg.flights]
    claims = may_claim(cast("dict[str, Any]", user), cast("dict[str, Any]", reservation)) is None
    if max(due) > 0 and claims and rng.random() < COMPENSATED:
        reservation["compensation"] = max(due)
    return reservation


def _party(rng: Random, user: User) -> list[Passenger]:
    """The passengers of the account who fly: at most four, at least one adult."""
    held = user["passengers"]
    size = min(len(held), rng.choice((1, 1, 1, 2, 2, 3, 4)))
    others = rng.sample(held[1:], size - 1)
    return [cast(Passenger, dict(one)) for one in (held[0], *others)]


def _trip(rng: Random, leg: _Leg, cabin: Cabin, direction: str) -> Trip:
    first, last = leg.flights[0], leg.flights[-1]
    now = sum(flight["prices"][cabin] for flight in leg.flights)
    # The price may have changed since.
    factor = 1.0 if rng.random() < SAME_PRICE else rng.choice((0.8, 0.88, 0.94, 1.07, 1.15))
    return Trip(
        direction=Direction(direction),
        origin=Origin(first["origin"]),
        destination=Destination(last["destination"]),
        date=TravelDate(first["departs"][:10]),
        flights=[booked(flight) for flight in leg.flights],
        price=dollars(now if factor == 1.0 else int(now * factor) + 0.37),
    )


def booked(flight: Mapping[str, Any]) -> BookedFlight:
    """A flight as a record in a reservation."""
    return BookedFlight(
        flight_id=flight["flight_id"],
        flight_number=flight["flight_number"],
        departs=flight["departs"],
        arrives=flight["arrives"],
    )


def _pay(rng: Random, reservation: Reservation, user: User) -> None:
    heads = len(reservation["passengers"])
    free = free_bags(user["membership"], reservation["cabin"]) * heads
    due = dollars(sum(trip["price"] for trip in reservation["trips"]) * heads)
    due += INSURANCE * heads if reservation["insured"] else 0.0
    due += FEE_PER_BAG * max(0, reservation["checked_bags"] - free)
    sources = [m for m in user["payment_methods"] if m["source"] == "credit_card"]
    gift_cards = [m for m in user["payment_methods"] if m["source"] == "gift_card"]
    method = rng.choice(gift_cards if gift_cards and rng.random() < PAID_BY_GIFT_CARD else sources)
    paid = Payment(type="payment", amount=dollars(due), payment_method_id=method["payment_method_id"])
    reservation["payments"].append(paid)
