"""The proof that a task's descriptions are what they should be: read from the words, and evaluated on the database.

For each goal with a described argument: its expression means the gold's call and no other; its words, read by the
grammar, say this expression, and nothing in the customer's words names the value; the gold makes the look-ups that it
takes before it changes anything; and there is a twin world in which the same words mean another value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from t2t_dist.core.schema import Fact, GraderSide, Task, Twin, UserSide
from t2t_dist.core.text_match import mentions
from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import Spec
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import WRITE, Call

from ..bindings import canonical_json
from ..grader_side import errands_by_goal
from . import language as lang
from . import questions
from .conditions import limits_around, said, tell_of
from .evaluate import NoMeaning, is_number, meaning_of, value_of
from .sets import meanings_of_several
from .shown import Universe, first_look, look_at
from .twins import all_valid, find_twin, world_before
from .words import readings, readings_of_several, same_words

#: The slot of a twin that differs in the limit of a condition.
CONDITION = "if"


#: Who words a task if no model does.
TEMPLATE = "template"


def is_free(task: Task) -> bool:
    """Whether a task's requests may be in other words than the template's: a model's, which are read back."""
    return task.writer != TEMPLATE


class NotProved(Exception):
    """A description that does not hold; ``code`` and ``detail`` say why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


Meant = lang.Do | lang.Each | lang.If | lang.Tell


def requests_of(grader: GraderSide) -> dict[int, Meant]:
    """The expressions of a task by goal: an errand, maybe on a condition, or a question.

    Raises ValueError: what is stored is none."""
    found: dict[int, Meant] = {}
    for goal, stored in (grader.requests or {}).items():
        request = lang.read(stored)
        if str(int(goal)) != goal:
            raise ValueError(f"'{goal[:20]}' is no number of a request")
        if not isinstance(request, lang.Tell) and (odd := [one for one in lang.nodes(request) if not _is_made(one)]):
            raise ValueError(f"no request of a task has a {type(odd[0]).__name__.lower()} like this")
        if not isinstance(request, Meant):
            raise ValueError(f"request {goal} is neither an errand nor a question")
        if not isinstance(request, lang.Tell):
            errand_of(request)
        found[int(goal)] = request
    return found


def _is_made(node: lang.Node) -> bool:
    """Whether requests of tasks have such a node: what else the language can say has no words that are read back."""
    match node:
        case lang.Records():
            return not node.such and node.shown_by is None and not node.this
        case lang.Record():
            return node.worth is None and not node.prefer
    return isinstance(
        node,
        lang.Do
        | lang.Each
        | lang.If
        | lang.Compares
        | lang.Outcome
        | lang.Given
        | lang.FieldOf
        | lang.FieldsOf
        | lang.Test,
    )


def errand_of(request: Meant) -> lang.Do | lang.Each:
    """The errand that is asked for, whatever the condition. Raises ValueError: there is none."""
    if isinstance(request, lang.Tell):
        raise ValueError("a question is no errand")
    errand = request.then if isinstance(request, lang.If) else request
    if not isinstance(errand, lang.Do | lang.Each):
        raise ValueError("a condition is about one errand")
    return errand


class Choice(NamedTuple):
    """What a request on a condition comes to: ``first`` if it holds, ``second``, if anything, where it does not."""

    first: Call
    second: Call | None


def choices(domain: Domain, task: Task) -> dict[int, Choice]:
    """The requests on a condition, by goal. Raises NotProved: one means nothing."""
    found: dict[int, Choice] = {}
    done = errands_by_goal(task.grader)
    for goal, request in requests_in(task).items():
        if isinstance(request, lang.If):
            world = world_before(domain, _before(done, goal))
            universe = look_at(domain, world, task.customer)
            wanted = [errand_of(request), *([request.otherwise] if request.otherwise is not None else [])]
            try:
                calls = [meaning_of(domain, world, task.customer, one, universe).calls for one in wanted]
            except NoMeaning as none:
                raise NotProved("meaning_differs", f"request {goal + 1} means nothing: {none}") from None
            if any(len(one) != 1 for one in calls):
                raise NotProved("meaning_differs", f"request {goal + 1} is not about one errand or another")
            found[goal] = Choice(calls[0][0], calls[1][0] if len(calls) > 1 else None)
    return found


def unmet(domain: Domain, task: Task) -> dict[int, Call]:
    """By goal, the errands that are not carried out, because their condition does not hold, and nothing else in their
    place. Raises NotProved: a request means nothing."""
    done = errands_by_goal(task.grader)
    return {goal: choice.first for goal, choice in choices(domain, task).items() if goal not in done}


def figures(domain: Domain, task: Task) -> list[str]:
    """The figures of a task's conditions, as they are to be said. Raises NotProved: one has no value."""
    found, done = [], errands_by_goal(task.grader)
    for goal, request in requests_in(task).items():
        if isinstance(request, lang.If) and (tell := tell_of(domain, request)) is not None:
            world = world_before(domain, _before(done, goal))
            universe = look_at(domain, world, task.customer)
            try:
                found.append(tell.shown(value_of(domain, world, task.customer, _compares(request).left, universe)))
            except NoMeaning as none:
                raise NotProved("meaning_differs", f"the condition of request {goal + 1}: {none}") from None
    return found


