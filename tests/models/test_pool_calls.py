"""Calls of conversations on a pool of two endpoints, over real HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web

from t2t_dist.config.settings import ModelSettings
from t2t_dist.core.errors import EngineRejected, EngineTimeout, EngineUnavailable
from t2t_dist.models.chat import Conversation, Reply
from t2t_dist.models.clients import Models
from t2t_dist.models.fleet_view import EngineView, PoolView
from t2t_dist.models.openai import OpenAIChat, OpenAIOptions
from t2t_dist.models.pool import Pooled
from t2t_dist.models.routing import Router
from t2t_dist.simulation.conversation import roll_out
from t2t_dist.simulation.model_players import ModelAgent, ModelUser
from t2t_dist.simulation.seating import seat_agent, seat_user
from tests.support.fake_endpoint import FakeEndpoint, Fault, completion, default_brain, text
from tests.support.tasks import cancelling, shop

KEYS = {"e0": "sk-first-secret-0123456789", "e1": "sk-other-secret-9876543210"}


def view(limit: int = 64, **fakes: FakeEndpoint) -> PoolView:
    return PoolView({name: EngineView(fake.url, True, limit, KEYS[name]) for name, fake in fakes.items()})


@asynccontextmanager
async def pool_of(
    patience_s: float = 30.0, limit: int = 64, options: dict[str, Any] | None = None, **fakes: FakeEndpoint
) -> AsyncIterator[tuple[OpenAIChat, Pooled]]:
    pooled = Pooled("p", Router(1), patience_s)
    pooled.update(view(limit, **fakes))
    quick: dict[str, Any] = {"deadline_s": 10.0, "backoff_base_s": 0.01, "backoff_cap_s": 0.05}
    chat = OpenAIChat(OpenAIOptions("m", "", **quick | (options or {})), pooled, "pool:p")
    try:
        yield chat, pooled
    finally:
        await chat.close()


def conversation(key: str) -> Conversation:
    found = Conversation(key=key)
    found.user(f"This is {key}.")
    return found


async def converse(chat: OpenAIChat, key: str, calls: int) -> list[Reply]:
    talk, replies = conversation(key), []
    for number in range(calls):
        replies.append(await chat.complete(talk, seed=number))
        talk.assistant(replies[-1])
        talk.user("Go on.")
    return replies


async def all_of(chat: OpenAIChat, count: int, calls: int = 4) -> list[list[Reply]]:
    return await asyncio.gather(*(converse(chat, f"k{n}", calls) for n in range(count)))


def quiet(pooled: Pooled) -> bool:
    """Whether nothing counts as running any more."""
    return all(held.running == 0 for held in pooled.held().values())


# -- where calls go ----------------------------------------------------------------------------------------------------
async def test_a_conversation_stays_on_its_engine_and_both_get_some() -> None:
    async with FakeEndpoint() as one, FakeEndpoint() as two, pool_of(e0=one, e1=two) as (chat, pooled):
        talks = await all_of(chat, 20)
        assert quiet(pooled)
    engines = [{reply.engine for reply in replies} for replies in talks]
    assert all(len(each) == 1 for each in engines)
    assert set.union(*engines) == {"e0", "e1"}
    assert len(one.requests) + len(two.requests) == 80
    for fake in (one, two):
        said = {request.body["messages"][0]["content"] for request in fake.requests}
        assert len(fake.requests) == 4 * len(said), "all calls of a conversation"


async def test_calls_without_a_conversation_leave_no_pin_behind() -> None:
    async with FakeEndpoint() as one, pool_of(e0=one) as (chat, pooled):
        await asyncio.gather(*(chat.complete(conversation("")) for _ in range(10)))
        router = pooled._router
        assert isinstance(router, Router)
        assert (router.pinned("e0"), router.outstanding("e0")) == (0, 0)


# -- faults ------------------------------------------------------------------------------------------------------------
async def test_when_an_endpoint_dies_its_calls_are_repeated_on_the_other() -> None:
    async with (
        FakeEndpoint() as two,
        FakeEndpoint() as one,
        pool_of(e0=one, e1=two, options={"max_attempts": 2}) as (chat, pooled),
    ):
        await all_of(chat, 12, 1)
        assert one.requests
        assert two.requests
        before = len(two.requests)
        await one.__aexit__()
        talks = await all_of(chat, 12, 3)
        assert quiet(pooled)
        assert {reply.engine for replies in talks for reply in replies} == {"e1"}
        assert len(two.requests) == before + 36


@pytest.mark.parametrize(
    "fault",
    [
        "reset",
        "half_body",
        "500",
        {"choices": [{"message": {"content": "I have"}, "finish_reason": "abort"}]},
        {"choices": [{"message": {"content": "I have"}, "finish_reason": "error", "error": {"code": 502}}]},
        {"choices": [], "error": {"code": 500, "message": "engine dead"}},
    ],
)
async def test_what_breaks_or_breaks_off_on_one_is_asked_for_on_the_other(fault: str | dict[str, Any]) -> None:
    broken = (
        FakeEndpoint(faults=lambda *_: fault)
        if isinstance(fault, str)
        else FakeEndpoint(lambda _: web.json_response(fault))
    )
    async with broken as one, FakeEndpoint() as two, pool_of(e0=one, e1=two) as (chat, pooled):
        talks = await all_of(chat, 10, 3)
        assert quiet(pooled)
    assert {reply.engine for replies in talks for reply in replies} == {"e1"}
    # A conversation that broke there once does not go back.
    asked = Counter(request.body["messages"][0]["content"] for request in one.requests)
    assert set(asked.values()) == {1}


async def test_an_engine_that_hangs_costs_one_deadline_and_is_reported() -> None:
    async with (
        FakeEndpoint(faults=lambda *_: "never") as one,
        FakeEndpoint() as two,
        pool_of(e0=one, e1=two, options={"deadline_s": 0.3}) as (chat, pooled),
    ):
        talks = await all_of(chat, 10, 2)
        held = pooled.held()
    assert {reply.engine for replies in talks for reply in replies} == {"e1"}
    assert held["e0"].failed == len(one.requests) > 0
    assert held["e0"].answered == 0
    assert (held["e1"].failed, held["e1"].answered) == (0, 20)


async def test_one_engine_that_hangs_is_a_typed_failure() -> None:
    async with (
        FakeEndpoint(faults=lambda *_: "never") as one,
        pool_of(e0=one, options={"deadline_s": 0.1}) as (chat, pooled),
    ):
        with pytest.raises(EngineTimeout, match=r"pool:p \(e0\) gave no whole answer within 0\.1 s"):
            await chat.complete(conversation("k"))
        assert pooled.held()["e0"].failed == 2


class Small:
    """An endpoint with a number of places; requests beyond them get a 503."""

    def __init__(self, places: int) -> None:
        self.places, self.there, self.most, self.refusals = places, 0, 0, 0

    def faults(self, _: int, __: dict[str, Any]) -> str | None:
        if self.there >= self.places:
            self.refusals += 1
            return "503"
        self.there += 1
        self.most = max(self.most, self.there)
        return None

    async def brain(self, body: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0.01)
        self.there -= 1
        return default_brain(body)


async def test_what_an_engine_has_no_room_for_waits_and_is_reported() -> None:
    first, second = Small(2), Small(3)
    async with (
        FakeEndpoint(first.brain, first.faults) as one,
        FakeEndpoint(second.brain, second.faults) as two,
        pool_of(e0=one, e1=two, options={"max_attempts": 1}) as (chat, pooled),
    ):
        talks = await all_of(chat, 40, 2)
        held = pooled.held()
    assert sum(len(replies) for replies in talks) == 80
    assert (held["e0"].refused, held["e1"].refused) == (first.refusals, second.refusals)
    assert min(first.refusals, second.refusals) > 0
    assert held["e0"].answered + held["e1"].answered == 80
    assert (first.most, second.most) == (2, 3)


async def test_patience_with_a_full_pool_has_an_end() -> None:
    async with (
        FakeEndpoint(faults=lambda *_: "503") as one,
        pool_of(0.2, e0=one, options={"max_attempts": 2}) as (chat, pooled),
    ):
        with pytest.raises(EngineUnavailable, match=r"pool:p \(e0\) answers 503: The queue is full"):
            await chat.complete(conversation("k"))
        assert pooled.held()["e0"].refused == len(one.requests) > 2


async def test_a_429_is_a_refusal_too() -> None:
    async with FakeEndpoint(faults=[Fault("429", retry_after="0.01")]) as one, pool_of(e0=one) as (chat, pooled):
        await chat.complete(conversation("k"))
        assert (pooled.held()["e0"].refused, len(one.requests)) == (1, 2)


async def test_a_pool_without_any_engine_ends_a_call_in_time() -> None:
    async with pool_of(0.05) as (chat, _):
        with pytest.raises(EngineUnavailable, match="pool p: no engine could be used"):
            await chat.complete(conversation("k"))


# -- keys --------------------------------------------------------------------------------------------------------------
async def test_each_engine_is_sent_its_own_key_and_no_error_shows_one() -> None:
    async with (
        FakeEndpoint(api_key=KEYS["e0"]) as one,
        FakeEndpoint(api_key="sk-something-else") as two,
        pool_of(e0=one, e1=two) as (chat, pooled),
    ):
        results = await asyncio.gather(
            *(chat.complete(conversation(f"k{n}")) for n in range(12)), return_exceptions=True
        )
        assert quiet(pooled)
        shown = f"{results} {chat!r} {pooled.view}"
    refused = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(error, EngineRejected) and "refuses access with 401" in str(error) for error in refused)
    assert 0 < len(refused) < 12
    assert one.requests[0].headers["Authorization"] == f"Bearer {KEYS['e0']}"
    assert not any(key in shown for key in KEYS.values())


# -- tokens ------------------------------------------------------------------------------------------------------------
class Tokens:
    """Gives ids like vLLM does: characters are tokens. ``forgetful``: the template drops what the assistant said."""

    def __init__(self, forgetful: bool = False) -> None:
        self.forgetful = forgetful

    def answer(self, body: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
        found = completion(message, b"", "m")
        if body.get("return_token_ids"):
            kept = [m for m in body["messages"] if not (self.forgetful and m["role"] == "assistant")]
            said = [ord(c) for c in message["content"]]
            found["prompt_token_ids"] = [ord(c) for m in kept for c in m["content"] or ""]
            found["choices"][0] |= {"token_ids": said, "logprobs": {"content": [{"logprob": -0.25}] * len(said)}}
        return found


class TokenEndpoint(FakeEndpoint):
    """A fake endpoint whose answers carry tokens."""

    def __init__(self, tokens: Tokens, **more: Any) -> None:
        super().__init__(**more)
        self.tokens = tokens

    async def _complete(self, request: Any) -> Any:
        from aiohttp import web

        answer = await super()._complete(request)
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes)
        message = orjson.loads(answer.body)["choices"][0]["message"]
        return web.json_response(self.tokens.answer(self.requests[-1].body, message))


def talker(body: dict[str, Any]) -> dict[str, Any]:
    message = default_brain({**body, "tools": None})
    return message if not body.get("tools") else text("I have looked at that.")


@pytest.mark.parametrize("forgetful", [False, True])
async def test_captured_tokens_come_into_the_turns(forgetful: bool) -> None:
    async with (
        TokenEndpoint(Tokens(forgetful), brain=talker) as one,
        pool_of(e0=one, options={"capture": True}) as (chat, _),
    ):
        agent, user = ModelAgent(chat, shop(), "ep-1"), ModelUser(chat, cancelling().user, shop(), "ep-1")
        result = await roll_out(cancelling(), shop(), agent, user)
    assert all(request.body["return_token_ids"] is request.body["logprobs"] is True for request in one.requests)
    spoken = [turn for turn in result.turns[1:] if turn.seat == "agent"]
    assert len(spoken) > 2
    for turn in spoken:
        assert turn.token_ids == [ord(c) for c in turn.content or ""]
        assert turn.logprobs == [-0.25] * len(turn.token_ids)
        assert turn.prompt_token_ids
    assert spoken[0].prefix_break is None
    breaks = [turn.prefix_break for turn in spoken[1:]]
    if forgetful:
        before = [len(turn.prompt_token_ids or []) for turn in spoken[:-1]]
        assert breaks == before, "there the answer should have stood"
    else:
        assert breaks == [None] * len(breaks)


async def test_without_capture_nothing_is_asked_for_and_nothing_kept() -> None:
    async with TokenEndpoint(Tokens(), brain=talker) as one, pool_of(e0=one) as (chat, _):
        reply = await chat.complete(conversation("k"))
    assert not {"return_token_ids", "logprobs"} & one.requests[0].body.keys()
    assert (reply.prompt_token_ids, reply.token_ids, reply.logprobs) == (None, None, None)


# -- a worker's models -------------------------------------------------------------------------------------------------
async def test_seats_of_one_pool_share_its_balancer_and_a_finished_conversation_is_forgotten() -> None:
    from t2t_dist.config.engines import PoolConfig
    from t2t_dist.models.fleet_view import FleetView

    routers = []

    def picker(seed: int) -> Router:
        routers.append(Router(seed))
        return routers[-1]

    async with FakeEndpoint() as one, FakeEndpoint() as two:
        settings = ModelSettings(backoff_base_s=0.01, sampling={"user": {"top_p": 0.5}})
        models = Models(settings, {"p": PoolConfig(model="m", urls=[one.url, two.url])}, picker)
        models.update(FleetView(1, {"p": view(e0=one, e1=two), "other": PoolView()}))
        try:
            agent = seat_agent(models, "pool:p", cancelling(), shop(), "ep-1", 0)
            user = seat_user(models, "pool:p", cancelling().user, shop(), "ep-1", 0)
            result = await roll_out(cancelling(), shop(), agent, user)
            assert len(routers) == 1
            by_seat = Counter((turn.seat, turn.engine) for turn in result.turns[1:] if turn.role != "tool")
            assert Counter(seat for seat, _ in by_seat) == {"agent": 1, "user": 1}
            assert sum(routers[0].pinned(engine) for engine in ("e0", "e1")) == 2
            for seat in ("agent", "user"):
                models.forget(f"ep-1/{seat}")
            assert [routers[0].pinned(engine) for engine in ("e0", "e1")] == [0, 0]
            held = models.held()
            assert sum(of.answered for of in held.values()) == len(one.requests) + len(two.requests) > 0
        finally:
            await models.close()
