"""Speech acts are distinguished in what scripted speakers and language models write."""

from __future__ import annotations

import random
import re
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.core import speech_acts as speech
from t2t_dist.environments.language import Language
from t2t_dist.environments.registry import BUILT_IN, load
from t2t_dist.simulation.scripted.phrases import STYLES, agent_acts, user_acts

#: Act -> texts that perform it, that don't, and of which the words don't say.
CASES: dict[Callable[[str], bool | None], tuple[list[str], list[str], list[str]]] = {
    speech.asks_to_confirm: (
        [
            "Shall I go ahead?",
            "So order #W1 would be cancelled. Is that all right with you?",
            "Would you like me to proceed? (yes/no)",
            "Please confirm that you'd like me to cancel the order.",
            "To proceed, please reply with \u201cyes\u201d.",
            "Does that look right?",
            "Before I do that, could you please confirm?",
            "Here is the plan:\n- **Order**: #W1\n- Refund: $12\n\nDo you confirm these changes?",
            "Let me know if you'd like me to proceed.",
            "I'll need your explicit confirmation before I make the change.",
            "I will cancel order #W1 for $20, OK?",
            "Please confirm the details above.",
            "Would you like to go ahead with the return?",
            "The seat is $12. Want me to book it?",
            "Once you say yes, the line is suspended.",
            "You want the blue one, in size M?",
            "Should the old card be taken off as well?",
            "I'm ready to submit it, I only need your okay.",
            "Type CONFIRM and I'll send it.",
        ],
        [
            "Which payment method should I use?",
            "Please confirm your e-mail address.",
            "Could you confirm which order you mean?",
            "Would you like me to help with anything else?",
            "Would you like me to transfer you to a human agent?",
            "Transfer to a person? Y/N",
            "May I ask why you'd like to cancel it?",
            "I can confirm that your order has been cancelled.",
            "Should I look that up for you?",
            "How can I help you today?",
            "What should it be instead? I can offer the red one.",
            "Your supervisor said yes to it.",
            "No need to confirm anything.",
            "Give me a tick, okay?",
            "Please answer with yes or no: are you the account holder?",
        ],
        [
            "Where should the refund go: the PayPal account or the gift card?",
            "Should I charge the Visa or the PayPal account?",
        ],
    ),
    speech.refuses: (
        [
            "I'm sorry, but I can't cancel it.",
            "Unfortunately, this order has already been shipped.",
            "That isn't possible.",
            "Our policy does not allow returns after 30 days.",
            "Our policy only allows returns within 30 days, so I can't take it back.",
            "I am **unable** to process that.",
            "I\u2019m afraid that version is out of stock.",
            "I have declined it.",
            "Your claim was declined.",
            "An exchange won't be possible.",
            "That is not something I can do.",
            "I'm not allowed to waive that.",
            "The name can no longer be changed.",
            "It's out of the question.",
            "There is nothing more I can do.",
            "I'm sorry, it's too early for that.",
            "I must decline to share that.",
        ],
        [
            "I'm sorry to hear that.",
            "I'm so sorry for your loss.",
            "I can't find an account with that e-mail.",
            "This can't be undone. Shall I proceed?",
            "I can't do that without your confirmation.",
            "Sorry for the wait.",
            "You don't have to do anything.",
            "Don't worry, nothing has been changed.",
            "Can't you see it?",
            "No problem at all, thank you!",
            "Please read the status bar of the phone to me.",
            "You won't be charged for it, thanks.",
        ],
        [
            "Sundays are a day of rest for our couriers.",
            "One pet per room.",
            "The items of an order can be changed only once.",
            "Cheques are a thing of the past.",
        ],
    ),
    speech.reports_done: (
        [
            "Order #W1 has been cancelled.",
            "I've cancelled it for you.",
            "The cancellation went through.",
            "I have successfully updated your address.",
            "\u2705 Done!",
            "Order #W1 is now paid with the PayPal account.",
            "You're all set.",
            "I have made the change.",
            "We've gone ahead and issued the refund.",
            "Booking confirmed.",
            "Insurance: removed.",
            "I just switched it off.",
        ],
        [
            "I've found your account.",
            "Once the order has been cancelled, you get an e-mail.",
            "I'll cancel it now.",
            "Unfortunately, the items have been modified, so I can't.",
            "I have two options for you.",
            "Thank you, your identity has been verified.",
            "The order hasn't been cancelled.",
            "I have declined it.",
            "Has it been cancelled?",
            "If you return it, it will be refunded.",
            "It would have been cancelled.",
            'My colleague told you "I\'ve waived the fee".',
            "I've transferred you to a colleague.",
            "I've taken a look at it.",
            "You had cancelled it yourself.",
        ],
        [
            "Your order has been shipped.",
            "It has already been modified once.",
            "The line is suspended.",
            "There, gone!",
        ],
    ),
    speech.offers_more: (
        [
            "Is there anything else I can help you with?",
            "What else can I do for you?",
            "Any other questions?",
            "If you need any further assistance, feel free to ask!",
            "Should anything come up later, we'll be right here.",
            "Will that be all?",
        ],
        ["How can I help you today?", "Shall I go ahead?", "Nothing else is missing."],
        ["Do you need help with it?", "What else is broken, the lid?"],
    ),
    speech.hands_over: (
        [
            "You're being transferred to a human agent now. Goodbye!",
            "YOU ARE BEING TRANSFERRED TO A HUMAN AGENT. PLEASE HOLD ON.",
            "I'm transferring you to a specialist.",
            "I have handed your case over to a colleague.",
            "Passing you over to Miriam from billing now.",
            "I'm putting you straight through to our fraud team.",
        ],
        [
            "Would you like me to transfer you?",
            "I can't transfer you.",
            "The payment has been transferred to your card.",
            "I could transfer you to a colleague.",
            "If you like, I'll put you through to a colleague.",
            "My colleague transferred you to me.",
        ],
        [
            "I'll transfer you to a colleague now.",
            "So I'll hand you over to a colleague.",
            "Next in the queue: a live agent.",
        ],
    ),
    speech.announces_hand_over: (
        [
            "Let me transfer you.",
            "It is too much, so I'll hand you over to a colleague.",
            "Shall I transfer you to a human?",
            "Would you like to speak with a human agent?",
        ],
        ["I can't transfer you.", "I'll transfer the payment to your card.", "I've switched you to paperless."],
        ["A specialist decides on that."],
    ),
    speech.promises_write: (
        [
            "I'll now process the return.",
            "I will go ahead and cancel it.",
            "Let me process that for you.",
            "I'm cancelling it for you right now.",
            "Moving it to the 22nd, hang tight.",
            "Let me get that refund issued for you.",
        ],
        [
            "I'll look that up.",
            "I'll now look up your order.",
            "Shall I cancel it?",
            "Once you confirm, I'll cancel it.",
            "I'll cancel it, is that okay?",
            "I won't cancel it.",
            "I'll send you an e-mail tomorrow.",
            "I'll raise this with our team.",
            "I'll transfer you to a colleague.",
        ],
        ["Cancelling both lines."],
    ),
    speech.says_yes: (
        [
            "Yes.",
            "Sure, do it.",
            "That's right, please.",
            "Sounds good to me.",
            "Yes, please cancel it, it's no longer needed.",
            "Perfect, thanks, go ahead",
            "By all means.",
            "No problem, go for it.",
            "Yes, cancel it. How much will I get?",
            "\U0001f44d",
        ],
        [
            "No.",
            "Wait, actually I'd rather return it.",
            "Hold on, I changed my mind.",
            "Not quite: it's the red one.",
            "What is the amount?",
            "I don't agree.",
            "Absolutely not.",
            "Please don't.",
            "Hm, that isn't what I said. It's about order #W1.",
        ],
        ["Yes, but actually use PayPal.", "Sure, it's a.b@c.example.", "Okay thanks, I'll wait.", "Remove it."],
    ),
    speech.gives_in: (
        [
            "All right, I understand.",
            "Fine, leave it.",
            "Never mind. Bye!",
            "I accept your decision.",
            "No worries, thanks for trying!",
        ],
        [
            "Is there really no way?",
            "I'd like to cancel it.",
            "Look again.",
            "I do not accept this.",
            "Can't you make an exception?",
        ],
        ["ugh whatever, keep the money", "I understand your rules, but could you help me?"],
    ),
}


