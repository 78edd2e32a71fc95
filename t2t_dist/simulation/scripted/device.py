"""A scripted customer's own devices: which calls the agent asks for, and how their results are said.

The agent asks in words, so a tool is recognised by its cues (``language.yaml``), a choice by the words for it, and the
object of a call by its name. A tool that reads needs a sentence that asks to look, a tool that writes one that asks for
a change: "is airplane mode on?" and "please turn airplane mode off" name the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from t2t_dist.core import speech_acts as speech
from t2t_dist.core.schema import Fact, Turn, UserSide
from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import Spec
from t2t_dist.environments.language import Language
from t2t_dist.environments.tools import Call, Kind, Tool

from .phrases import capitalised

#: Verbs for changing something, for looking, and those that may mean either.
_CHANGE = (
    "switch|turn|toggle|set|put|flip|disable|enable|activate|deactivate|restart|reboot|power|reseat|reinsert|re-insert"
    "|take|remove|insert|change|choose|select|disconnect|connect|push|pull"
)
_EITHER = "open|go|run|start|do|try|use|make|see to|tap|swipe|press"
_LOOK = "check|look|tell|read|see|show|describe|verify|confirm|what|which|whether|let me know|is|are|does|do you"
#: A request: a polite one, or a sentence that begins with an imperative.
_REQUEST = re.compile(
    r"\bplease\b|\b(?:could|can|would|will)\s+you\b|\b(?:need|ask|asking|want|like)\s+you\s+to\b|\byou\s+(?:should|need|have)\s+to\b"
    r"|\b(?:try|have\s+you|let's|go\s+to|next\s+step)\b"
    rf"|^(?:now|next|then|first|great|good|okay|ok|thanks|thank\s+you|perfect)?\W*(?:now|next|then|please)?\W*(?:{_CHANGE}|{_EITHER}|check|look)\b"
)
#: The agent speaks of its own acts, past, future or possible.
_OWN = re.compile(
    r"\b(?:i|we)(?:'ll|'ve|'d|\s+(?:will|have|would|can|could|am|are))\b(?!\s+(?:like|need|ask|want)\s+you\b)"
)
_CLAUSE = re.compile(r"[,;:]|\b(?:and|then|or|before|after|so\s+that|if)\b")
_VERBS = {
    kind: re.compile(rf"\b(?:{verbs})\b") for kind, verbs in (("change", _CHANGE), ("look", _LOOK), ("either", _EITHER))
}


class Devices:
    """One customer's own tools, without the agent's tools and without data: the conversation loop makes the calls.

    Args:
        language: the words that the tools are recognised by.
        at_hand: argument name -> the values that the tools can be used on.
    """

    def __init__(self, tools: Sequence[Tool], language: Language, at_hand: Mapping[str, Sequence[str]]) -> None:
        self.tools, self.language, self.at_hand = tools, language, at_hand
        self._kinds = {tool.name: tool.kind for tool in tools}
        self._named: dict[str, str] = {}

    def changes(self, call: Call) -> bool:
        """Whether a call is meant to change something."""
        return self._kinds[call.name] is Kind.WRITE

    def requested_calls(self, heard: str, facts: Sequence[Fact]) -> list[Call]:
        """The calls that the agent's message asks the customer to make, in order; mostly none.

        ``facts`` supply what the message leaves out.
        """
        for slot, values in self.at_hand.items():
            named = [value for value in values if speech.mentions(heard, [value])]
            if len(named) == 1:
                self._named[slot] = named[0]
        calls: list[Call] = []
        for text, asks in speech.sentences(heard):
            if (asks or _REQUEST.search(text)) and not _OWN.search(text) and not speech.asks_to_confirm(text):
                for call in self._in_sentence(text, facts):
                    if call not in calls:
                        calls.append(call)
        return calls

    def new_goal(self) -> None:
        """Start on another request: values named for the one before no longer count."""
        self._named = {}

    def _in_sentence(self, text: str, facts: Sequence[Fact]) -> Iterator[Call]:
        """Clause by clause; a clause without a verb inherits that of the one before.

        Settings that are only opened on the way to a change are not read out.
        """
        found = list(self._in_clauses(text, facts))
        changes = any(self.changes(call) for call, _ in found)
        return (call for call, on_the_way in found if not (changes and on_the_way))

    def _in_clauses(self, text: str, facts: Sequence[Fact]) -> Iterator[tuple[Call, bool]]:
        """Calls, each with whether it only reads and nobody asked for what it shows."""
        verbs: set[str] = set()
        for clause in _CLAUSE.split(text):
            verbs = {kind for kind, pattern in _VERBS.items() if pattern.search(clause)} or verbs
            for tool in sorted(self.tools, key=lambda tool: -self._fits(clause, tool)):
                wanted = {"change", "either"} if tool.kind is Kind.WRITE else {"look", "either"}
                # "Turn it off and see whether ..." changes; "look whether it is turned off" only looks.
                if tool.kind is not Kind.WRITE and "change" in verbs:
                    continue
                if wanted & verbs and self._means(clause, tool) and (call := self._call(tool, clause, text, facts)):
                    yield call, tool.kind is not Kind.WRITE and "look" not in verbs
                    break

    def _means(self, clause: str, tool: Tool) -> bool:
        words = self.language.tool(tool)
        return _holds(clause, words.cues or [tool.name.replace("_", " ")])

    def _fits(self, clause: str, tool: Tool) -> int:
        """How much of a clause the tool's name takes, where it is known by its name alone: "toggle data saver mode" is
        not "toggle data"."""
        named = tool.name not in self.language.tools and self._means(clause, tool)
        return len(tool.name) if named else 0

    def _call(self, tool: Tool, clause: str, text: str, facts: Sequence[Fact]) -> Call | None:
        """``None`` where an argument can't be known."""
        arguments = {}
        for slot, spec in tool.parameters.items():
            value = self._value(tool.name, slot, spec, (clause, text), facts)
            if value is not None:
                arguments[slot] = value
            elif slot in tool.required:
                return None
        return Call(tool.name, arguments)

    def _value(self, tool: str, slot: str, spec: Spec, texts: Iterable[str], facts: Sequence[Fact]) -> Any:
        if spec.kind == "choice":
            cues = self.language.slot(tool, slot).choices
            for text in texts:
                places = {
                    choice: min(found)
                    for choice in spec.choices
                    if (found := _places(text, cues.get(str(choice)) or [str(choice).lower()]))
                }
                if places:
                    return min(places, key=lambda choice: places[choice])
            return None
        own = [say for fact in facts if fact.slot == slot for say in fact.says]
        held = list(self.at_hand.get(slot, ()))
        likely = [value for value in held if value in own] or held or own
        return self._named.get(slot) or next(iter(likely), None) or _named_value(slot, texts)


