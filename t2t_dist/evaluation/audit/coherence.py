"""Checks of the customer: a task may be proved and still be one that nobody would come with.

Each check is a function of a task and its domain that yields what is odd, in words; :data:`CHECKS` names them. To add
one, write the function and its line there.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from t2t_dist.core.schema import INTENTS, Change, Goal, GoldCall, RecordChange, Task
from t2t_dist.core.speech_acts import mentions, normalised
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call
from t2t_dist.synthesis.entities import Entities, strings
from t2t_dist.synthesis.grader_side import changes_of, errands_in

from .measures import Measure, share, unmeasured

#: Odd tasks of one check that are shown, by intent.
_SHOWN = 3


class Customer(NamedTuple):
    """A task, and what its checks need."""

    task: Task
    domain: Domain
    entities: Entities


Check = Callable[[Customer], Iterator[str]]


# -- the words -----------------------------------------------------------------------------------------------------
_UNFILLED = re.compile(
    r"\{[^{}]*\}|\$\{|<[A-Za-z_ ]+>|\[[A-Z_a-z ]+\]|\b(?:None|null|NaN|undefined|TODO)\b|\[\]|\['|\(\s*\)|''|\"\""
)
_UNTIDY = re.compile(r"\s[,.;:?!](?!\w)|[?!;:]\.|,[.,;:?!]|(?<!\.)\.\.(?!\.)|\S {2,}\S")
_DOUBLED = re.compile(r"(?<![\w'])([a-z]+) \1(?=[.,;:?!]?(?:\s|$))")
_MAY_DOUBLE = frozenset({"that", "had", "bye", "no", "very", "so", "yes", "please"})
#: Two articles, or one in front of nothing.
_CLUMSY = re.compile(
    r"\bthe ones? of the\b|\b(?:a|an|the|my|your|our) (?:a|an|the|my|your|our)\b|\b(?:of of|to to|for for)\b"
    r"|\b(?:the|an|my|your|and|or|because) ?[.,;?!](?=\s|$)"
)


def _texts(task: Task) -> Iterator[tuple[str, str]]:
    """What a customer may say or is told, with where it stands."""
    for number, goal in enumerate(task.user.goals, 1):
        yield f"request {number}", goal.request
        yield from ((f"question {number}", question) for question in goal.questions)
        yield from ((f"answer '{fact.slot}'", fact.answer) for fact in goal.facts if fact.says)
    yield from (("change", change.request) for change in task.user.changes)
    yield from ((f"answer '{fact.slot}'", fact.answer) for fact in task.user.identity)
    yield "known_info", task.user.known_info


def _found(
    customer: Customer, pattern: re.Pattern[str], lower: bool = False
) -> Iterator[tuple[str, str, re.Match[str]]]:
    """Matches in the texts, but not within a value: names and titles are what they are."""
    values = [fact.text for goal in customer.task.user.goals for fact in goal.facts]
    values += [fact.text for change in customer.task.user.changes for fact in change.facts]
    kept = " | ".join(values).lower()
    for where, text in _texts(customer.task):
        for match in pattern.finditer(text.lower() if lower else text):
            if match[0].lower() not in kept:
                yield where, text, match


def unfilled(customer: Customer) -> Iterator[str]:
    for where, text, match in _found(customer, _UNFILLED):
        yield f"{where} holds {match[0]!r}: {text}"
    for number, goal in enumerate(customer.task.user.goals, 1):
        if not goal.request.strip():
            yield f"request {number} is empty"


def doubled_words(customer: Customer) -> Iterator[str]:
    for where, text, match in _found(customer, _DOUBLED, lower=True):
        if match[1] not in _MAY_DOUBLE:
            yield f"{where} says '{match[0]}': {text}"


def clumsy_words(customer: Customer) -> Iterator[str]:
    for where, text, match in _found(customer, _CLUMSY, lower=True):
        yield f"{where} says '{match[0]}': {text}"
    for where, text, match in _found(customer, _UNTIDY):
        yield f"{where} is untidy at {match[0]!r}: {text}"


# -- the facts -----------------------------------------------------------------------------------------------------
def never_said(customer: Customer) -> Iterator[str]:
    """Facts that no question can bring out, or whose answer does not hold them."""
    for number, goal in enumerate(customer.task.user.goals, 1):
        for fact in goal.facts:
            if fact.stated and not mentions(f"{goal.request} {' '.join(goal.questions)}", fact.says):
                yield f"request {number} does not say the {fact.label}: {fact.text}"
            if not fact.stated and fact.says and not fact.cues:
                yield f"no question brings out the {fact.label} of request {number}: {fact.text}"
            if not fact.stated and not mentions(fact.answer, fact.says):
                yield f"the answer for the {fact.label} of request {number} does not say it: {fact.answer}"
    user = customer.task.user
    if user.change is not None and 0 <= user.change.goal < len(user.goals):
        before = {fact.slot: fact.says for fact in user.goals[user.change.goal].facts}
        for change in user.changes:
            # What is added or stays is said by itself; that it is said is part of the certificate.
            for fact in change.facts if change.part is None else ():
                if fact.says != before.get(fact.slot) and not mentions(change.request, fact.says):
                    yield f"the change does not say the {fact.label}: {fact.text}"
            before = {fact.slot: fact.says for fact in change.facts}


def _stages(task: Task) -> list[GoldCall]:
    """What a customer who changes their mind wants one after the other; empty where nobody does."""
    certificate = task.certificate
    if certificate is None or certificate.first_call is None:
        return []
    goal = certificate.first_call.goal
    last = next((call for call in errands_in(task.grader) if call.goal == goal), None)
    return [] if last is None else [*certificate.given_up, last]


def same_change(customer: Customer) -> Iterator[str]:
    """What the customer changes to is what they wanted before."""
    user = customer.task.user
    if user.change is None or not 0 <= user.change.goal < len(user.goals):
        return
    before: Goal | Change = user.goals[user.change.goal]
    wanted = [call.name for call in _stages(customer.task)]
    for number, change in enumerate(user.changes):
        if normalised(before.request) == normalised(change.request):
            yield f"the change repeats the request: {before.request}"
        elif len(wanted) > number + 1 and wanted[number] == wanted[number + 1]:
            first, second = ({fact.slot: fact.says for fact in one.facts} for one in (before, change))
            if first == second:
                yield f"{before.request} / {change.request}"
        before = change


#: An address may change while one talks of it; a date stays what it was.
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def corrects_identity(customer: Customer) -> Iterator[str]:
    """A value that the customer was found by is put right: a date of birth, or whatever a tool *corrects*."""
    task, domain = customer.task, customer.domain
    used = {text for call in task.grader.gold if call.goal < 0 for text in strings(call.arguments)}
    if lasting := _lasting(used, errands_in(task.grader)):
        yield from _replaced(used, lasting, task.grader.allowed_diff)
    for call in _stages(task)[:-1]:
        if lasting := _lasting(used, [call]):
            world = domain.world()
            domain.carry_out(world, Call(call.name, call.arguments))
            yield from _replaced(used, lasting, changes_of(world))


def _lasting(used: set[str], errands: Sequence[GoldCall]) -> set[str]:
    """Of what the customer was found by, what these errands can't make another value without a contradiction."""
    return used if any("correct" in call.name for call in errands) else set(filter(_DATE.fullmatch, used))


