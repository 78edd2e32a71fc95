"""Agents that must not pass, rolled out on a sample of a run's tasks in this process, and graded.

What an agent gets that does nothing, lies, refuses or hands over everything is the floor of the data. One that never
asks may do as well as chance. The oracle shows that the tasks can be passed at all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from t2t_dist.config.settings import LimitsConfig
from t2t_dist.core.identity import seed_of
from t2t_dist.core.offload import offload
from t2t_dist.core.schema import INTENTS, Task
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.base import Domain
from t2t_dist.environments.rules import Handling
from t2t_dist.grading.grade import grade
from t2t_dist.models.clients import Models
from t2t_dist.simulation.conversation import roll_out
from t2t_dist.simulation.players import AgentPlayer
from t2t_dist.simulation.scripted.agents import ScriptedAgent, scripted_agent
from t2t_dist.simulation.scripted.floors import FirstThenSecond, UsualGuess
from t2t_dist.simulation.seating import seat_user

from .measures import Measure, rate, unmeasured

#: How likely a candidate's arguments are what the customer of a task means, as far as other customers tell.
Score = Callable[[Task, dict[str, Any]], float]

FLOORS = ("idle", "liar", "naysayer", "passer")
GUESSERS = ("guess-first", "guess-second", "guess-last", "guess-usual")
_MISSES_SHOWN = 3


def not_rolled_out(why: str) -> list[Measure]:
    return [unmeasured(name, why) for name in ("oracle", "floor", "guess", "a_then_b")]


class Floors:
    """The rollouts on one sample of tasks."""

    def __init__(self, domain: Domain, limits: LimitsConfig, seed: int, score: Score) -> None:
        self._domain, self._limits, self._seed, self._score = domain, limits, seed, score
        self._failed: Counter[str] = Counter()
        self._models = Models()

    def measures(self, tasks: Sequence[Task]) -> Iterator[Measure]:
        if not tasks:
            yield from not_rolled_out("there are no tasks to roll agents out on")
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            yield from asyncio.run(self._measured(tasks))
            return
        with ThreadPoolExecutor(1) as other:  # a notebook has a running loop, which can't wait for another
            yield from other.submit(asyncio.run, self._measured(tasks)).result()

    async def _measured(self, tasks: Sequence[Task]) -> list[Measure]:
        by_intent = {intent: [task for task in tasks if task.intent == intent] for intent in INTENTS}
        found = []
        for intent, sample in by_intent.items():
            if sample:
                found.append(await self._row("oracle", "", intent, "oracle", sample, wanted=1.0))
        for kind in FLOORS:
            for intent, sample in by_intent.items():
                wrong = [task for task in sample if kind != "passer" or task.grader.handling != Handling.TRANSFER]
                if wrong:
                    found.append(await self._row("floor", kind, intent, kind, wrong))
        if open_tasks := [task for task in by_intent["ambiguous"] if _finals(task)]:
            chance = sum(1 / _finals(task) for task in open_tasks) / len(open_tasks)
            for kind in GUESSERS:
                found.append(await self._row("guess", kind, "ambiguous", kind, open_tasks, chance=chance))
        else:
            found.append(unmeasured("guess", "no sampled task has candidates to guess from"))
        if changes := [task for task in by_intent["changing"] if task.certificate and task.certificate.first_call]:
            found.append(await self._row("a_then_b", "", "changing", "first-then-second", changes))
        else:
            found.append(unmeasured("a_then_b", "in no sampled task a customer first wants something else"))
        return found

    async def _row(
        self,
        name: str,
        about: str,
        intent: str,
        kind: str,
        tasks: Sequence[Task],
        *,
        wanted: float = 0.0,
        chance: float = 0.0,
    ) -> Measure:
        """The pass rate of one agent; tasks on which it got something else than ``wanted`` are the examples."""
        self._failed.clear()
        passed: list[bool] = []
        odd: list[str] = []
        for task in tasks:
            reward = await self._reward(kind, task)
            if reward is None:
                continue
            passed.append(reward >= 1.0)
            if passed[-1] != (wanted >= 1.0):
                odd.append(task.task_id)
        detail = [f"chance {chance:.3f}, passed {sum(passed) / len(passed):.3f}"] if chance and passed else []
        detail += [f"{n} without a result: {why}" for why, n in self._failed.most_common(2)]
        if not passed:
            return unmeasured(name, "; ".join(detail) or "no rollout has a result", about, intent)
        return rate(
            name,
            about,
            intent,
            sum(passed),
            len(passed),
            chance=chance,
            detail="; ".join(detail),
            examples=odd[:_MISSES_SHOWN],
        )

    async def _reward(self, kind: str, task: Task) -> float | None:
        """The reward of one rollout; ``None`` where it has no result."""
        seed = seed_of(self._seed, "audit", task.task_id)
        models = self._models
        try:
            domain = domain_of(self._domain, task)
            agent = self._agent(kind, task, domain, seed_of(seed, kind))
            user = seat_user(models, "scripted", task.user, domain, task.task_id, seed_of(seed, "user"))
            done = await roll_out(task, domain, agent, user, seed=seed, limits=self._limits)
            outcome = await offload(domain, grade, domain, task, done.turns, done.termination.value)
        except Exception as error:  # a domain's code, or a task that was altered, may raise anything
            self._failed[f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"] += 1
            return None
        return outcome.reward

    def _agent(self, kind: str, task: Task, domain: Domain, seed: int) -> AgentPlayer:
        if kind == "first-then-second":
            return ScriptedAgent(kind, FirstThenSecond(task, domain, seed))
        if kind == "guess-usual":
            return ScriptedAgent(kind, UsualGuess(task, domain, seed, lambda arguments: self._score(task, arguments)))
        return scripted_agent(kind, task, domain, seed)


def _finals(task: Task) -> int:
    """How many final states the candidates of an ambiguous task lead to."""
    return len({candidate.final for candidate in task.certificate.candidates}) if task.certificate else 0
