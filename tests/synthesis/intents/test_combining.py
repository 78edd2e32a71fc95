"""Tasks of several intents: each part is proved in the presence of the others, listed, and graded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from t2t_dist.config.settings import VerifyConfig
from t2t_dist.core.schema import CallPattern, Certificate, Intent, Part, Task
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.registry import load
from t2t_dist.environments.rules import Handling
from t2t_dist.environments.tools import Call
from t2t_dist.grading.grade import grade
from t2t_dist.synthesis.grader_side import errands_in, records_in
from t2t_dist.synthesis.intents.gold_check import final_state
from t2t_dist.synthesis.intents.infeasible import stands
from t2t_dist.synthesis.verify import Verifier
from tests.support.library_domain import Library
from tests.support.made import Made, make, played, verdict

#: Combined tasks that each agent plays, in each domain.
MOST = 8


@pytest.fixture(scope="module", params=["retail", "airline", "telecom"])
def mixed(request: pytest.FixtureRequest) -> Made:
    return make(load(request.param), 24, difficulty=5)


def combined(made: Made, *intents: Intent) -> list[Task]:
    """The verified tasks that combine intents, these among them."""
    return [task for task in made.verified() if task.combination and set(intents) <= set(task.intents)]


def one(made: Made, *intents: Intent) -> Task:
    return combined(made, *intents)[0].model_copy(deep=True)


def certificate_of(task: Task) -> Certificate:
    assert task.certificate is not None
    return task.certificate


# -- what every task is ------------------------------------------------------------------------------------------------
def test_each_intent_is_of_another_request(mixed: Made) -> None:
    found = Counter(task.combination for task in combined(mixed))
    assert {"ambiguous + infeasible", "changing + infeasible", "ambiguous + changing + infeasible"} <= set(found)
    assert {task.intents[0] for task in combined(mixed)} == {"ambiguous", "changing", "infeasible"}
    for task in combined(mixed):
        parts = certificate_of(task).parts
        assert tuple(parts) == task.intents
        assert len(set(parts.values())) == len(parts)
        assert len(task.user.goals) <= 6  # five errands, and a question
        if "ambiguous" in parts:
            open_goal = task.user.goals[parts["ambiguous"] or 0]
            assert {fact.slot for fact in open_goal.facts if not fact.stated} == set(certificate_of(task).withheld)
        assert (task.user.change.goal if task.user.change else None) == parts.get("changing")
        assert task.grader.refused_goal == parts.get("infeasible")
        if task.grader.handling == Handling.TRANSFER:
            assert all(goal.asks for goal in task.user.goals[(task.grader.refused_goal or 0) + 1 :])


def test_plain_tasks_stay_the_larger_share_and_easy_ones_combine_nothing(shop: Made) -> None:
    assert not combined(shop)
    at_3 = make(load("retail"), 24, difficulty=3)
    special = [task for task in at_3.verified() if task.intent != "general"]
    assert 0 < len(combined(at_3)) < 0.4 * len(special)
    assert all(task.combination is None for task in at_3.verified("general"))


def test_what_proves_each_part_holds_beside_the_others(mixed: Made) -> None:
    for task in combined(mixed):
        certificate = certificate_of(task)
        domain = domain_of(mixed.domain, task)
        errands, records = errands_in(task.grader), records_in(task.grader.gold)
        assert final_state(domain, [*errands, *records]) == task.grader.final
        if certificate.candidates:
            finals = {candidate.final for candidate in certificate.candidates}
            goal, home = certificate.parts["ambiguous"], mixed.domain
            assert len(finals) > 1
            for candidate in certificate.candidates:
                calls = [
                    call.model_copy(update={"arguments": candidate.arguments}) if call.goal == goal else call
                    for call in errands
                ]
                if domain is home:  # a note in the task's world is in none of the states
                    assert final_state(domain, [*calls, *records]) == candidate.final
        if (first := certificate.first_call) is not None:
            calls = [first if call.goal == certificate.parts["changing"] else call for call in errands]
            states = {final_state(domain, [*calls, *records]), task.grader.final, task.grader.initial}
            assert len(states) == 3
            assert None not in states
        if (refused := certificate.forbidden_call) is not None:
            rule = next(rule for rule in domain.rule_list if rule.number == certificate.rule)
            world, call = domain.world(), Call(refused.name, refused.arguments)
            assert stands(domain, world, call, rule, task.customer)
            for errand in errands:
                domain.carry_out(world, Call(errand.name, errand.arguments))
            assert stands(domain, world, call, rule, task.customer)


def test_a_domain_of_ones_own_combines_too() -> None:
    made = make(Library(), 30, difficulty=5)
    assert len(combined(made)) >= 5


# -- who passes --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "flaw"),
    [("oracle", None), ("hasty", "ambiguous"), ("stubborn", "changing"), ("compliant", "infeasible")],
)
async def test_an_agent_fails_where_a_part_is_what_it_can_not_do(mixed: Made, kind: str, flaw: Intent | None) -> None:
    """Whichever intent is the task's own. (Who acts hastily may miss a change of mind, too.)"""
    met = Counter[bool]()
    for task in combined(mixed)[:MOST]:
        domain = domain_of(mixed.domain, task)
        rollout = await played(mixed, task, kind)
        outcome = grade(domain, task, rollout.turns, rollout.termination.value)
        has_flaw = flaw in task.intents
        if has_flaw or kind != "hasty":
            assert outcome.reward == (0.0 if has_flaw else 1.0), (task.task_id, outcome.detail)
        assert ("trigger_first" in outcome.process) is ("changing" in task.intents)
        if kind == "oracle":
            assert all(outcome.process.values()), (task.task_id, outcome.process)
        met[has_flaw] += 1
    assert met[flaw is not None]


