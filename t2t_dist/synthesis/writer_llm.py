"""The writer that is a model: it is told the structure of a task and gives it words.

Facts, goals and the moment of a change are decided in code before and stay as they are; whether the words carry them is
checked in code after (the mention check, by the caller).
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

from t2t_dist.core.identity import turn_seed
from t2t_dist.core.prompts.render import BadAnswer, parse_json, render
from t2t_dist.core.schema import Fact, Intent, UserSide
from t2t_dist.environments.base import Domain
from t2t_dist.models.chat import ChatModel, Conversation

SEAT = "writer"


class TaskWords(BaseModel):
    """A writer's answer."""

    reason_for_call: str = Field(min_length=1)
    known_info: str = Field(min_length=1)
    unknown_info: str = ""
    task_instructions: str = Field(min_length=1)
    requests: list[str]
    change_request: str | None = None


async def write(
    model: ChatModel,
    side: UserSide,
    intent: Intent,
    goals: Sequence[str],
    *,
    domain: Domain,
    seed: int,
    change: str | None = None,
) -> UserSide | BadAnswer:
    """The side in the model's words.

    Args:
        side: the structure; its own words are not shown to the model.
        goals: what the customer wants, one plain summary for each of ``side.goals``.
        change: the same for what they want after ``side.change``.
        seed: the answer's sampling seed derives from it.

    Raises:
        EngineError, ContextExceeded: no answer to judge.
    """
    if len(goals) != len(side.goals):
        raise ValueError(f"{len(goals)} summaries for {len(side.goals)} goals")
    conversation = Conversation()
    conversation.system(
        render(
            "writer",
            summary=domain.summary or domain.name,
            user=side,
            intent=intent,
            summaries=list(goals),
            change_summary=change,
            literally=_literally,
        )
    )
    conversation.user("Write the texts now.")
    reply = await model.complete(conversation, seed=turn_seed(str(seed), SEAT, 0), seat=SEAT)
    raw = reply.content or ""
    words = parse_json(raw, TaskWords)
    return words if isinstance(words, BadAnswer) else _worded(side, words, raw)


def _worded(side: UserSide, words: TaskWords, raw: str) -> UserSide | BadAnswer:
    if len(words.requests) != len(side.goals) or not all(request.strip() for request in words.requests):
        return BadAnswer(raw, f"requests: one text for each of the {len(side.goals)} goals is needed")
    changed = (words.change_request or "").strip()
    if side.change is not None and not changed:
        return BadAnswer(raw, "change_request: the customer changes their mind, so a text is needed")
    goals = zip(side.goals, words.requests, strict=True)
    return side.model_copy(
        update={
            "reason_for_call": words.reason_for_call.strip(),
            "known_info": words.known_info.strip(),
            "unknown_info": words.unknown_info.strip(),
            "task_instructions": words.task_instructions.strip(),
            "goals": [goal.model_copy(update={"request": request.strip()}, deep=True) for goal, request in goals],
            "change": side.change and side.change.model_copy(update={"request": changed}, deep=True),
        },
        deep=True,
    )


def _literally(fact: Fact) -> str:
    """The words that must stand in the text, for a fact that has to be recognised."""
    quoted = ", ".join(f'"{said}"' for said in fact.says)
    return f" (literally: {quoted})" if quoted else ""
