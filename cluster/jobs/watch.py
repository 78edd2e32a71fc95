"""State machines that follow a remote job: is it over, when to poll again, which lines of its log are new.

Pure: no clock, no network. Times are seconds of any monotonic clock.
"""

from __future__ import annotations

import json
import re
from collections import deque
from typing import Any

from t2t_dist.core.printing import printable

#: Ray's states of a job that is over, and ours for a job that is not followed any further.
SUCCEEDED, FAILED, STOPPED = "SUCCEEDED", "FAILED", "STOPPED"
LOST, OUT_OF_REACH, OUT_OF_TIME, LEFT = "LOST", "OUT_OF_REACH", "OUT_OF_TIME", "LEFT"
_OVER = frozenset({SUCCEEDED, FAILED, STOPPED})
#: A cluster that has just restarted may not know its jobs yet.
_UNKNOWN_TIMES = 3
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Watch:
    """State machine: whether a job is over, from answers and failed polls.

    ``every_s``: seconds between two polls while the cluster answers; doubled after each failed poll, up to
    ``slowest_s``. After ``patience_s`` without an answer the job is out of reach. ``limit_s`` bounds the whole wait.
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
        """The cluster answered with Ray's ``status`` of the job."""
        self.last_answer, self.misses, self.unknown_times = now, 0, 0
        if status in _OVER:
            self.ended = status
        else:
            self._limits(now)

    def missed(self, now: float) -> None:
        """No answer, or none about the job."""
        self.misses += 1
        self._limits(now)

    def unknown(self, now: float) -> None:
        """The cluster answered that there is no such job: jobs are lost when the head is replaced."""
        self.last_answer, self.misses = now, 0
        self.unknown_times += 1
        if self.unknown_times >= _UNKNOWN_TIMES:
            self.ended = LOST
        else:
            self._limits(now)

    def leave(self) -> None:
        """The user stops waiting."""
        self.ended = self.ended or LEFT

    def wait_s(self) -> float:
        """Seconds until the next poll."""
        return min(self.slowest_s, self.every_s * 2.0 ** min(self.misses, 16))

    def _limits(self, now: float) -> None:
        if self.limit_s is not None and now - self.began >= self.limit_s:
            self.ended = OUT_OF_TIME
        elif now - self.last_answer >= self.patience_s:
            self.ended = OUT_OF_REACH


class LogLines:
    """Reader of a job's log from streams that each start at its beginning: every line once, none missing.

    A stream may break off anywhere. The next one is skipped, by characters, to where the last one ended: the log only
    grows. The JSON object that ``t2t ... --json`` prints is kept in ``summary`` and is not a line.
    """

    def __init__(self, keep: int = 40) -> None:
        self.seen = 0
        self.summary: dict[str, Any] | None = None
        self.last: deque[str] = deque(maxlen=keep)
        self._at = 0
        self._open = ""

    def rewind(self) -> None:
        """A new stream starts, at the log's beginning."""
        self._at = 0

    def feed(self, text: str) -> list[str]:
        """Take the next piece of the stream; returns the lines that are complete now, without line ends."""
        new = text[max(0, self.seen - self._at) :]
        self._at += len(text)
        self.seen = max(self.seen, self._at)
        *whole, self._open = (self._open + new).split("\n")
        return [line for line in map(self._line, whole) if line is not None]

    def close(self) -> list[str]:
        """End of the log; returns the last line, if it has no line end."""
        rest, self._open = self._open, ""
        line = self._line(rest) if rest else None
        return [] if line is None else [line]

    def _line(self, line: str) -> str | None:
        if line.startswith('{"run_id":'):
            try:
                self.summary = json.loads(line)
                return None
            except ValueError:
                pass  # incomplete: show it as a line
        shown = printable(_COLOURS.sub("", line))
        self.last.append(shown)
        return shown
