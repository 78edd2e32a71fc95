"""Making a task's requests harder to read: customers describe what they want, and want it only on a condition."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from t2t_dist.core.schema import Certificate, GoldCall, Intent, Trajectory
from t2t_dist.core.text_match import mentions
from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import READ, WRITE, Call, Kind

from . import second_choices
from .bindings import canonical_json
from .changed_more import changed_more
from .grader_side import changes_of, errands_in, fields_of, patterns_of, records_in, values_in
from .intents import changing, combining, general
from .intents.gold import assemble_gold, grader_of, look_ups_for, play, workflows_in
from .intents.rejection import Rejection, TaskRejected
from .intents.structure import PlannedGoal, PlannedQuestion, Structure
from .levels import LEVELS, Level
from .requests import alternatives, denote, preferences, questions, sequences, sets, what_works
from .requests import language as lang
from .requests.conditions import Condition, conditional, drawn
from .requests.denote import Described
from .requests.evaluate import NoMeaning, meaning_of, value_of
from .requests.preferences import sets_limit
from .requests.shown import look_at
from .requests.twins import all_valid, world_before
from .second_choices import SecondChoice

#: How often, of the tasks that may have a set and have none, one errand that can be wanted for several is put first.
_FIRST = 0.8
#: Descriptions of one goal that are tried until one fits its second choice.
_MOST_DESCRIBED = 3


def combined(
    domain: Domain, trajectory: Trajectory, intent: Intent, difficulty: int, rng: random.Random
) -> Structure | None:
    """A task of several intents, this one and one or two others; ``None``: it is to have one, or can't have more."""
    level = LEVELS[difficulty]
    if intent not in combining.COMBINED or not level.combined or rng.random() >= level.combined:
        return None
    others = [name for name in combining.COMBINED if name != intent]
    if rng.random() >= level.third:
        others = [rng.choice(others)]
    try:
        return combining.make(domain, trajectory, intent, others, rng)
    except TaskRejected:
        return None


def made_harder(
    domain: Domain,
    trajectory: Trajectory,
    intent: Intent,
    structure: Structure | Rejection,
    difficulty: int,
    only_asks: bool,
    rng: random.Random,
) -> Structure | Rejection:
    """A task's structure at a difficulty of 2 to 5. ``only_asks``: a general task is a question and nothing else, if
    the customer has one; a trajectory without a write gives one in any case."""
    wrote_nothing = isinstance(structure, Rejection) and structure.code == "no_write"
    try:
        level = LEVELS[difficulty]
        if intent == "general" and (wrote_nothing or only_asks):
            structure = only_a_question(domain, trajectory, rng) or structure
        is_combined = not isinstance(structure, Rejection) and structure.certificate.also
        if intent == "changing" and not is_combined:
            structure = changed_more(domain, trajectory, structure, level, rng)
        if not isinstance(structure, Rejection) and structure.question is None:
            several: dict[int, Described] = {}
            planned: sequences.Planned | None = None
            if intent == "general":
                structure, planned = with_sequence(domain, trajectory, structure, level, rng)
                structure, several = with_sets(domain, trajectory, structure, level, rng)
            describe_goals(domain, trajectory, structure, several, level, rng, planned)
    except TaskRejected as rejected:
        return rejected.rejection
    except NoMeaning as none:
        # What was described of the world as it was first is none any more once the other requests are carried out.
        return Rejection("meaning_differs", str(none))
    return structure


def with_sets(
    domain: Domain, trajectory: Trajectory, structure: Structure, level: Level, rng: random.Random
) -> tuple[Structure, dict[int, Described]]:
    """The task with some errands wanted for more: for all parts of a record, or for several records. Other errands that
    are about one of those are not wanted besides. And what the errands for several records are, by goal."""
    errands = [goal.call for goal in structure.goals]
    kept, found = _widened(domain, trajectory.customer, errands, level, rng)
    if not found and rng.random() < level.sets * _FIRST:
        # What could be wanted for several may be about records that other errands are about: then it comes first.
        for call in rng.sample(errands, len(errands)):
            others = [other for other in errands if other is not call]
            one = sets.drawn(domain, trajectory.customer, 0, call, (), others, set(), rng)
            if one is not None:
                kept, found = _widened(domain, trajectory.customer, _beside(others, one), level, rng, (call, one))
                break
    return (structure if kept == errands else general.make_of(domain, trajectory, kept, rng)), found


