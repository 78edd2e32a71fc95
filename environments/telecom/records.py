"""Record types of the provider. Money is in dollars with two decimals, data in GB, times are ISO 8601."""

from __future__ import annotations

from typing import Literal, NewType, NotRequired

# pydantic reads only this one before Python 3.12.
from typing_extensions import TypedDict

from ..payment import PaymentMethodId
from ..people import Address, Email, FirstName, LastName

CustomerId = NewType("CustomerId", str)
PhoneNumber = NewType("PhoneNumber", str)
PlanId = NewType("PlanId", str)
BillId = NewType("BillId", str)
ContactNumber = NewType("ContactNumber", str)
BirthDate = NewType("BirthDate", str)

LineStatus = Literal["active", "suspended"]
SuspensionReason = Literal["lost or stolen", "long absence", "unpaid bill"]
#: What a customer can have a line suspended for; the third one is the provider's own.
CustomerReason = Literal["lost or stolen", "long absence"]
Gigabytes = Literal[1, 2, 5, 10]
SimKind = Literal["plastic SIM", "eSIM"]
Channel = Literal["e-mail", "post"]
BillStatus = Literal["open", "overdue", "paid"]
Switch = Literal["on", "off"]
NetworkMode = Literal["automatic", "4G only", "3G only"]


class PaymentMethod(TypedDict):
    """A credit card (brand, last_four) or a bank account (last_four)."""

    payment_method_id: PaymentMethodId
    source: Literal["credit_card", "bank_account"]
    brand: NotRequired[str]
    last_four: str


class Customer(TypedDict):
    """A customer's account. ``contact_number`` is where they can be reached; it is none of their lines. ``note``: a
    remark that somebody left."""

    customer_id: CustomerId
    first_name: FirstName
    last_name: LastName
    birth_date: BirthDate
    contact_number: ContactNumber
    email: Email
    address: Address
    payment_methods: list[PaymentMethod]
    lines: list[PhoneNumber]
    bills: list[BillId]
    note: NotRequired[str]


class Line(TypedDict):
    """A mobile line. ``data_used`` and ``data_added`` (refuels) are of this billing month, ``roaming``: allowed.

    ``lost_before``: it was suspended as lost or stolen, and has been resumed since. ``resumed_on``: when it was last.
    ``note``: a remark that somebody left.
    """

    phone_number: PhoneNumber
    customer_id: CustomerId
    status: LineStatus
    suspended_for: NotRequired[SuspensionReason]
    plan_id: PlanId
    plan_since: str
    data_used: float
    data_added: int
    roaming: bool
    lost_before: NotRequired[bool]
    resumed_on: NotRequired[str]
    sim_ordered: NotRequired[SimKind]
    note: NotRequired[str]


class LineSummary(TypedDict):
    """One of a customer's lines."""

    phone_number: PhoneNumber
    status: LineStatus
    plan: str


class DataUsage(TypedDict):
    """A line's data of this billing month. ``included`` is of the plan; ``left`` is ``None`` without a limit."""

    phone_number: PhoneNumber
    included: float | None
    added: int
    used: float
    left: float | None


class Plan(TypedDict):
    """A plan. ``data`` is what a month includes, ``None`` without a limit; ``refuel`` is the price of one more GB."""

    plan_id: PlanId
    name: str
    price: float
    data: float | None
    refuel: float
    on_sale: bool


class Item(TypedDict):
    """One position of a bill."""

    text: str
    amount: float


class Bill(TypedDict):
    """A month's bill. ``sent_by``: how copies of it were sent."""

    bill_id: BillId
    customer_id: CustomerId
    month: str
    status: BillStatus
    due: str
    total: float
    items: list[Item]
    paid_with: NotRequired[PaymentMethodId]
    sent_by: NotRequired[list[Channel]]


class BillSummary(TypedDict):
    """One line of a customer's list of bills."""

    bill_id: BillId
    month: str
    status: BillStatus
    total: float


class Phone(TypedDict):
    """The customer's own device with its settings. ``restart_needed``: it takes up a change only after a restart.

    ``abroad`` is the country it is in, ``""`` at home.
    """

    phone_number: PhoneNumber
    model: str
    abroad: str
    airplane_mode: Switch
    mobile_data: Switch
    data_roaming: Switch
    data_saver: Switch
    vpn: Switch
    network_mode: NetworkMode
    sim: Literal["in place", "loose"]
    restart_needed: bool


class SuspensionReceipt(TypedDict):
    phone_number: PhoneNumber
    status: LineStatus
    suspended_for: SuspensionReason


class LineReceipt(TypedDict):
    phone_number: PhoneNumber
    status: LineStatus


class PlanReceipt(TypedDict):
    """``price`` is the new plan's, in dollars a month."""

    phone_number: PhoneNumber
    plan_id: PlanId
    name: str
    price: float


class RefuelReceipt(TypedDict):
    """``price`` dollars go on the next bill."""

    phone_number: PhoneNumber
    gigabytes: int
    price: float


class RoamingReceipt(TypedDict):
    phone_number: PhoneNumber
    roaming: bool


class PaymentReceipt(TypedDict):
    bill_id: BillId
    status: BillStatus
    amount: float
    paid_with: PaymentMethodId


class CopyReceipt(TypedDict):
    """``sent_to`` is an e-mail address or a postal one."""

    bill_id: BillId
    channel: Channel
    sent_to: str


class AddressReceipt(TypedDict):
    customer_id: CustomerId
    address: Address


class ContactReceipt(TypedDict):
    customer_id: CustomerId
    email: Email


class SimReceipt(TypedDict):
    """``price`` dollars go on the next bill."""

    phone_number: PhoneNumber
    sim_kind: SimKind
    price: float
