"""The policy's rules about calls, each with its number in policy.md, and the list of all."""

from __future__ import annotations

from collections.abc import Iterator

from ..rules import Enforced, Handling, Impossible, Rule, neighbours, rule
from ..state import Record, World
from ..tools import Call
from . import conditions as when
from .device import has_data

_ON_LINES = (
    "suspend_line",
    "resume_line",
    "change_plan",
    "refuel_data",
    "enable_roaming",
    "disable_roaming",
    "order_sim",
)
_ON_BILLS = ("pay_bill", "send_bill")
_ON_ACCOUNTS = ("change_address", "change_email")
#: Requests of customers for which there is no tool.
NO_TOOL = ("dispute_charge", "port_number_out", "repair_phone", "end_contract")
_ABROAD = (
    ("18 Alder Street", "Toronto", "ON", "Canada", "M5V 2T6"),
    ("4 Harbour Lane", "Bristol", "", "United Kingdom", "BS1 4RB"),
    ("77 Lindenweg", "Hamburg", "", "Germany", "20095"),
)


def _lines(world: World, customer: str) -> Iterator[Record]:
    record = world.get("customers", customer)
    for number in record["lines"] if record else ():
        if line := world.get("lines", number):
            yield line


def _active(world: World, customer: str) -> Iterator[Record]:
    return (line for line in _lines(world, customer) if line["status"] == "active")


def _line(world: World, call: Call) -> Record | None:
    return world.get("lines", str(call.arguments.get("phone_number")))


def _plan(world: World, call: Call) -> Record | None:
    return world.get("plans", str(call.arguments.get("plan_id")))


def _bill(world: World, call: Call) -> Record | None:
    return world.get("bills", str(call.arguments.get("bill_id")))


def _on(tool: str, line: Record, **more: object) -> Call:
    return Call(tool, {"phone_number": line["phone_number"], **more})


@rule(2, *_ON_LINES, *_ON_BILLS, *_ON_ACCOUNTS, enforced=Enforced.BY_POLICY, weight=0.8)
def own_data_only(world: World, call: Call, customer: str) -> str | None:
    if call.name in _ON_ACCOUNTS:
        return None if call.arguments.get("customer_id") == customer else "that account belongs to somebody else"
    record = _bill(world, call) if call.name in _ON_BILLS else _line(world, call)
    if record is None or record["customer_id"] == customer:
        return None
    what = f"bill {record['bill_id']}" if call.name in _ON_BILLS else f"the line {record['phone_number']}"
    return Impossible(f"{what} is not on your account")


@own_data_only.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for neighbour in neighbours(world, "customers", customer, 5):
        for line in _active(world, neighbour):
            yield _on("suspend_line", line, reason="lost or stolen")
            if when.no_sim_on_its_way(line) is None and when.not_lost_or_stolen(line) is None:
                yield _on("order_sim", line, sim_kind="plastic SIM")
            plan = world.get("plans", line["plan_id"])
            if plan and when.is_limited(plan) is None and when.within_added(line, 5) is None:
                yield _on("refuel_data", line, gigabytes=5)
        for bill in when.bills_of(world, neighbour):
            if "e-mail" not in bill.get("sent_by", ()):
                yield Call("send_bill", {"bill_id": bill["bill_id"], "channel": "e-mail"})


@rule(6, "suspend_line", weight=0.6)
def suspend_when_active_and_for_a_reason(world: World, call: Call, customer: str) -> str | None:
    line = _line(world, call)
    if line is None:
        return None
    return when.is_active(line) or when.reason_counts(call.arguments.get("reason"))


@suspend_when_active_and_for_a_reason.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for line in _lines(world, customer):
        if line["status"] == "active":
            for reason in ("saving money this month", "hardly ever used", "quiet week"):
                yield _on("suspend_line", line, reason=reason)
        elif line["suspended_for"] == "unpaid bill":
            yield _on("suspend_line", line, reason="long absence")


def _works(world: World, line: Record) -> bool:
    """Whether the line's phone has data at full speed."""
    phone = world.get("phones", line["phone_number"])
    if phone is None or not has_data(world, phone):
        return False
    return bool(phone["network_mode"] == "automatic" and phone["data_saver"] == phone["vpn"] == "off")


