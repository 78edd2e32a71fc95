"""Domain types are read from annotations, and their values found in results with what stands around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, Required, Union

import pytest
from typing_extensions import TypedDict

from t2t_dist.environments.entities import PLAIN, DomainValue, Spec, find_values, readable, spec_of

OrderId = NewType("OrderId", str)
SpecialOrderId = NewType("SpecialOrderId", OrderId)
ItemId = NewType("ItemId", str)
Count = NewType("Count", int)
Basket = NewType("Basket", list[ItemId])
Reason = NewType("Reason", Literal["a", "b"])  # type: ignore[valid-newtype]


class Item(TypedDict):
    item_id: ItemId
    options: dict[str, str]
    price: float


class Order(TypedDict):
    order_id: OrderId
    items: list[Item]
    previous: NotRequired[OrderId]
    note: str


class Parcel(TypedDict, total=False):
    order_id: Required[OrderId]
    by_place: Mapping[str, Item]
    twin: Order | None


HomeParcel = NewType("HomeParcel", Parcel)

OPTIONS = Spec("map", fields=(("", PLAIN),))
ITEM = Spec("struct", "Item", (("item_id", Spec("scalar", "ItemId")), ("options", OPTIONS), ("price", PLAIN)))
ORDER = Spec(
    "struct",
    "Order",
    (
        ("order_id", Spec("scalar", "OrderId")),
        ("items", Spec("list", fields=(("", ITEM),))),
        ("previous", Spec("scalar", "OrderId")),
        ("note", PLAIN),
    ),
)


@pytest.mark.parametrize(
    ("annotation", "spec"),
    [
        (OrderId, Spec("scalar", "OrderId")),
        (SpecialOrderId, Spec("scalar", "SpecialOrderId")),
        (Count, Spec("scalar", "Count")),
        (Order, ORDER),
        (list[OrderId], Spec("list", fields=(("", Spec("scalar", "OrderId")),))),
        (list[list[Item]], Spec("list", fields=(("", Spec("list", fields=(("", ITEM),))),))),
        (dict[str, Item], Spec("map", fields=(("", ITEM),))),
        (Mapping[str, ItemId], Spec("map", fields=(("", Spec("scalar", "ItemId")),))),
        (Literal["x", 2], Spec("choice", choices=("x", 2))),
        (Optional[OrderId], Spec("scalar", "OrderId")),  # noqa: UP045
        (OrderId | None, Spec("scalar", "OrderId")),
        (list[OrderId] | None, Spec("list", fields=(("", Spec("scalar", "OrderId")),))),
        (Annotated[OrderId, "described"], Spec("scalar", "OrderId")),
        (Basket, Spec("list", fields=(("", Spec("scalar", "ItemId")),))),
        (Reason, Spec("choice", choices=("a", "b"))),
        (HomeParcel, spec_of(Parcel)._replace(name="HomeParcel")),
        (Union[OrderId, ItemId], PLAIN),  # noqa: UP007
        (OrderId | ItemId | None, PLAIN),
        (str, PLAIN),
        (float, PLAIN),
        (list, PLAIN),
        (dict, PLAIN),
        (tuple[OrderId, ...], PLAIN),
        (None, PLAIN),
        (Any, PLAIN),
    ],
)
def test_spec_of(annotation: Any, spec: Spec) -> None:
    assert spec_of(annotation) == spec


def test_required_and_optional_fields_and_references_are_read_through() -> None:
    fields = dict(spec_of(Parcel).fields)
    assert fields == {
        "order_id": Spec("scalar", "OrderId"),
        "by_place": Spec("map", fields=(("", ITEM),)),
        "twin": ORDER,
    }


def test_names_and_scalars() -> None:
    assert spec_of(Order).names() == {"Order", "OrderId", "Item", "ItemId"}
    assert spec_of(Order).scalars() == {"OrderId", "ItemId"}
    assert spec_of(dict[str, list[Item]]).names() == {"Item", "ItemId"}
    assert spec_of(Literal["a"]).names() == spec_of(str).names() == spec_of(list[str]).scalars() == set()
    assert spec_of(list[Item]).names() == {"Item", "ItemId"}
    assert spec_of(list[str]).names() == set()


def test_values_are_found_with_their_record_and_the_ones_around_it() -> None:
    items = [{"item_id": "i1", "options": {"size": "L"}, "price": 1.0}, {"item_id": "i2", "options": {}, "price": 2.0}]
    order = {"order_id": "o1", "items": items, "note": "gift"}
    around = frozenset({("OrderId", "o1")})
    first, second = around | {("ItemId", "i1")}, around | {("ItemId", "i2")}
    assert list(find_values(spec_of(Order), order)) == [
        DomainValue("Order", order, around),
        DomainValue("OrderId", "o1", around),
        DomainValue("Item", items[0], first),
        DomainValue("ItemId", "i1", first),
        DomainValue("Item", items[1], second),
        DomainValue("ItemId", "i2", second),
    ]


def test_siblings_do_not_see_each_other_but_all_see_what_was_asked() -> None:
    asked = frozenset({("Email", "a@example.com")})
    found = list(find_values(spec_of(list[OrderId]), ["o1", "o2"], asked))
    assert found == [DomainValue("OrderId", key, asked | {("OrderId", key)}) for key in ("o1", "o2")]


def test_values_of_a_map_are_found_and_its_keys_are_not() -> None:
    value = {"left": {"item_id": "i1", "options": {}, "price": 1.0}}
    assert [(f.type, f.value) for f in find_values(spec_of(dict[str, Item]), value)] == [
        ("Item", value["left"]),
        ("ItemId", "i1"),
    ]


@pytest.mark.parametrize(
    ("annotation", "value", "found"),
    [
        (OrderId, None, []),
        (OrderId | None, "o1", [("OrderId", "o1")]),
        (Order, "not a record", []),
        (list[OrderId], {"not": "a list"}, []),
        (dict[str, OrderId], ["not a map"], []),
        (str, "o1", []),
        (Basket, ["i1", "i2"], [("ItemId", "i1"), ("ItemId", "i2")]),
        (Count, 0, [("Count", 0)]),
    ],
)
def test_find_on_small_and_odd_shapes(annotation: Any, value: Any, found: list[tuple[str, Any]]) -> None:
    assert [(item.type, item.value) for item in find_values(spec_of(annotation), value)] == found


def test_absent_and_empty_fields_are_no_context() -> None:
    record = {"order_id": "o1", "previous": None, "items": [], "note": ""}
    assert list(find_values(spec_of(Order), record)) == [
        DomainValue("Order", record, frozenset({("OrderId", "o1")})),
        DomainValue("OrderId", "o1", frozenset({("OrderId", "o1")})),
    ]
    assert [item.type for item in find_values(spec_of(Parcel), {"order_id": "o1"})] == ["Parcel", "OrderId"]


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (OrderId, "OrderId"),
        (Order, "Order"),
        (list[ItemId], "list[ItemId]"),
        (list[ItemId] | None, "list[ItemId] | None"),
        (Annotated[list[ItemId], "described"], "list[ItemId]"),
        (Optional[str], "str | None"),  # noqa: UP045
        (dict[str, ItemId], "dict[str, ItemId]"),
        (Literal["no longer needed", "ordered by mistake"], "'no longer needed' | 'ordered by mistake'"),
        (int | ItemId, "int | ItemId"),
        (int, "int"),
        (list, "list"),
        (Any, "Any"),
    ],
)
def test_readable(annotation: Any, text: str) -> None:
    assert readable(annotation) == text
