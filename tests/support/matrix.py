"""The scripted agents, each on the same few tasks of the shop: real conversations, without Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from t2t_dist.config.loading import load_config
from t2t_dist.core.schema import INTENTS, Task
from t2t_dist.models.clients import Models
from t2t_dist.pipeline.episodes import EpisodeRunner
from tests.support.finished_run import Row, rows_of, write_run
from tests.support.made import Made
from tests.support.stored import stored

AGENTS = tuple(f"scripted:{name}" for name in ("oracle", "hasty", "stubborn", "compliant", "silent"))
#: What each flawed agent fails by; what it does by its nature, that is.
FLAWS = {
    # On a phone the customer changes their mind when told what to do there, and it goes on all the same.
    "scripted:hasty": {"acted_before_asking", "acted_before_trigger", "ignored_change"},
    "scripted:stubborn": {"ignored_change"},
    "scripted:compliant": {"forbidden_call"},
    # It acts on nothing, and so neither declines anything nor hands anybody over.
    "scripted:silent": {"missing_write", "no_handover", "not_on_record"},
}


def tasks_of(made: Made, each: int) -> list[Task]:
    """So many verified tasks of each intent, of the same trajectories as far as they have them."""
    return [task for intent in INTENTS for task in made.verified(intent)[:each]]


def rolled_out(made: Made, tasks: Sequence[Task], agents: Sequence[str] = AGENTS, trials: int = 1) -> list[Row]:
    """An episode of each agent on each task and trial."""
    config = load_config(None, {"domain": "retail", "agents": list(agents), "trials": trials, "limits.attempts": 1})
    runner = EpisodeRunner("run-1", config, Models(), made.domain)

    async def play() -> list[Row]:
        wanted = [(task, agent, trial) for task in tasks for agent in agents for trial in range(trials)]
        return [stored(await runner.run(*each))[:2] for each in wanted]

    return asyncio.run(play())


def matrix_run(
    folder: Path, made: Made, each: int = 6, trials: int = 1, agents: Sequence[str] = AGENTS, more: Sequence[Row] = ()
) -> Any:
    """A finished run of all agents on the tasks, with its trajectories and rejected tasks."""
    rows = rows_of(made.trajectories[:20]) + rows_of(tasks_of(made, each))
    rows += rows_of(task for task in made.tasks if task.verdict == "rejected")
    rows += rolled_out(made, tasks_of(made, each), agents, trials)
    return write_run(folder, [*rows, *more], domain="retail", agents=list(agents), trials=trials)