def requests_in(task: Task) -> dict[int, Meant]:
    try:
        return requests_of(task.grader)
    except ValueError as error:
        raise NotProved("meaning_differs", str(error)) from None


def _compares(request: lang.If) -> lang.Compares:
    if not isinstance(request.condition, lang.Compares) or not isinstance(request.otherwise, lang.Do | None):
        raise NotProved("meaning_differs", "a condition is a figure's limit, and otherwise there is one errand or none")
    limit = request.condition.right.value if isinstance(request.condition.right, lang.Given) else None
    # As it is said: a round number, which has no sign.
    if request.condition.relation not in ("less", "more") or type(limit) is not int or limit < 1:
        raise NotProved("meaning_differs", "a condition is a limit that is said")
    return request.condition


def twins_of(domain: Domain, task: Task) -> list[Twin] | None:
    """Proves all descriptions and conditions of a task; their twin worlds, ``None`` if it has none.

    Raises:
        NotProved: the first that does not hold.
    """
    requests = requests_in(task)
    marked = {
        number
        for number, goal in enumerate(task.user.goals)
        if goal.asks or goal.condition is not None or any(fact.described for fact in goal.facts)
    }
    if marked != set(requests):
        raise NotProved("meaning_differs", "not just the described requests have a meaning")
    done = errands_by_goal(task.grader)
    chosen, twins = choices(domain, task), list[Twin]()
    for goal, request in sorted(requests.items()):
        before = _before(done, goal)
        if isinstance(request, lang.Tell):
            twins.append(_answered(domain, task, goal, before, request))
            continue
        calls = [chosen[goal].first] if goal in chosen else done.get(goal)
        forbidden = task.certificate.forbidden_call if task.certificate is not None else None
        if goal == task.grader.refused_goal and forbidden is not None:
            calls = [Call(forbidden.name, forbidden.arguments)]
        if calls is None:
            raise NotProved("meaning_differs", f"the gold does nothing for request {goal + 1}")
        twins += _proved(domain, task, goal, calls, before, request, done.get(goal, []) if goal in chosen else calls)
    return twins or None


def _before(done: Mapping[int, Sequence[Call]], goal: int) -> list[Call]:
    """The errands of the goals before one."""
    return [call for number, calls in done.items() if number < goal for call in calls]


