"""The provider's rules: cited by number, broken by what they propose, and enforced by the side that they name."""

from __future__ import annotations

import pytest

from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import load
from t2t_dist.environments.rules import Enforced, Handling
from t2t_dist.environments.telecom import conditions as when
from t2t_dist.environments.telecom.rules import RULES


@pytest.fixture(scope="module")
def telecom() -> Domain:
    return load("telecom")


def test_the_rules_without_code_are_about_the_conversation_and_the_phone(telecom: Domain) -> None:
    assert set(telecom.clauses) - {rule.number for rule in RULES} == {1, 3, 4, 5, 15, 22, 23, 24, 25, 27}


def test_who_enforces_what() -> None:
    assert {rule.number: rule.enforced for rule in RULES} == {
        **dict.fromkeys((6, 7, 9, 12, 14, 17, 19), Enforced.BY_TOOL),
        **dict.fromkeys((2, 8, 10, 11, 13, 16, 18, 20, 21), Enforced.BY_POLICY),
        26: Enforced.BY_ABSENCE,
    }
    assert {rule.number for rule in RULES if rule.handling is Handling.TRANSFER} == {18, 20, 26}


def test_the_policy_says_what_a_new_sim_costs(telecom: Domain) -> None:
    """No look-up shows it, and R3 has the agent say it before the customer agrees."""
    assert when.SIM_PRICES.keys() == {"plastic SIM", "eSIM"}
    assert all(
        f"{kind} ${price:.0f}" in telecom.clauses[17].text.replace(" costs", "")
        for kind, price in when.SIM_PRICES.items()
    )
