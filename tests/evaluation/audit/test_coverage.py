"""Coverage: rules and tools that the tasks leave out, or are nearly all about."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from t2t_dist.core.schema import Task
from t2t_dist.evaluation.audit.coverage import Coverage
from t2t_dist.evaluation.audit.measures import Measure
from tests.support.made import Made


def of(made: Made, tasks: Iterable[Task]) -> dict[str, Measure]:
    coverage = Coverage(made.domain)
    for task in tasks:
        coverage.add(task)
    return {measure.of: measure for measure in coverage.measures()}


def test_rules_that_are_never_cited_are_named(shop: Made) -> None:
    tasks = shop.verified("infeasible")
    one = [task for task in tasks if task.grader.rule == 2]
    found = of(shop, one)
    assert found["rule_share[R2, infeasible]"].value == 1.0
    assert found["rule_share[R5, infeasible]"].value == 0.0
    assert "R5" in found["rules_uncited"].detail
    whole = of(shop, tasks)
    assert 0 < (whole["rule_share[R5, infeasible]"].value or 0) < 1
    assert (whole["rules_uncited"].value or 1) < (found["rules_uncited"].value or 0)


def test_how_often_what_is_asked_for_gives_the_rule_away(shop: Made) -> None:
    tasks = shop.verified("infeasible")
    (name, rules) = max(
        ((name, {t.grader.rule for t in tasks if asked(t) == name}) for name in map(asked, tasks)),
        key=lambda pair: len(pair[1]),
    )
    several = [task for task in tasks if asked(task) == name]
    assert len(rules) > 1
    assert (of(shop, several)["rule_by_tool[infeasible]"].value or 1) < 1
    only = [task for task in several if task.grader.rule == several[0].grader.rule]
    assert of(shop, only)["rule_by_tool[infeasible]"].value == 1.0


def asked(task: Task) -> str:
    assert task.certificate is not None
    assert task.certificate.forbidden_call is not None
    return task.certificate.forbidden_call.name


def test_a_tool_that_has_nearly_all_writes_is_seen_and_unused_ones_are_named(shop: Made) -> None:
    tasks = [t for t in shop.verified("general") if {c.name for c in t.grader.gold if c.kind == "write"} == {MOVE}]
    found = of(shop, tasks)
    assert found[f"write_share[{MOVE}]"].value == 1.0
    assert "cancel_pending_order" in found["tools_unused"].detail
    assert "calculate" not in found["tools_unused"].detail


MOVE = "modify_user_address"


def test_counts_of_writes_records_and_intents(shop: Made) -> None:
    tasks = shop.verified()
    found = of(shop, tasks)
    shares = [
        found[f"intent_share[{intent}]"].value or 0 for intent in ("general", "ambiguous", "changing", "infeasible")
    ]
    assert sum(shares) == pytest.approx(1.0)
    assert (found["writes[general]"].value or 0) >= 1
    orders = [order["user_id"] for order in shop.domain.base.tables["orders"].values()]
    (customer,) = {shop.verified()[0].customer}
    alone = of(shop, [task for task in tasks if task.customer == customer])
    assert alone["records"].value == orders.count(customer)


def test_few_write_tools_can_not_be_even(desk: Made) -> None:
    assert "2 write tools" in of(desk, desk.verified())["write_share"].detail
