"""The library: from tool environments to verified tasks and graded rollouts.

The parts of a custom domain can be imported from here (docs/own-domain.md), and the functions that start and read runs
(docs/python.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from t2t_dist.core.version import __version__
from t2t_dist.environments.base import Domain, Profile
from t2t_dist.environments.language import Said
from t2t_dist.environments.rules import Enforced, Handling, rule
from t2t_dist.environments.state import Base, Record, World
from t2t_dist.environments.tools import GENERIC, READ, WRITE, Call, ToolError, tool
from t2t_dist.environments.workflows import workflow

if TYPE_CHECKING:
    from t2t_dist.api import Rows, Run, evaluate, generate, load_episodes, load_tasks


__all__ = [
    "GENERIC",
    "READ",
    "WRITE",
    "Base",
    "Call",
    "Domain",
    "Enforced",
    "Handling",
    "Profile",
    "Record",
    "Rows",
    "Run",
    "Said",
    "ToolError",
    "World",
    "__version__",
    "evaluate",
    "generate",
    "load_episodes",
    "load_tasks",
    "rule",
    "tool",
    "workflow",
]


def __getattr__(name: str) -> Any:
    """Functions that start and read runs, loaded on first use: workers import this package without them."""
    if name in ("Rows", "Run", "evaluate", "generate", "load_episodes", "load_tasks"):
        from . import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
