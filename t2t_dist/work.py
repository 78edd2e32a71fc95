"""What a run consists of: items 0..n-1, each of which a worker turns into rows by itself.

*generate*: an item is one customer with all the trajectories that fall to them; the stages run where the trajectory
is. *convert*: an item is one stored trajectory. *evaluate*: an item is one episode of one agent on one stored task.
An item's rows depend on the item alone, so any number of workers gives the same dataset.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import environments.registry
from environments.base import Domain
from environments.registry import UnknownDomain
from environments.tools import ToolLost

from .aside import aside
from .chat.balance import MakePicker
from .config import Config
from .convert import Writer, convert_one, reject
from .costs import spending, stage
from .episodes import EpisodeRunner, Finished, lost_episode
from .errors import EpisodeFailure, FailureClass, InputError
from .explore import explore_graph, judge_trajectory
from .explore_llm import conversation_key
from .explore_stage import LlmExplorer
from .favour import counted
from .gate import Slots
from .identity import code_version, episode_id, run_id, seed_of, trajectory_id
from .injection import check_tools
from .intents.errands import errands_in
from .judge import committee
from .models import Models
from .rows import failure_row, to_row
from .schema import Failure, Task, Trajectory
from .sources import Source
from .trials import adaptively
from .verify import Verifier, action_key
from .writing import LlmWriter


@dataclass
class ItemRows:
    """What an item came to: rows by table, and counts to be added up over the run."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, table: str, row: dict[str, Any]) -> None:
        self.rows.setdefault(table, []).append(row)

    def finished(self, done: Finished) -> None:
        """Take an episode's row and count it."""
        self.add(done.table, done.row)
        if done.table == "episodes":
            self.counts[f"episodes.{done.row['stage']}"] += 1
        else:
            self.counts[f"failures.{done.row['failure']}"] += 1


class Work(Protocol):
    """A run's items. ``slots`` bounds the episodes that one worker has alive."""

    run_id: str
    models: Models
    runner: EpisodeRunner
    slots: Slots
    favours: dict[str, float]

    def size(self) -> int:
        """Number of items."""
        ...

    async def run(self, item: int, attempt: int) -> ItemRows:
        """The rows of an item. Raises InputError for what no repetition mends."""
        ...

    def given_up(self, item: int, attempts: int) -> ItemRows:
        """The rows of an item that was set aside."""
        ...

    async def close(self) -> None: ...


def load_domain(config: Config) -> Domain:
    """The config's domain. Raises InputError: unknown name (with near matches), broken module or words."""
    try:
        domain = environments.registry.load(config.domain, config.domain_seed, config.scale)
        domain.fingerprint  # noqa: B018 - reads policy, words and database: what is wrong with them shows here
    except UnknownDomain as error:
        raise InputError(str(error)) from None
    except (ValueError, OSError) as error:
        raise InputError(f"domain '{config.domain}': {error}") from None
    return domain


class _Run:
    """What all kinds of work share."""

    def __init__(self, config: Config, domain: Domain, source: str, slots: int, make_picker: MakePicker | None) -> None:
        check_tools(config.faults, domain)
        self.config, self.domain, self.origin = config, domain, source
        self.run_id = run_id(config.results_part(), code_version(), source)
        self.models = Models(config.models, config.used_pools(), make_picker)
        self.runner = EpisodeRunner(self.run_id, config, self.models, domain)
        self.slots = Slots(slots)
        #: How much each write is wanted in explorations to come; the driver's word (see t2t_dist.favour).
        self.favours: dict[str, float] = {}

    async def episode(self, task: Task, agent: str, trial: int, kind: str, attempt: int) -> Finished:
        async with self.slots:
            with stage(kind):
                return await self.runner.run(task, agent, trial, kind, attempt)

    async def run(self, item: int, attempt: int) -> ItemRows:
        """See :meth:`Work.run`. What models are asked meanwhile is counted with the item."""
        out = ItemRows()
        with spending(out.counts):
            await self._fill(out, item, attempt)
        return out

    async def _fill(self, out: ItemRows, item: int, attempt: int) -> None:
        raise NotImplementedError

    async def trials(self, task: Task, agent: str, attempt: int) -> list[Finished]:
        """All episodes of an agent on a task, as many as ``trials`` says."""
        wanted = self.config.trials
        if isinstance(wanted, int):
            return await asyncio.gather(*(self.episode(task, agent, n, "rollout", attempt) for n in range(wanted)))

        def next_one(trial: int) -> Coroutine[Any, Any, Finished]:
            return self.episode(task, agent, trial, "rollout", attempt)

        return [done async for done in adaptively(self.config.adaptive, next_one, lambda done: done.reward)]

    async def close(self) -> None:
        await self.models.close()


