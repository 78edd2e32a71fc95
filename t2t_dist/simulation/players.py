"""The two players of a conversation. The loop in ``conversation.py`` knows only these two protocols.

Both get the whole transcript and return their next turn; any state they keep (an encoded conversation, a script's
place) is private. Neither ever gets the world: the loop calls the tools.
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
        """The next user turn; its text may hold one of the markers that end the conversation.

        Raises:
            EpisodeFailure: no usable answer.
        """
        ...
