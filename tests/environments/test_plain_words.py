"""Sentences made from names: what a domain without words of its own says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.core.speech_acts import asks_for, mentions
from t2t_dist.environments.language import Language
from t2t_dist.environments.plain_words import deed, ing_form, label_of_type, named, noun_of, past_form, words_of

NAMES = st.from_regex(
    r"[a-z]{1,9}(_[a-z]{1,9}){0,4}|[a-z]{2,6}[A-Z][a-z]{2,6}|[a-z]{2,5}\.[a-z]{2,5}-[a-z]{2,5}", fullmatch=True
)


@pytest.mark.parametrize(
    ("name", "said", "request_", "details"),
    [
        ("renew_loan", {"loan_id": "L-12"}, "renew loan L-12", ""),
        ("renew_loan", {}, "renew my loan", ""),
        ("move_booking", {"booking_id": "booking 1", "day": "Friday"}, "move booking 1", "The day should be Friday."),
        ("return_item", {"item_id": "the Desk Lamp"}, "return the Desk Lamp", ""),
        ("exchange_items", {"item_ids": "A1 and B2", "reason": "x"}, "exchange items A1 and B2", "The reason is x."),
        ("move_pickup", {"loan_id": "L-1", "to": "Hill"}, "move my pickup to Hill", "It's about loan L-1."),
        ("add_item_to_order", {"order_id": "O-2", "item_id": "I-1"}, "add item I-1 to order O-2", ""),
        ("change_plan", {"line_id": "L-1", "plan_id": "P-2"}, "change my plan",
         "It's about line L-1, and the plan should be P-2."),
        ("add_lights", {"booking_id": "booking B-1"}, "add lights", "It's about booking B-1."),
        ("waive_fine", {"loan_id": "L-1"}, "waive my fine", "It's about loan L-1."),
        ("refund", {"order_id": "#W1"}, "arrange a refund", "It's about order #W1."),
        ("unsubscribe", {}, "unsubscribe me", ""),
        ("pay", {"invoice_id": "I-7"}, "pay invoice I-7", ""),
        ("update_user_address", {"address": "1 Elm St"}, "update my address", "The address should be 1 Elm St."),
        ("update_user", {}, "update my account", ""),
        ("enable_roaming", {}, "enable roaming", ""),
        ("book_appointment", {}, "book an appointment", ""),
        ("turn_on_light", {}, "turn on my light", ""),
        ("cancelAllBookings", {}, "cancel all my bookings", ""),
        ("notes.create-note", {}, "create a note", ""),
        ("seat_upgrade", {}, "arrange a seat upgrade", ""),
    ],
)  # fmt: skip
def test_a_call_is_said_as_a_customer_says_it(name: str, said: dict[str, str], request_: str, details: str) -> None:
    found = deed(name, said, "my")
    assert (found.do, found.details) == (request_, details)


def test_the_agent_says_how_it_will_be() -> None:
    said = {"line_id": "L-1", "plan_id": "P-2"}
    assert deed("change_plan", said, "your").details == "It's about line L-1, and the plan will be P-2."


@pytest.mark.parametrize(
    ("verb", "doing", "done"),
    [
        ("move", "moving", "moved"), ("cancel", "cancelling", "cancelled"), ("set", "setting", "set"),
        ("stop", "stopping", "stopped"), ("apply", "applying", "applied"), ("pay", "paying", "paid"),
        ("open", "opening", "opened"), ("send", "sending", "sent"), ("free", "freeing", "freed"),
        ("tie", "tying", "tied"), ("book", "booking", "booked"), ("add", "adding", "added"), ("fix", "fixing", "fixed"),
    ],
)  # fmt: skip
def test_forms_of_a_verb(verb: str, doing: str, done: str) -> None:
    assert (ing_form(verb), past_form(verb)) == (doing, done)


def test_a_value_is_named_once() -> None:
    assert named("loan", "L-12") == "loan L-12"
    assert named("booking", "booking B-12") == "booking B-12"
    assert named("items", "item A and item B") == "item A and item B"
    assert named("item", "the Desk Lamp") == "the Desk Lamp"
    assert named("branch", "Hill") == "Hill"
    assert label_of_type("CardNumber") == "card number"
    assert label_of_type("UserId") == "user ID"


@given(
    NAMES,
    st.dictionaries(
        NAMES, st.from_regex(r"[A-Z]-[0-9]{1,4}|[A-Z][a-z]{2,8}( [A-Z][a-z]{2,8})?", fullmatch=True), max_size=4
    ),
)
def test_whatever_the_names_are_every_value_is_said_and_no_name_is_left_raw(name: str, said: dict[str, str]) -> None:
    language = Language()
    for whose in ("my", "your", "a"):
        fields = language.plainly(name, said, whose)
        for text in language.tool(name).request:
            sentence = text.format(**fields)
            assert mentions(sentence, said.values())
            assert not re.search(r"[_{}]|\(|  \S|still open", sentence)
            assert sentence[:1].isupper()
            assert sentence.rstrip()[-1] in ".?"
    assert words_of(name)


@given(NAMES)
def test_every_question_of_a_slot_is_one_that_its_cues_recognise(name: str) -> None:
    for words in (Language().slot("some_tool", name), Language().who(name)):
        for text in words.ask:
            assert asks_for(text.replace("{options}", "this or that"), words.cues)
        assert all("{value}" in text for text in words.answer)
        assert not any("{" in text for text in words.vague)
        assert "_" not in words.label


@pytest.mark.parametrize(
    ("slot", "questions"),
    [
        (
            "loan_id",
            [
                "Which loan?", "Which loan would you like to renew?", "What's the loan ID?", "What's the loan number?",
                "Please provide the loan_id.", "What is the ID of the loan?", "Which of your loans is it?",
                "I need to know which loan you mean.", "Which one would you like to renew?", "May I have its number?",
            ],
        ),
        (
            "branch",
            ["Which branch?", "To which branch?", "What branch should it be sent to?", "Where should I send it?",
             "Could you give me the name of the branch?", "Please tell me the branch."],
        ),
        ("reason", ["Why?", "Why would you like to cancel it?", "What is the reason?", "May I ask for the reason?"]),
        ("pickup_date", ["When would you like to pick it up?", "What day suits you?", "What is the pickup date?"]),
        ("quantity", ["How many would you like?", "What quantity?"]),
        ("payment_method_id", ["How would you like to pay?", "Which payment method should I use?"]),
        ("item_ids", ["Which items?", "Which item is it?", "Could you tell me the items?"]),
        ("new_email", ["What is your new e-mail address?", "Which email should I use?"]),
    ],
)  # fmt: skip
def test_plain_questions_are_recognised(slot: str, questions: list[str]) -> None:
    cues = Language().slot("some_tool", slot).cues
    assert [text for text in questions if not asks_for(text, cues)] == []
    for text in (
        "Shall I go ahead?",
        "Is there anything else I can do for you?",
        "How are you?",
        "What's your e-mail?",
    ):
        assert slot == "new_email" or not asks_for(text, cues)
    assert noun_of(slot).text
