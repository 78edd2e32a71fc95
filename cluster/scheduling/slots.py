"""Shares of the slots: how many episodes each worker may run at once, so that all of them together never run more.

A pure state machine: no clock (time is passed in, in seconds of any monotonic clock), no I/O, no chance.

A worker *holds* the most slots that it may be using now. A larger limit counts from the moment it is ordered, and is
given only out of slots that nobody holds. A smaller one counts when the worker has *reported* that it keeps it, since
what it runs goes on. The slots of a worker that is gone are free once its process has ended for certain, or after a
while.
"""

from __future__ import annotations


class SlotShares:
    """Divides ``total`` slots evenly among the workers; with more workers than slots, those that joined first get one.

    Every event costs O(1), except the departure of a worker: O(workers).
    """

    def __init__(self, total: int) -> None:
        if total < 1:
            raise ValueError(f"{total} slots let nothing run")
        self._total = total
        self._taken = 0  # held by workers, and by those that may not have ended yet
        self._places: dict[str, int] = {}  # of the workers that get a share, in the order they joined
        self._limits: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._ending: dict[str, tuple[float, int]] = {}  # workers that may not have ended: until when, how many

    @property
    def taken(self) -> int:
        """The most episodes that may be running now."""
        return self._taken

    def joined(self, worker: str) -> None:
        """Add a worker, with a limit of 0. Raises ValueError: it is here already."""
        if worker in self._limits:
            raise ValueError(f"worker {worker!r} is here already")
        self._places[worker] = len(self._places)
        self._limits[worker] = self._held[worker] = 0

    def order(self, worker: str, now: float, expected: int = 0) -> int:
        """The limit that the worker gets now. For ``expected`` workers, which will join soon, free slots are kept, but
        none are taken away from others."""
        self._free_ended(now)
        limit, held = self._limits[worker], self._held[worker]
        place = self._places.get(worker)
        if place is not None:
            limit = min(max(limit, self._share(place, expected)), self._share(place))
            limit = self._limits[worker] = min(limit, held + self._total - self._taken)
            self._hold(worker, max(held, limit))
        return limit

    def reported(self, worker: str, running: int) -> None:
        """The worker keeps the last limit, and runs ``running`` episodes: more than the limit if it was lowered."""
        self._hold(worker, max(self._limits[worker], running))

    def leaving(self, worker: str) -> None:
        """The worker ends what it runs: it keeps its limit, and the others divide the rest."""
        if worker in self._places:
            del self._places[worker]
            self._places = {name: place for place, name in enumerate(self._places)}

    def gone(self, worker: str, until: float | None = None) -> None:
        """The worker is gone. ``until``: when its process has ended at the latest; ``None``: it has ended. An unknown
        worker is ignored."""
        if worker not in self._limits:
            return
        self.leaving(worker)
        del self._limits[worker]
        held = self._held.pop(worker)
        if until is None:
            self._taken -= held
        elif held:
            self._ending[worker] = until, held

    def ended(self, worker: str) -> None:
        """The process of a worker that is gone has ended for certain. Ignored if that is known."""
        self._taken -= self._ending.pop(worker, (0.0, 0))[1]

    def _share(self, place: int, expected: int = 0) -> int:
        least, more = divmod(self._total, len(self._places) + expected)
        return least + (place < more)

    def _hold(self, worker: str, slots: int) -> None:
        self._taken += slots - self._held[worker]
        self._held[worker] = slots

    def _free_ended(self, now: float) -> None:
        for worker in [worker for worker, (until, _) in self._ending.items() if until <= now]:
            self.ended(worker)
