"""The players of one episode, made from the names that a config gives the agent and the user."""

from __future__ import annotations

from t2t_dist.config.model_names import parse_model
from t2t_dist.core.schema import Task, UserSide
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import ToolSet
from t2t_dist.models.clients import Models

from .conversation import Conversation
from .model_players import ModelAgent, ModelUser
from .players import AgentPlayer, UserPlayer


def seat_agent(
    models: Models,
    name: str,
    task: Task,
    domain: Domain,
    episode_id: str,
    seed: int,
    offered: ToolSet | None = None,
) -> AgentPlayer:
    """The agent of one episode. Only a scripted one gets to see the task.

    ``offered``: the tools that it is offered, under the episode's tool faults; by default the domain's.

    Raises:
        InputError: no agent has this name, or its model can't be used.
    """
    parsed = parse_model(name, "agent")
    if not parsed.is_chat:
        from .scripted.agents import scripted_agent

        return scripted_agent(parsed.what, task, domain, seed, offered)
    carry = models.carries_reasoning(name, "agent")
    greeting = models.settings.greeting
    chat = models.chat(name, "agent")
    return ModelAgent(chat, domain, episode_id, carry_reasoning=carry, greeting=greeting, offered=offered)


def seat_user(models: Models, name: str, side: UserSide, domain: Domain, episode_id: str, seed: int) -> UserPlayer:
    """The simulated user of one episode.

    Raises:
        InputError: no user has this name, or its model can't be used.
    """
    if not parse_model(name, "user").is_chat:
        from .scripted.device import devices_of
        from .scripted.plans import Plans
        from .scripted.user import ScriptedUser

        return ScriptedUser(side, seed, devices_of(domain, side), Plans(domain, side))
    carry = models.carries_reasoning(name, "user")
    return ModelUser(models.chat(name, "user"), side, domain, episode_id, seed=seed, carry_reasoning=carry)


def as_tau2(
    models: Models, agent: str, user: str, task: Task, domain: Domain, episode_id: str, seed: int
) -> tuple[type[Conversation], tuple[AgentPlayer, UserPlayer]]:
    """The rules and players of one episode that is held as tau2 holds it. Scripted players are the same as ever.

    Raises:
        InputError: no player has this name, its model can't be used, or the domain is none of tau2's.
    """
    from .as_tau2 import Tau2Agent, Tau2Conversation, Tau2User, of_tau2

    world = of_tau2(domain)
    assistant = (
        Tau2Agent(models.chat(agent, "agent"), world, episode_id, seed)
        if parse_model(agent, "agent").is_chat
        else seat_agent(models, agent, task, domain, episode_id, seed)
    )
    customer = (
        Tau2User(models.chat(user, "user"), task, world, episode_id, seed)
        if parse_model(user, "user").is_chat
        else seat_user(models, user, task.user, domain, episode_id, seed)
    )
    return Tau2Conversation, (assistant, customer)
