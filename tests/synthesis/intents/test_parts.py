"""Parts of an errand: what is added to it, or taken back of it, and nothing else, is a part."""

from __future__ import annotations

import random
from typing import Any

import pytest

from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import is_valid_errand
from t2t_dist.environments.tools import Call
from t2t_dist.synthesis.grader_side import errands_in, writes_in
from t2t_dist.synthesis.intents.parts import is_one_write, pairs_of, part_between
from tests.support.made import Made

CHAIR, LAMP, RUG = "1000000001", "1000000002", "1000000003"
BLUE, RED, GREEN = "2000000001", "2000000002", "2000000003"


def returned(*items: str, order: str = "#W1") -> Call:
    return Call(
        "return_delivered_order_items", {"order_id": order, "item_ids": list(items), "payment_method_id": "card"}
    )


def exchanged(*pairs: tuple[str, str]) -> Call:
    old, new = (list(column) for column in zip(*pairs, strict=True))
    arguments: dict[str, Any] = {"order_id": "#W1", "item_ids": old, "new_item_ids": new, "payment_method_id": "card"}
    return Call("exchange_delivered_order_items", arguments)


def cancelled(reason: str) -> Call:
    return Call("cancel_pending_order", {"order_id": "#W1", "reason": reason})


@pytest.mark.parametrize(
    ("first", "second", "kind", "part"),
    [
        (returned(CHAIR), returned(CHAIR, LAMP), "added", returned(LAMP)),
        (returned(CHAIR, LAMP, RUG), returned(RUG, CHAIR), "taken back", returned(LAMP)),
        (
            exchanged((CHAIR, BLUE)),
            exchanged((LAMP, RED), (CHAIR, BLUE)),
            "added",
            exchanged((LAMP, RED)),
        ),
        (exchanged((CHAIR, BLUE), (LAMP, RED)), exchanged((LAMP, RED)), "taken back", exchanged((CHAIR, BLUE))),
    ],
)
def test_a_part_is_what_the_longer_list_has_besides(
    retail: Domain, first: Call, second: Call, kind: str, part: Call
) -> None:
    assert part_between(retail, first, second) == (kind, part)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (returned(CHAIR), returned(CHAIR)),
        (returned(CHAIR), returned(LAMP)),
        (returned(CHAIR, RUG), returned(LAMP)),
        (returned(CHAIR), returned(CHAIR, CHAIR)),
        (returned(CHAIR), returned(CHAIR, LAMP, order="#W2")),
        (returned(CHAIR), exchanged((CHAIR, BLUE), (LAMP, RED))),
        (returned(), returned(CHAIR)),
        (exchanged((CHAIR, BLUE)), exchanged((CHAIR, GREEN), (LAMP, RED))),
        (cancelled("no longer needed"), cancelled("ordered by mistake")),
        (returned(CHAIR), Call("return_delivered_order_items", {"order_id": "#W1"})),
        (
            returned(CHAIR),
            Call("return_delivered_order_items", {**returned(CHAIR).arguments, "item_ids": "1000000001"}),
        ),
    ],
)
def test_who_wants_something_else_adds_nothing_and_takes_nothing_back(
    retail: Domain, first: Call, second: Call
) -> None:
    assert part_between(retail, first, second) is None


def test_of_a_number_the_difference_is_the_part() -> None:
    telecom = registry.load("telecom")
    two, five = (Call("refuel_data", {"phone_number": "555-201-0000", "gigabytes": number}) for number in (2, 5))
    three = Call("refuel_data", {"phone_number": "555-201-0000", "gigabytes": 3})
    assert part_between(telecom, two, five) == ("added", three)
    assert part_between(telecom, five, two) == ("taken back", three)


def test_with_a_part_more_or_less_an_errand_is_possible(built_in: Made) -> None:
    domain, kinds = built_in.domain, set()
    for task in built_in.verified("general"):
        errands = [Call(call.name, call.arguments) for call in errands_in(task.grader)]
        for number, errand in enumerate(errands):
            world = domain.world()
            assert all(domain.carry_out(world, call) for call in errands[:number])
            for both in pairs_of(domain, task.customer, errands, number, random.Random(7)):
                assert errand in both
                assert all(is_valid_errand(domain, world, call, task.customer) for call in both)
                part = part_between(domain, *both)
                assert part is not None
                kinds.add(part.kind)
    # The only quantity of telecom's, data, is seldom bought in its easy tasks.
    assert kinds == {"added", "taken back"} or domain.name == "telecom"


def test_in_the_shop_what_is_added_has_to_be_done_with_the_rest(shop: Made) -> None:
    """A second return of an order is refused: that is the trap."""
    domain, found = shop.domain, 0
    for task in shop.verified("general"):
        calls = [Call(call.name, call.arguments) for call in writes_in(task.grader.gold) if call.goal == 0]
        for first, second in pairs_of(domain, task.customer, calls, 0, random.Random(7)) if len(calls) == 1 else ():
            part = part_between(domain, first, second)
            if part is not None and part.kind == "added":
                world = domain.world()
                assert domain.carry_out(world, first)
                assert not domain.carry_out(world, part.call)
                assert is_one_write(domain, [second], 0, part, first)
                found += 1
    assert found > 3
