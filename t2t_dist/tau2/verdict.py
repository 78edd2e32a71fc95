"""Verdict of tau2 on a transcript, by the semantics of its v1.0.1 (``tau2.evaluator``).

It is more lenient than ours in places, so it is kept separate: its figures compare with published ones. Peculiarities:

- Gold calls that raise are skipped.
- ``actions: []`` means that nothing may change; without ``actions`` and assertions, nothing is compared.
- Only calls of tools that change something are replayed, and a refused call keeps what it had done until then.
- A fact is said if it is a part of some message whose commas were removed.
- A gold call without ``compare_args`` is compared in the arguments that the *call* has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from t2t_dist.core.schema import CallPattern
from t2t_dist.environments.adapters.tau2.domain import Tau2Domain
from t2t_dist.environments.adapters.tau2.ground import Ground
from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import AGENT, USER, Call, Kind
from t2t_dist.synthesis.grader_side import matches

from .messages import Asked, Message, of_history
from .task_format import Criteria, Form

Judge = Callable[[str], bool]
Grounds = Callable[[Mapping[str, Any] | None], AbstractContextManager[Ground]]
#: Terminations that are graded at all, as tau2 names them.
GRADED = frozenset({"user_stop", "agent_stop"})


@dataclass
class Verdict:
    """tau2's verdict on one transcript.

    Attributes:
        reward: 0 to 1, or ``None`` where tau2 raises an error instead (``error`` says which).
        parts: value of each part in the basis that was computed, as in its ``reward_breakdown``.
        db, env, actions, communicate: the single checks, in the basis or not; ``None``: not made.
        notes: remarks for a person: gold calls that raised, assertions that were not judged.
    """

    reward: float | None = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    db: bool | None = None
    env: list[bool] | None = None
    actions: list[bool] | None = None
    communicate: list[bool] | None = None
    notes: list[str] = field(default_factory=list)
    error: str = ""


class Tau2Error(Exception):
    """Raised where tau2 raises an error instead of giving a verdict."""


def verdict(
    grounds: Grounds,
    form: Form,
    messages: Sequence[Message],
    termination: str,
    *,
    judge: Judge | None = None,
    strict: bool = False,
) -> Verdict:
    """tau2's verdict.

    Args:
        grounds: opens an environment for one replay.
        messages: the whole conversation, the task's message history first.
        termination: as tau2 names it.
        judge: decides an assertion in words; without a judge they are left out of the reward, with a note.
        strict: whether a replayed call that answers otherwise than recorded is an error, as in tau2's live evaluation,
            or ignored, as when it regrades stored trajectories.
    """
    found = Verdict()
    criteria = form.evaluation_criteria
    if termination not in GRADED:
        found.notes.append(f"terminated early: {termination}")
        return found
    if criteria is None:
        found.reward = 1.0
        return found
    try:
        env_parts = _environment(found, grounds, form, criteria, messages, strict)
    except Tau2Error as error:
        found.reward, found.error = None, str(error)
        return found
    basis, reward = set(criteria.reward_basis), 1.0
    parts = dict(env_parts)
    calls = [call for message in messages for call in message.calls]
    if criteria.actions:
        found.actions = [any(a.matches(c.name, c.arguments) for c in calls) for a in criteria.actions]
    if criteria.communicate_info:
        found.communicate = [fact_said(fact, messages) for fact in criteria.communicate_info]
    if "ACTION" in basis:
        parts["ACTION"] = float(all(found.actions or ()))
    if "NL_ASSERTION" in basis:
        _in_words(found, parts, criteria.nl_assertions or [], judge)
    if "COMMUNICATE" in basis:
        parts["COMMUNICATE"] = float(all(found.communicate or ()))
    made = [call for message in messages if message.role == "assistant" for call in message.calls]
    if "PROHIBITED_ACTION" in basis:
        parts["PROHIBITED_ACTION"] = float(not any(_listed(pattern, made) for pattern in form.forbidden))
    if "REQUIRED_ACTION" in basis:
        parts["REQUIRED_ACTION"] = float(all(_listed(pattern, made) for pattern in form.required))
    for value in parts.values():
        reward *= value
    found.reward, found.parts = reward, parts
    return found


def _listed(pattern: CallPattern, made: Sequence[Asked]) -> bool:
    """Whether one of the agent's calls is one that a release's list names."""
    return any(matches(pattern, call.name, call.arguments) for call in made)


def _in_words(found: Verdict, parts: dict[str, float], assertions: Sequence[str], judge: Judge | None) -> None:
    if not assertions:
        parts["NL_ASSERTION"] = 1.0
    elif judge is not None:
        parts["NL_ASSERTION"] = float(all(judge(assertion) for assertion in assertions))
    else:
        found.notes.append(f"{len(assertions)} assertions in words were not judged and are left out")


def _environment(
    found: Verdict, grounds: Grounds, form: Form, criteria: Criteria, messages: Sequence[Message], strict: bool
) -> dict[str, float]:
    """The parts DB and ENV_ASSERTION, as far as the basis has them."""
    actions, assertions = criteria.actions, criteria.env_assertions
    if actions is None and assertions is None:
        found.db = True
        return {}
    state = form.state()
    history = of_history((form.initial_state and form.initial_state.message_history) or [])
    with grounds(state) as gold:
        _set_up(gold, state)
        replay(gold, history, strict)
        for action in actions or ():
            try:
                gold.call(action.name, action.arguments, action.requestor)
            except Exception as error:
                found.notes.append(f"gold call {action.name} raised: {error}")
        wanted = gold.state()
    with grounds(state) as ground:
        _set_up(ground, state)
        replay(ground, messages, strict)
        found.db = bool(ground.state() == wanted)
        found.env = []
        for assertion in assertions or ():
            try:
                found.env.append(ground.asserts(assertion.model_dump()) == assertion.assert_value)
            except Exception as error:
                raise Tau2Error(f"assertion {assertion.func_name} raised {type(error).__name__}: {error}") from error
    parts = {}
    if "DB" in criteria.reward_basis:
        parts["DB"] = float(found.db)
    if "ENV_ASSERTION" in criteria.reward_basis:
        parts["ENV_ASSERTION"] = float(all(found.env))
    return parts


def _set_up(ground: Ground, state: Mapping[str, Any] | None) -> None:
    if state is None:
        return
    try:
        ground.set_up(state)
    except Exception as error:
        raise Tau2Error(f"the initial state can't be set up: {type(error).__name__}: {error}") from error


def replay(ground: Ground, messages: Sequence[Message], strict: bool) -> None:
    """Replay the calls that may have changed something. Raises Tau2Error: a call has no answer, or another one."""
    calls = [call for message in messages for call in message.calls]
    for call in calls:
        if call.answer is None:
            raise Tau2Error(f"{call.name} was called and has no tool message")
    for call in calls:
        if not ground.has(call.name) or not ground.mutates(call.name):
            continue
        result: Any
        try:
            result = ground.call(call.name, call.arguments, call.requestor)
            ground.sync()
        except Exception as error:
            result = f"Error: {error}"
        try:
            text = ground.text(result)
        except Exception as error:
            raise Tau2Error(f"what {call.name} gave can't be shown: {error}") from error
        if strict and _read(text) != _read(call.answer or ""):
            raise Tau2Error(f"{call.name} answered otherwise when it was made again")
    ground.sync()


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def fact_said(fact: str, messages: Sequence[Message]) -> bool:
    """Whether a fact is a part of one of the assistant's messages."""
    return any(
        fact.lower() in message.content.lower().replace(",", "")
        for message in messages
        if message.role == "assistant" and message.content and message.content.strip()
    )


