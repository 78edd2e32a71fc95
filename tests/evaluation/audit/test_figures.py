"""Figures that an agent told without having seen them, and those that it may well have worked out."""

from __future__ import annotations

import pytest

from t2t_dist.core.schema import Turn
from t2t_dist.evaluation.audit.figures import known_before, told_figures, unseen
from tests.support.made import Made

RESULT = (
    '{"order_id": "#W5511932", "placed_at": "2026-02-25T15:29:54", "items": [{"price": 40.5}, {"price": 19.25},'
    ' {"price": 7.0}], "fare": 218.64, "other_fare": 100.14, "data_gb": 30, "born": "2015-06-29"}'
)


def invented(made: Made, *said: str, result: str = RESULT) -> list[str]:
    """The figures that nothing gives the agent of the library, who has one result and hears of $12.34."""
    turns = [
        Turn("agent", "assistant", "Hello! I have 77 ideas."),
        Turn("user", "user", "I paid $12.34 on the 3rd of May."),
        Turn("agent", "tool", result),
        *(Turn("agent", "assistant", text) for text in said),
    ]
    return [figure.text for figure, _ in unseen(known_before(made.domain), turns)[1]]


@pytest.mark.parametrize(
    "said",
    [
        "Order #W5511932 was placed on February 25 at 3:29 pm.",
        "That was $40.50, and you paid $12.34 on May 3.",
        "In total that is $66.75.",  # all prices
        "Both together cost $59.75.",  # some of them
        "The difference is $118.50.",
        "The difference for two is $237.00.",
        "Three of them make $57.75.",
        "There are 3 items, and one moment, please.",
        "You get 60 GB.",  # twice as much
        "It was placed 4 days ago, and he is 10 years old.",  # today is March 1
    ],
)
def test_what_was_seen_or_follows_is_known(desk: Made, said: str) -> None:
    assert invented(desk, said) == []


@pytest.mark.parametrize(
    ("said", "figures"),
    [
        ("I'd charge $27.51 for that.", ["$27.51"]),
        ("It comes on June 9.", ["june 9"]),
        ("It leaves at 7:05 am.", ["7:05 am"]),
        ("It is order #W0000001.", ["#w0000001"]),
        ("You get 13 GB more.", ["13 gb"]),
        ("It was placed 17 days ago.", ["17 days"]),
        ("I'd charge $27.51. Shall I charge the $27.51?", ["$27.51"]),
        ("A fee of 83 % applies.", ["83 %"]),
        ("I'd charge $27.00 for that.", ["$27.00"]),  # 30 less 3 are counts
    ],
)
def test_what_nothing_gives_is_not(desk: Made, said: str, figures: list[str]) -> None:
    assert invented(desk, said) == figures


def test_what_comes_later_was_not_known_before(desk: Made) -> None:
    turns = [
        Turn("user", "user", "What do I pay?"),
        Turn("agent", "assistant", "It is $218.64."),
        Turn("agent", "tool", RESULT),
        Turn("agent", "assistant", "As I said, $218.64 and $100.14."),
    ]
    told, found = unseen(known_before(desk.domain), turns)
    assert {figure.text for figure in told} == {"$218.64", "$100.14"}
    assert [figure.text for figure, _ in found] == ["$218.64"]


def test_the_customers_own_device_shows_the_agent_nothing(desk: Made) -> None:
    turns = [
        Turn("user", "user", "Hello."),
        Turn("user", "tool", '{"fare": 218.64}'),
        Turn("agent", "assistant", "It is $218.64."),
    ]
    told, found = unseen(known_before(desk.domain), turns)
    assert [figure for figure, _ in found] == list(told) != []


def test_numbers_of_any_size_and_no_days_of_the_calendar() -> None:
    kinds = [figure.kind for figure in told_figures(f"{'9' * 400} on 2026-13-45, you may first wait 1e999 days")]
    assert "number" in kinds
    assert "date" in kinds
