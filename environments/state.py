"""State of a world: an immutable base shared by all worlds, and a copy-on-write overlay per world.

``Base`` is loaded once per process. Its records are deeply frozen, so a tool that forgets to take a copy gets a
``TypeError`` instead of changing the worlds of all other episodes. A ``World`` holds only what it has written:

- *reset* is a new empty overlay and *fork* shares the overlay's layers: both O(1), for any size of the database;
- a *tool call* is atomic: its edits stay open until :meth:`World.seal`; :meth:`World.discard` drops them;
- the *digest* is a sum over records (mod 2**128) and is updated when edits are sealed: O(records written);
- a *lookup* uses an index of the base, built once per process, and the few records that this world has written.

A record is JSON: text, numbers, true, false, null, lists, dicts with text keys. Two records are equal if their JSON is,
with numbers compared by value (50 is 50.0). Digest, diff and "changed" all use this equality.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from .record import Record as Record
from .record import Sealed, freeze, record_hash, thaw

Key = tuple[str, str]

#: Table of the clock and the id counters: as records, they are part of forks, digests and diffs.
META = "_meta"
_MODULUS = 1 << 128
#: A fork adds a layer to search; more than this are merged into one.
_MAX_LAYERS = 6


class RecordDiff(NamedTuple):
    """A record that differs between two worlds; ``None``: it does not exist there."""

    table: str
    key: str
    before: Record | None
    after: Record | None

    def fields(self) -> dict[str, tuple[Any, Any]]:
        """The top-level fields that differ: ``{field: (before, after)}``, absent values as ``None``."""
        before, after = self.before or {}, self.after or {}
        names = list(before) + [name for name in after if name not in before]
        absent = object()
        return {n: (before.get(n), after.get(n)) for n in names if before.get(n, absent) != after.get(n, absent)}


@dataclass(frozen=True, eq=False)
class Index:
    """An index of a table, declared once beside the tools that use it.

    ``values`` returns the values by which a record is found: ``Index("users", lambda user: [user["email"].lower()])``.
    """

    table: str
    values: Callable[[Record], Iterable[Hashable]]


class Base:
    """The initial tables of a world, ``{table: {key: record}}``; ``clock`` is the domain's own time, ISO 8601."""

    __slots__ = ("_digest", "_found", "_hashes", "_keys", "_positions", "edited", "origin", "outcomes", "tables")

    def __init__(self, tables: Mapping[str, Mapping[str, Record]], clock: str) -> None:
        frozen = {name: {key: freeze(record) for key, record in rows.items()} for name, rows in tables.items()}
        frozen[META] = {"clock": freeze({"now": clock})}
        self.tables: dict[str, dict[str, Record]] = frozen
        #: The base that this one was made from with :meth:`replaced`, and the places of records that may differ.
        self.origin, self.edited = self, frozenset[Key]()
        #: What calls came to on worlds of this base: see ``Domain.execute``.
        self.outcomes: dict[Hashable, tuple[Any, World | None]] = {}
        self._hashes: dict[Key, int] = {}
        self._digest: int | None = None
        self._found: dict[Index, dict[Hashable, list[str]]] = {}
        self._keys: dict[str, list[str]] = {}
        self._positions: dict[str, dict[str, int]] = {}

    def hash_of(self, table: str, key: str) -> int:
        """Hash of a base record, 0 if there is none; computed on first use."""
        found = self._hashes.get((table, key))
        if found is None and self.origin is not self and (table, key) not in self.edited:
            return self.origin.hash_of(table, key)
        if found is None:
            record = self.tables.get(table, {}).get(key)
            found = 0 if record is None else record_hash(table, key, record)
            self._hashes[(table, key)] = found
        return found

    @property
    def digest(self) -> int:
        """Sum of all record hashes mod 2**128; reads the whole database once, on first use."""
        if self._digest is None:
            total = sum(self.hash_of(table, key) for table, rows in self.tables.items() for key in rows)
            self._digest = total % _MODULUS
        return self._digest

    def found(self, index: Index) -> Mapping[Hashable, list[str]]:
        """Keys of the records by value, in the table's order; built on first use."""
        found = self._found.get(index)
        if found is None:
            found = {}
            for key, record in self.tables.get(index.table, {}).items():
                for value in dict.fromkeys(index.values(record)):
                    found.setdefault(value, []).append(key)
            self._found[index] = found
        return found

    def positions(self, table: str) -> Mapping[str, int]:
        """Position of each key in its table, from 0; built on first use."""
        found = self._positions.get(table)
        if found is None:
            found = self._positions[table] = {key: place for place, key in enumerate(self.keys(table))}
        return found

    def keys(self, table: str) -> list[str]:
        """The table's keys in order: one shared list, read-only; built on first use."""
        found = self._keys.get(table)
        if found is None:
            found = self._keys[table] = list(self.tables.get(table, {}))
        return found

    def replaced(self, records: Mapping[Key, Record]) -> Base:
        """A base in which these records, which exist, are others. It shares all else with this one."""
        other = Base.__new__(Base)
        other.tables = dict(self.tables)
        other.origin, other.edited = self.origin, self.edited | records.keys()
        other._hashes = {place: self.hash_of(*place) for place in self.edited}
        other._digest = self.digest
        for (table, key), record in records.items():
            if other.tables[table] is self.tables[table]:
                other.tables[table] = dict(self.tables[table])
            other.tables[table][key] = freeze(record)
            new = record_hash(table, key, record)
            other._digest = (other._digest + new - self.hash_of(table, key)) % _MODULUS
            other._hashes[(table, key)] = new
        other._found = {index: found for index, found in self._found.items() if not self._moves(index, records)}
        other._keys, other._positions = self._keys, self._positions
        return other

    def _moves(self, index: Index, records: Mapping[Key, Record]) -> bool:
        """Whether other records in their places are found by other values."""
        return any(
            table == index.table and list(index.values(record)) != list(index.values(self.tables[table][key]))
            for (table, key), record in records.items()
        )

    def world(self) -> World:
        """A fresh world: O(1)."""
        return World(self)


