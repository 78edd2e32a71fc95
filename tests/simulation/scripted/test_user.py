"""The scripted user copes with any agent, and never knows more than its own side of the task."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest

from t2t_dist.core import speech_acts as speech
from t2t_dist.core.schema import STOP, TRANSFER, Change, Fact, Goal, Task, Turn, UserSide
from t2t_dist.simulation.scripted.device import Devices
from t2t_dist.simulation.scripted.phrases import STYLES
from t2t_dist.simulation.scripted.plans import Plans
from t2t_dist.simulation.scripted.user import ScriptedUser
from t2t_dist.simulation.user_faults import user_faults
from t2t_dist.synthesis.grader_side import errands_in
from tests.simulation.scripted.hand_made import tasks
from tests.support.made import Made
from tests.support.plans import plan_of

SEEDS = range(8)


def order_fact(number: str, stated: bool = True) -> Fact:
    return Fact(
        slot="order_id",
        label="order number",
        text=f"order {number}",
        says=[number],
        answer=f"It's order {number}.",
        cues=["order number", "which order"],
        stated=stated,
    )


def reason_fact(stated: bool = False) -> Fact:
    return Fact(
        slot="reason",
        label="reason",
        text="it's no longer needed",
        says=["no longer needed"],
        answer="Well, it's no longer needed.",
        cues=["reason", "why"],
        stated=stated,
    )


EMAIL = Fact(
    slot="Email",
    label="e-mail address",
    text="a@b.com",
    says=["a@b.com"],
    answer="It's a@b.com.",
    cues=["e-mail", "email"],
)
NAMES = [
    Fact(
        slot="FirstName", label="first name", text="Ada", says=["Ada"], answer="Ada.", cues=["first name", "full name"]
    ),
    Fact(slot="LastName", label="last name", text="Bly", says=["Bly"], answer="Bly.", cues=["last name", "full name"]),
    Fact(slot="Zip", label="zip code", text="12345", says=["12345"], answer="The zip code is 12345.", cues=["zip"]),
]


def side(
    *goals: Goal,
    persona: str = "friendly: chats",
    identity: list[Fact] | None = None,
    change: Change | None = None,
    patience: int = 1,
) -> UserSide:
    cancel = Goal(request="I'd like to cancel order #W1.", facts=[order_fact("#W1"), reason_fact()])
    return UserSide(
        name="Ada Bly",
        persona=persona,
        reason_for_call="You want to cancel an order.",
        known_info="",
        unknown_info="",
        task_instructions="Do not mention the reason of your own accord, only when you are asked for it.",
        identity=[EMAIL] if identity is None else identity,
        goals=list(goals) or [cancel],
        change=change,
        patience=patience,
    )


def talk(user: ScriptedUser, agent: Callable[[str], str], most: int = 40) -> list[str]:
    """The customer's messages, up to the one that ends the conversation; ``agent`` answers each."""
    said = [user.respond("Hello! How can I help you?")]
    while len(said) < most and STOP not in said[-1] and TRANSFER not in said[-1]:
        said.append(user.respond(agent(said[-1])))
    return said


def in_order(*lines: str) -> Callable[[str], str]:
    """An agent that says one line after the other, and the last one forever."""
    left = list(lines)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_it_is_made_of_the_users_side_and_a_seed_only() -> None:
    parameters = inspect.signature(ScriptedUser).parameters
    # From these it knows only the customer's own tools, words and records.
    own = [("devices", "Devices | None"), ("plans", "Plans | None")]
    assert [(p.name, p.annotation) for p in parameters.values()] == [("side", "UserSide"), ("seed", "int"), *own]
    assert list(inspect.signature(Devices).parameters) == ["tools", "language", "at_hand"]
    assert list(inspect.signature(Plans).parameters) == ["domain", "side"]


def test_the_same_seed_says_the_same_and_another_one_something_else() -> None:
    def opening(seed: int) -> str:
        return ScriptedUser(side(), seed).respond("Hello!")

    assert opening(3) == opening(3)
    assert len({opening(seed) for seed in range(20)}) > 2


