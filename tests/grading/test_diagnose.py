"""Why episodes failed: the scripted agents fail by their own flaws, and each code by a transcript that shows it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from t2t_dist.core.schema import Task
from t2t_dist.environments.base import Domain
from t2t_dist.grading.diagnose import CODES, Diagnosis, diagnose
from t2t_dist.grading.grade import grade
from t2t_dist.simulation.user_faults import ROLE_SWAP, STOP_BEFORE_WRITE
from t2t_dist.storage.rows import outcome_of, turn_of
from tests.support.made import Made
from tests.support.matrix import AGENTS, FLAWS, rolled_out, tasks_of
from tests.support.tasks import cancelling, pending_order
from tests.support.tasks import shop as small_shop
from tests.support.transcript import Transcript, gone_well


def why(domain: Domain, task: Task, talk: Transcript, termination: str = "user_stop", **more: Any) -> Diagnosis:
    return diagnose(domain, task, talk.turns, termination, grade(domain, task, talk.turns, termination), **more)


# -- the matrix --------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def diagnosed(built_in: Made) -> list[tuple[str, str, float, Diagnosis]]:
    """(agent, intent, reward, diagnosis) of every agent on eight tasks of each intent, on every domain."""
    tasks = tasks_of(built_in, 8)
    by_id = {task.task_id: task for task in tasks}
    found = []
    for table, row in rolled_out(built_in, tasks):
        assert table == "episodes"
        turns = [turn_of(turn) for turn in row["turns"]]
        task = by_id[row["task_id"]]
        made = diagnose(built_in.domain, task, turns, row["termination"], outcome_of(row), row["flags"])
        found.append((row["agent"], row["intent"], row["reward"], made))
    return found


@pytest.mark.parametrize("agent", FLAWS)
def test_a_flawed_agent_fails_by_its_own_flaw(diagnosed: list[tuple[str, str, float, Diagnosis]], agent: str) -> None:
    codes = Counter(found.primary for name, _, reward, found in diagnosed if name == agent and reward < 1)
    assert codes.total() >= 5
    assert sum(codes[code] for code in FLAWS[agent]) >= 0.95 * codes.total(), codes


def test_nothing_is_said_of_who_did_everything_right(diagnosed: list[tuple[str, str, float, Diagnosis]]) -> None:
    oracle = [found for agent, _, reward, found in diagnosed if agent == AGENTS[0] and reward >= 1]
    assert len(oracle) >= 20
    assert all(found == Diagnosis("", ()) for found in oracle)


def test_every_failure_has_one_primary_code_and_it_is_among_all(
    diagnosed: list[tuple[str, str, float, Diagnosis]],
) -> None:
    for _, _, reward, found in diagnosed:
        assert (found.primary == "") == (reward >= 1)
        assert set(found.codes) <= set(CODES)
        if reward < 1:
            assert found.codes[0] == found.primary != "other"
            assert found.findings[0].explains


# -- code by code ------------------------------------------------------------------------------------------------------
def opened(task: Task) -> Transcript:
    """A conversation whose customer has said what they want and who they are, and has been found."""
    talk = Transcript(small_shop())
    talk.user(task.user.goals[0].request).agent("What is your e-mail address?").user(task.user.identity[0].answer)
    talk.call("find_user_id_by_email", {"email": task.user.identity[0].text})
    return talk


def said(found: Diagnosis, code: str) -> str:
    return next(finding.detail for finding in found.findings if finding.code == code)


def test_acted_before_asking() -> None:
    task, (_, order) = cancelling(), pending_order()
    task.user.goals[0].request = f"I'd like to cancel order {order}."
    talk = opened(task)
    talk.agent("I'd cancel it as ordered by mistake. Shall I go ahead?").user("Yes, please go ahead.")
    talk.call("cancel_pending_order", {"order_id": order, "reason": "ordered by mistake"})
    found = why(small_shop(), task, talk.user("Oh. ###STOP###"))
    assert found.primary == "acted_before_asking"
    assert 'cancel_pending_order.reason = "ordered by mistake"' in said(found, "acted_before_asking")


def test_a_wrong_argument_is_named() -> None:
    """The customer has told the reason, and the agent takes another."""
    task, (_, order) = cancelling(), pending_order()
    talk = opened(task).agent("Why, please?").user("It's no longer needed.")
    talk.call("get_order_details", {"order_id": order})
    talk.agent(f"Shall I go ahead and cancel order {order}?").user("Yes.")
    talk.call("cancel_pending_order", {"order_id": order, "reason": "ordered by mistake"})
    found = why(small_shop(), task, talk.user("###STOP###"))
    assert found.codes == ["wrong_argument"]
    assert found.findings[0].detail == 'cancel_pending_order.reason: "ordered by mistake" instead of "no longer needed"'


def test_an_extra_write_beside_the_right_one() -> None:
    task = cancelling()
    customer = task.customer
    talk = gone_well(small_shop(), task)
    talk.turns.pop()
    address = {"address1": "1 Elm St", "address2": "", "city": "X", "state": "CO", "country": "USA", "zip": "80014"}
    result = talk.call("modify_user_address", {"user_id": customer, "address": address})
    assert result.changed, result
    found = why(small_shop(), task, talk.agent("And I moved you.").user("Bye ###STOP###"))
    assert found.primary == "extra_write"
    assert "modify_user_address" in found.findings[0].detail
    assert "no_confirmation" in found.codes


def test_refused_what_can_be_done() -> None:
    task = cancelling()
    talk = opened(task).agent("I'm sorry, but I can't cancel that order.").user("A pity. Bye. ###STOP###")
    found = why(small_shop(), task, talk)
    assert found.codes[0] == "refused_feasible"
    assert "missing_write" in found.codes
    assert "can't cancel" in found.findings[0].detail


def test_gave_up() -> None:
    task = cancelling()
    found = why(small_shop(), task, opened(task).agent("Goodbye. ###STOP###"), "agent_stop")
    assert found.codes[:2] == ["gave_up", "missing_write"]
    talk = opened(task)
    talk.call("transfer_to_human_agents", {"summary": "x"})
    found = why(small_shop(), task, talk.agent("You are being transferred."), "transfer")
    assert found.codes[:2] == ["handed_over", "gave_up"]
    assert found.findings[1].detail == "handed the customer over"


def test_did_not_hand_over(shop: Made) -> None:
    task = shop.one("infeasible", lambda task: task.grader.required and len(task.user.goals) == 1)
    talk = Transcript(shop.domain).user(task.user.goals[0].request).agent("That is not possible, sorry.")
    found = why(shop.domain, task, talk.user("Oh well. ###STOP###"))
    assert found.primary == "no_handover"


def test_a_fact_that_was_not_said() -> None:
    task = cancelling()
    task.grader.basis, task.grader.communicate = ["db", "communicate"], ["123.45"]
    talk = gone_well(small_shop(), task)
    talk.turns[-2].content = "Done."
    found = why(small_shop(), task, talk)
    assert found.codes == ["fact_not_said"]
    assert found.findings[0].detail == "123.45"


def test_manners_are_a_cause_only_where_they_count() -> None:
    task = cancelling()
    write = next(call for call in task.grader.gold if call.kind == "write")
    talk = Transcript(small_shop()).user(task.user.goals[0].request)
    talk.call(write.name, write.arguments)
    talk.agent("Done.").user("###STOP###")
    easy = why(small_shop(), task, talk)
    assert easy.primary == ""
    assert easy.codes == ["not_authenticated", "no_confirmation", "wrong_order"]
    assert said(easy, "wrong_order").endswith(": R7")
    task.grader.basis = ["db", "process"]
    strict = why(small_shop(), task, talk)
    assert (strict.primary, strict.codes) == ("not_authenticated", easy.codes)


def test_asked_for_what_had_been_told() -> None:
    task = cancelling()
    task.user.goals[0].facts[0].cues = ["order number"]
    talk = opened(task).agent("What is your order number?").user("I told you.").agent("Bye.").user("###STOP###")
    found = why(small_shop(), task, talk)
    assert found.codes == ["missing_write", "asked_given"]
    # An agent that says the number and asks for a yes does not ask for the number.
    order = task.user.goals[0].facts[0].says[0]
    talk = opened(task).agent(f"Is {order} the right order number?").user("Yes.").agent("Bye.").user("###STOP###")
    assert "asked_given" not in why(small_shop(), task, talk).codes


def test_looped() -> None:
    task = cancelling()
    talk = opened(task)
    for _ in range(3):
        talk.agent("One moment while I look at your order, please.").user("Fine.")
    found = why(small_shop(), task, talk, "max_steps")
    assert found.primary == "looped"
    assert "3 times" in found.findings[0].detail
    quick = opened(task).agent("Hm.").user("Yes?")
    assert why(small_shop(), task, quick, "max_steps").primary == "looped"
    assert "looped" not in why(small_shop(), task, quick.user("###STOP###")).codes


def test_a_format_error_and_a_cut_off() -> None:
    task = cancelling()
    talk = opened(task)
    talk.call("cancel_pending_order", "{not json")
    talk.call("no_such_tool", {})
    found = why(small_shop(), task, talk, "too_many_errors")
    assert found.primary == "format_error"
    assert found.findings[0].detail.startswith("2 such calls")
    # Where the conversation went on, it is a blemish and not the cause.
    on = why(small_shop(), task, talk.agent("Sorry, bye.").user("###STOP###"))
    assert on.primary == "missing_write"
    assert "format_error" in on.codes
    assert why(small_shop(), task, opened(task).agent(""), "truncated").primary == "format_error"
    assert why(small_shop(), task, opened(task), "context_exceeded").primary == "context_exceeded"


def test_what_the_simulated_user_spoiled_is_no_fault_of_the_agent() -> None:
    task = cancelling()
    talk = opened(task).agent("Shall I go ahead and cancel it?").user("Yes! ###STOP###")
    found = why(small_shop(), task, talk, flags=[STOP_BEFORE_WRITE])
    assert found.codes == ["simulator_fault", "missing_write"]
    assert why(small_shop(), task, talk, flags=[ROLE_SWAP]).primary == "simulator_fault"
    # A customer who left too early spoiled nothing where all had been done.
    well = gone_well(small_shop(), task)
    assert why(small_shop(), task, well, flags=[STOP_BEFORE_WRITE]).primary == ""


def test_the_second_wish_with_a_wrong_argument_is_not_the_first_wish(shop: Made) -> None:
    """An agent that follows the change and errs is distinguished from one that ignores it or does not wait for it."""
    task = shop.one("changing", lambda task: len(task.user.goals) == 1)
    certificate, change = task.certificate, task.user.change
    assert certificate is not None
    assert certificate.first_call is not None
    assert change is not None
    first = certificate.first_call
    for text, code in ((change.request, "ignored_change"), ("Yes, go ahead.", "acted_before_trigger")):
        talk = Transcript(shop.domain).user(task.user.goals[0].request)
        for call in task.grader.gold:
            if call.kind != "write" and call.goal < 0:
                talk.call(call.name, call.arguments)
        talk.agent("I would do that now. Shall I go ahead?").user(text)
        talk.call(first.name, first.arguments)
        found = why(shop.domain, task, talk.agent("Done.").user("###STOP###"))
        assert found.primary == code


def test_another_state_without_a_cause_is_said_as_it_is() -> None:
    task = cancelling()
    task.grader.final = "another"
    found = why(small_shop(), task, gone_well(small_shop(), task))
    assert found.primary == "other"
    assert "db" in found.findings[0].detail


# -- calls left as text ------------------------------------------------------------------------------------------------
TEXT_CALL = '<tool_call>\n{"name": "cancel_pending_order", "arguments": {"order_id": "1"}}\n</tool_call>'


def test_a_call_left_as_text_is_a_format_error_and_not_a_missing_write() -> None:
    task = cancelling()
    found = why(small_shop(), task, opened(task).agent(TEXT_CALL).user("What is that? ###STOP###"))
    assert found.primary == "format_error"
    assert "missing_write" in found.codes
    assert said(found, "format_error").startswith("left 1 calls in its text, the first: cancel_pending_order")


def test_a_call_left_as_text_and_then_made_explains_nothing() -> None:
    task, (_, order) = cancelling(), pending_order()
    talk = opened(task).agent("Why, please?").user("It's no longer needed.").agent(TEXT_CALL).user("Well?")
    talk.agent("Shall I go ahead and cancel it?").user("Yes.")
    talk.call("cancel_pending_order", {"order_id": order, "reason": "ordered by mistake"})
    found = why(small_shop(), task, talk.user("###STOP###"))
    assert found.primary == "wrong_argument"
    assert "format_error" in found.codes


def test_a_text_beside_a_call_is_no_call_left_as_text() -> None:
    task = cancelling()
    talk = opened(task)
    talk.call("find_user_id_by_email", {"email": task.user.identity[0].text}, text=TEXT_CALL)
    assert "format_error" not in why(small_shop(), task, talk.user("###STOP###")).codes
