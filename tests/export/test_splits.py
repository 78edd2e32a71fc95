"""Groups and splits: what belongs together is never parted, shares are kept as far as groups allow."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.environments.splits import SPLITS
from t2t_dist.export.splits import Groups, assign_splits, shares_of

NAMES = st.sampled_from([f"n{i}" for i in range(20)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(NAMES, min_size=1, max_size=3), max_size=25))
def test_groups_are_the_connected_names_in_any_order(links: list[list[str]]) -> None:
    groups, again = Groups(), Groups()
    for link in links:
        groups.join(link)
    for link in sorted(links, reverse=True):
        again.join(reversed(link))
    whole: list[set[str]] = []  # by hand: merge sets until nothing overlaps
    for link in links:
        touched = [each for each in whole if each & set(link)]
        whole = [each for each in whole if not each & set(link)] + [set(link).union(*touched)]
    for names in whole:
        assert {groups.find(name) for name in names} == {min(names)}
        assert {again.find(name) for name in names} == {min(names)}


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=4), st.integers(1, 30), min_size=1, max_size=60), st.integers(0, 5))
def test_every_group_has_one_split_and_none_stays_empty_that_could_be_filled(sizes: dict[str, int], seed: int) -> None:
    found = assign_splits(sizes, (0.8, 0.1, 0.1), seed)
    assert found.keys() == sizes.keys()
    assert found == assign_splits(dict(reversed(list(sizes.items()))), (0.8, 0.1, 0.1), seed)
    assert len(set(found.values())) == min(3, len(sizes))
    rows = Counter[str]()
    for group, split in found.items():
        rows[split] += sizes[group]
    if len(sizes) > 3:
        total = sum(sizes.values())
        for split, share in zip(SPLITS, (0.8, 0.1, 0.1), strict=True):
            # Never further off than the groups are large.
            assert abs(rows[split] - share * total) <= 2 * max(sizes.values())


def test_equal_groups_come_out_in_their_shares_and_the_seed_decides_which() -> None:
    sizes = {f"g{i}": 1 for i in range(1000)}
    one, other = assign_splits(sizes, (0.9, 0.05, 0.05), 1), assign_splits(sizes, (0.9, 0.05, 0.05), 2)
    assert Counter(one.values()) == Counter(other.values()) == {"train": 900, "validation": 50, "test": 50}
    assert one != other
    assert set(assign_splits(sizes, (1.0, 0.0, 0.0), 1).values()) == {"train"}


def test_shares_as_they_are_written() -> None:
    assert shares_of("8/1/1") == (8.0, 1.0, 1.0)
    assert shares_of("1") == (1.0, 0.0, 0.0)
    for wrong in ("", "a", "1/1/1/1", "-1/2", "0/0", "nan", "inf"):
        with pytest.raises(ValueError):  # noqa: PT011 - the command says more
            shares_of(wrong)
