"""Grade: a pure function of (task, transcript, domain).

The transcript's calls are made again on a fresh world; nothing but stored data is needed, so ``regrade`` repeats every
reward. Reward is the product of the parts in the task's basis, and 0 for a conversation that was cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import orjson

from t2t_dist.core.schema import CallPattern, Outcome, RecordChange, Task, Turn, TurnCall
from t2t_dist.core.speech_acts import mentions, says_number
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tool_faults import injected
from t2t_dist.environments.tools import AGENT, USER, ToolCrash
from t2t_dist.synthesis.intents.gold import matches
from t2t_dist.tau2 import PART
from t2t_dist.tau2.initial_world import world_of
from t2t_dist.tau2.second_verdict import has_verdict, own_basis, tau2_verdict, told

from .expected import expected
from .process_checks import ProcessChecks

#: A conversation that ended by itself. The others (max_steps, too_many_errors, context_exceeded) were cut off.
ENDED = frozenset({"user_stop", "agent_stop", "transfer"})


def grade(
    domain: Domain, task: Task, turns: Sequence[Turn], termination: str, faults: Mapping[str, str] = {}
) -> Outcome:
    """Parts, reward, process checks and the replayed final state of an episode.

    Parts (1.0 or 0.0 each): ``ended, db, forbidden, required, communicate, process``. ``detail`` says, part by part,
    what was wrong. ``faults`` are those that the episode's tools were given. Where tau2 has a say (an imported task, a
    world of tau2's) ``detail["tau2"]`` is its verdict, which is the reward where ``tau2`` stands in the basis, and
    ``detail["tau2_differs"]`` why it is not ours.
    """
    world, tools, wanted = world_of(domain, task), injected(domain, faults).tools, expected(domain, task, faults)
    checks = ProcessChecks(domain, task)
    issued: list[tuple[str, dict[str, Any]]] = []
    said: list[str] = []
    detail: dict[str, str] = {}
    for place, turn in enumerate(turns):
        checks.turn(turn)
        if turn.seat == AGENT and turn.role == "assistant" and turn.content:
            said.append(turn.content)
        answers = list(takewhile(lambda later: later.role == "tool", turns[place + 1 :])) if turn.tool_calls else []
        for number, call in enumerate(turn.tool_calls):
            side = USER if turn.seat == USER else AGENT
            if number >= len(answers):
                # Asked for when the conversation was cut off, never made.
                if side == AGENT:
                    issued.append((call.name, loose(call)))
                continue
            try:
                result = tools.execute(world, call.name, call.arguments, side)
            except ToolCrash as crash:
                detail["replay"] = str(crash)
                continue
            # By place, not by id: engines may use an id again in a later turn.
            if result.content != answers[number].content:
                detail.setdefault("replay", f"{call.name} answered differently when it was made again")
            if side == AGENT:
                issued.append((call.name, result.arguments if result.arguments is not None else loose(call)))
                checks.call(call.name, result)
    grader = task.grader
    parts = {
        "ended": float(termination in ENDED),
        "db": float(world.digest in wanted.finals),
        "forbidden": 1.0,
        "required": 1.0,
        "communicate": 1.0,
    }
    if not parts["ended"]:
        detail["ended"] = f"cut off: {termination}"
    if not parts["db"]:
        detail["db"] = _difference(world.changes(), wanted.changes)
    for pattern in grader.forbidden:
        if _issued(pattern, issued):
            parts["forbidden"], detail["forbidden"] = 0.0, f"{pattern.name} was issued"
    for pattern in grader.required:
        if not _issued(pattern, issued):
            parts["required"], detail["required"] = 0.0, f"{pattern.name} was not issued"
    for fact in wanted.communicate:
        if not any(says_fact(text, fact) for text in said):
            parts["communicate"], detail["communicate"] = 0.0, f"'{fact}' was never said"
    process = checks.result()
    parts["process"] = float(all(process.values()))
    reward = parts["ended"]
    basis = own_basis(task)
    for name in basis:
        reward *= parts[name]
    if has_verdict(domain, task):
        theirs = tau2_verdict(domain, task, turns, termination)
        detail |= told(theirs, reward, parts, basis)
        if PART in grader.basis:
            reward = theirs.reward or 0.0
    return Outcome(reward=reward, parts=parts, process=process, detail=detail, final=world.digest)


def loose(call: TurnCall) -> dict[str, Any]:
    """Arguments of a call that could not be checked, as far as they can be read."""
    try:
        parsed = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _issued(pattern: CallPattern, issued: Sequence[tuple[str, dict[str, Any]]]) -> bool:
    return any(matches(pattern, name, arguments) for name, arguments in issued)


def says_fact(text: str, fact: str) -> bool:
    """Numbers match as whole numbers, other facts as words."""
    if fact.replace(".", "", 1).replace(",", "").isdigit():
        return says_number(text, fact)
    return mentions(text, [fact])


def _difference(changes: Sequence[Any], wanted: Sequence[RecordChange]) -> str:
    """The records in which the final state is not the gold's, in a few words."""
    mine = {(change.table, change.key): change.after for change in changes}
    gold = {(change.table, change.key): change.after for change in wanted}
    missing = [f"{t}/{k}" for (t, k) in gold if (t, k) not in mine]
    extra = [f"{t}/{k}" for (t, k) in mine if (t, k) not in gold]
    other = [f"{t}/{k}" for (t, k) in mine if (t, k) in gold and mine[(t, k)] != gold[(t, k)]]
    named = (("not changed", missing), ("changed without need", extra), ("changed otherwise", other))
    return "; ".join(f"{what}: {', '.join(where[:4])}" for what, where in named if where) or "another state"
