"""A small finished run directory, written with the project's own store, without Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import Config
from t2t_dist.core.identity import code_version, episode_id
from t2t_dist.core.schema import Episode, Failure, Task, Trajectory
from t2t_dist.environments.registry import load
from t2t_dist.grading.grade import grade
from t2t_dist.storage.ledger import Commit, Ledger
from t2t_dist.storage.manifest import Manifest, claim
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.objects.opening import create_storage
from t2t_dist.storage.row_digest import row_digest
from t2t_dist.storage.rows import SCHEMAS, VOLATILE, VOLATILE_NESTED, episode_row, failure_row, to_row
from t2t_dist.storage.writer import ShardWriter
from t2t_dist.synthesis.kinds_of_request import kinds_of
from tests.support.made import Made
from tests.support.transcript import Transcript, gone_well

LIBRARY = "tests.support.library_domain:Library"
Row = tuple[str, dict[str, Any]]


def rows_of(items: Iterable[Task | Trajectory]) -> list[Row]:
    tables = {Task: "tasks", Trajectory: "trajectories"}
    return [(tables[type(item)], {"run_id": "run-1", **to_row(item)}) for item in items]


def played(made: Made, task: Task, *, agent: str = "scripted:oracle", trial: int = 0, well: bool = True) -> Row:
    """An episode that went well, or one in which nothing was done."""
    talk = gone_well(made.domain, task) if well else Transcript(made.domain).user("###STOP###")
    outcome = grade(made.domain, task, talk.turns, "user_stop")
    episode = Episode(
        episode_id=episode_id("run-1", "rollout", f"{task.task_id}/{agent}", trial),
        run_id="run-1",
        stage="rollout",
        domain=task.domain,
        task_id=task.task_id,
        trajectory_id=task.trajectory_id,
        intent=task.intent,
        trial=trial,
        attempt=1,
        seed=1,
        agent=agent,
        user="scripted",
        termination="user_stop",
        turns=talk.turns,
        outcome=outcome,
        flags=[],
        started=1.0,
        duration=2.0,
        difficulty=task.level,
        combination=task.combination,
        kinds=kinds_of(made.domain, task),
    )
    return "episodes", episode_row(episode)


def failed(task: Task, agent: str = "scripted:oracle", trial: int = 0) -> Row:
    failure = Failure(
        episode_id=episode_id("run-1", "rollout", f"{task.task_id}/{agent}", trial),
        run_id="run-1",
        stage="rollout",
        domain=task.domain,
        task_id=task.task_id,
        intent=task.intent,
        trial=trial,
        attempts=3,
        agent=agent,
        user="scripted",
        failure="engine_timeout",
        message="no answer",
        turns=[],
        started=1.0,
        duration=2.0,
        difficulty=task.level,
        combination=task.combination,
        kinds=kinds_of(load(LIBRARY if task.domain == "library" else task.domain), task),
    )
    return "failures", failure_row(failure)


def write_run(folder: Path, rows: Iterable[Row], *, kind: str = "generate", **settings: Any) -> Storage:
    """A run on the library that resulted in these rows."""
    storage = create_storage(str(folder))
    config: Config = load_config(None, {"domain": LIBRARY, **settings})
    fields = {"kind": kind, "code": code_version(), "source": "s", "results": config.results_part()}
    claim(storage, Manifest(run_id="run-1", config=config, **fields))
    writer, digests, counters = ShardWriter(storage, SCHEMAS, "w0"), dict[str, int](), Counter[str]()
    for table, row in rows:
        writer.add(table, [row])
        digests[table] = (digests.get(table, 0) + row_digest(row, VOLATILE, VOLATILE_NESTED)) % (1 << 128)
        if table == "tasks":
            counters[f"tasks.{row['intent']}" if row["verdict"] == "verified" else f"rejected.{row['reasons'][0]}"] += 1
        elif table == "episodes":
            counters["episodes.rollout"] += 1
        else:
            counters[f"failures.{row['failure']}" if table == "failures" else table] += 1
    Ledger(storage).append(Commit(shards=writer.flush(), items=range(1), counters=dict(counters), digests=digests))
    return storage
