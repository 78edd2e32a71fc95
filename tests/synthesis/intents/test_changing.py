"""changing: A, B and the beginning are three states, the gold is B only, and the moment of the change can be seen."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from t2t_dist.core.schema import CallPattern, Certificate, Change, GoldCall, GraderSide, Task
from t2t_dist.environments import registry
from t2t_dist.environments.errands import is_valid_errand
from t2t_dist.environments.state import Record
from t2t_dist.environments.tools import AGENT, Call
from t2t_dist.synthesis.grader_side import matches, writes_in
from t2t_dist.synthesis.intents.changing import TRIGGERS, alternatives, both_pass, forbidden_calls, wanted_before
from t2t_dist.synthesis.intents.gold_check import final_state
from t2t_dist.synthesis.wording_check import mentions
from tests.support.library_domain import Library
from tests.support.made import Made, make, remake, verdict


def parts(task: Task) -> tuple[Certificate, Change, GoldCall, GoldCall]:
    """Certificate, change, A and B."""
    certificate, change = task.certificate, task.user.change
    assert certificate is not None
    assert change is not None
    assert certificate.first_call is not None
    second = next(call for call in writes_in(task.grader.gold) if call.goal == certificate.goal)
    return certificate, change, certificate.first_call, second


# -- what every task is ------------------------------------------------------------------------------------------------
def test_three_states_and_a_gold_that_is_b_only(made: Made) -> None:
    for task in made.verified("changing"):
        certificate, _, first, second = parts(task)
        gold = [Call(call.name, call.arguments) for call in task.grader.gold]
        assert Call(second.name, second.arguments) in gold
        assert Call(first.name, first.arguments) not in gold
        instead = [first if call is second else call for call in writes_in(task.grader.gold)]
        assert final_state(made.domain, instead) == certificate.first_final
        assert len({certificate.first_final, task.grader.final, task.grader.initial}) == 3


def test_the_opening_is_about_a_and_the_change_about_b(made: Made) -> None:
    for task in made.verified("changing"):
        _, change, first, second = parts(task)
        world = made.domain.world()
        for call, facts in ((first, task.user.goals[change.goal].facts), (second, change.facts)):
            said = {
                slot: list(made.domain.describe(world, Call(call.name, call.arguments), slot, task.customer).says)
                for slot in call.arguments
            }
            assert {fact.slot: fact.says for fact in facts} == said
        held = {fact.slot: fact.says for fact in task.user.goals[change.goal].facts}
        news = [fact for fact in change.facts if held.get(fact.slot) != fact.says]
        assert all(mentions(change.request, fact.says) for fact in news)


def test_the_calls_of_a_are_forbidden_and_those_of_b_are_not(built_in: Made) -> None:
    domain, in_steps = built_in.domain, 0
    for task in built_in.verified("changing"):
        forbidden, gold = task.grader.forbidden, task.grader.gold
        assert not any(matches(pattern, call.name, call.arguments) for pattern in forbidden for call in gold)
        shared = [Call(call.name, call.arguments) for call in gold]
        for call in wanted_before(domain, task, domain.world)[0]:
            if domain.side_of(call.name) == AGENT and call not in shared:
                assert any(matches(pattern, call.name, call.arguments) for pattern in forbidden)
                in_steps += call.name != parts(task)[2].name
        assert ("forbidden" in task.grader.basis) == bool(forbidden)
    assert in_steps > 0 or domain.name != "telecom"


def test_every_trigger_comes_up_and_both_kinds_of_change(shop: Made) -> None:
    tasks = shop.verified("changing")
    assert {parts(task)[1].trigger for task in tasks} == set(TRIGGERS)
    assert {parts(task)[2].name == parts(task)[3].name for task in tasks} == {True, False}


def test_what_else_a_customer_might_want_is_possible_and_about_the_same_thing(shop: Made) -> None:
    domain, found = shop.domain, 0
    for task in shop.verified("general")[:20]:
        writes = [Call(call.name, call.arguments) for call in writes_in(task.grader.gold)]
        for other in alternatives(domain, task.customer, writes, 0, random.Random(1)):
            found += 1
            assert other != writes[0]
            assert not domain.breaches(domain.world(), other, task.customer)
            if other.name != writes[0].name or len(other.arguments) > 2:
                assert next(iter(other.arguments.values())) == next(iter(writes[0].arguments.values()))
    assert found > 15


# -- sabotage ----------------------------------------------------------------------------------------------------------
def to_b(task: Task) -> None:
    """A becomes B."""
    certificate, _, _, second = parts(task)
    certificate.first_call = second.model_copy(deep=True)


def back_to_a(task: Task) -> None:
    """B becomes A."""
    _, _, first, second = parts(task)
    second.name, second.arguments = first.name, first.arguments


def set_first(**fields: Any) -> Callable[[Task], None]:
    def change(task: Task) -> None:
        first = parts(task)[2]
        for name, value in fields.items():
            setattr(first, name, value)

    return change


def set_trigger(*who: str) -> Callable[[Task], None]:
    def change(task: Task) -> None:
        certificate, said, _, _ = parts(task)
        for holder in who:
            (certificate if holder == "certificate" else said).trigger = "a_good_mood"

    return change


def say_b_at_once(task: Task) -> None:
    task.user.goals[0].request += f" Or rather: {parts(task)[1].request}"


@pytest.mark.parametrize(
    ("sabotage", "reason"),
    [
        (to_b, "no_change"),
        (back_to_a, "no_change"),
        (set_trigger("user"), "no_trigger"),
        (set_trigger("certificate"), "no_trigger"),
        (set_trigger("user", "certificate"), "no_trigger"),
        (lambda task: setattr(task.user, "change", None), "no_certificate"),
        (lambda task: setattr(task, "certificate", None), "no_certificate"),
        (lambda task: setattr(task.certificate, "first_call", None), "no_certificate"),
        (lambda task: setattr(task.certificate, "goal", 3), "no_trigger"),
        (lambda task: setattr(task.user.change, "goal", 3), "goals_differ"),
        (set_first(name="build_a_boat"), "first_fails"),
        (set_first(arguments={"order_id": "#W0"}), "first_fails"),
        (say_b_at_once, "change_early"),
        (lambda task: setattr(task.user.change, "request", "I changed my mind."), "not_stated"),
        (lambda task: setattr(task.user.change, "facts", []), "facts_differ"),
        (lambda task: task.user.goals[0].facts.append(task.user.goals[0].facts[0]), "facts_differ"),
        (lambda task: task.user.goals.append(task.user.goals[0]), "goals_differ"),
        (lambda task: setattr(task.grader, "forbidden", []), "not_listed"),
        (lambda task: task.grader.forbidden.append(CallPattern(name="calculate")), "not_listed"),
        (lambda task: task.grader.basis.remove("forbidden"), "basis_differs"),
    ],
)
def test_sabotage(shop: Made, sabotage: Callable[[Task], object], reason: str) -> None:
    task = shop.one("changing", lambda t: len(t.user.goals) == 1)
    assert verdict(shop.domain, task) == "verified"
    sabotage(task)
    assert verdict(shop.domain, remake(shop.domain, task)) == reason


def test_a_wish_with_the_same_result(shop: Made) -> None:
    """A returns the items of B in another order."""
    task = shop.one("changing", lambda t: len(parts(t)[3].arguments.get("item_ids", ())) == 2)
    certificate, _, _, second = parts(task)
    turned = {name: value[::-1] if isinstance(value, list) else value for name, value in second.arguments.items()}
    certificate.first_call = second.model_copy(update={"arguments": turned})
    assert verdict(shop.domain, task) == "same_state"


def test_a_wish_that_changes_nothing(shop: Made) -> None:
    task = shop.one("changing", lambda t: parts(t)[3].name == "modify_user_address" and len(t.user.goals) == 1)
    certificate, _, _, second = parts(task)
    address = dict(shop.domain.base.tables["users"][task.customer]["address"])
    certificate.first_call = second.model_copy(update={"arguments": {**second.arguments, "address": address}})
    assert verdict(shop.domain, task) == "same_state"


def test_a_wish_that_the_second_one_includes() -> None:
    """To do both is right then, so the task would prove nothing."""
    telecom = registry.load("telecom")
    wanted = {"restore_signal", "restore_mobile_data"}
    found = 0
    for customer in telecom.callers[:150]:
        for phone in telecom.at_hand(telecom.world(), customer).get("phone_number", []):
            calls = {name: Call(name, {"phone_number": phone}) for name in wanted}
            if not all(is_valid_errand(telecom, telecom.world(), call, customer) for call in calls.values()):
                continue
            first, second = calls["restore_signal"], calls["restore_mobile_data"]
            gold = GraderSide(gold=[], initial="", final=final_state(telecom, [second]) or "")
            assert forbidden_calls(telecom, [], first, []) == []
            found += both_pass(telecom, gold, [], [first], [second])
    assert found > 0


def test_a_first_wish_that_the_policy_forbids_would_be_refused_instead_of_confirmed(desk: Made) -> None:
    domain = desk.domain
    rule = next(rule for rule in domain.rule_list if rule.number == 4)

    def forbidden(task: Task) -> list[Call]:
        wanted = parts(task)[3].arguments["hold_id"]
        proposals = rule.proposals(domain.world(), task.customer)
        return [call for call in proposals if call.arguments["hold_id"] != wanted and len(task.user.goals) == 1]

    task = desk.one("changing", forbidden)
    certificate, call = parts(task)[0], forbidden(task)[0]
    certificate.first_call = GoldCall(name=call.name, kind="write", arguments=call.arguments, goal=0)
    assert verdict(domain, task) == "first_fails"


class OneHold(Library):
    """Everybody has one hold left, an atlas: it can be cancelled, and nothing else."""

    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        tables, clock = super().database(seed, scale)
        holds = {key: {**h, "title": "Atlas", "status": "open"} for key, h in tables["holds"].items() if key[-1] == "0"}
        return {**tables, "holds": holds}, clock


def test_without_anything_else_to_want_there_is_no_change(desk: Made) -> None:
    made = make(OneHold(), 6)
    assert [task.reasons for task in made.tasks if task.intent == "changing"] == [["no_alternative"]] * 6
    assert not [task for task in desk.tasks if task.reasons == ["no_alternative"]]


def test_a_change_within_an_errand_is_of_one_thing_where_it_can_be(built_in: Made) -> None:
    """People rarely change all at once: then nothing would be left of the request."""
    changed = []
    for task in built_in.verified("changing"):
        _, _, first, second = parts(task)
        if first.name == second.name:
            changed.append(sum(second.arguments.get(slot) != value for slot, value in first.arguments.items()))
    assert changed.count(1) >= 0.9 * len(changed) > 4


def test_what_a_customer_changes_to_goes_with_what_they_asked_for(shop: Made) -> None:
    """The domain says what does, and why."""
    domain, others = shop.domain, 0
    for task in shop.verified("changing"):
        _, change, first, second = parts(task)
        assert second.name in domain.instead[first.name]
        if second.name != first.name:
            others += 1
            assert domain.instead[first.name][second.name] in change.request
    assert others > 5
