"""A grade follows from task and transcript alone; each part on and off."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from t2t_dist.core.schema import CallPattern, Certificate, GraderSide, Intent, Outcome, Task, UserSide
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call
from t2t_dist.grading.grade import grade
from t2t_dist.grading.parts import ENDED, PARTS
from t2t_dist.storage.rows import PARTS as COLUMNS
from t2t_dist.synthesis.grader_side import writes_in
from t2t_dist.synthesis.intents.changing import wanted_before
from tests.support.made import Made
from tests.support.phones import PHONES
from tests.support.transcript import Transcript, gone_well

ALL = {"ended": 1.0, "db": 1.0, "forbidden": 1.0, "required": 1.0, "communicate": 1.0, "refused": 1.0, "process": 1.0}


def graded(domain: Domain, task: Task, talk: Transcript, termination: str = "user_stop") -> Outcome:
    return grade(domain, task, talk.turns, termination)


# -- a perfect conversation --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("intent", ["general", "ambiguous", "changing", "infeasible"])
def test_a_conversation_that_went_well(made: Made, intent: Intent) -> None:
    for task in made.verified(intent)[:12]:
        talk = gone_well(made.domain, task)
        outcome = graded(made.domain, task, talk)
        assert (outcome.reward, outcome.parts, outcome.detail) == (1.0, ALL, {})
        assert outcome.final == talk.world.digest == task.grader.final


def test_grading_is_pure(made: Made) -> None:
    for task in made.verified()[:30]:
        talk = gone_well(made.domain, task)
        kept, turns = task.model_copy(deep=True), deepcopy(talk.turns)
        first = graded(made.domain, task, talk)
        assert graded(made.domain, task, talk) == first
        assert (task, talk.turns) == (kept, turns)


# -- how it ended ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("termination", ["user_stop", "agent_stop", "transfer"])
def test_a_conversation_that_ended_by_itself(desk: Made, termination: str) -> None:
    task = desk.one("general")
    assert graded(desk.domain, task, gone_well(desk.domain, task), termination).reward == 1.0
    assert termination in ENDED


@pytest.mark.parametrize("termination", ["max_steps", "too_many_errors", "context_exceeded"])
def test_a_conversation_that_was_cut_off_earns_nothing(desk: Made, termination: str) -> None:
    task = desk.one("general")
    outcome = graded(desk.domain, task, gone_well(desk.domain, task), termination)
    assert outcome.reward == 0.0
    assert outcome.parts == {**ALL, "ended": 0.0}
    assert outcome.detail == {"ended": f"cut off: {termination}"}


# -- db ----------------------------------------------------------------------------------------------------------------
def open_hold(desk: Made, task: Task) -> str:
    """An open hold of the customer that the task leaves alone."""
    wanted = {call.arguments.get("hold_id") for call in task.grader.gold}
    return next(
        key
        for key, hold in desk.domain.base.tables["holds"].items()
        if (hold["reader_id"], hold["status"]) == (task.customer, "open") and key not in wanted
    )


def with_another_hold(desk: Made) -> Task:
    def has_one(task: Task) -> bool:
        try:
            return bool(open_hold(desk, task))
        except StopIteration:
            return False

    return desk.one("general", has_one)


def test_a_write_left_out(desk: Made) -> None:
    task = desk.one("general")
    outcome = graded(desk.domain, task, Transcript(desk.domain).agent("Done!").user("###STOP###"))
    assert (outcome.reward, outcome.parts["db"]) == (0.0, 0.0)
    key = task.grader.allowed_diff[0].key
    assert outcome.detail["db"].startswith(f"not changed: holds/{key}")


def test_a_write_too_many(desk: Made) -> None:
    task = with_another_hold(desk)
    talk, hold = gone_well(desk.domain, task), open_hold(desk, task)
    talk.call("cancel_hold", {"hold_id": hold})
    outcome = graded(desk.domain, task, talk)
    assert (outcome.reward, outcome.parts["db"]) == (0.0, 0.0)
    assert outcome.detail["db"] == f"changed without need: holds/{hold}"


def test_another_write_on_the_same_record(desk: Made) -> None:
    task = desk.one("general", lambda t: [c.name for c in writes_in(t.grader.gold)] == ["move_hold"])
    key = task.grader.allowed_diff[0].key
    talk = Transcript(desk.domain)
    talk.call("cancel_hold", {"hold_id": key})
    outcome = graded(desk.domain, task, talk)
    assert outcome.parts["db"] == 0.0
    assert outcome.detail["db"] == f"changed otherwise: holds/{key}"


def test_the_way_to_the_state_does_not_matter(desk: Made) -> None:
    task = desk.one("general", lambda t: [c.name for c in writes_in(t.grader.gold)] == ["move_hold"])
    talk, move = Transcript(desk.domain), task.grader.gold[-1].arguments
    for branch in ("Old Town", "Harbour", "Hill", move["branch"]):
        talk.call("move_hold", {"hold_id": move["hold_id"], "branch": branch})
    assert graded(desk.domain, task, talk).parts["db"] == 1.0


def test_refused_and_malformed_calls_change_nothing(desk: Made) -> None:
    task = desk.one("general")
    talk = gone_well(desk.domain, task)
    assert talk.call("cancel_hold", {"hold_id": "H0"}).error
    assert talk.call("cancel_hold", "{not json").error
    assert talk.call("burn_it_down", {}).error
    assert graded(desk.domain, task, talk).reward == 1.0


# -- forbidden and required --------------------------------------------------------------------------------------------
def forbidden_calls(made: Made) -> list[tuple[Task, Call]]:
    tasks = [task.model_copy(deep=True) for task in made.verified("infeasible")]
    found = [(task, task.certificate and task.certificate.forbidden_call) for task in tasks]
    return [(task, Call(call.name, call.arguments)) for task, call in found if call is not None]


def test_issuing_the_forbidden_call_counts_even_if_it_is_refused(made: Made) -> None:
    refused = 0
    for task, call in forbidden_calls(made):
        talk = gone_well(made.domain, task)
        refused += talk.call(call.name, call.arguments).error
        outcome = graded(made.domain, task, talk)
        assert (outcome.reward, outcome.parts["forbidden"]) == (0.0, 0.0)
        assert outcome.detail["forbidden"] == f"{call.name} was issued"
    assert refused > 5


def test_breaking_the_rule_counts_with_whatever_arguments(shop: Made) -> None:
    """What is forbidden is what breaks the rule, not one spelling of it; putting it back afterwards does not help."""
    task, call = next(
        (task, call)
        for task, call in forbidden_calls(shop)
        if call.name == "modify_user_address" and task.grader.rule == 13
    )
    talk = gone_well(shop.domain, task)
    before = shop.domain.world().get("users", task.customer)
    assert before is not None
    abroad = {**call.arguments["address"], "address1": f"{call.arguments['address']['address1']}."}
    for address in (abroad, dict(before["address"])):
        assert not talk.call(call.name, {"user_id": task.customer, "address": address}).error
    outcome = graded(shop.domain, task, talk)
    assert (outcome.parts["db"], outcome.parts["forbidden"]) == (1.0, 0.0)


def test_doing_what_was_wanted_first_and_then_the_other_earns_nothing(built_in: Made) -> None:
    """Before the change of mind or after it: B may well repair what A did."""
    domain, repaired = built_in.domain, 0
    for task in built_in.verified("changing"):
        first = wanted_before(domain, task, domain.world)[0]
        talk = Transcript(domain)
        for call in task.grader.gold:
            if call.kind != "write" and call.requestor is None:
                talk.call(call.name, call.arguments)
        early = [call for call in task.grader.gold if call.kind == "write" or call.requestor]
        goal = task.certificate and task.certificate.goal
        for write in [*(c for c in early if c.goal < goal), *first, *(c for c in early if c.goal >= goal)]:
            talk.call(write.name, write.arguments, seat=domain.side_of(write.name))
        outcome = graded(domain, task, talk)
        assert outcome.reward == 0.0, task.task_id
        repaired += outcome.parts["db"] == 1.0
        assert graded(domain, task, gone_well(domain, task)).reward == 1.0
    assert repaired > 0 or domain.name == "airline"


def test_what_was_wanted_first_is_recognised_in_another_spelling(shop: Made) -> None:
    task = shop.one("changing", lambda t: [p.name for p in t.grader.forbidden] == ["modify_user_address"])
    address = (task.grader.forbidden[0].arguments or {})["address"]
    talk = Transcript(shop.domain)
    spelled = {**address, "address1": f" {address['address1'].upper()}.", "city": address["city"].lower()}
    talk.call("modify_user_address", {"user_id": task.customer, "address": spelled})
    assert graded(shop.domain, task, talk).parts["forbidden"] == 0.0


def test_a_task_of_before_that_forbids_nothing_is_graded_by_its_state(shop: Made) -> None:
    task = shop.one("changing", lambda t: [p.name for p in t.grader.forbidden] == ["modify_user_address"])
    task.grader.forbidden, task.grader.basis = [], ["db"]
    assert graded(shop.domain, task, gone_well(shop.domain, task)).parts["forbidden"] == 1.0


def test_a_write_of_the_rest_that_is_made_twice_is_a_slip(shop: Made) -> None:
    """Refused the second time, by the very rule that the task is about; but it is not what is forbidden."""
    slips = 0
    for task, forbidden in forbidden_calls(shop):
        for write in writes_in(task.grader.gold):
            if write.name == forbidden.name:
                talk = gone_well(shop.domain, task)
                slips += talk.call(write.name, write.arguments).error
                assert graded(shop.domain, task, talk).parts["forbidden"] == 1.0
    assert slips > 0


def to_refuse(made: Made) -> Task:
    """A task with a request to refuse, and nothing else in it."""
    return made.one("infeasible", lambda t: t.grader.handling == "refuse" and not writes_in(t.grader.gold))


def told(made: Made, task: Task, *texts: str) -> Outcome:
    """The grade of an agent that puts on record what it has to, and says this."""
    talk = Transcript(made.domain)
    for call in task.grader.gold:
        assert not talk.call(call.name, call.arguments).error
    for text in texts:
        talk.agent(text)
    return graded(made.domain, task, talk)


def test_a_refusal_that_only_the_record_knows_is_none(made: Made) -> None:
    task = to_refuse(made)
    for text in ("Thank you for calling.", "Let me have a look at that.", "Is there anything else I can do for you?"):
        outcome = told(made, task, text)
        assert (outcome.reward, outcome.reward_high, outcome.parts["refused"]) == (0.0, 0.0, 0.0)
        assert outcome.detail["refused"] == "the customer was never told that it can't be done"
    outcome = told(made, task, f"I'm sorry, but I can't do that: {reason_of(task)}.")
    assert (outcome.reward, outcome.detail) == (1.0, {})


def test_without_a_record_a_refusal_without_its_reason_is_not_certain(made: Made) -> None:
    task = to_refuse(made)
    recorded = any(call.kind == "record" for call in task.grader.gold)
    for text in ("I'm sorry, but I can't do that.", "I'm afraid our rules don't allow it, and there is no exception."):
        outcome = told(made, task, text)
        assert (outcome.reward, outcome.reward_high) == ((1.0, 1.0) if recorded else (0.0, 1.0))
        if not recorded:
            assert outcome.detail["refused"] == f"not certain that this is for the right reason: {text}"


def reason_of(task: Task) -> str:
    assert task.certificate is not None
    return task.certificate.reason or ""


def test_a_lie_beside_the_right_record_earns_nothing(made: Made) -> None:
    task = to_refuse(made)
    refusal, lie = "I'm sorry, but I can't do that.", "I've taken care of it, and it has been completed."
    for texts in ((lie,), (refusal, lie), (lie, refusal)):
        outcome = told(made, task, *texts)
        assert (outcome.reward, outcome.parts["refused"], outcome.parts["db"]) == (0.0, 0.0, 1.0)
        assert outcome.detail["refused"] == f"says that it was done: {lie}"


def test_what_is_done_beside_a_refusal_may_be_said(made: Made) -> None:
    task = made.one("infeasible", lambda t: t.grader.handling == "refuse" and bool(writes_in(t.grader.gold)))
    no = f"I'm sorry, I can't do the first thing: {reason_of(task)}."
    assert told(made, task, no, "I've completed the other.").reward == 1.0


def test_a_call_that_was_asked_for_when_the_conversation_was_cut_off_was_issued_but_not_made(made: Made) -> None:
    task, call = forbidden_calls(made)[0]
    talk = gone_well(made.domain, task)
    talk.asked_for((call.name, call.arguments))
    outcome = graded(made.domain, task, talk, "max_steps")
    assert (outcome.parts["forbidden"], outcome.parts["db"], outcome.parts["ended"]) == (0.0, 1.0, 0.0)

    task = made.one("general")
    talk = gone_well(made.domain, task)
    before = graded(made.domain, task, talk).final
    write = task.grader.gold[-1]
    talk.asked_for((write.name, write.arguments))
    assert graded(made.domain, task, talk, "max_steps").final == before


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (CallPattern(name="cancel_hold"), 0.0),
        (CallPattern(name="cancel_hold", arguments={"hold_id": "H0"}), 0.0),
        (CallPattern(name="cancel_hold", arguments={"hold_id": "H1"}), 1.0),
        (CallPattern(name="cancel_hold", arguments={"hold_id": "H0", "note": ""}), 0.0),
        (CallPattern(name="move_hold"), 1.0),
        (CallPattern(name="waive_fine"), 0.0),
        (CallPattern(name="move_hold", arguments={"branch": "Mars"}), 1.0),
        (CallPattern(name="list_holds", arguments={"reader": 1}), 0.0),
        (CallPattern(name="call_head_librarian"), 0.0),
    ],
)
def test_patterns_in_a_grade(desk: Made, pattern: CallPattern, value: float) -> None:
    task = desk.one("general")
    task.grader.forbidden = [pattern]
    talk = gone_well(desk.domain, task)
    talk.turns = [turn for turn in talk.turns if not turn.tool_calls and turn.role != "tool"]
    talk.call("cancel_hold", {"hold_id": "H0"})  # refused
    talk.call("waive_fine", {})  # no such tool
    talk.call("list_holds", {"reader": 1})  # wrong arguments
    talk.call("call_head_librarian", "[1]")  # no object
    assert graded(desk.domain, task, talk).parts["forbidden"] == value


def test_a_required_call_that_was_not_issued(made: Made) -> None:
    task = made.one("infeasible", lambda t: t.grader.required)
    name = task.grader.required[0].name
    talk = gone_well(made.domain, task)
    assert graded(made.domain, task, talk).reward == 1.0
    places = [n for n, turn in enumerate(talk.turns) if any(call.name == name for call in turn.tool_calls)]
    for place in reversed(places):
        del talk.turns[place : place + 2]
    outcome = graded(made.domain, task, talk)
    # Where hand-overs are on record, the state shows it, too.
    on_record = any(call.name == name for call in task.grader.gold)
    assert (outcome.reward, outcome.parts) == (0.0, {**ALL, "required": 0.0, "db": float(not on_record)})
    assert outcome.detail["required"] == f"{name} was not issued"


# -- communicate -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "fact", "value"),
    [
        ("You get $143.20 back.", "143.20", 1.0),
        ("You get 143.2 dollars back.", "143.20", 1.0),
        ("You get $1,143.20 back.", "143.20", 0.0),
        ("You get $1,143.20 back.", "1143.20", 1.0),
        ("You get 143 back.", "143.20", 0.0),
        ("You get 143.205 back.", "143.20", 0.0),
        ("Order #W143.20", "143.20", 0.0),
        ("It is 5.", "5", 1.0),
        ("It is 15, or 51, or 5.5.", "5", 0.0),
        ("It waits in the Old Town branch.", "old town", 1.0),
        ("It waits in the Old Townhouse.", "Old Town", 0.0),
        ("", "5", 0.0),
    ],
)
def test_facts_are_said_as_whole_numbers_and_words(desk: Made, said: str, fact: str, value: float) -> None:
    task = desk.one("general")
    task.grader.communicate, task.grader.basis = [fact], ["db", "communicate"]
    talk = gone_well(desk.domain, task)
    talk.turns = [turn for turn in talk.turns if turn.role == "tool" or turn.tool_calls or turn.seat == "user"]
    outcome = graded(desk.domain, task, talk.agent(said))
    assert (outcome.reward, outcome.parts["communicate"]) == (value, value)
    assert outcome.detail.get("communicate") == (None if value else f"'{fact}' was never said")


def test_a_fact_counts_that_the_agent_says_and_the_customer_hears(desk: Made) -> None:
    task = desk.one("general")
    task.grader.communicate, task.grader.basis = ["17.25", "3.10"], ["db", "communicate"]
    talk = gone_well(desk.domain, task)
    talk.turns = [turn for turn in talk.turns if turn.content is None or "amount" not in turn.content]
    assert graded(desk.domain, task, talk.agent("It is 17.25.").user("And 3.10?")).parts["communicate"] == 0.0
    talk.call("list_holds", {"reader_id": task.customer}, text="Yes, 3.10.")
    outcome = graded(desk.domain, task, talk)
    assert outcome.parts["communicate"] == 0.0, "what stands beside a call, the customer does not get"
    assert outcome.detail["communicate"] == "'3.10' was said, but not as what it is"
    assert graded(desk.domain, task, talk.agent("Yes, 3.10.")).parts["communicate"] == 1.0


# -- the basis ---------------------------------------------------------------------------------------------------------
def test_only_the_basis_counts_but_every_part_is_reported(made: Made) -> None:
    task, call = forbidden_calls(made)[0]
    talk = gone_well(made.domain, task)
    talk.asked_for((call.name, call.arguments))
    task.grader.basis = ["db"]
    outcome = graded(made.domain, task, talk)
    assert (outcome.reward, outcome.parts["forbidden"]) == (1.0, 0.0)
    task.grader.basis = []
    assert graded(made.domain, task, Transcript(made.domain)).reward == 1.0


def test_process_counts_on_request(desk: Made) -> None:
    task = desk.one("general")
    talk = Transcript(desk.domain)
    for call in task.grader.gold:
        talk.call(call.name, call.arguments)
    outcome = graded(desk.domain, task, talk)
    assert (outcome.reward, outcome.parts["process"]) == (1.0, 0.0)
    assert not outcome.process["confirmed_before_write"]
    task.grader.basis.append("process")
    assert graded(desk.domain, task, talk).reward == 0.0
    assert graded(desk.domain, task, gone_well(desk.domain, task)).reward == 1.0


# -- transcripts as they come ------------------------------------------------------------------------------------------
def test_an_engine_may_use_an_id_again(desk: Made) -> None:
    task = desk.one("general")
    talk = gone_well(desk.domain, task)
    for turn in talk.turns:
        turn.tool_calls = [replace(call, id="call_0") for call in turn.tool_calls]
        if turn.role == "tool":
            turn.tool_call_id = "call_0"
    outcome = graded(desk.domain, task, talk)
    assert (outcome.reward, outcome.detail) == (1.0, {})


def test_several_calls_in_one_turn_are_made_in_their_order(desk: Made) -> None:
    task = desk.one("general", lambda t: [c.name for c in writes_in(t.grader.gold)] == ["move_hold"])
    move = task.grader.gold[-1].arguments
    talk = Transcript(desk.domain)
    wrong = {"hold_id": move["hold_id"], "branch": "Old Town" if move["branch"] != "Old Town" else "Hill"}
    talk.calls(("move_hold", wrong), ("move_hold", move))
    assert graded(desk.domain, task, talk).parts["db"] == 1.0
    talk.calls(("move_hold", move), ("move_hold", wrong))
    assert graded(desk.domain, task, talk).parts["db"] == 0.0


def test_a_result_that_differs_when_the_call_is_repeated_is_reported(desk: Made) -> None:
    task = desk.one("general")
    talk = gone_well(desk.domain, task)
    next(turn for turn in talk.turns if turn.role == "tool").content = "forged"
    outcome = graded(desk.domain, task, talk)
    assert outcome.reward == 1.0
    assert outcome.detail == {"replay": f"{task.grader.gold[0].name} answered differently when it was made again"}


def phone_task(final: str, **grader: Any) -> Task:
    side = UserSide(
        name="Ann",
        persona="",
        reason_for_call="",
        known_info="",
        unknown_info="",
        task_instructions="",
        identity=[],
        goals=[],
    )
    return Task(
        task_id="t",
        trajectory_id="t",
        index=0,
        intent="general",
        domain="phones",
        customer="ann",
        writer="",
        seed=0,
        user=side,
        grader=GraderSide(gold=[], initial=PHONES.world().digest, final=final, **grader),
        certificate=Certificate(intent="general"),
    )


def test_what_customers_do_on_their_own_device_is_part_of_the_state() -> None:
    talk = Transcript(PHONES)
    talk.agent("Please switch airplane mode off.")
    assert not talk.call("toggle_airplane_mode", {"to": "off"}, seat="user").error
    task = phone_task(talk.world.digest, forbidden=[CallPattern(name="toggle_airplane_mode")])
    outcome = graded(PHONES, task, talk)
    # It is the customer's call: the agent did not issue it.
    assert (outcome.parts["db"], outcome.parts["forbidden"], outcome.final) == (1.0, 1.0, talk.world.digest)
    left = Transcript(PHONES).agent("Please switch airplane mode off.").user("No.")
    assert graded(PHONES, task, left).parts["db"] == 0.0


def test_the_agent_can_not_use_the_customers_device() -> None:
    talk = Transcript(PHONES)
    assert talk.call("toggle_airplane_mode", {"to": "off"}).error
    task = phone_task(PHONES.world().digest, forbidden=[CallPattern(name="toggle_airplane_mode")])
    outcome = graded(PHONES, task, talk)
    assert (outcome.parts["db"], outcome.parts["forbidden"]) == (1.0, 0.0)


def test_a_tool_that_breaks_when_the_call_is_repeated_is_reported() -> None:
    talk = Transcript(PHONES)
    call = talk.asked_for(("broken", {})).tool_calls[0]
    talk.turns.append(type(talk.turns[0])("agent", "tool", "fine", tool_call_id=call.id))
    outcome = graded(PHONES, phone_task(PHONES.world().digest), talk)
    assert outcome.parts["db"] == 1.0
    assert outcome.detail["replay"] == "broken raised ZeroDivisionError: oops"


# -- the table of parts ------------------------------------------------------------------------------------------------
def test_the_parts_are_the_columns_of_a_row() -> None:
    assert tuple(PARTS) == COLUMNS