def _widened(
    domain: Domain,
    customer: str,
    errands: Sequence[Call],
    level: Level,
    rng: random.Random,
    first: tuple[Call, Described] | None = None,
) -> tuple[list[Call], dict[int, Described]]:
    """The errands that are left with some of them wanted for more, and what those for several records are, by number.
    ``first``: one for several, with what it is."""
    left, kept, done, found = list(errands), list[Call](), list[Call](), dict[int, Described]()
    if first is not None:
        kept, found, done = [first[0]], {0: first[1]}, list(first[1].calls)
    while left:
        call = left.pop(0)
        if rng.random() < level.preferences:
            call = preferences.offered_instead(domain, customer, world_before(domain, done), call, left, rng) or call
        call = what_works.paid_otherwise(domain, customer, call, done, left, rng) or call
        if rng.random() < level.sets:
            call = sets.widened(domain, customer, call, done, left, rng) or call
            spoken_of = {canonical_json(value) for other in done for value in other.arguments.values()}
            one = sets.drawn(domain, customer, len(kept), call, done, left, spoken_of, rng)
            if one is not None:
                found[len(kept)] = one
                left = _beside(left, one)
        done += found[len(kept)].calls if len(kept) in found else [call]
        kept.append(call)
    return kept, found


def _beside(errands: Sequence[Call], several: Described) -> list[Call]:
    """The errands that are about none of several records."""
    slot = next(iter(several.words))
    return sets.beside(errands, {canonical_json(call.arguments[slot]) for call in several.calls})


