"""What is known of one engine at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .health import State


class EngineReading(NamedTuple):
    """One engine at a moment. ``url`` ends in ``/v1``, empty before its first start; ``up``: it is sent requests.

    ``limit``, ``least``, ``trouble``, ``moves``: of its admission. ``held``: requests that workers have there.
    ``counts``: of its own metrics, by the names of :mod:`cluster.polling`; empty where it has none, or is not up yet.
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