def _proved(
    domain: Domain,
    task: Task,
    goal: int,
    calls: Sequence[Call],
    before: Sequence[Call],
    request: lang.Do | lang.Each | lang.If,
    done: Sequence[Call],
) -> list[Twin]:
    world, where, facts = world_before(domain, before), f"request {goal + 1}", task.user.goals[goal].facts
    universe = look_at(domain, world, task.customer) if before else first_look(domain, task.customer)
    errand = errand_of(request)
    try:
        meaning = meaning_of(domain, world, task.customer, errand, universe)
        at_first = meaning_of(domain, domain.world(), task.customer, errand, first_look(domain, task.customer))
        whole = meaning_of(domain, world, task.customer, request, universe)
    except NoMeaning as none:
        raise NotProved("meaning_differs", f"{where} means nothing: {none}") from None
    if meaning.calls != calls or at_first.calls != calls or whole.calls != done:
        raise NotProved("meaning_differs", f"{where} does not mean {calls[0].name} as in the gold")
    described = {fact.slot: fact for fact in facts if fact.described}
    _check_change(task, goal, calls[0], described)
    for slot, fact in described.items():
        if isinstance(errand, lang.Each) and slot == errand.slot:
            _check_set(domain, universe, task, errand, calls, fact)
        else:
            _check_words(domain, universe, task, errand, calls[0], slot, fact)
    _check_look_ups(task, goal, [*meaning.look_ups, *whole.look_ups])
    twins = []
    for slot in described:
        twin = find_twin(domain, task.customer, universe, errand, goal, slot, before)
        if twin is None:
            raise NotProved("no_twin", f"{where}: in no world do the words for {slot} mean another value")
        twins.append(twin)
    if isinstance(request, lang.If):
        _check_otherwise(task, goal, errand, request.otherwise)
        twins.append(_other_limit(domain, task, goal, request, world, universe))
    return twins


def _check_change(task: Task, goal: int, call: Call, described: Mapping[str, Fact]) -> None:
    """Who changes their mind describes what stays the same, and in the same words."""
    change, first = task.user.change, task.certificate.first_call if task.certificate is not None else None
    if change is None or first is None or change.goal != goal:
        return
    for fact in change.facts:
        if fact.described and (fact.slot not in described or described[fact.slot].text != fact.text):
            raise NotProved("words_differ", f"{fact.slot} is described in other words before and after the change")
    for slot in described:
        if slot not in first.arguments or first.arguments[slot] != call.arguments.get(slot):
            raise NotProved("meaning_differs", f"{slot} is described, but it is what the customer changes")


def _answered(domain: Domain, task: Task, goal: int, before: Sequence[Call], request: lang.Tell) -> Twin:
    """A question: its words are the domain's for what it means, and its answer is what has to be said."""
    world, asked = world_before(domain, before), task.user.goals[goal]
    known = [
        one
        for one in questions.questions_of(domain).values()
        if one.request == request and (is_free(task) or asked.request in one.words.ask)
    ]
    if not known or asked.facts or asked.questions:
        raise NotProved("words_differ", f"'{asked.request}' does not ask for what is meant")
    universe = look_at(domain, world, task.customer)
    try:
        meaning = meaning_of(domain, world, task.customer, request, universe)
    except NoMeaning as none:
        raise NotProved("meaning_differs", f"the question has no answer: {none}") from None
    if not is_number(meaning.facts[0]):
        raise NotProved("meaning_differs", "the answer to the question is no number")
    answer = questions.answer_text(known[0].words, meaning.facts[0])
    if goal != len(task.user.goals) - 1 or task.grader.communicate[-1:] != [answer]:
        raise NotProved("meaning_differs", f"the answer to request {goal + 1} is {answer}")
    made = [Call(call.name, call.arguments) for call in task.grader.gold]
    if missing := [call.name for call in meaning.look_ups if call not in made]:
        raise NotProved("not_looked_up", f"the gold does not make {missing[0]} for request {goal + 1}")
    twin = questions.find_twin(domain, task.customer, goal, request, before)
    if twin is None:
        raise NotProved("no_twin", f"in no world is the answer to request {goal + 1} another")
    return twin


def _other_limit(domain: Domain, task: Task, goal: int, request: lang.If, world: World, universe: Universe) -> Twin:
    """The words of the condition, read back; and as its twin, the limit on the other side of the figure."""
    condition, clause, tell = _compares(request), task.user.goals[goal].condition, tell_of(domain, request)
    if tell is None or not isinstance(condition.right, lang.Given):
        raise NotProved("meaning_differs", f"the condition of request {goal + 1} is not about what is asked for")
    limit, texts = condition.right.value, tell.above if condition.relation == "more" else tell.below
    if clause not in [text.format(value=said(tell, limit)) for text in texts]:
        raise NotProved("words_differ", f"'{clause}' is not the condition that is meant")
    figure = value_of(domain, world, task.customer, condition.left, universe)
    here = meaning_of(domain, world, task.customer, request, universe)
    for other in limits_around(figure):
        turned = condition.model_copy(update={"right": lang.Given(value=other)})
        there = meaning_of(domain, world, task.customer, request.model_copy(update={"condition": turned}), universe)
        after = all_valid(domain, world, there.calls, task.customer)
        if there.calls != here.calls and after is not None:
            return Twin(goal=goal, slot=CONDITION, records=[], value=other, final=after.digest)
    raise NotProved("no_twin", f"the condition of request {goal + 1} turns on nothing")


