"""Process checks: each one kept and broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from t2t_dist.core.schema import GoldCall, Task, Turn
from t2t_dist.environments.base import Domain
from t2t_dist.grading.grade import grade
from t2t_dist.grading.process_checks import ProcessChecks
from tests.support.made import Made
from tests.support.plans import plan_of
from tests.support.transcript import Transcript, gone_well

YES = "Yes, please go ahead."
ASK = "I am about to cancel hold {hold}. Shall I go ahead?"


def process(domain: Domain, task: Task, talk: Transcript) -> dict[str, bool]:
    return grade(domain, task, talk.turns, "user_stop").process


@pytest.fixture
def task(desk: Made) -> Task:
    """One hold to be cancelled."""
    return desk.one("general", lambda t: [c.name for c in t.grader.gold if c.kind == "write"] == ["cancel_hold"])


def begun(domain: Domain, task: Task, upto: int = 2) -> Transcript:
    """A conversation in which the first calls of the gold were made."""
    talk = Transcript(domain).user(task.user.goals[0].request)
    for call in task.grader.gold[:upto]:
        assert not talk.call(call.name, call.arguments).error
    return talk


def write(task: Task) -> GoldCall:
    return task.grader.gold[-1]


def write_of(task: Task, goal: int | None) -> GoldCall | None:
    """The agent's first write for a goal."""
    return next((c for c in task.grader.gold if c.kind == "write" and c.goal == goal and c.requestor is None), None)


def asked(task: Task) -> str:
    return ASK.format(hold=write(task).arguments["hold_id"])


def test_a_perfect_agent_passes_every_check(made: Made) -> None:
    for task in made.verified():
        found = process(made.domain, task, gone_well(made.domain, task))
        assert set(found.values()) == {True}
        assert ("trigger_first" in found) == (task.intent == "changing")
        assert ("policy_order" in found) == bool(made.domain.order_list)


def test_nothing_done_is_nothing_done_wrong(library: Domain, task: Task) -> None:
    assert set(process(library, task, Transcript(library)).values()) == {True}


# -- authenticated first -----------------------------------------------------------------------------------------------
def test_reading_private_data_before_knowing_who_it_is(library: Domain, task: Task) -> None:
    talk = Transcript(library)
    talk.call("list_holds", {"reader_id": task.customer})
    talk.call("find_reader", task.grader.gold[0].arguments)
    assert not process(library, task, talk)["authenticated_first"]


def test_the_calls_argument_says_whose_data_it_is_where_the_result_does_not(shop: Made) -> None:
    task = shop.one("general")
    other = next(c for c in shop.domain.customers(shop.domain.base) if c != task.customer)
    talk = Transcript(shop.domain)
    talk.call("list_user_orders", {"user_id": task.customer})
    assert not process(shop.domain, task, talk)["authenticated_first"]
    talk = begun(shop.domain, task, 1)
    talk.call("list_user_orders", {"user_id": task.customer})
    assert set(process(shop.domain, task, talk).values()) == {True}
    talk.call("list_user_orders", {"user_id": other})
    assert not process(shop.domain, task, talk)["own_data_only"]


def test_reading_what_is_nobodys_needs_no_authentication(shop: Made) -> None:
    talk = Transcript(shop.domain)
    talk.call("list_all_products", {})
    talk.call("calculate", {"expression": "1 + 1"})
    assert set(process(shop.domain, shop.one("general"), talk).values()) == {True}


def test_writing_before_knowing_who_it_is(library: Domain, task: Task) -> None:
    talk = Transcript(library).agent(asked(task)).user(YES)
    talk.call(write(task).name, write(task).arguments)
    found = process(library, task, talk)
    assert (found["authenticated_first"], found["confirmed_before_write"]) == (False, True)


def test_a_refused_look_up_shows_nothing(library: Domain, task: Task) -> None:
    talk = Transcript(library)
    assert talk.call("list_holds", {"reader": task.customer}).error
    assert process(library, task, talk)["authenticated_first"]


def test_finding_somebody_else_is_no_authentication(library: Domain, task: Task) -> None:
    other = next(c for c in library.customers(library.base) if c != task.customer)
    talk = Transcript(library)
    talk.call("find_reader", {"card": library.profile(library.world(), other).facts["Card"]})
    found = process(library, task, talk)
    assert (found["own_data_only"], found["authenticated_first"]) == (False, True)
    talk.call("list_holds", {"reader_id": task.customer})
    assert not process(library, task, talk)["authenticated_first"]


# -- own data only -----------------------------------------------------------------------------------------------------
def test_reading_somebody_elses_data(library: Domain, task: Task) -> None:
    other = next(c for c in library.customers(library.base) if c != task.customer)
    talk = begun(library, task)
    talk.call("list_holds", {"reader_id": other})
    found = process(library, task, talk)
    assert (found["own_data_only"], found["authenticated_first"]) == (False, True)


