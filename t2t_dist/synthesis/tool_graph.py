"""The tool dependency graph of a domain, derived from its tools' typed signatures and results.

An edge from one tool to another means: the result of the first holds a value that the arguments of the second need.
"""

from __future__ import annotations

import random
from collections.abc import Sequence, Set
from functools import lru_cache

from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import Spec
from t2t_dist.environments.tools import Kind, Tool
from t2t_dist.environments.workflows import Workflow

#: The most tools an explorer is given (Trajectory2Task, explorer set-up).
MAX_TOOLS = 12


class ToolGraph:
    """Which tool's results feed which tool's arguments. Built once per domain: :func:`graph_of`."""

    def __init__(self, domain: Domain) -> None:
        self.entry = list(domain.entry_tools)
        self.reads = [t for t in domain.of_kind(Kind.READ) if t not in self.entry]
        self.writes = domain.of_kind(Kind.WRITE)
        self.generic = domain.of_kind(Kind.GENERIC)
        self.produces = {t.name: t.produces() for t in [*self.entry, *self.reads, *self.writes]}
        #: Tools whose result can hold several values of a kind.
        self.listing = {t.name for t in self.reads if has_lists(t.returns)}
        #: READ tools worth calling. One without arguments is worth it only if an errand takes what no other tool gives.
        near = {name for t in self.reads if t.parameters for name in self.produces[t.name]}
        wanted = {name for errand in domain.errands for name in errand.consumes()} - near
        self.asked = [t for t in self.reads if t.parameters or self.produces[t.name] & wanted]
        self._details: dict[str, Tool] = {}
        for t in self.reads:
            if type_name := _details_of(t):
                self._details.setdefault(type_name, t)

    def edges(self) -> list[tuple[str, str, str]]:
        """``(from tool, to tool, domain type)``, sorted."""
        tools = [*self.entry, *self.reads, *self.writes]
        return sorted(
            (a.name, b.name, t) for a in tools for b in tools if a is not b for t in a.produces() & b.consumes()
        )

    def detail_tool(self, type_name: str) -> Tool | None:
        """The first READ tool that looks up one thing of this type by its id: ``OrderId -> get_order_details``."""
        return self._details.get(type_name)

    def sources(self, errand: Tool | Workflow) -> list[Tool]:
        """READ tools that can supply the errand's arguments, directly or through one another, in the tools' order."""
        return self._supplying(set(errand.consumes()), set())

    def showing(self, kinds: Set[str]) -> frozenset[str]:
        """The READ tools that show records of some types, by their annotations, and those that lead there."""
        own = [tool for tool in self.asked if kinds & structs_in(tool.returns)]
        needed = {name for tool in own for name in tool.consumes()}
        return frozenset(tool.name for tool in self._supplying(needed, {tool.name for tool in own}))

    def _supplying(self, needed: set[str], chosen: set[str]) -> list[Tool]:
        grown = True
        while grown:
            grown = False
            for tool in self.asked:
                if tool.name not in chosen and self.produces[tool.name] & needed:
                    chosen.add(tool.name)
                    needed |= tool.consumes()
                    grown = True
        return [tool for tool in self.reads if tool.name in chosen]

    def subset(self, rng: random.Random, errands: Sequence[Tool | Workflow], steps: Sequence[Tool] = ()) -> list[Tool]:
        """A sample of tools: entry tools, all that the errands rest on, filled up to :data:`MAX_TOOLS`.

        ``steps`` are the tools with which workflows among the errands are carried out.
        """
        chosen: dict[str, Tool] = {tool.name: tool for tool in self.entry}
        for errand in errands:
            chosen.update({tool.name: tool for tool in self.sources(errand)})
            if isinstance(errand, Tool):
                chosen[errand.name] = errand
        chosen.update({tool.name: tool for tool in steps})
        for group in ([*self.reads, *self.generic], self.writes):
            rest = [t for t in group if t.name not in chosen]
            for tool in rng.sample(rest, max(0, min(MAX_TOOLS - len(chosen), len(rest)))):
                chosen[tool.name] = tool
        return list(chosen.values())


def _details_of(tool: Tool) -> str | None:
    """The type a tool looks up: that of its only argument, if it is also at the top of its result."""
    specs = list(tool.parameters.values())
    if len(specs) != 1 or specs[0].kind != "scalar" or tool.returns.kind != "struct":
        return None
    own = {inner.name for _, inner in tool.returns.fields if inner.kind == "scalar"}
    return specs[0].name if specs[0].name in own else None


def structs_in(spec: Spec) -> frozenset[str]:
    """The types of the records in a result."""
    own = frozenset({spec.name} if spec.kind == "struct" and spec.name else ())
    return own.union(*(structs_in(inner) for _, inner in spec.fields))


def has_lists(spec: Spec) -> bool:
    """Whether a result can hold several domain values of a kind."""
    return (spec.kind in ("list", "map") and bool(spec.names())) or any(has_lists(inner) for _, inner in spec.fields)


def graph_of(domain: Domain) -> ToolGraph:
    """The graph of a domain's tools; built once for it and all its variants."""
    return _graph_of(domain.origin)


@lru_cache(maxsize=16)
def _graph_of(domain: Domain) -> ToolGraph:
    return ToolGraph(domain)
