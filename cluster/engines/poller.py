"""Asks engines how they are, over HTTP, in a thread of its own beside the driver's loop.

Each engine is asked for ``/metrics`` every :data:`POLL_S` seconds, an endpoint without metrics for its models. What
comes of it waits in a queue until the driver looks; the driver alone judges.
"""

from __future__ import annotations

import asyncio
import math
import queue
import re
import threading
import time
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp
import orjson

from .admission import Reading

#: Between two questions to an engine. Admission's constants are in polls; an engine changes within a second or two.
POLL_S = 1.0
#: An endpoint of others without metrics is asked for its models, and less often: it may count calls.
PLAIN_POLL_S = 5.0
#: For one answer. A busy server is slow to answer, and that is no reason to take it for dead.
ANSWER_S = 5.0

_LINE = re.compile(r"^(vllm:[a-z_]+)(?:\{[^}]*\})? ([0-9.eE+-]+|NaN|[+-]?Inf)$", re.MULTILINE)
#: Metrics that are of interest; several series of one name (data-parallel engines) are added up, shares averaged.
_SUMS = {
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "vllm:num_preemptions_total": "preemptions",
    "vllm:admission_rejections_total": "rejections",
    "vllm:prefix_cache_queries_total": "prefix_queries",
    "vllm:prefix_cache_hits_total": "prefix_hits",
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:generation_tokens_total": "generation_tokens",
}
_SHARE = "vllm:kv_cache_usage_perc"


class Polled(NamedTuple):
    """What one question came to. ``process``: of which process of the engine (its number of restarts).

    ``reading`` and ``counts`` are there where the engine has metrics, ``error`` where there was no answer.
    """

    engine: str
    process: int
    at: float
    reading: Reading | None = None
    counts: dict[str, float] | None = None
    error: str | None = None


@dataclass(frozen=True)
class Asked:
    """Whom to ask: ``url`` ends in ``/v1``."""

    engine: str
    process: int
    url: str
    model: str
    key: str = field(default="", repr=False)


def read_metrics(text: str, at: float) -> tuple[Reading, dict[str, float]] | None:
    """An engine's metrics, from the text of ``/metrics``; ``None`` where they are not a vLLM's."""
    counts, kv = dict.fromkeys(_SUMS.values(), 0.0), list[float]()
    seen = False
    for name, given in _LINE.findall(text):
        value = _number(given)
        if name in _SUMS:
            counts[_SUMS[name]] += value or 0.0
            seen = True
        elif name == _SHARE and value is not None:
            kv.append(value)
    if not seen:
        return None
    share = sum(kv) / len(kv) if kv else math.nan
    counts["kv_use"] = share
    ints = {name: int(counts[name]) for name in ("running", "waiting", "preemptions", "rejections")}
    return Reading(at, None if math.isnan(share) else share, **ints), counts


def _number(text: str) -> float | None:
    """A sample's value; ``None`` for NaN, infinities and what is no number."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


class Poller:
    """The thread. :meth:`ask` says whom to ask from now on; :meth:`news` gives what has come since."""

    def __init__(self) -> None:
        self._asked: dict[str, Asked] = {}
        self._news: queue.SimpleQueue[Polled] = queue.SimpleQueue()
        self._plain: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="poll-engines", daemon=True)
        self._thread.start()

    def ask(self, engines: dict[str, Asked]) -> None:
        """Whom to ask, by engine."""
        self._asked = dict(engines)

    def news(self) -> list[Polled]:
        """All that came since the last call."""
        found = []
        while not self._news.empty():
            found.append(self._news.get())
        return found

    def close(self) -> None:
        self._stop.set()
        self._thread.join(ANSWER_S + POLL_S)

    async def _run(self) -> None:
        busy: set[str] = set()
        due: dict[str, float] = {}
        tasks: set[asyncio.Task[None]] = set()
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

            async def once(asked: Asked) -> None:
                try:
                    self._news.put(await self._question(session, asked))
                finally:
                    busy.discard(asked.engine)

            while not self._stop.is_set():
                now = time.monotonic()
                for asked in list(self._asked.values()):
                    if asked.engine in busy or due.get(asked.engine, 0.0) > now:
                        continue
                    due[asked.engine] = now + (PLAIN_POLL_S if asked.engine in self._plain else POLL_S)
                    busy.add(asked.engine)
                    task = asyncio.create_task(once(asked))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                await asyncio.sleep(POLL_S / 5)
            for task in tasks:
                task.cancel()

    async def _question(self, session: aiohttp.ClientSession, asked: Asked) -> Polled:
        headers = {"Authorization": f"Bearer {asked.key}"} if asked.key else {}
        try:
            if asked.engine not in self._plain:
                url = asked.url.removesuffix("/v1") + "/metrics"
                async with session.get(url, headers=headers) as response:
                    text = await response.text(errors="replace") if response.status == 200 else ""
                at = time.monotonic()
                if found := read_metrics(text, at):
                    return Polled(asked.engine, asked.process, at, *found)
                if response.status < 500:  # else it has trouble, and may have metrics all the same
                    self._plain.add(asked.engine)
            async with session.get(f"{asked.url}/models", headers=headers) as response:
                body = await response.read()
            at = time.monotonic()
            if response.status in (401, 403) or response.status >= 500:
                return Polled(asked.engine, asked.process, at, error=f"/v1/models answers {response.status}")
            if response.status == 200 and not _lists(body, asked.model):
                return Polled(asked.engine, asked.process, at, error=f"it does not serve {asked.model}")
            return Polled(asked.engine, asked.process, at)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Polled(asked.engine, asked.process, time.monotonic(), error=str(error) or type(error).__name__)


def _lists(body: bytes, model: str) -> bool:
    """Whether a list of models names this one; a list of another shape says nothing against it."""
    try:
        return model in [entry["id"] for entry in orjson.loads(body)["data"]]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return True
