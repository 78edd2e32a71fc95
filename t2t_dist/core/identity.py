"""Ids and seeds, derived from what they identify, never from when or where something ran.

With deterministic models the same run gives the same rows with any number of workers, because nothing here depends on
the worker, the attempt or the time (law 1).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from importlib import resources
from typing import Any

import orjson

from .version import __version__


def stable_hash(*parts: Any, size: int = 8) -> str:
    """Hex digits (2 * ``size``) of any JSON-like parts; the same in every process and on every machine."""
    return blake2b(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=size).hexdigest()


def seed_of(*parts: Any) -> int:
    """A 63-bit seed from any JSON-like parts."""
    return int(stable_hash(*parts), 16) >> 1


def run_id(config: dict[str, Any], code: str, source: str) -> str:
    """Identity of a run: the settings that change results, the code, and its source (domain or task set)."""
    return f"run-{stable_hash(config, code, source, size=6)}"


def trajectory_id(run: str, index: int) -> str:
    return f"traj-{stable_hash(run, 'explore', index)}"


def task_id(trajectory: str, intent: str) -> str:
    return f"task-{stable_hash(trajectory, intent)}"


def twin_id(trajectory: str, intent: str) -> str:
    """Id of the twin of :func:`task_id`'s task."""
    return f"task-{stable_hash(trajectory, intent, 'twin')}"


def episode_id(run: str, stage: str, item: str, trial: int) -> str:
    """Id of an episode; ``item`` names what is rolled out: task and agent."""
    return f"ep-{stable_hash(run, stage, item, trial)}"


def turn_seed(episode: str, seat: str, turn: int) -> int:
    """Sampling seed of one turn, in the 31 bits that every engine accepts."""
    return seed_of(episode, seat, turn) & 0x7FFFFFFF


#: The rooms that results depend on. A change elsewhere (terminal, viewer, exports, jobs, how models are asked, how
#: rows are stored) leaves a run's identity alone, so an unfinished run can still be resumed after it.
RESULT_ROOMS = ("core", "environments", "grading", "pipeline", "simulation", "synthesis", "tau2")


@lru_cache(maxsize=1)
def code_version() -> str:
    """Version and a hash of the source files that results depend on: all in :data:`RESULT_ROOMS`."""
    digest = blake2b(digest_size=6)
    for room in RESULT_ROOMS:
        for name, data in _sources(resources.files("t2t_dist") / room, room):
            digest.update(name.encode() + b"\0" + data)
    return f"{__version__}+{digest.hexdigest()}"


def _sources(folder: Any, prefix: str) -> Iterable[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda item: str(item.name)):
        name = f"{prefix}/{entry.name}"
        if entry.is_dir():
            yield from _sources(entry, name)
        elif entry.name.endswith((".py", ".md", ".yaml", ".j2")):
            yield name, entry.read_bytes()
