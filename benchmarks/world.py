"""Costs of a world: reset, fork, tool calls, digest, diff, lookups. Prints one JSON object; times in microseconds.

    python -m benchmarks.world [--quick] [--domain retail] [--rounds 200]

The calls are those of explored trajectories of the domain: look-ups, and writes that keep its rules. Tool calls are
timed as an episode makes them: arguments as JSON text, validation, the tool, encoding of the result, and for a write
the sealing of its edits, which brings the digest up to date. "digest_after_3_writes" is that sealing alone, three
times, and the reading of the digest. "find" is each look-up that identifies a customer, on databases of two sizes.
Targets: reset at most 50 us, digest after 3 writes at most 100 us.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterable
from itertools import cycle, islice, pairwise

from benchmarks.material import conversations
from t2t_dist.core.schema import Outcome, Task
from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World, diff
from t2t_dist.environments.tools import Call, Kind
from t2t_dist.grading.grade import grade
from t2t_dist.simulation.conversation import Rollout
from t2t_dist.synthesis.explore import explore_graph

TRAJECTORIES = 60
#: Tasks that are graded, and the explorations after which a domain that gives fewer is taken as it is.
TASKS, EXPLORATIONS = 200, 400
LARGE = 20.0
WRITES = 3  # before the digest is read, and on both sides of a diff


def median_us(works: Iterable[Callable[[], object]], repeat: int = 1) -> float:
    """The median over the works, each timed as one (``repeat`` times in a row where one is too short to time)."""
    times = []
    for work in works:
        start = time.perf_counter_ns()
        for _ in range(repeat):
            work()
        times.append((time.perf_counter_ns() - start) / repeat)
    return round(statistics.median(times) / 1e3, 2)


def calls_of(domain: Domain) -> tuple[list[Call], list[Call]]:
    """Look-ups and successful writes of a few trajectories. Each write is possible on a fresh world."""
    reads, writes = [], []
    customers = domain.customers(domain.base)
    for seed in range(TRAJECTORIES):
        _, steps = explore_graph(domain, customers[seed * 7 % len(customers)], seed)
        for step in steps:
            call = Call(step.tool, step.arguments)
            if step.kind == Kind.READ.value:
                reads.append(call)
            elif step.changed and domain.execute(domain.world(), call).changed:
                writes.append(call)
    return reads, writes


def written(domain: Domain, writes: Iterable[Call]) -> World:
    """A world with the first few of these writes that go together."""
    world, left = domain.world(), WRITES
    for call in writes:
        left -= domain.execute(world, call).changed
        if not left:
            break
    return world


def sealing_us(domain: Domain, writes: Iterable[Call], rounds: int) -> float:
    """Freezing the edits of three writes and bringing the digest up to date, without the tools' own work."""
    times = []
    todo = iter(writes)
    for _ in range(rounds):
        world, spent = domain.world(), 0
        done = 0
        while done < WRITES:
            call = next(todo)
            if domain.execute(world.fork(), call).error:  # what was written before stands in its way
                continue
            tool = domain.tools[call.name]
            tool.function(world, **tool.validate(call.arguments))
            start = time.perf_counter_ns()
            done += world.seal()
            spent += time.perf_counter_ns() - start
        start = time.perf_counter_ns()
        assert world.digest
        times.append(spent + time.perf_counter_ns() - start)
    return round(statistics.median(times) / 1e3, 2)


def finding(domain: Domain, rounds: int) -> dict[str, float]:
    """Each of the domain's look-ups that tell who a customer is."""
    world, rng = domain.world(), random.Random(1)
    customers = domain.customers(domain.base)
    profiles = [domain.profile(world, rng.choice(customers)) for _ in range(rounds)]
    figures = {}
    for tool in domain.entry_tools:
        asked = [
            json.dumps({name: profile.facts[spec.name] for name, spec in tool.parameters.items()})
            for profile in profiles
        ]
        assert all(not domain.tools.execute(world, tool.name, text).error for text in asked)
        figures[tool.name] = median_us(
            (lambda name=tool.name, text=text: domain.tools.execute(world, name, text)) for text in asked
        )
    return figures


def grading(domain: Domain, tasks: int) -> tuple[float, dict[str, float]]:
    """Microseconds of replaying and grading one task, and what was graded."""
    graded = conversations(domain, tasks, EXPLORATIONS)
    if not graded:
        raise SystemExit(f"{domain.name} gave no verified task")

    def again(task: Task, rollout: Rollout) -> Callable[[], Outcome]:
        return lambda: grade(domain, task, rollout.turns, rollout.termination.value)

    for task, rollout in graded:
        if again(task, rollout)().reward != 1.0:  # also warms what is made once
            raise SystemExit(f"the oracle failed on {task.task_id}: that is no transcript to measure")
    calls = [sum(len(turn.tool_calls) for turn in rollout.turns) for _, rollout in graded]
    turns = [len(rollout.turns) for _, rollout in graded]
    figures = {"tasks": len(graded), "turns": statistics.mean(turns), "calls": statistics.mean(calls)}
    return median_us(again(*each) for each in graded), {name: round(value, 1) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", default="retail")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="few rounds: shows that it works, not how fast")
    options = parser.parse_args()
    rounds, tasks, size = (10, 10, 2.0) if options.quick else (options.rounds, TASKS, LARGE)

    kind = registry.find(options.domain)
    started = time.perf_counter()
    domain = kind(seed=0, scale=1.0)
    domain.world()
    loading = time.perf_counter() - started
    reads, writes = calls_of(domain)
    encoded = [(call.name, json.dumps(call.arguments)) for call in reads]
    worlds = [written(domain, writes[start:]) for start in range(0, len(writes) - WRITES, WRITES)]
    pairs = list(pairwise(worlds))
    world, execute = domain.world(), domain.tools.execute

    def write(call: Call) -> Callable[[], object]:
        fresh, text = domain.world(), json.dumps(call.arguments)
        return lambda: execute(fresh, call.name, text)

    figures = {
        "reset": median_us([domain.world] * rounds, 100),
        "fork": median_us((islice(cycle(w.fork for w in worlds), rounds)), 100),
        "read": median_us(
            (lambda name=name, text=text: execute(world, name, text))
            for name, text in islice(cycle(encoded), 10 * rounds)
        ),
        "write": median_us(write(call) for call in islice(cycle(writes), 10 * rounds)),
        "digest_after_3_writes": sealing_us(domain, cycle(writes), rounds),
        "diff": median_us((lambda a=a, b=b: diff(a, b)) for a, b in islice(cycle(pairs), rounds)),
        "find": {"scale 1": finding(domain, rounds)},
    }
    figures["replay_and_grade"], graded = grading(domain, tasks)
    large = kind(seed=0, scale=size)
    figures["find"][f"scale {size:g}"] = finding(large, rounds)
    sizes = {name: len(rows) for name, rows in domain.base.tables.items()}
    print(json.dumps({
        "benchmark": "world",
        "domain": options.domain,
        "records": sizes,
        "load_s": round(loading, 2),
        "graded": graded,
        "us": figures,
        "targets_us": {"reset": 50, "digest_after_3_writes": 100, "replay_and_grade": 1000},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
