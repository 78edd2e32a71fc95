"""What tau2's way of grading needs of an environment, and environments of tau2 as just that.

Unlike :class:`~environments.base.Domain`, whose calls are all or nothing, a refused call here leaves behind what it had
done by then, as it does in tau2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Protocol

from ...state import Base
from .bench import Bench, set_up


class Ground(Protocol):
    """An environment that one replay has for itself."""

    def set_up(self, state: Mapping[str, Any]) -> None:
        """Bring it to a task's ``initial_state``, message history left out. Raises whatever that raises."""
        ...

    def has(self, name: str) -> bool:
        """Whether either side has a tool of this name."""
        ...

    def mutates(self, name: str) -> bool:
        """Whether a tool is one that a replay has to make again."""
        ...

    def call(self, name: str, arguments: Mapping[str, Any], requestor: str) -> Any:
        """Make a call, the sides not synchronised afterwards; the result. Raises whatever the tool raises."""
        ...

    def sync(self) -> None:
        """Synchronise the two sides."""
        ...

    def text(self, result: Any) -> str:
        """A result as a tool message has it."""
        ...

    def asserts(self, function: Mapping[str, Any]) -> bool:
        """What an assertion's function answers. Raises ValueError: something else than true or false."""
        ...

    def state(self) -> Any:
        """Equal for two grounds of one domain exactly when tau2's hashes of both databases are."""
        ...


class _Live:
    """What both kinds share: an environment of tau2's, or one that looks like it."""

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
    """An environment of its own, loaded from the start."""

    def state(self) -> Any:
        return tuple(None if kit is None else kit.get_db_hash() for kit in (self.env.tools, self.env.user_tools))


class BenchGround(_Live):
    """The bench, while it is lent in the state of the base. What differs from the base is what its state is."""

    def __init__(self, bench: Bench, env: Any, base: Base) -> None:
        super().__init__(env)
        self.bench, self.base = bench, base

    def state(self) -> Any:
        return self.bench.differing(self.base)


@contextmanager
def ground_of(bench: Bench, base: Base, state: Mapping[str, Any] | None) -> Iterator[Ground]:
    """A ground to be brought to a task's ``initial_state``: the bench, or a new environment.

    ``initialization_data`` puts one database in the place of both sides' in tau2; the bench keeps them apart.
    """
    if (state or {}).get("initialization_data"):
        yield FreshGround(bench.make())
    else:
        with bench.bare(base) as env:
            yield BenchGround(bench, env, base)
