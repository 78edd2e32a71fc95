"""Base class of a domain: initial database, tools, policy with its rules in code, and phrasings."""

from __future__ import annotations

import copy
import inspect
import random
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from .files import read_text
from .language import Language, Said, load_language
from .rules import Clause, Order, Rule, clauses
from .splits import own
from .state import Base, Record, World
from .tidy import spoken_dates
from .tools import AGENT, USER, Call, Kind, Tool, ToolResult, ToolSet
from .workflows import Workflow

#: Calls whose outcomes are kept.
_MOST_OUTCOMES = 4000


class Profile(NamedTuple):
    """The identity of a customer. ``facts`` maps domain types (``Email``) to values that the customer can state."""

    customer: str
    name: str
    facts: dict[str, str]


class Breach(NamedTuple):
    """A rule that a call would break, and the reason."""

    rule: Rule
    reason: str


class Domain:
    """Base class of domains. Set the class attributes, and implement the methods that raise ``NotImplementedError``.

    Attributes:
        name: the name for ``--domain``.
        summary: one line for ``t2t domains``.
        tool_list: tools, made by decorator (``t2t_dist.environments.tools.tool``).
        rule_list: rules in code, made by decorator (``t2t_dist.environments.rules.rule``).
        order_list: the policy on the order of calls (``Before``, ``Afterwards``, ``OneAtATime`` of the same module).
        workflow_list: errands of several calls, made by decorator (``t2t_dist.environments.workflows.workflow``).
        errand_weights: by errand, how often it is explored, beside the others (1.0): less for one that is possible for
            everybody.
        instead: for an errand, by what else a customer may want in its place, a sentence that says why. Empty: anything
            about the same thing.
        slips: errands about how things are, such as a new address. A customer who names another value has not changed
            their mind but made a slip.
        spoken_types: domain types of values that customers say themselves, such as where they want to go: a gold needs
            no look-up for them.
        customer_type: name of the domain type that identifies a customer (``UserId``).
        transfer_tool: name of the tool that transfers to a human agent, or ``""``.
        decline_tool: name of the tool that puts on record that a request can't be done (``make_decline_tool`` of
            ``t2t_dist.environments.assistant`` makes one), or ``""``: then refusals are known by their words only.
        documents: tables whose records are documents, such as files: the records of the business stand in them, under
            their own ids.
        folder: the folder of ``policy.md`` and ``language.yaml``.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    tool_list: ClassVar[Sequence[Tool]] = ()
    rule_list: ClassVar[Sequence[Rule]] = ()
    order_list: ClassVar[Sequence[Order]] = ()
    workflow_list: ClassVar[Sequence[Workflow]] = ()
    errand_weights: ClassVar[Mapping[str, float]] = {}
    instead: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    slips: ClassVar[frozenset[str]] = frozenset()
    spoken_types: ClassVar[frozenset[str]] = frozenset()
    customer_type: ClassVar[str] = "UserId"
    transfer_tool: ClassVar[str] = ""
    decline_tool: ClassVar[str] = ""
    documents: ClassVar[frozenset[str]] = frozenset()
    folder: ClassVar[Path]
    _origin: Domain | None = None

    def __init__(self, *, seed: int = 0, scale: float = 1.0) -> None:
        self.seed, self.scale = seed, scale
        self.tools = ToolSet(self.tool_list)
        self.workflows = {workflow.name: workflow for workflow in self.workflow_list}

    # -- to be implemented, or overridden ------------------------------------------------------------------------------
    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        """The initial tables ``{table: {key: record}}`` and time (ISO 8601). Same arguments, same bytes."""
        raise NotImplementedError(f"{type(self).__name__} must implement database(seed, scale)")

    def customers(self, base: Base) -> list[str]:
        """Ids of all customers who may call, in a fixed order."""
        raise NotImplementedError(f"{type(self).__name__} must implement customers(base)")

    def profile(self, world: World, customer: str) -> Profile:
        """What this customer knows about their own identity."""
        raise NotImplementedError(f"{type(self).__name__} must implement profile(world, customer)")

    def describe(self, world: World, call: Call, slot: str, customer: str) -> Said:
        """How a customer would say an argument of a call; by default the value itself, its fields if it has some, and
        no words for who the customer is."""
        value, errand = call.arguments[slot], self.errand(call.name)
        spec = errand.parameters.get(slot) if errand is not None else None
        if spec is not None and spec.name == self.customer_type and value == customer:
            return Said("your account", ())
        texts = list(_spoken(value))
        return Said(spoken_dates(joined(texts)), tuple(texts))

    def say_field(self, kind: str, path: str, value: Any) -> str:
        """How customers say a value by which they tell records of a type apart (``records`` of the language file): the
        city of an airport's code."""
        return str(value)

    def samples(self, world: World, type_name: str, customer: str, rng: random.Random) -> list[Any]:
        """Values of a type that no lookup returns, such as a new address."""
        return []

    def look_ups(self, world: World, call: Call, customer: str) -> list[Call] | None:
        """What an agent looks up before it makes this call for the customer, or refuses it: READ calls, in order.

        The customer's account is known by then. ``call`` lacks what the customer has not said yet: leave out what takes
        it. ``None``: what the arguments rest on, according to the tools' types.
        """
        return None

    def calculation(self, world: World, call: Call, customer: str) -> str:
        """How the amount that a call moves follows from what the look-ups show and the policy says: an expression for
        the tool ``calculate``; empty where nothing is to be calculated."""
        return ""

    def rules_out(self, world: World, first: Call, wanted: Call, customer: str) -> bool:
        """Whether what the customer knows or wants speaks against having ``first`` done so that ``wanted``, which a
        rule forbids, becomes possible: it would take a reason that is not theirs, say."""
        return False

    def plausible_instead(self, world: World, first: Call, second: Call) -> bool:
        """Whether a customer who asked for ``first`` may well want ``second`` in its place, which ``instead`` names for
        the errand: a flight on another day, but not to another city."""
        return True

    def plausible_otherwise(self, world: World, first: Call, second: Call) -> bool:
        """Whether a customer who asks for ``first`` may name ``second`` at once: as what they want where that is not
        possible, or a condition of theirs does not hold; or as the other of two, of which a figure decides."""
        return True

    def plausible_limit(self, world: World, call: Call, field: str, relation: str) -> bool:
        """Whether a customer may want an errand only if a figure of the record that it is about is ``more``, or
        ``less``, than something: a bigger plan where much data is used."""
        return True

    def plausible(self, world: World, call: Call, customer: str) -> bool:
        """Whether a customer may well ask for this in this world, where what they asked for before is done: nobody
        books a flight for a day on which they are on another trip."""
        return True

    def makes_sense(self, world: World, call: Call, customer: str) -> bool:
        """Whether somebody in the customer's place would ask for this at all, as things stand: nobody books a flight
        that they take on another day of that week. Asked only of hard tasks, whose records customers know."""
        return True

    def go_together(self, world: World, first: Call, second: Call) -> bool:
        """Whether one customer may well ask for both in one conversation, ``first`` before: nobody has bags added to a
        trip that they then cancel. ``world``: as it is when they call."""
        return True

    def at_hand(self, world: World, customer: str) -> dict[str, list[str]]:
        """The customer's own devices, for USER tools: values by argument name, such as the numbers of their phones."""
        return {}

    def consistent(self, table: str, record: Record) -> Record:
        """A record of which a part was changed, with what follows from that worked out again: a file's text."""
        return record

    @property
    def where(self) -> str:
        """The source of the domain, ``file:line``, for messages."""
        kind = type(self)
        return f"{inspect.getsourcefile(kind)}:{inspect.getsourcelines(kind)[1]}"

    def own_defects(self) -> Iterator[str]:
        """Further defects for ``t2t check-domain`` to report, each with a remedy."""
        return iter(())

    # -- derived -------------------------------------------------------------------------------------------------------
    @cached_property
    def base(self) -> Base:
        """The shared immutable tables, built once per process."""
        tables, clock = self.database(self.seed, self.scale)
        return Base(tables, clock)

    @cached_property
    def callers(self) -> list[str]:
        """The customers who call: all of them, or those of the split (``t2t_dist.environments.splits``).

        If the database generator knows splits, that is everyone in its database; otherwise about a third.
        """
        mine = own(self.seed)
        return [customer for customer in self.customers(self.base) if mine(customer)]

    @cached_property
    def policy(self) -> str:
        return read_text(self.folder / "policy.md")

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
    def parts(self) -> dict[str, str]:
        """Hashes of what results depend on, part by part, to say which of them has changed. 16 hex digits each."""
        found = {
            "database": f"{self.base.digest:032x}",
            "policy": self.policy,
            "tools": self.tools.schemas().decode() + self.tools.schemas(USER).decode(),
            "words": self.language.model_dump_json(),
        }
        return {name: blake2b(text.encode(), digest_size=8).hexdigest() for name, text in found.items()}

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that results depend on: tables, tools, policy, phrasings. 16 hex digits."""
        words, tools = self.language.model_dump_json(), self.tools.schemas().decode()
        parts = [f"{self.base.digest:032x}", self.policy, words, tools]
        if self.user_tools:
            parts.append(self.tools.schemas(USER).decode())
        return blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    def world(self) -> World:
        """A fresh world."""
        return World(self.base)

    @property
    def origin(self) -> Domain:
        """The domain itself; of a variant, the domain that it is one of."""
        return self._origin or self

    def variant(self, records: Mapping[tuple[str, str], Record]) -> Domain:
        """The same domain on a database in which some records, by table and key, are others.

        What rests on code alone, such as the graph of its tools, is cached for ``origin``, which all variants share.
        """
        other = copy.copy(self)
        other._origin = self.origin
        own = (name for name, one in vars(type(self)).items() if isinstance(one, cached_property))
        for name in ("callers", "parts", "fingerprint", *own):  # a domain's own may rest on its data
            other.__dict__.pop(name, None)
        news = {(table, key): self.consistent(table, record) for (table, key), record in records.items()}
        other.__dict__["base"] = self.base.replaced(news)
        return other

    def execute(self, world: World, call: Call, side: str | None = None) -> ToolResult:
        """Execute a call on a world; ``side`` is by default the side that has the tool.

        What it does follows from the state, so it is done once in each: tasks are made, proved and played by trying the
        same again and again. :meth:`ToolSet.execute` does it anew, as a conversation and its replay have to.
        """
        side, tool = side or self.side_of(call.name), self.tools.get(call.name)
        # Tools that fail or mislead on purpose go by how often they were called.
        if tool is None or tool.blocking or type(self.tools) is not ToolSet or not world.is_of_origin:
            return self.tools.execute(world, call.name, call.arguments, side)
        try:
            key = self.tools, side, call.name, world.digest, repr(call.arguments)
        except RecursionError:  # it will be refused for that
            return self.tools.execute(world, call.name, call.arguments, side)
        known: dict[Hashable, tuple[ToolResult, World | None]] = world.base.outcomes
        if key not in known:
            before = world.digest
            result = self.tools.execute(world, call.name, call.arguments, side)
            if len(known) >= _MOST_OUTCOMES:
                known.clear()
            known[key] = result, world.fork() if world.digest != before else None
            return result
        result, after = known[key]
        if after is not None:
            world.adopt(after)
        return result

    def side_of(self, name: str) -> str:
        """The side that has this tool; the agent if no tool has this name."""
        tool = self.tools.get(name)
        return AGENT if tool is None else tool.side

    @cached_property
    def errands(self) -> list[Tool | Workflow]:
        """What a customer can ask for: the agent's WRITE tools, and the workflows that replace some of them."""
        covered = {name for workflow in self.workflow_list for name in workflow.covers}
        return [*(tool for tool in self.of_kind(Kind.WRITE) if tool.name not in covered), *self.workflow_list]

    def errand(self, name: str) -> Tool | Workflow | None:
        """The tool or workflow of this name, or ``None``."""
        return self.tools.get(name) or self.workflows.get(name)

    def steps(self, world: World, errand: Call) -> Iterator[Call]:
        """The calls of an errand: the errand itself, or those of the workflow it names.

        Execute each on ``world`` before you take the next: a workflow depends on its results.
        """
        workflow = self.workflows.get(errand.name)
        if workflow is None:
            yield errand
        else:
            yield from workflow.steps(world, errand.arguments)

    def carry_out(self, world: World, errand: Call) -> bool:
        """Execute all calls of an errand; stops and returns False at the first refused one."""
        return not any(self.execute(world, step).error for step in self.steps(world, errand))

    def breaches(self, world: World, call: Call, customer: str) -> list[Breach]:
        """Rules that the call would break for this customer on this world."""
        return [
            Breach(rule, reason)
            for rule in self._rules_about.get(call.name, ())
            if (reason := rule.broken_by(world, call, customer)) is not None
        ]

    @cached_property
    def _rules_about(self) -> dict[str, list[Rule]]:
        """The rules that constrain a tool, in order, by its name."""
        found: dict[str, list[Rule]] = {}
        for rule in self.rule_list:
            for name in dict.fromkeys(rule.tools):
                found.setdefault(name, []).append(rule)
        return found

    def of_kind(self, kind: Kind) -> list[Tool]:
        """The agent's tools of a kind."""
        return [tool for tool in self.tools.side(AGENT) if tool.kind is kind]

    @property
    def user_tools(self) -> list[Tool]:
        """Tools on the customer's own device; its state is part of the world."""
        return self.tools.side(USER)

    @cached_property
    def entry_tools(self) -> list[Tool]:
        """READ tools that find a customer from facts that customers know: authentication."""
        callers = self.callers
        known = set(self.profile(self.world(), callers[0]).facts) if callers else set()
        finding = [tool for tool in self.of_kind(Kind.READ) if self.customer_type in tool.produces()]
        return [tool for tool in finding if tool.consumes() and tool.consumes() <= known]

    def identified(self, tool: Tool, value: Any) -> str | None:
        """The customer that an entry tool's result names, or ``None``."""
        if tool not in self.entry_tools:
            return None
        return next((found.value for found in tool.found(value, {}) if found.type == self.customer_type), None)

    def owners(self, tool: Tool, value: Any) -> set[str]:
        """The customers whose data a result shows."""
        if self.customer_type not in tool.produces():
            return set()
        return {found.value for found in tool.found(value, {}) if found.type == self.customer_type}


def replay(domain: Domain, calls: Iterable[Call], world: World | None = None) -> Iterator[ToolResult]:
    """Execute calls in order on ``world`` (a fresh one by default), each by the side that has the tool."""
    world = domain.world() if world is None else world
    for call in calls:
        yield domain.execute(world, call)


def _spoken(value: Any) -> Iterator[str]:
    """The scalars of a value, each as a text."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _spoken(item)
    elif value not in (None, ""):
        yield str(value)


def joined(texts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}" if texts else ""
