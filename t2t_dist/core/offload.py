"""Offloading of computations on a domain to a thread, where they would block the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from t2t_dist.environments.base import Domain

P = ParamSpec("P")
T = TypeVar("T")


async def offload(domain: Domain, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a function that executes calls on its own worlds: exploring, certifying, grading.

    Where tools block on something outside, it runs in a thread: waiting for seconds would stop all conversations of the
    process, and its heartbeat. Elsewhere it takes milliseconds of computing, and a thread would only slow it.
    """
    if any(tool.blocking for tool in domain.tools):
        return await asyncio.to_thread(function, *args, **kwargs)
    return function(*args, **kwargs)
