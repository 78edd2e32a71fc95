"""The library: from tool environments to verified tasks and graded rollouts.

The parts of a custom domain can be imported from here (docs/own-domain.md), and the functions that start and read runs
(docs/python.md).
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # loading typing takes longer than all else here

if TYPE_CHECKING:
    from typing import Any

    from t2t_dist.api import Rows, Run, audit, evaluate, generate, load_episodes, load_tasks
    from t2t_dist.core.version import __version__
    from t2t_dist.environments.base import Domain, Profile
    from t2t_dist.environments.language import Said
    from t2t_dist.environments.rules import Enforced, Handling, rule
    from t2t_dist.environments.state import Base, Record, World
    from t2t_dist.environments.tools import GENERIC, READ, RECORD, WRITE, Call, ToolError, tool
    from t2t_dist.environments.workflows import workflow

#: Where the names are. They are loaded on first use: workers import this package without the functions that start runs,
#: and a command is ready for Ctrl-C before it loads anything.
_FROM = {
    "api": ("Rows", "Run", "audit", "evaluate", "generate", "load_episodes", "load_tasks"),
    "core.version": ("__version__",),
    "environments.base": ("Domain", "Profile"),
    "environments.language": ("Said",),
    "environments.rules": ("Enforced", "Handling", "rule"),
    "environments.state": ("Base", "Record", "World"),
    "environments.tools": ("GENERIC", "READ", "RECORD", "WRITE", "Call", "ToolError", "tool"),
    "environments.workflows": ("workflow",),
}

__all__ = [
    "GENERIC",
    "READ",
    "RECORD",
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
    "audit",
    "evaluate",
    "generate",
    "load_episodes",
    "load_tasks",
    "rule",
    "tool",
    "workflow",
]


def __getattr__(name: str) -> Any:
    for module, names in _FROM.items():
        if name in names:
            found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
