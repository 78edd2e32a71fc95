"""Recorder of exchanges with a model, and a chat model that answers from such a recording.

The file is JSON Lines, one exchange per line: ``key`` (of the question, see :func:`exchange_key`), ``seat``, ``seed``,
``last`` (start of the last message, for people) and either ``reply`` or ``context_exceeded``.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter

from t2t_dist.core.errors import ContextExceeded, EngineBadResponse, InputError
from t2t_dist.environments.files import open_file, read_file

from .chat import ChatModel, Conversation, Reply, Usage
from .completion import MOST_TOKENS
from .finish_reasons import was_broken_off

#: How much of the last message is shown, in characters.
SHOWN = 80


def exchange_key(conversation: Conversation, tools: bytes | None, seat: str) -> str:
    """Hex blake2b (16 bytes) of seat, encoded messages and encoded tools, joined by newlines, which none contains."""
    digest = blake2b(seat.encode(), digest_size=16)
    for part in conversation.parts:
        digest.update(b"\n")
        digest.update(part)
    digest.update(b"\n\n")
    digest.update(tools or b"")
    return digest.hexdigest()


class Recorder:
    """A wrapper of a chat model that appends each exchange to ``path``. Several processes may share a file.

    Raises:
        InputError: the file can't be written.
    """

    def __init__(self, model: ChatModel, path: str | Path) -> None:
        self.model = model
        self.name = model.name
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: int | None = open_file(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        except OSError as error:
            raise InputError(f"recording {self.path} can't be written: {error.strerror}; give another file") from None

    async def complete(
        self, conversation: Conversation, *, tools: bytes | None = None, seed: int = 0, seat: str = "agent"
    ) -> Reply:
        """The wrapped model's answer. Replies and full contexts are recorded, failures are not."""
        asked = {
            "key": exchange_key(conversation, tools, seat),
            "seat": seat,
            "seed": seed,
            "last": _shown(conversation),
        }
        try:
            reply = await self.model.complete(conversation, tools=tools, seed=seed, seat=seat)
        except ContextExceeded as error:
            self._append(asked | {"context_exceeded": str(error)})
            raise
        self._append(asked | {"reply": _encoded(reply)})
        return reply

    def _append(self, exchange: dict[str, Any]) -> None:
        if self._file is None:
            raise RuntimeError(f"recorder of {self.path} is closed")
        # A single write in append mode, so that lines of several processes do not mix.
        os.write(self._file, orjson.dumps(exchange) + b"\n")

    async def close(self) -> None:
        """Close the wrapped model and the file. Idempotent."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
        await self.model.close()


class RecordedChat:
    """A chat model that answers from a file written by a :class:`Recorder` (``recorded:FILE``).

    Of several replies to the same question, the one recorded with the same seed is given; if there is none, ``seed``
    modulo their count picks one in the order of their seeds (the file's order where equal). So the choice depends
    neither on the order of questions now nor on the order of answers while recording. Replies that their server broke
    off, which earlier versions recorded, are none.

    Raises:
        InputError: the file can't be read, or a line of it is broken; names file and line.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = f"recorded:{path}"
        self._answers = _read(self.path)

    async def complete(
        self, conversation: Conversation, *, tools: bytes | None = None, seed: int = 0, seat: str = "agent"
    ) -> Reply:
        """The recorded reply.

        Raises:
            EngineBadResponse: this question was not recorded, or all its replies were broken off.
            ContextExceeded: so it was recorded.
        """
        await asyncio.sleep(0)  # like every other model, lets the worker's other episodes run
        answers = self._answers.get(exchange_key(conversation, tools, seat))
        if not answers:
            kind = "no" if answers is None else "only a half"
            raise EngineBadResponse(
                f"{self.name} holds {kind} reply for seat {seat} after {len(conversation.parts)} messages,"
                f" the last: {_shown(conversation)!r}"
            )
        answer = next((answer for recorded, answer in answers if recorded == seed), None)
        if answer is None:
            answer = answers[seed % len(answers)][1]
        if isinstance(answer, str):
            raise ContextExceeded(answer)
        return replace(answer)  # a copy, which the caller may change

    async def close(self) -> None:
        """Nothing to close."""


def _shown(conversation: Conversation) -> str:
    """The start of the last message's text, or of the message itself where it has none."""
    if not conversation.parts:
        return ""
    last = conversation.parts[-1]
    content = orjson.loads(last).get("content")
    return (content if isinstance(content, str) and content else last.decode())[:SHOWN]


_REPLY: TypeAdapter[Reply] = TypeAdapter(Reply)


def _encoded(reply: Reply) -> dict[str, Any]:
    fields = asdict(reply) | {"usage": reply.usage._asdict()}
    del fields["dropped"]  # counted when it was recorded
    return fields


def _decoded(fields: dict[str, Any]) -> Reply:
    """The reply of a line. Raises TypeError, ValueError: it is none."""
    usage = Usage(**fields.get("usage", {}))
    if not all(type(count) is int and 0 <= count <= MOST_TOKENS for count in usage):
        raise ValueError(f"usage {usage}")
    return _REPLY.validate_python(asdict(Reply(**fields | {"usage": usage})))


#: The replies to one question, with the seeds they were given for (-1 where the line names none).
_Answers = list[tuple[int, Reply | str]]


def _read(path: Path) -> dict[str, _Answers]:
    try:
        lines = read_file(path).splitlines()
    except OSError as error:
        raise InputError(
            f"recording {path} can't be read: {error.strerror}; give a file written with --set models.record=FILE"
        ) from None
    by_key: dict[str, _Answers] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            exchange = orjson.loads(line)
            answer = exchange["context_exceeded"] if "context_exceeded" in exchange else _decoded(exchange["reply"])
            answers = by_key.setdefault(exchange["key"], [])
            if isinstance(answer, str) or not was_broken_off(answer.finish_reason):
                answers.append((int(exchange.get("seed", -1)), answer))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"recording {path}, line {number}: not a recorded exchange ({type(error).__name__}: {error});"
                f" delete the line or record again"
            ) from None
    for answers in by_key.values():
        answers.sort(key=lambda answer: answer[0])
    return by_key
