"""Pool of MCP servers that execute calls on our worlds: each call runs on a server in the world's state.

A domain's file declares that a server's state is a function of the snapshot. So the world, copy-on-write and forkable,
is the only truth, and servers merely execute: a call uses a server that is in the world's state already (it executed
the call before), or brings one there by writing the differing records into its directory: a fresh process or, if the
file says that it keeps nothing in memory, any idle one. The changes of the call are then read back into the world.
Losing a server loses nothing else.

Answers are cached by state and call once two calls agreed: certificates repeat the same calls many times. Answers that
differ each time never agree, and so are never cached.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from ...state import META, Base, Key, Record, World, diff
from ...tools import ToolCrash, ToolError, ToolTimeout
from .config import McpConfig
from .server import Answer, NoStart, Offered, Server, fresh_folder, sweep
from .snapshot import Snapshot, SnapshotError, State, snapshot_of

#: Size of the answer cache per process.
CACHED = 4096
#: Seconds after which a clock shows another second.
_LATER_S = 1.1


class CallOutcome(NamedTuple):
    """The result of a call in a state: the answer, and the changed records (``None``: removed)."""

    answer: Answer
    edits: dict[Key, Record | None]


class Sample(NamedTuple):
    """A call with its result, to be repeated by ``t2t check-domain``."""

    world: World
    arguments: Mapping[str, Any]
    outcome: CallOutcome
    at: float


class Live:
    """A server, its directory's snapshot, and the world whose state it is in."""

    def __init__(self, server: Server, snapshot: Snapshot, at: World, known: State) -> None:
        self.server, self.snapshot, self.at, self.known = server, snapshot, at, known

    def move_to(self, world: World) -> None:
        """Put the world's records into the directory. Raises SnapshotError."""
        changes = diff(self.at, world)
        if changes:
            self.snapshot.apply(changes)
            self.known = self.snapshot.read()
        self.at = world.fork()

    def look(self) -> dict[Key, Record | None]:
        """The records in the directory that changed since the last look. Raises SnapshotError."""
        before, now = self.known, self.snapshot.read()
        if now is before:
            return {}
        edits: dict[Key, Record | None] = {key: r for key, r in now.items() if before.get(key) != r}
        edits |= {key: None for key in before if key not in now}
        self.known = now
        if edits:
            self.at = self.at.fork()
            write(self.at, edits)
            self.at.seal()
        return edits

    def close(self) -> None:
        self.snapshot.close()
        self.server.close()


def write(world: World, edits: Mapping[Key, Record | None]) -> None:
    """Write records to a world, as open edits."""
    for (table, key), record in edits.items():
        if record is None:
            world.delete(table, key)
        else:
            world.put(table, key, record)


