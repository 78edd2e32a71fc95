"""Records: JSON-like dicts, and the two forms in which worlds hold them: frozen and sealed."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any

import orjson

Record = dict[str, Any]

_STRICT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_CANONICAL = _STRICT | orjson.OPT_SORT_KEYS
#: Finds a whole number written as a float (or a text that looks like one). It begins with the literal ".0", which is
#: searched ten times as fast as a digit class.
_WHOLE_FLOAT = re.compile(rb"\.0[,}\]]")


def _refuse(self: object, *_: object, **__: object) -> Any:
    raise TypeError("this record is shared by all worlds: use world.edit(table, key) to get a copy you may change")


class FrozenDict(dict[str, Any]):
    """A dict that refuses changes. Reads are as fast as those of a plain dict; orjson encodes it as one."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __deepcopy__(self, memo: object) -> dict[str, Any]:
        thawed: dict[str, Any] = thaw(self)
        return thawed

    def __reduce__(self) -> tuple[Any, ...]:
        return freeze, (dict(self),)


class FrozenList(list[Any]):
    """A list that refuses changes."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = extend = insert = pop = remove = clear = sort = reverse = _refuse

    def __deepcopy__(self, memo: object) -> list[Any]:
        thawed: list[Any] = thaw(self)
        return thawed

    def __reduce__(self) -> tuple[Any, ...]:
        return freeze, (list(self),)


def freeze(value: Any) -> Any:
    """An immutable deep copy of a JSON-like value (frozen parts are shared, not copied)."""
    kind = type(value)
    if kind in _FROZEN:
        return value
    # Scalars are handled inside the loops: a call per scalar would cost more than all the rest.
    if isinstance(value, dict):
        frozen = FrozenDict(value)
        for key, item in value.items():
            if type(item) not in _FROZEN:
                dict.__setitem__(frozen, key, freeze(item))
        return frozen
    if isinstance(value, list | tuple):
        return FrozenList([item if type(item) in _FROZEN else freeze(item) for item in value])
    return value


def thaw(value: Any) -> Any:
    """A mutable deep copy of a JSON-like value."""
    if isinstance(value, dict):
        thawed = dict.copy(value)
        for key, item in value.items():
            if type(item) not in _SINGLE:
                thawed[key] = thaw(item)
        return thawed
    if isinstance(value, list):
        return [item if type(item) in _SINGLE else thaw(item) for item in value]
    return value


_SINGLE = frozenset({str, int, float, bool, type(None)})
_FROZEN = _SINGLE | {FrozenDict, FrozenList}


def _whole(value: Any) -> Any:
    """The value with 50 instead of 50.0; beyond 2**53 a float does not identify one whole number."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1 << 53 else value
    if isinstance(value, dict):
        return {key: item if type(item) in _NO_FLOAT else _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if type(item) in _NO_FLOAT else _whole(item) for item in value]
    return value


_NO_FLOAT = frozenset({str, int, bool, type(None)})


def record_hash(table: str, key: str, record: Record) -> int:
    """A 128-bit hash of a record and its place. Raises ``TypeError``: the record is not JSON."""
    try:
        body = orjson.dumps(record, option=_CANONICAL)
    except TypeError as error:
        raise TypeError(f"record {key!r} of table {table!r} is not JSON: {error}") from None
    # A balance of 50 that goes down and up again is 50.0: the same amount has to be the same state.
    if b".0" in body and _WHOLE_FLOAT.search(body):
        body = orjson.dumps(_whole(record), option=_CANONICAL)
    return int.from_bytes(blake2b(f"{table}\0{key}\0".encode() + body, digest_size=16).digest(), "big")


class Sealed:
    """A record as a call left it, and its hash (0 if the record was removed).

    It is kept as JSON until it is read: most of what a call writes is never read again in that world.
    """

    __slots__ = ("_json", "_record", "hash")

    def __init__(self, record: Record | None, hash: int) -> None:
        self.hash = hash
        self._json = None if record is None else orjson.dumps(record, option=_STRICT)
        self._record: Record | None = None

    @property
    def record(self) -> Record | None:
        """The record, frozen, or ``None``."""
        json = self._json  # forks share this object, and one may be read in a thread
        if json is not None:
            self._record = freeze(orjson.loads(json))
            self._json = None
        return self._record
