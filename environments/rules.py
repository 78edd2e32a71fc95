"""Policy rules as code. Each has the number of its clause in the domain's ``policy.md``.

A rule does two things: it checks whether a call breaks it on a given world, and it proposes calls that would break it.
Infeasible tasks are drawn from these proposals, which makes coverage of the policy measurable; ``t2t check-domain``
reports a rule that no proposal breaks.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from .state import World
from .tools import Call


class Enforced(StrEnum):
    """What prevents a call that breaks the rule."""

    BY_TOOL = "tool"  # the tool refuses it
    BY_POLICY = "policy"  # the tool would execute it; only the policy forbids it
    BY_ABSENCE = "absence"  # no such tool exists


class Handling(StrEnum):
    """How the agent has to handle a request that the rule forbids."""

    REFUSE = "refuse"
    TRANSFER = "transfer"


Check = Callable[[World, Call, str], str | None]
Propose = Callable[[World, str], Iterator[Call]]


class Rule:
    """A policy rule, made by :func:`rule`."""

    def __init__(
        self,
        number: int,
        tools: tuple[str, ...],
        enforced: Enforced,
        handling: Handling,
        check: Check,
        weight: float = 1.0,
    ) -> None:
        self.number, self.tools, self.enforced, self.handling, self.weight = number, tools, enforced, handling, weight
        self._check = check
        self._propose: Propose | None = None
        self.name = getattr(check, "__name__", f"rule_{number}")
        code = getattr(check, "__code__", None)
        self.where = f"{inspect.getsourcefile(check)}:{code.co_firstlineno if code else 0}"

    def broken_by(self, world: World, call: Call, customer: str) -> str | None:
        """The reason why the call breaks this rule on this world for this customer, or ``None``."""
        return self._check(world, call, customer) if call.name in self.tools else None

    def proposes(self, function: Propose) -> Propose:
        """Decorator for a function that yields calls of this customer that may break the rule on this world."""
        self._propose = function
        return function

    def proposals(self, world: World, customer: str) -> Iterator[Call]:
        """Proposed calls that do break the rule."""
        for call in self._propose(world, customer) if self._propose else ():
            if self.broken_by(world, call, customer):
                yield call


def rule(
    number: int,
    *tools: str,
    enforced: Enforced = Enforced.BY_TOOL,
    handling: Handling = Handling.REFUSE,
    weight: float = 1.0,
) -> Callable[[Check], Rule]:
    """Decorator: make a rule from a function ``(world, call, customer) -> reason | None`` about these tools.

    ``weight``: how often it is drawn for infeasible tasks, beside the others; more where few customers can break it.
    """
    return lambda check: Rule(number, tools, enforced, handling, check, weight)


def declinable(rules: Iterable[Rule]) -> list[int]:
    """The numbers of the rules by which a request is refused rather than handed over."""
    return [rule.number for rule in rules if rule.handling is Handling.REFUSE]


def neighbours(world: World, table: str, customer: str, most: int = 11) -> Iterator[str]:
    """The customers that follow this one in the table, for proposals about data of others: few records to read, and
    different ones per customer."""
    others, start = world.base.keys(table), world.base.positions(table).get(customer, 0)
    for step in range(1, min(most + 1, len(others))):
        yield others[(start + step) % len(others)]


_MARK = r"(?:[-*] )?\**R{}\**\.\**"
_END = r"(?=\n[ \t]*\n|\n" + _MARK.format(r"\d+") + r"|\n#|\Z)"
_CLAUSE = re.compile("^" + _MARK.format(r"(\d+)") + r"[ \t]+(\S.*?)" + _END, re.M | re.S)


class Clause(NamedTuple):
    """A numbered rule in the text of the policy."""

    number: int
    text: str


def clauses(policy: str) -> dict[int, Clause]:
    """The numbered rules of a policy text: lines that begin ``R<number>.``, up to the next blank line or rule.

    The number may be bold, the rule a list item. If a number occurs twice, the last text counts.
    """
    found: dict[int, Clause] = {}
    for match in _CLAUSE.finditer(policy):
        number = int(match[1])
        found[number] = Clause(number, " ".join(match[2].split()))
    return found
