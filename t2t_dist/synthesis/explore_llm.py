"""The explorer that is a model: one call per step, each a JSON object, executed in a real world.

It writes JSON instead of native tool calls because each call names the policy rules it relies on, and because any chat
model can then explore.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel, field_validator, model_validator

from t2t_dist.core.errors import ContextExceeded, EpisodeFailure, FailureClass
from t2t_dist.core.identity import turn_seed
from t2t_dist.core.offload import offload
from t2t_dist.core.prompts.render import UnusableAnswer, parse_json, render
from t2t_dist.core.schema import Step, Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import requestor_of
from t2t_dist.environments.rules import clauses
from t2t_dist.environments.tools import AGENT, Kind, ToolCrash, ToolTimeout
from t2t_dist.models.chat import ChatModel, Conversation

from .explore import GraphExplorer, step_budget

#: Unusable answers that end an exploration.
MAX_BAD = 3
#: Kept trajectories that an explorer remembers as examples; the oldest are dropped first.
POOL = 64
SEAT = "explorer"


class Exploration(NamedTuple):
    """The result of one exploration.

    ``verdict`` is ``kept``, or ``bad_answer`` or ``context_exceeded`` where it was cut short. ``raw`` holds the answers
    that could not be used, ``None`` where there were none.
    """

    steps: list[Step]
    verdict: str
    raw: str | None


class Move(BaseModel):
    """An explorer's answer: a call, or ``done``."""

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


class LlmExplorer:
    """An explorer per worker: any chat model, with tools, a step budget and an example for each trajectory.

    The examples are trajectories that this worker has kept. Until there is one, a walk of the dependency graph for
    another customer serves as the example.
    """

    def __init__(self, model: ChatModel) -> None:
        self.model = model
        self._pool: list[list[Step]] = []

    async def explore(self, domain: Domain, trajectory: Trajectory, weights: Mapping[str, float] | None = None) -> None:
        """Fill in the trajectory's tools, steps and verdict.

        ``weights``: how much each write is wanted, 1.0 by default. Raises EpisodeFailure.
        """
        rng = random.Random(trajectory.seed)
        walk = await offload(domain, GraphExplorer, domain, trajectory.customer, rng, weights)
        trajectory.tools = [tool.name for tool in walk.tools]
        if self._pool:
            example = rng.choice(self._pool)
        else:
            other = rng.choice(domain.callers)
            guide = await offload(domain, GraphExplorer, domain, other, random.Random(rng.random()))
            example = await offload(domain, guide.run)
        result = await explore(
            domain, trajectory.customer, trajectory.tools, step_budget(rng), example, self.model, trajectory.seed
        )
        trajectory.steps, trajectory.verdict, trajectory.raw = result.steps, result.verdict, result.raw

    def remember(self, trajectory: Trajectory) -> None:
        """Add a kept trajectory to the examples."""
        self._pool = [*self._pool[-(POOL - 1) :], trajectory.steps]


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
        EpisodeFailure: the engine gave no answer, or a tool crashed.
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
            policy=_numbered(domain),
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
            move = UnusableAnswer(raw, objection)
        if reply.tool_calls:
            # It was given no native tools, yet some models call them. Such a call gets no result here, and endpoints
            # refuse a conversation that holds a call without one.
            conversation.assistant(replace(reply, content=raw, tool_calls=()))
        else:
            conversation.assistant(reply)
        if isinstance(move, UnusableAnswer):
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
    """The key of an exploration's conversation, by which its calls are routed to one engine."""
    return f"explore-{seed}"


def _numbered(domain: Domain) -> str:
    """The policy, with its rules' numbers after it where its text does not have them."""
    text = domain.policy.strip()
    written = clauses(text)
    more = [f"R{number}. {clause.text}" for number, clause in domain.clauses.items() if number not in written]
    return "\n".join([text, "", "Rules of the above by number:", *more]) if more else text


def _objection(move: Move, domain: Domain, tools: Sequence[str], steps: Sequence[Step]) -> str | None:
    """Why a move is not executed. A call that only its tool would refuse is executed, and recorded as refused."""
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
