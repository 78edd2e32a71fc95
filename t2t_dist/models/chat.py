"""The contract with a model: a :class:`Conversation` goes out, a :class:`Reply` comes back.

A :class:`Conversation` holds each message in encoded form. A dialogue of n turns is sent n times, in full each time;
encoding a message once instead of n times keeps the client's cost per call flat as dialogues grow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import orjson

from t2t_dist.core.schema import ToolCall
from t2t_dist.environments.json_text import MALFORMED, Unreadable, read_json


class Usage(NamedTuple):
    """Token counts of one reply, 0 where the endpoint gives none."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


@dataclass(slots=True)
class Reply:
    """A model's answer.

    ``sampling`` is the JSON of the sampling fields as they were sent. ``t_queue`` and ``t_model`` are seconds: waiting
    for room (retries included), and the answered request itself.
    """

    content: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage = Usage()  # noqa: RUF009 - a tuple: sharing it is safe
    model: str = ""
    engine: str = ""
    sampling: str = "{}"
    t_queue: float = 0.0
    t_model: float = 0.0
    #: The field that ``reasoning`` came in: an endpoint reads it back under this name and silently drops any other.
    reasoning_field: str = "reasoning_content"
    #: Only where tokens are captured: ids of prompt and answer, log probabilities of the answer.
    prompt_token_ids: list[int] | None = None
    token_ids: list[int] | None = None
    logprobs: list[float] | None = None
    #: Fields that were left out, once for each value: of a wrong type, or out of range.
    dropped: tuple[str, ...] = ()


@dataclass(slots=True)
class Conversation:
    """The messages that one seat sees, each encoded once (OpenAI chat wire format).

    ``key`` names the conversation (``episode/seat``): all its calls are best answered by the same engine. Empty for a
    single call.
    """

    parts: list[bytes] = field(default_factory=list)
    key: str = ""

    def add(self, message: dict[str, Any]) -> None:
        self.parts.append(orjson.dumps(message))

    def system(self, text: str) -> None:
        self.add({"role": "system", "content": text})

    def user(self, text: str) -> None:
        self.add({"role": "user", "content": text})

    def assistant(self, reply: Reply, *, reasoning: bool = True) -> None:
        """Append the model's own reply, with its tool calls and (if wanted) its reasoning as they came."""
        message: dict[str, Any] = {"role": "assistant", "content": reply.content}
        if reply.tool_calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": sendable_arguments(call.arguments)},
                }
                for call in reply.tool_calls
            ]
        if reasoning and reply.reasoning:
            message[reply.reasoning_field] = reply.reasoning
        self.add(message)

    def tool(self, call_id: str, content: str) -> None:
        self.add({"role": "tool", "tool_call_id": call_id, "content": content})

    def messages(self) -> list[dict[str, Any]]:
        """The messages decoded, for logs, tests and recordings."""
        return [orjson.loads(part) for part in self.parts]


def sendable_arguments(arguments: str) -> str:
    """Tool arguments in a form that a conversation's history may hold: a JSON object stays as it is, byte for byte.

    Engines parse the arguments of past calls for the chat template, and many answer 400 to the *whole* conversation
    when one of them is not an object. So anything that no tool takes (see :func:`read_json`) is put inside an object,
    where the model still sees its text.
    """
    if not arguments.strip():
        return "{}"
    try:
        if type(read_json(arguments)) is dict:
            return arguments
    except Unreadable:
        pass
    return orjson.dumps({MALFORMED: arguments}).decode()


class ChatModel(Protocol):
    """Anything that answers a conversation: an endpoint, a recording."""

    name: str

    async def complete(
        self, conversation: Conversation, *, tools: bytes | None = None, seed: int = 0, seat: str = "agent"
    ) -> Reply:
        """Answer. ``tools`` is the encoded JSON list of function schemas, or None.

        Raises:
            EngineUnavailable, EngineTimeout, EngineBadResponse: no usable answer after bounded retries.
            ContextExceeded: the endpoint says that the prompt is too long.
        """
        ...

    async def close(self) -> None: ...


@runtime_checkable
class Probed(Protocol):
    """A chat model that can be checked before a run depends on it."""

    name: str

    async def probe(self) -> None:
        """Raises InputError: it does not answer, or does not have the model; one line."""
        ...
