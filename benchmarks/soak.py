"""A long run on local Ray: whether every episode is there once, and the workers' memory does not grow.

    python -m benchmarks.soak [--episodes 100000] [--quick]

Short scripted episodes on a small domain. During the run its `status.json` is read four times per second: resident
memory of each worker and of the driver, over the episodes committed by then. The growth is the median of the last fifth
over the median of the second fifth (the first is warm-up). Afterwards the rows are read: as many as were asked for,
each id once. Prints one JSON object; `curve` holds (episodes, MB of the largest worker, MB of the driver).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from benchmarks.command import answer_of, ended, t2t
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from t2t_dist.storage.status import read_status

DOMAIN = "tests.support.library_domain:Library"
SAMPLE_S = 0.25


def driver_mb(command: psutil.Process) -> float:
    """Resident memory of the driver: the command's child that is the same program."""
    try:
        return max(child.memory_info().rss for child in command.children()) / (1 << 20)
    except (psutil.Error, ValueError):
        return 0.0


def watched(process: Any, answer: Future[Any], out: Path) -> list[tuple[int, float, float]]:
    """(episodes, MB of the largest worker, MB of the driver), four samples per second until the run ends; then a last
    one, of what the run says of itself."""
    curve, command, last = [], psutil.Process(process.pid), 0.0
    while not answer.done():
        time.sleep(SAMPLE_S)
        last = driver_mb(command) or last
        try:
            status = read_status(open_storage(out))
        except Exception:  # not there yet, or being written
            continue
        if status is None or not status["workers"]:
            continue
        done = int(status["counts"].get("episodes.rollout", 0))
        largest = max(worker["rss_mb"] for worker in status["workers"].values())
        if done and largest:
            curve.append((done, round(largest, 1), round(last, 1)))
    said = answer.result()
    return [*curve, (said["episodes"], max(said["session"]["rss_mb"].values()), round(last, 1))]


def growth(curve: list[tuple[int, float, float]], column: int, total: int) -> float:
    """Of the last fifth of the episodes over the second."""
    early = [sample[column] for sample in curve if 0.2 * total <= sample[0] < 0.4 * total]
    late = [sample[column] for sample in curve if sample[0] >= 0.8 * total]
    if not early or not late:  # --quick: enough to show that it works
        early, late = [curve[0][column]], [curve[-1][column]]
    return statistics.median(late) / statistics.median(early) - 1


def rows(out: Path) -> tuple[int, int]:
    """Episodes there, and distinct ids."""
    count, seen = 0, set[str]()
    for row in RunReader(open_storage(out), SCHEMAS).rows("episodes", columns=["episode_id"]):
        count += 1
        seen.add(row["episode_id"])
    return count, len(seen)


def measure(folder: Path, episodes: int) -> dict[str, Any]:
    tasks, out = folder / "tasks", folder / "run"
    few = ("--trajectories", "40", "--until", "convert", "--workers", "1")
    made = answer_of(t2t("generate", "--domain", DOMAIN, *few, "--out", str(tasks)))
    count = sum(made["tasks"].values())
    trials = -(-episodes // count)
    began = time.monotonic()
    flags = [str(tasks), "--trials", str(trials), "--out", str(out)]
    with ended(t2t("evaluate", *flags)) as process, ThreadPoolExecutor(1) as reader:
        answer = reader.submit(answer_of, process)  # read meanwhile: with many trials it is more than a pipe holds
        curve = watched(process, answer, out)
        said = answer.result()
    wall, total = time.monotonic() - began, count * trials
    found, distinct = rows(out)
    return {
        "episodes": total,
        "wall_s": round(wall, 1),
        "episodes_per_s": round(total / wall, 1),
        "lost": total - distinct,
        "twice": found - distinct,
        "failures": said["failures"],
        "worker_growth": round(growth(curve, 1, total), 4),
        "driver_growth": round(growth(curve, 2, total), 4),
        "curve": curve[:: max(1, len(curve) // 40)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="few episodes: shows that it works, not how memory grows")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), 600 if given.quick else given.episodes)
    print(json.dumps({"benchmark": "soak", **figures}))


if __name__ == "__main__":
    main()
