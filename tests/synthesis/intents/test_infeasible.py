"""infeasible: what is asked for is stopped on this world by the rule that is cited, and the rest can be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from t2t_dist.core.schema import CallPattern, Certificate, GoldCall, Task
from t2t_dist.environments.rules import Enforced, Handling, Impossible, Settled
from t2t_dist.environments.tools import Call
from t2t_dist.synthesis.grader_side import effects_in, matches, writes_in
from t2t_dist.synthesis.intents import make
from t2t_dist.synthesis.intents.infeasible import stands
from t2t_dist.synthesis.intents.rejection import Rejection
from tests.support.library_domain import Library
from tests.support.made import Made, explored, remake, verdict
from tests.support.made import make as make_tasks


def parts(task: Task) -> tuple[Certificate, Call]:
    certificate = task.certificate
    assert certificate is not None
    assert certificate.forbidden_call is not None
    return certificate, Call(certificate.forbidden_call.name, certificate.forbidden_call.arguments)


def rule_of(made: Made, task: Task) -> Any:
    return next(rule for rule in made.domain.rule_list if rule.number == parts(task)[0].rule)


def test_nobody_asks_for_an_exception_to_a_fact(built_in: Made) -> None:
    pleading = 0
    for task in built_in.verified("infeasible"):
        call, rule = parts(task)[1], rule_of(built_in, task)
        why = rule.broken_by(built_in.domain.world(), call, task.customer)
        assert task.user.pleads != isinstance(why, Settled | Impossible)
        assert (task.user.patience == 0) == isinstance(why, Settled)
        pleading += task.user.pleads
    assert 0 < pleading < len(built_in.verified("infeasible"))


# -- what every task is ------------------------------------------------------------------------------------------------
def test_the_forbidden_call_is_stopped_by_the_cited_rule_alone(made: Made) -> None:
    domain = made.domain
    for task in made.verified("infeasible"):
        certificate, call = parts(task)
        rule = rule_of(made, task)
        world = domain.world()
        assert [breach.rule.number for breach in domain.breaches(world, call, task.customer)] == [rule.number]
        assert certificate.clause == domain.clauses[rule.number].text
        assert certificate.reason == rule.broken_by(world, call, task.customer)
        assert certificate.enforced == rule.enforced.value
        result = domain.execute(world.fork(), call)
        assert result.error == (rule.enforced is not Enforced.BY_POLICY)
        assert (call.name in domain.tools) == (rule.enforced is not Enforced.BY_ABSENCE)


def test_the_gold_is_the_rest_and_the_allowed_diff_is_what_it_changes(made: Made) -> None:
    with_rest = 0
    for task in made.verified("infeasible"):
        certificate, call = parts(task)
        writes = [Call(c.name, c.arguments) for c in writes_in(task.grader.gold)]
        assert call not in writes
        assert len(task.user.goals) == len(writes) + 1
        assert task.grader.refused_goal == certificate.goal
        world = made.domain.world()
        for effect in effects_in(task.grader.gold):
            assert not made.domain.execute(world, Call(effect.name, effect.arguments)).error
        assert [(c.table, c.key, c.after) for c in world.changes()] == [
            (change.table, change.key, change.after) for change in task.grader.allowed_diff
        ]
        assert bool(effects_in(task.grader.gold)) == bool(task.grader.allowed_diff)
        with_rest += bool(writes)
        assert any(matches(pattern, *call) for pattern in task.grader.forbidden)
        assert not any(
            matches(pattern, c.name, c.arguments) for pattern in task.grader.forbidden for c in task.grader.gold
        )
    assert 0.2 < with_rest / len(made.verified("infeasible")) < 0.8


def test_the_handling_is_the_rules(made: Made) -> None:
    handlings = set()
    for task in made.verified("infeasible"):
        rule = rule_of(made, task)
        handlings.add(rule.handling)
        assert task.grader.handling == rule.handling.value
        wanted = [CallPattern(name=made.domain.transfer_tool)] if rule.handling is Handling.TRANSFER else []
        assert task.grader.required == wanted
        assert set(task.grader.basis) == {"db", "forbidden", "required" if wanted else "refused"}
        if wanted:  # the conversation ends with it
            assert task.grader.refused_goal == len(task.user.goals) - 1
    assert handlings == set(Handling)


def test_many_rules_are_covered(made: Made) -> None:
    cited = {parts(task)[0].rule for task in made.verified("infeasible")}
    assert len(cited) >= (10 if made.domain.name == "retail" else 2)


def test_a_pattern_leaves_out_what_does_not_matter(shop: Made) -> None:
    """Whatever else such a call says, as long as it matches it breaks the rule."""
    for task in shop.verified("infeasible"):
        _, call = parts(task)
        listed = task.grader.forbidden[0].arguments
        if call.name not in shop.domain.tools:
            assert listed is None
            continue
        assert listed is not None
        assert next(iter(call.arguments)) in listed
        assert listed.items() <= call.arguments.items()
    shorter = [t for t in shop.verified("infeasible") if len(t.grader.forbidden[0].arguments or {}) < 2]
    assert len(shorter) > 3


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        (CallPattern(name="f"), True),
        (CallPattern(name="f", arguments={}), True),
        (CallPattern(name="f", arguments={"a": 1}), True),
        (CallPattern(name="f", arguments={"a": 1, "b": [2]}), True),
        (CallPattern(name="f", arguments={"a": 2}), False),
        (CallPattern(name="f", arguments={"a": 1, "c": None}), True),
        (CallPattern(name="f", arguments={"a": 1, "c": 3}), False),
        (CallPattern(name="g"), False),
    ],
)
def test_patterns(pattern: CallPattern, matching: bool) -> None:
    assert matches(pattern, "f", {"a": 1, "b": [2]}) is matching


# -- sabotage ----------------------------------------------------------------------------------------------------------
def cite(number: int) -> Callable[[Task], None]:
    def change(task: Task) -> None:
        assert task.certificate is not None
        task.certificate.rule = task.grader.rule = number

    return change


def make_feasible(task: Task) -> None:
    """What is said to be forbidden becomes what is done as the rest."""
    certificate, _ = parts(task)
    rest = writes_in(task.grader.gold)[0]
    certificate.forbidden_call = rest.model_copy(update={"goal": certificate.goal}, deep=True)


def forbid(task: Task, call: GoldCall) -> None:
    task.grader.forbidden.append(CallPattern(name=call.name, arguments=call.arguments))


@pytest.mark.parametrize(
    ("sabotage", "reason"),
    [
        (cite(99), "no_such_rule"),
        (cite(1), "no_such_rule"),
        (cite(9), "not_forbidden"),
        (lambda task: setattr(task.grader, "rule", 9), "handling_differs"),
        (lambda task: setattr(task.grader, "handling", "transfer"), "handling_differs"),
        (lambda task: task.grader.required.append(CallPattern(name="calculate")), "handling_differs"),
        (make_feasible, "not_forbidden"),
        (lambda task: setattr(task.grader, "forbidden", []), "not_listed"),
        (lambda task: setattr(task.grader.forbidden[0], "name", "calculate"), "not_listed"),
        (lambda task: task.grader.forbidden[0].arguments.update(order_id="#W0"), "not_listed"),
        (lambda task: forbid(task, writes_in(task.grader.gold)[0]), "rest_forbidden"),
        (lambda task: forbid(task, task.grader.gold[0]), "rest_forbidden"),
        (lambda task: task.grader.allowed_diff.pop(), "diff_differs"),
        (lambda task: task.grader.allowed_diff.clear(), "diff_differs"),
        (lambda task: task.grader.basis.remove("forbidden"), "basis_differs"),
        (lambda task: task.grader.basis.remove("db"), "basis_differs"),
        (lambda task: setattr(task.grader, "refused_goal", 7), "goals_differ"),
        (lambda task: setattr(task, "certificate", None), "no_certificate"),
        (lambda task: setattr(task.certificate, "forbidden_call", None), "no_certificate"),
        (lambda task: setattr(task.user.goals[task.grader.refused_goal], "facts", []), "facts_differ"),
    ],
)
def test_sabotage(shop: Made, sabotage: Callable[[Task], object], reason: str) -> None:
    def wanted(task: Task) -> bool:
        rule = rule_of(shop, task)
        listed = "order_id" in (task.grader.forbidden[0].arguments or {})
        return bool(listed and writes_in(task.grader.gold) and rule.number != 9 and rule.handling is Handling.REFUSE)

    task = shop.one("infeasible", wanted)
    assert verdict(shop.domain, task) == "verified"
    sabotage(task)
    assert verdict(shop.domain, task) == reason


def test_a_hand_over_that_is_no_longer_required(made: Made) -> None:
    task = made.one("infeasible", lambda t: t.grader.handling == "transfer")
    task.grader.required = []
    task.grader.basis.remove("required")
    assert verdict(made.domain, task) == "handling_differs"


def test_doing_what_is_forbidden_is_no_gold(made: Made) -> None:
    task = made.one("infeasible", lambda t: rule_of(made, t).enforced is Enforced.BY_POLICY)
    certificate, _ = parts(task)
    assert certificate.forbidden_call is not None
    task.grader.gold.append(certificate.forbidden_call.model_copy(deep=True))
    assert verdict(made.domain, remake(made.domain, task)) == "gold_breaks_rule"


def test_a_call_that_another_rule_stops_as_well_can_not_be_cited_for_one(shop: Made) -> None:
    domain, several = shop.domain, 0
    for customer in domain.customers(domain.base)[:60]:
        for rule in domain.rule_list:
            for call in rule.proposals(domain.world(), customer):
                broken = {breach.rule.number for breach in domain.breaches(domain.world(), call, customer)}
                assert rule.number in broken
                if len(broken) > 1:
                    several += 1
                    assert not stands(domain, domain.world(), call, rule, customer)
    assert several > 0


class NoHandOver(Library):
    transfer_tool = ""


def test_what_should_be_handed_over_is_no_task_where_nobody_can_be_called() -> None:
    made = make_tasks(NoHandOver(), 20)
    assert {parts(task)[0].rule for task in made.verified("infeasible")} <= {3, 4}


class NoRules(Library):
    rule_list = ()


def test_without_rules_nothing_is_infeasible() -> None:
    import random

    domain = NoRules()
    made = make("infeasible", domain, explored(domain, 0), random.Random(0))
    assert made == Rejection("no_rule_to_break")
