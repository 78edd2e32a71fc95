"""A transcript as the agent's model saw it: system prompt, what the customer said, its own calls and their results.

What a customer does on a device of their own is not in it, nor anything after the agent's last message: the agent never
saw that. ``train`` marks what a model should learn: the agent's messages, but for the greeting, which is fixed text and
no model's, and for calls whose arguments are no JSON object, which stand in the history as something else than was
said.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson

from t2t_dist.core.prompts.render import agent_prompt
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import AGENT
from t2t_dist.models.chat import sendable_arguments

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
        told = {name: value for name, value in message.items() if name != "train"}
        if style == "hf":
            told["content"] = told["content"] or ""
            if "tool_calls" in told:
                told["tool_calls"] = [decoded(call) for call in told["tool_calls"]]
            told["train"] = message["train"]
        elif message["role"] == "assistant":
            told["weight"] = int(message["train"])
        found.append(told)
    return found


def decoded(call: dict[str, Any]) -> dict[str, Any]:
    """A call whose arguments are an object, as chat templates want them, whatever it has."""
    function = call["function"]
    arguments = function["arguments"]
    if isinstance(arguments, str):
        arguments = orjson.loads(arguments)
    return {**call, "function": {**function, "arguments": arguments}}


@lru_cache(maxsize=16)
def head_of(domain: Domain) -> tuple[str, list[dict[str, Any]]]:
    """The agent's system prompt and its tools."""
    return agent_prompt(domain), orjson.loads(domain.tools.schemas(AGENT))


def conversation(row: dict[str, Any]) -> tuple[list[Message], list[dict[str, Any]]]:
    """``(messages, tools)`` of a row of any style and file, as ``tokenizer.apply_chat_template`` takes them.

    Nulls that a columnar file put in are gone, tools and arguments are objects, and what is not a chat template's
    affair (``train``, ``weight``) is left out.
    """
    tools = row["tools"]
    tools = orjson.loads(tools) if isinstance(tools, str) else tools
    found = []
    for message in row["messages"]:
        told = {name: value for name, value in message.items() if value is not None and name not in ("train", "weight")}
        told.setdefault("content", "")
        if not told.get("tool_calls"):
            told.pop("tool_calls", None)
        else:
            told["tool_calls"] = [decoded(call) for call in told["tool_calls"]]
        found.append(told)
    return found, tools


def trained(message: Message) -> bool:
    """Whether a message of an exported row is to be learnt."""
    mark = message.get("train")
    return bool(message.get("weight") if mark is None else mark)
