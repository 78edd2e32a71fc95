"""tau2's own prompts, tool schemas, greeting and seeds, read from the installed tau2 when they are needed.

Nothing of them is copied here: what a model is sent as tau2 is what ``tau2 run`` of the installed version sends it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from t2t_dist.environments.adapters.tau2.domain import Tau2Domain

#: tau2 draws the seeds of trials from 0 to this.
_MOST = 1_000_000


class Head(NamedTuple):
    """The constant start of one seat's requests: its system prompt and its tools' schemas (``None``: no tools)."""

    system: str
    tools: list[dict[str, Any]] | None


@lru_cache(maxsize=16)
def agent_head(domain: Tau2Domain) -> Head:
    """What tau2's ``llm_agent`` is told."""
    from tau2.agent.llm_agent import LLMAgent

    env = domain.bench.env
    agent = LLMAgent(tools=env.get_tools(), domain_policy=env.get_policy(), llm="", llm_args={})
    return Head(agent.system_prompt, _schemas(agent.tools))


def user_head(domain: Tau2Domain, raw: Mapping[str, Any]) -> Head:
    """What tau2's ``user_simulator`` is told about a task in tau2's form."""
    from tau2.data_model.tasks import Task
    from tau2.user.user_simulator import UserSimulator

    task = Task.model_validate(raw)
    try:
        tools = domain.bench.env.get_user_tools(include=task.user_tools) or None
    except Exception:  # as in tau2: a domain without tools for customers
        tools = None
    user = UserSimulator(tools=tools, instructions=str(task.user_scenario), llm="", llm_args={})
    return Head(user.system_prompt, _schemas(tools))


def greeting() -> str:
    """The agent's first message."""
    from tau2.orchestrator.orchestrator import DEFAULT_FIRST_AGENT_MESSAGE

    return str(DEFAULT_FIRST_AGENT_MESSAGE.content)


def trial_seed(seed: int, trial: int) -> int:
    """The seed of a trial of a run, for both models and all their turns."""
    draw = random.Random(seed)
    return [draw.randint(0, _MOST) for _ in range(trial + 1)][trial]


def _schemas(tools: Any) -> list[dict[str, Any]] | None:
    return [tool.openai_schema for tool in tools] if tools else None
