"""Tasks of tau2-bench's airline as expressions, written by hand: by the id of the task, what its customer asks for.

What its rules in code forbid is not possible there, so that nothing is done. Where a cancellation needs a reason that
an insurance covers, the customer has one: it is asked for outright.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from t2t_dist.synthesis.requests import language as lang

from .words import (
    Task,
    all_,
    both,
    can,
    collector,
    compares,
    do,
    each,
    every,
    first,
    has,
    if_,
    if_possible,
    is_,
    list_,
    look,
    not_,
    object_,
    of,
    one_of,
    sum_,
    tell,
    test,
    the,
    this,
    work,
)

TASKS, said_by = collector()
USER, HERE, LEG, FLIGHT = the("User"), this("Reservation"), this("ReservationFlight"), this("DirectFlight")
UPCOMING = test("flights.0.date", "more", "2024-05-15")
BOOKED = object_(flight_number=of(LEG, "flight_number"), date=of(LEG, "date"))


# -- records -----------------------------------------------------------------------------------------------------------
def named(reservation_id: str) -> lang.Record:
    return the("Reservation", is_("reservation_id", reservation_id))


def trip(origin: str, destination: str, *tests: lang.Test) -> lang.Record:
    return the("Reservation", is_("origin", origin), is_("destination", destination), *tests)


def legs(booked: lang.Record, *tests: lang.Test) -> lang.Records:
    return all_("ReservationFlight", *tests, within=booked)


def passengers(booked: lang.Record) -> lang.Records:
    return all_("Passenger", within=booked)


def heads(booked: lang.Record) -> lang.Count:
    return lang.Count(of=passengers(booked))


def person(who: lang.Record) -> lang.Object:
    return object_(**{name: of(who, name) for name in ("first_name", "last_name", "dob")})


ME = object_(first_name=of(USER, "name.first_name"), last_name=of(USER, "name.last_name"), dob=of(USER, "dob"))


def method(source: str, *tests: lang.Test, **rank: Any) -> lang.Record:
    # The type of all payment methods is called after the first of them.
    return the("CreditCard", is_("source", source), *tests, **rank)


def card(last_four: str) -> lang.FieldOf:
    return of(method("credit_card", is_("last_four", last_four)), "id")


def paid_with(booked: lang.Record) -> lang.FieldOf:
    return of(the("Payment", within=booked), "payment_id")


def direct(origin: Any, destination: Any, day: Any, *tests: lang.Test, **rank: Any) -> lang.Record:
    found = look("search_direct_flight", origin=origin, destination=destination, date=day)
    return the("DirectFlight", *tests, shown_by=found, **rank)


def fare(cabin: str, leg: lang.Record = LEG) -> lang.FieldOf:
    """What a flight that is booked costs today in a cabin."""
    number = is_("flight_number", of(leg, "flight_number"))
    return of(direct(of(leg, "origin"), of(leg, "destination"), of(leg, "date"), number), f"prices.{cabin}")


def flight(found: lang.Record, day: Any) -> lang.Object:
    return object_(flight_number=of(found, "flight_number"), date=day)


# -- errands -----------------------------------------------------------------------------------------------------------
def update(booked: lang.Record, cabin: Any = None, flights: Any = None, pay: Any = None) -> lang.Do:
    return do(
        "update_reservation_flights",
        reservation_id=of(booked, "reservation_id"),
        cabin=cabin or of(booked, "cabin"),
        flights=flights or every(legs(booked), BOOKED),
        payment_id=pay or paid_with(booked),
    )


def cancel(booked: lang.Record) -> lang.Do:
    return do("cancel_reservation", reservation_id=of(booked, "reservation_id"))


def bags(booked: lang.Record, number: Any, pay: Any = None) -> lang.Do:
    """With bags that are free."""
    arguments = {"total_baggages": number, "nonfree_baggages": 0, "payment_id": pay or paid_with(booked)}
    return do("update_reservation_baggages", reservation_id=of(booked, "reservation_id"), **arguments)


def travel(booked: lang.Record, *who: Any) -> lang.Do:
    return do("update_reservation_passengers", reservation_id=of(booked, "reservation_id"), passengers=list_(*who))


def book(route: Mapping[str, Any], flights: Any, who: Any, pay: Any, number: int = 0) -> lang.Do:
    """In economy, without insurance."""
    extras = {"total_baggages": number, "nonfree_baggages": 0, "insurance": "no"}
    lists = {"flights": flights, "passengers": list_(*who), "payment_methods": list_(*pay)}
    return do("book_reservation", user_id=of(USER, "user_id"), cabin="economy", **route, **lists, **extras)


def compensate(amount: Any) -> lang.If:
    return if_possible(do("send_certificate", user_id=of(USER, "user_id"), amount=amount))


def cost(booked: lang.Record, cabin: str) -> lang.Arithmetic:
    """What another cabin on the same flights costs more, for all passengers."""
    old, new = sum_(every(legs(booked), "price")), sum_(every(legs(booked), fare(cabin)))
    return work(heads(booked), "*", work(new, "-", old))


# -- the tasks ---------------------------------------------------------------------------------------------------------
@said_by("emma_kim_9957")
def _(task: Task) -> None:
    task("0", if_possible(cancel(named("EHGLP3"))))


@said_by("raj_sanchez_7340")
def _(task: Task) -> None:
    task("1", if_possible(cancel(trip("PHL", "LGA"))))


@said_by("noah_muller_9847")
def _(task: Task) -> None:
    latest = the("Reservation", by="created_at")
    task("2 38", compensate(work(50, "*", heads(latest))))


@said_by("anya_garcia_5901")
def _(task: Task) -> None:
    held = named("3RK2T9")
    mei = the("Passenger", is_("first_name", "Mei"), within=held)
    renamed = object_(first_name=of(mei, "first_name"), last_name="Garcia", dob=of(mei, "dob"))
    others = all_("Passenger", test("first_name", "is not", "Mei"), within=held)
    task("40", travel(held, every(others, person(this("Passenger"))), renamed))
    task("48 49", if_possible(cancel(held)))


@said_by("sophia_silva_7557")
def _(task: Task) -> None:
    task("4", compensate(100))
    day = "2024-05-26"
    recent = the("ReservationFlight", is_("origin", "ORD"), is_("destination", "PHL"), is_("date", "2024-05-10"))
    again = direct("ORD", "PHL", day, is_("flight_number", of(recent, "flight_number")))
    kevin = object_(first_name="Kevin", last_name="Smith", dob="2001-04-12")
    route = {"origin": "ORD", "destination": "PHL", "flight_type": "one_way"}

    def for_(*who: Any) -> lang.Do:
        total = work(len(who), "*", of(again, "prices.economy"))
        # One that is enough; of two, the one that is worth less.
        enough = test("amount", "more", work(total, "-", 0.01))
        one = method("certificate", enough, by="amount", order="least")
        return book(route, list_(flight(again, day)), who, [object_(payment_id=of(one, "id"), amount=total)])

    dear = compares(work(2, "*", of(again, "prices.economy")), "more", 500)
    task("8", if_(dear, for_(ME), for_(ME, kevin)))
    held = named("H8Q05L")
    task("46", if_possible(do("refund_insurance", reservation_id=of(held, "reservation_id"))))
    task("47", if_possible(cancel(held)))


@said_by("mei_brown_7075")
def _(task: Task) -> None:
    delayed = the("Reservation", has("flights.flight_number", "HAT045"))
    task("5", compensate(work(50, "*", heads(delayed))))


@said_by("sophia_taylor_9065")
def _(task: Task) -> None:
    held = named("PEP4E0")
    insure = do("add_insurance", reservation_id=of(held, "reservation_id"))
    task("6", if_possible(insure))
    later = every(legs(held), object_(flight_number=of(LEG, "flight_number"), date="2024-05-22"))
    task("45", first(cancel(held), update(held, flights=later), insure))


@said_by("daiki_muller_1116")
def _(task: Task) -> None:
    basic, other = named("XEHM4B"), named("59XX6W")
    fly = update(basic, "business", pay=card("2135"))
    upgrade = if_(compares(of(basic, "cabin"), "is", "basic_economy"), both(fly, cancel(basic)), cancel(basic))
    total = sum_(every(all_("Reservation", UPCOMING), sum_(every(all_("Payment", within=HERE), "amount"))))
    task("7", upgrade, cancel(other), *tell(total))


@said_by("aarav_ahmed_6699")
def _(task: Task) -> None:
    cancelled = [if_possible(cancel(named(one))) for one in ("IFOYYZ", "NQNU5R")]
    held, pay = named("M20IZO"), card("7334")
    day = of(the("ReservationFlight", is_("origin", of(held, "origin")), within=held), "date")
    nonstop = direct(of(held, "origin"), of(held, "destination"), day, by="prices.economy", order="least")
    change = update(held, flights=list_(flight(nonstop, day)), pay=pay)
    task("9", *cancelled, if_(lang.Exists(among=nonstop.among), change))
    task("37", *cancelled, update(held, "business", pay=pay))


@said_by("liam_khan_2521")
def _(task: Task) -> None:
    held = trip("IAH", "SEA")
    there = legs(held, is_("date", "2024-05-23"))
    later = every(there, object_(flight_number=of(LEG, "flight_number"), date="2024-05-24"))
    rest = every(legs(held, test("date", "is not", "2024-05-23")), BOOKED)
    cheap_enough = compares(cost(held, "business"), "less", 1000)
    task("10", if_(cheap_enough, update(held, "business", list_(later, rest))))


@said_by("james_patel_9828")
def _(task: Task) -> None:
    held = named("GV1N64")
    rest = all_("Passenger", test("first_name", "is not", "Sophia"), within=held)
    removed = travel(held, every(rest, person(this("Passenger"))))
    refund = work(0, "-", cost(held, "basic_economy"))
    task("11", *tell(refund), first(removed, update(held, "basic_economy")))


@said_by("chen_lee_6825")
def _(task: Task) -> None:
    held = named("YAX4DR")
    dear = compares(cost(held, "business"), "more", 650)
    task("12", if_(not_(dear), update(held, "business")), bags(held, 2))


@said_by("james_lee_6136")
def _(task: Task) -> None:
    held = named("XEWRD9")
    day = of(the("ReservationFlight", is_("origin", "ATL"), within=held), "date")
    nonstop = direct("ATL", "LAS", day, by="prices.economy", order="least")
    there = every(legs(held, test("date", "less", day)), BOOKED)
    task("13", if_possible(update(held, "economy", list_(there, flight(nonstop, day)))))


@said_by("aarav_garcia_1177")
def _(task: Task) -> None:
    held = trip("ATL", "PHL")
    day = work(of(the("ReservationFlight", is_("origin", "ATL"), within=held), "date"), "+", 1)
    nonstop = direct("ATL", "PHL", day, by="prices.economy", order="least")
    found = look("search_onestop_flight", origin="ATL", destination="PHL", date=day)
    parts = all_("DirectFlight", within=this("onestop_flight"))
    price = sum_(every(parts, "prices.economy"))
    one_stop = one_of(lang.Records(kind="onestop_flight", shown_by=found), worth=price, order="least")
    flights = every(all_("DirectFlight", shown_by=found, within=one_stop), flight(FLIGHT, of(FLIGHT, "date")))
    stops = update(held, "economy", flights)
    task("16", if_(lang.Exists(among=nonstop.among), update(held, "economy", list_(flight(nonstop, day))), stops))


@said_by("omar_rossi_1241")
def _(task: Task) -> None:
    held = trip("EWR", "ORD")
    gift = of(method("gift_card", by="amount"), "id")
    task("17 22", update(held, "economy", pay=gift), travel(held, ME), bags(held, 3, gift))


@said_by("omar_davis_3817")
def _(task: Task) -> None:
    business = all_("Reservation", is_("cabin", "business"), UPCOMING)
    saved = sum_(every(business, work(0, "-", cost(HERE, "economy"))))
    down = update(HERE, "economy").arguments
    rest = {slot: one for slot, one in down.items() if slot != "reservation_id"}
    task("18", *tell(saved), each(business, "update_reservation_flights", "reservation_id", **rest))


@said_by("olivia_gonzalez_2305")
def _(task: Task) -> None:
    held = the("Reservation", has("flights.destination", "IAH"))
    back = one_of(legs(held, is_("destination", "EWR")))
    late = [test("scheduled_departure_time_est", "more", "15:00:00")]
    day = of(back, "date")
    after = direct("IAH", "EWR", day, *late, by="scheduled_departure_time_est", order="least")
    there = every(legs(held, is_("destination", "IAH")), BOOKED)
    change = update(held, flights=list_(there, flight(after, day)))
    task("19", if_(can(change), change, cancel(held)))


@said_by("ivan_muller_7015")
def _(task: Task) -> None:
    held = the("Reservation")
    friend = the("Passenger", is_("first_name", "Ivan"), is_("last_name", "Smith"))
    price = sum_(every(legs(held), fare("economy")))
    gift, certificate = method("gift_card"), method("certificate")
    part = work(of(gift, "amount"), "least", price)
    cash = of(method("credit_card"), "id")
    split = [object_(payment_id=of(gift, "id"), amount=part), object_(payment_id=cash, amount=work(price, "-", part))]
    route = {name: of(held, name) for name in ("origin", "destination", "flight_type")}
    flights, who = every(legs(held), BOOKED), [person(friend)]
    dear = book(route, flights, who, [object_(payment_id=of(certificate, "id"), amount=price)])
    task("25", if_(compares(price, "more", 400), dear, book(route, flights, who, split)))


@said_by("amelia_sanchez_4739")
def _(task: Task) -> None:
    task("26", if_possible(cancel(trip("MCO", "CLT"))))


@said_by("ethan_martin_2396")
def _(task: Task) -> None:
    delayed = the("Reservation", has("flights.flight_number", "HAT039"))
    task("27", compensate(work(50, "*", heads(delayed))))


@said_by("amelia_rossi_1297")
def _(task: Task) -> None:
    task("28", if_possible(cancel(named("SI5UKW"))))


@said_by("raj_brown_5782")
def _(task: Task) -> None:
    held = named("VA5SGQ")
    early = test("scheduled_arrival_time_est", "less", "07:00:00")
    days = {("DTW", "JFK"): "2024-05-17", ("JFK", "DTW"): "2024-05-19"}
    found = [direct(*way, day, early, by="prices.economy", order="least") for way, day in days.items()]
    flights = list_(*(flight(one, day) for one, day in zip(found, days.values(), strict=True)))
    price = work(of(found[0], "prices.economy"), "+", of(found[1], "prices.economy"))
    route = {"origin": "DTW", "destination": "JFK", "flight_type": "round_trip"}
    again = book(route, flights, [ME], [object_(payment_id=paid_with(held), amount=price)], number=1)
    change = update(held, flights=flights)
    task("29", if_(can(change), both(change, bags(held, 1)), both(cancel(held), again)))


@said_by("james_taylor_7043")
def _(task: Task) -> None:
    held = named("1N99U6")
    there = legs(held, is_("origin", "LAS"))
    day = of(one_of(there), "date")
    nonstop = direct("LAS", "IAH", day, is_("flight_number", "HAT266"))
    kept = every(legs(held, is_("origin", "IAH")), BOOKED)
    gift = of(method("gift_card"), "id")
    fewer = if_possible(bags(held, work(of(held, "total_baggages"), "-", 1), gift))
    task("30", update(held, flights=list_(flight(nonstop, day), kept), pay=gift), fewer)


@said_by("daiki_lee_6144")
def _(task: Task) -> None:
    held = trip("JFK", "DTW")
    day = "2024-05-17"
    nonstop = direct("JFK", "DTW", day, by="prices.basic_economy", order="least")
    others = every(legs(held, test("date", "is not", day)), BOOKED)
    task("31", if_possible(update(held, flights=list_(flight(nonstop, day), others))))


@said_by("ivan_rossi_8555")
def _(task: Task) -> None:
    held = trip("EWR", "LAX")
    day, pay = "2024-05-21", card("1777")
    nonstop = direct("EWR", "LAX", day)
    costs = work(heads(held), "*", work(of(nonstop, "prices.economy"), "-", sum_(every(legs(held), "price"))))
    change = update(held, "economy", list_(flight(nonstop, day)), pay)
    task("32", if_(not_(compares(costs, "more", 100)), both(update(held, "economy", pay=pay), change)))


@said_by("yara_garcia_1905")
def _(task: Task) -> None:
    held = named("HXDUBJ")
    back = the("ReservationFlight", is_("origin", "SFO"), within=held)
    days = [work(of(the("ReservationFlight", is_("origin", "IAH"), within=held), "date"), "+", 1)]
    days.append(work(of(back, "date"), "+", 1))
    hours = [test("scheduled_departure_time_est", *one) for one in (("more", "08:00:00"), ("less", "21:00:00"))]
    found = [direct("IAH", "SFO", days[0], *hours), direct("SFO", "IAH", days[1], *hours)]
    flights = list_(*(flight(one, day) for one, day in zip(found, days, strict=True)))
    fares = work(of(found[0], "prices.business"), "+", of(found[1], "prices.business"))
    cheap_enough = compares(work(fares, "-", sum_(every(legs(held), "price"))), "less", 200.01)
    change = update(held, flights=flights)
    task("33", change, if_(cheap_enough, update(held, "business", flights)), bags(held, 2))
    task("34", if_(cheap_enough, both(update(held, "business", flights), bags(held, 2))))


@said_by("lucas_brown_4047")
def _(task: Task) -> None:
    held = named("EUJUY6")
    later = object_(flight_number=of(LEG, "flight_number"), date=work(of(LEG, "date"), "+", 2))
    moved = test("date", "more", "2024-05-15")
    flown = every(legs(held, test("date", "less", "2024-05-15")), BOOKED)
    task("36", if_possible(update(held, flights=list_(flown, every(legs(held, moved), later)))))


@said_by("amelia_davis_8890")
def _(task: Task) -> None:
    alone = compares(heads(HERE), "is", 1)
    ones = lang.Records(kind="Reservation", where=(UPCOMING,), such=(alone, can(cancel(HERE))))
    task("41", each(ones, "cancel_reservation", "reservation_id"))


@said_by("sophia_martin_4574")
def _(task: Task) -> None:
    mine = has("passengers.first_name", of(USER, "name.first_name"))

    def others(day: str, kept: lang.Test) -> lang.Each:
        known = all_("Reservation", has("flights.date", day), kept)
        return each(
            all_("Reservation", has("flights.date", day), mine, but=known), "cancel_reservation", "reservation_id"
        )

    arriving, leaving = has("flights.origin", "DFW"), is_("origin", "BOS")
    task("42", others("2024-05-17", arriving), others("2024-05-22", leaving))


@said_by("mohamed_hernandez_5188")
def _(task: Task) -> None:
    day = has("flights.date", "2024-05-17")
    one = trip("ATL", "JFK", day)
    task("43", first(cancel(one), cancel(the("Reservation", day, test("origin", "is not", "ATL")))))