def describe_goals(
    domain: Domain,
    trajectory: Trajectory,
    structure: Structure,
    several: Mapping[int, Described],
    level: Level,
    rng: random.Random,
    planned: sequences.Planned | None = None,
) -> None:
    """Describes some arguments of the goals, and wants some only on a condition, in place: their words, their meaning,
    the look-ups that they take, and what is then done. ``several``: the goals of a general task that are for several
    records; in other tasks, such goals are found here.

    What is withheld or changed is named as before, and so is what another goal names. Sets and conditions are for goals
    that do not make the intent.
    """
    customer, is_general = trajectory.customer, structure.certificate.intent == "general"
    errands, several = _errands_by_goal(structure), dict(several)
    refused, change = structure.grader.refused_goal, structure.change
    wanted = {goal: several[goal].calls if goal in several else [call] for goal, call in errands.items()}
    befores: dict[int, list[Call]] = {}
    found: dict[int, Described] = dict(several)
    conditions: dict[int, Condition] = {}
    choices: dict[int, SecondChoice] = {}
    chosen: dict[int, alternatives.Alternative] = {}
    last = _appended(domain, customer, structure, errands, wanted, planned)
    sequence = (last, planned) if last is not None and planned is not None else None
    done: list[Call] = []
    unsaid = _kept_back(domain, customer, structure, errands)
    if sequence is not None and sequence[1].described is not None:
        call, world = sequence[1].calls[-1], domain.world()
        for slot in sequence[1].described.words:
            unsaid += domain.describe(world, call, slot, customer).says
    for goal, call in errands.items():
        if sequence is not None and goal == sequence[0]:
            if sequence[1].described is not None:
                found[goal] = sequence[1].described
            done += wanted[goal]
            continue
        kept = structure.goals[goal].withheld
        kept_back = unsaid
        if change is not None and goal == change.goal:
            kept = _changed_slots(structure.stages)
            # "The lamp in my order with the lamp" would be what they say first.
            kept_back = [*unsaid, *_said_in(domain, customer, structure.stages)]
        later, befores[goal] = [other for n, calls in wanted.items() if n > goal for other in calls], list(done)
        if not is_general and _is_free(structure, goal) and rng.random() < level.sets:
            # Nothing else is given up for a set: it is of records that no other goal is about.
            spoken_of = {value for number, value in _named(structure, {}) if number != goal}
            one = sets.drawn(domain, customer, goal, call, done, later, spoken_of, rng)
            if one is not None:
                several[goal] = found[goal] = one
                wanted[goal] = one.calls
        if goal not in several and _is_free(structure, goal) and rng.random() < level.alternatives:
            spoken_of = _spoken_of(errands, chosen, wanted, goal)
            one_of_two = alternatives.drawn(
                domain, customer, goal, call, done, later, spoken_of, unsaid, level.described, rng
            )
            if one_of_two is not None:
                chosen[goal], wanted[goal] = one_of_two, [one_of_two.best]
                structure.goals[goal].call = errands[goal] = one_of_two.calls[0]
                structure.goals[goal].rather = one_of_two.calls[1]
                done += wanted[goal]
                continue
        if _is_free(structure, goal) and goal not in several and rng.random() < level.fallbacks:
            has_sets_after = any(number > goal for number in several)  # which are of records as they are then
            choice = second_choices.drawn(domain, customer, goal, call, done, later, has_sets_after, rng)
            if choice is not None:
                choices[goal], call = choice, choice.done
                kept = choice.differing()
                _give_choice(structure.goals[goal], choice)
                wanted[goal] = [call]
        for _ in range(_MOST_DESCRIBED if goal not in several else 0):
            one = denote.described(
                domain, customer, goal, call, done, kept, kept_back, level.described, rng, level.preferences
            )
            if one is None:
                break
            if goal in choices:
                # What works is left open only where the errand itself is not.
                fits = not one.chooses and not _names(choices[goal].left, call, one)
                fits = fits and choices[goal].allows(domain, customer, one, done)
            else:
                # What works follows from all the rest, so all of that has to be said from the start.
                fits = not (kept and one.chooses)
            if fits:
                found[goal] = one
                break
        has_limit = goal in found and sets_limit(found[goal].request)
        is_open = _is_free(structure, goal) and goal not in (several | choices) and not has_limit
        if is_open and rng.random() < level.conditions:
            condition = _condition(domain, customer, structure, goal, call, done, later, rng)
            if condition is not None:
                conditions[goal] = condition
                # Who goes by how a record stands wants nothing where it stands otherwise.
                if rng.random() < level.otherwise and not condition.kind:
                    other = _otherwise(domain, customer, call, condition, done, later, rng)
                    if (
                        other is not None
                        and goal in found
                        and (found[goal].chooses or _names(other, call, found[goal]))
                    ):
                        other = None
                    structure.goals[goal].otherwise = other
                    if other is not None and not condition.holds:
                        wanted[goal] = [other]
        if goal != refused and (goal not in conditions or conditions[goal].holds or structure.goals[goal].otherwise):
            done += wanted[goal]
    carried = errands | {goal: choice.done for goal, choice in choices.items()}
    fixed = set(several) | ({sequence[0]} if sequence is not None else set())
    # What is named after all may be described elsewhere.
    while clashes := _clashes(structure, found, carried, chosen):
        for goal, slots in clashes.items():
            if goal in chosen:
                raise TaskRejected("named", "another request names one of two things")
            if goal in fixed:
                raise TaskRejected("named", "another request names one of several records")
            rest = denote.less(domain, customer, found.pop(goal), carried[goal], slots, befores[goal])
            if rest is not None:
                found[goal] = rest
    if found or conditions or choices or chosen or sequence is not None:
        _put_in(domain, trajectory, structure, errands, wanted, found, conditions, choices, chosen, sequence)
    if rng.random() < level.questions:
        ask_at_the_end(domain, customer, structure, done, rng, unsaid)


def with_sequence(
    domain: Domain, trajectory: Trajectory, structure: Structure, level: Level, rng: random.Random
) -> tuple[Structure, sequences.Planned | None]:
    """The task with room for a last goal that takes something else first, and that goal, if the customer has one:
    without the errands that are about the same things, and without the last where there are many."""
    if rng.random() >= level.sequences:
        return structure, None
    planned = sequences.drawn(domain, trajectory.customer, level.described, rng)
    if planned is None:
        return structure, None
    about = {canonical_json(next(iter(call.arguments.values()))) for call in planned.calls}
    errands = [goal.call for goal in structure.goals]
    kept = sets.beside(errands, about)[: max(level.errands) - 1]
    return (structure if kept == errands else general.make_of(domain, trajectory, kept, rng)), planned