def _replaced(used: set[str], values: set[str], records: Sequence[RecordChange]) -> Iterator[str]:
    for record in records:
        before, after = dict(_leaves(record.before)), dict(_leaves(record.after))
        for path, value in before.items():
            if value in values and (other := after.get(path, value)) != value and _is_who(used, before, path):
                yield f"the customer is found by {value} and says that it should be {other}"


def _is_who(used: set[str], leaves: Mapping[str, str], path: str) -> bool:
    """Whether what holds this value is who was found: a relative may share the last name, nobody the date of birth."""
    if _DATE.fullmatch(leaves[path]):
        return True
    holder = path.rpartition("/")[0]
    beside = {value for place, value in leaves.items() if place.rpartition("/")[0] == holder}
    return len(used & beside) >= min(2, len(used))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{path}/{number}")
    elif isinstance(value, str):
        yield path, value


# -- the records ---------------------------------------------------------------------------------------------------
def records_of_others(customer: Customer) -> Iterator[str]:
    """The customer asks with a record that is somebody else's. What a rule forbids is meant to be so."""
    task, prefix = customer.task, f"{customer.entities.name}/customer/"
    wanted = errands_in(task.grader)
    if task.certificate:
        wanted = [*wanted, *task.certificate.given_up]
    for call in wanted:
        for value in strings(call.arguments):
            owners = {
                name.removeprefix(prefix)
                for name in customer.entities.of_calls([orjson.dumps(value).decode()])
                if name.startswith(prefix)
            }
            if owners and task.customer not in owners:
                yield f"{call.name} of {value}, which is of {', '.join(sorted(owners)[:2])}, not of {task.customer}"


def repeated_request(customer: Customer) -> Iterator[str]:
    asked = Counter(normalised(goal.request) for goal in customer.task.user.goals)
    yield from (f"asked {n} times: {request}" for request, n in asked.items() if n > 1)


#: The checks by name.
CHECKS: dict[str, Check] = {
    "unfilled": unfilled,
    "doubled_words": doubled_words,
    "clumsy_words": clumsy_words,
    "never_said": never_said,
    "same_change": same_change,
    "corrects_identity": corrects_identity,
    "records_of_others": records_of_others,
    "repeated_request": repeated_request,
}


class Coherence:
    """Tasks in which each check finds something, by intent, with a few of them."""

    def __init__(self, domain: Domain | None) -> None:
        self._domain = domain
        self._entities = None if domain is None else Entities(domain.name, domain)
        self._tasks: Counter[str] = Counter()
        self._odd: Counter[tuple[str, str]] = Counter()
        self._examples: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, task: Task) -> None:
        if self._domain is None or self._entities is None:
            return
        self._tasks[task.intent] += 1
        customer = Customer(task, domain_of(self._domain, task), self._entities)
        for name, check in CHECKS.items():
            for what in check(customer):
                self._odd[name, task.intent] += 1
                if len(self._examples[name, task.intent]) < _SHOWN:
                    self._examples[name, task.intent].append(f"{task.task_id}: {what}")
                break  # one is enough

    def measures(self) -> Iterator[Measure]:
        if not self._tasks:
            yield unmeasured("odd", "there are no tasks" if self._domain else "the domain can't be loaded")
            return
        for name in CHECKS:
            for intent in INTENTS:
                if self._tasks[intent]:
                    examples = self._examples[name, intent]
                    yield share("odd", name, intent, self._odd[name, intent], self._tasks[intent], examples=examples)
