"""Models as the agent and the user: the transcript goes out as an encoded conversation, the reply comes back as a turn.

Each player keeps its own view of the dialogue encoded, and adds only the turns since its last one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import orjson

from t2t_dist.core.errors import EngineBadResponse
from t2t_dist.core.identity import turn_seed
from t2t_dist.core.prompts.render import agent_prompt, split_thinking, user_prompt
from t2t_dist.core.schema import Turn, UserSide
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import AGENT, USER, ToolSet
from t2t_dist.models.chat import ChatModel, Conversation, Reply


def tight(data: bytes) -> bytes:
    """The same bytes in a buffer of their size: orjson's own buffers take 4 KB and more per message."""
    return bytes(memoryview(data))


class View(Conversation):
    """A conversation that lives as long as its episode; a process holds hundreds of them."""

    __slots__ = ()

    def add(self, message: dict[str, Any]) -> None:
        self.parts.append(tight(orjson.dumps(message)))


class Seat:
    """One model's place in one conversation."""

    view: type[View] = View

    def __init__(
        self,
        seat: str,
        model: ChatModel,
        system: bytes,
        tools: bytes | None,
        episode_id: str,
        carry_reasoning: bool,
        seeded_by: str = "",
    ) -> None:
        self.name = model.name
        self._seat, self._model, self._tools = seat, model, tools
        self._role = "assistant" if seat == AGENT else "user"
        self._seeded_by, self._carry_reasoning = seeded_by or episode_id, carry_reasoning
        self._conversation = self.view([system], f"{episode_id}/{seat}")
        #: Where tokens are captured: the ids of the last prompt and its answer.
        self._ids: list[int] | None = None
        self._seen = 0
        self._asked_at, self._again = -1, 0
        #: The last turn with the reply it was made from, until it shows up in the transcript.
        self._said: tuple[Turn, Reply] | None = None

    async def _next(self, turns: list[Turn]) -> Turn:
        self._catch_up(turns)
        place = len(turns)
        # Asked again at the same place, a model would only repeat itself under the same seed.
        self._again = self._again + 1 if place == self._asked_at else 0
        self._asked_at = place
        seed = self.seed_at(place) + self._again
        reply = await self._model.complete(self._conversation, tools=self._tools, seed=seed, seat=self._seat)
        thoughts, text = self.split(reply.content)
        usage = reply.usage
        turn = Turn(
            seat=self._seat,
            role=self._role,
            content=text or None,
            reasoning=reply.reasoning if thoughts is None else _joined(reply.reasoning, thoughts),
            tool_calls=list(reply.tool_calls),
            model=reply.model,
            engine=reply.engine,
            sampling=reply.sampling,
            finish_reason=reply.finish_reason,
            t_queue=reply.t_queue,
            t_model=reply.t_model,
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            completion_tokens=usage.completion_tokens,
        )
        if reply.token_ids is not None and reply.prompt_token_ids is not None:
            turn.prompt_token_ids, turn.token_ids = reply.prompt_token_ids, reply.token_ids
            turn.logprobs, turn.prefix_break = reply.logprobs, prefix_break(self._ids, reply.prompt_token_ids)
            self._ids = [*reply.prompt_token_ids, *reply.token_ids]
        self._said = turn, reply if self._carry_reasoning or thoughts is None else replace(reply, content=text or None)
        return turn

    def seed_at(self, place: int) -> int:
        """The sampling seed of a turn."""
        return turn_seed(self._seeded_by, self._seat, place)

    def split(self, content: str | None) -> tuple[str | None, str | None]:
        """A reply's content as thoughts, if it has any, and text."""
        return split_thinking(content)

    def _catch_up(self, turns: list[Turn]) -> None:
        """Encode the turns since the last one seen, as this seat may know them."""
        conversation = self._conversation
        for turn in turns[self._seen :]:
            if turn.seat != self._seat:
                # The other side's calls, their results and the text beside them stay on its side.
                if turn.role != "tool" and not turn.tool_calls:
                    conversation.user(turn.content or "")
            elif turn.role == "tool":
                conversation.tool(turn.tool_call_id or "", turn.content or "")
            elif self._said is not None and turn is self._said[0]:
                conversation.assistant(self._said[1], reasoning=self._carry_reasoning)
            else:
                # Not from this model: the greeting.
                reply = Reply(turn.content, turn.reasoning, tuple(turn.tool_calls))
                conversation.assistant(reply, reasoning=self._carry_reasoning)
        self._seen = len(turns)


