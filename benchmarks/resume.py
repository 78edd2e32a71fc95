"""Time to resume a large run: from opening its directory to the first new lease. Prints one JSON object.

    python -m benchmarks.resume [--quick]

A run of 10^6 committed rows is made with the project's own writer and ledger (with fsync switched off, to spare the
minutes): 5,000 commits of 200 items, each with a real shard of 200 rows; then the shards and the half-written file of
a driver that was killed. A fresh process takes the steps that ``cluster/launch.py`` takes before anything is given to a
worker: open, lock, read the ledger, claim, fence, clean, build the scheduler, lease. Target: 10 s.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import psutil

from benchmarks.command import ROOT, environment
from t2t_dist.cluster.scheduling.scheduler import Scheduler
from t2t_dist.config.settings import Config
from t2t_dist.storage.ledger import Commit, Ledger
from t2t_dist.storage.manifest import Manifest, claim
from t2t_dist.storage.objects.opening import create_storage
from t2t_dist.storage.rows import SCHEMAS
from t2t_dist.storage.run_lock import RunLock
from t2t_dist.storage.writer import ShardWriter, clean

COMMITS, ITEMS, ORPHANS = 5_000, 200, 200
MANIFEST = Manifest(run_id="bench", kind="generate", code="x", source="y", results={}, config=Config())


def make(directory: Path, commits: int) -> None:
    """A run whose driver was killed."""
    storage = create_storage(directory)
    with mock.patch("os.fsync"):
        claim(storage, MANIFEST)
        ledger, writer = Ledger(storage), ShardWriter(storage, SCHEMAS, "w1")
        ledger.fence("bench")
        row = {"run_id": "bench", "stage": "rollout", "reward": 1.0, "turns": [], "started": 0.0, "duration": 1.0}
        for number in range(commits):
            items = range(number * ITEMS, (number + 1) * ITEMS)
            writer.add("episodes", [row | {"episode_id": f"{item:032x}", "trial": item} for item in items])
            counters = {"episodes.rollout": len(items), "trajectories": len(items)}
            ledger.append(Commit(writer.flush(), items, counters, {"episodes": number << 90}))
        for _ in range(ORPHANS):
            writer.add("episodes", [row])
            writer.flush()
        storage.open_shard("episodes/part-w9-000001-00000000.arrow").sink.write(b"half")


def resume(directory: Path, commits: int) -> dict[str, float]:
    """In this process, which is to be a fresh one."""
    began = last = time.perf_counter()
    steps = {}

    def step(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        steps[f"{name}_s"], last = round(now - last, 3), now

    storage = create_storage(directory)
    with RunLock(storage):
        step("open_and_lock")
        ledger = Ledger(storage)
        step("read_the_ledger")
        claim(storage, MANIFEST, empty=not ledger.state.items)
        ledger.fence("bench again")
        step("claim_and_fence")
        orphans = clean(storage, ledger.state)
        step("clean")
        done = commits * ITEMS
        scheduler = Scheduler(done + ITEMS, ledger.state.items)
        scheduler.worker_joined("w1", 128)
        leases = scheduler.lease("w1", 0.0, 128)
        step("schedule")
        took = time.perf_counter() - began
    if len(orphans) != ORPHANS or [lease.item for lease in leases] != list(range(done, done + 128)):
        raise SystemExit(f"{len(orphans)} orphans, leases {[lease.item for lease in leases][:3]} ...")
    rss = psutil.Process().memory_info().rss / 1e6
    return {"first_lease_s": round(took, 3), **steps, "rss_mb": round(rss, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small run: shows that it works, not how fast")
    parser.add_argument("--dir", type=Path, help="where to write; default: the system's temporary directory")
    parser.add_argument("--resume", type=Path, help="only go on with the run made there")
    options = parser.parse_args()
    commits = 300 if options.quick else COMMITS
    if options.resume:
        print(json.dumps(resume(options.resume, commits)))
        return
    with tempfile.TemporaryDirectory(dir=options.dir) as directory:
        run = Path(directory, "run")
        make(run, commits)
        command = [sys.executable, "-m", "benchmarks.resume", "--resume", str(run)]
        command += ["--quick"] if options.quick else []
        done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    print(json.dumps({"benchmark": "resume", "rows": commits * ITEMS, "commits": commits, **found}))


if __name__ == "__main__":
    main()
