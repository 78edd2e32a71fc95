"""Whether an agent's plan is what a scripted customer asked for, or something else that they are offered.

Customers know their own records and what there is to choose from, as they do in life. So a plan with another order,
card or version than theirs strikes them, and one to exchange what they wanted to return as well.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from t2t_dist.core.naming import BARE, deeds, is_worded, stems
from t2t_dist.core.offload import offload
from t2t_dist.core.schema import Fact, Second, UserSide
from t2t_dist.core.speech_acts import sentences
from t2t_dist.core.text_match import mentions
from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import Spec
from t2t_dist.environments.plain_words import words_of
from t2t_dist.environments.tools import Call, Tool
from t2t_dist.environments.workflows import Workflow
from t2t_dist.synthesis.bindings import Seen, reachable_values
from t2t_dist.synthesis.requests.sequences import firsts_of

Says = tuple[str, ...]
#: Words of requests and plans that say nothing of what is done.
_GENERAL = stems(
    "like want need please could can shall may should help get make have do does go ahead let tell me we us our all one"
    " any no not there when what which who if as just also now here out up but because about thing things right okay"
    " again after until them they more change changed changing modify add adding set correct payment paid method"
)
#: Words that a request shares with those of its errand; one of fewer ("Make it the other one") names no errand.
_NAMED = 2
#: The last sentences of a message, which say what is about to be done; those before may say why.
_LAST = 2


class Plans:
    """One customer's sense of what they asked for; ``side``: who they are, and what they ask for."""

    def __init__(self, domain: Domain, side: UserSide) -> None:
        self.domain, self.side = domain, side
        self._seen: Seen | None = None

    async def recall(self) -> None:
        """Have the customer's own records at hand; they are looked up once."""
        if self._seen is None:
            self._seen = await offload(self.domain, _records_of, self.domain, self.side)

    def otherwise(self, plan: str, facts: Sequence[Fact]) -> list[Fact]:
        """The facts for which the plan names another value, and not the customer's."""
        missing = [fact for fact in facts if fact.says and not (fact.described or mentions(plan, fact.says))]
        return [fact for fact in missing if self._names_another(plan, fact, facts)]

    def something_else(self, plan: str, facts: Sequence[Fact], request: str, *earlier: str) -> bool:
        """Whether the plan is to do something else than the request; ``earlier``: what they asked for before, if they
        have changed their mind.

        It is theirs if it names what they decided. Else its words for what is done are compared with theirs and with
        those for whatever else could be done; without any, names and numbers that they never gave are not theirs.
        """
        known, errands = deeds(self.domain), self._errands(facts, request, *earlier)
        asked = {name for errand in errands for name in (errand.name, *getattr(errand, "covers", ()))}
        things = stems(" ".join(f"{' '.join(words_of(fact.slot))} {fact.text}" for fact in facts))
        heard = stems(plan) - _GENERAL - things
        own = stems(request).union(*(known[name] for name in asked))
        verbs = Counter(word for name in known for word in stems(words_of(name)[0]))
        said = any(stems(words_of(name)[0]) & heard for name in asked)  # "suspended until it is resumed" is theirs
        if not said and any(verbs[word] == 1 and word not in own for word in heard):
            return True
        details = [fact for fact in facts[1:] if fact.says and _is_detail(fact)]
        if any(fact.described for fact in facts):
            return False  # they have not at hand what the plan names
        if any(is_worded(plan, fact.says) for fact in details):
            return False
        theirs = len(own & heard)
        others = max((len((deed - own) & heard) for name, deed in known.items() if name not in asked), default=0)
        news = len(stems(" ".join(_NEWS.findall(plan))) - stems(" ".join([request, *(fact.text for fact in facts)])))
        return others > theirs or (news > 1 if details else news > 0 and not theirs)

    def is_only_first(self, plan: str, facts: Sequence[Fact], request: str, first: Second) -> bool:
        """Whether a plan is what they allow to be done first, and not what they asked for as well: it says none of the
        details of that, or more of the words for the one than for the other."""
        allowed = {tuple(fact.says) for fact in first.facts}
        details = [
            f for f in facts[1:] if f.says and not f.described and _is_detail(f) and tuple(f.says) not in allowed
        ]
        if details:
            return not any(mentions(plan, fact.says) for fact in details)
        asked = request.replace(first.request, "")
        known = {one.words.errand: one.step.errand for one in firsts_of(self.domain)}
        errands = {name: self.domain.errand(name) for name in known}
        likeness = {name: self._likeness(errand, asked) for name, errand in errands.items() if errand is not None}
        wanted = max(likeness, key=lambda name: likeness[name], default="")
        if not wanted:
            return False
        own, other = (_words_for(self.domain.origin, name) for name in (wanted, known[wanted]))
        plain = [sentence.text for sentence in sentences(plan) if not sentence.asks]
        heard = stems(" ".join(plain[-_LAST:]))
        return len(heard & (other - own)) > len(heard & (own - other))

    def _errands(self, facts: Sequence[Fact], request: str, *earlier: str) -> list[Tool | Workflow]:
        """The errands that take just these slots, or else some of them; of several those whose requests are most like
        this one, or the last one before it that names any."""
        slots = {fact.slot for fact in facts}
        for fact in facts:
            if fact.described:  # "my line that has used the most data" does not ask for data
                request = re.sub(re.escape(fact.text), " ", request, flags=re.I)
        possible = [errand for errand in self.domain.errands if set(errand.required) <= slots]
        fitting = [errand for errand in possible if slots <= set(errand.parameters)] or possible
        likeness = [self._likeness(errand, request) for errand in fitting]
        for before in reversed(earlier):
            if max(likeness, default=0) < _NAMED:
                likeness = [self._likeness(errand, before) for errand in fitting]
        best = max(likeness, default=0)
        return [errand for errand, alike in zip(fitting, likeness, strict=True) if alike == best]

    def _likeness(self, errand: Tool | Workflow, request: str) -> int:
        words = stems(request) - _GENERAL
        return max((len(words & asked) for asked in _asked_for(self.domain.origin, errand.name)), default=0)

    def _names_another(self, plan: str, fact: Fact, facts: Sequence[Fact]) -> bool:
        own = {word for say in fact.says for word in _CODE.findall(say)}
        theirs = {word for each in facts for say in each.says for word in _CODE.findall(say)} - own
        alike = {word for word in _CODE.findall(plan) if _shape(word) in {_shape(code) for code in own} - {""}} - theirs
        if alike and not alike & own:
            return True
        if any(is_worded(plan, [say]) for say in fact.says):
            return False
        return any(mentions(plan, says) for says in self._others(fact, facts))

    def _others(self, fact: Fact, facts: Sequence[Fact]) -> Iterator[Says]:
        """How the other values that a fact could have are said."""
        own = {say for each in facts for say in each.says}
        errands = [errand for errand in self._errands(facts, "") if fact.slot in errand.parameters]
        for errand in errands or self._with_slot(fact.slot):
            arguments = self._arguments(errand, facts)
            for value in self._values(errand.parameters[fact.slot]):
                says = self._said(errand.name, arguments, fact.slot, value)
                if says and not own.issuperset(says):
                    yield says

    def _with_slot(self, slot: str) -> list[Tool | Workflow]:
        return [errand for errand in self.domain.errands if slot in errand.parameters][:1]

    def _arguments(self, errand: Tool | Workflow, facts: Sequence[Fact]) -> dict[str, Any]:
        """The values that the customer means, as far as they are among their records: the items' names depend on the
        order."""
        arguments: dict[str, Any] = {}
        for fact in facts:
            spec = errand.parameters.get(fact.slot)
            if spec is not None and spec.kind != "list":
                meant = tuple(fact.says)
                found = [v for v in self._values(spec) if self._said(errand.name, arguments, fact.slot, v) == meant]
                if found:
                    arguments[fact.slot] = found[0]
        return arguments

    def _values(self, spec: Spec) -> list[Any]:
        """The values that a slot could hold; of a list, its elements, each as a list."""
        if spec.kind == "choice":
            return list(spec.choices)
        if self._seen is None:
            return []
        if spec.kind == "list":
            return [[value] for value, _ in self._seen.values(spec.item.name)]
        return [value for value, _ in self._seen.values(spec.name)]

    def _said(self, name: str, arguments: dict[str, Any], slot: str, value: Any) -> Says:
        try:
            says = self.domain.describe(
                self.domain.world(), Call(name, {**arguments, slot: value}), slot, self._customer
            )
        except (KeyError, AttributeError, TypeError):  # it can't be said without the other arguments
            return ()
        return () if BARE.issuperset(map(str.lower, says.says)) else says.says

    @property
    def _customer(self) -> str:
        return _customer_of(self.domain, self.side)


