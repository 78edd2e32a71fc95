"""What hard tasks ask for, and which scripted agents fail on which of it. Prints one JSON object.

    python -m benchmarks.hard_tasks [--quick] [--trajectories 200] [--seed 21] [--difficulty 3] [--domain retail ...]

By domain, of the verified general tasks of a whole ``t2t generate``: the shares whose requests have a condition, a
comparison or a superlative, a quantifier (all, each, both, everything but), a reference by history, or a figure that
has to be worked out; those that name a literal id, and those that change nothing; writes a task, mean and most.
"agents": for each scripted agent the share of tasks passed, by what a task has; "nothing": tasks with none of it.
"pairs": tasks and their twins, by how many of the two each agent passes. "tasks_per_s" is of the whole command, from
its start to its exit, with one agent's rollouts and without twins.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.command import answer_of, ended, t2t
from t2t_dist.core.schema import Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import BUILT_IN, load
from t2t_dist.storage.source_run import Source
from t2t_dist.synthesis.grader_side import writes_in
from t2t_dist.synthesis.kinds_of_request import KINDS, kinds_of
from t2t_dist.synthesis.requests import language as lang

AGENTS = ("oracle", "literal", "one_look", "sums", "gullible", "obedient", "hasty", "stubborn")
AGENTS += ("one_change", "compliant")
#: Ids of records as customers would say them; flights have numbers of their own.
IDS = {
    "retail": r"#W\d+|\b\d{10}\b",
    "airline": r"\b(?=[A-Z]*\d)[A-Z0-9]{6}\b",
    "telecom": r"\b\d{3}-\d{3}-\d{4}\b|\bB\d{6,}",
}
QUANTIFIERS = re.compile(r"\b(?:all|every|everything|both|each|but|except)\b")
#: Fields that say when something was, or what was done with it before.
WHEN = {"placed_at", "delivered_at", "booked_at", "date", "departs", "arrives", "due", "plan_since", "month"}
WHEN |= {"suspended_for", "sim_ordered", "data_added"}


def nodes_of(task: Task) -> list[lang.Node]:
    return [node for stored in (task.grader.requests or {}).values() for node in lang.nodes(lang.read(stored))]


def traits(domain: str, task: Task) -> Iterator[str]:
    """What the requests of a general task have."""
    nodes, text = nodes_of(task), " ".join(goal.request for goal in task.user.goals)
    ranked = [node for node in nodes if isinstance(node, lang.Record) and node.by is not None]
    if any(isinstance(node, lang.If | lang.FirstThatWorks) for node in nodes):
        yield "conditional"
    if ranked or any(isinstance(node, lang.Compares | lang.Best) for node in nodes):
        yield "comparison_or_superlative"
    if any(isinstance(node, lang.Each | lang.FieldsOf) for node in nodes) and QUANTIFIERS.search(text):
        yield "quantifier"
    paid = [node for node in nodes if isinstance(node, lang.FieldOf) and node.of.among.kind == "Payment"]
    tested = [node.field for node in nodes if isinstance(node, lang.Test)]
    if paid or any(field.split(".")[-1] in WHEN for field in (*tested, *(node.by or "" for node in ranked))):
        yield "history"
    if any(isinstance(node, lang.Tell | lang.Outcome) for node in nodes):
        yield "computed"
    if not writes_in(task.grader.gold):
        yield "no_write"
    if re.search(IDS[domain], text):
        yield "literal_id"


def figures(domain: str, tasks: Sequence[Task]) -> dict[str, Any]:
    general = [task for task in tasks if task.intent == "general"]
    writes = [len(writes_in(task.grader.gold)) for task in general]
    found = Counter(trait for task in general for trait in traits(domain, task))
    shares = {name: round(100 * count / len(general), 1) for name, count in sorted(found.items())}
    levels = Counter(task.difficulty.level for task in tasks if task.difficulty is not None)
    counts = {"general_tasks": len(general), "writes_mean": round(fmean(writes), 2), "writes_most": max(writes)}
    of_kind = Counter(kind for task in tasks for kind in kinds_of(load(domain), task))
    by_kind = {kind.name: of_kind[kind.name] for kind in KINDS}
    return {
        "tasks": len(tasks),
        **counts,
        "percent": shares,
        "levels": dict(sorted(levels.items())),
        "tasks_by_kind": by_kind,
    }


def kinds(domain: Domain, task: Task) -> list[str]:
    """What makes a task hard: the kinds of its requests, and a note that instructs the agent."""
    has_note = task.certificate is not None and task.certificate.injection is not None
    return [*kinds_of(domain, task), *(["note"] if has_note else [])] or ["nothing"]


def matrix(domain: Domain, run: Path, tasks: Sequence[Task]) -> dict[str, dict[str, str]]:
    """``{agent: {kind: share passed, of how many}}``; a kind: tasks that have it, whatever else they have."""
    by_id = {task.task_id: task for task in tasks}
    passed: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for row in Source(str(run)).reader.rows("episodes", ["task_id", "agent", "reward"]):
        if row["task_id"] in by_id:
            for kind in (*kinds(domain, by_id[row["task_id"]]), by_id[row["task_id"]].intent):
                passed[row["agent"]][kind].append(row["reward"] >= 1.0)
    return {
        agent: {kind: f"{fmean(rewards):.2f} of {len(rewards)}" for kind, rewards in sorted(found.items())}
        for agent, found in passed.items()
    }


def generated(domain: str, trajectories: int, seed: int, difficulty: int, out: Path, *more: str) -> dict[str, Any]:
    size = ("--trajectories", str(trajectories), "--seed", str(seed), "--difficulty", str(difficulty))
    with ended(t2t("generate", "--domain", domain, *size, "--out", str(out), *more)) as process:
        return answer_of(process)


def measured(domain: str, trajectories: int, seed: int, difficulty: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        said = generated(domain, trajectories, seed, difficulty, Path(folder) / "timed")
        seconds = time.monotonic() - started
        agents = [part for name in AGENTS for part in ("--agent", f"scripted:{name}")]
        run = Path(folder) / "paired"
        paired = generated(domain, trajectories, seed, difficulty, run, "--twins", *agents)
        tasks = [task for task in Source(str(run)).verified_tasks() if task.twin_of is None]
        return {
            **figures(domain, tasks),
            "tasks_per_s": round(sum(said["tasks"].values()) / seconds, 1),
            "pairs": {name: {k: one[k] for k in ("both", "one", "none")} for name, one in paired["pairs"].items()},
            "agents": matrix(load(domain), run, tasks),
        }


def asked_for(about: str | None, trajectories: int, easiest: int) -> argparse.Namespace:
    """What the command line asks for: ``trajectories`` (this many by default, or few with ``--quick``), ``seed``,
    ``difficulty`` (from ``easiest`` on) and ``domain``, a list of names."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few trajectories: show that it works")
    parser.add_argument("--trajectories", type=int, default=trajectories)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--difficulty", type=int, default=3, choices=range(easiest, 6))
    parser.add_argument("--domain", action="append", choices=BUILT_IN, help="default: all three")
    given = parser.parse_args()
    given.trajectories = 12 if given.quick else given.trajectories
    given.domain = given.domain or list(BUILT_IN)
    return given


def report(given: argparse.Namespace, measured: Callable[[str, int, int, int], dict[str, Any]]) -> dict[str, Any]:
    """Measures each domain and prints all as one JSON object; by domain, what was found."""
    found = {name: measured(name, given.trajectories, given.seed, given.difficulty) for name in given.domain}
    about = {"trajectories": given.trajectories, "seed": given.seed, "difficulty": given.difficulty}
    print(json.dumps({**about, **found}))
    return found


def main() -> None:
    report(asked_for(__doc__, trajectories=200, easiest=1), measured)


if __name__ == "__main__":
    main()
