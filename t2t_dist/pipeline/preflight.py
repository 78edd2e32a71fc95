"""Checks of ``t2t doctor``: what this machine and the configured endpoints can do, and what to do about problems.

``cluster.doctor`` checks Ray, hosted engines and their interpreter, and calls this module for the rest.
"""

from __future__ import annotations

import platform
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import orjson

from t2t_dist.core.errors import InputError
from t2t_dist.core.text_calls import call_in_text
from t2t_dist.models.answers import BadAnswer, TooLarge, body_of, is_success, open_session
from t2t_dist.models.completion import decoded, error_in, quote
from t2t_dist.models.finish_reasons import Ending, ending_of
from t2t_dist.models.openai import TURNS_REMEDY, listed_models
from t2t_dist.models.refusals import refusal_text
from t2t_dist.storage.objects.base import is_uri
from t2t_dist.storage.objects.opening import create_storage

#: Free bytes below which the disk gets a note.
_LITTLE_DISK = 2 << 30
_ANSWER_S = 60.0
#: Room for a call, after some thinking.
_CALL_TOKENS = 512
#: Routes of a vLLM server that a run uses, with their purpose; without one, everything else still works.
ROUTES = {
    "/health": "readiness of hosted engines",
    "/metrics": "admission by KV use, prefix hits in the status",
    "/v1/models": "the check of the model's name",
    "/tokenize": "checks of captured tokens",
}
#: The type of a web page: servers answer so to any path, a login in front of an endpoint too.
_PAGE = "text/html"
_V1 = "the URL of an endpoint usually ends in /v1"
#: What a check of tools asks.
_ASKED = "What is the state of my order? Its number is 17. Look it up with your tool."
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_order",
        "description": "Look up an order.",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "string", "description": "the order's number"}},
            "required": ["order_id"],
        },
    },
}


class CheckResult(NamedTuple):
    """Result of one check. ``state`` is ``ok``, ``note`` (works, but worth knowing) or ``defect`` (can't run)."""

    point: str
    state: str
    detail: str


@dataclass(frozen=True)
class Endpoint:
    """An endpoint to check; ``url`` ends in ``/v1``."""

    url: str
    model: str
    key: str = ""
    greeted: bool = True
    """It is sent the greeting as the assistant's first message, before any of the user's."""
    finish_reasons: tuple[str | None, ...] = ()
    """More words for the end of a whole answer."""


def machine(out: str | None) -> list[CheckResult]:
    """Python, processors, memory, ports and disk of this machine."""
    import psutil

    found = []
    version = platform.python_version()
    good = sys.version_info >= (3, 11)
    found.append(
        CheckResult("Python", "ok" if good else "defect", version if good else f"{version}; 3.11 or newer is needed")
    )
    memory = psutil.virtual_memory()
    cores = len(psutil.Process().cpu_affinity())
    found.append(CheckResult("machine", "ok", f"{cores} CPUs, {memory.total / 2**30:.0f} GiB, {platform.platform()}"))
    try:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            found.append(CheckResult("ports", "ok", f"free ones on loopback, for example {held.getsockname()[1]}"))
    except OSError as error:
        found.append(CheckResult("ports", "defect", f"no free port on loopback: {error.strerror}"))
    if out is not None and is_uri(out):
        return [*found, _store(out)]
    folder = Path(out or ".").absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    detail = f"{free / 2**30:.1f} GiB free where runs go ({folder})"
    if free < _LITTLE_DISK:
        found.append(CheckResult("disk", "note", f"{detail}; an episode takes 10 to 50 KB"))
    else:
        found.append(CheckResult("disk", "ok", detail))
    return found


def _store(out: str) -> CheckResult:
    """Check that a run can be written there; leaves nothing behind."""
    try:
        storage = create_storage(out)
    except InputError as error:
        return CheckResult("store", "defect", str(error))
    return CheckResult("store", "ok", f"{storage.describe('')} is writable")


async def endpoint(asked: Endpoint) -> list[CheckResult]:
    """Check a running endpoint: its routes, request fields, a one-token request and a one-tool request."""
    headers = {"Authorization": f"Bearer {asked.key}"} if asked.key else {}
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    async with open_session(headers=headers, timeout=timeout) as session:
        probe = _Probe(session, asked)
        try:
            return await probe.run()
        except (aiohttp.ClientError, TimeoutError, OSError, TooLarge, UnicodeError) as error:
            reason = str(error) or type(error).__name__
            return [
                CheckResult(asked.model, "defect", f"{asked.url} can't be reached: {reason}; start it or fix the URL")
            ]


