"""From a trajectory to its tasks: one per intent, the same every time, certified from their stored rows alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from t2t_dist.core.identity import stable_hash, task_id
from t2t_dist.core.schema import INTENTS, Intent, Task, Trajectory, UserSide
from t2t_dist.environments import registry
from t2t_dist.environments.tools import Call
from t2t_dist.storage.rows import from_row, to_row
from t2t_dist.synthesis.bindings import canonical_json, dependencies, domain_values, reachable_lookups
from t2t_dist.synthesis.convert import BadWords, certified, convert_one
from t2t_dist.synthesis.grader_side import effects_in, writes_in
from t2t_dist.synthesis.intents import certify
from tests.support.made import Made, converted, make
from tests.support.paths import ROOT

REASONS = {
    "no_write",
    "no_ambiguity",
    "too_open",
    "not_unique",
    "no_alternative",
    "change_early",
    "no_rule_to_break",
}


# -- counterfactual sets -----------------------------------------------------------------------------------------------
def test_a_trajectory_gives_one_task_an_intent_all_with_its_id(made: Made) -> None:
    by_id = {trajectory.trajectory_id: trajectory for trajectory in made.trajectories}
    groups = {key: list(tasks) for key, tasks in groupby(made.tasks, lambda task: task.trajectory_id)}
    assert list(groups) == list(by_id)
    for key, tasks in groups.items():
        assert [task.intent for task in tasks] == list(INTENTS)
        assert [task.task_id for task in tasks] == [task_id(key, intent) for intent in INTENTS]
        assert {(t.customer, t.index, t.domain) for t in tasks} == {
            (by_id[key].customer, by_id[key].index, by_id[key].domain)
        }
    assert len({task.task_id for task in made.tasks}) == len(made.tasks)


def test_most_trajectories_give_most_intents(shop: Made) -> None:
    shares = {intent: len(shop.verified(intent)) / len(shop.trajectories) for intent in INTENTS}
    assert shares["general"] > 0.85
    assert shares["ambiguous"] > 0.25
    assert shares["changing"] > 0.8
    assert shares["infeasible"] > 0.85


def test_what_can_not_be_made_is_rejected_with_a_reason(made: Made) -> None:
    for task in made.tasks:
        assert (task.verdict, task.reasons) == ("verified", []) or task.verdict == "rejected"
        if task.verdict == "rejected":
            assert len(task.reasons) == 1
            assert task.reasons[0] in REASONS, (task.reasons, task.detail)


# -- the same every time -----------------------------------------------------------------------------------------------
async def test_converting_again_gives_the_same_tasks(made: Made) -> None:
    for trajectory in made.trajectories[:8]:
        again = await converted(made.domain, trajectory)
        assert again == [task for task in made.tasks if task.trajectory_id == trajectory.trajectory_id]


async def test_a_stored_trajectory_gives_the_same_tasks_as_the_one_just_explored(made: Made) -> None:
    for trajectory in made.trajectories[:12]:
        stored = from_row(Trajectory, to_row(trajectory))
        assert stored == trajectory
        again = await converted(made.domain, stored)
        assert again == [task for task in made.tasks if task.trajectory_id == trajectory.trajectory_id]


def digest_of_a_few() -> str:
    made = make(registry.load("retail", 0, 0.1), 6)
    return stable_hash([to_row(item) for item in [*made.trajectories, *made.tasks]])


def test_the_order_of_sets_shows_nowhere() -> None:
    """Another process, in which sets of strings are in another order, makes the same."""
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    code = "from tests.synthesis.test_convert import digest_of_a_few as f; print(f())"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == digest_of_a_few(), done.stderr


# -- gold --------------------------------------------------------------------------------------------------------------
def test_the_gold_replays_to_the_stored_results_and_states(made: Made) -> None:
    for task in made.verified():
        world = made.domain.world()
        assert world.digest == task.grader.initial
        for call in task.grader.gold:
            result = made.domain.execute(world, Call(call.name, call.arguments))
            assert (result.content, result.error) == (call.result, False)
            assert made.domain.tools[call.name].kind.value == call.kind
        assert world.digest == task.grader.final
        changes = {(change.table, change.key): change.after for change in task.grader.allowed_diff}
        assert changes == {(change.table, change.key): change.after for change in world.changes()}


def reads_after_the_account(task: Task) -> list[tuple[str, bytes]]:
    """The gold's look-ups; who the customer is, and their account, are looked at whatever is wanted."""
    return [(call.name, canonical_json(call.arguments)) for call in task.grader.gold if call.kind == "read"][2:]