class Pool:
    """The servers of one domain in one process: at most ``server.at_most``, each used by one call at a time."""

    def __init__(self, config: McpConfig, here: Path) -> None:
        self.config, self.here = config, here
        self.template = here / config.template
        self._changed = threading.Condition()
        self._idle: list[Live] = []  # the most recently used comes last
        self._count = 0
        self._closed = False
        self._spare: tuple[Server, Path] | None = None
        self._samples: dict[str, list[Sample]] = {}
        self._answers: OrderedDict[tuple[str, str, bytes], tuple[CallOutcome, bool]] = OrderedDict()

    # -- for the domain -----------------------------------------------------------------------------------------------
    def tables(self) -> dict[str, dict[str, Record]]:
        """The initial state of worlds, as tables: that of the template after a server has started on it.

        Raises:
            ValueError: it can't be read, or no server starts.
        """
        if self._spare is None:
            self.listed()
        assert self._spare is not None
        snapshot = snapshot_of(self.config.snapshot, self._spare[1] / "data", self.config.root)
        try:
            tables: dict[str, dict[str, Record]] = {}
            for (table, key), record in snapshot.read().items():
                tables.setdefault(table, {})[key] = record
        except SnapshotError as error:
            raise ValueError(f"the template {self.template}: {error}") from None
        finally:
            snapshot.close()
        if not tables:
            raise ValueError(f"the snapshot finds nothing in the template {self.template}; correct its patterns")
        return tables

    def listed(self) -> list[Offered]:
        """The tools that a server lists; the first call reuses this server. Raises NoStart."""
        folder = self._copied()
        server = self._server(folder)
        tools = server.start()
        self._spare = server, folder
        return tools

    def call(self, world: World, name: str, arguments: Mapping[str, Any]) -> Answer:
        """Execute a call on a world; its edits are left open.

        Raises:
            ToolError, ToolTimeout, ToolLost: see :meth:`Server.call`; ToolTimeout also if no server was free.
            ToolCrash: the directory can't be read, or can't be brought into the world's state.
        """
        key = (world.digest, name, orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS))
        with self._changed:
            outcome, agreed = self._answers.get(key, (None, False))
            if outcome is not None:
                self._answers.move_to_end(key)
        if outcome is None or not agreed:
            made = self._make(world, name, arguments)
            self._cache(key, made, agreed=made == outcome)
            outcome = made
        if not outcome.answer.error:
            write(world, outcome.edits)
        return outcome.answer

    def _cache(self, key: tuple[str, str, bytes], outcome: CallOutcome, agreed: bool) -> None:
        with self._changed:
            self._answers[key] = outcome, agreed
            if len(self._answers) > CACHED:
                self._answers.popitem(last=False)

    def _make(self, world: World, name: str, arguments: Mapping[str, Any]) -> CallOutcome:
        with self._leased(world) as live:
            try:
                _still(live, "after it had answered the call before")
                live.move_to(world)
                try:
                    answer = live.server.call(name, self._inward(arguments, live))
                except ToolError as error:
                    answer = Answer(str(error), True)
                outcome = CallOutcome(answer, live.look())
            except SnapshotError as error:
                raise ToolCrash(f"{name}: {error}") from None
        with self._changed:
            sample = Sample(world.fork(), dict(arguments), outcome, time.monotonic())
            self._samples[name] = [*self._samples.get(name, [])[:1], sample]
        return outcome

    def doubtful(self) -> Iterator[str]:
        """Tools whose answer differs when a call is repeated later, by a fresh process: tried with the first and the
        last call of each tool."""
        for name, samples in list(self._samples.items()):
            for sample in samples:
                time.sleep(max(0.0, sample.at + _LATER_S - time.monotonic()))
                live = self._fresh(sample.world)
                try:
                    answer = live.server.call(name, self._inward(sample.arguments, live))
                    again = CallOutcome(answer, live.look())
                except ToolError as error:
                    again = CallOutcome(Answer(str(error), True), live.look())
                finally:
                    live.close()
                if again != sample.outcome:
                    yield _otherwise(name, sample.outcome, again)
                    break

    def _inward(self, value: Any, live: Live) -> Any:
        """Arguments with the directory's real name instead of ``root``."""
        root, real = self.config.root, str(live.server.folder / "data")
        if not root:
            return value  # paths are relative, and a server starts in the directory
        if isinstance(value, str):
            return real + value[len(root) :] if value == root or value.startswith(root + "/") else value
        if isinstance(value, Mapping):
            return {name: self._inward(item, live) for name, item in value.items()}
        return [self._inward(item, live) for item in value] if isinstance(value, list) else value

    # -- servers -----------------------------------------------------------------------------------------------------
    @contextmanager
    def _leased(self, world: World) -> Iterator[Live]:
        """A server for one call, in the world's state or to be brought there. It is closed if the call fails."""
        live = self._take(world.digest) or self._start(world)
        try:
            yield live
        except BaseException:
            self._drop(live)
            raise
        with self._changed:
            if not self._closed:
                self._idle.append(live)
                self._changed.notify()
                return
        self._drop(live)

    def _take(self, digest: str) -> Live | None:
        """A suitable idle server; ``None``: the caller may start one, its place is reserved. Raises ToolTimeout."""
        until = time.monotonic() + self.config.server.timeout
        with self._changed:
            while True:
                dead = [live for live in self._idle if not live.server.alive]
                self._idle = [live for live in self._idle if live not in dead]
                for live in dead:
                    self._drop(live)
                fitting = [live for live in self._idle if live.at.digest == digest]
                if not fitting and self.config.server.stateless:
                    fitting = self._idle
                if fitting:
                    self._idle.remove(chosen := fitting[-1])
                    return chosen
                if self._count >= self.config.server.at_most and self._idle:
                    self._drop(self._idle.pop(0))
                if self._count < self.config.server.at_most:
                    self._count += 1
                    return None
                if not self._changed.wait(until - time.monotonic()) and time.monotonic() > until:
                    raise ToolTimeout(f"no MCP server was free within {self.config.server.timeout:g} s")

    def _start(self, world: World) -> Live:
        """A fresh process on a copy of the template, brought into the world's state. Raises ToolCrash."""
        try:
            with self._changed:
                spare, self._spare = self._spare, None
            return self._fresh(world, spare)
        except BaseException as error:
            with self._changed:
                self._count -= 1
                self._changed.notify()
            if isinstance(error, NoStart | SnapshotError | ValueError | OSError):
                raise ToolCrash(str(error)) from None
            raise

    def _fresh(self, world: World, spare: tuple[Server, Path] | None = None) -> Live:
        base = World(world.base.origin)  # what the template holds
        if spare is not None and not (self.config.server.stateless or world.digest == base.digest):
            spare[0].close()
            spare = None
        folder = spare[1] if spare else self._copied()
        server = spare[0] if spare else self._server(folder)
        snapshot = snapshot_of(self.config.snapshot, folder / "data", self.config.root)
        live = Live(server, snapshot, base, _state_of(base.base))
        try:
            live.look()  # starting a server may change the template's state
            live.move_to(world)
            if spare is None:
                server.start()
                _still(live, "when it started")
        except BaseException:
            live.close()
            raise
        return live

    def _drop(self, live: Live) -> None:
        live.close()
        with self._changed:
            self._count -= 1
            self._changed.notify()

    def _copied(self) -> Path:
        """A folder whose ``data`` is a copy of the template. Raises ValueError, OSError."""
        if not self.template.is_dir():
            raise ValueError(f"template: there is no directory '{self.template}'")
        folder = fresh_folder()
        shutil.copytree(self.template, folder / "data", symlinks=True)
        return folder

    def _server(self, folder: Path) -> Server:
        return Server(self.config.server, self.here, folder, self._outward(folder))

    def _outward(self, folder: Path) -> Callable[[str], str]:
        """A function for all text of a server: replaces its directory's name, secrets and masked parts."""
        real, root = str(folder / "data"), self.config.root
        secrets = [value for name in self.config.server.inherit if len(value := os.environ.get(name, "")) > 3]
        masked = [re.compile(expression) for expression in self.config.masked]

        def mask(text: str) -> str:
            for name in (real, quote(real)):  # the second in URIs
                if name in text:
                    text = text.replace(name, root) if root else text.replace(name + os.sep, "").replace(name, ".")
            for secret in secrets:
                text = text.replace(secret, "***")
            for expression in masked:
                text = expression.sub("...", text)
            return text

        return mask

    def close(self) -> None:
        """End all servers, and wait until they have ended."""
        with self._changed:
            self._closed, idle, self._idle = True, self._idle, []
            spare, self._spare = self._spare, None
        if spare is not None:
            spare[0].close()
            spare[0].wait_closed()
        for live in idle:
            self._drop(live)
        for live in idle:
            live.server.wait_closed()
        sweep()


def _state_of(base: Base) -> State:
    return {
        (table, key): record for table, rows in base.tables.items() if table != META for key, record in rows.items()
    }


def _still(live: Live, when: str) -> None:
    """Raises ToolCrash: the state changed since the last call."""
    if changed := sorted(live.look()):
        named = ", ".join("/".join(key) for key in changed[:3])
        raise ToolCrash(
            f"the MCP server changed {named} {when}: leave it out by snapshot.ignore, or worlds can't be told apart"
        )


def _otherwise(name: str, first: CallOutcome, again: CallOutcome) -> str:
    """How two results of one call differ, and what to do about it."""
    differ = sorted(key for key in {*first.edits, *again.edits} if first.edits.get(key) != again.edits.get(key))
    if differ:
        what = f"leaves {'/'.join(differ[0])} otherwise"
    else:
        what = f"answers '{again.answer.text[:60]}', before '{first.answer.text[:60]}',"
    remedy = "declare what differs by 'masked' or snapshot.ignore, leave server.stateless out, or hide the tool"
    return f"{name} {what} when it is called again by a fresh server: {remedy}"
