"""The dependency graph follows from signatures and result types; nothing is listed by hand."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NewType

import pytest
from typing_extensions import TypedDict

import t2t_dist
from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import READ, WRITE, Kind, tool
from t2t_dist.synthesis.tool_graph import MAX_TOOLS, ToolGraph, graph_of
from tests.support.library_domain import Library, find_reader, list_holds

A, B, C = NewType("A", str), NewType("B", str), NewType("C", str)


class Sheet(TypedDict):
    a: A
    rows: list[B]


@tool(READ)
def sheet(world: World, a: A) -> Sheet:
    """A sheet."""
    raise NotImplementedError


@tool(READ)
def find_c(world: World, b: B) -> C:
    """A C for a B."""
    raise NotImplementedError


@tool(WRITE)
def write_c(world: World, c: C, why: str) -> str:
    """Write."""
    raise NotImplementedError


class Sheets(Library):
    tool_list = (find_reader, list_holds, sheet, find_c, write_c)


def test_edges_are_derived_from_types() -> None:
    assert graph_of(Sheets()).edges() == [
        ("find_c", "write_c", "C"),
        ("find_reader", "list_holds", "ReaderId"),
        ("sheet", "find_c", "B"),
    ]


def test_the_workflow_of_a_write_goes_back_as_far_as_types_lead() -> None:
    assert [t.name for t in graph_of(Sheets()).sources(write_c)] == ["sheet", "find_c"]


def test_the_detail_tool_of_a_type_finds_its_argument_again_in_its_result() -> None:
    graph = graph_of(Sheets())
    assert graph.detail_tool("A") is sheet
    assert [graph.detail_tool(name) for name in ("B", "C", "ReaderId", "Unheard")] == [None] * 4


def test_edges_of_the_shop(retail: Domain) -> None:
    edges = graph_of(retail).edges()
    for edge in (
        ("find_user_id_by_email", "get_user_details", "UserId"),
        ("get_user_details", "get_order_details", "OrderId"),
        ("list_user_orders", "get_order_details", "OrderId"),
        ("get_order_details", "get_product_details", "ProductId"),
        ("get_product_details", "exchange_delivered_order_items", "ItemId"),
        ("get_user_details", "return_delivered_order_items", "PaymentMethodId"),
        ("get_user_details", "modify_user_address", "Address"),
    ):
        assert edge in edges
    assert not [edge for edge in edges if edge[0] == edge[1]]
    for source, target, name in edges:
        assert name in retail.tools[source].produces()
        assert name in retail.tools[target].consumes()


@pytest.mark.parametrize(
    ("type_name", "tool_name"),
    [("OrderId", "get_order_details"), ("ProductId", "get_product_details"), ("UserId", "get_user_details")],
)
def test_detail_tools_of_the_shop(retail: Domain, type_name: str, tool_name: str) -> None:
    found = graph_of(retail).detail_tool(type_name)
    assert found is not None
    assert found.name == tool_name


def test_every_write_of_the_shop_has_a_workflow_that_supplies_it(retail: Domain) -> None:
    graph = graph_of(retail)
    for write in graph.writes:
        supplied = set().union(*(t.produces() for t in [*graph.entry, *graph.sources(write)]))
        assert write.consumes() <= supplied


def test_a_subset_holds_entry_tools_and_whole_workflows_and_no_more_than_the_limit(retail: Domain) -> None:
    graph = graph_of(retail)
    seen = set()
    for seed in range(60):
        rng = random.Random(seed)
        writes = rng.sample(graph.writes, 2)
        chosen = graph.subset(rng, writes)
        assert len(chosen) == len({t.name for t in chosen}) == MAX_TOOLS
        needed = [*graph.entry, *writes, *(t for write in writes for t in graph.sources(write))]
        assert {t.name for t in needed} <= {t.name for t in chosen}
        seen |= {t.name for t in chosen}
    # How a request is handled is for agents: explorers have no customer to decline anything to.
    assert seen == {t.name for t in retail.tools if t.kind is not Kind.RECORD}


def test_a_subset_of_few_tools_is_all_of_them(library: Domain) -> None:
    graph = graph_of(library)
    assert {t.name for t in graph.subset(random.Random(0), [])} == {t.name for t in library.tools}


def test_a_graph_is_built_once_a_domain(retail: Domain, library: Domain) -> None:
    assert graph_of(retail) is graph_of(retail)
    assert graph_of(library) is not graph_of(retail)
    assert ToolGraph(retail).edges() == graph_of(retail).edges()


def words_of(source: str) -> Iterator[str]:
    """Identifiers and texts of a module, without docstrings."""
    tree = ast.parse(source)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def test_the_method_names_no_tool_type_or_table_of_the_shop(retail: Domain) -> None:
    generic = {"think", "calculate"}
    names = {t.name for t in retail.tools} - generic
    names |= set().union(*(t.returns.scalars() | t.consumes() for t in retail.tools)) - {""}
    names |= {"t2t_dist.environments.retail", "users", "orders", "products"}
    files = sorted(Path(t2t_dist.__file__).parent.rglob("*.py"))
    assert len(files) > 30
    for file in files:
        assert sorted(names.intersection(words_of(file.read_text("utf-8")))) == [], file
