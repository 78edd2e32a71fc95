"""The table of benchmarks, their targets, and the writer of RESULTS.md. Measures nothing itself."""

from __future__ import annotations

import datetime
import json
import operator
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.command import ROOT

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """A row of the table: what a benchmark's JSON object says about it, and what it is to be."""

    name: str
    value: Callable[[Json], float]
    sign: str  # "<=" or ">="
    target: float
    unit: str

    def met(self, value: float) -> bool:
        return {"<=": operator.le, ">=": operator.ge}[self.sign](value, self.target)


@dataclass(frozen=True)
class Benchmark:
    """A script, its method in a line or two, and its rows of the table."""

    how: str
    figures: Sequence[Figure]


def _once(found: Json) -> float:
    return 1.0 - (found["lost"] + found["twice"]) / found["episodes"]


def _handled(found: Json) -> float:
    bad = found["defects"] + found["read_again"]["changed"] + found["bombs"]["asked"]
    return 100 * (1 - (bad - found["bombs"]["outcomes"].get("engine_bad_response", 0)) / found["answers"])


#: In the order they run: the script ``benchmarks/NAME.py`` and its rows. A new benchmark is an entry here; it takes
#: ``--quick`` and prints one JSON object as the last line of stdout.
BENCHMARKS: dict[str, Benchmark] = {
    "overhead": Benchmark(
        "256 conversations at once, 16 model calls each, against an endpoint that answers after exactly 200 ms, with"
        " real Ray, workers and store. In steady state: CPU of the whole process tree (driver, workers, Ray). The floor"
        " is a bare aiohttp loop that sends the same requests, in turn with it. Ideal is 256 calls every 200 ms. Memory"
        " of a live episode: one process with 512 conversations alive less that with 256.",
        [
            Figure("CPU a model call", lambda o: o["cpu_ms_per_call"], "<=", 0.6, "ms"),
            Figure("the same, times the floor", lambda o: o["times_the_floor"], "<=", 2.5, "x"),
            Figure("model calls, share of ideal", lambda o: 100 * o["share_of_ideal"], ">=", 85, "%"),
            Figure("memory a live episode", lambda o: o["kb_per_live_episode"], "<=", 100, "KB"),
            Figure("CPU a model call through a pool, times direct", lambda o: o["pooled_times_direct"], "<=", 1.2, "x"),
        ],
    ),
    "world": Benchmark(
        "One process, medians: a fresh world; three successful writes sealed and the digest read; an oracle's"
        " transcript replayed on a fresh world and graded, over 200 tasks.",
        [
            Figure("reset of a world", lambda o: o["us"]["reset"] / 1e3, "<=", 0.05, "ms"),
            Figure("digest after 3 writes", lambda o: o["us"]["digest_after_3_writes"] / 1e3, "<=", 0.1, "ms"),
            Figure("replay and grade a task", lambda o: o["us"]["replay_and_grade"] / 1e3, "<=", 1, "ms"),
        ],
    ),
    "generate": Benchmark(
        "`t2t generate --trajectories 1000` in a process of its own, from its start (Python, Ray and workers included)"
        " to its exit, no model asked; then each stage alone in one process, in CPU milliseconds.",
        [Figure("1,000 trajectories, end to end", lambda o: o["wall_s"], "<=", 60, "s")],
    ),
    "store": Benchmark(
        "3,000 episodes of 20 turns, from Python dicts to durable files, through our writer and through pyarrow alone,"
        " in turn; the median commit at 100,000 commits against that at 10, fsync included.",
        [
            Figure("writing rows, share of plain pyarrow", lambda o: o["ratio"], ">=", 0.7, "x"),
            Figure("a commit after 100,000, times one after 10", lambda o: o["commit_growth"], "<=", 1.5, "x"),
        ],
    ),
    "alive": Benchmark(
        "1,024 conversations at once, 16 model calls each, against an endpoint that answers after exactly one second."
        " Ideal is 1,024 calls per second.",
        [Figure("model calls with 1,024 alive, share of ideal", lambda o: 100 * o["share_of_ideal"], ">=", 85, "%")],
    ),
    "soak": Benchmark(
        "100,000 short scripted episodes in one run on local Ray; memory of the largest worker, the median of the last"
        " fifth of the episodes over that of the second. The rows are read afterwards.",
        [
            Figure("rows there, each once, of those asked for", _once, ">=", 1.0, "x"),
            Figure("memory of a worker, late over early", lambda o: 1 + o["worker_growth"], "<=", 1.05, "x"),
        ],
    ),
    "scheduler_scale": Benchmark(
        "The real scheduler, leases, ledger, routers, admission and health with workers, engines and time simulated:"
        " 10 to 10,000 workers of 128 episodes each, 10^4 to 10^7 episodes of long-tailed lengths, workers that die or"
        " hang. CPU of the driver's calls per episode; resident memory of a driver after 10^5 and after 10^6 episodes;"
        " 1,000 engines, 20 of which die: the service they gave over what those that were up could have given, until"
        " every episode had been begun.",
        [
            Figure("scheduler and ledger, an episode", lambda o: o["us_per_episode"], "<=", 20, "us"),
            Figure("the same, dearest times cheapest", lambda o: o["times_the_cheapest"], "<=", 1.3, "x"),
            Figure("driver memory, 10^6 times 10^5 episodes", lambda o: o["memory"]["growth"], "<=", 1.05, "x"),
            Figure("use of engines until the tail", lambda o: 100 * o["engines"]["utilisation"], ">=", 95, "%"),
        ],
    ),
    "resume": Benchmark(
        "A killed run of 10^6 committed rows, 5,000 commits and as many shards, resumed in a fresh process: open,"
        " lock, ledger, clean-up of 200 orphaned shards, scheduler, first lease.",
        [Figure("resume of 10^6 rows, to the first lease", lambda o: o["first_lease_s"], "<=", 10, "s")],
    ),
    "fuzz_answers": Benchmark(
        "A real worker, without Ray, against an endpoint that answers with 100,000 random mutations of recorded ones:"
        " in the JSON, in its bytes, in the HTTP around it. Each has to end as a reply or as a typed failure; the rows"
        " are then graded again. And a process limited to 1 GB that is sent 256 bombs, 64 at once, each of 1 MB that"
        " unpacks to 1 GB.",
        [
            Figure("mutated answers that ended as they should", _handled, ">=", 100, "%"),
            Figure("memory while 64 bombs come in", lambda o: o["bombs"]["rss_peak_mb"], "<=", 954, "MB"),
            Figure(
                "the event loop's longest stall meanwhile", lambda o: o["bombs"]["longest_stall_ms"] / 1e3, "<=", 1, "s"
            ),
        ],
    ),
    "view": Benchmark(
        "`t2t view` in a process of its own on a synthesised run of 1,000,000 episodes (real conversations under new"
        " ids, in real shards under a real ledger), by whole HTTP requests. The first page is asked for when the viewer"
        " has just said its address; filters, with the counts of all other filters, once everything is indexed; memory"
        " is the process's resident set at its highest.",
        [
            Figure("viewer's first page", lambda o: o["first_page_s"], "<=", 1, "s"),
            Figure("viewer's slowest filter", lambda o: o["slowest_filter_s"], "<=", 2, "s"),
            Figure("viewer's memory", lambda o: o["rss_mb"], "<=", 500, "MB"),
        ],
    ),
}

