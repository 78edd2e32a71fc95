"""The domain class of an MCP server, made from a YAML file."""

from __future__ import annotations

import random
import shutil
import sys
import weakref
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

import orjson

from ...assistant import transfer_to_human_agents
from ...base import Domain, Profile, joined
from ...entities import PLAIN, Spec
from ...files import read_file, read_text
from ...json_text import Unreadable, read_json
from ...language import Language, Said, load_language
from ...state import Base, Record, World
from ...tools import Call, Tool, argument_types
from .config import McpConfig, ToolConfig, find_file, load
from .pool import Pool
from .rules import MISSING, DeclaredRule, compiled, declared_order, records_where, value_at
from .schemas import legal_name
from .server import Offered, sdk, sweep
from .snapshot import SCHEMA
from .tools import McpTool, camel, slots_of


def domain(rest: str) -> type[Domain]:
    """The domain that a YAML file describes; starts its server once, to list its tools.

    Raises:
        ValueError: no such file, an unknown key, a server that does not start; one line.
    """
    file = find_file(rest)
    config = load(file)
    sdk()
    sweep()
    _check(config, file)
    pool = Pool(config, file.parent)
    offered = pool.listed()
    more = [transfer_to_human_agents] if config.transfer else []
    made: type[Domain] = type(
        config.name,
        (McpDomain,),
        {
            "__doc__": config.summary,
            "name": config.name,
            "summary": config.summary,
            "file": file,
            "config": config,
            "pools": [pool],
            "tool_list": (*_tools(config, file, offered), *more),
            "rule_list": tuple(
                DeclaredRule(rule, f"{file.name}: rules.{number}") for number, rule in enumerate(config.rules)
            ),
            "order_list": tuple(map(declared_order, config.order)),
            "customer_type": config.customers.type,
            "transfer_tool": transfer_to_human_agents.name if config.transfer else "",
            "folder": file.parent,
            "documents": frozenset({"files"} if config.snapshot.files else ()),
        },
    )
    weakref.finalize(made, pool.close)
    return made


def _check(config: McpConfig, file: Path) -> None:
    """Check what can be checked before a process is started. Raises ValueError."""
    template = file.parent / config.template
    if not template.is_dir():
        raise ValueError(f"{file.name}: template: there is no directory '{template}'")
    policy = file.parent / config.policy
    if not policy.is_file():
        raise ValueError(f"{file.name}: policy: there is no file '{policy}'; write the rules that agents are to follow")
    command = config.server.command.replace("{here}", str(file.parent)).replace("{python}", sys.executable)
    if "{" not in command and shutil.which(command, path=None) is None:
        raise ValueError(f"{file.name}: server.command: there is no program '{command}'; install it, or name its path")
    if config.server.url is not None and "{port}" not in config.server.url:
        raise ValueError(f"{file.name}: server.url needs a {{port}}: every world has a server of its own")
    for number, expression in enumerate(config.masked):
        compiled(expression, f"{file.name}: masked.{number}")


def _tools(config: McpConfig, file: Path, offered: list[Offered]) -> list[McpTool]:
    """The tools for agents, under the names that chat endpoints take: those of the server in its order, then those that
    the file defines. The file may call a tool of the server by either name."""
    by_name = {legal_name(tool.name): tool for tool in offered} | {tool.name: tool for tool in offered}
    hidden = {by_name[name].name for name in config.hide if name in by_name}
    chosen: dict[str, tuple[str, Offered, ToolConfig]] = {}

    def choose(name: str, source: Offered, given: ToolConfig) -> None:
        legal = legal_name(name)
        if (other := chosen.get(legal)) is not None and other[0] != name:
            raise ValueError(
                f"{file.name}: the tools '{other[0]}' and '{name}' would both be '{legal}' to agents, since chat"
                " endpoints take letters, digits, _ and - only: hide one, or give one another name by tools.NAME.of"
            )
        chosen[legal] = name, source, given

    for listed in offered:
        own = listed.name if listed.name in config.tools else legal_name(listed.name)
        given = config.tools.get(own) if by_name.get(own) is listed else None
        if listed.name not in hidden and (config.offer == "all" or given is not None):
            choose(listed.name, listed, given or ToolConfig())
    for name, given in config.tools.items():
        source = by_name.get(given.of or name)
        if source is None:
            near = get_close_matches(given.of or name, by_name, 3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(by_name)}"
            raise ValueError(f"{file.name}: tools.{name}: the server has no tool '{given.of or name}'; {hint}")
        if given.template is not None and (loose := slots_of(given.template) - set(given.arguments)):
            raise ValueError(f"{file.name}: tools.{name}: 'with' speaks of '{min(loose)}', which is no argument")
        choose(source.name if given.of is None else name, source, given)
    tools = [McpTool(name, source, given, config, file.name) for name, (_, source, given) in chosen.items()]
    people = config.customers
    facts = {name for person in people.people for name in person.facts}
    declared = {people.type, *people.facts, *facts, *config.types}.union(*(tool.names() for tool in tools))
    consumed = declared.union(*(argument_types(spec) for tool in tools for spec in tool.parameters.values()))
    for tool in tools:
        tool.settle_result(consumed)
    produced = declared.union(*(tool.returns.scalars() for tool in tools))
    for tool in tools:
        tool.settle_arguments(produced)
    return tools