def _appended(
    domain: Domain,
    customer: str,
    structure: Structure,
    errands: dict[int, Call],
    wanted: dict[int, list[Call]],
    planned: sequences.Planned | None,
) -> int | None:
    """Adds a goal that takes something else first as the last one, in place; its number, ``None`` where the others
    leave it no longer as it was."""
    before = [call for calls in wanted.values() for call in calls]
    if planned is None or not sequences.holds_after(domain, customer, planned, before):
        return None
    goal = len(structure.goals)
    structure.goals.append(PlannedGoal(planned.calls[-1], first=(planned.own, planned.words)))
    errands[goal], wanted[goal] = planned.calls[-1], planned.calls
    return goal


def _spoken_of(
    errands: Mapping[int, Call],
    chosen: Mapping[int, alternatives.Alternative],
    wanted: Mapping[int, Sequence[Call]],
    goal: int,
) -> set[bytes]:
    """What the requests beside a goal are about, as canonical JSON."""
    calls = [call for number, call in errands.items() if number != goal]
    calls += [call for number, several in wanted.items() if number != goal for call in several]
    calls += [call for number, choice in chosen.items() if number != goal for call in choice.calls]
    return {named for call in calls for value in call.arguments.values() for named in _values(value)}


def _is_free(structure: Structure, goal: int) -> bool:
    """Whether a goal does not make an intent of the task, and comes after those that do, where what is done before that
    counts: before what is refused, it does not."""
    refused = structure.grader.refused_goal
    return goal != refused and all(
        focal is None or focal == refused or goal > focal for focal in structure.certificate.parts.values()
    )


def _kept_back(domain: Domain, customer: str, structure: Structure, errands: Mapping[int, Call]) -> list[str]:
    """What no description may give away: what is withheld."""
    world = domain.world()
    return [
        say
        for number, goal in enumerate(structure.goals)
        for slot in goal.withheld
        for say in domain.describe(world, errands[number], slot, customer).says
    ]


def _said_in(domain: Domain, customer: str, calls: Sequence[Call]) -> list[str]:
    """What customers say of all arguments of these calls."""
    world = domain.world()
    return [
        say for call in calls for slot in call.arguments for say in domain.describe(world, call, slot, customer).says
    ]


def _errands_by_goal(structure: Structure) -> dict[int, Call]:
    """What each goal is about: what the gold carries out, and what is to be refused."""
    errands = {call.goal: Call(call.name, call.arguments) for call in errands_in(structure.grader)}
    refused = structure.grader.refused_goal
    if refused is not None:
        errands[refused] = structure.goals[refused].call
    return dict(sorted(errands.items()))


def _changed_slots(stages: Sequence[Call]) -> tuple[str, ...]:
    """The arguments of what is wanted in the end that the customer does not want from the start, and all along."""
    *given_up, last = stages
    return tuple(slot for slot in last.arguments if not all(_is_same(call, last, slot) for call in given_up))


def only_a_question(domain: Domain, trajectory: Trajectory, rng: random.Random) -> Structure | None:
    """A task that is a question about the customer's records and nothing else; ``None`` where there is none."""
    if not domain.language.questions:
        return None
    structure = Structure([], grader_of(domain, trajectory, []), Certificate(intent="general"))
    return structure if ask_at_the_end(domain, trajectory.customer, structure, [], rng) else None


def ask_at_the_end(
    domain: Domain,
    customer: str,
    structure: Structure,
    done: Sequence[Call],
    rng: random.Random,
    unsaid: Sequence[str] = (),
) -> bool:
    """Adds a question about the customer's records as the last goal; whether there was one to add. ``unsaid``: what it
    must not mention."""
    asked = questions.drawn(domain, customer, done, rng)
    if asked is None or any(mentions(asked.text, [say]) for say in unsaid):
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
    later: Sequence[Call],
    rng: random.Random,
) -> Condition | None:
    """A condition for a goal, on a figure that can be known before anything is changed; ``None``: there is none."""
    gold = next((one for one in structure.grader.gold if one.goal == goal and one.name == call.name), None)
    result = fields_of(gold.result) if gold is not None else {}
    world = world_before(domain, before)
    condition = drawn(domain, world, look_at(domain, world, customer), call, result, rng)
    if condition is None:
        return None
    looks = [c for c in structure.grader.gold if c.goal <= goal and c.kind == READ.value]
    is_known = condition.kind or domain.calculation(world, call, customer)
    if not (is_known or any(_shows(look_up, condition.figure) for look_up in looks)):
        return None
    if not condition.holds:
        return condition if all_valid(domain, world, later, customer) is not None else None
    return condition


