"""WRITE tools of the agent, for lines, bills and accounts; the list of all tools, including the customer's."""

from __future__ import annotations

from ..assistant import calculate, make_decline_tool, think, transfer_to_human_agents
from ..lookups import demand
from ..payment import PaymentMethodId, dollars
from ..people import WrittenAddress, WrittenEmail
from ..rules import declinable
from ..state import World
from ..tools import WRITE, Tool, ToolError, tool
from . import conditions as when
from .device import DEVICE_TOOLS
from .reading import (
    bill_of,
    customer_of,
    find_customer_by_contact_number,
    find_customer_by_name_and_birth_date,
    get_bill_details,
    get_customer_details,
    get_data_usage,
    get_line_details,
    get_plan_details,
    line_of,
    list_bills,
    list_lines,
    list_plans,
    plan_of,
)
from .records import (
    AddressReceipt,
    BillId,
    Channel,
    ContactReceipt,
    CopyReceipt,
    CustomerId,
    CustomerReason,
    Gigabytes,
    LineReceipt,
    PaymentReceipt,
    PhoneNumber,
    PlanId,
    PlanReceipt,
    RefuelReceipt,
    RoamingReceipt,
    SimKind,
    SimReceipt,
    SuspensionReceipt,
)
from .rules import RULES


def _needs_restart(world: World, phone_number: str) -> None:
    """A phone notices a change of its line only when it registers again."""
    if world.get("phones", phone_number) is not None:
        world.edit("phones", phone_number)["restart_needed"] = True


# -- lines -------------------------------------------------------------------------------------------------------------
@tool(WRITE)
def suspend_line(world: World, phone_number: PhoneNumber, reason: CustomerReason) -> SuspensionReceipt:
    """Suspend an active line: no calls, messages or data until it is resumed. Get an explicit yes first.

    Args:
        phone_number: The line's number, such as '555-201-0000'.
        reason: Why, in one of the two ways that count.
    """
    demand(when.is_active(line_of(world, phone_number)))
    world.edit("lines", phone_number).update(status="suspended", suspended_for=reason)
    return {"phone_number": phone_number, "status": "suspended", "suspended_for": reason}


@tool(WRITE)
def resume_line(world: World, phone_number: PhoneNumber) -> LineReceipt:
    """Resume a suspended line. Its phone has to be restarted by the customer afterwards. Get an explicit yes first.

    Args:
        phone_number: The line's number, such as '555-201-0000'.
    """
    demand(when.is_suspended(line_of(world, phone_number)))
    line = world.edit("lines", phone_number)
    line["status"], line["resumed_on"] = "active", world.now.date().isoformat()
    if line.pop("suspended_for") == "lost or stolen":
        line["lost_before"] = True
    _needs_restart(world, phone_number)
    return {"phone_number": phone_number, "status": "active"}


@tool(WRITE)
def change_plan(world: World, phone_number: PhoneNumber, plan_id: PlanId) -> PlanReceipt:
    """Move an active line to another plan that is on sale, from today on. Get an explicit yes first.

    Args:
        phone_number: The line's number, such as '555-201-0000'.
        plan_id: The new plan, such as 'P01'.
    """
    line, plan = line_of(world, phone_number), plan_of(world, plan_id)
    demand(when.is_active(line), when.can_change_to(line, plan))
    world.edit("lines", phone_number).update(plan_id=plan_id, plan_since=world.now.date().isoformat())
    return {"phone_number": phone_number, "plan_id": plan_id, "name": plan["name"], "price": plan["price"]}


@tool(WRITE)
def refuel_data(world: World, phone_number: PhoneNumber, gigabytes: Gigabytes) -> RefuelReceipt:
    """Add data to an active line for the rest of the billing month, paid with the next bill. Get an explicit yes first.

    Args:
        phone_number: The line's number, such as '555-201-0000'.
        gigabytes: How many GB to add.
    """
    line = line_of(world, phone_number)
    plan = plan_of(world, line["plan_id"])
    demand(when.is_active(line), when.is_limited(plan))
    world.edit("lines", phone_number)["data_added"] += gigabytes
    return {"phone_number": phone_number, "gigabytes": gigabytes, "price": dollars(plan["refuel"] * gigabytes)}


@tool(WRITE)
def enable_roaming(world: World, phone_number: PhoneNumber) -> RoamingReceipt:
    """Allow roaming on an active line, if it was not resumed within the last 14 days. The customer has to switch data
    roaming on, and restart the phone, as well.

    Get an explicit yes first.

    Args:
        phone_number: The line's number, such as '555-201-0000'.
    """
    line = line_of(world, phone_number)
    demand(when.can_roam(world, line))
    if line["roaming"]:
        raise ToolError(f"roaming is allowed on the line {phone_number} already; is data roaming on in the phone?")
    world.edit("lines", phone_number)["roaming"] = True
    _needs_restart(world, phone_number)
    return {"phone_number": phone_number, "roaming": True}


