"""The stages of one trajectory: explore, convert, verify, roll out; and the rows they produce."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from t2t_dist.config.difficulty import level_for
from t2t_dist.core.errors import EpisodeFailure, FailureClass
from t2t_dist.core.identity import seed_of, trajectory_id
from t2t_dist.core.offload import offload
from t2t_dist.core.schema import Episode, Task, Trajectory
from t2t_dist.environments.tools import ToolCrash
from t2t_dist.models.metering import stage
from t2t_dist.storage.ledger import TWINS
from t2t_dist.storage.rows import to_row
from t2t_dist.synthesis.convert import Writer, convert_one, reject
from t2t_dist.synthesis.explore import explore_graph, judge_trajectory, times
from t2t_dist.synthesis.explore_llm import LlmExplorer, conversation_key
from t2t_dist.synthesis.grader_side import errands_in
from t2t_dist.synthesis.judges import committee
from t2t_dist.synthesis.pairs import twin_task
from t2t_dist.synthesis.verify import Verifier, reference_keys
from t2t_dist.synthesis.writer_llm import LlmWriter

from .failures import failure_of
from .feedback import band_counts
from .item_rows import ItemRows
from .workload import Workload


class Stages:
    """The stages of a trajectory, shared by generate and convert; one instance per worker."""

    def __init__(self, work: Workload) -> None:
        self.work, self.config, self.domain = work, work.config, work.domain
        config, models = work.config, work.models
        self.explorer = None
        if config.explorer != "graph":
            self.explorer = LlmExplorer(models.chat(config.explorer, "explorer"))
        self.writer: Writer | None = None
        if config.writer != "template":
            self.writer = LlmWriter(models.chat(config.writer, "writer"))
        self.judges = [models.chat(name, "judge") for name in config.judges]
        self.reference = reference_keys(config.verify.reference_tasks)

    async def explore(self, index: int, customer: str, attempt: int, out: ItemRows) -> Trajectory | None:
        """One trajectory with its verdict; ``None``, and a failure row, where exploring failed."""
        config, domain = self.config, self.domain
        identity = trajectory_id(self.work.run_id, index)
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
        weights = times(config.errand_weights, self.work.feedback_weights)
        try:
            if self.explorer is None:
                level = level_for(config.difficulty, seed)
                found = await offload(domain, explore_graph, domain, customer, seed, weights, level)
                trajectory.tools, trajectory.steps = found
                await asyncio.sleep(0)  # lets the other episodes run between two stretches of computing
            else:
                async with self.work.slots, _within(config.limits.explore_s, "the exploration"):
                    with stage("explore"):
                        await self.explorer.explore(domain, trajectory, weights)
            if trajectory.verdict == "kept":
                trajectory.verdict = await offload(domain, judge_trajectory, domain, trajectory)
        except (EpisodeFailure, ToolCrash) as failure:
            self._failed(out, "explore", identity, failure, attempt)
            return None
        finally:
            self.work.models.forget(conversation_key(seed))
        if trajectory.verdict == "kept" and self.explorer is not None:
            self.explorer.remember(trajectory)
        return trajectory

    async def tasks(
        self,
        trajectory: Trajectory,
        verifier: Verifier,
        attempt: int,
        out: ItemRows,
        rolled: list[asyncio.Task[None]],
    ) -> None:
        """Convert and verify, one intent after the other; rollouts of verified tasks start and go to ``rolled``."""
        level = level_for(self.config.difficulty, trajectory.seed)
        for intent in self.config.intents:
            try:
                async with self.work.slots, _within(self.config.limits.convert_s, "making the task"):
                    with stage("convert"):
                        task = await convert_one(self.domain, trajectory, intent, self.writer, self.config.typos, level)
                    if task.verdict == "verified" and self.judges:
                        with stage("verify"):
                            await self._vote(task)
            except (EpisodeFailure, ToolCrash) as failure:
                self._failed(out, "convert", f"{trajectory.trajectory_id}/{intent}", failure, attempt, intent)
                continue
            self._take(task, verifier, attempt, out, rolled)
            await asyncio.sleep(0)
            if self.config.twins and task.verdict == "verified":
                await self._pair(trajectory, task, verifier, attempt, out, rolled)

    def _take(
        self, task: Task, verifier: Verifier, attempt: int, out: ItemRows, rolled: list[asyncio.Task[None]]
    ) -> None:
        """Verify a task that was just made; if it holds, its rollouts start and go to ``rolled``."""
        if task.verdict == "verified":
            verifier.check_known(task)
        if task.verdict == "verified" and self.config.until == "rollout":
            rolled.append(asyncio.create_task(self._roll_out(task, verifier, attempt, out)))
        else:
            self._store(task, out)

    async def _pair(
        self,
        trajectory: Trajectory,
        task: Task,
        verifier: Verifier,
        attempt: int,
        out: ItemRows,
        rolled: list[asyncio.Task[None]],
    ) -> None:
        """Make the twin of a verified task, where it has one, and verify it."""
        try:
            with stage("convert"):
                twin = await offload(self.domain, twin_task, self.domain, trajectory, task)
            if twin is not None and twin.verdict == "verified" and self.judges:
                async with self.work.slots, _within(self.config.limits.convert_s, "judging the twin"):
                    with stage("verify"):
                        await self._vote(twin)
        except (EpisodeFailure, ToolCrash) as failure:
            what = f"{trajectory.trajectory_id}/{task.intent}/twin"
            self._failed(out, "convert", what, failure, attempt, task.intent)
            return
        if twin is not None:
            self._take(twin, verifier, attempt, out, rolled)
            await asyncio.sleep(0)

    async def _vote(self, task: Task) -> None:
        votes, bad = await committee(self.judges, task, self.domain, seed=task.seed)
        task.votes = votes
        if not votes:
            task.raw = "\n\n".join(answer.raw for answer in bad)
            reject(task, "no_votes", "; ".join(answer.why for answer in bad))

    async def _roll_out(self, task: Task, verifier: Verifier, attempt: int, out: ItemRows) -> None:
        """Rollouts of every agent, and of the reference agent unless it is one of them; then the final verdict."""
        config = self.config
        reference, more = config.verify.reference, range(config.verify.reference_trials)
        rolled = [self.work.trials(task, agent, attempt) for agent in config.agents]
        checks = []
        if reference not in config.agents:  # else its rollouts serve as checks
            checks = [self.work.episode(task, reference, n, "verify", attempt) for n in more]
        *by_agent, verifying = await asyncio.gather(*rolled, asyncio.gather(*checks))
        rewards = []
        for done in [*(done for episodes in by_agent for done in episodes), *verifying]:
            out.finished(done)
            if isinstance(done, Episode) and done.agent == reference:
                rewards.append(done.outcome.reward)
        if config.verify.reference_trials:
            verifier.solvable(task, rewards[: config.verify.reference_trials])
        if config.feedback:
            errands = (errand.name for errand in errands_in(task.grader))
            out.counts += band_counts(errands, task.verdict == "verified", task.level)
        self._store(task, out)

    def _store(self, task: Task, out: ItemRows) -> None:
        out.add("tasks", {"run_id": self.work.run_id, **to_row(task)})
        if task.verdict == "verified":
            out.counts[f"tasks.{task.intent}"] += 1
            if task.twin_of is not None:
                out.counts[TWINS] += 1
        else:
            out.counts[f"rejected.{task.reasons[0]}"] += 1
            out.counts[f"tasks_rejected.{task.intent}"] += 1

    def _failed(
        self, out: ItemRows, stage: str, what: str, failure: EpisodeFailure | ToolCrash, attempt: int, intent: str = ""
    ) -> None:
        kind = failure.failure if isinstance(failure, EpisodeFailure) else FailureClass.TOOL_CRASH
        out.finished(
            failure_of(
                self.work.run_id,
                stage=stage,
                what=what,
                domain=self.config.domain,
                failure=kind,
                message=str(failure),
                attempts=attempt,
                intent=intent,
                agent=self.config.explorer if stage == "explore" else self.config.writer,
            )
        )


@asynccontextmanager
async def rollouts() -> AsyncIterator[list[asyncio.Task[None]]]:
    """A list whose tasks are awaited at the end; where anything raises, all of them are cancelled."""
    rolled: list[asyncio.Task[None]] = []
    try:
        yield rolled
        await asyncio.gather(*rolled)
    except BaseException:
        for task in rolled:
            task.cancel()
        await asyncio.gather(*rolled, return_exceptions=True)
        raise


@asynccontextmanager
async def _within(seconds: float, what: str) -> AsyncIterator[None]:
    """A deadline around a stage. Raises EpisodeFailure: it took longer."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            yield
    except TimeoutError:
        if not deadline.expired():
            raise
        raise EpisodeFailure(f"{what} was not over after {seconds:g} s", FailureClass.DEADLINE) from None
