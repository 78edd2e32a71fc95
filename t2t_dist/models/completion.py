"""Parser of what an OpenAI-compatible endpoint answers: the body of a completion.

Endpoints differ in small ways (content as a list of parts, arguments as an object, usage left out, a stream that nobody
asked for). Differences that lose nothing are accepted. Beyond that, a field that a reply needs is :class:`BadAnswer`,
never a guess; any other that has a wrong type, or a value out of range, is left out and named in ``Reply.dropped``. An
answer that its own server calls unfinished is none: see :mod:`~t2t_dist.models.finish_reasons`.
"""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

from t2t_dist.config.settings import AnswerLimits
from t2t_dist.core.schema import ToolCall

from .answers import BadAnswer, TooLarge
from .chat import Reply, Usage
from .finish_reasons import MORE, PLAIN, Ending, ending_of
from .refusals import code_named, holds_error, is_error, is_refusal, refusal_text, status_named
from .streamed import LONG_NUMBER, BrokenStream, assembled, is_stream
from .surrogates import BOM, MENDED, mended

#: How much of a server's message an error quotes, in characters; and how much is looked at for that.
QUOTE, _LOOKED_AT = 300, 8192
#: The largest count of tokens, and the largest id of one, that is taken for a real one.
MOST_TOKENS = 2**31 - 1
#: Objects and lists in a body beyond which it is not parsed: they take forty times the memory of their JSON. With its
#: log probabilities a token has three.
CONTAINERS = 1 << 19
#: Characters of a model's name, and of the id of a call.
_SHORT = 256
_LIMITS = AnswerLimits()


class EmptyAnswer(BadAnswer):
    """A well-formed completion with neither text nor tool call, or one that a filter of the server took away."""


class BrokenOff(BadAnswer):
    """An answer that the server says it broke off."""


class FullContext(BadAnswer):
    """The model's context was full before the answer began."""


class ErrorInside(BadAnswer):
    """An error in the body of a 200.

    Attributes:
        said: what the body says of it.
        status: the HTTP status that it means; None if it names none.
        code: that status if it stands there as a number; None if it is only what the words suggest.
        partial: a part of an answer stands beside it, so the request itself was in order.
    """

    def __init__(self, said: dict[str, Any], *, partial: bool) -> None:
        super().__init__(f"the answer holds an error: {refusal_text(said)}")
        self.said, self.partial = said, partial
        self.status, self.code = status_named(said), code_named(said)


def quote(text: str) -> str:
    """One line of at most ``QUOTE`` characters, for an error message."""
    text = " ".join(text[:_LOOKED_AT].split())
    return text if len(text) <= QUOTE else text[: QUOTE - 3] + "..."


def parse_completion(data: bytes, id_prefix: str, limits: AnswerLimits = _LIMITS, *, capture: bool = True) -> Reply:
    """The first choice of a chat completion.

    Args:
        data: the whole body.
        id_prefix: the start of the ids given to tool calls that came without one (``{id_prefix}_{index}``), so that
            they are the same on every run.
        limits: bounds of what the answer holds.
        capture: ids and log probabilities of tokens were asked for: wrong ones make the answer a bad one. Those that
            were not asked for are never taken.

    Raises:
        EmptyAnswer: neither text nor tool call, though the model stopped by itself; or a filter stopped it.
        BrokenOff, ErrorInside, FullContext: the server says that there is no answer, or not all of one.
        TooLarge: beyond one of the limits.
        BadAnswer: not JSON, or not the shape of a chat completion.
    """
    body = decoded(data)
    dropped: list[str] = []
    try:
        if error := error_in(body):
            raise error
        choice = body["choices"][0]
        ending, finish_reason = _end(choice, limits)
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
        calls = _calls(raw_calls, data, id_prefix, limits, dropped) if raw_calls else ()
        model = body.get("model")
    except BadAnswer:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        raise BadAnswer("the answer is not a chat completion") from None
    reasoning = _text(reasoning, None, "reasoning", dropped)
    _bounded(max(len(content or ""), len(reasoning or "")), limits.content, "characters of text")
    # At the token limit a model may not have reached its answer. That is how it spent its tokens: asked again it would
    # do the same.
    if ending is not Ending.CUT and not calls and (content is None or not content.strip()):
        if ending is Ending.FULL:
            raise FullContext("the context was full before the answer began")
        raise EmptyAnswer("the model stopped with neither text nor tool call")
    prompt_ids, ids, logprobs = _captured(body, choice, capture, dropped)
    return Reply(
        content=content,
        reasoning=reasoning,
        tool_calls=calls,
        finish_reason=_text(finish_reason, _SHORT, "finish_reason", dropped),
        usage=_usage(body.get("usage"), dropped),
        model=_text(model, _SHORT, "model", dropped) or "",
        reasoning_field=field if reasoning else "reasoning_content",
        prompt_token_ids=prompt_ids,
        token_ids=ids,
        logprobs=logprobs,
        dropped=tuple(dropped),
    )