@pytest.mark.parametrize(
    ("act", "text", "expected"),
    [
        (act, text, sign)
        for act, cases in CASES.items()
        for sign, texts in zip((True, False, None), cases, strict=True)
        for text in texts
    ],
)
def test_act_is_recognised(act: Callable[[str], bool | None], text: str, expected: bool | None) -> None:
    assert act(text) is expected


@pytest.mark.parametrize("act", CASES)
def test_case_and_typography_change_nothing(act: Callable[[str], bool | None]) -> None:
    for texts in CASES[act]:
        for text in texts:
            assert act(text.upper()) is act(text), text
            assert act(text.replace("'", "\u2019").replace(" ", "  ")) is act(text), text


#: Base and participle of what companies do, in no domain of ours.
DEEDS = st.sampled_from(
    [("unblock", "unblocked"), ("reinstate", "reinstated"), ("reroute", "rerouted"), ("postpone", "postponed"),
     ("void", "voided"), ("freeze", "frozen"), ("rename", "renamed"), ("halve", "halved"), ("withdraw", "withdrawn")]
)  # fmt: skip
THINGS = st.sampled_from(["it", "your subscription", "both lines", "the parcel", "order 88-104"])


@given(DEEDS, THINGS, st.sampled_from(["now", "immediately", ""]))
def test_who_does_what_when_decides_the_act(deed: tuple[str, str], thing: str, when: str) -> None:
    do, done = deed
    said = {
        f"I can't {do} {thing}.": speech.refuses,
        f"We're not able to {do} {thing}, unfortunately.": speech.refuses,
        f"I've {done} {thing}.": speech.reports_done,
        f"I will {do} {thing} {when}.": speech.promises_write,
        f"Shall I {do} {thing} {when}?": speech.asks_to_confirm,
        f"Would you like me to {do} {thing}?": speech.asks_to_confirm,
    }
    acts = {speech.refuses, speech.reports_done, speech.promises_write, speech.asks_to_confirm}
    for text, act in said.items():
        assert act(text) is True, text
        assert not any(other(text) for other in acts - {act}), text
    for nothing in (f"I haven't {done} {thing}.", f"If I had {done} {thing}, you'd know.", f"Had you {done} {thing}?"):
        assert not any(act(nothing) for act in acts), nothing