_moment = lru_cache(maxsize=256)(datetime.fromisoformat)


class World:
    """A private copy of a domain's state, copy-on-write."""

    __slots__ = ("_digest", "_layers", "_open", "_top", "base")

    def __init__(self, base: Base) -> None:
        self.base = base
        self._layers: tuple[dict[Key, Sealed], ...] = ()
        self._top: dict[Key, Sealed] = {}
        self._open: dict[Key, Record | None] = {}
        self._digest = base.digest

    # -- reading ---------------------------------------------------------------------------------------------------
    def get(self, table: str, key: str) -> Record | None:
        """The record, or ``None``. Read-only: base and sealed records refuse changes."""
        # Called more often than anything else: written out, where _sealed would do.
        place = (table, key)
        if self._open and place in self._open:
            return self._open[place]
        found = self._top.get(place)
        if found is None:
            for layer in reversed(self._layers):
                if (found := layer.get(place)) is not None:
                    break
            else:
                rows = self.base.tables.get(table)
                return None if rows is None else rows.get(key)
        return found.record

    def _sealed(self, place: Key) -> Record | None:
        written = self._written(place)
        if written is not None:
            return written.record
        rows = self.base.tables.get(place[0])
        return None if rows is None else rows.get(place[1])

    def _written(self, place: Key) -> Sealed | None:
        """The record that this world has sealed in this place, or ``None``."""
        found = self._top.get(place)
        if found is None and self._layers:
            for layer in reversed(self._layers):
                if (found := layer.get(place)) is not None:
                    break
        return found

    def _hash(self, place: Key) -> int:
        written = self._written(place)
        return self.base.hash_of(*place) if written is None else written.hash

    def scan(self, table: str) -> Iterator[tuple[str, Record]]:
        """All records of a table: those of the base in its order, then those that this world added, by key.

        The order depends on the state only: worlds with the same digest list the same.
        """
        written = self._written_in(table)
        for key, record in self.base.tables.get(table, {}).items():
            current = written.pop(key, record) if written else record
            if current is not None:
                yield key, current
        for key in sorted(written):
            if (added := written[key]) is not None:
                yield key, added

    def lookup(self, index: Index, value: Hashable) -> Iterator[tuple[str, Record]]:
        """The records that ``index`` finds by ``value``, in the order of :meth:`scan`: O(found + records written)."""
        table, keys = index.table, self.base.found(index).get(value, [])
        if written := self._written_in(table):
            keys = [key for key in keys if key not in written]
            keys += [key for key, record in written.items() if record is not None and value in index.values(record)]
            if len(keys) > 1:
                place, last = self.base.positions(table), len(self.base.tables.get(table, {}))
                keys.sort(key=lambda key: (place.get(key, last), key))
        for key in keys:
            record = self.get(table, key)
            if record is not None:
                yield key, record

    def _written_in(self, table: str) -> dict[str, Record | None]:
        written: dict[str, Record | None] = {}
        for layer in (*self._layers, self._top):
            for (name, key), sealed in layer.items():
                if name == table:
                    written[key] = sealed.record
        for (name, key), record in self._open.items():
            if name == table:
                written[key] = record
        return written

    @property
    def now(self) -> datetime:
        """The world's own time; it changes only when a tool calls :meth:`advance`."""
        record = self.get(META, "clock")
        assert record is not None
        return _moment(record["now"])

    # -- writing ---------------------------------------------------------------------------------------------------
    def edit(self, table: str, key: str) -> Record:
        """A copy of the record, for this call to change. Raises ``KeyError`` if there is none."""
        place = (table, key)
        record = self._open.get(place)
        if record is None:
            current = self.get(table, key)
            if current is None:
                raise KeyError(f"{table} has no record {key!r}")
            record = self._open[place] = thaw(current)
        assert record is not None
        return record

    def put(self, table: str, key: str, record: Record) -> None:
        """Add or replace a record."""
        self._open[(table, key)] = thaw(record)

    def delete(self, table: str, key: str) -> None:
        """Remove a record; removing a missing record is no change."""
        self._open[(table, key)] = None

    def advance(self, **delta: float) -> None:
        """Advance the world's clock, in ``timedelta`` units: ``advance(minutes=5)``."""
        moved = self.now + timedelta(**delta)
        self.edit(META, "clock")["now"] = moved.isoformat()

    def new_id(self, prefix: str, *scope: str) -> str:
        """The next id; each (prefix, scope) has its own counter.

        Use the record that the id belongs to (an order, a user) as the scope: then writes to different records lead
        to the same state in any order.
        """
        counter = "-".join((prefix, *scope))
        place = f"id {counter}"  # so that no counter is named like the clock
        if self.get(META, place) is None:
            self.put(META, place, {"next": 1})
        issued = self.edit(META, place)
        issued["next"] += 1
        return f"{counter}-{issued['next'] - 1}"

    def seal(self) -> bool:
        """End a call: keep its edits and update the digest. Returns whether the state changed.

        Raises:
            TypeError: a record is not JSON; nothing is sealed then.
        """
        sealed: dict[Key, Sealed] = {}
        digest = self._digest
        for place, record in self._open.items():
            old = self._hash(place)
            new = 0 if record is None else record_hash(*place, record)
            if new != old:
                sealed[place] = Sealed(record, new)
                digest += new - old
        self._open = {}
        self._top.update(sealed)
        self._digest = digest % _MODULUS
        return bool(sealed)

    def discard(self) -> None:
        """End a failed call: drop its edits."""
        self._open = {}

    # -- copies and comparison ---------------------------------------------------------------------------------------
    def fork(self) -> World:
        """An independent copy: O(1), both share what was written so far. Open edits are not copied."""
        if self._top:
            self._layers = (*self._layers, self._top)
            self._top = {}
            if len(self._layers) > _MAX_LAYERS:
                merged: dict[Key, Sealed] = {}
                for layer in self._layers:
                    merged.update(layer)
                self._layers = (merged,)
        child = World.__new__(World)
        child.base, child._layers, child._top, child._open = self.base, self._layers, {}, {}
        child._digest = self._digest
        return child

    @property
    def is_of_origin(self) -> bool:
        """Whether it is a world as such, between two calls, on a base that was not made from another."""
        return type(self) is World and not self._open and self.base.origin is self.base

    @property
    def touched(self) -> bool:
        """Whether the current call has open edits."""
        return bool(self._open)

    def adopt(self, other: World) -> None:
        """Take over the state of a fork of this world; the two stay independent. Open edits of both are dropped.

        Raises:
            ValueError: the worlds have different bases.
        """
        if self.base is not other.base:
            raise ValueError("a world can't adopt a world with another base")
        copy = other.fork()
        self._layers, self._top, self._open, self._digest = copy._layers, copy._top, {}, copy._digest

    @property
    def digest(self) -> str:
        """Digest of the sealed state, 32 hex digits; equal if and only if the states are (but for collisions)."""
        return f"{self._digest:032x}"

    def written(self) -> set[Key]:
        """Places that this world has written, whether or not they differ from the base."""
        return {place for layer in (*self._layers, self._top) for place in layer}

    def changes(self) -> list[RecordDiff]:
        """The differences from the base, sorted by table and key."""
        return diff(World(self.base), self)


def diff(a: World, b: World) -> list[RecordDiff]:
    """The changes that turn ``a`` into ``b``, which must share one base, or the one that theirs were made from with
    :meth:`Base.replaced`; O(records written).

    Raises:
        ValueError: the worlds have different bases.
    """
    if a.base.origin is not b.base.origin:
        raise ValueError("worlds with different bases can't be compared")
    places = a.written() | b.written()
    if a.base is not b.base:
        places |= a.base.edited | b.base.edited
    return [
        RecordDiff(*place, a._sealed(place), b._sealed(place))
        for place in sorted(places)
        if a._hash(place) != b._hash(place)
    ]


def digest_of(tables: Mapping[str, Iterable[tuple[str, Record]]]) -> str:
    """Digest of whole tables computed from scratch, to check the incremental one."""
    total = sum(record_hash(name, key, record) for name, rows in tables.items() for key, record in rows)
    return f"{total % _MODULUS:032x}"
