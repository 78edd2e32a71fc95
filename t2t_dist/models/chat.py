"""What crosses the boundary to a model: a conversation going out, a reply coming back.

A :class:`Conversation` keeps every message already encoded. A dialogue of n turns is sent n times and each time all
of it; encoding a message once instead of n times is what keeps the client's cost per call flat as dialogues grow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import orjson


class ToolCall(NamedTuple):
    """One call as the model wrote it. ``arguments`` is the raw JSON text: parsing it is the tool executor's work."""

    id: str
    name: str
    arguments: str


class Usage(NamedTuple):
    """Tokens of one reply, 0 where the endpoint says nothing."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


@dataclass(slots=True)
class Reply:
    """A model's answer.

    ``sampling`` is the JSON of the sampling fields as they were sent. ``t_queue`` and ``t_model`` are seconds: waiting
    for a place (retries included) and the answered request itself. ``raw`` is kept only where a caller asks for it.
    """

    content: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage = Usage()  # noqa: RUF009 - a tuple: one for all is safe
    model: str = ""
    engine: str = ""
    sampling: str = "{}"
    t_queue: float = 0.0
    t_model: float = 0.0
    #: The field that ``reasoning`` came in: an endpoint reads it back under that name and silently drops any other.
    reasoning_field: str = "reasoning_content"
    #: Where tokens are captured: ids of prompt and answer, log probabilities of the answer.
    prompt_token_ids: list[int] | None = None
    token_ids: list[int] | None = None
    logprobs: list[float] | None = None


@dataclass(slots=True)
class Conversation:
    """Messages of one seat's view, each encoded once (OpenAI chat wire format).

    ``key`` names the conversation (``episode/seat``): all its calls are best answered by the same engine. Empty where
    there is nothing to come back to.
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
        """Append what the model said itself, tool calls and (where wanted) reasoning as they came."""
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
        """Decoded again, for logs, tests and recordings."""
        return [orjson.loads(part) for part in self.parts]


def sendable_arguments(arguments: str) -> str:
    """Tool arguments as they may stand in a conversation's history: a JSON object goes back byte for byte.

    Engines parse the arguments of past calls for the chat template, and many answer 400 to the *whole* conversation
    when one of them is not an object. So anything else goes back inside one, where the model still sees what it wrote.
    """
    if not arguments.strip():
        return "{}"
    try:
        if type(orjson.loads(arguments)) is dict:
            return arguments
    except orjson.JSONDecodeError:
        pass
    return orjson.dumps({"malformed_arguments": arguments}).decode()


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