@pytest.mark.parametrize(
    ("before", "text", "agrees", "gives_in"),
    [
        ("Shall I cancel it?", "Yes, I am sure.", True, False),
        ("Are you the account holder?", "Yes, I am.", False, False),
        ("Please wait a moment.", "Okay.", None, None),
        ("I'm sorry, I can't do that.", "Okay.", None, True),
        ("Shall I book it?", "No, thanks.", False, False),
        ("Is there anything else?", "No, thanks.", False, True),
    ],
)
def test_an_answer_is_to_what_was_asked(before: str, text: str, agrees: bool | None, gives_in: bool | None) -> None:
    assert speech.says_yes(text, before) is agrees
    assert speech.gives_in(text, before) is gives_in


@pytest.mark.parametrize(
    ("text", "cues", "expected"),
    [
        ("What's your zip code?", ["zip"], True),
        ("Please provide:\n- Full name\n- Zip code", ["zip"], True),
        ("To find you I'll need the following:\n1. **E-mail**\n2. **ZIP code**\n\nThanks!", ["zip"], True),
        ("Your zip?", ["zip"], True),
        ("The order number, please.", ["order number"], True),
        ("I see two payment methods:\n- Visa\n- PayPal\n\nWhich one would you like to use?", ["payment method"], True),
        ("Your zip code is 12345.", ["zip"], False),
        ("I've changed the zip code. Anything else?", ["zip"], False),
        ("Have you unzipped it?", ["zip"], False),
        ("Which one?", [], False),
    ],
)
def test_asking_for_something(text: str, cues: list[str], expected: bool) -> None:
    assert speech.asks_for(text, cues) is expected


