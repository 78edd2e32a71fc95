"""The entities of a row: its customer, and the customers' records that it names or changes.

Records that belong to no customer (products, flights, plans) are no entities: everybody's orders name them, so they
would tie all rows together, and knowing the catalogue does not give away a test's answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from t2t_dist.environments.base import Domain
from t2t_dist.environments.json_text import Unreadable, read_json


class Entities:
    """Finds the entities of tasks and calls in one domain; names are ``DOMAIN/TABLE/KEY``."""

    def __init__(self, name: str, domain: Domain) -> None:
        self.name, self._tables = name, domain.base.tables
        self._customers = frozenset(domain.customers(domain.base))
        self._known: dict[str, frozenset[str]] = {}

    def of_task(self, row: dict[str, Any]) -> frozenset[str]:
        """``row``: ``customer`` and ``grader`` of a row of tasks."""
        found = {self._customer(row["customer"])}
        grader = row["grader"] or {}
        for change in grader.get("allowed_diff") or ():
            for side in ("before", "after"):
                found |= self._owned(change["table"], change["key"], _read(change[side]))
        return frozenset(found | self.of_calls(call["arguments"] for call in grader.get("gold") or ()))

    def of_calls(self, arguments: Iterable[str]) -> frozenset[str]:
        """``arguments``: JSON texts; invalid ones are ignored."""
        found: set[str] = set()
        for text in arguments:
            for value in strings(_read(text)):
                if value not in self._known:
                    self._known[value] = frozenset(self._named(value))
                found |= self._known[value]
        return frozenset(found)

    def _named(self, value: str) -> Iterator[str]:
        if value in self._customers:
            yield self._customer(value)
        for table, records in self._tables.items():
            if (record := records.get(value)) is not None:
                yield from self._owned(table, value, record)

    def _owned(self, table: str, key: str, record: Any) -> set[str]:
        """A record and its owners; empty where it belongs to no customer."""
        owners = self._customers.intersection(strings(record)) | self._customers.intersection([key])
        return {f"{self.name}/{table}/{key}", *map(self._customer, owners)} if owners else set()

    def _customer(self, who: str) -> str:
        return f"{self.name}/customer/{who}"


def _read(text: str | None) -> Any:
    try:
        return read_json(text) if text else None
    except Unreadable:
        return None


def strings(value: object) -> Iterator[str]:
    """Every string among the values of plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings(inner)
