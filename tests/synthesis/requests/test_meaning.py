"""Nodes of the language by what they mean in worlds that are known by heart: the toy of tau2, and the shop."""

from __future__ import annotations

from typing import Any

import pytest

from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call
from t2t_dist.synthesis.requests import language as lang
from t2t_dist.synthesis.requests.evaluate import Meaning, NoMeaning, meaning_of
from tests.support.toy_tau2 import Toy
from tests.synthesis.requests.tau2.words import (
    all_,
    can,
    compares,
    do,
    each,
    every,
    first,
    has,
    if_,
    is_,
    list_,
    look,
    not_,
    object_,
    of,
    one_of,
    sum_,
    tell,
    the,
    this,
    work,
)
from tests.synthesis.requests.tau2.words import (
    test as when,
)

#: Her orders: O1 (10.0, items i1 and i2) and O2 (20.0, i2 and i3), both pending; a gift card with 25.0.
ADA = "m1"
PENDING = all_("Order", is_("status", "pending"))
DEAR, CHEAP = the("Order", by="amount"), the("Order", by="amount", order="least")


@pytest.fixture(scope="module")
def toy() -> Domain:
    return Toy()


def meant(toy: Domain, request: Any) -> Meaning:
    return meaning_of(toy, toy.world(), ADA, lang.read(lang.stored(request)))


def answer(toy: Domain, value: Any) -> Any:
    (fact,) = meant(toy, *tell(value)).facts
    return fact


def cancel(order: lang.Record) -> lang.Do:
    return do("cancel_order", order_id=of(order, "order_id"), reason="mistake")


def pay(order: lang.Record, method: str) -> lang.Do:
    return do("pay_order", order_id=of(order, "order_id"), payment_method_id=method)


def cancelled(*orders: str) -> list[Call]:
    return [Call("cancel_order", {"order_id": order, "reason": "mistake"}) for order in orders]


ONE_MORE = Call("place_order", {"member_id": "m1", "item_ids": ["i9"]})


@pytest.mark.parametrize(
    ("request_", "calls"),
    [
        (cancel(the("Order", has("item_ids", "i3"))), cancelled("O2")),
        (cancel(the("Order", by="amount", place=2)), cancelled("O1")),
        (cancel(the("Order", prefer=(is_("status", "sent"), is_("amount", 20.0)))), cancelled("O2")),
        (cancel(one_of(PENDING, worth=work(0, "-", of(this("Order"), "amount")))), cancelled("O1")),
        (each(PENDING, "cancel_order", "order_id", reason="mistake"), cancelled("O1", "O2")),
        (first(cancel(the("Order", is_("status", "lost"))), cancel(DEAR), cancel(CHEAP)), cancelled("O2")),
        (first(cancel(the("Order", is_("status", "lost"))), pay(CHEAP, "no_such")), []),
        (lang.Best(options=(cancel(DEAR), cancel(CHEAP)), field="amount", order="least"), cancelled("O1")),
        (if_(can(pay(CHEAP, "nothing")), pay(CHEAP, "nothing"), cancel(CHEAP)), cancelled("O1")),
        (if_(not_(lang.Exists(among=all_("Order", is_("status", "sent")))), cancel(DEAR)), cancelled("O2")),
        (if_(compares(of(DEAR, "amount"), "less", 20), cancel(DEAR)), []),
        # The second is asked for after the first: there is no pending order left.
        (lang.Several(requests=(cancel(CHEAP), first(cancel(CHEAP), cancel(DEAR)))), cancelled("O1", "O2")),
        (do("place_order", member_id="m1", item_ids=list_("i9")), [ONE_MORE]),
        (do("place_order", member_id="m1", item_ids="i9"), [ONE_MORE]),
    ],
)
def test_what_is_to_be_done(toy: Domain, request_: Any, calls: list[Call]) -> None:
    assert meant(toy, request_).calls == calls


THIS = of(this("Order"), "amount")


def deep(levels: int) -> Any:
    """A value that is found anew for each order, for each order, and so on."""
    value: Any = THIS
    for _ in range(levels):
        value = sum_(every(PENDING, value))
    return value


