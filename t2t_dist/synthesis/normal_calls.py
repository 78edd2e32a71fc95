"""Calls in one form, so that two that mean the same are equal."""

from __future__ import annotations

from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call, Tool


def in_order(domain: Domain, call: Call) -> Call:
    """The call with its arguments in the tool's order, so that the first is what it is about, and in normal form."""
    errand = domain.errand(call.name)
    if errand is None:
        return call
    ordered = {slot: call.arguments[slot] for slot in errand.parameters if slot in call.arguments} | call.arguments
    return Call(call.name, errand.normal(ordered) if isinstance(errand, Tool) else ordered)
