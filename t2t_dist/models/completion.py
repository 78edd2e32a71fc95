"""Parser of what an OpenAI-compatible endpoint sends: the body of a completion, or of a refusal.

Endpoints differ in small ways (content as a list of parts, arguments as an object, usage left out, three shapes of
error). Differences that lose nothing are accepted; anything else is :class:`BadAnswer`, never a guess.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from t2t_dist.core.schema import ToolCall

from .chat import Reply, Usage

#: How much of a server's message an error quotes, in characters.
QUOTE = 300


class BadAnswer(ValueError):
    """A 200 whose body is not a chat completion."""


class EmptyAnswer(BadAnswer):
    """A well-formed completion with neither text nor tool call."""


def quote(text: str) -> str:
    """One line of at most ``QUOTE`` characters, for an error message."""
    text = " ".join(text.split())
    return text if len(text) <= QUOTE else text[: QUOTE - 3] + "..."


def parse_completion(data: bytes, id_prefix: str) -> Reply:
    """The first choice of a chat completion.

    Args:
        data: the whole body.
        id_prefix: the start of the ids given to tool calls that came without one (``{id_prefix}_{index}``), so that
            they are the same on every run.

    Raises:
        EmptyAnswer: neither text nor tool call, though the model stopped by itself.
        BadAnswer: not JSON, or not the shape of a chat completion.
    """
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadAnswer(f"the answer is not JSON ({error})") from None
    try:
        choice = body["choices"][0]
        message = choice["message"]
        content = message.get("content")
        if type(content) is list:
            content = _joined(content)
        if content is None:
            content = message.get("refusal")
        reasoning, field = message.get("reasoning_content"), "reasoning_content"
        if reasoning is None:
            reasoning, field = message.get("reasoning"), "reasoning"
        if content is not None and type(content) is not str:
            raise TypeError(content)
        raw_calls = message.get("tool_calls")
        calls = tuple([_call(raw, f"{id_prefix}_{i}") for i, raw in enumerate(raw_calls)]) if raw_calls else ()
        finish_reason = choice.get("finish_reason")
        model = body.get("model")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise BadAnswer("the answer is not a chat completion") from None
    # At the token limit a model may not have reached its answer. That is how it spent its tokens: asked again it would
    # do the same.
    if not calls and (content is None or not content.strip()) and finish_reason != "length":
        raise EmptyAnswer("the model stopped with neither text nor tool call")
    usage = body.get("usage")
    captured = _captured(body, choice)
    return Reply(
        content=content,
        reasoning=reasoning if type(reasoning) is str else None,
        tool_calls=calls,
        finish_reason=finish_reason if type(finish_reason) is str else None,
        usage=_usage(usage) if type(usage) is dict else Usage(),
        model=model if type(model) is str else "",
        reasoning_field=field if reasoning else "reasoning_content",
        prompt_token_ids=captured[0],
        token_ids=captured[1],
        logprobs=captured[2],
    )


def _joined(parts: list[Any]) -> str:
    """The text of content given as a list of parts; parts other than text have no ``text``."""
    return "".join([part if type(part) is str else part.get("text", "") for part in parts])


def _call(raw: dict[str, Any], default_id: str) -> ToolCall:
    function = raw["function"]
    name, arguments = function["name"], function.get("arguments")
    if type(name) is not str:
        raise TypeError(name)
    if arguments is None:
        arguments = "{}"
    elif type(arguments) is not str:
        arguments = orjson.dumps(arguments).decode()
    call_id = raw.get("id")
    return ToolCall(call_id if type(call_id) is str and call_id else default_id, name, arguments)


def _captured(body: dict[str, Any], choice: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Ids of the prompt, ids of the answer and its log probabilities, where the engine gave them."""
    ids = choice.get("token_ids")
    if type(ids) is not list:
        return None, None, None
    of_answer = choice.get("logprobs")
    content = of_answer.get("content") if type(of_answer) is dict else None
    logprobs = [float(token["logprob"]) for token in content] if type(content) is list else None
    return body.get("prompt_token_ids"), ids, logprobs


def _usage(usage: dict[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if type(details) is dict else 0
    counts = (usage.get("prompt_tokens"), cached, usage.get("completion_tokens"))
    return Usage(*[count if type(count) is int else 0 for count in counts])


# The wordings of OpenAI, vLLM, SGLang and llama.cpp.
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|context_window_exceeded"
    r"|maximum context length|maximum model length|max_model_len|model's context length|available context size"
    r"|(exceeds?|longer than|too long for) (the|this) (model's )?context window"
    r"|too long to fit into the model|prompt is too long|input is too long",
    re.IGNORECASE,
)
_CONTEXT_TOKENS = re.compile(r"(?:context|model) length (?:is|of) (\d+)", re.IGNORECASE)


def refusal_text(data: bytes) -> str:
    """The message in the body of a 4xx or 5xx: ``error.message``, ``message`` or ``detail``, else the whole text."""
    text = data.decode("utf-8", "replace")
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        return text
    message: Any = None
    if isinstance(body, dict):
        message = body.get("error") or body.get("message") or body.get("detail")
        if isinstance(message, dict):
            message = message.get("message")
    return message if isinstance(message, str) and message else text


def says_too_long(status: int, data: bytes, max_tokens: int | None) -> bool:
    """Whether a refusal means that the conversation no longer fits the model's context.

    It does not if ``max_tokens`` alone fills the context: every conversation would be refused from its first turn, and
    a setting must not turn a run into nothing but graded terminations.
    """
    if status not in (400, 413, 422):
        return False
    text = data[:8192].decode("utf-8", "replace")
    if not _TOO_LONG.search(text):
        return False
    context = _CONTEXT_TOKENS.search(text)
    return not (context and max_tokens is not None and max_tokens >= int(context.group(1)))
