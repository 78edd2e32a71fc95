"""Our `tau2` verdict beside tau2's own evaluator, on transcripts played in tau2's environments: a table of both.

    python -m tests.environments.adapters.tau2.agreement [retail mock telecom]

Needs an installed tau2 (1.0.1). Prints what differs, a table, and one JSON object; exit code 1 if anything differs.
Assertions in words are judged by a model in tau2; here a stand-in on both sides says that all of them hold.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from t2t_dist.environments import registry
from t2t_dist.environments.adapters.tau2.tables import tables_of
from t2t_dist.tau2.messages import of_history
from t2t_dist.tau2.task_format import form_of
from t2t_dist.tau2.verdict import Verdict, grounds_of, verdict

KINDS = (
    "gold replay",
    "nothing done",
    "gold minus one write",
    "gold plus one foreign write",
    "wrong argument",
    "issued but refused call",
    "early termination",
    "facts left unsaid",
    "a tool that is not there",
)
Gold = dict[str, Any]


class Bench:
    """One domain of tau2 with its base tasks."""

    def __init__(self, name: str) -> None:
        self.ours = registry.load(f"tau2:{name}")  # first: it sees to tau2's log lines
        from tau2.data_model.tasks import Task
        from tau2.registry import registry as theirs
        from tau2.utils.utils import DATA_DIR

        file = DATA_DIR / "tau2" / "domains" / name / ("tasks_small.json" if name == "telecom" else "tasks.json")
        data = json.loads(Path(file).read_text("utf-8"))
        self.raw: dict[str, Any] = {raw["id"]: raw for raw in (data["tasks"] if isinstance(data, dict) else data)}
        self.tasks = {key: Task.model_validate(raw) for key, raw in self.raw.items()}
        self.name, self.make = name, theirs.get_env_constructor(name)
        self.grounds = grounds_of(self.ours)
        self.writes = [call for key in self.raw for call in self.gold(key) if self.mutates(call["name"])]

    def read_back(self) -> tuple[int, int]:
        """How many records of the database there are, and of how many tau2's text is another once they were stored."""
        env, count, differ = self.make(), 0, 0
        own = [] if env.user_tools is None else tables_of(env.user_tools.db, "user.")
        for table in [*tables_of(env.tools.db, ""), *own]:
            for value in getattr(table, "tracked", {}).values():
                str(value)  # looked at
            for key, text in table.texts().items():
                count += 1
                differ += text != table.text_of(self.ours.base.tables.get(table.name, {}), key)
        return count, differ

    def gold(self, key: str) -> list[Gold]:
        criteria = self.raw[key].get("evaluation_criteria") or {}
        return [{"requestor": "assistant", **action} for action in criteria.get("actions") or ()]

    def mutates(self, name: str) -> bool:
        tool = self.ours.tools.get(name)
        return tool is not None and tool.kind.value == "write"

    def start(self, key: str) -> tuple[Any, list[Any]]:
        """tau2's environment in the task's initial state, and the messages so far."""
        state, env = self.tasks[key].initial_state, self.make()
        history = list((state and state.message_history) or [])
        env.set_state(
            initialization_data=state and state.initialization_data,
            initialization_actions=state and state.initialization_actions,
            message_history=history,
        )
        return env, history

    def play(self, key: str, calls: Sequence[Gold], say: Sequence[str] = (), env: Any = None) -> Iterator[Any]:
        """The messages of a conversation in which these calls are made."""
        from tau2.data_model.message import AssistantMessage, ToolCall, UserMessage

        env, history = self.start(key) if env is None else (env, [])
        yield from history
        yield AssistantMessage(role="assistant", content="Hi! How can I help you today?")
        yield UserMessage(role="user", content="I have a request.")
        for number, call in enumerate(calls):
            made = ToolCall(
                id=f"c{number}", name=call["name"], arguments=deepcopy(call["arguments"]), requestor=call["requestor"]
            )
            kind, role = (UserMessage, "user") if call["requestor"] == "user" else (AssistantMessage, "assistant")
            yield kind(role=role, content=None, tool_calls=[made])
            yield env.get_response(made)
        for text in say:
            yield AssistantMessage(role="assistant", content=f"For you: {text}, as you asked.")
        yield AssistantMessage(role="assistant", content="Is there anything else?")
        yield UserMessage(role="user", content="###STOP###")

    # -- the transcripts -----------------------------------------------------------------------------------------------
    def transcripts(self, key: str) -> Iterator[tuple[str, list[Any], str]]:
        """(kind, messages, termination); a kind that the task does not allow is left out."""
        gold = self.gold(key)
        criteria = self.raw[key].get("evaluation_criteria") or {}
        facts = list(criteria.get("communicate_info") or ())
        places = [place for place, call in enumerate(gold) if self.mutates(call["name"])]
        whole = list(self.play(key, gold, facts))
        yield "gold replay", whole, "user_stop"
        yield "nothing done", list(self.play(key, [])), "user_stop"
        if places:
            less = [call for place, call in enumerate(gold) if place != places[-1]]
            yield "gold minus one write", list(self.play(key, less, facts)), "user_stop"
        if (foreign := self.foreign(key, gold)) is not None:
            yield "gold plus one foreign write", list(self.play(key, [*gold, foreign], facts)), "user_stop"
        if (wrong := self.wrong(gold, places)) is not None:
            yield "wrong argument", list(self.play(key, wrong, facts)), "user_stop"
        if (refused := self.refused(key, gold)) is not None:
            yield "issued but refused call", list(self.play(key, [*gold, refused], facts)), "agent_stop"
        yield "early termination", whole, "max_steps"
        if facts:
            yield "facts left unsaid", list(self.play(key, gold, facts[1:])), "user_stop"
        there_is_none = {"name": "open_the_vault", "arguments": {"key": "x"}, "requestor": "assistant"}
        yield "a tool that is not there", list(self.play(key, [*gold, there_is_none], facts)), "user_stop"

    def foreign(self, key: str, gold: Sequence[Gold]) -> Gold | None:
        """A write that is not the task's and is accepted after its gold."""
        shift = list(self.raw).index(key)
        known = [(call["name"], call["arguments"]) for call in gold]
        others = [call for call in self.writes if (call["name"], call["arguments"]) not in known]
        env, _ = self.start(key)
        list(self.play(key, gold, env=env))
        before = env.get_db_hash(), env.get_user_db_hash()
        for number in range(min(25, len(others))):
            call = others[(shift * 7 + number) % len(others)]
            list(self.play(key, [call], env=env))
            if (env.get_db_hash(), env.get_user_db_hash()) != before:
                return call
        return None

    def wrong(self, gold: Sequence[Gold], places: Sequence[int]) -> list[Gold] | None:
        """The gold with another value for one argument: one that other tasks have there, else one nobody has."""
        for place in reversed(places or range(len(gold))):
            call = gold[place]
            for name, value in reversed(call["arguments"].items()):
                pool = [
                    w["arguments"][name] for w in self.writes if w["name"] == call["name"] and name in w["arguments"]
                ]
                other = next((v for v in pool if v != value), f"{value}x" if isinstance(value, str) else None)
                if other is not None:
                    changed = {**call, "arguments": {**call["arguments"], name: other}}
                    return [changed if number == place else kept for number, kept in enumerate(gold)]
        return None

    def refused(self, key: str, gold: Sequence[Gold]) -> Gold | None:
        """A call of a tool that writes, which the tool refuses."""
        for call in self.writes:
            garbled = {n: f"no such {n}" if isinstance(v, str) else v for n, v in call["arguments"].items()}
            bad = {**call, "arguments": garbled}
            env, _ = self.start(key)
            if any(getattr(m, "error", False) for m in self.play(key, [bad], env=env)):
                return bad
        return None

    # -- the verdicts --------------------------------------------------------------------------------------------------
    def theirs(self, key: str, messages: list[Any], termination: str) -> dict[str, Any]:
        from tau2.data_model.simulation import SimulationRun
        from tau2.evaluator.evaluator import EvaluationType, evaluate_simulation

        simulation = SimulationRun(
            id="s", task_id=key, start_time="0", end_time="1", duration=1.0, termination_reason=termination,
            messages=messages,
        )  # fmt: skip
        try:
            info = evaluate_simulation(
                simulation, self.tasks[key], EvaluationType.ALL, solo_mode=False, domain=self.name
            )
        except Exception as error:
            return {"reward": None, "error": f"{type(error).__name__}: {str(error)[:200]}"}
        return {
            "reward": info.reward,
            "parts": {part.value: value for part, value in (info.reward_breakdown or {}).items()},
            "db": info.db_check.db_match if info.db_check else None,
            "env": [check.met for check in info.env_assertions or ()],
            "actions": [check.action_match for check in info.action_checks or ()],
            "communicate": [check.met for check in info.communicate_checks or ()],
        }

    def mine(self, key: str, messages: list[Any], termination: str) -> Verdict:
        history = [message.model_dump() for message in messages]
        return verdict(
            self.grounds,
            form_of(self.raw[key], key),
            of_history(history),
            termination,
            judge=lambda assertion: True,
            strict=True,
        )