@tool(WRITE)
def disable_roaming(world: World, phone_number: PhoneNumber) -> RoamingReceipt:
    """Forbid roaming on a line. Get an explicit yes first.

    Args:
        phone_number: The line's number, such as '555-201-0000'.
    """
    if not line_of(world, phone_number)["roaming"]:
        raise ToolError(f"roaming is not allowed on the line {phone_number} anyway")
    world.edit("lines", phone_number)["roaming"] = False
    return {"phone_number": phone_number, "roaming": False}


@tool(WRITE)
def order_sim(world: World, phone_number: PhoneNumber, sim_kind: SimKind) -> SimReceipt:
    """Order a new SIM for a line; it goes on the next bill. Get an explicit yes first.

    Args:
        phone_number: The line's number, such as '555-201-0000'.
        sim_kind: A plastic SIM is sent by post, an eSIM by e-mail.
    """
    demand(when.no_sim_on_its_way(line_of(world, phone_number), sim_kind))
    world.edit("lines", phone_number)["sim_ordered"] = sim_kind
    return {"phone_number": phone_number, "sim_kind": sim_kind, "price": when.SIM_PRICES[sim_kind]}


# -- bills and account -------------------------------------------------------------------------------------------------
@tool(WRITE)
def pay_bill(world: World, bill_id: BillId, payment_method_id: PaymentMethodId) -> PaymentReceipt:
    """Pay an open or overdue bill with a payment method of the customer. Get an explicit yes first.

    Args:
        bill_id: The bill, such as 'B0000000'.
        payment_method_id: What pays it, such as 'card_0000000'; it stands in the customer's account.
    """
    bill = bill_of(world, bill_id)
    demand(when.can_be_paid(bill), when.can_pay(customer_of(world, bill["customer_id"]), payment_method_id))
    world.edit("bills", bill_id).update(status="paid", paid_with=payment_method_id)
    return {"bill_id": bill_id, "status": "paid", "amount": bill["total"], "paid_with": payment_method_id}


@tool(WRITE)
def send_bill(world: World, bill_id: BillId, channel: Channel) -> CopyReceipt:
    """Send a copy of a bill to the customer, to the e-mail or postal address of the account. Get an explicit yes first.

    Args:
        bill_id: The bill, such as 'B0000000'.
        channel: How it is sent.
    """
    bill = bill_of(world, bill_id)
    if channel in bill.get("sent_by", ()):
        raise ToolError(f"a copy of bill {bill_id} was sent by {channel} already")
    customer = customer_of(world, bill["customer_id"])
    edited = world.edit("bills", bill_id)
    edited["sent_by"] = sorted([*edited.get("sent_by", ()), channel])
    home = customer["address"]
    sent_to = (
        customer["email"]
        if channel == "e-mail"
        else ", ".join(filter(None, (home["address1"], home["address2"], home["city"])))
    )
    return {"bill_id": bill_id, "channel": channel, "sent_to": sent_to}


@tool(WRITE)
def change_address(world: World, customer_id: CustomerId, address: WrittenAddress) -> AddressReceipt:
    """Change the postal address of a customer's account. Get an explicit yes first.

    Args:
        customer_id: The customer id, such as 'maya_kovacs_4821'.
        address: The whole new address; country is 'USA'; address2 may be ''.
    """
    customer_of(world, customer_id)
    world.edit("customers", customer_id)["address"] = dict(address)
    return {"customer_id": customer_id, "address": address}


@tool(WRITE)
def change_email(world: World, customer_id: CustomerId, email: WrittenEmail) -> ContactReceipt:
    """Change the e-mail address of a customer's account. Get an explicit yes first.

    Args:
        customer_id: The customer id, such as 'maya_kovacs_4821'.
        email: The new e-mail address.
    """
    customer_of(world, customer_id)
    world.edit("customers", customer_id)["email"] = email
    return {"customer_id": customer_id, "email": email}


#: What customers ask for.
_CHANGES = [
    suspend_line,
    resume_line,
    change_plan,
    refuel_data,
    enable_roaming,
    disable_roaming,
    order_sim,
    pay_bill,
    send_bill,
    change_address,
    change_email,
]
TOOLS: list[Tool] = [
    find_customer_by_contact_number,
    find_customer_by_name_and_birth_date,
    get_customer_details,
    list_lines,
    get_line_details,
    get_data_usage,
    get_plan_details,
    list_plans,
    list_bills,
    get_bill_details,
    *_CHANGES,
    calculate,
    think,
    make_decline_tool([change.name for change in _CHANGES], declinable(RULES)),
    transfer_to_human_agents,
    *DEVICE_TOOLS,
]