def test_wandering_reads_are_dropped_from_the_gold(shop: Made) -> None:
    domain, dropped = shop.domain, 0
    steps = {trajectory.trajectory_id: trajectory.steps for trajectory in shop.trajectories}
    for task in shop.verified("general"):
        gold = reads_after_the_account(task)
        writes = [Call(call.name, call.arguments) for call in writes_in(task.grader.gold)]
        needed = [look_up for call in writes for look_up in domain.look_ups(domain.world(), call, task.customer) or ()]
        assert set(gold) == {(look_up.name, canonical_json(look_up.arguments)) for look_up in needed}
        read = [step for step in steps[task.trajectory_id] if step.kind == "read"][2:]
        dropped += len({(step.tool, canonical_json(step.arguments)) for step in read} - set(gold))
    assert dropped > 10


def test_what_a_domain_does_not_say_is_looked_up_by_the_tools_types(desk: Made) -> None:
    domain = desk.domain
    for task in desk.verified("general"):
        material = list(reachable_lookups(domain, task.customer))
        writes = [(domain.tools[call.name], call.arguments) for call in writes_in(task.grader.gold)]
        needed = {material[i].call.name for i in dependencies(material, writes, domain)}
        assert {name for name, _ in reads_after_the_account(task)} <= needed


def test_every_id_in_the_gold_stood_in_an_earlier_result_of_the_gold(made: Made) -> None:
    domain, checked = made.domain, 0
    for task in made.verified():
        world = domain.world()
        shown = {canonical_json(value) for value in domain.profile(world, task.customer).facts.values()}
        for call in task.grader.gold:
            tool = domain.tools[call.name]
            for name, value in domain_values(tool, call.arguments):
                if name != "Address":
                    assert canonical_json(value) in shown, (task.task_id, call.name, name)
                    checked += 1
            value = domain.execute(world, Call(call.name, call.arguments)).value
            shown |= {canonical_json(found.value) for found in tool.found(value, call.arguments)}
    assert checked > 200


# -- certificates ------------------------------------------------------------------------------------------------------
def test_the_stored_certificate_is_the_one_made_again_from_the_stored_row(made: Made) -> None:
    for task in made.verified():
        stored = from_row(Task, to_row(task))
        assert stored == task
        assert certify(made.domain, stored) == task.certificate
        assert certified(made.domain, stored) == task


def test_what_every_certificate_says(made: Made) -> None:
    for task in made.verified():
        certificate = task.certificate
        assert certificate is not None
        assert certificate.intent == task.intent
        assert certificate.replays == [task.grader.final] * 2
        assert len(certificate.without) == len(effects_in(task.grader.gold))
        assert task.grader.final not in certificate.without


# -- writers -----------------------------------------------------------------------------------------------------------
class Scribe:
    """A writer that changes the template's words as given."""

    name = "scribe"

    def __init__(self, **texts: Any) -> None:
        self.texts = texts

    async def write(
        self, domain: Any, intents: Sequence[Intent], user: UserSide, seed: int, requests: Any = None
    ) -> UserSide:
        if "raw" in self.texts:
            raise BadWords("not JSON", self.texts["raw"])
        changed: UserSide = user.model_copy(update=self.texts, deep=True)
        return changed


async def written(made: Made, intent: Intent, writer: Scribe) -> Task:
    task = made.one(intent)
    trajectory = next(t for t in made.trajectories if t.trajectory_id == task.trajectory_id)
    return await convert_one(made.domain, trajectory, intent, writer)


async def test_a_writers_words_replace_the_templates(made: Made) -> None:
    task = await written(made, "general", Scribe(task_instructions="Take your time."))
    assert (task.verdict, task.writer) == ("verified", "scribe")
    assert task.user.task_instructions == "Take your time."
    assert task.grader == made.one("general").grader
    assert task.certificate == made.one("general").certificate


async def test_words_that_give_away_what_is_withheld_are_rejected(made: Made) -> None:
    task = made.one("ambiguous")
    task = await written(made, "ambiguous", Scribe(reason_for_call=task.user.known_info))
    assert (task.verdict, task.reasons) == ("rejected", ["leaks_withheld"])


async def test_words_that_leave_out_what_is_known_are_rejected(made: Made) -> None:
    task = await written(made, "ambiguous", Scribe(known_info="You know nothing."))
    assert task.reasons == ["not_known"]


async def test_an_unusable_answer_is_kept_with_the_rejected_task(made: Made) -> None:
    task = await written(made, "general", Scribe(raw="I'd rather not."))
    assert (task.verdict, task.reasons, task.detail, task.raw) == (
        "rejected",
        ["bad_words"],
        "not JSON",
        "I'd rather not.",
    )
