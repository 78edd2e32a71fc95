"""The conversation loop: an agent and a simulated user on a fresh world, until one of them ends it.

Half duplex, and the agent greets first. A turn either says something, and the other side is next, or calls tools, and
the same side is next once their results are in the transcript. Text beside a tool call is stored, but the other side
does not get it. A user may have tools too, on a device of their own; neither side sees the other's calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from t2t_dist.config.settings import LimitsConfig
from t2t_dist.core.errors import ContextExceeded, EngineBadResponse, EpisodeFailure, FailureClass
from t2t_dist.core.schema import OUT_OF_SCOPE, STOP, TRANSFER, Task, Turn
from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import AGENT, USER, ToolCrash, ToolTimeout
from t2t_dist.tau2.initial_world import history_of, world_of

from .endings import answers_a_question, is_early, only_goodbyes, split_ending
from .players import AgentPlayer, UserPlayer
from .user_faults import EARLY_ENDING, EMPTY, NEVER_ENDS, user_faults


class Termination(StrEnum):
    """How a conversation ended that can be graded."""

    USER_STOP = "user_stop"
    AGENT_STOP = "agent_stop"
    TRANSFER = "transfer"
    MAX_STEPS = "max_steps"
    TOO_MANY_ERRORS = "too_many_errors"
    CONTEXT_EXCEEDED = "context_exceeded"
    TRUNCATED = "truncated"
    """The agent reached its token limit before it said or called anything."""


@dataclass(slots=True)
class Rollout:
    """A conversation that ended and can be graded. ``flags`` are its user faults, ``final`` is its world's digest."""

    turns: list[Turn]
    termination: Termination
    flags: list[str]
    final: str


class RolloutFailed(EpisodeFailure):
    """A conversation that can't be graded, with its transcript so far."""

    def __init__(self, message: str, failure: FailureClass, turns: list[Turn], flags: list[str]) -> None:
        super().__init__(message, failure)
        self.turns, self.flags = turns, flags


DEFAULT_LIMITS = LimitsConfig()
#: How often a user that ends the conversation before the agent could act is asked to go on.
_ASKED_AGAIN = 3


async def roll_out(
    task: Task,
    domain: Domain,
    agent: AgentPlayer,
    user: UserPlayer,
    *,
    seed: int = 0,
    limits: LimitsConfig = DEFAULT_LIMITS,
    clock: Callable[[], float] = time.perf_counter,
    transcript: list[Turn] | None = None,
    rules: type[Conversation] | None = None,
) -> Rollout:
    """One conversation on a fresh world.

    Args:
        task: read for its initial world, for the conversation that it continues, if any, and its user's side for
            finding user faults.
        seed: chooses the greeting.
        clock: seconds, for the times of tools in the transcript.
        transcript: an empty list to fill, for a caller that may cancel and still needs the turns so far.
        rules: who greets how, and when the conversation ends; default: ours.

    Raises:
        RolloutFailed: no result, with its class (engine, tool, user simulator, deadline); the error is its cause.
    """
    turns = [] if transcript is None else transcript
    conversation = (rules or Conversation)(task, domain, agent, user, limits, clock, turns)
    turns += history_of(task) or [Turn(AGENT, "assistant", conversation.greeting(seed))]

    def failed(message: object, failure: FailureClass) -> RolloutFailed:
        return RolloutFailed(str(message), failure, conversation.turns, conversation.all_flags(task))

    try:
        async with asyncio.timeout(limits.deadline_s) as deadline:
            conversation.replay()
            termination = await conversation.run()
    except EpisodeFailure as error:
        raise failed(error, error.failure) from error
    except ToolCrash as error:
        raise failed(error, FailureClass.TOOL_CRASH) from error
    except ToolTimeout as error:
        raise failed(error, FailureClass.TOOL_TIMEOUT) from error
    except TimeoutError:
        if not deadline.expired():
            raise
        message = f"the conversation was not over after {limits.deadline_s:g} s"
        raise failed(message, FailureClass.DEADLINE) from None
    return Rollout(conversation.turns, termination, conversation.all_flags(task), conversation.world.digest)


