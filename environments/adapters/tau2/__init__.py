"""Domains of an installed tau2 (tau2-bench): ``tau2:retail``, or with custom hints ``tau2:retail@hints.yaml``.

In: the name of a tau2 domain, and hints. Out: a ``Domain`` class whose tools run in tau2's own environment.
``bench.py`` lends one live environment to one world at a time, ``tables.py`` maps its database to records,
``naming.py`` derives domain types from names, ``ground.py`` replays with tau2's own semantics. tau2 is imported when
such a domain is asked for, and is no dependency; its files and verdicts are not handled here but in ``t2t_dist/tau2``.
Read domain.py first.
"""

from __future__ import annotations

import importlib.metadata
import os
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...base import Domain
from ...registry import UnknownDomain
from .domain import Tau2Domain as Tau2Domain
from .ground import Ground as Ground
from .naming import Hints, load_hints

#: The folder of built-in hints.
_HINTS = Path(__file__).parent


@lru_cache(maxsize=16)
def domain(rest: str) -> type[Domain]:
    """The domain class for the part after ``tau2:``.

    Raises:
        UnknownDomain: tau2 is not installed or can't be imported, it has no such domain, or the hints can't be read.
    """
    name, _, file = rest.partition("@")
    registry = _registry(rest)
    known = sorted(registry.get_domains())
    if name not in known:
        near = get_close_matches(name, known, 3, 0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(known)}"
        raise UnknownDomain(f"domain 'tau2:{rest}': the installed tau2 has no domain '{name}'; {hint}")
    make = registry.get_env_constructor(name)
    try:
        hints = load_hints(Path(file)) if file else _shipped(name)
    except ValueError as error:
        raise UnknownDomain(f"domain 'tau2:{rest}': {error}") from None
    return adapted(f"tau2:{rest}", make, hints)


def adapted(called: str, build: Any, found: Hints) -> type[Tau2Domain]:
    """A domain class for a function that builds an environment of tau2, or one with the same interface."""

    class Adapted(Tau2Domain):
        name = called
        summary = f"{called.partition(':')[2].partition('@')[0]}, a domain of tau2-bench"
        make = staticmethod(build)
        hints = found

        def __init__(self, *, seed: int = 0, scale: float = 1.0) -> None:
            try:
                super().__init__(seed=seed, scale=scale)
            except (OSError, ValueError) as error:
                text = " ".join(str(error).split())[:300]
                raise ValueError(f"tau2 can't load its database: {type(error).__name__}: {text}") from error

    return Adapted


def _shipped(name: str) -> Hints:
    file = _HINTS / f"{name}.yaml"
    return load_hints(file) if file.exists() else Hints()


def _registry(rest: str) -> Any:
    """tau2's registry. Its logging, at least a line per tool call, is disabled."""
    # Prevents a network request at import, which is not needed here.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        from loguru import logger

        logger.disable("tau2")
        from tau2.registry import registry
    except ImportError as error:
        missing = "tau2 is not installed here" if _absent() else f"tau2 can't be imported ({error})"
        raise UnknownDomain(
            f"domain 'tau2:{rest}': {missing}; install tau2-bench from its repository, Python 3.12 or newer"
        ) from None
    return registry


def _absent() -> bool:
    try:
        importlib.metadata.version("tau2")
    except importlib.metadata.PackageNotFoundError:
        return True
    return False