# -- sabotage ----------------------------------------------------------------------------------------------------------
def lists(**parts: int) -> Callable[[Task], None]:
    """The certificate lists these goals besides the task's own."""

    def change(task: Task) -> None:
        certificate_of(task).also = [Part(intent=name, goal=goal) for name, goal in parts.items()]  # type: ignore[arg-type]

    return change


def unlist(task: Task) -> None:
    certificate_of(task).also = None


def own_twice(task: Task) -> None:
    certificate = certificate_of(task)
    certificate.also = [*(certificate.also or ()), Part(intent=task.intent, goal=certificate.goal or 0)]


def another_goal(task: Task) -> None:
    for part in certificate_of(task).also or ():
        part.goal = (part.goal + 1) % len(task.user.goals)


@pytest.mark.parametrize(
    ("intents", "sabotage", "reason"),
    [
        (("changing", "infeasible"), unlist, {"parts_differ", "not_listed"}),
        (("ambiguous", "infeasible"), unlist, {"parts_differ"}),
        (("ambiguous", "changing"), unlist, {"parts_differ"}),
        (("ambiguous", "infeasible"), own_twice, {"parts_differ"}),
        (("changing", "infeasible"), lists(general=0), {"parts_differ"}),
        (("changing", "infeasible"), another_goal, {"no_trigger", "goals_differ"}),
        (("ambiguous", "infeasible"), another_goal, {"no_certificate", "not_withheld", "goals_differ", "no_ambiguity"}),
    ],
)
def test_a_task_that_does_not_combine_what_it_lists(
    mixed: Made, intents: tuple[Intent, ...], sabotage: Callable[[Task], None], reason: set[str]
) -> None:
    task = next(task for task in combined(mixed, *intents) if len(task.intents) == 2).model_copy(deep=True)
    assert verdict(mixed.domain, task) == "verified"
    sabotage(task)
    assert verdict(mixed.domain, task) in reason


@pytest.mark.parametrize("extra", ["ambiguous", "changing", "infeasible"])
def test_a_plain_task_that_claims_to_combine(shop: Made, extra: Intent) -> None:
    for own in ("ambiguous", "changing", "infeasible", "general"):
        task = shop.one(own)  # type: ignore[arg-type]
        certificate_of(task).also = [Part(intent=extra, goal=0)]
        assert verdict(shop.domain, task) in {"no_certificate", "no_ambiguity", "parts_differ"}, own


def test_what_is_forbidden_is_what_was_wanted_first_and_what_is_refused(mixed: Made) -> None:
    whole = one(mixed, "changing", "infeasible")
    sabotages: list[Callable[[list[CallPattern]], Any]] = [
        lambda listed: listed.pop(0),
        lambda listed: listed.pop(),
        lambda listed: listed.append(CallPattern(name="calculate")),
        lambda listed: listed.reverse(),
    ]
    for sabotage in sabotages:
        task = whole.model_copy(deep=True)
        sabotage(task.grader.forbidden)
        assert verdict(mixed.domain, task) in {"not_listed", "note_differs"}


def test_the_same_task_under_another_of_its_intents_is_a_duplicate(mixed: Made) -> None:
    task = one(mixed, "ambiguous", "infeasible")
    parts = certificate_of(task).parts
    again = task.model_copy(deep=True)
    again.intent = task.intents[1]
    certificate_of(again).goal = parts[again.intent]
    certificate_of(again).also = [Part(intent=n, goal=g or 0) for n, g in parts.items() if n != again.intent]
    assert verdict(mixed.domain, again) == "verified"
    verifier = Verifier(mixed.domain, VerifyConfig())
    assert verifier.check(task).verdict == "verified"
    assert verifier.check(again).reasons == ["duplicate"]
