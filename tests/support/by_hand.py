"""A second evaluator of requests, written apart from the first: brute force over everything that tools return.

It knows results and annotations only. A record is a dict whose keys fit a ``TypedDict`` of the domain's tools; what a
request means is found by filtering and sorting all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NotRequired, get_args, get_origin

from typing_extensions import get_type_hints, is_typeddict

from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call, Kind


class ByHand:
    """All dicts in the results that a customer's data leads to, with the dicts around each."""

    def __init__(self, domain: Domain, world: World, customer: str) -> None:
        self.domain = domain
        self.types: dict[str, Any] = {}
        for tool in domain.tools:
            self._collect_types(_hints(tool.function).get("return"))
        self.found: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
        self._explore(world, customer)

    def _collect_types(self, hint: Any) -> None:
        if is_typeddict(hint) and hint.__name__ not in self.types:
            self.types[hint.__name__] = hint
            for inner in _hints(hint).values():
                self._collect_types(inner)
        for inner in get_args(hint):
            self._collect_types(inner)
        if hasattr(hint, "__supertype__"):
            self._collect_types(hint.__supertype__)

    def _explore(self, world: World, customer: str) -> None:
        """Every READ tool of one or more text arguments, with every text seen so far, by its type."""
        seen: dict[str, list[Any]] = {self.domain.customer_type: [customer]}
        called: set[str] = set()
        grown = True
        while grown:
            grown = False
            for tool in self.domain.of_kind(Kind.READ):
                if tool in self.domain.entry_tools or len(tool.parameters) != 1:
                    continue
                ((slot, spec),) = tool.parameters.items()
                for value in list(seen.get(spec.name, ())):
                    key = json.dumps([tool.name, value])
                    if key in called:
                        continue
                    called.add(key)
                    result = self.domain.execute(world, Call(tool.name, {slot: value}))
                    if result.error:
                        continue
                    grown = True
                    for one in tool.found(result.value, {slot: value}):
                        if isinstance(one.value, str) and one.value not in seen.setdefault(one.type, []):
                            seen[one.type].append(one.value)
                    for item in _dicts(json.loads(json.dumps(result.value)), []):
                        if item not in self.found:
                            self.found.append(item)

    def records(self, kind: str) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
        return [item for item in self.found if self._fits(item[0], kind) and self._is(item[0], kind)]

    def _fits(self, record: dict[str, Any], kind: str) -> bool:
        hints = _hints(self.types[kind])
        needed = {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}
        return needed <= set(record) <= set(hints)

    def _is(self, record: dict[str, Any], kind: str) -> bool:
        """No other type fits the record more closely."""
        fitting = [name for name in self.types if self._fits(record, name)]
        return min(fitting, key=lambda name: len(_hints(self.types[name]))) == kind

    # -- meaning -------------------------------------------------------------------------------------------------------
    def value(self, node: dict[str, Any]) -> Any:
        kind = node["node"]
        if kind == "given":
            return node["value"]
        if kind == "field":
            return self.record(node["of"])[node["field"]]
        if kind == "count":
            return len(self.set(node["of"]))
        if kind == "total":
            return round(sum(next(_values(record, node["field"])) for record in self.set(node["of"])), 2)
        assert kind == "fields", kind
        return [record[node["field"]] for record in self.set(node["of"])]

    def record(self, node: dict[str, Any]) -> dict[str, Any]:
        held = self.set(node["among"])
        if "by" in node:
            held = [record for record in held if list(_values(record, node["by"]))]
            held.sort(key=lambda record: next(_values(record, node["by"])))
            if node.get("order", "most") == "most":
                held.reverse()
            return held[node.get("place", 1) - 1]
        (only,) = held
        return only

    def set(self, node: dict[str, Any]) -> list[dict[str, Any]]:
        items = self.records(node["kind"])
        if "within" in node:
            holder = self.record(node["within"])
            items = [item for item in items if any(around == holder for around in item[1])]
        held = [record for record, _ in items if all(self.passes(record, test) for test in node.get("where", ()))]
        if "but" in node:
            out = self.set(node["but"])
            held = [record for record in held if record not in out]
        return held

    def passes(self, record: dict[str, Any], test: dict[str, Any]) -> bool:
        wanted, values = self.value(test["value"]), list(_values(record, test["field"]))
        flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
        return {
            "is": wanted in values,
            "is not": wanted not in values,
            "contains": wanted in flat,
            "more": any(isinstance(value, int | float) and value > wanted for value in values)
            if _is_number(wanted)
            else False,
            "one of": isinstance(wanted, list) and any(value in wanted for value in values),
        }[test.get("relation", "is")]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _hints(shape: Any) -> dict[str, Any]:
    return get_type_hints(shape, include_extras=True)


def _dicts(value: Any, around: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    if isinstance(value, dict):
        yield value, around
        for inner in value.values():
            yield from _dicts(inner, [value, *around])
    elif isinstance(value, list):
        for inner in value:
            yield from _dicts(inner, around)


def _values(record: Any, path: str) -> Iterator[Any]:
    head, _, rest = path.partition(".")
    if isinstance(record, list) and head.isdecimal():
        yield from _values(record[int(head)], rest)
    elif isinstance(record, list):
        for one in record:
            yield from _values(one, path)
    elif isinstance(record, dict) and record.get(head) is not None:
        if rest:
            yield from _values(record[head], rest)
        else:
            yield record[head]