#: Of other systems, measured once (see PEERS_HOW); and where our own figure for the row is found.
PEERS: list[tuple[str, str, Callable[[Json], str], dict[str, str]]] = [
    (
        "CPU a model call",
        "overhead",
        lambda o: f"{number(o['cpu_ms_per_call'])} ms",
        {"Inspect AI 0.3.285": "11.4 ms", "tau2-bench 1.0.1": "47 ms"},
    ),
    (
        "memory a live episode",
        "overhead",
        lambda o: f"{number(o['kb_per_live_episode'])} KB",
        {"Inspect AI 0.3.285": "1.0 MB", "tau2-bench 1.0.1": "26 MB"},
    ),
    ("reset", "world", lambda o: f"{number(o['us']['reset'] / 1e3)} ms", {"tau2-bench 1.0.1": "30 ms"}),
    (
        "hash of the state",
        "world",
        lambda o: f"{number(o['us']['digest_after_3_writes'] / 1e3)} ms",
        {"tau2-bench 1.0.1": "26 ms"},
    ),
    (
        "replay and grade a task",
        "world",
        lambda o: f"{number(o['us']['replay_and_grade'] / 1e3)} ms",
        {"tau2-bench 1.0.1": "67 ms"},
    ),
]
PEER_NAMES = ("Inspect AI 0.3.285", "tau2-bench 1.0.1")
PEERS_HOW = (
    "`make bench` measures t2t-dist and the floor. The others were measured once, in the versions named, on two cores:"
    " CPU and memory with the same endpoint and 16 model calls per episode, 256 episodes at once (tau2-bench: 32);"
    " reset, hash and replay on tau2-bench's own retail domain (2.8 MB), its replay being that of a task's gold, with"
    " the hash of the state it ends in."
)


# -- results -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Result:
    """Outcome of one benchmark: its JSON object, or why there is none."""

    name: str
    output: Json | None
    problem: str = ""


