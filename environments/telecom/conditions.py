"""Conditions for changes of a line, a bill or an account. Tools and rules use the same functions.

Each returns ``None`` when it holds, else the reason in words a customer can be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, get_args

from ..payment import payment_method
from ..people import country_said
from ..rules import Impossible, Settled
from ..state import Record, World
from .records import CustomerReason

CUSTOMER_REASONS = get_args(CustomerReason)
#: Days a plan is kept before the next change.
PLAN_DAYS = 30
#: Days after a line was resumed before it may roam.
ROAMING_DAYS = 14
#: GB that may be added to a line in one billing month.
MOST_ADDED = 10
#: Dollars above which the billing team handles the payment of a bill.
SUPERVISED_BILL = 250.0
SIM_PRICES = {"plastic SIM": 10.0, "eSIM": 5.0}
COUNTRY = "USA"
#: Share of the month's data that somebody who asks for more has used.
RUNNING_OUT = 0.75


def is_active(line: Record) -> str | None:
    if line["status"] == "active":
        return None
    return Impossible(f"the line {line['phone_number']} is suspended ({line['suspended_for']})")


def is_suspended(line: Record) -> str | None:
    return Settled(f"the line {line['phone_number']} is active already") if line["status"] == "active" else None


def can_roam(world: World, line: Record) -> str | None:
    """Active, and not just resumed."""
    if why := is_active(line):
        return why
    resumed = line.get("resumed_on")
    if resumed is None or (world.now - datetime.fromisoformat(resumed)).days >= ROAMING_DAYS:
        return None
    ago = _ago(world, resumed)
    number = line["phone_number"]
    return f"the line {number} was resumed {ago}, and roaming becomes possible {ROAMING_DAYS} days after that"


def _ago(world: World, day: str) -> str:
    days = (world.now - datetime.fromisoformat(day)).days
    return "today" if days < 1 else "1 day ago" if days == 1 else f"{days} days ago"


def reason_counts(reason: Any) -> str | None:
    if reason in CUSTOMER_REASONS:
        return None
    return f"a line can only be suspended for {' or '.join(map(repr, CUSTOMER_REASONS))}, not for {reason!r}"


def bills_of(world: World, customer_id: str) -> Iterator[Record]:
    customer = world.get("customers", customer_id)
    for bill_id in customer["bills"] if customer else ():
        if bill := world.get("bills", bill_id):
            yield bill


def nothing_overdue(world: World, line: Record, doing: str) -> str | None:
    """No bill of the line's customer is overdue."""
    for bill in bills_of(world, line["customer_id"]):
        if bill["status"] == "overdue":
            until = (
                "as long as it is unpaid"
                if under_supervised_bill(bill) is None
                else "until it is settled with our billing team"
            )
            return f"bill {bill['bill_id']} of ${bill['total']:.2f} is overdue, and {doing} {until}"
    return None


def paid_up(world: World, line: Record) -> str | None:
    """A line that was suspended for an unpaid bill has no such bill any more."""
    if line.get("suspended_for") != "unpaid bill":
        return None
    return nothing_overdue(world, line, f"the line {line['phone_number']} stays suspended")


def can_change_to(line: Record, plan: Record) -> str | None:
    if line["plan_id"] == plan["plan_id"]:
        return Settled(f"the line {line['phone_number']} is on the {plan['name']} plan already")
    return None if plan["on_sale"] else f"the {plan['name']} plan is no longer on sale"


def plan_kept_long_enough(world: World, line: Record) -> str | None:
    days = (world.now - datetime.fromisoformat(line["plan_since"])).days
    if days >= PLAN_DAYS:
        return None
    ago = _ago(world, line["plan_since"])
    return f"the plan of {line['phone_number']} was changed {ago}, and a plan is kept for {PLAN_DAYS} days"


def holds_what_was_used(line: Record, plan: Record) -> str | None:
    if plan["data"] is None or line["data_used"] <= plan["data"]:
        return None
    used = f"{line['data_used']:g} GB of data were used this month"
    return f"{used}, more than the {plan['data']:g} GB of the {plan['name']} plan"


def is_limited(plan: Record) -> str | None:
    return Settled(f"the {plan['name']} plan has no data limit") if plan["data"] is None else None


def within_added(line: Record, gigabytes: Any) -> str | None:
    total = line["data_added"] + (gigabytes if isinstance(gigabytes, int) else 0)
    if total <= MOST_ADDED:
        return None
    before = f"{line['data_added']} GB were added already" if line["data_added"] else "that is too much at once"
    return f"at most {MOST_ADDED} GB can be added in a billing month, and {before}"


def can_be_paid(bill: Record) -> str | None:
    return Settled(f"bill {bill['bill_id']} is paid already") if bill["status"] == "paid" else None


def can_pay(customer: Record, payment_method_id: str) -> str | None:
    if payment_method(customer, payment_method_id) is not None:
        return None
    return f"payment method {payment_method_id} is not on the account"


def under_supervised_bill(bill: Record) -> str | None:
    if bill["total"] <= SUPERVISED_BILL:
        return None
    limit = f"bills above ${SUPERVISED_BILL:.0f} are looked at by our billing team first"
    return f"bill {bill['bill_id']} comes to ${bill['total']:.2f}, and {limit}"


def share_used(world: World, line: Record) -> float | None:
    """The share of the month's data that is used, from 0 on; ``None`` where there is no limit."""
    plan = world.get("plans", line["plan_id"])
    if plan is None or plan["data"] is None:
        return None
    return float(line["data_used"] / (plan["data"] + line["data_added"]))


def no_sim_on_its_way(line: Record, kind: object = None) -> str | None:
    ordered = line.get("sim_ordered")
    if not ordered:
        return None
    there = f"a new {ordered} for {line['phone_number']} is on its way already"
    return Settled(there) if kind in (None, ordered) else f"{there}, and a line gets one new SIM at a time"


def not_lost_or_stolen(line: Record) -> str | None:
    # Resuming the line does not take the report back: whoever has the phone could ask for that.
    if line.get("suspended_for") != "lost or stolen" and not line.get("lost_before"):
        return None
    return f"the line {line['phone_number']} was reported lost or stolen, and our security team checks a new SIM for it"


def is_domestic(address: Record) -> str | None:
    country = address.get("country")
    if country == COUNTRY:
        return None
    abroad = country_said(country or "another country")
    return f"bills go to addresses within the United States only, and this one is in {abroad}"