@pytest.mark.parametrize(
    ("value", "fact"),
    [
        (lang.Count(of=PENDING), 2),
        (lang.Total(of=PENDING, field="amount"), 30.0),
        (lang.Count(of=all_("Order", but=all_("Order", is_("amount", 10.0)))), 1),
        (lang.Count(of=lang.Records(kind="Order", such=(compares(THIS, "more", 15),))), 1),
        (lang.Count(of=lang.Records(kind="Order", such=(can(cancel(this("Order"))),))), 2),
        (lang.Outcome(of=cancel(CHEAP), field="status"), "cancelled"),
        (every(PENDING, work(2, "*", THIS)), [20.0, 40.0]),
        (sum_(list_(every(PENDING, THIS), 5)), 35.0),
        (work(of(CHEAP, "amount"), "least", 7), 7.0),
        (work(of(CHEAP, "amount"), "most", 7), 10.0),
        (work(3, "-", 1), 2),
        (work("2024-05-30", "+", 3), "2024-06-02"),
        (work("15-inch", "-", 2), "13-inch"),
        (
            object_(order=of(DEAR, "order_id"), also=list_("a", list_("b", "c"))),
            {"order": "O2", "also": ["a", "b", "c"]},
        ),
        (of(the("Bill", shown_by=look("list_bills", member_id="m2")), "due"), 10.0),
        (of(the("Card", is_("source", "gift_card")), "balance"), 25.0),
    ],
)
def test_what_is_to_be_said(toy: Domain, value: Any, fact: Any) -> None:
    found = answer(toy, value)
    assert found == fact
    assert type(found) is type(fact)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (1, 2.5),
        ("500 ml", "1000ml"),
        ("13-inch", "15-inch"),
        ("M", "XL"),
        ("small", "large"),
        ("low", "Medium"),
        ("2024-05-15", "2024-06-01"),
        ("2024-05-15T09:00:00", "2024-05-15T10:00:00"),
        ("08:00:00", "21:30:00"),
        ("23:00:00", "01:00:00+1"),
    ],
)
def test_what_is_less(toy: Domain, less: Any, more: Any) -> None:
    for left, relation, right, holds in (
        (less, "less", more, True),
        (less, "more", more, False),
        (more, "more", less, True),
        (less, "less", less, False),
    ):
        found = meant(toy, if_(compares(left, relation, right), tell(1)[0], tell(0)[0]))
        assert found.facts == [int(holds)], (left, relation, right)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (of(the("Order"), "amount"), "several"),
        (of(the("Order", is_("status", "lost")), "amount"), "none"),
        (of(DEAR, "colour"), "absent"),
        (of(the("Order", by="status"), "amount"), "no number"),
        (of(the("Order", worth=lang.Given(value=1)), "amount"), "several"),
        (work("ten", "+", 1), "no number"),
        (work("2024-02-31", "+", 1), "no number"),
        (work("2024-02-01", "+", 10**9), "no number"),
        (deep(20), "too much"),
        (sum_(list_("1 kg", 2)), "no number"),
        (lang.Outcome(of=pay(DEAR, "nothing"), field="status"), "refused"),
        (lang.Count(of=all_("Order", shown_by=look("cancel_order", order_id="O1", reason="mistake"))), "refused"),
        (lang.Count(of=all_("Order", shown_by=look("no_such_tool"))), "refused"),
    ],
)
def test_what_means_nothing(toy: Domain, value: Any, code: str) -> None:
    with pytest.raises(NoMeaning) as raised:
        answer(toy, value)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("left", "right"), [("500 ml", "1 liter"), ("4K", "1080p"), ("S", "large"), ("red", "blue"), (True, 2)]
)
def test_what_has_no_order(toy: Domain, left: Any, right: Any) -> None:
    with pytest.raises(NoMeaning, match="order"):
        meant(toy, if_(compares(left, "less", right), tell(1)[0]))


def test_what_ties_further_down_does_not_matter(toy: Domain) -> None:
    """Of 1, 2 and 2, there is a least one, and neither a second nor a most."""
    order = lang.Records(kind="Order", shown_by=look("get_order_details", order_id="O1"))
    rank = work(of(this("Order"), "amount"), "most", 20)
    with pytest.raises(NoMeaning, match="equal"):
        answer(toy, of(one_of(PENDING, worth=rank), "order_id"))
    assert answer(toy, of(one_of(order, worth=rank), "order_id")) == "O1"


def test_look_ups_are_those_that_it_rests_on(toy: Domain) -> None:
    found = meant(toy, cancel(DEAR)).look_ups
    assert [call.arguments for call in found] == [{"order_id": "O1"}, {"order_id": "O2"}]
    (found_bill,) = meant(toy, *tell(of(the("Bill", shown_by=look("list_bills", member_id="m2")), "due"))).look_ups
    assert found_bill == Call("list_bills", {"member_id": "m2"})


def test_the_cheapest_version_of_every_item(retail: Domain) -> None:
    """In the shop, whose products are shown by look-ups of their own."""
    customer = next(one for one in retail.customers(retail.base) if _pending(retail, one))
    order = _pending(retail, customer)
    held = the("Order", is_("order_id", order["order_id"]))
    product = the("Product", is_("product_id", of(this("OrderItem"), "product_id")))
    least = the("Variant", when("stock", "more", 0), within=product, by="price", order="least")
    request = tell(every(all_("OrderItem", within=held), of(least, "price")))[0]
    wanted = [min(_prices(retail, item["product_id"])) for item in order["items"]]
    assert meaning_of(retail, retail.world(), customer, request).facts == [wanted]


def _pending(retail: Domain, customer: str) -> Any:
    world = retail.world()
    orders = [world.get("orders", one) for one in (world.get("users", customer) or {})["orders"]]
    pending = [one for one in orders if one and one["status"] == "pending" and len(one["items"]) > 1]
    return next(
        (one for one in pending if all(_has_a_least(retail, item["product_id"]) for item in one["items"])), None
    )


def _has_a_least(retail: Domain, product: str) -> bool:
    prices = _prices(retail, product)
    return prices.count(min(prices)) == 1


def _prices(retail: Domain, product: str) -> list[float]:
    found = (retail.world().get("products", product) or {})["variants"]
    return [one["price"] for one in found if one["stock"]]