@pytest.mark.parametrize(
    ("text", "says", "expected"),
    [
        ("Order #W123, please", ["#W123"], True),
        ("Order #W1234, please", ["#W123"], False),
        ("the 1.5 liters one", ["5 liters"], False),
        ("the 5 liters one", ["5 liters"], True),
        ("10,000 mAh", ["000 mAh"], False),
        ("the **Wall  Clock**,\nplease", ["wall clock"], True),
        ("a 20 \u00d7 30 cm one", ["20 x 30 cm"], True),
        ("it\u2019s no longer needed", ["it's no longer needed"], True),
        ("a.b@x.com", ["b@x.com"], False),
        ("My mail is b@x.com.", ["b@x.com"], True),
        ("the lamp", ["lamp", "rug"], False),
        ("anything", [], True),
    ],
)
def test_mentions(text: str, says: list[str], expected: bool) -> None:
    assert speech.mentions(text, says) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("May 6, 1980", True),
        ("I was born on may 6th 1980.", True),
        ("the 6th of May, 1980", True),
        ("6 May 1980", True),
        ("05/06/1980", True),
        ("1980-05-06", True),
        ("May 16, 1980", False),
        ("May 6, 1981", False),
        ("5/6/19801", False),
        ("May 6", False),
    ],
)
def test_a_date_is_found_as_people_write_it(text: str, expected: bool) -> None:
    assert speech.mentions(text, ["1980-05-06"]) is expected


words = st.text("abcxyz019", min_size=1, max_size=6)


@given(st.lists(words, min_size=1, max_size=8), st.data())
def test_a_run_of_words_is_mentioned_and_a_part_of_a_word_is_not(body: list[str], data: st.DataObject) -> None:
    text = " ".join(body)
    start = data.draw(st.integers(0, len(body) - 1))
    end = data.draw(st.integers(start + 1, len(body)))
    assert speech.mentions(f"So: {text.upper()}!", [" ".join(body[start:end])])
    piece = body[start][:-1]
    assert speech.mentions(text, [piece]) is (not piece or piece in body)


@given(st.integers(0, 10**7), st.integers(0, 99))
def test_a_number_is_said_in_any_spelling_and_never_as_a_part(dollars: int, cents: int) -> None:
    wanted = f"{dollars}.{cents:02}"
    for said in (wanted, f"${dollars:,}.{cents:02}", f"**${wanted}**.", f"{wanted} USD"):
        assert speech.says_number(f"You get {said}", wanted)
    assert speech.says_number(f"It is ${(100 * dollars + cents) / 100:,}, fine", wanted)
    for other in (f"1{wanted}", f"{wanted}1", f"#W{wanted}", f"{dollars}.{cents:02}.1"):
        assert not speech.says_number(f"You get {other}", wanted)


def test_a_minus_counts_only_when_it_is_wanted() -> None:
    assert speech.says_number("-$5.00", "-5")
    assert not speech.says_number("$5.00", "-5")
    assert speech.says_number("a refund of -$5.00", "5.00")