def decoded(data: bytes) -> Any:
    """The JSON value of a body. A stream is put together, half a surrogate pair becomes U+FFFD, and numbers that JSON
    has not (NaN, infinities, 1e999) are read, though they fit no field.

    Raises:
        TooLarge: it holds more than :data:`CONTAINERS`.
        BadAnswer: it is nothing of these.
    """
    if len(data) > CONTAINERS:
        _bounded(data.count(b"{") + data.count(b"["), CONTAINERS, "objects and lists")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        reason = error
    try:
        if is_stream(data):
            return assembled(data)
        if data.startswith(BOM) and len(data) > MENDED:
            return orjson.loads(data[len(BOM) :])
        text = data.decode("utf-8-sig")
        # Python's parser takes half a surrogate pair, which nothing can write.
        if "\\u" not in text or len(data) <= MENDED:
            return json.loads(mended(text) if "\\u" in text else text)
    except BrokenStream as error:
        raise BrokenOff(str(error)) from None
    except (ValueError, RecursionError):  # orjson's are ValueErrors, too
        pass
    raise BadAnswer(f"the answer is not JSON ({reason})")


def error_in(body: dict[str, Any]) -> ErrorInside | None:
    """The error that a body has beside its choices, in the first of them, or in their place."""
    choices = body.get("choices")
    if not choices or holds_error(body):
        rest = {name: value for name, value in body.items() if name != "choices"}
        return ErrorInside(rest, partial=bool(choices)) if choices or is_refusal(rest) else None
    first = choices[0] if type(choices) is list else None
    if type(first) is not dict:
        return None
    said = first.get("error")
    if said is None and type(message := first.get("message")) is dict:
        said = message.get("error")
    return ErrorInside({"error": said}, partial=True) if said is not None and is_error(said) else None


def _end(choice: dict[str, Any], limits: AnswerLimits) -> tuple[Ending, Any]:
    """How the answer ended, and its finish reason: ``length`` for each that means it.

    Raises:
        BrokenOff, EmptyAnswer: it was not the model that ended it.
        BadAnswer: whether it was is not known.
    """
    given = choice.get("finish_reason")
    if type(given) is str and given in PLAIN and not ("native_finish_reason" in choice or MORE in choice):
        return Ending.COMPLETE, given
    ending, reason = ending_of(choice)
    if ending is Ending.BROKEN:
        raise BrokenOff(f"the server broke off the answer (finish_reason {quote(reason)})")
    if ending is Ending.WITHHELD:
        raise EmptyAnswer(f"the server withheld the answer (finish_reason {quote(reason)})")
    if ending is Ending.UNKNOWN:
        if given not in limits.finish_reasons:
            raise BadAnswer(
                f"the server does not say that the answer is whole (finish_reason {quote(reason)};"
                " models.answer.finish_reasons takes more words that mean it)"
            )
        return Ending.COMPLETE, "stop"
    return ending, "length" if ending in (Ending.CUT, Ending.FULL) else given


def _joined(parts: list[Any]) -> str:
    """The text of content given as a list of parts; parts other than text have no ``text``."""
    return "".join([part if type(part) is str else part.get("text", "") for part in parts])


def _text(value: Any, most: int | None, field: str, dropped: list[str]) -> str | None:
    """A text that nobody needs, of at most ``most`` characters; else it is dropped."""
    if isinstance(value, str) and (most is None or len(value) <= most):
        return value
    if value is not None:
        dropped.append(field)
    return None


def _bounded(length: int, most: int, what: str) -> None:
    """Raises TooLarge."""
    if length > most:
        raise TooLarge(f"the answer has {length:,} {what}, more than {most:,}")


