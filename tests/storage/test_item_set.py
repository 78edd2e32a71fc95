"""ItemSet behaves as a set of ints, whatever the ranges and the order they come in."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.storage.item_set import ItemSet

# Around multiples of the block size, where one block ends and the next begins.
starts = st.one_of(st.integers(0, 3000), st.sampled_from([0, 1, 1023, 1024, 1025, 2047, 2048, 2**40]))
ranges = st.lists(st.tuples(starts, st.integers(0, 2500)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=12)


@given(ranges, st.integers(0, 4000))
def test_is_a_set(added: list[tuple[int, int]], below: int) -> None:
    items, model = ItemSet(), set[int]()
    for start, stop in added:
        items.add_ranges([(start, stop)])
        model |= set(range(start, stop))
        assert len(items) == len(model)
    assert list(items) == sorted(model)
    assert list(items.missing(below)) == [item for item in range(below) if item not in model]
    assert all((item in items) == (item in model) for start, stop in added for item in (start - 1, start, stop))
    assert ItemSet(items.ranges()) == items == ItemSet.of(model)


@given(ranges, ranges)
def test_two_sets(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    one, other = ItemSet(first), ItemSet(second)
    model = set(one), set(other)
    assert sorted(one.common(other)) == sorted(model[0] & model[1])
    assert ItemSet.of(one) == one
    again = ItemSet()
    again.add_blocks(one.blocks())
    assert again == one
    less = ItemSet.of(one)
    less.remove(other)
    assert less == ItemSet.of(model[0] - model[1])
    assert len(less) == len(model[0] - model[1])
    one.update(other)
    assert list(one) == sorted(model[0] | model[1])
    assert len(one) == len(model[0] | model[1])


def test_what_is_whole_at_the_start_takes_no_memory() -> None:
    items = ItemSet()
    for start in range(0, 10**6, 1000):
        items.add_ranges([(start, start + 1000)])
    assert len(items) == 10**6
    assert items.whole == 10**6 // 1024
    assert len(list(items.loose())) == 1


@given(ranges)
def test_ranges_are_as_few_as_possible(added: list[tuple[int, int]]) -> None:
    found = list(ItemSet(added).ranges())
    assert all(start < stop for start, stop in found)
    assert all(before[1] < after[0] for before, after in pairwise(found))


def test_negative_item_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        ItemSet.of([-1])
    assert -1 not in ItemSet.of([1023])
