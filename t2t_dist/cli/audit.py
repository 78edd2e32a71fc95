"""``t2t audit``: is the data of a run worth training on?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from t2t_dist.core.printing import one_line
from t2t_dist.core.schema import INTENTS

from .common import (
    CHECK,
    GATE_FAILED,
    NO_RESULT,
    Json,
    err_console,
    escaped,
    finish,
    how_many,
    out_console,
    run_argument,
    spoken_errors,
)
from .consoles import cell, note_line

if TYPE_CHECKING:
    from t2t_dist.evaluation.audit.auditing import Audit
    from t2t_dist.evaluation.audit.measures import Measure

app = typer.Typer()

#: Rows of one measure that a terminal shows: those that miss their limit, then the others.
_ROWS = 6
#: Characters of an example.
_LONG = 300


@app.command(rich_help_panel=CHECK)
def audit(
    run: Annotated[str, run_argument("Run with tasks.")],
    limit: Annotated[int, how_many("tasks to roll scripted agents out on, evenly over the intents", min=0)] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the samples and rollouts.")] = 0,
    fail_under: Annotated[
        list[str],
        typer.Option(
            "--fail-under",
            metavar="GATE",
            help="A limit in place of the usual one, such as 'prior<=0.7' or 'floor[liar]<=0.05'; repeatable.",
        ),
    ] = [],
    json: Json = False,
) -> None:
    """Audit the data of a run: is it worth training on?

    What agents get that do no work or never ask, figures that an agent can't have known, odd customers, diversity,
    coverage. Exits 1 if a figure misses its limit, 3 if there are no tasks.
    """
    with spoken_errors():
        from t2t_dist.api import audit as audited

        found = audited(run, sample=limit, seed=seed, fail_under=fail_under)
        console = err_console if json else out_console
        for part in audit_tables(found):
            console.print(part)
        for note in found.notes:
            err_console.print(note_line(note), soft_wrap=True)
        for measure in found.not_measured:
            line = f"[yellow]not measured:[/] {escaped(measure.of)}: {escaped(measure.detail)}"
            err_console.print(line, soft_wrap=True)
        for line, examples in found.missed_lines():
            err_console.print(f"[bold red]missed:[/] {escaped(line)}", soft_wrap=True)
            for example in examples:
                err_console.print(Text(f"    {one_line(example, _LONG)}", "dim"), soft_wrap=True)
        finish(found.plain(), json)
        if not found.tasks:
            raise typer.Exit(NO_RESULT)
        if found.missed:
            raise typer.Exit(GATE_FAILED)


def audit_tables(found: Audit) -> Iterator[RenderableType]:
    """The figures by intent, then those over all tasks."""
    yield Text(
        f"{found.tasks} tasks read, agents rolled out on {found.sampled} of them, {found.episodes} passed episodes read"
    )
    by_intent: dict[tuple[str, str], dict[str, Measure]] = {}
    whole: list[Measure] = []
    for measure in found.measures:
        if measure.value is None:
            continue
        if measure.on in INTENTS:
            by_intent.setdefault((measure.name, measure.about), {})[measure.on] = measure
        else:
            whole.append(measure)
    if by_intent:
        yield _by_intent(found, by_intent)
    if whole:
        yield _whole(found, whole)


def _by_intent(found: Audit, rows: dict[tuple[str, str], dict[str, Measure]]) -> RenderableType:
    table = _table("figure", "of", *INTENTS, "limit")
    names = list(dict.fromkeys(name for name, _ in rows))
    for name in names:
        mine = [(about, cells) for (other, about), cells in rows.items() if other == name]
        mine.sort(key=lambda row: not any(found.misses(each) for each in row[1].values()))  # stable
        for number, (about, cells) in enumerate(mine[:_ROWS]):
            shown = [_cell(found, cells.get(intent)) for intent in INTENTS]
            bounds = list(dict.fromkeys(_bound(found, each) for each in cells.values()))
            table.add_row(name if not number else "", cell(about), *shown, cell(" ".join(bounds)))
        _add_left(table, len(mine))
    return table


def _whole(found: Audit, measures: list[Measure]) -> RenderableType:
    table = _table("figure", "of", "all", "limit", "detail")
    for name in dict.fromkeys(measure.name for measure in measures):
        mine = [measure for measure in measures if measure.name == name]
        mine.sort(key=lambda measure: not found.misses(measure))
        for number, measure in enumerate(mine[:_ROWS]):
            detail = cell(one_line(measure.detail, _LONG))
            bound = cell(_bound(found, measure))
            table.add_row(name if not number else "", cell(measure.about), _cell(found, measure), bound, detail)
        _add_left(table, len(mine))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column in (*INTENTS, "all")
        table.add_column(column, justify="right" if right else "left", no_wrap=right, overflow="fold")
    return table


def _add_left(table: Table, rows: int) -> None:
    if rows > _ROWS:
        table.add_row("", Text(f"{rows - _ROWS} more: --json", "dim"))


def _cell(found: Audit, measure: Measure | None) -> Text:
    if measure is None or measure.value is None:
        return Text("")
    text = f"{measure.value:.3f}" if abs(measure.value) < 1 else f"{measure.value:.1f}"
    if measure.low is not None and measure.high is not None:
        text = f"{measure.value:.2f} [{measure.low:.2f}, {measure.high:.2f}]"
    return Text(text, "bold red" if found.misses(measure) else "")


def _bound(found: Audit, measure: Measure) -> str:
    limit = found.limit(measure)
    return "" if limit is None else f"{limit.sign} {limit.bound:g}"
