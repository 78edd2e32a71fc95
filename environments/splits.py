"""Splits: train, validation and test databases of one domain that share no customer.

A split is a range of database seeds, and one of three parts into which a checksum divides names and numbers. Generated
databases draw only names and numbers of their own part (:func:`own`), so no customer, order or phone of one split is in
another, for any seeds. If a domain's generator does not know splits, its customers are divided by the same checksum.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

Own = Callable[[str], bool]
#: In the order of their parts.
SPLITS = ("train", "validation", "test")
#: Seeds of the n-th split (from 0) start at (n + 1) times this; smaller seeds belong to no split.
_RANGE = 1_000_000_000


def seed_in(split: str, seed: int) -> int:
    """The database seed for ``seed`` in a split. Raises ValueError: out of range."""
    if not 0 <= seed < _RANGE:
        raise ValueError(f"the database's seed must be from 0 to {_RANGE - 1} in a split, not {seed}")
    return (SPLITS.index(split) + 1) * _RANGE + seed


def split_of(seed: int) -> str | None:
    """The split of a database seed, or ``None``."""
    place = seed // _RANGE - 1
    return SPLITS[place] if 0 <= place < len(SPLITS) else None


def own(seed: int) -> Own:
    """A predicate: whether the database of this seed may use a name or number. In a split, only those of its part."""
    split = split_of(seed)
    if split is None:
        return lambda text: True
    part = SPLITS.index(split)
    return lambda text: crc32(text.encode()) % len(SPLITS) == part


def name_and_split(name: str) -> tuple[str, str | None]:
    """``retail:test`` as (``retail``, ``test``); the split is ``None`` if none is named."""
    head, _, tail = name.rpartition(":")
    return (head, tail) if head and tail in SPLITS else (name, None)
