"""Pairs: a task, and its twin, in which the same words ask for something else.

A certificate names, for what a customer describes or wants on a condition, a world or a limit with which the opposite
is right (``requests/twins.py``). The twin task is set there: the same customer, the same words (but for the limit), and
the gold that holds there, proved like that of any task. So who guesses, or remembers, passes one of the two at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import twin_id
from t2t_dist.core.schema import GoldCall, GraderSide, RecordChange, Task, Trajectory, Twin, UserSide
from t2t_dist.core.task_domain import domain_of, world_fault
from t2t_dist.core.text_match import numbers
from t2t_dist.environments.base import Domain
from t2t_dist.environments.record import thaw
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import WRITE, Call, Kind

from .convert import certified, reject
from .grader_side import changes_of, errands_by_goal, fact_text, fields_of, records_in, refused_patterns
from .harder import with_look_ups
from .intents.changing import all_forbidden
from .intents.gold import grader_of, play
from .intents.infeasible import pattern_of, worlds_around
from .intents.rejection import TaskRejected
from .requests import alternatives, fallbacks, questions, sequences
from .requests import language as lang
from .requests.check import CONDITION, Meant, errand_of, is_free, look_ups_before, requests_of
from .requests.conditions import said, tell_of
from .requests.consistency import is_consistent
from .requests.evaluate import NoMeaning, meaning_of, value_of
from .requests.shown import look_at
from .requests.twins import all_valid, twin_worlds, world_before

#: Worlds beside the certificate's that are tried for each request, until a task is proved in one.
_MOST_TRIED = 10
#: The code of a twin that does not belong to its original.
NO_PAIR = "no_pair"


def twin_task(domain: Domain, trajectory: Trajectory, task: Task) -> Task | None:
    """The twin of a verified task: that of the first of its twin worlds in which one is proved, else rejected with what
    does not hold in the first. ``None``: the task has no twin worlds."""
    certificate = task.certificate
    if task.user.claim is not None or (certificate is not None and certificate.injection is not None):
        return None  # what proves the claim, or the note, is about the records as they are
    first: Task | None = None
    for twin in _twins(domain_of(domain, task), task):
        found = _attempt(domain, trajectory, task, twin)
        if found.verdict == "verified":
            return found
        first = first or found
    if first is None and task.certificate and task.certificate.twins:
        why = "no world in which its words mean something else has records that agree with themselves"
        return _unmade(_copied(task), "no_twin", why)
    return first


def check_pair(domain: Domain, original: Task | None, twin: Task) -> Task:
    """The twin, rejected if it does not belong to ``original``, the task that it names (``None``: there is none)."""
    if original is None:
        return reject(twin, NO_PAIR, "the task that it is the twin of is not in the run")
    try:
        fault = _fault(domain, original, twin)
    except (InputError, ValueError, NoMeaning) as error:  # the original is damaged, and rejected itself
        fault = f"the task that it is the twin of: {error}"
    return reject(twin, NO_PAIR, fault) if fault else twin


# -- making one --------------------------------------------------------------------------------------------------------
def _twins(domain: Domain, task: Task) -> Iterator[Twin]:
    """The twin worlds of the certificate, and others in which its words mean something else, too; then other limits.

    Another limit is the last resort where there is a description as well: it leaves what is described as it was.
    """
    proved = (task.certificate.twins if task.certificate else None) or []
    yield from (one for one in proved if one.slot != CONDITION and is_consistent(one.records))
    requests = requests_of(task.grader) if proved else {}
    done = errands_by_goal(task.grader)
    for goal, request in requests.items():
        before = [call for number, calls in done.items() if number < goal for call in calls]
        others: Iterator[Twin] = iter(())
        universe = look_at(domain, world_before(domain, before), task.customer)
        if isinstance(request, lang.Best):
            others = alternatives.other_worlds(domain, task.customer, universe, request, goal, before)
        elif isinstance(request, lang.If | lang.Several) and sequences.in_turn_of(request) is not None:
            others = sequences.direct_worlds(domain, task.customer, universe, request, goal, before)
        elif isinstance(request, lang.Tell):
            others = questions.twin_worlds(domain, task.customer, goal, request, before)
        else:
            described = [fact.slot for fact in task.user.goals[goal].facts if fact.described]
            others = chain.from_iterable(
                twin_worlds(domain, task.customer, universe, errand_of(request), goal, slot, before)
                for slot in described
            )
            if fallbacks.is_fallback(request):
                looks = look_ups_before(task, goal)
                others = chain(fallbacks.twin_worlds(domain, task.customer, goal, request, before, looks), others)
        yield from islice((one for one in others if one not in proved and is_consistent(one.records)), _MOST_TRIED)
    yield from (one for one in proved if one.slot == CONDITION)


def _copied(task: Task) -> Task:
    found = task.model_copy(deep=True)
    found.task_id, found.twin_of = twin_id(task.trajectory_id, task.intent), task.task_id
    found.votes, found.raw, found.difficulty = [], None, None
    return found


def _attempt(domain: Domain, trajectory: Trajectory, task: Task, twin: Twin) -> Task:
    found = _copied(task)
    try:
        if twin.slot == CONDITION:
            found.user, found.grader.requests = _other_limit(domain, task, twin.goal, twin.value)
        else:
            found.world = _joined(domain, task.world or [], twin.records)
        _fill(domain_of(domain, found), trajectory, found)
    except TaskRejected as rejected:
        return _unmade(found, *rejected.rejection)
    except NoMeaning as none:
        return _unmade(found, "meaning_differs", str(none))
    except Exception as error:  # as when twin worlds are looked for: tools may rely on what records no longer hold
        return _unmade(found, "world_differs", f"{type(error).__name__}: {error}")
    found = certified(domain, found)
    return check_pair(domain, task, found) if found.verdict == "verified" else found


def _joined(domain: Domain, own: Sequence[RecordChange], twin: Sequence[RecordChange]) -> list[RecordChange]:
    """What differs from the domain's database in a twin world of a task with records of its own."""
    after = {(one.table, one.key): one.after for one in (*own, *twin)}
    before = {place: thaw(domain.base.tables[place[0]][place[1]]) for place in after}
    return [
        RecordChange(table=table, key=key, before=before[table, key], after=record)
        for (table, key), record in sorted(after.items())
        if record != before[table, key]
    ]


