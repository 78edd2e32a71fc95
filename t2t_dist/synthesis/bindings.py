"""Binding arguments by domain type, from results already seen.

Every value found in a result is kept with its context: the domain values of the record that held it. To bind a call,
each argument is drawn from the values of its type whose context agrees with what is bound already: an ``ItemId`` goes
with the ``OrderId`` it was seen in. That is enough to enumerate sensible calls of a tool without knowing the domain.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import Context, DomainValue, Spec
from t2t_dist.environments.state import Base, World
from t2t_dist.environments.tools import Call, Tool, ToolSet
from t2t_dist.environments.traced import Reads, Traced
from t2t_dist.environments.workflows import Workflow

from .tool_graph import graph_of

#: Lists longer than this are not enumerated: the number of choices grows exponentially with their length.
MAX_LIST = 2
Accept = Callable[[str, Any, dict[str, Any]], bool]


@dataclass(frozen=True, eq=False)
class Lookup:
    """A READ call, the domain values found in its result, and the result itself."""

    call: Call
    found: list[DomainValue]
    value: Any = None


class Seen:
    """The domain values seen so far, by type, in the order of appearance."""

    def __init__(self) -> None:
        self._by_type: dict[str, dict[Any, tuple[Any, list[Context]]]] = {}
        self._later: list[Callable[[], Iterable[DomainValue]]] = []

    def add(self, found: Iterable[DomainValue]) -> None:
        for item in found:
            values = self._by_type.setdefault(item.type, {})
            _, contexts = values.setdefault(_hashable(item.value), (item.value, []))
            if item.context not in contexts:
                contexts.append(item.context)

    def add_once_needed(self, found: Callable[[], Iterable[DomainValue]]) -> None:
        """As :meth:`add`, but found only when somebody looks: of most results nobody asks what they hold."""
        self._later.append(found)

    def _known(self) -> dict[str, dict[Any, tuple[Any, list[Context]]]]:
        later, self._later = self._later, []
        for found in later:
            self.add(found())
        return self._by_type

    def values(self, type_name: str) -> list[tuple[Any, list[Context]]]:
        return list(self._known().get(type_name, {}).values())

    def contexts(self, type_name: str, value: Any) -> list[Context]:
        found = self._known().get(type_name, {}).get(_hashable(value))
        return found[1] if found else []

    def __contains__(self, item: tuple[str, Any]) -> bool:
        return _hashable(item[1]) in self._known().get(item[0], {})

    def related(self, type_name: str, bound: Context, everywhere: bool = False) -> list[tuple[Any, Context]]:
        """Values that agree with what is bound; those with nothing in common with it only if there are no others.

        Each with the context that agrees best: what choosing the value implies. ``everywhere``: with each that does.
        """
        values = self.values(type_name)
        if not bound:  # then all agree
            return [(value, one) for value, contexts in values for one in (contexts if everywhere else contexts[:1])]
        ranked = [(v, contexts, _rank(type_name, contexts, bound)) for v, contexts in values]
        best = max((rank for *_, rank in ranked), default=-1)
        if best < 0:
            return []
        ranked = [item for item in ranked if item[2] >= (1 if best > 0 else 0)]
        if not everywhere:
            return [(value, max(contexts, key=lambda one: len(one & bound))) for value, contexts, _ in ranked]
        return [
            (value, context)
            for value, contexts, rank in ranked
            for context in contexts
            if _rank(type_name, [context], bound) == rank
        ]


def canonical_json(value: Any) -> bytes:
    """A JSON text that is equal for equal values; usable as a key."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=list)
    except TypeError:  # a whole number of any size, which tau2's tools take
        return json.dumps(value, sort_keys=True, default=list).encode()


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else canonical_json(value)


def _rank(type_name: str, contexts: Sequence[Context], bound: Context) -> int:
    """How well a value fits what is bound: -1 where every context contradicts it, else the best overlap."""
    best = -1
    bound_types = types_in(bound)
    for context in contexts:
        shared = context & bound
        if len(shared) > best:
            clash = (types_in(context) & bound_types) - {type_name}
            if not clash or clash <= types_in(shared):
                best = len(shared)
    return best