@dataclass(slots=True)
class Conversation:
    """The state of one conversation, and its rules."""

    task: Task
    domain: Domain
    agent: AgentPlayer
    user: UserPlayer
    limits: LimitsConfig
    clock: Callable[[], float]
    turns: list[Turn]
    world: World = field(init=False)
    transferred: bool = False
    errors: dict[str, int] = field(default_factory=lambda: {AGENT: 0, USER: 0})
    flags: list[str] = field(default_factory=list)
    ignored: int = 0

    def __post_init__(self) -> None:
        self.world = world_of(self.domain, self.task)

    def all_flags(self, task: Task) -> list[str]:
        return [*self.flags, *user_faults(self.turns, task.user)]

    def greeting(self, seed: int) -> str:
        """The agent's first message."""
        greetings = self.domain.language.greeting
        return greetings[seed % len(greetings)]

    def replay(self) -> None:
        """Make the calls of the conversation that the task continues; the transcript keeps what they answered then."""
        for turn in self.turns:
            for call in turn.tool_calls:
                self.domain.tools.execute(self.world, call.name, call.arguments, turn.seat)

    def first_speaker(self) -> str:
        """The side that is next: the one that waits for an answer, or for the results of its calls."""
        last = self.turns[-1]
        return last.seat if last.role == "tool" else AGENT if last.seat == USER else USER

    async def run(self) -> Termination:
        turns, speaker = self.turns, self.first_speaker()
        for _ in range(self.limits.max_steps):
            if speaker == USER:
                turn = await self.users_turn()
            else:
                try:
                    turn = await self.agent.act(turns)
                except ContextExceeded:
                    return Termination.CONTEXT_EXCEEDED
                if not _says(turn) and turn.finish_reason == "length":
                    turns.append(turn)
                    return Termination.TRUNCATED
                if not _says(turn):
                    raise EngineBadResponse(f"{self.agent.name} neither said nor called anything")
            turns.append(turn)
            if turn.tool_calls:
                if not await self.execute(turn, speaker):
                    if speaker == USER:
                        raise EpisodeFailure(
                            f"{self.user.name} made {self.limits.max_errors} wrong tool calls in a row",
                            FailureClass.USER_SIMULATOR_FAULT,
                        )
                    return Termination.TOO_MANY_ERRORS
                continue
            text = turn.content or ""
            if speaker == USER:
                if "###" in text:
                    if TRANSFER in text:
                        return Termination.TRANSFER
                    if STOP in text or OUT_OF_SCOPE in text:
                        return Termination.USER_STOP
                if only_goodbyes(turns):
                    self.flags.append(NEVER_ENDS)
                    return Termination.USER_STOP
                speaker = AGENT
            else:
                if self.transferred:
                    return Termination.TRANSFER
                if STOP in text:
                    return Termination.AGENT_STOP
                speaker = USER
        return Termination.MAX_STEPS

    async def users_turn(self) -> Turn:
        """The user's next turn, where a marker, as it should be written, ends the conversation.

        An ending that leaves the agent no chance to act is ignored: the agent hears what was said beside it. With
        nothing beside it, the user is asked again.

        Raises:
            EpisodeFailure: the user is at fault, so there is nothing to grade the agent by.
        """
        for _ in range(1 + _ASKED_AGAIN):
            turn = await self.users_reply()
            text, marker = split_ending(turn.content or "")
            if not marker or turn.tool_calls:
                return turn
            early = is_early(self.turns, text, marker)
            if not early and not answers_a_question(self.turns, text):
                return replace(turn, content=f"{text} {marker}".lstrip())
            if early and EARLY_ENDING not in self.flags:
                self.flags.append(EARLY_ENDING)
            self.ignored += 1
            if self.ignored > _ASKED_AGAIN:
                break
            if text:
                return replace(turn, content=text)
        raise EpisodeFailure(
            f"{self.user.name} said {marker} again and again before the agent could act",
            FailureClass.USER_SIMULATOR_FAULT,
        )

    async def users_reply(self) -> Turn:
        """The user's next turn as it comes; after an empty one the user is asked again.

        Raises:
            EpisodeFailure: the user says nothing, or can't.
        """
        try:
            turn = await self.user.reply(self.turns)
            if not _says(turn):
                self.flags.append(EMPTY)
                turn = await self.user.reply(self.turns)
        except ContextExceeded as error:
            raise EpisodeFailure(
                f"the conversation is too long for the simulated user: {error}", FailureClass.USER_SIMULATOR_FAULT
            ) from None
        if not _says(turn):
            raise EpisodeFailure(f"{self.user.name} said nothing, twice", FailureClass.USER_SIMULATOR_FAULT)
        return turn

    async def execute(self, turn: Turn, side: str) -> bool:
        """Make the turn's calls, each once and in order. False: too many in a row were refused."""
        few_errors = True
        for call in turn.tool_calls:
            began = self.clock()
            result = await self.domain.tools.execute_async(self.world, call.name, call.arguments, side)
            answer = Turn(side, "tool", result.content, tool_call_id=call.id, error=result.error)
            answer.t_tool = self.clock() - began
            self.turns.append(answer)
            self.count(side, result.error)
            few_errors = few_errors and self.errors[side] < self.limits.max_errors
            if not result.error and side == AGENT and call.name == self.domain.transfer_tool:
                self.transferred = True
        return few_errors

    def count(self, side: str, error: bool) -> None:
        """Count refused calls: those of a side in a row."""
        self.errors[side] = self.errors[side] + 1 if error else 0


def _says(turn: Turn) -> bool:
    return bool(turn.tool_calls) or bool(turn.content and turn.content.strip())
