"""The writer that is a model: it is shown the structure of a task and puts it into words.

Facts, goals and the moment of a change are decided in code beforehand and stay as they are; the caller checks in code
whether the words carry them: what is stated by the mention check, what is described by reading it back
(``requests/read_back.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from t2t_dist.core.errors import ContextExceeded
from t2t_dist.core.identity import turn_seed
from t2t_dist.core.prompts.render import UnusableAnswer, parse_json, render
from t2t_dist.core.schema import Fact, Intent, UserSide
from t2t_dist.environments.base import Domain
from t2t_dist.models.chat import ChatModel, Conversation

from .convert import BadWords
from .intents import REGISTRY
from .writer_parts import GoalParts, parts_of

SEAT = "writer"


class TaskWords(BaseModel):
    """A writer's answer."""

    reason_for_call: str = Field(min_length=1)
    known_info: str = Field(min_length=1)
    unknown_info: str = ""
    task_instructions: str = Field(min_length=1)
    requests: list[str]
    change_request: str | None = None
    second_change_request: str | None = None


class LlmWriter:
    """Any chat model as the :class:`~t2t_dist.synthesis.convert.Writer`."""

    def __init__(self, model: ChatModel) -> None:
        self.model, self.name = model, model.name

    async def write(
        self,
        domain: Domain,
        intents: Sequence[Intent],
        user: UserSide,
        seed: int,
        requests: Mapping[str, Any] | None = None,
    ) -> UserSide:
        """The same side in the model's words. Raises BadWords, EpisodeFailure."""
        # The template's request says what each goal is; facts, stated and withheld, go with the side itself.
        goals = [goal.request for goal in user.goals]
        change, second = (one.request if one else None for one in (user.change, user.second_change))
        try:
            words = await write(
                self.model,
                user,
                intents[0],
                goals,
                domain=domain,
                seed=seed,
                change=change,
                second_change=second,
                also=intents[1:],
                requests=requests,
            )
        except ContextExceeded as error:
            raise BadWords(f"the prompt does not fit the model: {error}", "") from None
        if isinstance(words, UnusableAnswer):
            raise BadWords(words.why, words.raw)
        return words


async def write(
    model: ChatModel,
    side: UserSide,
    intent: Intent,
    goals: Sequence[str],
    *,
    domain: Domain,
    seed: int,
    change: str | None = None,
    second_change: str | None = None,
    also: Sequence[Intent] = (),
    requests: Mapping[str, Any] | None = None,
) -> UserSide | UnusableAnswer:
    """The side in the model's words.

    Args:
        side: the structure; its own words are not shown to the model.
        goals: what the customer wants, one plain summary per goal of ``side``.
        change, second_change: the same for what they want after ``side.change``, and after that.
        requests: by goal, what is meant by what they describe, as an expression: the model is shown its parts.
        seed: the answer's sampling seed derives from it.
        also: the intents that the task combines with its own, each in another request.

    Raises:
        EngineError, ContextExceeded: no answer to judge.
    """
    if len(goals) != len(side.goals):
        raise ValueError(f"{len(goals)} summaries for {len(side.goals)} goals")
    parts = parts_of(domain, side, requests)
    conversation = Conversation()
    conversation.system(
        render(
            "writer",
            summary=domain.summary or domain.name,
            user=side,
            intent=" + ".join([intent, *also]),
            intent_prompt="\n\n".join(REGISTRY[name].writer_prompt for name in (intent, *also)),
            summaries=list(goals),
            change_summaries=[change, second_change],
            parts=parts,
            literally=_literally,
        )
    )
    conversation.user("Write the texts now.")
    reply = await model.complete(conversation, seed=turn_seed(str(seed), SEAT, 0), seat=SEAT)
    raw = reply.content or ""
    words = parse_json(raw, TaskWords)
    return words if isinstance(words, UnusableAnswer) else _worded(side, words, raw, parts)


def _worded(side: UserSide, words: TaskWords, raw: str, parts: Sequence[GoalParts]) -> UserSide | UnusableAnswer:
    if len(words.requests) != len(side.goals) or not all(request.strip() for request in words.requests):
        return UnusableAnswer(raw, f"requests: one text for each of the {len(side.goals)} goals is needed")
    changes = {
        "change": (side.change, words.change_request),
        "second_change": (side.second_change, words.second_change_request),
    }
    for name, (change, text) in changes.items():
        if change is not None and not (text or "").strip():
            return UnusableAnswer(raw, f"{name}_request: the customer changes their mind, so a text is needed")
    goals = zip(side.goals, words.requests, parts, strict=True)
    return side.model_copy(
        update={
            "reason_for_call": words.reason_for_call.strip(),
            "known_info": words.known_info.strip(),
            "unknown_info": words.unknown_info.strip(),
            "task_instructions": words.task_instructions.strip(),
            # What can't be read back from other words keeps its own.
            "goals": [
                goal.model_copy(update={"request": request.strip()}, deep=True) if part.is_free else goal
                for goal, request, part in goals
            ],
            **{
                # What is added or taken back can't be read back, either.
                name: change
                and (change if change.part else change.model_copy(update={"request": (text or "").strip()}, deep=True))
                for name, (change, text) in changes.items()
            },
        },
        deep=True,
    )


def _literally(fact: Fact) -> str:
    """The exact words a text must contain so that the fact is recognised in it."""
    quoted = ", ".join(f'"{said}"' for said in fact.says)
    return f" (literally: {quoted})" if quoted else ""
