"""The explorer that is a model, over real HTTP, in the real shop."""

from __future__ import annotations

import json
from typing import Any

import pytest

from t2t_dist.config.settings import ModelSettings
from t2t_dist.core.errors import EpisodeFailure, FailureClass
from t2t_dist.core.identity import turn_seed
from t2t_dist.core.schema import Step
from t2t_dist.environments.base import Call, replay
from t2t_dist.models.clients import Models
from t2t_dist.synthesis.explore_llm import MAX_BAD, Exploration, explore
from tests.support.fake_endpoint import FakeEndpoint, Message, text
from tests.support.phones import PHONES
from tests.support.tasks import pending_order, shop

CUSTOMER, ORDER = pending_order()
EMAIL = shop().profile(shop().world(), CUSTOMER).facts["Email"]
TOOLS = ["find_user_id_by_email", "get_order_details", "cancel_pending_order"]

FIND = {"thought": "Who is it?", "tool": "find_user_id_by_email", "arguments": {"email": EMAIL}}
LOOK = {"tool": "get_order_details", "arguments": {"order_id": ORDER}}
CANCEL = {
    "thought": "It is pending.",
    "rules": [5, "R6"],
    "tool": "cancel_pending_order",
    "arguments": {"order_id": ORDER, "reason": "no longer needed"},
}
DONE = {"done": True}


def saying(*answers: Any) -> Any:
    """A brain that gives these answers one after the other; what is not text is written as JSON."""

    def brain(body: dict[str, Any]) -> Message:
        said = sum(message["role"] == "assistant" for message in body["messages"])
        answer = answers[min(said, len(answers) - 1)]
        return text(answer if isinstance(answer, str) else json.dumps(answer))

    return brain


async def explored(fake: FakeEndpoint, budget: int = 6, tools: list[str] = TOOLS, **options: Any) -> Exploration:
    models = Models(ModelSettings(backoff_base_s=0.005, max_attempts=2, deadline_s=5.0))
    try:
        chat = models.chat(f"openai:m@{fake.url}", "explorer")
        given = {"domain": shop(), "customer": CUSTOMER, "example": [], "seed": 11} | options
        return await explore(tools=tools, budget=budget, model=chat, **given)
    finally:
        await models.close()


async def test_an_exploration_is_made_in_a_real_world_with_the_rules_recorded() -> None:
    async with FakeEndpoint(saying(FIND, f"```json\n{json.dumps(LOOK)}\n```", CANCEL, DONE)) as fake:
        steps, verdict, raw = await explored(fake)
    assert (verdict, raw) == ("kept", None)
    assert [(step.tool, step.kind, step.rules, step.changed) for step in steps] == [
        ("find_user_id_by_email", "read", [], False),
        ("get_order_details", "read", [], False),
        ("cancel_pending_order", "write", [5, 6], True),
    ]
    assert [step.thought for step in steps] == ["Who is it?", None, "It is pending."]
    world = shop().world()
    calls = [Call(step.tool, step.arguments) for step in steps]
    for step, result in zip(steps, replay(shop(), calls, world), strict=True):
        assert step.result == result.content
    assert steps[-1].digest == world.digest
    assert steps[1].digest == shop().world().digest


async def test_the_explorer_is_told_what_it_needs_and_each_result() -> None:
    example = [Step(tool="get_order_details", kind="read", arguments={"order_id": "#W5"}, result="", digest="")]
    async with FakeEndpoint(saying(FIND, DONE)) as fake:
        await explored(fake, budget=9, example=example)
    prompt = fake.requests[0].body["messages"][0]["content"]
    expected = [
        shop().policy.strip(),
        EMAIL,
        "at most 9 calls",
        'get_order_details(order_id="#W5")',
        "2026-03-02 09:00",
    ]
    assert [words for words in (*expected, *TOOLS) if words not in prompt] == []
    assert "modify_user_address" not in prompt
    assert [request.body["seed"] for request in fake.requests] == [turn_seed("11", "explorer", n) for n in range(2)]
    last = fake.requests[1].body["messages"]
    assert [message["role"] for message in last] == ["system", "user", "assistant", "user"]
    assert last[3]["content"] == f"Result (1 of 9 calls used):\n{CUSTOMER}"
    assert "tools" not in fake.requests[0].body


