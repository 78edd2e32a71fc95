"""Models in both seats, over real HTTP: what they are shown, what is kept, and what faults of the endpoint come to."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.config.settings import LimitsConfig, ModelSettings
from t2t_dist.core.errors import ContextExceeded, EngineBadResponse, EngineRejected, FailureClass
from t2t_dist.core.identity import turn_seed
from t2t_dist.core.prompts.render import agent_prompt, user_prompt
from t2t_dist.core.schema import Certificate, GraderSide, Task, ToolCall, Turn
from t2t_dist.models.chat import Conversation, Reply
from t2t_dist.models.clients import Models
from t2t_dist.simulation.conversation import Rollout, RolloutFailed, Termination, roll_out
from t2t_dist.simulation.model_players import ModelAgent, ModelUser, prefix_break
from t2t_dist.simulation.seating import seat_agent, seat_user
from tests.support.fake_endpoint import (
    FAULTS,
    FakeEndpoint,
    Fault,
    Message,
    default_brain,
    random_faults,
    text,
    tool_call,
)
from tests.support.fault_classes import REJECTED, RETRIED
from tests.support.in_turn import in_turn
from tests.support.phones import PHONES
from tests.support.tasks import cancelling, changing, sentinels, shop

QUICK: dict[str, Any] = {"deadline_s": 5.0, "backoff_base_s": 0.005}


@contextlib.asynccontextmanager
async def models_of(**settings: Any) -> AsyncIterator[Models]:
    models = Models(ModelSettings(**QUICK | settings))
    try:
        yield models
    finally:
        await models.close()


async def converse(models: Models, url: str, task: Task | None = None, episode: str = "ep-1") -> Rollout:
    """A conversation of a model with itself."""
    task, name = task or cancelling(), f"openai:m@{url}"
    agent = seat_agent(models, name, task, shop(), episode, 0)
    user = seat_user(models, name, task.user, shop(), episode, 0)
    return await roll_out(task, shop(), agent, user, clock=lambda: 0.0)


async def conversation_at(fake: FakeEndpoint, **settings: Any) -> Rollout:
    async with models_of(**settings) as models:
        return await converse(models, fake.url)


def content(result: Rollout) -> list[Turn]:
    """The turns without the server's address, times and seeds (the fake counts a request's bytes as its tokens)."""
    other: dict[str, Any] = {"engine": "", "t_queue": 0.0, "t_model": 0.0, "sampling": ""}
    return [replace(turn, prompt_tokens=0, cached_tokens=0, **other) for turn in result.turns]


def of_seat(fake: FakeEndpoint, seat: str) -> list[dict[str, Any]]:
    """Bodies of the requests for a seat: only the shop's agent has tools."""
    return [request.body for request in fake.requests if ("tools" in request.body) == (seat == "agent")]


# -- a whole episode --------------------------------------------------------------------------------------------------
async def test_a_whole_episode_between_two_models() -> None:
    async with FakeEndpoint() as fake:
        result = await conversation_at(fake, sampling={"agent": {"temperature": 0.25}, "user": {"top_p": 0.5}})
    assert result.termination is Termination.USER_STOP
    spoken = [turn for turn in result.turns[1:] if turn.role != "tool"]
    assert [turn.seat for turn in spoken] == [
        "user",
        "agent",
        "agent",
        "user",
        "agent",
        "user",
        "agent",
        "agent",
        "user",
    ]
    assert len(fake.requests) == len(spoken)
    place = {id(turn): place for place, turn in enumerate(result.turns)}
    for turn, request in zip(spoken, fake.requests, strict=True):
        sent = {"temperature": 0.25} if turn.seat == "agent" else {"top_p": 0.5}
        # The customer's seeds derive from the seed that is given, so that several agents meet the same one.
        seeded_by = "ep-1" if turn.seat == "agent" else "0"
        sent["seed"] = turn_seed(seeded_by, turn.seat, place[id(turn)])
        assert orjson.loads(turn.sampling) == sent
        assert {key: request.body[key] for key in sent} == sent
        assert turn.engine == fake.url
        assert turn.model == "m"
        assert turn.finish_reason == ("tool_calls" if turn.tool_calls else "stop")
        assert turn.prompt_tokens == len(request.raw) // 4
        assert turn.cached_tokens == turn.prompt_tokens // 2
        assert turn.completion_tokens > 0
        assert turn.t_model > 0


