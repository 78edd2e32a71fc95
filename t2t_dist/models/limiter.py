"""A gate: room for so many at once, with a limit that changes while some are inside and others wait."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from dataclasses import dataclass, field

#: One that refused is asked for less at once, down to this share of what it had. Answers bring the limit back, by one
#: for each round of them; a new one from the driver replaces it.
_REFUSED_SHARE = 0.5


@dataclass(order=True)
class _Waiter:
    """A request that waits for room. ``age``: the number of its conversation, the older first."""

    age: int
    serial: int
    future: asyncio.Future[bool] = field(compare=False)


class Gate:
    """Room for so many at once, the oldest first.

    ``most`` is the limit that was set from outside, ``limit`` what is left of it after refusals.
    """

    def __init__(self, limit: int) -> None:
        self.most = self.limit = limit
        self.running = 0
        self._grown = 0.0  # towards the next place, after a refusal
        self._waiting: list[_Waiter] = []
        self._serial = itertools.count()

    async def enter(self, age: int) -> bool:
        """Wait for room. False: the engine is no longer to be used, choose again."""
        if self.running < self.limit and not self._waiting:
            self.running += 1
            return True
        waiter = _Waiter(age, next(self._serial), asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiting, waiter)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.result():
                self.leave()  # room was given to it in the same moment
            else:
                waiter.future.cancel()
            raise

    def leave(self) -> None:
        self.running -= 1
        self.admit()

    def set_limit(self, limit: int) -> None:
        """The driver's word; the same as before is no news, and refusals since stay what they are."""
        if limit != self.most:
            self.most = self.limit = limit
            self.admit()

    def refused(self) -> None:
        """One of the running was refused. A crowd that is refused together lowers the limit once: the next step waits
        until no more are there than the last one allowed."""
        if self.running <= self.limit:
            self.limit = max(1, int(self.running * _REFUSED_SHARE))
            self._grown = 0.0

    def answered(self) -> None:
        """One of the running was answered."""
        if self.limit < self.most:
            self._grown += 1 / self.limit
            if self._grown >= 1:
                self.limit, self._grown = self.limit + 1, 0.0

    def admit(self) -> None:
        """Let in who waits, as far as there is room."""
        while self._waiting and self.running < self.limit:
            waiter = heapq.heappop(self._waiting)
            if not waiter.future.done():
                self.running += 1
                waiter.future.set_result(True)

    def send_away(self) -> None:
        """The engine is gone: all who wait choose again."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.future.done():
                waiter.future.set_result(False)


class Slots:
    """Room for the episodes of a worker: ``async with slots``, first come, first served."""

    def __init__(self, count: int) -> None:
        self._gate = Gate(count)

    def resize(self, count: int) -> None:
        """So many from now on; who is inside stays."""
        self._gate.set_limit(count)

    async def __aenter__(self) -> None:
        await self._gate.enter(0)

    async def __aexit__(self, *_: object) -> None:
        self._gate.leave()
