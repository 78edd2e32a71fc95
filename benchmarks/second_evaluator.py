"""Whether a second evaluator finds the meaning of each request of generated tasks, too. Prints one JSON object.

    python -m benchmarks.second_evaluator [--quick] [--trajectories 1000] [--seed 21] [--difficulty 3] [--domain retail]

Tasks and their twins come from a whole ``t2t generate``. The second evaluator (tests/support/by_hand.py) was written
apart from the first: it knows the results of tools only, and filters and sorts all of them. For each goal of each
verified task it says which calls and answers the stored request comes to, on the world as the goals before leave it,
and that is compared with the gold: "agree", and "differ", with the first few that do. Exit code 1 if one differs.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.hard_tasks import asked_for, generated, report
from t2t_dist.core.schema import Task
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import load
from t2t_dist.environments.tools import Call
from t2t_dist.storage.source_run import Source
from t2t_dist.synthesis.grader_side import errands_by_goal
from t2t_dist.synthesis.normal_calls import in_order
from t2t_dist.synthesis.requests import language as lang
from tests.support.by_hand import ByHand, Unclear

SHOWN = 5


def compared(domain: Domain, task: Task) -> dict[int, str]:
    """By goal with a stored request, what differs; empty where both agree."""
    found: dict[int, str] = {}
    own, done = domain_of(domain, task), errands_by_goal(task.grader)
    requests = {int(goal): request for goal, request in (task.grader.requests or {}).items()}
    hands: dict[int, ByHand] = {}
    for goal, request in sorted(requests.items()):
        before = [call for number, calls in sorted(done.items()) if number < goal for call in calls]
        if len(before) not in hands:
            world = own.world()
            for call in before:
                own.carry_out(world, call)
            hands[len(before)] = ByHand(own, world, task.customer, before)
        wanted = done.get(goal, [])
        if goal == task.grader.refused_goal and task.certificate and task.certificate.forbidden_call:
            refused = task.certificate.forbidden_call
            wanted = [Call(refused.name, refused.arguments)]
        try:
            calls, facts = hands[len(before)].meaning(request)
        except Unclear as why:
            found[goal] = f"unclear: {why}"
            continue
        found[goal] = ""
        if _plain(own, calls) != _plain(own, wanted):
            found[goal] = f"{calls} is not {wanted}"
        told = [float(value) for value in task.grader.communicate if _is_number(value)]
        if unsaid := [fact for fact in facts if not any(abs(abs(fact) - value) < 0.011 for value in told)]:
            found[goal] = f"{unsaid} is not among {told}"
    return found


def _plain(domain: Domain, calls: list[Call]) -> list[str]:
    """Calls in any order, as one text each: the order of sets says nothing."""
    return sorted(json.dumps([call.name, in_order(domain, call).arguments], sort_keys=True) for call in calls)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def measured(name: str, trajectories: int, seed: int, difficulty: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        generated(name, trajectories, seed, difficulty, Path(folder) / "run", "--twins")
        domain, counts, shown = load(name), Counter[str](), []
        nodes: Counter[str] = Counter()
        for task in Source(str(Path(folder) / "run")).verified_tasks():
            counts["twins" if task.twin_of else "tasks"] += 1
            for goal, differs in compared(domain, task).items():
                counts["differ" if differs else "agree"] += 1
                if differs and len(shown) < SHOWN:
                    shown.append({"task": task.task_id, "goal": goal, "differs": differs})
                stored = lang.read((task.grader.requests or {})[str(goal)])
                nodes.update({node.node for node in lang.nodes(stored) if hasattr(node, "node")})
        return {**counts, "differ": counts["differ"], "requests_with": dict(nodes.most_common()), "shown": shown}


def main() -> None:
    found = report(asked_for(__doc__, trajectories=1000, easiest=2), measured)
    sys.exit(any(one["differ"] for one in found.values()))


if __name__ == "__main__":
    main()
