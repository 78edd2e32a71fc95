"""Writer of a report: one self-contained HTML page, its figures as SVG and PNG, its tables as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from t2t_dist.core.errors import InputError
from t2t_dist.core.printing import clean
from t2t_dist.core.schema import INTENTS, Turn
from t2t_dist.core.version import __version__
from t2t_dist.environments.files import write_file
from t2t_dist.grading.diagnose import CODES

from ..audit.measures import MEASURES
from ..pairs import OUTCOMES
from ..results_table import ALL
from .data import ReportData
from .drawing import DARK, LIGHT, TEXT, standalone, style
from .figures import Figure, figures
from .tables import Table, tables

#: Most episodes that a page lists per cause; the CSV has them all.
_LISTED = 12
#: Most characters of one message on a page.
_MESSAGE = 1500


def page(data: ReportData) -> str:
    """The HTML of a report. Everything from the run is escaped: models wrote the transcripts."""
    causes = data.causes
    behind: dict[str, list[Any]] = {}
    for cause in causes.episodes:
        behind.setdefault(cause.code, []).append(cause)
    for code, (cause, _) in causes.examples.items():  # the episode with a transcript comes first
        behind[code].sort(key=lambda other: other.episode_id != cause.episode_id)
    applies: dict[str, int] = {}
    for (_, _, code), n in causes.applies.items():
        applies[code] = applies.get(code, 0) + n
    return (
        _templates()
        .get_template("page.html.j2")
        .render(
            data=data,
            summary=data.summary,
            figures=figures(data),
            intents=[*data.results.intents, ALL],
            passes=list(_passes(data)),
            by_level=list(_by_level(data)),
            by_combination=list(_by_combination(data)),
            by_kind=list(_by_kind(data)),
            differences=[d for d in data.summary["differences"] if d["k"] == 1],
            codes=[(code, CODES[code], behind[code], applies[code]) for code in CODES if code in behind],
            listed=_LISTED,
            examples={cause.episode_id: turns for cause, turns in causes.examples.values()},
            text=TEXT,
            light=style(LIGHT),
            dark=style(DARK),
            version=__version__,
            signed=lambda value: f"{value:+.3f}",
            outcomes=OUTCOMES[::-1],
            meanings=MEASURES,
            shown=shown,
            speaker=_speaker,
        )
    )


def _passes(data: ReportData) -> Iterator[tuple[str, int, list[Any]]]:
    intents = [*(i for i in INTENTS if i in data.results.intents), ALL]
    for agent in data.results.agents:
        for k in range(1, data.reading.trials + 1):
            yield agent, k, [data.results.passes(k, agent, intent) for intent in intents]


def _by_level(data: ReportData) -> Iterator[tuple[str, int, list[Any]]]:
    for agent in data.results.agents if data.results.levels else ():
        for k in range(1, data.reading.trials + 1):
            yield agent, k, [data.results.passes(k, agent, level=level) for level in data.results.levels]


def _by_combination(data: ReportData) -> Iterator[tuple[str, int, list[Any]]]:
    for agent in data.results.agents if data.results.combinations else ():
        for k in range(1, data.reading.trials + 1):
            yield agent, k, [data.results.passes(k, agent, combination=name) for name in data.results.combinations]


def _by_kind(data: ReportData) -> Iterator[tuple[str, list[Any]]]:
    for kind in data.results.kinds:
        yield kind, [data.results.passes(1, agent, kind=kind) for agent in data.results.agents]


def shown(text: str) -> str:
    """A message as a page shows it: only the start of a very long one."""
    return text if len(text) <= _MESSAGE else f"{text[:_MESSAGE]} ... ({len(text) - _MESSAGE} more characters)"


def _speaker(turn: Turn) -> str:
    return "result" if turn.role == "tool" else "customer" if turn.seat == "user" else "agent"


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("t2t_dist.evaluation.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Beyond escaping: a name or a message may contain control or bidirectional characters.
        finalize=lambda value: clean(value) if type(value) is str else value,
    )


def write_page(data: ReportData, path: str) -> None:
    """Write the page. Raises InputError: it can't be written there."""
    _write(Path(path), page(data).encode("utf-8", "replace"))


def write_files(data: ReportData, folder: str) -> list[str]:
    """Each figure as SVG, and as PNG where the extra ``report`` is installed, and each table as CSV: their names.

    Raises:
        InputError: they can't be written there.
    """
    names = []
    for figure in figures(data):
        files = {f"{figure.name}.svg": standalone(figure.svg).encode()}
        png = _png(figure)
        if png is not None:
            files[f"{figure.name}.png"] = png
        for name, content in files.items():
            _write(Path(folder) / name, content)
            names.append(name)
    for table in tables(data):
        _write(Path(folder) / f"{table.name}.csv", csv_of(table))
        names.append(f"{table.name}.csv")
    return names


def can_png() -> bool:
    """Whether PNG files can be written here."""
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        return False
    return True


def _png(figure: Figure) -> bytes | None:
    if not can_png():
        return None
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=standalone(figure.svg, dark=False), width=880))


def csv_of(table: Table) -> bytes:
    """A table as CSV in UTF-8, in which no cell is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.head)
    writer.writerows([[_inert(value) for value in row] for row in table.rows])
    return out.getvalue().encode("utf-8", "replace")


def _inert(value: Any) -> Any:
    """A spreadsheet takes text that begins so for a formula; text that a model wrote must not become one."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror or error}; give another with --html") from None
