"""Amounts of money, and the payment methods in a customer's account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NewType

from .language import Said
from .state import Record

PaymentMethodId = NewType("PaymentMethodId", str)

_BRANDS = {"amex": "American Express"}


def dollars(amount: float) -> float:
    """Rounded to cents; never -0.0."""
    return round(amount + 1e-9, 2) + 0.0


def worked_out(plus: Sequence[float], minus: Sequence[float] = (), times: int = 1) -> str:
    """A sum of money as an expression for the tool ``calculate``: ``2 * (76.02 - 53.10)``. It is never negative."""
    if sum(plus) < sum(minus):
        plus, minus = minus, plus
    text = " + ".join(f"{amount:.2f}" for amount in plus) + "".join(f" - {amount:.2f}" for amount in minus)
    if times == 1:
        return text
    return f"{times} * ({text})" if len(plus) + len(minus) > 1 else f"{times} * {text}"


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
