"""The first items of a session: whether all of them fail alike, so that it is no use to go on. A pure state machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class FirstItems:
    """Counts finished items until one has a result, or until ``enough`` failed by the same; 0: never enough."""

    def __init__(self, enough: int) -> None:
        self._enough = enough
        self._failed: Counter[str] = Counter()

    def finished(self, succeeded: int, failed: Mapping[str, int]) -> str:
        """Some items have finished: ``succeeded`` with a result, ``failed`` without, by what they failed by. Returns
        why to stop, else an empty string."""
        if succeeded:
            self._enough = 0
        self._failed.update(failed)
        for why, count in self._failed.items():
            if self._enough and count >= self._enough:
                return f"the first {count} items all failed, by {why}"
        return ""
