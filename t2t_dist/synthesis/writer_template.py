"""The writer without a model: puts a task's structure into words with the domain's phrasings, seeded.

A writer only words what an intent has decided. :func:`skeleton` is that decision as a customer's side in plain words,
which are final with the template writer; a model's words replace them and have to carry the same facts.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from t2t_dist.core.schema import Change, Fact, Goal, Mistake, Otherwise, Second, UserSide
from t2t_dist.environments.base import Domain, joined
from t2t_dist.environments.state import World
from t2t_dist.environments.tidy import clash, tidy, within
from t2t_dist.environments.tools import Call

from .asking import asked, mistyped, way
from .intents.changing import FIRST_REPLY
from .intents.facts import described_in, facts_of, identity_facts, said
from .intents.parts import ADDED, TAKEN_BACK, part_between
from .intents.structure import PlannedChange, PlannedGoal, Structure
from .part_words import part_request
from .pushing import mistakes
from .wording_check import check_words

#: Personas of customers. The first word is the style that scripted speech follows.
PERSONAS = (
    "brief: you write in few words and get to the point.",
    "friendly: you are warm and polite, and thank people.",
    "chatty: you like to tell a little about your day along the way.",
    "formal: you write in full, courteous sentences.",
    "impatient: you are in a hurry and want this settled soon.",
)

#: How often customers say why they set a limit, or let a figure decide.
_WHY = 0.8
#: What does not follow a clause with "if" well: "If that's not possible, if that's okay, ...".
_OF_CHANCE = re.compile(
    r"\b(?:if|possible|chance|wondering|here's|turns out|see)\b|[.?!] |^(?:because|since|as|for|in)\b", re.I
)
#: What begins a talk, and not the second of two things that are named in one breath.
_OPENS = re.compile(r"^I(?:'ve been| (?:just )?thought)\b|: ")
#: How often words are drawn until they carry the facts and read well.
_DRAWS = 6


def skeleton(domain: Domain, structure: Structure, customer: str, rng: random.Random, typos: float = 0.0) -> UserSide:
    """The customer's side of a task, in template words. ``typos``: share of the words of requests that are mistyped."""
    for _ in range(_DRAWS):
        user = _drawn(domain, structure, customer, rng, typos)
        composed = [goal.request for goal in user.goals] + [change.request for change in user.changes]
        if check_words(user) is None and not any(map(clash, composed)):
            break
    return user


def _drawn(domain: Domain, structure: Structure, customer: str, rng: random.Random, typos: float) -> UserSide:
    world = domain.world()
    profile = domain.profile(world, customer)
    entry = structure.grader.gold[0]
    persona = rng.choice(PERSONAS)
    style = persona.partition(":")[0]
    identity = identity_facts(domain, world, customer, Call(entry.name, entry.arguments), rng)
    goals = []
    for planned in structure.goals:
        facts = facts_of(domain, world, planned.call, customer, planned.withheld, rng, planned.described)
        questions = [rng.choice(tell.ask) for tell, _ in planned.tells]
        rough = {slot: domain.describe(world, planned.call, slot, customer).rough for slot in planned.withheld}
        condition = planned.condition
        # Who has a reason that is good enough makes no condition.
        again = condition is not None or planned.falls_back or planned.rather is not None
        is_open = condition is not None or planned.rather is not None
        request = asked(
            domain.language, planned.call.name, facts, style, rng, again=again, is_open=is_open, rough=rough
        )
        request = mistyped(request, facts, typos, rng)
        otherwise = _otherwise(domain, world, planned, facts, customer, style, rng)
        instead = within(otherwise.request) if otherwise is not None else ""
        if otherwise is not None and otherwise.clause is not None:
            request = f"{request} {way('fall_back', style, rng).format(clause=otherwise.clause, request=instead)}"
        elif condition is not None and otherwise is not None:
            request = f"{request} {way('or_else', style, rng).format(condition=condition, request=instead)}"
        elif condition is not None:
            clause = way("only_if", style, rng).format(condition=condition)
            whys = [why for tell, _ in planned.tells for why in tell.limit_why if "otherwise" not in clause]
            request = " ".join((request, clause, *_sometimes(whys, rng)))
        goal = Goal(request=request, facts=facts, questions=questions, condition=condition, otherwise=otherwise)
        goals.append(_with_another(domain, world, planned, goal, customer, style, rng))
    if structure.question is not None:
        goals.append(Goal(request=structure.question.text, asks=True))
    changes = [
        _change(domain, world, before, planned, described_in(goals[planned.goal].facts), customer, style, typos, rng)
        for before, planned in zip(structure.stages, structure.changes, strict=False)
    ]
    mistake = mistakes.worded(domain, *structure.mistake, rng) if structure.mistake is not None else None
    return UserSide(
        name=profile.name,
        persona=persona,
        reason_for_call=" ".join(goal.request for goal in goals),
        known_info=_known(profile.name, identity, goals),
        unknown_info=_unknown(domain, identity),
        task_instructions=_instructions(goals, changes, structure, mistake, bool(domain.user_tools)),
        identity=identity,
        goals=goals,
        change=changes[0] if changes else None,
        second_change=changes[1] if len(changes) > 1 else None,
        patience=structure.patience,
        pleads=structure.pleads,
        at_hand=domain.at_hand(world, customer) or None,
        claim=structure.claim,
        mistake=mistake,
        miscount=structure.miscount,
    )


