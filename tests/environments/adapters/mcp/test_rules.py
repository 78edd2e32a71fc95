"""Conditions of rules as data: what each comparison means, and what happens to values that are not there."""

from __future__ import annotations

from typing import Any

import pytest

from t2t_dist.environments.adapters.mcp.config import RuleConfig
from t2t_dist.environments.adapters.mcp.rules import MISSING, DeclaredRule, filled, holds, value_at
from t2t_dist.environments.state import Base
from t2t_dist.environments.tools import Call

VALUES: dict[str, Any] = {
    "customer": "a.b",
    "loan": {"branch": "Hill", "renewed": 2, "tags": ["old"], "open": True},
    "gone": MISSING,
    "path": "a.b/x.txt",
}


@pytest.mark.parametrize(
    ("condition", "held"),
    [
        ({}, True),
        ({"$loan.branch": "Hill"}, True),
        ({"$loan.branch": ["Harbour", "Hill"]}, True),
        ({"$loan.branch": ["Harbour"]}, False),
        ({"$loan.branch": {"not": "Harbour"}}, True),
        ({"$loan.renewed": {"at_least": 2, "below": 3}}, True),
        ({"$loan.renewed": {"above": 2}}, False),
        ({"$loan.renewed": {"at_most": 2}}, True),
        ({"$loan.renewed": {"above": "1"}}, False),  # a number is not above a text
        ({"$loan.open": {"above": 0}}, False),
        ({"$loan.tags.0": "old"}, True),
        ({"$loan.tags.1": {"missing": True}}, True),
        ({"$gone.branch": "Hill"}, False),
        ({"$gone.branch": {"not": "Hill"}}, False),
        ({"$gone": {"missing": True}}, True),
        ({"$loan": {"missing": False}}, True),
        ({"$path": {"matches": "^{customer}/"}}, True),
        ({"$path": {"matches": "^a.c/"}}, False),
        ({"$customer": "$customer"}, True),
        ({"$loan.branch": "$loan.branch", "$loan.renewed": 3}, False),
        ([{"$loan.renewed": 3}, {"$loan.branch": "Hill"}], True),
        ([{"$loan.renewed": 3}, {"$loan.renewed": 4}], False),
    ],
)
def test_conditions(condition: Any, held: bool) -> None:
    assert holds(condition, VALUES) is held


def test_a_customers_name_in_an_expression_is_no_expression() -> None:
    assert not holds({"$path": {"matches": "^{customer}$"}}, {"customer": ".*", "path": "anything"})


def test_texts_are_filled_from_values_only() -> None:
    assert filled("{loan.branch} of {customer}, {nobody} {3}", VALUES) == "Hill of a.b, {nobody} {3}"
    assert value_at({"a": [{"b": 1}]}, ["a", "0", "b"]) == 1


def rule(**content: Any) -> DeclaredRule:
    base = {"number": 1, "tools": ["renew"], "reason": "renewed {loan.renewed} times"}
    return DeclaredRule(RuleConfig.model_validate({**base, **content}), "x.yaml: rules.0")


def test_a_rule_is_broken_by_what_its_records_say_and_proposed_for_each() -> None:
    loans = {f"L-{n}": {"reader": "r1" if n < 3 else "r2", "renewed": n, "title": "{customer} $x"} for n in range(4)}
    world = Base({"loans": loans}, "2026-01-01T00:00:00").world()
    found = rule(
        records={"loan": {"table": "loans", "key": "$loan_id"}},
        when={"$loan.renewed": {"at_least": 1}},
        proposes=[
            {
                "call": "renew",
                "each": "loans",
                "where": {"reader": "$customer"},
                "with": {"loan_id": "$each.key", "note": ["$each.title", "for {customer}", "$each.none"]},
            }
        ],
    )
    assert found.broken_by(world, Call("renew", {"loan_id": "L-2"}), "r1") == "renewed 2 times"
    assert found.broken_by(world, Call("renew", {"loan_id": "L-0"}), "r1") is None
    assert found.broken_by(world, Call("renew", {"loan_id": "L-9"}), "r1") is None
    assert found.broken_by(world, Call("other", {"loan_id": "L-2"}), "r1") is None
    # A value of a record stands as it is, whatever it looks like; one that is not there makes no call.
    assert [call.arguments for call in found.proposals(world, "r1")] == [
        {"loan_id": key, "note": note} for key in ("L-1", "L-2") for note in ("{customer} $x", "for r1")
    ]


def test_a_record_can_be_looked_for() -> None:
    world = Base({"loans": {"L-1": {"reader": "r1", "late": True}}}, "2026-01-01T00:00:00").world()
    found = rule(
        records={"late": {"table": "loans", "where": {"reader": "$customer", "late": True}}},
        when={"$late": {"missing": False}},
        reason="{late.key} is late",
    )
    assert found.broken_by(world, Call("renew", {}), "r1") == "L-1 is late"
    assert found.broken_by(world, Call("renew", {}), "r2") is None


@pytest.mark.parametrize("when", [{"loan.branch": 1}, {"$a": {"matches": "("}}, {"$a": {"is": 1}}])
def test_a_condition_that_means_nothing_is_an_error(when: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^x\.yaml: rules\.0: "):
        rule(when=when)
