"""The wording of a scripted agent: sentences about the calls of its task, in the domain's language."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from t2t_dist.core import speech_acts as speech
from t2t_dist.core.schema import Fact, GoldCall, Task
from t2t_dist.environments.base import Domain, joined
from t2t_dist.environments.language import ToolWords, Words
from t2t_dist.environments.tools import Call
from t2t_dist.tau2.initial_world import world_of

from .phrases import Phrases, either, in_turn, tidy

#: The most options that a customer is offered.
MAX_OPTIONS = 6


class Wording:
    """A renderer of calls, on the world as it was at the start; one instance per dialogue."""

    def __init__(self, task: Task, domain: Domain, phrases: Phrases) -> None:
        self.task, self.domain, self.phrases = task, domain, phrases
        self.world = world_of(domain, task)

    # -- calls -------------------------------------------------------------------------------------------------------
    def words(self, name: str) -> ToolWords:
        return self.domain.language.tool(self.domain.tools.by_name.get(name, name))

    def said(self, call: Call, slot: str) -> str:
        """An argument of the call in words."""
        return self.domain.describe(self.world, call, slot, self.task.customer).text

    def plan(self, call: GoldCall) -> str:
        """What the agent is about to do, with its details."""
        return self._filled(self.words(call.name).plan, call, result_of(call) or self._result_of_trying(call), "plan")

    def done(self, call: GoldCall) -> str:
        """The report that the call has been made."""
        return self._filled(self.words(call.name).done, call, result_of(call), "done")

    def guide(self, call: GoldCall) -> str:
        """The instruction to the customer for a call on a device of their own."""
        words = self.words(call.name)
        return self._filled(words.guide or words.plan, call, {}, "guide")

    def details(self, call: GoldCall) -> str:
        """The arguments in brackets, empty where none is worth saying."""
        made = Call(call.name, call.arguments)
        said = [self.domain.describe(self.world, made, slot, self.task.customer) for slot in call.arguments]
        # Arguments that nobody has to say (whose account it is) carry no news.
        texts = [value.text for value in said if value.says]
        return f" ({'; '.join(texts)})" if texts else ""

    def _filled(self, options: Sequence[str], call: GoldCall, result: dict[str, Any], act: str) -> str:
        made = Call(call.name, call.arguments)
        values = {slot: self.domain.describe(self.world, made, slot, self.task.customer) for slot in call.arguments}
        slots = {slot: value.text for slot, value in values.items()}
        told = {slot: value.text for slot, value in values.items() if value.says}
        slots |= self.domain.language.plainly(call.name, told, "your", apart=act == "guide")
        ready = [text for option in options if (text := _fill(option, slots, result)) is not None]
        if not ready:
            return self.phrases.say(act, name=self.words(call.name).name, details=self.details(call))
        return tidy(self.phrases.pick(ready, f"{act} {call.name}"))

    def _result_of_trying(self, call: GoldCall) -> dict[str, Any]:
        """The result that a call outside the gold would give, after the goals before it."""
        world = world_of(self.domain, self.task)
        for earlier in self.task.grader.gold:
            if earlier.kind == "write" and earlier.goal < call.goal:
                self.domain.execute(world, Call(earlier.name, earlier.arguments))
        value = self.domain.execute(world, Call(call.name, call.arguments)).value
        return value if isinstance(value, dict) else {}

    # -- what the customer wants to know -------------------------------------------------------------------------------
    def tells(self, gold: GoldCall, got: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """``(fact, sentence)`` for each fact that this call lets the agent say. ``got`` is the call's actual result."""
        expected = result_of(gold)
        for tell in self.words(gold.name).tell:
            value = expected.get(tell.field)
            fact = next((f for f in self.task.grader.communicate if value is not None and _same(f, value)), None)
            if fact is not None and tell.field in got:
                about = f"tell {gold.name} {tell.field}"
                yield fact, tidy(self.phrases.pick(tell.say, about).format(value=_shown(got[tell.field])))

    # -- questions ---------------------------------------------------------------------------------------------------
    def ask_who(self, entry: GoldCall) -> str:
        """The question for the arguments of an entry call."""
        tool = self.domain.tools[entry.name]
        language = self.domain.language
        types = [spec.name for spec in tool.parameters.values()]
        options = [text for name in types if name in language.identity for text in language.identity[name].ask]
        if options:
            return tidy(self.phrases.pick(options, "ask_who"))
        labels = [language.who(kind or name).label for name, kind in zip(tool.parameters, types, strict=True)]
        return self.phrases.say("ask_identity", labels=joined(labels))

    def ask(self, fact: Fact, tool: str, options: Sequence[str]) -> str:
        """The question for a slot, with the options to choose from, if any."""
        words: Words = self.domain.language.slot(tool, fact.slot)
        fitting = [text for text in words.ask if ("{options}" in text) == bool(options)]
        if not fitting:
            fitting = [text for text in words.ask if "{options}" not in text]
        if not fitting:
            return self.phrases.say("ask_slot", label=fact.label or words.label)
        chosen = self.phrases.pick(fitting, f"ask {fact.slot}")
        return tidy(chosen.format(options=either(options)))

    def options(self, fact: Fact, goal: int, write: GoldCall, open_slots: set[str], shown: str) -> list[str]:
        """The possible values of a withheld slot, in words, among those in the results so far (``shown``).

        In the order of a choice's values or of the texts, as a person lists them; empty where there is no real choice
        to offer.
        """
        certificate, slot = self.task.certificate, fact.slot
        if certificate is None or certificate.goal != goal or slot not in certificate.withheld:
            return []
        settled = [name for name in certificate.withheld if name not in open_slots]
        fitting = [
            candidate.arguments
            for candidate in certificate.candidates
            if slot in candidate.arguments
            and all(candidate.arguments.get(name) == write.arguments.get(name) for name in settled)
        ]
        errand = self.domain.errand(write.name)
        is_choice = errand is not None and errand.parameters[slot].kind == "choice"
        seen = [a for a in fitting if is_choice or all(s in shown for s in scalars(a[slot]))]
        meant = set(self._single(write.name, write.arguments, slot))
        texts = {text: None for arguments in seen for text in self._single(write.name, arguments, slot)}
        if not meant or not meant <= set(texts) or len(texts) < 2:
            return []
        rng: random.Random = self.phrases.rng
        others = [text for text in texts if text not in meant]
        chosen = {*meant, *rng.sample(others, min(len(others), max(0, MAX_OPTIONS - len(meant))))}
        if errand is not None and is_choice:
            values = errand.parameters[slot].choices
            listed = [self.said(Call(write.name, {**write.arguments, slot: value}), slot) for value in values]
            return [text for text in listed if text in chosen]
        return sorted(chosen, key=_naturally)

    def _single(self, name: str, arguments: dict[str, Any], slot: str) -> list[str]:
        """The texts that make up a value's text: one per element of a list, where the list's text is theirs joined."""
        value = arguments[slot]
        whole = self.said(Call(name, arguments), slot)
        if not isinstance(value, list) or len(value) < 2:
            return [whole]
        parts = [self.said(Call(name, {**arguments, slot: [element]}), slot) for element in value]
        return parts if joined(parts) == whole else []

    # -- refusing and handing over -------------------------------------------------------------------------------------
    @property
    def reason(self) -> str:
        """Why the forbidden call is forbidden, worded for the middle of a sentence."""
        certificate = self.task.certificate
        reason = (certificate.reason or certificate.clause) if certificate else None
        return (reason or "our policy does not allow it").rstrip(". ")

    def refusal(self) -> str:
        """The refusal in the words of the cited rule; announces the hand-over where the rule requires one."""
        rule = self.task.grader.rule
        options = self.domain.language.refusals.get(rule, []) if rule is not None else []
        if not options:
            text = self.phrases.say("refuse", reason=self.reason, Reason=tidy(self.reason))
        else:
            text = tidy(self.phrases.pick(options, "refusal").format(reason=self.reason, Reason=tidy(self.reason)))
        if self.task.grader.handling == "transfer" and not speech.announces_hand_over(text):
            text = in_turn([text, self.phrases.say("hand_over")])
        return text

    def stand_firm(self) -> str:
        return self.phrases.say("stand_firm", reason=self.reason, Reason=tidy(self.reason))

    def summary(self, done: Iterable[GoldCall]) -> str:
        """The summary for the colleague who takes over."""
        wanted = self.task.certificate.forbidden_call if self.task.certificate else None
        name = self.words(wanted.name).name if wanted else "a request"
        details = self.details(wanted) if wanted else ""
        called = self.task.user.name
        customer = f"The customer, {called}," if called else "The customer"
        text = self.phrases.say("summary", customer=customer, name=name, details=details, reason=self.reason)
        names = [self.words(call.name).name for call in done]
        return text + (f" Done so far: {joined(names)}." if names else "")


