"""Splits of a domain: three ranges of seeds whose databases share nobody."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.environments.registry import BUILT_IN, UnknownDomain, find, load
from t2t_dist.environments.splits import SPLITS, name_and_split, own, seed_in, split_of
from tests.support.library_domain import Library

#: Tables of what a company has for everybody, under the same names in every database.
CATALOGUES = {"telecom": {"plans"}, "airline": {"flights"}}


@given(st.sampled_from(SPLITS), st.integers(0, 10**9 - 1), st.text())
def test_a_text_is_one_splits_own(split: str, seed: int, text: str) -> None:
    assert split_of(seed_in(split, seed)) == split
    assert sum(own(seed_in(name, seed))(text) for name in SPLITS) == 1
    assert split_of(seed) is None
    assert own(seed)(text)


@pytest.mark.parametrize("seed", [-1, 10**9])
def test_seeds_outside_the_range_are_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="seed must be from 0"):
        seed_in("test", seed)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("retail:test", ("retail", "test")),
        ("my.module:Desk:train", ("my.module:Desk", "train")),
        ("my.module:Desk", ("my.module:Desk", None)),
        ("retail", ("retail", None)),
        (":test", (":test", None)),
    ],
)
def test_names(name: str, parts: tuple[str, str | None]) -> None:
    assert name_and_split(name) == parts


def strings(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(strings, value.values()))
    if isinstance(value, list):
        return set().union(*map(strings, value))
    return {value} if isinstance(value, str) else set()


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_databases_share_no_customer_and_no_record_of_theirs(name: str) -> None:
    found = [load(f"{name}:{split}", seed, 0.3) for split, seed in [*((s, 0) for s in SPLITS), ("train", 1)]]
    assert [domain.name for domain in found] == [name] * 4
    for one, other in itertools.combinations(found, 2):
        if split_of(one.seed) == split_of(other.seed):
            assert one.base.digest != other.base.digest
            continue
        for table in one.base.tables:
            if table not in CATALOGUES.get(name, ()) and not table.startswith("_"):
                assert not set(one.base.tables[table]) & set(other.base.tables[table]), table
        assert not people(one) & people(other)
    for domain in found:
        assert domain.callers == domain.customers(domain.base)


def people(domain: Any) -> set[tuple[str, ...]]:
    """What tells customers apart: names with the rest of what they say about themselves."""
    world = domain.world()
    facts = (domain.profile(world, customer).facts for customer in domain.callers)
    return {(kind, value) for found in facts for kind, value in found.items() if "Email" in kind or "Number" in kind}


def test_a_domain_that_knows_nothing_of_splits_has_its_customers_told_apart() -> None:
    callers = [set(load(f"tests.support.library_domain:Library:{split}").callers) for split in SPLITS]
    everybody = set(Library().customers(Library().base))
    assert all(callers)
    assert set().union(*callers) == everybody
    assert sum(map(len, callers)) == len(everybody)


@pytest.mark.parametrize("name", ["retail:tset", "tests.support.library_domain:Library:tests"])
def test_an_invalid_split(name: str) -> None:
    with pytest.raises(UnknownDomain, match="its splits are train, validation, test"):
        find(name)
