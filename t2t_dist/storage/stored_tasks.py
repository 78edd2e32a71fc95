"""Writer of a run that holds tasks and nothing else, in one commit: imported ones, those of a benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from t2t_dist.core.schema import Task

from .ledger import ENDED, Commit, Ledger
from .row_digest import row_digest
from .rows import VOLATILE, VOLATILE_NESTED, to_row
from .writer import ShardWriter


def commit_tasks(ledger: Ledger, writer: ShardWriter, run_id: str, tasks: Iterable[Task], ended: str) -> None:
    """Write tasks as the only item of a run; ``ended`` says how the run came to its end."""
    digest, counters = 0, Counter[str]()
    for task in tasks:
        row = {"run_id": run_id, **to_row(task)}
        writer.add("tasks", [row])
        digest = (digest + row_digest(row, VOLATILE, VOLATILE_NESTED)) % (1 << 128)
        if task.verdict == "verified":
            counters[f"tasks.{task.intent}"] += 1
        else:
            counters[f"rejected.{task.reasons[0]}"] += 1
            counters[f"tasks_rejected.{task.intent}"] += 1
    ledger.append(
        Commit(
            shards=writer.flush(),
            items=range(1),
            counters=dict(counters),
            digests={"tasks": digest},
            notes={ENDED: ended},
        )
    )