async def test_each_seat_is_shown_its_own_view_and_only_adds_to_it() -> None:
    async with FakeEndpoint() as fake:
        result = await conversation_at(fake)
    task, greeting = cancelling(), result.turns[0].content
    for seat, prompt in (("agent", agent_prompt(shop())), ("user", user_prompt(task.user))):
        bodies = of_seat(fake, seat)
        assert bodies[0]["messages"][0] == {"role": "system", "content": prompt}
        for earlier, later in itertools.pairwise(bodies):
            assert later["messages"][: len(earlier["messages"])] == earlier["messages"]
    agents, users = of_seat(fake, "agent")[-1], of_seat(fake, "user")[-1]
    assert agents["tools"] == orjson.loads(shop().tools.schemas())
    assert agents["messages"][1] == {"role": "assistant", "content": greeting}
    assert users["messages"][1] == {"role": "user", "content": greeting}
    # What the user hears is what the agent said and nothing it did.
    assert [m["role"] for m in users["messages"][1:]] == ["user", "assistant"] * 3 + ["user"]
    call, answer = agents["messages"][3], agents["messages"][4]
    assert call["tool_calls"][0]["function"]["name"] == result.turns[2].tool_calls[0].name
    assert answer == {
        "role": "tool",
        "tool_call_id": call["tool_calls"][0]["id"],
        "content": result.turns[3].content,
    }


async def test_nothing_of_the_graders_side_is_ever_sent() -> None:
    grader, secret = sentinels(GraderSide)
    certificate, evidence = sentinels(Certificate)
    # What the task's world holds is what its tools show.
    rest, others = sentinels(Task, skip=frozenset({"user", "grader", "certificate", "world"}))
    task = Task(**rest, user=changing().user, grader=grader, certificate=certificate)
    async with FakeEndpoint() as fake, models_of() as models:
        result = await converse(models, fake.url, task)
    assert result.termination is Termination.USER_STOP
    sent = b"\n".join(request.raw for request in fake.requests).decode()
    assert task.user.goals[0].request in sent
    assert [word for word in (*secret, *evidence, *others) if word in sent] == []


# -- reasoning --------------------------------------------------------------------------------------------------------
def thinking(body: dict[str, Any]) -> Message:
    """The agent thinks in a field of its own, the user in its text."""
    message = default_brain(body)
    if body.get("tools"):
        return message | {"reasoning_content": f"thought {len(body['messages'])}"}
    return message | {"content": f"<think>mind {len(body['messages'])}</think>\n{message['content']}"}


@pytest.mark.parametrize("carry", [True, False])
async def test_reasoning_is_kept_in_the_row_and_carried_back_where_wanted(carry: bool) -> None:
    async with FakeEndpoint(thinking) as fake:
        result = await conversation_at(fake, carry_reasoning=carry)
    async with FakeEndpoint() as other:
        plain = await conversation_at(other)
    assert [turn.reasoning for turn in result.turns if turn.reasoning][:3] == ["mind 2", "thought 3", "thought 5"]
    assert [turn.content for turn in result.turns] == [turn.content for turn in plain.turns]
    own = [m for m in of_seat(fake, "agent")[4]["messages"][2:] if m["role"] == "assistant"]
    assert [m.get("reasoning_content") for m in own][:2] == (["thought 3", "thought 5"] if carry else [None, None])
    mine = of_seat(fake, "user")[1]["messages"][2]["content"]
    assert ("<think>mind 2</think>" in mine) == carry
    heard = [m["content"] for m in of_seat(fake, "agent")[4]["messages"] if m["role"] == "user"]
    assert not any("mind" in words for words in heard)


async def test_an_agent_that_was_cut_off_while_thinking_has_not_answered() -> None:
    def brain(body: dict[str, Any]) -> Message:
        return text("<think>let me see") if body.get("tools") else default_brain(body)

    async with FakeEndpoint(brain) as fake:
        with pytest.raises(RolloutFailed, match="gave no answer") as caught:
            await conversation_at(fake)
    assert caught.value.failure is FailureClass.ENGINE_BAD_RESPONSE
    assert [turn.seat for turn in caught.value.turns] == ["agent", "user"]


async def test_a_user_who_only_thought_is_asked_again_with_another_seed() -> None:
    def brain(body: dict[str, Any]) -> Message:
        first = turn_seed("0", "user", 1)
        return text("<think>hm</think>") if body["seed"] == first else default_brain(body)

    async with FakeEndpoint(brain) as fake:
        result = await conversation_at(fake)
    users = of_seat(fake, "user")
    assert users[1]["seed"] == users[0]["seed"] + 1
    assert users[1]["messages"] == users[0]["messages"]
    assert "empty_message" in result.flags
    assert result.termination is Termination.USER_STOP


