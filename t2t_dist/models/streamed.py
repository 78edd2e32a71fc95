"""Reader of an answer that came as a stream of events although none was asked for: the chunks become one completion.

Some servers and gateways stream whatever the request says. The body is then lines of ``data: {...}``, with comments
between them, and ends with ``data: [DONE]``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from .finish_reasons import MORE, Ending, ending_of
from .refusals import SAYS, holds_error, is_error, is_refusal
from .surrogates import BOM, MENDED, mended

#: A body that begins so is a stream of events; no JSON does.
_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":", b"error:")
#: Lines of a stream beyond which it is no answer, so that reading it takes well under a second.
LINES = 1 << 17
#: Events beside the answer that may be errors, beyond which it is none: each of them is looked through.
_ASIDES = 1 << 8
#: Fields of ``usage``, and characters of a tool's name, beyond which nothing is added.
_FIELDS, _NAME = 64, 1 << 12
#: How answers end, from good to bad: of several ends in one stream the worst counts.
_ENDINGS = (Ending.COMPLETE, Ending.CUT, Ending.FULL, Ending.UNKNOWN, Ending.WITHHELD, Ending.BROKEN)
_END_FIELDS = ("finish_reason", "native_finish_reason", MORE)
#: A whole number that orjson may not hold.
LONG_NUMBER = re.compile(rb"\d{19}")


class BrokenStream(ValueError):
    """A stream that ends before its answer does, or holds something else than chunks of a completion."""


def is_stream(data: bytes) -> bool:
    """Whether a body is a stream of events."""
    return data[:64].removeprefix(BOM).lstrip().startswith(_STARTS)


def assembled(data: bytes) -> dict[str, Any]:
    """The body that the server would have sent unasked for a stream: text, reasoning, calls and usage put together.

    Only the first choice is read. An error in the stream stands beside what came before it, in ``error``.

    Raises:
        BrokenStream: not JSON, no chunk of a completion, more than LINES lines, or the end is missing.
    """
    if data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n") > LINES:
        raise BrokenStream(f"the stream has more than {LINES:,} lines")
    body: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    choice = _Choice()
    asides, halves, long_numbers = 0, False, LONG_NUMBER.search(data) is not None
    for kind, event in _events(data.removeprefix(BOM)):
        if kind == b"error":
            body["error"] = _error(event)
            break
        if event == b"[DONE]":
            break
        try:
            if long_numbers and LONG_NUMBER.search(event):
                # orjson makes a float of a large whole number.
                chunk = _object(_with_halves(event))
                halves = halves or b"\\u" in event
            else:
                chunk = _object(orjson.loads(event))
        except orjson.JSONDecodeError:
            chunk = _object(_with_halves(event))
            halves = halves or b"\\u" in event
        if halves and len(data) > MENDED:
            raise BrokenStream("the stream holds half a character")
        parts = _list(chunk.get("choices"))
        asides += not (parts or SAYS.isdisjoint(chunk))
        if asides > _ASIDES:
            raise BrokenStream(f"the stream has more than {_ASIDES} events that are no part of the answer")
        if holds_error(chunk) or (not parts and is_refusal(chunk)):
            # Nothing that comes after an error belongs to the answer.
            error = chunk.get("error")
            body["error"] = error if is_error(error) else chunk
            break
        for name, value in chunk.items():
            if name == "usage" and value is not None:
                if len(usage) < _FIELDS:
                    usage.update(_object(value))
            elif name != "choices" and value is not None:
                body[name] = value
        for part in parts:
            if _object(part).get("index") in (0, None):
                choice.add(part)
        if choice.error is not None:
            body["error"] = choice.error
            break
    if usage:
        body["usage"] = usage
    if "error" not in body:
        if not choice.begun:
            raise BrokenStream("the stream holds no chunk of a completion")
        # "[DONE]" alone is no end of an answer: servers send it after whatever broke off, too.
        if choice.rank < 0:
            raise BrokenStream("the stream ended before the answer did")
    body["choices"] = [choice.whole()] if choice.begun else []
    if not halves:
        return body
    try:
        return _object(json.loads(mended(json.dumps(body))))
    except (ValueError, RecursionError):
        raise BrokenStream("the stream holds something that is not JSON") from None


def _events(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and data of each event. Lines of one event are joined; comments and other fields are left out.

    A line ``error: ...``, which llama.cpp has sent, is an event of that kind.
    """
    lines: list[bytes] = []
    kind = b""
    for line in data.splitlines():
        if line.startswith(b"data:"):
            lines.append(line[5:])
        elif line.startswith(b"event:"):
            kind = line[6:].strip().lower()
        elif line.startswith(b"error:"):
            yield b"error", line[6:].strip()
        elif not line.strip():
            if lines or kind == b"error":
                yield kind, b"\n".join(lines).strip()
            lines, kind = [], b""
    if lines or kind == b"error":
        yield kind, b"\n".join(lines).strip()