@pytest.mark.parametrize("domain", BUILT_IN)
def test_the_words_of_a_domain_are_understood(domain: str) -> None:
    """Whatever language.yaml gives a speaker to say is recognised as what it is."""
    language = load(domain, 0, 0.05).language
    slots = {(tool, slot): words for tool, t in language.tools.items() for slot, words in t.slots.items()}
    slots |= {("", slot): words for slot, words in language.slots.items()}
    for (tool, slot), words in slots.items():
        for text in words.ask:
            asked = text.format(options="this one or that one")
            # One that lists the options is understood by what it lists.
            assert "{options}" in text or speech.asks_for(asked, words.cues), (tool, slot, asked)
            assert not speech.asks_to_confirm(asked), (tool, slot, asked)
    for words in language.identity.values():
        for text in words.ask:
            assert speech.asks_for(text, words.cues), text
    for name, tool_words in language.tools.items():
        for text in tool_words.done:
            assert speech.reports_done(text), (name, text)
            assert not speech.refuses(text), (name, text)
        for text in tool_words.plan:
            assert not any(act(text) for act in (speech.refuses, speech.reports_done, speech.offers_more)), (name, text)
    for rule, texts in language.refusals.items():
        for text in texts:
            said = text.format(reason="it is not on your account", Reason="It is not on your account")
            assert speech.refuses(said) or speech.announces_hand_over(said), (rule, text)
            assert not speech.asks_to_confirm(said), (rule, text)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_yes_to_any_plan_is_understood_and_a_question_beside_it_takes_nothing_back(name: str) -> None:
    tools, rng = load(name).language.tools.values(), random.Random(7)
    confirm, plans = agent_acts()["confirm"], [text for tool in tools for text in tool.plan]
    customers = [user_acts(style) for style in STYLES]
    yeses = sorted({text for acts in customers for text in acts["agree"]})
    beside = sorted({text for acts in customers for text in acts["ask_to_be_sure"]})
    questions = sorted({text for tool in tools for tell in tool.tell for text in tell.ask})
    for plan in plans:
        planned = re.sub(r"\{[^}]*\}", "9", plan)
        for ask in confirm:
            assert speech.asks_to_confirm(f"{planned} {ask}"), (plan, ask)
            yes, and_asks = rng.choice(yeses), rng.choice(beside).format(questions=rng.choice(questions))
            assert speech.says_yes(yes, f"{planned} {ask}"), (yes, plan, ask)
            assert speech.says_yes(f"{yes} {and_asks}", f"{planned} {ask}"), (yes, and_asks, plan, ask)
    no = rng.choice(questions)
    assert not speech.says_yes(f"No, thanks. {no}", f"{planned} {ask}")
    assert not speech.says_yes(f"Yes. {no} Could you make it the other one instead?", f"{planned} {ask}")


@pytest.mark.parametrize("name", ["airline", "telecom"])
def test_what_a_domain_says_of_changes_and_rules_is_understood(name: str) -> None:
    language = load(name).language
    for tool in language.tools.values():
        for text in tool.done:
            assert speech.reports_done(text) is not False, text
            assert not speech.refuses(text), text
        for text in tool.plan:
            assert not any(act(text) for act in (speech.refuses, speech.reports_done, speech.offers_more)), text
            assert speech.asks_to_confirm(f"{text} Shall I go ahead?"), text
    for texts in language.refusals.values():
        for text in texts:
            said = text.format(reason="it is not on your account", Reason="It is not on your account")
            assert speech.refuses(said) or speech.announces_hand_over(said), text