def _check_otherwise(task: Task, goal: int, errand: lang.Node, other: lang.Node | None) -> None:
    """What is wanted otherwise is described only where it is the same, in the same words."""
    wanted = task.user.goals[goal]
    if (wanted.otherwise is None) is not (other is None):
        raise NotProved("meaning_differs", f"request {goal + 1} does not say what is wanted otherwise")
    if wanted.otherwise is None or not isinstance(other, lang.Do) or not isinstance(errand, lang.Do):
        return
    first = {fact.slot: fact for fact in wanted.facts if fact.described}
    for fact in wanted.otherwise.facts:
        meant = other.arguments.get(fact.slot)
        is_described = meant is not None and not isinstance(meant, lang.Given)
        same = fact.slot in first and first[fact.slot].text == fact.text and errand.arguments[fact.slot] == meant
        if bool(fact.described) is not is_described or (fact.described and not same):
            raise NotProved("words_differ", f"{fact.slot} of request {goal + 1} is described in other words")


def _check_set(
    domain: Domain, universe: Universe, task: Task, request: lang.Each, calls: Sequence[Call], fact: Fact
) -> None:
    """The words for several records: all that they may mean are the same records, and none of them is named."""
    errand = domain.errand(request.errand)
    spec = errand.parameters.get(request.slot) if errand is not None else None
    if spec is None or fact.says != [fact.text] or (fact.text.startswith("both ") and len(calls) != 2):
        raise NotProved("words_differ", f"'{fact.text}' does not say which records are meant")
    if not any(same_words(one, request.among) for one in readings_of_several(domain, universe, fact.text, spec.name)):
        raise NotProved("words_differ", f"'{fact.text}' does not say which records are meant")
    own = {canonical_json(call.arguments[request.slot]) for call in calls}
    if any(ids != own for ids in meanings_of_several(domain, task.customer, universe, fact.text, spec.name)):
        raise NotProved("words_differ", f"'{fact.text}' may also mean other records")
    texts = _texts(task.user)
    for call in calls:
        named = domain.describe(domain.world(), call, request.slot, task.customer).says
        if named and mentions(texts, named):
            raise NotProved("named", f"the customer's words name a {fact.label} that they describe")


def _check_words(
    domain: Domain, universe: Universe, task: Task, request: lang.Do | lang.Each, call: Call, slot: str, fact: Fact
) -> None:
    meant, errand = request.arguments.get(slot), domain.errand(call.name)
    spec = errand.parameters.get(slot) if errand is not None else None
    if meant is None or isinstance(meant, lang.Given) or spec is None or fact.says != [fact.text]:
        raise NotProved("words_differ", f"{slot} is no description")
    within = within_of(meant)
    found = readings(domain, universe, fact.text, _type_of(spec), within)
    if not any(same_words(one, meant) for one in found):
        raise NotProved("words_differ", f"'{fact.text}' does not say what is meant by {slot}")
    own = value_of(domain, domain.world(), task.customer, meant, universe)
    for one in found:
        try:
            value = value_of(domain, domain.world(), task.customer, one, universe)
        except NoMeaning as none:
            if none.code in ("none", "absent"):
                continue  # nobody understands it so
            value = None
        if value != own:
            raise NotProved("words_differ", f"'{fact.text}' may also mean another value of {slot}")
    named = domain.describe(domain.world(), call, slot, task.customer).says
    if named and mentions(_texts(task.user), named):
        raise NotProved("named", f"the customer's words name the {fact.label} that they describe")


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
        if goal.otherwise is not None:
            parts += [goal.otherwise.request, *(fact.answer for fact in goal.otherwise.facts)]
    if user.mistake is not None:
        parts.append(user.mistake.answer)
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


def answers(task: Task) -> list[str]:
    """The answers to a task's questions, as they are to be said."""
    asked = sum(bool(goal.asks) for goal in task.user.goals)
    return task.grader.communicate[len(task.grader.communicate) - asked :]
