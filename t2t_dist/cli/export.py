"""``t2t export``: episodes as data to train on. Part of ``t2t_dist/cli/main.py``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from t2t_dist.core.errors import InputError

from .common import Intents, Json, err_console, escaped, finish, out_console, spoken_errors

app = typer.Typer()


@app.command()
def export(
    runs: Annotated[list[str], typer.Argument(help="Run directories, finished or not.")],
    format: Annotated[str, typer.Option("--format", "-f", help="sft, rl, preference, hf, tau2 or tau2-results.")],
    out: Annotated[str, typer.Option("--out", "-o", help="A new folder; for tau2 a new file.")],
    style: Annotated[str | None, typer.Option(help="Messages as openai or hf (TRL) has them.")] = None,
    file: Annotated[str, typer.Option(help="jsonl or parquet.")] = "jsonl",
    min_reward: Annotated[float | None, typer.Option(help="Lowest reward; sft: 1.0, and never less.")] = None,
    intent: Intents = [],
    agent: Annotated[list[str], typer.Option(help="Only this agent's episodes; repeatable.")] = [],
    process: Annotated[list[str], typer.Option(help="A process check that must hold; repeatable.")] = [],
    no_faults: Annotated[bool, typer.Option("--no-faults", help="None with faults of the simulated user.")] = False,
    max_turns: Annotated[int | None, typer.Option(min=1, help="None with more messages than that.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="None with a longer context of the agent's.")] = None,
    per_task: Annotated[int | None, typer.Option(min=1, help="At most so many rows a task.")] = None,
    balance: Annotated[bool, typer.Option("--balance", help="As many rows of each intent.")] = False,
    split: Annotated[str, typer.Option(help="Shares of train/validation/test.")] = "0.9/0.05/0.05",
    seed: Annotated[int, typer.Option(help="Seed of the splits.")] = 0,
    bare: Annotated[bool, typer.Option("--bare", help="Only what is trained on, not where it is from.")] = False,
    licence: Annotated[str | None, typer.Option("--licence", "--license", help="Licence for the card.")] = None,
    json: Json = False,
) -> None:
    """Export episodes to train on, with a dataset card: sft, rl, preference or a folder for Hugging Face's datasets."""
    with spoken_errors():
        if format == "tau2":
            return _tau2_tasks(runs, out, intent, json)
        if format == "tau2-results":
            return _tau2_results(runs, out, agent, json)
        from t2t_dist.export import Filters, Options
        from t2t_dist.export import export as exported
        from t2t_dist.export.splits import shares_of

        from .terminal import printable

        try:
            shares = shares_of(split)
        except ValueError:
            raise InputError(f"--split {split}: give shares of train/validation/test, such as 0.9/0.05/0.05") from None
        filters = Filters(
            min_reward=min_reward,
            intents=tuple(intent),
            agents=tuple(agent),
            process=tuple(process),
            no_faults=no_faults,
            max_turns=max_turns,
            max_tokens=max_tokens,
            per_task=per_task,
            balance=balance,
        )
        options = Options(format, style or "hf", file, filters, shares, seed, bare, licence)
        found = exported(runs, out, options)
        console = err_console if json else out_console
        rows = ", ".join(f"{n} {split}" for split, n in found.splits.items())
        console.print(f"{sum(found.splits.values())} rows ({rows}) in [bold]{escaped(out)}[/]", soft_wrap=True)
        if found.left_out:
            told = ", ".join(f"{n} {why}" for why, n in found.left_out.items())
            console.print(f"left out: {escaped(told)}", soft_wrap=True)
        for note in found.notes:
            err_console.print(Text("note: ", "yellow").append(printable(note), "default"), soft_wrap=True)
        finish(
            {"out": out, "format": format, "splits": found.splits, "left_out": found.left_out, "notes": found.notes},
            json,
        )


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
        raise InputError("a results.json is of one run and one agent; name one of each")
    count = export_results(runs[0], out, agents[0] if agents else None)
    (err_console if as_json else out_console).print(f"{count} simulations in [bold]{escaped(out)}[/]", soft_wrap=True)
    finish({"out": out, "format": "tau2-results", "simulations": count}, as_json)
