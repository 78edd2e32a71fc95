"""Finder of tool calls that a model wrote into its text, where no parser of its server took them for calls.

Each family of models marks its calls in a way of its own, and a server needs the parser for it. Without one the call
stays in the message, and the customer reads it instead of being served. What a model thinks of a call is none: of text
with thoughts in it, what stands outside of them is read. The time that it takes grows with the text's length alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any

#: How models begin a call in their text. Nobody writes these to a customer.
_MARKS = re.compile(
    # nearly all; Llama, Qwen Coder; Anthropic; DeepSeek V3.2
    r"<[|\uff5c]?/?[\w:.\u2581-]{0,32}(tool|function)[_\u2581-]?calls?(_section)?([_:\u2581-]?(begin|start))?([|\uff5c]?>|\s)"
    r"|<function[=/]|<[\w:.\uff5c]{0,20}invoke name=|<[|\uff5c]DSML[|\uff5c]|<tool_name>"
    # Llama 3, Llama 4; InternLM; Command R; Mistral; Nemotron; Apertus; Phi
    r"|<\|python_(tag|start)\|>|<\|(action_start|plugin)\|>|<\|START_ACTION\|>|\[TOOL_CALLS?\]|<TOOLCALL>|<\|tools_prefix\|>"
    r"|\bfunctools\[|\[ARGS\]\s*\{"
    # gpt-oss: a message to a tool; Functionary; Kimi K3; Qwen 2
    r"|\bto=(functions\.|multi_tool_use)|commentary to=|<\|call\|>|<\|recipient\|>"
    r"|<\|open\|>(tools|call)\b|\u273fFUNCTION\u273f"
    # Gemma; GLM
    r"|```(tool_code|tool_calls?|function_calls?)\b|<start_function_call>|<arg_key>",
    re.IGNORECASE,
)
#: Fields that name a tool, those that hold its arguments, and those that hold calls, in the objects that models write.
_NAMES = ("name", "tool", "tool_name", "function", "function_name", "action", "recipient_name")
_ARGUMENTS = ("arguments", "parameters", "params", "args", "input", "action_input", "tool_input", "tool_args", "kwargs")
_CALLS = ("function", "tool_calls", "tool_call", "function_call", "function_calls", "tool_uses", "calls", "action")
#: What may stand before a name: ``functions.``, ``default_api.``.
_SPACE = r"(?:[A-Za-z]\w{0,39}\.)?"
#: The start of a line, or the end of a mark.
_FRESH = r"(?:^|>|\u273f:)[^\w\n]{0,20}+(?=\w)"
#: How a call names its tool, which stands for NAMES.
_FORMS = (
    # after a mark of its family
    r"(?:<function[=/]|invoke name=\"|<tool_name>|\btool=\"|\bto=|<tool_call>|\[TOOL_CALLS\]|tool\u2581sep[|\uff5c]>"
    r"|call\u2581begin[|\uff5c]>|recipient\|>|_call>call:|\u273fFUNCTION\u273f:)\s{0,9}SPACE(NAMES)\b",
    # a line of an agent that thinks aloud
    r"^\W{0,9}(?:Action|Function|Tool)(?: call| name)?\W{0,5}:[\s*`\"]{0,9}SPACE(NAMES)[\s*`\"]{0,9}(?:$|[({\[])",
    # find_order {"id": 1}, the object on the same line or the next; functions.find_order:0{"id": 1}
    r"FRESH(?:function|json)?SPACE(NAMES)(?::\d{1,4})?(?:<\|[^|\n]{1,30}\|>|\[ARGS\]|[\s:`*]|json){0,12}\{\s{0,20}[\"}]",
    # find_order(id="1"): with named arguments, or all that stands on the line
    r"FRESH(?:\w{1,40}\s?=\s?)?(?:await )?(?:print\()?SPACE(NAMES)\(\s{0,9}(?:[A-Za-z_]\w{0,63}\s?=\s?[\"'\w\[{(.+-]"
    r"|(?:[\"'{][^\n]{0,2000}|[\d.-]{1,40})?\)[^\w\n]{0,9}$)",
    # <find_order><id>1</id></find_order>
    r"<(NAMES)(?:>|\s?/>)",
    # {"name": "find_order", "arguments": {... that never ends
    rf"\"(?:{'|'.join(_NAMES)})\"\s?:\s?\"SPACE(NAMES)\"\s?,\s{{0,20}}\"(?:{'|'.join(_ARGUMENTS)})\"\s?:",
)
_THOUGHT = re.compile(r"<think(?:ing)?>|\[THINK\]|\u25c1think\u25b7|<\|channel\|>analysis<\|message\|>")
_THOUGHT_OVER = re.compile(r"</think(?:ing)?>|\[/THINK\]|\u25c1/think\u25b7|<\|end\|>")
_DECODER = json.JSONDecoder()
_OPENING = re.compile(r"\{\s{0,20}\"|\[\s{0,20}[\[{]")
#: Objects tried in one text, and characters of it that are read: those at its start and those at its end.
_MOST, _CHARACTERS = 50, 40_000


def call_in_text(text: str | None, tools: Collection[str] | None = None) -> str | None:
    """The first call in a text: the tool's name, else the mark that it begins with. None if there is no call.

    Args:
        text: a message of a model.
        tools: the names of the tools it has. Without a mark, only these make a call; None takes any name in an object
            that could be nothing else.
    """
    if not text:
        return None
    text = _spoken(text)
    if len(text) > _CHARACTERS:
        text = f"{text[: _CHARACTERS // 2]}\n{text[-_CHARACTERS // 2 :]}"
    mark = _MARKS.search(text)
    return _named(text, tools) or (mark[0] if mark else None)


def _spoken(text: str) -> str:
    """The text without thoughts that have an end; where one has no start, it is all that stands before its end."""
    *parts, rest = _THOUGHT_OVER.split(text)
    before = [part[: begun.start()] for part in parts if (begun := _THOUGHT.search(part))]
    return "\n".join([*before, _THOUGHT.sub("", rest)])  # a tag alone: <think> is no call of a tool named think


def _named(text: str, tools: Collection[str] | None) -> str | None:
    if tools is not None and not any(name in text for name in tools):
        return None
    for value in _objects(text):
        if (name := _tool_of(value, tools)) is not None:
            return name
    if not tools:
        return None
    written = _written(frozenset(tools)).search(text)
    return next(filter(None, written.groups())) if written else None


@lru_cache(maxsize=16)
def _written(tools: frozenset[str]) -> re.Pattern[str]:
    """A pattern of calls of these tools in any form but an object; one of its groups is the name."""
    names = "|".join(re.escape(name) for name in sorted(tools, key=len, reverse=True))
    forms = "|".join(_FORMS).replace("SPACE", _SPACE).replace("FRESH", _FRESH)
    return re.compile(forms.replace("NAMES", names), re.MULTILINE)


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
            if isinstance(name, str) and (called := _tool_called(name, tools)):
                return called
    if len(value) == 1 and tools is not None:
        ((name, inner),) = value.items()
        if isinstance(inner, dict) and (called := _tool_called(name, tools)):
            return called
    inner = (value.get(field) for field in _CALLS)
    return next((name for each in inner if (name := _tool_of(each, tools, depth + 1))), None)


def _tool_called(name: str, tools: Collection[str] | None) -> str | None:
    """The tool of a name as models write it (``functions.find_order``), if it is one."""
    if tools is not None and name in tools:
        return name
    bare = name.rpartition(".")[2]
    return bare if bare and (tools is None or bare in tools) else None
