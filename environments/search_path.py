"""The search path: where Python looks for a custom domain's module, and never for anything of ours."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import ModuleType

#: Folders of custom domains: the working directory of the command.
_own: list[str] = []


def search_last(folder: str) -> None:
    """Let modules be imported from a folder, but after all others: a file there hides no module of Python or of an
    installed package, such as ``types.py`` or ``yaml.py``."""
    sys.path[:] = [*(path for path in sys.path if os.path.abspath(path) != folder), folder]
    _own[:] = [folder]


def domain_module(name: str) -> ModuleType:
    """Import a custom domain's module: while it loads, its folder comes before the installed packages, so that it may
    be named like one of them, and after Python's own modules."""
    installed = (n for n, path in enumerate(sys.path) if os.path.basename(path) in ("site-packages", "dist-packages"))
    place = next(installed, len(sys.path))
    sys.path[place:place] = _own
    try:
        return import_module(name)
    finally:
        for folder in _own:
            if sys.path.count(folder) > 1:
                sys.path.remove(folder)  # the first one
