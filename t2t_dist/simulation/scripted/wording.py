"""The wording of a scripted agent: sentences about the calls of its task, in the domain's language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import orjson

from t2t_dist.core import speech_acts as speech
from t2t_dist.core.known import Known
from t2t_dist.core.schema import Fact, GoldCall, Task
from t2t_dist.environments.base import Domain, joined
from t2t_dist.environments.language import ToolWords, Words
from t2t_dist.environments.rules import Settled
from t2t_dist.environments.state import World
from t2t_dist.environments.tool_noise import without_note
from t2t_dist.environments.tools import Call
from t2t_dist.synthesis.requests.what_works import said_in
from t2t_dist.tau2.initial_world import world_of

from .phrases import Phrases, either, in_turn, tidy

#: What customers say to a no: they ask for an exception, or whether it is really so.
_EXCEPTION = re.compile(r"\bexceptions?\b|\bjust this once\b", re.I)
_DOUBT = re.compile(r"\b(?:are you (?:\w+ )?(?:sure|certain)|really (?:so|the case)|mistake|doubt)\b", re.I)

#: A customer's words, said by the agent.
_TURNS = {"my": "your", "I": "you", "you": "we", "me": "you", "I've": "you've", "I'm": "you're", "I was": "you were"}
_TURNS |= {f"{word} you": f"{word} us" for word in ("from", "with", "to", "by", "for")}
_TURNED = re.compile(rf"\b(?:{'|'.join(sorted(_TURNS, key=len, reverse=True))})\b")


#: Of these, the words are of one thing: "everything", "everybody saved in your account".
_EVERY = re.compile(r"^every")
#: What somebody would like to use most: "my gift card if there's enough on it, and my credit card if not".
_FIRST_CHOICE = re.compile(r"my ([^,]+?) if\b")
#: How many things a customer means: "all three of", "both".
_COUNT = re.compile(
    r"^(?:(?:all|both)(?: (?:two|three|four|five|six|seven|eight|nine))?(?: of)?|each of|every one of) "
)


class Wording:
    """A renderer of calls, on the world as it was at the start; one instance per dialogue.

    Of several ways to put a thing, one is taken that says nothing beyond what is ``known``.
    """

    def __init__(self, task: Task, domain: Domain, phrases: Phrases, known: Known) -> None:
        self.task, self.domain, self.phrases, self.known = task, domain, phrases, known
        self.world = world_of(domain, task)
        self._answered_claim = False

    # -- calls -------------------------------------------------------------------------------------------------------
    def words(self, name: str) -> ToolWords:
        return self.domain.language.tool(self.domain.tools.by_name.get(name, name))

    def said(self, call: Call, slot: str) -> str:
        """An argument of the call in words."""
        return self.domain.describe(self.world, call, slot, self.task.customer).text

    def meant(self, fact: Fact, calls: Sequence[Call], is_next: bool = False) -> str:
        """What a described fact comes to in one call, or in one for each of several records: "your latest order: that
        is order #W1". ``is_next``: the same has been said of another one just before."""
        thing = self.turned(fact.text)
        values = list(dict.fromkeys(self.said(call, fact.slot) for call in calls))
        value = calls[0].arguments.get(fact.slot)
        several = len(values) > 1 or (isinstance(value, list) and len(value) > 1)
        is_choice = fact.text in said_in(self.domain.language)
        if several:
            thing = _COUNT.sub("", thing)  # which may be wrong
        if is_choice and (first := _FIRST_CHOICE.match(fact.text)):
            act = "covers" if first[1] in values[0] else "covers_not"
            return self.phrases.say(act, Thing=f"Your {first[1]}", value=values[0])
        all_ = "meant_every" if _EVERY.match(thing) else "meant_all"
        act = all_ if several else "taken" if is_choice else "meant_best" if thing.endswith(")") else "meant"
        return self.phrases.say(
            f"{act}_next" if is_next and act != "taken" else act,
            thing=thing,
            Thing=thing[:1].upper() + thing[1:],
            # "Your flight that was called off is flight MRA287 on May 11, which was called off."
            value=joined([text.partition(", which ")[0] for text in values]),
        )

    def turned(self, text: str) -> str:
        """A customer's words as the agent says them: "my" is "your"."""
        return _TURNED.sub(lambda found: _TURNS[found[0]], text)

    def plan(self, call: GoldCall, world: World, amount: float | None) -> str:
        """What the agent is about to do on this world, with its details and the amount that moves.

        ``amount``: the amount, where it could be worked out.
        """
        options = self.words(call.name).plan
        with_result = [option for option in options if "{result" in option]
        if text := self._chosen(with_result, call, result_of(call) or self._tried(world, call), "plan"):
            return text
        text = self._filled([option for option in options if option not in with_result], call, {}, "plan")
        if not with_result:
            return text
        return in_turn([text, self.phrases.say("same_price" if amount == 0 else "amount_later")])

    def done(self, call: GoldCall, result: dict[str, Any]) -> str:
        """The report that the call has been made, with this result."""
        return self._filled(self.words(call.name).done, call, result, "done")

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

    def _asked(self, call: GoldCall) -> str:
        """The arguments of what is refused, in brackets: what has not been looked up, as the customer has put it."""
        goal, made = self.task.grader.refused_goal, Call(call.name, call.arguments)
        own = {fact.slot: fact.text for fact in self.task.user.goals[goal].facts} if goal is not None else {}
        texts = []
        for slot in call.arguments:
            value = self.domain.describe(self.world, made, slot, self.task.customer)
            ways = (value.text, own.get(slot, "")) if value.says else ()
            texts += [text for text in ways if text and not self.known.unseen(text)][:1]
        return f" ({'; '.join(texts)})" if texts else ""

    def _filled(self, options: Sequence[str], call: GoldCall, result: dict[str, Any], act: str) -> str:
        if text := self._chosen(options, call, result, act):
            return text
        name, details = self.words(call.name).name, self.details(call)
        return self.phrases.say(act, name=name, details="" if self.known.unseen(details) else details)

    def _chosen(self, options: Sequence[str], call: GoldCall, result: dict[str, Any], act: str) -> str:
        """One of the options, filled in; empty where none can be, or only with something that is not known."""
        made = Call(call.name, call.arguments)
        values = {slot: self.domain.describe(self.world, made, slot, self.task.customer) for slot in call.arguments}
        slots = {slot: value.text for slot, value in values.items()}
        told = {slot: value.text for slot, value in values.items() if value.says}
        slots |= self.domain.language.plainly(call.name, told, "your", apart=act == "guide")
        # Nothing is moved by an amount of 0.
        held = {field: value for field, value in result.items() if value}
        filled = [text for option in options if (text := _fill(option, slots, held)) is not None]
        while filled:
            text = self.phrases.pick(filled, f"{act} {call.name}")
            if not self.known.unseen(text):
                return tidy(text)
            filled.remove(text)
        return ""

    def _tried(self, world: World, call: GoldCall) -> dict[str, Any]:
        """The result that a call outside the gold would give."""
        value = self.domain.execute(world.fork(), Call(call.name, call.arguments)).value
        return value if isinstance(value, dict) else {}

    # -- what the customer wants to know -------------------------------------------------------------------------------
    def tells(self, gold: GoldCall, got: dict[str, Any], is_done: bool = True) -> Iterator[tuple[str, str]]:
        """``(fact, sentence)`` for each fact that this call lets the agent say. ``got`` is the call's actual result, or
        what it would be."""
        expected = result_of(gold)
        for tell in self.words(gold.name).tell:
            value = expected.get(tell.field)
            fact = next((f for f in self.task.grader.communicate if value is not None and _same(f, value)), None)
            if fact is not None and tell.field in got:
                about = f"tell {gold.name} {tell.field}"
                options = tell.say if is_done else tell.would or tell.say
                yield fact, tidy(self.phrases.pick(options, about).format(value=_shown(got[tell.field])))

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

    def not_found(self, entry: GoldCall) -> str:
        """That an entry call has found nobody, and the question for its arguments once more."""
        language, tool = self.domain.language, self.domain.tools[entry.name]
        types = [(spec.name or slot) for slot, spec in tool.parameters.items()]
        return self.phrases.say("not_found", labels=joined([language.who(name).label for name in types]))

    def ask(self, fact: Fact, tool: str, options: Sequence[str]) -> str:
        """The question for a slot, with the options to choose from, if any."""
        words: Words = self.domain.language.slot(tool, fact.slot)
        if self.known.unseen("; ".join(options)):
            options = ()  # they are said with what nobody has looked up: how late a flight was
        fitting = [text for text in words.ask if ("{options}" in text) == bool(options)]
        if not fitting:
            fitting = [text for text in words.ask if "{options}" not in text]
        if not fitting:
            return self.phrases.say("ask_slot", label=fact.label or words.label)
        chosen = self.phrases.pick(fitting, f"ask {fact.slot}")
        return tidy(chosen.format(options=either(options)))

    # -- refusing and handing over -------------------------------------------------------------------------------------
    @property
    def reason(self) -> str:
        """Why the forbidden call is forbidden, worded for the middle of a sentence."""
        certificate = self.task.certificate
        found = (certificate.reason, certificate.clause) if certificate else ()
        known = (reason for reason in found if reason and not self.known.unseen(reason))
        return next(known, "our policy does not allow it").rstrip(". ")

    def why_not(self, world: World, call: GoldCall) -> str:
        """Why a call is not possible in a world, worded for the middle of a sentence; empty if nobody can know it."""
        fork = world.fork()
        for step in self.domain.steps(fork, Call(call.name, call.arguments)):
            for breach in self.domain.breaches(fork, step, self.task.customer):
                if not self.known.unseen(breach.reason):
                    return breach.reason.rstrip(". ")
            if self.domain.execute(fork, step).error:
                break
        return ""

    @cached_property
    def settled(self) -> bool:
        """Whether what is forbidden is so already, so that there is nothing to be sorry for."""
        certificate, domain = self.task.certificate, self.domain
        if certificate is None or certificate.forbidden_call is None:
            return False
        call = Call(certificate.forbidden_call.name, certificate.forbidden_call.arguments)
        cited = (rule for rule in domain.rule_list if rule.number == certificate.rule)
        return any(isinstance(rule.broken_by(domain.world(), call, self.task.customer), Settled) for rule in cited)

    def refusal(self) -> str:
        """The refusal in the words of the cited rule; announces the hand-over where the rule requires one."""
        if self.settled:
            return self.phrases.say("settled", reason=self.reason, Reason=tidy(self.reason))
        rule = self.task.grader.rule
        options = self.domain.language.refusals.get(rule, []) if rule is not None else []
        if not options:
            text = self.phrases.say("refuse", reason=self.reason, Reason=tidy(self.reason))
        else:
            text = tidy(self.phrases.pick(options, "refusal").format(reason=self.reason, Reason=tidy(self.reason)))
        if self.task.grader.handling == "transfer" and not speech.announces_hand_over(text):
            text = in_turn([text, self.phrases.say("hand_over")])
        return text

    def not_possible(self, world: World, call: GoldCall) -> str:
        """That what the customer would like best is not possible in this world, and why."""
        fork, found = world.fork(), list[str]()
        for step in self.domain.steps(fork, Call(call.name, call.arguments)):
            found += [breach.reason for breach in self.domain.breaches(fork, step, self.task.customer)]
            if found or self.domain.execute(fork, step).error:
                break
        known = (reason for reason in found if not self.known.unseen(reason))
        return self.phrases.say("not_possible", reason=next(known, "our policy does not allow it").rstrip(". "))

    def possible(self, texts: Sequence[str]) -> str:
        """What could be done instead of what is refused."""
        return self.phrases.say("possible", texts=either(texts)) if texts else ""

    def stand_firm(self, times: int, plea: str) -> str:
        """The refusal again, as an answer to what they said: at first with its reason, then without."""
        claim = self.task.user.claim
        if claim is not None and speech.mentions(plea, [claim.text]) and not self._answered_claim:
            self._answered_claim = True
            evidence = self.task.certificate.claim if self.task.certificate else None
            act = "not_so" if evidence is not None and evidence.kind is not None else "not_allowed_by_anybody"
            return self.phrases.say(act, reason=self.reason, Reason=tidy(self.reason))
        if times:
            return self.phrases.say("no_more")
        act = "no_exception" if _EXCEPTION.search(plea) else "sure" if _DOUBT.search(plea) else "stand_firm"
        return self.phrases.say(act, reason=self.reason, Reason=tidy(self.reason))

    def summary(self, done: Iterable[GoldCall]) -> str:
        """The summary for the colleague who takes over."""
        wanted = self.task.certificate.forbidden_call if self.task.certificate else None
        name = self.words(wanted.name).name if wanted else "a request"
        details = self._asked(wanted) if wanted else ""
        called = self.task.user.name
        customer = f"The customer, {called}," if called else "The customer"
        text = self.phrases.say("summary", customer=customer, name=name, details=details, reason=self.reason)
        names = [self.words(call.name).name for call in done]
        return text + (f" Dealt with so far: {joined(names)}." if names else "")


def result_of(call: GoldCall) -> dict[str, Any]:
    """A call's stored result as an object; empty where it is not one (an id, an error, nothing stored)."""
    return parsed(call.result)


def value_of(content: str) -> Any:
    """The result that a text stands for: a record, a list, or the text itself."""
    if content[:1] not in ("{", "["):
        return content
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return content


def parsed(content: str | None) -> dict[str, Any]:
    """A result's text as an object; empty where it is none."""
    value = value_of(content or "")
    return value if isinstance(value, dict) else {}


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
    todo = [value_of(without_note(content))]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            yield {str(inner) for inner in value.values() if not isinstance(inner, dict | list)}
            todo += [inner for inner in value.values() if isinstance(inner, dict | list)]
        elif isinstance(value, list):
            todo += [inner for inner in value if isinstance(inner, dict | list)]


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
