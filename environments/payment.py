"""Amounts of money, and the payment methods in a customer's account."""

from __future__ import annotations

from typing import NewType

from .language import Said
from .state import Record

PaymentMethodId = NewType("PaymentMethodId", str)

_BRANDS = {"amex": "American Express"}


def dollars(amount: float) -> float:
    """Rounded to cents; never -0.0."""
    return round(amount + 1e-9, 2) + 0.0


def payment_method(user: Record, payment_method_id: str) -> Record | None:
    """The method with this id in the account's ``payment_methods``, or ``None``."""
    found = (m for m in user["payment_methods"] if m["payment_method_id"] == payment_method_id)
    return next(found, None)


def said_method(user: Record | None, payment_method_id: str) -> Said:
    """How a customer says one of their payment methods; the plain id if it is not theirs."""
    method = payment_method(user, payment_method_id) if user else None
    if method is None:
        return Said(payment_method_id, (payment_method_id,))
    match method["source"]:
        case "credit_card":
            text = f"{_BRANDS.get(method['brand'], method['brand'].title())} ending in {method['last_four']}"
        case "paypal":
            text = "PayPal account"
        case source:
            text = str(source).replace("_", " ")
            alike = [m for m in user["payment_methods"] if m["source"] == source] if user else []
            if len(alike) > 1:
                text += f" with ${method['balance']:.2f} on it"
    return Said(f"the {text}", (text,))