def _otherwise(
    domain: Domain,
    world: World,
    planned: PlannedGoal,
    first: Sequence[Fact],
    customer: str,
    style: str,
    rng: random.Random,
) -> Otherwise | None:
    """What the customer wants if the condition of a goal does not hold, or if it is not possible, in a sentence of its
    own. ``first``: what they say of what they want first."""
    call = planned.otherwise
    if call is None:
        return None
    facts = facts_of(domain, world, call, customer, (), rng, planned.otherwise_described)
    different = [fact for fact in facts if all(fact.says != other.says for other in first)]
    if planned.falls_back and call.name == planned.call.name and len(different) == 1:
        request = tidy(way("second", style, rng).format(value=different[0].text))
    else:
        said = described_in(first)
        for _ in range(2 * _DRAWS):
            request = asked(domain.language, call.name, facts, style, rng, again=True, is_open=True, said=said)
            if not (_OPENS.search(request) or _OF_CHANCE.search(request)):
                break
        if whys := domain.language.tool(planned.call.name).otherwise_why.get(call.name):
            request = f"{request} {rng.choice(whys)}"
    clause = way("impossible", style, rng) if planned.falls_back else None
    return Otherwise(request=request, facts=facts, clause=clause)


def _sometimes(whys: Sequence[str], rng: random.Random) -> list[str]:
    """Mostly one of these sentences, if there are any."""
    return [rng.choice(whys)] if whys and rng.random() < _WHY else []


def _change(
    domain: Domain,
    world: World,
    first: Call,
    planned: PlannedChange,
    spoken_of: Sequence[str],
    customer: str,
    style: str,
    typos: float,
    rng: random.Random,
) -> Change:
    """A change of mind in words, of who wanted ``first`` before; ``spoken_of``: what they described for that."""
    facts = facts_of(domain, world, planned.call, customer, (), rng, planned.described)
    request = _changed(domain, world, first, planned, facts, spoken_of, customer, style, rng)
    request = mistyped(request, facts, typos, rng)
    slip = planned.part is None and _is_slip(domain, first, planned.call)
    return Change(
        goal=planned.goal, trigger=planned.trigger, request=request, facts=facts, slip=slip, part=planned.part
    )


def _with_another(
    domain: Domain, world: World, planned: PlannedGoal, goal: Goal, customer: str, style: str, rng: random.Random
) -> Goal:
    """The goal with what may be done before it, or with the other errand of two, said in its request."""
    if planned.first is not None:
        own, text = planned.first
        goal.first = Second(request=text, facts=facts_of(domain, world, own, customer, (), rng))
        goal.request = f"{goal.request} {text}"
    if planned.rather is not None and planned.whichever is not None:
        facts = facts_of(domain, world, planned.rather, customer, (), rng, planned.rather_described)
        different = [fact for fact in facts if all(fact.says != other.says for other in goal.facts)]
        said, part = described_in(goal.facts), "one_of_two"
        if planned.rather.name == planned.call.name and len(different) == 1 and not different[0].described:
            part, text = "or_instead", f"{different[0].text} instead"
        for _ in range(2 * _DRAWS if part == "one_of_two" else 0):
            text = asked(domain.language, planned.rather.name, facts, style, rng, again=True, is_open=True, said=said)
            if not _OPENS.search(text):
                break
        goal.rather, goal.whichever = Second(request=text, facts=facts), planned.whichever
        clause = way(part, style, rng).format(request=text, which=planned.whichever)
        is_of_two = not _is_about_same(planned.call, planned.rather)
        whys = [why for tell, _ in planned.tells for why in tell.choice_why if is_of_two]
        goal.request = " ".join((goal.request, clause, *_sometimes(whys, rng)))
    return goal


def _is_about_same(first: Call, second: Call) -> bool:
    """Whether two errands are about one thing, which their first argument names."""
    return next(iter(first.arguments.values()), None) == next(iter(second.arguments.values()), None)


