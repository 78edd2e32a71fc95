"""The engines of a run: placed, started, polled, restarted, and published to the workers.

:mod:`.health` judges whether an engine can be used, :mod:`.admission` how many requests it may have; this is the
wiring: Ray actors for hosted engines, one poller for all, and the view that workers get.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
import ray.exceptions
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from t2t_dist.actors.inference import EngineAddress, EngineFailed, Exit, InferenceActor
from t2t_dist.config.engines import PoolConfig
from t2t_dist.core.errors import InputError
from t2t_dist.core.printing import keep_secret
from t2t_dist.models.fleet_view import EngineView, FleetView, Held, PoolView

from .admission import Admission, LoadReading, share_of
from .health import Health, State
from .poller import Poller, PollResult, PollTarget
from .reading import EngineReading

#: Initial limit of a hosted engine, in concurrent requests: enough to show its speed, too few to overload it.
_START_LIMIT = 32
#: Initial limit of a third-party endpoint. It may have no metrics to grow by: it starts high and shrinks on refusals.
_START_THIRD_PARTY = 256
#: Last lines of a log that are quoted in an error message.
_LAST_LINES = 3
#: Seconds for all servers to shut down.
_STOP_S = 40.0
#: Seconds between two checks whether the cluster has room for more engines.
_FILL_EVERY_S = 10.0


def _deadline(config: PoolConfig) -> float:
    """Seconds until a start counts as failed. The actor itself has a shorter deadline; this is for a hung actor."""
    return config.start_deadline_s + _STOP_S


@dataclass
class _Engine:
    """One engine. ``address``: set while its server is up. ``tail``: the last lines that its server wrote."""

    name: str
    pool: str
    config: PoolConfig
    health: Health
    admission: Admission
    url: str = ""
    key: str = field(default="", repr=False)
    hosted: bool = True
    launched: bool = False
    gpus: int = 0
    actor: Any = None
    group: Any = None
    address: EngineAddress | None = None
    log: str = ""
    tail: list[str] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)
    held: int = 0  # requests that workers have in flight there
    refused: int = 0
    notes: tuple[str, ...] = ()
    carry_reasoning: bool = True


class Fleet:
    """The engines of all pools of a run.

    Args:
        pools: by name.
        logs: the folder for the engines' logs.
        local: whether the run is on this machine only; engines then listen on loopback.
        api_key_of: reads a key from an environment variable, for third-party endpoints.
        clock: seconds, monotonic.

    Raises:
        InputError: the cluster has no room for an engine.
    """

    def __init__(
        self,
        pools: Mapping[str, PoolConfig],
        logs: str,
        *,
        local: bool = True,
        api_key_of: Callable[[str | None], str] = lambda _: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pools, self._logs, self._local, self._clock = pools, logs, local, clock
        self._began = clock(), time.time()
        self._key = keep_secret(secrets.token_urlsafe(24))  # of this run; never in a file, row or command line
        self.engines: dict[str, _Engine] = {}
        self._calls: dict[Any, tuple[str, str, int]] = {}  # in flight: engine, method, process
        self._turns: list[FleetView] = []
        self._version = 0
        self._filled_at = clock()
        for pool, config in pools.items():
            for number, url in enumerate(config.urls):
                self._add(pool, config, f"{pool}@{number}", url=url, key=api_key_of(config.api_key_env))
            for number in range(config.hosted().max):
                self._add(pool, config, f"{pool}#{number}")
        self._poller = Poller()

    def _add(self, pool: str, config: PoolConfig, name: str, url: str = "", key: str = "") -> None:
        health = Health(self._clock(), _deadline(config), restartable=not url, max_restarts=config.max_restarts)
        limit = Admission(min(_START_THIRD_PARTY if url else _START_LIMIT, config.most), 1, config.most)
        self.engines[name] = _Engine(
            name, pool, config, health, limit, url=url, key=key or ("" if url else self._key), hosted=not url
        )

    # -- life ----------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Place and start the engines; see :meth:`ready`.

        Up to a pool's ``min`` they are started in any case, the others while the cluster has free GPUs.
        """
        self._fill(must=True)
        self._set_targets()

    def _fill(self, must: bool = False) -> None:
        """Start engines that were not started yet, as free GPUs allow; with ``must``, those up to ``min`` in any
        case."""
        self._filled_at = self._clock()
        if not any(engine.hosted and not engine.launched for engine in self.engines.values()):
            return
        free = int(ray.available_resources().get("GPU", 0))
        for pool, config in self.pools.items():
            mine = [engine for engine in self.engines.values() if engine.pool == pool and engine.hosted]
            gpus = self._gpus(config) if mine else 0
            for number, engine in enumerate(mine):
                if engine.launched or not (gpus <= free or (must and number < config.hosted().min)):
                    continue
                free -= gpus
                now = self._clock()
                engine.health = Health(now, _deadline(config), max_restarts=config.max_restarts)
                self._launch(engine)

    def _launch(self, engine: _Engine) -> None:
        """Create the actor of an engine, and start its server."""
        config = engine.config
        engine.launched, engine.gpus = True, self._gpus(config)
        options: dict[str, Any] = {}
        if engine.gpus:
            if engine.group is None:
                engine.group = placement_group([{"GPU": engine.gpus, "CPU": 1}], strategy="STRICT_PACK")
            options = {
                "num_gpus": engine.gpus,
                "scheduling_strategy": PlacementGroupSchedulingStrategy(placement_group=engine.group),
            }
        name = engine.name.replace("/", "-").replace(":", "-")
        engine.log = f"{self._logs}/{name.strip('-')}.log"
        host = "127.0.0.1" if self._local else ray.util.get_node_ip_address()
        actor = InferenceActor.options(**options)  # type: ignore[attr-defined]
        engine.actor = actor.remote(engine.name, config, engine.key, engine.log, host, engine.gpus)
        self._begin(engine)

    def _begin(self, engine: _Engine) -> None:
        reference = engine.actor.start.remote()
        self._calls[reference] = (engine.name, "start", engine.health.restarts)

    def _gpus(self, config: PoolConfig) -> int:
        """GPUs of one engine. Raises InputError: no node has that many."""
        wanted = config.tensor_parallel * config.pipeline_parallel
        nodes = [node["Resources"].get("GPU", 0) for node in ray.nodes() if node["Alive"]]
        most = int(max(nodes, default=0))
        if config.device == "cpu" or (config.device == "auto" and not most):
            return 0
        if most < wanted:
            has = f"the largest node has {most}" if most else "no node has any"
            raise InputError(
                f"an engine of {config.model} needs {wanted} GPUs on one node, and {has}: lower"
                f" engine.tensor_parallel, add a larger node, or set engine.device=cpu"
            )
        return wanted

    def stop(self) -> None:
        """End all servers and actors."""
        self._poller.close()
        ending = [engine.actor.stop.remote() for engine in self.engines.values() if engine.actor is not None]
        if ending:
            ray.wait(ending, num_returns=len(ending), timeout=_STOP_S)
        for engine in self.engines.values():
            self._drop(engine)

    def _drop(self, engine: _Engine) -> None:
        if engine.actor is not None:
            ray.kill(engine.actor)
            engine.actor = None
        if engine.group is not None:
            remove_placement_group(engine.group)
            engine.group = None

    # -- events --------------------------------------------------------------------------------------------------------
    def step(self, seconds: float = 0.5) -> None:
        """Wait ``seconds`` for an event, handle it, and :meth:`tick`: for callers without a loop of their own.

        Raises:
            InputError: as :meth:`handle` and :meth:`tick`.
        """
        if self._calls:
            done, _ = ray.wait(self.references(), num_returns=1, timeout=seconds)
            for reference in done:
                self.handle(reference)
        else:
            time.sleep(seconds)
        self.tick()

    def references(self) -> list[Any]:
        """Calls to wait for; each that is done goes to :meth:`handle`."""
        return list(self._calls)

    def handle(self, reference: Any) -> bool:
        """Handle the answer of an actor. False if the call was not this fleet's.

        Raises:
            InputError: a pool's first engine does not start.
        """
        if reference not in self._calls:
            return False
        name, what, process = self._calls.pop(reference)
        engine, now = self.engines[name], self._clock()
        try:
            answer = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, InputError) else InputError(str(error))
            if what == "start" and not process and not self._ready_in(engine.pool):
                raise cause from None  # it was never up: the settings are wrong
            if process == engine.health.restarts:
                engine.tail = cause.tail if isinstance(cause, EngineFailed) else []
            engine.health.exited(now, str(cause), of=process)
        except ray.exceptions.RayError as error:
            if process == engine.health.restarts:  # otherwise it is already replaced
                engine.actor, engine.address = None, None
            engine.health.exited(now, f"its actor is gone ({type(error).__name__})", of=process)
        else:
            if what == "start":
                self._started(engine, answer, process)
            elif what == "stop":
                self._begin(engine)
            elif what == "watch":
                ended: Exit = answer
                if process == engine.health.restarts:
                    engine.tail, engine.address = ended.tail, None
                engine.health.exited(now, f"its server ended with code {ended.code}", of=process)
            else:
                # Not earlier: conversations depend on what the chat template wants, from the first one on.
                engine.notes, engine.carry_reasoning = answer.notes, answer.carry_reasoning
                engine.health.ready(now, of=process)
                self._set_targets()
        return True

    def _started(self, engine: _Engine, address: EngineAddress, process: int) -> None:
        if process != engine.health.restarts:
            return  # declared dead meanwhile; it is stopped before the next start
        engine.address, engine.url, engine.log = address, address.url, address.log
        self._calls[engine.actor.watch.remote()] = (engine.name, "watch", process)
        self._calls[engine.actor.status.remote()] = (engine.name, "status", process)

    def tick(self) -> None:
        """Handle the poller's results, and restart engines that are due. To be called every second or so.

        Raises:
            InputError: a pool's last engine is given up, or the cluster never had room for an engine.
        """
        for result in self._poller.results():
            self._polled(result)
        now = self._clock()
        if now - self._filled_at > _FILL_EVERY_S:
            self._fill()
        for engine in self.engines.values():
            if engine.hosted and not engine.launched:
                continue
            engine.health.tick(now)
            if not engine.hosted:
                continue
            if engine.group is not None and engine.health.state is State.DEAD and engine.address is None:
                self._check_placed(engine)
            if engine.health.state is State.DEAD and engine.health.restarting(now):
                starting = any(call[:2] == (engine.name, "start") for call in self._calls.values())
                silent, engine.address = engine.address is not None or starting, None
                if engine.actor is None:
                    self._launch(engine)
                elif silent:  # its server may still run: stop it before the next start
                    self._calls[engine.actor.stop.remote()] = (engine.name, "stop", engine.health.restarts)
                else:
                    self._begin(engine)
        self._set_targets()
        for pool in self.pools:
            self._check_given_up(pool)

    def _check_placed(self, engine: _Engine) -> None:
        """Raises InputError: the cluster never had room for an engine."""
        placed, _ = ray.wait([engine.group.ready()], timeout=0.1)
        if not placed:
            raise InputError(
                f"engine {engine.name} needs {engine.gpus} GPUs on one node, and none was free for"
                f" {engine.config.start_deadline_s:g} s: add nodes, or start fewer engines (replicas)"
            )

    def _polled(self, result: PollResult) -> None:
        engine = self.engines[result.engine]
        health = engine.health
        if result.error is not None:
            health.failed(result.at, result.error, of=result.process)
            return
        if not engine.hosted and not health.takes_any:
            health.ready(result.at, of=result.process)
        else:
            health.answered(result.at, of=result.process)
        reading = result.reading
        if reading is None:  # no metrics: use what the workers report
            reading = LoadReading(result.at, None, engine.held, 0, 0, engine.refused)
        else:
            engine.counts = result.counts or {}
        if health.takes_any:
            engine.admission.read(reading)

    def set_held(self, held: Iterable[Mapping[str, Held]]) -> None:
        """Set the requests in flight per engine, from the latest report of each worker."""
        now: Counter[str] = Counter()
        for worker in held:
            for name, of in worker.items():
                now[name] += of.running
        for engine in self.engines.values():
            engine.held = now[engine.name]

    def record_results(self, held: Mapping[str, Held]) -> None:
        """Record how the requests of one worker ended since its last report."""
        now = self._clock()
        for name, of in held.items():
            engine = self.engines[name]
            if of.refused:
                engine.refused += of.refused
                engine.admission.refused(now)
            if of.answered:
                engine.health.served(now)
            elif of.failed:
                engine.health.unserved(now, "calls get no answer in time, or errors of the server's own")

    def _set_targets(self) -> None:
        """Set the poller's targets: running engines, and dead third-party endpoints whose retry is due."""
        targets, now = {}, self._clock()
        for engine in self.engines.values():
            health = engine.health
            due = health.restart_at is not None and health.restart_at <= now
            if engine.hosted:
                wanted = engine.address is not None and health.takes_any
            else:
                wanted = health.state is not State.DEAD or due
            if wanted:
                target = PollTarget(engine.name, health.restarts, engine.url, engine.config.model, engine.key)
                targets[engine.name] = target
        self._poller.set_targets(targets)

    def _check_given_up(self, pool: str) -> None:
        mine = [engine for engine in self.engines.values() if engine.pool == pool]
        mine = [engine for engine in mine if engine.launched or not engine.hosted]
        if not mine or any(engine.health.state is not State.GIVEN_UP for engine in mine):
            return
        engine = mine[0]
        last = next((t.why for t in reversed(engine.health.timeline) if t.state is State.DEAD), "")
        tail = " | ".join(line.strip() for line in engine.tail[-_LAST_LINES:])
        raise InputError(
            f"pool {pool}: its engines were given up after {engine.health.restarts} restarts; {last}; last lines of"
            f" {engine.log}: {tail}"
        )

    # -- state ---------------------------------------------------------------------------------------------------------
    def ready(self) -> bool:
        """Whether every pool has the engines that a run starts with."""
        return all(self._ready_in(pool) >= self._least(config) for pool, config in self.pools.items())

    @staticmethod
    def _least(config: PoolConfig) -> int:
        return max(1, config.hosted().min)

    def _ready_in(self, pool: str) -> int:
        return sum(engine.health.takes_any for engine in self.engines.values() if engine.pool == pool)

    def gpus(self) -> int:
        """GPUs held by the engines."""
        return sum(engine.gpus for engine in self.engines.values() if engine.actor is not None)

    def waiting_for(self) -> str:
        """``2 of 4 engines ready`` until all of them are, then empty."""
        wanted = sum(self._least(config) for config in self.pools.values())
        up = sum(min(self._ready_in(pool), self._least(config)) for pool, config in self.pools.items())
        return "" if up == wanted else f"{up} of {wanted} engines ready"

    def view(self, worker: int, workers: int) -> FleetView:
        """The engines that one of ``workers`` workers may use now, with its share of their limits.

        ``version`` changes with the content; so it does with the number of workers, which changes the shares.
        """
        if len(self._turns) != workers:
            self._turns = [FleetView()] * workers
        pools: dict[str, PoolView] = {}
        for pool in self.pools:
            engines = {}
            carry = True
            for turn, engine in enumerate(self.engines.values()):
                if engine.pool != pool or not engine.health.takes_any:
                    continue
                limit = share_of(engine.admission.limit, workers, worker, turn)
                health = engine.health
                engines[engine.name] = EngineView(engine.url, health.takes_new, limit, engine.key, health.restarts)
                carry = engine.carry_reasoning
            pools[pool] = PoolView(engines, carry)
        last = self._turns[worker]
        if last.version == 0 or last.pools != pools:
            self._version += 1
            self._turns[worker] = FleetView(self._version, pools)
        return self._turns[worker]

    def readings(self) -> list[EngineReading]:
        """One reading per engine, for the metrics."""
        return [
            EngineReading(
                engine=engine.name,
                pool=engine.pool,
                url=engine.url,
                state=engine.health.state,
                up=engine.health.takes_any,
                restarts=engine.health.restarts,
                limit=engine.admission.limit,
                least=engine.admission.least,
                trouble=engine.admission.trouble,
                moves={move.value: times for move, times in engine.admission.moves.items()},
                held=engine.held,
                gpus=engine.gpus if engine.actor is not None else 0,
                counts=engine.counts,
            )
            for engine in self.engines.values()
        ]

    def status(self) -> list[dict[str, Any]]:
        """One entry per engine, for the status file: state, timeline (seconds since 1970), load, log; no key."""
        found = []
        offset = self._began[1] - self._began[0]
        for engine in self.engines.values():
            health, counts = engine.health, engine.counts
            found.append(
                {
                    "engine": engine.name,
                    "pool": engine.pool,
                    "state": health.state.value,
                    "restarts": health.restarts,
                    "url": engine.url,
                    "pid": engine.address.pid if engine.address else None,
                    "log": engine.log,
                    "limit": engine.admission.limit,
                    "notes": list(engine.notes),
                    "metrics": {name: round(value, 4) for name, value in counts.items() if value == value},
                    "timeline": [[round(t.at + offset, 2), t.state.value, t.why] for t in health.timeline],
                }
            )
        return found