# -- two sides with tools ---------------------------------------------------------------------------------------------
async def test_each_side_has_its_own_tools_and_never_sees_the_others_calls() -> None:
    def brain(body: dict[str, Any]) -> Message:
        tools = [tool["function"]["name"] for tool in body["tools"]]
        last, own = body["messages"][-1], sum(m["role"] == "assistant" for m in body["messages"])
        if tools == ["toggle_airplane_mode"]:
            if own == 1:
                return tool_call("toggle_airplane_mode", {"to": "off"}, "u1") | {"content": "muttering"}
            return text("I switched it off." if last["role"] == "tool" else "No signal." if own == 0 else "###STOP###")
        if last["role"] == "user" and own == 1:
            return tool_call("line_status", {}, "a1") | {"content": "muttering"}
        return text("Please switch it off." if last["role"] == "tool" else "Then it works now.")

    task = cancelling()
    async with FakeEndpoint(brain) as fake, models_of() as models:
        chat = models.chat(f"openai:m@{fake.url}", "agent")
        agent, user = ModelAgent(chat, PHONES, "ep-1"), ModelUser(chat, task.user, PHONES, "ep-1")
        result = await roll_out(task, PHONES, agent, user)
    assert result.termination is Termination.USER_STOP
    assert [t.tool_calls[0].name for t in result.turns if t.tool_calls] == ["line_status", "toggle_airplane_mode"]
    last = {body["tools"][0]["function"]["name"]: body["messages"] for body in (r.body for r in fake.requests)}
    heard = [(m["role"], m["content"]) for m in last["line_status"][1:]]
    assert heard[1:] == [
        ("user", "No signal."),
        ("assistant", "muttering"),
        ("tool", "down"),
        ("assistant", "Please switch it off."),
        ("user", "I switched it off."),
    ]
    heard = [(m["role"], m["content"]) for m in last["toggle_airplane_mode"][1:]]
    assert heard[1:] == [
        ("assistant", "No signal."),
        ("user", "Please switch it off."),
        ("assistant", "muttering"),
        ("tool", "Airplane mode is off."),
        ("assistant", "I switched it off."),
        ("user", "Then it works now."),
    ]
    assert "Your tools are your own device" in last["toggle_airplane_mode"][0]["content"]


# -- servers that want user and assistant in turn ---------------------------------------------------------------------
async def test_a_greeting_in_the_system_prompt_suits_a_server_that_wants_turns() -> None:
    async with FakeEndpoint(in_turn) as fake:
        result = await conversation_at(fake, greeting="system")
    assert result.termination is Termination.USER_STOP
    greeting = result.turns[0].content
    assert greeting
    agents, users = of_seat(fake, "agent"), of_seat(fake, "user")
    system = {
        "role": "system",
        "content": f"{agent_prompt(shop())}\n\nYou have already greeted the customer: {greeting}",
    }
    assert all(body["messages"][0] == system for body in agents)
    assert all(greeting not in str(body["messages"][1:]) for body in agents)
    # The customer hears it as ever.
    assert users[0]["messages"][1] == {"role": "user", "content": greeting}
    for earlier, later in itertools.pairwise(agents):
        assert later["messages"][: len(earlier["messages"])] == earlier["messages"]


async def test_the_refusal_of_a_server_that_wants_turns_names_the_setting_and_is_not_repeated() -> None:
    async with FakeEndpoint(in_turn) as fake:
        with pytest.raises(RolloutFailed, match=r"set models\.greeting=system") as caught:
            await conversation_at(fake)
    assert isinstance(caught.value.__cause__, EngineRejected)
    assert len(of_seat(fake, "agent")) == 1


# -- faults -----------------------------------------------------------------------------------------------------------
def test_every_fault_of_the_endpoint_is_accounted_for() -> None:
    others = {"delay", "bad_arguments", "unknown_tool", "context_length", "context_length_vllm"}
    assert set(RETRIED) | set(REJECTED) | others == set(FAULTS)


