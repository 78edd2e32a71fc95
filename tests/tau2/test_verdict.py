"""tau2's verdict: each of its semantics on a small hand-written world."""

from __future__ import annotations

from typing import Any

import pytest

from t2t_dist.environments.base import Domain
from t2t_dist.tau2.messages import Asked, Message, of_history, of_turns
from t2t_dist.tau2.task_format import Action, Form
from t2t_dist.tau2.verdict import Verdict, fact_said, grounds_of, verdict
from tests.support.made import Made
from tests.support.toy_tau2 import Shop, Toy
from tests.support.transcript import Transcript, gone_well

CANCEL = {"name": "cancel_order", "arguments": {"order_id": "O1", "reason": "mistake"}}
PAY = {"name": "pay_order", "arguments": {"order_id": "O8", "payment_method_id": "gift_4"}}  # fails half way


@pytest.fixture(scope="module")
def toy() -> Domain:
    return Toy()


def task(criteria: dict[str, Any] | None, state: dict[str, Any] | None = None) -> Form:
    if criteria and criteria.get("actions"):
        named = [{"action_id": f"a{number}", **action} for number, action in enumerate(criteria["actions"])]
        criteria = {**criteria, "actions": named}
    return Form.model_validate(
        {
            "id": "t",
            "user_scenario": {"instructions": "x"},
            "initial_state": state,
            "evaluation_criteria": criteria,
        }
    )


def played(*calls: dict[str, Any], says: str = "All done.", state: dict[str, Any] | None = None) -> list[Message]:
    """A conversation in which these calls are made on an environment of its own."""
    env, made = Shop(), []
    for action in (state or {}).get("initialization_actions", ()):
        getattr(env.user_tools if action["env_type"] == "user" else env.tools, action["func_name"])(
            **action["arguments"]
        )
        env.sync_tools()
    for call in calls:
        requestor = call.get("requestor", "assistant")
        try:
            answer = env.to_json_str(env.make_tool_call(call["name"], requestor=requestor, **call["arguments"]))
            env.sync_tools()
        except Exception as error:
            answer = f"Error: {error}"
        made.append(Message(requestor, None, [Asked(call["name"], call["arguments"], requestor, answer)]))
    return [Message("assistant", "Hello!"), *made, Message("assistant", says), Message("user", "###STOP###")]


def judged(toy: Domain, form: Form, messages: list[Message], end: str = "user_stop", **more: Any) -> Verdict:
    found = verdict(grounds_of(toy), form, messages, end, **{"strict": True, **more})
    assert found.reward is None or 0.0 <= found.reward <= 1.0
    return found


def test_only_a_conversation_that_ended_by_itself_is_graded(toy: Domain) -> None:
    form, messages = task({"actions": []}), played()
    assert judged(toy, form, messages, "agent_stop").reward == 1.0
    for end in ("max_steps", "too_many_errors", "agent_error", "infrastructure_error"):
        found = judged(toy, form, messages, end)
        assert (found.reward, found.parts, found.notes) == (0.0, {}, [f"terminated early: {end}"])


def test_without_criteria_everything_is_right(toy: Domain) -> None:
    assert judged(toy, task(None), played(CANCEL)).reward == 1.0


def test_no_actions_at_all_compare_nothing_and_an_empty_list_means_unchanged(toy: Domain) -> None:
    found = judged(toy, task({}), played(CANCEL))
    assert (found.reward, found.parts, found.db) == (1.0, {"COMMUNICATE": 1.0}, True)
    found = judged(toy, task({"actions": []}), played(CANCEL))
    assert (found.reward, found.parts["DB"]) == (0.0, 0.0)
    assert judged(toy, task({"actions": []}), played()).reward == 1.0
    # With assertions, a missing list of actions means unchanged as well.
    holds = {
        "env_type": "assistant",
        "func_name": "assert_status",
        "arguments": {"order_id": "O2", "status": "pending"},
    }
    found = judged(toy, task({"env_assertions": [holds], "reward_basis": ["DB", "ENV_ASSERTION"]}), played(CANCEL))
    assert found.parts == {"DB": 0.0, "ENV_ASSERTION": 1.0}


def test_the_final_states_of_both_sides_are_compared(toy: Domain) -> None:
    form = task({"actions": [CANCEL, {"name": "toggle_airplane_mode", "arguments": {}, "requestor": "user"}]})
    toggle = {"name": "toggle_airplane_mode", "arguments": {}, "requestor": "user"}
    assert judged(toy, form, played(CANCEL, toggle)).reward == 1.0
    assert judged(toy, form, played(toggle, CANCEL)).reward == 1.0
    assert judged(toy, form, played(CANCEL)).reward == 0.0
    assert judged(toy, form, played(toggle)).reward == 0.0