def number(value: float) -> str:
    """Three digits that say something: ``0.00089``, ``0.412``, ``23.6``, ``1,234``."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = f"{value:.3g}"
    return f"{value:.6f}".rstrip("0") if "e" in digits else digits


def rows(results: Sequence[Result], judged: bool = True) -> list[tuple[str, str, str, str]]:
    """(figure, measured, target, met) of each; one that is missing from a JSON object counts as failed.

    Short runs are not ``judged``: whether they meet a target says nothing.
    """
    found = []
    for result in results:
        for figure in BENCHMARKS[result.name].figures:
            target = f"{figure.sign} {number(figure.target)} {figure.unit}"
            try:
                value = None if result.output is None else figure.value(result.output)
            except (KeyError, TypeError, IndexError):
                value = None
            if value is None:
                found.append((figure.name, "failed", target, "failed"))
            else:
                met = ("yes" if figure.met(value) else "**no**") if judged else "-"
                found.append((figure.name, f"{number(value)} {figure.unit}", target, met))
    return found


def failed(results: Sequence[Result]) -> bool:
    """Whether a benchmark gave no figures. A target that was missed is a result, no failure."""
    return any(measured == "failed" for _, measured, _, _ in rows(results))


def render(results: Sequence[Result], facts: Mapping[str, str], judged: bool = True) -> str:
    """The text of RESULTS.md."""
    outputs = {result.name: result.output for result in results if result.output is not None}
    parts = ["# Results", "", "Written by `make bench`; do not edit.", ""]
    parts += [f"- {name}: {value}" for name, value in facts.items()]
    parts += ["", *_table(("figure", "measured", "target", "met"), rows(results, judged))]
    if "generate" in outputs:
        parts += ["", "## Verified tasks without a model", "", *_generated(outputs["generate"])]
    if compared := _compared(outputs):
        parts += ["", "## Beside others", "", *compared, "", PEERS_HOW]
    parts += ["", "## How it is measured", ""]
    parts += [f"- **{name}** (`benchmarks/{name}.py`): {BENCHMARKS[name].how}" for name in (r.name for r in results)]
    for result in results:
        if result.problem:
            parts += ["", f"**{result.name} failed**: {' '.join(result.problem.split())}"]
    parts += ["", "<details><summary>All figures, as the benchmarks print them</summary>", ""]
    for result in results:
        if result.output is not None:
            parts += [f"### {result.name}", "", "```json", json.dumps(result.output, indent=1), "```", ""]
    return "\n".join([*parts, "</details>", ""])


def _compared(outputs: Mapping[str, Json]) -> list[str]:
    """The table of peers, with the rows for which there is a figure of ours."""
    found = []
    for name, benchmark, ours, theirs in PEERS:
        if benchmark in outputs:
            floor = outputs[benchmark].get("floor_cpu_ms_per_call") if name == "CPU a model call" else None
            bare = "-" if floor is None else f"{number(floor)} ms"
            found.append((name, ours(outputs[benchmark]), bare, *(theirs.get(peer, "-") for peer in PEER_NAMES)))
    return _table(("figure", "t2t-dist", "floor", *PEER_NAMES), found) if found else []


def _generated(output: Json) -> list[str]:
    said = (
        f"{output['trajectories']:,} trajectories gave {output['verified_tasks']:,} verified tasks and"
        f" {output['episodes']:,} graded episodes in {number(output['wall_s'])} s:"
        f" {number(output['verified_tasks_per_s'])} tasks and {number(output['episodes_per_s'])} episodes per second."
        f" The first rows were committed after {number(output['first_commit_s'])} s. By stage, in one process:"
    )
    stages = [
        (name, f"{stage['items']:,}", number(stage["ms"]), f"{100 * stage['share']:.1f} %")
        for name, stage in output["stages"].items()
    ]
    return [said, "", *_table(("stage", "items", "CPU ms per item", "share"), stages)]


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *body]
    return [f"| {' | '.join(line)} |" for line in lines]


# -- where and what ----------------------------------------------------------------------------------------------------
def facts() -> dict[str, str]:
    """Date, machine and commit, without names of hosts or people."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{psutil.cpu_count()} cores ({_cpu()}), {psutil.virtual_memory().total / 2**30:.0f} GiB of memory",
        "system": f"{_system()}, Python {platform.python_version()}",
        "load before the start": f"{psutil.getloadavg()[0]:.1f} (mean of a minute; 0 is an idle machine)",
        "commit": _commit(),
    }


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def _system() -> str:
    try:
        return f"{platform.system()} ({platform.freedesktop_os_release()['PRETTY_NAME']})"
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/RESULTS.md")
        return git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