# -- confirmed before each write ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "confirmed"),
    [
        ([("agent", ASK), ("user", YES)], True),
        ([("agent", ASK), ("user", "No, wait.")], False),
        ([("agent", ASK)], False),
        ([("agent", "I can cancel hold {hold}."), ("user", YES)], False),
        ([("user", YES)], False),
        ([("agent", ASK), ("user", YES), ("agent", "One more thing: it is raining."), ("user", "I see.")], True),
        ([("agent", ASK), ("user", YES), ("agent", "One more thing: it is raining."), ("user", "Wait.")], False),
        ([("agent", ASK), ("user", "Hm?"), ("agent", "It can't be undone. Shall I proceed?"), ("user", "Yes.")], True),
        ([("agent", "Shall I proceed?"), ("user", YES)], False),
        ([("agent", "I'd take {hold} off your list of holds. Okay?"), ("user", YES)], True),
        ([("agent", "I'd move hold {hold} to the Hill branch. Okay?"), ("user", YES)], False),
        ([("agent", ASK), ("user", YES), ("agent", "Shall I renew loan L1 as well?"), ("user", YES)], True),
        ([("agent", ASK), ("user", YES), ("agent", "Shall I renew loan L1 as well?"), ("user", "No.")], False),
    ],
)
def test_a_write_follows_a_question_and_a_yes(
    library: Domain, task: Task, said: list[tuple[str, str]], confirmed: bool
) -> None:
    talk = begun(library, task)
    for seat, text in said:
        (talk.agent if seat == "agent" else talk.user)(text.format(hold=write(task).arguments["hold_id"]))
    talk.call(write(task).name, write(task).arguments)
    assert process(library, task, talk)["confirmed_before_write"] is confirmed


@pytest.mark.parametrize(("text", "confirmed"), [(None, True), ("Thanks, I'll do that now.", True)])
def test_text_beside_a_call_does_not_undo_the_yes(
    library: Domain, task: Task, text: str | None, confirmed: bool
) -> None:
    talk = begun(library, task).agent(asked(task)).user(YES)
    talk.call(write(task).name, write(task).arguments, text=text)
    assert process(library, task, talk)["confirmed_before_write"] is confirmed


def test_asking_in_the_same_breath_as_doing_is_not_asking(library: Domain, task: Task) -> None:
    talk = begun(library, task).user(YES)
    talk.call(write(task).name, write(task).arguments, text=asked(task))
    assert not process(library, task, talk)["confirmed_before_write"]


def test_a_look_up_between_yes_and_write_is_no_matter(library: Domain, task: Task) -> None:
    talk = begun(library, task).agent(asked(task)).user(YES)
    talk.call("list_holds", {"reader_id": task.customer})
    talk.call(write(task).name, write(task).arguments)
    assert process(library, task, talk)["confirmed_before_write"]


def test_a_refused_write_needs_no_yes(library: Domain, task: Task) -> None:
    talk = begun(library, task)
    assert talk.call("cancel_hold", {"hold_id": "H0"}).error
    assert process(library, task, talk)["confirmed_before_write"]


@pytest.fixture
def moving(shop: Made) -> tuple[Domain, Task, dict[str, Any]]:
    """A customer who moves, with a write that can be made again and again: their account's new address."""
    task = shop.one(
        "general", lambda t: [c.name for c in t.grader.gold if c.kind == "write"] == ["modify_user_address"]
    )
    return shop.domain, task, write(task).arguments["address"]


MOVE = "I'd change the address of your account to {address1}, {city}, {state} {zip}. Shall I do that?"


def moved(domain: Domain, task: Task, plan: str, *addresses: dict[str, Any]) -> bool:
    talk = begun(domain, task).agent(plan).user(YES)
    for address in addresses:
        assert not talk.call("modify_user_address", {"user_id": task.customer, "address": address}).error
    return process(domain, task, talk)["confirmed_before_write"]


def test_a_yes_counts_for_what_the_plan_named_and_once(moving: tuple[Domain, Task, dict[str, Any]]) -> None:
    domain, task, address = moving
    elsewhere = {**address, "address1": "7 Other Lane", "city": "Elsewhere", "zip": "10001"}
    plan, both = MOVE.format(**address), f"{MOVE.format(**address)} And then: {MOVE.format(**elsewhere)}"
    assert moved(domain, task, plan, address)
    assert not moved(domain, task, plan, elsewhere)
    assert not moved(domain, task, plan, elsewhere, address)
    assert moved(domain, task, both, elsewhere, address)
    assert not moved(domain, task, both, elsewhere, address, elsewhere)


@pytest.mark.parametrize(
    ("plan", "confirmed"),
    [
        (
            "Here is what I'll do:\n- **New address:** {address1}\n- {city}, {state}, {zip}\nDo you confirm (yes/no)?",
            True,
        ),
        ("Your account would then say {address1} in {city} ({zip}). Okay?", True),
        ("I'd change your address as you said. Okay?", False),
        ("I'd note {city} as the town you called from. Okay?", False),
    ],
)
def test_a_plan_names_values_in_words_of_its_own(
    moving: tuple[Domain, Task, dict[str, Any]], plan: str, confirmed: bool
) -> None:
    domain, task, address = moving
    assert moved(domain, task, plan.format(**address), address) is confirmed