def _shows(look_up: GoldCall, figure: float) -> bool:
    """Whether the result of a look-up holds a number."""
    return any(value == figure and not isinstance(value, bool) for value in values_in(look_up.result))


def _put_in(
    domain: Domain,
    trajectory: Trajectory,
    structure: Structure,
    errands: Mapping[int, Call],
    wanted: Mapping[int, Sequence[Call]],
    found: Mapping[int, Described],
    conditions: Mapping[int, Condition],
    choices: Mapping[int, SecondChoice],
    chosen: Mapping[int, alternatives.Alternative],
    sequence: tuple[int, sequences.Planned] | None,
) -> None:
    """Puts what was found into the structure. ``errands``: what goals were about; ``wanted``: what is done for them."""
    grader = structure.grader
    requests: dict[str, Any] = {}
    if chosen or any(wanted[goal] != [call] for goal, call in errands.items()):
        in_turn = [(goal, call) for goal, calls in wanted.items() for call in calls]
        refused = grader.refused_goal
        record = next((Call(one.name, one.arguments) for one in records_in(grader.gold) if one.goal == refused), None)
        grader.gold = assemble_gold(domain, trajectory, in_turn, refused, record)
        grader.errands = workflows_in(domain, [(goal, call) for goal, call in in_turn if goal != refused])
        play(domain, grader.gold)
    done: list[Call] = []
    for goal, call in errands.items():
        before, planned = list(done), structure.goals[goal]
        is_done = goal not in conditions or conditions[goal].holds or planned.otherwise is not None
        if goal != grader.refused_goal and is_done:
            done += wanted[goal]
        if goal in chosen:
            _put_choice(domain, trajectory, structure, goal, chosen[goal], before)
            requests[str(goal)] = lang.stored(chosen[goal].request)
            continue
        if sequence is not None and goal == sequence[0]:
            world = world_before(domain, before)  # in which there may be more records than at first: a new booking
            meaning = meaning_of(domain, world, trajectory.customer, sequence[1].request)
            needed = [*sequence[1].look_ups, *meaning.look_ups, *look_ups_for(domain, trajectory, world, call)]
            grader.gold = with_look_ups(grader.gold, goal, _once(needed))
            planned.described = found[goal].words if goal in found else {}
            requests[str(goal)] = lang.stored(sequence[1].request)
            continue
        if goal not in found and goal not in conditions and goal not in choices:
            continue
        call = choices[goal].done if goal in choices else call
        request: lang.Node = lang.as_given(call.name, call.arguments)
        if goal in found:
            request = found[goal].request
            planned.described = found[goal].words
            for change in structure.changes:
                if change.goal == goal:
                    change.described = found[goal].words
            if isinstance(request, lang.Each):
                planned.tells = []  # there is a figure for each of them
            grader.gold = with_look_ups(grader.gold, goal, found[goal].look_ups)
        if goal in choices and isinstance(request, lang.Do):
            request = choices[goal].meant(request, planned.described)
            planned.otherwise_described, planned.tells = planned.described, []
            meaning = meaning_of(domain, world_before(domain, before), trajectory.customer, request)
            grader.gold = with_look_ups(grader.gold, goal, [*choices[goal].looks, *meaning.look_ups])
        if goal in conditions and isinstance(request, lang.Do):
            condition = conditions[goal]
            request = conditional(domain, request, condition, _second(planned, request))
            planned.condition, planned.tells = (
                condition.words,
                [(condition.tell, condition.tell.shown(condition.figure))],
            )
            meaning = meaning_of(domain, world_before(domain, before), trajectory.customer, request)
            grader.gold = with_look_ups(grader.gold, goal, meaning.look_ups)
            if not is_done:
                is_read = (one.kind == READ.value and one.requestor is None for one in grader.gold)
                grader.gold = [one for one, read in zip(grader.gold, is_read, strict=True) if read or one.goal != goal]
                grader.errands = [errand for errand in grader.errands or () if errand.goal != goal] or None
        requests[str(goal)] = lang.stored(request)
    grader.requests = requests
    grader.communicate = [value for goal in structure.goals for _, value in goal.tells]
    grader.basis = [part for part in grader.basis if part != "communicate"] + ["communicate"] * bool(grader.communicate)
    world = play(domain, grader.gold)
    grader.final, grader.allowed_diff = world.digest, changes_of(world)
    if structure.change is not None:
        number = structure.change.goal
        before = [
            call for goal, calls in wanted.items() if goal < number and goal != grader.refused_goal for call in calls
        ]
        kept = patterns_of(grader.forbidden, structure.certificate.forbidden_call)
        grader.forbidden = [*changing.all_forbidden(domain, before, structure.stages[:-1], grader.gold), *kept]


