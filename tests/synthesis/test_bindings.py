"""Arguments are bound from results already seen, by type and context; the slice keeps what a call rests on."""

from __future__ import annotations

import random
from typing import Any, Literal, NewType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypedDict

from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import READ, WRITE, Call, Kind, Tool, tool
from t2t_dist.synthesis.bindings import (
    Binder,
    Lookup,
    Seen,
    canonical_json,
    dependencies,
    domain_values,
    look_around,
    reachable_lookups,
)
from tests.support import made as making
from tests.support.library_domain import Library, find_reader

ShelfId, BookId, Size = NewType("ShelfId", str), NewType("BookId", str), NewType("Size", int)


class Book(TypedDict):
    book_id: BookId
    size: Size


class Shelf(TypedDict):
    shelf_id: ShelfId
    books: list[Book]


@tool(READ)
def get_shelf(world: World, shelf_id: ShelfId) -> Shelf:
    """A shelf."""
    raise NotImplementedError


@tool(WRITE)
def swap(world: World, shelf_id: ShelfId, old: list[BookId], new: list[BookId], how: Literal["now", "later"]) -> str:
    """Swap books."""
    raise NotImplementedError


@tool(WRITE)
def move(world: World, book_id: BookId, shelf_id: ShelfId, note: str = "", days: int = 3) -> str:
    """Move a book."""
    raise NotImplementedError


@tool(WRITE)
def burn(world: World, why: str) -> str:
    """Needs a text that nothing gives."""
    raise NotImplementedError


SHELVES = {"s1": [("b1", 1), ("b2", 2), ("b3", 1)], "s2": [("b4", 2)]}


def seen_shelves() -> Seen:
    seen = Seen()
    for shelf, books in SHELVES.items():
        record = {"shelf_id": shelf, "books": [{"book_id": book, "size": size} for book, size in books]}
        seen.add(get_shelf.found(record, {"shelf_id": shelf}))
    return seen


def calls(tool: Tool, **options: Any) -> list[dict[str, Any]]:
    return list(Binder(tool, seen_shelves(), **options).calls())


# -- values ------------------------------------------------------------------------------------------------------------
def test_values_are_kept_once_in_the_order_met_with_every_context() -> None:
    seen = seen_shelves()
    seen.add(get_shelf.found({"shelf_id": "s9", "books": [{"book_id": "b1", "size": 7}]}, {}))
    assert [value for value, _ in seen.values("BookId")] == ["b1", "b2", "b3", "b4"]
    assert [dict(context)["ShelfId"] for context in seen.contexts("BookId", "b1")] == ["s1", "s9"]
    assert ("BookId", "b4") in seen
    assert ("BookId", "s1") not in seen
    assert seen.values("Unheard") == seen.contexts("BookId", "unheard") == []


@given(st.dictionaries(st.text(), st.integers() | st.lists(st.text()), max_size=4), st.randoms())
def test_the_key_of_a_value_does_not_depend_on_the_order_of_its_fields(value: dict[str, Any], rng: Any) -> None:
    value = {name: item if isinstance(item, list) else item % 2**53 for name, item in value.items()}
    items = list(value.items())
    rng.shuffle(items)
    assert canonical_json(dict(items)) == canonical_json(value)
    assert canonical_json({**value, "one more": 1}) != canonical_json(value)


# -- binding -----------------------------------------------------------------------------------------------------------
def test_a_value_goes_with_the_record_it_was_seen_in() -> None:
    found = [(call["book_id"], call["shelf_id"]) for call in calls(move)]
    assert found == [("b1", "s1"), ("b2", "s1"), ("b3", "s1"), ("b4", "s2")]


def test_a_second_list_of_a_type_goes_with_the_first_element_by_element() -> None:
    # b1 and b3 share their size, which not all books here do; a swap needs something in common.
    found = {(c["shelf_id"], tuple(c["old"]), tuple(c["new"])) for c in calls(swap)}
    assert found == {
        ("s1", ("b1",), ("b3",)),
        ("s1", ("b3",), ("b1",)),
        ("s1", ("b2",), ("b4",)),
        ("s1", ("b1", "b2"), ("b3", "b4")),
        ("s1", ("b1", "b3"), ("b3", "b1")),
        ("s1", ("b2", "b3"), ("b4", "b1")),
        ("s2", ("b4",), ("b2",)),
    }
    assert {c["how"] for c in calls(swap)} == {"now", "later"}


def test_lists_of_a_given_size_only() -> None:
    assert {len(c["old"]) for c in calls(swap, sizes={"old": 2})} == {2}


def test_acceptance_prunes_as_soon_as_an_argument_is_bound() -> None:
    asked = []

    def accept(slot: str, value: Any, so_far: dict[str, Any]) -> bool:
        asked.append((slot, dict(so_far)))
        return slot != "book_id" or value == "b2"

    assert calls(move, accept=accept) == [{"book_id": "b2", "shelf_id": "s1"}]
    assert [so_far for slot, so_far in asked if slot == "shelf_id"] == [{"book_id": "b2"}]


