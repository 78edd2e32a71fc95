"""Finder of tool calls that a model wrote into its text, where no parser of its server took them for calls.

Each family of models marks its calls in a way of its own, and a server needs the parser for it. Without one the call
stays in the message, and the customer reads it instead of being served.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

#: How models begin a call in their text. Nobody writes these to a customer.
_MARKS = re.compile(
    # nearly all; Llama, Qwen Coder; Anthropic; DeepSeek V3.2
    r"<[|\uff5c]?/?[\w:.\u2581-]{0,32}(tool|function)[_\u2581-]?calls?(_section)?([_\u2581-]?(begin|start))?([|\uff5c]?>|\s)"
    r"|<function=|<[\w:.\uff5c]{0,20}invoke name=|<[|\uff5c]DSML[|\uff5c]"
    # Llama 3; InternLM; Command R; Mistral; Nemotron; Phi; gpt-oss; Functionary
    r"|<\|python_tag\|>|<\|(action_start|plugin)\|>|<\|START_ACTION\|>|\[TOOL_CALLS?\]|<TOOLCALL>"
    r"|\bfunctools\[|to=functions\."
    # Gemma; GLM
    r"|<\|recipient\|>|```(tool_code|tool_calls?|function_calls?)\b|<start_function_call>|<arg_key>",
    re.IGNORECASE,
)
#: What a tool's name follows directly: a mark of its family, or a line of an agent that thinks aloud.
_BEGUN = (
    r"(?:<function=|invoke name=\"|to=functions\.|functions\.|<tool_call>\s*|\[TOOL_CALLS\]\s*|tool\u2581sep[|\uff5c]>"
    r"|recipient\|>|(?m:^Action:\s*))"
)
#: What stands before f(x=1) in a message that is nothing but a call, as Llama 4 and Gemma write it.
_PYTHON = r"\W*(?:(?:python|tool_code|tool_call)\s+)?(?:print\()?(?:\w+\.)?"
#: Fields that name a tool, and those that hold its arguments, in the objects that models write.
_NAMES = ("name", "tool", "tool_name", "function", "function_name", "action", "recipient_name")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "action_input", "tool_input", "tool_args", "kwargs")
_DECODER = json.JSONDecoder()
_OPENING = re.compile(r"[{\[]")
#: Objects tried in one text, and characters of it that are read.
_MOST, _CHARACTERS = 50, 20_000


def call_in_text(text: str | None, tools: Collection[str] | None = None) -> str | None:
    """The first call in a text: the tool's name, else the mark that it begins with. None if there is no call.

    Args:
        text: a message of a model.
        tools: the names of the tools it has. Without a mark, only these make a call; None takes any name in an object
            that could be nothing else.
    """
    if not text:
        return None
    text = text[:_CHARACTERS]
    mark = _MARKS.search(text)
    return _named(text, tools) or (mark[0] if mark else None)


def _named(text: str, tools: Collection[str] | None) -> str | None:
    if tools is not None and not any(name in text for name in tools):
        return None
    for value in _objects(text):
        if (name := _tool_of(value, tools)) is not None:
            return name
    if tools is None:
        return None
    names = "|".join(re.escape(name) for name in sorted(tools, key=len, reverse=True))
    written = re.search(_BEGUN + f"({names})\\b", text) or re.match(_PYTHON + rf"({names})\s*\(", text)
    return written[1] if written else None


def _objects(text: str) -> Iterator[Any]:
    """The outermost JSON values in a text."""
    place = -1
    for _ in range(_MOST):
        opening = _OPENING.search(text, place + 1)
        if opening is None:
            return
        place = opening.start()
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            continue
        yield value
        place = end - 1


def _tool_of(value: Any, tools: Collection[str] | None, depth: int = 0) -> str | None:
    """The tool that a JSON value calls, if any."""
    if depth > 4:
        return None
    if isinstance(value, list):
        return next((name for each in value[:_MOST] if (name := _tool_of(each, tools, depth + 1))), None)
    if not isinstance(value, dict):
        return None
    if any(field in value for field in _ARGUMENTS):
        for field in _NAMES:
            name = value.get(field)
            if isinstance(name, str) and (tools is None or name.removeprefix("functions.") in tools):
                return name.removeprefix("functions.")
    if len(value) == 1 and tools is not None:
        ((name, inner),) = value.items()
        if name in tools and isinstance(inner, dict):
            return str(name)
    inner = (value.get(field) for field in ("function", "tool_calls", "tool_call", "function_call", "calls", "action"))
    return next((name for each in inner if (name := _tool_of(each, tools, depth + 1))), None)
