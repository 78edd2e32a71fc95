"""Transcripts written by a test, turn by turn, with their calls made on a live world."""

from __future__ import annotations

from typing import Any

import orjson

from t2t_dist.core.schema import GoldCall, Task, ToolCall, Turn
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call, ToolResult


class Transcript:
    """A conversation in the making. ``world`` is the live one."""

    def __init__(self, domain: Domain) -> None:
        self.domain, self.world = domain, domain.world()
        self.turns = [Turn("agent", "assistant", "Hello! How can I help you today?")]

    def agent(self, text: str) -> Transcript:
        self.turns.append(Turn("agent", "assistant", text))
        return self

    def user(self, text: str) -> Transcript:
        self.turns.append(Turn("user", "user", text))
        return self

    def call(
        self, name: str, arguments: dict[str, Any] | str, *, text: str | None = None, seat: str = "agent", id: str = ""
    ) -> ToolResult:
        """One call in a turn of its own, and its result."""
        return self.calls((name, arguments), text=text, seat=seat, ids=[id] if id else None)[0]

    def calls(
        self,
        *wanted: tuple[str, dict[str, Any] | str],
        text: str | None = None,
        seat: str = "agent",
        ids: list[str] | None = None,
    ) -> list[ToolResult]:
        """Several calls in one turn, and their results."""
        turn = self.asked_for(*wanted, text=text, seat=seat, ids=ids)
        results = []
        for call in turn.tool_calls:
            result = self.domain.tools.execute(self.world, call.name, call.arguments, seat)
            self.turns.append(Turn(seat, "tool", result.content, tool_call_id=call.id, error=result.error))
            results.append(result)
        return results

    def asked_for(
        self,
        *wanted: tuple[str, dict[str, Any] | str],
        text: str | None = None,
        seat: str = "agent",
        ids: list[str] | None = None,
    ) -> Turn:
        """A turn whose calls were never made: the conversation was cut off there."""
        ids = ids or [f"call_{len(self.turns)}_{n}" for n in range(len(wanted))]
        made = [
            ToolCall(id, name, arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode())
            for id, (name, arguments) in zip(ids, wanted, strict=True)
        ]
        turn = Turn(seat, "user" if seat == "user" else "assistant", text, tool_calls=made)
        self.turns.append(turn)
        return turn

    def confirmed(self, call: GoldCall, customer: str) -> Transcript:
        """A write in good order: announced with its details, agreed to, made."""
        made = Call(call.name, call.arguments)
        said = [self.domain.describe(self.world, made, slot, customer).text for slot in call.arguments]
        self.agent(f"I am about to do this: {call.name}, {'; '.join(said)}. Shall I go ahead?")
        self.user("Yes, please go ahead.")
        assert not self.call(call.name, call.arguments).error
        return self


def gone_well(domain: Domain, task: Task) -> Transcript:
    """The conversation that a perfect agent has on the task."""
    domain = domain_of(domain, task)
    talk = Transcript(domain)
    talk.user(task.user.goals[0].request).agent("Who are you, please?").user(task.user.identity[0].answer)
    for call in task.grader.gold:
        if call.requestor is not None:
            talk.agent("Please take the next step on your phone.")
        if call.kind != "write" or call.requestor is not None:
            assert not talk.call(call.name, call.arguments, seat=call.requestor or "agent").error
            continue
        for change in [change for change in task.user.changes if change.goal == call.goal]:
            talk.agent("I am about to do what you asked for. Shall I go ahead?").user(change.request)
        talk.confirmed(call, task.customer)
    for pattern in task.grader.required:
        schema = domain.tools[pattern.name].schema["function"]["parameters"]
        arguments = dict.fromkeys(schema.get("required", ()), "what was wanted")
        assert not talk.call(pattern.name, {**arguments, **(pattern.arguments or {})}).error
    end = "That's all done."
    if task.grader.handling == "refuse":
        reason = task.certificate.reason if task.certificate else None
        end = f"I'm sorry, but that is not possible: {reason or 'our rules say so'}."
    talk.agent(" ".join([end, *(f"The amount is ${figure}." for figure in task.grader.communicate)]))
    return talk.user("Thanks! ###STOP###")
