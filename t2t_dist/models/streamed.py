"""Reader of an answer that came as a stream of events although none was asked for: the chunks become one completion.

Some servers and gateways stream whatever the request says. The body is then lines of ``data: {...}``, with comments
between them, and ends with ``data: [DONE]``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson

from .surrogates import mended

#: A body that begins so is a stream of events; no JSON does.
_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
#: Lines of a stream beyond which it is no answer, so that reading it takes well under a second.
LINES = 1 << 17


class BrokenStream(ValueError):
    """A stream that ends before its answer does, or holds something else than chunks of a completion."""


def is_stream(data: bytes) -> bool:
    """Whether a body is a stream of events."""
    return data[:64].lstrip().startswith(_STARTS)


def assembled(data: bytes) -> dict[str, Any]:
    """The body that the server would have sent unasked for a stream: text, reasoning, calls and usage put together.

    Only the first choice is read. An error in the stream stands beside what came before it, in ``error``.

    Raises:
        BrokenStream: not JSON, no chunk of a completion, more than LINES lines, or the end is missing.
    """
    if data.count(b"\n") > LINES:
        raise BrokenStream(f"the stream has more than {LINES:,} lines")
    body: dict[str, Any] = {}
    choice = _Choice()
    done = halves = False
    for event in _events(data):
        if event == b"[DONE]":
            done = True
            break
        try:
            chunk = _object(orjson.loads(event))
        except orjson.JSONDecodeError:
            chunk, halves = _object(_with_halves(event)), True
        if chunk.get("error") or chunk.get("object") == "error":
            # Nothing that comes after an error belongs to the answer.
            body["error"], done = chunk.get("error") or chunk, True
            break
        for name, value in chunk.items():
            if name != "choices" and value is not None:
                body[name] = value if name != "usage" else {**body.get("usage", {}), **_object(value)}
        for part in _list(chunk.get("choices")):
            if _object(part).get("index") in (0, None):
                choice.add(part)
    if not choice.begun and "error" not in body:
        raise BrokenStream("the stream holds no chunk of a completion")
    if not done and choice.fields.get("finish_reason") is None:
        raise BrokenStream("the stream ended before the answer did")
    body["choices"] = [choice.whole()] if choice.begun else []
    return _object(json.loads(mended(json.dumps(body)))) if halves else body


def _events(data: bytes) -> Iterator[bytes]:
    """The data of each event. Lines of one event are joined; comments and other fields are left out."""
    lines: list[bytes] = []
    for line in data.splitlines():
        if line.startswith(b"data:"):
            lines.append(line[5:])
        elif not line.strip() and lines:
            yield b"\n".join(lines).strip()
            lines = []
    if lines:
        yield b"\n".join(lines).strip()


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
        self.fields: dict[str, Any] = {}
        self.lists: dict[str, list[Any]] = {}
        self.texts: dict[str, list[str]] = {}
        self.calls: list[dict[str, Any]] = []
        self.places: dict[int | None, dict[str, Any]] = {}

    def add(self, part: dict[str, Any]) -> None:
        self.begun = True
        for name, value in part.items():
            if name in ("delta", "message", "index") or value is None:
                continue
            if name == "logprobs":
                self.lists.setdefault("logprobs", []).extend(_list(_object(value).get("content")))
            elif name == "token_ids" and type(value) is list:
                self.lists.setdefault(name, []).extend(value)
            else:
                self.fields[name] = value
        # A whole message in one event: servers that stream only in form.
        delta = _object(part.get("delta") or part.get("message") or {})
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
