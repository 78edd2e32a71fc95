"""Tables of a pydantic database: maps between a World's records and the live objects that tools change.

Each field of the database is a table. A dict of models has a record per key; a list of models one per id; anything else
(a nested model, a number) is one record under the key :data:`WHOLE`. A record is the model's JSON.

Tools change objects in place, without notice. A dict of models therefore tracks which of its values it has handed out
(:class:`Tracked`), and only those are compared after a call; the other fields are small and always compared.

Nor are tools held to the models: an argument that they don't check may be assigned as it is, a text to a number.
Such a value's JSON would not give it back, so the table keeps the value and its record refers to it (:data:`KEPT`).
"""

from __future__ import annotations

import json
import pickle
import types
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from hashlib import blake2b
from typing import Annotated, Any, Union, get_args, get_origin

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from ...state import Record, World

#: Key of the only record of a field that is neither a dict nor a list of models.
WHOLE = "value"
#: Table of the order of a list's records, if it differs from the order in which a World lists them.
ORDER = "_order"
#: Field of a record whose JSON does not give its live object back: the name under which the table keeps that object.
KEPT = "_kept"
#: Most objects that a table keeps; a world that needs one dropped since then is unsound.
_MOST_KEPT = 4096


class Tracked(dict[str, Any]):
    """A dict that tracks the keys whose values were handed out, replaced or removed."""

    __slots__ = ("touched",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.touched: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.touched.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.touched.add(key)
        return super().get(key, default)

    # Not dict's own iterator: with it, dict(tracked) and {**tracked} would bypass __getitem__.
    def __iter__(self) -> Iterator[str]:
        return iter(super().keys())

    def values(self) -> Any:
        return _Values(self)

    def items(self) -> Any:
        return _Items(self)

    def _all(self) -> None:
        self.touched.update(super().keys())

    def copy(self) -> dict[str, Any]:
        self._all()
        return dict(super().items())

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        return {key: deepcopy(value, memo) for key, value in super().items()}

    def __setitem__(self, key: str, value: Any) -> None:
        self.touched.add(key)
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self.touched.add(key)
        super().__delitem__(key)

    def setdefault(self, key: str, default: Any = None) -> Any:
        self.touched.add(key)
        return super().setdefault(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        self.touched.add(key)
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        self._all()
        return super().popitem()

    def clear(self) -> None:
        self._all()
        super().clear()

    def update(self, *arguments: Any, **values: Any) -> None:
        for key, value in dict(*arguments, **values).items():
            self[key] = value

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self


class _Values:
    """A tracked dict's values; each is tracked when it is handed out."""

    def __init__(self, owner: Tracked) -> None:
        self.owner = owner

    def __len__(self) -> int:
        return len(self.owner)

    def __iter__(self) -> Iterator[Any]:
        return (self.owner[key] for key in list(self.owner))


class _Items(_Values):
    def __iter__(self) -> Iterator[Any]:
        return ((key, self.owner[key]) for key in list(self.owner))


class Table:
    """A field of a live database, compared as a whole; subclasses compare record by record."""

    def __init__(self, name: str, db: BaseModel, field: str, annotation: Any) -> None:
        self.name, self.db, self.field, self.annotation = name, db, field, annotation
        self.adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        self.kept: OrderedDict[str, Any] = OrderedDict()
        self._last: dict[str, tuple[bytes, Record]] = {}

    @property
    def value(self) -> Any:
        return self.db.__dict__[self.field]

    def record(self, value: Any) -> Record:
        """A live object as a record."""
        data = self.adapter.dump_python(value, mode="json", warnings=False)
        record: Record = data if isinstance(data, dict) else {WHOLE: data}
        shown = repr(value)
        try:
            # A world holds JSON: what has none (a number of 100 digits) or another one (NaN) is not given back either.
            record = orjson.loads(orjson.dumps(record))
            if repr(self.alive(record)) == shown:
                return record
        except ValidationError:
            pass
        except TypeError:
            record = {}
        name = blake2b(shown.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        if name not in self.kept:
            self.kept[name] = deepcopy(value)
            if len(self.kept) > _MOST_KEPT:
                self.kept.popitem(last=False)
        return {**record, KEPT: name}

    def record_at(self, key: str, value: Any) -> Record:
        """:meth:`record` of the live object under a key. What pickles to the same bytes as the last time is what it
        was: a look-up goes through all flights, and changes none."""
        try:
            sign = blake2b(pickle.dumps(value), digest_size=16).digest()
        except Exception:  # a tool may put anything into it
            return self.record(value)
        last = self._last.get(key)
        if last is None or last[0] != sign:
            record = self.record(value)
            if KEPT in record:  # may be dropped
                return record
            last = self._last[key] = sign, record
        return last[1]

    def alive(self, record: Record) -> Any:
        """A new live object from a record. Raises ValueError: it can't be made."""
        if KEPT in record:
            if record[KEPT] not in self.kept:
                raise ValueError(f"the value of {self.name} is no longer kept")
            self.kept.move_to_end(record[KEPT])  # the one not used for longest goes first
            return deepcopy(self.kept[record[KEPT]])
        return self.adapter.validate_python(record[WHOLE] if set(record) == {WHOLE} else dict(record))

    def text(self, value: Any) -> str:
        """tau2's canonical text of a live object: 5 and 5.0 differ, the order of keys does not matter."""
        return json.dumps(self.adapter.dump_python(value, warnings=False), sort_keys=True, default=str)

    def load(self, world: World, changed: set[str]) -> None:
        """Update the live objects from the world; ``changed``: keys that may differ."""
        if (record := world.get(self.name, WHOLE)) is not None and changed:
            self.db.__dict__[self.field] = self.alive(record)

    def _with(self, world: World, changed: set[str], held: dict[str, Any]) -> dict[str, Any]:
        """The live objects by key; those of ``changed`` keys are rebuilt from the world."""
        for key in changed:
            record = world.get(self.name, key)
            if record is None:
                held.pop(key, None)
            else:
                held[key] = self.alive(record)
        return held

    def looked_at(self) -> Iterator[tuple[str, Record | None]]:
        """All records that may have changed since :meth:`settle`, with their current content."""
        yield WHOLE, self.record(self.value)

    def texts(self) -> dict[str, str | None]:
        """Like :meth:`looked_at`, as tau2's canonical texts."""
        return {WHOLE: self.text(self.value)}

    def text_of(self, records: Mapping[str, Record], key: str) -> str | None:
        """The entry of :meth:`texts` under a key, from the table's stored records in order."""
        return self.text(self.alive(records[key])) if key in records else None

    def settle(self) -> None:
        """Start tracking anew."""

    def keys(self) -> list[str]:
        """The keys of the live records."""
        return [WHOLE]

    def write(self, world: World) -> list[str]:
        """Write the differences into the world; returns their keys."""
        changed = []
        for key, record in self.looked_at():
            if not _same(record, world.get(self.name, key)):
                changed.append(key)
                if record is None:
                    world.delete(self.name, key)
                else:
                    world.put(self.name, key, record)
        return changed


def _same(record: Record | None, other: Record | None) -> bool:
    """Whether two records are the same, 5 and 5.0 told apart: the live objects would be shown differently."""
    return record == other and (record is None or orjson.dumps(record) == orjson.dumps(other))


class KeyedTable(Table):
    """A dict of models, by key."""

    id_field: str | None

    def __init__(self, name: str, db: BaseModel, field: str, annotation: Any) -> None:
        super().__init__(name, db, field, annotation)
        self.tracked = Tracked(self.value)
        self.id_field = _id_field(annotation)
        self.settle()

    def load(self, world: World, changed: set[str]) -> None:
        held = self._with(world, changed, dict.copy(self.tracked))
        if held.keys() != dict.keys(self.tracked):
            held = {key: held[key] for key, _ in world.scan(self.name)}
        dict.clear(self.tracked)
        dict.update(self.tracked, held)
        self.settle()

    def looked_at(self) -> Iterator[tuple[str, Record | None]]:
        for key, value in self._touched():
            yield key, None if value is None else self.record_at(key, value)

    def texts(self) -> dict[str, str | None]:
        return {key: None if value is None else self.text(value) for key, value in self._touched()}

    def _touched(self) -> Iterable[tuple[str, Any]]:
        if self.value is not self.tracked:  # a tool has replaced the dict
            replaced = {str(key): value for key, value in dict.items(self.value)}
            self.tracked.touched |= {*dict.keys(self.tracked), *replaced}
            dict.clear(self.tracked)
            dict.update(self.tracked, replaced)
            self.db.__dict__[self.field] = self.tracked
        return [(key, dict.get(self.tracked, key)) for key in sorted(self.tracked.touched)]

    def keys(self) -> list[str]:
        return list(dict.keys(self.tracked))

    def settle(self) -> None:
        self.tracked.touched = set()
        self.db.__dict__[self.field] = self.tracked


class ListedTable(Table):
    """A list of models, each with its own id."""

    def __init__(self, name: str, db: BaseModel, field: str, annotation: Any, id_field: str) -> None:
        super().__init__(name, db, field, annotation)
        self.id_field = id_field

    def keys(self) -> list[str]:
        """Ids; repeated ids get their position appended."""
        keys: dict[str, None] = {}
        for place, item in enumerate(self.value):
            key = str(getattr(item, self.id_field))
            keys[key if key not in keys else f"{key} ({place})"] = None
        return list(keys)

    def load(self, world: World, changed: set[str]) -> None:
        held = self._with(world, changed, dict(zip(self.keys(), self.value, strict=True)))
        order = world.get(ORDER, self.name)
        keys = order["keys"] if order else [key for key, _ in world.scan(self.name)]
        self.db.__dict__[self.field] = [held[key] for key in keys if key in held]

    def looked_at(self) -> Iterator[tuple[str, Record | None]]:
        for key, item in zip(self.keys(), self.value, strict=True):
            yield key, self.record(item)

    def texts(self) -> dict[str, str | None]:
        return {WHOLE: "\n".join(self.text(item) for item in self.value)}  # the order matters

    def text_of(self, records: Mapping[str, Record], key: str) -> str | None:
        return "\n".join(self.text(self.alive(record)) for record in records.values())

    def write(self, world: World) -> list[str]:
        keys = self.keys()
        changed = super().write(world)
        for key in [key for key, _ in world.scan(self.name) if key not in set(keys)]:
            world.delete(self.name, key)
            changed.append(key)
        # If the order differs from that of a World, it is a record of its own.
        order = None if keys == [key for key, _ in world.scan(self.name)] else {"keys": keys}
        if order == world.get(ORDER, self.name):
            return changed
        if order is None:
            world.delete(ORDER, self.name)
        else:
            world.put(ORDER, self.name, order)
        return [*changed, *keys]


class Attributes(Table):
    """What a toolkit keeps beside its database, such as the tools that were unlocked; no part of tau2's hashes."""

    def __init__(self, name: str, kit: Any) -> None:
        self.name, self.kit = name, kit
        self.adapter, self.kept = TypeAdapter(Any), OrderedDict()
        self.names = [attribute for attribute, value in vars(kit).items() if type(value) in _PLAIN]

    @property
    def value(self) -> Any:
        return {name: getattr(self.kit, name) for name in self.names}

    def alive(self, record: Record) -> Any:
        return deepcopy(super().alive(record))

    def load(self, world: World, changed: set[str]) -> None:
        if (record := world.get(self.name, WHOLE)) is not None and changed:
            for name, value in self.alive(record).items():
                setattr(self.kit, name, value)

    def texts(self) -> dict[str, str | None]:
        return {}


_PLAIN = frozenset({dict, list, set, str, int, float, bool, type(None)})


def tables_of(db: BaseModel, prefix: str) -> list[Table]:
    """The tables of a live database; its dicts of models are tracked from now on."""
    found: list[Table] = []
    for field, info in type(db).model_fields.items():
        value, annotation = db.__dict__[field], _plain(info.annotation)
        origin, arguments = get_origin(annotation), get_args(annotation)
        name = f"{prefix}{field}"
        if origin is dict and isinstance(value, dict) and arguments[0] is str and _models(arguments[1]):
            found.append(KeyedTable(name, db, field, arguments[1]))
        elif origin is list and isinstance(value, list) and (id_field := _id_field(arguments[0])):
            found.append(ListedTable(name, db, field, arguments[0], id_field))
        else:
            found.append(Table(name, db, field, info.annotation))
    return found


def _plain(annotation: Any) -> Any:
    return _plain(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation allows; empty if it allows anything else."""
    annotation = _plain(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        members = [_models(member) for member in get_args(annotation)]
        return [model for member in members for model in member] if all(members) else []
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def _id_field(annotation: Any) -> str | None:
    """The field that identifies the models of a list: the first one named as an id."""
    models = _models(annotation)
    names = list(models[0].model_fields) if len(models) == 1 else []
    return next((name for name in names if name == "id" or name.endswith("_id")), None)