# -- domains that are not tau2's ---------------------------------------------------------------------------------------
class WorldGround:
    """An environment on a world of any domain. Its calls are all or nothing, and it has no other initial state."""

    def __init__(self, domain: Domain) -> None:
        self.domain, self.world = domain, World(domain.base)

    def set_up(self, state: Mapping[str, Any]) -> None:
        raise ValueError(f"'{self.domain.name}' has no initial states")

    def has(self, name: str) -> bool:
        return name in self.domain.tools

    def mutates(self, name: str) -> bool:
        tool = self.domain.tools.get(name)
        return tool is None or tool.kind is Kind.WRITE

    def call(self, name: str, arguments: Mapping[str, Any], requestor: str) -> Any:
        side = USER if requestor == "user" else AGENT
        result = self.domain.execute(self.world, Call(name, dict(arguments)), side)
        if result.error:
            raise ValueError(result.content.removeprefix("Error: "))
        return result.content

    def sync(self) -> None:
        pass

    def text(self, result: Any) -> str:
        return str(result)

    def asserts(self, function: Mapping[str, Any]) -> bool:
        raise ValueError(f"'{self.domain.name}' has no function '{function['func_name']}'")

    def state(self) -> Any:
        return self.world.digest


def grounds_of(domain: Domain) -> Grounds:
    """The environments of a domain: tau2's own where the domain is tau2's."""
    return domain.ground if isinstance(domain, Tau2Domain) else lambda state: _world_ground(domain)


@contextmanager
def _world_ground(domain: Domain) -> Iterator[Ground]:
    yield WorldGround(domain)


__all__ = ["GRADED", "Judge", "Tau2Error", "Verdict", "WorldGround", "fact_said", "grounds_of", "replay", "verdict"]
