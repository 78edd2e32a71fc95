"""Judges: votes as they were given, and refusals kept apart from them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from t2t_dist.config.settings import ModelSettings
from t2t_dist.core.errors import EpisodeFailure
from t2t_dist.core.prompts.render import UnusableAnswer
from t2t_dist.core.schema import INTENTS, CallPattern, Task, Vote
from t2t_dist.environments.base import Domain
from t2t_dist.models.clients import Models
from t2t_dist.synthesis.judges import committee, judge_prompt, vote
from tests.support.fake_endpoint import FakeEndpoint, Fault, text
from tests.support.tasks import cancelling, changing, shop

MARKS = {"realism": 8, "necessity": 7.5, "correctness": 9, "comment": "fine"}
SETTINGS = ModelSettings(deadline_s=5.0, max_attempts=1, backoff_base_s=0.005)


async def judged(answer: Any, task: Task | None = None) -> Vote | UnusableAnswer:
    models, said = Models(SETTINGS), answer if isinstance(answer, str) else json.dumps(answer)
    async with FakeEndpoint(lambda body: text(said)) as fake:
        chat = models.chat(f"openai:m@{fake.url}", "judge")
        try:
            return await vote(chat, task or cancelling(), shop(), seed=1)
        finally:
            await models.close()


async def test_marks_become_a_vote_in_the_judges_name() -> None:
    found = await judged(f"Let me see.\n```json\n{json.dumps(MARKS)}\n```")
    assert isinstance(found, Vote)
    assert found.judge.startswith("openai:m@http://127.0.0.1:")
    assert found.model_dump(exclude={"judge"}) == MARKS
    assert found.mean == pytest.approx(8.1666667)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("Looks good to me!", "holds no JSON object"),
        ({"realism": 8, "necessity": 7}, "correctness: Field required"),
        (MARKS | {"realism": 11}, "realism: Input should be less than or equal to 10"),
        (MARKS | {"realism": 0}, "realism: Input should be greater than or equal to 1"),
        (MARKS | {"necessity": "high"}, "necessity"),
    ],
)
async def test_what_is_no_vote_is_refused_with_the_text_kept(answer: Any, why: str) -> None:
    found = await judged(answer)
    assert isinstance(found, UnusableAnswer)
    assert why in found.why
    assert found.raw == (answer if isinstance(answer, str) else json.dumps(answer))


async def test_a_committee_keeps_votes_and_refusals_apart_and_asks_each_with_its_own_seed() -> None:
    async def brain(body: dict[str, Any]) -> Any:
        await asyncio.sleep(0.01)
        marks = MARKS | {"comment": body["model"]}
        return text("no idea" if body["model"] == "b" else json.dumps(marks))

    models = Models(SETTINGS)
    async with FakeEndpoint(brain) as fake:
        chats = [models.chat(f"openai:{name}@{fake.url}", "judge") for name in ("a", "b", "c", "a")]
        votes, refused = await committee(chats, cancelling(), shop(), seed=1)
        await models.close()
    assert [found.comment for found in votes] == ["a", "c", "a"]
    assert [answer.raw for answer in refused] == ["no idea"]
    assert len({request.body["seed"] for request in fake.requests}) == 4
    assert fake.most == 1, "a task's slot is one request at a time"


async def test_a_task_too_long_for_the_judge_is_a_refusal() -> None:
    models = Models(SETTINGS)
    async with FakeEndpoint(faults=["context_length"]) as fake:
        found = await vote(models.chat(f"openai:m@{fake.url}", "judge"), cancelling(), shop(), seed=1)
        await models.close()
    assert isinstance(found, UnusableAnswer)
    assert "too long for the judge" in found.why


async def test_an_endpoint_that_gives_no_answer_is_no_vote_and_leaves_nothing_running() -> None:
    models = Models(SETTINGS)

    def faults(_: int, body: dict[str, Any]) -> Fault:
        return Fault("500") if body["model"] == "a" else Fault("delay", seconds=0.05)

    async with FakeEndpoint(lambda body: text(json.dumps(MARKS)), faults) as fake:
        chats = [models.chat(f"openai:{name}@{fake.url}", "judge") for name in ("a", "b")]
        with pytest.raises(EpisodeFailure, match="answers 500"):
            await committee(chats, cancelling(), shop(), seed=1)
        assert len(fake.requests) == 1, "the others are not asked any more"
        assert "vote" not in [getattr(task.get_coro(), "__name__", "") for task in asyncio.all_tasks()]
        await models.close()


def test_a_judge_sees_the_gold_the_evidence_and_the_policy() -> None:
    task, domain = changing(), shop()
    task.grader.forbidden = [CallPattern(name="close_account"), CallPattern(name="think", arguments={"thought": "x"})]
    task.grader.required = [CallPattern(name="transfer_to_human_agents")]
    task.grader.communicate = ["127.99"]
    prompt = judge_prompt(task, domain)
    expected = [domain.policy.strip(), task.user.known_info, task.user.goals[0].request, "127.99"]
    expected += ["Must not be called: close_account(anything)", 'Must not be called: think({"thought":"x"})']
    expected += ["Must be called: transfer_to_human_agents", '"replays":["', "then says: On second thought"]
    expected += [f'3. cancel_pending_order({{"order_id":"{task.grader.gold[2].arguments["order_id"]}"']
    assert [words for words in expected if words not in prompt] == []


@pytest.mark.parametrize("intent", INTENTS)
def test_a_prompt_is_made_for_every_intent_and_for_a_task_without_gold_or_certificate(intent: Any) -> None:
    task, domain = cancelling(), shop()
    task.intent, task.certificate, task.grader.gold = intent, None, []
    prompt = judge_prompt(task, domain)
    assert f"# The kind of task: {intent}" in prompt
    assert "Nothing is called." in prompt
    assert "# Evidence" not in prompt
    assert isinstance(domain, Domain)