def _error(event: bytes) -> Any:
    """What an event that is an error says; never empty."""
    try:
        said = orjson.loads(event)
    except orjson.JSONDecodeError:
        said = event[:MENDED].decode("utf-8", "replace")
    if type(said) is dict and is_error(said.get("error")):
        said = said["error"]
    return said if is_error(said) else "an error without words"


def _with_halves(event: bytes) -> Any:
    """The value of an event with half a surrogate pair, whose other half may be in the next one."""
    try:
        return json.loads(event)
    except (ValueError, RecursionError):
        raise BrokenStream("the stream holds something that is not JSON") from None


def _object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise BrokenStream("the stream holds no chunk of a completion")
    return value


def _list(value: Any) -> list[Any]:
    """The items of a field that may be absent."""
    if value is not None and type(value) is not list:
        raise BrokenStream("the stream holds no chunk of a completion")
    return value or []


class _Choice:
    """One choice, chunk by chunk."""

    def __init__(self) -> None:
        self.begun = False
        self.rank = -1
        self.error: Any = None
        self.fields: dict[str, Any] = {}
        self.lists: dict[str, list[Any]] = {}
        self.texts: dict[str, list[str]] = {}
        self.calls: list[dict[str, Any]] = []
        self.places: dict[int | None, dict[str, Any]] = {}

    def add(self, part: dict[str, Any]) -> None:
        self.begun = True
        for name, value in part.items():
            if name in ("delta", "message", "index", *_END_FIELDS) or value is None:
                continue
            if name == "logprobs":
                self.lists.setdefault("logprobs", []).extend(_list(_object(value).get("content")))
            elif name == "token_ids" and type(value) is list:
                self.lists.setdefault(name, []).extend(value)
            else:
                self.fields[name] = value
        more = part.get(MORE)
        if (
            part.get("finish_reason")
            or part.get("native_finish_reason")
            or (type(more) is dict and more.get("native_finish_reason"))
        ):
            rank = _ENDINGS.index(ending_of(part)[0])
            if rank >= self.rank:
                self.rank = rank
                self.fields |= {name: part[name] for name in _END_FIELDS if part.get(name)}
        # A whole message in one event: servers that stream only in form.
        delta = _object(part.get("delta") or part.get("message") or {})
        for error in (part.get("error"), delta.get("error")):
            if is_error(error):
                self.error = error
        for name, value in delta.items():
            if name == "tool_calls":
                for call in _list(value):
                    self._call(_object(call))
            elif name in ("content", "reasoning_content", "reasoning", "refusal") and value is not None:
                self.texts.setdefault(name, []).append(_text(value))

    def _call(self, part: dict[str, Any]) -> None:
        """Add a piece of a call. It belongs to the call of its index, or to the last one where servers give none;
        an id and a name that are new begin another call, whatever the index says."""
        function = _object(part.get("function") or {})
        name, given, key = function.get("name"), part.get("id"), part.get("index")
        if type(key) is int:
            call = self.places.get(key)
        else:
            call, key = (self.calls[-1] if self.calls else None), None
        if call is None or (name and given and call["id"] not in (None, "", given)):
            call = {"id": None, "type": "function", "function": {"name": "", "arguments": []}}
            self.calls.append(call)
            self.places[key] = call
        call["id"] = call["id"] or given
        held = call["function"]
        if type(name) is str and name != held["name"]:
            if len(held["name"]) > _NAME:
                raise BrokenStream("the stream holds the name of a tool that is far too long")
            held["name"] += name
        arguments = function.get("arguments")
        if type(arguments) is str:
            held["arguments"].append(arguments)
        elif arguments is not None:
            held["value"] = arguments

    def whole(self) -> dict[str, Any]:
        """The choice as an answer that is not streamed has it."""
        message: dict[str, Any] = {"role": "assistant", "content": None}
        message |= {name: "".join(pieces) for name, pieces in self.texts.items()}
        if self.calls:
            for call in self.calls:
                held = call["function"]
                held["arguments"] = held.pop("value", None) or "".join(held["arguments"]) or "{}"
            message["tool_calls"] = self.calls
        choice = {"index": 0, "message": message, **self.fields}
        if "token_ids" in self.lists:
            choice["token_ids"] = self.lists["token_ids"]
        if "logprobs" in self.lists:
            choice["logprobs"] = {"content": self.lists["logprobs"]}
        return choice


def _text(value: Any) -> str:
    """The text of a piece, which may be a list of parts."""
    if type(value) is str:
        return value
    if type(value) is list:
        return "".join([_text(part.get("text") or "" if type(part) is dict else part) for part in value])
    raise BrokenStream("the stream holds no chunk of a completion")