# -- tool calls --------------------------------------------------------------------------------------------------------
def _calls(raw: Any, data: bytes, id_prefix: str, limits: AnswerLimits, dropped: list[str]) -> tuple[ToolCall, ...]:
    """The tool calls. Raises TooLarge, and what Python raises for another shape."""
    if type(raw) is not list:
        raise TypeError(raw)
    _bounded(len(raw), limits.calls, "tool calls")
    as_objects = any(type(each["function"].get("arguments")) is dict for each in raw)
    if as_objects and LONG_NUMBER.search(data) and not is_stream(data):
        # Read again by a parser that leaves whole numbers of any size as they are.
        text = data.decode("utf-8-sig")
        text = mended(text) if "\\u" in text and len(data) <= MENDED else text
        raw = json.loads(text)["choices"][0]["message"]["tool_calls"]
    return tuple([_call(each, f"{id_prefix}_{i}", limits, dropped) for i, each in enumerate(raw)])


def _call(raw: dict[str, Any], default_id: str, limits: AnswerLimits, dropped: list[str]) -> ToolCall:
    function = raw["function"]
    name, arguments = function["name"], function.get("arguments")
    if type(name) is not str:
        raise TypeError(name)
    if arguments is None:
        arguments = "{}"
    elif type(arguments) is not str:
        arguments = _as_text(arguments)
    _bounded(len(name), limits.name, "characters in the name of a tool")
    _bounded(len(arguments), limits.arguments, "characters in the arguments of a call")
    if "\\u" in arguments:
        # JSON inside of JSON: the parser of the body has not seen these escapes.
        arguments = mended(arguments)
    return ToolCall(_text(raw.get("id"), _SHORT, "id", dropped) or default_id, name, arguments)


def _as_text(arguments: Any) -> str:
    """Arguments that came as a value, as JSON text; the tool decides whether they can be used."""
    try:
        text = orjson.dumps(arguments).decode()
    except TypeError:  # nested deeper than it writes, or a whole number beyond 64 bits
        text = "null"
    if "null" in text:  # it may stand for NaN
        text = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
    return text


# -- tokens ------------------------------------------------------------------------------------------------------------
def _usage(given: Any, dropped: list[str]) -> Usage:
    """Counts of tokens; 0 for each that is absent or dropped."""
    if type(given) is not dict:
        if given is not None:
            dropped.append("usage")
        return Usage()
    details = given.get("prompt_tokens_details")
    if details is not None and type(details) is not dict:
        dropped.append("usage")
        details = None
    cached = details.get("cached_tokens") if details else None
    counts = []
    for count in (given.get("prompt_tokens"), cached, given.get("completion_tokens")):
        if type(count) is not int or not 0 <= count <= MOST_TOKENS:
            if count is not None:
                dropped.append("usage")
            count = 0
        counts.append(count)
    return Usage(*counts)


def _captured(
    body: dict[str, Any], choice: dict[str, Any], asked: bool, dropped: list[str]
) -> tuple[list[int] | None, list[int] | None, list[float] | None]:
    """Ids of the prompt, ids of the answer and its log probabilities, where the engine gave them.

    Raises BadAnswer: they were asked for, and are no such thing.
    """
    ids = choice.get("token_ids")
    if ids is None:
        return None, None, None
    try:
        found = _ids(body.get("prompt_token_ids")), _ids(ids), _logprobs(choice.get("logprobs"), len(ids))
    except (TypeError, ValueError, KeyError, OverflowError):
        if asked:
            raise BadAnswer("the answer's token ids or log probabilities are malformed") from None
        dropped.append("token_ids")
        return None, None, None
    return found if asked else (None, None, None)


def _ids(given: Any) -> list[int] | None:
    """Raises TypeError, ValueError: no list of token ids."""
    if given is None:
        return None
    if type(given) is not list or not set(map(type, given)) <= {int}:
        raise TypeError("no list of ids")
    if given and not 0 <= min(given) <= max(given) <= MOST_TOKENS:
        raise ValueError("an id out of range")
    return given


def _logprobs(given: Any, count: int) -> list[float] | None:
    """Raises TypeError, ValueError, KeyError, OverflowError: not the log probabilities of ``count`` tokens."""
    tokens = given.get("content") if type(given) is dict else given
    if tokens is None:
        return None
    if type(given) is not dict or type(tokens) is not list:
        raise TypeError("no list of log probabilities")
    values = [token["logprob"] for token in tokens]
    if len(values) != count or not set(map(type, values)) <= {int, float} or not all(map(math.isfinite, values)):
        raise ValueError("no log probability for each token")
    return [float(value) for value in values]
