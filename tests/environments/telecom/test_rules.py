"""The provider's rules: cited by number, broken by what they propose, and enforced by the side that they name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import load
from t2t_dist.environments.rules import Enforced, Handling, Rule
from t2t_dist.environments.telecom.rules import NO_TOOL, RULES
from t2t_dist.environments.tools import AGENT, WRITE, Call


@pytest.fixture(scope="module")
def telecom() -> Domain:
    return load("telecom")


def proposed(domain: Domain, rule: Rule, most: int = 2) -> Iterator[tuple[str, Call]]:
    """A few proposals of each customer's."""
    world = domain.world()
    for customer in domain.customers(domain.base):
        for call in islice(rule.proposals(world, customer), most):
            yield customer, call


def test_the_rules_without_code_are_about_the_conversation_and_the_phone(telecom: Domain) -> None:
    assert set(telecom.clauses) - {rule.number for rule in RULES} == {1, 3, 4, 5, 15, 22, 23, 24, 25, 27}


def test_rules_constrain_the_agents_writes_or_say_that_there_is_no_tool(telecom: Domain) -> None:
    for rule in RULES:
        for name in rule.tools:
            assert (name in telecom.tools) is (rule.enforced is not Enforced.BY_ABSENCE)
            if rule.enforced is not Enforced.BY_ABSENCE:
                assert (telecom.tools[name].kind, telecom.tools[name].side) == (WRITE, AGENT)
    constrained = {name for rule in RULES for name in rule.tools}
    assert {tool.name for tool in telecom.of_kind(WRITE)} <= constrained
    assert not set(NO_TOOL) & {tool.name for tool in telecom.tools}


def test_who_enforces_what() -> None:
    assert {rule.number: rule.enforced for rule in RULES} == {
        **dict.fromkeys((6, 7, 9, 12, 14, 17, 19), Enforced.BY_TOOL),
        **dict.fromkeys((2, 8, 10, 11, 13, 16, 18, 20, 21), Enforced.BY_POLICY),
        26: Enforced.BY_ABSENCE,
    }
    assert {rule.number for rule in RULES if rule.handling is Handling.TRANSFER} == {18, 20, 26}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"R{rule.number}")
def test_proposals_break_the_rule_and_are_stopped_by_whom_it_says(telecom: Domain, rule: Rule) -> None:
    customers = set()
    for customer, call in islice(proposed(telecom, rule), 300):
        world = telecom.world()
        customers.add(customer)
        assert call.name in rule.tools
        reason = rule.broken_by(world, call, customer)
        assert reason
        assert reason == reason.strip()
        assert not reason.endswith(".")
        result = telecom.execute(world, call)
        if rule.enforced is Enforced.BY_TOOL:
            assert result.error, call
            assert reason in result.content or "input should be" in result.content
        elif rule.enforced is Enforced.BY_POLICY:
            assert not result.error, result.content
            assert result.changed
        else:
            assert result.content.startswith(f"Error: there is no tool named '{call.name}'")
    assert len(customers) >= 10


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"R{rule.number}")
def test_many_proposals_break_no_other_rule(telecom: Domain, rule: Rule) -> None:
    """A task about one rule has to be stopped by that rule alone."""
    world = telecom.world()
    alone = [
        [breach.rule for breach in telecom.breaches(world, call, customer)] == [rule]
        for customer, call in islice(proposed(telecom, rule), 200)
    ]
    assert sum(alone) >= 0.5 * len(alone)
