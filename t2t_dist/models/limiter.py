"""Admission limiters: at most N requests at once, where N may change while requests run and wait."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from dataclasses import dataclass, field

#: A refusal lowers the limit to this share of the requests running. Answers raise it again, by one per limit's worth
#: of answers; a new limit from the driver replaces it.
_REFUSED_SHARE = 0.5


@dataclass(order=True)
class _Waiter:
    """A request that waits for room. ``age``: the number of its conversation; the oldest goes first."""

    age: int
    serial: int
    future: asyncio.Future[bool] = field(compare=False)


class AdmissionLimiter:
    """The limiter of one engine's requests: at most ``limit`` at once, the oldest conversation first.

    ``most`` is the limit set from outside, ``limit`` what refusals have left of it.
    """

    def __init__(self, limit: int) -> None:
        self.most = self.limit = limit
        self.running = 0
        self._grown = 0.0  # progress towards raising the limit by one, after a refusal
        self._waiting: list[_Waiter] = []
        self._serial = itertools.count()

    async def enter(self, age: int) -> bool:
        """Wait for room. False: the engine must no longer be used, choose another."""
        if self.running < self.limit and not self._waiting:
            self.running += 1
            return True
        waiter = _Waiter(age, next(self._serial), asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiting, waiter)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.result():
                self.leave()  # it was admitted at the same moment
            else:
                waiter.future.cancel()
            raise

    def leave(self) -> None:
        self.running -= 1
        self.admit()

    def set_limit(self, limit: int) -> None:
        """Take the driver's limit. If it has not changed, what refusals have lowered stays lowered."""
        if limit != self.most:
            self.most = self.limit = limit
            self.admit()

    def refused(self) -> None:
        """A running request was refused. Requests refused together lower the limit once: it is lowered again only when
        no more are running than the last step allowed."""
        if self.running <= self.limit:
            self.limit = max(1, int(self.running * _REFUSED_SHARE))
            self._grown = 0.0

    def answered(self) -> None:
        """A running request was answered."""
        if self.limit < self.most:
            self._grown += 1 / self.limit
            if self._grown >= 1:
                self.limit, self._grown = self.limit + 1, 0.0

    def admit(self) -> None:
        """Admit waiting requests while there is room."""
        while self._waiting and self.running < self.limit:
            waiter = heapq.heappop(self._waiting)
            if not waiter.future.done():
                self.running += 1
                waiter.future.set_result(True)

    def send_away(self) -> None:
        """The engine is gone: all waiting requests choose another."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.future.done():
                waiter.future.set_result(False)


class Slots:
    """The limiter of a worker's episodes: ``async with slots``, first come, first served."""

    def __init__(self, count: int) -> None:
        self._limiter = AdmissionLimiter(count)

    @property
    def running(self) -> int:
        """Episodes that run now; more than the last count if that was lowered meanwhile."""
        return self._limiter.running

    def resize(self, count: int) -> None:
        """Allow ``count`` from now on; those already running stay."""
        self._limiter.set_limit(count)

    async def __aenter__(self) -> None:
        await self._limiter.enter(0)

    async def __aexit__(self, *_: object) -> None:
        self._limiter.leave()
