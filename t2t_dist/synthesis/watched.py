"""A world that notes what is read in it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from t2t_dist.environments.state import Index, Record, World


class Watched(World):
    """A copy of a world that notes the keys of the records that are read in it; ``None`` among them: a whole table."""

    __slots__ = ("seen",)

    def __init__(self, world: World) -> None:
        super().__init__(world.base)
        self.adopt(world)
        self.seen: set[str | None] = set()

    def get(self, table: str, key: str) -> Record | None:
        self.seen.add(key)
        return super().get(table, key)

    def scan(self, table: str) -> Iterator[tuple[str, Record]]:
        self.seen.add(None)
        return super().scan(table)

    def lookup(self, index: Index, value: Hashable) -> Iterator[tuple[str, Record]]:
        self.seen.add(None)
        return super().lookup(index, value)
