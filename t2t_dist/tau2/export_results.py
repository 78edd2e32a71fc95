"""``t2t export --format tau2-results``: an evaluation as a ``results.json`` that tau2's own commands read.

The reward of each simulation is tau2's verdict, so that ``tau2 evaluate-trajs`` confirms it; ours stands under
``info``. Failed episodes, those with half a reply (see ``models/finish_reasons.py``), and those that tau2's evaluator
raises an error for are infrastructure errors, which tau2 leaves out of its averages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from t2t_dist.config.domain import load_domain
from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import code_version
from t2t_dist.core.schema import Task, Turn
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.adapters.tau2.domain import replayable_arguments
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import USER
from t2t_dist.models.finish_reasons import was_broken_off
from t2t_dist.storage.rows import turn_of
from t2t_dist.storage.source_run import Source

from .export_tasks import tasks_of, write_json
from .second_verdict import TERMINATIONS, form_for, tau2_verdict
from .task_format import Form
from .to_tau2 import exported
from .verdict import Verdict

_INFRASTRUCTURE = "infrastructure_error"
#: The stage of the episodes to export; those of other stages show that a task can be solved.
_ROLLOUT = "rollout"


def export_results(run: str, out: str, agent: str | None) -> int:
    """Write one agent's episodes into a file; returns how many.

    Raises:
        InputError: no run, a run without episodes, no agent named among several, a file that exists.
    """
    source = Source(run)
    config = source.manifest.config
    domain = load_domain(config)
    seen = source.reader.rows("episodes", columns=["agent", "stage"])
    agents = sorted({row["agent"] for row in seen if row["stage"] == _ROLLOUT})
    if not agents:
        raise InputError(f"{run} holds no episodes; evaluate an agent first")
    chosen = agent or agents[0]
    if chosen not in agents or (agent is None and len(agents) > 1):
        raise InputError(f"{run} has episodes of {', '.join(agents)}; a results.json is of one: name it with --agent")
    tasks = tasks_of(source).tasks_by_id()
    simulations, used = [], dict[str, Task]()
    for row in _rows(source, chosen):
        task = tasks.get(row["task_id"])
        if task is None:
            continue  # a failure of a whole work item names no task
        used.setdefault(task.task_id, task)
        simulations.append(_simulation(domain, task, row))
    order = list(used)
    simulations.sort(key=lambda s: (s["trial"], order.index(s.pop("_of")), s["id"]))
    info = {
        "git_commit": code_version(),
        "num_trials": 1 + max(s["trial"] for s in simulations),
        "max_steps": config.limits.max_steps,
        "max_errors": config.limits.max_errors,
        "user_info": {"implementation": "t2t", "llm": config.user, "llm_args": None},
        "agent_info": {"implementation": "t2t", "llm": chosen, "llm_args": None},
        "environment_info": {"domain_name": _domain_name(config.domain), "policy": domain.policy, "tool_defs": None},
        "seed": config.seed,
    }
    results = {
        "timestamp": _time(max(row for row in (_seconds(s["end_time"]) for s in simulations))),
        "info": info,
        "tasks": [exported(task, domain) for task in used.values()],
        "simulations": simulations,
    }
    write_json(out, results)
    return len(simulations)


def _rows(source: Source, agent: str) -> Iterator[dict[str, Any]]:
    for table in ("episodes", "failures"):
        for row in source.reader.rows(table):
            if row["agent"] == agent and row["stage"] == _ROLLOUT:
                yield row


def _domain_name(name: str) -> str:
    return name.removeprefix("tau2:").partition("@")[0]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _simulation(domain: Domain, task: Task, row: dict[str, Any]) -> dict[str, Any]:
    turns = [turn_of(turn) for turn in row["turns"]]
    raw = exported(task, domain)
    made: dict[str, Any] = {
        "_of": task.task_id,
        "id": row["episode_id"],
        "task_id": raw["id"],
        "start_time": _time(row["started"]),
        "end_time": _time(row["started"] + row["duration"]),
        "duration": row["duration"],
        "trial": row["trial"],
        "seed": row.get("seed"),
        "messages": messages(turns, row["started"]),
    }
    if "reward" not in row:
        made["termination_reason"] = _INFRASTRUCTURE
        made["reward_info"] = {"reward": 0.0, "info": {"note": f"{row['failure']}: {row['message']}"}}
        return made
    found = tau2_verdict(domain_of(domain, task), task, turns, row["termination"])
    half = next((turn for turn in turns if was_broken_off(turn.finish_reason)), None)
    if found.reward is None or half is not None:
        # Where tau2's evaluator raises, its runs store this; evaluate-trajs would give up the whole file.
        why = f"tau2 gives no verdict: {found.error}" if half is None else f"half a reply: {half.finish_reason}"
        made["termination_reason"] = _INFRASTRUCTURE
        made["reward_info"] = {"reward": 0.0, "info": {"note": why}}
    else:
        made["termination_reason"] = TERMINATIONS.get(row["termination"], "unexpected_error")
        made["reward_info"] = reward_info(found, form_for(domain, task), raw)
    made["info"] = {"t2t": {"reward": row["reward"], "termination": row["termination"], "agent": row["agent"]}}
    return made


def reward_info(verdict: Verdict, form: Form, raw: dict[str, Any]) -> dict[str, Any]:
    """A verdict with a reward, as tau2 stores one."""
    info: dict[str, Any] = {"reward": verdict.reward, "info": {"note": "; ".join(verdict.notes)}}
    criteria = form.evaluation_criteria
    if criteria is None or (verdict.db is None and not verdict.parts):
        return info | {"reward_basis": None}
    listed = raw["evaluation_criteria"]
    info["reward_basis"] = list(criteria.reward_basis)
    info["reward_breakdown"] = verdict.parts
    info["db_check"] = {"db_match": bool(verdict.db), "db_reward": float(bool(verdict.db))}
    if verdict.env is not None:
        info["env_assertions"] = [
            {"env_assertion": assertion, "met": met, "reward": float(met)}
            for assertion, met in zip(listed.get("env_assertions") or (), verdict.env, strict=True)
        ]
    if verdict.actions is not None:
        info["action_checks"] = [
            {"action": action, "action_match": met, "action_reward": float(met)}
            for action, met in zip(listed["actions"], verdict.actions, strict=True)
        ]
    if verdict.communicate is not None:
        info["communicate_checks"] = [
            {"info": fact, "met": met, "justification": "said" if met else "not said"}
            for fact, met in zip(listed["communicate_info"], verdict.communicate, strict=True)
        ]
    return info


def messages(turns: Sequence[Turn], started: float) -> list[dict[str, Any]]:
    """Turns as tau2's messages. A tool message has the id of its call; answers follow their calls in order."""
    found: list[dict[str, Any]] = []
    waiting: list[str] = []
    clock = started
    for number, turn in enumerate(turns):
        clock += turn.t_queue + turn.t_model + turn.t_tool
        common = {"turn_idx": number, "timestamp": _time(clock)}
        who = "user" if turn.seat == USER else "assistant"
        if turn.role == "tool":
            identity = waiting.pop(0) if waiting else turn.tool_call_id or ""
            message: dict[str, Any] = {"role": "tool", "id": identity, "content": turn.content, "requestor": who}
            found.append(message | {"error": turn.error} | common)
            continue
        waiting = [f"{number}_{place}_{call.id}" for place, call in enumerate(turn.tool_calls)]
        calls = [
            {"id": identity, "name": call.name, "arguments": replayable_arguments(call.arguments), "requestor": who}
            for identity, call in zip(waiting, turn.tool_calls, strict=True)
        ]
        usage = {"prompt_tokens": turn.prompt_tokens, "completion_tokens": turn.completion_tokens}
        found.append(
            {"role": who, "content": turn.content, "tool_calls": calls or None}
            | common
            | ({"usage": usage} if turn.model else {})
        )
    return found