async def test_the_budget_ends_it() -> None:
    async with FakeEndpoint(saying(FIND, LOOK, CANCEL, DONE)) as fake:
        steps, verdict, _ = await explored(fake, budget=2)
    assert len(steps) == 2
    assert verdict == "kept"
    assert len(fake.requests) == 2


async def test_a_refused_call_is_a_step_of_its_own() -> None:
    wrong = LOOK | {"arguments": {"order_id": "#W0"}}
    odd = LOOK | {"arguments": {"order": ORDER}}
    async with FakeEndpoint(saying(FIND, wrong, odd, DONE)) as fake:
        steps, verdict, raw = await explored(fake)
    assert [step.error for step in steps] == [False, True, True]
    assert "there is no order '#W0'" in steps[1].result
    assert "order_id: field required" in steps[2].result
    assert (verdict, raw) == ("kept", None)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("I would start with the e-mail.", "holds no JSON object"),
        ('{"tool": ', "not JSON"),
        ({"thought": "hm"}, 'give either "tool" or "done": true'),
        ({"tool": "think", "arguments": {"thought": "x"}, "done": True}, 'give either "tool" or "done": true'),
        ({"tool": "modify_user_address", "arguments": {}}, "'modify_user_address' is not one of your tools"),
        ({**CANCEL, "rules": []}, "name the rules of the policy it relies on"),
        ({**CANCEL, "rules": [5, 99]}, "the policy has no rule 99"),
        (FIND, "you have made this very call already"),
    ],
)
async def test_an_unusable_answer_is_answered_and_kept_and_the_exploration_continues(answer: Any, message: str) -> None:
    async with FakeEndpoint(saying(FIND, answer, LOOK, DONE)) as fake:
        steps, verdict, raw = await explored(fake)
    assert verdict == "kept"
    assert [step.tool for step in steps] == ["find_user_id_by_email", "get_order_details"]
    assert message in fake.requests[2].body["messages"][-1]["content"]
    said = answer if isinstance(answer, str) else json.dumps(answer)
    assert raw == said


async def test_too_many_unusable_answers_end_it_with_all_of_them_kept() -> None:
    async with FakeEndpoint(saying(FIND, "hm", LOOK, "well", {"thought": "?"}, "never asked")) as fake:
        steps, verdict, raw = await explored(fake)
    assert verdict == "bad_answer"
    assert raw == 'hm\n\nwell\n\n{"thought": "?"}'
    assert len(steps) == 2
    assert len(fake.requests) == MAX_BAD + 2


async def test_a_full_context_ends_it_with_the_steps_so_far() -> None:
    async with FakeEndpoint(saying(FIND, LOOK), faults=[None, None, "context_length"]) as fake:
        steps, verdict, raw = await explored(fake)
    assert (len(steps), verdict, raw) == (2, "context_exceeded", None)


async def test_an_endpoint_that_gives_no_answer_is_a_failure_and_no_trajectory() -> None:
    async with FakeEndpoint(saying(FIND), faults=[None, "503", "503"]) as fake:
        with pytest.raises(EpisodeFailure) as caught:
            await explored(fake)
    assert caught.value.failure is FailureClass.ENGINE_UNAVAILABLE


async def test_a_tool_that_breaks_is_a_failure_too() -> None:
    async with FakeEndpoint(saying({"rules": [1], "tool": "broken", "arguments": {}})) as fake:
        with pytest.raises(EpisodeFailure, match="broken raised ZeroDivisionError") as caught:
            await explored(fake, tools=["broken"], domain=PHONES, customer="ann")
    assert caught.value.failure is FailureClass.TOOL_CRASH


async def test_the_same_seed_makes_the_same_exploration() -> None:
    async with FakeEndpoint(saying(FIND, LOOK, "hm", CANCEL, DONE)) as fake:
        assert await explored(fake) == await explored(fake)
