"""Transcripts as the agent's model saw them: system prompt, the customer's messages, its own calls and their results.

Left out is what the agent never saw: what a customer does on a device of their own, and everything after the agent's
last message. ``train`` marks the messages to train on: the agent's, except the greeting, which is fixed text, and
calls whose arguments are no JSON object, which the history holds in another form than they were sampled in.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson

from t2t_dist.core.prompts.render import agent_prompt
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tool_faults import noise_of, with_tool_faults
from t2t_dist.environments.tools import AGENT
from t2t_dist.models.chat import sendable_arguments
from t2t_dist.storage.rows import faults_of

Message = dict[str, Any]


def messages_of(turns: Sequence[dict[str, Any]], system: str) -> list[Message]:
    """Messages in OpenAI's form, arguments as JSON text, with ``train``; ``turns`` as an episode's row has them."""
    found: list[Message] = [{"role": "system", "content": system, "train": False}]
    heard = False
    for turn in turns:
        if turn["seat"] != AGENT:
            if turn["role"] != "tool" and not turn["tool_calls"]:
                found.append({"role": "user", "content": turn["content"] or "", "train": False})
                heard = True
        elif turn["role"] == "tool":
            answer = {"role": "tool", "tool_call_id": turn["tool_call_id"] or "", "content": turn["content"] or ""}
            found.append({**answer, "train": False})
        else:
            found.append(_said(turn, heard))
    while found[-1]["role"] in ("user", "tool"):
        found.pop()
    return found


def _said(turn: dict[str, Any], heard: bool) -> Message:
    calls = turn["tool_calls"] or ()
    message: Message = {"role": "assistant", "content": turn["content"]}
    if turn["reasoning"]:
        message["reasoning_content"] = turn["reasoning"]
    as_sent = [sendable_arguments(call["arguments"]) for call in calls]
    if calls:
        message["tool_calls"] = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": arguments}}
            for call, arguments in zip(calls, as_sent, strict=True)
        ]
    whole = all(call["arguments"] == sent for call, sent in zip(calls, as_sent, strict=True))
    message["train"] = heard and whole
    return message


def styled(messages: Sequence[Message], style: str) -> list[Message]:
    """``openai``: ``weight`` on the assistant's messages; ``hf``: ``train`` on all, arguments as objects, no null."""
    found = []
    for message in messages:
        copy = {name: value for name, value in message.items() if name != "train"}
        if style == "hf":
            copy["content"] = copy["content"] or ""
            if "tool_calls" in copy:
                copy["tool_calls"] = [decoded(call) for call in copy["tool_calls"]]
            copy["train"] = message["train"]
        elif message["role"] == "assistant":
            copy["weight"] = int(message["train"])
        found.append(copy)
    return found


def decoded(call: dict[str, Any]) -> dict[str, Any]:
    """A call with its arguments as an object, which chat templates want."""
    function = call["function"]
    arguments = function["arguments"]
    if isinstance(arguments, str):
        arguments = orjson.loads(arguments)
    return {**call, "function": {**function, "arguments": arguments}}


@lru_cache(maxsize=64)
def tools_of(domain: Domain, noise: str = "") -> list[dict[str, Any]]:
    """The tools that an agent was offered; ``noise``: what :func:`noise_in` gives for its episode."""
    offered = with_tool_faults(domain, orjson.loads(noise)) if noise else domain
    found: list[dict[str, Any]] = orjson.loads(offered.tools.schemas(AGENT))
    return found


def noise_in(row: dict[str, Any]) -> str:
    """The part of a stored episode's tool faults that decides which tools its agent was offered, as JSON; or empty."""
    noise = noise_of(faults_of(row))
    return orjson.dumps(noise, option=orjson.OPT_SORT_KEYS).decode() if noise else ""


def opening(domain: Domain, greeting: str, turns: Sequence[dict[str, Any]]) -> tuple[str, Sequence[dict[str, Any]]]:
    """The system prompt that the agent of an episode was sent, and the turns that were sent to it as messages.

    ``greeting`` is the run's ``models.greeting``.
    """
    if greeting == "system" and turns and turns[0]["seat"] == AGENT and not turns[0]["tool_calls"]:
        return agent_prompt(domain, turns[0]["content"] or ""), turns[1:]
    return agent_prompt(domain), turns


def conversation(row: dict[str, Any]) -> tuple[list[Message], list[dict[str, Any]]]:
    """``(messages, tools)`` of a row of any style and file, as ``tokenizer.apply_chat_template`` takes them.

    Nulls that a columnar file put in are dropped, tools and arguments are objects, and marks that chat templates don't
    know (``train``, ``weight``) are left out.
    """
    tools = row["tools"]
    tools = orjson.loads(tools) if isinstance(tools, str) else tools
    found = []
    for message in row["messages"]:
        copy = {name: value for name, value in message.items() if value is not None and name not in ("train", "weight")}
        copy.setdefault("content", "")
        if not copy.get("tool_calls"):
            copy.pop("tool_calls", None)
        else:
            copy["tool_calls"] = [decoded(call) for call in copy["tool_calls"]]
        found.append(copy)
    return found, tools


def trained(message: Message) -> bool:
    """Whether a message of an exported row is marked for training."""
    mark = message.get("train")
    return bool(message.get("weight") if mark is None else mark)
