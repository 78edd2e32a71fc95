"""Judges: models that mark a task from 1 to 10. They see all of it, gold and certificate included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel, Field

from t2t_dist.core.errors import ContextExceeded
from t2t_dist.core.identity import turn_seed
from t2t_dist.core.prompts.render import UnusableAnswer, parse_json, render
from t2t_dist.core.schema import Task, Vote
from t2t_dist.environments.base import Domain
from t2t_dist.models.chat import ChatModel, Conversation

from .intents import REGISTRY

SEAT = "judge"
#: How much of a call's result a judge is shown, in characters.
SHOWN = 600


class Marks(BaseModel):
    """A judge's answer."""

    realism: float = Field(ge=1, le=10)
    necessity: float = Field(ge=1, le=10)
    correctness: float = Field(ge=1, le=10)
    comment: str = ""


async def vote(model: ChatModel, task: Task, domain: Domain, *, seed: int) -> Vote | UnusableAnswer:
    """One judge's marks, or why there are none.

    Raises:
        EngineError: no answer to read.
    """
    conversation = Conversation()
    conversation.system(judge_prompt(task, domain))
    conversation.user("Give your marks.")
    try:
        reply = await model.complete(conversation, seed=turn_seed(str(seed), SEAT, 0), seat=SEAT)
    except ContextExceeded as error:
        return UnusableAnswer("", f"the task is too long for the judge: {error}")
    marks = parse_json(reply.content or "", Marks)
    if isinstance(marks, UnusableAnswer):
        return marks
    return Vote(judge=model.name, **marks.model_dump())


async def committee(
    models: Sequence[ChatModel], task: Task, domain: Domain, *, seed: int
) -> tuple[list[Vote], list[UnusableAnswer]]:
    """All judges: their votes, and the answers that could not be used.

    A model named twice votes twice, with different seeds. One judge is asked after the other, since a task has one slot
    and a slot is one request at a time.

    Raises:
        EngineError: a judge gave no answer.
    """
    answers = [await vote(model, task, domain, seed=seed + place) for place, model in enumerate(models)]
    votes = [answer for answer in answers if isinstance(answer, Vote)]
    return votes, [answer for answer in answers if isinstance(answer, UnusableAnswer)]


def judge_prompt(task: Task, domain: Domain) -> str:
    certificate = task.certificate.model_dump(exclude_defaults=True) if task.certificate else None
    return render(
        "judge",
        summary=domain.summary or domain.name,
        task=task,
        intent_prompt="\n\n".join(REGISTRY[name].judge_prompt for name in task.intents),
        certificate=None if certificate is None else _as_json(certificate),
        policy=domain.policy.strip(),
        as_json=_as_json,
        clipped=_clipped,
    )


def _as_json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _clipped(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
