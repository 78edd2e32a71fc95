"""Requests as values: stored and read back, bounded, taken apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.synthesis.requests import language as lang

NAMES = st.sampled_from(["Order", "status", "address.state", "cancel_order"])
SCALARS = st.one_of(st.text(max_size=8), st.integers(-5, 5), st.booleans())


def _tests(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lang.Test, field=NAMES, relation=st.sampled_from(["is", "contains", "less"]), value=values)


def _records(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lang.Records, kind=NAMES, where=st.lists(_tests(values), max_size=2).map(tuple))


def _record(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lang.Record, among=_records(values), by=st.none() | NAMES, place=st.integers(1, 3))


VALUES = st.recursive(
    st.builds(lang.Given, value=SCALARS),
    lambda inner: st.one_of(
        st.builds(lang.FieldOf, of=_record(inner), field=NAMES),
        st.builds(lang.FieldsOf, of=_records(inner), field=NAMES),
        st.builds(lang.Count, of=_records(inner)),
        st.builds(lang.Arithmetic, sign=st.sampled_from("+-*"), left=inner, right=inner),
    ),
    max_leaves=6,
)
ERRANDS = st.builds(lang.Do, errand=NAMES, arguments=st.dictionaries(NAMES, VALUES, max_size=2))
REQUESTS = st.one_of(
    ERRANDS,
    st.builds(lang.Tell, value=VALUES),
    st.builds(
        lang.If,
        condition=st.builds(lang.Compares, left=VALUES, relation=st.sampled_from(["less", "is"]), right=VALUES),
        then=ERRANDS,
        otherwise=st.none() | ERRANDS,
    ),
    st.builds(lang.FirstPossible, options=st.tuples(ERRANDS, ERRANDS)),
)


@given(REQUESTS)
def test_what_is_stored_is_read_back(request: lang.Node) -> None:
    stored = lang.stored(request)
    assert lang.read(stored) == request
    assert all(isinstance(node, lang.Node) for node in lang.nodes(request))
    assert lang.depth(request) >= 1


@given(REQUESTS)
def test_a_rebuilt_request_is_equal_where_nothing_is_changed(request: lang.Node) -> None:
    def same(node: lang.Node) -> lang.Node:
        return lang.rebuilt(node, same)

    assert lang.rebuilt(request, same) == request


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {},
        {"node": "given", "value": 1},
        {"node": "do", "errand": "x"},
        {"node": "do", "errand": "x", "arguments": {"a": {"node": "given", "value": 1}}, "more": 1},
        {"node": "do", "errand": "", "arguments": {}},
        {"node": "first possible", "options": []},
    ],
)
def test_what_is_no_request_is_refused(stored: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  of pydantic, with a text of its own
        lang.read(stored)


def test_a_request_is_bounded() -> None:
    one: dict[str, Any] = {"node": "given", "value": 1}
    value = one
    for _ in range(lang.MAX_NODES):
        value = {"node": "arithmetic", "sign": "+", "left": one, "right": value}
    with pytest.raises(ValueError, match=r"nested|nodes|recursion"):
        lang.read({"node": "tell", "value": value})
    tests = [{"field": "status", "value": one}] * lang.MAX_NODES
    with pytest.raises(ValueError, match="nodes"):
        lang.read(
            {"node": "tell", "value": {"node": "count", "of": {"node": "records", "kind": "Order", "where": tests}}}
        )