def _changed(
    domain: Domain,
    world: World,
    first: Call,
    change: PlannedChange,
    facts: Sequence[Fact],
    spoken_of: Sequence[str],
    customer: str,
    style: str,
    rng: random.Random,
) -> str:
    """What the customer says instead: only the difference, if the errand stays the same."""
    second = change.call
    part = part_between(domain, first, second) if change.part else None
    if part is not None:
        return part_request(domain, world, part, second, customer, style, rng)
    why = domain.instead.get(first.name, {}).get(second.name, "")
    if first.name == second.name:
        different = [
            fact
            for fact in facts
            if said(domain, world, first, fact.slot, customer) != said(domain, world, second, fact.slot, customer)
        ]
        if len(different) == 1:
            only = "meant" if _is_slip(domain, first, second) else "instead"
            said_so = way(only, style, rng).format(value=different[0].text)
            # Beside another answer it would not be clear what is spoken of.
            beside = change.trigger == FIRST_REPLY
            return tidy(f"{_about(different[0])} {said_so}" if beside else said_so)
    request = asked(domain.language, second.name, facts, style, rng, again=True, said=spoken_of)
    if first.name == second.name:
        return f"{why} {request}" if _is_slip(domain, first, second) else request
    # Beside an answer they have said already that they want something else.
    gone = way("no_longer", style, rng) if change.trigger != FIRST_REPLY else ""
    return " ".join(filter(None, (gone, why, request)))


def _about(fact: Fact) -> str:
    return f"It's about {'' if fact.label.startswith('which') else 'the '}{fact.label}."


def _is_slip(domain: Domain, first: Call, second: Call) -> bool:
    return first.name == second.name and first.name in domain.slips


def _known(name: str, identity: Sequence[Fact], goals: Sequence[Goal]) -> str:
    lines = [f"You are {name}."]
    lines += [f"Your {fact.label} is {fact.text}." for fact in identity]
    for goal in goals:
        details = [f"{fact.label}: {fact.text}" for fact in goal.facts if fact.says]
        if details:
            lines.append(f"About your request ({'; '.join(details)}).")
    return " ".join(lines)


def _unknown(domain: Domain, identity: Sequence[Fact]) -> str:
    stated = {fact.slot for fact in identity}
    missing = [words.label for kind, words in domain.language.identity.items() if kind not in stated]
    lost = f" You do not remember the {joined(missing)} of your account." if missing else ""
    return f"You do not know any internal ids other than those under what you know.{lost}"


def _instructions(
    goals: Sequence[Goal], changes: Sequence[Change], structure: Structure, mistake: Mistake | None, has_devices: bool
) -> str:
    lines = []
    if mistake is not None:
        lines.append(
            f'When you are first asked who you are, you get it wrong: "{mistake.answer}" As soon as you are not found '
            "that way, or asked again, you say what is right."
        )
    withheld = [fact for goal in goals for fact in goal.facts if not fact.stated]
    if withheld:
        labels = joined([fact.label for fact in withheld])
        lines.append(f"Do not mention the {labels} of your own accord; say it as soon as you are asked for it.")
    if len(goals) > 1:
        lines.append("Bring up your requests one after the other, the next when the one before is settled.")
    questions = [question for goal in goals for question in goal.questions]
    if questions:
        lines.append(f"You also want to know: {' '.join(questions)}")
    lines += [_changing(change, place > 0, has_devices) for place, change in enumerate(changes)]
    if (claim := structure.claim) is not None:
        when = "along with your request" if claim.at_once else "when it is refused"
        lines.append(f'You claim, {when}: "{claim.text}" You keep to that for as long as you insist.')
    if (miscount := structure.miscount) is not None:
        lines.append(
            f"You think that there are {miscount.said} of what you speak of in request {miscount.goal + 1}. As soon as "
            f'you hear that there are more or fewer, you say: "{miscount.answer}"'
        )
    patience = structure.patience
    insist = {0: "", 1: "insist once, then "}.get(patience, f"insist {patience} times, then ")
    if patience and not structure.pleads:
        insist = "ask once whether that is really so, then "
    second = any(goal.otherwise is not None and goal.otherwise.clause is not None for goal in goals)
    but = " but what you have said you want then" if second else ""
    lines.append(f"If something is refused, {insist}accept it. Take nothing else in its place{but}.")
    lines.append("If you are offered something else than what you asked for, decline it politely, whenever it comes.")
    return " ".join(lines)


def _changing(change: Change, is_second: bool, has_devices: bool) -> str:
    """What the customer is told to do at a change of mind."""
    on_device = ", or to do something on your own device for it" if has_devices else ""
    when = (
        f"When the agent asks you to confirm that{on_device}"
        if is_second
        else "As soon as the agent has answered your request for the first time"
        if change.trigger == FIRST_REPLY
        else f"When the agent asks you to confirm your request{on_device}"
    )
    if change.part == ADDED:
        return f'{when}, you want something added to it and say: "{change.request}" From then on you want both.'
    if change.part == TAKEN_BACK:
        return (
            f'{when}, you take a part of it back and say: "{change.request}" From then on you want only what is left.'
        )
    again = " once more" if is_second else ""
    return f'{when}, you change your mind{again} and say: "{change.request}" From then on you want only that.'
