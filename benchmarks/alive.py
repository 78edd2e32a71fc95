"""Throughput of 1,024 conversations at once against an endpoint that takes one second: its share of the ideal.

    python -m benchmarks.alive [--quick]

As `benchmarks/overhead.py`, with four times the conversations and a fifth of the calls per second: memory and the event
loop rather than the calls. Ideal is 1,024 calls per second. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import orjson

from benchmarks.command import answer_of, t2t
from benchmarks.endpoint import running
from benchmarks.overhead import CONVERSATIONS as TASKS
from benchmarks.overhead import many
from t2t_dist.config.domain import load_domain
from t2t_dist.storage.source_run import Source

LATENCY_S = 1.0
ALIVE = 1024


def measure(folder: Path, waves: int) -> dict[str, Any]:
    tasks = str(folder / "tasks")
    answer_of(t2t("generate", "--trajectories", "100", "--until", "convert", "--out", tasks))
    domain = load_domain(Source(tasks).manifest.config)
    arguments = orjson.dumps({"user_id": domain.customers(domain.base)[0]}).decode()
    with running(LATENCY_S, "--arguments", arguments) as url:
        return many(tasks, url, folder / "run", waves * ALIVE // TASKS, conversations=ALIVE, latency=LATENCY_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waves", type=int, default=6, help="episodes for each that is alive")
    parser.add_argument("--quick", action="store_true", help="few: shows that it works, not how fast")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), 4 if given.quick else given.waves)
    print(json.dumps({"benchmark": "alive", "alive": ALIVE, "latency_s": LATENCY_S, **figures}))


if __name__ == "__main__":
    main()
