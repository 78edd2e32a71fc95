"""``t2t import``: tasks of others as a run directory. Part of ``t2t_dist/cli/main.py``."""

from __future__ import annotations

from typing import Annotated

import typer

from t2t_dist.core.errors import InputError

from .common import Domain, Json, err_console, escaped, finish, out_console, spoken_errors

app = typer.Typer()

#: Gold calls and rejected tasks that are printed; ``--json`` has them all.
_SHOWN = 40


@app.command("import")
def import_tasks(
    format: Annotated[str, typer.Argument(help="What the file is: tau2.")],
    file: Annotated[str, typer.Argument(help="A tasks.json.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Run directory.")],
    domain: Domain = None,
    grading: Annotated[str, typer.Option(help="Whose verdict is the reward: tau2 or own.")] = "tau2",
    json: Json = False,
) -> None:
    """Import tasks of tau2-bench, to verify, look at and evaluate; lists the gold calls that raise."""
    with spoken_errors():
        if format != "tau2":
            raise InputError(f"t2t import {format}: tasks can be imported from tau2, as in t2t import tau2 tasks.json")
        if grading not in ("tau2", "own"):
            raise InputError(f"--grading {grading}: give tau2 or own")
        from t2t_dist.tau2.import_run import import_file

        found = import_file(file, out, domain, "own" if grading == "own" else "tau2")
        console = err_console if json else out_console
        verdicts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(found.verdicts.items()))
        total = sum(found.verdicts.values())
        console.print(
            f"{total} tasks ({verdicts}) of {escaped(found.domain)} in [bold]{escaped(out)}[/]", soft_wrap=True
        )
        affected = list(dict.fromkeys(raised.task for raised in found.raised))
        if affected:
            console.print(f"{len(found.raised)} gold calls raise, in {len(affected)} tasks:")
        for raised in found.raised[:_SHOWN]:
            what = f"{raised.name} (a write)" if raised.kind == "write" else raised.name
            told = f"  task {raised.task}, call {raised.place}: {what}: {raised.message}"
            console.print(escaped(told), soft_wrap=True)
        for task, why in found.rejected[:_SHOWN]:
            console.print(f"  rejected: task {escaped(task)}: {escaped(why)}", soft_wrap=True)
        if len(found.raised) > _SHOWN or len(found.rejected) > _SHOWN:
            console.print("  and more: see --json")
        finish(
            {
                "out": out,
                "run_id": found.run_id,
                "domain": found.domain,
                "verdicts": dict(found.verdicts),
                "raised": [raised._asdict() for raised in found.raised],
                "tasks_affected": affected,
                "rejected": [{"task": task, "why": why} for task, why in found.rejected],
            },
            json,
        )
