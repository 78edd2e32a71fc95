"""The intent ``ambiguous``: slots that decide the call are withheld until the agent asks.

Certificate: at least two calls that the database allows satisfy the opening request and lead to different final
states; exactly one satisfies it after the clarification; what is withheld is in the customer's ``known_info``.
Beyond the paper, what the customer means is drawn evenly from the candidates: if one of them were likelier, by its
place or by its value, guessing would pay, and the tasks would not measure asking.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from t2t_dist.core.schema import Candidate, Certificate, Task, Trajectory
from t2t_dist.core.speech_acts import mentions
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import are_plausible
from t2t_dist.environments.tools import Call

from ..bindings import canonical_json
from ..grader_side import errands_in, records_in
from .candidates import candidates_for
from .gold import choose_tells, grader_of
from .rejection import TaskRejected
from .side_check import Sides
from .spec import Colours, IntentSpec
from .structure import PlannedGoal, Structure
from .trajectory_errands import errands_of

NAME: Final = "ambiguous"


def make(domain: Domain, trajectory: Trajectory, rng: random.Random) -> Structure:
    """Raises TaskRejected: no slot of any write can be withheld so that a question becomes necessary."""
    errands = errands_of(domain, trajectory)
    if not errands:
        raise TaskRejected("no_write")
    why = TaskRejected("no_ambiguity")
    for number in rng.sample(range(len(errands)), len(errands)):
        for withheld in rng.sample(options := withholdable(domain, errands[number]), len(options)):
            try:
                meant, candidates = left_open(domain, trajectory.customer, errands, number, withheld, rng)
                grader = grader_of(domain, trajectory, list(enumerate(meant)))
            except TaskRejected as refused:
                why = refused
                continue
            goals = [PlannedGoal(call, withheld if i == number else ()) for i, call in enumerate(meant)]
            # Nobody asks what it costs who has not said what it is.
            choose_tells(domain, grader, goals, rng, quiet={number})
            certificate = Certificate(intent=NAME, goal=number, withheld=list(withheld), candidates=candidates)
            return Structure(goals, grader, certificate)
    raise why


def left_open(
    domain: Domain,
    customer: str,
    errands: Sequence[Call],
    number: int,
    withheld: Sequence[str],
    rng: random.Random,
    records: Sequence[Call] = (),
    besides: Sequence[Call] = (),
) -> tuple[list[Call], list[Candidate]]:
    """The errands with what the customer means where they leave slots of one open, and all that they could mean.

    ``records``: what is put on record; ``besides``: what the customer asks for that is not done. Raises TaskRejected:
    that makes no question necessary.
    """
    meant = drawn(errands, number, candidates_for(domain, customer, errands, number, withheld, records), rng)
    candidates = candidates_for(domain, customer, meant, number, withheld, records)
    check_candidates(candidates, withheld)
    check_kept_back(domain, customer, meant, number, withheld, candidates, besides)
    if not are_plausible(domain, meant, customer):
        raise TaskRejected("implausible", "nobody would ask for this after what they asked for before")
    return meant, candidates


def drawn(errands: Sequence[Call], number: int, candidates: Sequence[Candidate], rng: random.Random) -> list[Call]:
    """The errands with one of the candidates in place of number ``number``: each outcome is as likely as the others."""
    if not candidates:
        raise TaskRejected("no_ambiguity", "no call satisfies the request")
    final = rng.choice(list(dict.fromkeys(candidate.final for candidate in candidates)))
    arguments = rng.choice([candidate.arguments for candidate in candidates if candidate.final == final])
    return [*errands[:number], Call(errands[number].name, arguments), *errands[number + 1 :]]


def check_kept_back(
    domain: Domain,
    customer: str,
    errands: Sequence[Call],
    number: int,
    withheld: Sequence[str],
    candidates: Sequence[Candidate],
    besides: Sequence[Call] = (),
) -> None:
    """Raises TaskRejected: another request names what one of the candidates is about, so that it is likelier, or less
    likely, than the others. ``besides``: what other requests are about that is not done."""
    world, name = domain.world(), errands[number].name
    told = " ".join(
        say
        for call in (*errands[:number], *errands[number + 1 :], *besides)
        for slot in call.arguments
        for say in domain.describe(world, call, slot, customer).says
    )
    for candidate in candidates:
        for slot in withheld:
            says = domain.describe(world, Call(name, candidate.arguments), slot, customer).says
            if says and mentions(told, says):
                raise TaskRejected("no_ambiguity", f"another request names what {slot} could be")


def withholdable(domain: Domain, call: Call) -> list[tuple[str, ...]]:
    """Sets of slots a customer may leave open: those named in the domain's language file, else each slot alone."""
    named = domain.language.tool(domain.tools.get(call.name) or call.name).withhold
    groups = [tuple(group) for group in named] or [(slot,) for slot in call.arguments]
    return [group for group in groups if all(slot in call.arguments for slot in group)]