def _put_choice(
    domain: Domain,
    trajectory: Trajectory,
    structure: Structure,
    goal: int,
    choice: alternatives.Alternative,
    before: Sequence[Call],
) -> None:
    """Puts the words of a choice and all that has to be looked up for both errands into the structure."""
    planned, world = structure.goals[goal], world_before(domain, before)
    planned.described, planned.rather_described = choice.described
    planned.whichever = choice.words
    planned.tells = [(choice.tell, choice.tell.shown(choice.figure))]
    needed = [
        *choice.look_ups,
        *(one for call in choice.calls for one in look_ups_for(domain, trajectory, world, call)),
    ]
    structure.grader.gold = with_look_ups(structure.grader.gold, goal, _once(needed))


def _once(calls: Sequence[Call]) -> list[Call]:
    """The calls, each once."""
    return [call for place, call in enumerate(calls) if call not in calls[:place]]


def _otherwise(
    domain: Domain,
    customer: str,
    call: Call,
    condition: Condition,
    before: Sequence[Call],
    later: Sequence[Call],
    rng: random.Random,
) -> Call | None:
    """What a customer may want in place of an errand, if its condition does not hold: another errand, or the same with
    a figure that meets the condition; ``None``: nothing was found."""
    if call.name in domain.workflows:
        return None
    world = world_before(domain, before)
    first = all_valid(domain, world, [call], customer)
    words = domain.language.tool(domain.tools.get(call.name) or call.name)
    for other in changing.alternatives(domain, customer, [*before, call], len(before), rng):
        if other.name != call.name and other.name not in words.otherwise:
            continue
        if not (domain.plausible_otherwise(world, call, other) and domain.makes_sense(world, other, customer)):
            continue
        after = all_valid(domain, world, [other], customer)
        is_else = after is not None and first is not None and after.digest != first.digest
        differing = {slot for slot in other.arguments if other.arguments[slot] != call.arguments.get(slot)}
        if other.name == call.name and not (
            differing <= set(words.second_choice) and _meets(domain, world, customer, other, condition)
        ):
            continue
        if other.name not in domain.workflows and is_else and all_valid(domain, world, [other, *later], customer):
            return other
    return None


def _meets(domain: Domain, world: World, customer: str, call: Call, condition: Condition) -> bool:
    """Whether the result of an errand has another figure, which meets a condition on such results."""
    if condition.kind:
        return False
    outcome = lang.Outcome(of=lang.as_given(call.name, call.arguments), field=condition.tell.field)
    try:
        figure = value_of(domain, world, customer, outcome, look_at(domain, world, customer))
    except NoMeaning:
        return False
    is_met = figure < condition.limit if condition.relation == "less" else figure > condition.limit
    return bool(is_met and figure != condition.figure)


def _give_choice(planned: PlannedGoal, choice: SecondChoice) -> None:
    """Makes a goal one with a second choice."""
    planned.call, planned.otherwise, planned.falls_back = choice.first, choice.second, True


def _second(planned: PlannedGoal, request: lang.Do) -> lang.Do | None:
    """What is wanted otherwise, with the same described that is described in what is wanted first."""
    call = planned.otherwise
    if call is None:
        return None
    same = [slot for slot in planned.described if _is_same(planned.call, call, slot)]
    planned.otherwise_described = {slot: planned.described[slot] for slot in same}
    second = lang.as_given(call.name, call.arguments)
    return second.model_copy(update={"arguments": second.arguments | {slot: request.arguments[slot] for slot in same}})


