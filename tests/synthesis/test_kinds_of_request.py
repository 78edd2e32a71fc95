"""The kinds of request: what a task has of them, and what a domain declares for them."""

from __future__ import annotations

from typing import Any

import pytest

from t2t_dist.core.schema import Task
from t2t_dist.environments.registry import BUILT_IN, load
from t2t_dist.synthesis.kinds_of_request import KINDS, kinds_in, kinds_of
from t2t_dist.synthesis.requests import language as lang
from tests.support.made import Made, make

ORDERS = lang.Records(kind="Order")
LATEST = lang.Record(among=ORDERS, by="placed_at")
PENDING = lang.Test(field="status", value=lang.Given(value="pending"))
CANCEL = lang.Do(errand="cancel", arguments={"order_id": lang.FieldOf(of=LATEST, field="order_id")})
RETURN = lang.as_given("return", {"order_id": "#W1"})
REFUND = lang.Outcome(of=RETURN, field="refund")


@pytest.fixture(scope="module", params=sorted(BUILT_IN))
def hard(request: pytest.FixtureRequest) -> Made:
    return make(load(request.param), 25, difficulty=5)


def test_a_task_has_only_kinds_that_its_domain_can_express(hard: Made) -> None:
    declared = {one.kind for one in kinds_in(hard.domain) if one.by}
    met = {kind for task in hard.verified() for kind in kinds_of(hard.domain, task)}
    assert met <= declared
    assert {"superlative", "set", "by description", "limit", "question"} <= met


def test_the_kinds_of_a_task_are_those_that_its_customer_speaks_of(hard: Made) -> None:
    for task in hard.verified():
        kinds, user = set(kinds_of(hard.domain, task)), task.user
        described = [fact.text for goal in user.goals for fact in goal.facts if fact.described]
        assert ("limit" in kinds) == any(goal.condition is not None for goal in user.goals)
        assert bool(kinds & {"question", "sum of results"}) == any(goal.asks for goal in user.goals)
        assert ("false claim" in kinds) == (user.claim is not None)
        assert ("mistake" in kinds) == (user.mistake is not None or user.miscount is not None)
        if described:
            assert kinds & {"superlative", "set", "by description", "value elsewhere"}
        if any(text.startswith(("all ", "both ", "each ", "everything")) for text in described):
            assert "set" in kinds


@pytest.mark.parametrize(
    ("request_", "kinds"),
    [
        (RETURN, []),
        (CANCEL, ["superlative"]),
        (lang.FirstPossible(options=(RETURN, CANCEL)), ["fallback", "superlative"]),
        (lang.If(condition=lang.Possible(of=RETURN), then=RETURN, otherwise=RETURN), ["fallback"]),
        (lang.If(condition=lang.Possible(of=RETURN), then=RETURN), []),
        (
            lang.If(condition=lang.Possible(of=RETURN), then=RETURN, otherwise=lang.Several(requests=(RETURN, RETURN))),
            ["sequence"],
        ),
        (
            lang.If(condition=lang.Compares(left=REFUND, relation="more", right=lang.Given(value=5)), then=RETURN),
            ["limit"],
        ),
        (lang.Each(among=ORDERS, field="order_id", slot="order_id", errand="cancel"), ["set"]),
        (lang.Best(options=(RETURN, RETURN), field="refund", order="most"), ["whichever is better"]),
        (lang.Tell(value=lang.Count(of=ORDERS)), ["question"]),
        (lang.Tell(value=lang.Arithmetic(sign="+", left=REFUND, right=REFUND)), ["sum of results"]),
        (
            lang.Do(
                errand="send",
                arguments={
                    "address": lang.FieldOf(of=lang.Record(among=lang.Records(kind="User")), field="address"),
                    "order_id": lang.FieldOf(of=lang.Record(among=ORDERS, prefer=(PENDING,)), field="order_id"),
                },
            ),
            ["value elsewhere", "preference"],
        ),
        (
            lang.Do(
                errand="send",
                arguments={
                    "order_id": lang.FieldOf(
                        of=lang.Record(among=ORDERS.model_copy(update={"where": (PENDING,)})), field="order_id"
                    )
                },
            ),
            ["by description"],
        ),
    ],
)
def test_what_each_node_makes_of_a_task(shop: Made, request_: Any, kinds: list[str]) -> None:
    task = asking_for(shop, lang.stored(request_))
    assert kinds_of(shop.domain, task) == kinds


def test_what_is_no_request_has_no_kind(shop: Made) -> None:
    assert kinds_of(shop.domain, asking_for(shop, {"node": "first possible", "options": "all"})) == []


def asking_for(shop: Made, request: dict[str, Any]) -> Task:
    """A copy of a task whose customer means this and nothing else."""
    task = shop.one("general")
    task.grader.requests = {"0": request}
    return task


def test_every_kind_is_looked_at_and_what_is_missing_is_said() -> None:
    found = kinds_in(load("tests.support.library_domain:Library"))
    assert [one.kind for one in found] == [kind.name for kind in KINDS]
    assert len(found) == 15
    by = {one.kind: one.by for one in found}
    assert by["mistake"] == ["card number"]  # these two take no words
    assert by["second change"] == ["move_hold", "cancel_hold"]
    assert not any(names for kind, names in by.items() if kind not in ("mistake", "second change"))
    assert {one.kind: one.lacks for one in found}[
        "set"
    ] == "'plural' (or 'all', for its parts) of a type under 'records'"
