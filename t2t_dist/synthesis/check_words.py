"""Check of a domain's phrasings on its own records: do requests state, answers say and questions ask what they must?

A phrasing that leaves something out is no error when it is read: the writer draws it in vain, and loses the tasks for
which it finds no other.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from t2t_dist.core.speech_acts import asks_for, mentions
from t2t_dist.environments.base import Domain
from t2t_dist.environments.language import Said, ToolWords, Words
from t2t_dist.environments.tools import USER, Call

from .asking import Blanks
from .bindings import Binder, reachable_values

#: Customers whose calls are put into words, and calls of each kind per customer.
_CUSTOMERS, _CALLS = 25, 3


def lossy_words(domain: Domain) -> Iterator[str]:
    """The phrasings that would lose tasks: each with its place, how many of how many, and the remedy."""
    file = domain.folder / "language.yaml"
    language = domain.language
    yield from _questions(file, domain)
    for name, words in language.tools.items():
        if name in domain.tools and domain.tools[name].side == USER:
            continue
        reported: set[str] = set()
        for call, slot, said in _samples(domain, name):
            if slot in reported or not said.says:
                continue
            defect = _defect(file, domain, words, call.name, slot, said)
            if defect is not None:
                reported.add(slot)
                yield defect


def _samples(domain: Domain, name: str) -> Iterator[tuple[Call, str, Said]]:
    """Arguments of calls that customers can ask for, as they are said."""
    customers = domain.callers
    for customer in random.Random(0).sample(customers, min(_CUSTOMERS, len(customers))):
        world = domain.world()
        for call in _calls(domain, name, customer):
            for slot in call.arguments:
                yield call, slot, domain.describe(world, call, slot, customer)


def _calls(domain: Domain, name: str, customer: str) -> Iterator[Call]:
    errand = domain.errand(name)
    if errand is not None:
        bound = Binder(errand, reachable_values(domain, customer)).calls()
        yield from (Call(name, arguments) for arguments in islice(bound, _CALLS))
    for rule in domain.rule_list:
        if errand is None and name in rule.tools:
            proposed = (call for call in rule.proposals(domain.world(), customer) if call.name == name)
            yield from islice(proposed, _CALLS)


def _defect(file: Path, domain: Domain, words: ToolWords, name: str, slot: str, said: Said) -> str | None:
    if not mentions(said.text, said.says):
        return f"{domain.where}: describe() says {said.text!r} for {name}.{slot}, which does not hold {said.says}"
    own = domain.language.slot(name, slot)
    place = f"tools.{name}.slots.{slot}" if slot in words.slots else f"slots.{slot}"
    silent = _silent(words.request, slot, said.text, said)
    if silent:
        return (
            f"{file}: tools.{name}: {len(silent)} of {len(words.request)} requests do not say '{slot}', such as"
            f" {silent[0]!r}: no task is worded with them (not_stated); put {{{slot}}} into each"
        )
    for key, phrases in (("stated", own.stated), ("answer", own.answer)):
        wrong = [text for text in phrases if not mentions(text.format(value=said.text), said.says)]
        if wrong:
            return (
                f"{file}: {place}.{key}: {len(wrong)} of {len(phrases)} do not say the value, such as {wrong[0]!r}:"
                f" no task of {name} is worded with it (not_stated); put {{value}} into each"
            )
    leaking = [text for text in own.vague if mentions(text.format(value=said.text), said.says)]
    if leaking:
        return (
            f"{file}: {place}.vague: {len(leaking)} of {len(own.vague)} give the value away, such as {leaking[0]!r}:"
            f" no task of {name} is worded with it (leaks_withheld); leave {{value}} out"
        )
    return None


def _silent(requests: Sequence[str], slot: str, text: str, said: Said) -> list[str]:
    """The requests that do not say a value, though they are given it."""
    return [phrase for phrase in requests if not mentions(phrase.format_map(Blanks({slot: text})), said.says)]


def _questions(file: Path, domain: Domain) -> Iterator[str]:
    """The agent's questions that a scripted customer would not understand, by the words that they go by."""
    language = domain.language
    listed: list[tuple[str, Words]] = [(f"identity.{name}", words) for name, words in language.identity.items()]
    listed += [(f"slots.{name}", words) for name, words in language.slots.items()]
    listed += [
        (f"tools.{tool}.slots.{name}", words)
        for tool, each in language.tools.items()
        for name, words in each.slots.items()
    ]
    for place, words in listed:
        # One that lists the options is understood by what it lists.
        plain = [text for text in words.ask if "{options}" not in text]
        lost = [text for text in plain if not asks_for(text, words.cues or [words.label])]
        if lost:
            yield (
                f"{file}: {place}.ask: {len(lost)} of {len(plain)} questions have none of its cues, such as"
                f" {lost[0]!r}: a scripted customer does not understand them; add words of theirs to 'cues'"
            )
