"""Thresholds of an evaluation for CI: a bound on pass^k (``--fail-under``), a largest drop (``--max-drop``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import INTENTS

from .compare import Compared
from .results_table import ALL, ResultsTable

_THRESHOLD = re.compile(r"\s*pass\^(?P<k>\d+)\s*(?:\[(?P<which>[^\]]*)\])?\s*(?P<sign>>=|>)\s*(?P<bound>\d*\.?\d+)\s*")


class ThresholdResult(NamedTuple):
    """The verdict of a threshold for one agent and intent, with the figures in ``detail``."""

    threshold: str
    agent: str
    intent: str
    passed: bool
    detail: str


class Threshold(NamedTuple):
    """A bound such as ``pass^1>=0.6``, for every agent and intent or for those in brackets."""

    text: str
    k: int
    above: bool
    bound: float
    agents: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()

    def verdicts(self, results: ResultsTable) -> list[ThresholdResult]:
        """One result per agent and intent that it applies to; a single failed one if it applies to none."""
        verdicts = []
        for agent in self.agents or results.agents:
            for intent in self.intents or results.intents:
                estimate = results.passes(self.k, agent, intent)
                value = estimate.value
                if value is None:
                    detail = f"no task of {agent} on {intent} has {self.k} graded trials"
                    verdicts.append(ThresholdResult(self.text, agent, intent, False, detail))
                    continue
                holds = value > self.bound if self.above else value >= self.bound
                detail = f"pass^{self.k} {value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}], {estimate.tasks} tasks"
                verdicts.append(ThresholdResult(self.text, agent, intent, holds, detail))
        return verdicts or [ThresholdResult(self.text, "", "", False, "there are no episodes")]


def failed_thresholds(verdicts: Sequence[ThresholdResult]) -> list[str]:
    """The thresholds that do not hold, each once."""
    return list(dict.fromkeys(verdict.threshold for verdict in verdicts if not verdict.passed))


def parse_threshold(text: str, agents: Sequence[str], trials: int) -> Threshold:
    """A threshold from its text, such as ``pass^1[scripted:hasty, ambiguous]>=0.6``.

    Raises:
        InputError: not of this form, more trials than there are, or an agent that is not evaluated.
    """
    match = _THRESHOLD.fullmatch(text)
    if match is None:
        raise InputError(f"--fail-under {text}: write it as 'pass^1>=0.6' or 'pass^1[ambiguous]>=0.6'")
    k, bound = int(match["k"]), float(match["bound"])
    if not 1 <= k <= trials:
        raise InputError(f"--fail-under {text}: k is from 1 to {trials}, the trials per task; see --trials")
    if bound > 1:
        raise InputError(f"--fail-under {text}: pass^k is a rate from 0 to 1; write 0.6 for 60 %")
    names = [name.strip() for name in (match["which"] or "").split(",") if name.strip()]
    intents = tuple(name for name in names if name in (*INTENTS, ALL))
    chosen = tuple(_agent(name, agents, text) for name in names if name not in (*INTENTS, ALL))
    return Threshold(text, k, match["sign"] == ">", bound, chosen, intents)


def _agent(name: str, agents: Sequence[str], text: str) -> str:
    if name in agents:
        return name
    short = [agent for agent in agents if agent.partition(":")[2] == name]
    if len(short) == 1:
        return short[0]
    known = ", ".join([*INTENTS, ALL, *agents])
    raise InputError(f"--fail-under {text}: '{name}' is neither an intent nor an agent of this run; there are: {known}")


def drops(compared: Sequence[Compared], most: float) -> list[ThresholdResult]:
    """Whether an agent lost more than ``most`` of its pass^k against a baseline, on all intents or on any."""
    verdicts = []
    for change in compared:
        value, low, high, n = change.difference
        assert value is not None
        kind = f"{n} tasks of both" if change.paired else "no task in common"
        detail = f"pass^{change.k} changed by {value:+.3f} [{low:+.3f}, {high:+.3f}], {kind}"
        verdicts.append(ThresholdResult(f"max-drop {most:g}", change.one, change.on, value >= -most - 1e-12, detail))
    return verdicts
