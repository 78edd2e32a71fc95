"""Explore: an explorer acts in a real world, without a user, and leaves a trajectory.

The set-up and the criteria for keeping a trajectory follow Trajectory2Task (arXiv 2601.20144, section on forward
exploration): one customer drawn from the database, a tool subset from the dependency graph, a step budget, one call per
step, the rules relied on recorded before each write. ``graph`` is the explorer without a model: it walks the dependency
graph, binds every argument by its domain type from results already seen, and writes only where the rules hold.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Step, Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import expanded, fits_in, is_valid_errand, requestor_of
from t2t_dist.environments.rules import Enforced
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call, Kind, Tool
from t2t_dist.environments.workflows import Workflow

from .bindings import Binder, Seen, canonical_json, dependencies, reachable_lookups
from .levels import LEVELS
from .requests.conditions import has_figure
from .tool_graph import ToolGraph, graph_of

MAX_STEPS = LEVELS[1].steps
#: Bindings of one write tried, on forks.
_TRIES = 30
#: Chance of an unneeded look-up after each needed one.
_CURIOSITY = 0.25
#: How much more often, in hard tasks, an errand is wanted that may be wanted on a condition.
_WITH_FIGURE = 5.0


def step_budget(rng: random.Random, most: int = MAX_STEPS) -> int:
    """N(0.6 * most, most / 5), clipped to [2, most]."""
    return max(2, min(most, round(rng.gauss(0.6 * most, most / 5))))


def rules_relied_on(domain: Domain, tool: str) -> list[int]:
    """Numbers of the coded rules that constrain a tool."""
    return [rule.number for rule in domain.rule_list if tool in rule.tools]


def check_weights(weights: Mapping[str, float], domain: Domain) -> None:
    """Raises InputError: a name under ``errand_weights`` is no errand of the domain's, or none is left to explore."""
    names = [errand.name for errand in domain.errands]
    for name in weights:
        if name not in names:
            near = get_close_matches(name, names, 3, 0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"its errands are: {', '.join(names)}"
            raise InputError(f"errand_weights: {domain.name} has no errand '{name}'; {hint}")
    if names and all(weights.get(name, 1.0) <= 0 for name in names):
        raise InputError("errand_weights: every errand has the weight 0; leave one of them out")


def times(weights: Mapping[str, float], others: Mapping[str, float]) -> dict[str, float]:
    """The products of two weights for each errand; 1.0 where one is missing."""
    return {name: weights.get(name, 1.0) * others.get(name, 1.0) for name in sorted({*weights, *others})}


class GraphExplorer:
    """The explorer without a model: seeded and deterministic; one instance per trajectory.

    It looks ahead over what the customer's own records lead to, picks writes that are possible there, and then makes
    the look-ups that each of them rests on, with a few unneeded ones in between: conversion has to find the slice.
    """

    def __init__(
        self,
        domain: Domain,
        customer: str,
        rng: random.Random,
        weights: Mapping[str, float] | None = None,
        difficulty: int = 1,
    ) -> None:
        self.domain, self.customer, self.rng, self._weights = domain, customer, rng, weights or {}
        self._wanted = LEVELS[difficulty].errands
        #: What was carried out so far, where all that is wanted has to go together.
        self._asked: list[Call] | None = [] if difficulty > 1 else None
        self.graph: ToolGraph = graph_of(domain)
        self.world: World = domain.world()
        self.steps: list[Step] = []
        self._entry = rng.choice(self.graph.entry)
        others = {tool.name for tool in self.graph.entry if tool is not self._entry}
        self._within_reach = [made for made in reachable_lookups(domain, customer) if made.call.name not in others]
        self._seen = Seen()
        for made in self._within_reach:
            self._seen.add(made.found)
        self.budget = step_budget(rng, LEVELS[difficulty].steps)
        self._order = sorted(domain.errands, key=self._lot, reverse=True)
        chosen = self._possible_errands(1 + min(self._wanted))
        self._workflows = [errand for errand, _ in chosen if isinstance(errand, Workflow)]
        steps = [domain.tools[name] for errand, names in chosen if isinstance(errand, Workflow) for name in names]
        self.tools = self.graph.subset(rng, [errand for errand, _ in chosen], steps)
        self._made: set[bytes] = set()
        self._written: set[bytes] = set()
        self._results: list[list[Any]] = []

    def _lot(self, errand: Tool | Workflow) -> float:
        """A random number by which errands are put in order: the greater their weight, the more often they are first.

        Errands with more arguments are possible for fewer customers, so they are drawn first more often: else the few
        that are possible for everybody would crowd out the rest. A workflow counts as an errand with many arguments.
        """
        weight = (
            _rarity(errand) * self.domain.errand_weights.get(errand.name, 1.0) * self._weights.get(errand.name, 1.0)
        )
        if self._asked is not None and has_figure(self.domain, errand.name):
            weight *= _WITH_FIGURE
        return self.rng.random() ** (1 / weight) if weight > 0 else 0.0

    def _possible_errands(self, count: int) -> list[tuple[Tool | Workflow, list[str]]]:
        """The first errands that are possible for this customer, each with the tools it takes."""
        found: list[tuple[Tool | Workflow, list[str]]] = []
        for errand in self._order:
            if self._weights.get(errand.name, 1.0) <= 0:
                continue
            if len(found) < count and (arguments := self._valid_arguments(errand, set())) is not None:
                steps = expanded(self.domain, self.world.fork(), Call(errand.name, arguments))
                found.append((errand, [step.name for step in steps or ()]))
        return found

    def run(self) -> list[Step]:
        """Explore until the budget is spent or enough is written."""
        facts = self.domain.profile(self.world, self.customer).facts
        self._call(self._entry, {name: facts[spec.name] for name, spec in self._entry.parameters.items()})
        wanted = self.rng.choice(self._wanted)
        given = {tool.name for tool in self.tools} | {workflow.name for workflow in self._workflows}
        for _ in range(min(self._wanted)):  # an errand is run again, for another record, only where many are wanted
            for errand in self._order:
                if wanted > 0 and errand.name in given and self._weights.get(errand.name, 1.0) > 0:
                    wanted -= self._pursue(errand)
        if not any(step.changed for step in self.steps):
            self._be_refused()
        return self.steps

    def _pursue(self, errand: Tool | Workflow) -> int:
        """Choose an errand, read what it rests on, carry it out: 1 if it was done."""
        arguments = self._valid_arguments(errand, self._written)
        if arguments is None:
            return 0
        call = Call(errand.name, arguments)
        steps = expanded(self.domain, self.world.fork(), call) or []
        made = dependencies(self._within_reach, [(errand, arguments)], self.domain)
        reads = [read for i in made if canonical_json(read := self._within_reach[i].call) not in self._made]
        if len(self.steps) + len(reads) + len(steps) > self.budget:
            return 0
        spare = self.budget - len(self.steps) - len(reads) - len(steps)
        for read in reads:
            if canonical_json(read) in self._made:  # made by _wander
                continue
            self._call(self.domain.tools[read.name], read.arguments)
            if spare > 0 and self.rng.random() < _CURIOSITY:
                spare -= self._wander()
        # In a custom domain a look-up can have side effects: an errand that is no longer valid is dropped.
        if not is_valid_errand(self.domain, self.world, call, self.customer):
            return 0
        for step in self.domain.steps(self.world, call):
            self._call(self.domain.tools[step.name], step.arguments)
        self._written.add(self._subject(errand, arguments))
        if self._asked is not None:
            self._asked.append(call)
        return 1

    def _wander(self) -> int:
        """Make an unneeded look-up: 1 if one was left to make."""
        names = {tool.name for tool in self.tools}
        left = [m.call for m in self._within_reach if m.call.name in names and canonical_json(m.call) not in self._made]
        # Only calls whose arguments have been seen in results by now.
        seen = {canonical_json(value) for step in self._results for value in step}
        left = [c for c in left if all(canonical_json(v) in seen for v in c.arguments.values())]
        if not left:
            return 0
        call = self.rng.choice(left)
        self._call(self.domain.tools[call.name], call.arguments)
        return 1

    def _valid_arguments(self, errand: Tool | Workflow, written: set[bytes]) -> dict[str, Any] | None:
        """Arguments with which the errand is accepted, keeps the rules and changes the world."""
        extra = {
            slot: values
            for slot, spec in errand.parameters.items()
            if (values := self.domain.samples(self.world, spec.name, self.customer, self.rng))
        }
        tried = 0
        for arguments in Binder(errand, self._seen, extra=extra, rng=self.rng).calls():
            if self._subject(errand, arguments) in written:
                continue
            tried += 1
            call = Call(errand.name, arguments)
            if self._asked is not None and not (
                fits_in(self.domain, call, self._asked, ()) and self.domain.makes_sense(self.world, call, self.customer)
            ):
                continue
            if self.domain.plausible(self.world, call, self.customer) and is_valid_errand(
                self.domain, self.world, call, self.customer
            ):
                return arguments
            if tried >= _TRIES:
                break
        return None

    @staticmethod
    def _subject(errand: Tool | Workflow, arguments: dict[str, Any]) -> bytes:
        """What an errand is about: its first argument. One errand per record keeps the story plausible."""
        return canonical_json(next(iter(arguments.values()), errand.name))

    def _be_refused(self) -> None:
        """Nothing could be written: leave a refused call instead, which can become a task about a refusal."""
        given = {tool.name for tool in self.tools}
        for rule in self.rng.sample(list(self.domain.rule_list), len(self.domain.rule_list)):
            if rule.enforced is Enforced.BY_TOOL:
                for call in rule.proposals(self.world, self.customer):
                    if call.name in given:
                        self._call(self.domain.tools[call.name], call.arguments)
                        return

    def _call(self, tool: Tool, arguments: dict[str, Any]) -> None:
        result = self.domain.execute(self.world, Call(tool.name, arguments))
        self._made.add(canonical_json(Call(tool.name, arguments)))
        if not result.error:
            self._results.append([found.value for found in tool.found(result.value, arguments)])
        self.steps.append(
            Step(
                tool=tool.name,
                kind=tool.kind.value,
                arguments=arguments,
                result=result.content,
                error=result.error,
                changed=result.changed,
                rules=rules_relied_on(self.domain, tool.name) if tool.kind is Kind.WRITE else [],
                digest=self.world.digest,
                requestor=requestor_of(self.domain, tool.name),
            )
        )


def _rarity(errand: Tool | Workflow) -> int:
    return max(1, len(errand.parameters)) + 2 * isinstance(errand, Workflow)


def explore_graph(
    domain: Domain, customer: str, seed: int, weights: Mapping[str, float] | None = None, difficulty: int = 1
) -> tuple[list[str], list[Step]]:
    """Tool names given and steps made, without a model.

    ``weights``: how much each errand is wanted, times its weight in the domain; 1.0 by default, 0: not at all.
    ``difficulty``: from 3 on, customers want more.
    """
    explorer = GraphExplorer(domain, customer, random.Random(seed), weights, difficulty)
    return [tool.name for tool in explorer.tools], explorer.run()


def judge_trajectory(domain: Domain, trajectory: Trajectory) -> str:
    """``kept``, or the reason code with which the trajectory is dropped."""
    steps = trajectory.steps
    if not steps:
        return "empty"
    keys = [canonical_json([step.tool, step.arguments]) for step in steps]
    if len(set(keys)) < len(keys):
        return "repeated_call"
    if domain.tools.get(steps[0].tool) not in graph_of(domain).entry or steps[0].error:
        return "not_authenticated"
    world = domain.world()
    for step in steps:
        call = Call(step.tool, step.arguments)
        if step.kind == Kind.WRITE.value and not step.error and domain.breaches(world, call, trajectory.customer):
            return "breaks_rule"
        domain.execute(world, call)
        if world.digest != step.digest:
            return "not_replayable"
    if any(step.changed and step.kind == Kind.WRITE.value for step in steps):
        return "kept"
    return "kept" if any(step.error and step.kind == Kind.WRITE.value for step in steps) else "no_effect"
