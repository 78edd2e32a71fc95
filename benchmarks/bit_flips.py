"""Single-bit flips in the files of a run: what every reader makes of them. Prints one JSON object.

    python -m benchmarks.bit_flips [--flips 1000] [--seed 0] [--only START] [--run RUN]

A small run is made (or RUN is copied) and given a checkpoint, an index and a report; then one random bit of one random
file is flipped, every reader is called in this process, and the run is put back. A flip is, for one reader,

- noticed: the reader refuses with one line, or says so in a note;
- harmless: it gives what it gave before;
- silent: it gives something else and says nothing;
- broken: it raises, takes longer than a minute, or takes more than 500 MB.

Target: nothing silent, nothing broken. Files are drawn equally, so that small ones are not left out.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
from typer.testing import CliRunner

from benchmarks.command import answer_of, ended, t2t
from t2t_dist.api import load_episodes, load_tasks
from t2t_dist.cli.main import app
from t2t_dist.cluster import launch
from t2t_dist.core.errors import InputError
from t2t_dist.storage import ledger as ledger_module
from t2t_dist.storage.ledger import Commit, Ledger
from t2t_dist.storage.manifest import read_manifest
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.run_lock import RunLock
from t2t_dist.view.runs import Runs

LIMIT_S, LIMIT_MB = 60.0, 500.0
MAKE = ("generate", "--domain", "retail", "--trajectories", "6", "--seed", "3", "--workers", "1")


class Noticed(Exception):
    """A reader says that something is wrong."""


def stable(text: str) -> str:
    """What a command prints, without what differs each time: ages."""
    try:
        found = json.loads(text.splitlines()[-1])
    except (ValueError, IndexError):
        return text
    for name in ("age_s", "at"):
        found.pop(name, None)
    return json.dumps(found, sort_keys=True)


def command(*arguments: str, then: Callable[[], str] = lambda: "") -> str:
    """A command's output. Raises Noticed: it exits with another code than 0, or prints a note."""
    done = CliRunner().invoke(app, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if done.exit_code or "note:" in done.stderr:
        raise Noticed(done.stderr)
    return stable(done.stdout) + then()


def export(run: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")

        def files() -> str:
            return "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.rglob("*.jsonl")))

        # The small run has no validation split, which is a note; one split has none.
        said = command("export", run, "-f", "hf", "--out", str(out / "x"), "--split", "1/0/0", "--json")
        data = b"".join(path.read_bytes() for path in sorted(out.rglob("*.arrow")))
        return said.replace(folder, "") + files() + hashlib.sha256(data).hexdigest()


def view(run: str) -> str:
    """All that the viewer indexes, and each row of it."""
    runs = Runs([run])
    shown = runs.shown[0]
    while not shown.complete:
        shown.refresh(60.0)
    if shown.problems:
        raise Noticed(shown.problems[0])
    parts: list[Any] = [shown.results, shown.run_id, shown.status_line, shown.domain_name]
    for index in (shown.episodes, shown.tasks):
        parts += [index.read(row) for row in range(index.rows)]
        parts += [index.figure(name, index.rows).tolist() for name in index._figures]
    return json.dumps(parts, sort_keys=True)


def api(run: str) -> str:
    rows = [*load_episodes(run, columns=["episode_id", "reward", "turns"]), *load_tasks(run, verified=False)]
    return json.dumps(rows, sort_keys=True)


def resume(run: str) -> str:
    """The same command again, up to where a driver would start: all of the run's items are done."""
    manifest = read_manifest(open_storage(run))
    lock = partial(RunLock, stale_s=0.2, poll_s=0.05)
    with mock.patch.object(launch, "RunLock", lock), mock.patch.object(launch, "Driver") as driver:
        result = launch.run(manifest.kind, manifest.config, run)
    if driver.called:
        raise Noticed("items are done again")
    return json.dumps([result.run_id, sorted(result.state.digests.items()), len(result.state.items)])


READERS: dict[str, Callable[[str], str]] = {
    "export": export,
    "regrade": lambda run: command("regrade", run, "--json"),
    "verify": lambda run: command("verify", run, "--json"),
    "verify --files": lambda run: command("verify", run, "--files"),
    "report": lambda run: command("report", run, "--no-html", "--json"),
    "failures": lambda run: command("failures", run, "--json"),
    "show": lambda run: command("show", run, "-n", "4"),
    "status": lambda run: command("status", run, "--json"),
    "view": view,
    "api": api,
    "resume": resume,
}


def outcome(reader: Callable[[str], str], run: str, before: str | None) -> tuple[str, str]:
    """What a reader makes of a run, in a word, and what it says or gives."""
    began, quiet = time.monotonic(), io.StringIO()
    try:
        with redirect_stderr(quiet), redirect_stdout(quiet):
            given = reader(run)
    except (InputError, Noticed) as error:
        return "noticed", str(error)
    except Exception as error:
        return "broken", f"{type(error).__name__}: {error}"
    if time.monotonic() - began > LIMIT_S:
        return "broken", f"{time.monotonic() - began:.0f} s"
    return ("harmless" if given == before else "silent"), given


def prepared(folder: Path, run: str | None) -> Path:
    """The run to damage."""
    target = folder / "run"
    if run is None:
        with ended(t2t(*MAKE, "--out", str(target))) as process:
            answer_of(process)
    else:
        shutil.copytree(run, target)
    with mock.patch.object(ledger_module, "CHECKPOINT_EVERY", 1):
        Ledger(open_storage(str(target))).append(Commit())  # what a longer run has: a checkpoint and an index
    command("report", str(target), "--json")
    return target


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def put_back(folder: Path, files: dict[str, bytes]) -> None:
    for name in files_of(folder).keys() - files.keys():
        (folder / name).unlink()
    for name, data in files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="START", help="flip in files whose names begin so; default: all")
    parser.add_argument("--run", help="a run to copy; default: a small one is made")
    options = parser.parse_args()
    chance, counts, noticed = random.Random(options.seed), Counter[str](), Counter[str]()
    bad: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as made:
        run = prepared(Path(made), options.run)
        files = files_of(run)
        before: dict[str, str] = {}
        for name, reader in READERS.items():
            word, before[name] = outcome(reader, str(run), None)
            if (
                word != "silent" or reader(str(run)) != before[name]
            ):  # with nothing to compare, what it gives is "silent"
                raise SystemExit(f"{name} does not read the whole run twice alike: {word}: {before[name][:500]}")
        put_back(run, files)
        start_mb, began = psutil.Process().memory_info().rss / 1e6, time.monotonic()
        for number in range(options.flips):
            name = chance.choice([name for name in sorted(files) if name.startswith(options.only)])
            place, bit = chance.randrange(max(1, len(files[name]))), chance.randrange(8)
            data = bytearray(files[name] or b"\0")
            data[place] ^= 1 << bit
            (run / name).write_bytes(data)
            words = set()
            for reader_name, reader in READERS.items():
                word, said = outcome(reader, str(run), before[reader_name])
                words.add(word)
                if word in ("silent", "broken"):
                    bad.append(
                        {"flip": number, "file": name, "byte": place, "bit": bit, "reader": reader_name}
                        | {"what": word, "said": said[:300]}
                    )
                noticed[reader_name] += word == "noticed"
            counts[next(word for word in ("broken", "silent", "noticed", "harmless") if word in words)] += 1
            put_back(run, files)
        grown = psutil.Process().memory_info().rss / 1e6 - start_mb
    result = {
        "benchmark": "bit_flips",
        "flips": options.flips,
        "seed": options.seed,
        "files": len(files),
        "bytes": sum(map(len, files.values())),
        "flips_by_outcome": {word: counts[word] for word in ("noticed", "harmless", "silent", "broken")},
        "noticed_by": dict(noticed),
        "memory_grown_mb": round(grown, 1),
        "seconds": round(time.monotonic() - began, 1),
        "bad": bad[:20],
    }
    print(json.dumps(result))
    if counts["silent"] or counts["broken"] or grown > LIMIT_MB:
        raise SystemExit(1)


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "200")
    main()
