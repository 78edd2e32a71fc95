"""A domain: the database its worlds start from, its tools, its policy with the rules in code, and its words."""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from .language import Language, Said, load_language
from .rules import Clause, Rule, clauses
from .splits import own
from .state import Base, Record, World
from .tools import AGENT, USER, Call, Kind, Tool, ToolResult, ToolSet
from .workflows import Workflow


class Profile(NamedTuple):
    """Who the customer is: ``facts`` maps domain types (``Email``) to the values this customer can state."""

    customer: str
    name: str
    facts: dict[str, str]


class Breach(NamedTuple):
    """A rule that a call would break, and why."""

    rule: Rule
    reason: str


class Domain:
    """Subclass this and give the class attributes and the methods that raise ``NotImplementedError`` by their contract.

    Attributes:
        name: what ``--domain`` takes.
        summary: one line for ``t2t domains``.
        tool_list: tools, by decorator (``t2t_dist.environments.tools.tool``).
        rule_list: rules in code, by decorator (``t2t_dist.environments.rules.rule``).
        workflow_list: errands of several calls, by decorator (``t2t_dist.environments.workflows.workflow``).
        customer_type: name of the domain type that identifies a customer (``UserId``).
        transfer_tool: name of the tool that hands over to a person, or ``""``.
        folder: where ``policy.md`` and ``language.yaml`` lie.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    tool_list: ClassVar[Sequence[Tool]] = ()
    rule_list: ClassVar[Sequence[Rule]] = ()
    workflow_list: ClassVar[Sequence[Workflow]] = ()
    customer_type: ClassVar[str] = "UserId"
    transfer_tool: ClassVar[str] = ""
    folder: ClassVar[Path]

    def __init__(self, *, seed: int = 0, scale: float = 1.0) -> None:
        self.seed, self.scale = seed, scale
        self.tools = ToolSet(self.tool_list)
        self.workflows = {workflow.name: workflow for workflow in self.workflow_list}

    # -- what a domain gives -----------------------------------------------------------------------------------------
    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        """Tables ``{table: {key: record}}`` and the world's time now (ISO 8601). Same arguments, same bytes."""
        raise NotImplementedError(f"{type(self).__name__} must give database(seed, scale)")

    def customers(self, base: Base) -> list[str]:
        """Ids of everybody who may call, in a fixed order."""
        raise NotImplementedError(f"{type(self).__name__} must give customers(base)")

    def profile(self, world: World, customer: str) -> Profile:
        """What this customer knows about themselves."""
        raise NotImplementedError(f"{type(self).__name__} must give profile(world, customer)")

    def describe(self, world: World, call: Call, slot: str, customer: str) -> Said:
        """How a customer would say an argument of a call; by default the value as it stands."""
        value = call.arguments[slot]
        texts = [str(item) for item in value] if isinstance(value, list) else [str(value)]
        return Said(joined(texts), tuple(texts))

    def samples(self, world: World, type_name: str, customer: str, rng: random.Random) -> list[Any]:
        """New values of a type that no lookup can give (an address to move to)."""
        return []

    def at_hand(self, world: World, customer: str) -> dict[str, list[str]]:
        """What this customer can use their own tools on, by the tools' argument names: the numbers of their phones."""
        return {}

    @property
    def where(self) -> str:
        """Where the domain is written down, ``file:line``, for messages."""
        kind = type(self)
        return f"{inspect.getsourcefile(kind)}:{inspect.getsourcelines(kind)[1]}"

    def own_defects(self) -> Iterator[str]:
        """What ``t2t check-domain`` should say beyond what it finds in every domain, each with a remedy."""
        return iter(())

    # -- what follows from it ------------------------------------------------------------------------------------------
    @cached_property
    def base(self) -> Base:
        """The shared immutable tables, built once a process."""
        tables, clock = self.database(self.seed, self.scale)
        return Base(tables, clock)

    @cached_property
    def callers(self) -> list[str]:
        """The customers who call: all of them, or in a split (``t2t_dist.environments.splits``) those of its part.

        In one part are whole databases where the generator draws only what is its own; else about a third of each.
        """
        mine = own(self.seed)
        return [customer for customer in self.customers(self.base) if mine(customer)]

    @cached_property
    def policy(self) -> str:
        return (self.folder / "policy.md").read_text("utf-8")

    @cached_property
    def clauses(self) -> dict[int, Clause]:
        """The policy's numbered rules."""
        return clauses(self.policy)

    @cached_property
    def language(self) -> Language:
        return load_language(
            self.folder / "language.yaml", self.tools, {name: flow.parameters for name, flow in self.workflows.items()}
        )

    @cached_property
    def fingerprint(self) -> str:
        """Identity of everything a result depends on here: tables, tools, policy, words. 16 hex digits."""
        words, tools = self.language.model_dump_json(), self.tools.schemas().decode()
        parts = [f"{self.base.digest:032x}", self.policy, words, tools]
        if self.user_tools:
            parts.append(self.tools.schemas(USER).decode())
        return blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    def world(self) -> World:
        """A fresh world."""
        return World(self.base)

    def execute(self, world: World, call: Call, side: str | None = None) -> ToolResult:
        """Make a call on a world; by default it is made by whoever's tool it is."""
        return self.tools.execute(world, call.name, call.arguments, side or self.side_of(call.name))

    def side_of(self, name: str) -> str:
        """Whose tool this is; the agent's where there is none of this name."""
        tool = self.tools.get(name)
        return AGENT if tool is None else tool.side

    @cached_property
    def errands(self) -> list[Tool | Workflow]:
        """What a customer can ask for: the agent's WRITE tools, and the workflows that take the place of some."""
        covered = {name for workflow in self.workflow_list for name in workflow.covers}
        return [*(tool for tool in self.of_kind(Kind.WRITE) if tool.name not in covered), *self.workflow_list]

    def errand(self, name: str) -> Tool | Workflow | None:
        """The tool or workflow of this name, or ``None``."""
        return self.tools.get(name) or self.workflows.get(name)

    def steps(self, world: World, errand: Call) -> Iterator[Call]:
        """The calls an errand takes: itself, or those of the workflow it names.

        Each has to be made on ``world`` before the next is asked for; what a workflow does depends on it.
        """
        workflow = self.workflows.get(errand.name)
        if workflow is None:
            yield errand
        else:
            yield from workflow.steps(world, errand.arguments)

    def carry_out(self, world: World, errand: Call) -> bool:
        """Make all calls of an errand; False, and the rest is left, as soon as one is refused."""
        return not any(self.execute(world, step).error for step in self.steps(world, errand))

    def breaches(self, world: World, call: Call, customer: str) -> list[Breach]:
        """Rules that the call would break for this customer on this world."""
        return [
            Breach(rule, reason)
            for rule in self.rule_list
            if (reason := rule.broken_by(world, call, customer)) is not None
        ]

    def of_kind(self, kind: Kind) -> list[Tool]:
        """The agent's tools of a kind."""
        return [tool for tool in self.tools.side(AGENT) if tool.kind is kind]

    @property
    def user_tools(self) -> list[Tool]:
        """Tools on the customer's own device; their state is part of the world like any other."""
        return self.tools.side(USER)

    @cached_property
    def entry_tools(self) -> list[Tool]:
        """READ tools that identify a customer from what customers know about themselves: authentication."""
        callers = self.callers
        known = set(self.profile(self.world(), callers[0]).facts) if callers else set()
        finding = [tool for tool in self.of_kind(Kind.READ) if self.customer_type in tool.produces()]
        return [tool for tool in finding if tool.consumes() and tool.consumes() <= known]

    def identified(self, tool: Tool, value: Any) -> str | None:
        """The customer that an entry tool's result names."""
        if tool not in self.entry_tools:
            return None
        return next((found.value for found in tool.found(value, {}) if found.type == self.customer_type), None)

    def owners(self, tool: Tool, value: Any) -> set[str]:
        """Customers whose data a result shows."""
        if self.customer_type not in tool.produces():
            return set()
        return {found.value for found in tool.found(value, {}) if found.type == self.customer_type}


def replay(domain: Domain, calls: Iterable[Call], world: World | None = None) -> Iterator[ToolResult]:
    """Execute calls, each by whoever's tool it is, one after the other on ``world`` (a fresh one by default)."""
    world = domain.world() if world is None else world
    for call in calls:
        yield domain.execute(world, call)


def joined(texts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}" if texts else ""
