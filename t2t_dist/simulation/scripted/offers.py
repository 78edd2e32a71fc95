"""What a scripted agent can offer a customer, by what it has looked up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from t2t_dist.core.schema import Fact, GoldCall, Task
from t2t_dist.environments.base import Domain, joined
from t2t_dist.environments.entities import Spec
from t2t_dist.environments.errands import is_valid_errand
from t2t_dist.environments.plain_words import noun_of
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call
from t2t_dist.synthesis.bindings import Binder, Seen
from t2t_dist.synthesis.tool_graph import graph_of

from .wording import Wording

#: The most options that a customer is offered; of more they are asked to name one.
MAX_OPTIONS = 6
#: The most other ways that are named with a refusal.
_MAX_ALTERNATIVES = 2


class Offers:
    """The choices of one dialogue. ``seen``: the values in the results so far."""

    def __init__(self, task: Task, domain: Domain, words: Wording, seen: Seen) -> None:
        self.task, self.domain, self.words, self.seen = task, domain, words, seen

    def options(
        self,
        fact: Fact,
        goal: int,
        write: GoldCall,
        open_slots: set[str],
        has_read: Callable[[str, dict[str, Any]], bool],
    ) -> list[str]:
        """The values that a withheld slot could have, in words, as far as the results show them.

        Records that were not read are offered all: whether one fits is not known. Empty where there is no choice, or
        too much of it. In the order of a choice's values or of the texts, as a person lists them.
        """
        certificate, slot, errand = self.task.certificate, fact.slot, self.domain.errand(write.name)
        if certificate is None or certificate.parts.get("ambiguous") != goal:
            return []
        if slot not in certificate.withheld or errand is None:
            return []
        settled = {name: value for name, value in write.arguments.items() if name not in open_slots}
        spec = errand.parameters[slot]
        possible = [
            candidate.arguments
            for candidate in certificate.candidates
            if slot in candidate.arguments
            and all(candidate.arguments.get(name) == settled[name] for name in certificate.withheld if name in settled)
        ]
        if spec.kind == "list" and _is_subject(errand.parameters, slot):
            # Whatever the record holds: which of it can be returned was not looked at yet.
            bound = self._named(settled, errand.parameters)
            held = self.seen.related(spec.item.name, bound) if bound else ()
            possible += [{**write.arguments, slot: [value]} for value, _ in held]
        fitting = [one for one in possible if spec.kind == "choice" or self._has_seen(spec, one[slot])]
        unread = [
            {**write.arguments, slot: value} for value in self._unread(spec, settled, errand.parameters, has_read)
        ]
        if len(fitting) < len(possible) and not unread:
            return []  # to name some would be to say that there are no others
        texts = [text for arguments in [*fitting, *unread] for text in self._single(write.name, arguments, slot)]
        texts = list(dict.fromkeys(texts))
        if not 2 <= len(texts) <= MAX_OPTIONS:
            return []
        if spec.kind == "choice":
            listed = [self.words.said(Call(write.name, {**write.arguments, slot: v}), slot) for v in spec.choices]
            return [text for text in listed if text in texts]
        return sorted(texts, key=_naturally)

    def _has_seen(self, spec: Spec, value: Any) -> bool:
        item = spec.item if spec.kind == "list" else spec
        return all((item.name, one) in self.seen for one in (value if isinstance(value, list) else [value]))

    def _unread(
        self,
        spec: Spec,
        settled: dict[str, Any],
        specs: dict[str, Spec],
        has_read: Callable[[str, dict[str, Any]], bool],
    ) -> Iterator[Any]:
        """The records of a kind that the results name but that were not looked up: those of the records that the
        customer has named."""
        graph = graph_of(self.domain)
        detail = graph.detail_tool(spec.name) if spec.kind == "scalar" else None
        if detail is None:
            return
        for value, _ in self.seen.related(spec.name, self._named(settled, specs)):
            if not has_read(detail.name, {next(iter(detail.parameters)): value}):
                yield value

    def _named(self, settled: dict[str, Any], specs: dict[str, Spec]) -> frozenset[tuple[str, Any]]:
        """The records that the customer has named, with their types."""
        graph = graph_of(self.domain)
        return frozenset((specs[n].name, value) for n, value in settled.items() if graph.detail_tool(specs[n].name))

    def _single(self, name: str, arguments: dict[str, Any], slot: str) -> list[str]:
        """The texts that make up a value's text: one per element of a list, where the list's text is theirs joined."""
        value = arguments[slot]
        whole = self.words.said(Call(name, arguments), slot)
        if not isinstance(value, list) or len(value) < 2:
            return [whole]
        parts = [self.words.said(Call(name, {**arguments, slot: [element]}), slot) for element in value]
        return parts if joined(parts) == whole else []

    def alternatives(self, world: World, forbidden: GoldCall) -> list[str]:
        """What a forbidden call could have in place of one of its values, as far as the results show it: another
        payment method, another version. Not its subject, and not what is as it is, such as a reason."""
        errand = self.domain.errand(forbidden.name)
        slots = [slot for slot in errand.parameters if slot in forbidden.arguments][1:] if errand else []
        for slot in reversed(slots):
            if errand is None or noun_of(slot).is_given or _is_subject(errand.parameters, slot):
                continue

            def varied(name: str, value: Any, _: dict[str, Any], slot: str = slot) -> bool:
                return name == slot or value == forbidden.arguments.get(name)

            sizes = {name: len(value) for name, value in forbidden.arguments.items() if isinstance(value, list)}
            found = Binder(errand, self.seen, accept=varied, sizes=sizes).calls()
            calls = [Call(forbidden.name, arguments) for arguments in found]
            texts = [
                self.words.said(call, slot)
                for call in calls
                if call.arguments[slot] != forbidden.arguments[slot]
                and is_valid_errand(self.domain, world, call, self.task.customer)
            ]
            if texts := [text for text in dict.fromkeys(texts) if not self.words.known.unseen(text)]:
                meant = self.words.said(Call(forbidden.name, forbidden.arguments), slot)
                return sorted(texts, key=lambda text: _distance(text, meant))[:_MAX_ALTERNATIVES]
        return []


def _is_subject(specs: dict[str, Spec], slot: str) -> bool:
    """Whether an argument says what a call is about rather than how it is done: all lists but those that replace
    another, element by element, and a plain yes or no."""
    spec = specs[slot]
    if spec.kind == "list":
        return next(name for name, other in specs.items() if other == spec) == slot
    return spec.kind not in ("scalar", "choice") or set(spec.choices) == {"yes", "no"}


def _distance(text: str, meant: str) -> tuple[int, int, list[tuple[int, str]]]:
    """How far a text is from what was meant: by its words, and by its first number."""
    one, other = (next((int(number) for number in re.findall(r"\d+", said)), 0) for said in (text, meant))
    return -len(set(text.split()) & set(meant.split())), abs(one - other), _naturally(text)


def _naturally(text: str) -> list[tuple[int, str]]:
    """Sorts B-9 before B-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]
