"""Which figures, dates, times and ids of a text have a source."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.core.known import Known

TOLD = "The time is now 2026-05-15 12:00. R12. A bag costs $39.90. A plan is kept for 30 days."
ORDER = (
    '{"order_id": "#W123", "placed_at": "2026-04-02T09:25:00", "stock": 37, "items": [{"price": 20.0}, {"price": 5.5}]}'
)


def known(*more: str) -> Known:
    found = Known(TOLD)
    for text in more:
        found.add(text)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "Order #W123 was placed on April 2 at 9:25 am.",
        "It was placed on 2026-04-02, 43 days ago.",
        "The items cost $20 and $5.50, $25.50 together.",
        "That is twenty dollars.",
        "The difference is $14.50.",
        "3 bags cost $119.70.",
        "A plan is kept for 30 days, by R12.",
        "You have three orders; I'd do one thing at a time.",
        "There are 37 left.",
        "I can do that in the 30-day window, at 9:25.",
    ],
)
def test_what_stands_in_a_source_or_follows_in_one_step_is_known(text: str) -> None:
    assert known(ORDER).unseen(text) == []


def test_a_page_of_a_result_is_read_as_all_of_it_would_be() -> None:
    page = '[{"price": 34.0}, {"price": 5.5}]\nPage 1 of 40: records 1 to 2 of 80.'
    assert known(page).unseen("It costs $34.00, and $39.50 with the other; there are 80.") == []


@pytest.mark.parametrize(
    ("text", "unseen"),
    [
        ("Order #W124 was placed on April 3 at 9:25 pm.", ["????-04-03", "21:25", "#w124"]),
        ("It was placed on 2025-04-02.", ["2025-04-02"]),
        ("The refund is $21.", ["21"]),
        ("That costs thirty dollars.", ["30"]),  # days are no money
        ("It costs $119.70.", ["119.7"]),  # three of what?
        ("It was 99 days ago.", ["99"]),
        ("Write to help@example.org, or call 555-201-0000.", ["help@example.org", "555-201-0000"]),
        ("Your reservation is QXKMABC.", ["qxkmabc"]),
        ("3 bags at $39.90 and one at $20 are $139.70.", ["139.7"]),
    ],
)
def test_what_has_no_source_is_listed(text: str, unseen: list[str]) -> None:
    assert known(ORDER).unseen(text) == unseen


def test_what_takes_more_steps_is_known_once_it_was_worked_out() -> None:
    assert known(ORDER).unseen("It comes to $139.70.") == ["139.7"]
    assert known(ORDER, "139.7").unseen("It comes to $139.70.") == []
    listed = known("In March you used 112.5 GB, in April 33.5 GB and in May 204.2 GB.")
    assert listed.unseen("112.5 + 33.5 + 204.2 = 350.2.") == []
    assert listed.unseen("112.5 + 34.5 + 204.2 = 351.2.") == ["34.5"]
    assert listed.unseen("$112.50 + $33.50 + $204.20 is $350.70.") == ["350.7"]


@given(st.text(max_size=60))
def test_what_was_said_is_known(text: str) -> None:
    assert known(text).unseen(text) == []


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9), st.lists, max_leaves=9)
)
def test_any_result_can_be_learnt(value: object) -> None:
    found = known(json.dumps(value))
    assert found.unseen("The price is $39.90.") == []


@pytest.mark.parametrize("text", ["9" * 5000, "2026-13-99", "February 31, 99:99", "$1e999 or 0000-00-00"])
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    assert isinstance(known(text).unseen(text), list)
    assert known().unseen(f"{text}, for $39.90.") != ["39.9"]