@rule(7, "resume_line", weight=1.6)
def resume_when_suspended(world: World, call: Call, customer: str) -> str | None:
    line = _line(world, call)
    return when.is_suspended(line) if line else None


@resume_when_suspended.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    # A phone with a fault is to be repaired (R22): there the request would stand for something that can be done.
    for line in _lines(world, customer):
        if line["status"] == "active" and when.nothing_overdue(world, line, "") is None and _works(world, line):
            yield _on("resume_line", line)


@rule(8, "resume_line", enforced=Enforced.BY_POLICY, weight=10)
def resume_when_paid_up(world: World, call: Call, customer: str) -> str | None:
    line = _line(world, call)
    return when.paid_up(world, line) if line else None


@resume_when_paid_up.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for line in _lines(world, customer):
        yield _on("resume_line", line)


@rule(9, "change_plan", weight=0.6)
def change_to_another_plan_on_sale(world: World, call: Call, customer: str) -> str | None:
    line, plan = _line(world, call), _plan(world, call)
    if line is None or plan is None:
        return None
    return when.is_active(line) or when.can_change_to(line, plan)


@change_to_another_plan_on_sale.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for line in _lines(world, customer):
        for plan_id, plan in world.scan("plans"):
            if when.plan_kept_long_enough(world, line) is None and when.holds_what_was_used(line, plan) is None:
                yield _on("change_plan", line, plan_id=plan_id)


@rule(10, "change_plan", enforced=Enforced.BY_POLICY)
def plan_is_kept(world: World, call: Call, customer: str) -> str | None:
    line = _line(world, call)
    return when.plan_kept_long_enough(world, line) if line else None


@plan_is_kept.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for line in _active(world, customer):
        for plan_id, plan in world.scan("plans"):
            if when.can_change_to(line, plan) is None and when.holds_what_was_used(line, plan) is None:
                yield _on("change_plan", line, plan_id=plan_id)


@rule(11, "change_plan", enforced=Enforced.BY_POLICY)
def plan_holds_what_was_used(world: World, call: Call, customer: str) -> str | None:
    line, plan = _line(world, call), _plan(world, call)
    return when.holds_what_was_used(line, plan) if line and plan else None


@plan_holds_what_was_used.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for line in _active(world, customer):
        for plan_id, plan in world.scan("plans"):
            if when.can_change_to(line, plan) is None and when.plan_kept_long_enough(world, line) is None:
                yield _on("change_plan", line, plan_id=plan_id)


@rule(12, "refuel_data", weight=1.6)
def refuel_what_is_limited(world: World, call: Call, customer: str) -> str | None:
    line = _line(world, call)
    plan = world.get("plans", line["plan_id"]) if line else None
    if line is None or plan is None:
        return None
    return when.is_active(line) or when.is_limited(plan)


@refuel_what_is_limited.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for line in _lines(world, customer):
        for gigabytes in (2, 5):
            if when.within_added(line, gigabytes) is None:
                yield _on("refuel_data", line, gigabytes=gigabytes)


@rule(13, "refuel_data", enforced=Enforced.BY_POLICY)
def refuel_within_the_months_most(world: World, call: Call, customer: str) -> str | None:
    line = _line(world, call)
    return when.within_added(line, call.arguments.get("gigabytes")) if line else None


@refuel_within_the_months_most.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for line in _lines(world, customer):
        plan = world.get("plans", line["plan_id"])
        if line["status"] == "active" and plan and plan["data"] is not None:
            for gigabytes in (5, 10):
                yield _on("refuel_data", line, gigabytes=gigabytes)


@rule(14, "enable_roaming", weight=1.3)
def roam_on_active_lines(world: World, call: Call, customer: str) -> str | None:
    line = _line(world, call)
    return when.can_roam(world, line) if line else None


@roam_on_active_lines.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for line in _lines(world, customer):
        if not line["roaming"]:
            yield _on("enable_roaming", line)


@rule(16, "enable_roaming", enforced=Enforced.BY_POLICY, weight=3)
def roam_when_nothing_is_overdue(world: World, call: Call, customer: str) -> str | None:
    line = _line(world, call)
    return when.nothing_overdue(world, line, "roaming isn't allowed on any line") if line else None


