"""The domain of one task: the run's own, or a variant of it in which some records are as the task says.

A task's ``world`` lists the records in which the world that it is played in differs from the domain's database. Whoever
starts an episode, grades one or proves a task asks here first, and then works on that domain as on any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import orjson

from t2t_dist.environments.base import Domain
from t2t_dist.environments.json_text import DEPTH, deeper
from t2t_dist.environments.state import META

from .errors import InputError
from .schema import RecordChange, Task

#: Records that may differ, and the size of all of them as JSON: a task's world is a detail of its domain's.
MOST_RECORDS, MOST_BYTES = 64, 1 << 20


def domain_of(domain: Domain, task: Task) -> Domain:
    """The domain that a task is about; ``domain`` itself where the task's world is the domain's, or is that already.

    Raises:
        InputError: what is stored is no such world: another record stood there before, or it is no record.
    """
    return variant_of(domain, task.world, task.task_id) if task.world else domain


def variant_of(domain: Domain, world: Sequence[RecordChange], where: str) -> Domain:
    """The domain on a world in which these records differ. Raises InputError, as :func:`domain_of`, about ``where``."""
    if not world:
        return domain
    if why := world_fault(domain, world):
        if _is_there(domain, world):
            return domain
        raise InputError(f"{where}: the task's world can't be set up on '{domain.name}': {why}")
    return _variant(domain, orjson.dumps([[one.table, one.key, one.after] for one in world]))


def world_fault(domain: Domain, world: Sequence[RecordChange]) -> str:
    """Why these changes are none of this domain's database; empty where they are."""
    places = {(one.table, one.key) for one in world}
    if len(places) != len(world) or len(world) > MOST_RECORDS:
        return f"it lists a record twice, or more than {MOST_RECORDS}"
    try:
        size = sum(len(orjson.dumps([one.before, one.after])) for one in world)
    except (TypeError, ValueError) as error:
        return f"a record is not JSON ({error})"
    if size > MOST_BYTES:
        return f"its records take {size} bytes, more than {MOST_BYTES}"
    for one in world:
        where, record = f"{one.table}/{one.key}", domain.base.tables.get(one.table, {}).get(one.key)
        if one.table == META or record is None:
            return f"the database has no record {where}"
        if not isinstance(one.after, dict) or deeper(one.after, DEPTH):
            return f"{where} would be no record"
        if record != one.before:
            return f"{where} is not in the database as the task has it; give the database that it was made on"
        if record == one.after:
            return f"{where} would be as it is"
    return ""


def _is_there(domain: Domain, world: Sequence[RecordChange]) -> bool:
    """Whether the domain is the variant that is looked for."""
    edited, tables = domain.base.edited, domain.base.tables
    return all((one.table, one.key) in edited and tables[one.table][one.key] == one.after for one in world)


@lru_cache(maxsize=64)
def _variant(domain: Domain, records: bytes) -> Domain:
    """One object for one world: caches of what its tools show go by it."""
    return domain.variant({(table, key): record for table, key, record in orjson.loads(records)})
