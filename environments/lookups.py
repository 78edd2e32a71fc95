"""Helpers for the tools of the built-in domains: find a record, or refuse the call with a message for the caller."""

from __future__ import annotations

from collections.abc import Hashable

from .state import Index, Record, World
from .tools import ToolError


def need(world: World, table: str, key: str, what: str, hint: str) -> Record:
    """The record with this key. Raises ToolError: there is none; ``what`` names it, ``hint`` helps to find the key."""
    record = world.get(table, key)
    if record is None:
        raise ToolError(f"there is no {what} '{key}'; {hint}")
    return record


def first_key(world: World, index: Index, value: Hashable, otherwise: str) -> str:
    """The key of the first record that the index finds. Raises ToolError with the message ``otherwise``: none."""
    for key, _ in world.lookup(index, value):
        return key
    raise ToolError(otherwise)


def demand(*reasons: str | None) -> None:
    """Raises ToolError with the first reason that is not ``None``, of those that the conditions return."""
    for reason in reasons:
        if reason:
            raise ToolError(reason)
