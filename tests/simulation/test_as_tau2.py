"""tau2's rules of a conversation, on a domain like tau2's; the requests are compared where tau2 is installed."""

from __future__ import annotations

import pytest

from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import LimitsConfig
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import ToolCall, Turn
from t2t_dist.simulation.as_tau2 import Tau2Conversation, of_tau2
from t2t_dist.simulation.conversation import Rollout, Termination, roll_out
from t2t_dist.tau2.from_tau2 import import_task
from t2t_dist.tau2.prompts import trial_seed
from tests.support.tasks import shop
from tests.support.toy_tau2 import TOY, Toy, raw


class Rules(Tau2Conversation):
    """tau2's, with a greeting for where tau2 is not installed."""

    __slots__ = ()

    def greeting(self, seed: int) -> str:
        return "Hi!"


class Says:
    """Plays its lines, the last one again and again; a line in brackets is a call."""

    name = "says"

    def __init__(self, seat: str, *lines: str) -> None:
        self.seat, self.lines, self.said = seat, lines, 0

    async def act(self, turns: list[Turn]) -> Turn:
        line = self.lines[min(self.said, len(self.lines) - 1)]
        self.said += 1
        role = "assistant" if self.seat == "agent" else "user"
        if line.startswith("("):
            return Turn(self.seat, role, tool_calls=[ToolCall(f"c{self.said}", line.strip("()"), "{}")])
        return Turn(self.seat, role, line)

    reply = act


async def played(agent: Says, user: Says, **limits: int) -> Rollout:
    domain = Toy()
    task = import_task(domain, TOY, raw(), 0, "tau2").task
    return await roll_out(task, domain, agent, user, limits=LimitsConfig(**limits), rules=Rules)


async def test_the_execution_of_calls_is_a_step() -> None:
    done = await played(Says("agent", "(count_orders)"), Says("user", "Hello"), max_steps=6)
    assert done.termination is Termination.MAX_STEPS
    # The user's message, and three times a call and its execution: never cut off before the answer.
    assert [turn.role for turn in done.turns] == ["assistant", "user", *(3 * ["assistant", "tool"])]


async def test_refused_calls_of_both_sides_are_counted_together() -> None:
    agent, user = Says("agent", "(fly)", "(count_orders)", "Tell me more."), Says("user", "(swim)", "Hello", "(swim)")
    done = await played(agent, user, max_errors=3)
    assert done.termination is Termination.TOO_MANY_ERRORS
    assert sum(turn.error for turn in done.turns) == 3


@pytest.mark.parametrize("end", ["###STOP###", "###TRANSFER###", "###OUT-OF-SCOPE###"])
async def test_only_the_customer_ends_it(end: str) -> None:
    done = await played(Says("agent", "Bye ###STOP###"), Says("user", "Hello", "Well?", f"Thanks {end}"))
    assert (done.termination, len(done.turns)) == (Termination.USER_STOP, 6)


def test_seeds_and_settings_are_tau2s() -> None:
    assert [trial_seed(300, trial) for trial in range(3)] == [626729, 373753, 361454]
    config = load_config(None, {"rules": "tau2"})
    assert (config.seed, config.limits.max_steps, config.limits.max_errors) == (300, 200, 10)
    assert config.models.sampling == {"agent": {"temperature": 0.0}, "user": {"temperature": 0.0}}
    own = load_config(None, {"rules": "tau2", "seed": 0, "limits.max_steps": 9, "models.sampling.agent": {"top_p": 1}})
    assert (own.seed, own.limits.max_steps, own.models.sampling["agent"]) == (0, 9, {"top_p": 1})


def test_another_domain_has_no_such_rules() -> None:
    with pytest.raises(InputError, match="--as tau2 needs one of tau2's worlds"):
        of_tau2(shop())