def _names(other: Call, call: Call, described: Described) -> bool:
    """Whether another errand names what is described in the arguments of a call, where it is not the same argument."""
    own = {value for slot in described.words for value in _values(call.arguments[slot])}
    same = {slot for slot in described.words if _is_same(call, other, slot)}
    return any(own.intersection(_values(value)) for slot, value in other.arguments.items() if slot not in same)


def _is_same(first: Call, second: Call, slot: str) -> bool:
    """Whether an argument of two errands is said in the same words. Parts of a record that are exchanged go with what
    they are exchanged for; those that are returned do not."""
    value = second.arguments.get(slot)
    return bool(first.arguments.get(slot) == value and (first.name == second.name or not isinstance(value, list)))


def _values(argument: Any) -> list[bytes]:
    """What an argument names, as canonical JSON: a value, or each of a list."""
    return [canonical_json(value) for value in (argument if isinstance(argument, list) else [argument])]


def _named(
    structure: Structure,
    found: Mapping[int, Described],
    chosen: Mapping[int, alternatives.Alternative] = MappingProxyType({}),
) -> list[tuple[int, bytes]]:
    """What the customer names by its value, as canonical JSON, with the goal that it is said for."""
    own = [
        (number, named)
        for number, choice in chosen.items()
        for call, words in zip(choice.calls, choice.described, strict=True)
        for slot, value in call.arguments.items()
        for named in _values(value)
        if slot not in words
    ]
    return own + _named_elsewhere(structure, found, set(chosen))


def _named_elsewhere(
    structure: Structure, found: Mapping[int, Described], chosen: Collection[int]
) -> list[tuple[int, bytes]]:
    """The same of the goals that are no choice."""
    said: list[tuple[int, Call, Call]] = [(n, goal.call, goal.call) for n, goal in enumerate(structure.goals)]
    said += [(n, goal.call, goal.otherwise) for n, goal in enumerate(structure.goals) if goal.otherwise is not None]
    said += [(change.goal, structure.goals[change.goal].call, change.call) for change in structure.changes]
    return [
        (number, named)
        for number, first, call in said
        if number not in chosen
        for slot, value in call.arguments.items()
        for named in _values(value)
        if number not in found or slot not in found[number].words or first.arguments.get(slot) != value
    ]


def _clashes(
    structure: Structure,
    found: Mapping[int, Described],
    carried: Mapping[int, Call],
    chosen: Mapping[int, alternatives.Alternative],
) -> dict[int, set[str]]:
    """By goal, the arguments that are described in it and that another goal names; or whose words stand within what
    another goal describes ("my latest bill", and "the payment method I used for my latest bill"): who hears one request
    would take it for a part of the other."""
    named, clashes = _named(structure, found, chosen), dict[int, set[str]]()
    for goal, one in found.items():
        others = [text for number, other in found.items() if number != goal for text in other.words.values()]
        for slot, text in one.words.items():
            if any(text != other and mentions(other, [text]) for other in others):
                clashes.setdefault(goal, set()).add(slot)
    said = [(goal, carried[goal], one.words) for goal, one in found.items()]
    said += [(n, *both) for n, pick in chosen.items() for both in zip(pick.calls, pick.described, strict=True)]
    for goal, call, words in said:
        elsewhere = {value for other, value in named if other != goal}
        if slots := {slot for slot in words if not elsewhere.isdisjoint(_values(call.arguments[slot]))}:
            clashes.setdefault(goal, set()).update(slots)
    return clashes


def with_look_ups(gold: Sequence[GoldCall], goal: int, needed: Sequence[Call]) -> list[GoldCall]:
    """The gold with these look-ups before the first call of the goal, none of them twice."""
    first = next((place for place, call in enumerate(gold) if call.goal >= goal), len(gold))
    made = [Call(call.name, call.arguments) for call in gold[:first]]
    added = [
        GoldCall(name=call.name, kind=Kind.READ.value, arguments=call.arguments, goal=goal)
        for call in needed
        if call not in made
    ]
    rest = [call for call in gold[first:] if call.goal != goal or Call(call.name, call.arguments) not in needed]
    return [*gold[:first], *added, *rest]
