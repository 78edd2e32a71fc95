"""A growing set of item numbers in little memory: which items of a run are done.

Items are numbered densely, handed out in order and finished in nearly any order. The set is kept as bits, 1,024 per
block, in a dict of blocks; the full blocks at its start are only counted. Memory therefore holds just the range between
the first missing item and the last one present.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_SHIFT = 10
_BITS = 1 << _SHIFT
_FULL = (1 << _BITS) - 1  # one shared object, so a full block costs only a dict entry


class ItemSet:
    """A set of integers >= 0. Adding and removing are idempotent."""

    __slots__ = ("_blocks", "_size", "_whole")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._whole = 0  # number of full blocks at the start; none of them is in the dict
        self._blocks: dict[int, int] = {}
        self._size = 0
        self.add_ranges(ranges)

    @classmethod
    def of(cls, items: Iterable[int]) -> ItemSet:
        """The set of these items."""
        made, bits = cls(), dict[int, int]()
        for item in items:
            if item < 0:
                raise ValueError(f"item {item} is negative")
            block = item >> _SHIFT
            bits[block] = bits.get(block, 0) | 1 << (item & _BITS - 1)
        made.add_blocks(bits.items())
        return made

    def add(self, item: int) -> None:
        """Add one item."""
        self.add_ranges(((item, item + 1),))

    def add_ranges(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Add half-open ranges ``(start, stop)``; a negative start raises ValueError."""
        for start, stop in ranges:
            if start < 0:
                raise ValueError(f"item {start} is negative")
            self.add_blocks(_blocks_of(start, stop))

    def add_blocks(self, blocks: Iterable[tuple[int, int]]) -> None:
        """Add blocks of 1,024 items: ``(number, bits)``."""
        held, whole = self._blocks, self._whole
        for block, bits in blocks:
            if block < whole:
                continue
            old = held.get(block, 0)
            new = old | bits
            if new == old:
                continue
            self._size += (new ^ old).bit_count()
            held[block] = _FULL if new == _FULL else new
            while held.get(whole) == _FULL:
                del held[whole]
                whole += 1
        self._whole = whole

    def update(self, other: ItemSet) -> None:
        """Add all items of another set."""
        self.add_blocks((block, _FULL) for block in range(other._whole))
        self.add_blocks(other._blocks.items())

    def remove(self, other: ItemSet) -> None:
        """Remove all items of another set, as far as they are in this one."""
        for block, bits in other.blocks():
            for number in range(block, self._whole):
                self._blocks[number] = _FULL
            self._whole = min(self._whole, block)
            old = self._blocks.get(block, 0)
            self._size -= (old & bits).bit_count()
            if new := old & ~bits:
                self._blocks[block] = new
            elif old:
                del self._blocks[block]

    def common(self, other: ItemSet) -> Iterator[int]:
        """The items in both sets, in the order of the blocks of ``other``."""
        for block, bits in other.blocks():
            both = bits & (_FULL if block < self._whole else self._blocks.get(block, 0))
            while both:
                offset = (both & -both).bit_length() - 1
                yield (block << _SHIFT) + offset
                both &= both - 1

    @property
    def whole(self) -> int:
        """Number of full blocks at the start: every item below 1,024 times this is in the set."""
        return self._whole

    def blocks(self) -> Iterator[tuple[int, int]]:
        """The set as blocks, ``(number, bits)``; first the full ones at the start."""
        yield from ((block, _FULL) for block in range(self._whole))
        yield from self.loose()

    def loose(self) -> Iterable[tuple[int, int]]:
        """The blocks after the :attr:`whole` ones."""
        return self._blocks.items()

    def __contains__(self, item: int) -> bool:
        block = item >> _SHIFT
        return item >= 0 and (block < self._whole or bool(self._blocks.get(block, 0) >> (item & _BITS - 1) & 1))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[int]:
        for start, stop in self.ranges():
            yield from range(start, stop)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ItemSet) and (self._whole, self._blocks) == (other._whole, other._blocks)

    __hash__ = None  # type: ignore[assignment]  # a set that grows can't be a key

    def __repr__(self) -> str:
        return f"ItemSet({list(self.ranges())})"

    def ranges(self) -> Iterator[tuple[int, int]]:
        """The set as disjoint half-open ranges, ascending, as few as possible."""
        open_start, open_stop = 0, self._whole << _SHIFT  # the last range so far, which may continue in the next block
        for block in sorted(self._blocks):
            bits, base = self._blocks[block], block << _SHIFT
            while bits:
                zeros = (bits & -bits).bit_length() - 1
                shifted = bits >> zeros
                ones = (~shifted & shifted + 1).bit_length() - 1
                start = base + zeros
                if start != open_stop:
                    if open_stop > open_start:
                        yield open_start, open_stop
                    open_start = start
                open_stop = start + ones
                bits = shifted >> ones << zeros + ones
        if open_stop > open_start:
            yield open_start, open_stop

    def missing(self, below: int) -> Iterator[int]:
        """The items of ``range(below)`` not in the set, ascending; additions meanwhile count from the next block on."""
        block = self._whole
        while block << _SHIFT < below:
            bits, base = self._blocks.get(block, 0), block << _SHIFT
            if bits != _FULL:
                for offset in range(min(_BITS, below - base)):
                    if not bits >> offset & 1:
                        yield base + offset
            block = max(block + 1, self._whole)


def _blocks_of(start: int, stop: int) -> Iterator[tuple[int, int]]:
    while start < stop:
        block, offset = start >> _SHIFT, start & _BITS - 1
        width = min(stop - start, _BITS - offset)
        yield block, _FULL if width == _BITS else ((1 << width) - 1) << offset
        start += width
