"""Lifting a ban: errands that the rules allow and that make possible what a rule forbids."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

from t2t_dist.environments.airline import Airline
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import after_valid
from t2t_dist.environments.registry import BUILT_IN, load
from t2t_dist.environments.rules import Rule
from t2t_dist.environments.state import World
from t2t_dist.environments.telecom import Telecom
from t2t_dist.environments.tools import Call
from t2t_dist.synthesis.bindings import Binder, reachable_values
from t2t_dist.synthesis.intents.infeasible import stands
from t2t_dist.synthesis.intents.lifting import lifted_by
from tests.support.made import make, verdict


def bans(domain: Domain, customers: int, each: int = 3) -> Iterator[tuple[str, Rule, Call]]:
    """A few calls of these customers that one rule alone forbids."""
    for customer in domain.callers[:customers]:
        for rule in domain.rule_list:
            proposed = islice(rule.proposals(domain.world(), customer), each)
            yield from ((customer, rule, c) for c in proposed if stands(domain, domain.world(), c, rule, customer))


def telecom_with(line: dict[str, object], *bills: tuple[str, float]) -> tuple[Telecom, str, str]:
    """The provider, one of its customers, and their first line, changed like this; they have only these bills."""

    class Changed(Telecom):
        def database(self, seed: int, scale: float):  # type: ignore[no-untyped-def]
            tables, clock = super().database(seed, 0.02)
            customer = next(iter(tables["customers"].values()))
            first = tables["lines"][customer["lines"][0]]
            for other in customer["lines"]:
                tables["lines"][other].pop("suspended_for", None)
                tables["lines"][other]["status"] = "active"
            first.update(line)  # type: ignore[attr-defined]
            ids = customer["bills"][: len(bills)]
            customer["bills"] = ids  # type: ignore[index]
            for key, (status, total) in zip(ids, bills, strict=True):
                tables["bills"][key].update(status=status, total=total)  # type: ignore[attr-defined]
            return tables, clock

    domain = Changed()
    customer = domain.callers[0]
    return domain, customer, domain.base.tables["customers"][customer]["lines"][0]


def rule_of(domain: Domain, number: int) -> Rule:
    return next(rule for rule in domain.rule_list if rule.number == number)


UNPAID = {"status": "suspended", "suspended_for": "unpaid bill"}


# -- what is found -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_what_is_found_keeps_the_rules_and_makes_the_call_possible(name: str) -> None:
    domain, found = load(name), 0
    for customer, rule, call in bans(domain, 25):
        chain = lifted_by(domain, call, rule, customer)
        world: World | None = domain.world()
        for errand in chain or ():
            assert world is not None
            world = after_valid(domain, world, errand, customer)
        if chain:
            found += 1
            assert world is not None
            assert domain.breaches(world, call, customer) == []
            assert not domain.execute(world, call).error
    assert found > 5 or name == "retail"  # where hardly anything lifts a ban


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_no_single_errand_about_the_same_thing_is_missed(name: str) -> None:
    """By trying every call that can be bound, without the search's bounds."""
    domain, lifted = load(name), 0
    for customer, rule, call in bans(domain, 6, 1):
        about = next(iter(call.arguments.values()))
        alone = False
        for errand in domain.errands:
            for arguments in Binder(errand, reachable_values(domain, customer)).calls():
                first = Call(errand.name, arguments)
                if next(iter(arguments.values())) != about or domain.rules_out(domain.world(), first, call, customer):
                    continue
                after = after_valid(domain, domain.world(), first, customer)
                if after is not None and not domain.breaches(after, call, customer):
                    alone = alone or not domain.execute(after.fork(), call).error
        lifted += alone
        assert not alone or lifted_by(domain, call, rule, customer), (rule.number, call)
    assert lifted > 0 or name == "retail"


def test_a_bill_is_paid_then_the_line_resumed_then_suspended() -> None:
    domain, customer, line = telecom_with(UNPAID, ("overdue", 60.0), ("paid", 60.0))
    (bill, _) = domain.base.tables["customers"][customer]["bills"]
    resume = Call("resume_line", {"phone_number": line})
    (pay,) = lifted_by(domain, resume, rule_of(domain, 8), customer) or []
    assert (pay.name, pay.arguments["bill_id"]) == ("pay_bill", bill)
    absent = Call("suspend_line", {"phone_number": line, "reason": "long absence"})
    chain = lifted_by(domain, absent, rule_of(domain, 6), customer) or []
    assert [errand.name for errand in chain] == ["pay_bill", "bring_line_back"]


def test_several_bills_are_paid_one_after_the_other() -> None:
    domain, customer, line = telecom_with(UNPAID, ("overdue", 60.0), ("overdue", 70.0), ("overdue", 80.0))
    resume = Call("resume_line", {"phone_number": line})
    chain = lifted_by(domain, resume, rule_of(domain, 8), customer) or []
    assert [errand.name for errand in chain] == ["pay_bill"] * 3


def test_a_ban_is_real_where_what_would_lift_it_is_forbidden_too() -> None:
    domain, customer, line = telecom_with(UNPAID, ("overdue", 60.0), ("overdue", 300.0))
    resume = Call("resume_line", {"phone_number": line})
    assert lifted_by(domain, resume, rule_of(domain, 8), customer) is None  # a bill of $300 is for the billing team


def test_what_the_customer_wants_besides_may_prepare_it() -> None:
    domain, customer, line = telecom_with(UNPAID, ("overdue", 60.0))
    (bill,) = domain.base.tables["customers"][customer]["bills"]
    method = domain.base.tables["customers"][customer]["payment_methods"][0]["payment_method_id"]
    rest = [Call("pay_bill", {"bill_id": bill, "payment_method_id": method})]
    absent = Call("suspend_line", {"phone_number": line, "reason": "long absence"})
    chain = lifted_by(domain, absent, rule_of(domain, 6), customer, rest) or []
    assert chain == [rest[0], Call("bring_line_back", {"phone_number": line})]


def test_what_takes_a_reason_is_no_means_to_another_end() -> None:
    domain, customer, line = telecom_with({"status": "active"}, ("paid", 60.0))
    resume = Call("resume_line", {"phone_number": line})
    assert lifted_by(domain, resume, rule_of(domain, 7), customer) is None  # not: suspended, to be resumed


def test_what_no_tool_does_is_never_lifted(shop: object) -> None:
    domain = load("retail")
    absent = Call("close_account", {"user_id": domain.callers[0]})
    assert lifted_by(domain, absent, rule_of(domain, 18), domain.callers[0]) is None


# -- tasks -------------------------------------------------------------------------------------------------------------
class AnyMeans(Airline):
    """An airline whose customers would have nothing done before."""

    def rules_out(self, world: World, first: Call, wanted: Call, customer: str) -> bool:
        return True


def test_a_task_whose_ban_can_be_lifted_gets_no_certificate() -> None:
    """Not even if it was made where that was overlooked."""
    overlooked = make(AnyMeans(), 30).verified("infeasible")
    domain = Airline()
    verdicts = [verdict(domain, task) for task in overlooked]
    assert set(verdicts) == {"verified", "can_be_lifted"}
    rejected = [task.grader.rule for task, said in zip(overlooked, verdicts, strict=True) if said != "verified"]
    assert set(rejected) <= {6, 9, 14, 21, 22}
    assert not [task for task in make(domain, 30).tasks if task.reasons == ["not_forbidden"]]
