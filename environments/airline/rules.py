"""The policy's rules about calls, each with its number in policy.md, and the list of all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import zip_longest

from ..payment import payment_method
from ..rules import Enforced, Handling, Impossible, Rule, neighbours, rule
from ..state import World
from ..tools import Call
from . import calls, network
from . import conditions as when

_PAID = ("book_reservation", "change_flights", "change_cabin", "add_checked_bags", "add_insurance")
_AFTERWARDS = _PAID[1:]
_ON_RESERVATIONS = (
    "change_flights",
    "change_cabin",
    "correct_passenger",
    "add_checked_bags",
    "add_insurance",
    "cancel_reservation",
    "send_certificate",
)
#: Requests of customers for which there is no tool.
NO_TOOL = ("add_passenger", "remove_checked_bags", "book_pet", "choose_seats", "report_lost_bag")


def _alone(world: World, proposed: Iterator[Call], customer: str, mine: Rule) -> Iterator[Call]:
    """Calls that break this rule and no other, for tasks about one rule."""
    for call in proposed:
        if mine.broken_by(world, call, customer) and not any(
            other.broken_by(world, call, customer) for other in RULES if other is not mine
        ):
            yield call


# -- whose data --------------------------------------------------------------------------------------------------------
@rule(2, *_ON_RESERVATIONS, "book_reservation", enforced=Enforced.BY_POLICY, weight=0.7)
def own_data_only(world: World, call: Call, customer: str) -> str | None:
    if call.name == "book_reservation":
        return None if call.arguments.get("user_id") == customer else "that account belongs to somebody else"
    reservation = calls.reservation_in(world, call)
    if reservation is None or reservation["user_id"] == customer:
        return None
    return Impossible(f"reservation {reservation['reservation_id']} is not on your account")


@own_data_only.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for other in neighbours(world, "users", customer, 5):
        for one in calls.ahead(world, other):
            if when.has_grounds(world, one, "change of plans") is None:
                yield calls.about("cancel_reservation", one, reason="change of plans")
            yield from calls.corrections(one)
        yield from _alone(world, _claims(world, other), customer, own_data_only)


# -- booking -----------------------------------------------------------------------------------------------------------
@rule(5, "book_reservation", enforced=Enforced.BY_POLICY, handling=Handling.TRANSFER, weight=5)
def groups_have_a_desk(world: World, call: Call, customer: str) -> str | None:
    return when.is_no_group(calls.passengers_in(world, call))


@groups_have_a_desk.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    user = world.get("users", customer)
    if user and len(user["passengers"]) > when.LARGEST_PARTY:
        party = user["passengers"][: when.LARGEST_PARTY + 1]
        found = calls.bookings(world, customer, party, calls.card(world, customer))
        yield from _alone(world, found, customer, groups_have_a_desk)


@rule(6, "book_reservation", "change_flights", "change_cabin", weight=0.7)
def seats_on_flights_to_come(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    if call.name == "book_reservation":
        cabin, heads = call.arguments.get("cabin"), len(calls.passengers_in(world, call))
    elif reservation is not None:
        cabin, heads = call.arguments.get("cabin", reservation["cabin"]), len(reservation["passengers"])
    else:
        return None
    ways = calls.itineraries_in(world, call)
    if call.name == "change_cabin" and reservation is not None:
        if when.not_begun(world, reservation) or reservation["cabin"] == cabin:
            return None  # another matter
        ways = [when.flights_in(world, [trip]) for trip in reservation["trips"]]
    if cabin not in when.CABINS:
        return None
    return next((why for flights in ways if (why := when.can_board(world, flights, cabin, heads))), None)


@seats_on_flights_to_come.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    user, card = world.get("users", customer), calls.card(world, customer)
    ahead = list(calls.ahead(world, customer))
    kinds = (
        (calls.about("change_cabin", one, cabin=to, payment_method_id=card) for one in ahead for to in when.CABINS),
        calls.flight_changes(world, customer, ahead, card),
        calls.bookings(world, customer, user["passengers"][:1], card) if user else iter(()),
    )
    # The kinds alternate, so that the first few are not all of one kind.
    for some in zip_longest(*(_alone(world, kind, customer, seats_on_flights_to_come) for kind in kinds)):
        yield from (call for call in some if call)


@rule(7, *_PAID, weight=1.3)
def payment_covers_it(world: World, call: Call, customer: str) -> str | None:
    if call.name == "book_reservation":
        user = world.get("users", str(call.arguments.get("user_id")))
    else:
        user = calls.owner_of(world, calls.reservation_in(world, call))
    amount = calls.amount_in(world, call)
    if user is None or amount is None or _settles_nothing(world, call):
        return None
    return when.can_pay(user, str(call.arguments.get("payment_method_id")), max(amount, 0.0))


def _settles_nothing(world: World, call: Call) -> bool:
    """Whether the tool refuses a call for another reason, so that nothing is paid."""
    reservation = calls.reservation_in(world, call)
    if reservation is None:
        return False
    return (call.name == "add_insurance" and reservation["insured"]) or (
        call.name == "change_cabin" and reservation["cabin"] == call.arguments.get("cabin")
    )


@payment_covers_it.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    user = world.get("users", customer)
    for method in calls.methods(world, customer, "gift_card", "certificate"):
        held = payment_method(user, method) if user else None
        found = [
            *calls.bookings(world, customer, user["passengers"][:2] if user else [], method),
            *(
                calls.about(tool, one, payment_method_id=method, **more)
                for one in calls.ahead(world, customer)
                if held and held["source"] == "gift_card"
                for tool, more in _LATER_COSTS
            ),
        ]
        yield from _alone(world, reversed(found), customer, payment_covers_it)


#: What costs something after a booking.
_LATER_COSTS: tuple[tuple[str, dict[str, object]], ...] = (
    ("add_insurance", {}),
    ("add_checked_bags", {"bags": 3}),
    ("change_cabin", {"cabin": "business"}),
)


@rule(8, "book_reservation", enforced=Enforced.BY_POLICY, weight=2)
def children_fly_with_adults(world: World, call: Call, customer: str) -> str | None:
    ways = calls.itineraries_in(world, call)
    leaves = date.fromisoformat(ways[0][0]["departs"][:10]) if ways else world.now.date()
    return when.accompanied(calls.passengers_in(world, call), leaves)


@children_fly_with_adults.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    user = world.get("users", customer)
    young = [one for one in user["passengers"] if when.age(one, world.now.date()) < when.CHILD] if user else []
    if young:
        found = calls.bookings(world, customer, young[:2], calls.card(world, customer))
        yield from _alone(world, found, customer, children_fly_with_adults)


# -- flights and cabins ------------------------------------------------------------------------------------------------
@rule(9, "change_flights", enforced=Enforced.BY_POLICY, weight=8)
def saver_fares_are_fixed(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    return when.is_flexible(reservation) if reservation else None


@saver_fares_are_fixed.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    held = [one for one in calls.ahead(world, customer) if one["cabin"] == "saver"]
    found = calls.flight_changes(world, customer, held, calls.card(world, customer))
    yield from _alone(world, found, customer, saver_fares_are_fixed)


@rule(10, "change_flights")
def same_places_in_turn(world: World, call: Call, customer: str) -> str | None:
    found, ways = calls.trip_in(world, call), calls.itineraries_in(world, call)
    return when.same_way(*found, ways[0]) if found and ways else None


@same_places_in_turn.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    found = []
    for one in calls.ahead(world, customer):
        for trip in one["trips"]:
            for _, flight in world.lookup(network.FROM, (trip["origin"], trip["date"])):
                if flight["destination"] != trip["destination"]:
                    found.append(calls.change(one, trip, [flight], calls.card(world, customer)))
    yield from _alone(world, iter(found), customer, same_places_in_turn)


@rule(11, "change_flights", weight=3)
def trips_that_have_not_left(world: World, call: Call, customer: str) -> str | None:
    found = calls.trip_in(world, call)
    return when.trip_is_ahead(world, *found) if found else None


@trips_that_have_not_left.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    held = [one for one in calls.reservations(world, customer) if one["status"] == "booked"]
    for later in (1, 3):
        found = calls.flight_changes(world, customer, held, calls.card(world, customer), later)
        yield from _alone(world, found, customer, trips_that_have_not_left)


@rule(12, "change_flights", enforced=Enforced.BY_POLICY, weight=4)
def last_day_is_for_gold(world: World, call: Call, customer: str) -> str | None:
    found = calls.trip_in(world, call)
    user = calls.owner_of(world, found[0]) if found else None
    if not found or user is None or when.has_left(world, found[1]):
        return None
    return when.not_too_close(world, user, found[1])


@last_day_is_for_gold.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    held = calls.ahead(world, customer)
    found = calls.flight_changes(world, customer, held, calls.card(world, customer))
    yield from _alone(world, found, customer, last_day_is_for_gold)


@rule(13, "change_cabin", "correct_passenger", "add_checked_bags", "add_insurance", weight=0.8)
def reservations_not_begun(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    if reservation is None or (call.name == "add_insurance" and reservation["insured"]):
        return None
    return when.is_booked(reservation, "changed") or when.not_begun(world, reservation)


@reservations_not_begun.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    card = calls.card(world, customer)
    for one in calls.reservations(world, customer):
        if one["cabin"] != "business":
            yield calls.about("change_cabin", one, cabin="business", payment_method_id=card)
        yield calls.about("add_checked_bags", one, bags=1, payment_method_id=card)
        yield calls.about("add_insurance", one, payment_method_id=card)
        yield from calls.corrections(one)


@rule(14, *_AFTERWARDS, enforced=Enforced.BY_POLICY, weight=2)
def certificates_pay_bookings(world: World, call: Call, customer: str) -> str | None:
    if calls.amount_in(world, call) == 0:
        return None  # nothing is paid: naming a certificate has no effect
    user = calls.owner_of(world, calls.reservation_in(world, call))
    return when.no_certificate(user, str(call.arguments.get("payment_method_id"))) if user else None


@certificates_pay_bookings.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    ahead = list(calls.ahead(world, customer))
    for method in calls.methods(world, customer, "certificate"):
        found = [
            *(calls.about("add_checked_bags", one, bags=2, payment_method_id=method) for one in ahead),
            *(calls.about("add_insurance", one, payment_method_id=method) for one in ahead if not one["insured"]),
            *(
                calls.about("change_cabin", one, cabin=cabin, payment_method_id=method)
                for one in ahead
                for cabin in when.CABINS
                if cabin != one["cabin"]
            ),
            *calls.flight_changes(world, customer, ahead, method),
        ]
        # Of money that comes back, nobody wonders how they pay it.
        paid = (call for call in found if (calls.amount_in(world, call) or 0.0) > 0)
        yield from _alone(world, paid, customer, certificates_pay_bookings)


# -- passengers, bags, insurance ---------------------------------------------------------------------------------------
@rule(15, "correct_passenger", enforced=Enforced.BY_POLICY, weight=1.5)
def seats_are_personal(world: World, call: Call, customer: str) -> str | None:
    reservation, details = calls.reservation_in(world, call), call.arguments.get("details")
    # As saved in the account: that is who they were before an earlier correction as well.
    user = calls.owner_of(world, reservation)
    known = (*(user["passengers"] if user else ()), *(reservation["passengers"] if reservation else ()))
    passenger = next((one for one in known if one["passenger_id"] == call.arguments.get("passenger_id")), None)
    if passenger is None or not isinstance(details, dict) or not {"first_name", "last_name"} <= details.keys():
        return None
    return when.same_person(passenger, details)


@seats_are_personal.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    user = world.get("users", customer)
    for one in calls.ahead(world, customer):
        flying = {passenger["passenger_id"] for passenger in one["passengers"]}
        for passenger in one["passengers"]:
            for other in user["passengers"] if user else ():
                if other["passenger_id"] not in flying:
                    details = {key: other[key] for key in ("first_name", "last_name", "birth_date")}
                    yield calls.about("correct_passenger", one, passenger_id=passenger["passenger_id"], details=details)


@rule(16, "add_checked_bags", weight=2)
def bags_have_a_limit(world: World, call: Call, customer: str) -> str | None:
    reservation, bags = calls.reservation_in(world, call), call.arguments.get("bags")
    return when.bags_fit(reservation, bags) if reservation and isinstance(bags, int) else None


@bags_have_a_limit.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    card = calls.card(world, customer)
    for one in calls.ahead(world, customer):
        for bags in (3, 2):
            yield calls.about("add_checked_bags", one, bags=bags, payment_method_id=card)


@rule(17, "add_insurance", enforced=Enforced.BY_POLICY, weight=0.8)
def insured_in_the_first_day(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    if reservation is None or reservation["insured"] or reservations_not_begun.broken_by(world, call, customer):
        return None
    return when.can_still_insure(world, reservation)


@insured_in_the_first_day.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for one in calls.ahead(world, customer):
        for method in calls.methods(world, customer, "credit_card"):
            yield calls.about("add_insurance", one, payment_method_id=method)


# -- cancelling --------------------------------------------------------------------------------------------------------
@rule(18, "cancel_reservation", weight=5)
def cancel_what_is_left(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    return when.can_cancel(world, reservation) if reservation else None


@rule(19, "cancel_reservation", enforced=Enforced.BY_POLICY, handling=Handling.TRANSFER, weight=2)
def half_flown_is_for_a_person(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    return when.nothing_flown(world, reservation) if reservation else None


@rule(20, "cancel_reservation", weight=0.6)
def cancel_for_a_reason_that_counts(world: World, call: Call, customer: str) -> str | None:
    return when.reason_counts(call.arguments.get("reason"))


@rule(21, "cancel_reservation", enforced=Enforced.BY_POLICY)
def cancel_on_grounds(world: World, call: Call, customer: str) -> str | None:
    reservation, reason = calls.reservation_in(world, call), call.arguments.get("reason")
    if reservation is None or when.can_cancel(world, reservation) or when.nothing_flown(world, reservation):
        return None
    return when.has_grounds(world, reservation, reason) if when.reason_counts(reason) is None else None


@cancel_on_grounds.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for one in calls.reservations(world, customer):
        for reason in when.REASONS:
            if reason != "flight cancelled":
                yield calls.about("cancel_reservation", one, reason=reason)


@cancel_what_is_left.proposes
@half_flown_is_for_a_person.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    # With grounds, so that R21 is no second reason to say no.
    for one in calls.reservations(world, customer):
        for reason in when.REASONS:
            if reason != "flight cancelled" and when.has_grounds(world, one, reason) is None:
                yield calls.about("cancel_reservation", one, reason=reason)


@cancel_for_a_reason_that_counts.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for one in calls.ahead(world, customer):
        if when.has_grounds(world, one, "change of plans") is None:
            for reason in ("cheaper fare elsewhere", "booked twice", "unhappy with the seats"):
                yield calls.about("cancel_reservation", one, reason=reason)


# -- compensation ------------------------------------------------------------------------------------------------------
def _breaking(world: World, customer: str, mine: Rule, claims: Iterator[Call]) -> Iterator[Call]:
    """Claims that break this one of the four rules about compensation and no other."""
    four = (
        compensation_has_its_circle,
        compensation_has_a_cause,
        compensation_has_a_tariff,
        compensation_is_given_once,
    )
    for call in claims:
        if [rule for rule in four if rule.broken_by(world, call, customer)] == [mine]:
            yield call


@rule(22, "send_certificate", enforced=Enforced.BY_POLICY, weight=5)
def compensation_has_its_circle(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    user = calls.owner_of(world, reservation)
    return when.may_claim(user, reservation) if user and reservation else None


@rule(23, "send_certificate", enforced=Enforced.BY_POLICY, weight=1.5)
def compensation_has_a_cause(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    return when.went_wrong(world, reservation, call.arguments.get("flight_id")) if reservation else None


@rule(24, "send_certificate", enforced=Enforced.BY_POLICY, weight=4)
def compensation_has_a_tariff(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    if reservation is None:
        return None
    return when.is_due(world, reservation, call.arguments.get("flight_id"), call.arguments.get("amount"))


@rule(25, "send_certificate", weight=12)
def compensation_is_given_once(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    return when.not_compensated(reservation) if reservation else None


def _claims(world: World, customer: str, cheek: float = 1.0) -> Iterator[Call]:
    """Claims for every flight, over the amount that is due (or would be), times ``cheek``."""
    for one in calls.reservations(world, customer):
        usual = when.FOR_DELAYED * len(one["passengers"])
        for flight in when.flights_in(world, one["trips"]):
            amount = (when.compensation_for(flight, len(one["passengers"])) or usual) * cheek
            yield calls.about("send_certificate", one, flight_id=flight["flight_id"], amount=amount)


@compensation_has_its_circle.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    yield from _breaking(world, customer, compensation_has_its_circle, _claims(world, customer))


@compensation_has_a_cause.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for call in _breaking(world, customer, compensation_has_a_cause, _claims(world, customer)):
        flight = world.get("flights", call.arguments["flight_id"])
        # Nobody complains about a future flight.
        if flight and when.state_of(flight, world.now) in ("arrived", "delayed"):
            yield call


@compensation_has_a_tariff.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for cheek in (2.0, 1.5):
        yield from _breaking(world, customer, compensation_has_a_tariff, _claims(world, customer, cheek))


@compensation_is_given_once.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    yield from _breaking(world, customer, compensation_is_given_once, _claims(world, customer))


# -- everything else ---------------------------------------------------------------------------------------------------
@rule(26, *NO_TOOL, enforced=Enforced.BY_ABSENCE, handling=Handling.TRANSFER, weight=0.4)
def no_tool_for_it(world: World, call: Call, customer: str) -> str | None:
    return "it can't be done from here"


@no_tool_for_it.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for one in calls.reservations(world, customer):
        if one["status"] != "booked":
            continue
        if when.not_begun(world, one) is None:
            yield calls.about("add_passenger", one)
            yield calls.about("book_pet", one)
            yield calls.about("choose_seats", one)
            if one["checked_bags"]:
                yield calls.about("remove_checked_bags", one)
        else:
            yield calls.about("report_lost_bag", one)


RULES: list[Rule] = [
    own_data_only,
    groups_have_a_desk,
    seats_on_flights_to_come,
    payment_covers_it,
    children_fly_with_adults,
    saver_fares_are_fixed,
    same_places_in_turn,
    trips_that_have_not_left,
    last_day_is_for_gold,
    reservations_not_begun,
    certificates_pay_bookings,
    seats_are_personal,
    bags_have_a_limit,
    insured_in_the_first_day,
    cancel_what_is_left,
    half_flown_is_for_a_person,
    cancel_for_a_reason_that_counts,
    cancel_on_grounds,
    compensation_has_its_circle,
    compensation_has_a_cause,
    compensation_has_a_tariff,
    compensation_is_given_once,
    no_tool_for_it,
]
