"""Speed of storing rows, and cost of a commit as a run grows. Prints one JSON object.

    python -m benchmarks.store [--quick] [--rows 3000] [--rounds 5]

Writing: the same episodes (20 turns of about 300 characters, nested as list<struct>) go, in turn, through ShardWriter
(add in small portions, flush) and through plain pyarrow (Table.from_pylist, IPC file, zstd, fsync), both from Python
dicts to durable files. MB are bytes of uncompressed Arrow data. Target: a ratio of at least 0.70.

Commits: ledgers are grown to 10, 1,000 and 100,000 commits (with fsync switched off, to spare the minutes), and then
commits of the usual kind are timed on each in turn, with everything on. Target: flat, a commit at the largest size
costs at most 1.5 times what it costs at the smallest.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.ipc

from t2t_dist.storage.ledger import Commit, Ledger, ShardInfo
from t2t_dist.storage.objects.opening import create_storage, open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.row_digest import row_digest
from t2t_dist.storage.writer import ShardWriter

TEXT, COUNT, NUMBER = pa.string(), pa.int64(), pa.float64()
CALL = pa.struct([("id", TEXT), ("name", TEXT), ("arguments", TEXT)])
TURN = pa.struct(
    [(name, TEXT) for name in ("seat", "role", "content", "reasoning")]
    + [("tool_calls", pa.list_(CALL)), ("tool_call_id", TEXT), ("error", pa.bool_())]
    + [(name, pa.list_(pa.int32())) for name in ("prompt_token_ids", "token_ids")]
    + [("logprobs", pa.list_(NUMBER))]
    + [(name, TEXT) for name in ("model", "engine", "sampling", "finish_reason")]
    + [(name, NUMBER) for name in ("t_queue", "t_model", "t_tool")]
    + [(name, COUNT) for name in ("prompt_tokens", "cached_tokens", "completion_tokens")]
)
PARTS = pa.struct([(name, NUMBER) for name in ("db", "forbidden", "required", "communicate")])
SCHEMA = pa.schema(
    [(name, TEXT) for name in ("episode_id", "run_id", "domain", "task_id", "intent", "agent", "user", "termination")]
    + [(name, COUNT) for name in ("trial", "attempt", "seed")]
    + [("reward", NUMBER), ("parts", PARTS), ("turns", pa.list_(TURN)), ("started", NUMBER), ("duration", NUMBER)]
)
PORTION = 16  # rows a worker adds at a time
COMMITS = 200  # that are timed at each size
SIZES = (10, 1_000, 100_000)  # commits that a ledger holds when others are timed


def episodes(count: int) -> list[dict[str, Any]]:
    """Rows as a worker makes them, from a vocabulary of 3,000 words so that they compress like text."""
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(3000)]

    def turn(number: int) -> dict[str, Any]:
        role = ("user", "assistant", "tool", "assistant")[number % 4]
        call = {"id": f"call_{number}", "name": "get_order_details", "arguments": '{"order_id":"#W8732051"}'}
        return {
            "seat": "user" if role == "user" else "agent",
            "role": role,
            "content": " ".join(chance.choices(words, k=46)),
            "tool_calls": [call] if number % 4 == 1 else None,
            "tool_call_id": f"call_{number - 1}" if role == "tool" else None,
            "model": "m",
            "engine": "e1",
            "sampling": '{"temperature":0.7}',
            "finish_reason": "stop",
            "t_queue": chance.random(),
            "t_model": chance.random(),
            "prompt_tokens": chance.randrange(5000),
            "completion_tokens": chance.randrange(200),
        }

    return [
        {
            "episode_id": f"{chance.getrandbits(128):032x}",
            "run_id": "0123456789abcdef",
            "domain": "retail",
            "task_id": f"{chance.getrandbits(128):032x}",
            "intent": "general",
            "agent": "scripted:oracle",
            "user": "scripted",
            "termination": "user_stop",
            "trial": 0,
            "attempt": 1,
            "seed": chance.getrandbits(60),
            "reward": 1.0,
            "parts": {"db": 1.0, "forbidden": 1.0, "required": 1.0},
            "turns": [turn(number) for number in range(20)],
            "started": 1e9 + chance.random(),
            "duration": chance.random(),
        }
        for _ in range(count)
    ]


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def writing(directory: Path, rows: list[dict[str, Any]], rounds: int) -> dict[str, Any]:
    """Both ways in turn, round after round, so that a busy moment of the machine hits both."""
    storage, megabytes = create_storage(directory), pa.Table.from_pylist(rows, SCHEMA).nbytes / 1e6

    def ours() -> None:
        writer = ShardWriter(storage, {"episodes": SCHEMA}, "bench")
        for start in range(0, len(rows), PORTION):
            writer.add("episodes", rows[start : start + PORTION])
        writer.flush()

    def plain() -> None:
        path = directory / f"plain-{time.monotonic_ns()}.arrow"
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.OSFile(str(path), "wb") as sink:
            with pa.ipc.new_file(sink, SCHEMA, options=options) as writer:
                writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
            os.fsync(sink.fileno())

    ours(), plain()  # warm
    times = [(seconds(ours), seconds(plain)) for _ in range(rounds)]
    writer, ledger = ShardWriter(storage, {"episodes": SCHEMA}, "bench"), Ledger(storage)
    writer.add("episodes", rows)
    ledger.append(Commit(shards=writer.flush()))
    reading = seconds(lambda: sum(1 for _ in RunReader(storage).rows("episodes")))
    digesting = seconds(lambda: [row_digest(row, frozenset({"started", "duration"})) for row in rows])
    return {
        "rows": len(rows),
        "kb_per_row": round(1e3 * megabytes / len(rows), 1),
        "shard_writer_mb_s": round(megabytes / statistics.median(mine for mine, _ in times), 1),
        "plain_pyarrow_mb_s": round(megabytes / statistics.median(other for _, other in times), 1),
        "ratio": round(statistics.median(other / mine for mine, other in times), 2),
        "read_rows_mb_s": round(megabytes / reading, 1),
        "digest_us_per_row": round(1e6 * digesting / len(rows), 1),
    }


def commit(ledger: Ledger) -> None:
    """One of the usual kind."""
    number = ledger.state.last + 1
    shards = [
        ShardInfo(table, f"{table}/part-w0-{number:06d}-0123abcd.arrow", 32, 123_456) for table in ("tasks", "episodes")
    ]
    counters = {"episodes": 32, "prompt_tokens": 81_234, "t_model": 12.5}
    digests = {"tasks": number << 90, "episodes": number << 100}
    ledger.append(Commit(shards, range(32 * number, 32 * number + 32), counters, digests))


def committing(directory: Path, sizes: tuple[int, ...] = SIZES) -> dict[str, Any]:
    directory.mkdir()
    ledgers = {size: Ledger(create_storage(directory / str(size))) for size in sizes}
    slowest = 0.0
    with mock.patch("os.fsync"):
        for size, ledger in ledgers.items():
            while ledger.state.last < size - 5:
                slowest = max(slowest, seconds(lambda ledger=ledger: commit(ledger)))
    os.sync()  # else the first real fsyncs pay for all those left out
    # In turn, so that a busy moment of the disk hits all sizes.
    times = [[seconds(lambda ledger=ledger: commit(ledger)) for ledger in ledgers.values()] for _ in range(COMMITS)]
    medians = {
        str(size): 1e3 * statistics.median(each) for size, each in zip(sizes, zip(*times, strict=True), strict=True)
    }
    opening = seconds(lambda: Ledger(open_storage(directory / str(sizes[-1]))))
    return {
        "commit_ms_median": {size: round(median, 3) for size, median in medians.items()},
        "commit_growth": round(medians[str(sizes[-1])] / medians[str(sizes[0])], 2),
        "commit_slowest_ms": round(1e3 * slowest, 1),  # one that writes a checkpoint
        f"open_{sizes[-1]}_ms": round(1e3 * opening, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="where to write; default: the system's temporary directory")
    parser.add_argument("--quick", action="store_true", help="few rows and commits: shows that it works, not how fast")
    options = parser.parse_args()
    rows, rounds, sizes = (200, 1, SIZES[:2]) if options.quick else (options.rows, options.rounds, SIZES)
    with tempfile.TemporaryDirectory(dir=options.dir) as directory:
        figures = writing(Path(directory, "rows"), episodes(rows), rounds)
        figures |= committing(Path(directory, "ledger"), sizes)
    print(json.dumps({"benchmark": "store", **figures}))


if __name__ == "__main__":
    main()
