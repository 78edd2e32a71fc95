"""The players of one episode, made from the names that a config gives the agent and the user."""

from __future__ import annotations

from t2t_dist.config.model_names import parse_model
from t2t_dist.core.schema import Task, UserSide
from t2t_dist.environments.base import Domain
from t2t_dist.models.clients import Models

from .model_players import ModelAgent, ModelUser
from .players import AgentPlayer, UserPlayer


def seat_agent(models: Models, name: str, task: Task, domain: Domain, episode_id: str, seed: int) -> AgentPlayer:
    """The agent of one episode. Only a scripted one gets to see the task.

    Raises:
        InputError: no agent has this name, or its model can't be used.
    """
    parsed = parse_model(name, "agent")
    if not parsed.is_chat:
        from .scripted.agents import scripted_agent

        return scripted_agent(parsed.what, task, domain, seed)
    carry = models.carries_reasoning(name, "agent")
    greeting = models.settings.greeting
    return ModelAgent(models.chat(name, "agent"), domain, episode_id, carry_reasoning=carry, greeting=greeting)


def seat_user(models: Models, name: str, side: UserSide, domain: Domain, episode_id: str, seed: int) -> UserPlayer:
    """The simulated user of one episode.

    Raises:
        InputError: no user has this name, or its model can't be used.
    """
    if not parse_model(name, "user").is_chat:
        from .scripted.device import devices_of
        from .scripted.user import ScriptedUser

        return ScriptedUser(side, seed, devices_of(domain, side))
    carry = models.carries_reasoning(name, "user")
    return ModelUser(models.chat(name, "user"), side, domain, episode_id, seed=seed, carry_reasoning=carry)