def _unmade(task: Task, code: str, detail: str) -> Task:
    task.grader.gold = []  # there is nothing to certify
    return reject(task, code, detail)


def _other_limit(domain: Domain, task: Task, goal: int, limit: Any) -> tuple[UserSide, dict[str, Any]]:
    """The customer's side with another limit in a condition, and the requests that mean it. Raises TaskRejected: the
    goal has no condition, or no words give the limit."""
    request, condition = requests_of(task.grader).get(goal), task.user.goals[goal].condition
    tell = tell_of(domain, request) if isinstance(request, lang.If) else None
    if isinstance(request, lang.If) and isinstance(request.condition, lang.Compares) and tell is not None:
        own = request.condition.right
        for words in tell.above if request.condition.relation == "more" else tell.below:
            if isinstance(own, lang.Given) and words.format(value=said(tell, own.value)) == condition:
                turned = request.condition.model_copy(update={"right": lang.Given(value=limit)})
                stored = lang.stored(request.model_copy(update={"condition": turned}))
                user = with_clause(task.user, goal, words.format(value=said(tell, limit)))
                return user, {**(task.grader.requests or {}), str(goal): stored}
    raise TaskRejected("words_differ", "the condition has no words for another limit")


def with_clause(user: UserSide, goal: int, clause: str) -> UserSide:
    """The customer's side with another clause as the condition of a goal. Raises TaskRejected: the request does not say
    the condition as it stands."""
    found = user.model_copy(deep=True)
    wanted = found.goals[goal]
    if wanted.condition is None:
        raise TaskRejected("not_stated", f"request {goal + 1} has no condition")
    if wanted.condition not in wanted.request:
        return _with_limit(found, goal, clause)
    request = wanted.request.replace(wanted.condition, clause)
    for name in ("reason_for_call", "known_info", "unknown_info", "task_instructions"):
        text = getattr(found, name)
        whole = wanted.request in text  # else only the clause, in a model's words
        old, new = (wanted.request, request) if whole else (wanted.condition, clause)
        setattr(found, name, text.replace(old, new))
    wanted.request, wanted.condition = request, clause
    return found


