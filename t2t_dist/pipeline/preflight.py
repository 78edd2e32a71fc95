"""``t2t doctor``: what this machine and the named endpoints can do, each point with what to do about it.

Ray, engines that we host and their interpreter are looked at by ``cluster.doctor``, which comes here for the rest.
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
from t2t_dist.models.completion import quote
from t2t_dist.models.openai import listed_models
from t2t_dist.storage.objects.base import is_uri
from t2t_dist.storage.objects.opening import create_storage

#: Free bytes below which a run is warned of its disk.
_LITTLE_DISK = 2 << 30
_ANSWER_S = 60.0
#: Routes of a vLLM that we use, and what for; the rest works without them.
ROUTES = {
    "/health": "readiness of hosted engines",
    "/metrics": "admission by KV use, prefix hits in the status",
    "/v1/models": "the check of the model's name",
    "/tokenize": "checks of captured tokens",
}
TOOL = {
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


class Finding(NamedTuple):
    """``state`` is ``ok``, ``note`` (works, and worth knowing) or ``defect`` (the config can't run)."""

    point: str
    state: str
    told: str


@dataclass(frozen=True)
class Endpoint:
    """One to be examined; ``url`` ends in ``/v1``."""

    url: str
    model: str
    key: str = ""


def machine(out: str | None) -> list[Finding]:
    """Python, processors, memory, ports and disk of this machine."""
    import psutil

    found = []
    version = platform.python_version()
    good = sys.version_info >= (3, 11)
    found.append(
        Finding("Python", "ok" if good else "defect", version if good else f"{version}; it takes 3.11 or newer")
    )
    memory = psutil.virtual_memory()
    cores = len(psutil.Process().cpu_affinity())
    found.append(Finding("machine", "ok", f"{cores} CPUs, {memory.total / 2**30:.0f} GiB, {platform.platform()}"))
    try:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            found.append(Finding("ports", "ok", f"free ones can be had on loopback, such as {held.getsockname()[1]}"))
    except OSError as error:
        found.append(Finding("ports", "defect", f"no port can be had on loopback: {error.strerror}"))
    if out is not None and is_uri(out):
        return [*found, _store(out)]
    folder = Path(out or ".").absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    told = f"{free / 2**30:.1f} GiB free where runs go ({folder})"
    if free < _LITTLE_DISK:
        found.append(Finding("disk", "note", f"{told}; an episode takes 10 to 50 KB"))
    else:
        found.append(Finding("disk", "ok", told))
    return found


def _store(out: str) -> Finding:
    """Whether a run can be written there; leaves nothing behind."""
    try:
        storage = create_storage(out)
    except InputError as error:
        return Finding("store", "defect", str(error))
    return Finding("store", "ok", f"{storage.describe('')} can be written")


async def endpoint(asked: Endpoint) -> list[Finding]:
    """Routes, request fields, a one-token request and a one-tool request of an endpoint that is up."""
    headers = {"Authorization": f"Bearer {asked.key}"} if asked.key else {}
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        probe = _Probe(session, asked)
        try:
            return await probe.run()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            return [Finding(asked.model, "defect", f"{asked.url} can't be reached: {reason}; start it or mend the URL")]


class _Probe:
    def __init__(self, session: aiohttp.ClientSession, asked: Endpoint) -> None:
        self.session, self.asked = session, asked
        self.root = asked.url.removesuffix("/v1")

    async def run(self) -> list[Finding]:
        name = self.asked.model
        there = [path for path in ROUTES if await self._has(path)]
        absent = [f"{path} ({what})" for path, what in ROUTES.items() if path not in there]
        found = [Finding(f"{name}: routes", "note" if absent else "ok", f"{', '.join(there)}{_without(absent)}")]
        listed = await self._listed() if "/v1/models" in there else []
        if listed and name not in listed:
            shown = ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")
            return [
                *found,
                Finding(f"{name}: model", "defect", f"{self.asked.url} does not serve it; it lists: {shown}"),
            ]
        status, body = await self._chat(max_tokens=1)
        if status != 200:
            return [*found, Finding(f"{name}: one token", "defect", f"refused with {status}: {self._said(body)}")]
        if not _choice(body):
            told = f"the answer is not a chat completion: {self._said(body)}"
            return [*found, Finding(f"{name}: one token", "defect", told)]
        given = body.get("usage")
        usage = given if isinstance(given, dict) else {}
        cached = "cached_tokens" in (usage.get("prompt_tokens_details") or {})
        told = f"answered, {usage.get('prompt_tokens', '?')} tokens in"
        found.append(Finding(f"{name}: one token", "ok", told + ("" if cached else "; cached tokens are not told")))
        fields = await self._fields()
        missing = [field for field, works in fields.items() if not works]
        told = f"{', '.join(field for field, works in fields.items() if works) or 'none'}{_without(missing)}"
        found.append(Finding(f"{name}: request fields", "note" if missing else "ok", told))
        found.append(await self._tool(name))
        return found

    async def _has(self, path: str) -> bool:
        method = "POST" if path == "/tokenize" else "GET"
        async with self.session.request(method, self.root + path, data=b"{}" if method == "POST" else None) as answer:
            return answer.status not in (404, 405, 501)

    async def _listed(self) -> list[str]:
        async with self.session.get(f"{self.asked.url}/models") as answer:
            return listed_models(await answer.read()) if answer.status == 200 else []

    async def _chat(self, **more: Any) -> tuple[int, dict[str, Any]]:
        body = {"model": self.asked.model, "messages": [{"role": "user", "content": "Say yes."}], **more}
        data = orjson.dumps(body)
        sent = {"Content-Type": "application/json"}
        async with self.session.post(f"{self.asked.url}/chat/completions", data=data, headers=sent) as answer:
            raw = await answer.read()
        try:
            parsed = orjson.loads(raw)
        except orjson.JSONDecodeError:
            parsed = {"error": {"message": raw[:300].decode(errors="replace")}}
        return answer.status, parsed if isinstance(parsed, dict) else {"error": {"message": str(parsed)[:300]}}

    async def _fields(self) -> dict[str, bool]:
        """Fields that a run may send, and whether the endpoint acts on them."""
        status, body = await self._chat(max_tokens=1, seed=1)
        seed = status == 200
        status, body = await self._chat(max_tokens=1, logprobs=True, return_token_ids=True)
        choice = _choice(body) if status == 200 else {}
        return {
            "seed": seed,
            "logprobs": bool(choice.get("logprobs")),
            "return_token_ids": bool(choice.get("token_ids")) and bool(body.get("prompt_token_ids")),
        }

    def _said(self, body: Mapping[str, Any]) -> str:
        """A refusal's words as one short line, without the key: servers quote what they were sent."""
        error = body.get("error") or body.get("message") or body.get("detail") or body
        words = str(error.get("message", error) if isinstance(error, dict) else error)
        return quote(words.replace(self.asked.key, "***") if self.asked.key else words)

    async def _tool(self, name: str) -> Finding:
        point = f"{name}: one tool"
        status, body = await self._chat(max_tokens=64, tools=[TOOL])
        if status == 200:
            told = (
                "called"
                if _choice(body).get("message", {}).get("tool_calls")
                else "accepted; this model answered in words"
            )
            return Finding(point, "ok", told)
        remedy = "an agent needs tools: set engine.tool_parser (hosted), or start the server with a tool-call parser"
        return Finding(point, "defect", f"refused with {status}: {self._said(body)}; {remedy}")


def _without(absent: list[str]) -> str:
    return f"; not: {', '.join(absent)}" if absent else ""


def _choice(body: Mapping[str, Any]) -> dict[str, Any]:
    """The first choice of a chat completion; empty where it is none."""
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) and isinstance(first.get("message"), dict) else {}
