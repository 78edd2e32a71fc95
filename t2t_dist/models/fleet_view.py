"""What a worker sees of the engines: addresses, health, and how much each may hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


# -- what a worker knows -----------------------------------------------------------------------------------------------
class EngineView(NamedTuple):
    """One engine as a worker sees it. ``url`` ends in ``/v1``; ``limit`` is this worker's share of what the engine may
    have at once; ``takes_new`` says whether new conversations may be put on it; ``key`` is sent unless empty;
    ``process`` grows with each of its restarts."""

    url: str
    takes_new: bool
    limit: int
    key: str = ""
    process: int = 0

    def __repr__(self) -> str:
        return f"EngineView({self.url}, takes_new={self.takes_new}, limit={self.limit})"  # keys are never shown


class Held(NamedTuple):
    """What a worker tells of an engine: its requests there now, and of those that ended since its last word how many
    were refused (503, 429), how many led to nothing though the engine was reached (no answer in time, 5xx), how many
    were answered."""

    running: int = 0
    refused: int = 0
    failed: int = 0
    answered: int = 0


@dataclass(frozen=True)
class PoolView:
    """A pool as a worker sees it: the usable engines by id.

    ``carry_reasoning``: whether the model's template wants the reasoning of earlier turns back.
    """

    engines: dict[str, EngineView] = field(default_factory=dict)
    carry_reasoning: bool = True


@dataclass(frozen=True)
class FleetView:
    """All pools by name at one moment; ``version`` grows with each change. Goes to workers with their leases."""

    version: int = 0
    pools: dict[str, PoolView] = field(default_factory=dict)