def test_the_words_of_the_speakers_are_understood() -> None:
    agent = {act: [text.replace("{", "").replace("}", "") for text in texts] for act, texts in agent_acts().items()}
    for act, recognise in (
        ("confirm", speech.asks_to_confirm),
        ("confirm_again", speech.asks_to_confirm),
        ("more", speech.offers_more),
        ("done", speech.reports_done),
        ("refuse", speech.refuses),
        ("stand_firm", speech.refuses),
        ("no_exception", speech.refuses),
        ("sure", speech.refuses),
        ("hand_over", speech.announces_hand_over),
        ("handed_over", speech.hands_over),
    ):
        for text in agent[act]:
            assert recognise(text), (act, text)
    for text in [*agent["more"], *agent["noted"], *agent["changed"], *agent["bye"]]:
        assert not any(act(text) for act in (speech.asks_to_confirm, speech.refuses, speech.reports_done)), text
    for style in STYLES:
        acts = user_acts(f"{style}: writes like this")
        for text in acts["agree"]:
            assert speech.says_yes(text, "Shall I go ahead?"), (style, text)
        for act in (
            "change",
            "change_too",
            "slip",
            "slip_too",
            "correct",
            "insist",
            "doubt",
            "stick",
            "object",
            "decline",
        ):
            for text in acts[act]:
                assert not speech.says_yes(text), (style, act, text)
        for text in [*acts["insist"], *acts["doubt"]]:
            assert not speech.gives_in(text), (style, text)
        no = agent["refuse"][0]
        for act, before in (("give_in", no), ("bye", f"{no} {agent['more'][0]}"), ("bye_refused", no)):
            for text in acts[act]:
                assert speech.gives_in(text, before), (style, act, text)


#: Each function of one text: those that remember results, and those that call them.
OF_A_TEXT: list[Callable[[str], object]] = [
    *(getattr(speech, name) for name in speech.__all__ if name not in ("asks_for", "mentions", "says_number")),
    lambda text: speech.asks_for(text, ["zip"]),
    lambda text: speech.mentions(text, ["zip"]),
    lambda text: speech.says_number(text, "7"),
    lambda name: Language().tool(name),
    lambda name: Language().slot("renew_loan", name),
]


def test_long_texts_are_not_kept() -> None:
    def read(length: int) -> None:
        for number in range(8):
            for function in OF_A_TEXT:
                function(f"{number} letters " * (length // 10))

    read(20)  # what is made once
    tracemalloc.start()
    read(10_000)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 8 * 10_000


LONG = {
    "one phrase": "please let me know if " * 50_000,
    "one word": "a" * 1_000_000,
    "expanding": "\ufdfa" * 1_000_000,
    "lines": "transfer you\nto a " * 60_000,
    "clauses": "i can, " * 150_000,
    "sentences": "okay? " * 170_000,
    "adverbs": "i have now just also " * 50_000,
    "openings": "would you like me to now please then " * 30_000,
    "quotes": '"a b ' * 200_000,
    "brackets": "(" * 1_000_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_long_text_is_judged(text: str) -> None:
    """A pattern that backtracks without end would never come back."""
    for act in CASES:
        assert act(text) in (True, False, None)


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_what_is_read_of_a_text_is_bounded(text: str) -> None:
    assert len(speech.normalised(text)) <= 150_000
    read = speech.sentences(text)
    assert max(len(sentence.text) for sentence in read) <= 1_000
    assert sum(len(sentence.text) for sentence in read) <= 150_000


def test_a_long_text_is_read_at_its_start_and_at_its_end() -> None:
    text = "Your total is $7.50. " + "Hm. " * 100_000 + "Shall I cancel order #W1? It is for \ufdfa, I hear."
    assert speech.says_number(text, "7.5")
    assert speech.mentions(text, ["#W1", "\ufdfa"])
    assert speech.asks_to_confirm(text)


def test_a_question_of_many_words_asks_from_its_first() -> None:
    assert speech.asks_for("Which zip code, " + "I need it, " * 200 + "do you have?", ["zip"])


def test_who_has_added_figures_up_has_changed_nothing() -> None:
    assert not speech.reports_done("I've added it up: 2 + 0 = 2. Your loans were renewed 2 times.")
    assert not speech.promises_write("I'll add it up.")
    assert speech.reports_done("I've added it to your order.")
