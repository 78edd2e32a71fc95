"""Rendering prompts and reading JSON answers.

Types decide what a seat may see: :func:`user_prompt` takes a :class:`~t2t_dist.core.schema.UserSide` and
:func:`agent_prompt` a domain, so neither can name a grader field.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ValidationError

from t2t_dist.environments.base import Domain
from t2t_dist.environments.json_text import Unreadable, read_json

from ..schema import OUT_OF_SCOPE, STOP, TRANSFER, UserSide

Answer = TypeVar("Answer", bound=BaseModel)

#: JSON objects tried in one answer. A model that writes more braces than this is not answering.
MAX_OBJECTS = 50

#: The triggers of a change of mind (``intents.changing.TRIGGERS``) in everyday words.
MOMENTS = {
    "asked_to_confirm": "the agent says what it is about to do about this and asks whether it should.",
    "first_reply": "the agent answers for the first time after you have said what you want.",
}

_TEMPLATES = Environment(
    loader=PackageLoader("t2t_dist.core.prompts", "."),
    undefined=StrictUndefined,
    autoescape=False,  # plain text for a model, never HTML
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_DECODER = json.JSONDecoder()


# -- prompts -----------------------------------------------------------------------------------------------------------
def render(name: str, /, **values: Any) -> str:
    """The prompt ``prompts/{name}.j2``, compiled on first use.

    Raises:
        jinja2.UndefinedError: the template names a value that was not given.
    """
    return _TEMPLATES.get_template(f"{name}.j2").render(**values).strip()


def agent_prompt(domain: Domain, greeting: str = "") -> str:
    """The agent's system prompt: the same text for every episode of a domain, so that engines keep it cached.

    ``greeting`` is said at its end, where it is not sent as the agent's first message.
    """
    return _agent_prompt(domain.origin, greeting)


@lru_cache(maxsize=64)
def _agent_prompt(domain: Domain, greeting: str) -> str:
    return render(
        "agent",
        summary=domain.summary or domain.name,
        policy=domain.policy.strip(),
        now=domain.world().now.isoformat(" ", "minutes"),
        greeting=greeting,
    )


def moment(trigger: str) -> str:
    """When a customer changes their mind, in words: triggers have a code, imported tasks bring their own words."""
    return MOMENTS.get(trigger, trigger)


_TEMPLATES.filters["moment"] = moment


def user_prompt(side: UserSide, *, has_tools: bool = False) -> str:
    """The simulated user's system prompt, from the customer's side alone."""
    return render("user", user=side, has_tools=has_tools, stop=STOP, transfer=TRANSFER, out_of_scope=OUT_OF_SCOPE)


# -- answers -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class UnusableAnswer:
    """An answer that can't be used: the text as it came, and why."""

    raw: str
    why: str


_THINKING = re.compile(r"^\s*(?:<think(?:ing)?>)?(.*)</think(?:ing)?>\s*", re.DOTALL)
_OPEN_THINKING = re.compile(r"^\s*<think(?:ing)?>(.*)", re.DOTALL)


def split_thinking(text: str | None) -> tuple[str | None, str | None]:
    """``(thoughts, text)`` of an answer whose server did not separate them; the text as it came where there are none.

    A block that was never closed is all thoughts: the answer was cut off before its text began.
    """
    if text is None or "think" not in text:
        return None, text
    found = _THINKING.match(text)
    if found:
        return found[1].strip(), text[found.end() :]
    found = _OPEN_THINKING.match(text)
    return (found[1].strip(), "") if found else (None, text)


def parse_json(text: str, model: type[Answer]) -> Answer | UnusableAnswer:
    """The first outermost JSON object in ``text`` that is a valid ``model``; thoughts, fences and prose are skipped."""
    _, said = split_thinking(text)
    said = said or ""
    why = "the answer holds no JSON object"
    place, looked = said.find("{"), 0
    while place >= 0 and looked < MAX_OBJECTS:
        looked += 1
        try:
            _, end = _DECODER.raw_decode(said, place)
            # Parsed again by a strict parser: half a surrogate pair or NaN would fail wherever it is written later.
            return model.model_validate(read_json(said[place:end]))
        except ValidationError as error:
            why = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'answer'}: {item['msg']}" for item in error.errors()[:4]
            )
            place = said.find("{", end)
        except (ValueError, RecursionError) as error:
            if looked == 1:
                why = f"the answer is {error if isinstance(error, Unreadable) else f'not JSON ({error})'}"
            place = said.find("{", place + 1)
    return UnusableAnswer(text, why)
