"""The airline's network: airports, routes, and itineraries between two places.

Two hubs are connected to all airports and to each other; a few cities have direct flights as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple

from ..payment import dollars
from ..state import Index, Record, World

CABINS = ("saver", "economy", "business")


class Place(NamedTuple):
    """An airport with its city and coordinates in degrees."""

    city: str
    latitude: float
    longitude: float


AIRPORTS = {
    "ATL": Place("Atlanta", 33.64, -84.43),
    "DEN": Place("Denver", 39.86, -104.67),
    "BOS": Place("Boston", 42.36, -71.01),
    "CLT": Place("Charlotte", 35.21, -80.94),
    "DFW": Place("Dallas", 32.90, -97.04),
    "DTW": Place("Detroit", 42.21, -83.35),
    "EWR": Place("Newark", 40.69, -74.17),
    "IAH": Place("Houston", 29.98, -95.34),
    "LAS": Place("Las Vegas", 36.08, -115.15),
    "LAX": Place("Los Angeles", 33.94, -118.41),
    "MCO": Place("Orlando", 28.43, -81.31),
    "MIA": Place("Miami", 25.79, -80.29),
    "MSP": Place("Minneapolis", 44.88, -93.22),
    "ORD": Place("Chicago", 41.98, -87.90),
    "PDX": Place("Portland", 45.59, -122.60),
    "PHX": Place("Phoenix", 33.44, -112.01),
    "SAN": Place("San Diego", 32.73, -117.19),
    "SEA": Place("Seattle", 47.45, -122.31),
    "SFO": Place("San Francisco", 37.62, -122.38),
    "SLC": Place("Salt Lake City", 40.79, -111.98),
}
HUBS = ("ATL", "DEN")
_BETWEEN_CITIES = (
    ("BOS", "ORD"), ("BOS", "MIA"), ("CLT", "EWR"), ("DFW", "LAX"), ("DTW", "MCO"), ("EWR", "LAX"), ("EWR", "MIA"),
    ("IAH", "LAS"), ("LAS", "SEA"), ("LAX", "SFO"), ("MSP", "PHX"), ("ORD", "SFO"), ("ORD", "MCO"), ("PDX", "SAN"),
    ("SEA", "SFO"), ("SLC", "PHX"),
)  # fmt: skip
#: Minutes between two flights that connect.
LEAST_STOP, LONGEST_STOP = 45, 240
#: A connection over more than this many times the direct distance, and so many miles more, is a detour.
_DETOUR, _SPARE_MILES = 2.0, 300
#: Maximum number of connections in a search.
_CONNECTIONS = 6

FROM = Index("flights", lambda flight: [(flight["origin"], flight["departs"][:10])])
BETWEEN = Index("flights", lambda flight: [(flight["origin"], flight["destination"], flight["departs"][:10])])


def routes() -> list[tuple[str, str]]:
    """Every pair of airports with flights between them, both ways, in a fixed order."""
    spokes = [code for code in AIRPORTS if code not in HUBS]
    pairs = [HUBS, *((hub, spoke) for hub in HUBS for spoke in spokes), *_BETWEEN_CITIES]
    return [way for a, b in pairs for way in ((a, b), (b, a))]


def miles(origin: str, destination: str) -> float:
    """Great-circle distance in miles."""
    a, b = AIRPORTS[origin], AIRPORTS[destination]
    north, east = radians(b.latitude - a.latitude), radians(b.longitude - a.longitude)
    chord = sin(north / 2) ** 2 + cos(radians(a.latitude)) * cos(radians(b.latitude)) * sin(east / 2) ** 2
    return 7918 * asin(sqrt(chord))


@cache
def is_detour(origin: str, via: str, destination: str) -> bool:
    """Whether nobody would fly this way."""
    return miles(origin, via) + miles(via, destination) > _DETOUR * miles(origin, destination) + _SPARE_MILES


def city(code: str) -> str:
    """The airport's city, or the code itself if it is unknown."""
    place = AIRPORTS.get(code)
    return place.city if place else code


# -- itineraries -------------------------------------------------------------------------------------------------------
def flights_of(world: World, itinerary_id: str) -> list[Record] | None:
    """The one or two flights of an itinerary that can be flown one after the other, or ``None``."""
    flights = [world.get("flights", flight_id) for flight_id in itinerary_id.split("+")]
    known = [flight for flight in flights if flight is not None]
    if len(known) != len(flights) or len(known) > 2 or not all(connects(*pair) for pair in pairwise(known)):
        return None
    return known


def connects(first: Record, second: Record) -> bool:
    """Whether the second flight connects to the first one: same airport, enough time, same day."""
    if first["destination"] != second["origin"] or first["origin"] == second["destination"]:
        return False
    stop = (datetime.fromisoformat(second["departs"]) - datetime.fromisoformat(first["arrives"])).total_seconds() / 60
    return LEAST_STOP <= stop <= LONGEST_STOP and first["departs"][:10] == second["departs"][:10]


def direct(world: World, origin: str, destination: str, day: str) -> Iterator[list[Record]]:
    """Direct flights of one day, by departure."""
    found = [flight for _, flight in world.lookup(BETWEEN, (origin, destination, day))]
    for flight in sorted(found, key=lambda flight: str(flight["departs"])):
        yield [flight]


def with_one_stop(world: World, origin: str, destination: str, day: str) -> Iterator[list[Record]]:
    """Connections of one day, by arrival; with the shortest stop for each first flight."""
    found = []
    for _, first in world.lookup(FROM, (origin, day)):
        if is_detour(origin, first["destination"], destination):
            continue
        onward = world.lookup(BETWEEN, (first["destination"], destination, day))
        able = [second for _, second in onward if connects(first, second)]
        if able:
            found.append([first, min(able, key=lambda second: str(second["departs"]))])
    yield from sorted(found, key=lambda pair: (pair[1]["arrives"], pair[0]["departs"]))[:_CONNECTIONS]


def days_around(day: str) -> list[str]:
    """The day before, the day, the day after. Raises ValueError: not a date."""
    middle = date.fromisoformat(day)
    return [(middle + timedelta(days=step)).isoformat() for step in (-1, 0, 1)]


def price(flights: list[Record], cabin: str) -> float:
    """Dollars for one passenger."""
    return dollars(sum(flight["prices"][cabin] for flight in flights))


def seats(flights: list[Record], cabin: str) -> int:
    """Seats available on all of these flights."""
    return int(min(flight["seats"][cabin] for flight in flights))