@pytest.mark.parametrize("kind", [*RETRIED, "delay"])
async def test_a_fault_that_ceases_changes_nothing_in_the_conversation(kind: str) -> None:
    async with FakeEndpoint() as fake:
        expected = content(await conversation_at(fake))
    fault = Fault(kind, seconds=0.01, retry_after="0.01" if kind in ("429", "503") else None)
    async with FakeEndpoint(faults=[fault, None, fault, None, None, fault]) as fake:
        result = await conversation_at(fake, deadline_s=0.3 if kind == "never" else 5.0)
    assert content(result) == expected
    assert len(fake.requests) == 9 + (0 if kind == "delay" else 3)


@pytest.mark.parametrize("seat", ["agent", "user"])
@pytest.mark.parametrize(("kind", "failure"), [*RETRIED.items(), *REJECTED.items()])
async def test_a_fault_that_stays_is_its_failure_class_and_never_a_result(
    kind: str, failure: FailureClass, seat: str
) -> None:
    def faults(_: int, body: dict[str, Any]) -> Fault | None:
        # The user is let in first, so that there is a transcript to keep.
        hit = bool(body.get("tools")) == (seat == "agent") and len(body["messages"]) > 2
        return Fault(kind) if hit else None

    async with FakeEndpoint(faults=faults) as fake:
        with pytest.raises(RolloutFailed) as caught:
            await conversation_at(fake, max_attempts=3, deadline_s=0.1 if kind == "never" else 5.0)
    assert caught.value.failure is failure
    # The code that decides on another attempt must know which failures no attempt can fix.
    assert isinstance(caught.value.__cause__, EngineRejected) == (kind in REJECTED)
    assert [turn.seat for turn in caught.value.turns][:2] == ["agent", "user"]
    assert caught.value.turns[-1].seat != seat or caught.value.turns[-1].role == "tool"
    asked = [body for body in of_seat(fake, seat) if len(body["messages"]) > 2]
    assert len(asked) == (1 if kind in REJECTED else 2 if kind == "never" else 3)


@pytest.mark.parametrize("kind", ["bad_arguments", "unknown_tool"])
async def test_a_call_that_makes_no_sense_is_answered_to_the_agent_and_the_conversation_goes_on(kind: str) -> None:
    async with FakeEndpoint(faults=[None, kind]) as fake:
        result = await conversation_at(fake)
    assert result.termination is Termination.USER_STOP
    assert result.turns[3].error
    answered = of_seat(fake, "agent")[1]["messages"][-2:]
    assert answered[1]["content"] == result.turns[3].content
    assert ("not JSON" if kind == "bad_arguments" else "there is no tool named 'no_such_tool'") in answered[1][
        "content"
    ]
    # Engines parse the arguments of past calls: what is none goes back inside an object.
    assert isinstance(orjson.loads(answered[0]["tool_calls"][0]["function"]["arguments"]), dict)
    raw = result.turns[2].tool_calls[0].arguments
    assert raw == ('{"user_id": "u1' if kind == "bad_arguments" else '{"x": 1}')


@pytest.mark.parametrize("kind", ["context_length", "context_length_vllm"])
async def test_a_full_context_ends_the_agents_conversation_and_is_the_users_fault_in_theirs(kind: str) -> None:
    async with FakeEndpoint(faults=[None, None, None, None, kind]) as fake:
        result = await conversation_at(fake)
    assert result.termination is Termination.CONTEXT_EXCEEDED
    assert result.turns[-1].seat == "user"
    async with FakeEndpoint(faults=[None, None, None, kind]) as fake:
        with pytest.raises(RolloutFailed, match="too long for the simulated user") as caught:
            await conversation_at(fake)
    assert caught.value.failure is FailureClass.USER_SIMULATOR_FAULT
    assert caught.value.turns[-1].seat == "agent"


async def test_many_conversations_share_a_client_and_faults_at_random_change_none_of_them() -> None:
    kinds = ["429", "500", "503", "reset", "half_body", "not_json", "wrong_schema", "empty", "delay"]
    async with FakeEndpoint() as fake, models_of() as models:
        alone = [await converse(models, fake.url, episode=f"ep-{number}") for number in range(4)]
    async with (
        FakeEndpoint(faults=random_faults(kinds, 0.2, seed=3)) as fake,
        models_of(max_attempts=12) as models,
    ):
        many = await asyncio.gather(*(converse(models, fake.url, episode=f"ep-{number}") for number in range(64)))
        assert models.chat(f"openai:m@{fake.url}", "agent") is models.chat(f"openai:m@{fake.url}", "user")
    assert len(fake.requests) > 64 * 9
    for number, result in enumerate(many):
        assert content(result) == content(alone[number % 4])
        assert result.final == alone[0].final


