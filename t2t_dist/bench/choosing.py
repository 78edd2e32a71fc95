"""The choice of a benchmark's tasks: as many of each level, and over all levels of each intent, as far as there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from t2t_dist.config.difficulty import LEVELS
from t2t_dist.core.identity import stable_hash
from t2t_dist.core.schema import INTENTS, Task


def chosen(tasks: Iterable[Task], wanted: int, seed: int) -> list[Task]:
    """Of verified tasks, up to ``wanted`` in the order in which they came, and with each the twins that it has.

    A level that has too few is not made up for by another: a hard set stays hard. The seed decides between equals.
    """
    cells: dict[int, dict[str, list[Task]]] = {level: {intent: [] for intent in INTENTS} for level in LEVELS}
    twins: dict[str, list[Task]] = defaultdict(list)
    order: dict[str, int] = {}
    for place, task in enumerate(tasks):
        order[task.task_id] = place
        if task.twin_of is not None:
            twins[task.twin_of].append(task)
        elif task.level is not None:
            cells[task.level][task.intent].append(task)
    found: list[Task] = []
    taken: Counter[str] = Counter()
    # The level with the least to choose from comes first: the others make up for the intents that it lacks.
    for level in sorted(LEVELS, key=lambda level: sum(map(len, cells[level].values()))):
        left = {
            intent: sorted(held, key=lambda task: stable_hash(seed, task.task_id))
            for intent, held in cells[level].items()
        }
        for _ in range(_quota(level, wanted)):
            if intents := [intent for intent in INTENTS if left[intent]]:
                intent = min(intents, key=lambda intent: taken[intent])
                found.append(left[intent].pop())
                taken[intent] += 1
    found += [twin for task in found for twin in twins[task.task_id]]
    return sorted(found, key=lambda task: order[task.task_id])


def _quota(level: int, wanted: int) -> int:
    """How many tasks are to be of a level: an equal share, and of what is left over, one each for the hardest."""
    share, over = divmod(wanted, len(LEVELS))
    return share + (level > len(LEVELS) - over)
