"""Run the benchmarks, one after the other, each in a process of its own, and write benchmarks/RESULTS.md.

    python -m benchmarks [--quick] [--out FILE] [NAMES...]

Each JSON object is printed as it comes. RESULTS.md is written by a whole run only: one with --quick, or of some of the
benchmarks, writes to the file named with --out, or nowhere. Exit code 1 if a benchmark fails; a missed target is none.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.command import ROOT, environment
from benchmarks.report import BENCHMARKS, Result, facts, failed, render, rows

RESULTS = Path(__file__).with_name("RESULTS.md")
#: For one benchmark; the longest takes a few minutes.
LIMIT_S = 1800


def run(name: str, arguments: Sequence[str] = ()) -> Result:
    """One benchmark. Its stderr is shown, and what it says on stdout beside its JSON object is not."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            said, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # it ends what it started, its Ray above all
            process.communicate()
            return Result(name, None, f"not over after {LIMIT_S} s")
    if process.returncode:
        return Result(name, None, f"exit code {process.returncode}")
    lines = said.splitlines()
    try:
        output = json.loads(lines[-1] if lines else "")
    except json.JSONDecodeError:
        output = None
    return Result(name, output) if isinstance(output, dict) else Result(name, None, "it printed no JSON object")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAMES", help=f"of: {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="short runs: show that it works, not how fast")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the results here")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    names = [name for name in BENCHMARKS if name in given.names or not given.names]
    out = given.out or (None if given.quick or given.names else RESULTS)
    context = facts()
    if given.quick:
        context["note"] = "short runs (--quick): these figures show that the benchmarks work, not how fast anything is"
    results = []
    for number, name in enumerate(names, 1):
        print(f"[{number}/{len(names)}] {name}", file=sys.stderr, flush=True)
        results.append(run(name, ["--quick"] if given.quick else []))
        last = results[-1]
        print(json.dumps(last.output or {"benchmark": name, "failed": last.problem}), flush=True)
    for figure, measured, target, met in rows(results, judged=not given.quick):
        print(f"{figure:<44} {measured:>12}  target {target:<12} {met.strip('*')}", file=sys.stderr)
    if out is not None:
        out.write_text(render(results, context, judged=not given.quick), "utf-8")
        print(f"written: {out}", file=sys.stderr)
    sys.exit(1 if failed(results) else 0)


if __name__ == "__main__":
    main()
