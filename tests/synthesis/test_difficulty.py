"""Structural difficulty: what it counts, that more of it is never easier, and that it is what was asked for."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.core.schema import Task
from t2t_dist.environments.registry import load
from t2t_dist.synthesis import convert
from t2t_dist.synthesis.difficulty import POINTS, difficulty_of, level_of, steps_of
from t2t_dist.synthesis.requests import language as lang
from tests.support.made import Made, make, played, verdict

NUMBERS = st.fixed_dictionaries({name: st.integers(0, 60) for name in POINTS})


@given(NUMBERS, NUMBERS)
def test_more_of_anything_is_never_easier(some: dict[str, int], more: dict[str, int]) -> None:
    both = {name: some[name] + more[name] for name in POINTS}
    assert 1 <= level_of(some) <= level_of(both) <= 5


@pytest.fixture(scope="module", params=["retail", "airline", "telecom"])
def by_asked(request: pytest.FixtureRequest) -> dict[int, Made]:
    """Tasks of a built-in domain, by the difficulty that was asked for."""
    domain = load(request.param)
    return {asked: make(domain, 15, difficulty=asked) for asked in (1, 3, 5)}


def test_the_median_task_is_about_as_hard_as_was_asked_for(by_asked: dict[int, Made]) -> None:
    medians = {asked: median(task.level or 0 for task in made.verified()) for asked, made in by_asked.items()}
    assert all(abs(found - asked) <= 1 for asked, found in medians.items()), medians


async def test_the_customer_needs_at_least_so_many_messages(by_asked: dict[int, Made]) -> None:
    made = by_asked[3]
    for task in made.verified()[:20]:
        rollout = await played(made, task, "oracle")
        said = sum(turn.seat == "user" and bool(turn.content) for turn in rollout.turns)
        assert task.difficulty is not None
        assert task.difficulty.turns <= said


async def test_the_steps_are_about_those_that_the_expert_takes(by_asked: dict[int, Made]) -> None:
    made = by_asked[5]
    for task in made.verified()[:20]:
        took = sum(turn.role != "tool" for turn in (await played(made, task, "oracle")).turns)
        assert took - 25 <= steps_of(task) <= took + 5


def test_a_task_of_more_steps_than_a_rollout_has_is_rejected(
    by_asked: dict[int, Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = by_asked[5]
    longest = max(made.verified(), key=steps_of).model_copy(deep=True)
    assert verdict(made.domain, longest) == "verified"
    monkeypatch.setattr(convert, "MOST_STEPS", steps_of(longest) - 1)
    assert verdict(made.domain, longest) == "too_many_steps"


def latest(kind: str, **within: lang.Record) -> lang.Record:
    return lang.Record(among=lang.Records(kind=kind, **within), by="placed_at")


def test_what_is_described_is_counted_from_the_expressions(shop: Made) -> None:
    """An order that is told from all of its customer's, and all of its items but one."""
    task: Task = shop.one("general")
    named = difficulty_of(shop.domain, task)
    assert (named.depth, named.candidates, named.conditions) == (1, 0, 0)
    order = latest("Order")
    lamp = lang.Test(field="name", value=lang.Given(value="Lamp"))
    items = lang.Records(kind="OrderItem", within=order, but=lang.Records(kind="OrderItem", where=(lamp,)))
    arguments: dict[str, lang.FieldOf | lang.FieldsOf] = {
        "order_id": lang.FieldOf(of=order, field="order_id"),
        "item_ids": lang.FieldsOf(of=items, field="item_id"),
    }
    request = lang.Do.model_validate({"errand": "return_delivered_order_items", "arguments": arguments})
    task.grader.requests = {"0": lang.stored(request)}
    found = difficulty_of(shop.domain, task)
    orders = [order for order in shop.domain.base.tables["orders"].values() if order["user_id"] == task.customer]
    assert found.depth == lang.depth(request) == 5
    assert found.conditions == 2, "a set, and what is left out of it"
    assert found.candidates >= len(orders) > 1
    assert (found.look_ups, found.writes, found.turns) == (named.look_ups, named.writes, named.turns)
    assert found.level >= named.level


def test_a_task_in_which_all_is_named_is_of_level_2_at_most(by_asked: dict[int, Made]) -> None:
    hard = [task for made in by_asked.values() for task in made.verified() if (task.level or 0) > 2]
    assert len(hard) > 20
    assert all(task.grader.requests for task in hard)
