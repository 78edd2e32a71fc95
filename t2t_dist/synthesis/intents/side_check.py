"""The check that every certificate ends with: the customer asks for what the grader checks, and for nothing else.

The mention check proves that the words carry the customer's facts. This proves that these facts are those of the gold,
so that a task whose gold, basis or customer was replaced gets no certificate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from t2t_dist.core.schema import CallPattern, Fact, Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import expanded, requestor_of
from t2t_dist.environments.tools import WRITE, Call

from ..grader_side import errands_by_goal, errands_in, fact_text, fields_of, matches, records_in, writes_in
from ..requests import language as lang
from ..requests.check import answers, choices, figures, in_sequence, options, requests_in
from ..tool_graph import graph_of
from .candidates import candidates_for
from .rejection import TaskRejected

#: Parts that a basis may hold without the intent requiring them.
ON_REQUEST = frozenset({"process"})


@dataclass(frozen=True)
class Sides:
    """What an intent accounts for in the two sides of a task: all else is done as it is asked for.

    Attributes:
        asked: by goal, the call its request is about, where that is not the gold's (wanted first, or forbidden).
        forbidden: whether the grader forbids calls.
        required: the calls that the grader requires.
        rule: the rule that a refusal cites.
        record: the call that puts the refusal or the hand-over on record.
        open_goal: the goal whose request is left open on purpose.
    """

    asked: Mapping[int, Call] = field(default_factory=dict)
    forbidden: bool = False
    required: Sequence[CallPattern] = ()
    rule: int | None = None
    record: Call | None = None
    open_goal: int | None = None

    def __or__(self, other: Sides) -> Sides:
        """What two intents account for together; no field but the first three belongs to more than one."""
        return Sides(
            asked={**self.asked, **other.asked},
            forbidden=self.forbidden or other.forbidden,
            required=[*self.required, *other.required],
            rule=other.rule if self.rule is None else self.rule,
            record=other.record if self.record is None else self.record,
            open_goal=other.open_goal if self.open_goal is None else self.open_goal,
        )


def check_sides(domain: Domain, task: Task, sides: Sides) -> None:
    """Compare the two sides of a task. Raises TaskRejected: the first point in which they differ."""
    asked, rule, open_goal = sides.asked, sides.rule, sides.open_goal
    _check_caller(domain, task)
    errands = errands_by_goal(task.grader)
    order = [goal for goal, _ in groupby(call.goal for call in errands_in(task.grader))]
    chosen = choices(domain, task)
    wanted = {goal: calls[0] for goal, calls in errands.items()}
    wanted |= {**{goal: choice.first for goal, choice in chosen.items()}, **asked}
    several = {goal for goal, request in requests_in(task).items() if isinstance(request, lang.Each)}
    both, in_turn_goals = options(domain, task), in_sequence(task)
    wanted |= {goal: errands[goal][-1] for goal in in_turn_goals if goal in errands}
    wanted |= {goal: calls[0] for goal, calls in both.items()}
    if any(len(calls) > 1 and goal not in several | in_turn_goals for goal, calls in errands.items()):
        raise TaskRejected("goals_differ", "more is done for a request than what is asked for")
    if rule is not None and task.grader.refused_goal in errands:
        raise TaskRejected("goals_differ", "something is done for the request that is to be refused")
    asking = [number for number, goal in enumerate(task.user.goals) if goal.asks]
    if order != sorted(set(order)) or sorted([*wanted, *asking]) != list(range(len(task.user.goals))):
        raise TaskRejected("goals_differ", f"the customer has {len(task.user.goals)} goals, the writes serve {order}")
    _check_workflows(domain, task)
    for number, goal in enumerate(task.user.goals):
        if number in asking:
            continue
        for call in errands[number] if number in several and number in errands else [wanted[number]]:
            check_facts(domain, task.customer, call, goal.facts, f"request {number + 1}")
        rather = goal.rather
        if number in both and rather is not None:
            check_facts(domain, task.customer, both[number][1], rather.facts, f"request {number + 1}, or else,")
        second = chosen[number].second if number in chosen else None
        if second is not None and goal.otherwise is not None:
            check_facts(domain, task.customer, second, goal.otherwise.facts, f"request {number + 1}, otherwise,")
    _check_grader(task, sides)
    _check_figures(task, figures(domain, task))
    in_turn = [(goal, call) for goal, calls in errands.items() for call in calls]
    for place, (number, _) in enumerate(in_turn):
        if number != open_goal:
            _check_unique(domain, task, [call for _, call in in_turn], place)


def _check_caller(domain: Domain, task: Task) -> None:
    """The gold begins with finding the customer, by what the customer can say."""
    gold, world = task.grader.gold, domain.world()
    tool = domain.tools.get(gold[0].name) if gold else None
    if tool is None or tool not in graph_of(domain).entry:
        raise TaskRejected("not_authenticated", "the gold does not begin with finding out who the customer is")
    result = domain.execute(world, Call(tool.name, gold[0].arguments))
    if domain.identified(tool, result.value) != task.customer:
        raise TaskRejected("other_customer", f"{tool.name} does not find {task.customer}")
    profile = domain.profile(world, task.customer)
    said = {fact.slot: fact.text for fact in task.user.identity}
    false = [name for name, text in said.items() if profile.facts.get(name) != text]
    missing = [name for name in tool.consumes() if name not in said]
    if task.user.name != profile.name or false or missing:
        named = ", ".join(sorted([*false, *missing])) or "name"
        raise TaskRejected("identity_differs", f"who the customer says they are is not {task.customer}: {named}")


def _check_workflows(domain: Domain, task: Task) -> None:
    """The gold's calls for a workflow are its steps, and every call of the customer's belongs to one."""
    stored = task.grader.errands or ()
    workflows = {errand.goal for errand in stored}
    flows = {errand.goal for errand in stored if errand.name in domain.workflows}
    if workflows - {call.goal for call in errands_in(task.grader)} or workflows != flows:
        raise TaskRejected("goals_differ", "the grader names a workflow that the gold does not carry out")
    if any(call.requestor is not None and call.goal not in workflows for call in task.grader.gold):
        raise TaskRejected("goals_differ", "the customer makes a call that is no step of a workflow")
    world = domain.world()
    for goal, errands in errands_by_goal(task.grader).items():
        if goal not in workflows:
            for errand in errands:
                domain.carry_out(world, errand)
            continue
        gold = [call for call in task.grader.gold if call.goal == goal]
        done = [Call(call.name, call.arguments) for call in gold if call.kind == WRITE.value or call.requestor]
        needed: list[Call] = []
        for errand in errands:
            steps = expanded(domain, world, errand)
            if steps is None:
                raise TaskRejected("gold_differs", f"{errand.name} can't be carried out")
            needed += [s for s in steps if domain.tools[s.name].kind is WRITE or requestor_of(domain, s.name)]
        if done != needed:
            raise TaskRejected("gold_differs", f"the gold's calls are not the steps of {errands[0].name}")
    if (task.user.at_hand or {}) != domain.at_hand(domain.world(), task.customer):
        raise TaskRejected("identity_differs", "what the customer has at hand is not theirs")


def check_facts(domain: Domain, customer: str, call: Call, facts: Sequence[Fact], what: str) -> None:
    """The facts are how the customer would say the call's arguments, slot by slot. Raises TaskRejected."""
    world = domain.world()
    # What is described has a proof of its own: requests/check.py.
    described = {fact.slot: fact.says for fact in facts if fact.described}
    said = {slot: list(domain.describe(world, call, slot, customer).says) for slot in call.arguments} | described
    held = {fact.slot: fact.says for fact in facts}
    if said != held or len(facts) != len(held):
        differ = sorted({*said, *held} - {slot for slot in said if said[slot] == held.get(slot)})
        raise TaskRejected("facts_differ", f"{what} is not about {call.name} as it stands: {', '.join(differ)}")