@pytest.mark.parametrize("style", STYLES)
def test_each_persona_has_words_of_its_own(style: str) -> None:
    mine = {ScriptedUser(side(persona=f"{style}: and so on"), seed).respond("Hello!") for seed in range(30)}
    others = {
        ScriptedUser(side(persona=f"{other}: and so on"), seed).respond("Hello!")
        for other in STYLES
        if other != style
        for seed in range(30)
    }
    assert mine - others
    assert all("I'd like to cancel order #W1." in text for text in mine)


async def test_it_hears_the_agents_last_words_and_not_its_calls() -> None:
    user = ScriptedUser(side(), 0)
    turns = [Turn(seat="agent", role="assistant", content="Hello!")]
    turns.append(await user.reply(turns))
    assert (turns[-1].seat, turns[-1].role) == ("user", "user")
    turns.append(Turn(seat="agent", role="assistant", content="Could you give me your e-mail address?"))
    turns.append(await user.reply(turns))
    assert "a@b.com" in (turns[-1].content or "")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_withheld_fact_is_told_when_it_is_asked_for_and_not_before(seed: int) -> None:
    lines = [
        "What is your e-mail address?",
        "Let me look.",
        "May I ask why you want to cancel it?",
        "Shall I go ahead?",
    ]
    said = talk(ScriptedUser(side(), seed), in_order(*lines, "Your order has been cancelled. Anything else?"))
    assert not any("no longer needed" in text for text in said[:3])
    assert "no longer needed" in said[3]
    assert speech.says_yes(said[4])
    assert said[-1].endswith(STOP)
    assert len(said) == 6


@pytest.mark.parametrize(
    ("asked", "identity", "expected", "absent"),
    [
        ("May I have your e-mail address?", [EMAIL], ["a@b.com"], []),
        ("Could I have your first and last name and your zip code?", NAMES, ["Ada Bly", "12345"], []),
        ("May I have your e-mail address?", NAMES, ["Ada Bly", "12345"], ["@"]),
        ("Could I have your full name and zip code?", [EMAIL], ["a@b.com"], []),
        ("Please verify your identity.", NAMES, ["Ada Bly", "12345"], []),
        ("Your e-mail address, or your full name and zip code?", [EMAIL, *NAMES], ["a@b.com"], ["12345"]),
    ],
)
def test_it_says_who_it_is_by_what_it_has(
    asked: str, identity: list[Fact], expected: list[str], absent: list[str]
) -> None:
    for seed in SEEDS:
        answer = talk(ScriptedUser(side(identity=identity), seed), in_order(asked), most=2)[1]
        assert speech.mentions(answer, expected)
        assert not any(text in answer for text in absent)


def test_a_zip_code_asked_for_later_is_not_its_own() -> None:
    address = Fact(
        slot="address",
        label="new address",
        text="5 Elm Street",
        says=["5 Elm Street"],
        answer="It's 5 Elm Street.",
        cues=["new address"],
        stated=False,
    )
    goal = Goal(request="I'd like to change my address.", facts=[address])
    lines = ["Your full name and zip code, please?", "What is the new address, with city and zip code?"]
    said = talk(ScriptedUser(side(goal, identity=NAMES), 0), in_order(*lines), most=3)
    assert "5 Elm Street" in said[2]
    assert "12345" not in said[2]


# -- any agent -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", SEEDS)
def test_a_stubbornly_vague_agent_is_told_everything_and_left_in_the_end(seed: int) -> None:
    said = talk(ScriptedUser(side(), seed), lambda _: "Could you tell me more about that?")
    assert any("no longer needed" in text for text in said)
    assert not any("no longer needed" in text for text in said[:2])
    assert said[-1].endswith(STOP)
    assert len(said) < 15