def result_of(call: GoldCall) -> dict[str, Any]:
    """A call's stored result as an object; empty where it is not one (an id, an error, nothing stored)."""
    return parsed(call.result)


def parsed(content: str | None) -> dict[str, Any]:
    """A result's text as an object; empty where it is none."""
    if not content or not content.startswith("{"):
        return {}
    try:
        value: dict[str, Any] = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return value


def scalars(value: Any) -> Iterator[str]:
    """Every scalar in an argument, as text."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from scalars(inner)
    elif value not in (None, ""):
        yield str(value)


def records(content: str) -> Iterator[set[str]]:
    """The scalars of each record in a result."""
    if content[:1] not in ("{", "["):
        return
    try:
        todo: list[Any] = [orjson.loads(content)]
    except orjson.JSONDecodeError:
        return
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            yield {str(inner) for inner in value.values() if not isinstance(inner, dict | list)}
            todo += [inner for inner in value.values() if isinstance(inner, dict | list)]
        elif isinstance(value, list):
            todo += [inner for inner in value if isinstance(inner, dict | list)]


def _naturally(text: str) -> list[tuple[int, str]]:
    """Sorts B-9 before B-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]


def _fill(phrase: str, slots: dict[str, str], result: dict[str, Any]) -> str | None:
    """The phrase with its fields, or ``None`` where the call or its result lacks one."""
    try:
        return phrase.format(**slots, result=result)
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _shown(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _same(fact: str, value: Any) -> bool:
    shown = _shown(value)
    return speech.says_number(shown, fact) if shown[:1].isdigit() else speech.mentions(shown, [fact])
