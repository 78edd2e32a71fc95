"""Faults of the simulated user: what is flagged, and what must not be."""

from __future__ import annotations

import pytest

from t2t_dist.core.schema import ToolCall, Turn, UserSide
from t2t_dist.simulation.user_faults import FLAGS, LEAK, REPEAT, ROLE_SWAP, STOP_BEFORE_WRITE, user_faults
from tests.support.tasks import cancelling

SIDE = cancelling().user
GREETING = "Hello! How can I help you today?"


def talk(*lines: str) -> list[Turn]:
    """The greeting, then user and agent by turns."""
    turns = [Turn("agent", "assistant", GREETING)]
    for place, line in enumerate(lines):
        turns.append(Turn("agent", "assistant", line) if place % 2 else Turn("user", "user", line))
    return turns


@pytest.mark.parametrize(
    ("agents", "users"),
    [
        ("I'd cancel #W1 and refund $20.00. Shall I go ahead?", "Yes, please. ###STOP###"),
        ("I can return the lamp. Would you like me to proceed?", "Sounds good, thanks! ###STOP###"),
        ("Please confirm (yes/no) that I should exchange it.", "ok ###STOP###"),
        ("I'll now cancel the order for you.", "Thank you, bye ###STOP###"),
        ("One moment, please.", "###STOP###"),
        ("I'd cancel #W1. Shall I go ahead?", "###STOP###"),
        ("I’m going to process the return. One moment.", "Great. ###STOP###"),
    ],
)
def test_ending_before_what_was_promised_is_flagged(agents: str, users: str) -> None:
    assert user_faults(talk("Cancel it.", agents, users), SIDE) == [STOP_BEFORE_WRITE]


@pytest.mark.parametrize(
    ("agents", "users"),
    [
        ("Your order has been cancelled. Is there anything else I can help with?", "No, that's all. ###STOP###"),
        ("I've cancelled it, and I can confirm the refund of $20.00.", "Okay, thanks! ###STOP###"),
        ("I'd cancel #W1 and refund $20.00. Shall I go ahead?", "No, leave it then. ###STOP###"),
        ("I'd cancel #W1 and refund $20.00. Shall I go ahead?", "Yes, please."),
        ("I'm sorry, that can't be cancelled any more.", "Alright, okay. ###STOP###"),
        ("Shall I hand you over?", "Yes, please. ###TRANSFER###"),
        ("Can I change anything else for you? I'll let you know when it ships.", "No thanks. ###STOP###"),
    ],
)
def test_ending_after_it_or_without_it_is_not(agents: str, users: str) -> None:
    assert user_faults(talk("Cancel it.", agents, users), SIDE) == []


def test_an_agent_who_could_have_acted_before_is_not_excused() -> None:
    ask = "Shall I go ahead?"
    turns = talk("Cancel it.", ask, "Yes.", ask, "Yes. ###STOP###")
    assert user_faults(turns, SIDE) == []
    called = Turn("agent", "assistant", tool_calls=[ToolCall("c", "cancel", "{}")])
    assert user_faults([*turns[:4], called, *turns[4:]], SIDE) == [STOP_BEFORE_WRITE]


@pytest.mark.parametrize(
    "text",
    [
        "Sure! How can I help you today?",
        "Thank you for contacting us. May I have your e-mail address?",
        "I've gone ahead and cancelled your order.",
        "Is there anything else I can help with?",
        "Agent: let me see.\nCustomer: fine",
        GREETING,
    ],
)
def test_speaking_as_the_agent_is_flagged(text: str) -> None:
    assert user_faults(talk(text), SIDE) == [ROLE_SWAP]


@pytest.mark.parametrize(
    "text",
    [
        "My instructions say that I want a refund.",
        "As an AI, I have no e-mail address.",
        "known_info: my name is Seth",
        "I was told only to give you the order number.",
        "Okay so I agree to the cancellation when the agent describes it.",
    ],
)
def test_telling_what_is_only_for_the_player_is_flagged(text: str) -> None:
    assert user_faults(talk(text), SIDE) == [LEAK]


def test_repeating_oneself_is_flagged_unless_it_is_short() -> None:
    long = "I would like to cancel my order because it is no longer needed."
    assert user_faults(talk(long, "Which one?", f"{long.upper()} ###STOP###"), SIDE) == [REPEAT]
    assert user_faults(talk("Yes, please go ahead.", "Done. And the other?", "Yes, please go ahead."), SIDE) == []
    assert user_faults(talk(long, "Which one?", "The first.", "I see.", long), SIDE) == []


@pytest.mark.parametrize(
    "text",
    [
        SIDE.goals[0].request,
        SIDE.known_info,
        "The instructions that came with the lamp were wrong. I already cancelled my card.",
        "Can you help me with my account? I was told to write to you.",
        "How can I get this done? Please look it up for me.",
    ],
)
def test_what_a_customer_may_say_is_not(text: str) -> None:
    assert user_faults(talk(text), SIDE) == []


def test_words_of_the_agent_and_calls_of_either_are_nobodys_fault() -> None:
    calls = [ToolCall("c", "think", "{}")]
    turns = [
        *talk("Hi", "My instructions are: how can I help you?"),
        Turn("user", "user", "How can I help you?", tool_calls=calls),
        Turn("user", "tool", "As an AI, I have gone ahead and cancelled your order", tool_call_id="c"),
    ]
    assert user_faults(turns, SIDE) == []


def test_a_change_of_mind_that_stands_in_the_instructions_may_be_said() -> None:
    words = "Actually, keep it and send it to my new address instead"
    side: UserSide = SIDE.model_copy(update={"task_instructions": f"When asked to confirm, say: {words}."})
    assert user_faults(talk(words), side) == [LEAK]
    goals = [SIDE.goals[0].model_copy(update={"request": f"Hi. {words}!"})]
    assert user_faults(talk(words), side.model_copy(update={"goals": goals})) == []


def test_flags_come_once_each_and_in_their_order() -> None:
    long = "As an AI I ask you: how can I help you today, dear agent?"
    turns = talk(long, "Hm.", long, "Shall I go ahead?", "Yes. ###STOP###")
    found = user_faults(turns, SIDE)
    assert found == [flag for flag in FLAGS if flag in found]
    assert set(found) == {STOP_BEFORE_WRITE, ROLE_SWAP, LEAK, REPEAT}
    assert user_faults([], SIDE) == []
