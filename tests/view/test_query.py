"""Every list has its URL: what the URL says is shown, and anything else in it is ignored."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.view.query import LONGEST_TEXT, ORDERS, Query, address

FACETS = ["intent", "agent", "result"]
words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
queries = st.builds(
    Query,
    facets=st.dictionaries(st.sampled_from(FACETS), words.filter(bool)),
    text=words.map(str.strip),
    task=words,
    order=st.sampled_from(["", *ORDERS]),
    page=st.integers(1, 10**6),
    start=st.integers(0, 10**6),
)


def read(string: str) -> dict[str, str]:
    return dict(parse_qsl(string.removeprefix("?"), keep_blank_values=True))


@settings(max_examples=40)
@given(queries)
def test_an_address_gives_the_list_it_was_made_of(query: Query) -> None:
    assert Query.of(read(query.string()), FACETS) == query


@settings(max_examples=40)
@given(queries, st.sampled_from(FACETS), words.filter(bool))
def test_a_filter_chosen_twice_is_free_again(query: Query, facet: str, value: str) -> None:
    chosen = Query(query.facets, query.text, query.task, query.order).having(facet, value)
    before = query.facets.get(facet)
    if before != value:
        assert chosen.facets[facet] == value
        assert facet not in chosen.having(facet, value).facets
    else:
        assert facet not in chosen.facets


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(["q", "page", "from", "order", "task", "intent", "x"]), st.text(max_size=400)))
def test_any_address_is_read(given: dict[str, str]) -> None:
    query = Query.of(given, FACETS)
    assert query.page >= 1
    assert query.start >= 0
    assert len(query.text) <= LONGEST_TEXT
    assert set(query.facets) <= {"intent"}


@settings(max_examples=40)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=4))
def test_parts_of_a_path_stay_parts(parts: list[str]) -> None:
    path = address(*parts)
    assert [unquote(part) for part in path.split("/")[1:]] == parts
    assert not set(path) & set("\"'<>?# ")