def _named_value(slot: str, texts: Iterable[str]) -> str | None:
    """A value that the agent names together with the argument: "app name: messaging"."""
    pattern = re.compile(
        rf"\b{re.escape(slot.replace('_', ' '))}(?:: ?| = ?| (?:is|will be|would be|should be) )([\w@#+-]+)"
    )
    return next((found[1] for text in texts if (found := pattern.search(text))), None)


def devices_of(domain: Domain, side: UserSide) -> Devices | None:
    """The devices of this side's customer; ``None`` where the domain gives customers no tools."""
    return Devices(domain.user_tools, domain.language, side.at_hand or {}) if domain.user_tools else None


def results_in_words(results: Sequence[Turn]) -> str:
    """The results of calls as the customer says them: a device's own words, or the fields that it showed."""
    return " ".join(_sentence(result.content or "") for result in results)


def _sentence(content: str) -> str:
    text = content.removeprefix("Error: ").strip()
    if text.startswith("{"):
        try:
            fields = orjson.loads(text)
            text = "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in fields.items())
        except orjson.JSONDecodeError:
            pass
    return capitalised(text if text.endswith((".", "!", "?")) else f"{text}.") if text else ""


def _holds(text: str, cues: Iterable[str]) -> bool:
    return any(_places(text, [cue]) for cue in cues)


def _places(text: str, cues: Iterable[str]) -> list[int]:
    """Positions of the cues in the text, each at the beginning of a word."""
    return [match.start() for cue in cues for match in re.finditer(rf"(?<!\w){re.escape(cue)}", text)]
