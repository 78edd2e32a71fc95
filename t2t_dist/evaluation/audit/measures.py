"""A measure: one figure of an audit, with what it is about, its interval where it has one, and examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ..results_table import ALL
from ..stats import Trials, pass_k


class Measure(NamedTuple):
    """One figure.

    Attributes:
        name: what is measured, one of :data:`MEASURES`.
        about: an agent, a slot, a tool, a rule, a check; empty where there is one such figure.
        on: an intent, or ``all``.
        value: ``None`` where it was not measured; ``detail`` then says why.
        low, high: its 95 % interval where it comes from a sample, else ``None``.
        n: how many it was measured on: tasks, figures, calls.
        examples: what was found, with where.
    """

    name: str
    about: str = ""
    on: str = ALL
    value: float | None = None
    n: int = 0
    low: float | None = None
    high: float | None = None
    detail: str = ""
    examples: tuple[str, ...] = ()

    @property
    def of(self) -> str:
        """Its name with what it is about: ``floor[liar, infeasible]``."""
        inside = ", ".join(part for part in (self.about, "" if self.on == ALL else self.on) if part)
        return f"{self.name}[{inside}]" if inside else self.name

    @property
    def shown(self) -> str:
        """The figure with its interval."""
        if self.value is None:
            return "not measured"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}" if abs(self.value) < 1 else f"{self.value:.1f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


#: Every measure and what it says, in the order of the table.
MEASURES = {
    "oracle": "share of sampled tasks that the oracle passes",
    "floor": "share of sampled tasks passed by an agent that does no work (passer: where a hand-over is wrong)",
    "guess": "pass rate of an agent that never asks and takes one candidate, less what chance gives",
    "a_then_b": "share of sampled tasks passed by an agent that carries out the first request and then the second",
    "unseen_figures": "share of the figures that an agent told in passed episodes and can't have known",
    "prior": "share of the commonest value of a withheld slot",
    "place": "share of tasks whose gold is the candidate in this place, less what chance gives",
    "odd": "share of tasks in which a check of coherence finds something odd",
    "requests": "distinct requests, their values masked",
    "common_requests": "share of requests that the 50 commonest cover, values masked",
    "distinct_words": "share of distinct words, of pairs and of triples of words, in masked requests",
    "self_bleu": "how alike masked requests are: mean BLEU of each against all others of a sample",
    "repeated_tasks": "share of tasks with the masked requests and the gold of an earlier one, up to values",
    "intent_share": "share of the tasks",
    "rule_share": "share of infeasible tasks that cite the rule, of the rules that can be broken",
    "rules_uncited": "share of the policy's rules that no task cites",
    "rule_by_tool": "share of infeasible tasks whose rule follows from what is asked for alone",
    "write_share": "share of the writes of all golds",
    "tools_unused": "share of the agent's tools that stand in no gold",
    "writes": "writes in a gold, on average",
    "records": "records that a customer of the tasks has (median)",
}


def rate(
    name: str,
    about: str,
    on: str,
    hits: int,
    n: int,
    *,
    chance: float = 0.0,
    detail: str = "",
    examples: Sequence[str] = (),
) -> Measure:
    """A share of a sample of ``n``, less what chance gives, with the interval that pass^k has everywhere."""
    estimate = pass_k(+Counter({Trials(1, 1): hits, Trials(1, 0): n - hits}), 1)
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return unmeasured(name, "there is nothing to measure it on", about, on)
    value, low, high = (round(part - chance, 6) for part in (estimate.value, estimate.low, estimate.high))
    return Measure(name, about, on, value, n, low, high, detail, tuple(examples))


def share(
    name: str, about: str, on: str, hits: int, n: int, *, detail: str = "", examples: Sequence[str] = ()
) -> Measure:
    """A share of all ``n`` that there are, which has no interval."""
    if not n:
        return unmeasured(name, "there is nothing to measure it on", about, on)
    return Measure(name, about, on, hits / n, n, detail=detail, examples=tuple(examples))


def unmeasured(name: str, why: str, about: str = "", on: str = ALL) -> Measure:
    """A figure that could not be measured, and why."""
    return Measure(name, about, on, detail=why)
