"""Rejections: why a trajectory gives no task of an intent, or why a task's certificate does not hold."""

from __future__ import annotations

from typing import NamedTuple


class Rejection(NamedTuple):
    """A reason code, and a detail in words."""

    code: str
    detail: str = ""


class TaskRejected(Exception):
    """Raised by ``make`` and ``certify`` of an intent; carries the :class:`Rejection`."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.rejection = Rejection(code, detail)
