"""What was recorded over real HTTP answers again without it."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from t2t_dist.core.errors import ContextExceeded, EngineBadResponse, EngineUnavailable, InputError
from t2t_dist.models.chat import ChatModel, Conversation, Reply
from t2t_dist.models.openai import OpenAIChat, OpenAIOptions
from t2t_dist.models.recorded import RecordedChat, Recorder, exchange_key
from tests.support.fake_endpoint import FakeEndpoint, ended, text

TOOLS = b'[{"type":"function","function":{"name":"get_user","parameters":{"type":"object","properties":{}}}}]'


def asking(words: str) -> Conversation:
    conversation = Conversation()
    conversation.user(words)
    return conversation


def recorder(fake: FakeEndpoint, path: Path) -> Recorder:
    return Recorder(OpenAIChat(OpenAIOptions("m", fake.url, max_attempts=1)), path)


async def dialogue(model: ChatModel) -> list[Reply]:
    """Three turns of an agent with a tool, and one of a user."""
    conversation = asking("Hello")
    replies = []
    for turn in range(3):
        reply = await model.complete(conversation, tools=TOOLS, seed=turn)
        replies.append(reply)
        conversation.assistant(reply)
        for call in reply.tool_calls:
            conversation.tool(call.id, "{}")
        if not reply.tool_calls:
            conversation.user("Go on")
    replies.append(await model.complete(asking("Hello"), seat="user"))
    return replies


async def test_a_recorded_dialogue_is_repeated_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "talk.jsonl"
    async with FakeEndpoint() as fake:
        recording = recorder(fake, path)
        assert recording.name == f"openai:m@{fake.url}"
        said = await dialogue(recording)
        await recording.close()
        await recording.close()
    replay = RecordedChat(path)
    assert replay.name == f"recorded:{path}"
    assert await dialogue(replay) == said
    assert any(reply.tool_calls for reply in said)
    await replay.close()


async def test_several_replies_to_one_question_are_chosen_by_seed_in_any_order(tmp_path: Path) -> None:
    numbers = count()
    path = tmp_path / "talk.jsonl"
    async with FakeEndpoint(lambda body: text(f"answer {next(numbers)} to seed {body['seed']}")) as fake:
        recording = recorder(fake, path)
        for seed in (30, 10, 20):
            await recording.complete(asking("Hello"), seed=seed)
        await recording.close()
    replay = RecordedChat(path)

    async def said(seed: int) -> str | None:
        return (await replay.complete(asking("Hello"), seed=seed)).content

    assert [await said(seed) for seed in (10, 20, 30)] == [
        "answer 1 to seed 10",
        "answer 2 to seed 20",
        "answer 0 to seed 30",
    ]
    assert [(await said(seed) or "")[-2:] for seed in range(6)] == ["10", "20", "30", "10", "20", "30"]


async def test_a_reply_is_the_callers_own(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_bytes(orjson.dumps({"key": exchange_key(asking("a"), None, "agent"), "reply": {"content": "b"}}))
    replay = RecordedChat(path)
    (await replay.complete(asking("a"))).content = "changed"
    assert (await replay.complete(asking("a"))).content == "b"


async def test_seat_messages_and_tools_all_make_the_question(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    async with FakeEndpoint() as fake:
        recording = recorder(fake, path)
        await recording.complete(asking("Hello"), tools=TOOLS, seat="agent")
        await recording.close()
    replay = RecordedChat(path)
    await replay.complete(asking("Hello"), tools=TOOLS, seat="agent")
    with pytest.raises(EngineBadResponse, match=r"seat user.*'Hello'"):
        await replay.complete(asking("Hello"), tools=TOOLS, seat="user")
    with pytest.raises(EngineBadResponse, match="seat agent"):
        await replay.complete(asking("Hello"), seat="agent")
    with pytest.raises(EngineBadResponse) as caught:
        await replay.complete(asking("x" * 200), tools=TOOLS)
    assert "x" * 80 in str(caught.value)
    assert "x" * 81 not in str(caught.value)


async def test_a_full_context_is_recorded_and_a_failure_is_not(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    async with FakeEndpoint(faults=["context_length", "503"]) as fake:
        recording = recorder(fake, path)
        with pytest.raises(ContextExceeded):
            await recording.complete(asking("long"))
        with pytest.raises(EngineUnavailable):
            await recording.complete(asking("busy"))
        await recording.close()
    replay = RecordedChat(path)
    with pytest.raises(ContextExceeded, match="4096 tokens"):
        await replay.complete(asking("long"))
    with pytest.raises(EngineBadResponse):
        await replay.complete(asking("busy"))


@pytest.mark.parametrize("reason", ["abort", "error", "content_filter", "upstream went away"])
async def test_half_a_reply_is_neither_recorded_nor_given_again(tmp_path: Path, reason: str) -> None:
    path = tmp_path / "talk.jsonl"
    async with FakeEndpoint(lambda _: web.json_response(ended(text("I have chang"), reason))) as fake:
        recording = recorder(fake, path)
        with pytest.raises(EngineBadResponse):
            await recording.complete(asking("Hello"))
        await recording.close()
    assert path.read_bytes() == b""
    # As earlier versions recorded it, alone and beside a whole one.
    half = {"reply": {"content": "I have chang", "finish_reason": reason}, "seed": 1}
    whole = {"reply": {"content": "I have changed it.", "finish_reason": "stop"}, "seed": 2}
    alone, beside = exchange_key(asking("Hello"), None, "user"), exchange_key(asking("Bye"), None, "user")
    lines = [half | {"key": alone}, half | {"key": beside}, whole | {"key": beside}]
    path.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    replay = RecordedChat(path)
    with pytest.raises(EngineBadResponse, match="only a half reply for seat user"):
        await replay.complete(asking("Hello"), seed=1, seat="user")
    assert (await replay.complete(asking("Bye"), seed=1, seat="user")).content == "I have changed it."


async def test_recorders_append_and_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    async with FakeEndpoint(lambda body: text(body["messages"][0]["content"] * 3000)) as fake:
        recorders = [recorder(fake, path) for _ in range(2)]
        await asyncio.gather(*(recorders[i % 2].complete(asking(f"q{i}")) for i in range(40)))
        for each in recorders:
            await each.close()
    replay = RecordedChat(path)
    assert [(await replay.complete(asking(f"q{i}"))).content for i in range(40)] == [f"q{i}" * 3000 for i in range(40)]


@pytest.mark.parametrize(
    "line",
    [
        b'{"key":"a","rep',
        b"[]",
        b"7",
        b'{"key":"a"}',
        b'{"reply":{}}',
        b'{"key":"a","reply":{"colour":1}}',
        b"\xff\xfe",
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_bytes(b'{"key":"a","seed":1,"reply":{"content":"x"}}\n' + line)
    with pytest.raises(InputError) as caught:
        RecordedChat(path)
    assert f"{path}, line 2:" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl can't be read"):
        RecordedChat(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="can't be read"):
        RecordedChat(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="can't be written"):
        Recorder(RecordedChat(tmp_path / "file"), tmp_path / "file" / "talk.jsonl")
