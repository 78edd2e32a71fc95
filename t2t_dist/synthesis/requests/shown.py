"""The records that tools show a customer's agent: what an expression is evaluated on.

An agent sees no tables, it sees results. Every dict of a named type in a result is a record (``Order``, ``OrderItem``),
with the look-up that shows it and the records around it. Nothing is declared for it: types come from the tools'
annotations, and where there are none, records are named by the field or the tool that holds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import orjson

from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import PLAIN, Spec
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call, ToolSet

from ..bindings import Lookup, canonical_json, look_around
from ..tool_graph import graph_of
from .kinds import by_fields, record_types

#: A text that is longer holds no records, characters.
_MAX_TEXT = 1_000_000


class Shown(NamedTuple):
    """A record as a look-up shows it; ``inside``: the record that holds it, if one does."""

    kind: str
    record: Mapping[str, Any]
    call: Call
    inside: Shown | None

    def is_within(self, other: Shown) -> bool:
        """Whether ``other`` holds this record, directly or not."""
        around = self.inside
        while around is not None:
            if around is other:
                return True
            around = around.inside
        return False


class Universe:
    """All records that a customer's own data leads to, by kind, in the order in which look-ups show them."""

    def __init__(self, shown: Sequence[Shown]) -> None:
        self.by_kind: dict[str, list[Shown]] = {}
        for one in shown:
            self.by_kind.setdefault(one.kind, []).append(one)

    def of(self, kind: str) -> list[Shown]:
        return self.by_kind.get(kind, [])


#: The records in the results of look-ups, each with its JSON, as long as the look-ups are kept: twin worlds share most.
_SHOWN: WeakKeyDictionary[Lookup, list[tuple[Shown, bytes]]] = WeakKeyDictionary()
#: What was seen last, by tools, state, customer and the tools that were used: making a task and proving it look at the
#: same worlds.
_LAST_SEEN: dict[tuple[ToolSet, str, str, frozenset[str] | None], Universe] = {}
_MOST_SEEN = 256


def look_at(domain: Domain, world: World, customer: str, kinds: Set[str] | None = None) -> Universe:
    """The records that READ tools show in a world, starting from who the customer is. ``kinds``: the types that are
    looked for; what has nothing to do with them may be left out."""
    tools = None if kinds is None else _showing(domain.origin, customer, frozenset(kinds))
    key = domain.tools, world.digest, customer, tools
    found = _LAST_SEEN.get(key)
    if found is None:
        shown: list[tuple[Shown, bytes]] = []
        for lookup in look_around(domain, world, customer, tools=tools):
            if lookup not in _SHOWN:
                _SHOWN[lookup] = [
                    (one, canonical_json([one.kind, one.record]))
                    for one in _in_result(domain, lookup.call, lookup.value)
                ]
            shown += _SHOWN[lookup]
        found = Universe(list(_once(shown)))
        if len(_LAST_SEEN) >= _MOST_SEEN:
            _LAST_SEEN.clear()
        _LAST_SEEN[key] = found
    return found


@lru_cache(maxsize=1024)
def _showing(domain: Domain, customer: str, kinds: frozenset[str]) -> frozenset[str] | None:
    """The tools that show records of some kinds to a customer, and those that lead there; ``None``: it can't be told,
    as where results have no types."""
    tools = graph_of(domain).showing(kinds)
    calls = {one.call.name for kind in kinds for one in first_look(domain, customer).of(kind)}
    entry = {tool.name for tool in domain.entry_tools}
    return tools if kinds <= record_types(domain).keys() and calls <= tools | entry else None


def shown_by(domain: Domain, world: World, call: Call) -> list[Shown]:
    """The records that one look-up shows; none where it is refused."""
    result = domain.execute(world, call)
    return [] if result.error else list(_in_result(domain, call, result.value))


def _in_result(domain: Domain, call: Call, value: Any) -> Iterator[Shown]:
    tool, types = domain.tools[call.name], by_fields(domain)

    def records(spec: Spec, value: Any, inside: Shown | None, name: str) -> Iterator[Shown]:
        if isinstance(value, Mapping):
            fields = dict(spec.fields) if spec.kind == "struct" else {}
            here = inside
            if spec.kind == "struct" or spec is PLAIN:
                here = Shown(spec.name or types.get(frozenset(value), name), value, call, inside)
                yield here
            for key, inner in value.items():
                below = spec.item if spec.kind == "map" else fields.get(key, PLAIN)
                if isinstance(inner, Mapping | list):
                    yield from records(below, inner, here, key)
        elif isinstance(value, list):
            below = spec.item if spec.kind == "list" else PLAIN
            for one in value:
                here = inside
                if isinstance(one, list):  # the flights of a trip
                    here = Shown(name, {str(place): part for place, part in enumerate(one)}, call, inside)
                    yield here
                yield from records(below, one, here, name)

    return records(tool.returns, _read(tool.read(value)), None, _named(tool.name))


def _read(value: Any) -> Any:
    """A result; of one that is a text, the JSON in it, if it holds some: tau2 and MCP have tools that answer so."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


@lru_cache(maxsize=128)
def first_look(domain: Domain, customer: str) -> Universe:
    """:func:`look_at` of a fresh world; cached, because all tasks of a customer ask for it."""
    return look_at(domain, domain.world(), customer)


def _once(shown: Sequence[tuple[Shown, bytes]]) -> Iterator[Shown]:
    """Each record once: what stands in no other record and was shown before, there or in another, is the same, and so
    is all that it holds."""
    inner = {key for one, key in shown if one.inside is not None}
    left_out: set[int] = set()
    for one, key in shown:
        if one.inside is None:
            if key in inner:
                left_out.add(id(one))
                continue
            inner.add(key)
        elif id(one.inside) in left_out:
            left_out.add(id(one))
            continue
        yield one


def _named(tool: str) -> str:
    """What the result of a tool without types is called: ``loan`` for ``get_loan_details``."""
    words = [word for word in tool.split("_") if word not in ("get", "list", "find", "search", "details", "all", "by")]
    return "_".join(words) or tool


def values_at(record: Mapping[str, Any], path: str) -> list[Any]:
    """What stands at a path; of a list on the way, all its elements, or the one that a number names (``trips.0.date``).
    Empty where the record lacks it."""
    if "." not in path:  # most are: called more often than anything else
        value = record.get(path)
        return [] if value is None else [value]
    found: list[Any] = [record]
    for part in path.split("."):
        step: list[Any] = []
        for value in found:
            if part.isdecimal() and isinstance(value, list):
                step += value[int(part) : int(part) + 1]
                continue
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, Mapping) and one.get(part) is not None:
                    step.append(one[part])
        found = step
    return found