def _with_limit(user: UserSide, goal: int, clause: str) -> UserSide:
    """The customer's side with the limit of another clause in a model's words. Raises TaskRejected: they don't say the
    limit just once."""
    wanted = user.goals[goal]
    before, after = numbers(wanted.condition or ""), numbers(clause)
    old, new = before - after, after - before
    if len(old) != 1 or len(new) != 1:
        raise TaskRejected("not_stated", f"request {goal + 1} does not say its condition as it stands")
    number = re.compile(rf"(?<![\w#.,]){re.escape(min(old))}(?:\.00)?(?![.,]?\d)")
    if len(number.findall(wanted.request)) != 1:
        raise TaskRejected("not_stated", f"request {goal + 1} does not say its limit once")
    for name in ("reason_for_call", "known_info", "unknown_info", "task_instructions"):
        setattr(user, name, number.sub(min(new), getattr(user, name)))
    wanted.request, wanted.condition = number.sub(min(new), wanted.request), clause
    return user


class _Wanted(NamedTuple):
    """What a request comes to in the twin's world: its calls (one, or those of a set), whether they are carried out,
    what has to be looked up for them, and the figure of its condition as it is said."""

    goal: int
    calls: Sequence[Call]
    done: bool = True
    look_ups: Sequence[Call] = ()
    figure: str = ""


def _fill(domain: Domain, trajectory: Trajectory, task: Task) -> None:
    """Gives a task the grader's side that holds on its own domain. Raises TaskRejected, NoMeaning."""
    old, requests = task.grader, requests_of(task.grader)
    wanted = list(_wanted(domain, task, requests))
    record = next((Call(call.name, call.arguments) for call in records_in(old.gold)), None)
    found = grader_of(
        domain,
        trajectory,
        [(one.goal, call) for one in wanted for call in one.calls],
        old.basis,
        refused=old.refused_goal,
        record=record,
        forbidden=old.forbidden,
        required=old.required,
        refused_goal=old.refused_goal,
        rule=old.rule,
        handling=old.handling,
        requests=old.requests,
    )
    for one in wanted:
        for look_up in one.look_ups:
            found.gold = with_look_ups(found.gold, one.goal, [look_up])
    left = {one.goal for one in wanted if not one.done}
    found.gold = [c for c in found.gold if c.goal not in left or (c.kind == Kind.READ.value and c.requestor is None)]
    found.errands = [errand for errand in found.errands or () if errand.goal not in left] or None
    play(domain, found.gold)
    question = next(((goal, one) for goal, one in requests.items() if isinstance(one, lang.Tell)), None)
    done = [call for one in wanted if one.done and one.goal != old.refused_goal for call in one.calls]
    answers = [] if question is None else [_asked(domain, task, found.gold, done, *question)]
    found.communicate = [*_figures(domain, task, found.gold, wanted), *answers]
    world = play(domain, found.gold)
    found.final, found.allowed_diff = world.digest, changes_of(world)
    if task.certificate is not None and task.certificate.given_up:
        _change(domain, task, task.certificate.given_up, found, wanted)
    if task.certificate is not None and task.certificate.forbidden_call is not None:
        _refuse(domain, task, task.certificate.forbidden_call, found, wanted)
    task.grader = found


def _wanted(domain: Domain, task: Task, requests: Mapping[int, Meant]) -> Iterator[_Wanted]:
    """What each goal but a question comes to, one after the other."""
    named = errands_by_goal(task.grader)
    refused = task.certificate.forbidden_call if task.certificate else None
    if refused is not None and task.grader.refused_goal is not None:
        named[task.grader.refused_goal] = [Call(refused.name, refused.arguments)]
    world, customer = domain.world(), task.customer
    for goal in range(len(task.user.goals)):
        request = requests.get(goal)
        if isinstance(request, lang.Tell):
            continue
        if request is None:
            found = _Wanted(goal, named[goal])
        else:
            universe = look_at(domain, world, customer)
            meaning = meaning_of(domain, world, customer, errand_of(request), universe)
            whole = meaning_of(domain, world, customer, request, universe)
            look_ups = [*meaning.look_ups, *(call for call in whole.look_ups if call not in meaning.look_ups)]
            if fallbacks.is_fallback(request):
                look_ups += fallbacks.look_ups(domain, world, meaning.calls[0], customer)
            tell = tell_of(domain, request) if isinstance(request, lang.If) else None
            figure = ""
            if isinstance(request, lang.If) and isinstance(request.condition, lang.Compares) and tell is not None:
                figure = tell.shown(value_of(domain, world, customer, request.condition.left, universe))
            if isinstance(request, lang.Best):
                figure = _figure_of_best(domain, world, customer, request, whole.calls[0])
                look_ups += _looked_up(domain, world, customer, request.options, look_ups)
            elif sequences.in_turn_of(request) is not None:
                look_ups += _looked_up(domain, world, customer, [errand_of(request)], look_ups)
            found = _Wanted(goal, whole.calls or meaning.calls, bool(whole.calls), look_ups, figure)
        if goal != task.grader.refused_goal:
            after = all_valid(domain, world, found.calls, customer)
            if after is None:
                raise TaskRejected("gold_fails", f"{found.calls[0].name} is not possible in the twin world")
            world = after if found.done else world
        yield found