class Generate(_Run):
    """Explore, convert, verify and roll out, a customer an item."""

    def __init__(self, config: Config, slots: int = 256, make_picker: MakePicker | None = None) -> None:
        domain = load_domain(config)
        super().__init__(config, domain, domain.fingerprint, slots, make_picker)
        self.customers = list(domain.callers)
        if not domain.entry_tools:
            lacks = "tool that finds a customer by what they know" if self.customers else "customers"
            raise InputError(f"domain '{config.domain}' has no {lacks}: nothing can be explored on it")
        random.Random(seed_of(config.seed, "customers")).shuffle(self.customers)
        self._stages: Stages | None = None

    def size(self) -> int:
        return min(len(self.customers), self.config.trajectories)

    def indices(self, item: int) -> range:
        """Numbers of the trajectories that fall to an item's customer."""
        return range(item, self.config.trajectories, self.size())

    async def _fill(self, out: ItemRows, item: int, attempt: int) -> None:
        stages = self._stages = self._stages or Stages(self)
        customer = self.customers[item]
        verifier = Verifier(self.domain, self.config.verify, stages.reference)
        rolled: list[asyncio.Task[None]] = []
        for index in self.indices(item):
            trajectory = await stages.explore(index, customer, attempt, out)
            if trajectory is None:
                continue
            out.add("trajectories", {"run_id": self.run_id, **to_row(trajectory)})
            out.counts["trajectories"] += 1
            if trajectory.verdict != "kept":
                out.counts[f"rejected.{trajectory.verdict}"] += 1
            elif self.config.until != "explore":
                rolled += await stages.tasks(trajectory, verifier, attempt, out)
        await asyncio.gather(*rolled)

    def given_up(self, item: int, attempts: int) -> ItemRows:
        return _given_up(self, f"customer {self.customers[item]}", attempts)


class Convert(_Run):
    """Convert, verify and roll out the kept trajectories of a run, one an item.

    Duplicates are looked for among the trajectories of the same customer, all of which are one item as in generate.
    """

    def __init__(self, config: Config, slots: int = 256, make_picker: MakePicker | None = None) -> None:
        domain = load_domain(config)
        assert config.source is not None
        self.source = Source(config.source)
        source = f"{domain.fingerprint}/{self.source.digest('trajectories')}"
        super().__init__(config, domain, source, slots, make_picker)
        self.trajectories, self.customers = self.source.customers(config.limit)
        self._stages: Stages | None = None

    def size(self) -> int:
        return len(self.customers)

    async def _fill(self, out: ItemRows, item: int, attempt: int) -> None:
        self._stages = self._stages or Stages(self)
        verifier = Verifier(self.domain, self.config.verify, self._stages.reference)
        rolled: list[asyncio.Task[None]] = []
        _, numbers = self.customers[item]
        for trajectory in await asyncio.to_thread(lambda: [self.trajectories[number] for number in numbers]):
            out.add("trajectories", {"run_id": self.run_id, **to_row(trajectory)})
            out.counts["trajectories"] += 1
            rolled += await self._stages.tasks(trajectory, verifier, attempt, out)
        await asyncio.gather(*rolled)

    def given_up(self, item: int, attempts: int) -> ItemRows:
        return _given_up(self, f"customer {self.customers[item][0]}", attempts)


