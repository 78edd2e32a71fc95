"""Bench: one live environment of tau2 for all worlds of a process, lent to one of them at a time.

Loading a database per world, or per call, would cost more than everything else. The bench loads it once. Before a call
it brings the live objects into the state of the calling world, by updating the records in which this world and the
previous one differ from the base; after the call it writes the changes into the world's overlay.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from ...state import Base, Record, World
from ...tools import AGENT, USER, problems
from .tables import ORDER, WHOLE, Attributes, ListedTable, Table, tables_of

#: Marks a live object with unknown content, which has to be loaded again.
_UNKNOWN: Any = object()
#: Table of the place in ``_dbs`` of the database that both sides work on: an initial state with data makes it one.
SHARED = "_shared"
#: tau2's words for the sides.
REQUESTORS = {AGENT: "assistant", USER: "user"}


class Unsound(Exception):
    """Raised when a tool leaves a value in the database that its models do not allow: a defect of the domain."""


class Bench:
    """The owner of the environment that ``make`` builds. All methods are thread-safe."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self.env = make()
        self.lock = threading.RLock()
        self._dbs = [(self.env.tools, self.env.tools.db)]
        self.tables: list[Table] = tables_of(self.env.tools.db, "")
        own = None if self.env.user_tools is None else self.env.user_tools.db
        if own is not None and own is not self.env.tools.db:
            self._dbs.append((self.env.user_tools, own))
            self.tables += tables_of(own, "user.")
        for name, kit in (("_tools", self.env.tools), ("_user_tools", self.env.user_tools)):
            if kit is not None and (beside := Attributes(name, kit)).names:
                self.tables.append(beside)
        self._by_name = {table.name: table for table in self.tables}
        self._loaded: dict[tuple[str, str], Any] = {}
        self._texts: dict[tuple[str, str], str | None] = {}

    def records(self) -> dict[str, dict[str, Record]]:
        """All records of the database as loaded."""
        found: dict[str, dict[str, Record]] = {}
        for table in self.tables:
            if hasattr(table, "tracked"):
                table.tracked.touched = set(table.tracked)
            found[table.name] = {key: record for key, record in table.looked_at() if record is not None}
            table.settle()
        return found

    def differing(self, base: Base) -> dict[tuple[str, str], str | None]:
        """tau2's canonical texts of the records that differ from the base in the live objects."""
        found: dict[tuple[str, str], str | None] = {}
        edited = {table for table, _ in base.edited}
        for table in self.tables:
            known = {} if table.name in edited else self._texts
            for key, text in table.texts().items():
                place = table.name, key
                if place not in known:
                    known[place] = table.text_of(base.tables.get(table.name, {}), key)
                if text != known[place]:
                    found[place] = text
        return found

    # -- lending it ----------------------------------------------------------------------------------------------------
    def attach(self, world: World) -> None:
        """Bring the live objects into the state of a world; O(records written by it and by the previous one).

        Raises Unsound: the world holds a record that the models do not allow.
        """
        stale: dict[str, set[str]] = {}
        base = world.base.origin.tables  # which the live objects were made from
        for place in {*self._loaded, *world.written(), *world.base.edited}:
            table, key = place
            want = world.get(table, key)
            have = self._loaded.get(place, _UNKNOWN) if place in self._loaded else base.get(table, {}).get(key)
            if want is have:
                continue
            stale.setdefault(key if table == ORDER else table, set()).update(() if table == ORDER else {key})
            if want is base.get(table, {}).get(key):
                self._loaded.pop(place, None)
            else:
                self._loaded[place] = want
        try:
            for name, keys in stale.items():
                if (found := self._by_name.get(name)) is not None:
                    found.load(world, keys)
        except ValueError as error:
            self._loaded |= {(name, key): _UNKNOWN for name, keys in stale.items() for key in keys}
            why = problems(error) if isinstance(error, ValidationError) else str(error)
            raise Unsound(f"{name} holds what its model does not allow: {why}") from error

    def _take(self, world: World) -> None:
        """Write the differences into a world. Raises Unsound, after all tables are settled."""
        unsound: list[str] = []
        for table in self.tables:
            try:
                self._changed(table, table.write(world))
            except (PydanticSerializationError, TypeError, ValueError) as error:
                # Its whole content is unknown now.
                self._changed(table, [*table.keys(), *world.base.tables.get(table.name, {})])
                unsound.append(f"{table.name} holds what can't be written down: {error}")
            table.settle()
        if unsound:
            raise Unsound("; ".join(unsound))

    def _changed(self, table: Table, keys: list[str]) -> None:
        for key in keys:
            self._loaded[table.name, key] = _UNKNOWN
        if keys and isinstance(table, ListedTable):
            self._loaded[ORDER, table.name] = _UNKNOWN

    @contextmanager
    def at(self, world: World) -> Iterator[Any]:
        """The environment in the state of a world; changes are written into the world, as open edits."""
        with self.lock:
            self.attach(world)
            if (shared := world.get(SHARED, WHOLE)) is not None:
                for toolkit, _ in self._dbs:
                    toolkit.db = self._dbs[shared[WHOLE]][1]
            try:
                yield self.env
            finally:
                self._rebound()
                self._take(world)

    @contextmanager
    def bare(self, base: Base) -> Iterator[Any]:
        """The environment in the state of the base; changes are dropped."""
        with self.at(World(base)) as env:
            yield env

    def _rebound(self) -> None:
        """If a toolkit was given another database, copy its contents into ours, to which the tables belong."""
        for toolkit, db in self._dbs:
            other = toolkit.db
            if other is not db:
                if type(other) is type(db):
                    for field in type(db).model_fields:
                        db.__dict__[field] = other.__dict__[field]
                toolkit.db = db

    # -- using it ------------------------------------------------------------------------------------------------------
    def call(self, world: World, name: str, arguments: Mapping[str, Any], side: str) -> Any:
        """Execute a tool call on a world as tau2 does: the call, then a synchronisation of the two sides.

        Returns the result as :func:`plain` does. Raises what the tool raises.
        """
        with self.at(world) as env:
            result = env.make_tool_call(name, requestor=REQUESTORS[side], **arguments)
            env.sync_tools()
            return plain(env, result)

    def absent(self, name: str, arguments: Mapping[str, Any], side: str) -> str:
        """What tau2 says to a call of a tool that the side does not have."""
        with self.lock:
            try:
                self.env.make_tool_call(name, requestor=REQUESTORS[side], **arguments)
            except Exception as error:
                return str(error)
        return f"Tool '{name}' not found."

    def set_up(self, world: World, state: Mapping[str, Any]) -> None:
        """Bring a world into a task's initial state. Raises what a function of the state raises."""
        with self.at(world) as env:
            set_up(env, state)
            env.sync_tools()
            if len(self._dbs) > 1 and env.tools.db is env.user_tools.db:
                world.put(SHARED, WHOLE, {WHOLE: int(type(env.tools.db) is not type(self._dbs[0][1]))})
        world.seal()


def plain(env: Any, result: Any) -> Any:
    """A tool's result: the text that tau2 shows to a model, or its parsed JSON."""
    if isinstance(result, str):
        return result
    text = env.to_json_str(result)
    value = json.loads(text)
    # A text is shown in quotes: without them it would be another answer.
    return text if isinstance(value, str) else value


def set_up(env: Any, state: Mapping[str, Any]) -> None:
    """Apply a task's ``initial_state`` to an environment, except for its message history.

    Data of one side replaces the database of both, as in tau2 (v1.0.1, ``Environment.set_state``).
    """
    data = state.get("initialization_data") or {}
    if data.get("agent_data") is not None:
        env.tools.update_db(data["agent_data"])
        if env.user_tools is not None and env.user_tools.db is not None:
            env.user_tools.db = env.tools.db
    if data.get("user_data") is not None:
        env.user_tools.update_db(data["user_data"])
        if env.tools is not None and env.tools.db is not None:
            env.tools.db = env.user_tools.db
    for action in state.get("initialization_actions") or ():
        env.run_env_function_call(
            SimpleNamespace(env_type=action["env_type"], func_name=action["func_name"], arguments=action["arguments"])
        )
