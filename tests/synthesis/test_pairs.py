"""Pairs of a task and its twin: how many there are, that both are proved, and that nobody passes both by guessing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest

from t2t_dist.core.identity import seed_of
from t2t_dist.core.schema import RecordChange, Task
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.registry import load
from t2t_dist.environments.tools import Call
from t2t_dist.grading.grade import grade
from t2t_dist.models.clients import Models
from t2t_dist.simulation.conversation import Rollout, roll_out
from t2t_dist.simulation.scripted.agents import ScriptedAgent
from t2t_dist.simulation.scripted.oracle import Oracle
from t2t_dist.simulation.seating import seat_user
from t2t_dist.synthesis.grader_side import errands_in
from t2t_dist.synthesis.pairs import NO_PAIR, check_pair, twin_task, with_clause
from t2t_dist.synthesis.requests import language as lang
from t2t_dist.synthesis.requests.check import requests_of
from t2t_dist.synthesis.requests.consistency import is_consistent
from t2t_dist.synthesis.requests.twins import world_before
from tests.support.by_hand import ByHand
from tests.support.made import Made, make, played, remake, verdict

#: Explorations of a domain; in the airline so many that a few pairs differ in a limit.
EXPLORED = {"retail": 24, "airline": 36, "telecom": 24}
#: Pairs that each agent plays.
MOST = 16
Pair = tuple[Task, Task]


class Pairs:
    """The tasks of a domain at difficulty 3, with what becomes of their twins."""

    def __init__(self, name: str) -> None:
        self.made: Made = make(load(name), EXPLORED[name], difficulty=3)
        trajectories = {one.trajectory_id: one for one in self.made.trajectories}
        found = [(t, twin_task(self.made.domain, trajectories[t.trajectory_id], t)) for t in self.made.verified()]
        self.all: list[Pair] = [(task, twin) for task, twin in found if twin is not None]
        self.proved = [(task, twin) for task, twin in self.all if twin.verdict == "verified"]
        self.without = [task for task, twin in found if twin is None]


on = cache(Pairs)


@pytest.fixture(scope="module", params=["retail", "airline", "telecom"])
def pairs(request: pytest.FixtureRequest) -> Pairs:
    return on(request.param)


@pytest.fixture(scope="module")
def retail() -> Pairs:
    return on("retail")


@pytest.fixture(scope="module")
def every() -> dict[str, Pairs]:
    return {name: on(name) for name in ("airline", "retail", "telecom")}


def is_described(pair: Pair) -> bool:
    """Whether the two differ in what a description means, and not just in a limit or an answer."""
    task, twin = pair
    return bool(twin.world) and _errands(task) != _errands(twin)


def _errands(task: Task) -> list[Call]:
    return [Call(call.name, call.arguments) for call in errands_in(task.grader)]


async def passes(made: Made, tasks: Pair, play: Callable[[Task], object]) -> int:
    """How many of the two tasks are passed."""
    passed = 0
    for task in tasks:
        talk = await play(task)  # type: ignore[misc]
        assert isinstance(talk, Rollout)
        outcome = grade(made.domain, task, talk.turns, talk.termination.value)
        assert outcome.final == talk.final
        passed += outcome.reward >= 1.0
    return passed


def test_nearly_every_task_with_a_twin_world_has_a_twin(pairs: Pairs) -> None:
    assert len(pairs.proved) >= 0.85 * len(pairs.all) > 0.85 * 30
    assert {task.intent for task, _ in pairs.proved} == {"general", "ambiguous", "changing", "infeasible"}
    for task in pairs.without:  # what proves a claim, or a note, is about the records as they are
        assert task.certificate is not None
        assert not task.certificate.twins or task.user.claim or task.certificate.injection
    assert len({task.task_id for pair in pairs.all for task in pair}) == 2 * len(pairs.all)


def test_both_are_proved_from_what_is_stored(pairs: Pairs) -> None:
    domain = pairs.made.domain
    for task, twin in pairs.proved:
        stored = Task.model_validate_json(twin.model_dump_json())
        assert verdict(domain, stored) == "verified", twin.task_id
        assert check_pair(domain, task, stored).verdict == "verified"
        assert twin.twin_of == task.task_id
        assert is_consistent(twin.world or [])
        if twin.world:
            assert twin.user == task.user
        else:
            turned = [one for one, other in zip(task.user.goals, twin.user.goals, strict=True) if one != other]
            assert len(turned) == 1
            assert turned[0].condition


def means(by_hand: ByHand, errand: dict[str, Any], call: Call) -> bool:
    """Whether a second evaluator finds in an errand's expression what a call of the gold is made with."""
    if errand["errand"] != call.name:
        return False
    found = {
        slot: by_hand.call(errand).arguments[slot] if node["node"] == "first that works" else by_hand.value(node)
        for slot, node in errand.get("arguments", {}).items()
    }
    wanted = {slot: call.arguments[slot] for slot in found}
    return all(
        one == wanted[slot] or [one] == wanted[slot] or sorted(one) == sorted(wanted[slot])
        for slot, one in found.items()
    )


def test_a_second_evaluator_finds_the_twins_gold(pairs: Pairs) -> None:
    checked = 0
    for _, twin in pairs.proved[:MOST]:
        own, done = (
            domain_of(pairs.made.domain, twin),
            [(c.goal, Call(c.name, c.arguments)) for c in errands_in(twin.grader)],
        )
        for goal, request in requests_of(twin.grader).items():
            before = [call for number, call in done if number < goal]
            other = ByHand(own, world_before(own, before), twin.customer, before)
            if isinstance(request, lang.Tell):
                assert float(twin.grader.communicate[-1]) == pytest.approx(other.value(lang.stored(request)["value"]))
            else:
                meant = [lang.stored(one) for one in lang.nodes(request) if isinstance(one, lang.Do | lang.Each)]
                for call in [call for number, call in done if number == goal]:
                    assert any(means(other, one, call) for one in meant), twin.task_id
                    checked += 1
    assert checked > 10