#: Numbers of orders, flights, lines and the like: digits, and a mark or a letter.
_CODE = re.compile(r"[#\w-]*\d[#\w-]*[A-Za-z\d]")


def _shape(code: str) -> str:
    """Codes of one kind have one shape: #W1234567 is #A9999999."""
    return re.sub(r"[A-Za-z]", "A", re.sub(r"\d", "9", code)) if re.search(r"[#A-Za-z-]", code) else ""


def _is_detail(fact: Fact) -> bool:
    """Whether a fact tells one errand from others about the same thing; many have a reason, or are paid."""
    words = words_of(fact.slot)
    return "payment" not in words and words[-1] != "reason"


#: A number other than of money, or a name.
_NEWS = re.compile(r"(?<![$\w.,#])\d[\w-]*|(?<=[a-z,;] )[A-Z][A-Za-z]+")


@lru_cache(maxsize=256)
def _asked_for(domain: Domain, name: str) -> list[set[str]]:
    """The words of each of an errand's usual requests."""
    return [stems(text) for text in domain.language.tool(domain.tools.get(name) or name).request]


@lru_cache(maxsize=256)
def _words_for(domain: Domain, name: str) -> set[str]:
    """The words in which an errand is announced and reported."""
    words = domain.language.tool(domain.tools.get(name) or name)
    return stems(re.sub(r"\{[^}]*\}", " ", " ".join([words.name, *words.plan, *words.done])))


def _customer_of(domain: Domain, side: UserSide) -> str:
    """The customer whom an entry tool finds by what they know about themselves; "" if none does."""
    return _found(domain, tuple((fact.slot, fact.text) for fact in side.identity))


@lru_cache(maxsize=256)
def _found(domain: Domain, known: tuple[tuple[str, str], ...]) -> str:
    facts = dict(known)
    for tool in domain.entry_tools:
        if tool.consumes() <= facts.keys():
            arguments = {name: facts[spec.name] for name, spec in tool.parameters.items()}
            who = domain.identified(tool, domain.execute(domain.world(), Call(tool.name, arguments)).value)
            if who is not None:
                return who
    return ""


def _records_of(domain: Domain, side: UserSide) -> Seen:
    customer = _customer_of(domain, side)
    return reachable_values(domain, customer) if customer else Seen()