@pytest.mark.parametrize("agent", [lambda _: "Okay.", lambda _: "I see.", lambda _: "I'll look into it."])
def test_an_agent_who_never_asks_is_left(agent: Callable[[str], str]) -> None:
    said = talk(ScriptedUser(side(), 1), agent)
    assert said[-1].endswith(STOP)
    assert len(said) < 15


def test_an_agent_who_asks_for_a_yes_for_ever_is_left() -> None:
    said = talk(ScriptedUser(side(), 1), lambda _: "Shall I go ahead with that?")
    assert speech.says_yes(said[1])
    assert said[-1].endswith(STOP)
    assert len(said) < 15


def test_one_who_asks_for_everything_at_once_gets_everything_at_once() -> None:
    text = (
        "Sure! To help you, please provide the following:\n\n"
        "1. **E-mail address**\n2. **Order number**\n3. **Reason** for the cancellation\n\nThanks!"
    )
    answer = talk(ScriptedUser(side(), 0), in_order(text), most=2)[1]
    assert speech.mentions(answer, ["a@b.com", "no longer needed"])


@pytest.mark.parametrize("seed", SEEDS)
def test_one_who_writes_like_a_language_model(seed: int) -> None:
    lines = [
        "I'd be happy to help you with that! Could you please provide your **email address** so I can find you?",
        "Thank you, Ada! I\u2019ve found your account and order #W1. Could you let me know the reason for it?",
        "Here\u2019s what I\u2019ll do:\n\n- **Order:** #W1\n- **Reason:** no longer needed\n- **Refund:** $20.00\n\n"
        "Would you like me to proceed? (yes/no)",
        "\u2705 Order #W1 has been successfully cancelled. You'll see $20.00 in 5-7 days.\n\n"
        "Is there anything else I can help you with today?",
    ]
    said = talk(ScriptedUser(side(), seed), in_order(*lines))
    assert len(said) == 5
    assert "a@b.com" in said[1]
    assert "no longer needed" in said[2]
    assert speech.says_yes(said[3])
    assert said[4].endswith(STOP)


def test_nobody_says_yes_to_a_plan_that_is_not_what_they_want() -> None:
    lines = [
        "Your e-mail?",
        "I'd cancel order #W1, since it was ordered by mistake. Shall I go ahead?",
        "So shall I do that?",
    ]
    said = talk(ScriptedUser(side(), 0), in_order(*lines), most=4)
    assert "no longer needed" in said[2]
    assert not speech.says_yes(said[2])
    assert speech.says_yes(said[3])


# -- plans -------------------------------------------------------------------------------------------------------------
ASKS = "Shall I go ahead?"


async def answer_to(made: Made, task: Task, plan: str) -> str:
    """What the customer says to a plan for their first request, once they have said who they are."""
    user = ScriptedUser(task.user, 0, None, Plans(made.domain, task.user))
    turns = [Turn("agent", "assistant", "Hello!")]
    for text in ("Could you tell me who you are, please?", plan, ""):
        turns.append(await user.reply(turns))
        turns.append(Turn("agent", "assistant", text))
    return turns[-2].content or ""


@pytest.mark.parametrize(
    ("plan", "agrees"),
    [
        ("I'd cancel order {order_id} and refund what was paid.", True),
        ("I can take care of that for you now.", True),
        ("I'd cancel order #W9999999.", False),
        ("I'd cancel order {order_id}, as it was {other_reason}.", False),
        ("I'd change the delivery address of order {order_id} to 7 Elm Street, Boise, ID 83702.", False),
        ("What I can do is return what came with order {order_id}.", False),
    ],
)
async def test_something_else_is_declined_also_before_any_no(shop: Made, plan: str, agrees: bool) -> None:
    task = shop.one(
        "general", lambda t: [c.name for c in t.grader.gold if c.kind == "write"] == ["cancel_pending_order"]
    )
    meant = next(call.arguments for call in task.grader.gold if call.kind == "write")
    reasons = {"no longer needed", "ordered by mistake"} - {meant["reason"]}
    said = await answer_to(shop, task, f"{plan.format(**meant, other_reason=reasons.pop())} {ASKS}")
    assert speech.says_yes(said) is agrees, said
    assert agrees or speech.mentions(said, [meant["order_id"]]) or speech.mentions(said, [meant["reason"]])


