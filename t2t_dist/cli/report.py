"""``t2t report`` and ``t2t failures``: the results of a run, and why its episodes failed."""

from __future__ import annotations

import os
from collections import Counter
from typing import Annotated

import typer

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import INTENTS
from t2t_dist.grading.diagnose import CODES

from .common import (
    LOOK,
    AgentFilter,
    IntentFilter,
    Json,
    err_console,
    escaped,
    finish,
    how_many,
    out_console,
    run_argument,
    spoken_errors,
)
from .consoles import note_line

app = typer.Typer()

Run = Annotated[str, run_argument("Run, finished or not.")]


@app.command(rich_help_panel=LOOK)
def report(
    run: Run,
    html: Annotated[
        str | None,
        typer.Option(
            "--html", metavar="FILE", help="File of the page.", show_default="report.html in the run, or here"
        ),
    ] = None,
    no_html: Annotated[bool, typer.Option("--no-html", help="Print only; write no page.")] = False,
    files: Annotated[
        str | None,
        typer.Option(
            "--files", metavar="FOLDER", help="Write each figure as SVG and PNG, each table as CSV, to this folder."
        ),
    ] = None,
    price: Annotated[
        list[str],
        typer.Option(
            "--price", metavar="MODEL=PROMPT/COMPLETION[/CACHED]", help="Money per million tokens; repeatable."
        ),
    ] = [],
    json: Json = False,
) -> None:
    """Summarize a run: tables here, figures on one HTML page.

    Works on a run that is still being written, or damaged: what can't be read is in the notes.
    """
    with spoken_errors():
        from t2t_dist.evaluation.costs import parse_prices
        from t2t_dist.evaluation.report.data import read_report
        from t2t_dist.evaluation.report.page import can_png, write_files, write_page
        from t2t_dist.storage.partial_run import PartialRun

        from .terminal import costs_table, summary_tables

        data = read_report(PartialRun(run), parse_prices(price))
        console = err_console if json else out_console
        for part in summary_tables(data.summary):
            console.print(part)
        if data.costs:
            console.print(costs_table(data.costs))
        if data.audit.missed:
            line = f"worth training on? {len(data.audit.missed)} limits missed: {', '.join(data.audit.missed)}"
            console.print(f"[yellow]{escaped(line)}[/]; look: [bold]t2t audit {escaped(run)}[/]", soft_wrap=True)
        for note in data.notes:
            err_console.print(note_line(note), soft_wrap=True)
        summary = data.summary | {"costs": [cost._asdict() for cost in data.costs], "notes": data.notes}
        if not no_html:
            # A run on an object store has no place for a page that is opened from disk.
            summary["html"] = html or ("report.html" if "://" in run else os.path.join(run, "report.html"))
            write_page(data, summary["html"])
            console.print(f"\nThe page: [bold]{escaped(summary['html'])}[/]", soft_wrap=True)
        if files is not None:
            summary["files"] = write_files(data, files)
            console.print(f"Figures and tables: [bold]{escaped(files)}[/]", soft_wrap=True)
            if not can_png():
                err_console.print(
                    "[yellow]note:[/] PNG files need the extra 'report': pip install 't2t-dist\\[report]'"
                )
        finish(summary, json)


@app.command(rich_help_panel=LOOK)
def failures(
    run: Run,
    limit: Annotated[int, how_many("episodes to list", min=0)] = 20,
    code: Annotated[
        str | None,
        typer.Option(
            "--code",
            metavar="CODE",
            help=f"Only episodes to which this cause applies: {', '.join(CODES)}.",
            show_default="all",
        ),
    ] = None,
    agent: AgentFilter = None,
    intent: IntentFilter = None,
    every: Annotated[bool, typer.Option("--all", help="Read every failed episode instead of a sample.")] = False,
    json: Json = False,
) -> None:
    """Show why episodes failed, by agent, intent and cause."""
    with spoken_errors():
        from t2t_dist.evaluation.failure_causes import LIMIT, causes_of
        from t2t_dist.storage.partial_run import PartialRun

        from .terminal import causes_tables

        if code is not None and code not in CODES:
            raise InputError(f"--code {code}: causes are {', '.join(CODES)}")
        if intent is not None and intent not in INTENTS:
            raise InputError(f"--intent {intent}: intents are {', '.join(INTENTS)}")
        reading = PartialRun(run)
        causes = causes_of(reading, None if every else LIMIT, agent, intent)
        listed = [cause for cause in causes.episodes if code is None or code in cause.codes]
        console = err_console if json else out_console
        for part in causes_tables(causes, listed, limit):
            console.print(part)
        for note in reading.notes:
            err_console.print(note_line(note), soft_wrap=True)
        counts: dict[str, dict[str, Counter[str]]] = {}
        for (name, where, why), n in causes.primary.items():
            counts.setdefault(name, {}).setdefault(where, Counter())[why] += n
        no_result = [[*key, n] for key, n in sorted(causes.no_result.items())]
        summary = {"failed": causes.failed, "read": causes.read, "causes": counts, "no_result": no_result}
        finish(summary | {"episodes": [cause._asdict() for cause in listed], "notes": reading.notes}, json)