async def test_who_looks_passes_both(pairs: Pairs) -> None:
    found = Counter(
        [await passes(pairs.made, p, lambda t: played(pairs.made, t, "oracle")) for p in pairs.proved[:MOST]]
    )
    assert found == {2: min(MOST, len(pairs.proved))}


@pytest.mark.parametrize("kind", ["one_look", "literal"])
async def test_who_guesses_what_is_described_never_passes_both(pairs: Pairs, kind: str) -> None:
    described = [pair for pair in pairs.proved if is_described(pair)][:MOST]
    found = Counter([await passes(pairs.made, pair, lambda task: played(pairs.made, task, kind)) for pair in described])
    assert len(described) == MOST
    assert not found[2]
    assert found[1] or kind == "literal"  # the first record is right now and then


async def test_who_takes_each_condition_for_met_never_passes_both(every: dict[str, Pairs]) -> None:
    found = Counter[int]()
    for pairs in every.values():
        made, limits = pairs.made, [pair for pair in pairs.proved if not pair[1].world][:MOST]
        for pair in limits:
            found[await passes(made, pair, partial(played, made, kind="sums"))] += 1
    assert found[1]
    assert not found[2]


async def test_who_remembers_passes_one(pairs: Pairs) -> None:
    """Whatever the two differ in: what is right in the one is wrong in the other."""

    async def play(task: Task, original: Task) -> Rollout:
        own, home = domain_of(pairs.made.domain, task), domain_of(pairs.made.domain, original)
        seed = seed_of(task.task_id)
        user = seat_user(Models(), "scripted", task.user, own, task.task_id, seed)
        return await roll_out(task, own, ScriptedAgent("remembers", Oracle(original, home, seed)), user, seed=seed)

    differ = sorted(pairs.proved, key=is_described)[:MOST]  # limits and answers first
    found = [await passes(pairs.made, pair, lambda task, known=pair[0]: play(task, known)) for pair in differ]  # type: ignore[misc]
    assert Counter(found) == {1: len(differ)}


# -- forged pairs ------------------------------------------------------------------------------------------------------
def forged(pair: Pair) -> tuple[Task, Task]:
    task, twin = pair
    return task.model_copy(deep=True), twin.model_copy(deep=True)


def refused(pairs: Pairs, task: Task | None, twin: Task) -> str:
    """The reason for which a pair is refused, by its own certificate or as a pair."""
    if (own := verdict(pairs.made.domain, twin)) != "verified":
        return own
    checked = check_pair(pairs.made.domain, task, twin)
    assert "\n" not in checked.detail
    return checked.reasons[0] if checked.verdict == "rejected" else checked.verdict


def test_forged_pairs_are_rejected(retail: Pairs) -> None:
    made, pair = retail.made, next(pair for pair in retail.proved if is_described(pair))
    other = next(task for task, _ in retail.proved if task.customer != pair[0].customer)
    assert refused(retail, *forged(pair)) == "verified"
    task, twin = forged(pair)
    assert refused(retail, None, twin) == NO_PAIR
    assert refused(retail, other, twin) == NO_PAIR
    twin.twin_of = other.task_id
    assert refused(retail, other, twin) == NO_PAIR
    task, twin = forged(pair)
    twin.user.persona = "brief: you write in few words and get to the point, always."
    assert refused(retail, task, twin) == NO_PAIR
    task, twin = forged(pair)
    assert twin.world is not None
    twin.world[0].before = {**twin.world[0].before, "status": "lost"}
    assert refused(retail, task, twin) == "world_differs"
    task, twin = forged(pair)
    assert twin.world is not None
    twin.world[0].after = {}
    assert refused(retail, task, twin) not in ("verified", NO_PAIR)
    task, twin = forged(pair)
    twin.world, twin.grader, twin.certificate = None, task.grader, task.certificate
    assert refused(retail, task, twin) == NO_PAIR  # a copy
    task, twin = forged(pair)  # a world in which nothing that matters differs
    stranger = next(key for key in made.domain.base.tables["users"] if key != task.customer)
    before = made.domain.base.tables["users"][stranger]
    twin.world = [RecordChange(table="users", key=stranger, before=before, after={**before, "last_name": "Doe"})]
    twin.grader, twin.certificate = task.grader, task.certificate
    own = domain_of(made.domain, twin)
    twin.grader.initial = own.world().digest
    remake(own, twin)
    assert refused(retail, task, twin) == NO_PAIR


def test_a_limit_that_is_not_said_or_more_than_a_limit_is_rejected(every: dict[str, Pairs]) -> None:
    pairs, limit = next((pairs, pair) for pairs in every.values() for pair in pairs.proved if not pair[1].world)
    task, twin = forged(limit)
    goal = next(n for n, (a, b) in enumerate(zip(task.user.goals, twin.user.goals, strict=True)) if a != b)
    twin.user = with_clause(twin.user, goal, "it costs less than $7777")
    assert refused(pairs, task, twin) == "words_differ"
    task, twin = forged(limit)
    twin.user.goals[goal].request += " Please!"
    assert refused(pairs, task, twin) == NO_PAIR
