"""The seat ``grader``: a model decides what code can't, its verdict is stored, and grading again needs no model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from t2t_dist.config.settings import ModelSettings
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Outcome, Task
from t2t_dist.grading.decided import DECIDED_BY_MODEL, with_decisions
from t2t_dist.grading.grade import grade
from t2t_dist.models.clients import Models
from t2t_dist.pipeline.grader_seat import SHOWN, decide, grader_prompt
from tests.support.fake_endpoint import FakeEndpoint, Fault, text
from tests.support.made import Made
from tests.support.transcript import Transcript

SETTINGS = ModelSettings(deadline_s=5.0, max_attempts=1, backoff_base_s=0.005)
NO = "I'm sorry, but I can't do that."


def unsure(desk: Made) -> tuple[Task, Transcript, Outcome]:
    """A refusal without its reason, in a world that records none: code can't decide it."""
    task = desk.one("infeasible", lambda t: t.grader.handling == "refuse" and len(t.user.goals) == 1)
    talk = Transcript(desk.domain)
    talk.user(task.user.goals[0].request).agent("Who are you, please?").user(task.user.identity[0].answer)
    for call in task.grader.gold:
        assert not talk.call(call.name, call.arguments).error
    talk.agent(NO).user("Never mind, then. Bye! ###STOP###")
    outcome = grade(desk.domain, task, talk.turns, "user_stop")
    assert (outcome.reward, outcome.reward_high, outcome.decided) == (0.0, 1.0, False)
    return task, talk, outcome


async def decided(desk: Made, answer: Any, faults: Any = ()) -> tuple[Task, Transcript, Outcome, FakeEndpoint]:
    task, talk, outcome = unsure(desk)
    models, said = Models(SETTINGS), answer if isinstance(answer, str) else json.dumps(answer)
    async with FakeEndpoint(lambda body: text(said), faults) as fake:
        try:
            chat = models.chat(f"openai:m@{fake.url}", "grader")
            return task, talk, await decide(chat, task, talk.turns, outcome, seed=1), fake
        finally:
            await models.close()


@pytest.mark.parametrize("told", [True, False])
async def test_a_verdict_is_the_part_and_the_reward(desk: Made, told: bool) -> None:
    _, _, outcome, fake = await decided(desk, {"told": told, "why": "it says\nso"})
    assert (outcome.reward, outcome.reward_high, outcome.parts["refused"]) == (told, told, told)
    (value, why) = json.loads(outcome.detail[DECIDED_BY_MODEL])["refused"]
    assert value == told
    assert why.startswith("openai:m@http://127.0.0.1:")
    assert why.endswith(": it says so")
    assert "not certain" in outcome.detail["refused"]
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("answer", "faults", "why"),
    [
        ({"told": None, "why": "nobody can tell"}, (), ": nobody can tell"),
        ("I think so", (), "gave no answer of use: the answer holds no JSON object"),
        ({"told": "perhaps"}, (), "gave no answer of use: told: "),
        ({"told": True}, [Fault("500")] * 3, "gave no answer: "),
        ({"told": True}, [Fault("context_length")], "gave no answer: "),
    ],
)
async def test_without_a_verdict_the_reward_keeps_its_two_bounds(
    desk: Made, answer: Any, faults: Any, why: str
) -> None:
    _, _, outcome, _ = await decided(desk, answer, faults)
    assert (outcome.reward, outcome.reward_high, "refused" in outcome.parts) == (0.0, 1.0, False)
    assert why in json.loads(outcome.detail[DECIDED_BY_MODEL])["refused"][1]


async def test_grading_again_takes_the_stored_verdict_and_asks_nobody(desk: Made) -> None:
    task, talk, outcome, _ = await decided(desk, {"told": True, "why": "yes"})
    again = grade(desk.domain, task, talk.turns, "user_stop")
    assert again != outcome
    assert with_decisions(task, again, outcome.detail[DECIDED_BY_MODEL]) == outcome


@pytest.mark.parametrize(
    "stored", ["", "[1]", '{"refused": 1}', '{"refused": []}', '{"refused": [7, "x"]}', '{"db": [1, ""]}']
)
def test_a_damaged_or_foreign_verdict_decides_nothing(desk: Made, stored: str) -> None:
    task, _, outcome = unsure(desk)
    again = with_decisions(task, outcome, stored)
    assert (again.reward, again.reward_high, again.parts) == (0.0, 1.0, outcome.parts)


def test_what_code_decided_a_model_can_not_change(desk: Made) -> None:
    task, talk, _ = unsure(desk)
    talk.turns[-2].content = "I've done that for you, it went through."
    outcome = grade(desk.domain, task, talk.turns, "user_stop")
    assert outcome.parts["refused"] == 0.0
    assert with_decisions(task, outcome, '{"refused": [1.0, "m: it was"]}').reward == 0.0


def test_the_grader_is_shown_what_was_said_aloud_and_no_more(desk: Made) -> None:
    task, talk, _ = unsure(desk)
    talk.turns[-2].content = f"{NO} {'x' * 2 * SHOWN} Goodbye."
    prompt = grader_prompt(task, talk.turns)
    assert task.certificate is not None
    for shown in (task.user.goals[0].request, task.certificate.reason, NO, "Goodbye.", "Never mind, then."):
        assert str(shown) in prompt
    assert len(prompt) < SHOWN + 4_000
    assert not any(call.name in prompt for turn in talk.turns for call in turn.tool_calls)


def test_only_a_model_can_be_the_grader() -> None:
    from t2t_dist.config.loading import load_config

    assert load_config(None, {"grader": "openai:m@http://h/v1"}).asks_models()
    with pytest.raises(InputError, match="grader"):
        load_config(None, {"grader": "scripted:oracle"}).check_models()
