"""How clauses decide whether a message performs an act: surely, surely not, or perhaps. Pure."""

from __future__ import annotations

from collections.abc import Iterable

#: What a clause says of an act: performs it, may perform it, has nothing to do with it.
Sign = bool | None


def verdict(signs: Iterable[Sign]) -> bool | None:
    """True if a clause surely performs the act, None if one may, else False."""
    unsure = False
    for sign in signs:
        if sign:
            return True
        unsure = unsure or sign is None
    return None if unsure else False