@lru_cache(maxsize=65536)
def types_in(context: Context) -> frozenset[str]:
    """The domain types in a context."""
    return frozenset(name for name, _ in context)


class Binder:
    """Enumerates calls of one tool or workflow.

    ``extra`` gives further values by argument name, such as what the customer states.
    ``accept(slot, value, arguments so far)`` prunes as soon as an argument is bound.
    ``everywhere``: a value that stands in several records is tried with each of them (every trip from Boston, not one);
    calls may then come up twice.
    """

    def __init__(
        self,
        tool: Tool | Workflow,
        seen: Seen,
        *,
        extra: dict[str, list[Any]] | None = None,
        accept: Accept | None = None,
        rng: random.Random | None = None,
        sizes: dict[str, int] | None = None,
        everywhere: bool = False,
    ) -> None:
        self.tool, self.seen, self.extra, self.everywhere = tool, seen, extra or {}, everywhere
        self.accept, self.rng, self.sizes = accept, rng, sizes or {}

    def calls(self) -> Iterator[dict[str, Any]]:
        """Argument sets, in a fixed order (shuffled when an ``rng`` was given)."""
        for arguments in self._bind(list(self.tool.parameters.items()), {}, frozenset()):
            yield self.tool.normal(arguments) if isinstance(self.tool, Tool) else arguments

    def _bind(
        self, left: list[tuple[str, Spec]], arguments: dict[str, Any], bound: Context
    ) -> Iterator[dict[str, Any]]:
        if not left:
            yield dict(arguments)
            return
        (slot, spec), rest = left[0], left[1:]
        if slot not in self.extra and slot not in self.tool.required and not self._suggested(spec):
            # Nothing suggests a value: the tool's default applies.
            yield from self._bind(rest, arguments, bound)
            return
        choices = self._choices(slot, spec, arguments, bound)
        if self.rng is not None:
            choices = list(choices)
            self.rng.shuffle(choices)
        for value, around in choices:
            if self.accept is not None and not self.accept(slot, value, arguments):
                continue
            arguments[slot] = value
            yield from self._bind(rest, arguments, bound | around)
            del arguments[slot]

    def _suggested(self, spec: Spec) -> bool:
        """Whether any value is known for an argument."""
        if spec.kind == "list":
            return spec.item.kind == "scalar" and bool(self.seen.values(spec.item.name))
        return spec.kind == "choice" or (bool(spec.name) and bool(self.seen.values(spec.name)))

    def _choices(
        self, slot: str, spec: Spec, arguments: dict[str, Any], bound: Context
    ) -> Iterable[tuple[Any, Context]]:
        given = [(value, frozenset[tuple[str, Any]]()) for value in self.extra.get(slot, ())]
        if spec.kind == "choice":
            found: Iterable[tuple[Any, Context]] = [(choice, frozenset()) for choice in spec.choices]
        elif spec.kind in ("scalar", "struct") and spec.name:  # records of no named type have nothing in common
            found = self.seen.related(spec.name, bound, self.everywhere)
        elif spec.kind == "list" and spec.item.kind == "scalar":
            found = self._lists(slot, spec.item.name, arguments, bound)
        else:
            found = []
        if not given:
            return found
        found = list(found)
        known = {canonical_json(value) for value, _ in found}
        return [*found, *(item for item in given if canonical_json(item[0]) not in known)]

    def _lists(
        self, slot: str, type_name: str, arguments: dict[str, Any], bound: Context
    ) -> Iterator[tuple[list[Any], Context]]:
        partner = next(
            (
                arguments[name]
                for name, spec in self.tool.parameters.items()
                if name in arguments and spec.kind == "list" and spec.item.name == type_name
            ),
            None,
        )
        nothing: Context = frozenset()
        if partner is not None:
            # A second list of the same type goes with the first, element by element.
            pools = [[v for v, _ in self._counterparts(type_name, old, bound)] for old in partner]
            for combination in itertools.product(*pools):
                if len(set(combination)) == len(combination):
                    yield list(combination), nothing
            return
        pool = [value for value, _ in self.seen.related(type_name, bound)]
        for size in [self.sizes[slot]] if slot in self.sizes else range(1, MAX_LIST + 1):
            for chosen in itertools.combinations(pool, size):
                yield list(chosen), nothing

    def _counterparts(self, type_name: str, old: Any, bound: Context) -> Iterator[tuple[Any, list[Context]]]:
        """Values that share with ``old`` something specific, not what all values here have in common."""
        common = types_in(bound) | {type_name}
        own = {pair for context in self.seen.contexts(type_name, old) for pair in context if pair[0] not in common}
        for value, contexts in self.seen.values(type_name):
            if value != old and any(own & context for context in contexts):
                yield value, contexts


