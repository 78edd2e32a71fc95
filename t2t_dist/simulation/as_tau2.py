"""The conversation as tau2's own runner holds it, for figures that compare with ``tau2 run``'s.

Its prompts, greeting and seeds are tau2's (``t2t_dist/tau2/prompts.py``), and so are its limits: a step is a message or
the execution of a message's calls, and refused calls of both sides are counted together, in a row or not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import orjson

from t2t_dist.core.errors import ContextExceeded, EngineBadResponse, InputError
from t2t_dist.core.schema import OUT_OF_SCOPE, STOP, TRANSFER, Task, Turn
from t2t_dist.environments.adapters.tau2.domain import Tau2Domain, replayable_arguments
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import AGENT, USER
from t2t_dist.models.chat import ChatModel, Reply
from t2t_dist.tau2.prompts import Head, agent_head, greeting, user_head
from t2t_dist.tau2.to_tau2 import exported

from .conversation import Conversation, Termination
from .model_players import Seat, View, tight

#: Parts of the customer's text that end a conversation.
_ENDS = (STOP, TRANSFER, OUT_OF_SCOPE)


@dataclass(slots=True)
class Tau2Conversation(Conversation):
    """One conversation by tau2's rules."""

    def greeting(self, seed: int) -> str:
        return greeting()

    async def run(self) -> Termination:
        steps, speaker = 0, self.first_speaker()
        ended: Termination | None = None
        while ended is None:
            turn = await self._turn(speaker)
            if turn is None:
                return Termination.CONTEXT_EXCEEDED
            self.turns.append(turn)
            steps += 1
            if turn.tool_calls:
                await self.execute(turn, speaker)
                steps += 1
            elif speaker == USER:
                ended = Termination.USER_STOP if any(end in (turn.content or "") for end in _ENDS) else None
                speaker = AGENT
            else:
                speaker = USER
            # In this order, and after the end, too: so does tau2.
            if steps >= self.limits.max_steps:
                ended = Termination.MAX_STEPS
            if sum(self.errors.values()) >= self.limits.max_errors:
                ended = Termination.TOO_MANY_ERRORS
        return ended

    async def _turn(self, speaker: str) -> Turn | None:
        """The next turn; ``None``: the dialogue is too long for the agent's model."""
        if speaker == USER:
            return await self.users_reply()
        try:
            turn = await self.agent.act(self.turns)
        except ContextExceeded:
            return None
        if not turn.tool_calls and not (turn.content or "").strip():
            raise EngineBadResponse(f"{self.agent.name} neither said nor called anything")
        return turn

    def count(self, side: str, error: bool) -> None:
        self.errors[side] += error


class _Tau2View(View):
    """Messages as tau2 sends them: calls that it has read and written again, no reasoning, and no content for none."""

    __slots__ = ()

    def assistant(self, reply: Reply, *, reasoning: bool = True) -> None:
        message: dict[str, Any] = {"role": "assistant"}
        if reply.content is not None:
            message["content"] = reply.content
        if reply.tool_calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "name": call.name,
                    "function": {"name": call.name, "arguments": json.dumps(replayable_arguments(call.arguments))},
                    "type": "function",
                }
                for call in reply.tool_calls
            ]
        self.add(message)

    def tool(self, call_id: str, content: str) -> None:
        self.add({"role": "tool", "content": content, "tool_call_id": call_id})


class _Tau2Seat(Seat):
    """One model's place in a conversation by tau2's rules: one seed for all turns, and texts as they come."""

    view = _Tau2View

    def __init__(self, seat: str, model: ChatModel, head: Head, episode_id: str, seed: int) -> None:
        system = tight(orjson.dumps({"role": "system", "content": head.system}))
        # Where there are tools, tau2 leaves the choice to the model in so many words.
        tools = None if head.tools is None else orjson.dumps(head.tools) + b',"tool_choice":"auto"'
        super().__init__(seat, model, system, tools, episode_id, False)
        self._seed = seed

    def seed_at(self, place: int) -> int:
        return self._seed

    def split(self, content: str | None) -> tuple[str | None, str | None]:
        return None, content


class Tau2Agent(_Tau2Seat):
    """A model as tau2's agent."""

    def __init__(self, model: ChatModel, domain: Tau2Domain, episode_id: str, seed: int) -> None:
        super().__init__(AGENT, model, agent_head(domain), episode_id, seed)

    async def act(self, turns: list[Turn]) -> Turn:
        """See :meth:`t2t_dist.simulation.players.AgentPlayer.act`."""
        return await self._next(turns)


class Tau2User(_Tau2Seat):
    """A model as tau2's customer."""

    def __init__(self, model: ChatModel, task: Task, domain: Tau2Domain, episode_id: str, seed: int) -> None:
        head = user_head(domain, exported(task, domain))
        super().__init__(USER, model, head, episode_id, seed)

    async def reply(self, turns: list[Turn]) -> Turn:
        """See :meth:`t2t_dist.simulation.players.UserPlayer.reply`."""
        return await self._next(turns)


def of_tau2(domain: Domain) -> Tau2Domain:
    """The domain, one of tau2's. Raises InputError: it is another."""
    if not isinstance(domain, Tau2Domain):
        raise InputError(f"--as tau2 needs one of tau2's worlds (--domain tau2:NAME); this run's is '{domain.name}'")
    return domain
