"""The worker's view of the engines: addresses, health, and how many requests each may hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class EngineView(NamedTuple):
    """One engine as a worker sees it. ``url`` ends in ``/v1``; ``limit`` is this worker's share of the requests
    that the engine may have at once; ``takes_new``: whether new conversations may be put on it; ``key`` is sent unless
    empty; ``process`` grows with each restart."""

    url: str
    takes_new: bool
    limit: int
    key: str = ""
    process: int = 0

    def __repr__(self) -> str:
        return f"EngineView({self.url}, takes_new={self.takes_new}, limit={self.limit})"  # keys are never shown


class Held(NamedTuple):
    """A worker's report on one engine: its requests ``running`` there now, and of those that ended since the last one
    how many were ``refused`` (503, 429), ``failed`` though the engine was reached (no answer in time, 5xx), or were
    ``answered``."""

    running: int = 0
    refused: int = 0
    failed: int = 0
    answered: int = 0


@dataclass(frozen=True)
class PoolView:
    """A pool as a worker sees it: the usable engines by id.

    ``carry_reasoning``: whether the model's template uses the reasoning of earlier turns.
    """

    engines: dict[str, EngineView] = field(default_factory=dict)
    carry_reasoning: bool = True


@dataclass(frozen=True)
class FleetView:
    """All pools by name at one moment; ``version`` grows with each change. Sent to workers along with their leases."""

    version: int = 0
    pools: dict[str, PoolView] = field(default_factory=dict)
