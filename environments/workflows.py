"""Workflows: errands of several calls, some of them on the customer's own device.

A customer whose phone has no signal asks for one thing; the necessary calls depend on the state of the world, and use
tools of both the agent and the customer. A workflow yields them in code, as the policy describes them in words:

>>> @workflow(covers=("enable_roaming",))
... def set_up_roaming(world: World, phone_number: PhoneNumber) -> Iterator[Call]:
...     '''Make a phone work abroad.'''
...     if not world.get("lines", phone_number)["roaming"]:
...         yield Call("enable_roaming", {"phone_number": phone_number})
...     if world.get("phones", phone_number)["data_roaming"] == "off":
...         yield Call("toggle_data_roaming", {"phone_number": phone_number, "to": "on"})

Each call is executed before the next one is taken, so a workflow sees the effect of its calls. If there is nothing to
do, it yields nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from typing_extensions import get_type_hints

from .entities import Spec, spec_of
from .state import World
from .tools import Call, argument_types

Steps = Callable[..., Iterator[Call]]


class Workflow:
    """A workflow, made by :func:`workflow`. Its arguments have domain types and are bound by them, like a tool's."""

    def __init__(self, function: Steps, covers: tuple[str, ...] = ()) -> None:
        self.function, self.covers = function, covers
        self.name = function.__name__
        self.description = " ".join((inspect.getdoc(function) or "").split())
        self.where = f"{inspect.getsourcefile(function)}:{function.__code__.co_firstlineno}"
        hints = get_type_hints(function, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        self.untyped = [p.name for p in parameters if p.name not in hints]
        self.required = [p.name for p in parameters if p.default is inspect.Parameter.empty]
        self.parameters: dict[str, Spec] = {p.name: spec_of(hints.get(p.name, Any)) for p in parameters}

    def consumes(self) -> set[str]:
        """Domain types of its arguments."""
        return set().union(*(argument_types(spec) for spec in self.parameters.values()))

    def steps(self, world: World, arguments: dict[str, Any]) -> Iterator[Call]:
        """Its calls in order; execute each on ``world`` before you take the next."""
        return self.function(world, **arguments)


def workflow(*, covers: tuple[str, ...] = ()) -> Callable[[Steps], Workflow]:
    """Decorator: make a workflow from a function ``(world, arguments...) -> calls``.

    ``covers``: agent tools that are not errands by themselves, because the policy requires the whole workflow.
    """
    return lambda function: Workflow(function, covers)
