"""How hard a task is, by its structure: what has to be looked up, told apart, worked out, changed and talked about.

It is counted on the finished task alone, so that verifying counts it again, and says nothing about any agent: what a
model makes of it is its pass rate, which the report shows by level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from t2t_dist.core.schema import Difficulty, Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.rules import Handling
from t2t_dist.environments.tools import READ

from .bindings import canonical_json
from .grader_side import effects_in
from .requests import language as lang
from .requests.evaluate import NoMeaning, records_of
from .requests.kinds import own_field
from .requests.shown import first_look

#: The points that one more of each number gives. None is negative: more of anything never makes a level lower. With
#: them, and the levels below, the median of the tasks made with ``--difficulty N`` is at most one level from N, in each
#: of the three domains; who changes how tasks are made harder measures it again (a test does).
POINTS = {"look_ups": 2, "depth": 1, "candidates": 2, "writes": 4, "turns": 4, "conditions": 8}
#: The points from which on a task is of level 2, 3, 4, 5.
LEVELS_FROM = (36, 58, 78, 108)
#: The highest level of a task in which all is named, however much there is of it.
MOST_NAMED = 2
#: More candidates than this give no more points: one look shows a long list as well as a short one.
MOST_CANDIDATES = 20
#: The steps that a task may take: a rollout has 100 if nothing else is asked for, and an agent needs some to spare.
MOST_STEPS = 80


def difficulty_of(domain: Domain, task: Task) -> Difficulty:
    """The structural difficulty of a task whose certificate holds."""
    requests = [lang.read(stored) for stored in (task.grader.requests or {}).values()]
    numbers = {
        "look_ups": sum(call.kind == READ.value for call in task.grader.gold),
        "depth": max(map(lang.depth, requests), default=1),
        "candidates": _candidates(domain, task.customer, requests),
        "writes": len(effects_in(task.grader.gold)),
        "turns": _turns(task),
        "conditions": sum(map(_decides, _nodes(requests))) + sum(map(_adds_up, requests)),
    }
    return Difficulty(level=level_of(numbers), **numbers)


def level_of(numbers: Mapping[str, int]) -> int:
    """The level, 1 to 5, that the numbers of a :class:`Difficulty` come to."""
    counted = {**numbers, "candidates": min(numbers["candidates"], MOST_CANDIDATES)}
    points = sum(each * counted[name] for name, each in POINTS.items())
    level = 1 + sum(points >= least for least in LEVELS_FROM)
    return level if numbers["depth"] > 1 else min(level, MOST_NAMED)


def _nodes(requests: Sequence[lang.Node]) -> Iterator[lang.Node]:
    for request in requests:
        yield from lang.nodes(request)


def _candidates(domain: Domain, customer: str, requests: Sequence[lang.Node]) -> int:
    """The records among which those that are described have to be found, of each kind and place once."""
    universe, sizes = first_look(domain, customer), dict[bytes, int]()
    for node in _nodes(requests):
        if isinstance(node, lang.Records) and not _is_named(domain, node):
            whole = node.model_copy(update={"where": (), "but": None})
            try:
                sizes[canonical_json(lang.stored(whole))] = len(records_of(domain, customer, universe, whole))
            except NoMeaning:
                continue  # what it is within is made on the way
    return sum(size for size in sizes.values() if size > 1)


def _is_named(domain: Domain, records: lang.Records) -> bool:
    """Whether a record is given by what identifies it, or has it from another that is described."""
    own = own_field(domain, records.kind)
    return any(test.field == own and test.relation == "is" for test in records.where)


def _decides(node: lang.Node) -> bool:
    """Whether a node is a condition, a choice or a set: the agent has to decide, count or leave out."""
    match node:
        case lang.FieldsOf():
            return not any(test.relation == "one of" for test in node.of.where)  # those are parts by their names
        case lang.Record():
            return bool(node.prefer)
        case lang.Records():
            return node.but is not None
    return isinstance(
        node,
        lang.If | lang.FirstPossible | lang.Best | lang.Each | lang.Count | lang.Total | lang.FirstThatWorks,
    )


def _adds_up(request: lang.Node) -> bool:
    """Whether a request is about the results of what is done: one sum, in however many parts it is written."""
    return any(isinstance(node, lang.Results) for node in lang.nodes(request))


def steps_of(task: Task) -> int:
    """Steps of agent and customer that the task takes, about: each message and answer, each call, and for each step on
    the customer's device the asking, the doing and the telling."""
    on_device = sum(call.requestor is not None for call in task.grader.gold)
    return 2 * _turns(task) + len(task.grader.gold) + 2 * on_device


def _turns(task: Task) -> int:
    """Messages that the customer needs at least: each request, each yes to what is written, what they are asked for
    per request, each change of mind, insisting more than once, and the goodbye."""
    user, grader = task.user, task.grader
    writes = {call.goal for call in effects_in(grader.gold) if call.goal >= 0 and call.goal != grader.refused_goal}
    asked = [goal for goal in user.goals if any(not fact.stated for fact in goal.facts)]
    # Nobody insists who is handed over: that ends the conversation.
    insists = user.patience - 1 if grader.handling == Handling.REFUSE.value else 0
    return len(user.goals) + len(writes) + len(asked) + len(user.changes) + insists + 1