def check_candidates(candidates: Sequence[Candidate], withheld: Sequence[str]) -> None:
    """Raises TaskRejected unless the opening leaves two outcomes and a choice in each slot; the clarification, one."""
    if len({candidate.final for candidate in candidates}) < 2:
        raise TaskRejected("no_ambiguity", "every call that satisfies the request leads to the same state")
    for slot in withheld:
        if len({canonical_json(candidate.arguments.get(slot)) for candidate in candidates}) < 2:
            raise TaskRejected("no_ambiguity", f"{slot} can only be one thing, so nobody would ask for it")
    clear = [candidate for candidate in candidates if candidate.after_clarification]
    if len(clear) != 1:
        raise TaskRejected("not_unique", f"{len(clear)} calls satisfy the request after the clarification")


def prove(domain: Domain, task: Task, goal: int | None, made: Certificate) -> Sides:
    """Raises TaskRejected with the first thing that does not hold."""
    stored = task.certificate
    if stored is None or goal is None or not 0 <= goal < len(task.user.goals):
        raise TaskRejected("no_certificate")
    wanted, records = errands_in(task.grader), [Call(one.name, one.arguments) for one in records_in(task.grader.gold)]
    errands = [Call(call.name, call.arguments) for call in wanted]
    place = next((place for place, call in enumerate(wanted) if call.goal == goal), None)
    if place is None:
        raise TaskRejected("no_certificate", "nothing is done for the request that is left open")
    if unknown := [slot for slot in stored.withheld if slot not in errands[place].arguments]:
        raise TaskRejected("not_withheld", f"{errands[place].name} takes no {unknown[0]}")
    candidates = candidates_for(domain, task.customer, errands, place, stored.withheld, records)
    check_candidates(candidates, stored.withheld)
    besides = [Call(one.name, one.arguments) for one in (stored.first_call, stored.forbidden_call) if one is not None]
    check_kept_back(domain, task.customer, errands, place, stored.withheld, candidates, besides)
    right = next(candidate for candidate in candidates if candidate.after_clarification)
    if right.final != task.grader.final:
        raise TaskRejected("not_gold", "what the clarification determines is not the gold")
    unstated = [(n, fact) for n, asked in enumerate(task.user.goals) for fact in asked.facts if not fact.stated]
    if sorted((n, fact.slot) for n, fact in unstated) != sorted((goal, slot) for slot in stored.withheld):
        raise TaskRejected("not_withheld", f"what the opening leaves out is not just {', '.join(stored.withheld)}")
    for _, fact in unstated:
        if not mentions(task.user.known_info, fact.says):
            raise TaskRejected("not_known", f"the customer's known_info does not hold '{fact.slot}'")
    made.withheld, made.candidates = stored.withheld, candidates
    return Sides(open_goal=goal)


INTENT = IntentSpec(
    name=NAME,
    summary="slots that decide the call are withheld until the agent asks",
    proof="without what the customer withholds, several calls would satisfy the request and end differently",
    make=make,
    prove=prove,
    writer_prompt="""\
The opening leaves something open on purpose. More than one action would fit it, with different results, and a good agent
has to ask before acting. So the facts marked TOLD WHEN ASKED must not be in, or follow from, "reason_for_call" and
"requests", not even by a hint. The customer does know them: they stand in "known_info", and "task_instructions" says that
the customer tells each one once the agent asks for it and not before. The opening must still sound natural, like somebody
who simply did not think of saying more.""",  # noqa: E501 - the line breaks are the prompt's
    judge_prompt="""\
The customer's opening is meant to fit more than one action; the agent has to ask. What is told only on asking must
settle which one is right.""",
    colours=Colours("#6d3fc0", "#f0e9fc", "#bd9cf5", "#2c2342"),
)
