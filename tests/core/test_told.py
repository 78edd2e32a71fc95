"""Facts as a customer hears them: told, or merely mentioned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.core.told import Meaning, figures, told

REFUND, CHARGE, ANY = Meaning.REFUND, Meaning.CHARGE, Meaning.ANY


@pytest.mark.parametrize(
    "said",
    [
        "You'll get $48.00 back.",
        "Your refund of $48 will reach your card in 5 to 7 days.",
        "I'd cancel order #W1 and refund $48.00 to the payment method it was paid with. Shall I go ahead?",
        "The refund comes to USD48.00.",
        "That's forty-eight dollars going back to your Visa.",
        "**Refund:** $48.00",
        "You paid $60.00, and $48.00 of it will be returned to you.",
        "If you'd like me to go ahead, $48.00 will be refunded.",
        "The refund isn't $58.00 but $48.00.",
        "48 dollars and 0 cents are on their way back to you.",
    ],
)
def test_a_refund_that_is_told(said: str) -> None:
    assert told([said], "48.00", REFUND)


@pytest.mark.parametrize(
    "said",
    [
        "You won't get $48.00 back.",
        "The refund isn't $48.00.",
        "Was it $48.00 that you expected back?",
        "If you had cancelled yesterday, you would have got $48.00 back.",
        "You'll get up to $48.00 back.",
        "You'll get about $48.00 back.",
        "You have to pay $48.00.",
        "$48.00 was charged to your card.",
        "Your neighbour got $48.00 back.",
        "You told us that you would get $48.00 back.",
        "You get $148.00 back.",
        "The refund is $48.50.",
        "It could be:\n- $12\n- $24\n- $48\n- $60",
        "Your refund reference is 48.",
        "",
    ],
)
def test_a_refund_that_is_not_told(said: str) -> None:
    assert not told([said], "48.00", REFUND)


def test_the_last_statement_counts() -> None:
    first, corrected = "You'll get $48.00 back.", "Sorry, I misread that: it is $58.00."
    assert told([first], "48.00", REFUND)
    assert not told([first, corrected], "48.00", REFUND)
    assert told([first, corrected], "58.00", REFUND)
    assert told([first, corrected, "No, wait, it was $48.00 after all."], "48.00", REFUND)
    assert told([first, "I'm sorry for the trouble this caused."], "48.00", REFUND)
    assert told([first, "I'm sorry, but I can't do it: what you are due for that is $100."], "48.00", REFUND)
    assert not told([first, "Please disregard what I just wrote."], "48.00", REFUND)


@pytest.mark.parametrize(
    "said",
    [
        "I'm sorry, but I can't help with that one, because reservation JHQB79 is not on your account.",
        "I'm sorry, but this one is not possible: order #W2 is delivered.",
        "Sorry, the order is 35 days old, and returns end after 30 days.",
        "I'm sorry, but the flight is not late enough: it is 90 minutes late.",
        "I'm afraid the other one is wrong for this line.",
    ],
)
def test_a_refusal_of_something_else_takes_no_figure_back(said: str) -> None:
    assert told(["You'll get $48.00 back.", said], "48.00", REFUND)


@pytest.mark.parametrize(
    "said",
    [
        "Sorry, that is not right, it is 58 dollars.",
        "Sorry, the refund is not $48.00 but $58.00.",
        "My apologies, it's one hundred dollars.",
        "I'm sorry, what I told you is wrong: you get the one hundred dollars that you paid.",
    ],
)
def test_an_apology_for_the_figure_takes_it_back(said: str) -> None:
    assert not told(["You'll get $48.00 back.", said], "48.00", REFUND)


def test_paying_and_getting_back_are_different_facts() -> None:
    assert told(["The difference to pay is $12.30."], "12.30", CHARGE)
    assert not told(["The difference to pay is $12.30."], "12.30", REFUND)
    assert told(["The difference of $12.30 is refunded."], "12.30", REFUND)
    assert not told(["The difference of $12.30 is refunded."], "12.30", CHARGE)
    assert told(["It is $12.30 in all."], "12.30", CHARGE)


@pytest.mark.parametrize(
    ("said", "fact", "yes"),
    [
        ("It waits in the Old Town branch.", "Old Town", True),
        ("It doesn't wait in the Old Town branch.", "Old Town", False),
        ("You'll be seen by Dr. Ahn.", "Dr. Ahn", True),
        ("It is on 14 June 2025.", "2025-06-14", True),
        ("It is on June 14th.", "2025-06-14", True),
        ("It is on June 14, 2026.", "2025-06-14", False),
        ("You now have four checked bags.", "4", True),
        ("You now have four checked bags.", "5", False),
    ],
)
def test_words_dates_and_counts(said: str, fact: str, yes: bool) -> None:
    assert told([said], fact) is yes


@given(st.integers(0, 99_999), st.integers(0, 99))
def test_every_sum_is_told_in_the_forms_people_write(whole: int, cents: int) -> None:
    fact = f"{whole}.{cents:02d}"
    for form in (f"${whole:,}.{cents:02d}", f"{whole}.{cents:02d} USD", f"{whole} dollars and {cents} cents"):
        assert told([f"You'll get {form} back."], fact, REFUND), form
        assert not told([f"You won't get {form} back."], fact, REFUND), form


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    assert all(0 <= figure.start < figure.end <= len(text) for figure in figures(text))
    told([text], "48.00", REFUND)


def test_a_fee_that_is_not_waived_takes_back_no_figure() -> None:
    for refusal in ("I'm sorry, fines are not waived at the desk.", "Fines are never waived."):
        assert told(["You've renewed it 2 times.", refusal], "2", Meaning.ANY)
    assert not told(["The fee is $2.00.", "It has been waived."], "2.00", Meaning.CHARGE)
