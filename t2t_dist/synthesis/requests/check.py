"""The proof that a task's descriptions are what they should be: read from the words, and evaluated on the database.

For each goal with a described argument: its expression means the gold's call and no other; its words, read by the
grammar, say this expression, and nothing in the customer's words names the value; the gold makes the look-ups that it
takes before it changes anything; and there is a twin world in which the same words mean another value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from t2t_dist.core.schema import Fact, GraderSide, Task, Twin, UserSide
from t2t_dist.core.text_match import mentions
from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import Spec
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import READ, WRITE, Call

from ..asking import ways_of
from ..bindings import canonical_json
from ..grader_side import errands_by_goal
from ..intents.facts import described_in
from . import alternatives, fallbacks, outcomes, questions, sequences, what_works
from . import language as lang
from .conditions import limits_around, said, tell_of
from .evaluate import NoMeaning, is_number, meaning_of, value_of
from .preferences import is_idle, offered
from .proof import NotProved
from .sets import meanings_of_several
from .shown import Universe, first_look, look_at
from .twins import all_valid, find_twin, world_before
from .words import again, count_said, readings, readings_of_several, same_words

#: The slot of a twin that differs in the limit of a condition.
CONDITION = "if"


#: A value that is an id: one word with a digit, which nobody says of anything else.
_ID = re.compile(r"(?=\S*\d)\S{3,}")

#: Who words a task if no model does.
TEMPLATE = "template"


def is_free(task: Task) -> bool:
    """Whether a task's requests may be in other words than the template's: a model's, which are read back."""
    return task.writer != TEMPLATE


Meant = lang.Do | lang.Each | lang.If | lang.Best | lang.Several | lang.Tell


def requests_of(grader: GraderSide) -> dict[int, Meant]:
    """The expressions of a task by goal: an errand, maybe on a condition, or a question.

    Raises ValueError: what is stored is none."""
    if not grader.requests:
        return {}
    try:
        key = repr(grader.requests)
    except RecursionError:
        raise ValueError("a request is nested too deeply") from None
    if key not in _LAST_READ:
        found = _read(deepcopy(grader.requests))
        if len(_LAST_READ) >= _MOST_READ:
            _LAST_READ.clear()
        _LAST_READ[key] = found
    return dict(_LAST_READ[key])


#: What was read last: a task's expressions are asked for again and again while it is made, proved and played.
_LAST_READ: dict[str, dict[int, Meant]] = {}
_MOST_READ = 128


def _read(requests: Mapping[str, Any]) -> dict[int, Meant]:
    found: dict[int, Meant] = {}
    for goal, stored in requests.items():
        request = lang.read(stored)
        if str(int(goal)) != goal:
            raise ValueError(f"'{goal[:20]}' is no number of a request")
        if not isinstance(request, lang.Tell) and (odd := [one for one in lang.nodes(request) if not _is_made(one)]):
            raise ValueError(f"no request of a task has a {type(odd[0]).__name__.lower()} like this")
        if not isinstance(request, Meant):
            raise ValueError(f"request {goal} is neither an errand nor a question")
        if not isinstance(request, lang.Tell):
            errand_of(request)
        whole = [one for one in lang.nodes(request) if isinstance(one, lang.Best | lang.Several | lang.Possible)]
        is_one = fallbacks.is_fallback(request) or (isinstance(request, lang.Best) and len(request.options) == 2)
        if whole and not (sequences.in_turn_of(request) is not None or (is_one and len(whole) == 1)):
            raise ValueError(f"request {goal} is no choice of two errands, and none that may take another first")
        found[int(goal)] = request
    return found


def _is_made(node: lang.Node) -> bool:
    """Whether requests of tasks have such a node: what else the language can say has no words that are read back."""
    match node:
        case lang.Records():
            return not node.such and not node.this
        case lang.Record():
            return node.worth is None
    return isinstance(
        node,
        lang.Do
        | lang.Each
        | lang.If
        | lang.Compares
        | lang.Possible
        | lang.LookUp
        | lang.Outcome
        | lang.Given
        | lang.FieldOf
        | lang.FieldsOf
        | lang.FirstThatWorks
        | lang.Test
        | lang.Best
        | lang.Several
        | lang.Possible,
    )


