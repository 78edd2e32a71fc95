"""The expert states nothing, and calls nothing, that it has not seen; inventions are found."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator

import orjson
import pytest

from t2t_dist.core.identity import seed_of
from t2t_dist.core.prompts.render import agent_prompt
from t2t_dist.core.schema import Task, Turn
from t2t_dist.core.text_match import normalised
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call
from t2t_dist.grading.grade import grade
from t2t_dist.grading.knowledge import told_figures, unseen_figures
from t2t_dist.models.clients import Models
from t2t_dist.simulation.conversation import Rollout, roll_out
from t2t_dist.simulation.seating import seat_agent, seat_user
from t2t_dist.synthesis.grader_side import errands_in
from tests.support.made import Made
from tests.support.transcript import Transcript

SEEDS = (0, 1)
_AMOUNT = re.compile(r"\$\d+\.\d\d")


def played(domain: Domain, task: Task, seed: int) -> Rollout:
    models, seed = Models(), seed_of(task.task_id, "knowledge", seed)
    agent = seat_agent(models, "scripted:oracle", task, domain, task.task_id, seed)
    user = seat_user(models, "scripted", task.user, domain, task.task_id, seed)
    return asyncio.run(roll_out(task, domain, agent, user, seed=seed))


@pytest.fixture(scope="module")
def episodes(built_in: Made) -> list[tuple[Task, Rollout]]:
    """What the expert does on each task, twice."""
    return [(task, played(built_in.domain, task, seed)) for task in built_in.verified() for seed in SEEDS]


def test_the_expert_states_nothing_that_it_has_not_seen(built_in: Made, episodes: list[tuple[Task, Rollout]]) -> None:
    told = agent_prompt(built_in.domain)
    for task, rollout in episodes:
        found = unseen_figures(rollout.turns, told)
        assert found == [], (task.task_id, [(unseen, rollout.turns[unseen.turn]) for unseen in found])


def test_the_expert_gets_full_marks_and_keeps_to_the_process(
    built_in: Made, episodes: list[tuple[Task, Rollout]]
) -> None:
    for task, rollout in episodes:
        outcome = grade(built_in.domain, task, rollout.turns, rollout.termination.value)
        assert (outcome.reward, all(outcome.process.values())) == (1.0, True), (task.task_id, outcome)


def asked_first_and_later(domain: Domain, task: Task) -> tuple[int, Call, Call, list[str]] | None:
    """Of a task that is settled by and by: its goal, the call as it is known at first and as it is known later, and
    what the customer says in between."""
    certificate, change = task.certificate, task.user.change
    if certificate is None or certificate.goal is None:
        return None
    later = next(call for call in errands_in(task.grader) if call.goal == certificate.goal)
    if change is not None and certificate.first_call is not None:
        first = Call(certificate.first_call.name, certificate.first_call.arguments)
        return certificate.goal, first, Call(later.name, later.arguments), [change.request]
    said = {slot: value for slot, value in later.arguments.items() if slot not in certificate.withheld}
    facts = [fact for fact in task.user.goals[certificate.goal].facts if fact.slot in certificate.withheld]
    return certificate.goal, Call(later.name, said), Call(later.name, later.arguments), [fact.answer for fact in facts]


def test_nothing_is_looked_up_for_what_was_not_said_yet(built_in: Made, episodes: list[tuple[Task, Rollout]]) -> None:
    domain, looked_up = built_in.domain, 0
    for task, rollout in episodes:
        found = asked_first_and_later(domain, task) if task.intent in ("ambiguous", "changing") else None
        if found is None:
            continue
        goal, first, later, says = found
        world, before = domain.world(), []
        for errand in errands_in(task.grader):
            if errand.goal < goal:
                earlier = Call(errand.name, errand.arguments)
                before += domain.look_ups(world, earlier, task.customer) or []
                domain.carry_out(world, earlier)
        before += domain.look_ups(world, first, task.customer) or []
        after = [call for call in domain.look_ups(world, later, task.customer) or [] if call not in before]
        heard = min(
            place
            for place, turn in enumerate(rollout.turns)
            if turn.role == "user" and any(normalised(say) in normalised(turn.content or "") for say in says)
        )
        for place, turn in enumerate(rollout.turns):
            for made in turn.tool_calls:
                if Call(made.name, orjson.loads(made.arguments)) in after:
                    looked_up += 1
                    assert place > heard, (task.task_id, made)
    assert looked_up >= 10


def amounts_said(turns: list[Turn]) -> Iterator[tuple[int, str]]:
    """The messages of the agent's that state an amount."""
    for place, turn in enumerate(turns):
        if turn.seat == "agent" and turn.role == "assistant" and _AMOUNT.search(turn.content or ""):
            yield place, turn.content or ""


