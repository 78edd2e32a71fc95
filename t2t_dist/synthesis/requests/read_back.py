"""Tasks in a model's words: each request says what its expression means, and no text says more.

The words of the template are proved by its grammar (``check.py``), and have to stand there as they are. The requests of
any other writer are read back, whatever they hold (``free_words.py``, ``free_texts.py``). So a row that names the wrong
writer gains nothing by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from t2t_dist.core.schema import Certificate, Fact, Goal, Task, UserSide
from t2t_dist.core.text_match import mentions, spelled
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call

from ..grader_side import errands_by_goal
from ..intents.facts import described_in
from . import language as lang
from .check import requests_of
from .conditions import tell_of, without_reasons
from .free_texts import check_beside, check_question
from .free_words import Asked, Limit, NotCarried, asked, check_request
from .kinds import identities
from .parts import is_readable
from .questions import questions_of
from .shown import Universe, first_look
from .words import written_out


def may_be_free(domain: Domain, request: lang.Node | None, goal: Goal, is_counted: bool = False) -> bool:
    """Whether a goal can be put in other words than the template's. ``is_counted``: whether the customer gets wrong how
    many records it is about."""
    is_choice = goal.otherwise is not None and goal.otherwise.clause is not None
    if is_choice or is_counted or goal.first is not None or goal.rather is not None:
        return False
    if request is None:
        return not (goal.asks or goal.condition or any(fact.described for fact in goal.facts))
    return is_readable(domain, request)


def check_free_words(domain: Domain, task: Task, certificate: Certificate) -> None:
    """Proves the words of a task that a model has written. Raises NotCarried: they don't say what is meant."""
    universe, requests = first_look(domain, task.customer), requests_of(task.grader)
    errands, limits, questions = list[Asked](), list[Limit](), list[str]()
    calls = _calls(task, certificate)
    for number, goal in enumerate(task.user.goals):
        request = requests.get(number)
        try:
            is_counted = task.user.miscount is not None and task.user.miscount.goal == number
            found = check_goal(domain, task.customer, universe, goal, request, calls.get(number), is_counted)
        except NotCarried as wrong:
            raise NotCarried(wrong.code, f"request {number + 1}: {wrong.detail}") from None
        questions += [goal.request] if goal.asks else goal.questions
        errands += [one for one in found if isinstance(one, Asked)]
        limits += [one for one in found if isinstance(one, Limit)]
    errands += _check_change(domain, task, universe, requests, calls)
    _check_ids(domain, task, universe)
    _check_texts(domain, task, universe, errands, limits, questions)


def check_goal(
    domain: Domain,
    customer: str,
    universe: Universe,
    goal: Goal,
    request: lang.Node | None,
    call: Call | None,
    is_counted: bool = False,
) -> list[Asked | Limit]:
    """Proves that a goal's request says what is meant: its expression, ``None`` where all is named, of the errand that
    ``call`` makes. What it says, part by part. Raises NotCarried."""
    if isinstance(request, lang.Tell):
        _check_question(domain, universe, goal, request)
        return []
    if not may_be_free(domain, request, goal, is_counted):
        _check_template(goal)
        return []
    if call is None:
        raise NotCarried("errand_differs", "it is about nothing")
    first, limit, second = _wanted(domain, customer, universe, goal, request, call)
    text = without_reasons(domain, request, goal.request) if isinstance(request, lang.If) else goal.request
    if goal.otherwise is not None:
        text = written_out(domain.language, text, described_in(goal.otherwise.facts), described_in(goal.facts))
    check_request(domain, universe, text, first, limit, second)
    return [one for one in (first, limit, second) if one is not None]


def _calls(task: Task, certificate: Certificate) -> dict[int, Call]:
    """What each request is about: what is wanted first, where the customer changes their mind."""
    calls = {goal: found[0] for goal, found in errands_by_goal(task.grader).items()}
    refused, first = certificate.forbidden_call, certificate.first_call
    if refused is not None and task.grader.refused_goal is not None:
        calls[task.grader.refused_goal] = Call(refused.name, refused.arguments)
    if task.user.change is not None and first is not None:
        calls[task.user.change.goal] = Call(first.name, first.arguments)
    for goal, request in requests_of(task.grader).items():
        if isinstance(request, lang.If) and isinstance(request.then, lang.Do):
            calls[goal] = Call(request.then.errand, {})
    return calls


def _wanted(
    domain: Domain, customer: str, universe: Universe, goal: Goal, request: Any, call: Call
) -> tuple[Asked, Limit | None, Asked | None]:
    """What a request has to say: the errand, its condition, and what is wanted otherwise."""
    errand: Any = request.then if isinstance(request, lang.If) else request
    if errand is None:
        errand = lang.as_given(call.name, call.arguments)
    first = asked(domain, customer, universe, errand, goal.facts, call.name)
    withheld = [fact.slot for fact in goal.facts if not fact.stated and fact.slot in call.arguments]
    rough = [domain.describe(domain.world(), call, slot, customer).rough for slot in withheld]
    first = first._replace(rough=[text for text in rough if text])
    if not isinstance(request, lang.If):
        return first, None, None
    condition, tell = request.condition, tell_of(domain, request)
    if tell is None or not isinstance(condition, lang.Compares) or not isinstance(condition.right, lang.Given):
        raise NotCarried("not_read", "the condition is not read in free words")
    relation: Any = condition.relation
    kind = condition.left.of.among.kind if isinstance(condition.left, lang.FieldOf) else ""
    second = None
    if isinstance(request.otherwise, lang.Do) and goal.otherwise is not None:
        second = asked(domain, customer, universe, request.otherwise, goal.otherwise.facts)
    return first, Limit(tell, relation, condition.right.value, kind), second


