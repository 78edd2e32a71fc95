"""Commands that read stored runs: verify, regrade, show, status, view."""

from __future__ import annotations

import contextlib
import os
import webbrowser
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.text import Text

from t2t_dist.core.errors import DamagedRun, InputError
from t2t_dist.core.schema import INTENTS

from .common import (
    CHECK,
    GATE_FAILED,
    LOOK,
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

app = typer.Typer()


# -- stored data -------------------------------------------------------------------------------------------------------
@app.command(rich_help_panel=CHECK)
def verify(
    run: Annotated[str, run_argument("Run with tasks.")],
    against: Annotated[
        list[str],
        typer.Option(
            "--against", metavar="RUN", help="Run with which these tasks must have nothing in common; repeatable."
        ),
    ] = [],
    files: Annotated[
        bool, typer.Option("--files", help="Check all files instead: shards, ledger, manifest, status.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="With --files: drop what is damaged; the run's command makes it again.")
    ] = False,
    for_good: Annotated[
        bool,
        typer.Option(
            "--for-good", help="With --repair: also drop what that command, now of other code, can't make again."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Verify the stored tasks of a run again, from the data alone.

    Exits 1 if a verdict changed, rows or files are damaged, or tasks overlap with those of --against.
    """
    with spoken_errors(), _damage_is_found():
        if repair and not files:
            raise InputError("--repair goes with --files: t2t verify RUN --files --repair")
        if for_good and not repair:
            raise InputError("--for-good goes with --repair: t2t verify RUN --files --repair --for-good")
        if files:
            if against:
                raise InputError("--files checks bytes and --against tasks: give one of them")
            return _checked_files(run, repair, for_good, json)
        from t2t_dist.pipeline.recheck import damaged_tables, reverify
        from t2t_dist.storage.source_run import Source

        source = Source(run)
        _note_unchecked(source)
        # Reported before the rows are read as tasks: altered rows may not be readable as tasks.
        damaged = list(damaged_tables(source))
        for table in damaged:
            err_console.print(
                f"[bold red]the rows of {escaped(table)} are not those that were committed[/]: a shard was altered"
            )
        verdicts, changed = reverify(source)
        more: dict[str, Any] = {"verdicts": dict(verdicts)}
        shared = False
        if against:
            from t2t_dist.pipeline.contamination import overlaps

            shared_with = overlaps(source, [Source(path) for path in against])
            more["against"] = [_overlap_part(overlap) for overlap in shared_with]
            shared = any(overlap.same_entities or overlap.same_actions for overlap in shared_with)
        _rechecked("verdict", sum(verdicts.values()), changed, damaged, more, json)
        if shared:
            raise typer.Exit(GATE_FAILED)


@contextlib.contextmanager
def _damage_is_found() -> Iterator[None]:
    """For a command that checks a run: damage is what it has found, not bad input."""
    try:
        yield
    except DamagedRun as error:
        err_console.print(f"[bold red]damaged:[/] {escaped(str(error))}", soft_wrap=True)
        raise typer.Exit(GATE_FAILED) from None


def _note_unchecked(source: Any) -> None:
    for note in source.reader.unchecked_note(source.path):
        err_console.print(Text("note: ", "yellow").append(note, "default"), soft_wrap=True)


def _checked_files(run: str, repair: bool, for_good: bool, as_json: bool) -> None:
    """``t2t verify RUN --files``."""
    from t2t_dist.storage import file_check
    from t2t_dist.storage.objects.opening import open_storage

    storage = open_storage(run)
    found = file_check.check_files(storage)
    err_console.print(f"{found.files} files checked, {len(found.damaged)} damaged")
    for damage in found.damaged[:20]:
        lost = f"; {damage.rows:,} rows" if damage.rows else ""
        err_console.print(Text(f"  {damage.file}: {damage.what}{lost}"), soft_wrap=True)
    if len(found.damaged) > 20:
        err_console.print("  and more; --json lists all of them")
    if found.unchecked:
        err_console.print(
            f"{found.unchecked} shards have no checksums (an older t2t wrote them): they were only decoded;"
            " without --files their rows are compared",
            soft_wrap=True,
        )
    summary: dict[str, Any] = {
        "files": found.files,
        "bytes": found.bytes,
        "damaged": [damage._asdict() for damage in found.damaged],
        "unchecked": found.unchecked,
        "unnamed": [name.encode("utf-8", "backslashreplace").decode() for name in found.unnamed],
    }
    if repair:
        done = file_check.repair(
            storage, found, lambda line: err_console.print(escaped(line), soft_wrap=True), for_good=for_good
        )
        summary |= {"dropped_rows": done.rows, "restored": len(done.restored)}
        if done.restored:
            err_console.print(f"restored {len(done.restored)} commits from what a checkpoint and an index hold")
        if found.damaged:
            more = f", and those of {done.unread} commits that can't be read" if done.unread else ""
            again = "" if for_good else "; the command that made the run makes them again"
            err_console.print(f"dropped {done.rows:,} rows{more}{again}", soft_wrap=True)
        return finish(summary, as_json)
    if found.damaged:
        err_console.print(
            "Restore these files from a copy; or, with --repair, drop them: the command that made the run then makes"
            " their items again",
            soft_wrap=True,
        )
    finish(summary, as_json)
    if found.damaged:
        raise typer.Exit(GATE_FAILED)


def _overlap_part(overlap: Any) -> dict[str, Any]:
    """Print an overlap; its part of the JSON."""
    same, near = len(overlap.same_actions), len(overlap.same_entities)
    err_console.print(
        escaped(
            f"against {overlap.reference} ({overlap.reference_tasks} tasks): {same} tasks do the same, {near} are about"
            f" the same entities{': ' + ', '.join(overlap.entities[:5]) if overlap.entities else ''}"
        )
    )
    return {**overlap._asdict(), "entities": overlap.entities[:100], "shared_entities": len(overlap.entities)}


@app.command(rich_help_panel=CHECK)
def regrade(run: Annotated[str, run_argument("Run with episodes.")], json: Json = False) -> None:
    """Grade the stored episodes of a run again, from task and transcript.

    Exits 1 if a reward changed, or rows are damaged.
    """
    with spoken_errors(), _damage_is_found():
        from t2t_dist.pipeline.recheck import regrade as again
        from t2t_dist.storage.source_run import Source

        source = Source(run)
        _note_unchecked(source)
        count, changed = again(source)
        _rechecked("grade", count, changed, [], {}, json)


def _rechecked(
    what: str, count: int, changed: list[Any], damaged: list[str], more: dict[str, Any], as_json: bool
) -> None:
    err_console.print(f"{count} {what}s checked again, {len(changed)} changed")
    for difference in changed[:20]:
        err_console.print(f"  {escaped(f'{difference.item}: {difference.stored} -> {difference.now}')}")
    summary = {
        "checked": count,
        "changed": len(changed),
        "differences": [d._asdict() for d in changed[:100]],
        "damaged": damaged,
    }
    finish(summary | more, as_json)
    if changed or damaged:
        raise typer.Exit(GATE_FAILED)


@app.command(rich_help_panel=LOOK)
def show(
    run: Annotated[str, run_argument("Run with tasks, or an evaluation of such a run.")],
    limit: Annotated[int, how_many("tasks to print, evenly over the intents", min=0)] = 4,
    intent: IntentFilter = None,
    agent: Annotated[
        str | None,
        typer.Option("--agent", metavar="MODEL", help="Agent whose episodes to print.", show_default="first by name"),
    ] = None,
    rejected: Annotated[bool, typer.Option("--rejected", help="Print rejected tasks and why.")] = False,
) -> None:
    """Print tasks, each with its certificate and an episode."""
    with spoken_errors():
        from t2t_dist.storage.source_run import Source

        from .terminal import show as printed

        if intent is not None and intent not in INTENTS:
            raise InputError(f"--intent {intent}: intents are {', '.join(INTENTS)}")
        source = Source(run)
        tasks = source
        if source.manifest.kind == "evaluate" and source.manifest.config.source:
            tasks = Source(source.manifest.config.source)
        if not printed(out_console, tasks, intent, limit, agent, rejected, episodes=source):
            kind = "rejected" if rejected else "verified"
            raise InputError(f"{run} holds no {kind} task" + (f" of the intent {intent}" if intent else ""))


@app.command(rich_help_panel=LOOK)
def status(
    run: Annotated[str, run_argument("Run, on any machine that can read it.")],
    timeline: Annotated[bool, typer.Option("--timeline", help="Print every state of each engine.")] = False,
    stacks: Annotated[
        bool, typer.Option("--stacks", help="Ask the driver where in the code the oldest episodes are.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the progress of a run, its workers and its engines."""
    with spoken_errors():
        from t2t_dist.storage.manifest import check_is_run
        from t2t_dist.storage.objects.opening import open_storage
        from t2t_dist.storage.status import ask_for_stacks, read_status

        from .terminal import stacks_lines, status_tables

        storage = open_storage(run)
        check_is_run(storage)
        state = read_status(storage)
        if state is None:
            raise InputError(f"{run} has no status: no driver has written to it; see t2t report {run}")
        if stacks:
            state["stacks"] = ask_for_stacks(storage)
        for part in (*status_tables(state, timeline), *stacks_lines(state)):
            (err_console if json else out_console).print(part)
        finish(state, json)


@app.command(rich_help_panel=LOOK)
def view(
    runs: Annotated[list[str], run_argument("Runs, finished or not.")],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port on the loopback interface; 0 takes a free one.")
    ] = 0,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the address in this machine's browser.")] = False,
    json: Json = False,
) -> None:
    """Browse runs in a local web viewer: tasks, episodes, comparisons.

    Serves this machine only, until Ctrl-C.
    """
    with spoken_errors():
        import asyncio

        from t2t_dist.view.server import serving

        async def serve() -> None:
            async with serving(runs, port) as address:
                out_console.print(f"Open [bold]{address}[/]", soft_wrap=True) if not json else None
                finish({"url": address, "pid": os.getpid()}, json)
                if open_browser:
                    webbrowser.open(address)
                await until_stopped()

        try:
            asyncio.run(serve())
        except KeyboardInterrupt:
            pass  # that is how one leaves


async def until_stopped() -> None:
    """Wait for SIGTERM or Ctrl-C, which a shell may make its background jobs ignore."""
    import asyncio
    import signal

    stopped = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # not on Windows, whose loop has no signals
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
