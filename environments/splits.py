"""Train, validation and test: databases of one domain that share nobody.

A split is a range of database seeds, and one of three parts into which names and numbers fall by a checksum. Generated
databases draw only names and numbers of their own part (:func:`own`), so no customer, order or phone of one split is in
another, whatever the seeds. Where a domain's generator does not know of splits, its customers are told apart here.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

Own = Callable[[str], bool]
#: Their order is the number of their part.
SPLITS = ("train", "validation", "test")
#: Seeds of the n-th split lie from (n + 1) times this on; those below belong to no split.
_RANGE = 1_000_000_000


def seed_in(split: str, seed: int) -> int:
    """The database seed that stands for ``seed`` in a split. Raises ValueError: no such seed."""
    if not 0 <= seed < _RANGE:
        raise ValueError(f"the database's seed must be from 0 to {_RANGE - 1} in a split, not {seed}")
    return (SPLITS.index(split) + 1) * _RANGE + seed


def split_of(seed: int) -> str | None:
    """The split whose range a database seed lies in; ``None``: none."""
    place = seed // _RANGE - 1
    return SPLITS[place] if 0 <= place < len(SPLITS) else None


def own(seed: int) -> Own:
    """Whether a name or number may be used in the database of this seed: in a split, those of its part."""
    split = split_of(seed)
    if split is None:
        return lambda text: True
    part = SPLITS.index(split)
    return lambda text: crc32(text.encode()) % len(SPLITS) == part


def name_and_split(name: str) -> tuple[str, str | None]:
    """``retail:test`` as (``retail``, ``test``); the split is ``None`` where none is named."""
    head, _, tail = name.rpartition(":")
    return (head, tail) if head and tail in SPLITS else (name, None)