def test_a_yes_to_a_does_not_count_for_b(built_in: Made) -> None:
    """The plan of what was wanted first, used for what is wanted now; seldom are both named in the same words."""
    domain, wrong, right = built_in.domain, [], []
    for task in built_in.verified("changing"):
        certificate = task.certificate
        assert certificate is not None
        assert certificate.first_call is not None
        first, second = certificate.first_call, write_of(task, certificate.goal)
        if second is None or second.goal > 0 or first.name in domain.workflows:
            continue
        for planned, found in ((first, wrong), (second, right)):
            talk = Transcript(domain)
            for call in task.grader.gold:
                if call.requestor is None and call.kind == "read":
                    talk.call(call.name, call.arguments)
            talk.agent(f"{plan_of(domain, task, planned)} Shall I go ahead?").user(YES)
            made = talk.call(second.name, second.arguments)
            if made.changed:
                found.append(process(domain, task, talk)["confirmed_before_write"])
    assert sum(wrong) <= 0.1 * len(wrong)
    assert all(right)
    assert len(right) > 8


# -- the policy's order ------------------------------------------------------------------------------------------------
def test_a_perfect_agent_keeps_the_order_and_one_that_never_looks_does_not(built_in: Made) -> None:
    domain, broken = built_in.domain, 0
    for task in built_in.verified("general"):
        talk, blind = gone_well(domain, task), Transcript(domain)
        assert process(domain, task, talk)["policy_order"]
        for call in task.grader.gold:
            if call.kind == "write":
                blind.agent("Please do this.").call(call.name, call.arguments, seat=call.requestor or "agent")
        broken += not process(domain, task, blind)["policy_order"]
    assert broken > 4


def test_a_domain_that_declares_no_order_has_no_such_check(library: Domain, task: Task) -> None:
    assert "policy_order" not in process(library, task, Transcript(library))


# -- one call at a time ------------------------------------------------------------------------------------------------
def test_two_calls_in_one_turn(library: Domain, task: Task) -> None:
    talk = begun(library, task, 1)
    own = ("list_holds", {"reader_id": task.customer})
    assert process(library, task, talk)["one_call_at_a_time"]
    talk.calls(own, own)
    found = process(library, task, talk)
    assert [name for name, value in found.items() if not value] == ["one_call_at_a_time"]


# -- the trigger -------------------------------------------------------------------------------------------------------
def test_writing_what_was_wanted_first_before_or_after_the_change(made: Made) -> None:
    task = made.one("changing", lambda t: len(t.user.goals) == 1)
    assert task.certificate is not None
    assert task.user.change is not None
    first = task.certificate.first_call
    assert first is not None

    def talk(*acts: Callable[[Transcript], object]) -> bool:
        conversation = begun(made.domain, task, 1)
        for act in acts:
            act(conversation)
        return process(made.domain, task, conversation)["trigger_first"]

    def wrote_first(conversation: Transcript) -> None:
        assert not conversation.call(first.name, first.arguments).error

    def changed(conversation: Transcript) -> None:
        assert task.user.change is not None
        conversation.agent(ASK).user(task.user.change.request)

    assert talk(changed)
    assert not talk(wrote_first)
    assert not talk(wrote_first, changed)
    assert talk(changed, wrote_first)  # the state is wrong then, not the order


def test_the_order_of_a_first_wishs_arguments_does_not_matter(made: Made) -> None:
    task = made.one("changing", lambda t: len(t.user.goals) == 1)
    assert task.certificate is not None
    first = task.certificate.first_call
    assert first is not None
    talk = begun(made.domain, task, 1)
    talk.call(first.name, dict(reversed(first.arguments.items())))
    assert not process(made.domain, task, talk)["trigger_first"]


def test_who_says_who_they_are_has_not_changed_their_mind_by_that(made: Made) -> None:
    """A customer who will add themselves to a booking gives their name before that."""
    task = made.one("changing", lambda t: t.certificate.trigger == "asked_to_confirm")
    change = task.user.change
    assert change is not None
    change.facts = [one.model_copy(deep=True) for one in task.user.goals[change.goal].facts]
    change.facts[-1].says, change.request = [task.user.name], f"And me ({task.user.name}) as well."
    checks = ProcessChecks(made.domain, task)
    checks.turn(Turn("agent", "assistant", "Could you tell me your name, please?"))
    checks.turn(Turn("user", "user", f"My name is {task.user.name}."))
    assert checks.changes_said == 0
    checks.turn(Turn("agent", "assistant", "I would do that now. Shall I go ahead?"))
    checks.turn(Turn("user", "user", change.request))
    assert checks.changes_said == 1
