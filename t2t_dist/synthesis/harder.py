"""Making a task's requests harder to read: customers describe what they want, and want it only on a condition."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from t2t_dist.core.schema import Certificate, GoldCall, Intent, Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import after_valid
from t2t_dist.environments.json_text import Unreadable, read_json
from t2t_dist.environments.tools import READ, WRITE, Call, Kind

from .bindings import canonical_json
from .grader_side import changes_of, errands_in, fact_text, fields_of
from .intents.gold import grader_of, play
from .intents.rejection import Rejection, TaskRejected
from .intents.structure import PlannedQuestion, Structure
from .requests import denote, questions
from .requests import language as lang
from .requests.conditions import SHARES, Condition, conditional, drawn
from .requests.denote import Described
from .requests.twins import world_before

#: By difficulty: the share of general tasks that are a question, and change nothing.
_ONLY_QUESTIONS = {2: 0.05, 3: 0.12, 4: 0.15, 5: 0.15}


def made_harder(
    domain: Domain,
    trajectory: Trajectory,
    intent: Intent,
    structure: Structure | Rejection,
    difficulty: int,
    rng: random.Random,
) -> Structure | Rejection:
    """A task's structure at a difficulty of 2 to 5. A trajectory without a write may still give a question."""
    wrote_nothing = isinstance(structure, Rejection) and structure.code == "no_write"
    try:
        if intent == "general" and (wrote_nothing or rng.random() < _ONLY_QUESTIONS[difficulty]):
            structure = only_a_question(domain, trajectory, rng) or structure
        if not isinstance(structure, Rejection) and structure.question is None:
            describe_goals(domain, trajectory.customer, structure, difficulty, rng)
    except TaskRejected as rejected:
        return rejected.rejection
    return structure


def describe_goals(domain: Domain, customer: str, structure: Structure, difficulty: int, rng: random.Random) -> None:
    """Describes some arguments of the goals, and wants some of them only on a condition, in place: their words, their
    meaning, the look-ups that they take, and what is then done.

    What is changed or refused is named as before, and so is what another goal names. Conditions are for general tasks.
    """
    errands = [(call.goal, Call(call.name, call.arguments)) for call in errands_in(structure.grader)]
    found: dict[int, Described] = {}
    conditions: dict[int, Condition] = {}
    done: list[Call] = []
    for place, (goal, call) in enumerate(errands):
        if structure.change is None or goal != structure.change.goal:
            kept, share = structure.goals[goal].withheld, denote.SHARES[difficulty]
            one = denote.described(domain, customer, goal, call, done, kept, share, rng)
            if one is not None:
                found[goal] = one
        if structure.certificate.intent == "general" and rng.random() < SHARES[difficulty]:
            condition = _condition(domain, customer, structure, goal, call, done, errands[place + 1 :], rng)
            if condition is not None:
                conditions[goal] = condition
        if goal not in conditions or conditions[goal].holds:
            done.append(call)
    named = [goal.call.arguments for goal in structure.goals]
    named += [structure.change.call.arguments] if structure.change else []
    for goal in [goal for goal, one in found.items() if _is_named(one, dict(errands)[goal], goal, named, found)]:
        del found[goal]
    if found or conditions:
        _put_in(domain, structure, dict(errands), found, conditions)
    if structure.certificate.intent == "general" and rng.random() < questions.SHARES[difficulty]:
        ask_at_the_end(domain, customer, structure, done, rng)


def only_a_question(domain: Domain, trajectory: Trajectory, rng: random.Random) -> Structure | None:
    """A task that is a question about the customer's records and nothing else; ``None`` where there is none."""
    if not domain.language.questions:
        return None
    structure = Structure([], grader_of(domain, trajectory, []), Certificate(intent="general"))
    return structure if ask_at_the_end(domain, trajectory.customer, structure, [], rng) else None


def ask_at_the_end(
    domain: Domain, customer: str, structure: Structure, done: Sequence[Call], rng: random.Random
) -> bool:
    """Adds a question about the customer's records as the last goal; whether there was one to add."""
    asked = questions.drawn(domain, customer, done, rng)
    if asked is None:
        return False
    grader, goal = structure.grader, len(structure.goals)
    structure.question = PlannedQuestion(asked.text)
    made = [Call(call.name, call.arguments) for call in grader.gold]
    # What was changed in between has to be seen again.
    wrote = any(call.kind == WRITE.value for call in grader.gold)
    looked = [call for call in asked.look_ups if wrote or call not in made]
    grader.gold += [GoldCall(name=c.name, kind=Kind.READ.value, arguments=c.arguments, goal=goal) for c in looked]
    grader.requests = (grader.requests or {}) | {str(goal): lang.stored(asked.question.request)}
    grader.communicate.append(asked.answer)
    if "communicate" not in grader.basis:
        grader.basis.append("communicate")
    play(domain, grader.gold)
    return True