class McpDomain(Domain):
    """Base class of all MCP domains; :func:`domain` makes a subclass from a file."""

    file: ClassVar[Path]
    config: ClassVar[McpConfig]
    pools: ClassVar[list[Pool]]
    """The pool whose server listed the tools, for the first instance."""

    def __init__(self, *, seed: int = 0, scale: float = 1.0) -> None:
        if scale != 1.0:
            raise ValueError("a domain of an MCP server has the size of its template: leave 'scale' out")
        super().__init__(seed=seed, scale=scale)
        self.pool = self.pools.pop() if self.pools else Pool(self.config, self.file.parent)
        # Tools belong to the class, servers to this instance: another instance's worlds have another base.
        for name, tool in list(self.tools.by_name.items()):
            if isinstance(tool, McpTool):
                self.tools.by_name[name] = tool.bound(self.pool.call)
        weakref.finalize(self, self.pool.close)

    @property
    def where(self) -> str:
        return str(self.file)

    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        tables = self.pool.tables()
        known = {*tables, *tables.get(SCHEMA, {})}  # empty tables too
        named = [("customers.table", self.config.customers.table)]
        for number, rule in enumerate(self.config.rules):
            named += [(f"rules.{number}.records.{name}.table", each.table) for name, each in rule.records.items()]
            named += [(f"rules.{number}.proposes.{n}.each", each.each) for n, each in enumerate(rule.proposes)]
        for where, table in named:
            if table is not None and table not in known:
                near = get_close_matches(table, known, 3) or sorted(known)
                raise ValueError(f"{self.file.name}: {where}: the snapshot has no table '{table}'; {', '.join(near)}?")
        if self.config.customers.table is not None and not self._records(World(Base(tables, self.config.now))):
            raise ValueError(f"{self.file.name}: customers: no record of {self.config.customers.table} fits 'where'")
        return tables, self.config.now

    @cached_property
    def policy(self) -> str:
        return read_text(self.folder / self.config.policy)

    @cached_property
    def language(self) -> Language:
        return load_language(self.folder / self.config.language, self.tools)

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of every domain, and the whole file: it has rules, samples and words of types."""
        parts = f"{super().fingerprint}\0".encode() + read_file(self.file)
        return blake2b(parts, digest_size=8).hexdigest()

    @cached_property
    def parts(self) -> dict[str, str]:
        return {**super().parts, "file": blake2b(self.file.read_bytes(), digest_size=8).hexdigest()}

    def own_defects(self) -> Iterator[str]:
        return self.pool.doubtful()

    def consistent(self, table: str, record: Record) -> Record:
        """A file whose content was changed, with the text that says so."""
        if table not in self.documents or "data" not in record:
            return record
        try:
            if read_json(record["text"]) == record["data"]:
                return record
        except Unreadable:
            pass
        return {**record, "text": orjson.dumps(record["data"], option=orjson.OPT_INDENT_2).decode()}

    # -- customers ---------------------------------------------------------------------------------------------------
    def customers(self, base: Base) -> list[str]:
        people = self.config.customers
        if people.people:
            return [person.id for person in people.people]
        return [self._id(record) for record in self._records(World(base))]

    def _records(self, world: World) -> list[dict[str, Any]]:
        people = self.config.customers
        return list(records_where(world, people.table or "", people.where, {}))

    def _id(self, record: dict[str, Any]) -> str:
        return str(value_at(record, (self.config.customers.id or "key").split(".")))

    def profile(self, world: World, customer: str) -> Profile:
        people = self.config.customers
        for person in people.people:
            if person.id == customer:
                return Profile(customer, person.name, dict(person.facts))
        # From the base: customers know who they are even if their record is removed.
        record = next(record for record in self._records(World(world.base)) if self._id(record) == customer)
        facts = {name: value_at(record, field.split(".")) for name, field in people.facts.items()}
        name = value_at(record, people.name.split("."))
        known = {kind: str(value) for kind, value in facts.items() if value not in (MISSING, None)}
        return Profile(customer, customer if name is MISSING else str(name), known)

    # -- words -------------------------------------------------------------------------------------------------------
    def describe(self, world: World, call: Call, slot: str, customer: str) -> Said:
        value, spec = call.arguments[slot], self._spec(call, slot)
        kind = spec.item.name if spec.kind == "list" else spec.name
        if kind == self.customer_type and value == customer:
            return Said("your account" if spec.kind == "scalar" else str(value), ())
        values = value if isinstance(value, list) else [value]
        texts = [self._said(world, kind, item) for item in values]
        return Said(joined(texts), tuple(texts))

    def _spec(self, call: Call, slot: str) -> Spec:
        tool: Tool | None = self.tools.get(call.name)
        return tool.parameters.get(slot, PLAIN) if tool is not None else Spec("scalar", camel(slot))

    def _said(self, world: World, kind: str, value: Any) -> str:
        words = self.config.types.get(kind)
        if words is not None and words.say and words.table:
            record = world.get(words.table, str(value)) or world.base.tables.get(words.table, {}).get(str(value))
            if record is not None and (said := value_at(record, words.say.split("."))) is not MISSING:
                return str(said)
        return str(value)

    def samples(self, world: World, type_name: str, customer: str, rng: random.Random) -> list[Any]:
        words = self.config.types.get(type_name)
        listed = words.samples if words is not None else []
        return [item.replace("{customer}", customer) if isinstance(item, str) else item for item in listed]
