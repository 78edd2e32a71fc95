"""The rollout workers of a run: Ray actors, one pool over all nodes.

:mod:`.scheduling.placement` decides where workers go; this is the wiring. Workers join as nodes appear and leave when
Ray drains their node. Nothing here blocks: the driver's loop learns of a worker when its start call returns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil
import ray
import ray.exceptions
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from t2t_dist.core.errors import InputError

from .scheduling.placement import Node, Wish, plan

#: Seconds between two checks of the nodes.
_LOOK_S = 2.0
#: Seconds for a worker to open its work: a large database or task set takes a while to read.
_START_DEADLINE_S = 120.0
#: Seconds in which a worker should have opened its work: as long, slots are kept for it.
_EXPECTED_S = 30.0
#: Workers that die in a row before any has opened its work, until the run gives up.
_STARTS = 3
#: Seconds without a new attempt on a node where a worker failed to start, doubled each time.
_AVOID_S, _AVOID_MOST_S = 30.0, 600.0


class RayGone(Exception):
    """Raised when the driver's own Ray node is gone; what is committed is kept."""


@dataclass
class _Starting:
    name: str
    node: str
    actor: Any
    since: float


@dataclass
class _Avoided:
    until: float
    times: int = 1


class Crew:
    """The pool of a run's workers.

    Args:
        make: makes a worker's actor from its name and Ray's options.
        wish: how many workers to run.
        cpus: CPUs that each takes from its node; 0 for none.
        wait_s: seconds without a worker, or a node with room for one, until the run gives up.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        make: Callable[[str, dict[str, Any]], Any],
        wish: Wish,
        cpus: float,
        wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wish, self._make, self._cpus, self._wait_s, self._clock = wish, make, cpus, wait_s, clock
        self.actors: dict[str, Any] = {}
        self.nodes: dict[str, str] = {}
        #: Workers on draining nodes, with the time (of ``clock``) when the node goes.
        self.leaving: dict[str, float] = {}
        self.notes: list[str] = []
        self._processes: dict[str, psutil.Process] = {}  # of the workers on this node, also of lost ones until they end
        #: Number of workers that are starting and should join soon.
        self.expected = 0
        self._starting: dict[Any, _Starting] = {}
        self._avoided: dict[str, _Avoided] = {}
        self._serial = self._died = 0
        self._ever = False
        self._asked: tuple[int, PlacementGroup | None] = (0, None)
        self._looked_at, self._alone_since = float("-inf"), clock()
        self._here = ray.get_runtime_context().get_node_id()

    # -- the driver's calls ------------------------------------------------------------------------------------------
    def step(self) -> None:
        """Check the nodes, every few seconds, and start workers where there is room.

        Raises:
            InputError: no worker could be placed for ``wait_s``.
            RayGone: the driver's own node is dead.
        """
        now = self._clock()
        if now - self._looked_at < _LOOK_S:
            return
        self._look(now)

    def look_again(self) -> None:
        """Check the nodes at the next :meth:`step`: a worker was lost."""
        self._looked_at = float("-inf")

    def references(self) -> list[Any]:
        """Calls for the driver to wait for; each that is done goes to :meth:`handle`."""
        return list(self._starting)

    def handle(self, reference: Any) -> str | None:
        """Handle the end of a start. Returns the new worker's name, or ``None`` if it failed.

        Raises:
            InputError: a worker rejects the run's input, or workers die before they have begun.
        """
        starting = self._starting.pop(reference)
        self.expected = max(0, self.expected - 1)
        try:
            pid = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            ray.kill(starting.actor)
            self._start_failed(starting, cause_of(error))
            return None
        except ray.exceptions.RayError as error:
            self._died += 1
            detail = _one_line(error)
            if "ModuleNotFoundError" in detail:
                detail += "; the nodes need t2t-dist: install it there, or send it with `t2t submit`"
            self._start_failed(starting, InputError(f"workers die before they have begun: {detail}"))
            return None
        self._died, self._ever = 0, True
        self._avoided.pop(starting.node, None)
        self.actors[starting.name], self.nodes[starting.name] = starting.actor, starting.node
        if starting.node == self._here:
            with suppress(psutil.Error):
                self._processes[starting.name] = psutil.Process(pid)
        return starting.name

    def lost(self, name: str) -> None:
        """Remove a worker, and end it if it still runs."""
        actor = self.actors.pop(name, None)
        self.nodes.pop(name, None)
        self.leaving.pop(name, None)
        if actor is not None:
            ray.kill(actor)
        if not self.actors:
            self._alone_since = self._clock()
        self.look_again()

    def ended(self) -> list[str]:
        """Lost workers whose process has ended since the last call; those of other nodes can't be known."""
        over = [name for name, process in self._processes.items() if name not in self.actors and _is_over(process)]
        for name in over:
            del self._processes[name]
        return over

    def stop(self) -> None:
        """End all workers."""
        for actor in [*self.actors.values(), *(starting.actor for starting in self._starting.values())]:
            ray.kill(actor)
        self.actors.clear()
        self._starting.clear()
        self._ask_autoscaler(0)

    def waiting_for(self) -> str:
        """What the run waits for before it has a worker, else empty."""
        if self.actors:
            return ""
        return f"{len(self._starting)} workers starting" if self._starting else "a node with room for a worker"

    # -- inside ------------------------------------------------------------------------------------------------------
    def _start_failed(self, starting: _Starting, error: BaseException) -> None:
        """Raise if no worker has ever started: the run is to blame. Otherwise avoid the node."""
        if not self._ever and (self._died == 0 or self._died >= _STARTS):
            raise error
        self._avoid(starting.node, str(error))

    def _avoid(self, node: str, why: str) -> None:
        if not self._ever and self._died:
            return  # retried at once, so that a general problem shows soon
        known = self._avoided.get(node)
        times = known.times + 1 if known else 1
        self._avoided[node] = _Avoided(self._clock() + min(_AVOID_S * 2 ** (times - 1), _AVOID_MOST_S), times)
        self.notes = [*self.notes[-9:], f"no worker on node {node[:8]}: {why}"]

    def _look(self, now: float) -> None:
        self._looked_at = now
        draining = _draining()
        alive = [node for node in ray.nodes() if node["Alive"]]
        if all(node["NodeID"] != self._here for node in alive):
            raise RayGone("the driver's own Ray node is gone")
        nodes = [Node(n["NodeID"], n["Resources"].get("CPU", 0.0), n["NodeID"] in draining) for n in alive]
        for reference, late in list(self._starting.items()):
            if now - late.since > _START_DEADLINE_S:
                del self._starting[reference]
                ray.kill(late.actor)
                self._avoid(late.node, f"none came up within {_START_DEADLINE_S:g} s; its CPUs may be taken")
        here = {starting.name: starting.node for starting in self._starting.values()} | self.nodes
        avoided = [node for node, avoid in self._avoided.items() if avoid.until > now]
        found = plan(nodes, here, self.wish, self._cpus, avoided)
        for name in found.leave:
            if name in self.actors and name not in self.leaving:
                left = draining[self.nodes[name]]
                self.leaving[name] = now + left if left else float("inf")
        for node in found.start:
            self._start(node, now)
        self.expected = sum(now - starting.since < _EXPECTED_S for starting in self._starting.values())
        self._ask_autoscaler(found.asked if self._cpus else 0)
        if self.actors or self._starting:
            self._alone_since = now
        elif now - self._alone_since > self._wait_s:
            last = f"; {self.notes[-1]}" if self.notes else ""
            raise InputError(
                f"no node had room for a worker of {self._cpus:g} CPUs for {self._wait_s:g} s: add nodes, or lower"
                f" cluster.worker_cpus{last}"
            )

    def _start(self, node: str, now: float) -> None:
        self._serial += 1
        name = f"w{self._serial}"
        where = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        actor = self._make(name, {"scheduling_strategy": where, "num_cpus": self._cpus})
        self._starting[actor.ready.remote()] = _Starting(name, node, actor, now)

    def _ask_autoscaler(self, workers: int) -> None:
        """Keep a placement group pending for workers without room; once placed it is removed, its room is free."""
        asked, group = self._asked
        if group is not None and (workers != asked or ray.wait([group.ready()], timeout=0)[0]):
            remove_placement_group(group)
            self._asked = asked, group = 0, None
        if workers and group is None:
            bundles = [{"CPU": self._cpus}] * workers
            self._asked = workers, placement_group(bundles, strategy="SPREAD")


def _is_over(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def _draining() -> dict[str, float]:
    """Draining nodes, with the seconds until they go; 0 if Ray has no deadline."""
    try:
        from ray._private.state import state  # Ray has no public API for it

        found: dict[str, int] = state.get_draining_nodes()
    except (ImportError, AttributeError):
        return {}
    now = time.time()
    return {node: max(1.0, end / 1e3 - now) if end else 0.0 for node, end in found.items()}


def cause_of(error: ray.exceptions.RayTaskError) -> BaseException:
    """The exception that a worker raised, as an InputError."""
    cause = error.cause
    return cause if isinstance(cause, InputError) else InputError(f"a worker broke: {_one_line(cause or error)}")


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