def test_what_a_customer_states_is_available_once() -> None:
    stated = {"book_id": ["b1", "b9"], "shelf_id": ["s1"]}
    found = [(c["book_id"], c["shelf_id"]) for c in calls(move, extra=stated)]
    assert found.count(("b1", "s1")) == 1
    assert ("b9", "s1") in found


def test_what_nothing_can_give_is_left_to_the_tools_default() -> None:
    assert all("note" not in call and "days" not in call for call in calls(move))
    assert {call["note"] for call in calls(move, extra={"note": ["fragile"]})} == {"fragile"}
    assert calls(burn) == []
    assert calls(burn, extra={"why": ["old"]}) == [{"why": "old"}]


@given(st.integers(0, 2**32))
def test_chance_changes_the_order_and_nothing_else(seed: int) -> None:
    shuffled = calls(swap, rng=random.Random(seed))
    assert shuffled == calls(swap, rng=random.Random(seed))
    assert sorted(map(canonical_json, shuffled)) == sorted(map(canonical_json, calls(swap)))


@pytest.mark.parametrize("name", ["return_delivered_order_items", "modify_pending_order_items"])
def test_on_the_shop_items_are_those_of_the_order(retail: Domain, name: str) -> None:
    orders, found = retail.base.tables["orders"], 0
    for customer in retail.customers(retail.base)[:6]:
        seen = Seen()
        for made in reachable_lookups(retail, customer):
            seen.add(made.found)
        for arguments in Binder(retail.tools[name], seen).calls():
            held = {item["item_id"]: item["product_id"] for item in orders[arguments["order_id"]]["items"]}
            assert set(arguments["item_ids"]) <= set(held)
            found += 1
            for old, new in zip(arguments["item_ids"], arguments.get("new_item_ids", ()), strict=False):
                variants = retail.base.tables["products"][held[old]]["variants"]
                assert new in {variant["item_id"] for variant in variants} - {old}
    assert found > 20


# -- looking around ----------------------------------------------------------------------------------------------------
def test_looking_around_reads_what_the_customers_records_lead_to_and_changes_nothing(retail: Domain) -> None:
    for customer in retail.customers(retail.base)[:10]:
        world = retail.world()
        made = look_around(retail, world, customer)
        assert world.digest == retail.world().digest
        keys = [canonical_json(item.call) for item in made]
        assert len(set(keys)) == len(keys) <= 60
        assert all(retail.tools[item.call.name].kind is Kind.READ for item in made)
        looked_up = {item.call.arguments.get("order_id") for item in made} - {None}
        assert looked_up == set(retail.base.tables["users"][customer]["orders"])
        assert tuple(made) == reachable_lookups(retail, customer)


def test_looking_around_ends_at_its_limit(retail: Domain) -> None:
    customer = retail.customers(retail.base)[0]
    assert len(look_around(retail, retail.world(), customer, limit=3)) == 3


# -- dependencies ------------------------------------------------------------------------------------------------------
def test_the_slice_keeps_what_a_call_rests_on_and_what_that_rests_on() -> None:
    @tool(READ)
    def find_shelf(world: World, size: Size) -> ShelfId:
        """A shelf for a size."""
        raise NotImplementedError

    class Shelves(Library):
        tool_list = (find_reader, get_shelf, find_shelf, move)

    def made(tool: Tool, value: Any, **arguments: Any) -> Lookup:
        return Lookup(Call(tool.name, arguments), list(tool.found(value, arguments)))

    book: Any = {"book_id": "b1", "size": 4}
    history = [
        made(find_shelf, "s8", size=8),
        made(find_shelf, "s1", size=1),
        made(get_shelf, {"shelf_id": "s8", "books": []}, shelf_id="s8"),
        made(get_shelf, {"shelf_id": "s1", "books": [book]}, shelf_id="s1"),
        made(find_shelf, "s4", size=4),
        made(get_shelf, {"shelf_id": "s5", "books": []}, shelf_id="s5"),
    ]
    # b1 was seen on s1, which was found for size 1; s4 was found for b1's size; s8 and s5 serve nothing.
    assert dependencies(history, [(move, {"book_id": "b1", "shelf_id": "s4"})], Shelves()) == [1, 3, 4]
    assert dependencies(history, [(move, {"book_id": "b7", "shelf_id": "s7"})], Shelves()) == []


def test_slices_of_the_explored_writes_are_closed(shop: making.Made) -> None:
    """Every value of a call in a slice, except in entry calls, was in the result of an earlier call of the slice."""
    domain, checked = shop.domain, 0
    for trajectory in shop.trajectories:
        made = list(reachable_lookups(domain, trajectory.customer))
        for step in trajectory.steps:
            if not step.changed:
                continue
            write = domain.tools[step.tool]
            chosen = dependencies(made, [(write, step.arguments)], domain)
            assert chosen == sorted(set(chosen))
            shown: set[bytes] = set()
            targets = [(domain.tools[made[i].call.name], made[i].call.arguments, made[i].found) for i in chosen]
            for called, arguments, found in [*targets, (write, step.arguments, [])]:
                if called not in domain.entry_tools:
                    needed = {
                        canonical_json(value) for name, value in domain_values(called, arguments) if name != "Address"
                    }
                    assert needed <= shown
                    checked += 1
                shown |= {canonical_json(item.value) for item in found}
    assert checked > 100
