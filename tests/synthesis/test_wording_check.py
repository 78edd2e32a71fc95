"""The words carry every stated fact and none of the withheld ones."""

from __future__ import annotations

from typing import Literal

import pytest

from t2t_dist.core.schema import Change, Fact, Goal, UserSide
from t2t_dist.synthesis.wording_check import check_words
from tests.support.made import Made


def fact(slot: str, text: str, *, stated: bool = True, says: list[str] | None = None) -> Fact:
    return Fact(slot=slot, label=slot, text=text, says=[text] if says is None else says, answer=text, stated=stated)


def side(goals: list[Goal], *, change: Change | None = None, known: str = "", reason: str = "") -> UserSide:
    return UserSide(
        name="Ada",
        persona="brief",
        reason_for_call=reason,
        known_info=f"You are Ada, ada@example.com. {known}",
        unknown_info="",
        task_instructions="",
        identity=[fact("Email", "ada@example.com")],
        goals=goals,
        change=change,
    )


STATED = [fact("order", "#W12"), fact("size", "5 liters")]


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        ("Send order #W12 in 5 liters.", None),
        ("send ORDER #w12, in  5 Liters", None),
        ("Send order #W12.", "not_stated"),
        ("Send order #W123 in 5 liters.", "not_stated"),
        ("Send order #W12 in 1.5 liters.", "not_stated"),
        ("Send order #W12 in 15 liters.", "not_stated"),
        ("Send it.", "not_stated"),
    ],
)
def test_stated_facts_stand_in_their_request_as_whole_words(request_: str, found: str | None) -> None:
    result = check_words(side([Goal(request=request_, facts=STATED)]))
    assert (result and result[0]) == found


def test_a_question_counts_as_part_of_its_request() -> None:
    assert check_words(side([Goal(request="Send order #W12.", questions=["Is it 5 liters?"], facts=STATED)])) is None


def test_a_fact_that_says_nothing_need_not_be_said() -> None:
    assert check_words(side([Goal(request="Close it.", facts=[fact("account", "your account", says=[])])])) is None


WITHHELD = [fact("order", "#W12"), fact("size", "5 liters", stated=False, says=["5 liters", "blue"])]
KNOWN = "It should be 5 liters, blue."


@pytest.mark.parametrize(
    ("request_", "reason", "question", "known", "found"),
    [
        ("Order #W12 in some size.", "You want a bottle.", "", KNOWN, None),
        ("Order #W12 in 5 liters.", "", "", KNOWN, "leaks_withheld"),
        ("Order #W12 in blue.", "", "", KNOWN, "leaks_withheld"),
        ("Order #W12.", "You want 5 liters.", "", KNOWN, "leaks_withheld"),
        ("Order #W12.", "", "Is it blue?", KNOWN, "leaks_withheld"),
        ("Order #W12.", "", "", "It should be blue.", "not_known"),
        ("Order #W12.", "", "", "", "not_known"),
    ],
)
def test_withheld_facts_stand_in_what_is_known_and_nowhere_in_the_opening(
    request_: str, reason: str, question: str, known: str, found: str | None
) -> None:
    withheld = [WITHHELD[0], WITHHELD[1].model_copy(update={"answer": "5 liters, and blue."})]
    goal = Goal(request=request_, facts=withheld, questions=[question] if question else [])
    result = check_words(side([goal], reason=reason, known=known))
    assert (result and result[0]) == found


def test_a_withheld_fact_is_not_given_away_by_another_request_either() -> None:
    withheld = [WITHHELD[0], WITHHELD[1].model_copy(update={"answer": "5 liters, and blue."})]
    goals = [Goal(request="Order #W12.", facts=withheld), Goal(request="And a blue cup.")]
    assert check_words(side(goals, known=KNOWN)) == (
        "leaks_withheld",
        "the opening gives away the size: ['5 liters', 'blue']",
    )


def test_the_answer_says_what_was_withheld() -> None:
    goal = Goal(request="Order #W12.", facts=[WITHHELD[0], WITHHELD[1].model_copy(update={"answer": "Blue."})])
    found = check_words(side([goal], known=KNOWN))
    assert found is not None
    assert found[0] == "not_stated"


