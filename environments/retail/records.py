"""Record types of the shop. Money is in dollars with two decimals, times are ISO 8601."""

from __future__ import annotations

from typing import Annotated, Literal, NewType, NotRequired

from pydantic import AfterValidator

# pydantic reads only this one before Python 3.12.
from typing_extensions import TypedDict

from ..payment import PaymentMethodId
from ..people import Address, Email, FirstName, LastName, UserId

OrderId = NewType("OrderId", str)
ItemId = NewType("ItemId", str)
ProductId = NewType("ProductId", str)
#: Items as a caller lists them, in whatever order.
WrittenItems = Annotated[list[ItemId], AfterValidator(sorted)]

OrderStatus = Literal[
    "pending",
    "pending (items modified)",
    "processed",
    "shipped",
    "delivered",
    "cancelled",
    "return requested",
    "exchange requested",
]
CancelReason = Literal["no longer needed", "ordered by mistake"]


class PaymentMethod(TypedDict):
    """A credit card (brand, last_four), a PayPal account or a gift card (balance in dollars)."""

    payment_method_id: PaymentMethodId
    source: Literal["credit_card", "paypal", "gift_card"]
    brand: NotRequired[str]
    last_four: NotRequired[str]
    balance: NotRequired[float]


class User(TypedDict):
    """A customer's account. ``note``: a remark that somebody left."""

    user_id: UserId
    first_name: FirstName
    last_name: LastName
    email: Email
    address: Address
    payment_methods: list[PaymentMethod]
    orders: list[OrderId]
    note: NotRequired[str]


class OrderItem(TypedDict):
    """One item of an order, at the price paid for it."""

    item_id: ItemId
    product_id: ProductId
    name: str
    options: dict[str, str]
    price: float


class Payment(TypedDict):
    """One movement of money of an order."""

    type: Literal["payment", "refund"]
    amount: float
    payment_method_id: PaymentMethodId


class Order(TypedDict):
    """An order. ``delivered_at`` only once it has arrived; ``note``: a remark that somebody left."""

    order_id: OrderId
    user_id: UserId
    status: OrderStatus
    placed_at: str
    delivered_at: NotRequired[str]
    address: Address
    items: list[OrderItem]
    payments: list[Payment]
    cancel_reason: NotRequired[CancelReason]
    returned_items: NotRequired[list[ItemId]]
    exchanged_items: NotRequired[list[ItemId]]
    exchange_for: NotRequired[list[ItemId]]
    note: NotRequired[str]


class Variant(TypedDict):
    """One version of a product. ``stock`` is what can still be sold."""

    item_id: ItemId
    options: dict[str, str]
    price: float
    stock: int


class Product(TypedDict):
    """A product and its versions. ``final_sale`` products can't be returned or exchanged."""

    product_id: ProductId
    name: str
    category: str
    final_sale: bool
    variants: list[Variant]


class ProductSummary(TypedDict):
    """One line of the catalogue."""

    product_id: ProductId
    name: str
    category: str


class OrderSummary(TypedDict):
    """One line of a customer's order list; ``total`` in dollars."""

    order_id: OrderId
    status: OrderStatus
    placed_at: str
    items: list[str]
    total: float


class ItemDetails(TypedDict):
    """A version of a product, found by its item id."""

    item_id: ItemId
    product_id: ProductId
    name: str
    options: dict[str, str]
    price: float
    stock: int


class CancelReceipt(TypedDict):
    """``refund`` dollars go to ``refund_to``."""

    order_id: OrderId
    status: OrderStatus
    refund: float
    refund_to: PaymentMethodId


class ChangeReceipt(TypedDict):
    """``to_pay`` dollars are charged to the payment method, ``to_refund`` go back to it; one of them is 0."""

    order_id: OrderId
    status: OrderStatus
    to_pay: float
    to_refund: float
    payment_method_id: PaymentMethodId


class PaymentReceipt(TypedDict):
    """The order's ``amount`` dollars were moved from one payment method to the other."""

    order_id: OrderId
    amount: float
    paid_with: PaymentMethodId
    refunded_to: PaymentMethodId


class AddressReceipt(TypedDict):
    """The address now in force."""

    order_id: NotRequired[OrderId]
    user_id: NotRequired[UserId]
    address: Address


class ReturnReceipt(TypedDict):
    """``refund`` dollars go to ``refund_to`` once the items have arrived."""

    order_id: OrderId
    status: OrderStatus
    refund: float
    refund_to: PaymentMethodId
