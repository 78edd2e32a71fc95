"""A domain of tau2 as a ``Domain``."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import get_type_hints

from ...base import Domain, Profile
from ...entities import find_values
from ...json_text import MALFORMED
from ...language import Language, Said, load_language
from ...rules import Clause
from ...state import Base, Record, World
from ...tools import AGENT, GENERIC, READ, USER, WRITE, Call, Kind, Tool, ToolError, ToolSet
from .bench import Bench, Unsound
from .ground import Ground, ground_of
from .naming import Hints, Names, singular, type_name
from .tables import KeyedTable, ListedTable

#: Arguments with more brackets than this are left to the strict reader of all domains.
_LEVELS = 64
#: The folder of the words for tau2's own domains.
_WORDS = Path(__file__).parent / "words"
#: How releases of tasks name a domain of tau2's with a database of their own: ``retail_explore``.
OWN_DATABASE = "_explore"
_CUSTOMERS = ("users", "customers", "accounts", "members", "patients")
_NOW = re.compile(r"current (?:date and )?time is (\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(?::\d{2})?)")
#: The clock of a world if the policy names no time.
_NO_TIME = "2025-01-01T00:00:00"


class Tau2Domain(Domain):
    """Base class of tau2 domains: ``make`` builds an environment, ``hints`` add what names do not say."""

    make: ClassVar[Callable[[], Any]]
    hints: ClassVar[Hints] = Hints()
    #: By number of a rule, the words of the policy that it stands for.
    quotes: ClassVar[Mapping[int, str]] = {}
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
        made: dict[tuple[str, str], Tool] = {}
        shown: dict[str, Tool] = {}
        for (side, name), function in found.items():
            made[side, name] = self._tool(name, function, side, _kind(kits[side], name))
            if not kits[side].is_discoverable(name):
                shown.setdefault(name, made[side, name])
        self.tools = _Tools(shown.values(), made, self.bench)
        self.customer_type = self._customer_type()  # type: ignore[misc]
        policy = " ".join(self.policy.split())
        self.quoted = {number: quote for number, quote in self.quotes.items() if quote in policy}
        self.rule_list = [rule for rule in type(self).rule_list if rule.number in self.quoted]  # type: ignore[misc]
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
                if kind is WRITE:
                    world.seal()  # and keeps what the tool did until then
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
    def language(self) -> Language:
        """The words of the hints, or those that come with the adapter for tau2's own domain."""
        world = self.name.removeprefix("tau2:").partition("@")[0].removesuffix(OWN_DATABASE)
        return load_language(Path(self.hints.language or _WORDS / f"{world}.yaml"), self.tools)

    @cached_property
    def policy(self) -> str:
        return str(self.bench.env.policy)

    @cached_property
    def clauses(self) -> dict[int, Clause]:
        """The rules that are known in code, in the policy's words: the policy does not number its rules."""
        return {number: Clause(number, quote) for number, quote in self.quoted.items()}

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

    # -- words ---------------------------------------------------------------------------------------------------------
    def describe(self, world: World, call: Call, slot: str, customer: str) -> Said:
        """As in every domain; where a tool has words, with what the id is one of: "order #W5". Plain ones say it."""
        said, errand = super().describe(world, call, slot, customer), self.errand(call.name)
        spec = errand.parameters.get(slot) if errand is not None else None
        name = spec.item.name if spec is not None and spec.kind == "list" else spec.name if spec is not None else ""
        if call.name not in self.language.tools or not name.endswith("Id") or not said.says:
            return said
        label = self.language.slot(call.name, slot).label
        return said._replace(text=f"{label}{'s' * (len(said.says) > 1)} {said.text}")

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

    def text(self, value: Any) -> str:
        """As tau2 writes JSON, byte for byte: with spaces, and other letters than ASCII escaped."""
        return value if isinstance(value, str) else json.dumps(value)


class _Tools(ToolSet):
    """Tools that are found, read their arguments and report that there is no such tool as in tau2.

    Besides the tools that a side is shown, ``every`` has those that it may only discover, and the customer's of the
    same name as one of the agent's.
    """

    def __init__(self, shown: Iterable[Tool], every: Mapping[tuple[str, str], Tool], bench: Bench) -> None:
        super().__init__(shown)
        self.every, self.bench = every, bench

    def prepare(self, name: str, arguments: str | dict[str, Any], side: str = AGENT) -> tuple[Tool, dict[str, Any]]:
        found = self.every.get((side, name))
        parsed = parsed_arguments(arguments) if isinstance(arguments, str) else arguments
        if found is None:
            raise ToolError(self.bench.absent(name, parsed or {}, side))
        return super().prepare(name, arguments, side) if parsed is None else (found, found.validate(parsed))


def parsed_arguments(text: str) -> dict[str, Any] | None:
    """A call's arguments, read as tau2 reads them: NaN and numbers of any size are some.

    ``None``: no JSON object, or one that can't be stored: too many levels, or half of a character.
    """
    if text.count("{") + text.count("[") > _LEVELS:
        return None
    try:
        parsed = json.loads(text or "{}")
        if "\\u" in text:
            json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def replayable_arguments(text: str) -> dict[str, Any]:
    """A call's arguments as tau2's messages hold them, objects only. Others become one that its tools refuse, too."""
    parsed = parsed_arguments(text)
    return {MALFORMED: text} if parsed is None else parsed


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
