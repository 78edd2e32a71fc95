"""Speech acts are distinguished in what scripted speakers and language models write."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.core import speech_acts as speech
from t2t_dist.environments.language import Language
from t2t_dist.environments.registry import BUILT_IN, load
from t2t_dist.simulation.scripted.phrases import STYLES, agent_acts, user_acts

CASES: dict[Callable[[str], bool], tuple[list[str], list[str]]] = {
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
        ],
        [
            "Which payment method should I use?",
            "Please confirm your e-mail address.",
            "Could you confirm which order you mean?",
            "Would you like me to help with anything else?",
            "Would you like me to transfer you to a human agent?",
            "May I ask why you'd like to cancel it?",
            "I can confirm that your order has been cancelled.",
            "Where should the refund go: the PayPal account or the gift card?",
            "Should I look that up for you?",
            "How can I help you today?",
            "What should it be instead? I can offer the red one.",
        ],
    ),
    speech.refuses: (
        [
            "I'm sorry, but I can't cancel it.",
            "Unfortunately, this order has already been shipped.",
            "That isn't possible.",
            "Our policy does not allow returns after 30 days.",
            "I am **unable** to process that.",
            "I\u2019m afraid that version is out of stock.",
        ],
        [
            "I'm sorry to hear that.",
            "I can't find an account with that e-mail.",
            "This can't be undone. Shall I proceed?",
            "I can't do that without your confirmation.",
            "Sorry for the wait.",
            "The items of an order can be changed only once.",
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
        ],
        [
            "I've found your account.",
            "Your order has been shipped.",
            "Once the order has been cancelled, you get an e-mail.",
            "It has already been modified once.",
            "I'll cancel it now.",
            "Unfortunately, the items have been modified, so I can't.",
            "I have two options for you.",
            "Thank you, your identity has been verified.",
            "The order hasn't been cancelled.",
        ],
    ),
    speech.offers_more: (
        ["Is there anything else I can help you with?", "What else can I do for you?", "Any other questions?"],
        ["How can I help you today?", "Shall I go ahead?"],
    ),
    speech.hands_over: (
        [
            "You're being transferred to a human agent now. Goodbye!",
            "YOU ARE BEING TRANSFERRED TO A HUMAN AGENT. PLEASE HOLD ON.",
            "I'm transferring you to a specialist.",
            "I have handed your case over to a colleague.",
        ],
        [
            "Let me transfer you.",
            "Would you like me to transfer you?",
            "I can't transfer you.",
            "The payment has been transferred to your card.",
        ],
    ),
    speech.announces_hand_over: (
        [
            "Let me transfer you.",
            "It is too much, so I'll hand you over to a colleague.",
            "Shall I transfer you to a human?",
        ],
        ["I can't transfer you.", "I'll transfer the payment to your card."],
    ),
    speech.promises_write: (
        ["I'll now process the return.", "I will go ahead and cancel it.", "Let me process that for you."],
        [
            "I'll look that up.",
            "I'll now look up your order.",
            "Shall I cancel it?",
            "Once you confirm, I'll cancel it.",
        ],
    ),
    speech.says_yes: (
        [
            "Yes.",
            "Sure, do it.",
            "That's right, please.",
            "Sounds good to me.",
            "Yes, please cancel it, it's no longer needed.",
            "Perfect, thanks, go ahead",
        ],
        [
            "No.",
            "Wait, actually I'd rather return it.",
            "Yes, but actually use PayPal.",
            "Hold on, I changed my mind.",
            "Not quite: it's the red one.",
            "What is the amount?",
        ],
    ),
    speech.gives_in: (
        ["All right, I understand.", "Fine, leave it.", "No, that's all, thanks.", "Never mind. Bye!"],
        [
            "Is there really no way?",
            "I understand your rules, but could you make an exception?",
            "I'd like to cancel it.",
        ],
    ),
}


@pytest.mark.parametrize(
    ("act", "text", "expected"),
    [
        (act, text, yes)
        for act, cases in CASES.items()
        for yes, texts in zip((True, False), cases, strict=False)
        for text in texts
    ],
)
def test_act_is_recognised(act: Callable[[str], bool], text: str, expected: bool) -> None:
    assert act(text) is expected


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


def test_the_words_of_the_speakers_are_understood() -> None:
    agent = {act: [text.replace("{", "").replace("}", "") for text in texts] for act, texts in agent_acts().items()}
    for act, recognise in (
        ("confirm", speech.asks_to_confirm),
        ("confirm_again", speech.asks_to_confirm),
        ("more", speech.offers_more),
        ("done", speech.reports_done),
        ("refuse", speech.refuses),
        ("stand_firm", speech.refuses),
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
            assert speech.says_yes(text), (style, text)
        for act in ("change", "correct", "insist", "stick", "object", "decline"):
            for text in acts[act]:
                assert not speech.says_yes(text), (style, act, text)
        for text in acts["insist"]:
            assert not speech.gives_in(text), (style, text)
        for act in ("give_in", "bye", "bye_refused"):
            for text in acts[act]:
                assert speech.gives_in(text), (style, act, text)


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


@pytest.mark.parametrize(
    "text", ["please let me know if " * 50_000, "\ufdfa" * 1_000_000, "transfer you\nto a " * 60_000]
)
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