class Evaluate(_Run):
    """Roll agents out on the verified tasks of a run, an episode an item; with adaptive trials, all of a task's."""

    def __init__(self, config: Config, slots: int = 256, make_picker: MakePicker | None = None) -> None:
        assert config.source is not None
        self.source = Source(config.source)
        domain = load_domain(config)
        super().__init__(config, domain, f"{domain.fingerprint}/{self.source.digest('tasks')}", slots, make_picker)
        self.tasks = self.source.verified_tasks(config.limit, config.intents)
        if not self.tasks:
            raise InputError(f"{config.source} holds no verified task of these intents: {', '.join(config.intents)}")

    def size(self) -> int:
        return len(self.tasks) * len(self.config.agents) * self._trials_an_item()

    def _trials_an_item(self) -> int:
        return 1 if isinstance(self.config.trials, str) else self.config.trials

    def _of(self, item: int) -> tuple[int, str, int]:
        """The number of an item's task, its agent, its trial."""
        rest, trial = divmod(item, self._trials_an_item())
        task, agent = divmod(rest, len(self.config.agents))
        return task, self.config.agents[agent], trial

    async def _fill(self, out: ItemRows, item: int, attempt: int) -> None:
        number, agent, trial = self._of(item)
        # A shard is read apart from the loop, on which other episodes live: its store may be far away.
        task = self.tasks[number] if self.tasks.held(number) else await asyncio.to_thread(lambda: self.tasks[number])
        if self.config.trials == "adaptive":
            for done in await self.trials(task, agent, attempt):
                out.finished(done)
        else:
            out.finished(await self.episode(task, agent, trial, "rollout", attempt))

    def given_up(self, item: int, attempts: int) -> ItemRows:
        number, agent, trial = self._of(item)
        task = self.tasks[number]
        return _given_up(self, f"{task.task_id}/{agent}", attempts, task, agent, trial)


def _given_up(
    run: _Run, what: str, attempts: int, task: Task | None = None, agent: str = "", trial: int = 0
) -> ItemRows:
    out = ItemRows()
    row = lost_episode(run.run_id, run.config, run.config.domain, what, attempts)
    if task is not None:
        identity = episode_id(run.run_id, "rollout", what, trial)
        row |= {"episode_id": identity, "stage": "rollout", "agent": agent, "trial": trial}
        row |= {"task_id": task.task_id, "intent": task.intent}
    out.finished(Finished("failures", row, None))
    return out


