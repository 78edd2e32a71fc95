"""The engines of a run: placed, started, watched, started again, and told to the workers.

What an engine is fit for is :mod:`cluster.health`'s to judge, how much it may have at once :mod:`t2t_dist.cluster.engines.admission`'s;
this is the wiring: Ray actors for the engines that we host, a poller for all, and the view that workers get.
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
from t2t_dist.models.fleet_view import EngineView, FleetView, Held, PoolView

from .admission import Admission, Reading, share_of
from .health import Health, State
from .poller import Asked, Polled, Poller
from .reading import EngineReading

#: Requests at once before anything is known of an engine: enough to show what it can do, too few to drown it.
_START_LIMIT = 32
#: The same for an endpoint of others.
_START_OTHERS = 256
#: The last words of a log that go into a message.
_LAST_WORDS = 3
#: For all servers to end in order.
_STOP_S = 40.0
#: Between two looks whether the cluster has room for more engines.
_FILL_EVERY_S = 10.0


def _deadline(config: PoolConfig) -> float:
    """An actor keeps the start's deadline itself, and says what went wrong. This is for one that does not answer."""
    return config.start_deadline_s + _STOP_S


@dataclass
class _Engine:
    """One engine: ``address`` while its server is up; ``words`` the last it wrote."""

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
    words: list[str] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)
    held: int = 0  # requests its workers have there, where it has no metrics
    refused: int = 0
    notes: tuple[str, ...] = ()
    carry_reasoning: bool = True


