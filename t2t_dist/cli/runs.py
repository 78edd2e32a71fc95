"""The commands that look at what there is: stored runs, a run's status. Part of ``t2t_dist/cli/main.py``."""

from __future__ import annotations

import contextlib
import os
import webbrowser
from typing import Annotated, Any

import typer

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import INTENTS
from t2t_dist.storage.objects.opening import open_storage

from .common import GATE_FAILED, Json, err_console, escaped, finish, out_console, spoken_errors

app = typer.Typer()


# -- stored data -------------------------------------------------------------------------------------------------------
@app.command()
def verify(
    run: Annotated[str, typer.Argument(help="A run directory with tasks.")],
    against: Annotated[
        list[str], typer.Option(help="A run directory whose tasks these must have nothing in common with; repeatable.")
    ] = [],
    json: Json = False,
) -> None:
    """Verify stored tasks again from the data alone; exit 1 if a verdict changed, rows are damaged or tasks overlap."""
    with spoken_errors():
        from t2t_dist.pipeline.recheck import damaged_tables, reverify
        from t2t_dist.storage.source_run import Source

        source = Source(run)
        # Said before the rows are read as tasks: what was altered may not be readable as one.
        damaged = list(damaged_tables(source))
        for table in damaged:
            told = f"the rows of {table} are not those that were committed[/]: a shard was altered"
            err_console.print(f"[bold red]{told}")
        verdicts, changed = reverify(source)
        more: dict[str, Any] = {"verdicts": dict(verdicts)}
        shared = False
        if against:
            from t2t_dist.pipeline.contamination import overlaps

            found = overlaps(source, [Source(path) for path in against])
            more["against"] = [_told(overlap) for overlap in found]
            shared = any(overlap.same_entities or overlap.same_actions for overlap in found)
        _rechecked("verdict", sum(verdicts.values()), changed, damaged, more, json)
        if shared:
            raise typer.Exit(GATE_FAILED)


def _told(overlap: Any) -> dict[str, Any]:
    """An overlap on the terminal, and for the summary."""
    same, near = len(overlap.same_actions), len(overlap.same_entities)
    err_console.print(
        escaped(
            f"against {overlap.reference} ({overlap.reference_tasks} tasks): {same} tasks do the same, {near} are about"
            f" the same entities{': ' + ', '.join(overlap.entities[:5]) if overlap.entities else ''}"
        )
    )
    return {**overlap._asdict(), "entities": overlap.entities[:100], "shared_entities": len(overlap.entities)}


@app.command()
def regrade(run: Annotated[str, typer.Argument(help="A run directory with episodes.")], json: Json = False) -> None:
    """Grade stored episodes again from task and transcript; exit 1 if a reward changed."""
    with spoken_errors():
        from t2t_dist.pipeline.recheck import regrade as again
        from t2t_dist.storage.source_run import Source

        count, changed = again(Source(run))
        _rechecked("grade", count, changed, [], {}, json)


def _rechecked(
    what: str, count: int, changed: list[Any], damaged: list[str], more: dict[str, Any], as_json: bool
) -> None:
    err_console.print(f"{count} {what}s made again, {len(changed)} changed")
    for difference in changed[:20]:
        told = f"  {difference.item}: {difference.stored} -> {difference.now}"
        err_console.print(escaped(told))
    summary = {
        "checked": count,
        "changed": len(changed),
        "differences": [d._asdict() for d in changed[:100]],
        "damaged": damaged,
    }
    finish(summary | more, as_json)
    if changed or damaged:
        raise typer.Exit(GATE_FAILED)


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="A run directory with tasks, or of an evaluation.")],
    intent: Annotated[str | None, typer.Option(help="Only this intent.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", help="Tasks of each intent.")] = 3,
    agent: Annotated[str | None, typer.Option(help="Whose episodes; default: the first by name.")] = None,
    rejected: Annotated[bool, typer.Option("--rejected", help="Show rejected tasks and why.")] = False,
) -> None:
    """Print tasks with their two sides, certificate and a dialogue each."""
    with spoken_errors():
        from t2t_dist.storage.source_run import Source

        from .terminal import show as printed

        if intent is not None and intent not in INTENTS:
            raise InputError(f"--intent {intent}: intents are {', '.join(INTENTS)}")
        source = Source(run)
        tasks = source
        if source.manifest.kind == "evaluate" and source.manifest.config.source:
            tasks = Source(source.manifest.config.source)
        if not printed(out_console, tasks, intent, count, agent, rejected, episodes=source):
            kind = "rejected" if rejected else "verified"
            raise InputError(f"{run} holds no {kind} task" + (f" of the intent {intent}" if intent else ""))


@app.command()
def status(
    run: Annotated[str, typer.Argument(help="A run directory, from any machine that sees it.")],
    timeline: Annotated[bool, typer.Option("--timeline", help="Every engine's states since the start.")] = False,
    stacks: Annotated[bool, typer.Option("--stacks", help="Ask the driver where its oldest episodes stand.")] = False,
    json: Json = False,
) -> None:
    """Print what a run is at: progress, yield, slowest episodes, workers, engines with their states and logs."""
    with spoken_errors():
        from t2t_dist.storage.status import ask_for_stacks, read_status

        from .terminal import stacks_told, status_tables

        storage = open_storage(run)
        found = read_status(storage)
        if found is None:
            raise InputError(f"{run} has no status: no driver has written there; see t2t report {run}")
        if stacks:
            found["stacks"] = ask_for_stacks(storage)
        for part in (*status_tables(found, timeline), *stacks_told(found)):
            (err_console if json else out_console).print(part)
        finish(found, json)


@app.command()
def view(
    runs: Annotated[list[str], typer.Argument(help="Run directories, also ones that are still being written.")],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on the loopback interface; default: a free one.")
    ] = 0,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in this machine's browser.")] = False,
    json: Json = False,
) -> None:
    """Look at runs in a browser: tasks, certificates, episodes, comparisons. Serves this machine only, until Ctrl-C."""
    with spoken_errors():
        import asyncio

        from t2t_dist.view.server import serving

        async def serve() -> None:
            async with serving(runs, port) as address:
                out_console.print(f"Open [bold]{address}[/]", soft_wrap=True) if not json else None
                finish({"url": address, "pid": os.getpid()}, json)
                if open_browser:
                    webbrowser.open(address)
                await until_told_to_stop()

        try:
            asyncio.run(serve())
        except KeyboardInterrupt:
            pass  # that is how one leaves


async def until_told_to_stop() -> None:
    """Wait for SIGTERM or Ctrl-C, which a shell may have told its background jobs to ignore."""
    import asyncio
    import signal

    stopped = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # not on Windows, whose loop has no signals
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