@lru_cache(maxsize=256)
def reachable_lookups(domain: Domain, customer: str) -> tuple[Lookup, ...]:
    """:func:`look_around` on a fresh world, cached: several trajectories of a customer follow one another."""
    return tuple(look_around(domain, domain.world(), customer))


@lru_cache(maxsize=256)
def reachable_values(domain: Domain, customer: str) -> Seen:
    """The values of :func:`reachable_lookups`: all that this customer's records lead to. Cached: not to be added to."""
    seen = Seen()
    for lookup in reachable_lookups(domain, customer):
        seen.add(lookup.found)
    return seen


def look_around(
    domain: Domain, world: World, customer: str, limit: int = 60, tools: Set[str] | None = None
) -> list[Lookup]:
    """The READ calls that this customer's own records lead to: at most ``limit``, breadth first. ``tools``: those to be
    called, beside the ones that identify the customer."""
    graph, seen = graph_of(domain), Seen()
    made: list[Lookup] = []
    done: set[bytes] = set()
    bound_to: dict[str, list[int]] = {}

    def is_new(tool: Tool, arguments: dict[str, Any]) -> bool:
        key = canonical_json([tool.name, arguments])
        known = key in done
        done.add(key)
        return not known

    def make(tool: Tool, arguments: dict[str, Any]) -> bool:
        lookup = read(domain, world, tool, arguments)
        if lookup is None:
            return False
        seen.add(lookup.found)
        made.append(lookup)
        return True

    facts = domain.profile(world, customer).facts
    for tool in graph.entry:
        make(tool, {name: facts[spec.name] for name, spec in tool.parameters.items()})
    grown = True
    while grown:
        grown = False
        for tool in graph.asked:
            specs = tool.parameters
            if any(spec.kind != "scalar" for spec in specs.values()) or (tools is not None and tool.name not in tools):
                continue
            known = [sum(len(contexts) for _, contexts in seen.values(spec.name)) for spec in specs.values()]
            if bound_to.get(tool.name) == known:
                continue  # to the same values as before
            bound_to[tool.name] = known
            for arguments in list(Binder(tool, seen, everywhere=len(specs) > 1).calls()):
                if len(made) >= limit:
                    return made
                if is_new(tool, arguments) and not _says_nothing_new(tool, arguments, seen, graph.listing):
                    grown = make(tool, arguments) or grown
    return made


#: What READ calls gave on the database that a world was made from, with what each rests on, by tools and database.
_READ: dict[tuple[ToolSet, Base], dict[bytes, tuple[Reads, Lookup | None]]] = {}
#: Databases and calls that are kept.
_MOST_BASES, _MOST_READ = 8, 20_000


