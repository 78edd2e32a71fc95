"""Grounds: environments for replays with tau2's own semantics, which its grading needs.

Unlike the calls of a ``Domain``, which are atomic, a refused call here keeps what it has changed, as in tau2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Protocol

from ...state import Base
from .bench import Bench, set_up


class Ground(Protocol):
    """Protocol of an environment for one replay."""

    def set_up(self, state: Mapping[str, Any]) -> None:
        """Bring it into a task's ``initial_state``, except for the message history. Raises what that raises."""
        ...

    def has(self, name: str) -> bool:
        """Whether either side has a tool with this name."""
        ...

    def mutates(self, name: str) -> bool:
        """Whether a replay has to repeat calls of this tool."""
        ...

    def call(self, name: str, arguments: Mapping[str, Any], requestor: str) -> Any:
        """Execute a call, without :meth:`sync`; returns the result. Raises what the tool raises."""
        ...

    def sync(self) -> None:
        """Synchronise the two sides."""
        ...

    def text(self, result: Any) -> str:
        """A result as text of a tool message."""
        ...

    def asserts(self, function: Mapping[str, Any]) -> bool:
        """The result of an assertion's function. Raises ValueError: it is not true or false."""
        ...

    def state(self) -> Any:
        """Equal for two grounds of one domain if and only if tau2's hashes of both databases are."""
        ...


class _Live:
    """Base class of both grounds: an environment of tau2, or one with the same interface."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def set_up(self, state: Mapping[str, Any]) -> None:
        set_up(self.env, state)

    def _kits(self) -> list[Any]:
        return [kit for kit in (self.env.tools, self.env.user_tools) if kit is not None]

    def has(self, name: str) -> bool:
        return any(kit.has_tool(name) for kit in self._kits())

    def mutates(self, name: str) -> bool:
        return next((bool(kit.tool_mutates_state(name)) for kit in self._kits() if kit.has_tool(name)), True)

    def call(self, name: str, arguments: Mapping[str, Any], requestor: str) -> Any:
        return self.env.make_tool_call(name, requestor=requestor, **arguments)

    def sync(self) -> None:
        self.env.sync_tools()

    def text(self, result: Any) -> str:
        return result if isinstance(result, str) else str(self.env.to_json_str(result))

    def asserts(self, function: Mapping[str, Any]) -> bool:
        answer = self.env.run_env_function_call(
            SimpleNamespace(
                env_type=function["env_type"], func_name=function["func_name"], arguments=function["arguments"]
            )
        )
        if not isinstance(answer, bool):
            raise ValueError(f"{function['func_name']} gave a {type(answer).__name__}, not true or false")
        return answer


class FreshGround(_Live):
    """A newly built environment."""

    def state(self) -> Any:
        return tuple(None if kit is None else kit.get_db_hash() for kit in (self.env.tools, self.env.user_tools))


class BenchGround(_Live):
    """The bench, lent in the state of the base; its state is the differences from the base."""

    def __init__(self, bench: Bench, env: Any, base: Base) -> None:
        super().__init__(env)
        self.bench, self.base = bench, base

    def state(self) -> Any:
        return self.bench.differing(self.base)


@contextmanager
def ground_of(bench: Bench, base: Base, state: Mapping[str, Any] | None) -> Iterator[Ground]:
    """Context manager: a ground for a task's ``initial_state``, either the bench or a new environment.

    In tau2, ``initialization_data`` makes both sides share one database; the bench keeps them apart.
    """
    if (state or {}).get("initialization_data"):
        yield FreshGround(bench.make())
    else:
        with bench.bare(base) as env:
            yield BenchGround(bench, env, base)