def errand_of(request: Meant) -> lang.Do | lang.Each:
    """The errand that is asked for, whatever the condition; of two, the first that is said. Raises ValueError: there
    is none."""
    if isinstance(request, lang.Tell):
        raise ValueError("a question is no errand")
    if isinstance(request, lang.Best):
        return request.options[0]
    errand: lang.Node = request
    if isinstance(request, lang.If):
        errand = request.then
    elif isinstance(request, lang.Several):
        errand = request.requests[-1]
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
        if isinstance(request, lang.If) and sequences.in_turn_of(request) is None:
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


def options(domain: Domain, task: Task) -> dict[int, list[Call]]:
    """The errands between which a figure decides, by goal, as they are said. Raises NotProved: one means nothing."""
    found: dict[int, list[Call]] = {}
    done = errands_by_goal(task.grader)
    for goal, request in requests_in(task).items():
        if isinstance(request, lang.Best):
            world = world_before(domain, _before(done, goal))
            universe = look_at(domain, world, task.customer)
            try:
                found[goal] = [meaning_of(domain, world, task.customer, o, universe).calls[0] for o in request.options]
            except NoMeaning as none:
                raise NotProved("meaning_differs", f"request {goal + 1} means nothing: {none}") from None
    return found


def in_sequence(task: Task) -> set[int]:
    """The goals that may take another errand first. Raises NotProved: a request is none."""
    return {goal for goal, request in requests_in(task).items() if sequences.in_turn_of(request) is not None}


def unmet(domain: Domain, task: Task) -> dict[int, Call]:
    """By goal, the errands that are not carried out, because their condition does not hold, and nothing else in their
    place. Raises NotProved: a request means nothing."""
    done = errands_by_goal(task.grader)
    return {goal: choice.first for goal, choice in choices(domain, task).items() if goal not in done}


def figures(domain: Domain, task: Task) -> list[str]:
    """The figures of a task's conditions and choices, as they are to be said. Raises NotProved: one has no value."""
    found, done = [], errands_by_goal(task.grader)
    for goal, request in requests_in(task).items():
        if isinstance(request, lang.Best) and (words := alternatives.tell_of_best(domain, request)) is not None:
            world, call = world_before(domain, _before(done, goal)), done.get(goal, [None])[0]
            figure = call and alternatives.figure_of(domain, world, task.customer, call, request.field)
            if figure is None:
                raise NotProved("meaning_differs", f"the choice of request {goal + 1} has no figure")
            found.append(words[0].shown(figure))
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
        if goal.asks
        or goal.condition is not None
        or goal.otherwise is not None
        or goal.first is not None
        or goal.rather is not None
        or any(fact.described for fact in goal.facts)
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
        _check_parts(task, goal, request)
        if isinstance(request, lang.Best):
            twins += _proved_best(domain, task, goal, before, request, done.get(goal, []))
            continue
        if sequences.in_turn_of(request) is not None and goal in done:
            twins += _proved(domain, task, goal, done[goal][-1:], before, request, done[goal])
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


def _check_parts(task: Task, goal: int, request: Meant) -> None:
    """A goal has another errand beside it just where its meaning has one."""
    wanted = task.user.goals[goal]
    if (wanted.first is None) is not (sequences.in_turn_of(request) is None):
        raise NotProved("meaning_differs", f"request {goal + 1} does not say what may be done first")
    is_choice = isinstance(request, lang.Best)
    if (wanted.rather is not None) is not is_choice or (wanted.whichever is not None) is not is_choice:
        raise NotProved("meaning_differs", f"request {goal + 1} does not say between what the customer chooses")


