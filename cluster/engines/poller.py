"""Poller of engines over HTTP, in its own thread beside the driver's loop.

It requests ``/metrics`` from each engine every :data:`POLL_S` seconds, or ``/v1/models`` from an endpoint without
metrics. The results wait in a queue for the driver, which judges them.
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

from t2t_dist.models.answers import TooLarge, body_of, is_success, open_session
from t2t_dist.models.openai import listed_models

from .admission import LoadReading

#: Seconds between two polls of an engine. Admission's constants count polls; an engine changes within a second or two.
POLL_S = 1.0
#: Seconds between two polls of a third-party endpoint without metrics: it may count calls.
PLAIN_POLL_S = 5.0
#: Seconds for one answer. A busy server answers slowly, and is not dead because of that.
ANSWER_S = 5.0

_LINE = re.compile(r"^(vllm:[a-z_]+)(?:\{[^}\n]*\})? ([0-9.eE+-]+|NaN|[+-]?Inf)$", re.MULTILINE)
#: Metrics used here; several series of one name (data-parallel engines) are summed, shares averaged.
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
#: The largest sample that is believed: floats hold every whole number up to it.
_MOST = float(1 << 53)


class PollResult(NamedTuple):
    """The result of one poll. ``process``: the engine's number of restarts when it was polled.

    ``reading`` and ``counts`` are set if the engine has metrics, ``error`` if it did not answer.
    """

    engine: str
    process: int
    at: float
    reading: LoadReading | None = None
    counts: dict[str, float] | None = None
    error: str | None = None


@dataclass(frozen=True)
class PollTarget:
    """An engine to poll; ``url`` ends in ``/v1``."""

    engine: str
    process: int
    url: str
    model: str
    key: str = field(default="", repr=False)


def read_metrics(text: str, at: float) -> tuple[LoadReading, dict[str, float]] | None:
    """Parse the text of ``/metrics``; ``None`` if it is not vLLM's."""
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
    return LoadReading(at, None if math.isnan(share) else share, **ints), counts


def _number(text: str) -> float | None:
    """A sample's value; ``None`` for NaN, and for what no counter or share can be."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= _MOST else None


class Poller:
    """The polling thread: :meth:`set_targets` sets what to poll, :meth:`results` returns what has arrived."""

    def __init__(self) -> None:
        self._targets: dict[str, PollTarget] = {}
        self._results: queue.SimpleQueue[PollResult] = queue.SimpleQueue()
        self._plain: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="poll-engines", daemon=True)
        self._thread.start()

    def set_targets(self, targets: dict[str, PollTarget]) -> None:
        """Set what to poll from now on, by engine."""
        self._targets = dict(targets)

    def results(self) -> list[PollResult]:
        """The results since the last call."""
        found = []
        while not self._results.empty():
            found.append(self._results.get())
        return found

    def close(self) -> None:
        self._stop.set()
        self._thread.join(ANSWER_S + POLL_S)

    async def _run(self) -> None:
        busy: set[str] = set()
        due: dict[str, float] = {}
        tasks: set[asyncio.Task[None]] = set()
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with open_session(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

            async def once(target: PollTarget) -> None:
                try:
                    self._results.put(await self._poll(session, target))
                finally:
                    busy.discard(target.engine)

            while not self._stop.is_set():
                now = time.monotonic()
                for target in list(self._targets.values()):
                    if target.engine in busy or due.get(target.engine, 0.0) > now:
                        continue
                    due[target.engine] = now + (PLAIN_POLL_S if target.engine in self._plain else POLL_S)
                    busy.add(target.engine)
                    task = asyncio.create_task(once(target))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                await asyncio.sleep(POLL_S / 5)
            for task in tasks:
                task.cancel()

    async def _poll(self, session: aiohttp.ClientSession, target: PollTarget) -> PollResult:
        headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
        try:
            if target.engine not in self._plain:
                url = target.url.removesuffix("/v1") + "/metrics"
                async with session.get(url, headers=headers, allow_redirects=False) as response:
                    text = await _text_of(response)
                at = time.monotonic()
                if found := read_metrics(text, at):
                    return PollResult(target.engine, target.process, at, *found)
                if response.status < 500:  # otherwise it has trouble, and may still have metrics
                    self._plain.add(target.engine)
            async with session.get(f"{target.url}/models", headers=headers, allow_redirects=False) as response:
                body = await body_of(response)
            at = time.monotonic()
            if response.status in (401, 403) or 300 <= response.status < 400 or response.status >= 500:
                return PollResult(target.engine, target.process, at, error=f"/v1/models answers {response.status}")
            listed = listed_models(body) if is_success(response.status) else []
            if listed and target.model not in listed:
                return PollResult(target.engine, target.process, at, error=f"it does not serve {target.model}")
            return PollResult(target.engine, target.process, at)
        except Exception as error:  # whatever it is: an engine that can't be polled must not go unnoticed
            return PollResult(target.engine, target.process, time.monotonic(), error=str(error) or type(error).__name__)


async def _text_of(response: aiohttp.ClientResponse) -> str:
    """The text of ``/metrics``; empty if there is none, or far too much for vLLM's."""
    if not is_success(response.status):
        return ""
    try:
        return (await body_of(response)).decode("utf-8", "replace")
    except TooLarge:
        return ""
