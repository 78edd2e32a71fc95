"""A thousand engines and their conversations in simulated time, led by the real scheduler, routers, admission, health.

An engine serves up to ``FULL`` requests at full speed; more share that speed. Its cache has a fixed size in tokens, and
a running request holds its conversation's. The most it could have done is ``FULL`` times the time it was ready; what it
did is the service it gave. Conversations have long-tailed numbers of calls, calls have long-tailed answers, and between
two calls a tool runs. Engines die with all that runs on them and come back by the rules of
``cluster/engines/health.py``; workers die and their conversations start again elsewhere. The tail begins when every
episode has been begun once. Requests wait in their worker for room on their engine, the oldest conversation first, as
in ``t2t_dist/models/pool.py``.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from t2t_dist.cluster.engines.admission import Admission, LoadReading, share_of
from t2t_dist.cluster.engines.health import Health, State
from t2t_dist.cluster.scheduling.scheduler import Scheduler
from t2t_dist.models.routing import RequestOutcome, Router

FULL = 8
#: Tokens that an engine's cache holds; of a conversation, at its start and with each call more.
CACHE, PROMPT, A_CALL = 100_000, 2_000, 400
#: Median and sigma of the calls of a conversation, and of the seconds an answer takes at full speed; seconds of a tool.
CALLS, CALLS_SIGMA, ANSWER_S, ANSWER_SIGMA, TOOL_S = 8.0, 0.8, 8.0, 0.7, 2.0
ALIVE = 20  # conversations for each engine
START_LIMIT, MOST = 32, 1024  # as in cluster/engines/fleet.py
READ_S, EXCHANGE_S, LOAD_S = 2.0, 0.5, 30.0


class _Engine:
    """Processor sharing in virtual time: a request ends when the engine's clock has come so far."""

    def __init__(self, name: str, number: int) -> None:
        self.name, self.number = name, number
        self.running: list[tuple[float, int, _Episode]] = []
        self.clock = self.at = self.served = self.ready_s = 0.0
        self.tokens = self.version = self.refusals = 0
        self.up = True
        self.health = Health(0.0, 600.0)
        self.health.ready(0.0)
        self.admission = Admission(START_LIMIT, 1, MOST)

    def advance(self, now: float) -> None:
        passed, self.at = now - self.at, now
        if self.up:
            self.ready_s += passed
            busy = min(len(self.running), FULL)
            self.served += passed * busy
            if self.running:
                self.clock += passed * busy / len(self.running)

    def next_end(self) -> float:
        speed = min(1.0, FULL / len(self.running))
        return self.at + max(0.0, self.running[0][0] - self.clock) / speed


class _Episode:
    __slots__ = ("age", "calls", "engine", "item", "key", "tokens", "worker")

    def __init__(self, item: int, age: int, calls: int, worker: _Worker) -> None:
        self.item, self.age, self.calls, self.worker = item, age, calls, worker
        self.key, self.tokens, self.engine = f"{item}/agent", PROMPT, ""


class _Worker:
    def __init__(self, name: str, place: int) -> None:
        self.name, self.place = name, place
        self.router = Router(place)
        self.alive: dict[int, _Episode] = {}
        self.queue: list[int] = []
        self.finished: list[int] = []
        self.room: Counter[str] = Counter()  # requests on each engine
        self.limits: dict[str, int] = {}
        self.waiting: dict[str, list[tuple[int, int, _Episode]]] = {}
        self.gone = False


