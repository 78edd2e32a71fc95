"""Runs for the tests of the viewer: real tasks of the library, episodes that passed, failed, or gave no result."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from t2t_dist.core.identity import episode_id
from t2t_dist.core.schema import Episode, Task
from t2t_dist.storage.ledger import Commit, Ledger
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.rows import SCHEMAS, episode_row, outcome_of, turn_of
from t2t_dist.storage.writer import ShardWriter
from tests.support.finished_run import Row, failed, played, rows_of, write_run
from tests.support.library_domain import Library
from tests.support.made import Made, make

GOOD, BAD = "scripted:oracle", "scripted:silent"


@functools.cache
def library() -> Made:
    return make(Library(), 20)


def rows_for(made: Made, tasks: list[Task], trials: int = 2) -> list[Row]:
    """Two agents on each verified task, one that does it and one that does nothing; the last task has a failure."""
    good = [t for t in tasks if t.verdict == "verified"]
    rows = [played(made, t, agent=GOOD, trial=n) for t in good for n in range(trials)]
    rows += [played(made, t, agent=BAD, trial=n, well=False) for t in good for n in range(trials)]
    return [*rows_of(tasks), *rows, failed(good[-1], agent="scripted:hasty")]


def small_run(folder: Path, tasks: int = 24, **settings: Any) -> Storage:
    made = library()
    return write_run(folder, [*rows_of(made.trajectories), *rows_for(made, made.tasks[:tasks])], **settings)


def episode_of(row: dict[str, Any]) -> Episode:
    """The episode of a row, to be changed and stored again."""
    names = [name for name in Episode.__dataclass_fields__ if name not in ("turns", "outcome")]
    turns = [turn_of({**dict.fromkeys(("tool_call_id",)), **turn}) for turn in row["turns"]]
    return Episode(**{name: row[name] for name in names}, turns=turns, outcome=outcome_of(row))


def row_of(episode: Episode) -> Row:
    return "episodes", episode_row(episode)


def commit_more(folder: Path, rows: list[Row]) -> None:
    """What a driver does during a run: one more commit."""
    storage = open_storage(folder)
    writer = ShardWriter(storage, SCHEMAS, "w1")
    for table, row in rows:
        writer.add(table, [row])
    ledger = Ledger(storage)
    done = len(ledger.state.items)
    counters = {"episodes.rollout": sum(table == "episodes" for table, _ in rows)}
    ledger.append(Commit(shards=writer.flush(), items=[done], counters=counters))


def new_episode(made: Made, task: Task, trial: int) -> Row:
    table, row = played(made, task, trial=trial)
    return table, row | {"episode_id": episode_id("run-1", "rollout", f"{task.task_id}/late", trial)}
