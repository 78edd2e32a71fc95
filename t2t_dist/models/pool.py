"""Where the requests of a conversation go: to the one endpoint there is, or to an engine of a pool.

A pool's engines come and go while a run lasts. What is known of them arrives from the driver as a
:class:`~t2t_dist.models.fleet_view.PoolView`; which engine a conversation is put on is decided by a
:class:`~t2t_dist.models.routing.Router`. Requests wait here, in the worker, for room on their engine: those of the conversations that
began first go first, so that what is in an engine's prefix cache is used before new conversations push it out.
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
from .limiter import Gate
from .routing import Outcome, Router


class Target(NamedTuple):
    """An endpoint to send one request to. ``url`` ends in ``/v1``; ``key`` is sent as bearer token unless empty;
    ``process`` says which process of the engine it was when the request was placed."""

    engine: str
    url: str
    key: str = ""
    process: int = 0

    def __repr__(self) -> str:
        return f"Target({self.engine}, {self.url})"  # keys are never shown


class Balancer(Protocol):
    """Gives each request its target. ``patience_s``: how long a call goes on trying while its engines are away."""

    patience_s: float

    async def place(self, key: str) -> Target:
        """Where the next request of the conversation ``key`` goes, once there is room for it.

        Raises:
            EngineUnavailable: nothing could take it within ``patience_s``.
        """
        ...

    def done(self, key: str, target: Target, outcome: Outcome, *, unreachable: bool = False) -> None:
        """The request that was placed has ended; ``unreachable``: the endpoint refused or broke the connection."""
        ...

    def forget(self, key: str) -> None:
        """The conversation is over."""
        ...


class Fixed:
    """Always the same endpoint, without a limit of its own."""

    patience_s = 0.0

    def __init__(self, target: Target) -> None:
        self._target = target

    async def place(self, key: str) -> Target:
        return self._target

    def done(self, key: str, target: Target, outcome: Outcome, *, unreachable: bool = False) -> None:
        pass

    def forget(self, key: str) -> None:
        pass


#: An engine that can't be reached is left alone for this long, unless the driver says more of it sooner: the worker
#: sees a dead engine at once, the driver's word of it comes with the next exchange.
_SHUNNED_S = 3.0


class Pooled:
    """Balances over the engines of a pool.

    Args:
        pool: its name, for messages.
        router: chooses engines.
        patience_s: how long a call waits for a pool none of whose engines can be used, in seconds.
        clock: seconds, monotonic.
    """

    def __init__(
        self, pool: str, router: Router, patience_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.pool, self.patience_s, self._clock = pool, patience_s, clock
        self._router = router
        self._view = PoolView()
        self._gates: dict[str, Gate] = {}
        self._shunned: dict[str, float] = {}
        self._ages: dict[str, int] = {}
        self._counter = itertools.count()
        self._news = asyncio.Event()
        self._ended: dict[str, Counter[str]] = {}  # by engine: how requests ended since the last word to the driver

    @property
    def view(self) -> PoolView:
        """What is known of the pool."""
        return self._view

    def update(self, view: PoolView) -> None:
        """Take what the driver knows now."""
        self._view = view
        self._shunned.clear()
        for engine, gate in list(self._gates.items()):
            if engine not in view.engines:
                self._ended.pop(engine, None)  # of a process that is gone
                gate.send_away()
                self._drop_if_gone(engine)
        for engine, seen in view.engines.items():
            self._gates.setdefault(engine, Gate(seen.limit)).set_limit(seen.limit)
        self._tell()

    def _tell(self) -> None:
        """Put what is usable now before the router, and wake who waits for an engine."""
        now = self._clock()
        self._shunned = {engine: until for engine, until in self._shunned.items() if until > now}
        usable = {e: seen.takes_new for e, seen in self._view.engines.items() if e not in self._shunned}
        self._router.set_engines(usable)
        self._news.set()
        self._news = asyncio.Event()

    def _drop_if_gone(self, engine: str) -> None:
        """Forget the gate of an engine that is no longer in the pool, once the last request has left it."""
        gate = self._gates.get(engine)
        if gate is not None and engine not in self._view.engines and not gate.running:
            del self._gates[engine]

    async def place(self, key: str) -> Target:
        """See :class:`Balancer`."""
        age = self._ages.get(key)
        if age is None:
            age = self._ages[key] = next(self._counter)
        deadline = self._clock() + self.patience_s
        while True:
            # Only once a time-out is over: telling wakes all who wait, and if each told the others, none would sleep.
            if self._shunned and min(self._shunned.values()) <= self._clock():
                self._tell()
            choice = self._router.route(key)
            if choice is None:
                await self._wait(deadline)
                continue
            engine = choice.engine
            gate = self._gates[engine]
            try:
                entered = await gate.enter(age)
            except asyncio.CancelledError:
                self._router.done(key, engine, Outcome.OK)
                self._drop_if_gone(engine)
                raise
            seen = self._view.engines.get(engine)
            if entered and seen is not None:
                return Target(engine, seen.url, seen.key, seen.process)
            if entered:
                gate.leave()
                self._drop_if_gone(engine)
            self._router.done(key, engine, Outcome.OK)

    async def _wait(self, deadline: float) -> None:
        """Until something changes: the driver's word, or the end of an engine's time-out."""
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

    def done(self, key: str, target: Target, outcome: Outcome, *, unreachable: bool = False) -> None:
        """See :class:`Balancer`."""
        engine = target.engine
        self._router.done(key, engine, outcome)
        gate = self._gates.get(engine)
        if gate is None:
            return
        if outcome is Outcome.REFUSED:
            gate.refused()
        elif outcome is Outcome.OK:
            gate.answered()
        if unreachable:
            gate.send_away()  # before the room that is left now goes to one of them
        gate.leave()
        seen = self._view.engines.get(engine)
        if seen is None:
            self._drop_if_gone(engine)
            return
        # A call that an earlier process left hanging says nothing of the present one. Nor does a broken connection say
        # anything that the driver's polls don't: one switch breaks all of them at once.
        if seen.process == target.process and not unreachable:
            self._ended.setdefault(engine, Counter())[outcome.value] += 1
        if unreachable:
            self._shunned[engine] = self._clock() + _SHUNNED_S
            self._tell()

    def held(self) -> dict[str, Held]:
        """Of each engine: requests on it now, and how those that ended since the last call did."""
        ended, self._ended = self._ended, {}
        found = {}
        for engine, gate in self._gates.items():
            of = ended.get(engine, Counter())
            found[engine] = Held(gate.running, of[Outcome.REFUSED], of[Outcome.FAILED], of[Outcome.OK])
        return found

    def forget(self, key: str) -> None:
        """See :class:`Balancer`."""
        self._ages.pop(key, None)
        self._router.forget(key)
