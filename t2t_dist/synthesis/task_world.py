"""The domain of a task whose world differs from the domain's database in some records."""

from __future__ import annotations

from functools import lru_cache

import orjson

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import RecordChange, Task
from t2t_dist.environments.base import Domain


def domain_of(domain: Domain, task: Task) -> Domain:
    """The domain on the task's own records; the domain itself where there are none.

    Raises InputError: it has no such record.
    """
    if not task.world:
        return domain
    changes = orjson.dumps([[one.table, one.key, one.after] for one in task.world]).decode()
    return _variant(domain, changes)


def is_based_on(domain: Domain, changes: list[RecordChange]) -> bool:
    """Whether these changes are of records as the domain's database holds them."""
    tables = domain.base.tables
    return all(tables.get(one.table, {}).get(one.key) == one.before and one.before is not None for one in changes)


@lru_cache(maxsize=64)
def _variant(domain: Domain, changes: str) -> Domain:
    """Cached: certifying, playing and grading a task ask for it one after the other."""
    records = {(table, key): record for table, key, record in orjson.loads(changes)}
    for table, key in records:
        if key not in domain.base.tables.get(table, {}):
            raise InputError(f"the task's world has a record {table}/{key}, which the domain {domain.name} does not have")
    return domain.variant(records)
