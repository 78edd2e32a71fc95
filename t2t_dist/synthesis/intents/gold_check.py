"""The check that every certificate begins with: the gold, replayed."""

from __future__ import annotations

from collections.abc import Iterable

from t2t_dist.core.schema import GoldCall, Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import requestor_of
from t2t_dist.environments.tools import Call, Kind

from ..grader_side import changes_of, effects_in
from .rejection import TaskRejected


def final_state(domain: Domain, errands: Iterable[GoldCall | Call]) -> str | None:
    """Digest after the errands, ``None`` if one is refused. Look-ups may be left out: they change nothing."""
    world = domain.world()
    for errand in errands:
        if not domain.carry_out(world, Call(errand.name, errand.arguments)):
            return None
    return world.digest


def check_gold(domain: Domain, task: Task) -> tuple[list[str], list[str]]:
    """Final states of two replays of the gold, and of the gold without each single write or record.

    Raises TaskRejected: a call of the gold is refused or breaks a rule, the replays differ from each other or from what
    is stored, or a write changes nothing.
    """
    gold, finals = task.grader.gold, []
    for _ in range(2):
        world = domain.world()
        if world.digest != task.grader.initial:
            raise TaskRejected("other_database", "the domain's database is not the one the task was made on")
        for step in gold:
            call, tool = Call(step.name, step.arguments), domain.tools.get(step.name)
            if tool is not None and tool.kind.value != step.kind:
                raise TaskRejected("gold_differs", f"{step.name} is a {tool.kind.value} tool")
            if step.requestor != requestor_of(domain, step.name):
                raise TaskRejected("gold_differs", f"{step.name} is a tool of the {domain.side_of(step.name)}")
            before = world.fork()
            result = domain.execute(world, call)
            if result.error:
                raise TaskRejected("gold_fails", f"{step.name}: {result.content}")
            if step.kind == Kind.WRITE.value and (broken := domain.breaches(before, call, task.customer)):
                raise TaskRejected("gold_breaks_rule", f"R{broken[0].rule.number}: {broken[0].reason}")
            if result.content != step.result:
                raise TaskRejected("gold_differs", f"{step.name} gave another result than the one stored")
        finals.append(world.digest)
    if finals[0] != finals[1]:
        raise TaskRejected("not_deterministic")
    if finals[0] != task.grader.final:
        raise TaskRejected("final_differs", "the replayed final state is not the one stored")
    if changes_of(world) != task.grader.allowed_diff:
        raise TaskRejected("diff_differs", "the replayed changes are not the ones stored")
    writes = effects_in(gold)
    without = []
    for left_out in range(len(writes)):
        final = final_state(domain, [call for i, call in enumerate(writes) if i != left_out])
        if final == finals[0]:
            raise TaskRejected("needless_write", f"{writes[left_out].name} changes nothing in the end")
        without.append(final or "refused")
    return finals, without