async def test_the_experts_own_plans_are_what_they_asked_for(built_in: Made) -> None:
    for task in built_in.verified("general"):
        plan = plan_of(built_in.domain, task, next(call for call in errands_in(task.grader) if call.goal == 0))
        said = await answer_to(built_in, task, f"{plan} {ASKS}")
        assert speech.says_yes(said), (plan, said)


# -- goals one after the other ---------------------------------------------------------------------------------------
def two_goals() -> list[Goal]:
    return [
        Goal(request="I'd like to cancel order #W1.", facts=[order_fact("#W1")], questions=["How much do I get back?"]),
        Goal(request="Please send order #W2 to 5 Elm Street.", facts=[order_fact("#W2")]),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_goals_come_one_by_one_and_questions_are_asked_exactly_once(seed: int) -> None:
    lines = [
        "Your e-mail, please?",
        "Shall I cancel order #W1?",
        "It has been cancelled. You get $12.00 back. Anything else?",
        "Shall I change the address of order #W2?",
        "The address has been changed. Is there anything else?",
    ]
    said = talk(ScriptedUser(side(*two_goals()), seed), in_order(*lines))
    assert [any(number in text for text in said[:3]) for number in ("#W1", "#W2")] == [True, False]
    assert "#W2" in said[3]
    assert sum(text.count("How much do I get back?") for text in said) == 1
    assert said[-1].endswith(STOP)
    assert len(said) == 6


def test_a_question_that_was_not_answered_is_asked_again() -> None:
    lines = [
        "Your e-mail, please?",
        "Shall I cancel it?",
        "It has been cancelled.",
        "You get $12.00 back. Anything else?",
    ]
    said = talk(ScriptedUser(side(two_goals()[0]), 0), in_order(*lines))
    assert sum("How much do I get back?" in text for text in said) == 2
    assert said[-1].endswith(STOP)


@pytest.mark.parametrize("patience", [0, 1, 2])
def test_it_insists_as_often_as_it_has_patience_then_continues(patience: int) -> None:
    no = "I'm sorry, but I can't cancel that order. Would you like me to change the address instead?"
    said = talk(ScriptedUser(side(*two_goals(), patience=patience), 0), in_order("Your e-mail?", no), most=12)
    after = said[2:]
    insisting = [text for text in after if not speech.mentions(text, ["#W2"])][:patience]
    assert len(insisting) == patience
    assert not any(speech.gives_in(text) or speech.says_yes(text) for text in insisting)
    assert speech.mentions(after[patience], ["#W2"])
    assert said[-1].endswith(STOP)


def test_a_hand_over_is_accepted_and_waited_for() -> None:
    lines = [
        "Your e-mail?",
        "I'm sorry, I can't do that. Let me transfer you to a colleague.",
        "You are being transferred now.",
    ]
    said = talk(ScriptedUser(side(), 0), in_order(*lines))
    assert STOP not in said[2]
    assert TRANSFER not in said[2]
    assert said[3].endswith(TRANSFER)


def test_a_hand_over_waits_for_the_other_goals() -> None:
    lines = [
        "Your e-mail?",
        "That's not for me to decide. I'll hand you over to a colleague.",
        "Shall I send order #W2 to 5 Elm Street?",
        "The address has been changed. Anything else?",
        "I'm transferring you to a colleague now.",
    ]
    said = talk(ScriptedUser(side(*two_goals()), 0), in_order(*lines))
    assert "#W2" in said[2]
    assert STOP not in said[4]
    assert said[5].endswith(TRANSFER)


def test_it_does_not_leave_before_what_was_promised() -> None:
    lines = ["Your e-mail?", "Shall I cancel it?", "It has been cancelled. I'll now process the refund.", "All done!"]
    goal = Goal(request="I'd like to cancel order #W1.", facts=[order_fact("#W1")])
    said = talk(ScriptedUser(side(goal), 0), in_order(*lines))
    assert STOP not in said[3]
    assert said[4].endswith(STOP)


# -- changing their mind ---------------------------------------------------------------------------------------------
def changed(trigger: str) -> UserSide:
    change = Change(goal=0, trigger=trigger, request="Please cancel order #W2 instead.", facts=[order_fact("#W2")])
    return side(Goal(request="I'd like to cancel order #W1.", facts=[order_fact("#W1")]), change=change)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_change_comes_when_it_is_asked_to_confirm_and_not_before(seed: int) -> None:
    lines = [
        "Your e-mail?",
        "Which order is it?",
        "Shall I cancel order #W1?",
        "Then shall I cancel order #W2?",
        "Done!",
    ]
    said = talk(ScriptedUser(changed("asked_to_confirm"), seed), in_order(*lines))
    assert not any("#W2" in text for text in said[:3])
    assert "Please cancel order #W2 instead." in said[3]
    assert not speech.says_yes(said[3])
    assert speech.says_yes(said[4])


def test_the_change_comes_with_the_first_reply() -> None:
    said = talk(ScriptedUser(changed("first_reply"), 0), in_order("Your e-mail?", "Which order is it?"), most=3)
    assert "#W2" not in said[0]
    assert speech.mentions(said[1], ["a@b.com", "Please cancel order #W2 instead."])
    assert speech.mentions(said[2], ["#W2"])
    assert "#W1" not in said[2]


def test_it_does_not_agree_to_what_it_no_longer_wants() -> None:
    lines = [
        "Your e-mail?",
        "Shall I cancel order #W1?",
        "So, shall I cancel order #W1?",
        "Order #W1 has been cancelled.",
    ]
    said = talk(ScriptedUser(changed("asked_to_confirm"), 0), in_order(*lines))
    assert not any(speech.says_yes(text) for text in said[2:])
    assert sum("Please cancel order #W2 instead." in text for text in said) == 3
    assert said[-1].endswith(STOP)


def items(*names: str) -> Fact:
    text = " and ".join(f"the {name}" for name in names)
    return Fact(
        slot="item_ids", label="items", text=text, says=list(names), answer=f"It's {text}.", cues=["which items"]
    )


def returning(first: Fact, *changes: Change) -> UserSide:
    """A customer who returns something, and changes their mind at each confirmation."""
    found = side(Goal(request=f"I'd like to return {first.text}.", facts=[first]))
    return found.model_copy(update=dict(zip(("change", "second_change"), changes, strict=False)))


ADDS_LAMP = Change(
    goal=0, trigger="asked_to_confirm", request="And the lamp as well.", facts=[items("chair", "lamp")], part="added"
)
LEAVES_RUG = Change(
    goal=0,
    trigger="asked_to_confirm",
    request="Only the chair after all. Leave out the rug.",
    facts=[items("chair")],
    part="taken back",
)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_added_has_to_be_in_the_next_plan(seed: int) -> None:
    lines = [
        "Shall I return the chair?",
        "So I return the chair. Shall I go ahead?",
        "I return the chair and the lamp. Shall I go ahead?",
        "Done!",
    ]
    said = talk(ScriptedUser(returning(items("chair"), ADDS_LAMP), seed), in_order(*lines))
    assert "And the lamp as well." in said[1]
    assert "the chair and the lamp" in said[2]
    assert not speech.says_yes(said[1])
    assert not speech.says_yes(said[2])
    assert speech.says_yes(said[3])


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_taken_back_must_not_be_in_the_next_plan_unless_it_stays(seed: int) -> None:
    lines = [
        "Shall I return the chair and the rug?",
        "So I return the chair and the rug. Shall I go ahead?",
        "I return the chair. You keep the rug. Shall I go ahead?",
        "Done!",
    ]
    said = talk(ScriptedUser(returning(items("chair", "rug"), LEAVES_RUG), seed), in_order(*lines))
    assert LEAVES_RUG.request in said[1]
    assert not speech.says_yes(said[2])
    assert speech.says_yes(said[3])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_second_change_waits_for_a_plan_of_the_first(seed: int) -> None:
    bowl = Change(goal=0, trigger="asked_to_confirm", request="Make it the bowl instead.", facts=[items("bowl")])
    lines = [
        "Shall I return the chair?",
        "So I return the chair. Shall I go ahead?",
        "One moment, please.",
        "I return the chair and the lamp. Shall I go ahead?",
        "I return the bowl. Shall I go ahead?",
        "Done!",
    ]
    said = talk(ScriptedUser(returning(items("chair"), ADDS_LAMP, bowl), seed), in_order(*lines))
    assert [place for place, text in enumerate(said) if bowl.request in text] == [4]
    assert not any(speech.says_yes(text) for text in said[:5])
    assert speech.says_yes(said[5])
    assert said[6].endswith(STOP)


# -- what it writes --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", SEEDS)
def test_its_messages_read_well_and_hold_no_instructions(style: str, seed: int) -> None:
    for task in tasks().values():
        user = task.user.model_copy(update={"persona": f"{style}: something"})
        lines = [
            "What is your e-mail address, or your full name and zip code?",
            "Which order is it, which items, which version would you like, and which payment method should I use?",
            "Shall I go ahead?",
            "I'm sorry, I can't do that.",
            "It has been done. Is there anything else?",
        ]
        said = talk(ScriptedUser(user, seed), in_order(*lines))
        turns = [
            turn
            for text, line in zip(said, ["Hello!", *lines, *lines * 6], strict=False)
            for turn in (Turn("agent", "assistant", line), Turn("user", "user", text))
        ]
        assert not set(user_faults(turns, user)) - {"repeats"}
        for text in said:
            assert text.strip()
            assert not re.search(r"\.\.|[?!]\.| [,.?!]|  |\{|\}|\b(\w+) \1\b", text), text
            assert text[0].isupper() or "@" in text.split()[0], text


# -- words that fit what they answer -----------------------------------------------------------------------------------
ASSENT = re.compile(r"(?:oh, |ah, |yes, )?(?:sure|of course|certainly|gladly|yes|okay|with pleasure)\b", re.I)


@pytest.mark.parametrize("style", STYLES)
def test_of_course_is_an_answer_to_a_favour_and_not_to_which(style: str) -> None:
    def answers(question: str) -> list[str]:
        people = [ScriptedUser(side(persona=f"{style}: and so on"), seed) for seed in range(40)]
        return [talk(user, in_order(question), most=2)[1] for user in people]

    assert not [said for said in answers("What is the reason?") if ASSENT.match(said)]
    asked = [said for said in answers("Could you tell me the reason?") if "no longer needed" in said]
    assert len(asked) == 40


def test_a_slip_beside_an_answer_is_one_in_the_request() -> None:
    """An e-mail address is not taken back by what follows it."""
    change = Change(goal=0, trigger="first_reply", request="It's order #W2.", facts=[order_fact("#W2")], slip=True)
    for seed in SEEDS:
        said = talk(ScriptedUser(side(change=change), seed), in_order("May I have your e-mail address?"), most=2)[1]
        between = said[said.index("a@b.com") : said.index("It's order #W2.")]
        assert re.search(r"request|asked for|wrote before", between), said


def test_who_is_refused_for_a_fact_doubts_it_and_asks_for_no_exception() -> None:
    no = "I'm sorry, I can't do that. It is sold out."
    pleads, doubts = side(), side().model_copy(update={"pleads": False})
    asked = [{talk(ScriptedUser(who, seed), in_order(no), most=2)[1] for seed in range(40)} for who in (pleads, doubts)]
    assert any("exception" in said for said in asked[0])
    assert not [said for said in asked[1] if re.search(r"exception|just this once|way|anything you can", said)]