class _Probe:
    def __init__(self, session: aiohttp.ClientSession, asked: Endpoint) -> None:
        self.session, self.asked = session, asked
        self.root = asked.url.removesuffix("/v1")

    async def run(self) -> list[CheckResult]:
        name = self.asked.model
        there = [path for path in ROUTES if await self._has(path)]
        absent = [f"{path} ({what})" for path, what in ROUTES.items() if path not in there]
        found = [
            CheckResult(
                f"{name}: routes", "note" if absent else "ok", f"{', '.join(there) or 'none'}{_without(absent)}"
            )
        ]
        listed = await self._listed() if "/v1/models" in there else []
        if listed and name not in listed:
            shown = ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")
            return [
                *found,
                CheckResult(f"{name}: model", "defect", f"{self.asked.url} does not serve it; it lists: {shown}"),
            ]
        status, body = await self._chat(max_tokens=1)
        if not _choice(body) and await self._is_page():
            detail = f"{self.asked.url} is a web page, no API; {_V1}"
            return [*found, CheckResult(f"{name}: one token", "defect", detail)]
        if status != 200:
            hint = "" if self.asked.url.endswith("/v1") else f"; {_V1}"
            detail = f"refused with {status}: {self._quoted(body)}{hint}"
            return [*found, CheckResult(f"{name}: one token", "defect", detail)]
        if not _choice(body):
            detail = f"the answer is not a chat completion: {self._quoted(body)}"
            return [*found, CheckResult(f"{name}: one token", "defect", detail)]
        ending, reason = ending_of(_choice(body))
        if ending is Ending.UNKNOWN and _choice(body).get("finish_reason") not in self.asked.finish_reasons:
            detail = (
                f"{quote(reason)} does not say that an answer is whole, so runs would take none; if it is,"
                f" set models.answer.finish_reasons=[{quote(reason)}]"
            )
            return [*found, CheckResult(f"{name}: finish reason", "defect", detail)]
        usage = _mapping(body.get("usage"))
        cached = "cached_tokens" in _mapping(usage.get("prompt_tokens_details"))
        prompt = usage.get("prompt_tokens")
        detail = f"answered, {prompt if type(prompt) is int else '?'} tokens in"
        found.append(
            CheckResult(f"{name}: one token", "ok", detail + ("" if cached else "; cached tokens are not reported"))
        )
        fields = await self._fields()
        missing = [field for field, works in fields.items() if not works]
        detail = f"{', '.join(field for field, works in fields.items() if works) or 'none'}{_without(missing)}"
        found.append(CheckResult(f"{name}: request fields", "note" if missing else "ok", detail))
        tool = await self._tool(name)
        return [*found, tool, await self._turns(name, [TOOL] if tool.state == "ok" else None)]

    async def _has(self, path: str) -> bool:
        method, data = ("POST", b"{}") if path == "/tokenize" else ("GET", None)
        async with self.session.request(method, self.root + path, data=data, allow_redirects=False) as answer:
            there = answer.status not in (404, 405, 501) and not 300 <= answer.status < 400
            return there and answer.content_type != _PAGE

    async def _is_page(self) -> bool:
        async with self.session.get(self.asked.url, allow_redirects=False) as answer:
            return answer.status < 400 and answer.content_type == _PAGE

    async def _listed(self) -> list[str]:
        async with self.session.get(f"{self.asked.url}/models", allow_redirects=False) as answer:
            return listed_models(await body_of(answer)) if is_success(answer.status) else []

    async def _chat(self, **more: Any) -> tuple[int, dict[str, Any]]:
        body = {"model": self.asked.model, "messages": [{"role": "user", "content": "Say yes."}], **more}
        data = orjson.dumps(body)
        sent, url = {"Content-Type": "application/json"}, f"{self.asked.url}/chat/completions"
        # Runs follow no redirection either: the key is for this endpoint alone.
        async with self.session.post(url, data=data, headers=sent, allow_redirects=False) as answer:
            raw = await body_of(answer)
        status = 200 if is_success(answer.status) else answer.status
        try:
            parsed = decoded(raw)
        except BadAnswer:
            parsed = None
        if not isinstance(parsed, dict):
            return status, {"error": {"message": raw[:300].decode(errors="replace")}}
        if status == 200 and (inside := error_in(parsed)) is not None:
            return inside.status or 500, inside.said
        return status, parsed

    async def _fields(self) -> dict[str, bool]:
        """Request fields that a run may send, and whether the endpoint honours them."""
        status, body = await self._chat(max_tokens=1, seed=1)
        seed = status == 200
        status, body = await self._chat(max_tokens=1, logprobs=True, return_token_ids=True)
        choice = _choice(body) if status == 200 else {}
        return {
            "seed": seed,
            "logprobs": bool(choice.get("logprobs")),
            "return_token_ids": bool(choice.get("token_ids")) and bool(body.get("prompt_token_ids")),
        }

    def _quoted(self, body: Mapping[str, Any]) -> str:
        """The message of a refusal in one short line, without the key: servers echo what they were sent."""
        words = refusal_text(body)
        return quote(words.replace(self.asked.key, "***") if self.asked.key else words)

    async def _tool(self, name: str) -> CheckResult:
        point = f"{name}: one tool"
        remedy = "set engine.tool_parser (hosted), or start the server with the tool-call parser of its model"
        asked, asked_for = [{"role": "user", "content": _ASKED}], [TOOL["function"]["name"]]
        status, body = await self._chat(messages=asked, max_tokens=_CALL_TOKENS, tools=[TOOL])
        if status != 200:
            detail = f"refused with {status}: {self._quoted(body)}; an agent needs tools: {remedy}"
            return CheckResult(point, "defect", detail)
        message = _choice(body).get("message", {})
        if message.get("tool_calls"):
            return CheckResult(point, "ok", "called")
        content = message.get("content")
        if isinstance(content, str) and (call := call_in_text(content, asked_for) or call_in_text(content)):
            detail = f"the call came back as text ({quote(call)}): no tool parser seems to be on; {remedy}"
            return CheckResult(point, "defect", detail)
        return CheckResult(point, "ok", "accepted; this model answered with text")

    async def _turns(self, name: str, tools: list[Any] | None) -> CheckResult:
        """Whether a conversation is accepted in the shape in which runs send it; if not, in which it is."""
        point = f"{name}: conversation"
        more = {"max_tokens": 1, **({"tools": tools} if tools else {})}
        greeted = self.asked.greeted
        status, body = await self._chat(messages=_conversation(greeted, tools is not None), **more)
        if status == 200:
            return CheckResult(point, "ok", "accepted, greeting first" if greeted else "accepted, customer first")
        refused = f"refused with {status}: {self._quoted(body)}"
        if greeted and (await self._chat(messages=_conversation(False, tools is not None), **more))[0] == 200:
            return CheckResult(point, "defect", f"{refused}; {TURNS_REMEDY}")
        if (await self._chat(messages=_conversation(False, False)[:2], max_tokens=1))[0] != 200:
            what = "system message"
        else:
            what = "conversation of several turns" + (" with calls and results" if tools else "")
        detail = f"{refused}; it takes no {what}: start it with a chat template that does"
        return CheckResult(point, "defect", detail)


def _conversation(greeted: bool, calls: bool) -> list[dict[str, Any]]:
    """Messages in the order in which an agent of a run is sent them."""
    function = {"name": TOOL["function"]["name"], "arguments": '{"order_id": "17"}'}
    greeting = {"role": "assistant", "content": "Hello! How can I help you today?"}
    call = {"id": "call00017", "type": "function", "function": function}
    made: list[dict[str, Any]] = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": '{"state": "sent"}'},
    ]
    return [
        {"role": "system", "content": "You are the support agent of a shop."},
        *([greeting] if greeted else []),
        {"role": "user", "content": _ASKED},
        *(made if calls else []),
        {"role": "assistant", "content": "It has been sent."},
        {"role": "user", "content": "Thank you."},
    ]


def _without(absent: list[str]) -> str:
    return f"; not: {', '.join(absent)}" if absent else ""


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _choice(body: Mapping[str, Any]) -> dict[str, Any]:
    """The first choice of a chat completion; empty if there is none."""
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) and isinstance(first.get("message"), dict) else {}
