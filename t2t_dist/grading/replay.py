"""Replay: the calls of a transcript, made again on a fresh world. Grading and diagnosis both read its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

from t2t_dist.core.schema import CallPattern, Task, Turn
from t2t_dist.environments.base import Domain
from t2t_dist.environments.rules import Rule
from t2t_dist.environments.state import World
from t2t_dist.environments.tool_faults import with_tool_faults
from t2t_dist.environments.tools import AGENT, USER, Call, Kind, ToolCrash, ToolResult
from t2t_dist.synthesis.grader_side import fields_of, matches, subject_of
from t2t_dist.tau2.initial_world import world_of

from .process_checks import ProcessChecks


class ReplayedCall(NamedTuple):
    """One call of a transcript, and what was known when it was issued.

    ``place`` is its turn's place in the transcript, ``side`` AGENT or USER, ``kind`` its tool's kind ("" for a tool
    that does not exist). ``arguments`` are the checked ones where they are ``valid``, else whatever could be parsed.
    ``changes_said``: how often the customer had changed their mind by then. ``made_to_fail``: by a planned tool fault.
    ``breaks_rule``: see :func:`breaks_rule`.
    """

    place: int
    side: str
    name: str
    arguments: dict[str, Any]
    kind: str
    valid: bool
    error: bool
    changed: bool
    changes_said: int
    made_to_fail: bool = False
    breaks_rule: bool = False

    def is_one_of(self, patterns: Sequence[CallPattern]) -> bool:
        return any(matches(pattern, self.name, self.arguments) for pattern in patterns)


@dataclass
class Replay:
    """The result of a replay.

    Attributes:
        calls: every call of both sides, in order; those that the conversation's end cut off are there, as invalid
            ones, and those that crashed are not.
        said: the agent's texts, those beside a call included, which the customer does not get.
        heard: those that the customer gets.
        world: the final world.
        process: process check -> whether it was kept.
        out_of_order: the rules about the order of calls that were broken, each with the call that broke it.
        detail: how the replay departed from the transcript; ``None`` if it did not.
    """

    calls: list[ReplayedCall]
    said: list[str]
    heard: list[str]
    world: World
    process: dict[str, bool]
    out_of_order: list[tuple[int, Call]]
    detail: str | None = None

    @property
    def issued(self) -> list[ReplayedCall]:
        """The agent's calls."""
        return [call for call in self.calls if call.side == AGENT]


def replay(domain: Domain, task: Task, turns: Sequence[Turn], faults: Mapping[str, str] = {}) -> Replay:
    """Make the calls of a transcript again, under the tool faults that the episode was given.

    Pure: the transcript and the task stay as they are. Raises InputError: the domain can't set up the task's world.
    """
    world, tools, checks = world_of(domain, task), with_tool_faults(domain, faults).tools, ProcessChecks(domain, task)
    cited = cited_rule(domain, task)
    calls: list[ReplayedCall] = []
    said: list[str] = []
    heard: list[str] = []
    detail: str | None = None
    for place, turn in enumerate(turns):
        checks.turn(turn)
        if turn.seat == AGENT and turn.role == "assistant" and turn.content:
            said.append(turn.content)
            if not turn.tool_calls:
                heard.append(turn.content)
        if not turn.tool_calls:
            continue
        side = USER if turn.seat == USER else AGENT
        answers = list(takewhile(lambda later: later.role == "tool", turns[place + 1 :]))
        for number, call in enumerate(turn.tool_calls):
            tool = tools.get(call.name)
            kind = tool.kind.value if tool is not None else ""
            if number >= len(answers):
                # Issued when the conversation was cut off, never executed.
                unread = fields_of(call.arguments)
                calls.append(
                    ReplayedCall(place, side, call.name, unread, kind, False, True, False, checks.changes_said)
                )
                continue
            breakable = cited is not None and side == AGENT and call.name in cited.tools
            before = world.fork() if breakable or kind == Kind.WRITE.value else world
            try:
                result = tools.execute(world, call.name, call.arguments, side)
            except ToolCrash as crash:
                detail = crash.what
                continue
            # By place, not by id: engines may use an id again in a later turn.
            if result.content != answers[number].content and detail is None:
                detail = f"{call.name} answered differently when it was made again"
            checks.call(call.name, result, before)
            valid = result.arguments is not None
            arguments = result.arguments if result.arguments is not None else fields_of(call.arguments)
            changed = result.changed and not result.error
            said_by_now, planned = checks.changes_said, result.made_to_fail
            breaks = breakable and breaks_rule(task, cited, before, call.name, result)
            calls.append(
                ReplayedCall(
                    place, side, call.name, arguments, kind, valid, result.error, changed, said_by_now, planned, breaks
                )
            )
    return Replay(calls, said, heard, world, checks.result(), checks.out_of_order(), detail)


def cited_rule(domain: Domain, task: Task) -> Rule | None:
    """The rule that a refusal or hand-over of this task rests on."""
    return next((rule for rule in domain.rule_list if rule.number == task.grader.rule), None)


def breaks_rule(task: Task, cited: Rule | None, before: World, name: str, result: ToolResult) -> bool:
    """Whether a call of the agent's breaks the rule that the task is about, on the world ``before`` it.

    A refused call about something else than the forbidden one (a write made twice, say) is a slip and does not count.
    """
    if cited is None or name not in cited.tools or result.arguments is None:
        return False
    if result.error:
        forbidden = task.certificate.forbidden_call if task.certificate is not None else None
        if forbidden is None or subject_of(forbidden.arguments) != subject_of(result.arguments):
            return False
    return cited.broken_by(before, Call(name, result.arguments), task.customer) is not None
