"""READ tools of the agent."""

from __future__ import annotations

from ..lookups import first_key, need
from ..payment import dollars
from ..people import FirstName, LastName
from ..state import Index, Record, World
from ..tools import READ, tool
from .records import (
    Bill,
    BillId,
    BillSummary,
    BirthDate,
    ContactNumber,
    Customer,
    CustomerId,
    DataUsage,
    Line,
    LineSummary,
    PhoneNumber,
    Plan,
    PlanId,
)

BY_CONTACT = Index("customers", lambda customer: [customer["contact_number"]])
BY_NAME_BIRTH = Index(
    "customers",
    lambda customer: [(customer["first_name"].lower(), customer["last_name"].lower(), customer["birth_date"])],
)


def customer_of(world: World, customer_id: str) -> Record:
    return need(world, "customers", customer_id, "customer", "find the id by contact number or by name and birth date")


def line_of(world: World, phone_number: str) -> Record:
    return need(world, "lines", phone_number, "line", "phone numbers look like '555-201-0000', with the hyphens")


def plan_of(world: World, plan_id: str) -> Record:
    return need(world, "plans", plan_id, "plan", "list_plans shows those on sale")


def bill_of(world: World, bill_id: str) -> Record:
    return need(world, "bills", bill_id, "bill", "bill ids look like 'B0000000', with the 'B'")


@tool(READ)
def find_customer_by_contact_number(world: World, contact_number: ContactNumber) -> CustomerId:
    """Find a customer's id by the contact number of the account. A line's own number does not find anybody.

    Args:
        contact_number: The contact number, such as '555-100-0000'.
    """
    otherwise = f"no account has the contact number '{contact_number}'; ask again, or for name and birth date"
    return CustomerId(first_key(world, BY_CONTACT, contact_number.strip(), otherwise))


@tool(READ)
def find_customer_by_name_and_birth_date(
    world: World, first_name: FirstName, last_name: LastName, birth_date: BirthDate
) -> CustomerId:
    """Find a customer's id by name and date of birth. Prefer the contact number where it is known.

    Args:
        first_name: First name, such as 'Maya'.
        last_name: Last name, such as 'Kovacs'.
        birth_date: Date of birth, such as '1984-05-17'.
    """
    wanted = (first_name.strip().lower(), last_name.strip().lower(), birth_date.strip())
    otherwise = f"no account is in the name of {first_name} {last_name}, born {birth_date}; check the spelling"
    return CustomerId(first_key(world, BY_NAME_BIRTH, wanted, otherwise))


@tool(READ)
def get_customer_details(world: World, customer_id: CustomerId) -> Customer:
    """Get a customer's account by its id: name, contact, address, payment methods, lines and bills.

    Args:
        customer_id: The customer id, such as 'maya_kovacs_4821'.
    """
    return customer_of(world, customer_id)  # type: ignore[return-value]


@tool(READ)
def list_lines(world: World, customer_id: CustomerId) -> list[LineSummary]:
    """List a customer's lines with status and plan.

    Args:
        customer_id: The customer id, such as 'maya_kovacs_4821'.
    """
    lines = [line_of(world, number) for number in customer_of(world, customer_id)["lines"]]
    return [
        {
            "phone_number": line["phone_number"],
            "status": line["status"],
            "plan": plan_of(world, line["plan_id"])["name"],
        }
        for line in lines
    ]


@tool(READ)
def get_line_details(world: World, phone_number: PhoneNumber) -> Line:
    """Get a line: status, plan, data of this month, whether roaming is allowed. The phone's own settings are not here:
    only the customer can see those.

    Args:
        phone_number: The line's number, such as '555-201-0000'.
    """
    return line_of(world, phone_number)  # type: ignore[return-value]


@tool(READ)
def get_data_usage(world: World, phone_number: PhoneNumber) -> DataUsage:
    """Get a line's data of this billing month: included, added, used and left, in GB.

    Args:
        phone_number: The line's number, such as '555-201-0000'.
    """
    line = line_of(world, phone_number)
    included = plan_of(world, line["plan_id"])["data"]
    left = None if included is None else max(0.0, dollars(included + line["data_added"] - line["data_used"]))
    return {
        "phone_number": phone_number,
        "included": included,
        "added": line["data_added"],
        "used": line["data_used"],
        "left": left,
    }


@tool(READ)
def get_plan_details(world: World, plan_id: PlanId) -> Plan:
    """Get a plan: price a month, included data, price of a refuel.

    Args:
        plan_id: The plan id, such as 'P01'.
    """
    return plan_of(world, plan_id)  # type: ignore[return-value]


@tool(READ)
def list_plans(world: World, phone_number: PhoneNumber) -> list[Plan]:
    """List the plans that a line could have: those on sale, and its own.

    Args:
        phone_number: The line's number, such as '555-201-0000'.
    """
    own = line_of(world, phone_number)["plan_id"]
    return [plan for key, plan in world.scan("plans") if plan["on_sale"] or key == own]  # type: ignore[misc]


@tool(READ)
def list_bills(world: World, customer_id: CustomerId) -> list[BillSummary]:
    """List a customer's bills with month, status and total.

    Args:
        customer_id: The customer id, such as 'maya_kovacs_4821'.
    """
    bills = [bill_of(world, bill_id) for bill_id in customer_of(world, customer_id)["bills"]]
    return [
        {"bill_id": bill["bill_id"], "month": bill["month"], "status": bill["status"], "total": bill["total"]}
        for bill in bills
    ]


@tool(READ)
def get_bill_details(world: World, bill_id: BillId) -> Bill:
    """Get a bill with its positions.

    Args:
        bill_id: The bill id, such as 'B0000000'.
    """
    return bill_of(world, bill_id)  # type: ignore[return-value]
