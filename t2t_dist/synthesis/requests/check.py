"""The proof that a task's descriptions are what they should be: read from the words, and evaluated on the database.

For each goal with a described argument: its expression means the gold's call and no other; its words, read by the
grammar, say this expression, and nothing in the customer's words names the value; the gold makes the look-ups that it
takes before it changes anything; and there is a twin world in which the same words mean another value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from t2t_dist.core.schema import Fact, GraderSide, Task, Twin, UserSide
from t2t_dist.core.text_match import mentions
from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import Spec
from t2t_dist.environments.tools import WRITE, Call

from . import language as lang
from .evaluate import NoMeaning, meaning_of, value_of
from .shown import Universe, first_look, look_at
from .twins import find_twin, world_before
from .words import readings, same_words


class NotProved(Exception):
    """A description that does not hold; ``code`` and ``detail`` say why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


def requests_of(grader: GraderSide) -> dict[int, lang.Do]:
    """The expressions of a task by goal. Raises ValueError: what is stored is none."""
    found: dict[int, lang.Do] = {}
    for goal, stored in (grader.requests or {}).items():
        request = lang.read(stored)
        if not isinstance(request, lang.Do):
            raise ValueError(f"request {goal} is no errand")
        found[int(goal)] = request
    return found


def twins_of(domain: Domain, task: Task, errands: Sequence[tuple[int, Call]]) -> list[Twin] | None:
    """Proves all descriptions of a task; their twin worlds, ``None`` if it has none.

    ``errands``: what is wanted, by goal, in order.

    Raises:
        NotProved: the first that does not hold.
    """
    try:
        requests = requests_of(task.grader)
    except ValueError as error:
        raise NotProved("meaning_differs", str(error)) from None
    facts = {number: goal.facts for number, goal in enumerate(task.user.goals)}
    marked = {number for number, own in facts.items() if any(fact.described for fact in own)}
    if marked != set(requests):
        raise NotProved("meaning_differs", "not just the described requests have a meaning")
    twins: list[Twin] = []
    for place, (goal, call) in enumerate(errands):
        if goal in requests:
            before = [errand for _, errand in errands[:place]]
            twins += _proved(domain, task, goal, call, before, requests[goal], facts[goal])
    return twins or None


def _proved(
    domain: Domain,
    task: Task,
    goal: int,
    call: Call,
    before: Sequence[Call],
    request: lang.Do,
    facts: Sequence[Fact],
) -> list[Twin]:
    world, where = world_before(domain, before), f"request {goal + 1}"
    universe = look_at(domain, world, task.customer) if before else first_look(domain, task.customer)
    try:
        meaning = meaning_of(domain, world, task.customer, request, universe)
    except NoMeaning as none:
        raise NotProved("meaning_differs", f"{where} means nothing: {none}") from None
    if meaning.calls != [call]:
        raise NotProved("meaning_differs", f"{where} does not mean {call.name} as in the gold")
    described = {fact.slot: fact for fact in facts if fact.described}
    for slot, fact in described.items():
        _check_words(domain, universe, task, request, call, slot, fact)
    _check_look_ups(task, goal, meaning.look_ups)
    twins = []
    for slot in described:
        twin = find_twin(domain, task.customer, universe, request, goal, slot, before)
        if twin is None:
            raise NotProved("no_twin", f"{where}: in no world do the words for {slot} mean another value")
        twins.append(twin)
    return twins


def _check_words(
    domain: Domain, universe: Universe, task: Task, request: lang.Do, call: Call, slot: str, fact: Fact
) -> None:
    meant, errand = request.arguments.get(slot), domain.errand(call.name)
    spec = errand.parameters.get(slot) if errand is not None else None
    if meant is None or isinstance(meant, lang.Given) or spec is None or fact.says != [fact.text]:
        raise NotProved("words_differ", f"{slot} is no description")
    within = within_of(meant)
    found = readings(domain, universe, fact.text, _type_of(spec), within)
    if not any(same_words(one, meant) for one in found):
        raise NotProved("words_differ", f"'{fact.text}' does not say what is meant by {slot}")
    values = [
        value_of(domain, domain.world(), task.customer, one, universe)
        for one in found
        if _has(domain, task, one, universe)
    ]
    own = value_of(domain, domain.world(), task.customer, meant, universe)
    if any(value != own for value in values):
        raise NotProved("words_differ", f"'{fact.text}' may also mean another value of {slot}")
    said = domain.describe(world_before(domain, ()), call, slot, task.customer).says
    texts = _texts(task.user)
    if said and mentions(texts, said):
        raise NotProved("named", f"the customer's words name the {fact.label} that they describe")


def _has(domain: Domain, task: Task, node: lang.Node, universe: Universe) -> bool:
    try:
        value_of(domain, domain.world(), task.customer, node, universe)
    except NoMeaning:
        return False
    return True


def within_of(node: lang.Node) -> lang.Record | None:
    """The record whose parts a description is about."""
    match node:
        case lang.FieldOf():
            return node.of.among.within
        case lang.FieldsOf():
            return node.of.within
    return None


def _type_of(spec: Spec) -> str:
    return spec.item.name if spec.kind == "list" else spec.name


def _texts(user: UserSide) -> str:
    parts: list[Any] = [user.reason_for_call, user.known_info, user.unknown_info, user.task_instructions]
    for goal in user.goals:
        parts += [goal.request, *goal.questions, *(fact.answer for fact in goal.facts)]
    if user.change is not None:
        parts += [user.change.request, *(fact.answer for fact in user.change.facts)]
    return "\n".join(parts)


def _check_look_ups(task: Task, goal: int, needed: Sequence[Call]) -> None:
    """Raises NotProved: the gold of the goal changes something before it has looked at all that decides."""
    made: list[Call] = []
    for step in task.grader.gold:
        if step.goal == goal and (step.kind == WRITE.value or step.requestor is not None):
            break
        made.append(Call(step.name, step.arguments))
    missing = [call.name for call in needed if call not in made]
    if missing:
        raise NotProved(
            "not_looked_up", f"the gold does not make {', '.join(dict.fromkeys(missing))} before request {goal + 1}"
        )
