"""The figures of an audit for the dataset card, read from what ``t2t audit RUN --json`` writes.

The file is input like any other: bounded, typed, and its words are cleaned. Examples, which quote conversations, are
not taken.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from t2t_dist.core.errors import InputError
from t2t_dist.core.printing import one_line
from t2t_dist.environments.files import read_file

#: Bytes of the file; characters of a name; figures and names that the card shows.
MOST_BYTES, _LONG, SHOWN = 16 << 20, 120, 100


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class Figure(_Read):
    """One figure: ``name`` of ``about`` (an agent, a tool, ...) on an intent or ``all``; measured on ``n``."""

    name: str
    about: str = ""
    on: str = "all"
    value: float
    n: int = 0
    low: float | None = None
    high: float | None = None
    limit: str | None = None
    holds: bool | None = None

    @property
    def row(self) -> list[str]:
        """Its cells in the card's table."""
        value = f"{self.value:.3f}"
        if self.low is not None and self.high is not None:
            value += f" ({self.low:.3f} to {self.high:.3f})"
        limit = "" if self.limit is None else f"{code(self.limit)}{', missed' if self.holds is False else ''}"
        return [code(self.name), code(self.about) if self.about else "", code(self.on), value, str(self.n), limit]


class Unmeasured(_Read):
    """A figure that could not be measured, and why."""

    what: str
    why: str = ""


class Audit(_Read):
    """The figures of an audit of ``run``: ``tasks`` and passed ``episodes`` were read, agents rolled out on
    ``sampled`` tasks. ``missed`` are the limits that do not hold."""

    run: str
    tasks: int
    sampled: int
    episodes: int
    measures: list[Figure]
    missed: list[str] = []
    not_measured: list[Unmeasured] = []

    @property
    def name(self) -> str:
        """The run without the folders above it, which are nobody's business."""
        return code(self.run.rstrip("/").rpartition("/")[2])

    @property
    def rows(self) -> list[list[str]]:
        """The table's rows, figures that miss their limit first."""
        return [figure.row for figure in sorted(self.measures, key=lambda f: f.holds is not False)[:SHOWN]]

    @property
    def left(self) -> int:
        """Figures that the table has not."""
        return max(0, len(self.measures) - SHOWN)

    @property
    def missed_limits(self) -> str:
        return ", ".join(map(code, self.missed[:SHOWN]))

    @property
    def absent(self) -> str:
        return ", ".join(f"{code(each.what)} ({code(each.why)})" for each in self.not_measured[:SHOWN])

    def is_of(self, runs: Iterable[str]) -> bool:
        """Whether it is an audit of one of these runs, by their paths."""
        return os.path.realpath(self.run) in map(os.path.realpath, runs)


def read_audit(file: str) -> Audit:
    """The audit in a file. Raises InputError: it can't be read, or is none."""
    try:
        return Audit.model_validate(orjson.loads(read_file(file, MOST_BYTES)))
    except OSError as error:
        raise InputError(f"--audit {file}: {error.strerror or error}") from None
    except (orjson.JSONDecodeError, ValidationError) as error:
        why = "not JSON"
        if isinstance(error, ValidationError):
            first = error.errors(include_input=False)[0]
            why = f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
        raise InputError(f"--audit {file}: {why}; give a file made by t2t audit RUN --json > FILE") from None


def code(text: str) -> str:
    """A word from outside as code in Markdown: nothing in it is a link, HTML or the end of a cell."""
    return f"`{one_line(re.sub('[`|]', ' ', text), _LONG) or ' '}`"
