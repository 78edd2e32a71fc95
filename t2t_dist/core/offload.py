"""Stretches of pure work on a domain, kept off the loop where they would hold it up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from t2t_dist.environments.base import Domain

P = ParamSpec("P")
T = TypeVar("T")


async def aside(domain: Domain, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function gives that plays calls on worlds of its own: exploring, certifying, grading.

    Where tools wait for something outside it runs in a thread: seconds of that would stop all conversations of the
    process, and its word that it is alive. Elsewhere a stretch is milliseconds of computing, which threads only slow.
    """
    if any(tool.blocking for tool in domain.tools):
        return await asyncio.to_thread(function, *args, **kwargs)
    return function(*args, **kwargs)
