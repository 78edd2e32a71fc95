"""Rules as data: conditions on a call's arguments and the snapshot's records. Nothing is evaluated as code.

``$name`` refers to a value: an argument of the call, ``$customer``, or ``$record.field`` of a record that the rule
names (more dots lead into lists and mappings). A condition maps such values to expectations:

- ``$loan.branch: Harbour``: equal; ``[Harbour, Hill]``: one of these;
- ``$loan.renewed: {at_least: 2}``: ``not``, ``in``, ``above``, ``below``, ``at_least``, ``at_most``, ``matches``
  (a regular expression to search in the text; ``{customer}`` is replaced by that value) or ``missing: true``.

All lines of a condition have to hold, or one of a list of conditions. A missing value only fits ``missing``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...rules import Afterwards, Before, Order, Rule
from ...state import World
from ...tools import Call
from .config import OrderConfig, ProposalConfig, RuleConfig
from .schemas import legal_name

MISSING = object()
Values = Mapping[str, Any]


def value_at(value: Any, path: list[str]) -> Any:
    """The value at a path in a JSON-like value, or ``MISSING``."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return MISSING
    return value


def resolve(item: Any, values: Values) -> Any:
    """A literal, or the value of a ``$reference``; ``$$`` is a literal dollar."""
    if not isinstance(item, str) or not item.startswith("$"):
        return item
    return item[1:] if item.startswith("$$") else value_at(values, item[1:].split("."))


def _compare(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """A comparison of two numbers or two texts; other pairs do not fit."""

    def compared(value: Any, wanted: Any) -> bool:
        numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (value, wanted))
        return (numbers or (isinstance(value, str) and isinstance(wanted, str))) and test(value, wanted)

    return compared


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "not": lambda value, wanted: bool(value != wanted),
    "in": lambda value, wanted: isinstance(wanted, list) and value in wanted,
    "above": _compare(lambda value, wanted: bool(value > wanted)),
    "below": _compare(lambda value, wanted: bool(value < wanted)),
    "at_least": _compare(lambda value, wanted: bool(value >= wanted)),
    "at_most": _compare(lambda value, wanted: bool(value <= wanted)),
    "matches": lambda value, wanted: isinstance(value, str) and re.search(wanted, value) is not None,
}


def fits(value: Any, expected: Any, values: Values) -> bool:
    """Whether a value fits an expectation."""
    if isinstance(expected, dict):
        for name, operand in expected.items():
            wanted = filled(operand, values, re.escape) if name == "matches" else resolve(operand, values)
            if name == "missing":
                if (value is MISSING) is not bool(wanted):
                    return False
            elif value is MISSING or wanted is MISSING or not OPERATORS[name](value, wanted):
                return False
        return True
    if value is MISSING:
        return False
    if isinstance(expected, list):
        return value in [resolve(item, values) for item in expected]
    return bool(value == resolve(expected, values))


def holds(condition: Mapping[str, Any] | list[dict[str, Any]], values: Values) -> bool:
    """Whether a condition holds: all its lines, or one of several conditions."""
    if isinstance(condition, list):
        return any(holds(one, values) for one in condition)
    return all(fits(resolve(name, values), expected, values) for name, expected in condition.items())


def records_where(world: World, table: str, where: Mapping[str, Any], values: Values) -> Iterator[dict[str, Any]]:
    """The records of a table whose fields fit ``where``, each with its key as ``key``."""
    for key, record in world.scan(table):
        found = {"key": key, **record}
        if all(fits(value_at(found, name.split(".")), expected, values) for name, expected in where.items()):
            yield found


def filled(text: str, values: Values, spelled: Callable[[str], str] = str) -> str:
    """A text with each ``{record.field}`` replaced by its value."""

    def put(match: re.Match[str]) -> str:
        value = value_at(values, match[1].split("."))
        return match[0] if value is MISSING else spelled(str(value))

    return re.sub(r"\{([\w.]+)\}", put, text)


def checked(config: RuleConfig, where: str) -> None:
    """Raises ValueError: an unknown operator, a condition that is not about a ``$value``, a bad regular expression."""
    conditions = config.when if isinstance(config.when, list) else [config.when]
    wheres = [record.where for record in config.records.values()] + [each.where for each in config.proposes]
    for expected in [e for part in (*conditions, *wheres) for e in part.values() if isinstance(e, dict)]:
        for name, operand in expected.items():
            if name not in OPERATORS and name != "missing":
                raise ValueError(f"{where}: there is no comparison '{name}'; there are {', '.join(OPERATORS)}, missing")
            if name == "matches":
                compiled(operand, where)
    for name in [name for part in conditions for name in part if not name.startswith("$")]:
        raise ValueError(f"{where}: a condition is about a value such as ${name}, not '{name}'")


def compiled(expression: Any, where: str) -> re.Pattern[str]:
    """A compiled regular expression. Raises ValueError: one line."""
    try:
        return re.compile(expression, re.M)
    except (re.error, TypeError) as error:
        raise ValueError(f"{where}: {expression!r} is not a regular expression: {error}") from None


class DeclaredRule(Rule):
    """A rule of the file."""

    def __init__(self, config: RuleConfig, where: str) -> None:
        checked(config, where)
        tools = tuple(legal_name(tool) for tool in config.tools)
        super().__init__(config.number, tools, config.enforced, config.handling, self._reason)
        self.config, self.where, self.name = config, where, f"rule {config.number}"
        self._propose = self._proposed

    def _reason(self, world: World, call: Call, customer: str) -> str | None:
        values: dict[str, Any] = {**call.arguments, "customer": customer}
        for name, record in self.config.records.items():
            if record.key is not None:
                key = resolve(record.key, values)
                found = world.get(record.table, key) if isinstance(key, str) else None
                values[name] = {"key": key, **found} if found is not None else MISSING
            else:
                values[name] = next(records_where(world, record.table, record.where, values), MISSING)
        return filled(self.config.reason, values) if holds(self.config.when, values) else None

    def _proposed(self, world: World, customer: str) -> Iterator[Call]:
        for proposal in self.config.proposes:
            values: dict[str, Any] = {"customer": customer}
            if proposal.each is None:
                yield from _calls(proposal, values)
                continue
            for record in records_where(world, proposal.each, proposal.where, values):
                yield from _calls(proposal, {**values, "each": record})


def _calls(proposal: ProposalConfig, values: Values) -> Iterator[Call]:
    choices = []
    for item in proposal.template.values():
        listed = item if isinstance(item, list) else [item]
        choices.append([_made(one, values) for one in listed])
    for chosen in itertools.product(*choices):
        if MISSING not in chosen:
            yield Call(legal_name(proposal.call), dict(zip(proposal.template, chosen, strict=True)))


def _made(item: Any, values: Values) -> Any:
    """The value of a reference, or a text with its values filled in."""
    return filled(item, values) if isinstance(item, str) and not item.startswith("$") else resolve(item, values)


def declared_order(config: OrderConfig) -> Order:
    """What the file says about the order of calls."""
    calls, first, then = (tuple(map(legal_name, names)) for names in (config.calls, config.first, config.then))
    same = tuple(config.same)
    return Before(config.number, calls, first, same) if first else Afterwards(config.number, calls, then, same)
