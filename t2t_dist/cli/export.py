"""``t2t export``: episodes as training data."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from t2t_dist.core.errors import InputError

from .common import (
    MAKE,
    Intents,
    Json,
    err_console,
    escaped,
    finish,
    one_of,
    out_console,
    run_argument,
    spoken_errors,
)
from .consoles import note_line

app = typer.Typer()


#: As the export room has them (a test compares); it loads Arrow, which help must not.
FORMATS = ("sft", "rl", "preference", "hf", "tau2", "tau2-results")
STYLES, FILES = ("openai", "hf"), ("jsonl", "parquet")
CHECKS = (
    "authenticated_first",
    "confirmed_before_write",
    "one_call_at_a_time",
    "own_data_only",
    "trigger_first",
    "policy_order",
)


@app.command(rich_help_panel=MAKE)
def export(
    runs: Annotated[list[str], run_argument("Runs, finished or not.")],
    format: Annotated[str, typer.Option("--format", "-f", metavar=one_of(FORMATS), help="What a row is.")],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="PATH", help="New folder to write; for tau2 formats, a new file.")
    ],
    style: Annotated[
        str | None,
        typer.Option(
            "--style", metavar=one_of(STYLES), help="Messages as OpenAI or as TRL has them.", show_default="hf"
        ),
    ] = None,
    file: Annotated[str, typer.Option("--file", metavar=one_of(FILES), help="File type.")] = "jsonl",
    min_reward: Annotated[
        float | None,
        typer.Option("--min-reward", help="Lowest reward.", show_default="1.0 for sft and preference, else none"),
    ] = None,
    intent: Intents = [],
    agent: Annotated[
        list[str],
        typer.Option("--agent", metavar="MODEL", help="Only episodes of this agent; repeatable.", show_default="all"),
    ] = [],
    process: Annotated[
        list[str],
        typer.Option(
            "--process",
            metavar="CHECK",
            help=f"Only episodes that pass this process check ({', '.join(CHECKS)}), all or none of them; repeatable.",
            show_default="all for sft and preference, else none",
        ),
    ] = [],
    no_user_faults: Annotated[
        bool, typer.Option("--no-user-faults", help="Leave out episodes with faults of the simulated user.")
    ] = False,
    max_turns: Annotated[
        int | None, typer.Option("--max-turns", min=1, help="Leave out episodes with more messages.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Leave out episodes with a longer context of the agent.")
    ] = None,
    per_task: Annotated[
        int | None,
        typer.Option("--per-task", min=1, help="Most rows per task.", show_default="1 for preference, else all"),
    ] = None,
    balance: Annotated[bool, typer.Option("--balance", help="The same number of rows for each intent.")] = False,
    split: Annotated[
        str, typer.Option("--split", metavar="SHARES", help="Shares of train/validation/test.")
    ] = "0.9/0.05/0.05",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the splits.")] = 0,
    bare: Annotated[bool, typer.Option("--bare", help="Only the training columns, without provenance.")] = False,
    audit: Annotated[
        str | None, typer.Option("--audit", metavar="FILE", help="Figures for the card, of t2t audit RUN --json.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", "--license", metavar="ID", help="Licence for the dataset card.")
    ] = None,
    json: Json = False,
) -> None:
    """Export episodes as training data, with a dataset card.

    Formats: sft, rl, preference; hf, a folder for Hugging Face datasets; tau2 and tau2-results, files for tau2-bench.
    """
    with spoken_errors():
        if format == "tau2":
            return _tau2_tasks(runs, out, intent, json)
        if format == "tau2-results":
            return _tau2_results(runs, out, agent, json)
        from t2t_dist.export import Filters, Options
        from t2t_dist.export import export as exported
        from t2t_dist.export.splits import shares_of

        try:
            shares = shares_of(split)
        except ValueError:
            raise InputError(f"--split {split}: give shares of train/validation/test, such as 0.9/0.05/0.05") from None
        filters = Filters(
            min_reward=min_reward,
            intents=tuple(intent),
            agents=tuple(agent),
            process=tuple(process) or None,
            no_faults=no_user_faults,
            max_turns=max_turns,
            max_tokens=max_tokens,
            per_task=per_task,
            balance=balance,
        )
        options = Options(format, style or "hf", file, filters, shares, seed, bare, licence, audit)
        result = exported(runs, out, options)
        console = err_console if json else out_console
        rows = ", ".join(f"{n} {split}" for split, n in result.splits.items())
        console.print(f"{sum(result.splits.values())} rows ({rows}) in [bold]{escaped(out)}[/]", soft_wrap=True)
        _print_left_out(console, result.left_out, asked=bool(process))
        for note in result.notes:
            err_console.print(note_line(note), soft_wrap=True)
        finish(
            {"out": out, "format": format, "splits": result.splits, "left_out": result.left_out, "notes": result.notes},
            json,
        )


def _print_left_out(console: Console, left_out: dict[str, int], *, asked: bool) -> None:
    """What was left out and why; how to keep what failed a process check, unless such a check was ``asked`` for."""
    if left_out:
        console.print("left out:")
    width = max((len(f"{n:,}") for n in left_out.values()), default=0)
    for why, n in left_out.items():
        console.print(f"  {n:>{width},}  {escaped(why)}", soft_wrap=True)
    if not asked and any("process check" in why for why in left_out):
        console.print("  (--process none exports episodes that fail a process check, too)", soft_wrap=True)


def _tau2_tasks(runs: list[str], out: str, intents: list[str], as_json: bool) -> None:
    from t2t_dist.core.schema import INTENTS
    from t2t_dist.tau2.export_tasks import export_tasks

    wanted = [intent for intent in INTENTS if intent in intents]
    if unknown := [intent for intent in intents if intent not in INTENTS]:
        raise InputError(f"--intent {unknown[0]}: give {', '.join(INTENTS)}")
    count = export_tasks(runs, out, wanted)
    (err_console if as_json else out_console).print(f"{count} tasks in [bold]{escaped(out)}[/]", soft_wrap=True)
    finish({"out": out, "format": "tau2", "tasks": count}, as_json)


def _tau2_results(runs: list[str], out: str, agents: list[str], as_json: bool) -> None:
    from t2t_dist.tau2.export_results import export_results

    if len(runs) > 1 or len(agents) > 1:
        raise InputError("a results.json holds one run and one agent; give one RUN and at most one --agent")
    count = export_results(runs[0], out, agents[0] if agents else None)
    (err_console if as_json else out_console).print(f"{count} simulations in [bold]{escaped(out)}[/]", soft_wrap=True)
    finish({"out": out, "format": "tau2-results", "simulations": count}, as_json)