def _check_question(domain: Domain, universe: Universe, goal: Goal, request: lang.Tell) -> None:
    known = [one for one in questions_of(domain).values() if one.request == request]
    if not known:
        raise NotCarried("question_differs", "the domain has no words for the question")
    if goal.request in known[0].words.ask:
        return
    if not is_readable(domain, request):
        raise NotCarried("not_read", "the question is not read in free words")
    check_question(domain, universe, goal.request, request, known[0].words)


def _check_template(goal: Goal) -> None:
    """What is not read in free words has the template's. Raises NotCarried."""
    beside = [one for one in (goal.otherwise, goal.first, goal.rather) if one is not None]
    facts = [*goal.facts, *(fact for one in beside for fact in one.facts)]
    kept = [fact.text for fact in facts if fact.described] + [goal.condition or "", goal.whichever or ""]
    kept += [one.request for one in (goal.first, goal.rather) if one is not None]
    if not mentions(goal.request, [text for text in kept if text]):
        raise NotCarried("not_read", "it is not read in free words, and does not keep the template's")


def _check_change(
    domain: Domain, task: Task, universe: Universe, requests: Mapping[int, Any], calls: Mapping[int, Call]
) -> list[Asked]:
    """What is said when the customer changes their mind: the whole of another errand, or what is new in the same."""
    if task.user.change is None or task.certificate is None:
        return []
    goal = task.user.change.goal
    gold, first = errands_by_goal(task.grader).get(goal), calls.get(goal)
    if gold is None or first is None:
        return []
    stages = [first, *(Call(one.name, one.arguments) for one in task.certificate.given_up[1:]), gold[0]]
    found, facts, request = [], task.user.goals[goal].facts, requests.get(goal)
    for change, old, new in zip(task.user.changes, stages, stages[1:], strict=False):
        errand = lang.as_given(new.name, new.arguments)
        if isinstance(request, lang.Do):
            # What is described is the same all along.
            described = {fact.slot for fact in change.facts if fact.described}
            same = {slot: value for slot, value in request.arguments.items() if slot in described}
            errand = request if new is stages[-1] else errand.model_copy(update={"arguments": errand.arguments | same})
        one = asked(domain, task.customer, universe, errand, change.facts)
        one = one._replace(is_instead=True, why=domain.instead.get(old.name, {}).get(new.name, ""))
        said, facts = {fact.slot: fact.says for fact in facts}, change.facts
        before = described_in(task.user.goals[goal].facts)
        text = written_out(domain.language, change.request, described_in(facts), before)
        try:
            if change.part:
                pass  # these words are the template's
            elif new.name == old.name:
                news = {fact.slot for fact in facts if fact.says and said.get(fact.slot) != fact.says}
                check_request(domain, universe, text, one, needed=news)
            else:
                check_request(domain, universe, text, one)
        except NotCarried as wrong:
            raise NotCarried(wrong.code, f"the change: {wrong.detail}") from None
        found.append(one)
    return found


def _facts(user: UserSide) -> Iterator[Fact]:
    yield from user.identity
    for goal in user.goals:
        yield from goal.facts
        yield from goal.otherwise.facts if goal.otherwise is not None else ()
        for beside in (goal.first, goal.rather):
            yield from beside.facts if beside is not None else ()
    for change in user.changes:
        yield from change.facts


def _free_texts(user: UserSide) -> Iterator[tuple[str, str]]:
    """What a writer words beside the requests."""
    for name in ("reason_for_call", "known_info", "unknown_info", "task_instructions"):
        yield name, getattr(user, name)


def _check_ids(domain: Domain, task: Task, universe: Universe) -> None:
    """No text names a record by its id that no fact names. Raises NotCarried."""
    texts = [(name, text) for name, text in _free_texts(task.user)]
    texts += [(f"request {number + 1}", goal.request) for number, goal in enumerate(task.user.goals)]
    texts += [("the change", change.request) for change in task.user.changes]
    stated = " ".join(say for fact in _facts(task.user) for say in (*fact.says, fact.text))
    for kinds in identities(domain).values():
        for kind, own in kinds.items():
            for one in universe.of(kind):
                value = one.record.get(own)
                if isinstance(value, str) and any(char.isdigit() for char in value) and not mentions(stated, [value]):
                    for name, text in texts:
                        if mentions(text, [value]) or mentions(text, [value.lstrip("#")]):
                            raise NotCarried("named", f"{name} names {value}, which no fact names")


def _check_texts(
    domain: Domain, task: Task, universe: Universe, errands: Sequence[Asked], limits: Sequence[Limit],
    questions: Sequence[str],
) -> None:  # fmt: skip
    user, facts = task.user, list(_facts(task.user))
    quoted = [change.request for change in user.changes]
    quoted += [user.claim.text] if user.claim is not None else []
    quoted += [user.mistake.answer, user.mistake.text] if user.mistake is not None else []
    quoted += [user.miscount.answer] if user.miscount is not None else []
    requests = [goal.request for goal in user.goals]
    answers = {spelled(one) for one in task.grader.communicate if one.replace(".", "").isdigit()}

    def is_known(number: str) -> bool:
        """Whether a number is how often something is said, and no answer."""
        return number.isdigit() and int(number) <= 5 and spelled(number) not in answers

    for name, text in _free_texts(user):
        for known in (*requests, *quoted, user.name):
            text = text.replace(known, " ") if known else text
        try:
            check_beside(domain, universe, text, facts, errands, limits, questions, is_known)
        except NotCarried as wrong:
            raise NotCarried(wrong.code, f"{name}: {wrong.detail}") from None