class Stages:
    """The stages of one trajectory after the other, shared by generate and convert."""

    def __init__(self, run: _Run) -> None:
        self.run, self.config, self.domain = run, run.config, run.domain
        config, models = run.config, run.models
        self.explorer = None
        if config.explorer != "graph":
            self.explorer = LlmExplorer(models.chat(config.explorer, "explorer"))
        self.writer: Writer | None = None
        if config.writer != "template":
            self.writer = LlmWriter(models.chat(config.writer, "writer"))
        self.judges = [models.chat(name, "judge") for name in config.judges]
        self.reference = reference_keys(config.verify.reference_tasks)

    async def explore(self, index: int, customer: str, attempt: int, out: ItemRows) -> Trajectory | None:
        """One trajectory with its verdict, or ``None`` and a failure row."""
        config, domain = self.config, self.domain
        identity = trajectory_id(self.run.run_id, index)
        seed = seed_of(config.seed, "explore", index)
        trajectory = Trajectory(
            trajectory_id=identity,
            index=index,
            domain=config.domain,
            customer=customer,
            explorer=config.explorer,
            seed=seed,
            initial=domain.world().digest,
        )
        try:
            if self.explorer is None:
                found = await aside(domain, explore_graph, domain, customer, seed, self.run.favours)
                trajectory.tools, trajectory.steps = found
                await asyncio.sleep(0)  # a place for the other episodes between two stretches of work
            else:
                async with self.run.slots, _within(config.limits.explore_s, "the exploration"):
                    with stage("explore"):
                        await self.explorer.explore(domain, trajectory, self.run.favours)
            if trajectory.verdict == "kept":
                trajectory.verdict = await aside(domain, judge_trajectory, domain, trajectory)
        except (EpisodeFailure, ToolLost) as failure:
            self._failed(out, "explore", identity, failure, attempt)
            return None
        finally:
            self.run.models.forget(conversation_key(seed))
        if trajectory.verdict == "kept" and self.explorer is not None:
            self.explorer.remember(trajectory)
        return trajectory

    async def tasks(
        self, trajectory: Trajectory, verifier: Verifier, attempt: int, out: ItemRows
    ) -> list[asyncio.Task[None]]:
        """Convert and verify, one intent after the other; rollouts of what stands are started, not awaited."""
        rolled = []
        for intent in self.config.intents:
            try:
                async with self.run.slots, _within(self.config.limits.convert_s, "making the task"):
                    with stage("convert"):
                        task = await convert_one(self.domain, trajectory, intent, self.writer)
                    if task.verdict == "verified" and self.judges:
                        with stage("verify"):
                            await self._vote(task)
            except (EpisodeFailure, ToolLost) as failure:
                self._failed(out, "convert", f"{trajectory.trajectory_id}/{intent}", failure, attempt, intent)
                continue
            if task.verdict == "verified":
                verifier.check_known(task)
            await asyncio.sleep(0)
            if task.verdict == "verified" and self.config.until == "rollout":
                rolled.append(asyncio.create_task(self._roll_out(task, verifier, attempt, out)))
            else:
                self._store(task, out)
        return rolled

    async def _vote(self, task: Task) -> None:
        votes, bad = await committee(self.judges, task, self.domain, seed=task.seed)
        task.votes = votes
        if not votes:
            task.raw = "\n\n".join(answer.raw for answer in bad)
            reject(task, "no_votes", "; ".join(answer.why for answer in bad))

    async def _roll_out(self, task: Task, verifier: Verifier, attempt: int, out: ItemRows) -> None:
        """Rollouts of every agent, and the reference's where it is not among them; then the last verdict."""
        config = self.config
        reference, more = config.verify.reference, range(config.verify.reference_trials)
        rolled = [self.run.trials(task, agent, attempt) for agent in config.agents]
        checks = []
        if reference not in config.agents:  # else its rollouts do
            checks = [self.run.episode(task, reference, n, "verify", attempt) for n in more]
        *by_agent, verifying = await asyncio.gather(*rolled, asyncio.gather(*checks))
        rewards = []
        for finished in [*(done for episodes in by_agent for done in episodes), *verifying]:
            out.finished(finished)
            if finished.reward is not None and finished.row["agent"] == reference:
                rewards.append(finished.reward)
        if config.verify.reference_trials:
            verifier.solvable(task, rewards[: config.verify.reference_trials])
        if config.feedback:
            out.counts += counted((errand.name for errand in errands_in(task.grader)), task.verdict == "verified")
        self._store(task, out)

    def _store(self, task: Task, out: ItemRows) -> None:
        out.add("tasks", {"run_id": self.run.run_id, **to_row(task)})
        if task.verdict == "verified":
            out.counts[f"tasks.{task.intent}"] += 1
        else:
            out.counts[f"rejected.{task.reasons[0]}"] += 1
            out.counts[f"tasks_rejected.{task.intent}"] += 1

    def _failed(
        self, out: ItemRows, stage: str, what: str, failure: EpisodeFailure | ToolLost, attempt: int, intent: str = ""
    ) -> None:
        kind = failure.failure if isinstance(failure, EpisodeFailure) else FailureClass.TOOL_CRASH
        row = failure_row(
            Failure(
                episode_id=episode_id(self.run.run_id, stage, what, 0),
                run_id=self.run.run_id,
                stage=stage,
                domain=self.config.domain,
                task_id="",
                intent=intent,
                trial=0,
                attempts=attempt,
                agent=self.config.explorer if stage == "explore" else self.config.writer,
                user="",
                failure=kind.value,
                message=str(failure),
                turns=[],
                started=0.0,
                duration=0.0,
            )
        )
        out.finished(Finished("failures", row, None))


@asynccontextmanager
async def _within(seconds: float, what: str) -> AsyncIterator[None]:
    """Raises EpisodeFailure: it took longer."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            yield
    except TimeoutError:
        if not deadline.expired():
            raise
        raise EpisodeFailure(f"{what} was not over after {seconds:g} s", FailureClass.DEADLINE) from None


def reference_keys(runs: Iterable[str]) -> frozenset[str]:
    """What the tasks of reference runs do, for the contamination check."""
    return frozenset(action_key(task) for run in runs for task in Source(run).verified_tasks())


KINDS: dict[str, type[Generate] | type[Convert] | type[Evaluate]] = {
    "generate": Generate,
    "convert": Convert,
    "evaluate": Evaluate,
}


def open_work(
    kind: str, config: Config, slots: int, make_picker: MakePicker | None = None
) -> Generate | Convert | Evaluate:
    """The work of a config; ``slots`` episodes at once in this process. Raises InputError.

    ``make_picker`` makes what chooses the engines of a pool; needed where items are run and a pool is named.
    """
    return KINDS[kind](config, slots, make_picker)