def test_gold_calls_that_raise_are_skipped_and_reported(toy: Domain) -> None:
    lost = {"name": "cancel_order", "arguments": {"order_id": "O99", "reason": "mistake"}}
    unknown = {"name": "fly", "arguments": {}}
    found = judged(toy, task({"actions": [lost, unknown, CANCEL]}), played(CANCEL))
    assert found.reward == 1.0
    assert found.notes == [
        "gold call cancel_order raised: O99 not found",
        "gold call fly raised: Tool 'fly' not found.",
    ]


def test_a_refused_call_leaves_behind_what_it_had_done(toy: Domain) -> None:
    form = task({"actions": [PAY]})
    assert judged(toy, form, played(PAY)).reward == 1.0
    assert judged(toy, form, played()).reward == 0.0  # the order is `paying` in the gold's world
    assert judged(toy, task({"actions": []}), played(PAY)).reward == 0.0


def test_five_is_not_five_point_nought(toy: Domain) -> None:
    whole = {"name": "bill_first", "arguments": {"member_id": "m1", "due": 5}}
    other = {"name": "bill_first", "arguments": {"member_id": "m1", "due": 5.0}}
    assert judged(toy, task({"actions": [whole]}), played(whole)).reward == 1.0
    assert judged(toy, task({"actions": [other]}), played(whole)).reward == 1.0  # both are read as a float

    one = {"name": "set_status", "arguments": {"order_id": "O1", "status": 5}}
    grounds = grounds_of(toy)
    states = []
    for value in (5, 5.0):
        with grounds(None) as ground:
            ground.set_up(
                {"initialization_actions": [{**one, "env_type": "assistant", "func_name": one["name"],
                                             "arguments": {"order_id": "O1", "status": value}}]}
            )  # fmt: skip
            states.append(ground.state())
    assert states[0] != states[1]


def test_only_tools_that_change_something_are_replayed_and_compared(toy: Domain) -> None:
    messages = played(CANCEL)
    odd = Message("assistant", None, [Asked("count_orders", {}, "assistant", "not what it answers")])
    unknown = Message("assistant", None, [Asked("fly", {}, "assistant", "Error: no such tool")])
    over = Message("assistant", None, [Asked("hand_over", {"summary": "x"}, "assistant", "something else")])
    assert judged(toy, task({"actions": [CANCEL]}), [odd, unknown, over, *messages]).reward == 1.0


def test_a_replayed_call_that_answers_otherwise_is_an_error_or_passed_over(toy: Domain) -> None:
    messages = [Message("assistant", None, [Asked(CANCEL["name"], CANCEL["arguments"], "assistant", "Cancelled!")])]
    found = judged(toy, task({"actions": [CANCEL]}), messages)
    assert (found.reward, found.error) == (None, "cancel_order answered otherwise when it was made again")
    assert judged(toy, task({"actions": [CANCEL]}), messages, strict=False).reward == 1.0


def test_a_call_without_an_answer_is_an_error(toy: Domain) -> None:
    messages = [Message("assistant", None, [Asked("count_orders", {}, "assistant", None)])]
    assert judged(toy, task({"actions": []}), messages).error == "count_orders was called and has no tool message"


def test_a_result_that_has_no_text_is_an_error(toy: Domain) -> None:
    messages = [Message("assistant", None, [Asked("show_oddly", {}, "assistant", "")])]
    found = judged(toy, task({"actions": []}), messages)
    assert (found.reward, found.error) == (None, "what show_oddly gave can't be shown: Unsupported type: set")


def test_a_call_by_the_wrong_side_is_refused(toy: Domain) -> None:
    wrong = {**CANCEL, "requestor": "user"}
    assert judged(toy, task({"actions": []}), played(wrong)).reward == 1.0
    assert judged(toy, task({"actions": [CANCEL]}), played(wrong)).reward == 0.0


@pytest.mark.parametrize(
    ("compare", "arguments", "counts"),
    [
        (None, {"order_id": "O1", "reason": "mistake"}, True),
        (None, {"order_id": "O1"}, True),  # compared is what the call has
        (None, {}, True),
        (None, {"order_id": "O1", "colour": "red"}, False),
        (None, {"order_id": "O2"}, False),
        ([], {"order_id": "O2", "reason": "x"}, True),
        (["order_id"], {"order_id": "O1", "reason": "x"}, True),
        (["order_id"], {"reason": "mistake"}, False),
        (["colour"], {"order_id": "O2"}, True),
    ],
)
def test_which_calls_count_as_a_gold_call(compare: list[str] | None, arguments: dict[str, Any], counts: bool) -> None:
    action = Action(action_id="a", **CANCEL, compare_args=compare)
    assert action.matches("cancel_order", arguments) is counts
    assert not action.matches("drop_order", arguments)


