"""Speed of making verified tasks without models, and where the time goes. Prints one JSON object.

    python -m benchmarks.generate [--quick] [--trajectories 1000] [--in-process 300] [--domain retail]

The whole: ``t2t generate`` in a process of its own, timed from its start to its exit, so with the start of Python, Ray
and the workers, and with all rows on disk. The first commit is when its ledger names the first rows. Target: 1,000
trajectories within 60 s.

The stages: the same functions in this process, without Ray and one after the other, each timed by itself in CPU
milliseconds. "rows" is what is done to each row before it goes to its shard: encoding and digest. "share" is of the
CPU of all stages. "verify_again_ms" is the check of a stored task from the data alone (``t2t verify``); a run does not
do it, since it makes each certificate in the stage before.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import material
from benchmarks.command import answer_of, ended, t2t
from t2t_dist.config.settings import VerifyConfig
from t2t_dist.core.identity import episode_id
from t2t_dist.core.schema import INTENTS, Episode, Outcome, Task
from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from t2t_dist.grading.grade import grade
from t2t_dist.simulation.conversation import Rollout
from t2t_dist.storage.ledger import read_state
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.row_digest import row_digest
from t2t_dist.storage.rows import VOLATILE, VOLATILE_NESTED, episode_row, to_row
from t2t_dist.synthesis.verify import Verifier

POLL_S = 0.05


# -- the whole ---------------------------------------------------------------------------------------------------------
def whole(domain: str, trajectories: int, out: Path) -> dict[str, Any]:
    """The real command, from nothing to a dataset."""
    size, seed = ("--trajectories", str(trajectories)), ("--seed", str(material.SEED))
    started, first = time.monotonic(), 0.0
    with ended(t2t("generate", "--domain", domain, *size, *seed, "--out", str(out))) as process:
        while process.poll() is None:
            if not first and holds_rows(out):
                first = time.monotonic() - started
            time.sleep(POLL_S if not first else 2 * POLL_S)
        wall = time.monotonic() - started
        said = answer_of(process)
    verified, wrong = sum(said["tasks"].values()), said["failures"]
    if said["trajectories"] != trajectories or wrong or not verified:
        raise SystemExit(f"{said['trajectories']} trajectories of {trajectories}, {verified} tasks, failures {wrong}")
    return {
        "trajectories": trajectories,
        "verified_tasks": verified,
        "episodes": said["episodes"],
        "wall_s": round(wall, 2),
        "first_commit_s": round(first or wall, 2),
        "verified_tasks_per_s": round(verified / wall, 1),
        "episodes_per_s": round(said["episodes"] / wall, 1),
    }


def holds_rows(out: Path) -> bool:
    """Whether a run's ledger names any. Its very first commits are the driver's own and hold none."""
    if not list(out.glob("ledger/0*.mp")):
        return False
    return bool(read_state(open_storage(out)).items)


# -- the stages --------------------------------------------------------------------------------------------------------
@dataclass
class Clock:
    """CPU nanoseconds and items by stage."""

    spent: Counter[str] = field(default_factory=Counter)
    items: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def of(self, stage: str, items: int = 1) -> Iterator[None]:
        before = time.process_time_ns()
        yield
        self.spent[stage] += time.process_time_ns() - before
        self.items[stage] += items

    def ms(self, stage: str) -> float:
        """CPU milliseconds per item."""
        return round(self.spent[stage] / 1e6 / max(1, self.items[stage]), 3)


#: As they follow one another in a run.
STAGES = ("explore", "convert", "verify", "rollout", "grade", "rows")
AGAIN = "verify again"


def stages(domain: Domain, trajectories: int) -> dict[str, Any]:
    asyncio.run(_pass(domain, min(5, trajectories), Clock()))  # templates, validators and indices are made once
    gc.collect()  # as a worker does
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    clock = Clock()
    verified = asyncio.run(_pass(domain, trajectories, clock))
    total = sum(clock.spent[stage] for stage in STAGES)
    return {
        "in_process": trajectories,
        "in_process_verified_tasks": verified,
        "in_process_verified_tasks_per_cpu_s": round(verified / (total / 1e9), 1),
        "stages": {
            stage: {
                "items": clock.items[stage],
                "ms": clock.ms(stage),
                "share": round(clock.spent[stage] / total, 3),
            }
            for stage in STAGES
        },
        "verify_again_ms": clock.ms(AGAIN),
    }


async def _pass(domain: Domain, count: int, clock: Clock) -> int:
    """Every stage for this many trajectories; returns how many tasks were verified."""
    verifier, again, verified = Verifier(domain, VerifyConfig()), Verifier(domain, VerifyConfig()), 0
    for index in range(count):
        with clock.of("explore"):
            trajectory = material.explored(domain, index)
        with clock.of("rows"):
            digest({"run_id": material.RUN, **to_row(trajectory)})
        for intent in INTENTS if trajectory.verdict == "kept" else ():
            with clock.of("convert"):
                task = await material.converted(domain, trajectory, intent)
            if task.verdict == "verified":
                with clock.of("verify"):
                    verifier.check_known(task)
            if task.verdict == "verified":
                verified += 1
                copy = task.model_copy(deep=True)
                with clock.of(AGAIN):
                    again.check(copy)
                await _conversation(domain, task, clock)
            with clock.of("rows"):
                digest({"run_id": material.RUN, **to_row(task)})
    return verified


async def _conversation(domain: Domain, task: Task, clock: Clock) -> None:
    with clock.of("rollout"):
        rollout = await material.played(domain, task)
    with clock.of("grade"):
        outcome = grade(domain, task, rollout.turns, rollout.termination.value)
    if outcome.final != rollout.final:
        raise SystemExit(f"the grade of {task.task_id} is of another state than its conversation ended in")
    episode = _episode(task, rollout, outcome)
    with clock.of("rows"):
        digest(episode_row(episode))


def _episode(task: Task, rollout: Rollout, outcome: Outcome) -> Episode:
    return Episode(
        episode_id=episode_id(material.RUN, "rollout", f"{task.task_id}/{material.AGENT}", 0),
        run_id=material.RUN,
        stage="rollout",
        domain=task.domain,
        task_id=task.task_id,
        trajectory_id=task.trajectory_id,
        intent=task.intent,
        trial=0,
        attempt=1,
        seed=0,
        agent=material.AGENT,
        user=material.USER,
        termination=rollout.termination.value,
        turns=rollout.turns,
        outcome=outcome,
        flags=rollout.flags,
        started=0.0,
        duration=0.0,
    )


def digest(row: dict[str, Any]) -> int:
    """What is added to the table's digest for a row."""
    return row_digest(row, VOLATILE, VOLATILE_NESTED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", default="retail")
    parser.add_argument("--trajectories", type=int, default=1000, help="of the whole command")
    parser.add_argument("--in-process", type=int, default=300, help="trajectories for the times by stage")
    parser.add_argument("--quick", action="store_true", help="20 trajectories: shows that it works, not how fast")
    given = parser.parse_args()
    many, few = (20, 20) if given.quick else (given.trajectories, given.in_process)
    with tempfile.TemporaryDirectory() as folder:
        figures = whole(given.domain, many, Path(folder, "run"))
    figures |= stages(registry.load(given.domain), few)
    print(json.dumps({"benchmark": "generate", "domain": given.domain, **figures}))


if __name__ == "__main__":
    main()
