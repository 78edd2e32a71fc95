"""Who sits where in a conversation. The loop in ``rollout.py`` knows only these two protocols.

Both get the whole transcript and return their next turn; what they keep for themselves (an encoded conversation, a
script's place) is theirs. Neither ever gets the world: tools are called by the loop.
"""

from __future__ import annotations

from typing import Protocol

from t2t_dist.core.schema import Turn


class AgentPlayer(Protocol):
    """The assistant. ``turns[0]`` is always its greeting, made by the loop."""

    name: str

    async def act(self, turns: list[Turn]) -> Turn:
        """The next assistant turn: text, or tool calls (then it is asked again once their results are in ``turns``).

        Raises:
            EpisodeFailure: no usable answer. ContextExceeded: the dialogue is too long for the model.
        """
        ...


class UserPlayer(Protocol):
    """The simulated customer."""

    name: str

    async def reply(self, turns: list[Turn]) -> Turn:
        """The next user turn; its text may hold one of the words that end the conversation.

        Raises:
            EpisodeFailure: no usable answer.
        """
        ...
