"""Customers for generated databases: names, addresses, e-mails, ids."""

from __future__ import annotations

import re
from itertools import count, islice
from random import Random
from typing import Annotated, NamedTuple, NewType, cast

from faker import Faker
from pydantic import AfterValidator

# pydantic reads only this one before Python 3.12.
from typing_extensions import TypedDict

from .splits import own
from .state import Base

UserId = NewType("UserId", str)
Email = NewType("Email", str)
FirstName = NewType("FirstName", str)
LastName = NewType("LastName", str)
Zip = NewType("Zip", str)


class Address(TypedDict):
    """A postal address."""

    address1: str
    address2: str
    city: str
    state: str
    country: str
    zip: str


#: How a flat is written, and what it is written as.
_UNITS = {"apt": "Apt", "apartment": "Apt", "#": "Apt", "suite": "Suite", "ste": "Suite", "unit": "Unit"}
_UNIT = re.compile(r"(?:^|,?\s+)(apt|apartment|suite|ste|unit|#)(?![a-z])\.?\s*#?\s*(\w*\d\w*|[a-z])$", re.I)
_USA = {"us", "usa", "united states", "united states of america", "america"}


_STATES = dict(
    pair.split(" ", 1)
    for line in """\
AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware
DC Washington D.C., FL Florida, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa, KS Kansas
KY Kentucky, LA Louisiana, ME Maine, MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota, MS Mississippi
MO Missouri, MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey, NM New Mexico, NY New York
NC North Carolina, ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon, PA Pennsylvania, RI Rhode Island
SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, UT Utah, VT Vermont, VA Virginia, WA Washington
WV West Virginia, WI Wisconsin, WY Wyoming""".splitlines()
    for pair in line.split(", ")
)


def state_name(code: str) -> str:
    """A state by its name; the code itself where it is none."""
    return _STATES.get(code, code)


def normal_address(address: Address) -> Address:
    """The address in one form, whichever way it was written: the flat in the second line, "Apt 38" for "apartment #38",
    "USA" for "United States", no spaces or commas to spare."""
    tidy = {field: " ".join(str(text).split()).strip(" ,.") for field, text in address.items()}
    if not tidy["address2"] and (found := _UNIT.search(tidy["address1"])) and found.start() > 0:
        tidy["address1"], tidy["address2"] = tidy["address1"][: found.start()].rstrip(" ,"), found[0].strip(" ,")
    if found := _UNIT.fullmatch(tidy["address2"]):
        tidy["address2"] = f"{_UNITS[found[1].lower()]} {found[2].upper()}"
    if tidy["country"].lower().replace(".", "") in _USA:
        tidy["country"], tidy["state"] = "USA", tidy["state"].upper()
    return cast(Address, tidy)


def new_addresses(base: Base, table: str, customer: str) -> list[dict[str, str]]:
    """Where a customer may move to: two places, each with two numbers of its street, so that one can be a slip.

    Made from the streets and towns of others in the table, so that they look real; the same for a customer every time.
    """
    rng, found = Random(f"addresses of {customer}"), []
    for _ in range(2):
        street, town = (base.tables[table][rng.choice(base.keys(table))]["address"] for _ in range(2))
        name = street["address1"].partition(" ")[2]
        flat = rng.choice(("", "", f"Apt {rng.randint(1, 40)}"))
        for number in rng.sample(range(1, 981), 2):
            found.append({**town, "address1": f"{number} {name}", "address2": flat})
    return found


def normal_email(email: str) -> str:
    """The e-mail address in small letters."""
    return email.strip().lower()


#: An address and an e-mail address that a caller writes: however they write it, it is the same argument.
WrittenAddress = Annotated[Address, AfterValidator(normal_address)]
WrittenEmail = Annotated[Email, AfterValidator(normal_email)]


class Person(NamedTuple):
    """A person with an account. Id, e-mail address, and name with zip code are unique."""

    user_id: UserId
    first_name: FirstName
    last_name: LastName
    email: Email
    address: Address


class People:
    """Generator of customers and addresses, from lists that faker fills once: calling it each time is ten times slower.

    The same seed gives the same people in the same order.
    """

    def __init__(self, seed: int) -> None:
        fake = Faker("en_US", providers=["faker.providers.person", "faker.providers.address"])
        fake.seed_instance(seed)
        self.fake, self.rng = fake, Random(f"{seed}/people")
        # Names may repeat in a list: frequent names come up more often, as in life.
        self.first_names = [fake.first_name() for _ in range(250)]
        # Last names of this split only: so no name, id or e-mail address is in two splits.
        self.own = own(seed)
        drawn = (fake.last_name() for _ in count())
        self.last_names = list(islice((name for name in drawn if self.own(plain(name))), 350))
        self.streets = [fake.street_name() for _ in range(200)]
        # Each city is in one state.
        cities = dict.fromkeys(fake.city() for _ in range(150))
        self.cities = [(city, fake.state_abbr(False, False)) for city in cities]
        self.names: set[tuple[str, str, str]] = set()
        self.emails: set[str] = set()
        self.ids: set[str] = set()

    def address(self) -> Address:
        """A new address; its zip code is valid for its state."""
        rng = self.rng
        city, state = rng.choice(self.cities)
        return Address(
            address1=f"{rng.randint(1, 9899)} {rng.choice(self.streets)}",
            address2=f"{rng.choice(('Apt', 'Suite'))} {rng.randint(1, 989)}" if rng.random() < 0.3 else "",
            city=city,
            state=state,
            country="USA",
            zip=Zip(self.fake.zipcode_in_state(state)),
        )

    def person(self) -> Person:
        """A new person."""
        rng, address = self.rng, self.address()
        first, last = rng.choice(self.first_names), rng.choice(self.last_names)
        while (first, last, address["zip"]) in self.names:
            first, last = rng.choice(self.first_names), rng.choice(self.last_names)
        self.names.add((first, last, address["zip"]))
        plain_first, plain_last = plain(first), plain(last)
        user_id = ""
        while not user_id or user_id in self.ids or not self.own(user_id):
            user_id = f"{plain_first}_{plain_last}_{rng.randint(1000, 9999)}"
        self.ids.add(user_id)
        email = self._email(plain_first, plain_last)
        return Person(UserId(user_id), FirstName(first), LastName(last), email, address)

    def _email(self, first: str, last: str) -> Email:
        rng, email = self.rng, ""
        number = "" if rng.random() < 0.5 else str(rng.randint(10, 99))
        while not email or email in self.emails:
            local = rng.choice((f"{first}.{last}", f"{first}{last}", f"{first}_{last}", f"{first[0]}.{last}"))
            email = f"{local}{number}@example.{rng.choice(('com', 'org', 'net'))}"
            number = str(rng.randint(100, 9999))
        self.emails.add(email)
        return Email(email)


def country_said(name: str) -> str:
    """A country in a sentence: Spain, the United Kingdom."""
    return (
        f"the {name}"
        if re.match(r"United |.* (?:Republic|Islands|Emirates)$|Netherlands|Philippines|Bahamas", name)
        else name
    )


def plain(name: str) -> str:
    """A name for an id or an e-mail address: lower-case letters only."""
    return re.sub("[^a-z]", "", name.lower())
