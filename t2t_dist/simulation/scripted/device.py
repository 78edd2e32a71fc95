"""A scripted customer's own devices: which calls the agent asks for, and how their results are said.

The agent asks in words (``instructions.py``), so a tool is recognised by its cues (``language.yaml``), a choice by the
words for it, and the object of a call by its name. A tool that reads needs a step that asks to look, a tool that writes
one that asks for a change: "is airplane mode on?" and "please turn airplane mode off" name the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from t2t_dist.core import speech_acts as speech
from t2t_dist.core.schema import Fact, Turn, UserSide
from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import Spec
from t2t_dist.environments.language import Language
from t2t_dist.environments.tools import Call, Kind, Tool

from .instructions import Act, Reader, Step
from .phrases import capitalised, either
from .request_words import any_word, is_state_of_it, is_verb, stands_alone

#: What a switch can be set to; the words for it are English and belong to no domain.
_SWITCH = {"on", "off"}
#: Calls that one message may ask for. Nobody does more in one go.
_MOST_CALLS = 20


class Understood(NamedTuple):
    """What a customer understands: the calls to make, and the tools of which it is not clear what is to be done."""

    calls: list[Call]
    unclear: list[Tool]


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
        self._cues = {tool.name: self._cues_of(tool) for tool in tools}
        self._patterns = {name: any_word(cues) for name, cues in self._cues.items()}
        writes = [cue for tool in tools if tool.kind is Kind.WRITE for cue in self._cues[tool.name]]
        reads = [cue for tool in tools if tool.kind is not Kind.WRITE for cue in self._cues[tool.name]]
        # Cues that begin with a verb are requests as a whole; the others name a thing.
        things = [cue for cue in writes if "..." not in cue and not is_verb(cue)]
        shown = [cue for cue in reads if "..." not in cue and not is_verb(cue)]
        verbs = {cue.split()[0] for tool in tools if tool.name not in language.tools for cue in self._cues[tool.name]}
        states = [
            speech.normalised(cue)
            for tool in tools
            for slot, spec in tool.parameters.items()
            for choice in spec.choices or ()
            for cue in language.slot(tool.name, slot).choices.get(str(choice)) or [str(choice)]
            if cue not in _SWITCH
        ]
        self._reader = Reader(things, shown, set(writes) - set(things), verbs, states)

    def _cues_of(self, tool: Tool) -> list[str]:
        return [speech.normalised(cue) for cue in self.language.tool(tool).cues] or [tool.name.replace("_", " ")]

    def changes(self, call: Call) -> bool:
        """Whether a call is meant to change something."""
        return self._kinds[call.name] is Kind.WRITE

    def requested_calls(self, heard: str, facts: Sequence[Fact]) -> list[Call]:
        """The calls that the agent's message asks the customer to make, in order; mostly none."""
        return self.read(heard, facts).calls

    def read(self, heard: str, facts: Sequence[Fact]) -> Understood:
        """What the agent's message asks the customer to do; ``facts`` supply what it leaves out.

        Settings that are only opened on the way to something else are not read out, and where it is not clear what is
        to be done nothing after it is.
        """
        for slot, values in self.at_hand.items():
            named = [value for value in values if speech.mentions(heard, [value])]
            if len(named) == 1:
                self._named[slot] = named[0]
        found: list[tuple[Call, Act]] = []
        unclear: list[Tool] = []
        steps = [(step, *each) for step in self._reader.steps(heard) for each in self._calls(step, facts)]
        for at, (step, tool, call) in enumerate(steps):
            if call is not None and self._holds(step, tool):
                found.append((call, step.act))
            elif step.condition and (look := self._look_at(step.condition, facts)):
                found.append((look, Act.LOOK))
            elif any(made.name == tool.name for made, _ in found):
                continue
            elif step.condition:
                unclear.append(tool)
            elif all(later is not tool or done is None for _, later, done in steps[at:]):
                unclear.append(tool)
                break
        wanted = any(act is not Act.OPEN for _, act in found)
        calls: list[Call] = []
        for call, act in found:
            on_the_way = wanted and act is Act.OPEN and not self.changes(call)
            if not on_the_way and not self._just_made(call, calls):
                calls.append(call)
        return Understood(calls[:_MOST_CALLS], unclear)

    def _just_made(self, call: Call, calls: Sequence[Call]) -> bool:
        """Whether making the call again would show or change nothing new."""
        for made in reversed(calls):
            if made.name == call.name:
                return bool(made == call)
            if self.changes(made) and not self.changes(call):
                return False
        return False

    def options(self, tool: Tool) -> str:
        """The choices that a tool leaves, in words; empty if there are none."""
        specs = [spec for spec in tool.parameters.values() if spec.kind == "choice"]
        return either([str(choice) for choice in specs[0].choices]) if specs else ""

    def new_goal(self) -> None:
        """Start on another request: values named for the one before no longer count."""
        self._named = {}

    # -- one step --------------------------------------------------------------------------------------------------
    def _calls(self, step: Step, facts: Sequence[Fact]) -> Iterator[tuple[Tool, Call | None]]:
        """The tools that a step names, in order, each with its call; ``None`` where an argument can't be known."""
        for tool in self._meant(step):
            yield tool, self._call(tool, step, facts)

    def _meant(self, step: Step) -> list[Tool]:
        """Where cues overlap the longest counts: "toggle data saver mode" is not "toggle data"."""
        spans = [
            (match.start(), match.end(), number)
            for number, tool in enumerate(self.tools)
            if self._suits(tool, step)
            for match in self._patterns[tool.name].finditer(step.text)
            if self._is_whole(match, step, tool)
        ]
        kept: list[tuple[int, int, int]] = []
        for span in sorted(spans, key=lambda span: span[0] - span[1]):
            if all(span[1] <= start or end <= span[0] for start, end, _ in kept):
                kept.append(span)
        return [self.tools[number] for number in dict.fromkeys(number for _, _, number in sorted(kept))]

    def _suits(self, tool: Tool, step: Step) -> bool:
        reads = tool.kind is not Kind.WRITE
        if step.act is Act.LOOK:
            return reads
        if step.act is Act.CHANGE:
            return not reads
        return reads or bool(step.way) or not self.options(tool)

    def _is_whole(self, match: re.Match[str], step: Step, tool: Tool) -> bool:
        """Whether a cue is more than the beginning or the outside of another request: "restart the router", or "turn
        the phone's mobile data on", in which "turn ... phone ... on" stands as well."""
        if not is_verb(match[0]) or (" " in match[0] and match[0] in self._cues[tool.name]):
            return True
        if " " not in match[0]:
            return stands_alone(step.text[match.end() :])
        return not any(
            pattern.search(match[0])
            for name, pattern in self._patterns.items()
            if name != tool.name and self._kinds[name] is Kind.WRITE
        )

    def _holds(self, step: Step, tool: Tool) -> bool:
        """Whether a step can be taken at once: what a switch was set to before does not matter to the result."""
        if not step.condition:
            return True
        return is_state_of_it(step.condition) or self._patterns[tool.name].search(step.condition) is not None

    def _look_at(self, condition: str, facts: Sequence[Fact]) -> Call | None:
        """A look at what a condition is about, if the device shows it."""
        step = Step(condition, condition, Act.LOOK)
        return next((call for _, call in self._calls(step, facts) if call is not None), None)

    def _call(self, tool: Tool, step: Step, facts: Sequence[Fact]) -> Call | None:
        """``None`` where an argument can't be known."""
        arguments = {}
        for slot, spec in tool.parameters.items():
            value = self._value(tool.name, slot, spec, step, facts)
            if value is not None:
                arguments[slot] = value
            elif slot in tool.required:
                return None
        return Call(tool.name, arguments)

    def _value(self, tool: str, slot: str, spec: Spec, step: Step, facts: Sequence[Fact]) -> Any:
        texts = (step.text, step.whole)
        if spec.kind == "choice":
            return self._choice(tool, slot, spec, step)
        own = [say for fact in facts if fact.slot == slot for say in fact.says]
        held = list(self.at_hand.get(slot, ()))
        likely = [value for value in held if value in own] or held or own
        return self._named.get(slot) or next(iter(likely), None) or _named_value(slot, texts)

    def _choice(self, tool: str, slot: str, spec: Spec, step: Step) -> Any:
        """The choice that the words name; ``None`` if they name none, or several."""
        cues = self.language.slot(tool, slot).choices
        if set(spec.choices) == _SWITCH and step.way:
            return step.way
        for text in (step.text, step.whole):
            named = {
                choice
                for choice in spec.choices
                if _holds(text, [cue for cue in cues.get(str(choice)) or [str(choice).lower()] if cue not in _SWITCH])
            }
            if named:
                return named.pop() if len(named) == 1 else None
        return None


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
    """Whether any of the cues stands in the text, at the beginning of a word."""
    return any(re.search(rf"(?<!\w){re.escape(cue)}", text) for cue in cues)
