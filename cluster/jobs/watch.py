"""Watching a job from afar: what is known of it, when to ask again, and which lines of its log are news.

Pure: no clock, no network. Times are seconds of any clock that does not go back.
"""

from __future__ import annotations

import json
import re
from collections import deque
from typing import Any

#: Ray's own words for a job that is over, and ours for one that will not be heard of any more.
SUCCEEDED, FAILED, STOPPED = "SUCCEEDED", "FAILED", "STOPPED"
LOST, OUT_OF_REACH, OUT_OF_TIME, LEFT = "LOST", "OUT_OF_REACH", "OUT_OF_TIME", "LEFT"
_OVER = frozenset({SUCCEEDED, FAILED, STOPPED})
#: A cluster that has just come back may not know its jobs yet.
_UNKNOWN_TIMES = 3
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Watch:
    """Whether a job is over, made out from answers and silences.

    ``every_s``: seconds between two questions while answers come; after each that none came to, twice as many, up to
    ``slowest_s``. After ``patience_s`` without any answer the job is out of reach. ``limit_s`` bounds the whole wait.
    """

    def __init__(
        self,
        now: float,
        *,
        every_s: float = 2.0,
        slowest_s: float = 30.0,
        patience_s: float = 900.0,
        limit_s: float | None = None,
    ) -> None:
        self.every_s, self.slowest_s, self.patience_s, self.limit_s = every_s, slowest_s, patience_s, limit_s
        self.began = self.last_answer = now
        self.misses = self.unknown_times = 0
        self.ended: str | None = None

    def heard(self, status: str, now: float) -> None:
        """The cluster answered; ``status`` is Ray's."""
        self.last_answer, self.misses, self.unknown_times = now, 0, 0
        if status in _OVER:
            self.ended = status
        else:
            self._limits(now)

    def missed(self, now: float) -> None:
        """No answer, or one that says nothing of the job."""
        self.misses += 1
        self._limits(now)

    def unknown(self, now: float) -> None:
        """The cluster answered that there is no such job: it has forgotten it with a head that was replaced."""
        self.last_answer, self.misses = now, 0
        self.unknown_times += 1
        if self.unknown_times >= _UNKNOWN_TIMES:
            self.ended = LOST
        else:
            self._limits(now)

    def leave(self) -> None:
        """The person waits no longer."""
        self.ended = self.ended or LEFT

    def wait_s(self) -> float:
        """Seconds until the next question."""
        return min(self.slowest_s, self.every_s * 2.0 ** min(self.misses, 16))

    def _limits(self, now: float) -> None:
        if self.limit_s is not None and now - self.began >= self.limit_s:
            self.ended = OUT_OF_TIME
        elif now - self.last_answer >= self.patience_s:
            self.ended = OUT_OF_REACH


class LogLines:
    """A job's log out of streams that each begin with its first character: every line once, none left out.

    A stream may break off anywhere. The next one is skipped up to where the last one came to, by characters: the log
    only grows. The JSON object that ``t2t ... --json`` prints is kept in ``told`` and is no line.
    """

    def __init__(self, keep: int = 40) -> None:
        self.seen = 0
        self.told: dict[str, Any] | None = None
        self.last: deque[str] = deque(maxlen=keep)
        self._at = 0
        self._open = ""

    def rewind(self) -> None:
        """A new stream begins, with the log's first character."""
        self._at = 0

    def feed(self, text: str) -> list[str]:
        """The next piece of the stream; gives the lines that are whole now, without their ends."""
        new = text[max(0, self.seen - self._at) :]
        self._at += len(text)
        self.seen = max(self.seen, self._at)
        *whole, self._open = (self._open + new).split("\n")
        return [line for line in map(self._line, whole) if line is not None]

    def close(self) -> list[str]:
        """No more will come: the line that has no end yet, if there is one."""
        rest, self._open = self._open, ""
        line = self._line(rest) if rest else None
        return [] if line is None else [line]

    def _line(self, line: str) -> str | None:
        if line.startswith('{"run_id":'):
            try:
                self.told = json.loads(line)
                return None
            except ValueError:
                pass  # half of one: show it
        clean = "".join(c for c in _COLOURS.sub("", line) if c == "\t" or c.isprintable())
        self.last.append(clean)
        return clean