def read(domain: Domain, world: World, tool: Tool, arguments: dict[str, Any]) -> Lookup | None:
    """A READ call in a world; ``None`` where it is refused. Twin worlds differ in a few records: a call that reads none
    of them gives the same in all, and is made once."""
    origin = (domain.tools, world.base.origin)
    if origin not in _READ:
        while len(_READ) >= _MOST_BASES:
            del _READ[next(iter(_READ))]
        _READ[origin] = {}
    known, changed = _READ[origin], world.base.edited | world.written()
    key = canonical_json([tool.name, arguments])
    if key in known and not known[key][0].touch(changed):
        return known[key][1]
    traced = Traced(world)
    result = domain.execute(traced, Call(tool.name, arguments))
    lookup = None
    if not result.error:
        lookup = Lookup(Call(tool.name, arguments), list(tool.found(result.value, arguments)), result.value)
    if not traced.reads.touch(changed):
        if len(known) >= _MOST_READ:
            known.clear()
        known[key] = traced.reads, lookup
    return lookup


def _says_nothing_new(tool: Tool, arguments: dict[str, Any], seen: Seen, listing: set[str]) -> bool:
    """Whether it looks up a single record all of whose ids were in the record that led here."""
    if tool.name in listing:
        return False
    known = {
        name
        for slot, spec in tool.parameters.items()
        for context in seen.contexts(spec.name, arguments[slot])
        for name, _ in context
    }
    return tool.returns.scalars() <= known


def dependencies(
    made: Sequence[Lookup], targets: Iterable[tuple[Tool | Workflow, dict[str, Any]]], domain: Domain
) -> list[int]:
    """Indices of the calls in ``made`` that the targets rest on (the dependency slice), ascending.

    A target rests on a call whose result held one of its arguments' values (but for those that customers say), on the
    look-up of each record it names, and on what those rest on in turn. Of several calls that held a value, one that is
    needed anyway is chosen, else the one that holds most of the arguments, else the first: two reservations with one
    airport need not both be read.
    """
    graph = graph_of(domain)
    needed: set[int] = set()
    todo = [(tool, arguments, len(made)) for tool, arguments in targets]
    while todo:
        tool, arguments, place = todo.pop()
        values = list(domain_values(tool, arguments))
        for type_name, value in values:
            spoken = type_name in domain.spoken_types
            source = None if spoken else _source(made, needed, type_name, value, values, place)
            for index in (source, _look_up(made, graph.detail_tool(type_name), value)):
                if index is not None and index not in needed:
                    needed.add(index)
                    earlier = made[index].call
                    todo.append((domain.tools[earlier.name], earlier.arguments, index))
    return sorted(needed)


def domain_values(tool: Tool | Workflow, arguments: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Domain types and values of a call's arguments, lists element by element."""
    for slot, spec in tool.parameters.items():
        if slot not in arguments:
            continue
        if spec.kind in ("scalar", "struct"):
            yield spec.name, arguments[slot]
        elif spec.kind == "list" and spec.item.kind == "scalar":
            for value in arguments[slot]:
                yield spec.item.name, value


def _source(
    made: Sequence[Lookup], needed: set[int], type_name: str, value: Any, values: Sequence[tuple[str, Any]], place: int
) -> int | None:
    """Index of the call that supplies a value, one of the ``values`` needed by the call at ``place``."""
    holding = [index for index, item in enumerate(made) if _holds(item, type_name, value)]
    if len(holding) < 2:
        return holding[0] if holding else None

    def merit(index: int) -> tuple[bool, int, int]:
        # The call's own arguments count as well: the plans for this line, not those for another.
        asked = made[index].call.arguments.values()
        spoken_of = sum(value in asked or _holds(made[index], name, value) for name, value in values)
        return index in needed and index < place, spoken_of, -index

    return max(holding, key=merit)


def _holds(item: Lookup, type_name: str, value: Any) -> bool:
    """Whether a call's result held the value; a value among its arguments does not count."""
    return value not in item.call.arguments.values() and any(
        f.type == type_name and f.value == value for f in item.found
    )


def _look_up(made: Sequence[Lookup], detail: Tool | None, value: Any) -> int | None:
    if detail is None:
        return None
    slot = next(iter(detail.parameters))
    calls = enumerate(item.call for item in made)
    return next((i for i, call in calls if call.name == detail.name and call.arguments[slot] == value), None)
