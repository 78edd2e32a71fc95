"""Record of what is known about one engine at one moment, from which the metrics are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .health import State


class EngineReading(NamedTuple):
    """A snapshot of one engine. ``url`` ends in ``/v1``, empty before the first start; ``up``: it gets requests.

    ``limit``, ``least``, ``trouble``, ``moves``: of its admission limiter. ``held``: requests that workers have there.
    ``counts``: its own metrics, by the names of :mod:`.poller`; empty if it has none, or is not up yet.
    """

    engine: str
    pool: str
    url: str
    state: State
    up: bool
    restarts: int
    limit: int
    least: int
    trouble: int | None
    moves: Mapping[str, int]
    held: int
    gpus: int
    counts: Mapping[str, float]
