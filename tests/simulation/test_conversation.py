"""The conversation loop, with players that say what the test wants said."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.config.settings import LimitsConfig
from t2t_dist.core.errors import ContextExceeded, EngineTimeout, FailureClass
from t2t_dist.core.schema import OUT_OF_SCOPE, STOP, TRANSFER, Task, ToolCall, Turn
from t2t_dist.environments.base import Domain
from t2t_dist.simulation.conversation import Rollout, RolloutFailed, Termination, roll_out
from tests.support.phones import GATE, PHONES
from tests.support.tasks import cancelling, pending_order, shop

#: A line of a part: text, calls ``(name, arguments)``, an exception to raise, or None for an empty message.
Line = str | tuple[str, Any] | list[tuple[str, Any]] | Exception | None


class Part:
    """Says its lines one after the other, then the last one again and again."""

    def __init__(self, seat: str, *lines: Line, last: Line = None) -> None:
        self.name, self.seat = f"part:{seat}", seat
        self.role = "assistant" if seat == "agent" else "user"
        self.lines: Iterator[Line] = itertools.chain(lines, itertools.repeat(last if last is not None else lines[-1]))
        self.calls = 0

    async def act(self, turns: list[Turn]) -> Turn:
        await asyncio.sleep(0)
        line = next(self.lines)
        if isinstance(line, Exception):
            raise line
        if line is None or isinstance(line, str):
            return Turn(self.seat, self.role, line)
        made = []
        for name, arguments in line if isinstance(line, list) else [line]:
            text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
            made.append(ToolCall(f"call_{self.calls}", name, text))
            self.calls += 1
        return Turn(self.seat, self.role, tool_calls=made)

    reply = act


def agent(*lines: Line, last: Line = None) -> Part:
    return Part("agent", *lines, last=last)


def user(*lines: Line, last: Line = None) -> Part:
    return Part("user", *lines, last=last)


async def talk(agent: Any, user: Any, domain: Domain | None = None, **options: Any) -> Rollout:
    return await roll_out(cancelling(), domain or shop(), agent, user, **options)


async def failing(agent: Any, user: Any, domain: Domain | None = None, **options: Any) -> RolloutFailed:
    with pytest.raises(RolloutFailed) as caught:
        await talk(agent, user, domain, **options)
    return caught.value


def said(turns: list[Turn]) -> list[tuple[str, str, str | None]]:
    return [(turn.seat, turn.role, turn.content) for turn in turns]


LOOK = ("get_order_details", {"order_id": pending_order()[1]})
WRONG = ("get_order_details", {"order_id": "#W0"})


# -- the course of a conversation -------------------------------------------------------------------------------------
async def test_a_whole_conversation_with_its_calls_executed_on_a_world_of_its_own() -> None:
    task = cancelling()
    email, order = task.user.identity[0].text, pending_order()[1]
    ticks = itertools.count()
    result = await talk(
        agent(
            "May I have your e-mail address?",
            ("find_user_id_by_email", {"email": email}),
            [LOOK, ("cancel_pending_order", {"order_id": order, "reason": "no longer needed"})],
            f"Order {order} is cancelled.",
        ),
        user(f"Please cancel {order}.", f"It's {email}.", f"Thanks! {STOP}"),
        clock=lambda: next(ticks) * 0.5,
    )
    assert result.termination == Termination.USER_STOP == "user_stop"
    assert result.final == task.grader.final
    assert result.flags == []
    assert [(turn.seat, turn.role) for turn in result.turns] == [
        ("agent", "assistant"),
        ("user", "user"),
        ("agent", "assistant"),
        ("user", "user"),
        ("agent", "assistant"),
        ("agent", "tool"),
        ("agent", "assistant"),
        ("agent", "tool"),
        ("agent", "tool"),
        ("agent", "assistant"),
        ("user", "user"),
    ]
    results = [turn for turn in result.turns if turn.role == "tool"]
    assert [turn.content for turn in results] == [call.result for call in task.grader.gold]
    assert [turn.tool_call_id for turn in results] == ["call_0", "call_1", "call_2"]
    assert [turn.t_tool for turn in results] == [0.5, 0.5, 0.5]
    assert shop().world().digest == task.grader.initial


async def test_the_seed_chooses_the_greeting_and_nothing_else_does() -> None:
    greetings = shop().language.greeting
    heard = [(await talk(agent("Hm."), user("Hi", STOP), seed=seed)).turns[0] for seed in range(len(greetings) * 2)]
    assert [turn.content for turn in heard] == greetings * 2
    assert {(turn.seat, turn.role) for turn in heard} == {("agent", "assistant")}


async def test_after_tool_calls_the_same_speaker_goes_on_and_text_beside_them_ends_nothing() -> None:
    class Muttering(Part):
        async def act(self, turns: list[Turn]) -> Turn:
            turn = await super().act(turns)
            if turn.tool_calls:
                turn.content = f"I'll look. {STOP}"
            return turn

    result = await talk(Muttering("agent", LOOK, LOOK, "Here you are."), user("My order?", STOP))
    assert [turn.role for turn in result.turns[2:]] == ["assistant", "tool", "assistant", "tool", "assistant", "user"]
    assert result.termination == Termination.USER_STOP


# -- how it ends ------------------------------------------------------------------------------------------------------
HAND_OVER = ("transfer_to_human_agents", {"summary": "wants the moon"})


@pytest.mark.parametrize(
    ("agent_lines", "user_lines", "expected", "length"),
    [
        (["Hm."], ["Hello", f"Bye {STOP}"], Termination.USER_STOP, 4),
        (["Hm."], ["Hello", OUT_OF_SCOPE], Termination.USER_STOP, 4),
        (["I'm transferring you now."], ["Hello", f"Alright. {TRANSFER}"], Termination.TRANSFER, 4),
        ([f"Goodbye. {STOP}"], ["Hello"], Termination.AGENT_STOP, 3),
        ([HAND_OVER, "A colleague takes over."], ["Hello"], Termination.TRANSFER, 5),
        # A few more calls may stand between handing over and saying so.
        ([HAND_OVER, LOOK, f"A colleague takes over. {STOP}"], ["Hello"], Termination.TRANSFER, 7),
        # A refused hand-over is none.
        ([("transfer_to_human_agents", {}), "Sorry."], ["Hello", STOP], Termination.USER_STOP, 6),
        ([ContextExceeded("too long")], ["Hello"], Termination.CONTEXT_EXCEEDED, 2),
    ],
)
async def test_terminations(
    agent_lines: list[Line], user_lines: list[Line], expected: Termination, length: int
) -> None:
    result = await talk(agent(*agent_lines), user(*user_lines))
    assert result.termination is expected
    assert len(result.turns) == length


@pytest.mark.parametrize("steps", [2, 3, 7])
async def test_max_steps_counts_turns_of_both_but_neither_greeting_nor_results(steps: int) -> None:
    result = await talk(agent(LOOK), user("Hello"), limits=LimitsConfig(max_steps=steps))
    assert result.termination is Termination.MAX_STEPS
    assert sum(turn.role != "tool" for turn in result.turns) == steps + 1
    calls = [call for turn in result.turns for call in turn.tool_calls]
    assert sum(turn.role == "tool" for turn in result.turns) == len(calls) == steps - 1


async def test_an_end_said_with_the_last_step_counts() -> None:
    result = await talk(agent("Hm."), user("Hello", STOP), limits=LimitsConfig(max_steps=3))
    assert result.termination is Termination.USER_STOP


async def test_refused_calls_in_a_row_end_it_whatever_is_said_in_between() -> None:
    result = await talk(agent(WRONG, "One moment.", WRONG, WRONG), user("Go on."), limits=LimitsConfig(max_errors=3))
    assert result.termination is Termination.TOO_MANY_ERRORS
    assert sum(turn.error for turn in result.turns) == 3


async def test_a_good_call_starts_the_count_again() -> None:
    limits = LimitsConfig(max_errors=3)
    result = await talk(agent(WRONG, WRONG, LOOK, WRONG, WRONG, "Done."), user("Go on.", STOP), limits=limits)
    assert result.termination is Termination.USER_STOP
    assert sum(turn.error for turn in result.turns) == 4


async def test_every_call_of_the_turn_that_ends_it_is_answered() -> None:
    result = await talk(agent([WRONG, WRONG, LOOK]), user("Go on."), limits=LimitsConfig(max_errors=2))
    assert result.termination is Termination.TOO_MANY_ERRORS
    assert [turn.error for turn in result.turns if turn.role == "tool"] == [True, True, False]


# -- calls that are wrong ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("get_order_detail", {}), "did you mean get_order_details"),
        (("buy_everything", {}), "the tools are: find_user_id_by_email"),
        (("get_order_details", '{"order_id": '), "not JSON"),
        (("get_order_details", '["#W1"]'), "must be a JSON object"),
        (("get_order_details", {}), "order_id: field required. Expected get_order_details(order_id: OrderId)"),
        (("get_order_details", {"order_id": "#W0", "x": 1}), "x: extra inputs are not permitted"),
        (WRONG, "there is no order '#W0'"),
    ],
)
async def test_a_wrong_call_is_answered_with_what_would_be_right_and_the_conversation_goes_on(
    call: tuple[str, Any], message: str
) -> None:
    result = await talk(agent(call, "Sorry about that."), user("Hello", STOP))
    assert result.termination is Termination.USER_STOP
    assert result.turns[3].error
    assert result.turns[3].tool_call_id == "call_0"
    assert message in (result.turns[3].content or "")
    assert result.final == shop().world().digest


# -- a domain with user-side tools, a blocking one and a broken one ---------------------------------------------------
async def test_a_users_own_tools_change_the_world_and_are_answered_to_the_user() -> None:
    result = await talk(
        agent(("line_status", {}), "Please switch airplane mode off.", ("line_status", {}), "It works now."),
        user(
            "No signal.",
            ("toggle_airplane_mode", {"to": "maybe"}),
            ("toggle_airplane_mode", {"to": "off"}),
            "Done.",
            STOP,
        ),
        PHONES,
    )
    assert result.termination is Termination.USER_STOP
    assert [(turn.seat, turn.content, turn.error) for turn in result.turns if turn.role == "tool"] == [
        ("agent", "down", False),
        ("user", "Error: it is 'on' or 'off'", True),
        ("user", "Airplane mode is off.", False),
        ("agent", "up", False),
    ]
    world = PHONES.world()
    world.edit("devices", "phone")["airplane"] = "off"
    world.seal()
    assert result.final == world.digest


async def test_neither_side_can_use_the_others_tools() -> None:
    result = await talk(
        agent(("toggle_airplane_mode", {"to": "off"}), "Hm."), user("Hi", ("line_status", {}), "Hm.", STOP), PHONES
    )
    results = [turn for turn in result.turns if turn.role == "tool"]
    assert [turn.error for turn in results] == [True, True]
    assert "there is no tool named 'toggle_airplane_mode'" in (results[0].content or "")
    assert result.final == PHONES.world().digest


async def test_a_user_who_calls_nothing_but_nonsense_is_at_fault_and_the_agent_not_graded() -> None:
    failed = await failing(
        agent("Switch it off."), user("Hi", ("toggle_airplane_mode", {})), PHONES, limits=LimitsConfig(max_errors=4)
    )
    assert failed.failure is FailureClass.USER_SIMULATOR_FAULT
    assert sum(turn.error for turn in failed.turns) == 4


async def test_a_tool_that_breaks_is_a_failure_with_the_transcript() -> None:
    failed = await failing(agent(("broken", {})), user("Hi"), PHONES)
    assert failed.failure is FailureClass.TOOL_CRASH
    assert "broken raised ZeroDivisionError: oops" in str(failed)
    assert said(failed.turns)[1:] == [("user", "user", "Hi"), ("agent", "assistant", None)]
    assert failed.turns[-1].tool_calls == [ToolCall("call_0", "broken", "{}")]


async def test_a_blocking_tool_that_does_not_answer_is_a_failure_and_touches_nothing() -> None:
    GATE.clear()
    failed = await failing(agent(("reboot_line", {})), user("Hi"), PHONES)
    GATE.set()
    assert failed.failure is FailureClass.TOOL_TIMEOUT
    assert "reboot_line did not answer within 0.05 s" in str(failed)
    assert [call.name for call in failed.turns[-1].tool_calls] == ["reboot_line"]


async def test_a_blocking_tool_does_not_stop_the_other_conversations() -> None:
    GATE.clear()
    waiting = asyncio.create_task(talk(agent(("slow_reboot", {}), "Back."), user("Hi", STOP), PHONES))
    other = await talk(agent(("line_status", {}), "It is down."), user("Hi", STOP), PHONES)
    assert not waiting.done()  # if it had stopped the loop, this line would come after the gate's own 10 s
    GATE.set()
    assert (await waiting).final != other.final == PHONES.world().digest


# -- failures ---------------------------------------------------------------------------------------------------------
async def test_an_empty_message_of_the_user_is_asked_for_once_more_and_flagged() -> None:
    result = await talk(agent("Hello?"), user("  ", "Hi", None, STOP))
    assert result.termination is Termination.USER_STOP
    assert result.flags == ["empty_message", "empty_message"]
    assert said(result.turns)[1:] == [("user", "user", "Hi"), ("agent", "assistant", "Hello?"), ("user", "user", STOP)]


async def test_a_user_who_says_nothing_twice_is_at_fault() -> None:
    failed = await failing(agent("Hello?"), user("Hi", "", "\n"))
    assert failed.failure is FailureClass.USER_SIMULATOR_FAULT
    assert failed.flags == ["empty_message"]
    assert len(failed.turns) == 3


@pytest.mark.parametrize(
    ("agent_line", "user_line", "failure"),
    [
        (EngineTimeout("no answer"), "Hi", FailureClass.ENGINE_TIMEOUT),
        ("Hello", EngineTimeout("no answer"), FailureClass.ENGINE_TIMEOUT),
        ("  ", "Hi", FailureClass.ENGINE_BAD_RESPONSE),
        ("Hello", ContextExceeded("4096 tokens"), FailureClass.USER_SIMULATOR_FAULT),
    ],
)
async def test_failures_keep_their_class_and_the_transcript(
    agent_line: Line, user_line: Line, failure: FailureClass
) -> None:
    failed = await failing(agent("Yes?", agent_line), user("Hello there", user_line))
    assert failed.failure is failure
    assert said(failed.turns)[1:3] == [("user", "user", "Hello there"), ("agent", "assistant", "Yes?")]


class Hanging(Part):
    async def act(self, turns: list[Turn]) -> Turn:
        if len(turns) > 2:
            await asyncio.Event().wait()
        return await super().act(turns)

    reply = act


async def test_the_deadline_is_a_failure_with_the_transcript() -> None:
    failed = await failing(agent("Yes?"), Hanging("user", "Hi"), limits=LimitsConfig(deadline_s=0.05))
    assert failed.failure is FailureClass.DEADLINE
    assert len(failed.turns) == 3


async def test_another_timeout_is_not_taken_for_the_deadline() -> None:
    with pytest.raises(TimeoutError, match="mine"):
        await talk(agent(TimeoutError("mine")), user("Hi"))


async def test_a_cancelled_conversation_leaves_what_was_said_with_the_caller() -> None:
    transcript: list[Turn] = []
    running = asyncio.create_task(talk(agent("Yes?"), Hanging("user", "Hi"), transcript=transcript))
    for _ in range(100):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert said(transcript)[1:] == [("user", "user", "Hi"), ("agent", "assistant", "Yes?")]


async def test_flags_of_the_user_come_with_the_result() -> None:
    result = await talk(agent("I see."), user("Hello, how can I help you?", f"Bye. {STOP}"))
    assert result.flags == ["role_swap"]


# -- how users end it, well and badly ---------------------------------------------------------------------------------
CANCEL = "Cancel my order, please. I no longer need it."
PLAN = "I would cancel it. Shall I go ahead (yes/no)?"
DONE = "That is done. Is there anything else I can do for you?"


@pytest.mark.parametrize("first", [f"{CANCEL} {STOP}", f"{CANCEL} Thanks, bye! {STOP}", f"{CANCEL} {OUT_OF_SCOPE}"])
async def test_an_ending_before_the_agent_spoke_is_ignored_and_its_text_heard(first: str) -> None:
    result = await talk(agent(PLAN, LOOK, DONE), user(first, "Yes, please.", f"That's all. {STOP}"))
    assert result.flags == ["early_ending"]
    assert "###" not in (result.turns[1].content or "")
    assert CANCEL in (result.turns[1].content or "")
    assert [turn.content for turn in result.turns if turn.seat == "user"][1:] == ["Yes, please.", f"That's all. {STOP}"]


async def test_a_yes_with_a_stop_reaches_the_agent_who_then_acts() -> None:
    result = await talk(agent(PLAN, LOOK, DONE), user(CANCEL, f"Yes, please go ahead. {STOP}", f"No, thanks. {STOP}"))
    assert result.flags == ["early_ending"]
    assert result.turns[3].content == "Yes, please go ahead."
    assert [call.name for call in result.turns[4].tool_calls] == [LOOK[0]]
    assert result.termination is Termination.USER_STOP


async def test_an_answer_with_a_stop_reaches_the_agent_who_asked() -> None:
    result = await talk(agent("Which one?", LOOK, DONE), user(CANCEL, f"The blue lamp. {STOP}", f"Bye. {STOP}"))
    assert [result.turns[3].content, result.flags] == ["The blue lamp.", []]
    assert any(turn.tool_calls for turn in result.turns)


@pytest.mark.parametrize(
    "last",
    [
        "No, leave it, then.",
        "I don't have that. Goodbye.",
        "Fine, I'll try elsewhere.",
        "Thank you, that's all.",
        "I give up.",
        "",
    ],
)
async def test_a_customer_may_leave_a_question_unanswered(last: str) -> None:
    result = await talk(agent("What is your order number?"), user(CANCEL, f"{last} {STOP}".strip()))
    assert (result.termination, len(result.turns), result.flags) == (Termination.USER_STOP, 4, [])


@pytest.mark.parametrize("lines", [[STOP], [TRANSFER], [f"{STOP}!"], [CANCEL, STOP], [CANCEL, f"Yes. {TRANSFER}"]])
async def test_a_user_that_ends_again_and_again_before_the_agent_could_act_is_at_fault(lines: list[Line]) -> None:
    failed = await failing(agent(PLAN, LOOK, PLAN), user(*lines))
    assert (failed.failure, failed.flags) == (FailureClass.USER_SIMULATOR_FAULT, ["early_ending"])


async def test_an_agent_that_got_a_yes_and_did_nothing_is_graded() -> None:
    result = await talk(agent(PLAN), user(CANCEL, f"Yes, please. {STOP}"))
    assert (result.termination, result.flags) == (Termination.USER_STOP, ["early_ending"])
    assert len(result.turns) == 6


@pytest.mark.parametrize("kind", [STOP, TRANSFER, OUT_OF_SCOPE])
@pytest.mark.parametrize(
    "write", [str.lower, str.title, lambda x: x.replace("#", "\\#"), "**{}**".format, "{}.".format]
)
async def test_a_marker_is_known_however_it_is_written(kind: str, write: Callable[[str], str]) -> None:
    result = await talk(agent("I'm transferring you now."), user("Hello", f"That is all. {write(kind)}"))
    assert result.termination is (Termination.TRANSFER if kind == TRANSFER else Termination.USER_STOP)
    assert (result.turns[-1].content or "").startswith("That is all.")
    assert (result.turns[-1].content or "").endswith(kind)


@pytest.mark.parametrize("text", ["Don't STOP.", "### Order\nStop it", "#1 stop", "Stop it at stop #2, please"])
async def test_words_that_are_no_marker_end_nothing(text: str) -> None:
    result = await talk(agent("Hm."), user(text, f"Bye. {STOP}"))
    assert result.turns[1].content == text
    assert len(result.turns) == 4


async def test_good_byes_without_an_end_are_ended_and_flagged() -> None:
    goodbyes = [f"Thank you so much, and have a wonderful day{'!' * count}" for count in range(1, 20)]
    result = await talk(agent(PLAN, LOOK, DONE), user(CANCEL, "Yes, please.", *goodbyes))
    assert (result.termination, result.flags) == (Termination.USER_STOP, ["never_ends"])
    assert [turn.content for turn in result.turns if turn.seat == "user"][2:] == goodbyes[:3]


@pytest.mark.parametrize(
    ("agents", "users"), [("One moment, please.", "Thank you."), ("Hm.", "Thanks, I'll wait. Bye")]
)
async def test_a_customer_who_waits_does_not_say_good_bye(agents: str, users: str) -> None:
    result = await talk(agent(agents), user(CANCEL, users), limits=LimitsConfig(max_steps=20))
    assert (result.termination, result.flags) == (Termination.MAX_STEPS, [])


# -- isolation --------------------------------------------------------------------------------------------------------
def _errand(number: int) -> Callable[[], tuple[Part, Part]]:
    """Conversation ``number``: writes to records that the others write to as well."""
    tables = shop().base.tables
    orders = [order_id for order_id, order in tables["orders"].items() if order["status"] == "pending"]
    user_id = list(tables["users"])[number % 5]
    address = {**tables["users"][user_id]["address"], "address1": f"{number} Elm Street"}
    order = orders[number % 7]
    reason = ("no longer needed", "ordered by mistake")[number % 2]
    lines: list[Line] = [
        ("modify_user_address", {"user_id": user_id, "address": address}),
        ("modify_pending_order_address", {"order_id": order, "address": address}),
        f"Done with {number}.",
        ("cancel_pending_order", {"order_id": order, "reason": reason}),
        ("get_order_details", {"order_id": order}),
        "Cancelled.",
    ]
    return lambda: (agent(*lines[number % 3 :]), user("Hi", f"I am {number}.", STOP))


async def test_256_conversations_at_once_end_as_each_does_alone() -> None:
    task, domain = cancelling(), shop()

    async def one(number: int) -> Rollout:
        parts = _errand(number)()
        return await roll_out(task, domain, *parts, seed=number, clock=lambda: 0.0)

    alone = [await one(number) for number in range(256)]
    together = await asyncio.gather(*(one(number) for number in range(256)))
    assert together == alone
    assert len({result.final for result in alone}) > 150
    assert domain.world().digest == task.grader.initial


# -- laws that hold whatever is said ----------------------------------------------------------------------------------
_LINES = st.one_of(
    st.sampled_from(["Hi", "", None, STOP, TRANSFER, f"Yes. {OUT_OF_SCOPE}", "Shall I cancel it?", "x" * 50]),
    st.sampled_from([LOOK, WRONG, HAND_OVER, ("nonsense", "{"), [LOOK, WRONG], [WRONG, HAND_OVER, LOOK]]),
    st.sampled_from([ContextExceeded("long"), EngineTimeout("late")]),
)


@settings(max_examples=60, deadline=None)
@given(
    agent_lines=st.lists(_LINES, min_size=1, max_size=12),
    user_lines=st.lists(_LINES, min_size=1, max_size=12),
    steps=st.integers(2, 20),
    errors=st.integers(1, 4),
)
def test_any_conversation_ends_within_its_limits_with_every_call_answered_once(
    agent_lines: list[Line], user_lines: list[Line], steps: int, errors: int
) -> None:
    task: Task = cancelling()
    limits = LimitsConfig(max_steps=steps, max_errors=errors)
    # `last` cannot be None, so a part that ends in silence continues with a word.
    parts = agent(*agent_lines, last=agent_lines[-1] or "Hm."), user(*user_lines, last=user_lines[-1] or "Hm.")
    try:
        turns = asyncio.run(roll_out(task, shop(), *parts, limits=limits)).turns
    except RolloutFailed as failed:
        turns = failed.turns
    spoken = [turn for turn in turns if turn.role != "tool"]
    assert len(spoken) <= steps + 1
    place = 0
    while place < len(turns):
        turn = turns[place]
        answers = turns[place + 1 : place + 1 + len(turn.tool_calls)]
        assert [answer.tool_call_id for answer in answers] == [call.id for call in turn.tool_calls]
        assert all(answer.role == "tool" and answer.seat == turn.seat for answer in answers)
        assert turn.role != "tool"
        place += 1 + len(turn.tool_calls)
