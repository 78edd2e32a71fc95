"""``t2t report`` and ``t2t failures``: what a run came to, and why its episodes failed. Part of ``t2t_dist/cli/main.py``."""

from __future__ import annotations

import os
from collections import Counter
from typing import Annotated

import typer
from rich.text import Text

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import INTENTS

from .common import Json, err_console, escaped, finish, out_console, spoken_errors

app = typer.Typer()

Run = Annotated[str, typer.Argument(help="A run directory, finished or not.")]


@app.command()
def report(
    run: Run,
    html: Annotated[
        str | None, typer.Option("--html", help="The page's file; default: report.html in the run, or here.")
    ] = None,
    files: Annotated[
        str | None, typer.Option("--files", help="A folder for each figure as SVG and PNG, each table as CSV.")
    ] = None,
    price: Annotated[
        list[str], typer.Option("--price", help="MODEL=PROMPT/COMPLETION[/CACHED], for a million tokens; repeatable.")
    ] = [],
    no_html: Annotated[bool, typer.Option("--no-html", help="Print only; write nothing.")] = False,
    json: Json = False,
) -> None:
    """Print what a run has come to, also while it is being written, and make one HTML page of it."""
    with spoken_errors():
        from t2t_dist.evaluation.costs import parse_prices
        from t2t_dist.evaluation.report.data import find
        from t2t_dist.evaluation.report.page import can_png, write_files, write_page
        from t2t_dist.storage.partial_run import Reading

        from .terminal import costs_table, printable, summary_tables

        found = find(Reading(run), parse_prices(price))
        console = err_console if json else out_console
        for part in summary_tables(found.summary):
            console.print(part)
        if found.costs:
            console.print(costs_table(found.costs))
        for note in found.notes:
            err_console.print(Text("note: ", "yellow").append(printable(note), "default"), soft_wrap=True)
        summary = found.summary | {"costs": [cost._asdict() for cost in found.costs], "notes": found.notes}
        if not no_html:
            # A run on an object store has no place for a page that is opened from disk.
            summary["html"] = html or ("report.html" if "://" in run else os.path.join(run, "report.html"))
            write_page(found, summary["html"])
            console.print(f"\nThe page: [bold]{escaped(summary['html'])}[/]", soft_wrap=True)
        if files is not None:
            summary["files"] = write_files(found, files)
            console.print(f"Figures and tables: [bold]{escaped(files)}[/]", soft_wrap=True)
            if not can_png():
                err_console.print(
                    "[yellow]note:[/] PNG files need the extra 'report': pip install 't2t-dist\\[report]'"
                )
        finish(summary, json)


@app.command()
def failures(
    run: Run,
    code: Annotated[str | None, typer.Option("--code", help="Only episodes to which this cause applies.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Only this agent's.")] = None,
    intent: Annotated[str | None, typer.Option("--intent", help="Only this intent.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", help="Episodes to list.")] = 20,
    every: Annotated[bool, typer.Option("--all", help="Read every failed episode, and not a sample.")] = False,
    json: Json = False,
) -> None:
    """Print why episodes failed: causes by agent and intent, and the episodes behind them."""
    with spoken_errors():
        from t2t_dist.evaluation.failure_causes import LIMIT, causes_of
        from t2t_dist.grading.diagnose import CODES
        from t2t_dist.storage.partial_run import Reading

        from .terminal import causes_tables, printable

        if code is not None and code not in CODES:
            raise InputError(f"--code {code}: causes are {', '.join(CODES)}")
        if intent is not None and intent not in INTENTS:
            raise InputError(f"--intent {intent}: intents are {', '.join(INTENTS)}")
        reading = Reading(run)
        found = causes_of(reading, None if every else LIMIT, agent, intent)
        listed = [cause for cause in found.episodes if code is None or code in cause.codes]
        console = err_console if json else out_console
        for part in causes_tables(found, listed, max(count, 0)):
            console.print(part)
        for note in reading.notes:
            err_console.print(Text("note: ", "yellow").append(printable(note), "default"), soft_wrap=True)
        counts: dict[str, dict[str, Counter[str]]] = {}
        for (name, where, why), n in found.primary.items():
            counts.setdefault(name, {}).setdefault(where, Counter())[why] += n
        no_result = [[*key, n] for key, n in sorted(found.no_result.items())]
        summary = {"failed": found.failed, "read": found.read, "causes": counts, "no_result": no_result}
        finish(summary | {"episodes": [cause._asdict() for cause in listed], "notes": reading.notes}, json)
