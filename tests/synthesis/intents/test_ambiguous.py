"""ambiguous: the opening leaves two outcomes, the clarification one, and guessing does not pay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from t2t_dist.core.schema import Candidate, Fact, Task
from t2t_dist.environments.registry import load
from t2t_dist.environments.tools import Call
from t2t_dist.synthesis.grader_side import writes_in
from t2t_dist.synthesis.intents.ambiguous import check_candidates, withholdable
from t2t_dist.synthesis.intents.candidates import MAX_CANDIDATES, candidates_for
from t2t_dist.synthesis.intents.rejection import TaskRejected
from t2t_dist.synthesis.wording_check import mentions
from tests.support.made import Made, make, verdict


def focal(task: Task) -> tuple[Any, list[Fact]]:
    """The certificate, and the facts of the goal it is about."""
    assert task.certificate is not None
    assert task.certificate.goal is not None
    return task.certificate, task.user.goals[task.certificate.goal].facts


# -- what every task is ------------------------------------------------------------------------------------------------
def test_candidates_of_verified_tasks(made: Made) -> None:
    for task in made.verified("ambiguous"):
        certificate, facts = focal(task)
        candidates = certificate.candidates
        assert 2 <= len(candidates) <= MAX_CANDIDATES
        assert len({candidate.final for candidate in candidates}) >= 2
        assert [c.final for c in candidates if c.after_clarification] == [task.grader.final]
        assert {fact.slot for fact in facts if not fact.stated} == set(certificate.withheld) != set()
        for fact in facts:
            assert fact.stated or mentions(task.user.known_info, fact.says)


def test_each_candidate_is_a_call_that_leads_where_it_says(made: Made) -> None:
    for task in made.verified("ambiguous")[:10]:
        certificate, _ = focal(task)
        writes = [Call(call.name, call.arguments) for call in writes_in(task.grader.gold)]
        for candidate in certificate.candidates:
            world = made.domain.world()
            for number, call in enumerate(writes):
                arguments = candidate.arguments if number == certificate.goal else call.arguments
                assert not made.domain.execute(world, Call(call.name, arguments)).error
            assert world.digest == candidate.final


def test_candidates_agree_with_the_gold_in_what_is_stated(made: Made) -> None:
    for task in made.verified("ambiguous"):
        certificate, _ = focal(task)
        gold = writes_in(task.grader.gold)[certificate.goal]
        world = made.domain.world()
        for candidate in certificate.candidates:
            for slot in set(gold.arguments) - set(certificate.withheld):
                said = [
                    made.domain.describe(world, Call(gold.name, arguments), slot, task.customer).says
                    for arguments in (gold.arguments, candidate.arguments)
                ]
                assert said[0] == said[1]


def test_nothing_else_that_is_said_rules_a_candidate_out(made: Made) -> None:
    """Neither another request nor a question tells which of the candidates is meant."""
    for task in made.verified("ambiguous"):
        certificate, _ = focal(task)
        assert certificate.goal is not None
        name, world = writes_in(task.grader.gold)[certificate.goal].name, made.domain.world()
        others = [fact for n, goal in enumerate(task.user.goals) if n != certificate.goal for fact in goal.facts]
        told = " ".join(say for fact in others for say in fact.says)
        asked = {
            tell.field
            for tell in made.domain.language.tool(name).tell
            if set(tell.ask) & set(task.user.goals[certificate.goal].questions)
        }
        for candidate in certificate.candidates:
            call = Call(name, candidate.arguments)
            for slot in certificate.withheld:
                says = made.domain.describe(world, call, slot, task.customer).says
                assert not mentions(told, says), (task.task_id, slot)
            if certificate.goal == 0:
                result = made.domain.execute(world.fork(), call).value
                assert all(result[field] for field in asked), (task.task_id, asked)


def test_the_shops_words_say_what_may_be_withheld(shop: Made, desk: Made) -> None:
    call = Call("cancel_pending_order", {"order_id": "#W1", "reason": "no longer needed"})
    assert withholdable(shop.domain, call) == [("order_id",), ("reason",), ("order_id", "reason")]
    assert withholdable(desk.domain, Call("move_hold", {"hold_id": "H", "branch": "Hill"})) == [
        ("hold_id",),
        ("branch",),
    ]
    held = {slot for task in shop.verified("ambiguous") for slot in focal(task)[0].withheld}
    assert len(held) >= 3


# -- what is no ambiguity ----------------------------------------------------------------------------------------------
def candidate(final: str, clear: bool = False, **arguments: str) -> Candidate:
    return Candidate(arguments=arguments, final=final, after_clarification=clear)


@pytest.mark.parametrize(
    ("candidates", "code"),
    [
        ([candidate("a"), candidate("b", True)], None),
        ([candidate("a"), candidate("a"), candidate("b", True)], None),
        ([], "no_ambiguity"),
        ([candidate("a", True)], "no_ambiguity"),
        ([candidate("a"), candidate("a", True)], "no_ambiguity"),
        ([candidate("a"), candidate("b")], "not_unique"),
        ([candidate("c"), candidate("a", True), candidate("b", True)], "not_unique"),
        ([candidate("a", True), candidate("b")], None),
        ([candidate("a", True, item="lamp", color="red"), candidate("b", item="lamp", color="blue")], "no_ambiguity"),
        ([candidate("a", True, item="lamp", color="red"), candidate("b", item="rug", color="red")], None),
    ],
)
def test_candidates_that_will_not_do(candidates: list[Candidate], code: str | None) -> None:
    withheld = [slot for slot in ("item",) if any(slot in one.arguments for one in candidates)]
    if code is None:
        check_candidates(candidates, withheld)
        return
    with pytest.raises(TaskRejected) as refused:
        check_candidates(candidates, withheld)
    assert refused.value.rejection.code == code


def test_a_request_with_too_many_meanings_is_not_ambiguous_but_empty(shop: Made) -> None:
    domain, codes = shop.domain, set()
    for task in shop.verified("general"):
        for number, call in enumerate(writes := [Call(c.name, c.arguments) for c in writes_in(task.grader.gold)]):
            if call.name == "modify_pending_order_items":
                try:
                    found = candidates_for(domain, task.customer, writes, number, list(call.arguments))
                    assert len(found) <= MAX_CANDIDATES
                except TaskRejected as refused:
                    codes.add(refused.rejection.code)
    assert codes == {"too_open"}


def test_what_says_itself_can_not_be_withheld(shop: Made) -> None:
    task = shop.one("general", lambda t: writes_in(t.grader.gold)[0].name == "modify_user_address")
    writes = [Call(call.name, call.arguments) for call in writes_in(task.grader.gold)]
    with pytest.raises(TaskRejected, match="no_ambiguity"):
        candidates_for(shop.domain, task.customer, writes, 0, ["user_id"])


def test_a_request_that_says_everything_has_one_meaning(made: Made) -> None:
    for task in made.verified("general")[:20]:
        writes = [Call(call.name, call.arguments) for call in writes_in(task.grader.gold)]
        for number in range(len(writes)):
            found = candidates_for(made.domain, task.customer, writes, number, ())
            assert [c.final for c in found] == [task.grader.final]


# -- sabotage ----------------------------------------------------------------------------------------------------------
def say(task: Task) -> str:
    """What is withheld, said in full."""
    return " ".join(said for fact in focal(task)[1] if not fact.stated for said in fact.says)


def state(task: Task) -> None:
    """Turn what is withheld into what is stated, words and all."""
    certificate, facts = focal(task)
    task.user.goals[certificate.goal].request += f" {say(task)}"
    for fact in facts:
        fact.stated = True


def forget(task: Task) -> None:
    task.user.known_info = " ".join(fact.text for fact in task.user.identity)


def withhold_another(task: Task) -> None:
    _, facts = focal(task)
    fact = next(fact for fact in facts if fact.stated and fact.says)
    fact.stated = False
    for said in fact.says:
        task.user.reason_for_call = task.user.reason_for_call.replace(said, "some")
        for goal in task.user.goals:
            goal.request = goal.request.replace(said, "some")


def set_certificate(**fields: Any) -> Callable[[Task], None]:
    def change(task: Task) -> None:
        for name, value in fields.items():
            setattr(task.certificate, name, value)

    return change


def leak(where: str) -> Callable[[Task], None]:
    def change(task: Task) -> None:
        goal = task.user.goals[focal(task)[0].goal]
        if where == "questions":
            goal.questions.append(f"Is it {say(task)}?")
        elif where == "request":
            goal.request += f" {say(task)}"
        else:
            task.user.reason_for_call += f" {say(task)}"

    return change


@pytest.mark.parametrize(
    ("sabotage", "reason"),
    [
        (leak("request"), "leaks_withheld"),
        (leak("reason_for_call"), "leaks_withheld"),
        (leak("questions"), "leaks_withheld"),
        (state, "not_withheld"),
        (withhold_another, "not_withheld"),
        (forget, "not_known"),
        (lambda task: setattr(task, "certificate", None), "no_certificate"),
        (set_certificate(goal=None), "no_certificate"),
        (set_certificate(goal=7), "no_certificate"),
        (set_certificate(goal=-1), "no_certificate"),
        (set_certificate(withheld=[]), "no_ambiguity"),
        (lambda task: task.grader.gold.pop(), "final_differs"),
    ],
)
def test_sabotage(shop: Made, sabotage: Callable[[Task], object], reason: str) -> None:
    task = shop.one("ambiguous", lambda t: len(focal(t)[0].withheld) == 1 and len(t.user.goals) == 1)
    assert verdict(shop.domain, task) == "verified"
    sabotage(task)
    assert verdict(shop.domain, task) == reason


def test_a_stored_candidate_is_not_believed(made: Made) -> None:
    """Verdict and certificate are made again: what the row says about candidates does not matter."""
    task = made.one("ambiguous")
    right = task.certificate
    assert right is not None
    task.certificate = right.model_copy(update={"candidates": right.candidates[:1]}, deep=True)
    assert verdict(made.domain, task) == "verified"
    assert task.certificate != right


def test_who_books_a_flight_and_leaves_it_open_says_from_where_to_where() -> None:
    domain, booked = load("airline"), 0
    for task in make(domain, 90).verified("ambiguous"):
        assert task.certificate is not None
        if "outbound_id" not in task.certificate.withheld:
            continue
        booked += 1
        routes = {
            domain.describe(
                domain.world(), Call("book_reservation", candidate.arguments), "outbound_id", task.customer
            ).rough
            for candidate in task.certificate.candidates
        }
        (route,) = routes
        assert route.startswith("a flight from ")
        assert route in task.user.reason_for_call
    assert booked > 0


def test_a_booking_is_looked_up_by_its_route_and_by_no_old_reservation() -> None:
    domain, alone = load("airline"), 0
    for task in make(domain, 60).verified("general"):
        names = [call.name for call in task.grader.gold]
        if "book_reservation" in names and len(task.user.goals) == 1:
            alone += 1
            assert "get_reservation_details" not in names
            assert {"search_direct_flights", "search_onestop_flights"} & set(names)
    assert alone > 0
