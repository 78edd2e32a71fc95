"""The answers of our tau2 worlds beside tau2's own environments, byte for byte, on calls drawn from a seed.

    python -m tests.environments.adapters.tau2.answers [DOMAIN ...] [--worlds 40] [--calls 40] [--seed 1]

Needs an installed tau2 (1.0.1). Several worlds take turns on our one environment; each has an environment of tau2's to
itself; they begin as tasks do.
A call is a tool's name, arguments as JSON text and a side; some tools do not exist, are the other side's, or
get arguments that they should not. Prints what differs and one JSON object; exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import inspect
import json
import random
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from t2t_dist.environments import registry
from t2t_dist.environments.tools import AGENT, USER, ToolCrash

SIDES = {AGENT: "assistant", USER: "user"}
#: Worlds that take turns at the same time.
TOGETHER = 4
JUNK: tuple[Any, ...] = (
    None, "", "x", "2", "é☃", 0, -1, 5, 5.0, 2.5, float("nan"), float("inf"), True, [], {}, [1], {"a": 1}, 10**25,
)  # fmt: skip


class Made(NamedTuple):
    side: str
    name: str
    arguments: str


class Calls:
    """Calls on one domain; values of arguments come from its tasks and its database."""

    def __init__(self, env: Any, tasks: Sequence[Any], rng: random.Random) -> None:
        self.rng = rng
        self.kits = {AGENT: env.tools, USER: env.user_tools}
        self.functions = [(side, f) for side, kit in self.kits.items() if kit for f in kit.tools.values()]
        self.pool: dict[str, list[Any]] = {}
        self.gold: list[list[Made]] = []
        for task in tasks:
            actions = (task.evaluation_criteria and task.evaluation_criteria.actions) or []
            self.gold.append([])
            for action in actions:
                side = USER if action.requestor == "user" else AGENT
                self.gold[-1].append(Made(side, action.name, json.dumps(action.arguments)))
                for name, value in action.arguments.items():
                    self.pool.setdefault(name, []).append(value)
        for kit in self.kits.values():
            if kit is not None and kit.db is not None:
                for name, value in _leaves(kit.db.model_dump(mode="json"), ""):
                    self.pool.setdefault(name, []).append(value)

    def some(self, count: int) -> Iterator[Made]:
        """Calls, most of them in the middle of a task's gold."""
        gold = list(self.rng.choice(self.gold)) if self.gold else []
        for _ in range(count):
            if gold and self.rng.random() < 0.4:
                yield self._bent(gold.pop(0))
            else:
                yield self._drawn()

    def _bent(self, call: Made) -> Made:
        if self.rng.random() < 0.8:
            return call
        arguments = json.loads(call.arguments)
        if arguments:
            arguments[self.rng.choice(list(arguments))] = self.rng.choice(JUNK)
        return call._replace(arguments=json.dumps(arguments))

    def _drawn(self) -> Made:
        rng = self.rng
        side, function = rng.choice(self.functions)
        arguments = {
            name: self._value(name, parameter)
            for name, parameter in inspect.signature(function).parameters.items()
            if rng.random() < (0.97 if parameter.default is inspect.Parameter.empty else 0.5)
        }
        if rng.random() < 0.03:
            arguments[rng.choice(("colour", "self", "world", "requestor", "tool_name"))] = rng.choice(JUNK)
        name = function.__name__ if rng.random() < 0.95 else rng.choice(("open_the_vault", "", function.__name__ + "s"))
        if rng.random() < 0.05:
            side = USER if side == AGENT else AGENT
        return Made(side, name, json.dumps(arguments, ensure_ascii=rng.random() < 0.5))

    def _value(self, name: str, parameter: inspect.Parameter) -> Any:
        rng = self.rng
        if rng.random() < 0.15:
            return rng.choice(JUNK)
        known = self.pool.get(name) or self.pool.get(name.rstrip("s")) or self.pool.get(name.removeprefix("new_"))
        if known:
            value = rng.choice(known)
            return [value] if "list" in str(parameter.annotation) and not isinstance(value, list) else value
        text = str(parameter.annotation)
        if "bool" in text:
            return rng.random() < 0.5
        return rng.choice((1, 3, 2.5)) if "int" in text or "float" in text else rng.choice(JUNK)


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, name[:-1] if name.endswith("s") else name)
    elif value is not None:
        yield name, value


class Drawn:
    """In place of random ids: the same ones on both sides."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> uuid.UUID:
        self.count += 1
        return uuid.UUID(int=self.count << 96)


def begun(ours: Any, env: Any, task: Any) -> tuple[Any, Any]:
    """A world of ours and an environment of tau2's in the state in which a task begins."""
    state = task and task.initial_state
    if state is None:
        return ours.world(), env
    env.set_state(state.initialization_data, state.initialization_actions, [])
    return ours.world_from(state.model_dump(exclude={"message_history"})), env


def compare(name: str, worlds: int, calls: int, seed: int) -> dict[str, Any]:
    ours: Any = registry.load(f"tau2:{name}")
    from tau2.data_model.message import ToolCall
    from tau2.registry import registry as theirs

    make, uuid4 = ours.bench.make, uuid.uuid4  # tau2's own constructor
    try:
        tasks = theirs.get_tasks_loader(name)()
    except Exception as error:  # a part of its data may be missing
        print(f"{name}: its tasks can't be loaded ({type(error).__name__}); calls are drawn from the database alone")
        tasks = []
    source = Calls(make(), tasks, random.Random(seed))
    found: Counter[str] = Counter()
    examples: list[str] = []
    for _ in range(0, worlds, TOGETHER):
        starts = [begun(ours, make(), source.rng.choice(tasks) if tasks else None) for _ in range(TOGETHER)]
        pairs = [(*start, list(source.some(calls)), Drawn(), Drawn()) for start in starts]
        for step in range(calls):
            for world, env, made, drawn, again in pairs:
                call = made[step]
                uuid.uuid4 = drawn
                arguments = json.loads(call.arguments)
                asked = ToolCall(id="c", name=call.name, arguments=arguments, requestor=SIDES[call.side])
                wanted = env.get_response(asked)
                uuid.uuid4 = again
                try:
                    result = ours.tools.execute(world, call.name, call.arguments, call.side)
                    got = result.content, result.error
                except ToolCrash as crash:
                    got = f"crash: {crash}", True
                uuid.uuid4 = uuid4
                found["calls"] += 1
                found["refused"] += wanted.error
                if got != (wanted.content, wanted.error):
                    found["differ"] += 1
                    if len(examples) < 20:
                        examples.append(f"{name} {call}\n  tau2 {wanted.content[:300]!r}\n  ours {got[0][:300]!r}")
    print("\n".join(examples))
    return dict(found)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("domains", nargs="*", default=["mock", "retail", "airline", "telecom"])
    parser.add_argument("--worlds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(argv)
    found = {name: compare(name, given.worlds, given.calls, given.seed) for name in given.domains}
    print(json.dumps({"benchmark": "tau2_answers", "seed": given.seed, "domains": found}))
    return 1 if any(counts.get("differ") for counts in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
