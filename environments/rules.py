"""Policy rules as code. Each has the number of its clause in the domain's ``policy.md``.

A rule does two things: it checks whether a call breaks it on a given world, and it proposes calls that would break it.
Infeasible tasks are drawn from these proposals, which makes coverage of the policy measurable; ``t2t check-domain``
reports a rule that no proposal breaks.

What the policy says about the order of calls is declared beside the rules (:class:`Before`, :class:`Afterwards`,
:class:`OneAtATime`): it makes no request infeasible, and is a process check of every episode.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
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


class Settled(str):
    """A reason that leaves nothing to be wished, because it is so already: the order is cancelled, the bill paid.

    Nobody insists then, and no other way is offered.
    """

    __slots__ = ()


class Impossible(str):
    """A reason that nobody could make an exception to, because it is a fact: sold out, already left.

    A customer may doubt it, and asks for no exception.
    """

    __slots__ = ()


class Past(str):
    """A reason that lies in what is over: the flight has left, the booking is cancelled.

    A customer may ask for an exception, and neither goes on about it nor claims to have been promised one.
    """

    __slots__ = ()


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


# -- the order of calls ------------------------------------------------------------------------------------------------
class Made(NamedTuple):
    """A call of either side that was accepted; ``messages``: how many the agent had sent by then."""

    call: Call
    changed: bool
    messages: int


class Before(NamedTuple):
    """Before one of ``calls`` changes anything, one of ``first`` must have been made. Arguments named in ``same`` are
    equal where both have them: the phone that was looked at is the one that is changed."""

    rule: int
    calls: tuple[str, ...]
    first: tuple[str, ...]
    same: tuple[str, ...] = ()

    def broken_by(self, made: Sequence[Made]) -> Call | None:
        """The first call that breaks it."""
        for place, one in enumerate(made):
            if one.changed and one.call.name in self.calls and not _holds(made[:place], self.first, self.same, one):
                return one.call
        return None


class Afterwards(NamedTuple):
    """After one of ``calls`` has changed something, one of ``then`` must be made at some time. ``same`` as above."""

    rule: int
    calls: tuple[str, ...]
    then: tuple[str, ...]
    same: tuple[str, ...] = ()

    def broken_by(self, made: Sequence[Made]) -> Call | None:
        """The first call that breaks it."""
        for place, one in enumerate(made):
            if one.changed and one.call.name in self.calls and not _holds(made[place:], self.then, self.same, one):
                return one.call
        return None


class OneAtATime(NamedTuple):
    """Of ``calls``, which customers make when the agent asks for it, one message asks for one only."""

    rule: int
    calls: tuple[str, ...]

    def broken_by(self, made: Sequence[Made]) -> Call | None:
        """The first call that breaks it."""
        asked: set[int] = set()
        for one in made:
            if one.call.name in self.calls:
                if one.messages in asked:
                    return one.call
                asked.add(one.messages)
        return None


Order = Before | Afterwards | OneAtATime


def _holds(made: Iterable[Made], names: tuple[str, ...], same: tuple[str, ...], one: Made) -> bool:
    """Whether one of these calls was made, about the same as ``one``."""
    mine = one.call.arguments
    return any(
        other.call.name in names
        and all(
            mine[slot] == other.call.arguments[slot] for slot in same if {slot} <= mine.keys() & other.call.arguments
        )
        for other in made
    )


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
