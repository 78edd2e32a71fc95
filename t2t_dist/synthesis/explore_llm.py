"""The explorer that is a model: one call a step, each a JSON object, executed in a real world.

It writes JSON instead of calling tools the engine's way because each call comes with the policy rules it relies on, and
because any chat model can then explore.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel, field_validator, model_validator

from t2t_dist.core.errors import ContextExceeded, EpisodeFailure, FailureClass
from t2t_dist.core.identity import turn_seed
from t2t_dist.core.prompts.render import BadAnswer, parse_json, render
from t2t_dist.core.schema import Step
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import requestor_of
from t2t_dist.environments.tools import AGENT, Kind, ToolCrash, ToolTimeout
from t2t_dist.models.chat import ChatModel, Conversation

#: Unusable answers that end an exploration.
MAX_BAD = 3
SEAT = "explorer"


class Exploration(NamedTuple):
    """``verdict`` is ``kept``, or ``bad_answer`` or ``context_exceeded`` where the explorer did not come to its end.

    ``raw`` holds the answers that could not be used, ``None`` where there were none.
    """

    steps: list[Step]
    verdict: str
    raw: str | None


class Move(BaseModel):
    """An explorer's answer: a call, or that it is finished."""

    thought: str | None = None
    rules: list[int] = []
    tool: str | None = None
    arguments: dict[str, Any] = {}
    done: bool = False

    @field_validator("rules", mode="before")
    @classmethod
    def _numbers(cls, given: Any) -> Any:
        """``"R5"``, as the policy has it, is 5."""
        if given is None:
            return []
        if not isinstance(given, list):
            return given
        return [item.strip().removeprefix("R") if isinstance(item, str) else item for item in given]

    @model_validator(mode="after")
    def _one_thing(self) -> Move:
        if self.done == (self.tool is not None):
            raise ValueError('give either "tool" or "done": true')
        return self


async def explore(
    domain: Domain,
    customer: str,
    tools: Sequence[str],
    budget: int,
    example: Sequence[Step],
    model: ChatModel,
    seed: int,
) -> Exploration:
    """Let a model explore for one customer.

    Args:
        tools: names of the tools it is given.
        budget: calls it may make.
        example: an earlier trajectory's steps, or none.
        seed: each answer's sampling seed derives from it.

    Raises:
        EpisodeFailure: the engine gave no answer, or a tool broke.
    """
    world = domain.world()
    profile = domain.profile(world, customer)
    conversation = Conversation(key=conversation_key(seed))
    conversation.system(
        render(
            "explorer",
            summary=domain.summary or domain.name,
            customer=profile,
            at_hand=domain.at_hand(world, customer),
            workflows=[flow.description for flow in domain.workflow_list],
            own_tools=any(domain.side_of(name) != AGENT for name in tools),
            now=world.now.isoformat(" ", "minutes"),
            budget=budget,
            tools=[_described(domain, name) for name in tools],
            example=[_shown(step) for step in example],
            policy=domain.policy.strip(),
        )
    )
    conversation.user("Make your first call.")
    steps: list[Step] = []
    unusable: list[str] = []
    verdict = "kept"
    asked = 0
    while len(steps) < budget:
        try:
            reply = await model.complete(conversation, seed=turn_seed(str(seed), SEAT, asked), seat=SEAT)
        except ContextExceeded:
            verdict = "context_exceeded"
            break
        asked += 1
        raw = reply.content or ""
        move = parse_json(raw, Move)
        if isinstance(move, Move) and (objection := _objection(move, domain, tools, steps)):
            move = BadAnswer(raw, objection)
        if reply.tool_calls:
            # It has no tools, yet some models call them all the same. Such a call gets no result here, and endpoints
            # refuse a conversation that holds a call without one.
            conversation.assistant(replace(reply, content=raw, tool_calls=()))
        else:
            conversation.assistant(reply)
        if isinstance(move, BadAnswer):
            unusable.append(raw or "\n".join(f"{call.name}({call.arguments})" for call in reply.tool_calls))
            if len(unusable) == MAX_BAD:
                verdict = "bad_answer"
                break
            conversation.user(f"That can't be used: {move.why}. Answer with one JSON object.")
            continue
        if move.tool is None:
            break
        try:
            result = await domain.tools.execute_async(world, move.tool, move.arguments, domain.side_of(move.tool))
        except ToolCrash as error:
            raise EpisodeFailure(str(error), FailureClass.TOOL_CRASH) from error
        except ToolTimeout as error:
            raise EpisodeFailure(str(error), FailureClass.TOOL_TIMEOUT) from error
        steps.append(
            Step(
                tool=move.tool,
                kind=domain.tools[move.tool].kind.value,
                arguments=move.arguments,
                result=result.content,
                error=result.error,
                changed=result.changed,
                rules=move.rules,
                thought=move.thought,
                digest=world.digest,
                requestor=requestor_of(domain, move.tool),
            )
        )
        conversation.user(f"Result ({len(steps)} of {budget} calls used):\n{result.content}")
    return Exploration(steps, verdict, "\n\n".join(unusable) or None)


def conversation_key(seed: int) -> str:
    """Names an exploration's conversation to whoever balances its calls."""
    return f"explore-{seed}"


def _objection(move: Move, domain: Domain, tools: Sequence[str], steps: Sequence[Step]) -> str | None:
    """Why a move may not be made here. What only its tool would refuse is made, and recorded as refused."""
    if move.tool is None:
        return None
    if move.tool not in tools:
        return f"'{move.tool}' is not one of your tools, which are {', '.join(tools)}"
    if unknown := sorted(set(move.rules) - set(domain.clauses)):
        return f"the policy has no rule {', '.join(map(str, unknown))}"
    tool = domain.tools[move.tool]
    if tool.kind is Kind.WRITE and tool.side == AGENT and not move.rules and domain.clauses:
        return f"{move.tool} changes something: name the rules of the policy it relies on"
    if any(step.tool == move.tool and step.arguments == move.arguments for step in steps):
        return "you have made this very call already"
    return None


def _described(domain: Domain, name: str) -> dict[str, str]:
    tool = domain.tools[name]
    schema = tool.schema["function"]["parameters"]
    return {
        "name": name,
        "kind": "changes something" if tool.kind is Kind.WRITE else "changes nothing",
        "whose": "" if tool.side == AGENT else "on the customer's own device, ",
        "description": tool.description,
        "arguments": orjson.dumps(schema.get("properties", {})).decode(),
    }


def _shown(step: Step) -> dict[str, Any]:
    arguments = ", ".join(f"{name}={orjson.dumps(value).decode()}" for name, value in step.arguments.items())
    rules = ", ".join(f"R{number}" for number in step.rules)
    return {"tool": step.tool, "arguments": arguments, "rules": rules, "error": step.error}
