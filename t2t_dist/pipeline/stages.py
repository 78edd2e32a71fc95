"""The stages of one trajectory: explore, convert, verify, roll out; and the rows that they leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from t2t_dist.core.errors import EpisodeFailure, FailureClass
from t2t_dist.core.identity import episode_id, seed_of, trajectory_id
from t2t_dist.core.offload import aside
from t2t_dist.core.schema import Failure, Task, Trajectory
from t2t_dist.environments.tools import ToolLost
from t2t_dist.models.metering import stage
from t2t_dist.storage.rows import failure_row, to_row
from t2t_dist.synthesis.convert import Writer, convert_one, reject
from t2t_dist.synthesis.explore import explore_graph, judge_trajectory
from t2t_dist.synthesis.explore_llm import LlmExplorer, conversation_key
from t2t_dist.synthesis.intents.grader_side import errands_in
from t2t_dist.synthesis.judges import committee
from t2t_dist.synthesis.verify import Verifier, reference_keys
from t2t_dist.synthesis.writer_llm import LlmWriter

from .episodes import Finished
from .feedback import counted
from .run import ItemRows

if TYPE_CHECKING:
    from .run import Run


class Stages:
    """The stages of one trajectory after the other, shared by generate and convert."""

    def __init__(self, run: Run) -> None:
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
        self,
        trajectory: Trajectory,
        verifier: Verifier,
        attempt: int,
        out: ItemRows,
        rolled: list[asyncio.Task[None]],
    ) -> None:
        """Convert and verify, one intent after the other; rollouts of what stands are begun and put into ``rolled``."""
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
async def rollouts() -> AsyncIterator[list[asyncio.Task[None]]]:
    """What is put in runs to its end; where anything raises, the rest is ended."""
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
    """Raises EpisodeFailure: it took longer."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            yield
    except TimeoutError:
        if not deadline.expired():
            raise
        raise EpisodeFailure(f"{what} was not over after {seconds:g} s", FailureClass.DEADLINE) from None