def test_who_the_customer_is_stands_in_what_is_known() -> None:
    user = side([])
    assert check_words(user) is None
    user.known_info = "You are Ada."
    assert check_words(user) == ("not_known", "known_info does not hold the Email")


FIRST = Goal(request="Send order #W12 in 5 liters.", facts=STATED)
CHANGED = [fact("order", "#W12"), fact("size", "7 liters")]


@pytest.mark.parametrize(
    ("goal", "request_", "reason", "found"),
    [
        (0, "Make it 7 liters.", "", None),
        (0, "Make it another size.", "", "not_stated"),
        (0, "Make it 7 liters.", "You want order #W12 in 5 liters, later in 7 liters.", "change_early"),
        (1, "Make it 7 liters.", "", "goals_differ"),
        (-1, "Make it 7 liters.", "", "goals_differ"),
    ],
)
def test_a_change_of_mind_says_what_is_new_and_the_opening_does_not(
    goal: int, request_: str, reason: str, found: str | None
) -> None:
    change = Change(goal=goal, trigger="asked_to_confirm", request=request_, facts=CHANGED)
    result = check_words(side([FIRST], change=change, reason=reason))
    assert (result and result[0]) == found


def test_what_is_said_for_another_request_gives_no_change_away() -> None:
    change = Change(goal=0, trigger="asked_to_confirm", request="Make it 7 liters.", facts=CHANGED)
    other = Goal(request="Also send 7 liters of oil.", facts=[])
    reason = f"{FIRST.request} {other.request}"
    assert check_words(side([FIRST, other], change=change, reason=reason)) is None
    early = FIRST.model_copy(update={"request": "Send order #W12 in 5 liters, or in 7 liters."})
    found = check_words(side([early, other], change=change, reason=reason))
    assert found is not None
    assert found[0] == "change_early"


@pytest.mark.parametrize(
    ("part", "before", "after", "request_", "found"),
    [
        ("added", ["chair"], ["chair", "lamp"], "And the lamp as well.", None),
        ("added", ["chair"], ["chair", "lamp"], "And another thing.", "not_stated"),
        ("added", ["chair"], ["chair", "lamp"], "The lamp instead.", "not_stated"),
        ("added", ["red"], ["red", "red"], "And the same for the other.", "not_stated"),
        ("added", ["2 GB"], ["5 GB"], "And 3 GB on top, so 5 GB in all.", None),
        ("added", ["2 GB"], ["5 GB"], "And 3 GB on top.", "not_stated"),
        ("taken back", ["chair", "lamp"], ["chair"], "Only the chair. Leave out the lamp.", None),
        ("taken back", ["chair", "lamp"], ["chair"], "Leave out the lamp.", "not_stated"),
        (None, ["chair"], ["chair", "lamp"], "And the lamp as well.", "not_stated"),
    ],
)
def test_who_adds_something_says_that_and_who_takes_a_part_back_says_what_stays(
    part: Literal["added", "taken back"] | None, before: list[str], after: list[str], request_: str, found: str | None
) -> None:
    goal = Goal(request=f"Return the {' and the '.join(before)}.", facts=[fact("items", "them", says=before)])
    facts = [fact("items", "them", says=after)]
    change = Change(goal=0, trigger="asked_to_confirm", request=request_, facts=facts, part=part)
    result = check_words(side([goal], change=change))
    assert (result and result[0]) == found


@pytest.mark.parametrize(
    ("request_", "found"), [("Make it 9 liters.", None), ("Another one.", "not_stated"), ("5 liters!", "not_stated")]
)
def test_a_second_change_says_what_is_new_since_the_first(request_: str, found: str | None) -> None:
    change = Change(goal=0, trigger="asked_to_confirm", request="Make it 7 liters.", facts=CHANGED)
    facts = [fact("order", "#W12"), fact("size", "9 liters")]
    user = side([FIRST], change=change)
    user.second_change = Change(goal=0, trigger="asked_to_confirm", request=request_, facts=facts)
    result = check_words(user)
    assert (result and result[0]) == found


def test_the_templates_words_pass(made: Made) -> None:
    assert [check_words(task.user) for task in made.verified()] == [None] * len(made.verified())
