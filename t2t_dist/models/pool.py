"""Balancers, which decide where a conversation's requests go: to a single endpoint, or to an engine of a pool.

A pool's engines come and go during a run. The driver sends what is known of them as a
:class:`~t2t_dist.models.fleet_view.PoolView`; a :class:`~t2t_dist.models.routing.Router` decides which engine serves a
conversation. Requests wait here, in the worker, for room on their engine, the oldest conversation first, so that an
engine's prefix cache is used before new conversations push its contents out.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol

from t2t_dist.core.errors import EngineUnavailable

from .fleet_view import Held, PoolView
from .limiter import AdmissionLimiter
from .routing import RequestOutcome, Router


class Target(NamedTuple):
    """The endpoint for one request. ``url`` ends in ``/v1``; ``key`` is sent as bearer token unless empty;
    ``process`` is the number of the engine's process when the request was placed."""

    engine: str
    url: str
    key: str = ""
    process: int = 0

    def __repr__(self) -> str:
        return f"Target({self.engine}, {self.url})"  # keys are never shown


class Balancer(Protocol):
    """Anything that gives each request its target. ``patience_s``: how long a call keeps trying while no engine can
    be used."""

    patience_s: float

    async def place(self, key: str) -> Target:
        """The target of the next request of the conversation ``key``, once there is room for it.

        Raises:
            EngineUnavailable: no engine could take it within ``patience_s``.
        """
        ...

    def done(self, key: str, target: Target, outcome: RequestOutcome, *, unreachable: bool = False) -> None:
        """The request that was placed has ended; ``unreachable``: the endpoint refused or broke the connection."""
        ...

    def forget(self, key: str) -> None:
        """The conversation is over."""
        ...


class Fixed:
    """The balancer of a single endpoint, without a limit."""

    patience_s = 0.0

    def __init__(self, target: Target) -> None:
        self._target = target

    async def place(self, key: str) -> Target:
        return self._target

    def done(self, key: str, target: Target, outcome: RequestOutcome, *, unreachable: bool = False) -> None:
        pass

    def forget(self, key: str) -> None:
        pass


#: An engine that can't be reached gets no requests for this many seconds, or until the driver's next update: the worker
#: notices a dead engine at once, the driver's update comes with the next exchange.
_SHUNNED_S = 3.0


class Pooled:
    """The balancer over the engines of a pool.

    Args:
        pool: its name, for messages.
        router: chooses engines.
        patience_s: how long a call waits while none of the pool's engines can be used, in seconds.
        clock: seconds, monotonic.
    """

    def __init__(
        self, pool: str, router: Router, patience_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.pool, self.patience_s, self._clock = pool, patience_s, clock
        self._router = router
        self._view = PoolView()
        self._limiters: dict[str, AdmissionLimiter] = {}
        self._shunned: dict[str, float] = {}
        self._ages: dict[str, int] = {}
        self._counter = itertools.count()
        self._news = asyncio.Event()
        self._ended: dict[str, Counter[str]] = {}  # by engine: how requests ended since the last report to the driver

    @property
    def view(self) -> PoolView:
        """The driver's latest view of the pool."""
        return self._view

    def update(self, view: PoolView) -> None:
        """Take the driver's latest view."""
        self._view = view
        self._shunned.clear()
        for engine, limiter in list(self._limiters.items()):
            if engine not in view.engines:
                self._ended.pop(engine, None)  # its process is gone
                limiter.send_away()
                self._drop_if_gone(engine)
        for engine, seen in view.engines.items():
            self._limiters.setdefault(engine, AdmissionLimiter(seen.limit)).set_limit(seen.limit)
        self._publish()

    def _publish(self) -> None:
        """Give the router the engines that are usable now, and wake the calls that wait for one."""
        now = self._clock()
        self._shunned = {engine: until for engine, until in self._shunned.items() if until > now}
        usable = {e: seen.takes_new for e, seen in self._view.engines.items() if e not in self._shunned}
        self._router.set_engines(usable)
        self._news.set()
        self._news = asyncio.Event()

    def _drop_if_gone(self, engine: str) -> None:
        """Drop the limiter of an engine that has left the pool, once its last request has ended."""
        limiter = self._limiters.get(engine)
        if limiter is not None and engine not in self._view.engines and not limiter.running:
            del self._limiters[engine]

    async def place(self, key: str) -> Target:
        """See :class:`Balancer`."""
        age = self._ages.get(key)
        if age is None:
            age = self._ages[key] = next(self._counter)
        deadline = self._clock() + self.patience_s
        while True:
            # Only once a time-out is over: this wakes all waiting calls, and if each woke the others, none would sleep.
            if self._shunned and min(self._shunned.values()) <= self._clock():
                self._publish()
            choice = self._router.route(key)
            if choice is None:
                await self._wait(deadline)
                continue
            engine = choice.engine
            limiter = self._limiters[engine]
            try:
                entered = await limiter.enter(age)
            except asyncio.CancelledError:
                self._router.done(key, engine, RequestOutcome.OK)
                self._drop_if_gone(engine)
                raise
            seen = self._view.engines.get(engine)
            if entered and seen is not None:
                return Target(engine, seen.url, seen.key, seen.process)
            if entered:
                limiter.leave()
                self._drop_if_gone(engine)
            self._router.done(key, engine, RequestOutcome.OK)

    async def _wait(self, deadline: float) -> None:
        """Wait until something changes: an update from the driver, or the end of an engine's time-out."""
        left = deadline - self._clock()
        if left <= 0:
            raise EngineUnavailable(f"pool {self.pool}: no engine could be used for {self.patience_s:g} s")
        if self._shunned:
            left = min(left, max(0.0, min(self._shunned.values()) - self._clock()) + 0.01)
        news = self._news
        try:
            async with asyncio.timeout(left):
                await news.wait()
        except TimeoutError:
            pass

    def done(self, key: str, target: Target, outcome: RequestOutcome, *, unreachable: bool = False) -> None:
        """See :class:`Balancer`."""
        engine = target.engine
        self._router.done(key, engine, outcome)
        limiter = self._limiters.get(engine)
        if limiter is None:
            return
        if outcome is RequestOutcome.REFUSED:
            limiter.refused()
        elif outcome is RequestOutcome.OK:
            limiter.answered()
        if unreachable:
            limiter.send_away()  # before one of them is admitted in place of this request
        limiter.leave()
        seen = self._view.engines.get(engine)
        if seen is None:
            self._drop_if_gone(engine)
            return
        # A call that an earlier process left hanging says nothing about the present one. Nor does a broken connection
        # say more than the driver's polls do: one network switch breaks all of them at once.
        if seen.process == target.process and not unreachable:
            self._ended.setdefault(engine, Counter())[outcome.value] += 1
        if unreachable:
            self._shunned[engine] = self._clock() + _SHUNNED_S
            self._publish()

    def held(self) -> dict[str, Held]:
        """Per engine: requests on it now, and how those that ended since the last call of this did."""
        ended, self._ended = self._ended, {}
        held = {}
        for engine, limiter in self._limiters.items():
            of = ended.get(engine, Counter())
            held[engine] = Held(
                limiter.running, of[RequestOutcome.REFUSED], of[RequestOutcome.FAILED], of[RequestOutcome.OK]
            )
        return held

    def forget(self, key: str) -> None:
        """See :class:`Balancer`."""
        self._ages.pop(key, None)
        self._router.forget(key)
