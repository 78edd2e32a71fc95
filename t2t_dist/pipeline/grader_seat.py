"""The seat ``grader``: a model that decides what code could not decide about an episode, and nothing else.

Its verdict is stored with the grade, so that grading again needs no model.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from pydantic import BaseModel

from t2t_dist.core.errors import ContextExceeded, EpisodeFailure
from t2t_dist.core.identity import turn_seed
from t2t_dist.core.printing import one_line
from t2t_dist.core.prompts.render import UnusableAnswer, parse_json, render
from t2t_dist.core.schema import Outcome, Task, Turn
from t2t_dist.grading.decided import DECIDED_BY_MODEL, with_decisions
from t2t_dist.models.chat import ChatModel, Conversation

SEAT = "grader"
#: Characters of a message that the grader is shown, and of its reason that are kept.
SHOWN, _KEPT = 4_000, 400


class Told(BaseModel):
    """The grader's answer."""

    told: bool | None
    why: str = ""


async def decide(model: ChatModel, task: Task, turns: Sequence[Turn], outcome: Outcome, *, seed: int) -> Outcome:
    """The outcome with the part ``refused`` decided, as far as the model can say.

    Without an answer of any use the outcome stays as it is, and ``detail`` says why.
    """
    conversation = Conversation()
    conversation.system(grader_prompt(task, turns))
    conversation.user("Was the customer told?")
    try:
        reply = await model.complete(conversation, seed=turn_seed(str(seed), SEAT, 0), seat=SEAT)
    except (ContextExceeded, EpisodeFailure) as error:
        return _undecided(outcome, f"{model.name} gave no answer: {error}")
    answer = parse_json(reply.content or "", Told)
    if isinstance(answer, UnusableAnswer):
        return _undecided(outcome, f"{model.name} gave no answer of use: {answer.why}")
    why = f"{model.name}: {one_line(answer.why, _KEPT)}"
    if answer.told is None:
        return _undecided(outcome, why)
    verdict = {"refused": [float(answer.told), why]}
    return with_decisions(task, outcome, orjson.dumps(verdict).decode())


def grader_prompt(task: Task, turns: Sequence[Turn]) -> str:
    """What the grader is shown: the request, why it can't be done, and what was said aloud."""
    certificate, goal = task.certificate, task.grader.refused_goal
    return render(
        "grader",
        request=task.user.goals[goal].request if goal is not None else task.user.reason_for_call,
        reason=" ".join(filter(None, (certificate.reason, certificate.clause)))
        if certificate
        else "the rules forbid it",
        said=[
            ("agent" if turn.role == "assistant" else "customer", _clipped(turn.content))
            for turn in turns
            if turn.role != "tool" and turn.content and not turn.tool_calls
        ],
    )


def _clipped(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]} ... {text[-SHOWN // 2 :]}"


def _undecided(outcome: Outcome, why: str) -> Outcome:
    outcome.detail[DECIDED_BY_MODEL] = orjson.dumps({"refused": [None, one_line(why, _KEPT)]}).decode()
    return outcome
