"""Customers who add something at the confirmation, take a part back, or change their mind twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from t2t_dist.core.schema import Task
from t2t_dist.core.speech_acts import asks_to_confirm, says_yes
from t2t_dist.core.task_domain import domain_of
from t2t_dist.core.text_match import mentions
from t2t_dist.environments import registry
from t2t_dist.environments.tools import AGENT, Call
from t2t_dist.grading.diagnose import diagnose
from t2t_dist.grading.grade import grade
from t2t_dist.simulation.scripted.phrases import STYLES, Phrases, user_acts
from t2t_dist.simulation.user_faults import user_faults
from t2t_dist.synthesis.convert import convert_one
from t2t_dist.synthesis.grader_side import errands_in, matches
from t2t_dist.synthesis.intents.changing import wanted_before
from t2t_dist.synthesis.intents.gold_check import final_state
from t2t_dist.synthesis.intents.parts import is_one_write, part_between
from t2t_dist.synthesis.verify import duplicate_key
from tests.support.made import Made, explored, played, remake, verdict
from tests.support.transcript import Transcript

#: Explorations that give each kind a few times.
EXPLORED = {"retail": 40, "airline": 70, "telecom": 90}
#: Conversations that are played with one agent.
PLAYED = 12


@pytest.fixture(scope="module", params=sorted(registry.BUILT_IN))
def changing(request: pytest.FixtureRequest) -> Made:
    """Changing tasks at difficulty 3."""
    domain = registry.load(request.param)
    found = (explored(domain, index, difficulty=3) for index in range(EXPLORED[domain.name]))
    kept = [trajectory for trajectory in found if trajectory.verdict == "kept"]
    tasks = [asyncio.run(convert_one(domain, one, "changing", None, difficulty=3)) for one in kept]
    return Made(domain, kept, tasks)


def more(made: Made) -> list[Task]:
    """The verified tasks with a part or a second change."""
    return [task for task in made.verified() if len(task.user.changes) > 1 or task.user.changes[0].part]


def stages(task: Task) -> list[Call]:
    """What the customer wants one after the other."""
    certificate = task.certificate
    assert certificate is not None
    last = next(call for call in errands_in(task.grader) if call.goal == certificate.goal)
    return [Call(call.name, call.arguments) for call in (*certificate.given_up, last)]


# -- what every task is ------------------------------------------------------------------------------------------------
def test_every_kind_comes_up(changing: Made) -> None:
    kinds = Counter(change.part for task in more(changing) for change in task.user.changes)
    assert kinds["added"] > 0
    assert kinds["taken back"] > 0
    twice = sum(len(task.user.changes) == 2 for task in changing.verified())
    assert 0.1 < twice / len(changing.verified()) < 0.5


def test_all_that_was_wanted_ends_elsewhere_and_only_the_last_is_gold(changing: Made) -> None:
    for task in more(changing):
        domain, certificate, grader = domain_of(changing.domain, task), task.certificate, task.grader
        assert certificate is not None
        errands = errands_in(grader)
        number = next(place for place, call in enumerate(errands) if call.goal == certificate.goal)
        finals = []
        for given_up in certificate.given_up:
            instead = [given_up if place == number else call for place, call in enumerate(errands)]
            finals.append(final_state(domain, instead))
        assert finals == [f for f in (certificate.first_final, certificate.second_final) if f is not None]
        assert len({*finals, grader.final, grader.initial}) == len(finals) + 2
        # Whoever carries out any of it has failed, whatever they do then.
        gold = [Call(call.name, call.arguments) for call in grader.gold]
        for writes in wanted_before(domain, task, domain.world):
            for call in (call for call in writes if domain.side_of(call.name) == AGENT and call not in gold):
                assert any(matches(pattern, call.name, call.arguments) for pattern in grader.forbidden)


def test_a_part_is_named_as_one_and_what_is_added_is_not_said_to_replace_anything(changing: Made) -> None:
    domain = changing.domain
    for task in changing.verified():
        for (first, second), change in zip(pairwise(stages(task)), task.user.changes, strict=True):
            part = part_between(domain, first, second)
            if task.certificate is not None and task.certificate.also:  # of several intents: all of it is said
                assert change.part is None
                continue
            assert change.part == (part and part.kind)
            if part is not None and part.kind == "added":
                assert not mentions(change.request, ["instead"])
                said = next(
                    iter(fact for fact in change.facts if second.arguments[fact.slot] != first.arguments[fact.slot])
                )
                if isinstance(second.arguments[said.slot], list):  # of a number they say what it comes to
                    only = domain.describe(domain.world(), part.call, said.slot, task.customer).says
                    assert mentions(change.request, only)
                    assert not mentions(change.request, said.says)


def test_nobody_goes_back_to_what_they_wanted_first(changing: Made) -> None:
    twice = [task for task in changing.verified() if len(task.user.changes) == 2]
    assert all(len({str(call) for call in stages(task)}) == 3 for task in twice)
    assert all(task.user.changes[1].trigger == "asked_to_confirm" for task in twice)


def test_easy_tasks_have_none_of_it(built_in: Made) -> None:
    assert all(len(task.user.changes) == 1 and not task.user.changes[0].part for task in built_in.verified("changing"))


def test_tasks_that_differ_in_what_was_wanted_in_between_are_no_duplicates(changing: Made) -> None:
    task = next(task for task in more(changing) if task.user.second_change)
    once = task.model_copy(deep=True)
    assert once.certificate is not None
    once.certificate.second_call = None
    assert duplicate_key(once) != duplicate_key(task)


# -- who passes --------------------------------------------------------------------------------------------------------
async def test_the_expert_follows_every_change_and_passes(changing: Made) -> None:
    for task in more(changing)[:PLAYED]:
        rollout = await played(changing, task, "oracle")
        outcome = grade(changing.domain, task, rollout.turns, rollout.termination.value)
        assert outcome.reward == 1.0, (task.task_id, outcome.detail)
        assert all(outcome.process.values()), (task.task_id, outcome.process)
        assert user_faults(rollout.turns, task.user) == []
        said = [turn.content or "" for turn in rollout.turns]
        plans = [
            place for place, text in enumerate(said) if rollout.turns[place].seat == AGENT and asks_to_confirm(text)
        ]
        goal = task.user.goals[task.user.changes[0].goal]
        before = {say for fact in goal.facts for say in fact.says}
        asked = next(place for place, text in enumerate(said) if goal.request in text)  # a plan before is for another
        plans = [place for place in plans if place > asked]
        for change in task.user.changes:
            when = next(place for place, text in enumerate(said) if change.request in text)
            news = [say for fact in change.facts for say in fact.says if say not in before]
            assert not (news and any(mentions(said[place], news) for place in plans if place < when)), task.task_id
            before |= set(news)


async def test_who_ignores_a_change_fails(changing: Made) -> None:
    for task in more(changing)[:PLAYED]:
        twice = task.user.second_change is not None
        for kind, passes in (("stubborn", False), ("one_change", not twice)):
            rollout = await played(changing, task, kind)
            outcome = grade(changing.domain, task, rollout.turns, rollout.termination.value)
            assert (outcome.reward == 1.0) is passes, (kind, task.task_id)


def test_a_write_before_and_after_each_change_is_graded_for_what_it_is(changing: Made) -> None:
    """Each thing that was given up, carried out after 0, 1 or 2 changes of mind."""
    found = 0
    for task in more(changing):
        wanted = stages(task)
        if len(wanted) < 3 or task.world or any(call.name in changing.domain.workflows for call in wanted):
            continue
        for number, call in enumerate(wanted[:2]):
            for said in range(3):
                talk = Transcript(changing.domain).user(task.user.goals[0].request)
                for gold in task.grader.gold:
                    if gold.goal < task.user.changes[0].goal:
                        talk.call(gold.name, gold.arguments, seat=gold.requestor or "agent")
                for change in task.user.changes[:said]:
                    talk.agent("I would do that now. Shall I go ahead?").user(change.request)
                talk.call(call.name, call.arguments)
                turns = talk.agent("Done.").user("###STOP###").turns
                outcome = grade(changing.domain, task, turns, "user_stop")
                assert outcome.parts["forbidden"] == 0.0
                assert outcome.process["trigger_first"] is (said > number)
                causes = diagnose(changing.domain, task, turns, "user_stop", outcome).codes
                assert ("ignored_change" if said > number else "acted_before_trigger") in causes
                found += 1
    assert found > 0


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("act", ["added", "added_too", "taken_back", "taken_back_too", "change_again", "slip_again"])
def test_no_change_of_mind_is_taken_for_a_yes(style: str, act: str) -> None:
    acts = user_acts(f"{style}: and so on")
    phrases = Phrases(acts, random.Random(1))
    for request in (
        "And the lamp as well.",
        "Only the chair after all. Leave out the lamp.",
        "Plus 3 GB, so 5 GB in all.",
    ):
        for _ in range(len(acts[act]) * 2):
            text = phrases.say(act, request=request)
            assert not says_yes(text, "I'd return the chair. Shall I go ahead?"), text


# -- sabotage ----------------------------------------------------------------------------------------------------------
def _kind(name: str) -> Callable[[Task], None]:
    def change(task: Task) -> None:
        task.user.changes[-1].part = name  # type: ignore[assignment]

    return change


def _says(text: str) -> Callable[[Task], None]:
    def change(task: Task) -> None:
        task.user.changes[-1].request = text

    return change


def _instead(task: Task) -> None:
    task.user.changes[-1].request += " Do that instead."


def _without_second(task: Task) -> None:
    task.user.second_change = None


def _without_second_call(task: Task) -> None:
    assert task.certificate is not None
    task.certificate.second_call = None


def _back_to_the_first(task: Task) -> None:
    assert task.certificate is not None
    assert task.certificate.first_call is not None
    task.certificate.second_call = task.certificate.first_call.model_copy(deep=True)


def _only_a_second(task: Task) -> None:
    task.user.change = None


def _at_once(task: Task) -> None:
    task.user.changes[-1].trigger = "first_reply"


def _about_another_goal(task: Task) -> None:
    task.user.changes[-1].goal = int(task.user.changes[-1].goal == 0)


def _forbids_less(task: Task) -> None:
    task.grader.forbidden.pop()


def _is_twice(task: Task) -> bool:
    return task.user.second_change is not None


def _is_twice_and_another_goal_says_nothing_of_it(task: Task) -> bool:
    """Else the words are refused before the certificate is: the opening says already what they change to."""
    if not _is_twice(task) or len(task.user.goals) < 2:
        return False
    other = task.user.goals[int(task.user.changes[-1].goal == 0)]
    return not any(mentions(other.request, fact.says) for fact in task.user.changes[-1].facts)


def _adds(task: Task) -> bool:
    return task.user.changes[-1].part == "added"


def _takes_back(task: Task) -> bool:
    return task.user.changes[-1].part == "taken back"


@pytest.mark.parametrize(
    ("wanted", "sabotage", "reason"),
    [
        (_is_twice, _without_second, "no_certificate"),
        (_is_twice, _without_second_call, "no_certificate"),
        (_is_twice, _only_a_second, "goals_differ"),
        (_is_twice, _back_to_the_first, "same_state"),
        (_is_twice, _at_once, "no_trigger"),
        (_is_twice_and_another_goal_says_nothing_of_it, _about_another_goal, "no_trigger"),
        (_is_twice, _forbids_less, "not_listed"),
        (_is_twice, _says("I've changed my mind again."), "not_stated"),
        (_adds, _says("And something else."), "not_stated"),
        (_adds, _instead, "not_stated"),
        (_takes_back, _says("Not all of it."), "not_stated"),
        (_takes_back, _kind("added"), "part_differs"),
    ],
)
def test_sabotage(
    changing: Made, wanted: Callable[[Task], bool], sabotage: Callable[[Task], None], reason: str
) -> None:
    domain = changing.domain
    tasks = (t for t in changing.verified() if wanted(t) and len(t.user.goals) > 1 and not t.world)
    task = next(tasks).model_copy(deep=True)
    assert verdict(domain, task) == "verified"
    sabotage(task)
    assert verdict(domain, remake(domain, task)) == reason


def test_a_replacement_that_is_said_to_be_a_part(changing: Made) -> None:
    domain = changing.domain
    task = changing.one("changing", lambda t: not any(change.part for change in t.user.changes))
    for part in ("added", "taken back"):
        task.user.changes[0].part = part  # type: ignore[assignment]
        assert verdict(domain, task) in ("part_differs", "not_stated")


def test_an_addition_that_may_as_well_be_done_later() -> None:
    """1 GB and then another is 2 GB: who does the first right away has done nothing wrong."""
    telecom = registry.load("telecom")
    line, customer = next(
        (line, customer)
        for customer in telecom.callers
        for line in telecom.at_hand(telecom.world(), customer).get("phone_number", [])
        if telecom.carry_out(telecom.world(), Call("refuel_data", {"phone_number": line, "gigabytes": 1}))
    )
    assert customer
    one, two, five = (Call("refuel_data", {"phone_number": line, "gigabytes": number}) for number in (1, 2, 5))
    for wanted, alone in ((two, False), (five, True)):
        part = part_between(telecom, one, wanted)
        assert part is not None
        assert is_one_write(telecom, [wanted], 0, part, one) is alone