def _figure_of_best(domain: Domain, world: World, customer: str, request: lang.Best, call: Call) -> str:
    """The figure of the one of two errands that is right. Raises TaskRejected: it has none."""
    words = alternatives.tell_of_best(domain, request)
    figure = alternatives.figure_of(domain, world, customer, call, request.field)
    if words is None or figure is None:
        raise TaskRejected("meaning_differs", "the choice has no figure in the twin world")
    return words[0].shown(figure)


def _looked_up(
    domain: Domain, world: World, customer: str, errands: Sequence[lang.Node], known: Sequence[Call]
) -> list[Call]:
    """What is looked up for errands before any of them is carried out, beside what is known."""
    calls = [call for errand in errands for call in meaning_of(domain, world, customer, errand).calls]
    found = [one for call in calls for one in domain.look_ups(world, call, customer) or ()]
    return [one for place, one in enumerate(found) if one not in known and one not in found[:place]]


def _change(
    domain: Domain, task: Task, given_up: Sequence[GoldCall], grader: GraderSide, wanted: Sequence[_Wanted]
) -> None:
    """Puts in what the customer gives up: what is described in it is, as in what they change to, another here."""
    goal = given_up[0].goal
    last = next(one.calls[0] for one in wanted if one.goal == goal)
    for fact in task.user.goals[goal].facts:
        for call in given_up if fact.described and fact.slot in last.arguments else ():
            call.arguments[fact.slot] = last.arguments[fact.slot]
    earlier = [one for one in wanted if one.goal < goal and one.done and one.goal != grader.refused_goal]
    before = [call for one in earlier for call in one.calls]
    calls = [Call(call.name, call.arguments) for call in given_up]
    grader.forbidden = [*all_forbidden(domain, before, calls, grader.gold), *refused_patterns(task)]


def _refuse(domain: Domain, task: Task, refused: GoldCall, grader: GraderSide, wanted: Sequence[_Wanted]) -> None:
    """Puts in the call that is to be refused, where what is described in it is another here."""
    call = next(one.calls[0] for one in wanted if one.goal == grader.refused_goal)
    rule = next((rule for rule in domain.rule_list if rule.number == grader.rule), None)
    if call.arguments == refused.arguments or rule is None:
        return
    kept = [pattern for pattern in grader.forbidden if pattern not in refused_patterns(task)]
    refused.arguments = call.arguments
    worlds = worlds_around(domain, [one for w in wanted if w.goal != grader.refused_goal for one in w.calls if w.done])
    grader.forbidden = [*kept, pattern_of(domain, worlds or [domain.world()], call, rule, task.customer)]


def _asked(
    domain: Domain, task: Task, gold: list[GoldCall], done: Sequence[Call], goal: int, request: lang.Tell
) -> str:
    """The answer to the question at the end, after the errands ``done``; its look-ups are added to the gold."""
    known = [one for one in questions.questions_of(domain).values() if one.request == request]
    text = task.user.goals[goal].request
    words = next((one.words for one in known if is_free(task) or text in one.words.ask), None)
    if words is None:
        raise TaskRejected("words_differ", f"'{text}' does not ask for what is meant")
    meaning = meaning_of(domain, play(domain, gold), task.customer, request, done=done)
    made, wrote = [Call(call.name, call.arguments) for call in gold], any(call.kind == WRITE.value for call in gold)
    looked = [call for call in meaning.look_ups if wrote or call not in made]
    gold += [GoldCall(name=one.name, kind=Kind.READ.value, arguments=one.arguments, goal=goal) for one in looked]
    return questions.answer_text(words, meaning.facts[0])