class Fleet:
    """All pools of a run.

    Args:
        pools: by name.
        logs: the folder for the engines' logs.
        local: whether everything is on this machine; engines then listen on loopback only.
        key_of: the key in an environment variable, for endpoints of others.
        clock: seconds, monotonic.

    Raises:
        InputError: the cluster has no place for an engine.
    """

    def __init__(
        self,
        pools: Mapping[str, PoolConfig],
        logs: str,
        *,
        local: bool = True,
        key_of: Callable[[str | None], str] = lambda _: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pools, self._logs, self._local, self._clock = pools, logs, local, clock
        self._began = clock(), time.time()
        self._key = secrets.token_urlsafe(24)  # of this run; in no file, row or command line
        self.engines: dict[str, _Engine] = {}
        self._asked: dict[Any, tuple[str, str, int]] = {}
        self._turns: list[FleetView] = []
        self._version = 0
        self._filled_at = clock()
        for pool, config in pools.items():
            for number, url in enumerate(config.urls):
                self._add(pool, config, f"{pool}@{number}", url=url, key=key_of(config.api_key_env))
            for number in range(config.hosted().max):
                self._add(pool, config, f"{pool}#{number}")
        self._poller = Poller()

    def _add(self, pool: str, config: PoolConfig, name: str, url: str = "", key: str = "") -> None:
        health = Health(self._clock(), _deadline(config), restartable=not url, max_restarts=config.max_restarts)
        # An endpoint of others may have no metrics to grow by: it is given much, and less once it refuses.
        limit = Admission(min(_START_OTHERS if url else _START_LIMIT, config.most), 1, config.most)
        self.engines[name] = _Engine(
            name, pool, config, health, limit, url=url, key=key or ("" if url else self._key), hosted=not url
        )

    # -- life ----------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Place and start the engines; they are ready when :meth:`ready` says so.

        Those above a pool's ``min`` are started as far as the cluster has room, others when it has.
        """
        self._fill(must=True)
        self._ask_for()

    def _fill(self, must: bool = False) -> None:
        """Start engines that have not been: those that a run must have, and as many more as there is room for."""
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
        """A new actor, where there is room for it, and its server."""
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
        self._asked[reference] = (engine.name, "start", engine.health.restarts)

    def _gpus(self, config: PoolConfig) -> int:
        """GPUs of one engine. Raises InputError: no node has so many."""
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
        """Wait so long for news, take it in, and do what is due: for whoever waits until it is :meth:`ready`.

        Raises:
            InputError: as :meth:`hear` and :meth:`tick`.
        """
        if self._asked:
            done, _ = ray.wait(self.references(), num_returns=1, timeout=seconds)
            for reference in done:
                self.hear(reference)
        else:
            time.sleep(seconds)
        self.tick()

    def references(self) -> list[Any]:
        """What to wait for; each that is done goes to :meth:`hear`."""
        return list(self._asked)

    def hear(self, reference: Any) -> bool:
        """An actor has answered: True if the reference was of this fleet.

        Raises:
            InputError: an engine can't be started at all, or was given up and its pool has no other.
        """
        if reference not in self._asked:
            return False
        name, what, process = self._asked.pop(reference)
        engine, now = self.engines[name], self._clock()
        try:
            answer = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, InputError) else InputError(str(error))
            if what == "start" and not process and not self._ready_in(engine.pool):
                raise cause from None  # it never was up: what is wrong is wrong with the settings
            if process == engine.health.restarts:
                engine.words = cause.tail if isinstance(cause, EngineFailed) else []
            engine.health.exited(now, str(cause), of=process)
        except ray.exceptions.RayError as error:
            if process == engine.health.restarts:  # else it is long known, and another stands in its place
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
                    engine.words, engine.address = ended.tail, None
                engine.health.exited(now, f"its server ended with code {ended.code}", of=process)
            else:
                # Only now: what the template wants is part of how conversations are led, from the first one on.
                engine.notes, engine.carry_reasoning = answer.notes, answer.carry_reasoning
                engine.health.ready(now, of=process)
                self._ask_for()
        return True

    def _started(self, engine: _Engine, address: EngineAddress, process: int) -> None:
        if process != engine.health.restarts:
            return  # taken for dead meanwhile; it is stopped before the next start
        engine.address, engine.url, engine.log = address, address.url, address.log
        self._asked[engine.actor.watch.remote()] = (engine.name, "watch", process)
        self._asked[engine.actor.status.remote()] = (engine.name, "status", process)

    def tick(self) -> None:
        """Take in what the poller heard, and start again what is due. To be called every second or so.

        Raises:
            InputError: a pool has lost its last engine for good.
        """
        for polled in self._poller.news():
            self._heard(polled)
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
                starting = any(asked[:2] == (engine.name, "start") for asked in self._asked.values())
                silent, engine.address = engine.address is not None or starting, None
                if engine.actor is None:
                    self._launch(engine)
                elif silent:  # its server may still run: it is ended before the next begins
                    self._asked[engine.actor.stop.remote()] = (engine.name, "stop", engine.health.restarts)
                else:
                    self._begin(engine)
        self._ask_for()
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

    def _heard(self, polled: Polled) -> None:
        engine = self.engines[polled.engine]
        health = engine.health
        if polled.error is not None:
            health.failed(polled.at, polled.error, of=polled.process)
            return
        if not engine.hosted and not health.takes_any:
            health.ready(polled.at, of=polled.process)
        else:
            health.answered(polled.at, of=polled.process)
        reading = polled.reading
        if reading is None:  # no metrics: by what its workers have there
            reading = Reading(polled.at, None, engine.held, 0, 0, engine.refused)
        else:
            engine.counts = polled.counts or {}
        if health.takes_any:
            engine.admission.read(reading)

    def used(self, held: Iterable[Mapping[str, Held]]) -> None:
        """What each worker has on engines now."""
        now: Counter[str] = Counter()
        for worker in held:
            for name, of in worker.items():
                now[name] += of.running
        for engine in self.engines.values():
            engine.held = now[engine.name]

    def fared(self, held: Mapping[str, Held]) -> None:
        """How the requests of one worker fared since its last word."""
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

    def _ask_for(self) -> None:
        """Whom the poller asks: what runs, and, of others' endpoints that are dead, those whose time has come."""
        asked, now = {}, self._clock()
        for engine in self.engines.values():
            health = engine.health
            due = health.restart_at is not None and health.restart_at <= now
            if engine.hosted:
                wanted = engine.address is not None and health.takes_any
            else:
                wanted = health.state is not State.DEAD or due
            if wanted:
                asked[engine.name] = Asked(engine.name, health.restarts, engine.url, engine.config.model, engine.key)
        self._poller.ask(asked)

    def _check_given_up(self, pool: str) -> None:
        mine = [engine for engine in self.engines.values() if engine.pool == pool]
        mine = [engine for engine in mine if engine.launched or not engine.hosted]
        if not mine or any(engine.health.state is not State.GIVEN_UP for engine in mine):
            return
        engine = mine[0]
        last = next((t.why for t in reversed(engine.health.timeline) if t.state is State.DEAD), "")
        words = " | ".join(line.strip() for line in engine.words[-_LAST_WORDS:])
        raise InputError(
            f"pool {pool}: its engines were given up after {engine.health.restarts} restarts; {last}; the last lines of"
            f" {engine.log}: {words}"
        )

    # -- what is known -------------------------------------------------------------------------------------------------
    def ready(self) -> bool:
        """Whether every pool has as many engines as a run starts with."""
        return all(self._ready_in(pool) >= self._least(config) for pool, config in self.pools.items())

    @staticmethod
    def _least(config: PoolConfig) -> int:
        return max(1, config.hosted().min)

    def _ready_in(self, pool: str) -> int:
        return sum(engine.health.takes_any for engine in self.engines.values() if engine.pool == pool)

    def gpus(self) -> int:
        """GPUs that the engines hold."""
        return sum(engine.gpus for engine in self.engines.values() if engine.actor is not None)

    def waiting_for(self) -> str:
        """``2 of 4 engines ready`` while some are not ready, else empty."""
        wanted = sum(self._least(config) for config in self.pools.values())
        up = sum(min(self._ready_in(pool), self._least(config)) for pool, config in self.pools.items())
        return "" if up == wanted else f"{up} of {wanted} engines ready"

    def view(self, worker: int, workers: int) -> FleetView:
        """What one of so many workers may use now. Its ``version`` stands for what is in it: with fewer or more workers
        each has another share, and is told."""
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
        """Every engine for the metrics."""
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
        """Every engine for the status file: state, timeline (seconds of the day), load, log; no key."""
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