def _check_grader(task: Task, sides: Sides) -> None:
    grader, forbidden, required = task.grader, sides.forbidden, sides.required
    rule, record = sides.rule, sides.record
    if (grader.refused_goal is None) is not (rule is None):
        raise TaskRejected("handling_differs", "what is to be refused is not the intent's")
    if [Call(call.name, call.arguments) for call in records_in(grader.gold)] != ([] if record is None else [record]):
        raise TaskRejected("handling_differs", f"what has to be on record is {record.name if record else 'nothing'}")
    if list(required) != grader.required:
        wanted = ", ".join(pattern.name for pattern in required) or "nothing"
        raise TaskRejected("handling_differs", f"what is required is {wanted}")
    if grader.rule != rule or bool(grader.forbidden) != forbidden or (rule is None and grader.handling is not None):
        raise TaskRejected("handling_differs", "what the grader forbids, and the rule for it, is not the intent's")
    if any(matches(pattern, call.name, call.arguments) for pattern in grader.forbidden for call in grader.gold):
        raise TaskRejected("rest_forbidden", "the grader forbids a call of the gold")
    parts = {
        "db": True,
        "forbidden": forbidden,
        "required": bool(required),
        "refused": rule is not None and not required,
        "communicate": bool(grader.communicate),
    }
    basis = {part for part, counts in parts.items() if counts}
    if set(grader.basis) - ON_REQUEST != basis:
        raise TaskRejected(
            "basis_differs", f"the basis is {', '.join(grader.basis) or 'empty'}, not {', '.join(sorted(basis))}"
        )


def _check_figures(task: Task, conditions: Sequence[str]) -> None:
    """What has to be said is in a result of the gold, answers a question, or is the figure of a condition, which has to
    be said; and the customer asks for it."""
    if unsaid := [figure for figure in conditions if figure not in task.grader.communicate]:
        raise TaskRejected("communicate_differs", f"the figure of a condition need not be said: {', '.join(unsaid)}")
    shown = {*conditions, *answers(task)}
    for call in writes_in(task.grader.gold):
        shown |= {fact_text(value) for value in fields_of(call.result).values()}
    missing = [fact for fact in task.grader.communicate if fact not in shown]
    questions = sum(len(goal.questions) + bool(goal.asks) for goal in task.user.goals)
    if missing or questions != len(task.grader.communicate):
        raise TaskRejected(
            "communicate_differs", f"asked: {questions}, not in any result: {', '.join(missing) or 'none'}"
        )


def _check_unique(domain: Domain, task: Task, errands: Sequence[Call], place: int) -> None:
    """All errands that satisfy the fully stated request lead to the gold's final state."""
    records = [Call(call.name, call.arguments) for call in records_in(task.grader.gold)]
    finals = {found.final for found in candidates_for(domain, task.customer, errands, place, (), records)}
    if finals != {task.grader.final}:
        text = f"{errands[place].name}: what the customer says leads to {len(finals)} final states"
        raise TaskRejected("not_unique", text)