def _figures(domain: Domain, task: Task, gold: Sequence[GoldCall], wanted: Sequence[_Wanted]) -> Iterator[str]:
    """The figures that the customer asks for beside a request, as they are in the twin's world."""
    told = iter(task.grader.communicate)
    for one in wanted:
        tells = domain.language.tool(one.calls[0].name).tell
        results = [fields_of(call.result) for call in gold if call.goal == one.goal and call.name == one.calls[0].name]
        old = [fields_of(call.result) for call in task.grader.gold if call.goal == one.goal]
        for question in task.user.goals[one.goal].questions:
            value = next(told, None)
            if one.figure:
                yield one.figure
                continue
            # A model's words ask for it in their own way: then it is the figure that the original's result has.
            fields = [tell.field for tell in tells if question in tell.ask]
            fields += [t.field for t in tells for held in old if t.field in held and fact_text(held[t.field]) == value]
            here = next((held[name] for name in fields for held in results if held.get(name)), None)
            if here is None:
                raise TaskRejected("communicate_differs", f"'{question}' has no answer in the twin world")
            yield fact_text(here)


# -- proving that two belong together ----------------------------------------------------------------------------------
_SAME = ("trajectory_id", "index", "intent", "domain", "customer", "writer", "seed")


def _fault(domain: Domain, original: Task, twin: Task) -> str:
    """Why the second is not the twin of the first; empty where it is. Both are certified, each by itself."""
    if twin.twin_of != original.task_id or original.twin_of is not None:
        return f"{original.task_id} is not the task that it is the twin of"
    if twin.task_id != twin_id(original.trajectory_id, original.intent):
        return "its id is not that of the twin of this task"
    if differ := [name for name in _SAME if getattr(original, name) != getattr(twin, name)]:
        return f"it has another {', '.join(differ)} than the task that it is the twin of"
    if twin.world != original.world:
        if why := world_fault(domain, twin.world or []):
            return why
        if not is_consistent(twin.world or []):
            return "the records of its world do not agree with themselves"
        if twin.user != original.user or twin.grader.requests != original.grader.requests:
            return "its words, or what they mean, are not those of the task that it is the twin of"
    elif why := _limit_fault(domain, original, twin):
        return why
    if any(isinstance(one, lang.Tell) for one in requests_of(twin.grader).values()):
        told = twin.grader.communicate[-1]
        if not questions.is_answer(float(told)):
            return f"the answer to its question is {told}, which is said of much else"
    home, own = domain_of(domain, original), domain_of(domain, twin)
    if _passes(own, original.grader, twin.grader) or _passes(home, twin.grader, original.grader):
        return "what is right in one of the two worlds is right in the other, too"
    return ""


def _limit_fault(domain: Domain, original: Task, twin: Task) -> str:
    """Why the second is not the first with another limit in one condition; empty where it is."""
    own, stored = original.grader.requests or {}, twin.grader.requests or {}
    turned = [int(goal) for goal in stored if stored[goal] != own.get(goal)]
    request = requests_of(twin.grader).get(turned[0]) if len(turned) == 1 else None
    condition = request.condition if isinstance(request, lang.If) else None
    limit = condition.right if isinstance(condition, lang.Compares) else None
    if not isinstance(limit, lang.Given) or turned[0] >= len(original.user.goals):
        return "it has neither another world nor another limit in one condition"
    try:
        both = _other_limit(domain, original, turned[0], limit.value)
    except TaskRejected as rejected:
        return rejected.rejection.detail
    return "" if both == (twin.user, stored) else "more than a limit differs from the task that it is the twin of"


def _passes(domain: Domain, done: GraderSide, wanted: GraderSide) -> bool:
    """Whether who does in this world what is right in the other, and says the same, has done what is wanted here."""
    world = domain.world()
    for call in done.gold:
        if call.kind != Kind.READ.value:
            domain.execute(world, Call(call.name, call.arguments))
    return world.digest == wanted.final and set(wanted.communicate) <= set(done.communicate)
