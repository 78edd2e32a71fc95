"""Scripted agents by name: the oracle, those that have one flaw each, and those that do no work.

They are privileged (they see the whole task). The oracle is an expert that needs no model; the others prove that the
graders notice each flaw, and that nothing can be had for nothing.
"""

from __future__ import annotations

from difflib import get_close_matches

import orjson

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Task, ToolCall, Turn
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import ToolSet

from ..players import AgentPlayer
from .flawed import Compliant, Gullible, Hasty, Literal, Obedient, OneChange, OneLook, Silent, Skimmer, Stubborn, Sums
from .floors import FLOORS
from .oracle import Oracle, Play


class ScriptedAgent(AgentPlayer):
    """The player of a script: each move of the script becomes a turn."""

    def __init__(self, kind: str, script: Oracle) -> None:
        self.name = f"scripted:{kind}"
        self._script = script
        self._play: Play | None = None
        self._calls = 0

    async def act(self, turns: list[Turn]) -> Turn:
        """The script's next move, given the turn that followed the last one."""
        if self._play is None:
            self._play = self._script.play(turns[-1].content or "")
            move = next(self._play)
        else:
            move = self._play.send(turns[-1])
        if isinstance(move, str):
            return Turn(seat="agent", role="assistant", content=move)
        self._calls += 1
        call = ToolCall(id=f"call_{self._calls}", name=move.name, arguments=orjson.dumps(move.arguments).decode())
        return Turn(seat="agent", role="assistant", content=None, tool_calls=[call])


_SCRIPTS: dict[str, type[Oracle]] = {
    "oracle": Oracle,
    "hasty": Hasty,
    "stubborn": Stubborn,
    "compliant": Compliant,
    "silent": Silent,
    "literal": Literal,
    "one_look": OneLook,
    "one_change": OneChange,
    "sums": Sums,
    "skimmer": Skimmer,
    "gullible": Gullible,
    "obedient": Obedient,
    **FLOORS,
}
#: The names that may follow ``scripted:`` in an agent's name.
KINDS = tuple(_SCRIPTS)


def scripted_agent(kind: str, task: Task, domain: Domain, seed: int, offered: ToolSet | None = None) -> AgentPlayer:
    """The scripted agent of this kind for one episode; ``offered``: its tools, by default the domain's.

    Raises:
        InputError: there is no such kind.
    """
    if kind not in _SCRIPTS:
        near = get_close_matches(kind, KINDS, 1, 0.5)
        hint = f"did you mean scripted:{near[0]}?" if near else f"there are: {', '.join(KINDS)}"
        raise InputError(f"there is no scripted agent '{kind}'; {hint}")
    return ScriptedAgent(kind, _SCRIPTS[kind](task, domain, seed, offered))
