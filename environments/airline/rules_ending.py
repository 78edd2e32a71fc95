"""The policy's rules about whose data is touched, cancelling, compensation, and what no tool can do."""

from __future__ import annotations

from collections.abc import Iterator

from ..rules import Enforced, Handling, Rule, rule
from ..state import World
from ..tools import Call
from . import calls
from . import conditions as when

_ON_RESERVATIONS = (
    "change_flights",
    "change_cabin",
    "correct_passenger",
    "add_checked_bags",
    "add_insurance",
    "cancel_reservation",
    "send_certificate",
)
#: What customers ask for and no tool can do.
NO_TOOL = ("add_passenger", "remove_checked_bags", "book_pet", "choose_seats", "report_lost_bag")


@rule(2, *_ON_RESERVATIONS, "book_reservation", enforced=Enforced.BY_POLICY)
def own_data_only(world: World, call: Call, customer: str) -> str | None:
    if call.name == "book_reservation":
        return None if call.arguments.get("user_id") == customer else "that account belongs to somebody else"
    reservation = calls.reservation_in(world, call)
    if reservation is None or reservation["user_id"] == customer:
        return None
    return f"reservation {reservation['reservation_id']} is not on your account"


@own_data_only.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    # A neighbour in the table: near enough to look at few records, another one for each customer.
    others, start = world.base.keys("users"), world.base.positions("users").get(customer, 0)
    for step in range(1, min(12, len(others))):
        for one in calls.ahead(world, others[(start + step) % len(others)]):
            if when.has_grounds(world, one, "change of plans") is None:
                yield calls.about("cancel_reservation", one, reason="change of plans")


# -- cancelling --------------------------------------------------------------------------------------------------------
@rule(18, "cancel_reservation")
def cancel_what_is_left(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    return when.can_cancel(world, reservation) if reservation else None


@rule(19, "cancel_reservation", enforced=Enforced.BY_POLICY, handling=Handling.TRANSFER)
def half_flown_is_for_a_person(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    return when.nothing_flown(world, reservation) if reservation else None


@rule(20, "cancel_reservation")
def cancel_for_a_reason_that_counts(world: World, call: Call, customer: str) -> str | None:
    return when.reason_counts(call.arguments.get("reason"))


@rule(21, "cancel_reservation", enforced=Enforced.BY_POLICY)
def cancel_on_grounds(world: World, call: Call, customer: str) -> str | None:
    reservation, reason = calls.reservation_in(world, call), call.arguments.get("reason")
    if reservation is None or when.can_cancel(world, reservation) or when.nothing_flown(world, reservation):
        return None
    return when.has_grounds(world, reservation, reason) if when.reason_counts(reason) is None else None


@cancel_what_is_left.proposes
@half_flown_is_for_a_person.proposes
@cancel_on_grounds.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for one in calls.reservations(world, customer):
        for reason in when.REASONS:
            if reason != "flight cancelled":
                yield calls.about("cancel_reservation", one, reason=reason)


@cancel_for_a_reason_that_counts.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for one in calls.ahead(world, customer):
        for reason in ("cheaper fare elsewhere", "visa refused", "meeting moved online"):
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


@rule(22, "send_certificate", enforced=Enforced.BY_POLICY)
def compensation_has_its_circle(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    user = calls.owner_of(world, reservation)
    return when.may_claim(user, reservation) if user and reservation else None


@rule(23, "send_certificate", enforced=Enforced.BY_POLICY)
def compensation_has_a_cause(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    return when.went_wrong(world, reservation, call.arguments.get("flight_id")) if reservation else None


@rule(24, "send_certificate", enforced=Enforced.BY_POLICY)
def compensation_has_a_tariff(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    if reservation is None:
        return None
    return when.is_due(world, reservation, call.arguments.get("flight_id"), call.arguments.get("amount"))


@rule(25, "send_certificate")
def compensation_is_given_once(world: World, call: Call, customer: str) -> str | None:
    reservation = calls.reservation_in(world, call)
    return when.not_compensated(reservation) if reservation else None


def _claims(world: World, customer: str, cheek: float = 1.0) -> Iterator[Call]:
    """Claims for every flight, for what is due (or would be), or so many times as much."""
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
        # Nobody complains of a flight that is still to come.
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
@rule(26, *NO_TOOL, enforced=Enforced.BY_ABSENCE, handling=Handling.TRANSFER)
def no_tool_for_it(world: World, call: Call, customer: str) -> str | None:
    return "it needs rights that I don't have"


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


ENDING = [
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
