"""The benchmark's endpoint plays the episode that the figures are about, and does not outlive its parent."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import aiohttp
import pytest

from benchmarks.endpoint import Script, choose, running
from t2t_dist.models.chat import Conversation
from t2t_dist.models.openai import OpenAIChat, OpenAIOptions

TOOLS = b'[{"type":"function","function":{"name":"get_user_details","description":"the \\"role\\": of \\"tools\\":"}}]'


async def test_an_episode_is_16_calls_5_of_them_tool_calls() -> None:
    kinds = []
    with running(0.01, "--arguments", '{"user_id":"u_7"}') as url:
        chat = OpenAIChat(OpenAIOptions("m", url, max_attempts=1))
        await chat.probe()
        user, agent = Conversation(), Conversation()
        user.user("Hi! How can I help?")
        while True:
            said = await chat.complete(user, seat="user")
            assert said.content is not None
            assert said.t_model >= 0.01
            kinds.append("user")
            if said.content.endswith("###STOP###"):
                break
            user.assistant(said)
            agent.user(said.content)
            call = await chat.complete(agent, tools=TOOLS)
            assert [(each.name, each.arguments) for each in call.tool_calls] == [
                ("get_user_details", '{"user_id":"u_7"}')
            ]
            kinds.append("call")
            agent.assistant(call)
            agent.tool(call.tool_calls[0].id, '{"role":"user"}')
            answer = await chat.complete(agent, tools=TOOLS)
            assert answer.content
            kinds.append("text")
            agent.assistant(answer)
            user.user(answer.content)
        async with aiohttp.ClientSession() as session, session.get(url.removesuffix("/v1") + "/stats") as response:
            assert (await response.json())["calls"] == 16
        await chat.close()
    assert kinds == ["user", "call", "text"] * 5 + ["user"]


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("tools_first", [True, False])
def test_any_order_of_fields_and_any_spacing_is_read(separators: tuple[str, str], tools_first: bool) -> None:
    asked = [{"role": "system", "content": '"tools": [] "role":"tool"'}, {"role": "user", "content": "hi"}]
    result = {"role": "tool", "tool_call_id": "c", "content": '{"role": "user"}'}

    def body(messages: list[dict[str, Any]]) -> bytes:
        tools = {"tools": [{"type": "function", "function": {"name": "f"}}]}
        fields = tools | {"messages": messages} if tools_first else {"messages": messages} | tools
        return json.dumps(fields, separators=separators).encode()

    assert choose(body(asked), Script()) == ("call", 0)
    assert choose(body([*asked, {"role": "assistant", "content": None}, result]), Script()) == ("text", 1)
    assert choose(json.dumps({"messages": asked}, separators=separators).encode(), Script()) == ("user", 0)


async def test_a_request_may_come_in_pieces() -> None:
    body = b'{"messages":[{"role":"user","content":"hi"}],"tools":[{}]}'
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with running(0.0) as url:
        host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in range(2):
            for piece in (request[:10], request[10:70], request[70:]):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.02)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert b"get_user_details" in await reader.readexactly(length)
        writer.close()


def test_it_exits_when_its_parent_dies() -> None:
    start = "import subprocess, sys; subprocess.Popen([sys.executable, '-m', 'benchmarks.endpoint']).wait()"
    with subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        endpoint = json.loads(parent.stdout.readline())["pid"]
        os.kill(endpoint, 0)  # it runs
        parent.kill()
        # The pipe ends when the last process that holds it, the endpoint, is gone. (If not: the test's timeout.)
        assert parent.stdout.read() == ""