def _proved(
    domain: Domain,
    task: Task,
    goal: int,
    calls: Sequence[Call],
    before: Sequence[Call],
    request: lang.Do | lang.Each | lang.If | lang.Several,
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
            _check_set(domain, universe, task, goal, errand, calls, fact)
        else:
            _check_words(domain, world, universe, task, errand, calls[0], slot, fact)
    _check_look_ups(task, goal, [*meaning.look_ups, *whole.look_ups])
    twins = []
    carried = errand
    if fallbacks.is_fallback(request) and done != calls and isinstance(request.otherwise, lang.Do):
        # What is described is the same in both choices; there is a world in which it means another for what is done.
        carried = request.otherwise
    whole_of = request if sequences.in_turn_of(request) is not None else None
    for slot in described:
        if isinstance(carried, lang.Do) and slot not in carried.arguments:
            raise NotProved("meaning_differs", f"{where}: {slot} is described, but nothing is done about it")
        twin = find_twin(domain, task.customer, universe, carried, goal, slot, before, whole_of)
        if twin is None:
            raise NotProved("no_twin", f"{where}: in no world do the words for {slot} mean another value")
        twins.append(twin)
    wanted = task.user.goals[goal]
    if not isinstance(request, lang.If) and (wanted.condition is not None or wanted.otherwise is not None):
        raise NotProved("meaning_differs", f"{where} is wanted whatever happens, but the customer says when")
    if isinstance(request, lang.If | lang.Several) and whole_of is not None:
        twins += _after_first(domain, task, goal, request, calls[0], done, before)
    elif isinstance(request, lang.If):
        _check_otherwise(domain, task, goal, errand, request.otherwise)
        if fallbacks.is_fallback(request):
            twins.append(_turned_round(domain, task, goal, request, before, world))
        else:
            twins.append(_other_limit(domain, task, goal, request, world, universe))
    return twins


def _after_first(
    domain: Domain,
    task: Task,
    goal: int,
    request: sequences.Sequenced,
    wanted: Call,
    done: Sequence[Call],
    before: Sequence[Call],
) -> list[Twin]:
    """What comes first is what the words allow or want, and it takes that: as things stand, rules forbid the errand, or
    what comes first is refused after it. The world in which the errand is possible at once, if it is about one."""
    world, where, first = world_before(domain, before), f"request {goal + 1}", task.user.goals[goal].first
    found = sequences.first_of(domain, request)
    if found is None or first is None:
        raise NotProved("meaning_differs", f"{where}: what comes first is nothing that a customer allows")
    known, own = found
    if first.request not in sequences.said_first(domain, task.customer, known, own):
        raise NotProved("words_differ", f"'{first.request}' does not allow what is done first")
    chosen = sequences.chosen_call(known, own)
    said_of = {slot: list(domain.describe(domain.world(), chosen, slot, task.customer).says) for slot in own}
    if {fact.slot: fact.says for fact in first.facts} != said_of or any(fact.described for fact in first.facts):
        raise NotProved("words_differ", f"{where}: what the customer says of what is done first is not what is done")
    # In a twin, the errand may be possible at once: then its original is the world in which it is not.
    at_once = task.twin_of is not None and isinstance(request, lang.If) and done == [wanted]
    if not (at_once or sequences.takes_it_first(domain, world, task.customer, known, done)):
        raise NotProved("meaning_differs", f"{where}: nothing has to be done before {wanted.name}, or not this")
    if known.words.both and not any(fact.described for fact in task.user.goals[goal].facts):
        raise NotProved("no_twin", f"{where}: nothing is described, so no world makes it mean something else")
    _check_look_ups(task, goal, domain.look_ups(world, wanted, task.customer) or ())
    if known.words.both:
        return []
    if at_once:
        twin = sequences.find_original(domain, task.customer, request, goal, before, task.world or ())
        if twin is None:
            raise NotProved("no_twin", f"{where}: in the original, nothing has to be done before {wanted.name}, either")
        return [twin]
    universe = look_at(domain, world, task.customer)
    twin = sequences.find_direct(domain, task.customer, universe, request, goal, before)
    if twin is None:
        raise NotProved("no_twin", f"{where}: in no world is {wanted.name} possible at once")
    return [twin]


def _proved_best(
    domain: Domain, task: Task, goal: int, before: Sequence[Call], request: lang.Best, done: Sequence[Call]
) -> list[Twin]:
    """Two errands of which one is right: both can be done, they exclude each other, and the figure that decides can be
    known; each is described as any is, and there is a world in which the other one is right."""
    world, where, wanted = world_before(domain, before), f"request {goal + 1}", task.user.goals[goal]
    universe = look_at(domain, world, task.customer)
    words = alternatives.tell_of_best(domain, request)
    if words is None or wanted.rather is None or wanted.whichever not in words[1]:
        raise NotProved("words_differ", f"'{wanted.whichever}' does not say which of the two is wanted")
    try:
        whole = meaning_of(domain, world, task.customer, request, universe)
        at_first = meaning_of(domain, domain.world(), task.customer, request, first_look(domain, task.customer))
        calls = [meaning_of(domain, world, task.customer, one, universe).calls[0] for one in request.options]
    except NoMeaning as none:
        raise NotProved("meaning_differs", f"{where} means nothing: {none}") from None
    if whole.calls != done or at_first.calls != done:
        raise NotProved("meaning_differs", f"{where} does not mean what is done in the gold")
    if (
        all_valid(domain, world, calls[:1], task.customer) is None
        or all_valid(domain, world, calls[1:], task.customer) is None
    ):
        raise NotProved("meaning_differs", f"{where}: one of the two is not possible")
    if not alternatives.exclude_each_other(domain, world, task.customer, calls):
        raise NotProved("meaning_differs", f"{where}: both could be wanted")
    twins = []
    for call, option, facts in zip(calls, request.options, (wanted.facts, wanted.rather.facts), strict=True):
        described = {fact.slot: fact for fact in facts if fact.described}
        if {slot for slot, node in option.arguments.items() if _is_described(node)} != set(described):
            raise NotProved("meaning_differs", f"{where}: not just what is described has a meaning")
        is_second = facts is wanted.rather.facts
        for slot, fact in described.items():
            _check_words(domain, world, universe, task, option, call, slot, fact)
            # "Or the Horizon plan instead" is about the same.
            said = {one.slot: one.text for one in wanted.facts}
            is_same = option.errand == request.options[0].errand and said.get(slot) == fact.text
            if is_second and not is_same and not _says(domain, wanted.rather.request, fact, wanted.facts):
                raise NotProved("words_differ", f"{where} does not say the {fact.label} of the second of two errands")
            twin = find_twin(domain, task.customer, universe, option, goal, slot, before, request)
            if twin is None:
                raise NotProved("no_twin", f"{where}: in no world do the words for {slot} mean another value")
            twins.append(twin)
        figure = alternatives.figure_of(domain, world, task.customer, call, request.field)
        if figure is None or not alternatives.is_known(domain, world, task.customer, call, figure):
            raise NotProved("meaning_differs", f"{where}: the figure that decides can't be known before")
        _check_look_ups(task, goal, domain.look_ups(world, call, task.customer) or ())
    _check_look_ups(task, goal, whole.look_ups)
    twin = alternatives.find_other(domain, task.customer, universe, request, goal, before)
    if twin is None:
        raise NotProved("no_twin", f"{where}: in no world is the other errand right")
    return [*twins, twin]


def _is_described(node: lang.Node) -> bool:
    """Whether an argument is described; parts that are given by their names are said as before."""
    return not isinstance(node, lang.Given) and not (
        isinstance(node, lang.FieldsOf) and any(test.relation == "one of" for test in node.of.where)
    )


def _check_change(task: Task, goal: int, call: Call, described: Mapping[str, Fact]) -> None:
    """Who changes their mind describes what stays the same, and in the same words."""
    given_up = task.certificate.given_up if task.certificate is not None else []
    if task.user.change is None or not given_up or task.user.change.goal != goal:
        return
    for fact in (fact for change in task.user.changes for fact in change.facts if fact.described):
        if fact.slot not in described or described[fact.slot].text != fact.text:
            raise NotProved("words_differ", f"{fact.slot} is described in other words before and after the change")
    for slot in described:
        if any(slot not in old.arguments or old.arguments[slot] != call.arguments.get(slot) for old in given_up):
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
        meaning = meaning_of(domain, world, task.customer, request, universe, before)
    except NoMeaning as none:
        raise NotProved("meaning_differs", f"the question has no answer: {none}") from None
    if not is_number(meaning.facts[0]):
        raise NotProved("meaning_differs", "the answer to the question is no number")
    about_results = outcomes.parts_of(request)
    if about_results and not questions.is_question(domain, task.customer, universe, before, known[0], meaning.facts[0]):
        raise NotProved("meaning_differs", "the answer to the question stands in one result, or is not clear")
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
    for other in limits_around(figure, tell.is_money):
        turned = condition.model_copy(update={"right": lang.Given(value=other)})
        there = meaning_of(domain, world, task.customer, request.model_copy(update={"condition": turned}), universe)
        after = all_valid(domain, world, there.calls, task.customer)
        if there.calls != here.calls and after is not None:
            return Twin(goal=goal, slot=CONDITION, records=[], value=other, final=after.digest)
    raise NotProved("no_twin", f"the condition of request {goal + 1} turns on nothing")


def _turned_round(
    domain: Domain, task: Task, goal: int, request: lang.If, before: Sequence[Call], world: World
) -> Twin:
    """The words of a second choice; that the first is possible or refused; and a world in which it is the other way."""
    otherwise, condition, where = task.user.goals[goal].otherwise, request.condition, f"request {goal + 1}"
    if not isinstance(request.otherwise, lang.Do):
        raise NotProved("meaning_differs", f"{where} has no errand for a second choice")
    if not (isinstance(condition, lang.Possible) and condition.of == request.then):
        raise NotProved("meaning_differs", f"{where} depends on whether something else is possible")
    if (
        otherwise is None
        or otherwise.clause not in ways_of("impossible")
        or task.user.goals[goal].condition is not None
    ):
        raise NotProved("words_differ", f"{where} does not say that something else is wanted if it is not possible")
    first = meaning_of(domain, world, task.customer, request.then).calls[0]
    is_possible = all_valid(domain, world, [first], task.customer) is not None
    if not (is_possible or fallbacks.is_refused(domain, world, first, task.customer)):
        raise NotProved("meaning_differs", f"{where}: {first.name} is not refused by a rule")
    _check_look_ups(task, goal, fallbacks.look_ups(domain, world, first, task.customer))
    twin = fallbacks.find_twin(domain, task.customer, goal, request, before, look_ups_before(task, goal))
    if twin is None:
        raise NotProved("no_twin", f"{where}: in no world that a look-up tells from this is the other choice right")
    return twin


def look_ups_before(task: Task, goal: int) -> list[Call]:
    """The look-ups of the gold before it changes anything for a goal."""
    found: list[Call] = []
    for step in task.grader.gold:
        if step.goal == goal and (step.kind == WRITE.value or step.requestor is not None):
            break
        if step.kind == READ.value and step.requestor is None:
            found.append(Call(step.name, step.arguments))
    return found


def _says(domain: Domain, request: str, fact: Fact, before: Sequence[Fact]) -> bool:
    """Whether a request says what is described, or speaks of it again: "that order"."""
    that = again(domain.language, fact.text, described_in(before))
    return mentions(request, [fact.text]) or (that is not None and mentions(request, [that]))


def _check_otherwise(domain: Domain, task: Task, goal: int, errand: lang.Node, other: lang.Node | None) -> None:
    """What is wanted otherwise is described only where it is the same, in the same words."""
    wanted = task.user.goals[goal]
    if (wanted.otherwise is None) is not (other is None):
        raise NotProved("meaning_differs", f"request {goal + 1} does not say what is wanted otherwise")
    if wanted.otherwise is None or not isinstance(other, lang.Do) or not isinstance(errand, lang.Do):
        return
    first, is_second = {fact.slot: fact for fact in wanted.facts if fact.described}, wanted.otherwise.clause is not None
    for fact in wanted.otherwise.facts:
        meant = other.arguments.get(fact.slot)
        is_described = meant is not None and not isinstance(meant, lang.Given)
        same = fact.slot in first and first[fact.slot].text == fact.text and errand.arguments[fact.slot] == meant
        # Parts of a described record are meant as its parts, though they are named.
        differs = bool(fact.described) is not is_described and not (is_second and not fact.described)
        if differs or (fact.described and not same):
            raise NotProved("words_differ", f"{fact.slot} of request {goal + 1} is described in other words")
        if fact.described and not is_second and not _says(domain, wanted.otherwise.request, fact, wanted.facts):
            raise NotProved("words_differ", f"what is wanted otherwise in request {goal + 1} is not about {fact.text}")


def _check_set(
    domain: Domain, universe: Universe, task: Task, goal: int, request: lang.Each, calls: Sequence[Call], fact: Fact
) -> None:
    """The words for several records: all that they may mean are the same records, and none of them is named."""
    errand = domain.errand(request.errand)
    spec = errand.parameters.get(request.slot) if errand is not None else None
    miscount, number = task.user.miscount, count_said(fact.text)
    is_wrong = miscount is not None and (miscount.goal, miscount.slot) == (goal, fact.slot)
    # A number that is wrong on purpose has a proof of its own: pushing/counts.py.
    if spec is None or fact.says != [fact.text] or (number not in (None, len(calls)) and not is_wrong):
        raise NotProved("words_differ", f"'{fact.text}' does not say which records are meant")
    if not any(same_words(one, request.among) for one in readings_of_several(domain, universe, fact.text, spec.name)):
        raise NotProved("words_differ", f"'{fact.text}' does not say which records are meant")
    own = {canonical_json(call.arguments[request.slot]) for call in calls}
    if any(ids != own for ids in meanings_of_several(domain, task.customer, universe, fact.text, spec.name)):
        raise NotProved("words_differ", f"'{fact.text}' may also mean other records")
    texts = _texts(task.user)
    for call in calls:
        if _is_named(domain, texts, call, request.slot, task.customer):
            raise NotProved("named", f"the customer's words name a {fact.label} that they describe")


def _check_words(
    domain: Domain,
    world: World,
    universe: Universe,
    task: Task,
    request: lang.Do | lang.Each,
    call: Call,
    slot: str,
    fact: Fact,
) -> None:
    meant, errand = request.arguments.get(slot), domain.errand(call.name)
    spec = errand.parameters.get(slot) if errand is not None else None
    if meant is None or isinstance(meant, lang.Given) or spec is None or fact.says != [fact.text]:
        raise NotProved("words_differ", f"{slot} is no description")
    within, shown_by = within_of(meant), meant.of.among.shown_by if isinstance(meant, lang.FieldOf) else None
    if isinstance(meant, lang.FieldOf) and errand is not None:
        others = {name: node for name, node in request.arguments.items() if name != slot}
        if shown_by is not None and shown_by != offered(domain, errand.parameters, others, meant.of.among.kind):
            raise NotProved("meaning_differs", f"{slot} is not among what a search for it shows")
        if (meant.of.prefer or shown_by is not None) and is_idle(domain, task.customer, universe, meant.of):
            raise NotProved("meaning_differs", f"the preferences for {slot} do not all decide")
    found = readings(domain, universe, fact.text, _type_of(spec), within, call.name, shown_by)
    if not any(same_words(one, meant) for one in found):
        raise NotProved("words_differ", f"'{fact.text}' does not say what is meant by {slot}")

    def value_in(node: lang.Node) -> Any:
        if isinstance(node, lang.FirstThatWorks) and isinstance(request, lang.Do):
            return what_works.value_in(domain, world, task.customer, universe, request, slot, node)
        return value_of(domain, domain.world(), task.customer, node, universe)

    own = value_in(meant)
    for one in found:
        try:
            value = value_in(one)
        except NoMeaning as none:
            if none.code in ("none", "absent"):
                continue  # nobody understands it so
            value = None
        if value != own:
            raise NotProved("words_differ", f"'{fact.text}' may also mean another value of {slot}")
    if isinstance(meant, lang.FirstThatWorks):
        _check_choice(domain, world, universe, task, meant, call)
    texts = _texts(task.user)
    for choice in what_works.said_in(domain.language):  # it names each of them, and not which it is
        texts = re.sub(re.escape(choice), "", texts, flags=re.I)
    if _is_named(domain, texts, call, slot, task.customer):
        raise NotProved("named", f"the customer's words name the {fact.label} that they describe")


def _is_named(domain: Domain, texts: str, call: Call, slot: str, customer: str) -> bool:
    """Whether texts name the value of an argument, as customers speak of it or by its id."""
    named, value = domain.describe(domain.world(), call, slot, customer).says, call.arguments.get(slot)
    ids = [
        one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str) and _ID.fullmatch(one)
    ]
    return bool(named and mentions(texts, named)) or any(mentions(texts, [one]) for one in ids)


def _check_choice(
    domain: Domain, world: World, universe: Universe, task: Task, meant: lang.FirstThatWorks, call: Call
) -> None:
    """Raises NotProved: a choice that depends on what works is none that the domain has words for, or nothing is paid,
    so that all would do."""
    words = what_works.words_of(domain, meant)
    if words is None or not what_works.costs(domain, world, task.customer, words, call, universe):
        raise NotProved("meaning_differs", f"what {call.name} costs decides nothing")


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
        for beside in (goal.otherwise, goal.first, goal.rather):
            if beside is not None:
                parts += [beside.request, *(fact.answer for fact in beside.facts)]
    if user.mistake is not None:
        parts.append(user.mistake.answer)
    if user.miscount is not None:
        parts.append(user.miscount.answer)
    for change in user.changes:
        parts += [change.request, *(fact.answer for fact in change.facts)]
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