class ModelAgent(Seat):
    """A model as the agent: the domain's policy and tools, and nothing of the task.

    ``carry_reasoning`` sends the model's own reasoning of earlier turns back to it; the rows hold it either way.
    ``greeting`` is ``models.greeting`` of a config: where it reads the greeting. ``offered``: the tools it is offered,
    where tool faults make them others than the domain's.
    """

    def __init__(
        self,
        model: ChatModel,
        domain: Domain,
        episode_id: str,
        *,
        carry_reasoning: bool = True,
        greeting: str = "message",
        offered: ToolSet | None = None,
    ) -> None:
        system, tools = _agent_head(domain.origin)
        if offered is not None and offered is not domain.tools and (own := offered.schemas(AGENT)) != tools:
            tools = own
        self._greeted_in = domain.origin if greeting == "system" else None
        super().__init__(AGENT, model, system, tools, episode_id, carry_reasoning)

    async def act(self, turns: list[Turn]) -> Turn:
        """See :meth:`t2t_dist.simulation.players.AgentPlayer.act`."""
        turn = await self._next(turns)
        if turn.content is None and not turn.tool_calls and turn.finish_reason != "length":
            raise EngineBadResponse(f"{self.name} thought and gave no answer ({turn.finish_reason})")
        return turn

    def _catch_up(self, turns: list[Turn]) -> None:
        if self._greeted_in is not None and not self._seen and turns and turns[0].seat == AGENT:
            self._conversation.parts[0] = _greeted(self._greeted_in, turns[0].content or "")
            self._seen = 1
        super()._catch_up(turns)


class ModelUser(Seat):
    """A model as the customer. It gets the user's side of the task, and by its type never the grader's.

    The seeds of its turns derive from ``seed`` instead of the episode: several agents meet the same customer.
    """

    def __init__(
        self,
        model: ChatModel,
        side: UserSide,
        domain: Domain,
        episode_id: str,
        *,
        seed: int | None = None,
        carry_reasoning: bool = True,
    ) -> None:
        tools = _user_tools(domain.origin)
        system = _system(user_prompt(side, has_tools=tools is not None))
        seeded_by = "" if seed is None else str(seed)
        super().__init__(USER, model, system, tools, episode_id, carry_reasoning, seeded_by)

    async def reply(self, turns: list[Turn]) -> Turn:
        """See :meth:`t2t_dist.simulation.players.UserPlayer.reply`. May be empty; the loop then asks once more."""
        return await self._next(turns)


def prefix_break(before: list[int] | None, prompt: list[int]) -> int | None:
    """The first position at which a prompt departs from the engine's previous tokens (prompt and answer).

    ``None`` if it extends them, or if there are none. Retokenised answers, dropped reasoning and templates that rewrite
    history break prefixes: training on the concatenation would then be training on what was never sampled.
    """
    if before is None or prompt[: len(before)] == before:
        return None
    both = zip(before, prompt, strict=False)
    return next((place for place, (old, new) in enumerate(both) if old != new), min(len(before), len(prompt)))


def _system(text: str) -> bytes:
    return tight(orjson.dumps({"role": "system", "content": text}))


@lru_cache(maxsize=16)
def _agent_head(domain: Domain) -> tuple[bytes, bytes]:
    """System message and tools, encoded: one copy for all episodes of a process."""
    return _system(agent_prompt(domain)), domain.tools.schemas(AGENT)


@lru_cache(maxsize=64)
def _greeted(domain: Domain, greeting: str) -> bytes:
    """The system message that says how the customer was greeted."""
    return _system(agent_prompt(domain, greeting))


@lru_cache(maxsize=16)
def _user_tools(domain: Domain) -> bytes | None:
    return domain.tools.schemas(USER) if domain.user_tools else None


def _joined(reasoning: str | None, thoughts: str) -> str | None:
    return f"{reasoning}\n{thoughts}" if reasoning and thoughts else reasoning or thoughts or None
