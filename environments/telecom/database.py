"""Generator of the provider's database from a seed: plans, customers with lines, bills and phones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, cast

from ..chance import deal, unique_numbers
from ..payment import PaymentMethodId
from ..people import People, Person
from ..splits import Own, own
from .records import (
    Bill,
    BillId,
    BillStatus,
    BirthDate,
    ContactNumber,
    Customer,
    CustomerId,
    Item,
    Line,
    PaymentMethod,
    Phone,
    PhoneNumber,
    Plan,
    PlanId,
    SuspensionReason,
)

#: The provider's time. Never the wall clock: the same seed has to give the same bytes on any day.
CLOCK = "2026-03-02T09:00:00"
CUSTOMERS = 500
#: More would crowd the six digits of a phone number, a third of which belong to each split.
MAX_SCALE = 120

# -- spreads: each maps a value to its share ---------------------------------------------------------------------------
LINES_A_CUSTOMER = {3: 0.46, 4: 0.30, 5: 0.16, 6: 0.08}
BILLS_A_CUSTOMER = {3: 0.46, 4: 0.30, 5: 0.16, 6: 0.08}
METHODS_A_CUSTOMER = {1: 0.35, 2: 0.45, 3: 0.2}
SUSPENDED: Mapping[SuspensionReason | None, float] = {
    None: 0.78,
    "lost or stolen": 0.06,
    "long absence": 0.09,
    "unpaid bill": 0.07,
}
ADDED = {0: 0.66, 2: 0.12, 5: 0.13, 10: 0.09}
#: Whether the plan was changed within the last 30 days.
CHANGED_LATELY = {True: 0.22, False: 0.78}
#: Status of the newest bill, and of those before.
NEWEST: Mapping[BillStatus, float] = {"open": 0.66, "paid": 0.34}
EARLIER: Mapping[BillStatus, float] = {"paid": 0.9, "overdue": 0.1}
#: Shares of phones. Several things can be wrong with one.
AWAY, ALLOWED, ROAMING_ON, SIM_ORDERED, LARGE_BILL = 0.16, 0.4, 0.42, 0.09, 0.12
#: Large ones among the bills that are overdue: what somebody did not expect is what they do not pay.
LARGE_OVERDUE = 0.55
#: Active lines whose phone was reported lost or stolen once.
REPORTED_LOST = 0.05
#: Active lines that were resumed within the last two weeks.
JUST_RESUMED = 0.06
AIRPLANE, DATA_OFF, LOOSE, SAVER, VPN, RESTART = 0.12, 0.18, 0.10, 0.2, 0.14, 0.06
NETWORK_MODES = {"automatic": 0.74, "4G only": 0.08, "3G only": 0.18}

COUNTRIES = ("Spain", "Italy", "Canada", "Mexico", "Japan", "France", "Portugal", "Iceland")
MODELS = ("Nimbus 5", "Nimbus 7 Pro", "Orion S", "Orion S Max", "Pixelate 3", "Tern 11", "Tern Mini", "Vesper One")
#: Name, dollars a month, GB a month (``None``: no limit), dollars for one more GB, on sale.
PLANS: tuple[tuple[str, float, float | None, float, bool], ...] = (
    ("Pebble", 9.9, 1.0, 7.0, True),
    ("Breeze", 15.0, 3.0, 6.0, True),
    ("Campus", 19.5, 15.0, 4.5, True),
    ("Comet", 26.0, 8.0, 5.0, True),
    ("Meadow", 34.0, 20.0, 4.0, True),
    ("Summit", 48.0, 60.0, 3.0, True),
    ("Horizon", 64.9, None, 0.0, True),
    ("Lantern", 22.0, 5.0, 5.5, False),
    ("Surfer", 29.0, 12.0, 4.5, False),
)
MONTHS = ("February 2026", "January 2026", "December 2025", "November 2025", "October 2025", "September 2025")
DUE = ("2026-03-16", "2026-02-16", "2026-01-16", "2025-12-16", "2025-11-16", "2025-10-16")


def build(seed: int = 0, scale: float = 1.0) -> tuple[dict[str, dict[str, dict[str, Any]]], str]:
    """The provider's tables and its time now.

    ``scale`` multiplies the 500 customers; there are three to six lines and as many bills for each. The same seed and
    scale give the same bytes in any process, in the same order (as long as faker's lists of names are the same).

    Returns:
        ``{"customers" | "lines" | "plans" | "bills" | "phones": {id: record}}``, records as in :mod:`.records`; and
        the clock (ISO 8601).

    Raises:
        ValueError: ``scale`` is not above 0, or above ``MAX_SCALE``.
    """
    if not 0 < scale <= MAX_SCALE:
        raise ValueError(f"a provider of scale {scale:g} can't be built; scale must be above 0 and at most {MAX_SCALE}")
    # A random generator per table: lines stay the same whatever is drawn for the bills.
    plans = _plans()
    customers = _customers(seed, max(1, round(CUSTOMERS * scale)))
    lines = _lines(Random(f"{seed}/lines"), customers, plans, own(seed))
    bills = _bills(Random(f"{seed}/bills"), customers, lines, plans, own(seed))
    phones = _phones(Random(f"{seed}/phones"), lines)
    tables = {
        "customers": {customer["customer_id"]: customer for customer in customers},
        "lines": {line["phone_number"]: line for line in lines},
        "plans": {plan["plan_id"]: plan for plan in plans},
        "bills": {bill["bill_id"]: bill for bill in bills},
        "phones": {phone["phone_number"]: phone for phone in phones},
    }
    return cast("dict[str, dict[str, dict[str, Any]]]", tables), CLOCK


def _today() -> date:
    return datetime.fromisoformat(CLOCK).date()


def _phone_numbers(rng: Random, first: str, ours: Own) -> Iterator[str]:
    """``555-2dd-dddd``, none twice; ``first`` is the digit after the 555."""
    return (f"555-{first}{number[:2]}-{number[2:]}" for number in unique_numbers(rng, 6, ours))


def _plans() -> list[Plan]:
    return [
        Plan(plan_id=PlanId(f"P{place:02d}"), name=name, price=price, data=data, refuel=refuel, on_sale=on_sale)
        for place, (name, price, data, refuel, on_sale) in enumerate(PLANS, 1)
    ]


# -- customers ---------------------------------------------------------------------------------------------------------
def _customers(seed: int, count: int) -> list[Customer]:
    """Customers with payment methods, without lines and bills yet."""
    people, rng = People(seed), Random(f"{seed}/customers")
    contacts, numbers = _phone_numbers(rng, "1", own(seed)), unique_numbers(rng, 7, own(seed))
    known: set[tuple[str, str, str]] = set()
    customers = []
    for how_many in deal(rng, count, METHODS_A_CUSTOMER):
        person = people.person()
        born = _birth_date(rng, person, known)
        customers.append(
            Customer(
                customer_id=CustomerId(person.user_id),
                first_name=person.first_name,
                last_name=person.last_name,
                birth_date=BirthDate(born),
                contact_number=ContactNumber(next(contacts)),
                email=person.email,
                address=person.address,
                payment_methods=_payment_methods(rng, numbers, how_many),
                lines=[],
                bills=[],
            )
        )
    return customers


def _birth_date(rng: Random, person: Person, known: set[tuple[str, str, str]]) -> str:
    """An adult's date of birth; different for people with the same name."""
    name = (person.first_name.lower(), person.last_name.lower())
    while True:
        born = (date(1943, 1, 1) + timedelta(days=rng.randrange(23_000))).isoformat()
        if (*name, born) not in known:
            known.add((*name, born))
            return born


def _payment_methods(rng: Random, numbers: Iterator[str], count: int) -> list[PaymentMethod]:
    """Cards that differ in their last four digits, and one bank account at most."""
    fours = iter(rng.sample(range(10_000), count))
    kinds = rng.sample(["credit_card", "credit_card", "credit_card", "bank_account"], count)
    methods = []
    for kind in kinds:
        last_four = f"{next(fours):04d}"
        if kind == "credit_card":
            brand = rng.choice(("visa", "visa", "mastercard", "mastercard", "amex", "discover"))
            method_id = PaymentMethodId(f"card_{next(numbers)}")
            methods.append(
                PaymentMethod(payment_method_id=method_id, source="credit_card", brand=brand, last_four=last_four)
            )
        else:
            method_id = PaymentMethodId(f"bank_{next(numbers)}")
            methods.append(PaymentMethod(payment_method_id=method_id, source="bank_account", last_four=last_four))
    return methods


# -- lines -------------------------------------------------------------------------------------------------------------
def _lines(rng: Random, customers: list[Customer], plans: list[Plan], ours: Own) -> list[Line]:
    """Lines, customer by customer; adds their numbers to the customers."""
    counts = deal(rng, len(customers), LINES_A_CUSTOMER)
    total = sum(counts)
    suspended, added = iter(deal(rng, total, SUSPENDED)), iter(deal(rng, total, ADDED))
    lately = iter(deal(rng, total, CHANGED_LATELY))
    numbers = _phone_numbers(rng, "2", ours)
    lines = []
    for customer, how_many in zip(customers, counts, strict=True):
        for _ in range(how_many):
            plan, reason, more = rng.choice(plans), next(suspended), next(added)
            days = rng.randint(1, 29) if next(lately) else rng.randint(31, 900)
            line = Line(
                phone_number=PhoneNumber(next(numbers)),
                customer_id=customer["customer_id"],
                status="suspended" if reason else "active",
                plan_id=plan["plan_id"],
                plan_since=(_today() - timedelta(days=days)).isoformat(),
                data_used=_used(rng, plan["data"], more),
                data_added=more if plan["data"] is not None else 0,
                roaming=rng.random() < ALLOWED,
            )
            if reason:
                line["suspended_for"] = reason
            elif rng.random() < JUST_RESUMED:
                line["resumed_on"] = (_today() - timedelta(days=rng.randint(1, 13))).isoformat()
            elif rng.random() < REPORTED_LOST:
                line["lost_before"] = True
            if rng.random() < SIM_ORDERED:
                line["sim_ordered"] = rng.choice(("plastic SIM", "eSIM"))
            customer["lines"].append(line["phone_number"])
            lines.append(line)
    return lines


def _used(rng: Random, included: float | None, added: int) -> float:
    """GB used this month; some lines have used up everything."""
    if included is None:
        return rng.randint(10, 900) / 10
    most = included + added
    return most if rng.random() < 0.2 else rng.randint(0, round(most * 10)) / 10


# -- bills (in cents: sums of dollars would gather dust) ---------------------------------------------------------------
def _bills(rng: Random, customers: list[Customer], lines: list[Line], plans: list[Plan], ours: Own) -> list[Bill]:
    """Bills, customer by customer, the newest first; adds their ids to the customers."""
    prices = {plan["plan_id"]: plan for plan in plans}
    held: dict[str, list[Line]] = {}
    for line in lines:
        held.setdefault(line["customer_id"], []).append(line)
    counts = deal(rng, len(customers), BILLS_A_CUSTOMER)
    newest = iter(deal(rng, len(customers), NEWEST))
    earlier = iter(deal(rng, sum(counts) - len(counts), EARLIER))
    numbers = unique_numbers(rng, 7, ours)
    bills = []
    for customer, how_many in zip(customers, counts, strict=True):
        mine = held[customer["customer_id"]]
        # A line that was suspended for an unpaid bill: that bill may have been paid since.
        owing = any(line.get("suspended_for") == "unpaid bill" for line in mine) and rng.random() < 0.5
        for place in range(how_many):
            status: BillStatus = next(newest) if place == 0 else next(earlier)
            if place == 1 and owing:
                status = "overdue"
            items = _items(rng, mine, prices, LARGE_OVERDUE if status == "overdue" else LARGE_BILL)
            bill = Bill(
                bill_id=BillId(f"B{next(numbers)}"),
                customer_id=customer["customer_id"],
                month=MONTHS[place],
                status=status,
                due=DUE[place],
                total=sum(round(item["amount"] * 100) for item in items) / 100,
                items=items,
            )
            if status == "paid":
                bill["paid_with"] = rng.choice(customer["payment_methods"])["payment_method_id"]
            if rng.random() < 0.3:
                bill["sent_by"] = [rng.choice(("e-mail", "post"))]
            customer["bills"].append(bill["bill_id"])
            bills.append(bill)
    return bills


def _items(rng: Random, lines: list[Line], plans: Mapping[PlanId, Plan], large: float) -> list[Item]:
    items = [
        Item(text=f"{plans[line['plan_id']]['name']} plan for {line['phone_number']}", amount=plan["price"])
        for line in lines
        for plan in (plans[line["plan_id"]],)
    ]
    if rng.random() < 0.4:
        items.append(Item(text="Calls to numbers abroad", amount=rng.randint(120, 3_990) / 100))
    if rng.random() < 0.3:
        items.append(Item(text="Instalment for a phone", amount=rng.choice((19.99, 27.5, 34.99, 41.0))))
    if rng.random() < large:
        items.append(Item(text="Roaming without a package", amount=rng.randint(19_000, 52_000) / 100))
    return items


# -- phones ------------------------------------------------------------------------------------------------------------
def _phones(rng: Random, lines: list[Line]) -> list[Phone]:
    """A phone per line, with the settings that its owner left."""
    modes = iter(deal(rng, len(lines), NETWORK_MODES))

    def switch(share: float) -> Any:
        return "on" if rng.random() < share else "off"

    return [
        Phone(
            phone_number=line["phone_number"],
            model=rng.choice(MODELS),
            abroad=rng.choice(COUNTRIES) if rng.random() < AWAY else "",
            airplane_mode=switch(AIRPLANE),
            mobile_data=switch(1 - DATA_OFF),
            data_roaming=switch(ROAMING_ON),
            data_saver=switch(SAVER),
            vpn=switch(VPN),
            network_mode=cast(Any, next(modes)),
            sim="loose" if rng.random() < LOOSE else "in place",
            restart_needed=rng.random() < RESTART,
        )
        for line in lines
    ]