@roam_when_nothing_is_overdue.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for line in _lines(world, customer):
        if not line["roaming"] and when.can_roam(world, line) is None:
            yield _on("enable_roaming", line)


@rule(17, "order_sim", weight=2)
def one_sim_at_a_time(world: World, call: Call, customer: str) -> str | None:
    line = _line(world, call)
    return when.no_sim_on_its_way(line, call.arguments.get("sim_kind")) if line else None


@one_sim_at_a_time.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for line in _lines(world, customer):
        if when.not_lost_or_stolen(line) is None:
            yield _on("order_sim", line, sim_kind="eSIM")


@rule(18, "order_sim", enforced=Enforced.BY_POLICY, handling=Handling.TRANSFER, weight=2.2)
def security_checks_lost_lines(world: World, call: Call, customer: str) -> str | None:
    line = _line(world, call)
    return when.not_lost_or_stolen(line) if line else None


@security_checks_lost_lines.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for line in _lines(world, customer):
        for kind in when.SIM_PRICES:
            if when.no_sim_on_its_way(line) is None:
                yield _on("order_sim", line, sim_kind=kind)


@rule(19, "pay_bill", weight=0.7)
def pay_what_is_due_with_what_is_there(world: World, call: Call, customer: str) -> str | None:
    bill = _bill(world, call)
    owner = world.get("customers", bill["customer_id"]) if bill else None
    if bill is None or owner is None:
        return None
    return when.can_be_paid(bill) or when.can_pay(owner, str(call.arguments.get("payment_method_id")))


@pay_what_is_due_with_what_is_there.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    owner = world.get("customers", customer)
    for bill in when.bills_of(world, customer):
        for method in owner["payment_methods"] if owner else ():
            if bill["status"] == "paid" and when.under_supervised_bill(bill) is None:
                yield _pay(bill, method)


def _pay(bill: Record, method: Record) -> Call:
    return Call("pay_bill", {"bill_id": bill["bill_id"], "payment_method_id": method["payment_method_id"]})


@rule(20, "pay_bill", enforced=Enforced.BY_POLICY, handling=Handling.TRANSFER, weight=2.5)
def billing_looks_at_large_bills(world: World, call: Call, customer: str) -> str | None:
    bill = _bill(world, call)
    return when.under_supervised_bill(bill) if bill else None


@billing_looks_at_large_bills.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    owner = world.get("customers", customer)
    for bill in when.bills_of(world, customer):
        for method in owner["payment_methods"] if owner else ():
            if bill["status"] != "paid":
                yield _pay(bill, method)


@rule(21, "change_address", enforced=Enforced.BY_POLICY, weight=0.4)
def domestic_addresses(world: World, call: Call, customer: str) -> str | None:
    return when.is_domestic(call.arguments.get("address") or {})


@domestic_addresses.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for street, city, state, country, zip_code in _ABROAD:
        address = {"address1": street, "address2": "", "city": city, "state": state, "country": country}
        yield Call("change_address", {"customer_id": customer, "address": {**address, "zip": zip_code}})


@rule(26, *NO_TOOL, enforced=Enforced.BY_ABSENCE, handling=Handling.TRANSFER, weight=0.4)
def no_tool_for_it(world: World, call: Call, customer: str) -> str | None:
    return "it can't be done from here"


@no_tool_for_it.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for bill in when.bills_of(world, customer):
        yield Call("dispute_charge", {"bill_id": bill["bill_id"]})
    for line in _lines(world, customer):
        for name in NO_TOOL[1:]:
            if name != "repair_phone" or line.get("suspended_for") != "lost or stolen":
                yield _on(name, line)


RULES: list[Rule] = [
    own_data_only,
    suspend_when_active_and_for_a_reason,
    resume_when_suspended,
    resume_when_paid_up,
    change_to_another_plan_on_sale,
    plan_is_kept,
    plan_holds_what_was_used,
    refuel_what_is_limited,
    refuel_within_the_months_most,
    roam_on_active_lines,
    roam_when_nothing_is_overdue,
    one_sim_at_a_time,
    security_checks_lost_lines,
    pay_what_is_due_with_what_is_there,
    billing_looks_at_large_bills,
    domestic_addresses,
    no_tool_for_it,
]
