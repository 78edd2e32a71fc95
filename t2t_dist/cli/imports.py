"""``t2t import``: third-party tasks as a run."""

from __future__ import annotations

from typing import Annotated

import typer

from t2t_dist.core.errors import InputError

from .common import MAKE, Json, err_console, escaped, finish, one_of, out_console, spoken_errors

app = typer.Typer()

#: Gold calls and rejected tasks that are printed; ``--json`` has them all.
_SHOWN = 40


_FORMATS, _GRADINGS = ("tau2",), ("tau2", "own")


@app.command("import", rich_help_panel=MAKE)
def import_tasks(
    format: Annotated[str, typer.Argument(metavar="FORMAT", help=f"Format of the file: {', '.join(_FORMATS)}.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="A tasks.json.")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="RUN", help="Run directory or URI to write.")],
    domain: Annotated[
        str | None, typer.Option("--domain", "-d", help="Domain of the tasks.", show_default="the one the file names")
    ] = None,
    grading: Annotated[
        str, typer.Option("--grading", metavar=one_of(_GRADINGS), help="Whose verdict is the reward.")
    ] = "tau2",
    json: Json = False,
) -> None:
    """Import tau2-bench tasks as a run.

    The run can be verified, shown and evaluated. Gold calls that raise are listed.
    """
    with spoken_errors():
        if format not in _FORMATS:
            raise InputError(f"t2t import {format}: tasks can be imported from tau2, as in t2t import tau2 tasks.json")
        if grading not in _GRADINGS:
            raise InputError(f"--grading {grading}: give tau2 or own")
        from t2t_dist.tau2.import_run import import_file

        result = import_file(file, out, domain, "own" if grading == "own" else "tau2")
        console = err_console if json else out_console
        verdicts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(result.verdicts.items()))
        total = sum(result.verdicts.values())
        console.print(
            f"{total} tasks ({verdicts}) of {escaped(result.domain)} in [bold]{escaped(out)}[/]", soft_wrap=True
        )
        affected = list(dict.fromkeys(raised.task for raised in result.raised))
        if elsewhere := result.verdicts["other_database"]:
            console.print(
                f"{len(result.raised)} gold calls raise, most of the file's: these {elsewhere} tasks are for another"
                f" database; give its file: --domain {escaped(result.domain.partition('@')[0])}@db.json",
                soft_wrap=True,
            )
        elif affected:
            console.print(f"{len(result.raised)} gold calls raise, in {len(affected)} tasks:")
        for raised in [] if elsewhere else result.raised[:_SHOWN]:
            what = f"{raised.name} (a write)" if raised.kind == "write" else raised.name
            line = f"task {raised.task}, call {raised.place}: {what}: {raised.message}"
            console.print(f"  {escaped(line)}", soft_wrap=True)
        for task, why in result.rejected[:_SHOWN]:
            console.print(f"  rejected: task {escaped(task)}: {escaped(why)}", soft_wrap=True)
        if len(result.raised) > _SHOWN or len(result.rejected) > _SHOWN:
            console.print("  and more; --json lists all of them")
        finish(
            {
                "out": out,
                "run_id": result.run_id,
                "domain": result.domain,
                "verdicts": dict(result.verdicts),
                "raised": [raised._asdict() for raised in result.raised],
                "tasks_affected": affected,
                "rejected": [{"task": task, "why": why} for task, why in result.rejected],
            },
            json,
        )