def _condition(
    domain: Domain,
    customer: str,
    structure: Structure,
    goal: int,
    call: Call,
    before: Sequence[Call],
    later: Sequence[tuple[int, Call]],
    rng: random.Random,
) -> Condition | None:
    """A condition for a goal, on a figure that can be known before anything is changed; ``None``: there is none."""
    gold = next((one for one in structure.grader.gold if one.goal == goal and one.name == call.name), None)
    if call.name in domain.workflows or gold is None:
        return None
    world = world_before(domain, before)
    condition = drawn(domain.language, call.name, fields_of(gold.result), rng)
    if condition is None:
        return None
    figure, looks = fields_of(gold.result)[condition.tell.field], [c for c in structure.grader.gold if c.goal <= goal]
    if not (domain.calculation(world, call, customer) or any(_shows(c, figure) for c in looks if c.kind == READ.value)):
        return None
    if not condition.holds:
        for _, errand in later:
            after = after_valid(domain, world, errand, customer)
            if after is None:
                return None
            world = after
    return condition


def _shows(look_up: GoldCall, figure: Any) -> bool:
    """Whether the result of a look-up holds a number."""
    try:
        todo = [read_json(look_up.result)]
    except Unreadable:
        return False
    while todo:
        value = todo.pop()
        if isinstance(value, Mapping):
            todo += value.values()
        elif isinstance(value, list):
            todo += value
        elif not isinstance(value, bool) and value == figure:
            return True
    return False


def _put_in(
    domain: Domain,
    structure: Structure,
    errands: Mapping[int, Call],
    found: Mapping[int, Described],
    conditions: Mapping[int, Condition],
) -> None:
    grader = structure.grader
    requests: dict[str, Any] = {}
    for goal in sorted({*found, *conditions}):
        call = errands[goal]
        request: lang.Node = lang.as_given(call.name, call.arguments)
        if goal in found:
            request = found[goal].request
            structure.goals[goal].described = found[goal].words
            grader.gold = with_look_ups(grader.gold, goal, found[goal].look_ups)
        if goal in conditions and isinstance(request, lang.Do):
            condition = conditions[goal]
            gold = next(one for one in grader.gold if one.goal == goal and one.name == call.name)
            figure = fact_text(fields_of(gold.result)[condition.tell.field])
            request = conditional(request, condition)
            structure.goals[goal].condition = condition.words
            structure.goals[goal].tells = [(condition.tell, figure)]
            if not condition.holds:
                grader.gold = [one for one in grader.gold if one is not gold]
        requests[str(goal)] = lang.stored(request)
    grader.requests = requests
    grader.communicate = [value for goal in structure.goals for _, value in goal.tells]
    grader.basis = [part for part in grader.basis if part != "communicate"] + ["communicate"] * bool(grader.communicate)
    world = play(domain, grader.gold)
    grader.final, grader.allowed_diff = world.digest, changes_of(world)


def _is_named(
    one: Described, call: Call, goal: int, named: Sequence[Mapping[str, Any]], found: Mapping[int, Described]
) -> bool:
    """Whether another goal names what this one describes."""
    for other, arguments in enumerate(named):
        words = found[other].words if other in found else {}
        own = {canonical_json(call.arguments[slot]) for slot in one.words}
        if other != goal and any(canonical_json(v) in own for slot, v in arguments.items() if slot not in words):
            return True
    return False


def with_look_ups(gold: Sequence[GoldCall], goal: int, needed: Sequence[Call]) -> list[GoldCall]:
    """The gold with these look-ups before the first call of the goal, none of them twice."""
    first = next(place for place, call in enumerate(gold) if call.goal == goal)
    made = [Call(call.name, call.arguments) for call in gold[:first]]
    added = [
        GoldCall(name=call.name, kind=Kind.READ.value, arguments=call.arguments, goal=goal)
        for call in needed
        if call not in made
    ]
    rest = [call for call in gold[first:] if call.goal != goal or Call(call.name, call.arguments) not in needed]
    return [*gold[:first], *added, *rest]
