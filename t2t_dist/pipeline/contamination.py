"""Contamination: what a run's tasks share with those of reference runs, by entities and by actions."""

from __future__ import annotations

from typing import NamedTuple

from t2t_dist.config.domain import load_domain
from t2t_dist.environments.splits import name_and_split
from t2t_dist.storage.rows import to_row
from t2t_dist.storage.source_run import Source
from t2t_dist.synthesis.entities import Entities
from t2t_dist.synthesis.verify import action_key


class Overlap(NamedTuple):
    """What verified tasks share with those of ``reference``: task ids, and entities as ``DOMAIN/TABLE/KEY``; sorted."""

    reference: str
    reference_tasks: int
    same_actions: list[str]
    same_entities: list[str]
    entities: list[str]


def overlaps(source: Source, references: list[Source]) -> list[Overlap]:
    """What the verified tasks of a run share with those of each reference run.

    Actions are the same if they are the same writes on the same records, whatever is said. An entity is a customer or a
    record of a customer: tasks of two splits share none, tasks of two seeds may by chance. Raises InputError.
    """
    known, result = _Known(), []
    mine = {task_id: (key, names) for task_id, key, names in known.of(source)}
    for reference in references:
        other = known.of(reference)
        actions = {key for _, key, _ in other}
        entities = frozenset().union(*(names for *_, names in other))
        shared = frozenset().union(*(names & entities for _, names in mine.values()))
        result.append(
            Overlap(
                reference.path,
                len(other),
                sorted(task_id for task_id, (key, _) in mine.items() if key in actions),
                sorted(task_id for task_id, (_, names) in mine.items() if names & entities),
                sorted(shared),
            )
        )
    return result


class _Known:
    """Cache of what was read from each run."""

    def __init__(self) -> None:
        self._read: dict[str, list[tuple[str, str, frozenset[str]]]] = {}

    def of(self, source: Source) -> list[tuple[str, str, frozenset[str]]]:
        """Id, action key and entities of each verified task."""
        if source.path not in self._read:
            config = source.manifest.config
            entities = Entities(name_and_split(config.domain)[0], load_domain(config))
            self._read[source.path] = [
                (task.task_id, action_key(task), entities.of_task(to_row(task))) for task in source.verified_tasks()
            ]
        return self._read[source.path]
