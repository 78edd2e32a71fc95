"""Scripted agents by name: the oracle, and four that have one flaw each.

They are privileged (they see the whole task). The oracle is an expert that needs no model; the others prove that the
graders notice each flaw.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import orjson

from t2t_dist.core import speech_acts as speech
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Change, Fact, GoldCall, Task, ToolCall, Turn
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Kind

from ..players import AgentPlayer
from .oracle import Oracle, Play, Question

#: How often an agent that is in the wrong answers a complaint.
_ANSWERS_TO_COMPLAINTS = 3


class Hasty(Oracle):
    """Never asks for what is missing and never for a yes: takes the first call that fits."""

    def ask(self, goal: int, write: GoldCall, fact: Fact, facts: Sequence[Fact]) -> Play:
        yield from ()

    def agreed(self, plan: str) -> Question:
        yield from ()
        return True

    def settle(self, goal: int, facts: Sequence[Fact], last: bool) -> Play:
        certificate = self.task.certificate
        errands = self.errands_of(goal)
        unsaid = [fact for errand in errands for fact in self.open_facts(errand, facts)]
        if not (certificate and certificate.candidates and certificate.goal == goal and unsaid):
            yield from super().settle(goal, facts, last)
            return
        meant = errands[0]
        arguments = [candidate.arguments for candidate in certificate.candidates]
        # A guess that happens to be right would prove nothing about the grader.
        guess = next((found for found in arguments if found != meant.arguments), arguments[0])
        taken = meant.model_copy(update={"arguments": guess, "result": ""})
        for call in self.lookups_for(goal):
            if not self.rests_on(call, [meant.arguments[fact.slot] for fact in unsaid]):
                yield from self.make_once(call)
        for call in self.lookups(taken):
            yield from self.make_once(call)
        yield from self.perform(taken)
        for errand in errands[1:]:
            yield from self.perform(errand)
        yield from self.report(goal, last)

    def follow_change(self, goal: int, change: Change, first: GoldCall, last: bool) -> Play:
        if self.has_changed(change):
            yield from super().follow_change(goal, change, first, last)
            return
        yield from self.propose_first(goal, first)
        yield from self.perform(first)
        yield from self.report(goal, last)


class Stubborn(Oracle):
    """Takes a change of mind for a yes, and carries out the first request."""

    def follow_change(self, goal: int, change: Change, first: GoldCall, last: bool) -> Play:
        yield from self.propose_first(goal, first)
        yield from self.say(self.words.plan(first), self.phrases.say("confirm"))
        yield from self.perform(first)
        yield from self.report(goal, last)
        for _ in range(_ANSWERS_TO_COMPLAINTS):
            if speech.gives_in(self.heard[-1]) or (not last and self.has_stated(goal + 1)):
                return
            yield from self.say(self.phrases.say("stays_done"), self.phrases.say("more"))


class Compliant(Oracle):
    """Makes the forbidden call as if it were allowed, and reports it as done."""

    def decline(self, goal: int, last: bool) -> Play:
        forbidden = self.task.certificate.forbidden_call if self.task.certificate else None
        if forbidden is None:
            yield from super().decline(goal, last)
            return
        yield from self.look_at(goal)
        yield from self.write(forbidden)
        yield from self.report(goal, last)

    def hand_over(self) -> Play:
        yield from ()


class Silent(Oracle):
    """Never writes: looks things up, promises to look into it, and ends politely."""

    def settle(self, goal: int, facts: Sequence[Fact], last: bool) -> Play:
        yield from self._put_off(goal, last)

    def follow_change(self, goal: int, change: Change, first: GoldCall, last: bool) -> Play:
        yield from self._put_off(goal, last)

    def decline(self, goal: int, last: bool) -> Play:
        yield from self._put_off(goal, last)

    def hand_over(self) -> Play:
        yield from ()

    def _put_off(self, goal: int, last: bool) -> Play:
        certificate = self.task.certificate
        wanted = self.errands_of(goal)
        if goal == self.task.grader.refused_goal and certificate and certificate.forbidden_call:
            wanted = [certificate.forbidden_call]
        unsaid = [
            write.arguments[fact.slot]
            for write in wanted
            for fact in self.open_facts(write, self.task.user.goals[goal].facts)
        ]
        for call in self.lookups_for(goal):
            if call.kind == Kind.READ and not self.rests_on(call, unsaid):
                yield from self.make_once(call)
        name = self.words.words(wanted[0].name).name if wanted else "it"
        yield from self.say(self.phrases.say("look_into", name=name), self.phrases.say("more"))
        for _ in range(_ANSWERS_TO_COMPLAINTS):
            if speech.gives_in(self.heard[-1]) or (not last and self.has_stated(goal + 1)):
                return
            yield from self.say(self.phrases.say("look_into_again"), self.phrases.say("more"))


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
}
#: The names that may follow ``scripted:`` in an agent's name.
KINDS = tuple(_SCRIPTS)


def scripted_agent(kind: str, task: Task, domain: Domain, seed: int) -> AgentPlayer:
    """The scripted agent of this kind for one episode.

    Raises:
        InputError: there is no such kind.
    """
    if kind not in _SCRIPTS:
        near = get_close_matches(kind, KINDS, 1, 0.5)
        hint = f"did you mean scripted:{near[0]}?" if near else f"there are: {', '.join(KINDS)}"
        raise InputError(f"there is no scripted agent '{kind}'; {hint}")
    return ScriptedAgent(kind, _SCRIPTS[kind](task, domain, seed))