# -- small things -----------------------------------------------------------------------------------------------------
async def test_turns_that_are_not_the_models_own_are_encoded_all_the_same() -> None:
    """A transcript taken over half-way: the agent's calls in it were another's."""
    turns = [
        Turn("agent", "assistant", "Hello."),
        Turn("user", "user", "Hi."),
        Turn("agent", "assistant", reasoning="look", tool_calls=[ToolCall("c", "think", "{")]),
        Turn("agent", "tool", "Error: not JSON", tool_call_id="c", error=True),
    ]
    async with FakeEndpoint() as fake, models_of() as models:
        agent = ModelAgent(models.chat(f"openai:m@{fake.url}", "agent"), shop(), "ep-1")
        await agent.act(turns)
    call = {"id": "c", "type": "function", "function": {"name": "think", "arguments": '{"malformed_arguments":"{"}'}}
    assert fake.requests[0].body["messages"][3:] == [
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "look"},
        {"role": "tool", "tool_call_id": "c", "content": "Error: not JSON"},
    ]


async def test_errors_of_the_protocol_pass_through_a_seat_as_they_are() -> None:
    turns = [Turn("agent", "assistant", "Hello."), Turn("user", "user", "Hi.")]
    async with FakeEndpoint(faults=["context_length", "400"]) as fake, models_of() as models:
        agent = ModelAgent(models.chat(f"openai:m@{fake.url}", "agent"), shop(), "ep-1")
        with pytest.raises(ContextExceeded):
            await agent.act(turns)
        with pytest.raises(EngineBadResponse):
            await agent.act(turns)
        # A turn that failed left nothing behind.
        assert (await agent.act(turns)).tool_calls
    assert fake.requests[2].body["messages"] == fake.requests[0].body["messages"]


async def test_a_conversation_that_is_held_takes_little_more_than_its_words() -> None:
    """Hundreds are held at once in a worker; encoders hand out buffers many times the size of a message."""

    class Echo:
        name = "echo"

        async def complete(self, conversation: Conversation, **_: Any) -> Reply:
            return Reply(f"{len(conversation.parts)} messages so far, and it is still about the same order of mine.")

        async def close(self) -> None: ...

    side, held = cancelling().user, []
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(20):
            agent, user = ModelAgent(Echo(), shop(), f"a{number}"), ModelUser(Echo(), side, shop(), f"a{number}")
            held.append(
                (agent, user, await roll_out(cancelling(), shop(), agent, user, limits=LimitsConfig(max_steps=40)))
            )
        each = (tracemalloc.get_traced_memory()[0] - before) / len(held)
    finally:
        tracemalloc.stop()
    assert len(held[0][2].turns) == 41
    assert each < 64 * 1024


async def test_the_limits_hold_for_models_too() -> None:
    task = cancelling()
    async with FakeEndpoint(lambda body: text("Hm.")) as fake, models_of() as models:
        name = f"openai:m@{fake.url}"
        agent, user = seat_agent(models, name, task, shop(), "e", 0), seat_user(models, name, task.user, shop(), "e", 0)
        result = await roll_out(task, shop(), agent, user, limits=LimitsConfig(max_steps=5))
    assert result.termination is Termination.MAX_STEPS
    assert len(fake.requests) == 5


# -- prefixes ---------------------------------------------------------------------------------------------------------
IDS = st.lists(st.integers(0, 3), max_size=12)


@given(IDS, IDS)
def test_a_prompt_that_goes_on_with_what_was_there_breaks_no_prefix(before: list[int], more: list[int]) -> None:
    assert prefix_break(before, before + more) is None
    assert prefix_break(None, more) is None


@given(IDS, IDS)
def test_a_break_is_the_first_place_that_differs(before: list[int], prompt: list[int]) -> None:
    place = prefix_break(before, prompt)
    if place is None:
        assert prompt[: len(before)] == before
        return
    assert place < len(before)
    assert prompt[:place] == before[:place]
    assert len(prompt) == place or prompt[place] != before[place]


@pytest.mark.parametrize(
    ("before", "prompt", "place"), [([1, 2, 3], [1, 2], 2), ([1, 2, 3], [1, 9, 3, 4], 1), ([1], [], 0), ([], [7], None)]
)
def test_where_a_prefix_breaks(before: list[int], prompt: list[int], place: int | None) -> None:
    assert prefix_break(before, prompt) == place
