"""Policy rules as code. Each cites the number it has in the domain's ``policy.md``.

A rule knows two things: whether a call breaks it on a given world, and calls that would break it. The second makes
coverage of the policy a figure: infeasible tasks are drawn from these proposals, and a rule that nothing can break is
reported by ``t2t check-domain``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from .state import World
from .tools import Call


class Enforced(StrEnum):
    """Who stands in the way of a call that breaks the rule."""

    BY_TOOL = "tool"  # the tool refuses it
    BY_POLICY = "policy"  # the tool would do it; only the policy forbids it
    BY_ABSENCE = "absence"  # there is no tool for it


class Handling(StrEnum):
    """What the policy wants done with a request the rule forbids."""

    REFUSE = "refuse"
    TRANSFER = "transfer"


Check = Callable[[World, Call, str], str | None]
Propose = Callable[[World, str], Iterator[Call]]


class Rule:
    """One rule, made by :func:`rule`."""

    def __init__(self, number: int, tools: tuple[str, ...], enforced: Enforced, handling: Handling, check: Check):
        self.number, self.tools, self.enforced, self.handling = number, tools, enforced, handling
        self._check = check
        self._propose: Propose | None = None
        self.name = getattr(check, "__name__", f"rule_{number}")
        code = getattr(check, "__code__", None)
        self.where = f"{inspect.getsourcefile(check)}:{code.co_firstlineno if code else 0}"

    def broken_by(self, world: World, call: Call, customer: str) -> str | None:
        """Why the call breaks this rule on this world for this customer, or ``None``."""
        return self._check(world, call, customer) if call.name in self.tools else None

    def proposes(self, function: Propose) -> Propose:
        """Decorator: the function yields calls of this customer that break the rule on this world."""
        self._propose = function
        return function

    def proposals(self, world: World, customer: str) -> Iterator[Call]:
        """Calls that do break the rule, each checked."""
        for call in self._propose(world, customer) if self._propose else ():
            if self.broken_by(world, call, customer):
                yield call


def rule(
    number: int, *tools: str, enforced: Enforced = Enforced.BY_TOOL, handling: Handling = Handling.REFUSE
) -> Callable[[Check], Rule]:
    """Make a rule of a function ``(world, call, customer) -> reason | None``; ``tools`` are those it constrains."""
    return lambda check: Rule(number, tools, enforced, handling, check)


_MARK = r"(?:[-*] )?\**R{}\**\.\**"
_END = r"(?=\n[ \t]*\n|\n" + _MARK.format(r"\d+") + r"|\n#|\Z)"
_CLAUSE = re.compile("^" + _MARK.format(r"(\d+)") + r"[ \t]+(\S.*?)" + _END, re.M | re.S)


class Clause(NamedTuple):
    """A numbered rule as written in the policy."""

    number: int
    text: str


def clauses(policy: str) -> dict[int, Clause]:
    """The numbered rules of a policy text: lines that begin ``R<number>.``, up to the next blank line or rule.

    The number may be bold, the rule an item of a list. A number given twice means its last text.
    """
    found: dict[int, Clause] = {}
    for match in _CLAUSE.finditer(policy):
        number = int(match[1])
        found[number] = Clause(number, " ".join(match[2].split()))
    return found
