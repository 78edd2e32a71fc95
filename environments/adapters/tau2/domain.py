"""A domain of tau2 as a ``Domain``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import get_type_hints

from ...base import Domain, Profile
from ...entities import find_values
from ...state import Base, Record, World
from ...tools import AGENT, GENERIC, READ, USER, WRITE, Kind, Tool, ToolError, ToolSet
from .bench import Bench, Unsound
from .ground import Ground, ground_of
from .naming import Hints, Names, singular, type_name
from .tables import KeyedTable, ListedTable

_CUSTOMERS = ("users", "customers", "accounts", "members", "patients")
_NOW = re.compile(r"current (?:date and )?time is (\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(?::\d{2})?)")
#: The clock of a world if the policy names no time.
_NO_TIME = "2025-01-01T00:00:00"


class Tau2Domain(Domain):
    """Base class of tau2 domains: ``make`` builds an environment, ``hints`` add what names do not say."""

    make: ClassVar[Callable[[], Any]]
    hints: ClassVar[Hints] = Hints()
    folder: ClassVar[Path] = Path(__file__).parent

    def __init__(self, *, seed: int = 0, scale: float = 1.0) -> None:
        self.seed, self.scale = seed, scale
        self.workflows = {}
        self.bench = Bench(type(self).make)
        self._tables = {t.name: t for t in self.bench.tables if isinstance(t, KeyedTable | ListedTable)}
        kits = {AGENT: self.bench.env.tools, USER: self.bench.env.user_tools}
        found = {(side, name): tool for side, kit in kits.items() if kit for name, tool in kit.tools.items()}
        models = {name.removeprefix("user."): table.annotation for name, table in self._tables.items()}
        arguments = (name for function in found.values() for name in inspect.signature(function).parameters)
        self.names = Names(models, arguments, self.hints)
        made, shown = [], set[str]()
        for (side, name), function in found.items():
            if name not in shown and not kits[side].is_discoverable(name):
                shown.add(name)
                made.append(self._tool(name, function, side, _kind(kits[side], name)))
        self.tools = _Tools(made)
        self.customer_type = self._customer_type()  # type: ignore[misc]
        self.transfer_tool = self.hints.transfer if self.hints.transfer in self.tools else ""  # type: ignore[misc]

    # -- tools ---------------------------------------------------------------------------------------------------------
    def _tool(self, name: str, function: Callable[..., Any], side: str, kind: Kind) -> Tool:
        bench = self.bench

        def call(world: World, /, **arguments: Any) -> Any:
            try:
                return bench.call(world, name, arguments, side)
            except Unsound:
                raise
            except Exception as error:  # tau2 turns every exception of a tool into an error of the call
                raise ToolError(str(error)) from error

        hints = get_type_hints(function)
        signature = inspect.signature(function)
        world = inspect.Parameter("world", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        call.__name__, call.__doc__ = name, inspect.getdoc(function)
        call.__signature__ = signature.replace(parameters=[world, *signature.parameters.values()])  # type: ignore[attr-defined]
        call.__annotations__ = hints
        tool = _Tool(call, kind, side)
        tool.where = f"{inspect.getsourcefile(function)}:{function.__code__.co_firstlineno}"
        tool.parameters = {p: self.names.argument(name, p, hints.get(p, Any)) for p in signature.parameters}
        tool.returns = self.names.result(name, hints.get("return", Any))
        return tool

    # -- data ----------------------------------------------------------------------------------------------------------
    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        """tau2's own database, for any seed and scale."""
        found = _NOW.search(self.policy)
        return self.bench.records(), self.hints.now or (f"{found[1]}T{found[2]}" if found else _NO_TIME)

    @cached_property
    def policy(self) -> str:
        return str(self.bench.env.policy)

    def _customer_table(self) -> str | None:
        named = [self.hints.customers] if self.hints.customers else _CUSTOMERS
        return next((name for name in named if name in self._tables), None)

    def _customer_type(self) -> str:
        table = self._customer_table()
        if table is None:
            return "UserId"
        field = self._tables[table].id_field
        return type_name(f"{singular(table)}_id" if field in (None, "id") else str(field))

    def customers(self, base: Base) -> list[str]:
        table = self._customer_table()
        return [] if table is None else list(base.tables[table])

    def profile(self, world: World, customer: str) -> Profile:
        table = self._customer_table()
        record = world.get(table, customer) if table is not None else None
        if table is None or record is None:
            return Profile(customer, customer, {})
        spec = self.names.of(self._tables[table].annotation, table)
        seen: dict[str, str] = {}
        for found in find_values(spec, record):
            if isinstance(found.value, str):
                seen.setdefault(found.type, found.value)
        facts = {name: value for name, value in seen.items() if name in self._facts}
        return Profile(customer, _name(record) or customer, facts)

    @cached_property
    def _facts(self) -> set[str]:
        """Types that customers know about themselves: all arguments of customer look-ups, except internal ids."""
        if self.hints.facts is not None:
            return set(self.hints.facts)
        finding = [tool for tool in self.of_kind(READ) if self.customer_type in tool.produces()]
        return {name for tool in finding for name in tool.consumes() if not name.endswith("Id")}

    # -- tau2's own semantics ------------------------------------------------------------------------------------------
    def world_from(self, state: Mapping[str, Any]) -> World:
        """A world in a task's ``initial_state``. Raises ValueError: a function of it fails."""
        world = self.world()
        try:
            self.bench.set_up(world, state)
        except Exception as error:  # tau2's functions may raise anything
            raise ValueError(f"the initial state can't be set up: {type(error).__name__}: {error}") from error
        return world

    def ground(self, state: Mapping[str, Any] | None) -> AbstractContextManager[Ground]:
        """An environment for one replay with tau2's semantics; ``state``: the one that it will be brought into."""
        return ground_of(self.bench, self.base, state)


class _Tool(Tool):
    """A tool that does not validate its arguments, as in tau2: the function rejects wrong ones."""

    def validate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return dict(arguments)


class _Tools(ToolSet):
    """Tools that report an unknown tool in tau2's words, because its replays compare them."""

    def prepare(self, name: str, arguments: str | dict[str, Any], side: str = AGENT) -> tuple[Tool, dict[str, Any]]:
        found = self.get(name)
        if found is None or found.side != side:
            raise ToolError(f"Tool '{name}' not found.")
        return super().prepare(name, arguments, side)


def _kind(kit: Any, name: str) -> Kind:
    if kit.tool_mutates_state(name):
        return WRITE  # for any kind: its edits have to be kept
    kind = str(getattr(kit.tool_type(name), "value", kit.tool_type(name)))
    return READ if kind == "read" else GENERIC


def _name(record: Mapping[str, Any]) -> str:
    """A person's name, from any of the usual fields."""
    flat = dict(_texts(record))
    if "first_name" in flat:
        return f"{flat['first_name']} {flat.get('last_name', '')}".strip()
    return flat.get("full_name") or flat.get("name") or ""


def _texts(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in record.items():
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, Mapping) and key == "name":
            yield from _texts(value)