def stand_in() -> None:
    """All assertions in words hold: no model is asked."""
    from tau2.data_model.simulation import NLAssertionCheck
    from tau2.evaluator.evaluator_nl_assertions import NLAssertionsEvaluator

    def judged(cls: type, trajectory: object, assertions: list[str]) -> list[Any]:
        return [NLAssertionCheck(nl_assertion=text, met=True, justification="stand-in") for text in assertions]

    NLAssertionsEvaluator.evaluate_nl_assertions = classmethod(judged)  # type: ignore[assignment]


def same(theirs: dict[str, Any], mine: Verdict) -> bool:
    """Reward and every part and check; where tau2 raises, so do we."""
    if theirs["reward"] is None or mine.reward is None:
        return theirs["reward"] is None and mine.reward is None
    return (
        theirs["reward"] == mine.reward
        and theirs["parts"] == mine.parts
        and theirs["db"] == mine.db
        and theirs["env"] == (mine.env or [])
        and theirs["actions"] == (mine.actions or [])
        and theirs["communicate"] == (mine.communicate or [])
    )


def main(names: Sequence[str]) -> int:
    logging.disable(logging.WARNING)
    began, table, different, raised = time.monotonic(), dict[str, Counter[str]](), 0, Counter[str]()
    rewards: Counter[str] = Counter()
    records: dict[str, int] = {}
    ours_s = theirs_s = 0.0
    for name in names:
        bench = Bench(name)
        stand_in()
        count = table.setdefault(name, Counter())
        records[name], wrong = bench.read_back()
        different += wrong
        for key in bench.raw:
            for kind, messages, termination in bench.transcripts(key):
                start = time.monotonic()
                theirs = bench.theirs(key, messages, termination)
                middle = time.monotonic()
                mine = bench.mine(key, messages, termination)
                theirs_s, ours_s = theirs_s + middle - start, ours_s + time.monotonic() - middle
                agree = same(theirs, mine)
                count[f"{kind}/all"] += 1
                count[f"{kind}/agree"] += agree
                rewards[f"{name}/{kind}/{theirs['reward']}"] += 1
                raised[name] += theirs["reward"] is None
                if not agree:
                    different += 1
                    print(f"{name} {key} {kind}\n  theirs {theirs}\n  ours   {mine}")
    print(f"{'transcript':<30}" + "".join(f"{name:>14}" for name in names))
    for kind in KINDS:
        cells = [f"{c[f'{kind}/agree']}/{c[f'{kind}/all']}" if c[f"{kind}/all"] else "-" for c in table.values()]
        print(f"{kind:<30}" + "".join(f"{cell:>14}" for cell in cells))
    total = sum(n for c in table.values() for k, n in c.items() if k.endswith("/all"))
    summary = {
        "benchmark": "tau2_agreement",
        "compared": total,
        "differ": different,
        "records_stored_and_read_back": records,
        "tau2_raised": dict(raised),
        "rewards": dict(sorted(rewards.items())),
        "ms_each": {"tau2": round(1000 * theirs_s / max(total, 1), 2), "ours": round(1000 * ours_s / max(total, 1), 2)},
        "seconds": round(time.monotonic() - began, 1),
    }
    print(json.dumps(summary))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["retail", "mock", "telecom"]))
