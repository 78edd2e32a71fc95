"""The meter of a worker's model calls: counts per pool for the driver's metrics, and spending per item for the rows."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from t2t_dist.core.errors import ContextExceeded, EpisodeFailure, FailureClass

from .chat import ChatModel, Conversation, Reply

#: Upper bounds of the buckets for model calls, seconds: a turn takes a second or so, a deadline is 600.
CALL_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
#: Kinds of tokens, each token in one of them: ``prompt`` were computed, ``cached`` came from the prefix cache.
TOKEN_KINDS = ("prompt", "cached", "completion")
#: How a call may end.
OUTCOMES = (
    "ok",
    "context_exceeded",
    FailureClass.ENGINE_UNAVAILABLE.value,
    FailureClass.ENGINE_TIMEOUT.value,
    FailureClass.ENGINE_BAD_RESPONSE.value,
    FailureClass.CANCELLED.value,
)


@dataclass
class Histogram:
    """A histogram of fixed size: counts of values up to each bound, and above the last; ``total`` is their sum."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def add(self, value: float, times: int = 1) -> None:
        """Count a value; one equal to a bound counts as below it, as in Prometheus."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def merge(self, other: Histogram) -> None:
        """Add another's counts. Raises ValueError: its bounds differ."""
        if other.bounds != self.bounds:
            raise ValueError(f"bounds {other.bounds} do not fit {self.bounds}")
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def copy(self) -> Histogram:
        return Histogram(self.bounds, list(self.counts), self.total)


def _calls() -> Histogram:
    return Histogram(CALL_BOUNDS)


@dataclass
class Calls:
    """The counts of calls to one pool: ``tokens`` by kind, ``ended`` by outcome, ``dropped`` fields of answers by name.
    Of the answered ones, in seconds: ``took``, the request itself, and ``waited``, everything before it was sent (room
    on an engine, retries)."""

    tokens: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    took: Histogram = field(default_factory=_calls)
    waited: Histogram = field(default_factory=_calls)

    def answered(self, reply: Reply) -> None:
        """Count an answered call."""
        used = reply.usage
        cached = min(used.cached_tokens, used.prompt_tokens)
        self.tokens.update(prompt=used.prompt_tokens - cached, cached=cached, completion=used.completion_tokens)
        self.ended["ok"] += 1
        if reply.dropped:
            self.dropped.update(reply.dropped)
        self.took.add(reply.t_model)
        self.waited.add(reply.t_queue)

    def merge(self, other: Calls) -> None:
        """Add another's counts."""
        kinds = (self.tokens, other.tokens), (self.ended, other.ended), (self.dropped, other.dropped)
        for mine, theirs in kinds:
            for name, n in theirs.items():  # takes a third of the time of Counter.update; done for every report
                mine[name] += n
        self.took.merge(other.took)
        self.waited.merge(other.waited)

    def copy(self) -> Calls:
        return Calls(self.tokens.copy(), self.ended.copy(), self.dropped.copy(), self.took.copy(), self.waited.copy())


class Meter:
    """The counts of one worker since its last report, by pool."""

    def __init__(self) -> None:
        self._calls: dict[str, Calls] = {}

    def of(self, pool: str) -> Calls:
        """The present counts of a pool; don't keep them, since :meth:`take` starts new ones."""
        return self._calls.setdefault(pool, Calls())

    def take(self) -> dict[str, Calls]:
        """All counts since the last call of this, by pool; pools without a call are left out."""
        calls, self._calls = self._calls, {}
        return calls


#: Counters are named ``spent|STAGE|SEAT|MODEL|KIND``; no stage and no seat has a bar in it.
PREFIX = "spent|"
KINDS = ("calls", "failed", "prompt_tokens", "cached_tokens", "completion_tokens", "ms_waited", "ms")

_counter: ContextVar[Counter[str] | None] = ContextVar("spending", default=None)
_stage: ContextVar[str] = ContextVar("stage", default="rollout")


@contextmanager
def spending(counter: Counter[str], stage: str = "rollout") -> Iterator[None]:
    """Count the calls made inside, and in tasks started inside, into ``counter``."""
    kept, kept_stage = _counter.set(counter), _stage.set(stage)
    try:
        yield
    finally:
        _counter.reset(kept)
        _stage.reset(kept_stage)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the calls made inside under this stage."""
    kept = _stage.set(name)
    try:
        yield
    finally:
        _stage.reset(kept)


class Metered:
    """A wrapper of a chat model that counts its calls, per pool into ``meter`` and per item into :func:`spending`."""

    def __init__(self, model: ChatModel, meter: Meter, pool: str) -> None:
        self.model, self.name, self.pool = model, model.name, pool
        self._meter = meter

    async def complete(
        self, conversation: Conversation, *, tools: bytes | None = None, seed: int = 0, seat: str = "agent"
    ) -> Reply:
        """Answer as the model does; see :meth:`t2t_dist.models.chat.ChatModel.complete`."""
        counter, began = _counter.get(), time.perf_counter()
        try:
            reply = await self.model.complete(conversation, tools=tools, seed=seed, seat=seat)
        except (Exception, asyncio.CancelledError) as error:
            outcome = _outcome(error)
            if outcome is not None:
                self._meter.of(self.pool).ended[outcome] += 1
            if counter is not None and not isinstance(error, asyncio.CancelledError):
                head = self._head(seat)
                counter.update({f"{head}failed": 1, f"{head}ms": round(1000 * (time.perf_counter() - began))})
            raise
        self._meter.of(self.pool).answered(reply)
        if counter is not None:
            head, used = self._head(seat), reply.usage
            counter.update(
                {
                    f"{head}calls": 1,
                    f"{head}prompt_tokens": used.prompt_tokens,
                    f"{head}cached_tokens": min(used.cached_tokens, used.prompt_tokens),
                    f"{head}completion_tokens": used.completion_tokens,
                    f"{head}ms_waited": round(1000 * reply.t_queue),
                    f"{head}ms": round(1000 * reply.t_model),
                }
            )
        return reply

    def _head(self, seat: str) -> str:
        return f"{PREFIX}{_stage.get()}|{seat}|{self.name}|"

    async def close(self) -> None:
        await self.model.close()


def _outcome(error: BaseException) -> str | None:
    """One of :data:`OUTCOMES`; ``None`` for a defect."""
    if isinstance(error, EpisodeFailure):
        return error.failure.value
    if isinstance(error, ContextExceeded):
        return "context_exceeded"
    return FailureClass.CANCELLED.value if isinstance(error, asyncio.CancelledError) else None