def test_action_wants_a_call_like_each_of_the_golds(toy: Domain) -> None:
    over = {"name": "hand_over", "arguments": {"summary": "x"}, "compare_args": []}
    form = task({"actions": [CANCEL, over], "reward_basis": ["DB", "ACTION"]})
    handed = {"name": "hand_over", "arguments": {"summary": "another"}}
    found = judged(toy, form, played(CANCEL, handed))
    assert (found.reward, found.actions) == (1.0, [True, True])
    found = judged(toy, form, played(CANCEL))
    assert (found.reward, found.parts, found.actions) == (0.0, {"DB": 1.0, "ACTION": 0.0}, [True, False])
    # The check is made, and not counted, where it is not in the basis.
    assert judged(toy, task({"actions": [over]}), played()).reward == 1.0
    # A call that was refused counts, and so does the user's.
    refused = {"name": "cancel_order", "arguments": {"order_id": "O99", "reason": "mistake"}}
    assert judged(toy, task({"actions": [refused], "reward_basis": ["ACTION"]}), played(refused)).reward == 1.0
    assert judged(toy, task({"actions": [], "reward_basis": ["ACTION"]}), played()).parts == {"ACTION": 1.0}


def test_what_counts_as_said() -> None:
    assert fact_said("1234.50", [Message("assistant", "That is $1,234.50.")])
    assert fact_said("total", [Message("assistant", "The TOTAL")])
    assert fact_said("12", [Message("assistant", "It is 123.")])  # a part of a message
    assert not fact_said("1,234", [Message("assistant", "1,234")])  # the fact keeps its comma, the message loses it
    assert not fact_said("12", [Message("user", "12"), Message("assistant", "  "), Message("assistant", None)])
    assert not fact_said("one two", [Message("assistant", "one"), Message("assistant", "two")])
    assert fact_said("12", [Message("assistant", "12", [Asked("count_orders", {}, "assistant", "")])])


def test_facts_count_in_the_basis_only(toy: Domain) -> None:
    assert judged(toy, task({"communicate_info": ["42"]}), played(says="It is 42.")).communicate == [True]
    assert judged(toy, task({"communicate_info": ["42", "7"]}), played(says="It is 42.")).parts == {"COMMUNICATE": 0.0}
    found = judged(toy, task({"communicate_info": ["42"], "actions": [], "reward_basis": ["DB"]}), played())
    assert (found.reward, found.parts, found.communicate) == (1.0, {"DB": 1.0}, [False])


def test_assertions_on_the_world(toy: Domain) -> None:
    def asserted(**more: Any) -> Form:
        check = {"env_type": "assistant", "func_name": "assert_status",
                 "arguments": {"order_id": "O1", "status": "cancelled"}, **more}  # fmt: skip
        return task({"env_assertions": [check], "reward_basis": ["ENV_ASSERTION"]})

    assert judged(toy, asserted(), played(CANCEL)).parts == {"ENV_ASSERTION": 1.0}
    assert judged(toy, asserted(), played()).env == [False]
    assert judged(toy, asserted(assert_value=False), played()).reward == 1.0
    assert judged(toy, asserted(func_name="not_a_bool", arguments={}), played()).reward is None
    found = judged(toy, asserted(arguments={"order_id": "O99", "status": "x"}), played())
    assert found.error == "assertion assert_status raised KeyError: 'O99'"


def test_where_a_conversation_begins(toy: Domain) -> None:
    own = {"env_type": "user", "func_name": "own", "arguments": {"member_id": "m1"}}
    sent = {"env_type": "assistant", "func_name": "set_status", "arguments": {"order_id": "O1", "status": "sent"}}
    state = {"initialization_actions": [own, sent]}
    form = task({"actions": [CANCEL]}, state)
    found = judged(toy, form, played(CANCEL, state=state))  # both are refused there
    assert (found.reward, found.notes) == (
        1.0,
        ["gold call cancel_order raised: Non-pending order cannot be cancelled"],
    )
    broken = {"initialization_actions": [{**sent, "func_name": "fly"}]}
    assert "initial state can't be set up" in judged(toy, task({"actions": []}, broken), played()).error


