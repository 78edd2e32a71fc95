"""What is raised where the proof of what a customer means does not hold."""

from __future__ import annotations


class NotProved(Exception):
    """A meaning that does not hold; ``code`` and ``detail`` say why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail
