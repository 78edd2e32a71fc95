"""general: sabotage of a task, clumsy or careful, is rejected with the right reason.

*Careful* means that the grader's side was made to agree with itself again (``remake``): a replay notices nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from t2t_dist.core.schema import CallPattern, GoldCall, Task
from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from t2t_dist.environments.language import Said
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call
from t2t_dist.synthesis.grader_side import writes_in
from t2t_dist.synthesis.normal_calls import in_order
from tests.support.library_domain import Library
from tests.support.made import Made, make, remake, verdict


def write(task: Task, name: str) -> GoldCall:
    return next(call for call in task.grader.gold if call.name == name)


def cancels(task: Task) -> bool:
    """One goal: an order to be cancelled."""
    return [call.name for call in writes_in(task.grader.gold)] == ["cancel_pending_order"]


def other_reason(task: Task) -> None:
    call = write(task, "cancel_pending_order")
    reasons = {"no longer needed", "ordered by mistake"}
    call.arguments["reason"] = (reasons - {call.arguments["reason"]}).pop()


# -- the gold ----------------------------------------------------------------------------------------------------------
def test_a_task_as_it_was_made_is_verified(shop: Made) -> None:
    task = shop.one("general", cancels)
    assert verdict(shop.domain, task) == "verified"
    assert verdict(shop.domain, remake(shop.domain, task)) == "verified"


@pytest.mark.parametrize(
    ("sabotage", "reason", "careful"),
    [
        (lambda task: task.grader.gold.remove(write(task, "cancel_pending_order")), "final_differs", "no_write"),
        (other_reason, "final_differs", "facts_differ"),
        (lambda task: task.grader.gold.pop(0), "not_authenticated", "not_authenticated"),
        (lambda task: setattr(write(task, "cancel_pending_order"), "kind", "read"), "gold_differs", "gold_differs"),
        (lambda task: setattr(write(task, "cancel_pending_order"), "goal", 1), "goals_differ", "goals_differ"),
        (lambda task: setattr(write(task, "get_order_details"), "kind", "write"), "gold_differs", "gold_differs"),
    ],
)
def test_a_changed_gold(shop: Made, sabotage: Callable[[Task], object], reason: str, careful: str) -> None:
    task = shop.one("general", cancels)
    sabotage(task)
    assert verdict(shop.domain, task) == reason
    assert verdict(shop.domain, remake(shop.domain, task)) == careful


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("cancel_pending_order", {"order_id": "#W0", "reason": "no longer needed"}, "gold_fails"),
        ("cancel_pending_order", {}, "gold_fails"),
        ("delete_everything", {}, "gold_fails"),
    ],
)
def test_a_gold_that_is_refused(shop: Made, name: str, arguments: dict[str, Any], reason: str) -> None:
    task = shop.one("general", cancels)
    call = write(task, "cancel_pending_order")
    call.name, call.arguments = name, arguments
    assert verdict(shop.domain, task) == reason


def test_the_stored_result_of_a_call_is_the_one_it_gives(shop: Made) -> None:
    task = shop.one("general", cancels)
    write(task, "get_order_details").result += " "
    assert verdict(shop.domain, task) == "gold_differs"


def test_a_write_too_many_is_a_goal_nobody_has(shop: Made) -> None:
    task = shop.one("general", cancels)
    address = shop.domain.base.tables["users"][task.customer]["address"]
    moved = {"user_id": task.customer, "address": {**address, "city": "Elsewhere"}}
    task.grader.gold.append(GoldCall(name="modify_user_address", kind="write", arguments=moved, goal=1))
    assert verdict(shop.domain, remake(shop.domain, task)) == "goals_differ"


def test_a_write_that_another_one_undoes_is_needless(shop: Made) -> None:
    task = shop.one("general", lambda t: [c.name for c in writes_in(t.grader.gold)] == ["modify_user_address"])
    last = task.grader.gold[-1]
    address = {**last.arguments["address"], "city": "Elsewhere"}
    first = last.model_copy(update={"arguments": {**last.arguments, "address": address}}, deep=True)
    task.grader.gold.insert(-1, first)
    assert verdict(shop.domain, remake(shop.domain, task)) == "needless_write"


def test_a_write_that_only_the_policy_forbids(desk: Made) -> None:
    domain = desk.domain
    rule = next(rule for rule in domain.rule_list if rule.number == 4)
    moves = {t.customer: t for t in desk.verified("general") if t.grader.gold[-1].name == "move_hold"}
    customer = next(c for c in moves if list(rule.proposals(domain.world(), c)))
    task = moves[customer].model_copy(deep=True)
    task.grader.gold[-1].arguments = next(rule.proposals(domain.world(), customer)).arguments
    assert verdict(domain, remake(domain, task)) == "gold_breaks_rule"


# -- the database and the states ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("sabotage", "reason"),
    [
        (lambda grader: setattr(grader, "initial", "0" * 32), "other_database"),
        (lambda grader: setattr(grader, "final", "0" * 32), "final_differs"),
        (lambda grader: setattr(grader, "final", grader.initial), "final_differs"),
        (lambda grader: grader.allowed_diff.pop(), "diff_differs"),
        (lambda grader: grader.allowed_diff.append(grader.allowed_diff[0]), "diff_differs"),
        (lambda grader: grader.allowed_diff[0].after.update(status="pending"), "diff_differs"),
        (lambda grader: setattr(grader.allowed_diff[0], "before", None), "diff_differs"),
    ],
)
def test_changed_states(shop: Made, sabotage: Callable[[Any], object], reason: str) -> None:
    task = shop.one("general", cancels)
    sabotage(task.grader)
    assert verdict(shop.domain, task) == reason


def test_a_database_of_another_seed(shop: Made) -> None:
    assert verdict(registry.load("retail", 1, 0.1), shop.one("general")) == "other_database"


# -- what counts -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("sabotage", "reason"),
    [
        (lambda grader: setattr(grader, "basis", []), "basis_differs"),
        (lambda grader: grader.basis.remove("db"), "basis_differs"),
        (lambda grader: grader.basis.append("forbidden"), "basis_differs"),
        (lambda grader: grader.basis.append("process"), "verified"),
        (lambda grader: grader.communicate.append("12.34"), "communicate_differs"),
        (lambda grader: setattr(grader, "communicate", []), "basis_differs"),
        (lambda grader: grader.forbidden.append(CallPattern(name="calculate")), "handling_differs"),
        (lambda grader: grader.required.append(CallPattern(name="calculate")), "handling_differs"),
        (lambda grader: setattr(grader, "handling", "refuse"), "handling_differs"),
        (lambda grader: setattr(grader, "rule", 5), "handling_differs"),
    ],
)
def test_a_changed_grader(shop: Made, sabotage: Callable[[Any], object], reason: str) -> None:
    task = shop.one("general", lambda task: cancels(task) and task.grader.communicate)
    sabotage(task.grader)
    assert verdict(shop.domain, task) == reason


def test_another_figure_to_be_said(shop: Made) -> None:
    task = shop.one("general", lambda task: task.grader.communicate)
    figure = task.grader.communicate[0]
    task.grader.communicate[0] = f"{float(figure) + 1:.2f}"
    assert verdict(shop.domain, task) == "communicate_differs"


def test_a_figure_that_the_customer_does_not_ask_for(shop: Made) -> None:
    task = shop.one("general", lambda task: task.grader.communicate)
    for goal in task.user.goals:
        goal.questions = []
    assert verdict(shop.domain, task) == "communicate_differs"


# -- the customer ------------------------------------------------------------------------------------------------------
def test_somebody_elses_task(shop: Made, desk: Made) -> None:
    task = shop.one("general", cancels)
    task.customer = next(c for c in shop.domain.customers(shop.domain.base) if c != task.customer)
    assert verdict(shop.domain, task) == "gold_breaks_rule"
    task = desk.one("general")  # no rule of the library minds whose hold it is
    task.customer = next(c for c in desk.domain.customers(desk.domain.base) if c != task.customer)
    assert verdict(desk.domain, task) == "other_customer"


@pytest.mark.parametrize("what", ["name", "fact", "missing"])
def test_somebody_who_says_to_be_somebody_else(desk: Made, what: str) -> None:
    task = desk.one("general")
    fact = task.user.identity[0]
    if what == "name":
        task.user.name = "Somebody Else"
    elif what == "fact":
        fact.text, fact.says = "C9999", ["C9999"]
        task.user.known_info = f"Your card is C9999. {task.user.known_info}"
    else:
        task.user.identity = []
    assert verdict(desk.domain, task) == "identity_differs"


@pytest.mark.parametrize(
    ("sabotage", "reason"),
    [
        (lambda user: setattr(user.goals[0], "request", "Please cancel it."), "not_stated"),
        (lambda user: setattr(user.goals[0].facts[0], "says", []), "facts_differ"),
        (lambda user: user.goals[0].facts.pop(), "facts_differ"),
        (lambda user: user.goals[0].facts.append(user.goals[0].facts[0]), "facts_differ"),
        (lambda user: setattr(user.goals[0].facts[0], "slot", "colour"), "facts_differ"),
        (lambda user: user.goals.append(user.goals[0]), "goals_differ"),
        (lambda user: user.goals.clear(), "goals_differ"),
        (lambda user: setattr(user, "known_info", ""), "not_known"),
    ],
)
def test_changed_words_and_wishes(shop: Made, sabotage: Callable[[Any], object], reason: str) -> None:
    task = shop.one("general", lambda task: cancels(task) and not task.grader.communicate)
    sabotage(task.user)
    assert verdict(shop.domain, task) == reason


def test_wishes_in_another_order_than_the_gold(made: Made) -> None:
    task = made.one("general", lambda t: len({c.name for c in writes_in(t.grader.gold)}) > 1)
    task.user.goals.reverse()
    assert verdict(made.domain, task) == "facts_differ"


# -- one meaning -------------------------------------------------------------------------------------------------------
class Vague(Library):
    """Readers name a book by its title only, and many hold several of one title."""

    def describe(self, world: World, call: Call, slot: str, customer: str) -> Said:
        if slot != "hold_id":
            return super().describe(world, call, slot, customer)
        hold = world.get("holds", call.arguments[slot])
        return Said(f"the {hold['title']}", (hold["title"],)) if hold else Said("", ())


def test_a_request_that_several_calls_satisfy_is_not_unique() -> None:
    made = make(Vague(), 20)
    general = [task for task in made.tasks if task.intent == "general"]
    reasons = {task.reasons[0] if task.reasons else task.verdict for task in general}
    assert reasons == {"verified", "not_unique"}
    for task in general:
        holds = {h["hold_id"]: h for h in made.domain.base.tables["holds"].values() if h["reader_id"] == task.customer}
        open_titles = [hold["title"] for hold in holds.values() if hold["status"] == "open"]
        writes = writes_in(task.grader.gold)
        if [call.name for call in writes] == ["cancel_hold"]:
            title = holds[writes[0].arguments["hold_id"]]["title"]
            assert (open_titles.count(title) == 1) == (task.verdict == "verified")


def test_arguments_come_in_the_tools_order_however_they_were_written(retail: Domain) -> None:
    arguments = {"reason": "no longer needed", "order_id": "#W1", "extra": 1}
    ordered = in_order(retail, Call("cancel_pending_order", arguments))
    assert list(ordered.arguments) == ["order_id", "reason", "extra"]
    assert ordered.arguments == arguments
    assert in_order(retail, Call("close_account", {"b": 1, "a": 2})) == Call("close_account", {"b": 1, "a": 2})
