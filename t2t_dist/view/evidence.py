"""Evidence of a task's certificate, ready to draw: candidates, final states with their records, the cited rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from t2t_dist.core.schema import Certificate, GoldCall, RecordChange, Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import META
from t2t_dist.environments.tools import Call, ToolCrash
from t2t_dist.synthesis.grader_side import changes_of, effects_in, errands_in, records_in
from t2t_dist.tau2.initial_world import world_of

from .episode import Changed, changed
from .text import value_of

#: Candidates drawn as lines; the others are listed in the table only.
DRAWN = 10


@dataclass
class FinalState:
    """A final state: ``digest``, and the records in which it differs from the initial state, if ``known``."""

    digest: str
    records: list[Changed] = field(default_factory=list)
    known: bool = False


@dataclass
class ShownCandidate:
    """A call that satisfies the opening request. ``differing`` are the arguments that the customer left open."""

    number: int
    arguments: list[tuple[str, str, bool]]
    state: FinalState
    right: bool
    state_number: int = 0


@dataclass
class Evidence:
    """What a page draws of a certificate; fields that its intent does not use are empty."""

    certificate: Certificate
    initial: str
    gold: FinalState
    candidates: list[ShownCandidate] = field(default_factory=list)
    states: list[FinalState] = field(default_factory=list)
    first: FinalState | None = None
    #: Where the customer changes their mind twice: the final state of what they wanted in between.
    between: FinalState | None = None
    last: GoldCall | None = None
    refusal: str = ""
    rule_text: str = ""
    without: list[tuple[GoldCall, str]] = field(default_factory=list)
    note: str = ""

    @property
    def plain(self) -> bool:
        """Whether there is nothing to draw: no candidates, no change of mind, no forbidden call."""
        return not self.candidates and not self.certificate.first_call and not self.certificate.forbidden_call

    @property
    def guess(self) -> ShownCandidate | None:
        """The first candidate that an agent that doesn't ask might take, and that ends elsewhere than the gold."""
        return next((found for found in self.candidates if found.state.digest != self.gold.digest), None)


def evidence(task: Task, domain: Domain | str) -> Evidence | None:
    """A task's evidence, ``None`` without a certificate; ``domain`` may be the reason why nothing can be replayed."""
    certificate = task.certificate
    if certificate is None:
        return None
    grader, effects = task.grader, effects_in(task.grader.gold)
    gold = FinalState(grader.final, _records(grader.allowed_diff), True)
    found = Evidence(certificate, grader.initial, gold)
    found.without = list(zip(effects, certificate.without, strict=False))
    found.rule_text = certificate.clause or ""
    if isinstance(domain, str):
        found.note = domain
    elif world_of(domain, task).digest != grader.initial:
        domain = found.note = "the domain's database is not the one that this task was made on"
    else:
        rule = domain.clauses.get(certificate.rule) if certificate.rule is not None else None
        found.rule_text = found.rule_text or (rule.text if rule else "")
    errands = errands_in(grader)
    _candidates(found, certificate, [*errands, *records_in(grader.gold)], domain, gold)
    if certificate.first_call is not None and certificate.first_final is not None:
        changed, records = certificate.first_call.goal, records_in(grader.gold)
        found.last = next((errand for errand in errands if errand.goal == changed), None)
        calls = [*_instead(errands, changed, certificate.first_call), *records]
        found.first = _played(domain, calls, certificate.first_final)
        if certificate.second_call is not None and certificate.second_final is not None:
            calls = [*_instead(errands, changed, certificate.second_call), *records]
            found.between = _played(domain, calls, certificate.second_final)
    if certificate.forbidden_call is not None and not isinstance(domain, str):
        found.refusal = _refusal(domain, certificate.forbidden_call)
    return found


def _instead(errands: Sequence[GoldCall], goal: int | None, given_up: GoldCall) -> list[GoldCall]:
    """The errands, with what the customer gave up in the place of what they want for this goal in the end."""
    return [given_up if call.goal == goal else call for call in errands]


def _candidates(
    found: Evidence, certificate: Certificate, errands: Sequence[GoldCall], domain: Domain | str, gold: FinalState
) -> None:
    states, left_open = {gold.digest: gold}, certificate.parts.get("ambiguous")
    for number, candidate in enumerate(certificate.candidates, 1):
        if candidate.final not in states:
            calls = [
                GoldCall(name=c.name, kind=c.kind, arguments=candidate.arguments, goal=c.goal)
                if c.goal == left_open
                else c
                for c in errands
            ]
            states[candidate.final] = _played(domain, calls, candidate.final)
        listed = [(name, value_of(value), name in certificate.withheld) for name, value in candidate.arguments.items()]
        state = states[candidate.final]
        found.candidates.append(ShownCandidate(number, listed, state, candidate.after_clarification))
    order = list(dict.fromkeys(candidate.state.digest for candidate in found.candidates))
    found.states = [states[digest] for digest in order]
    for shown in found.candidates:
        shown.state_number = order.index(shown.state.digest)


def _played(domain: Domain | str, errands: Sequence[GoldCall], digest: str) -> FinalState:
    """The state that errands lead to; its records are known if it is the one that the certificate names."""
    if isinstance(domain, str):
        return FinalState(digest)
    world = domain.world()
    try:
        for errand in errands:
            call = Call(errand.name, errand.arguments)
            if _reaches_outside(domain, call) or not domain.carry_out(world, call):
                return FinalState(digest)
    except ToolCrash:
        return FinalState(digest)
    return FinalState(digest, _records(changes_of(world)), True) if world.digest == digest else FinalState(digest)


def _refusal(domain: Domain, call: GoldCall) -> str:
    """What the tool answers to the forbidden call, where there is such a tool."""
    made = Call(call.name, call.arguments)
    if call.name not in domain.tools or _reaches_outside(domain, made):
        return ""
    try:
        return domain.execute(domain.world(), made).content
    except ToolCrash as crash:
        return f"Error: {crash}"


def _reaches_outside(domain: Domain, call: Call) -> bool:
    """Whether a tool waits for something outside the world: viewing a page must not call it."""
    workflow = domain.workflows.get(call.name)
    if workflow is not None:
        return any(tool.blocking for tool in domain.tools)
    tool = domain.tools.get(call.name)
    return tool is not None and tool.blocking


def _records(changes: Sequence[RecordChange]) -> list[Changed]:
    return [changed(change) for change in changes if change.table != META]


def spread(count: int, height: float) -> list[float]:
    """The middles of ``count`` rows of a drawing."""
    return [height * (2 * number + 1) / (2 * max(count, 1)) for number in range(count)]


def drawing(found: Evidence) -> dict[str, Any] | None:
    """Positions in the drawing of an ambiguity: request -> candidates -> final states."""
    drawn = found.candidates[:DRAWN]
    if not drawn:
        return None
    height = 44.0 * max(len(drawn), 2)
    rows = spread(len(drawn), height)
    used = sorted({candidate.state_number for candidate in drawn})
    states = dict(zip(used, spread(len(used), height), strict=True))
    return {
        "height": height,
        "middle": height / 2,
        "rows": list(zip(drawn, rows, strict=True)),
        "states": [(number, found.states[number], y) for number, y in states.items()],
        "links": [(c, y, states[c.state_number]) for c, y in zip(drawn, rows, strict=True)],
        "left_out": len(found.candidates) - len(drawn),
    }
