"""A second evaluator of requests, written apart from the first: brute force over everything that tools return.

It knows results and annotations only. A record is a dict whose keys fit a ``TypedDict`` of the domain's tools; what a
request means is found by filtering and sorting all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Any, NotRequired, cast, get_args, get_origin

from typing_extensions import get_type_hints, is_typeddict

from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call, Kind

#: A dict in a result, and the dicts around it, innermost first.
Item = tuple[dict[str, Any], list[dict[str, Any]]]


class Unclear(Exception):
    """A request means nothing here, or not one thing."""


class ByHand:
    """All dicts in the results that a customer's data leads to, with the dicts around each."""

    def __init__(self, domain: Domain, world: World, customer: str, done: Sequence[Call] = ()) -> None:
        self.domain, self.world, self.customer, self.done = domain, world, customer, done
        self.this: list[Item] = []
        self.types: dict[str, Any] = {}
        for tool in domain.tools:
            self._collect_types(_hints(tool.function).get("return"))
        self.found: list[Item] = []
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

    def records(self, kind: str) -> list[Item]:
        return [item for item in self.found if self._is_a(item[0], kind)]

    def _is_a(self, record: dict[str, Any], kind: str) -> bool:
        return kind in self.types and self._fits(record, kind) and self._is(record, kind)

    def _fits(self, record: dict[str, Any], kind: str) -> bool:
        hints = _hints(self.types[kind])
        needed = {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}
        return needed <= set(record) <= set(hints)

    def _is(self, record: dict[str, Any], kind: str) -> bool:
        """No other type fits the record more closely."""
        fitting = [name for name in self.types if self._fits(record, name)]
        return min(fitting, key=lambda name: len(_hints(self.types[name]))) == kind

    # -- meaning -------------------------------------------------------------------------------------------------------
    def meaning(self, request: dict[str, Any]) -> tuple[list[Call], list[Any]]:
        """The calls and the answers that a request comes to. Raises Unclear: it has no meaning, or several."""
        before, self.world = self.world, self.world.fork()
        try:
            return self._carried_out(request)
        finally:
            self.world = before

    def _carried_out(self, node: dict[str, Any]) -> tuple[list[Call], list[Any]]:
        kind = node["node"]
        if kind == "tell":
            return [], [self.value(node["value"])]
        if kind == "several":
            parts = [self._carried_out(one) for one in node["requests"]]
            return [call for calls, _ in parts for call in calls], [fact for _, facts in parts for fact in facts]
        if kind == "if":
            branch = node["then"] if self.holds(node["condition"]) else node.get("otherwise")
            return self._carried_out(branch) if branch else ([], [])
        if kind == "do":
            todo = [self.call(node)]
        elif kind == "first possible":
            todo = [self.call(one) for one in node["options"] if self.tried(one) is not None][:1]
        elif kind == "best":
            todo = [self.best(node)]
        else:
            assert kind == "each", kind
            todo = []
            for item in self.items(node["among"]):
                given = {"node": "given", "value": self._one(item[0], node["field"])}
                todo.append(self.call(node | {"arguments": {node["slot"]: given, **node.get("arguments", {})}}, item))
        for call in todo:
            for step in self.domain.steps(self.world, call):
                if self.domain.execute(self.world, step).error:
                    break
        return todo, []

    def call(self, node: dict[str, Any], *this: Item) -> Call:
        chosen = {slot: value for slot, value in node["arguments"].items() if value["node"] == "first that works"}
        with self.at(*this):
            arguments = {slot: self.value(value) for slot, value in node["arguments"].items() if slot not in chosen}
        errand = self.domain.errand(node["errand"])
        for slot, spec in errand.parameters.items() if errand is not None else ():
            if slot in arguments and spec.kind == "list" and not isinstance(arguments[slot], list):
                arguments[slot] = [arguments[slot]]
        for slot, value in chosen.items():
            works = [one for one in self._options(value) if self._works(node["errand"], {**arguments, slot: one})]
            if not works:
                raise Unclear(f"nothing works for {slot}")
            arguments[slot] = works[0]
        return Call(node["errand"], arguments)

    def _options(self, node: dict[str, Any]) -> Iterator[Any]:
        for option in node["values"]:
            with suppress(Unclear):
                yield self.value(option)

    def _works(self, errand: str, arguments: dict[str, Any]) -> bool:
        given = {slot: {"node": "given", "value": value} for slot, value in arguments.items()}
        tried = self.tried({"node": "do", "errand": errand, "arguments": given})
        return tried is not None and tried[1]

    def tried(self, node: dict[str, Any]) -> Any:
        """What the last write of an errand gives, and whether all of its writes change something; ``None`` where it is
        refused, or forbidden."""
        try:
            call = self.call(node)
        except Unclear:
            return None
        copy, given, changed = self.world.fork(), None, []
        for step in self.domain.steps(copy, call):
            if self.domain.breaches(copy, step, self.customer):
                return None
            result = self.domain.execute(copy, step)
            if result.error:
                return None
            if self.domain.tools[step.name].kind is Kind.WRITE:
                given = result.value
                changed.append(result.changed)
        return (given, changed) if changed and all(changed) else None

    def best(self, node: dict[str, Any]) -> Call:
        offers = [
            (self._outcome(tried[0], node["field"]), one) for one in node["options"] if (tried := self.tried(one))
        ]
        if not offers:
            raise Unclear("nothing is possible")
        if not all(_is_number(worth) for worth, _ in offers):
            raise Unclear("no number")
        top = (max if node["order"] == "most" else min)(worth for worth, _ in offers)
        ((_, chosen),) = self._only([offer for offer in offers if offer[0] == top])
        return self.call(chosen)

    @staticmethod
    def _outcome(result: Any, path: str) -> Any:
        found = list(_values(result, path)) if isinstance(result, dict) else []
        if len(found) != 1:
            raise Unclear(f"{len(found)} values in {path}")
        return found[0]

    def holds(self, node: dict[str, Any]) -> bool:
        if node["node"] == "not":
            return not self.holds(node["of"])
        if node["node"] == "exists":
            return len(self.set(node["among"])) > 0
        if node["node"] == "possible":
            return self.tried(node["of"]) is not None
        return self._compare(self.value(node["left"]), node["relation"], self.value(node["right"]))

    def value(self, node: dict[str, Any]) -> Any:
        kind = node["node"]
        if kind == "given":
            return node["value"]
        if kind == "field":
            return self._one(self.record(node["of"]), node["field"])
        if kind == "fields":
            found = [self._one(record, node["field"]) for record in self.set(node["of"])]
            return [one for place, one in enumerate(found) if one not in found[:place]]
        if kind == "count":
            return len(self.set(node["of"]))
        if kind == "total":
            return round(sum(self._number(self._one(record, node["field"])) for record in self.set(node["of"])), 2)
        if kind == "outcome":
            tried = self.tried(node["of"])
            if tried is None:
                raise Unclear("refused")
            return self._outcome(tried[0], node["field"])
        if kind == "every":
            values = []
            for item in self.items(node["of"]):
                with self.at(item):
                    values.append(self.value(node["value"]))
            return values
        if kind == "list":
            parts = [self.value(one) for one in node["values"]]
            return [one for part in parts for one in (part if isinstance(part, list) else [part])]
        if kind == "object":
            return {name: self.value(one) for name, one in node["fields"].items()}
        if kind == "sum":
            value = self.value(node["of"])
            return round(sum(map(self._number, value if isinstance(value, list) else [value])), 2)
        if kind == "results":
            return [
                value
                for name, result in self._made()
                if name in node["fields"]
                for value in _values(result, node["fields"][name])
            ]
        if kind == "earlier":
            return ByHand(self.domain, self.domain.world(), self.customer, self.done).value(node["value"])
        assert kind == "arithmetic", kind
        left, right = self.value(node["left"]), self._number(self.value(node["right"]))
        if isinstance(left, str) and node["sign"] in "+-" and _is_day(left):
            return str(date.fromisoformat(left) + timedelta(days=int(right) * (1 if node["sign"] == "+" else -1)))
        left = self._number(left)
        every = {"+": left + right, "-": left - right, "*": left * right}
        return round(every[node["sign"]] if node["sign"] in every else sorted([left, right])[node["sign"] == "most"], 2)

    def _made(self) -> Iterator[tuple[str, Any]]:
        """All calls that the errands before took, with their results."""
        world = self.domain.world()
        for errand in self.done:
            for step in self.domain.steps(world, errand):
                value = self.domain.execute(world, step).value
                if isinstance(value, dict):
                    yield step.name, value

    @staticmethod
    def _number(value: Any) -> Any:
        if not _is_number(value):
            raise Unclear(f"{value} is no number")
        return value

    @staticmethod
    def _one(record: dict[str, Any], path: str) -> Any:
        found = list(_values(record, path))
        if len(found) != 1:
            raise Unclear(f"{len(found)} values in {path}")
        return found[0]

    @staticmethod
    def _only(held: list[Any]) -> list[Any]:
        if len(held) != 1:
            raise Unclear(f"{len(held)} fit")
        return held

    def record(self, node: dict[str, Any]) -> dict[str, Any]:
        return self.item(node)[0]

    def item(self, node: dict[str, Any]) -> Item:
        held = self.items(node["among"])
        for test in node.get("prefer", ()):
            held = [item for item in held if self.passes(item, test)] or held
        if "by" not in node and "worth" not in node:
            return cast("Item", self._only(held)[0])
        ranked = []
        for item in held:
            if "worth" in node:
                with self.at(item):
                    ranked.append((self.value(node["worth"]), item))
            elif node["by"] in item[0] and item[0][node["by"]] is None:
                raise Unclear("no limit")
            elif list(_values(item[0], node["by"])):
                ranked.append((self._one(item[0], node["by"]), item))
        # Of which there are so many better ones, and none that is as good.
        sign = "more" if node.get("order", "most") == "most" else "less"
        place = node.get("place", 1)
        better = [sum(self._compare(other, sign, worth) for other, _ in ranked) for worth, _ in ranked]
        if len(set(filter(lambda number: number < place, better))) < sum(number < place for number in better):
            raise Unclear("two are equal")
        return cast(
            "Item", self._only([item for item, number in zip(ranked, better, strict=True) if number == place - 1])[0][1]
        )

    def set(self, node: dict[str, Any]) -> list[dict[str, Any]]:
        return [record for record, _ in self.items(node)]

    def items(self, node: dict[str, Any]) -> list[Item]:
        if node.get("this"):
            items = [item for item in self.this if self._is_a(item[0], node["kind"])][-1:]
        elif "shown_by" in node:
            tool = node["shown_by"]["tool"]
            given = {slot: self.value(value) for slot, value in node["shown_by"].get("arguments", {}).items()}
            if tool not in self.domain.tools or self.domain.tools[tool].kind is not Kind.READ:
                raise Unclear(f"{tool} looks nothing up")
            result = self.domain.execute(self.world, Call(tool, given))
            shown = [] if result.error else list(_dicts(json.loads(json.dumps(result.value)), []))
            items = [item for item in shown if self._is_a(item[0], node["kind"])]
        else:
            items = self.records(node["kind"])
        if "within" in node:
            holder = self.record(node["within"])
            items = [item for item in items if any(around == holder for around in item[1])]
        items = [item for item in items if all(self.passes(item, test) for test in node.get("where", ()))]
        for condition in node.get("such", ()):
            kept = []
            for item in items:
                with self.at(item):
                    if self.holds(condition):
                        kept.append(item)
            items = kept
        out = self.items(node["but"]) if "but" in node else []
        return [item for item in items if item not in out]

    @contextmanager
    def at(self, *items: Item) -> Iterator[None]:
        """What ``this`` is meanwhile."""
        self.this += items
        yield
        del self.this[len(self.this) - len(items) :]

    def passes(self, item: Item, test: dict[str, Any]) -> bool:
        with self.at(item):
            wanted = self.value(test["value"])
        relation, values = test.get("relation", "is"), list(_values(item[0], test["field"]))
        if relation == "contains":
            return wanted in [one for value in values for one in (value if isinstance(value, list) else [value])]
        if len(values) != 1:
            return bool(relation == "is not")
        if relation == "one of":
            if not isinstance(wanted, list):
                raise Unclear("no list")
            return values[0] in wanted
        return self._compare(values[0], relation, wanted)

    @staticmethod
    def _compare(left: Any, relation: str, right: Any) -> bool:
        if relation in ("is", "is not"):
            return bool((left == right and isinstance(left, bool) is isinstance(right, bool)) is (relation == "is"))
        if _is_number(left) and _is_number(right):
            return bool(left < right if relation == "less" else left > right)
        if not isinstance(left, str) or not isinstance(right, str):
            raise Unclear("no order")
        for read in (_as_date, _as_time, _as_quantity, _as_word):
            first, second = read(left), read(right)
            if first is not None and second is not None and first[0] == second[0]:
                return bool(first < second if relation == "less" else first > second)
        raise Unclear("no order")


def _as_date(text: str) -> tuple[str, Any] | None:
    try:
        return ("date", text) if text[4:5] == "-" and datetime.fromisoformat(text) else None
    except ValueError:
        return None


def _is_day(text: str) -> bool:
    return _as_date(text) is not None and len(text) == 10


def _as_time(text: str) -> tuple[str, Any] | None:
    clock, _, days = text.partition("+")
    parts = clock.split(":")
    return ("time", (days, parts)) if len(parts) > 1 and all(part.isdecimal() for part in parts) else None


def _as_quantity(text: str) -> tuple[str, Any] | None:
    digits = "".join(takewhile(lambda sign: sign.isdecimal() or sign == ".", text))
    unit = text[len(digits) :]
    return (unit.lstrip(" -").casefold(), float(digits)) if digits and not any(map(str.isdecimal, unit)) else None


def _as_word(text: str) -> tuple[str, Any] | None:
    for scale in ("xs s m l xl xxl", "small medium large", "low medium high"):
        if text.casefold() in scale.split():
            return scale, scale.split().index(text.casefold())
    return None


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
