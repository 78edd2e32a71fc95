"""The customer's yes: which writes it was given for.

A yes is given to a plan: the agent's message that asked for it, and what the agent had said before. It counts for the
writes whose values the plan names, in whatever words, and for each of them once. What the customer takes back counts no
more. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from t2t_dist.core.naming import BARE, deeds, is_unspoken, is_worded, stems
from t2t_dist.core.speech_acts import asks_to_confirm, says_yes
from t2t_dist.core.text_match import mentions, normalised
from t2t_dist.environments.base import Domain
from t2t_dist.environments.plain_words import words_of
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call, Tool
from t2t_dist.synthesis.bindings import Seen, canonical_json

_TAKES_BACK = re.compile(
    r"^\W*(?:no\b(?!\W+(?:problem|worries))|nope|wait|stop|hold on|hang on|don't|do not|actually)\b"
)


class _Found(Enum):
    """How a plan speaks of a value."""

    NAMED = "named"
    UNNAMED = "unnamed"
    ANOTHER = "another one in its place"
    NEEDLESS = "nothing to be named"


@dataclass
class _Yes:
    """A yes to the message ``asked``; ``before``: what the agent had said since the yes before it."""

    asked: str
    before: str
    used: set[bytes] = field(default_factory=set)


class Confirmations:
    """The yeses of one conversation, fed message by message and result by result."""

    def __init__(self, domain: Domain, customer: str) -> None:
        self.domain, self.customer = domain, customer
        #: The agent's messages since the last yes, and all messages.
        self._said: list[str] = []
        self._all: list[str] = []
        self._given: list[_Yes] = []
        self._seen = Seen()

    def agent(self, text: str) -> None:
        """A message of the agent's that the customer got."""
        self._said.append(text)
        self._all.append(text)

    def user(self, text: str) -> None:
        """A message of the customer's."""
        self._all.append(text)
        asked = asks_to_confirm(self._said[-1]) if self._said else False
        # Of a message that may have asked or not, only what the answer itself says tells.
        agrees = says_yes(text, self._said[-1] if asked else None)
        if False not in (asked, agrees) and True in (asked, agrees):
            self._given.append(_Yes(self._said[-1], "\n".join(self._said[:-1])))
            self._said = []
        elif asked or _TAKES_BACK.search(normalised(text)):
            self._given = []

    def saw(self, tool: Tool, value: Any, arguments: dict[str, Any]) -> None:
        """A result that the agent has seen: what else a slot could hold."""
        self._seen.add_once_needed(lambda: tool.found(value, arguments))

    def covers(self, world: World, tool: Tool, arguments: dict[str, Any]) -> bool:
        """Whether a yes was given for this write, and not used for it before. ``world``: as it was before the call."""
        call = Call(tool.name, arguments)
        key = canonical_json(call)
        for given in self._given:
            if key not in given.used and self._is_for(given, world, tool, call):
                given.used.add(key)
                return True
        return False

    # -- what a plan names ---------------------------------------------------------------------------------------------
    def _is_for(self, given: _Yes, world: World, tool: Tool, call: Call) -> bool:
        """Whether the plan names what the write is about and the values that the customer decides, no other value in
        place of one, and nothing else to be done."""
        subject = next(iter(call.arguments), "")
        found: dict[_Found, set[str]] = {how: set() for how in _Found}
        for slot, value in call.arguments.items():
            for part in value if isinstance(value, list) else [value]:
                found[self._finds(given, world, tool, call, slot, part)].add(slot)
        named, unnamed = found[_Found.NAMED] - {subject}, found[_Found.UNNAMED] - {subject}
        # Some details go without saying beside others: which card a free bag is charged to, that there is no insurance.
        payments = {slot for slot in tool.parameters if "payment" in words_of(slot)}
        choices = {slot for slot, spec in tool.parameters.items() if spec.kind == "choice"}
        for implied in (payments, payments | choices):
            if named - implied:
                named, unnamed = named - payments, unnamed - implied
        if found[_Found.ANOTHER] or unnamed:
            return False
        return bool(named) or (subject not in found[_Found.UNNAMED] and self._is_about(given, tool))

    def _finds(self, given: _Yes, world: World, tool: Tool, call: Call, slot: str, value: Any) -> _Found:
        """How the plan speaks of a value of a slot, which may hold a list."""
        spec, whole = tool.parameters[slot], isinstance(call.arguments[slot], list)
        is_choice = spec.kind == "choice"

        def said(other: Any) -> tuple[str, ...]:
            made = Call(call.name, {**call.arguments, slot: [other] if whole else other})
            says = self.domain.describe(world, made, slot, self.customer).says
            return () if BARE.issuperset(map(str.lower, says)) else says

        if not value or not (says := said(value)):
            return _Found.NEEDLESS
        if mentions(given.asked, says):
            return _Found.NAMED
        kind = spec.item.name if spec.kind == "list" else spec.name
        others = list(spec.choices) if is_choice else [other for other, _ in self._seen.values(kind)]
        own = [part for held in call.arguments.values() for part in (held if isinstance(held, list) else [held])]
        if any((words := said(other)) and mentions(given.asked, words) for other in others if other not in own):
            return _Found.ANOTHER
        if is_worded(given.asked, says, value) or is_worded(given.before, says, value):
            return _Found.NAMED
        # A formality, or a code that nobody says: things go by their names.
        is_formality = is_choice and words_of(slot)[-1] == "reason"
        return _Found.NEEDLESS if is_formality or is_unspoken(says, self._all) else _Found.UNNAMED

    def _is_about(self, given: _Yes, tool: Tool) -> bool:
        """Whether a plan without details is about what the tool does: it says so, or does not say anything else."""
        known, asked = deeds(self.domain), stems(given.asked)
        own = known[tool.name]
        return bool(own & (asked | stems(given.before))) or not any((deed - own) & asked for deed in known.values())