def test_the_gold_is_not_synchronised_and_the_conversation_is(toy: Domain) -> None:
    """As in tau2: what follows from a gold call on the other side shows in its state only where it is stored there."""
    own = {"env_type": "user", "func_name": "own", "arguments": {"member_id": "m1"}}
    state = {"initialization_actions": [own]}
    bar = {"name": "bar_all", "arguments": {"barred": True}}
    found = judged(toy, task({"actions": [bar]}, state), played(bar, state=state))
    assert (found.reward, found.db) == (0.0, False)


def test_message_history_is_replayed_for_the_gold(toy: Domain) -> None:
    placed = {"name": "place_order", "arguments": {"member_id": "m1", "item_ids": ["i1"]}}
    answer = Shop.to_json_str(Shop().make_tool_call(**placed | placed.pop("arguments")))  # type: ignore[arg-type]
    history = [
        {"role": "user", "content": "An order, please."},
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "name": "place_order", "arguments": {"member_id": "m1", "item_ids": ["i1"]}}],
        },
        {"role": "tool", "id": "c", "content": answer},
    ]
    form = task({"actions": []}, {"message_history": history})
    assert judged(toy, form, [*of_history(history), *played()]).reward == 1.0
    assert judged(toy, form, played()).reward == 0.0


def test_assertions_in_words_need_a_judge(toy: Domain) -> None:
    criteria = {"actions": [], "nl_assertions": ["polite", "brief"], "reward_basis": ["DB", "NL_ASSERTION"]}
    found = judged(toy, task(criteria), played())
    assert (found.reward, found.parts) == (1.0, {"DB": 1.0})
    assert found.notes == ["2 assertions in words were not judged and are left out"]
    assert judged(toy, task(criteria), played(), judge=lambda text: text == "polite").parts["NL_ASSERTION"] == 0.0
    assert judged(toy, task({**criteria, "nl_assertions": []}), played()).parts["NL_ASSERTION"] == 1.0


def test_our_turns_as_messages(toy: Domain) -> None:
    talk = Transcript(toy).user("Hi")
    talk.calls(("cancel_order", CANCEL["arguments"]), ("count_orders", {}))
    talk.call("toggle_airplane_mode", {}, seat="user")
    talk.asked_for(("count_orders", "[1]"))
    messages = of_turns(talk.turns)
    assert [message.role for message in messages] == ["assistant", "user", "assistant", "user", "assistant"]
    assert [call.name for call in messages[2].calls] == ["cancel_order", "count_orders"]
    assert messages[2].calls[1].answer == '"12"'
    assert messages[3].calls[0].requestor == "user"
    assert (messages[4].calls[0].answer, messages[4].calls[0].arguments) == (None, {"malformed_arguments": "[1]"})
    toggle = {"name": "toggle_airplane_mode", "arguments": {}, "requestor": "user"}
    assert judged(toy, task({"actions": [CANCEL, toggle]}), messages[:-1]).reward == 1.0


@pytest.mark.parametrize("arguments", ["[]", "null", "{", '{"a": "\\ud800"}', '{"a":' + 70 * "[" + 70 * "]" + "}"])
def test_a_call_that_was_refused_for_its_arguments_is_refused_when_it_is_made_again(
    toy: Domain, arguments: str
) -> None:
    talk = Transcript(toy).user("Hi")
    assert talk.call("toggle_airplane_mode", arguments, seat="user").error
    assert judged(toy, task({"actions": []}), of_turns(talk.turns), strict=False).reward == 1.0


def test_any_domain_is_judged_on_its_worlds(desk: Made) -> None:
    """One that is not tau2's: its calls are all or nothing, and it has no states and no functions but its tools."""
    one = desk.one("general")
    gold = [{"name": call.name, "arguments": call.arguments} for call in one.grader.gold]
    talk = gone_well(desk.domain, one)
    assert judged(desk.domain, task({"actions": gold}), of_turns(talk.turns)).parts["DB"] == 1.0
    assert judged(desk.domain, task({"actions": gold}), of_turns(talk.turns[:3])).parts["DB"] == 0.0
    wrong = {"name": gold[-1]["name"], "arguments": {}}
    (note,) = judged(desk.domain, task({"actions": [*gold, wrong]}), of_turns(talk.turns)).notes
    assert note.startswith(f"gold call {wrong['name']} raised: ")
    missing = {"env_type": "assistant", "func_name": "f", "arguments": {}}
    assert judged(desk.domain, task({"env_assertions": [missing]}), []).error.endswith("has no function 'f'")
    begun = task({"actions": []}, {"initialization_actions": [missing]})
    assert "no initial states" in judged(desk.domain, begun, []).error
