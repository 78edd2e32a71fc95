"""Sentences put together from parts: what is tidied, and what does not fit together."""

from __future__ import annotations

import pytest

from t2t_dist.environments.tidy import clash, spoken_dates, tidy


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        ("it  is done .. ", "It is done."),
        ("send the the lamp ,please", "Send the lamp,please"),
        ("a.b@example.com is mine", "a.b@example.com is mine"),
        ("you have 1 checked bag(s) now", "You have 1 checked bag now"),
        ("you have 3 checked bag(s) now", "You have 3 checked bags now"),
        ("that makes 12 item(s)", "That makes 12 items"),
    ],
)
def test_what_is_put_together_is_tidied(text: str, tidied: str) -> None:
    assert tidy(text) == tidied


def test_dates_are_said_as_people_say_them() -> None:
    assert spoken_dates("from 2026-05-16 to 2026-12-01") == "from May 16, 2026 to December 1, 2026"
    assert spoken_dates("MRA214/x-2026-05-20-1 or 2026-13-40") == "MRA214/x-2026-05-20-1 or 2026-13-40"


@pytest.mark.parametrize(
    "text",
    [
        "Please because it is late.",
        "It has to be cancelled, please since it is late.",
        "Move the one of the flights.",
        "I'd like to change my another plan.",
        "You have 1 bags.",
        "That is 1 more checked bags.",
        "Add 2 more checked bag.",
        "I'd like a eSIM.",
        "It's an plan.",
        "The address is in United Kingdom.",
        "My modify_order is late.",
        "I was born on 1980-11-21.",
        "It is done..",
        "Is it done?.",
        "It is is done.",
        "I'd like {order_id}.",
        "[Could|Can you help?",
        "My loan .",
    ],
)
def test_what_does_not_fit_together_is_found(text: str) -> None:
    assert clash(text)


@pytest.mark.parametrize(
    "text",
    [
        "Please cancel it, because it is late.",
        "Move one of the flights of 1 person, an hour later.",
        "You have 1 bag, 2 bags and an eSIM in the United Kingdom.",
        "It's maya_kovacs_4821 and b_rios@example.com, at 953 Jessica Drive, Apt 6, IN 46531.",
        "I was born on November 21, 1980, and had had that that day.",
        "That is 1 address, 1 business and a one-way ticket for a European.",
        "Order #W1 items; $1.50 fees.",
    ],
)
def test_what_fits_together_is_left_alone(text: str) -> None:
    assert clash(text) is None