def test_another_amount_than_the_experts_is_found(built_in: Made, episodes: list[tuple[Task, Rollout]]) -> None:
    """Now and then another amount happens to follow from what was seen."""
    told, rng, planted, found = agent_prompt(built_in.domain), random.Random(7), 0, 0
    for _, rollout in episodes[::2]:
        for place, text in amounts_said(rollout.turns):
            other = f"${rng.randrange(100, 90_000) / 100:.2f}"
            turns = [*rollout.turns[:place], Turn("agent", "assistant", _AMOUNT.sub(other, text, count=1))]
            planted += 1
            found += any(unseen.turn == place for unseen in unseen_figures(turns, told))
    assert planted >= 30
    assert found >= 0.95 * planted


def test_each_invention_is_listed_where_it_first_occurs(library: Domain) -> None:
    talk = Transcript(library).user("Please renew loan L-7.").agent("Loan L-7 is due on May 3. Is it for 25 dollars?")
    talk.user("No, for 30 dollars.").agent("It was due on May 3, so it costs $30, or $25 with a card.")
    talk.call("renew", {"loan": "L-8888", "fee": 99.5}, seat="agent")
    listed = [(unseen.turn, unseen.what, unseen.in_call) for unseen in unseen_figures(talk.turns, "No policy.")]
    assert listed == [(2, "????-05-03", False), (2, "25", False), (5, "l-8888", True), (5, "99.5", True)]


def test_a_result_or_the_prompt_is_a_source_and_what_the_customers_phone_shows_is_none(library: Domain) -> None:
    shown = Turn("agent", "tool", '{"due": "2026-05-03", "fee": 25.0}')
    seen_by_customer = Turn("user", "tool", "The speed test shows 180 Mbps.")
    said = Turn("agent", "assistant", "It is due on May 3 for $25.00, a third of $75.00; the test shows 180 Mbps.")
    assert [found.what for found in unseen_figures([shown, seen_by_customer, said], "A fine is $75.")] == ["180"]


RESULT = (
    '{"order_id": "#W5511932", "placed_at": "2026-02-25T15:29:54", "items": [{"price": 40.5}, {"price": 19.25},'
    ' {"price": 7.0}], "fare": 218.64, "other_fare": 100.14, "data_gb": 30}'
)


def invented(said: str) -> list[str]:
    """What nothing gives an agent that has one result and hears of $12.34."""
    turns = [
        Turn("user", "user", "I paid $12.34 on the 3rd of May."),
        Turn("agent", "tool", RESULT),
        Turn("agent", "assistant", said),
    ]
    return [figure.what for figure in unseen_figures(turns, "Today is 2026-03-01.")]


@pytest.mark.parametrize(
    "said",
    [
        "Order #W5511932 was placed on February 25 at 3:29 pm.",
        "That was $40.50, and you paid $12.34 on May 3.",
        "In total that is $66.75.",  # all prices
        "Both together cost $59.75.",  # some of them
        "The difference is $118.50.",
        "Three of them make $57.75.",
        "There are 3 items, and one moment, please.",
        "It was placed 4 days ago.",
    ],
)
def test_what_was_seen_or_follows_is_known(said: str) -> None:
    assert invented(said) == []


@pytest.mark.parametrize(
    ("said", "figures"),
    [
        ("I'd charge $27.51 for that.", ["27.51"]),
        ("It comes on June 9.", ["????-06-09"]),
        ("It leaves at 7:05 am.", ["07:05"]),
        ("It is order #W0000001.", ["#w0000001"]),
        ("You get 13 GB more.", ["13"]),
        ("It was placed 17 days ago.", ["17"]),
        ("I'd charge $27.51. Shall I charge the $27.51?", ["27.51"]),
        ("A fee of 83 % applies.", ["83"]),
        ("A fee of 82.5% applies.", ["82.5"]),
        ("I'd charge $27.00 for that.", ["27"]),  # 30 less 3 are counts
    ],
)
def test_what_nothing_gives_is_not(said: str, figures: list[str]) -> None:
    assert invented(said) == figures


def test_numbers_of_any_size_and_no_days_of_the_calendar() -> None:
    turns = [Turn("agent", "assistant", f"{'9' * 400} on 2026-13-45, you may first wait 1e999 days")]
    assert len(told_figures(turns)) >= 2
    assert unseen_figures(turns, "")
