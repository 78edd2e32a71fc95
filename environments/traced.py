"""A view of a world that notes which records are read, to tell what a result rests on."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Set
from typing import Any

from .state import Index, Key, Record, World


class Reads:
    """What was read of a world. ``places``: single records; ``tables``: those that were searched.

    ``unknown``: something else was asked of the world, as adapters do, so that it can't be told what was read.
    """

    __slots__ = ("places", "tables", "unknown")

    def __init__(self) -> None:
        self.places: set[Key] = set()
        self.tables: set[str] = set()
        self.unknown = False

    def touch(self, places: Set[Key]) -> bool:
        """Whether what was read may be other where these records are others."""
        return self.unknown or not self.places.isdisjoint(places) or any(table in self.tables for table, _ in places)


class Traced(World):
    """A world as READ tools see it."""

    __slots__ = ("_world", "reads")

    def __init__(self, world: World) -> None:
        self._world, self.reads = world, Reads()

    def __getattr__(self, name: str) -> Any:
        # The slots of a world are empty here: whoever needs them does more than read.
        self.reads.unknown = True
        return getattr(self._world, name)

    def get(self, table: str, key: str) -> Record | None:
        self.reads.places.add((table, key))
        return self._world.get(table, key)

    def scan(self, table: str) -> Iterator[tuple[str, Record]]:
        self.reads.tables.add(table)
        return self._world.scan(table)

    def lookup(self, index: Index, value: Hashable) -> Iterator[tuple[str, Record]]:
        self.reads.tables.add(index.table)
        return self._world.lookup(index, value)

    def discard(self) -> None:
        self._world.discard()