class _World:
    def __init__(self, engines: int, workers: int, episodes: int, engine_deaths: int, worker_deaths: int) -> None:
        self.engines = {f"e{n}": _Engine(f"e{n}", n) for n in range(engines)}
        self.scheduler = Scheduler(episodes)
        self.width, self.slots, self.leased = workers, ALIVE * engines // workers, 0
        self.episodes, self.now, self.serial, self.ages = episodes, 0.0, 0, 0
        self.events: list[tuple[float, int, str, Any]] = []
        self.workers: list[_Worker] = []
        self.chance = np.random.default_rng(3)
        self.pools: dict[str, list[float]] = {}
        self.tail_at: float | None = None
        self.tail = (0.0, 0.0)
        self.moves: Counter[str] = Counter()
        for place in range(workers):
            self.workers.append(self.join(place, f"w{place}"))
        calls = episodes * CALLS * np.exp(CALLS_SIGMA**2 / 2)
        span = calls * ANSWER_S * np.exp(ANSWER_SIGMA**2 / 2) / (engines * FULL)
        for when in self.chance.uniform(0.1 * span, 0.9 * span, engine_deaths):
            self.at(float(when), "engine_dies", f"e{int(self.chance.integers(engines))}")
        for when in self.chance.uniform(0.1 * span, 0.9 * span, worker_deaths):
            self.at(float(when), "worker_dies", int(self.chance.integers(workers)))
        self.at(READ_S, "read", None)

    def at(self, when: float, what: str, of: Any) -> None:
        self.serial += 1
        heappush(self.events, (when, self.serial, what, of))

    def draw(self, kind: str) -> float:
        """Of a thousand numbers drawn at once."""
        pool = self.pools.setdefault(kind, [])
        if not pool:
            if kind == "calls":
                drawn = np.clip(self.chance.lognormal(np.log(CALLS), CALLS_SIGMA, 4096), 1, 120).round()
            elif kind == "answer":
                drawn = np.clip(self.chance.lognormal(np.log(ANSWER_S), ANSWER_SIGMA, 4096), 0.2, 120)
            else:
                drawn = self.chance.exponential(TOOL_S, 4096)
            pool += drawn.tolist()
        return pool.pop()

    # -- workers ---------------------------------------------------------------------------------------------------
    def join(self, place: int, name: str) -> _Worker:
        worker = _Worker(name, place)
        self.scheduler.worker_joined(name, int(1.5 * self.slots))
        self.tell(worker, self.engines.values())
        self.at(self.now, "exchange", worker)
        return worker

    def tell(self, worker: _Worker, engines: Iterable[_Engine]) -> None:
        """What the driver knows of the engines, and news of some of them."""
        usable = {e.name: e.health.takes_new for e in self.engines.values() if e.health.takes_any and e.up}
        worker.router.set_engines(usable)
        for engine in engines:
            limit = share_of(engine.admission.limit, self.width, worker.place, engine.number)
            if limit != worker.limits.get(engine.name):
                worker.limits[engine.name] = limit
                self.admit(worker, engine.name)

    def exchange(self, worker: _Worker) -> None:
        if worker.gone:
            return
        scheduler = self.scheduler
        finished, worker.finished = worker.finished, []
        scheduler.finished(worker.name, finished, self.now)
        if finished:
            scheduler.committed(worker.name, finished)
        leases = scheduler.lease(worker.name, self.now, int(1.5 * self.slots))
        self.leased += sum(lease.attempt == 1 for lease in leases)
        worker.queue += [lease.item for lease in leases]
        self.fill(worker)
        self.at(self.now + EXCHANGE_S, "exchange", worker)

    def fill(self, worker: _Worker) -> None:
        while worker.queue and len(worker.alive) < self.slots:
            item = worker.queue.pop(0)
            self.ages += 1
            episode = worker.alive[item] = _Episode(item, self.ages, int(self.draw("calls")), worker)
            self.ask(episode)

    def ask(self, episode: _Episode) -> None:
        """A request: to its engine if there is room, else it waits."""
        worker = episode.worker
        choice = worker.router.route(episode.key)
        if choice is None:
            self.at(self.now + 1.0, "ask", episode)
            return
        if choice.moved:
            self.moves[choice.moved] += 1
        episode.engine = choice.engine
        if worker.room[choice.engine] < worker.limits.get(choice.engine, 1):
            self.send(episode)
        else:
            heappush(worker.waiting.setdefault(choice.engine, []), (episode.age, episode.item, episode))

    def admit(self, worker: _Worker, name: str) -> None:
        waiting = worker.waiting.get(name)
        while waiting and worker.room[name] < worker.limits.get(name, 1):
            self.send(heappop(waiting)[2])

    def send(self, episode: _Episode) -> None:
        engine = self.engines[episode.engine]
        episode.worker.room[engine.name] += 1
        engine.advance(self.now)
        self.serial += 1
        heappush(engine.running, (engine.clock + self.draw("answer"), self.serial, episode))
        engine.tokens += episode.tokens
        self.reschedule(engine)

    # -- engines ---------------------------------------------------------------------------------------------------
    def reschedule(self, engine: _Engine) -> None:
        engine.version += 1
        if engine.running:
            self.at(engine.next_end(), "ends", (engine, engine.version))

    def ends(self, of: tuple[_Engine, int]) -> None:
        engine, version = of
        if version != engine.version:
            return
        engine.advance(self.now)
        episode = heappop(engine.running)[2]
        engine.tokens -= episode.tokens
        self.reschedule(engine)
        worker = episode.worker
        if worker.gone:
            return
        self.left(episode, RequestOutcome.OK)
        episode.calls -= 1
        episode.tokens += A_CALL
        if episode.calls > 0:
            self.at(self.now + self.draw("tool"), "ask", episode)
            return
        worker.router.forget(episode.key)
        del worker.alive[episode.item]
        worker.finished.append(episode.item)
        self.fill(worker)

    def left(self, episode: _Episode, outcome: RequestOutcome) -> None:
        worker, name = episode.worker, episode.engine
        worker.room[name] -= 1
        worker.router.done(episode.key, name, outcome)
        self.admit(worker, name)

    def engine_dies(self, name: str) -> None:
        engine = self.engines[name]
        if not engine.up:
            return
        engine.advance(self.now)
        engine.up = False
        engine.health.exited(self.now, "killed")
        running, engine.running, engine.tokens = engine.running, [], 0
        engine.version += 1
        for worker in self.workers:  # each sees its connections break
            self.tell(worker, ())
            for _, _, episode in worker.waiting.pop(name, []):
                worker.router.done(episode.key, name, RequestOutcome.OK)
                self.ask(episode)
        for _, _, episode in running:
            if not episode.worker.gone:
                episode.worker.room[name] -= 1
                episode.worker.router.done(episode.key, name, RequestOutcome.FAILED)
                self.ask(episode)

    def engine_ready(self, name: str) -> None:
        engine = self.engines[name]
        engine.advance(self.now)
        engine.up = True
        engine.health.ready(self.now)

    def worker_dies(self, place: int) -> None:
        old = self.workers[place]
        old.gone = True
        for engine in self.engines.values():
            left = [entry for entry in engine.running if entry[2].worker is not old]
            if len(left) != len(engine.running):
                engine.advance(self.now)
                heapify(left)
                engine.running, engine.tokens = left, sum(entry[2].tokens for entry in left)
                self.reschedule(engine)
        self.scheduler.worker_lost(old.name, self.now)
        self.workers[place] = self.join(place, f"{old.name}x")

    def read(self, _: None) -> None:
        """Every engine's metrics, what is due to be started again, and the news to all workers."""
        changed = []
        for engine in self.engines.values():
            limit = engine.admission.limit
            engine.health.tick(self.now)
            if engine.up:
                running = len(engine.running)
                engine.health.answered(self.now)
                engine.admission.read(LoadReading(self.now, min(1.0, engine.tokens / CACHE), running, 0, 0, 0))
            elif engine.health.state is State.DEAD and engine.health.restarting(self.now):
                self.at(self.now + LOAD_S, "engine_ready", engine.name)
            if engine.admission.limit != limit:
                changed.append(engine)
        for worker in self.workers:
            self.tell(worker, changed)
        self.scheduler.expire(self.now)
        if self.tail_at is None and self.leased == self.episodes and not any(w.queue for w in self.workers):
            self.tail_at, self.tail = self.now, self.totals()
        self.at(self.now + READ_S, "read", None)

    def totals(self) -> tuple[float, float]:
        for engine in self.engines.values():
            engine.advance(self.now)
        return sum(e.served for e in self.engines.values()), sum(e.ready_s for e in self.engines.values())

    def run(self) -> dict[str, Any]:
        began = time.perf_counter()
        moves = {
            "exchange": self.exchange,
            "ask": lambda episode: None if episode.worker.gone else self.ask(episode),
            "ends": self.ends,
            "read": self.read,
            "engine_dies": self.engine_dies,
            "engine_ready": self.engine_ready,
            "worker_dies": self.worker_dies,
        }
        while not self.scheduler.done:
            self.now, _, what, of = heappop(self.events)
            moves[what](of)
        served, ready = self.tail
        all_served, _ = self.totals()
        assert self.tail_at is not None
        restarts = sum(engine.health.restarts for engine in self.engines.values())
        return {
            "engines": len(self.engines),
            "workers": self.width,
            "episodes": self.episodes,
            "utilisation": round(served / (FULL * ready), 4),
            "with_dead_engines_counted": round(served / (FULL * len(self.engines) * self.tail_at), 4),
            "tail_share_of_time": round(1 - self.tail_at / self.now, 4),
            "tail_share_of_service": round(1 - served / all_served, 4),
            "engine_restarts": restarts,
            "workers_lost": self.scheduler.counts().workers_lost,
            "moves": dict(self.moves),
            "limit_median": int(np.median([engine.admission.limit for engine in self.engines.values()])),
            "simulated_s": round(self.now),
            "wall_s": round(time.perf_counter() - began, 1),
        }


def simulate(*, quick: bool = False) -> dict[str, Any]:
    """1,000 engines, or 20 for a look."""
    if quick:
        return _World(engines=20, workers=4, episodes=2_400, engine_deaths=3, worker_deaths=1).run()
    return _World(engines=1_000, workers=64, episodes=80_000, engine_deaths=20, worker_deaths=4).run()
