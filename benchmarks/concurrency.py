"""Requests at once at an endpoint, for several (`--concurrency`, `--workers`), while a worker is killed and one joins.

    python -m benchmarks.concurrency [--quick] [--cells 3x2,7x3]

Each run begins with all its workers. Once as many requests as allowed were seen at once, the worker with the most
memory is killed; the driver starts another. Counted at the endpoint: the most at once, ever; and the mean, as a share
of those allowed, in the seconds before the kill and after the new worker has joined. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from benchmarks.command import answer_of, ended, t2t
from benchmarks.endpoint import running
from benchmarks.overhead import stats
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.status import read_status

DOMAIN = "tests.support.library_domain:Library"
CELLS = ((3, 2), (7, 3), (64, 2), (256, 2), (1, 4))
LATENCY_S, SAMPLE_S, LIMIT_S = 0.25, 0.05, 240.0
#: More episodes than any of these runs begins.
TRIALS = 1000


class Counted:
    """What the endpoint has counted so far."""

    def __init__(self, url: str) -> None:
        self.url, self.most = url, 0

    def sample(self) -> int:
        """Requests being answered now."""
        seen = stats(self.url)
        self.most = max(self.most, int(seen["most"]))
        return int(seen["running"])

    def until(self, holds: Callable[[int], object], what: str) -> None:
        end = time.monotonic() + LIMIT_S
        while not holds(self.sample()):
            if time.monotonic() > end:
                raise SystemExit(f"not within {LIMIT_S:g} s: {what}")
            time.sleep(SAMPLE_S)

    def mean(self, seconds: float) -> float:
        samples, end = list[int](), time.monotonic() + seconds
        while time.monotonic() < end:
            samples.append(self.sample())
            time.sleep(SAMPLE_S)
        return statistics.fmean(samples)


def workers_of(command: psutil.Process) -> list[psutil.Process]:
    found = []
    for process in command.children(recursive=True):
        try:
            if any("RolloutActor" in part for part in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def joined(out: Path) -> set[str]:
    """The names of a run's workers."""
    try:
        status = read_status(open_storage(out))
    except Exception:  # not there yet, or being written
        return set()
    return set(status["workers"]) if status else set()


def cell(tasks: str, out: Path, slots: int, workers: int, seconds: float) -> dict[str, Any]:
    """One run, from its start until it has been steady again with the new worker."""
    with running(LATENCY_S) as url:
        model = f"openai:m@{url}"
        flags = ["--agent", model, "--user", model, "--trials", str(TRIALS), "--out", str(out)]
        flags += ["--workers", str(workers), "--concurrency", str(slots)]
        with ended(t2t("evaluate", tasks, *flags)) as process:
            counted = Counted(url)
            counted.until(lambda now: len(joined(out)) == workers, "all workers have joined")
            counted.until(lambda now: now == slots, "all slots in use")
            before = counted.mean(seconds)
            first = joined(out)
            max(workers_of(psutil.Process(process.pid)), key=lambda worker: worker.memory_info().rss).kill()
            counted.until(lambda now: len(joined(out)) == workers and joined(out) - first, "another worker has joined")
            counted.until(lambda now: now == slots, "all slots in use again")
            after = counted.mean(seconds)
            shares = {"used_before": round(before / slots, 3), "used_after": round(after / slots, 3)}
            return {"concurrency": slots, "workers": workers, "most_at_once": counted.most, **shares}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default=",".join(f"{n}x{w}" for n, w in CELLS), help="concurrency x workers, ...")
    parser.add_argument("--quick", action="store_true", help="short: shows that it works")
    given = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        tasks = str(Path(folder) / "tasks")
        few = ("--trajectories", "40", "--until", "convert", "--workers", "1")
        answer_of(t2t("generate", "--domain", DOMAIN, *few, "--out", tasks))
        for number, text in enumerate(given.cells.split(",")):
            slots, workers = map(int, text.split("x"))
            found.append(cell(tasks, Path(folder) / f"run{number}", slots, workers, 2.0 if given.quick else 8.0))
            print(found[-1], file=sys.stderr, flush=True)
    print(json.dumps({"benchmark": "concurrency", "latency_s": LATENCY_S, "cells": found}))
    sys.exit(any(one["most_at_once"] > one["concurrency"] for one in found))


if __name__ == "__main__":
    main()
